"""Rejected rows of a pull: where they wait on disk, and what of each is kept.

A reject has its place and its content, bounded and without what is never to be stored, not even in its reason.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from landbridge.model.feed import RejectedRow
from landbridge.sources.spool import Rows

HELD_BACK = "(not kept: the source declares never_store)"
CELL = 65_536  # characters of a cell that a reject keeps
CUT = " … (cut)"


@dataclass
class RejectSpool:
    """Rejected rows on disk; those known by number get their content when they are read back."""

    path: Path
    never_store: frozenset[str] = frozenset()
    count: int = 0
    marked: bytearray = field(default_factory=bytearray)  # one bit a row, so that a row counts once
    unread: int = 0  # rows that could not be read at all
    rows: int = 0  # distinct rows among those known by number
    file: BinaryIO | None = None

    def add(
        self, reason: str, *, number: int | None = None, place: str = "", row: Mapping[str, Any] | None = None
    ) -> None:
        """Keep one rejected row: by its number in the pull, or with its place and content."""
        if self.file is None:
            self.file = self.path.open("wb")
        if number is None or number < 0:
            self.unread += 1
        else:
            self.mark(number)
        self.count += 1
        line = [number, redacted(reason, self.never_store), place, clean(row or {}, self.never_store)]
        self.file.write(orjson.dumps(line, default=str) + b"\n")

    def mark(self, number: int) -> None:
        at, bit = divmod(number, 8)
        if at >= len(self.marked):
            self.marked.extend(bytes(max(at + 1 - len(self.marked), len(self.marked), 64)))
        if not self.marked[at] & (1 << bit):
            self.marked[at] |= 1 << bit
            self.rows += 1

    @property
    def rejected(self) -> int:
        """Rows of the source that gave no entity because of themselves."""
        return self.rows + self.unread

    def close(self) -> None:
        """End writing; reading may begin."""
        if self.file is not None:
            self.file.close()

    def read(self, rows: Rows, size: int) -> Iterator[tuple[RejectedRow, ...]]:
        """The rejected rows with place and content, at most `size` at a time."""
        if self.file is None:
            return
        self.close()
        with self.path.open("rb") as file:
            held: list[list[Any]] = []
            for line in file:
                held.append(orjson.loads(line))
                if len(held) == size:
                    yield told(held, rows)
                    held = []
            if held:
                yield told(held, rows)


def told(lines: list[list[Any]], rows: Rows) -> tuple[RejectedRow, ...]:
    """Rejected rows with what the source rows held."""
    numbers = sorted({number for number, *_ in lines if number is not None and rows.find(number) is not None})
    contents = dict(zip(numbers, contents_of(rows, numbers), strict=True))
    origins, unit, counted = rows.place(numbers)
    places = {n: f"{o} {unit} {c}".strip() for n, o, c in zip(numbers, origins, counted, strict=True)}
    return tuple(
        RejectedRow(places[number], reason, contents[number], number)
        if number in contents
        else RejectedRow(place, reason, content, None)
        for number, reason, place, content in lines
    )


def contents_of(rows: Rows, numbers: list[int]) -> list[dict[str, object]]:
    """Each row as names and values that JSON can hold."""
    if not numbers:
        return []
    return [{name: shown(value) for name, value in row.items()} for row in rows.take(numbers).to_pylist()]


def shown(value: object) -> object:
    """A cell as a reject keeps it: bounded, and plain."""
    if isinstance(value, str) and len(value) > CELL:
        return value[:CELL] + CUT
    if isinstance(value, bytes):
        return value[:CELL].hex()
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return str(value)
    return value


def clean(row: Mapping[str, Any], never_store: frozenset[str]) -> dict[str, Any]:
    """What is kept of a row that could not be read: where columns are never stored, no text that may hold them."""
    if not never_store:
        return {str(name): shown(value) for name, value in row.items()}
    return {str(name): HELD_BACK for name in row if name not in never_store}


def redacted(reason: str, never_store: frozenset[str]) -> str:
    """A reason that quotes no cell of a column that is never stored."""
    if not never_store:
        return reason
    named = re.match(r"column ([^:]+): ", reason)
    if named and named.group(1) not in never_store:
        return reason
    return re.sub(r"'.*'", "'…'", reason, flags=re.DOTALL)
