/** How a measure colours a layer: its steps, each place's sign, and the areas that take the colour of who speaks of them. */

import type { Palette } from "./palette";
import type { Place } from "./place";
import { numberText, scaleOf, stepOf, type Scale } from "./scale";

export interface Measure {
  type: string;
  name: string;
}

/** A moment of the past: what each place said then, null where it said nothing. */
export interface Instant {
  label: string;
  values: Map<string, number | null>;
}

type Dressed = Place["properties"] & { sign?: string; paint?: string };

/** A colour laid thinly over the ground: mixed here, since a see-through fill shows the seams of its triangles. */
function wash(colour: string, ground: string): string {
  const parts = (text: string): number[] => (text.match(/[\d.]+/g) ?? []).slice(0, 3).map(Number);
  const below = parts(ground);
  const mixed = parts(colour).map((part, index) => Math.round(part * 0.85 + (below[index] ?? 0) * 0.15));
  return `rgb(${mixed.join(", ")})`;
}

export class Colouring {
  scale: Scale | undefined;
  /** The newest time of what is coloured, as people read it. */
  newest: string | undefined;
  /** Whether some places of the layer have no value. */
  lacking = false;
  private painted = new Map<string, string>();

  constructor(readonly measure: Measure | undefined) {}

  valueOf(one: Place): number | undefined {
    const { attribute, value } = one.properties;
    return attribute === this.measure?.name && typeof value === "number" ? value : undefined;
  }

  /** Look at the layer's places; with `keep` the steps stay as they are, so that a legend does not jump. */
  look(places: Place[], palette: Palette, keep: boolean): void {
    const valued = places.filter((one) => this.valueOf(one) !== undefined);
    const fresh = scaleOf(valued.map((one) => this.valueOf(one) ?? 0));
    const before = keep ? this.scale : undefined;
    this.scale = before && fresh ? { bounds: before.bounds, low: Math.min(fresh.low, before.low), high: Math.max(fresh.high, before.high) } : fresh;
    this.lacking = valued.length < places.length;
    const times = valued.map((one) => one.properties.time ?? "");
    this.newest = times.reduce((one, other) => (other > one ? other : one), "") || undefined;
    this.painted = this.areas(valued, palette);
  }

  private colour(value: number, palette: Palette): string {
    return this.scale ? (palette.steps[stepOf(this.scale, value)] ?? palette.nodata) : palette.nodata;
  }

  /** Areas of which exactly one place says that it speaks of them. */
  private areas(valued: Place[], palette: Palette): Map<string, string> {
    const painted = new Map<string, string>();
    const several = new Set<string>();
    for (const one of valued) {
      const { area } = one.properties;
      if (!area) continue;
      if (painted.has(area)) several.add(area);
      painted.set(area, wash(this.colour(this.valueOf(one) ?? 0, palette), palette.ground));
    }
    several.forEach((area) => painted.delete(area));
    return painted;
  }

  /** Give a place its sign or its paint. */
  dress(one: Place, palette: Palette): Place {
    const { sign: _sign, paint: _paint, ...properties } = one.properties as Dressed;
    const value = this.measure?.type === properties.type ? this.valueOf(one) : undefined;
    const area = this.painted.get(properties.id);
    const extra: { sign?: string; paint?: string } = {};
    if (value !== undefined && this.scale) {
      extra.sign = `value|${stepOf(this.scale, value)}|${numberText(value)}`;
      extra.paint = this.colour(value, palette);
    } else if (area) extra.paint = area;
    return { ...one, properties: { ...properties, ...extra } };
  }
}
