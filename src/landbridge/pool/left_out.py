"""What a pull brings of something that was erased: left out before anything else sees it, and counted.

Rows of an entity that was erased go, cells of an erased attribute are emptied, and where a row names an erased entity
the mark stands in its place. The source rows behind all of these are not kept, nor are rejected rows that name the
subject by its cells. Columns are compared by sketches, a quarter of a microsecond a row; nothing is compared where
nothing was erased.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from landbridge.model.feed import ROW, Delivery, RejectedRow, SourceFacts
from landbridge.pool.erased import (
    ATTRIBUTE,
    ENTITY,
    FACTOR,
    NOTHING,
    SKETCH_BITS,
    Erased,
    attribute_hash,
    is_whole,
    within,
    words,
)
from landbridge.store.erased import Entry

Flags = np.ndarray[Any, np.dtype[np.bool_]]
OBSERVED = "observedAt"
WORD = 8


@dataclass
class LeftOut:
    """What one source's run leaves out. `rows`: numbers of source rows that are not to be kept."""

    source: SourceFacts
    erased: Erased = NOTHING
    count: int = 0
    rows: set[int] = field(default_factory=set)

    def of(self, delivery: Delivery) -> Delivery:
        """A delivery without what was erased."""
        if not self.erased:
            return delivery
        rows = self.without(delivery) if delivery.rows.num_rows else delivery.rows
        rejects = tuple(one for one in delivery.rejects if not self.rejected(one))
        self.count += len(delivery.rejects) - len(rejects)
        if rows is delivery.rows and len(rejects) == len(delivery.rejects):
            return delivery
        return replace(delivery, rows=rows, rejects=rejects)

    def without(self, delivery: Delivery) -> pa.RecordBatch:
        rows, times = delivery.rows, times_of(delivery.rows)
        gone = np.zeros(rows.num_rows, bool)
        for entry in self.erased.source(self.source.name):
            gone |= inside(entry, times)
        emptied: dict[int, list[Entry]] = {}
        for place in self.met(rows.column("id")):
            id_ = rows.column("id")[place].as_py()
            for entry in self.erased.entity(self.source.tenant, id_):
                if not within(entry, None if times is None or np.isnan(times[place]) else int(times[place])):
                    continue
                if entry.scope == ENTITY:
                    gone[place] = True
                else:
                    emptied.setdefault(place, []).append(entry)
        if emptied:
            rows = self.emptied(delivery, rows, emptied)
        rows = self.unnamed(rows)
        if gone.any():
            self.count += int(gone.sum())
            self.forget_rows(rows, np.flatnonzero(gone))
            rows = rows.filter(pa.array(~gone))
        return rows

    def met(self, column: pa.Array) -> list[int]:
        """The places of a column where an erased entity may be named."""
        found = np.isin(sketches(self.erased.key, column), list(self.erased.sketches))
        return [int(place) for place in np.flatnonzero(found)]

    def emptied(self, delivery: Delivery, rows: pa.RecordBatch, places: Mapping[int, list[Entry]]) -> pa.RecordBatch:
        """The rows without the cells of erased attributes: an instance without a value is none."""
        for place, entries in places.items():
            id_ = rows.column("id")[place].as_py()
            parts = {entry.part for entry in entries if entry.scope == ATTRIBUTE}
            for attribute in delivery.plan.attributes:
                name = delivery.expand(attribute.name)
                if attribute_hash(self.erased.key, self.source.tenant, id_, name) in parts:
                    prefix = f"{attribute.name}."
                    columns = [one for one in rows.schema.names if one == attribute.name or one.startswith(prefix)]
                    rows = with_nulls(rows, columns, place)
                    self.count += 1
        self.forget_rows(rows, np.array(list(places)))
        return rows

    def unnamed(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """The rows with marks where they name entities that were erased whole."""
        if not any(is_whole(entry) for entry in self.erased.entries):
            return rows
        for name in rows.schema.names:
            column = rows.column(name)
            if name in ("id", "type") or not (pa.types.is_string(column.type) or is_texts(column.type)):
                continue
            changed, places = self.marked(column)
            if places:
                rows = rows.set_column(rows.schema.get_field_index(name), name, changed)
                self.forget_rows(rows, np.array(places))
        return rows

    def marked(self, column: pa.Array) -> tuple[pa.Array, list[int]]:
        """A column with marks in place of names, and where."""
        flat = column if pa.types.is_string(column.type) else column.flatten()
        marks = {}
        for place in self.met(flat):
            text = flat[place].as_py()
            mark = None if text is None else self.erased.whole(self.source.tenant, text)
            if mark is not None:
                marks[text] = mark
        if not marks:
            return column, []
        values = column.to_pylist()
        if pa.types.is_string(column.type):
            places = [place for place, value in enumerate(values) if value in marks]
            made = [marks.get(value, value) for value in values]
        else:
            places = [place for place, value in enumerate(values) if value and any(one in marks for one in value)]
            made = [value and [marks.get(one, one) for one in value] for value in values]
        return pa.array(made, column.type), places

    def forget_rows(self, rows: pa.RecordBatch, places: Any) -> None:
        if ROW in rows.schema.names and len(places):
            numbers = rows.column(ROW).take(pa.array(places, pa.int64())).drop_null()
            self.rows.update(numbers.to_pylist())

    def rejected(self, reject: RejectedRow) -> bool:
        """Whether a rejected row is about an entity that was erased whole, as far as its cells tell."""
        if any(within(entry, None) for entry in self.erased.source(self.source.name)):
            return True
        for column, cell in reject.row.items():
            text = cell if isinstance(cell, str) else str(cell)
            if self.erased.cell(self.source.name, column, text) or self.erased.whole(self.source.tenant, text):
                return True
        return False

    def kept(self, numbers: Any) -> Any:
        """Those of some row numbers (sorted) that may be kept as they were."""
        return np.setdiff1d(numbers, np.fromiter(self.rows, np.int64, len(self.rows))) if self.rows else numbers


def is_texts(type_: pa.DataType) -> bool:
    return bool(pa.types.is_list(type_) and pa.types.is_string(type_.value_type))


def times_of(rows: pa.RecordBatch) -> Any:
    """When each row was observed, in microseconds; NaN where it does not say; None where none does."""
    if OBSERVED not in rows.schema.names or not pa.types.is_timestamp(rows.column(OBSERVED).type):
        return None
    column = rows.column(OBSERVED)
    micro = column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64())
    return pc.cast(micro, pa.float64(), safe=False).to_numpy(zero_copy_only=False)


