/** Tables that sort where one clicks on a heading: by `data-sort`, else by number, else by text. */

const collator = new Intl.Collator(document.documentElement.lang, { numeric: true });

function key(row: HTMLTableRowElement, column: number): string {
  const cell = row.cells[column];
  return cell?.dataset["sort"] ?? cell?.querySelector("data")?.value ?? cell?.textContent.trim().replace(/(\d),(?=\d)/g, "$1") ?? "";
}

function compare(one: string, other: string): number {
  const [a, b] = [Number(one), Number(other)];
  return one && other && !Number.isNaN(a) && !Number.isNaN(b) ? a - b : collator.compare(one, other);
}

function sort(table: HTMLTableElement, column: number, descending: boolean): void {
  const body = table.tBodies[0];
  if (!body) return;
  const rows = [...body.rows].map((row) => ({ row, key: key(row, column) }));
  rows.sort((one, other) => compare(one.key, other.key) * (descending ? -1 : 1));
  body.append(...rows.map((one) => one.row));
}

/** Give the headings of every `.sortable` table a button each. */
export function makeSortable(place: ParentNode): void {
  for (const table of place.querySelectorAll<HTMLTableElement>("table.sortable")) {
    const headings = [...(table.tHead?.rows[0]?.cells ?? [])];
    headings.forEach((heading, column) => {
      if (heading.querySelector("button, .unseen")) return;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sorter";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => {
        const descending = heading.ariaSort === "ascending";
        headings.forEach((other) => other.removeAttribute("aria-sort"));
        heading.ariaSort = descending ? "descending" : "ascending";
        sort(table, column, descending);
      });
    });
  }
}
