/** The map's style: sources and layers for MapLibre, made from what is loaded; no tiles, no fonts, no sprite. */

import type { LayerSpecification, SourceSpecification, StyleSpecification } from "maplibre-gl";
import type { FeatureCollection } from "geojson";
import type { Palette } from "./palette";
import type { Box } from "./place";

const EMPTY: FeatureCollection = { type: "FeatureCollection", features: [] };
const CLUSTERED_FROM = 150; // places of a layer; fewer are drawn one by one

export interface Sheet {
  type: string;
  index: number;
  ground: boolean;
  points: number;
}

/** Thin lines of latitude and longitude around the city, so that an empty ground still shows where and how large. */
function graticule(box: Box | undefined): FeatureCollection {
  const features: FeatureCollection["features"] = [];
  const [west, south, east, north] = box ?? [0, 0, 0, 0];
  for (const [step, reach] of [[10, 180], [1, 20], [0.1, 1.5]] as const) {
    const [left, right] = [Math.max(-180, west - reach), Math.min(180, east + reach)];
    const [low, high] = [Math.max(-85, south - reach), Math.min(85, north + reach)];
    const add = (coordinates: number[][]): void => {
      features.push({ type: "Feature", properties: { step }, geometry: { type: "LineString", coordinates } });
    };
    for (let at = Math.ceil(left / step); at <= right / step; at += 1) add([[at * step, low], [at * step, high]]);
    for (let at = Math.ceil(low / step); at <= high / step; at += 1) add([[left, at * step], [right, at * step]]);
  }
  return { type: "FeatureCollection", features };
}

export function pointsOf(sheet: Sheet): string {
  return `points-${sheet.index}`;
}

export function shapesOf(sheet: Sheet): string {
  return `shapes-${sheet.index}`;
}

/** Whether a layer's places are drawn together where they lie close. */
export function clustered(sheet: Sheet): boolean {
  return sheet.points >= CLUSTERED_FROM;
}

function sourcesOf(sheets: Sheet[], box: Box | undefined): Record<string, SourceSpecification> {
  const sources: Record<string, SourceSpecification> = {
    grid: { type: "geojson", data: graticule(box) },
    areas: { type: "geojson", data: EMPTY },
    chosen: { type: "geojson", data: EMPTY },
    pulse: { type: "geojson", data: EMPTY },
  };
  for (const sheet of sheets) {
    sources[shapesOf(sheet)] = { type: "geojson", data: EMPTY, tolerance: 0.3 };
    sources[pointsOf(sheet)] = clustered(sheet)
      ? { type: "geojson", data: EMPTY, cluster: true, clusterRadius: 52, clusterMaxZoom: 15 }
      : { type: "geojson", data: EMPTY };
  }
  return sources;
}

function groundLayers(sheet: Sheet, palette: Palette): LayerSpecification[] {
  return [
    { id: `${shapesOf(sheet)}-fill`, type: "fill", source: shapesOf(sheet), filter: ["==", ["geometry-type"], "Polygon"],
      paint: { "fill-antialias": false, "fill-color": ["coalesce", ["get", "paint"], palette.ground] } },
    { id: `${shapesOf(sheet)}-line`, type: "line", source: shapesOf(sheet), layout: { "line-join": "round" },
      paint: { "line-color": palette.line, "line-width": ["interpolate", ["linear"], ["zoom"], 6, 0.6, 12, 1.6] } },
  ];
}

function shapeLayers(sheet: Sheet, palette: Palette): LayerSpecification[] {
  const colour = palette.layers[sheet.index % palette.layers.length] ?? palette.ink;
  return [
    { id: `${shapesOf(sheet)}-fill`, type: "fill", source: shapesOf(sheet), filter: ["==", ["geometry-type"], "Polygon"],
      paint: { "fill-antialias": false, "fill-color": ["coalesce", ["get", "paint"], colour], "fill-opacity": ["case", ["has", "paint"], 0.75, 0.14] } },
    { id: `${shapesOf(sheet)}-line`, type: "line", source: shapesOf(sheet), layout: { "line-join": "round", "line-cap": "round" },
      paint: { "line-color": ["coalesce", ["get", "paint"], colour], "line-opacity": 0.85, "line-width": ["interpolate", ["linear"], ["zoom"], 9, 1.2, 15, 3.5] } },
  ];
}