def inside(entry: Entry, times: Any) -> Any:
    """Which rows lie in an erased stretch of time."""
    if entry.since is None and entry.until is None:
        return True
    if times is None:
        return False
    low = -np.inf if entry.since is None else entry.since
    high = np.inf if entry.until is None else entry.until
    return (times >= low) & (times < high)


def with_nulls(rows: pa.RecordBatch, columns: list[str], place: int) -> pa.RecordBatch:
    for name in columns:
        column = rows.column(name)
        mask = np.zeros(len(column), bool)
        mask[place] = True
        empty = pc.if_else(pa.array(mask), pa.scalar(None, column.type), column)
        rows = rows.set_column(rows.schema.get_field_index(name), name, empty)
    return rows


def sketches(key: bytes, texts: pa.Array) -> Any:
    """The sketch of each text of a column (see `erased.sketch`)."""
    _, offsets, data = texts.buffers()
    if not len(texts) or offsets is None:
        return np.zeros(len(texts), np.uint64)
    ends = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)
    size = (ends[1:] - ends[:-1]).astype(np.uint64)
    bytes_ = np.zeros(2 * WORD + int(ends[-1]), np.uint8)
    if data is not None:
        bytes_[2 * WORD :] = np.frombuffer(data, np.uint8)[: ends[-1]]
    view = np.ndarray((len(bytes_) - WORD + 1,), "<u8", bytes_, strides=(1,))
    last, before = (word_before(view, ends[1:], size, number) for number in (1, 2))
    first, second = (np.uint64(word) for word in words(key))
    factor = np.uint64(FACTOR)
    state = (last ^ first) * factor
    state ^= state >> np.uint64(32)
    state = (state ^ before ^ second ^ size) * factor
    return state >> np.uint64(64 - SKETCH_BITS)


def word_before(view: Any, ends: Any, size: Any, number: int) -> Any:
    """The word of eight bytes that is the last of each text, or the last but one; what lies before a text is zero."""
    word = view[ends + 2 * WORD - WORD * number]
    there = np.clip(size.astype(np.int64) - WORD * (number - 1), 0, WORD)  # bytes of the word that are the text's
    shift = (8 * (WORD - there)).astype(np.uint64)
    full = shift < np.uint64(64)
    kept = np.where(full, (word >> np.where(full, shift, np.uint64(0))) << np.where(full, shift, np.uint64(0)), 0)
    return kept.astype(np.uint64)
