"""What every workbook is to its reader: sheets of rows that come one by one, with the cells that are not empty.

Here a sheet becomes a table: merged cells are filled, the header's rows found and joined, and each column gets the one
kind that all its cells have.
"""

import datetime
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

from landbridge.errors import Invalid, TooMuch
from landbridge.sources.header import column_names, letter

Value = bool | int | float | str | datetime.date | datetime.datetime | datetime.time
MOST_ROWS, MOST_COLUMNS = 1_048_576, 16_384
MOST_TEXT = 1_048_576  # characters of a cell; spreadsheet programs stop at 32,767
LOOKED_AT = 100  # rows among which the header is looked for


@dataclass(frozen=True)
class Row:
    """One row, counted from 1: its cells that are not empty, by column, counted from 0."""

    number: int
    cells: dict[int, Value]


@dataclass(frozen=True)
class Merge:
    """Cells merged into their first; all bounds inside, rows from 1, columns from 0."""

    top: int
    left: int
    bottom: int
    right: int


@dataclass
class Faults:
    """What a sheet's cells lack."""

    errors: int = 0  # cells such as #N/A
    uncounted: list[str] = field(default_factory=list)  # formula cells without a stored value
    missing: int = 0  # how many there are of these


class Workbook(Protocol):
    """A workbook whose sheets can be read as often as wanted."""

    names: list[str]

    def rows(self, sheet: int, faults: Faults) -> Iterator[Row]:
        """The rows of a sheet that have cells, in their order."""
        ...

    def merged(self, sheet: int) -> list[Merge]:
        """The merged cells of a sheet."""
        ...


@dataclass(frozen=True)
class Head:
    """Where a sheet's header is (rows `first` to `last`; none: 0) and where its data begin."""

    first: int
    last: int
    data: int


def find_head(rows: Sequence[Row], header: bool | int | str | tuple[int, int], below: int, where: str) -> Head:
    """Find the header among a sheet's first rows as declared, or the first row that fills its columns."""
    if header is False:
        return Head(0, 0, 1 + below)
    if isinstance(header, tuple):
        return Head(header[0], header[1], header[1] + 1 + below)
    if isinstance(header, int) and header is not True:
        return Head(header, header, header + 1 + below)
    if isinstance(header, str):
        found = [row.number for row in rows if any(as_text(cell).strip() == header for cell in row.cells.values())]
        if not found:
            raise Invalid(
                f"No row of the first {LOOKED_AT} has a cell '{header}'.",
                where=where,
                hint="Correct `header` in source.toml: a column's name, or the number of the header's row.",
            )
        return Head(found[0], found[0], found[0] + 1 + below)
    if not rows:
        return Head(0, 0, 1)
    usual = statistics.median(len(row.cells) for row in rows)
    first = next((row.number for row in rows if 2 * len(row.cells) > usual), rows[0].number)
    return Head(first, first, first + 1 + below)


def header_names(rows: Mapping[int, Row], head: Head, width: int, where: str) -> list[str]:
    """The names of `width` columns: what the header's rows say, from above, joined by a space."""
    texts: list[str] = []
    for column in range(width):
        parts: list[str] = []
        for number in range(head.first, head.last + 1):
            cell = rows[number].cells.get(column) if number in rows else None
            text = "" if cell is None else as_text(cell).strip()
            if text and text not in parts[-1:]:
                parts.append(text)
        texts.append(" ".join(parts))
    return column_names(texts, where)


class Filler:
    """Gives the cells of a merged range the value of its first."""

    def __init__(self, merges: Sequence[Merge], most_cells: int, where: str) -> None:
        self.waiting = sorted(merges, key=lambda merge: (merge.top, merge.left), reverse=True)
        self.open: list[tuple[Merge, Value | None]] = []
        self.left = most_cells
        self.where = where

    def fill(self, row: Row) -> Row:
        """The row with its merged cells filled. Call it with every row, in their order; raises TooMuch."""
        while self.waiting and self.waiting[-1].top <= row.number:
            merge = self.waiting.pop()
            self.open.append((merge, row.cells.get(merge.left) if merge.top == row.number else None))
        if not self.open:
            return row
        self.open = [(merge, value) for merge, value in self.open if merge.bottom >= row.number]
        cells = dict(row.cells)
        for merge, value in self.open:
            self.left -= merge.right - merge.left + 1
            if self.left < 0:
                raise TooMuch("The sheet's merged cells are too many.", where=self.where, hint='Give merged = "first".')
            if value is not None:
                for column in range(merge.left, merge.right + 1):
                    cells.setdefault(column, value)
        return Row(row.number, cells)


# --- kinds of columns ------------------------------------------------------------------------------------------

KINDS: dict[frozenset[type], pa.DataType] = {
    frozenset({int}): pa.int64(),
    frozenset({float}): pa.float64(),
    frozenset({int, float}): pa.float64(),
    frozenset({bool}): pa.bool_(),
    frozenset({datetime.date}): pa.date32(),
    frozenset({datetime.datetime}): pa.timestamp("us"),
    frozenset({datetime.date, datetime.datetime}): pa.timestamp("us"),
    frozenset({datetime.time}): pa.time64("us"),
}


def kind_of(found: set[type]) -> pa.DataType:
    """The kind of a column whose cells have these types: their own where they agree, else text."""
    return KINDS.get(frozenset(found), pa.string())


def as_text(value: Value) -> str:
    """A cell as text: numbers as short as they are exact, dates as ISO 8601 writes them."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return repr(value)


def column_array(values: Sequence[Value | None], kind: pa.DataType) -> pa.Array:
    """A column of one kind."""
    if kind == pa.string():
        return pa.array([None if value is None else as_text(value) for value in values], kind)
    if kind == pa.float64():
        return pa.array([None if value is None else float(value) for value in values], kind)  # type: ignore[arg-type]  # kind_of saw only numbers
    if kind == pa.timestamp("us"):
        return pa.array([as_moment(value) for value in values], kind)
    return pa.array(values, kind)


def as_moment(value: Value | None) -> Value | None:
    """A date beside dates with a time is its midnight."""
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return datetime.datetime.combine(value, datetime.time())
    return value


def number(text: str) -> Value:
    """A number as it is written; what is no finite one stays text."""
    try:
        found = float(text)
    except ValueError:
        return text
    if found - found != 0:
        return text
    if found.is_integer() and abs(found) < 2**63:
        return int(text) if text.lstrip("-").isdecimal() else int(found)
    return found


def check_text(length: int, row: int, column: int, where: str) -> None:
    """Raise TooMuch for a cell that is longer than any spreadsheet program writes."""
    if length > MOST_TEXT:
        raise TooMuch(
            f"The cell {letter(column)}{row} is longer than {MOST_TEXT:,} characters.",
            where=where,
            hint="No spreadsheet program writes one: ask the file's sender.",
        )


def check_place(row: int, column: int, where: str) -> None:
    """Raise Invalid for a place that no sheet has."""
    if not 1 <= row <= MOST_ROWS or not 0 <= column < MOST_COLUMNS:
        raise Invalid(f"The sheet has a cell in row {row}, column {column + 1}, where no sheet has one.", where=where)
