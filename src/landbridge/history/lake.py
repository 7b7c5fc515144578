"""The lake: history as Delta tables that anybody can read, one for each entity type, in a folder or object storage.

The journal goes there (see `history.drain`); the store keeps a recent part of it. A table says itself up to which
commit it has the journal: its position is committed together with its files, so what counts is never there twice and
never missing, whenever a process or the power fails. Files are never changed: corrections are lines of their own, and
whoever joins files writes new ones. See docs/lake.md for the columns, which are an open interface.
"""

import hashlib
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, TypeVar

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Schema, Transaction
from deltalake.exceptions import CommitFailedError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from landbridge.errors import Damaged, Missing
from landbridge.history.durable import REMOTE, place, told
from landbridge.history.log import CHECKPOINT, COUNT, mend
from landbridge.model.instant import EPOCH, MICROSECOND, format_instant

T = TypeVar("T")
TIME = pa.timestamp("us", "UTC")
SCHEMA = pa.schema(
    [
        ("tenant", pa.string()),
        ("entity", pa.string()),
        ("attribute", pa.string()),
        ("dataset", pa.string()),
        ("day", pa.date32()),
        ("time", TIME),
        ("timed", pa.bool_()),
        ("recorded", TIME),
        ("commit", pa.int64()),
        ("ordinal", pa.int32()),
        ("source", pa.string()),
        ("run", pa.int64()),
        ("row", pa.int64()),
        ("operation", pa.string()),
        ("kind", pa.string()),
        ("form", pa.string()),
        ("number", pa.float64()),
        ("text", pa.string()),
        ("json", pa.string()),
        ("lon", pa.float64()),
        ("lat", pa.float64()),
        ("unit", pa.string()),
        ("rest", pa.string()),
        ("replaces_commit", pa.int64()),
        ("replaces_ordinal", pa.int32()),
        ("until", TIME),
    ]
)
HOUR = 3_600_000_000
VERSION = 1  # of these columns and of what they mean
VERSION_KEY = "landbridge.version"
APPLICATION = "landbridge"  # under this name a table keeps its position
BACKFILL = "landbridge.backfill"  # and under this one the last manifest of a backfill that it took in
TRIES = 5  # for a commit that others get ahead of
ROW_GROUP = 131_072  # lines that are read together at least
PAGE_BYTES = 256 * 1024
CORRECTS = "-corrects"  # at the end of a file's name: it has corrections that no compaction has folded yet
READER, WRITER = 1, 2  # of the Delta protocol, that these tables need
COUNTED = ("time", "day", "recorded", "commit", "attribute")  # whose bounds stand in the log; no entity's name does
COUNTING = ("time", "ordinal", "row")  # columns whose values mostly grow from line to line
NO_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)


@dataclass(frozen=True)
class File:
    """A file of a table. `first` to `last`: the range of its lines' `time`, `low` to `high` of their commits.

    `path` is for readers (with the lake's `options`), `name` is relative to the table. `since` to `upto` is the range
    of their recorded times; all times are microseconds since 1970. `corrects`: some line replaces, retracts or clears
    others, and they do not say so themselves yet.
    """

    path: str
    rows: int
    size: int
    first: int
    last: int
    name: str
    low: int
    high: int
    since: int
    upto: int
    stats: str
    corrects: bool = False


@dataclass(frozen=True)
class Snapshot:
    """What a table is at one moment: all lines of commits up to `position` that were drained, in these files.

    `corrected`: some line replaces or clears another one that does not say so itself (in `until`). `backfilled`: up to
    which manifest the files of backfills are among them; their lines may be of commits beyond the position, and are
    never in the store (see `history.backfill.standing`).
    """

    version: int
    position: int
    files: tuple[File, ...]
    backfilled: int = 0

    @property
    def corrected(self) -> bool:
        return any(file.corrects for file in self.files)


