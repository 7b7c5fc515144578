"""The drain: what commits left in the journal goes to the lake, each line exactly once, whenever a process is killed.

A type's table has all lines up to its position, and the position is committed together with the files; so whoever
begins again goes on from there. Files are synced before they are committed, the commit before the store is told of it,
and only then may the store forget lines (see `history.trim`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import apsw
import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from landbridge.errors import Damaged, LandbridgeError, Unreachable
from landbridge.history.lake import File, Lake, LakeTable, Snapshot
from landbridge.history.line import CLIENTS
from landbridge.history.rows import in_order, pending, ranks
from landbridge.history.supersede import superseding
from landbridge.history.turn import turn
from landbridge.store import drained, manifest, reading
from landbridge.store.sqlite import SqliteStore

LINES = 400_000  # lines in memory together; a file has so many, until files are joined
HIDING = ("retract", "clear")  # operations that hide other lines


@dataclass
class Drained:
    """What a step did: lines by type, whether there is more to do at once, and what went wrong by type."""

    lines: dict[str, int] = field(default_factory=dict)
    more: bool = False
    troubles: dict[str, LandbridgeError] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return sum(self.lines.values())


class Batch:
    """Lines on their way into one commit of a table."""

    def __init__(self, table: LakeTable, before: Snapshot, others: Sequence[File] = ()) -> None:
        self.table = table
        self.before = before
        self.others = others  # that count although the table does not name them yet
        self.files: list[File] = []
        self.held: list[pa.Table] = []
        self.count = 0

    def take(self, lines: pa.Table) -> None:
        """Add lines; a file is written when there are enough for one."""
        for start in range(0, lines.num_rows, LINES):
            part = lines.slice(start, LINES)
            if self.count and self.count + part.num_rows > LINES:
                self.write()
            self.held.append(part)
            self.count += part.num_rows

    def write(self) -> None:
        """Write what is held as a file."""
        if self.count:
            lines = in_order(pa.concat_tables(self.held))
            self.held, self.count = [], 0
            lines = self.placed(lines)
            self.files.append(self.table.write(lines, corrects=corrects(lines)))

    def placed(self, lines: pa.Table) -> pa.Table:
        """The lines, those that take another one's place with that one's name."""
        span = span_of(lines)
        if span is None:
            return lines
        earlier = [
            file.path for file in (*self.before.files, *self.files) if file.first <= span[1] and file.last >= span[0]
        ]
        if not earlier and not repeats(lines):
            return lines
        return self.table.guarded(lambda: superseding(lines, earlier, self.table.lake.options))

    def commit(self, position: int) -> bool:
        """Make all of it the table's; False where somebody else has drained the same."""
        self.write()
        expected = self.before.position
        done = self.table.commit(self.files, position=position, still=lambda now: now.position == expected)
        if done is None:
            self.discard()
        return done is not None

    def discard(self) -> None:
        """Take away files that did not become the table's."""
        there = {file.name for file in self.table.snapshot().files}
        for file in self.files:
            if file.name not in there:
                self.table.lake.place.remove(f"{self.table.folder}/{file.name}")


