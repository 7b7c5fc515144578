/** One line to the server for the whole page: what commits changed comes in as events and goes on as DOM events. */

export interface Change {
  types: string[];
  entities: string[];
  more: boolean;
}

const CHANGE = "landbridge:change";

declare global {
  interface DocumentEventMap {
    [CHANGE]: CustomEvent<Change>;
  }
}

/** Call `told` for each change, wherever the line was opened. */
export function onChange(told: (change: Change) => void): void {
  document.addEventListener(CHANGE, (event) => told(event.detail));
}

/** Gather changes for a while, then tell them as one. */
export function gathered(wait: number, told: (change: Change) => void): (change: Change) => void {
  let timer = 0;
  let types = new Set<string>();
  let entities = new Set<string>();
  let more = false;
  return (change) => {
    change.types.forEach((type) => types.add(type));
    change.entities.forEach((id) => entities.add(id));
    more ||= change.more;
    timer ||= window.setTimeout(() => {
      const all = { types: [...types], entities: [...entities], more };
      timer = 0;
      types = new Set();
      entities = new Set();
      more = false;
      told(all);
    }, wait);
  };
}

/** Open the line and show its state; the browser itself opens it again where it breaks. */
export function openLine(since: string | undefined): void {
  const line = new EventSource(`/console/live${since ? `?since=${since}` : ""}`);
  line.addEventListener("open", () => showState("live"));
  line.addEventListener("error", () => showState("lost"));
  line.addEventListener("change", (event) => {
    document.dispatchEvent(new CustomEvent(CHANGE, { detail: JSON.parse(event.data) as Change }));
  });
  window.addEventListener("pagehide", () => line.close());
}

function showState(state: "live" | "lost"): void {
  for (const place of document.querySelectorAll<HTMLElement>(".live-state")) {
    const text = (state === "live" ? place.dataset["textLive"] : place.dataset["textLost"]) ?? "";
    place.classList.toggle("is-lost", state === "lost");
    if (place.textContent !== text) place.textContent = text;
  }
}
