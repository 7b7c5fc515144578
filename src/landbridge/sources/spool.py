"""Where a pull waits on disk until it is judged: its rows as they came, as they were mapped, and what was rejected.

A whole pull must not touch the pool before it is known to be good, and must not fill the memory either. Everything
here is written once, in order, and read back in the same order, a stretch at a time.
"""

import os
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import orjson
import pyarrow as pa

from landbridge.model.block import NUMBER, RESERVED, ROWS, Block, pack, unpack
from landbridge.model.column import RowPlan
from landbridge.model.feed import Raw
from landbridge.sources.contract import ROW, Batch
from landbridge.sources.mapping import wire

UNKNOWN = -1
LARGEST = 48 << 20  # bytes of rows that are handed over together, about


@dataclass(frozen=True)
class Stretch:
    """One batch of source rows: numbers `first` to `last` of the pull, and where people find them."""

    first: int
    last: int
    origin: str
    unit: str
    start: int  # the number that people count for `first`, where `numbers` is None; UNKNOWN: it is in the block
    numbers: pa.Int64Array | None
    place: int = 0  # which block of a spool


class Numbering:
    """Numbers a pull's rows from 0, and the rows of each origin as people count them."""

    def __init__(self) -> None:
        self.rows = 0
        self.counted: dict[str, int] = {}

    def stretch(self, batch: Batch) -> Stretch:
        """The numbers of this batch's rows."""
        first, count = self.rows, batch.rows.num_rows
        start = self.counted.get(batch.origin, 0) + 1
        self.rows += count
        self.counted[batch.origin] = start - 1 + count
        return Stretch(first, first + count - 1, batch.origin, batch.unit, start, batch.numbers)


def numbered(rows: pa.RecordBatch, stretch: Stretch) -> pa.RecordBatch:
    """The rows with their numbers in the column `_row`."""
    return rows.append_column(ROW, pa.array(np.arange(stretch.first, stretch.last + 1), pa.int64()))


def kept_columns(rows: pa.RecordBatch, never_store: frozenset[str]) -> pa.RecordBatch:
    """The rows without the columns that are never kept."""
    return rows.select([name for name in rows.schema.names if name not in never_store])


class Rows:
    """Source rows by number. `load` gives the rows of a stretch: a batch at hand, or one of a spool on disk.

    Columns that are never stored are in no answer.
    """

    def __init__(
        self,
        load: Callable[[Stretch], pa.RecordBatch],
        never_store: frozenset[str],
        numbers: Callable[[Stretch], pa.Int64Array] | None = None,
    ) -> None:
        self.load = load
        self.numbers = numbers
        self.never_store = never_store
        self.stretches: list[Stretch] = []
        self.firsts: list[int] = []

    def add(self, stretch: Stretch) -> None:
        self.stretches.append(stretch)
        self.firsts.append(stretch.first)

    def raw(self) -> Raw:
        """These rows as the pool asks for them."""
        return Raw(self.take, self.place)

    def take(self, rows: Sequence[int]) -> pa.RecordBatch:
        """The rows of these numbers, in that order; an unknown number is left out."""
        wanted = list(rows)
        distinct = sorted(set(wanted))
        parts = [pa.Table.from_batches([part]) for part in self.parts(distinct)]
        if not parts:
            return pa.RecordBatch.from_pylist([])
        table = pa.concat_tables(agreeing(parts), promote_options="permissive").combine_chunks()
        if wanted != distinct or len(distinct) != table.num_rows:
            places = {row: at for at, row in enumerate(row for row in distinct if self.find(row) is not None)}
            table = table.take(pa.array([places[row] for row in wanted if row in places], pa.int64()))
        return one(table.combine_chunks().to_batches()) if table.num_rows else empty(table.schema)

    def parts(self, wanted: list[int]) -> Iterator[pa.RecordBatch]:
        """The rows of distinct ascending numbers, a stretch at a time."""
        at = 0
        while at < len(wanted):
            stretch = self.find(wanted[at])
            if stretch is None:
                at += 1
                continue
            end = bisect_right(wanted, stretch.last, at)
            rows = kept_columns(self.load(stretch), self.never_store)
            first, count = wanted[at] - stretch.first, end - at
            if wanted[end - 1] - wanted[at] + 1 == count:
                yield rows.slice(first, count)
            else:
                yield rows.take(pa.array([number - stretch.first for number in wanted[at:end]], pa.int64()))
            at = end

    def find(self, row: int) -> Stretch | None:
        """The stretch that holds this row."""
        place = bisect_right(self.firsts, row) - 1
        return self.stretches[place] if place >= 0 and row <= self.stretches[place].last else None

    def place(self, rows: Sequence[int]) -> tuple[list[str], str, list[int]]:
        """Origin and number of each row, as people count, and the unit they count in."""
        origins: list[str] = []
        numbers: list[int] = []
        unit, at = "row", 0
        wanted = np.asarray(rows, np.int64)
        ascending = bool((wanted[1:] > wanted[:-1]).all())
        while at < len(rows):
            stretch = self.find(rows[at])
            if stretch is None:
                origins.append("")
                numbers.append(rows[at])
                at += 1
                continue
            end = int(np.searchsorted(wanted, stretch.last, "right")) if ascending else at + 1
            unit, offsets = stretch.unit, wanted[at:end] - stretch.first
            origins += [stretch.origin] * len(offsets)
            counted = stretch.numbers
            if stretch.start == UNKNOWN and self.numbers is not None:
                counted = self.numbers(stretch)
            if counted is None:
                numbers += (offsets + stretch.start).tolist()
            else:
                numbers += counted.take(pa.array(offsets)).fill_null(0).to_pylist()
            at = end
        return origins, unit, numbers