class Lake:
    """All tables, in a folder or at an address of object storage; `options` are the storage's, as `deltalake` has them.

    May be used by several threads.
    """

    def __init__(self, root: str, options: Mapping[str, str] | None = None) -> None:
        self.root = root.rstrip("/")
        self.options = dict(options or {}) if REMOTE in root else {}
        self.place = place(self.root, self.options)
        self.lock = threading.Lock()
        self.tables: dict[str, LakeTable] = {}

    def told(self) -> AbstractContextManager[None]:
        """Within it, what files or storage meet is raised as Damaged or Unreachable, in words."""
        return told(self.root)

    def types(self) -> list[str]:
        """The types of which there is a table."""
        for folder in self.place.folders():
            if not any(table.folder == folder for table in self.tables.values()) and "-" in folder:
                found = self.opened(folder)
                if found is not None:
                    with self.lock:
                        self.tables.setdefault(found.type, found)
        return sorted(self.tables)

    def table(self, type_: str) -> "LakeTable | None":
        """A type's table; None where nothing of the type has been drained yet."""
        known = self.tables.get(type_)
        if known is not None:
            return known
        found = self.opened(folder_of(type_))
        if found is None:
            return None
        with self.lock:
            return self.tables.setdefault(type_, found)

    def mend(self, type_: str) -> list[str]:
        """Take away what a failure of the power left of a type's last commit; for whoever drains, before anything."""
        gone = mend(self.place, folder_of(type_))
        if gone:
            with self.lock:
                self.tables.pop(type_, None)
        return gone

    def opened(self, folder: str) -> "LakeTable | None":
        delta = self.delta(folder)
        return None if delta is None else LakeTable(self, str(delta.metadata().name), folder, delta)

    def delta(self, folder: str) -> DeltaTable | None:
        """Open a table; None where there is none. Raises Damaged for one that a newer version has made."""
        address = self.place.path(folder)
        if not self.place.has(f"{folder}/_delta_log/{0:020d}.json") and not self.checkpointed(folder):
            return None
        with told(address):
            try:
                delta = DeltaTable(address, storage_options=self.options)
            except TableNotFoundError:
                return None
        check_versions(delta, address)
        return delta

    def checkpointed(self, folder: str) -> bool:
        return self.place.has(f"{folder}/_delta_log/_last_checkpoint")

    def make(self, type_: str) -> "LakeTable":
        """A type's table, made where there is none."""
        found = self.table(type_)
        if found is not None:
            return found
        folder = folder_of(type_)
        address = self.place.path(folder)
        with told(address):
            DeltaTable.create(
                address, SCHEMA, mode="ignore", name=type_, storage_options=self.options,
                configuration={VERSION_KEY: str(VERSION)}, raise_if_key_not_exists=False,
            )  # fmt: skip
        self.place.settle(folder, f"{folder}/_delta_log", f"{folder}/_delta_log/{0:020d}.json")
        made = self.table(type_)
        if made is None:
            raise Missing("The table that was just made is not there.", where=address)
        return made


