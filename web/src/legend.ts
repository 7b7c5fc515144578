/** The legend of a coloured layer: what is measured, in which unit, the steps, and how fresh it is. */

import { stepTexts, type Scale } from "./scale";

export interface Legend {
  label: string;
  kind: string;
  scale: Scale;
  newest: string | undefined;
  nodata: string;
}

function line(className: string, text: string): HTMLElement {
  const made = document.createElement("p");
  made.className = className;
  made.textContent = text;
  return made;
}

function step(className: string, text: string): HTMLElement {
  const made = document.createElement("li");
  const swatch = document.createElement("span");
  swatch.className = `step ${className}`;
  made.append(swatch, text);
  return made;
}

/** Fill the legend, or hide it where nothing is coloured by a measure. */
export function showLegend(place: HTMLElement, legend: Legend | undefined): void {
  place.hidden = !legend;
  if (!legend) return;
  const steps = document.createElement("ul");
  steps.append(...stepTexts(legend.scale).map((one) => step(`step-${one.step}`, one.text)));
  if (legend.nodata) steps.append(step("step-none", legend.nodata));
  const lines = [line("legend-title", legend.label), line("aside", legend.kind), steps];
  if (legend.newest) lines.push(line("aside", legend.newest));
  place.replaceChildren(...lines);
}