class Drain:
    """Drains a store's journal into a lake. One at a time works on a lake; a second one does no harm."""

    def __init__(self, store: SqliteStore, lake: Lake) -> None:
        self.store = store
        self.lake = lake
        self.seen = -1  # the commit up to which it is known which types have lines to drain
        self.behind: set[str] = set()
        self.mended: set[str] = set()  # types whose tables are known to be whole

    def step(self) -> Drained:
        """Drain of each type what fits into memory; call it again while there is `more`.

        What goes wrong with one type's table does not keep others from theirs; storage that does not answer does.
        """
        done = Drained()
        upper = self.store.version()
        kinds = self.look(upper)
        for type_ in sorted(self.behind):
            try:
                lines, left = self.drain(type_, kinds[type_], upper)
            except LandbridgeError as error:
                done.troubles[type_] = error
                if isinstance(error, Unreachable):
                    break
                continue
            if lines:
                done.lines[type_] = lines
            if not left:
                self.behind.discard(type_)
            done.more |= left
        return done

    def catch_up(self, table: LakeTable, position: int) -> None:
        """Make certain what was committed by whoever was killed before the store was told of it, and tell it."""
        with self.store.reader() as connection:
            known = drained.of_type(connection, table.type)
        if position > known.number and position <= self.store.version():
            table.secure(known.number)
            self.store.tend(lambda transaction: drained.keep(transaction, table.type, position))

    def look(self, upper: int) -> dict[str, list[int]]:
        """The numbers of each type's kinds; notes which types have lines that were not there at the last look."""
        with self.store.reader() as connection:
            kinds = drained.kinds(connection)
            after = self.seen if self.seen >= 0 else drained.least(connection)
            fresh = drained.touched(connection, after, upper)
        types = {number: type_ for type_, numbers in kinds.items() for number in numbers}
        self.behind |= {types[number] for number in fresh if number in types}
        self.seen = upper
        return kinds

    def drain(self, type_: str, kinds: Sequence[int], upper: int) -> tuple[int, bool]:
        """Drain some of one type's lines up to a commit: how many, and whether there are more."""
        with turn(self.store.path):
            return self.drain_some(type_, kinds, upper)

    def drain_some(self, type_: str, kinds: Sequence[int], upper: int) -> tuple[int, bool]:
        if type_ not in self.mended:
            self.lake.mend(type_)
            self.mended.add(type_)
        table = self.lake.table(type_)
        before = table.snapshot() if table is not None else Snapshot(0, 0, ())
        if table is not None:
            self.catch_up(table, before.position)
        with self.store.reader() as connection:
            known = drained.of_type(connection, type_)
            check(table, before, known, reading.version(connection), type_)
            after = before.position
            upto, count = drained.cut(connection, kinds, after, upper, LINES)
            if not count:
                return 0, False
            if table is None:
                table = self.lake.make(type_)
            before = table.snapshot()
            batch = Batch(table, before, unpublished(connection, table, before))
            for lines in pending(connection, kinds, after, upto):
                batch.take(lines)
        if not batch.commit(upto):
            return 0, True
        self.store.tend(lambda transaction: drained.keep(transaction, type_, upto))
        return count, upto < upper


def unpublished(connection: apsw.Connection, table: LakeTable, found: Snapshot) -> list[File]:
    """The files of backfills that count already, and that the table does not name yet."""
    manifests = [one for one in manifest.of_type(connection, table.type) if one.seq > found.backfilled]
    told = [orjson.loads(text) for one in manifests for text in one.files]
    return [File(path=f"{table.address}/{one['name']}", **one) for one in told]


def check(table: LakeTable | None, found: Snapshot, known: drained.Position, upper: int, type_: str) -> None:
    """Raises Damaged where store and lake do not belong together: one of them was brought back from elsewhere."""
    if known.trimmed > found.position:
        raise Damaged(
            f"The lake has the history of '{type_}' up to commit {found.position}, and the store has given away its own"
            f" up to {known.trimmed}.",
            where=table.address if table else None,
            hint="Bring back the lake of the same time as the store, or a later one; nothing is trimmed meanwhile.",
        )
    if found.position > upper:
        raise Damaged(
            f"The lake has the history of '{type_}' up to commit {found.position}, and the store ends at {upper}.",
            where=table.address if table else None,
            hint="The store is older than the lake, or another pool's. Bring back both of one time, or give this store"
            " a lake of its own.",
        )


def span_of(lines: pa.Table) -> tuple[int, int] | None:
    """The range of times that sources have observed; None where there are none."""
    theirs = pc.is_in(pc.cast(lines.column("source"), pa.string()), pa.array(CLIENTS))
    ours = pc.and_(lines.column("timed"), pc.invert(theirs))
    times = lines.column("time").filter(ours)
    if not len(times):
        return None
    bounds = pc.min_max(times.cast(pa.int64())).as_py()
    return bounds["min"], bounds["max"]


def repeats(lines: pa.Table) -> bool:
    """Whether two neighbours among sorted lines are of one attribute, entity and time."""
    same: Any = np.ones(max(lines.num_rows - 1, 0), bool)
    for values in (lines.column("time").cast(pa.int64()).to_numpy(), ranks(lines.column("entity"))):
        same &= values[1:] == values[:-1]
    if not same.any():
        return False
    attributes = ranks(lines.column("attribute"))
    return bool((same & (attributes[1:] == attributes[:-1])).any())


def corrects(lines: pa.Table) -> bool:
    """Whether any of the lines replaces or hides others."""
    if lines.column("replaces_commit").null_count < lines.num_rows:
        return True
    words: set[str] = set()
    for chunk in lines.column("operation").chunks:
        words.update(chunk.dictionary.to_pylist())
    return any(word in words for word in HIDING)
