/** The colours of the style sheet, as the map's canvas needs them: resolved for the scheme that is on. */

import { STEPS } from "./scale";

export interface Palette {
  paper: string;
  sea: string;
  ground: string;
  line: string;
  grid: string;
  ink: string;
  quiet: string;
  halo: string;
  accent: string;
  nodata: string;
  layers: string[];
  steps: string[];
  stepInks: string[];
}

/** Read the palette through an element, so that the browser resolves what `light-dark()` means now. */
export function readPalette(place: HTMLElement): Palette {
  const probe = document.createElement("span");
  probe.hidden = true;
  place.append(probe);
  const read = (name: string): string => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const many = (name: string, number: number): string[] => Array.from({ length: number }, (_, index) => read(`${name}-${index}`));
  const palette = {
    paper: read("surface"),
    sea: read("map-sea"),
    ground: read("map-ground"),
    line: read("map-line"),
    grid: read("map-grid"),
    ink: read("ink"),
    quiet: read("ink-2"),
    halo: read("map-ground"),
    accent: read("accent"),
    nodata: read("map-nodata"),
    layers: many("layer", 8),
    steps: many("step", STEPS),
    stepInks: many("step-ink", STEPS),
  };
  probe.remove();
  return palette;
}
