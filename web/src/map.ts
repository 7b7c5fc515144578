/** The map of the start page: layers, colours, card, list, address and live changes around one drawn ground. */

import "./map.css";
import { Atlas } from "./atlas";
import { showLegend } from "./legend";
import { gathered, onChange, type Change } from "./live";
import { Replay } from "./replay";

const place = document.querySelector<HTMLElement>(".atlas");

class Screen {
  private readonly atlas: Atlas;
  private readonly form: HTMLFormElement;
  private readonly colour: HTMLSelectElement;
  private readonly cardPlace: HTMLElement;
  private readonly notice: HTMLElement;
  private readonly replay: Replay;
  private opener: HTMLElement | null = null;

  constructor(private readonly place: HTMLElement) {
    this.form = this.find("form.layers");
    this.colour = this.find("#colour");
    this.cardPlace = this.find(".card-place");
    this.notice = this.find(".notice");
    this.replay = new Replay(this.find(".replay"), {
      moved: (instant, numbers) => this.atlas.travel(instant, numbers),
      noted: (day, hour) => {
        this.note("day", day);
        this.note("hour", hour);
      },
    });
    this.atlas = new Atlas(place, {
      chosen: (id) => void this.choose(id),
      moved: (view) => this.note("at", view),
      drawn: () => {
        this.tellMore();
        this.legend();
      },
    });
  }

  private find<T extends HTMLElement>(selector: string): T {
    const found = this.place.querySelector<T>(selector);
    if (!found) throw new Error(`The page has no ${selector}.`);
    return found;
  }

  async open(): Promise<void> {
    const asked = new URLSearchParams(location.search);
    await this.atlas.open(this.shown(), this.measure(), asked.get("at"));
    this.find(".paper").hidden = true;
    this.watch();
    this.tellMore();
    this.legend();
    await this.replay.follow(this.measure(), this.atlas.colouring.newest);
    const day = asked.get("day");
    if (day) await this.replay.open(day, Number(asked.get("hour")) || 0);
    const entity = asked.get("entity");
    if (entity) await this.atlas.mark(entity, !asked.has("at"));
    this.place.dataset["ready"] = "";
  }

  private shown(): string[] {
    return [...this.form.querySelectorAll<HTMLInputElement>("input[name=type]:checked")].map((box) => box.value);
  }

  private measure(): { type: string; name: string } | undefined {
    const [type, name] = this.colour.value.split("|");
    return type && name ? { type, name } : undefined;
  }

  private legend(): void {
    const option = this.colour.selectedOptions[0];
    const { scale, newest, lacking } = this.atlas.colouring;
    const label = this.measure() && option ? option.textContent.trim() : "";
    const kind = option?.parentElement instanceof HTMLOptGroupElement ? option.parentElement.label : "";
    showLegend(this.find(".legend"), scale && label ? { label, kind, scale, newest, nodata: lacking ? (this.place.dataset["textNodata"] ?? "") : "" } : undefined);
  }

  private watch(): void {
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("change", (event) => void this.changed(event.target));
    this.place.addEventListener("click", (event) => this.clicked(event));
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !this.cardPlace.hidden) this.close();
    });
    window.addEventListener("popstate", () => location.reload());
    onChange(gathered(500, (change) => void this.refresh(change).catch(() => undefined)));
  }

  private async changed(target: EventTarget | null): Promise<void> {
    if (target === this.colour) {
      await this.atlas.colour(this.measure());
      this.note("colour", this.colour.value);
      await this.replay.follow(this.measure(), this.atlas.colouring.newest);
    } else {
      const shown = this.shown();
      await this.atlas.show(shown);
      this.noteTypes(shown);
    }
    this.tellMore();
    this.legend();
  }

  private clicked(event: MouseEvent): void {
    const target = event.target instanceof Element ? event.target : null;
    if (target?.closest(".card .close")) {
      this.close();
      return;
    }
    const link = target?.closest<HTMLAnchorElement>("a[data-entity]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    this.opener = link;
    void this.choose(link.dataset["entity"] ?? "", true);
  }

  private async choose(id: string, fly = false): Promise<void> {
    if (!(await this.showCard(id))) return;
    this.note("entity", id);
    await this.atlas.mark(id, fly);
    if (fly) this.cardPlace.querySelector<HTMLElement>("h2 a")?.focus();
  }

  private async showCard(id: string): Promise<boolean> {
    const answer = await fetch(`/console/card?${new URLSearchParams({ id })}`);
    if (!answer.ok) return false;
    this.cardPlace.innerHTML = await answer.text();
    this.cardPlace.hidden = false;
    return true;
  }

  private close(): void {
    this.cardPlace.hidden = true;
    this.cardPlace.replaceChildren();
    void this.atlas.mark(null, false);
    this.note("entity", "");
    (this.opener ?? this.find<HTMLElement>(".maplibregl-canvas")).focus({ preventScroll: true });
    this.opener = null;
  }

  private async refresh(change: Change): Promise<void> {
    await this.atlas.refresh(change);
    this.tellMore();
    this.legend();
    const open = this.cardPlace.querySelector<HTMLElement>(".card")?.dataset["entity"];
    if (!open || !(change.more || change.entities.includes(open))) return;
    const focused = this.cardPlace.contains(document.activeElement);
    await this.showCard(open);
    if (focused) this.cardPlace.querySelector<HTMLElement>("h2 a")?.focus({ preventScroll: true });
  }

  private tellMore(): void {
    this.notice.hidden = !this.atlas.more;
    this.notice.textContent = this.atlas.more ? (this.place.dataset["textMore"] ?? "") : "";
  }

  /** Keep the state in the address, so that it can be sent to a colleague. */
  private note(name: string, value: string): void {
    const address = new URL(location.href);
    if (value || name === "colour") address.searchParams.set(name, value);
    else address.searchParams.delete(name);
    history.replaceState(null, "", address);
    for (const next of document.querySelectorAll<HTMLInputElement>(".bar input[name=next]")) next.value = address.pathname + address.search;
  }

  private noteTypes(shown: string[]): void {
    const address = new URL(location.href);
    address.searchParams.delete("type");
    const boxes = this.form.querySelectorAll("input[name=type]").length;
    if (shown.length < boxes) (shown.length ? shown : [""]).forEach((type) => address.searchParams.append("type", type));
    history.replaceState(null, "", address);
  }
}

function fail(place: HTMLElement, reason: unknown): void {
  const notice = place.querySelector<HTMLElement>(".notice");
  const map = place.querySelector<HTMLElement>(".map");
  if (map) map.hidden = true;
  if (notice) {
    notice.textContent = place.dataset["textFailed"] ?? "";
    notice.hidden = false;
  }
  console.warn("The map cannot be drawn:", reason);
}

if (place) {
  try {
    void new Screen(place).open().catch((reason: unknown) => fail(place, reason));
  } catch (reason) {
    fail(place, reason);
  }
}
