"""Parts of the lake's files as they are read and kept for the next question: sorted columns, and where each series is.

A file is sorted, so a series is one stretch of a few of its row groups. A row group that was read stays in memory as
narrow columns, as far as there is room: what is the same in all lines is kept once, and what is nowhere not at all.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from landbridge.history.durable import REMOTE
from landbridge.history.lake import SCHEMA, File, LakeTable
from landbridge.history.line import Line
from landbridge.history.rows import TEXTS
from landbridge.model.entity import KINDS
from landbridge.model.instant import format_instant

LONGEST_SAME = 200  # characters of a text whose bounds in a file's statistics are the text itself
UNREAD = ("day", "lon", "lat", "run", "row")  # what no instance is made of
NEEDED = tuple(name for name in SCHEMA.names if name not in UNREAD)
ROOM = 192 << 20  # bytes of row groups that are kept
TIMED = ("time", "recorded", "commit")  # columns that are kept as arrays
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Group:
    """A row group's bounds: of tenants, attributes, entities, times. `corrects`: it may have lines that hide others."""

    number: int
    rows: int
    tenant: tuple[str, str]
    attribute: tuple[str, str]
    entity: tuple[str, str]
    same: Mapping[str, Any]
    corrects: bool

    def may_have(self, tenant: str, attribute: str | None, entity: str) -> bool:
        return (
            self.tenant[0] <= tenant <= self.tenant[1]
            and self.entity[0] <= entity <= self.entity[1]
            and (attribute is None or self.attribute[0] <= attribute <= self.attribute[1])
        )


class Block:
    """Lines in the lake's order: `columns` by name; in `same` what is equal in all of them (None: it is nowhere)."""

    def __init__(self, columns: Mapping[str, pa.Array], same: Mapping[str, Any], rows: int) -> None:
        self.columns = dict(columns)
        self.same = dict(same)
        self.rows = rows
        self.time = self.ints("time")
        self.recorded = self.ints("recorded")
        self.commit = self.ints("commit")
        for name in TIMED:
            self.columns.pop(name, None)
            self.same.pop(name, None)
        self.size = sum(column.nbytes for column in self.columns.values()) + 24 * rows

    @classmethod
    def of(cls, lines: pa.Table) -> "Block":
        """Sorted lines in memory."""
        lines = lines.combine_chunks()
        columns = {name: one(lines.column(name)) for name in NEEDED}
        gone = {name: None for name, column in columns.items() if column.null_count == len(column)}
        return cls({name: column for name, column in columns.items() if name not in gone}, gone, lines.num_rows)

    def ints(self, name: str) -> Ints:
        """A column of integers or times."""
        if name in self.same:
            return np.full(self.rows, self.same[name] or 0, np.int64)
        return np.asarray(self.columns[name].cast(pa.int64()).fill_null(0))

    def codes(self, name: str) -> tuple[list[str | None], Ints]:
        """A column of texts as a list of words and the word of each line."""
        if name in self.same:
            return [self.same[name]], np.zeros(self.rows, np.int64)
        column = self.columns[name]
        found = np.asarray(column.indices.cast(pa.int64()).fill_null(-1))
        return column.dictionary.to_pylist(), found

    @cached_property
    def runs(self) -> "Runs":
        return Runs(self)

    @cached_property
    def datasets(self) -> Ints | None:
        """The datasetId of each line as a number; None where all have the same."""
        return None if "dataset" in self.same else self.codes("dataset")[1]

    @cached_property
    def until(self) -> Ints:
        """Since when another line stands in each one's place; 0: it stands."""
        return self.ints("until")

    def flags(self, name: str, at: Ints) -> NDArray[np.bool_]:
        """A column of truths at some places."""
        if name in self.same:
            return np.full(len(at), bool(self.same[name]))
        return np.asarray(self.columns[name].take(pa.array(at)).fill_null(False))

    @cached_property
    def hides(self) -> NDArray[np.bool_]:
        """Which lines hide others."""
        words, codes = self.codes("operation")
        found = np.isin(codes, [place for place, word in enumerate(words) if word in ("retract", "clear")])
        if self.same.get("replaces_commit", 0) is not None:
            found |= np.asarray(self.columns["replaces_commit"].is_valid())
        return found

    def lines(self, at: Ints) -> list[Line]:
        """Lines by their places, which ascend."""
        if not len(at):
            return []
        whole = len(at) == int(at[-1]) - int(at[0]) + 1
        told: dict[str, list[Any]] = {name: [value] * len(at) for name, value in self.same.items()}
        for name, column in self.columns.items():
            told[name] = listed(column.slice(int(at[0]), len(at)) if whole else column.take(pa.array(at)))
        time, recorded, commit = (found[at].tolist() for found in (self.time, self.recorded, self.commit))
        instances: Sequence[Any] = self.plain(told, time)
        observed = [at if timed else None for at, timed in zip(time, told["timed"], strict=True)]
        return list(
            map(
                Line, told["attribute"], told["dataset"], observed, recorded, commit, told["ordinal"], told["source"],
                told["operation"], instances, replaced(told), told["until"],
            )
        )  # fmt: skip

    def plain(self, told: Mapping[str, list[Any]], time: list[int]) -> Sequence[Any]:
        """The instances of lines; quickly where all are numbers or texts of one kind with nothing besides."""
        form, kind = self.same.get("form"), self.same.get("kind")
        simple = form in ("number", "text") and kind is not None and self.same.get("timed") is True
        if not simple or any(self.same.get(name, "") is not None for name in ("unit", "dataset", "rest")):
            return [said(dict(zip(told, line, strict=True)), at) for line, at in zip(zip(*told.values()), time)]  # noqa: B905  (equal by make)
        member = KINDS[str(kind)]
        values = told["number" if form == "number" else "text"]
        texts = map(format_instant, time)
        return [{"type": kind, member: value, "observedAt": text} for value, text in zip(values, texts, strict=True)]