class LakeTable:
    """One type's table."""

    def __init__(self, lake: Lake, type_: str, folder: str, delta: DeltaTable) -> None:
        self.lake = lake
        self.type = type_
        self.folder = folder
        self.delta = delta
        self.address = lake.place.path(folder)
        self.lock = threading.RLock()
        self.kept: Snapshot | None = None

    def snapshot(self) -> Snapshot:
        """What the table is now; quick where nothing has changed since it was last asked."""
        with self.lock, told(self.address):
            if self.renew() or self.kept is None:
                check_versions(self.delta, self.address)
                self.kept = self.look()
            return self.kept

    def renew(self) -> bool:
        """Read what the log has more; whether it has."""
        before = int(self.delta.version())
        if REMOTE not in self.address and not self.lake.place.has(f"{self.folder}/{log_name(before + 1)}"):
            return False
        self.delta.update_incremental()
        return int(self.delta.version()) > before

    def look(self) -> Snapshot:
        actions = pa.table(self.delta.get_add_actions(flatten=True))
        files = tuple(self.file(line) for line in actions.to_pylist())
        position = self.delta.transaction_version(APPLICATION)
        backfilled = self.delta.transaction_version(BACKFILL)
        ordered = tuple(sorted(files, key=lambda file: file.name))
        return Snapshot(int(self.delta.version()), position or 0, ordered, backfilled or 0)

    def file(self, line: Mapping[str, Any]) -> File:
        """A file as the log tells of it; without bounds it may hold anything."""
        name = str(line["path"])
        bounds = {f"{end}.{column}": line.get(f"{end}.{column}") for end in ("min", "max") for column in COUNTED}
        return File(
            path=f"{self.address}/{name}",
            rows=int(line["num_records"] or 0),
            size=int(line["size_bytes"]),
            first=micros(bounds["min.time"], -(1 << 62)),
            last=micros(bounds["max.time"], 1 << 62),
            name=name,
            low=bounds["min.commit"] if bounds["min.commit"] is not None else 0,
            high=bounds["max.commit"] if bounds["max.commit"] is not None else 1 << 62,
            since=micros(bounds["min.recorded"], -(1 << 62)),
            upto=micros(bounds["max.recorded"], 1 << 62),
            stats="",
            corrects=name.endswith(f"{CORRECTS}.parquet") or bounds["min.commit"] is None,
        )

    def position(self, application: str) -> int | None:
        """What was last committed under another name (a backfill's, say); None where nothing was."""
        with self.lock, told(self.address):
            self.renew()
            found = self.delta.transaction_version(application)
        return None if found is None else int(found)

    # -- writing

    def write(self, lines: pa.Table, *, corrects: bool) -> File:
        """Write lines (of SCHEMA's columns, sorted) as a file that is on the disk but not the table's yet."""
        low, high = (int(one.as_py()) for one in pc.min_max(lines.column("commit")).values())
        return self.write_parts([lines], low, high, corrects=corrects)

    def write_parts(self, parts: Iterable[pa.Table], low: int, high: int, *, corrects: bool) -> File:
        """Write lines of commits from `low` to `high`, which come in parts, as a file; see `write`."""
        name = f"{low}-{high}-{uuid.uuid4().hex}{CORRECTS if corrects else ''}.parquet"
        told = Told()
        size = self.lake.place.write(f"{self.folder}/{name}", lambda file: write_lines(file, map(told.of, parts)))
        return told.file(f"{self.address}/{name}", name, size, corrects)

    def commit(
        self,
        added: Sequence[File],
        removed: Sequence[File] = (),
        *,
        position: int | None = None,
        marks: Mapping[str, int] | None = None,
        same: bool = False,
        still: Callable[[Snapshot], bool] = lambda _: True,
    ) -> Snapshot | None:
        """Make files the table's and take others out, at once; and keep a position, and marks under other names.

        `same`: no line comes or goes (files are joined). Whoever else commits meanwhile is seen before another try:
        `still` says of the table as it is then whether the commit is still right; None where it was not.
        """
        self.lake.place.settle(*(f"{self.folder}/{file.name}" for file in added))
        numbers = ({APPLICATION: position} if position is not None else {}) | dict(marks or {})
        for attempt in range(TRIES):
            now = self.snapshot()
            there = {file.name for file in now.files}
            if attempt and added and all(file.name in there for file in added):
                return self.settled()  # the storage did it, and its answer was lost
            if not still(now) or not all(file.name in there for file in removed):
                return None
            try:
                self.put(added, removed, numbers, same)
            except CommitFailedError as error:
                if attempt + 1 == TRIES:
                    raise Damaged(
                        f"Others write to the table all the time: {error}.", where=self.address,
                        hint="See which other program writes to it.",
                    ) from error  # fmt: skip
                continue
            return self.settled()
        return None

    def put(self, added: Sequence[File], removed: Sequence[File], numbers: Mapping[str, int], same: bool) -> None:
        now = int(time.time() * 1000)
        actions: list[AddAction | RemoveAction] = [
            AddAction(file.name, file.size, {}, now, not same, file.stats) for file in added
        ]
        actions += [RemoveAction(file.name, not same, now, file.size, {}) for file in removed]
        with self.lock, told(self.address):
            self.delta.create_write_transaction(
                actions, "append", Schema.from_arrow(SCHEMA),
                commit_properties=CommitProperties(
                    custom_metadata={COUNT: len(actions) + len(numbers)},
                    app_transactions=[Transaction(name, version) for name, version in numbers.items()],
                    max_commit_retries=0,
                ),
                post_commithook_properties=NO_HOOKS,
            )  # fmt: skip

    def settled(self) -> Snapshot:
        """Sync the log as far as it goes; the table as it is then."""
        with self.lock:
            before = int(self.delta.version())
            now = self.snapshot()
            self.lake.place.settle(*(f"{self.folder}/{log_name(n)}" for n in range(before + 1, now.version + 1)))
            return now

    def checkpoint(self, every: int) -> bool:
        """Put the log so far into one file, where it has grown by so many commits; whether it was done."""
        log = f"{self.folder}/_delta_log"
        with self.lock, told(self.address):
            self.renew()
            made = [found.name for found in self.lake.place.found(log) if CHECKPOINT.match(found.name.split("/")[-1])]
            newest = max((int(name.split("/")[-1][:20]) for name in made), default=0)
            if int(self.delta.version()) < newest + every:
                return False
            self.delta.create_checkpoint()
            self.lake.place.settle(*(found.name for found in self.lake.place.found(log)))
            self.delta.cleanup_metadata()
            return True

    def secure(self, after: int) -> None:
        """Put all files with lines of commits after one on the disk for certain, and all of the log."""
        files = [f"{self.folder}/{file.name}" for file in self.snapshot().files if file.high > after]
        self.lake.place.settle(*files, *(found.name for found in self.lake.place.found(f"{self.folder}/_delta_log")))

    # -- reading

    def guarded(self, read: Callable[[], T]) -> T:
        """What reading the table's files gives. Raises Damaged where one is missing or broken, or Unreachable."""
        with told(self.address):
            return read()

    def inside(self, file: File) -> str:
        """A file's path for the lake's own file system."""
        return self.lake.place.inside(f"{self.folder}/{file.name}")

    def given_up(self, grace: int) -> set[str]:
        """The names of files that were taken out of the table longer ago than so many microseconds."""
        with self.lock, told(self.address):
            self.renew()
            return set(self.delta.vacuum(grace // HOUR, dry_run=True, enforce_retention_duration=False))

    def read(self, file: File, columns: Sequence[str] | None = None, wanted: pc.Expression | None = None) -> pa.Table:
        """Lines of a file; of all columns where none are named. Raises Damaged where the file is missing or broken."""
        with told(file.path):
            return pq.read_table(
                self.inside(file), columns=columns, filters=wanted, filesystem=self.lake.place.files, partitioning=None,
            )  # fmt: skip


def folder_of(type_: str) -> str:
    """The folder of a type's table: the end of its name for people, and a hash that tells it from all others."""
    ending = re.sub(r"[^A-Za-z0-9_]+", "_", re.split(r"[/#]", type_)[-1])[:60].strip("_") or "type"
    return f"{ending}-{hashlib.sha256(type_.encode()).hexdigest()[:8]}"


def log_name(version: int) -> str:
    return f"_delta_log/{version:020d}.json"


def check_versions(delta: DeltaTable, address: str) -> None:
    """Raises Damaged for a table that a newer version, of ours or of Delta's protocol, has written."""
    protocol = delta.protocol()
    if protocol.min_reader_version > READER or protocol.min_writer_version > WRITER:
        raise Damaged(
            f"The table needs a Delta reader of version {protocol.min_reader_version} and a writer of version"
            f" {protocol.min_writer_version}; this Landbridge has {READER} and {WRITER}.",
            where=address,
            hint="Another program has changed the table; install a later Landbridge, or bring back the former table.",
        )
    version = delta.metadata().configuration.get(VERSION_KEY, "")
    if not version.isdecimal() or int(version) > VERSION:
        raise Damaged(
            f"The table has version '{version}' of history's columns, and this Landbridge knows {VERSION}.",
            where=address,
            hint="Install the version of Landbridge that wrote it, or a later one.",
        )


def write_lines(file: Any, parts: Iterable[pa.Table]) -> None:
    """Write lines as Parquet: text columns as dictionaries, numbers as they are packed best."""
    writer: pq.ParquetWriter | None = None
    try:
        for lines in parts:
            if writer is None:
                writer = pq.ParquetWriter(
                    file, lines.schema, compression="zstd", compression_level=3, data_page_size=PAGE_BYTES,
                    use_dictionary=[name for name in SCHEMA.names if name not in COUNTING],
                    column_encoding=dict.fromkeys(COUNTING, "DELTA_BINARY_PACKED"),
                    store_schema=False, write_page_index=True, coerce_timestamps="us",
                )  # fmt: skip
            writer.write_table(lines, row_group_size=ROW_GROUP)
    finally:
        if writer is not None:
            writer.close()


class Told:
    """What the log says of a file, gathered while its lines pass."""

    def __init__(self) -> None:
        self.rows = 0
        self.bounds: dict[str, tuple[Any, Any]] = {}
        self.nulls = dict.fromkeys(SCHEMA.names, 0)

    def of(self, lines: pa.Table) -> pa.Table:
        """Count these lines in, and give them on."""
        self.rows += lines.num_rows
        for name in SCHEMA.names:
            self.nulls[name] += lines.column(name).null_count
        for column in COUNTED if lines.num_rows else ():
            values = lines.column(column)
            values = values.cast(pa.string()) if pa.types.is_dictionary(values.type) else values
            values = values.cast(pa.int64()) if pa.types.is_timestamp(values.type) else values
            low, high = pc.min_max(values).as_py().values()
            before = self.bounds.get(column, (low, high))
            self.bounds[column] = (min(low, before[0]), max(high, before[1]))
        return lines

    def file(self, path: str, name: str, size: int, corrects: bool) -> File:
        bounds = self.bounds
        stats = {
            "numRecords": self.rows,
            "minValues": {column: shown(column, low) for column, (low, _) in bounds.items()},
            "maxValues": {column: shown(column, high) for column, (_, high) in bounds.items()},
            "nullCount": self.nulls,
        }
        return File(
            path, self.rows, size, *bounds["time"], name, *bounds["commit"], *bounds["recorded"],
            orjson.dumps(stats).decode(), corrects,
        )  # fmt: skip


def shown(column: str, value: Any) -> Any:
    """A bound as Delta's statistics write it."""
    if column in ("time", "recorded"):
        return format_instant(value)
    return value.isoformat() if isinstance(value, date) else value


def micros(value: datetime | None, otherwise: int) -> int:
    """A time of the log as microseconds since 1970."""
    return otherwise if value is None else (value.astimezone(UTC) - EPOCH) // MICROSECOND
