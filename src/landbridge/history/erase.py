"""Erasure in the lake: a subject's lines leave every file, also those that tables no longer name.

A file with such lines is written anew without them, the table takes the new one in place of it, and the old one is
deleted. Files that no table names any more (old versions, what a kill left) are deleted where they hold any. The log of
a table has bounds of times and commits and no entity's name, so it stays; versions of before cannot be read any more.
Each step may be repeated, and whoever commits meanwhile is looked at again.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from landbridge.errors import Damaged
from landbridge.history.backfill import publish
from landbridge.history.lake import File, Lake, LakeTable
from landbridge.history.rows import LINES, in_order
from landbridge.history.turn import turn
from landbridge.model.entity import API, HISTORY
from landbridge.model.erasure import Naming, Subject
from landbridge.model.temporal import ENTITY
from landbridge.store.sqlite import SqliteStore
from landbridge.store.wipe import column_renamed, names

CHUNK = 500_000  # lines in memory together
ROUNDS = 20  # looks at a table that others change all the time
HIDING = ("retract", "clear")  # lines that say nothing but that others do not count
VALUES = ("form", "number", "text", "json", "lon", "lat", "unit", "rest", "kind")
WORDS = (
    "tenant", "entity", "attribute", "dataset", "source", "operation", "kind", "form", "text", "json", "unit", "rest",
)  # fmt: skip
NAMING = ("dataset", "text", "json", "rest")  # columns in which others may name an entity
LOOKED = ("tenant", "entity", "attribute", "source", "time", "operation", "replaces_commit")


class Past:
    """What the lake has of a subject: lines, source rows behind them, texts in their values, observed times."""

    def __init__(self) -> None:
        self.lines = 0
        self.rows: set[tuple[str, int, int]] = set()
        self.named: set[tuple[str, int, int]] = set()  # rows behind others' lines that name it
        self.texts: set[str] = set()
        self.times: set[int] = set()


class LakeErasure:
    """Erases from the tables of a lake; `store` knows files of backfills that no table names yet."""

    def __init__(self, lake: Lake, store: SqliteStore) -> None:
        self.lake = lake
        self.store = store

    def tables(self) -> Iterator[LakeTable]:
        for type_ in self.lake.types():
            table = self.lake.table(type_)
            if table is not None:
                yield table

    # -- looking

    def survey(self, subject: Subject) -> Past:
        """What there is of a subject: lines, the source rows behind them, texts in their values, observed times."""
        found, naming = Past(), Naming({subject.entity: ""} if subject.entity else {})
        publish(self.store, self.lake)
        for table in self.tables():
            for file in table.snapshot().files:
                for part in chunks(table, file.name):
                    meant = part.filter(covered(part, subject))
                    found.lines += meant.num_rows
                    if subject.entity is not None or subject.timed:
                        take_in(found, meant)
                    if subject.whole:
                        found.named |= rows_behind(naming_lines(part, naming))
        return found

    def names(self) -> Iterator[tuple[str, str, str, str]]:
        """Tenant, entity, attribute and source of all lines; each as often as files have it."""
        columns = ("tenant", "entity", "attribute", "source")
        for table in self.tables():
            for file in table.snapshot().files:
                for part in chunks(table, file.name, columns):
                    texts = part.select(columns).unify_dictionaries()
                    for line in texts.group_by(columns).aggregate([]).to_pylist():
                        yield line["tenant"], line["entity"], line["attribute"], line["source"]

    # -- erasing

    def erase(self, subject: Subject, naming: Naming) -> Mapping[str, int]:
        """Take a subject's lines out of all files, and its names out of others' lines."""
        counts = {"lines of history's files": 0, "others' lines that named it": 0, "files of history": 0}
        with turn(self.store.path):  # so what was read of the journal before its lines went has arrived
            publish(self.store, self.lake)
            for table in self.tables():
                self.erase_from(table, subject, naming, counts)
                counts["files of history"] += self.cleared(table, subject, naming)
        return counts

    def erase_from(self, table: LakeTable, subject: Subject, naming: Naming, counts: dict[str, int]) -> None:
        """Write a table's files anew until none holds the subject. Raises Damaged where others never let it be."""
        for _ in range(ROUNDS):
            if self.rewritten(table, subject, naming, counts):
                return
        raise Damaged(
            "Others change the table all the time, so nothing can be erased from it.",
            where=table.address,
            hint="End them, then: landbridge erase --resume",
        )

    def rewritten(self, table: LakeTable, subject: Subject, naming: Naming, counts: dict[str, int]) -> bool:
        """Write the files anew that hold the subject; whether none was left, or none has come since."""
        old: list[File] = []
        new: list[File] = []
        lines, named = 0, 0
        before = table.snapshot()
        for file in before.files:
            if any(affected(part, subject, naming) for part in chunks(table, file.name)):
                rewriting = Rewriting(table, file, subject, naming)
                new += rewriting.write()
                old.append(file)
                lines, named = lines + rewriting.gone, named + rewriting.named
        if not old:
            return True
        if table.commit(new, old) is None:
            for file in new:
                self.lake.place.remove(f"{table.folder}/{file.name}")
            return False
        counts["lines of history's files"] += lines
        counts["others' lines that named it"] += named
        for file in old:
            self.lake.place.remove(f"{table.folder}/{file.name}")
        return False  # one more look: somebody may have committed in between

    def cleared(self, table: LakeTable, subject: Subject, naming: Naming) -> int:
        """Delete files that no table names and that hold the subject; how many."""
        there = {file.name for file in table.snapshot().files}
        count = 0
        for found in self.lake.place.found(table.folder):
            name = found.name.removeprefix(f"{table.folder}/")
            if name in there or not name.endswith(".parquet"):
                continue
            try:
                held = any(affected(part, subject, naming) for part in chunks(table, name))
            except (Damaged, pa.ArrowException, OSError):
                held = True  # it cannot be read, so nobody needs it
            if held:
                self.lake.place.remove(found.name)
                count += 1
        return count


