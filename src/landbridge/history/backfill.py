"""Files of the lake that a backfill writes before they count, and what becomes of them afterwards.

They are the table's folder's like any other, and nobody's until a commit of the store names them in a manifest. From
then on readers take them in beside what the table names itself, until they are published: the table names them in the
transaction that has the manifest's number. A kill in between changes nothing; whoever comes next publishes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial

import apsw
import numpy as np
import orjson
import pyarrow as pa

from landbridge.history.drain import Drain, repeats
from landbridge.history.lake import BACKFILL, File, Lake, LakeTable, Snapshot
from landbridge.history.leaf import Leaf, Stamped
from landbridge.history.rows import LINES
from landbridge.history.supersede import superseding
from landbridge.store import drained, manifest
from landbridge.store.manifest import Manifest
from landbridge.store.sqlite import SqliteStore
from landbridge.store.transaction import SqliteTransaction


class Stage:
    """Writes the files of one run's backfill, which no table names yet."""

    def __init__(self, store: SqliteStore, lake: Lake) -> None:
        self.store, self.lake = store, lake

    def write(self, type_: str, leaves: Sequence[Leaf], stamped: Stamped, earlier: Sequence[str]) -> list[str]:
        """Write leaves of ascending entities as a file; answers how a manifest describes it.

        `earlier`: files of this round in which lines may be that these take the place of.
        """
        lines = gathered(leaves, stamped)
        if not lines.num_rows:
            return []
        table = self.lake.make(type_)
        lines = superseding_where(table, lines, [read_file(table, text) for text in earlier])
        corrects = lines.column("replaces_commit").null_count < lines.num_rows
        return [write_file(table.write(lines, corrects=corrects))]

    def catch_up(self, type_: str) -> None:
        """Drain what the journal has of a type: of equal lines the later stands, so the earlier must be found there."""
        catch_up(self.store, self.lake, type_)

    def publish(self) -> None:
        """Have the tables name the files of all manifests that count."""
        publish(self.store, self.lake)

    def discard(self, files: Mapping[str, Sequence[str]]) -> None:
        """Remove files that will never count."""
        for type_, texts in files.items():
            table = self.lake.table(type_)
            for text in texts if table is not None else ():
                self.lake.place.remove(f"{table.folder}/{orjson.loads(text)['name']}")  # type: ignore[union-attr]  # there


def catch_up(store: SqliteStore, lake: Lake, type_: str) -> None:
    """Drain all that the journal has of a type."""
    drain, more = Drain(store, lake), True
    while more:
        with store.reader() as connection:
            kinds = drained.kinds(connection).get(type_, [])
        _, more = drain.drain(type_, kinds, store.version())


def gathered(leaves: Iterable[Leaf], stamped: Stamped) -> pa.Table:
    """The lines of leaves in the lake's order: attribute by attribute, in each by entity and time."""
    by_attribute: dict[str, list[pa.Table]] = {}
    for leaf in leaves:
        for attribute, lines in leaf.lines(stamped):
            by_attribute.setdefault(attribute, []).append(lines.cast(LINES))
    tables = [lines for name in sorted(by_attribute) for lines in by_attribute[name]]
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks() if tables else LINES.empty_table()


def superseding_where(table: LakeTable, lines: pa.Table, round_: Sequence[File]) -> pa.Table:
    """The lines, with what they take the place of: among themselves, of this round, and of what the table has."""
    times = lines.column("time").cast(pa.int64())
    first, last = int(np.min(times)), int(np.max(times))
    met = [file for file in (*table.snapshot().files, *round_) if file.first <= last and file.last >= first]
    if not met and not repeats(lines):
        return lines
    return superseding(lines, [file.path for file in met], table.lake.options)


# -- manifests


def write_file(file: File) -> str:
    """A file as a manifest describes it."""
    told = asdict(file)
    del told["path"]
    return orjson.dumps(told).decode()


def read_file(table: LakeTable, text: str) -> File:
    """A file that a manifest describes."""
    told = orjson.loads(text)
    return File(path=f"{table.address}/{told['name']}", **told)


def publish(store: SqliteStore, lake: Lake) -> int:
    """Have the tables name the files of all manifests that count; how many manifests that were.

    May be done by several at once, and again after a kill: a table takes each manifest in once.
    """
    with store.reader() as connection:
        waiting = manifest.unpublished(connection)
    for one in waiting:
        take_in(lake.make(one.type), one)
        store.tend(partial(note, one.seq))
    return len(waiting)


def note(seq: int, transaction: SqliteTransaction) -> None:
    manifest.publish(transaction, seq)


def take_in(table: LakeTable, one: Manifest) -> None:
    """Commit a manifest's files to its table, unless that has been done."""

    def still(_: Snapshot) -> bool:
        return (table.position(BACKFILL) or 0) < one.seq

    table.commit([read_file(table, text) for text in one.files], marks={BACKFILL: one.seq}, still=still)


def standing(connection: apsw.Connection, table: LakeTable) -> tuple[Snapshot, tuple[Manifest, ...]]:
    """A table with all files that count, as this read transaction of the store has it, and the backfills in it.

    A reader that takes lines up to some commit from the lake and later ones from the store takes all lines whose commit
    is the `number` of one of these from the lake, whatever it is; for "as of" they count since their `recorded`.
    """
    found = tuple(manifest.of_type(connection, table.type))
    snapshot = table.snapshot()
    files = [
        read_file(table, text)
        for one in found
        if one.seq > snapshot.backfilled and not one.published
        for text in one.files
    ]
    return (replace(snapshot, files=(*snapshot.files, *files)) if files else snapshot), found
