/** The drawn map: what is loaded of each layer, how it is coloured, what is chosen, and what has just changed. */

import maplibregl from "maplibre-gl";
import type { GeoJSONSource, MapGeoJSONFeature, MapMouseEvent } from "maplibre-gl";
import { Colouring, type Instant, type Measure } from "./colouring";
import type { Change } from "./live";
import { readPalette, type Palette } from "./palette";
import { picture } from "./picture";
import { boxOf, fetchPlaces, isPoint, isSurface, middle, mostOf, type Box, type Place } from "./place";
import { numberText, scaleOf } from "./scale";
import { pointsOf, shapesOf, styleOf, type Sheet } from "./style";

const MOST_IDS = 150; // changed entities asked for one by one; with more a layer is loaded again
const PULSE = 1100; // milliseconds
const PADDING = 48;

interface Told {
  chosen: (id: string) => void;
  moved: (view: string) => void;
  drawn: () => void;
}
interface LayerFacts {
  type: string;
  count: number;
  located: boolean;
  ground: boolean;
}
export class Atlas {
  colouring = new Colouring(undefined);
  more = false;
  private map!: maplibregl.Map; // made when the first places are loaded
  private palette: Palette;
  private readonly sheets: Sheet[];
  private readonly places = new Map<string, Map<string, Place>>(); // by type, then by id
  private readonly cut = new Set<string>();
  private shown = new Set<string>();
  private instant: Instant | undefined;
  private chosen: Place | undefined;
  private readonly tip = document.createElement("div");
  private readonly calm = window.matchMedia("(prefers-reduced-motion: reduce)");

  constructor(private readonly place: HTMLElement, private readonly told: Told) {
    this.palette = readPalette(place);
    const facts = JSON.parse(place.dataset["layers"] ?? "[]") as LayerFacts[];
    this.sheets = facts
      .map((one, index) => ({ type: one.type, index, ground: one.ground, points: one.count, located: one.located }))
      .filter((one) => one.located);
    this.tip.className = "tip";
    this.tip.hidden = true;
    this.tip.setAttribute("aria-hidden", "true");
  }

  /** Load what is shown and draw it; `view` is `zoom/latitude/longitude`, else everything is fitted. */
  async open(shown: string[], measure: Measure | undefined, view: string | null): Promise<void> {
    this.shown = new Set(shown);
    this.colouring = new Colouring(measure);
    await Promise.all(this.wanted().map((sheet) => this.load(sheet.type)));
    const container = this.place.querySelector<HTMLElement>(".map");
    if (!container) throw new Error("The page has no place for a map.");
    container.hidden = false;
    this.map = new maplibregl.Map({
      container, style: styleOf(this.sheets, this.palette, this.box()), attributionControl: false, maxZoom: 19, dragRotate: false, pitchWithRotate: false,
      renderWorldCopies: false, fadeDuration: 0, ...this.camera(view),
    });
    this.map.touchZoomRotate.disableRotation();
    this.map.keyboard.disableRotation();
    this.map.addControl(new maplibregl.ScaleControl({ maxWidth: 110 }), "bottom-right");
    this.furnish(container);
    this.map.on("styleimagemissing", (event) => this.drawPicture(event.id));
    await new Promise<void>((resolve) => void this.map.once("load", () => resolve()));
    this.draw();
    this.watch();
  }

  private get measure(): Measure | undefined {
    return this.colouring.measure;
  }

  private wanted(): Sheet[] {
    return this.sheets.filter((sheet) => sheet.ground || this.shown.has(sheet.type));
  }

  private camera(view: string | null): Partial<maplibregl.MapOptions> {
    const [zoom, latitude, longitude] = (view ?? "").split("/").map(Number);
    if (zoom !== undefined && latitude !== undefined && longitude !== undefined && Math.abs(latitude) <= 85 && Math.abs(longitude) <= 180) {
      return { zoom, center: [longitude, latitude] };
    }
    const box = this.box();
    return box ? { bounds: box, fitBoundsOptions: { padding: this.padding(), maxZoom: 15 } } : { zoom: 2, center: [0, 20] };
  }