def chunks(table: LakeTable, name: str, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """A file's lines, a bounded number at a time, texts as dictionaries."""
    place = table.lake.place
    with place.files.open_input_file(place.inside(f"{table.folder}/{name}")) as opened:
        file = pq.ParquetFile(opened, read_dictionary=list(WORDS))
        held: list[pa.RecordBatch] = []
        count = 0
        for batch in file.iter_batches(batch_size=131_072, columns=columns):
            held.append(batch)
            count += batch.num_rows
            if count >= CHUNK:
                yield pa.Table.from_batches(held)
                held, count = [], 0
        if held:
            yield pa.Table.from_batches(held)


def covered(lines: pa.Table, subject: Subject) -> pa.ChunkedArray:
    """Which lines are meant, as a mask."""
    if subject.source is not None:
        mask = same(lines, "source", subject.source)
    else:
        mask = pc.and_(same(lines, "entity", str(subject.entity)), same(lines, "tenant", subject.tenant))
        if subject.attribute is not None:
            mask = pc.and_(mask, same(lines, "attribute", subject.attribute))
        elif subject.timed:
            mask = pc.and_(mask, pc.invert(same(lines, "attribute", ENTITY)))
    if subject.timed:
        times = lines.column("time").cast(pa.int64())
        if subject.since is not None:
            mask = pc.and_(mask, pc.greater_equal(times, subject.since))
        if subject.until is not None:
            mask = pc.and_(mask, pc.less(times, subject.until))
        for word in HIDING:
            mask = pc.and_(mask, pc.invert(same(lines, "operation", word)))
    return pc.fill_null(mask, False)


def same(lines: pa.Table, column: str, text: str) -> pa.ChunkedArray:
    values = lines.column(column)
    if pa.types.is_dictionary(values.type):
        parts = []
        for chunk in values.chunks:
            at = chunk.dictionary.index(text).as_py() if len(chunk.dictionary) else -1
            parts.append(pc.fill_null(pc.equal(chunk.indices, at), False) if at >= 0 else nothing(len(chunk)))
        return pa.chunked_array(parts, pa.bool_())
    return pc.fill_null(pc.equal(values, text), False)


def nothing(count: int) -> pa.Array:
    return pa.repeat(False, count)


def affected(lines: pa.Table, subject: Subject, naming: Naming) -> bool:
    """Whether some lines are meant, or name what is meant."""
    if pc.any(covered(lines, subject)).as_py():
        return True
    return any(names(lines.column(name), naming) for name in NAMING)


@dataclass
class Rewriting:
    """One file on its way to being without the subject; `gone` and `named` count lines, once all parts are through."""

    table: LakeTable
    file: File
    subject: Subject
    naming: Naming
    gone: int = 0
    named: int = 0

    def parts(self) -> Iterator[pa.Table]:
        """What stays, in the order of the file's lines."""
        for part in chunks(self.table, self.file.name):
            mask = covered(part, self.subject)
            kept = part.filter(pc.invert(mask))
            if self.subject.timed:
                left = emptied(part.filter(mask))
                kept = in_order(pa.concat_tables([kept, left])) if left.num_rows else kept
            self.gone += part.num_rows - kept.num_rows
            kept, count = unnamed(tidied(kept) if kept.num_rows < part.num_rows else kept, self.naming)
            self.named += count
            if kept.num_rows:
                yield kept.cast(LINES)

    def write(self) -> list[File]:
        """The file in its place; none where nothing is left of it."""
        parts = self.parts()
        first = next(parts, None)
        if first is None:
            return []
        file = self.file
        return [self.table.write_parts(chain([first], parts), file.low, file.high, corrects=file.corrects)]


def tidied(lines: pa.Table) -> pa.Table:
    """Lines whose dictionaries have no words but theirs: those of lines that went would be written too."""
    for place, column in enumerate(lines.schema):
        if pa.types.is_dictionary(column.type):
            texts = lines.column(place).cast(pa.string()).combine_chunks()
            lines = lines.set_column(place, column.name, texts.dictionary_encode().cast(column.type))
    return lines


def emptied(lines: pa.Table) -> pa.Table:
    """Of lines that go those by which clients changed others: what they replaced must not count again.

    What a source says anew is of the same time as what it takes the place of, so that goes with it.
    """
    clients = pc.or_(same(lines, "source", API), same(lines, "source", HISTORY))
    left = lines.filter(pc.and_(lines.column("replaces_commit").is_valid(), clients))
    for name in VALUES:
        place = left.schema.get_field_index(name)
        left = left.set_column(place, left.schema.field(place), pa.nulls(left.num_rows, left.schema.field(place).type))
    place = left.schema.get_field_index("operation")
    words = pa.array(["retract"] * left.num_rows, pa.string()).dictionary_encode()
    return left.set_column(place, "operation", words.cast(left.schema.field(place).type))


def unnamed(lines: pa.Table, naming: Naming) -> tuple[pa.Table, int]:
    """Lines with marks in place of names, and whether there were any."""
    if not naming.marks:
        return lines, 0
    count = 0
    for name in NAMING:
        place = lines.schema.get_field_index(name)
        made = column_renamed(lines.column(place), naming, list(naming.marks))
        if made is not None:
            lines = lines.set_column(place, name, made)
            count += 1
    return lines, count


def naming_lines(lines: pa.Table, naming: Naming) -> pa.Table:
    """The lines that name an entity in what they say."""
    places: set[int] = set()
    for name in NAMING:
        if names(lines.column(name), naming):
            texts = lines.column(name).to_pylist()
            places.update(place for place, text in enumerate(texts) if text and naming.names(text))
    return lines.take(pa.array(sorted(places), pa.int64()))


def rows_behind(lines: pa.Table) -> set[tuple[str, int, int]]:
    """Source, run and row of lines that have them."""
    columns = (lines.column(name).to_pylist() for name in ("source", "run", "row"))
    return {
        (source, run, row) for source, run, row in zip(*columns, strict=True) if run is not None and row is not None
    }


def take_in(found: Past, lines: pa.Table) -> None:
    """Note the rows behind lines, their times, and what they say."""
    if not lines.num_rows:
        return
    columns = {name: lines.column(name).to_pylist() for name in ("text", "json", "number")}
    found.rows |= rows_behind(lines)
    timed = lines.filter(lines.column("timed"))
    found.times.update(timed.column("time").cast(pa.int64()).to_pylist())
    found.texts.update(texts for texts in columns["text"] if texts)
    found.texts.update(repr(number) for number in columns["number"] if number is not None)
    for text in columns["json"]:
        if text:
            found.texts.update(words_of(json.loads(text)))


def words_of(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from words_of(one)
    elif isinstance(value, list):
        for one in value:
            yield from words_of(one)
