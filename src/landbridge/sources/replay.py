"""Rejected rows on their way back into the mapping: kept rows as Arrow columns, each with the place it had."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from landbridge.model.feed import Raw
from landbridge.sources.contract import Declaration
from landbridge.sources.mapping.mapper import MappingFile
from landbridge.sources.record_table import as_text
from landbridge.sources.rejected import CUT, HELD_BACK

PLACE = re.compile(r"(?s)(.*?) ?(\S+) (\d+)")


def alone(files: Sequence[MappingFile], declaration: Declaration) -> bool:
    """Whether a row can be mapped by itself: one mapping, row by row, nothing that looks at the others."""
    return (
        len(files) == 1
        and files[0].rowwise
        and len(files[0].tables) == 1
        and not any(expectation.get("leave_out") for expectation in declaration.expectations)
    )


def whole_row(row: Mapping[str, Any]) -> bool:
    """Whether a reject holds all that its source row held: nothing was cut, nothing held back."""
    return bool(row) and not any(
        isinstance(cell, str) and (cell == HELD_BACK or cell.endswith(CUT)) for cell in row.values()
    )


def rows_of(rows: Sequence[Mapping[str, Any]], never_store: Sequence[str]) -> pa.RecordBatch:
    """Kept rows as columns; one whose cells differ in kind is text, one that is never stored is NULL."""
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: column([row.get(name) for row in rows]) for name in names}
    columns |= {name: pa.nulls(len(rows), pa.string()) for name in never_store if name not in names}
    return pa.RecordBatch.from_pydict(columns)


def column(cells: list[Any]) -> pa.Array:
    try:
        found = pa.array(cells)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([as_text(cell) for cell in cells], pa.string())
    return found.cast(pa.string()) if pa.types.is_null(found.type) else found


def raw_of(rows: pa.RecordBatch, places: Sequence[str], never_store: Sequence[str]) -> Raw:
    """The kept rows behind a delivery, with the places they had."""
    kept = rows.select([name for name in rows.schema.names if name not in never_store])
    parts = [parted(place) for place in places]
    unit = next((unit for _, unit, _ in parts if unit), "row")

    def take(numbers: Sequence[int]) -> pa.RecordBatch:
        return kept.take(pa.array(list(numbers), pa.int64()))

    def place(numbers: Sequence[int]) -> tuple[list[str], str, list[int]]:
        return [parts[number][0] for number in numbers], unit, [parts[number][2] for number in numbers]

    return Raw(take, place)


def parted(place: str) -> tuple[str, str, int]:
    """`admin.csv line 12` as origin, unit and number; the whole text as origin where it has no such end."""
    found = PLACE.fullmatch(place)
    return (found.group(1), found.group(2), int(found.group(3))) if found else (place, "", 0)