  /** Where the city lies: its ground, else where most of its places are. */
  private box(): Box | undefined {
    const ground = this.sheets.filter((sheet) => sheet.ground).flatMap((sheet) => this.all(sheet.type));
    return boxOf(ground) ?? mostOf(this.sheets.flatMap((sheet) => this.all(sheet.type)));
  }

  /** Room around what is fitted; on a phone the legend lies along the lower edge. */
  private padding(): { top: number; bottom: number; left: number; right: number } {
    const narrow = window.matchMedia("(max-width: 680px)").matches;
    return narrow ? { top: 30, bottom: this.measure ? 70 : 24, left: 24, right: 24 } : { top: PADDING, bottom: PADDING, left: PADDING, right: PADDING };
  }

  private furnish(container: HTMLElement): void {
    const canvas = this.map.getCanvas();
    canvas.setAttribute("aria-label", this.place.dataset["textMap"] ?? "");
    const zoom = document.createElement("div");
    zoom.className = "zoom";
    for (const [sign, text, turn] of [["+", "textPlus", 1], ["−", "textMinus", -1]] as const) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = sign;
      button.ariaLabel = this.place.dataset[text] ?? sign;
      button.addEventListener("click", () => void this.map.zoomTo(this.map.getZoom() + turn, { animate: !this.calm.matches }));
      zoom.append(button);
    }
    container.after(zoom, this.tip);
  }

  private drawPicture(id: string): void {
    const made = this.map.hasImage(id) ? undefined : picture(id, this.palette);
    if (made) this.map.addImage(id, made.image, made.options);
  }

  /** Load a layer; of one that is too large to be drawn whole, what lies in view. */
  private async load(type: string): Promise<void> {
    const value = this.measure?.type === type ? this.measure.name : undefined;
    const answer = await fetchPlaces({ type, value, box: this.cut.has(type) ? this.view() : undefined });
    this.places.set(type, new Map(answer.features.map((one) => [one.properties.id, one])));
    if (!answer.more) return;
    this.cut.add(type);
    this.more = true;
  }

  private view(): Box | undefined {
    const bounds = (this.map as maplibregl.Map | undefined)?.getBounds();
    if (!bounds) return undefined;
    return [Math.max(-180, bounds.getWest()), Math.max(-90, bounds.getSouth()), Math.min(180, bounds.getEast()), Math.min(90, bounds.getNorth())];
  }

  private async look(): Promise<void> {
    const cut = this.wanted().filter((sheet) => this.cut.has(sheet.type));
    if (!cut.length) return;
    this.more = false;
    await Promise.all(cut.map((sheet) => this.load(sheet.type)));
    this.draw(true);
    this.told.drawn();
  }

  private all(type: string): Place[] {
    const found = [...(this.places.get(type)?.values() ?? [])];
    return this.instant && type === this.measure?.type ? found.map((one) => this.then(one)) : found;
  }

  /** A place as it was at the moment that is shown. */
  private then(one: Place): Place {
    const value = this.instant?.values.get(one.properties.id) ?? null;
    const properties = { ...one.properties, attribute: this.measure?.name, value, text: value === null ? "" : numberText(value), time: this.instant?.label };
    return { ...one, properties: properties as Place["properties"] };
  }

  /** Show a moment of the past, coloured by the steps of `numbers`; undefined: what is known now. */
  travel(instant: Instant | undefined, numbers: number[]): void {
    this.instant = instant;
    const scale = instant ? scaleOf(numbers) : undefined;
    if (scale) this.colouring.scale = scale;
    this.draw(instant !== undefined);
    this.told.drawn();
  }

  private draw(keep = false): void {
    const measured = this.measure && this.shown.has(this.measure.type) ? this.all(this.measure.type) : [];
    this.colouring.look(measured, this.palette, keep);
    for (const sheet of this.sheets) {
      const visible = this.shown.has(sheet.type);
      const places = visible || sheet.ground ? this.all(sheet.type).map((one) => this.colouring.dress(one, this.palette)) : [];
      this.put(shapesOf(sheet), places.filter((one) => !isPoint(one)));
      const coloured = this.measure?.type === sheet.type;
      const signed = places.filter((one) => isSurface(one) && coloured && "sign" in one.properties)
        .map((one) => ({ ...one, geometry: { type: "Point" as const, coordinates: middle(one.geometry) } }));
      this.put(pointsOf(sheet), visible ? [...places.filter(isPoint), ...signed] : []);
    }
    const named = this.sheets.filter((sheet) => sheet.ground && this.shown.has(sheet.type)).flatMap((sheet) => this.all(sheet.type));
    this.raise();
    this.put("areas", named.map((one) => ({ ...one, geometry: { type: "Point" as const, coordinates: middle(one.geometry) } })));
    this.ring();
  }

  /** The coloured layer lies over the others. */
  private raise(): void {
    const sheet = this.sheets.find((one) => one.type === this.measure?.type);
    for (const part of sheet ? ["marks", "groups"] : []) {
      const id = `${pointsOf(sheet as Sheet)}-${part}`;
      if (this.map.getLayer(id)) this.map.moveLayer(id, "chosen-line");
    }
  }

  private put(source: string, features: Place[]): void {
    this.map.getSource<GeoJSONSource>(source)?.setData({ type: "FeatureCollection", features });
  }

  private ring(): void {
    this.put("chosen", this.chosen ? [this.chosen] : []);
  }

  /** Show these layers and no others; what was not loaded yet is loaded. */
  async show(shown: string[]): Promise<void> {
    this.shown = new Set(shown);
    await Promise.all(this.wanted().filter((sheet) => !this.places.has(sheet.type)).map((sheet) => this.load(sheet.type)));
    this.draw();
  }

  /** Colour by a measure, or by kind of place. */
  async colour(measure: Measure | undefined): Promise<void> {
    this.colouring = new Colouring(measure);
    if (measure) await this.load(measure.type);
    this.draw();
  }

  /** Ring a place, and go there where `fly` says so; null takes the ring away. */
  async mark(id: string | null, fly: boolean): Promise<void> {
    const known = id === null ? undefined : this.sheets.map((sheet) => this.places.get(sheet.type)?.get(id)).find((one) => one);
    this.chosen = known ?? (id === null ? undefined : (await fetchPlaces({ ids: [id] })).features[0]);
    this.ring();
    if (!this.chosen || !fly) return;
    const animate = !this.calm.matches;
    if (isPoint(this.chosen)) this.map.easeTo({ center: middle(this.chosen.geometry) as [number, number], zoom: Math.max(this.map.getZoom(), 10), animate });
    else this.map.fitBounds(boxOf([this.chosen]) ?? [0, 0, 0, 0], { padding: this.padding(), maxZoom: 15, animate });
  }

  /** Load again what a change touched. */
  async refresh(change: Change): Promise<void> {
    const touched = this.wanted().filter((sheet) => change.types.includes(sheet.type));
    if (!touched.length) return;
    const before = new Map(touched.flatMap((sheet) => this.all(sheet.type)).map((one) => [one.properties.id, one]));
    if (change.more || change.entities.length > MOST_IDS) await Promise.all(touched.map((sheet) => this.load(sheet.type)));
    else await this.loadSome(change.entities, touched);
    this.draw(true);
    const after = touched.flatMap((sheet) => this.all(sheet.type));
    this.pulse(after.filter((one) => differs(before.get(one.properties.id), one)));
    if (this.chosen) this.chosen = after.find((one) => one.properties.id === this.chosen?.properties.id) ?? this.chosen;
    this.ring();
  }

  private async loadSome(ids: string[], sheets: Sheet[]): Promise<void> {
    if (!ids.length) return;
    const answer = await fetchPlaces({ ids, value: this.measure?.name });
    for (const sheet of sheets) {
      const places = this.places.get(sheet.type);
      ids.forEach((id) => places?.delete(id));
      for (const one of answer.features) if (one.properties.type === sheet.type) places?.set(one.properties.id, one);
    }
  }

  /** Let a ring run out from what has changed, where motion is welcome. */
  private pulse(changed: Place[]): void {
    if (this.calm.matches || !changed.length) return;
    this.put("pulse", changed.slice(0, 200).map((one) => ({ ...one, geometry: { type: "Point" as const, coordinates: middle(one.geometry) } })));
    const start = performance.now();
    const step = (now: number): void => {
      const share = Math.min(1, Math.max(0, (now - start) / PULSE)); // a frame may be timed from before the start
      this.map.setPaintProperty("pulse", "circle-radius", 12 + 14 * share);
      this.map.setPaintProperty("pulse", "circle-stroke-opacity", 1 - share);
      if (share < 1) requestAnimationFrame(step);
      else this.put("pulse", []);
    };
    requestAnimationFrame(step);
  }

  private watch(): void {
    this.map.on("click", (event) => void this.clicked(event));
    this.map.on("mousemove", (event) => this.hovered(event));
    this.map.on("mouseout", () => (this.tip.hidden = true));
    this.map.on("moveend", () => {
      const { lat, lng } = this.map.getCenter();
      void this.look().catch(() => undefined);
      this.told.moved(`${this.map.getZoom().toFixed(2)}/${lat.toFixed(5)}/${lng.toFixed(5)}`);
    });
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.repaint());
  }

  private repaint(): void {
    this.palette = readPalette(this.place);
    this.map.setStyle(styleOf(this.sheets, this.palette, this.box()), { diff: false });
    this.map.once("styledata", () => {
      this.draw(true);
      this.told.drawn();
    });
  }

  private under(event: MapMouseEvent): MapGeoJSONFeature | undefined {
    const near = 6;
    const { x, y } = event.point;
    const found = this.map.queryRenderedFeatures([[x - near, y - near], [x + near, y + near]]);
    const inside = this.map.queryRenderedFeatures(event.point);
    const point = found.find((one) => one.layer.id.startsWith("points-"));
    const line = found.find((one) => one.layer.id.endsWith("-line") && one.properties["id"] && !this.isGround(one));
    return point ?? line ?? inside.find((one) => one.properties["id"]);
  }

  private isGround(one: MapGeoJSONFeature): boolean {
    return this.sheets.some((sheet) => sheet.ground && sheet.type === one.properties["type"]);
  }

  private async clicked(event: MapMouseEvent): Promise<void> {
    const found = this.under(event);
    if (!found) return;
    const group = found.properties["cluster_id"] as number | undefined;
    if (group === undefined) {
      this.told.chosen(String(found.properties["id"]));
      return;
    }
    const source = this.map.getSource<GeoJSONSource>(found.source);
    const zoom = await source?.getClusterExpansionZoom(group);
    if (zoom !== undefined && found.geometry.type === "Point") {
      this.map.easeTo({ center: found.geometry.coordinates as [number, number], zoom: zoom + 0.2, animate: !this.calm.matches });
    }
  }

  private hovered(event: MapMouseEvent): void {
    const found = this.under(event);
    this.map.getCanvas().style.cursor = found ? "pointer" : "";
    this.tip.hidden = !found || found.properties["cluster_id"] !== undefined;
    if (!found || this.tip.hidden) return;
    const { name, label, text, unit } = found.properties as Record<string, string | undefined>;
    this.tip.textContent = label && text ? `${name ?? ""} · ${label} ${text}${unit ? ` ${unit}` : ""}` : (name ?? "");
    this.tip.style.transform = `translate(${event.point.x + 14}px, ${event.point.y + 14}px)`;
  }
}

function differs(before: Place | undefined, after: Place): boolean {
  if (!before) return true;
  const [one, other] = [before.properties, after.properties];
  return one.value !== other.value || one.time !== other.time || String(middle(before.geometry)) !== String(middle(after.geometry));
}