def replaced(told: Mapping[str, list[Any]]) -> list[tuple[int, int] | None]:
    return [
        None if number is None else (number, ordinal)
        for number, ordinal in zip(told["replaces_commit"], told["replaces_ordinal"], strict=True)
    ]


def listed(column: pa.Array) -> list[Any]:
    found: list[Any] = (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist()
    return found


def said(line: Mapping[str, Any], time: int) -> Any:
    """The instance of a line, as the journal had it; what was said of an entity itself stays JSON."""
    kind = line["kind"]
    if kind is None:
        return line["json"]
    form = line["form"]
    value: Any = line["number"]
    if form == "integer":
        value = int(value)
    elif form == "text":
        value = line["text"]
    elif form == "json":
        value = orjson.loads(line["json"])
    elif form == "boolean":
        value = bool(value)
    instance = {"type": kind, KINDS[kind]: value}
    if line["unit"] is not None:
        instance["unitCode"] = line["unit"]
    if line["timed"]:
        instance["observedAt"] = format_instant(time)
    if line["dataset"] is not None:
        instance["datasetId"] = line["dataset"]
    return instance | orjson.loads(line["rest"]) if line["rest"] else instance


class Runs:
    """Where in a block each series begins and ends."""

    def __init__(self, block: Block) -> None:
        self.words: dict[str, dict[str | None, int]] = {}
        widths: list[int] = []
        codes: list[Ints] = []
        for name in ("tenant", "attribute", "entity"):
            words, found = block.codes(name)
            self.words[name] = {word: place for place, word in enumerate(words)}
            widths.append(len(words))
            codes.append(found)
        self.attributes, self.entities = widths[1], widths[2]
        combined = (codes[0] * self.attributes + codes[1]) * self.entities + codes[2]
        self.starts = np.concatenate([[0], np.flatnonzero(np.diff(combined)) + 1]) if block.rows else np.empty(0, int)
        self.ends = np.append(self.starts[1:], block.rows)
        keys = combined[self.starts]
        self.order = np.argsort(keys)
        self.keys = keys[self.order]

    def of(self, tenant: str, entity: str, attributes: Sequence[str]) -> Iterator[tuple[str, int, int]]:
        """The stretches of an entity: attribute, start, end; of all attributes where none are named."""
        one, other = self.words["tenant"].get(tenant), self.words["entity"].get(entity)
        if one is None or other is None:
            return
        for attribute in attributes or [name for name in self.words["attribute"] if name is not None]:
            place = self.words["attribute"].get(attribute)
            if place is None:
                continue
            key = (one * self.attributes + place) * self.entities + other
            at = int(np.searchsorted(self.keys, key))
            if at < len(self.keys) and self.keys[at] == key:
                run = self.order[at]
                yield attribute, int(self.starts[run]), int(self.ends[run])


def one(column: pa.ChunkedArray) -> pa.Array:
    """A column as one array, texts as dictionaries."""
    found = column.combine_chunks()
    if isinstance(found, pa.ChunkedArray):
        found = pa.concat_arrays(found.chunks) if found.num_chunks else pa.array([], column.type)
    return found.dictionary_encode() if pa.types.is_string(found.type) else found


# -- files


@dataclass
class Shelved:
    """A file whose groups are known."""

    metadata: pq.FileMetaData
    groups: tuple[Group, ...]
    blocks: set[int] = field(default_factory=set)


class Blocks:
    """Row groups of the lake's files, read when asked for and kept while there is room. For several threads."""

    def __init__(self, room: int = ROOM) -> None:
        self.room = room
        self.lock = threading.Lock()
        self.files: dict[str, Shelved] = {}
        self.kept: OrderedDict[tuple[str, int], Block] = OrderedDict()
        self.size = 0

    def groups(self, table: LakeTable, file: File) -> tuple[Group, ...]:
        """The groups of a file."""
        found = self.files.get(file.path)
        if found is None:
            metadata = table.guarded(lambda: opened(table, file).metadata)
            found = Shelved(metadata, tuple(group_of(metadata, number) for number in range(metadata.num_row_groups)))
            with self.lock:
                self.files[file.path] = found
        return found.groups

    def block(self, table: LakeTable, file: File, group: Group) -> Block:
        """One group's lines."""
        key = (file.path, group.number)
        with self.lock:
            found = self.kept.get(key)
            if found is not None:
                self.kept.move_to_end(key)
                return found
        metadata = self.files[file.path].metadata
        block = table.guarded(lambda: read(opened(table, file, metadata), group))
        with self.lock:
            if key not in self.kept:
                self.kept[key] = block
                self.size += block.size
            while self.size > self.room and len(self.kept) > 1:
                _, gone = self.kept.popitem(last=False)
                self.size -= gone.size
        return block

    def forget(self, there: Sequence[str], folder: str) -> None:
        """Forget the files of a folder that are not its table's any more."""
        known = set(there)
        with self.lock:
            for path in [path for path in self.files if path.startswith(folder) and path not in known]:
                del self.files[path]
            for key in [key for key in self.kept if key[0].startswith(folder) and key[0] not in known]:
                self.size -= self.kept.pop(key).size


def opened(table: LakeTable, file: File, metadata: pq.FileMetaData | None = None) -> pq.ParquetFile:
    remote = REMOTE in table.address
    return pq.ParquetFile(
        f"{table.folder}/{file.name}" if remote else file.path,
        metadata=metadata, read_dictionary=[name for name in TEXTS if name != "form"] + ["form"],
        filesystem=table.lake.place.files if remote else None, pre_buffer=remote,
    )  # fmt: skip


def group_of(metadata: pq.FileMetaData, number: int) -> Group:
    """What the statistics say of a row group."""
    found = metadata.row_group(number)
    bounds: dict[str, tuple[Any, Any]] = {}
    same: dict[str, Any] = {}
    for place in range(found.num_columns):
        column = found.column(place)
        name, told = column.path_in_schema, column.statistics
        if told is None or name not in NEEDED:
            continue
        if told.has_null_count and told.null_count == found.num_rows:
            same[name] = None
        elif told.has_min_max:
            bounds[name] = (told.min, told.max)
            if told.has_null_count and told.null_count == 0 and name in TEXTS and is_same(told.min, told.max):
                same[name] = told.min
    words = bounds.get("operation", ("", "~"))
    hides = same.get("replaces_commit", 0) is not None or words[0] <= "clear" or words[0] <= "retract" <= words[1]
    return Group(
        number, found.num_rows, bounds.get("tenant", ("", "\U0010ffff")), bounds.get("attribute", ("", "\U0010ffff")),
        bounds.get("entity", ("", "\U0010ffff")), same, hides,
    )  # fmt: skip


def is_same(low: Any, high: Any) -> bool:
    return bool(low == high) and isinstance(low, str) and len(low) < LONGEST_SAME


def read(file: pq.ParquetFile, group: Group) -> Block:
    """Read what differs from line to line in a group."""
    names = [name for name in NEEDED if name not in group.same]
    lines = file.read_row_group(group.number, columns=names, use_threads=False)
    columns, same = {}, dict(group.same)
    for name in names:
        column = one(lines.column(name))
        first = column[0].as_py() if name in ("timed", "commit", "recorded") and len(column) else None
        if first is not None and not column.null_count and pc.all(pc.equal(column, column[0])).as_py():
            same[name] = int(column[0].cast(pa.int64()).as_py()) if name != "timed" else first
        else:
            columns[name] = column
    return Block(columns, same, group.rows)
