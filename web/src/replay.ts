/** The map's time slider: a day of the measure that colours the map, hour by hour, played or moved by hand. */

import { numberText } from "./scale";
import type { Instant } from "./colouring";

interface Day {
  labels: string[];
  values: Record<string, (number | null)[]>;
}
interface Told {
  /** Show this instant of the day; undefined: what is known now. `all`: every value of the day, for the steps of colour. */
  moved: (instant: Instant | undefined, all: number[]) => void;
  noted: (day: string, hour: string) => void;
}

const PAUSE = 900; // milliseconds between two hours

export class Replay {
  private readonly day: HTMLInputElement;
  private readonly hour: HTMLInputElement;
  private readonly play: HTMLButtonElement;
  private readonly now: HTMLButtonElement;
  private readonly said: HTMLOutputElement;
  private found: Day | undefined;
  private timer = 0;

  constructor(private readonly place: HTMLElement, private readonly told: Told) {
    const find = <T extends Element>(selector: string): T => place.querySelector<T>(selector) as T;
    this.day = find("input[type=date]");
    this.hour = find("input[type=range]");
    this.play = find("button.play");
    this.now = find("button.now");
    this.said = find("output");
    this.day.addEventListener("change", () => void this.load(0));
    this.hour.addEventListener("input", () => this.show());
    this.play.addEventListener("click", () => this.toggle());
    this.now.addEventListener("click", () => this.leave());
  }

  private measure: { type: string; name: string } | undefined;

  /** Another measure colours the map: the slider is for it now. `newest` is its newest day, offered first. */
  async follow(measure: { type: string; name: string } | undefined, newest: string | undefined): Promise<void> {
    this.measure = measure;
    this.place.hidden = !measure;
    if (!this.day.value && newest) this.day.value = newest.slice(0, 10);
    if (measure && this.found) await this.load(Number(this.hour.value));
  }

  /** Open at a day and an hour, as an address names them. */
  async open(day: string, hour: number): Promise<void> {
    this.day.value = day;
    await this.load(hour);
  }

  private async load(hour: number): Promise<void> {
    this.stop();
    if (!this.measure || !this.day.value) return this.leave();
    const { type, name } = this.measure;
    const answer = await fetch(`/console/replay.json?${new URLSearchParams({ type, value: name, day: this.day.value })}`);
    this.found = answer.ok ? ((await answer.json()) as Day) : undefined;
    const empty = !this.found || !Object.keys(this.found.values).length;
    this.hour.disabled = this.play.disabled = empty;
    this.now.hidden = false;
    if (empty) {
      this.said.textContent = this.place.dataset["textNothing"] ?? "";
      this.told.moved(undefined, []);
      return;
    }
    this.hour.max = String((this.found?.labels.length ?? 1) - 1);
    this.hour.value = String(hour);
    this.show();
  }

  private show(): void {
    if (!this.found) return;
    const hour = Number(this.hour.value);
    const label = this.found.labels[hour] ?? "";
    const values = new Map(Object.entries(this.found.values).map(([id, some]) => [id, some[hour] ?? null]));
    const numbers = [...values.values()].filter((one) => one !== null);
    const texts = this.place.dataset;
    const range = numbers.length ? `${numberText(Math.min(...numbers))} – ${numberText(Math.max(...numbers))}` : (texts["textNothing"] ?? "");
    this.said.textContent = `${label} · ${range}`;
    this.hour.setAttribute("aria-valuetext", this.said.textContent);
    this.told.moved({ label, values }, Object.values(this.found.values).flat().filter((one) => one !== null));
    this.told.noted(this.day.value, String(hour));
  }

  private toggle(): void {
    if (this.timer) return this.stop();
    if (this.hour.value === this.hour.max) this.hour.value = "0";
    this.play.textContent = this.place.dataset["textPause"] ?? "";
    this.show();
    this.timer = window.setInterval(() => {
      this.hour.value = String(Number(this.hour.value) + 1);
      this.show();
      if (this.hour.value === this.hour.max) this.stop();
    }, PAUSE);
  }

  private stop(): void {
    window.clearInterval(this.timer);
    this.timer = 0;
    this.play.textContent = this.place.dataset["textPlay"] ?? "";
  }

  private leave(): void {
    this.stop();
    this.found = undefined;
    this.hour.disabled = this.play.disabled = this.now.hidden = true;
    this.said.textContent = this.place.dataset["textNow"] ?? "";
    this.told.moved(undefined, []);
    this.told.noted("", "");
  }
}
