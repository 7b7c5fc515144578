/** What every page has: the line to the server, fresh values without reload, sortable tables, a key for the search. */

import "./page.css";
import { gathered, onChange, openLine, type Change } from "./live";
import { makeSortable } from "./table";

const main = document.querySelector<HTMLElement>("main");
const atlas = document.querySelector<HTMLElement>(".atlas");

/** Whether a change touches what this page shows. */
function concerns(change: Change): boolean {
  const { liveEntity, liveType, liveAll } = main?.dataset ?? {};
  if (liveAll !== undefined) return true;
  if (liveType) return change.types.includes(liveType);
  return !!liveEntity && (change.more || change.entities.includes(liveEntity));
}

/** What must survive a refresh of a region: which details are open, how far tables are scrolled, where the focus is. */
function noted(region: Element): (fresh: Element) => void {
  const open = [...region.querySelectorAll("details")].map((one) => one.open);
  const scrolled = [...region.querySelectorAll(".scroll")].map((one) => [one.scrollLeft, one.scrollTop] as const);
  const focusable = "a, button, input, select, summary, [tabindex]";
  const focused = [...region.querySelectorAll(focusable)].indexOf(document.activeElement as Element);
  const said = new Map([...region.querySelectorAll("[data-key]")].map((one) => [(one as HTMLElement).dataset["key"], one.textContent]));
  return (fresh) => {
    fresh.querySelectorAll("details").forEach((one, index) => (one.open = open[index] ?? one.open));
    fresh.querySelectorAll(".scroll").forEach((one, index) => one.scrollTo(...(scrolled[index] ?? [0, 0])));
    if (focused >= 0) fresh.querySelectorAll<HTMLElement>(focusable)[focused]?.focus({ preventScroll: true });
    for (const one of fresh.querySelectorAll<HTMLElement>("[data-key]")) {
      const before = said.get(one.dataset["key"]);
      if (before !== undefined && before !== one.textContent) one.classList.add("has-changed");
    }
  };
}

/** Fetch this page again and put its live regions in place of the old ones. */
async function refresh(): Promise<void> {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok || answer.redirected) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const region of document.querySelectorAll<HTMLElement>("[data-live]")) {
    const next = fresh.querySelector(`[data-live="${region.dataset["live"]}"]`);
    if (!next || next.innerHTML === region.innerHTML) continue;
    const restore = noted(region);
    const sorted = region.querySelector("th[aria-sort] .sorter") !== null;
    if (sorted) continue; // a table that someone has sorted stays as it is until they ask again
    region.replaceWith(next);
    makeSortable(next);
    restore(next);
  }
}

function watchKeys(): void {
  document.addEventListener("keydown", (event) => {
    const typing = event.target instanceof Element && event.target.closest("input, select, textarea");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      const field = [...document.querySelectorAll<HTMLInputElement>("input[type=search]")].find((one) => one.checkVisibility());
      if (field) {
        event.preventDefault();
        field.select();
        field.focus();
      }
    }
  });
}

makeSortable(document);
watchKeys();
if (main && (atlas || main.matches("[data-live-entity], [data-live-type], [data-live-all]"))) {
  openLine(atlas?.dataset["version"] ?? main.dataset["version"]);
  if (!atlas) {
    const wait = main.dataset["liveAll"] === undefined ? 700 : 2500;
    const gather = gathered(wait, () => void refresh().catch(() => undefined)); // the next change tries again
    onChange((change) => concerns(change) && gather(change));
  }
}
