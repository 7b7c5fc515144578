/** The places that the map shows: GeoJSON of the pool, by type, kept fresh. */

import type { Feature, FeatureCollection, Geometry, Position } from "geojson";

export interface Facts {
  id: string;
  type: string;
  name: string;
  area: string | null;
  attribute?: string;
  label?: string;
  value?: number | null;
  text?: string;
  unit?: string;
  time?: string | null;
}
export type Place = Feature<Geometry, Facts>;
export interface Places extends FeatureCollection<Geometry, Facts> {
  version: number;
  more: boolean;
}
export type Box = [number, number, number, number];

/** Ask the pool for places by type or by id, with the value that colours them. */
export async function fetchPlaces(asked: { type?: string; ids?: string[]; value?: string | undefined; box?: Box | undefined }): Promise<Places> {
  const query = new URLSearchParams();
  if (asked.type) query.append("type", asked.type);
  asked.ids?.forEach((id) => query.append("id", id));
  if (asked.box) query.append("bbox", asked.box.map((part) => part.toFixed(5)).join(","));
  if (asked.value) query.append("value", asked.value);
  const answer = await fetch(`/console/map.geojson?${query}`);
  if (!answer.ok) throw new Error(`map.geojson answers ${answer.status}`);
  return (await answer.json()) as Places;
}

export function isPoint(place: Place): boolean {
  return place.geometry.type === "Point";
}

export function isSurface(place: Place): boolean {
  return place.geometry.type === "Polygon" || place.geometry.type === "MultiPolygon";
}

function positions(geometry: Geometry): Position[] {
  if (geometry.type === "GeometryCollection") return geometry.geometries.flatMap(positions);
  const flat = (part: unknown): Position[] =>
    Array.isArray(part) ? (typeof part[0] === "number" ? [part as Position] : part.flatMap(flat)) : [];
  return flat(geometry.coordinates);
}

/** West, south, east and north of some places. */
export function boxOf(places: Place[]): Box | undefined {
  let box: Box | undefined;
  for (const [x = 0, y = 0] of places.flatMap((place) => positions(place.geometry))) {
    box = box ? [Math.min(box[0], x), Math.min(box[1], y), Math.max(box[2], x), Math.max(box[3], y)] : [x, y, x, y];
  }
  return box;
}

/** The box of most places: the few that lie far out on any side are left to whoever zooms out. */
export function mostOf(places: Place[]): Box | undefined {
  if (places.length < 50) return boxOf(places);
  const middles = places.map((place) => middle(place.geometry));
  const range = (axis: 0 | 1): [number, number] => {
    const sorted = middles.map((at) => at[axis] ?? 0).sort((one, other) => one - other);
    const cut = Math.floor(sorted.length * 0.02);
    return [sorted[cut] ?? 0, sorted[sorted.length - 1 - cut] ?? 0];
  };
  const [[west, east], [south, north]] = [range(0), range(1)];
  return [west, south, east, north];
}

function swept(ring: Position[]): number {
  return ring.reduce((sum, [x = 0, y = 0], index) => {
    const [nextX = 0, nextY = 0] = ring[(index + 1) % ring.length] ?? [];
    return sum + x * nextY - nextX * y;
  }, 0) / 2;
}

/** A point to stand for a place: itself, else the centroid of its largest ring. */
export function middle(geometry: Geometry): Position {
  if (geometry.type === "Point") return geometry.coordinates;
  const rings = geometry.type === "Polygon" ? geometry.coordinates : geometry.type === "MultiPolygon" ? geometry.coordinates.flat() : [];
  const ring = rings.toSorted((one, other) => Math.abs(swept(other)) - Math.abs(swept(one)))[0];
  const area = ring ? swept(ring) : 0;
  const all = positions(geometry);
  if (!ring || Math.abs(area) < 1e-12) return all[Math.floor(all.length / 2)] ?? [0, 0];
  let [x, y] = [0, 0];
  ring.forEach(([x1 = 0, y1 = 0], index) => {
    const [x2 = 0, y2 = 0] = ring[(index + 1) % ring.length] ?? [];
    const cross = x1 * y2 - x2 * y1;
    x += (x1 + x2) * cross;
    y += (y1 + y2) * cross;
  });
  return [x / (6 * area), y / (6 * area)];
}