def held_rows(stretch: Stretch, rows: pa.RecordBatch, never_store: frozenset[str]) -> Rows:
    """The rows of one micro-batch, in memory."""
    held = Rows(lambda _: rows, never_store)
    held.add(stretch)
    return held


class Bodies:
    """Packed rows in one file, each found by its number."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ends = [0]
        self.file: BinaryIO | None = None

    def add(self, body: bytes) -> None:
        if self.file is None:
            self.file = self.path.open("wb")
        self.file.write(body)
        self.ends.append(self.ends[-1] + len(body))

    def read(self, number: int) -> bytes:
        """One body; reading may begin once `close` was called."""
        size = self.ends[number + 1] - self.ends[number]
        if not size:
            return b""
        with self.path.open("rb", buffering=0) as file:  # not mapped: its pages would count as our memory
            return os.pread(file.fileno(), size, self.ends[number])

    def close(self) -> None:
        if self.file is not None:
            self.file.close()
            self.file = None


class Mark:
    """A hash of everything that a whole pull read, to find out that nothing changed."""

    def __init__(self) -> None:
        self.hash = blake2b(digest_size=16)

    def add(self, batch: Batch, hidden: Sequence[str]) -> None:
        """Take in a batch whose blocks were taken in: what these do not tell, and the columns that are in none."""
        self.hash.update(orjson.dumps([batch.table, batch.unit, str(batch.rows.schema), batch.rows.num_rows]))
        if hidden:
            self.hash.update(memoryview(batch.rows.select(hidden).serialize()))
        for reject in batch.rejects:
            self.hash.update(orjson.dumps([reject.place, reject.reason]))

    def text(self) -> str:
        return self.hash.hexdigest()


class RowSpool:
    """The rows of a whole pull on disk, packed as the pool keeps them; read back once `close` was called.

    `again`: whether all columns are to be read again, with those that are never stored: these have their own file.
    `mapping`: the one mapping that reads them all, where there is one alone.
    """

    def __init__(
        self, folder: Path, never_store: frozenset[str], again: bool = True, mapping: str | None = None
    ) -> None:
        self.rows = Rows(self.load, never_store, self.numbers)
        self.never_store = never_store
        self.keeps_all = again
        self.mapping = mapping
        self.tables: list[str] = []
        self.names: list[list[str]] = []  # all columns of each block, in their order
        self.packed, self.aside = Bodies(folder / "rows.blocks"), Bodies(folder / "aside.blocks")
        self.last: tuple[Stretch, pa.RecordBatch, pa.Int64Array] | None = None

    def write(self, batch: Batch, numbering: Numbering, mark: Mark | None = None) -> Stretch:
        """Keep a batch's rows and number them; the mark takes in what is kept."""
        whole = numbering.stretch(batch)
        kept = kept_columns(batch.rows, self.never_store)
        names = batch.rows.schema.names
        hidden = [name for name in names if name in self.never_store or name in RESERVED]
        for start in range(0, max(batch.rows.num_rows, 1), ROWS):
            rows = kept.slice(start, ROWS)
            stretch = part_of(whole, start, rows.num_rows, len(self.tables))
            body = packed(rows, stretch, self.mapping or "")
            self.packed.add(body)
            if mark is not None:
                mark.hash.update(body)
            self.aside.add(
                wire.pack(batch.rows.select(hidden).slice(start, ROWS)) if hidden and self.keeps_all else b""
            )
            self.names.append(self.names[-1] if self.names and self.names[-1] == names else names)
            self.rows.add(lightened(stretch))
            self.tables.append(batch.table)
        if mark is not None:
            mark.add(batch, hidden)
        return whole

    def close(self) -> None:
        """End writing; reading may begin."""
        self.packed.close()
        self.aside.close()

    def again(self) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Each batch as it was written: its table, and its rows with their numbers."""
        for table, stretch in zip(self.tables, self.rows.stretches, strict=True):
            rows, aside = self.load(stretch), self.aside.read(stretch.place)
            if aside:
                hidden = one(wire.unpack(aside).to_batches())
                columns = {name: part.column(name) for part in (rows, hidden) for name in part.schema.names}
                rows = pa.RecordBatch.from_pydict({name: columns[name] for name in self.names[stretch.place]})
            yield table, numbered(rows, stretch)

    def load(self, stretch: Stretch) -> pa.RecordBatch:
        return self.read(stretch)[1]

    def numbers(self, stretch: Stretch) -> pa.Int64Array:
        """The numbers that people count for the rows of a stretch."""
        return self.read(stretch)[2]

    def read(self, stretch: Stretch) -> tuple[Stretch, pa.RecordBatch, pa.Int64Array]:
        if self.last is None or self.last[0] is not stretch:
            table = unpack(self.packed.read(stretch.place))
            rows = one(table.to_batches()) if table.num_rows else empty(table.schema)
            own = [name for name in rows.schema.names if name not in RESERVED]
            self.last = (stretch, rows.select(own), rows.column(NUMBER))
        return self.last

    def raw(self) -> Raw:
        """These rows as the pool asks for them."""
        return replace(self.rows.raw(), ready=self.ready)

    def ready(self, wanted: pa.Int64Array, mapping: str) -> tuple[list[Block], pa.Int64Array]:
        """The blocks of which all rows are among the wanted ones, and the wanted rows of other blocks."""
        if mapping != self.mapping:
            return [], wanted
        numbers = wanted.to_numpy()
        blocks, left = [], np.ones(len(numbers), bool)
        at = 0
        while at < len(numbers):
            place = bisect_right(self.rows.firsts, int(numbers[at])) - 1
            stretch = self.rows.stretches[place]
            end = int(np.searchsorted(numbers, stretch.last, "right"))
            if end - at == stretch.last - stretch.first + 1:
                blocks.append(Block(stretch.first, stretch.last, self.packed.read(stretch.place)))
                left[at:end] = False
            at = max(end, at + 1)
        return blocks, wanted if left.all() else pa.array(numbers[left])


def part_of(whole: Stretch, start: int, count: int, place: int) -> Stretch:
    """Some rows of a stretch as one of its own."""
    numbers = None if whole.numbers is None else whole.numbers.slice(start, count)
    first = whole.first + start
    return Stretch(first, first + count - 1, whole.origin, whole.unit, whole.start + start, numbers, place)


def lightened(stretch: Stretch) -> Stretch:
    """The stretch without a number for each row: most count on from the first, and the block has the others."""
    if stretch.numbers is None or not len(stretch.numbers):
        return stretch
    counted = stretch.numbers.fill_null(UNKNOWN).to_numpy()
    on = bool((counted == counted[0] + np.arange(len(counted))).all()) and counted[0] >= 0
    return replace(stretch, start=int(counted[0]) if on else UNKNOWN, numbers=None)


def packed(rows: pa.RecordBatch, stretch: Stretch, mapping: str) -> bytes:
    """Rows as a block."""
    count = rows.num_rows
    numbers = pa.array(np.arange(stretch.first, stretch.first + count), pa.int64())
    origins = pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array([stretch.origin]))
    if stretch.numbers is None:
        counted = pa.array(np.arange(stretch.start, stretch.start + count), pa.int64())
    else:
        counted = stretch.numbers.fill_null(0)
    return pack(rows, numbers, origins, counted, {"unit": stretch.unit, "mapping": mapping})


@dataclass(frozen=True)
class Chunk:
    """Some mapped rows of one mapping file."""

    mapping: str
    plan: RowPlan
    rows: pa.RecordBatch


class MappedSpool:
    """Mapped rows on disk, in the order in which they were made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows = 0
        self.shapes: list[tuple[str, RowPlan, pa.Schema]] = []
        self.writers: list[Any] = []

    def write(self, mapping: str, plan: RowPlan, rows: pa.RecordBatch) -> None:
        """Append rows of one mapping."""
        shape = (mapping, plan, rows.schema)
        if shape not in self.shapes:
            self.shapes.append(shape)
            self.writers.append(pa.ipc.new_stream(str(self.path(len(self.writers))), rows.schema))
        self.writers[self.shapes.index(shape)].write(rows)
        self.rows += rows.num_rows

    def path(self, number: int) -> Path:
        return self.folder / f"mapped-{number}.arrow"

    def close(self) -> None:
        """End writing; reading may begin."""
        while self.writers:
            self.writers.pop().close()

    def chunks(self, size: int, most: int = LARGEST) -> Iterator[Chunk]:
        """The rows, joined to chunks of at least `size` rows where there are so many, or of `most` bytes."""
        for number, (mapping, plan, _) in enumerate(self.shapes):
            with pa.OSFile(str(self.path(number))) as file:
                for rows in joined(pa.ipc.open_stream(file), size, most):
                    yield Chunk(mapping, plan, rows)
            self.path(number).unlink()  # the room is given back as soon as the pool has the rows


