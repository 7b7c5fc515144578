/** The steps by which a measure colours the map: up to five, each with about as many places, with round bounds. */

export const STEPS = 5;

export interface Scale {
  /** Lower bounds of the second and later steps, growing. */
  bounds: number[];
  low: number;
  high: number;
}

function round(value: number): number {
  return value === 0 ? 0 : Number(value.toPrecision(2));
}

/** Find the steps for some values; undefined where there are none. */
export function scaleOf(values: number[]): Scale | undefined {
  const sorted = values.filter(Number.isFinite).sort((one, other) => one - other);
  const [low, high] = [sorted[0], sorted.at(-1)];
  if (low === undefined || high === undefined) return undefined;
  const bounds = new Set<number>();
  for (let step = 1; step < STEPS; step += 1) {
    const bound = round(sorted[Math.floor((sorted.length * step) / STEPS)] ?? high);
    if (bound > low && bound <= high) bounds.add(bound);
  }
  return { bounds: [...bounds].sort((one, other) => one - other), low, high };
}

/** The step of a value, spread over the palette so that few steps still differ. */
export function stepOf(scale: Scale, value: number): number {
  const step = scale.bounds.filter((bound) => value >= bound).length;
  return scale.bounds.length ? Math.round((step * (STEPS - 1)) / scale.bounds.length) : 2;
}

export function numberText(value: number): string {
  return value.toLocaleString("en", { maximumSignificantDigits: Math.abs(value) >= 1000 ? 6 : 4 });
}

/** Each step's palette place and text, lowest first. */
export function stepTexts(scale: Scale): { step: number; text: string }[] {
  const edges = [scale.low, ...scale.bounds, scale.high];
  const texts: { step: number; text: string }[] = [];
  for (let index = 0; index + 1 < edges.length; index += 1) {
    const [from, to] = [edges[index] ?? 0, edges[index + 1] ?? 0];
    const text = from === to ? numberText(from) : `${numberText(from)} – ${numberText(to)}`;
    texts.push({ step: stepOf(scale, from), text });
  }
  return texts;
}
