"""OpenDocument spreadsheets (ODS) as streams of rows. OpenDocument 1.3 part 3, section 9.

Rows and cells that repeat are counted, not unrolled, where they are empty; unrolled they count against the bound.
"""

import datetime
import re
from collections.abc import Iterator

from landbridge.errors import TooMuch
from landbridge.sources.sheet import MOST_COLUMNS, MOST_ROWS, Faults, Merge, Row, Value, check_text, number
from landbridge.sources.xlsx import iso_moment
from landbridge.sources.xml_part import Archive, attribute, finish

CONTENT = "content.xml"
SPAN = re.compile(r"P(?:(\d+)D)?T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?")
ASIDE = ("annotation", "shapes", "forms", "table-source")  # what is in a table and is no cell's text


class OdsWorkbook:
    """An ODS workbook in an opened archive. `most_cells`: how many cells repeats may unroll to."""

    def __init__(self, archive: Archive, most_cells: int) -> None:
        self.archive = archive
        self.most_cells = most_cells
        self.names: list[str] = []

        def start(name: str, attributes: dict[str, str]) -> None:
            if name == "table" and len(self.names) < 10_000:
                self.names.append(attribute(attributes, "name") or "")

        finish(archive.events(CONTENT, start))

    def merged(self, sheet: int) -> list[Merge]:
        reader = TableReader(self, sheet, Faults())
        for _ in self.archive.events(CONTENT, reader.start, reader.end):
            reader.done.clear()
        return reader.merges

    def rows(self, sheet: int, faults: Faults) -> Iterator[Row]:
        reader = TableReader(self, sheet, faults)
        for _ in self.archive.events(CONTENT, reader.start, reader.end, reader.text):
            for row, repeated in reader.done:
                for place in range(repeated):
                    yield Row(row.number + place, row.cells)
            reader.done.clear()
            if reader.tables > sheet + 1:
                return


class TableReader:
    """Turns the events of the content part into the rows of one table."""

    def __init__(self, book: OdsWorkbook, sheet: int, faults: Faults) -> None:
        self.book, self.sheet, self.faults = book, sheet, faults
        self.where = f"{book.archive.name} [{book.names[sheet]}]"
        self.done: list[tuple[Row, int]] = []
        self.merges: list[Merge] = []
        self.tables = 0
        self.left = book.most_cells
        self.row = 1
        self.repeated = 1
        self.column = 0
        self.cells: dict[int, Value] = {}
        self.attributes: dict[str, str] = {}
        self.parts: list[str] = []
        self.length = self.aside = 0
        self.within = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "table":
            self.tables += 1
            self.row = 1
        if self.tables != self.sheet + 1:
            return
        if name in ASIDE:
            self.aside += 1
        elif name == "table-row":
            self.repeated = count(attributes, "number-rows-repeated", MOST_ROWS)
            self.column, self.cells = 0, {}
        elif name in ("table-cell", "covered-table-cell"):
            self.attributes, self.parts, self.length, self.within = attributes, [], 0, True
            self.span(attributes)
        elif self.within:
            self.start_text(name, attributes)

    def start_text(self, name: str, attributes: dict[str, str]) -> None:
        """What stands within a cell."""
        if name == "p" and self.parts:
            self.text("\n")
        elif name == "s":
            self.text(" " * count(attributes, "c", 1_000))
        elif name in ("tab", "line-break"):
            self.text("\t" if name == "tab" else "\n")

    def span(self, attributes: dict[str, str]) -> None:
        down = count(attributes, "number-rows-spanned", MOST_ROWS)
        across = count(attributes, "number-columns-spanned", MOST_COLUMNS)
        if (down > 1 or across > 1) and len(self.merges) < 200_000:
            right = min(self.column + across, MOST_COLUMNS) - 1
            self.merges.append(Merge(self.row, self.column, self.row + down - 1, right))

    def text(self, piece: str) -> None:
        if self.within and not self.aside:
            self.length += len(piece)
            check_text(self.length, self.row, self.column, self.where)
            self.parts.append(piece)

    def end(self, name: str) -> None:
        if self.tables != self.sheet + 1:
            return
        if name in ASIDE:
            self.aside = max(self.aside - 1, 0)
        elif name in ("table-cell", "covered-table-cell"):
            self.end_cell()
        elif name == "table-row":
            self.end_row()
        elif name == "table":
            self.tables += 1  # what follows is another's

    def end_cell(self) -> None:
        self.within = False
        repeated = count(self.attributes, "number-columns-repeated", MOST_COLUMNS)
        value = self.value()
        if value is not None and value != "":
            for column in range(self.column, min(self.column + repeated, MOST_COLUMNS)):
                self.cells[column] = value
        self.column = min(self.column + repeated, MOST_COLUMNS)

    def end_row(self) -> None:
        if self.cells:
            repeated = min(self.repeated, max(MOST_ROWS - self.row + 1, 0))
            self.left -= repeated * len(self.cells)
            if self.left < 0:
                raise TooMuch(
                    f"The sheet has more than {self.book.most_cells:,} cells.",
                    where=self.where,
                    hint="If it should be that large, raise `max_cells` in source.toml.",
                )
            self.done.append((Row(self.row, self.cells), repeated))
        self.row += self.repeated

    def value(self) -> Value | None:
        """The cell's value by its declared kind."""
        kind = attribute(self.attributes, "value-type")
        if kind in ("float", "percentage", "currency"):
            return number((attribute(self.attributes, "value") or "").strip())
        if kind == "date":
            return iso_moment(attribute(self.attributes, "date-value") or "")
        if kind == "boolean":
            return attribute(self.attributes, "boolean-value") == "true"
        if kind == "time":
            return clock(attribute(self.attributes, "time-value") or "")
        if kind == "string" and not self.parts:
            return attribute(self.attributes, "string-value")
        text = "".join(self.parts)
        if kind is None and text.startswith(("#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "Err:")):
            self.faults.errors += 1
            return None
        return text if kind is not None or text.strip() else None


def count(attributes: dict[str, str], name: str, most: int) -> int:
    """A repeat or a span: 1 where it is not given, never above `most`."""
    text = attribute(attributes, name)
    return min(max(int(text), 1), most) if text and len(text) < 12 and text.isdecimal() else 1


def clock(text: str) -> Value:
    """A duration such as PT08H30M00S as a clock's time; of a day or more as text `27:30:00`."""
    found = SPAN.fullmatch(text)
    if found is None:
        return text
    days, hours, minutes = (int(part[:9] or 0) if part else 0 for part in found.groups()[:3])
    seconds = float(found.group(4)[:20]) if found.group(4) else 0.0
    total = days * 86_400 + hours * 3_600 + minutes * 60 + seconds
    if 0 <= total < 86_400:
        return (datetime.datetime.min + datetime.timedelta(milliseconds=round(total * 1000))).time()
    return f"{int(total) // 3600}:{int(total) // 60 % 60:02}:{int(total) % 60:02}"