def joined(batches: Iterable[pa.RecordBatch], size: int, most: int = LARGEST) -> Iterator[pa.RecordBatch]:
    """Batches joined to larger ones, of at least so many rows or bytes."""
    held: list[pa.RecordBatch] = []
    count = weight = 0
    for batch in batches:
        held.append(batch)
        count, weight = count + batch.num_rows, weight + batch.nbytes
        if count >= size or weight >= most:
            yield one(held)
            held, count, weight = [], 0, 0
    if count:
        yield one(held)


def empty(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], schema=schema)


def one(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    if len(batches) == 1:
        return batches[0]
    return pa.Table.from_batches(batches).combine_chunks().to_batches()[0]


def agreeing(parts: Sequence[pa.Table]) -> list[pa.Table]:
    """The tables with text in each column whose kind differs from one to another (those of a source of parts do)."""
    kinds: dict[str, set[pa.DataType]] = {}
    for part in parts:
        for column in part.schema:
            kinds.setdefault(column.name, set()).add(column.type)
    differing = {name for name, found in kinds.items() if len(found - {pa.null()}) > 1}
    return [in_text(part, differing) for part in parts]


def in_text(table: pa.Table, names: set[str]) -> pa.Table:
    for name in names.intersection(table.column_names):
        place = table.column_names.index(name)
        table = table.set_column(place, name, table.column(name).cast(pa.string()))
    return table