function pointLayers(sheet: Sheet): LayerSpecification[] {
  const layers: LayerSpecification[] = [
    { id: `${pointsOf(sheet)}-marks`, type: "symbol", source: pointsOf(sheet), filter: ["!", ["has", "point_count"]],
      layout: { "icon-image": ["coalesce", ["get", "sign"], `mark|${sheet.index % 8}`], "icon-allow-overlap": true,
        "icon-padding": 1, "symbol-sort-key": ["coalesce", ["get", "value"], 0] } },
  ];
  if (clustered(sheet)) {
    layers.push({ id: `${pointsOf(sheet)}-groups`, type: "symbol", source: pointsOf(sheet), filter: ["has", "point_count"],
      layout: { "icon-image": ["concat", `group|${sheet.index % 8}|`, ["get", "point_count_abbreviated"]], "icon-allow-overlap": true } });
  }
  return layers;
}

function nameLayers(sheets: Sheet[]): LayerSpecification[] {
  const names: LayerSpecification[] = [
    { id: "area-names", type: "symbol", source: "areas", layout: { "icon-image": ["concat", "name|area|", ["get", "name"]],
      "icon-anchor": "top", "icon-offset": [0, 17], "icon-padding": 1 } },
  ];
  return names.concat(sheets.filter((sheet) => !sheet.ground).map((sheet) => ({
    id: `${pointsOf(sheet)}-names`, type: "symbol", source: pointsOf(sheet), minzoom: 12.5, filter: ["!", ["has", "point_count"]],
    layout: { "icon-image": ["concat", "name|place|", ["get", "name"]], "icon-anchor": "top", "icon-offset": [0, 12], "icon-padding": 1 },
  })));
}

function markedLayers(palette: Palette): LayerSpecification[] {
  return [
    { id: "chosen-line", type: "line", source: "chosen", layout: { "line-join": "round" }, paint: { "line-color": palette.accent, "line-width": 3 } },
    { id: "chosen-case", type: "circle", source: "chosen", filter: ["==", ["geometry-type"], "Point"],
      paint: { "circle-radius": 17, "circle-opacity": 0, "circle-stroke-color": palette.paper, "circle-stroke-width": 6 } },
    { id: "chosen-ring", type: "circle", source: "chosen", filter: ["==", ["geometry-type"], "Point"],
      paint: { "circle-radius": 18, "circle-opacity": 0, "circle-stroke-color": palette.accent, "circle-stroke-width": 3 } },
    { id: "pulse", type: "circle", source: "pulse", filter: ["==", ["geometry-type"], "Point"],
      paint: { "circle-radius": 14, "circle-opacity": 0, "circle-stroke-color": palette.accent, "circle-stroke-width": 2, "circle-stroke-opacity": 0 } },
  ];
}

function paperLayers(palette: Palette, bare: boolean): LayerSpecification[] {
  const line = (step: number, minzoom: number): LayerSpecification => ({
    id: `grid-${step}`, type: "line", source: "grid", minzoom, filter: ["==", ["get", "step"], step],
    paint: { "line-color": bare ? palette.line : palette.grid, "line-opacity": bare ? 0.4 : 1, "line-width": 1 },
  });
  return [{ id: "paper", type: "background", paint: { "background-color": bare ? palette.ground : palette.sea } }, line(10, 0), line(1, 5), line(0.1, 8.5)];
}

/** The whole style for these layers, lowest first; `box` is where the city lies. */
export function styleOf(sheets: Sheet[], palette: Palette, box: Box | undefined): StyleSpecification {
  const above = sheets.filter((sheet) => !sheet.ground).toReversed(); // the list's first layer lies on top
  const ground = sheets.filter((sheet) => sheet.ground);
  return {
    version: 8,
    transition: { duration: 0, delay: 0 },
    sources: sourcesOf(sheets, box),
    layers: [
      ...paperLayers(palette, !ground.length),
      ...ground.flatMap((sheet) => groundLayers(sheet, palette)),
      ...above.flatMap((sheet) => shapeLayers(sheet, palette)),
      ...nameLayers(sheets),
      ...above.flatMap(pointLayers),
      ...ground.flatMap(pointLayers),
      ...markedLayers(palette),
    ],
  };
}
