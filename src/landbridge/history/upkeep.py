"""What goes on behind the pool all the time: the journal is drained, and lake and store are kept in shape.

One process does it (`app.historian`), beside all others. Whatever it does may be cut off at any moment and is gone on
with by the next.
"""

import threading
from dataclasses import dataclass, field

import orjson

from landbridge.errors import LandbridgeError
from landbridge.history.backfill import publish
from landbridge.history.compact import compact, sweep
from landbridge.history.drain import Drain, Drained
from landbridge.history.lake import Lake
from landbridge.history.trim import Trimmed, Window, trim
from landbridge.history.turn import turn
from landbridge.store import manifest
from landbridge.store.sqlite import SqliteStore

GRACE = 3_600_000_000  # microseconds that files stay which the table has given up, for whoever reads them just now

EVERY = 64  # commits of a table after which its log is put together


@dataclass
class Tended:
    """What one round did: lines written anew and files deleted by type, what was trimmed, what went wrong."""

    compacted: dict[str, int] = field(default_factory=dict)
    swept: dict[str, int] = field(default_factory=dict)
    trimmed: Trimmed = field(default_factory=Trimmed)
    troubles: dict[str, LandbridgeError] = field(default_factory=dict)

    @property
    def idle(self) -> bool:
        return not self.compacted


class Upkeep:
    """Keeps a store's lake. `step` drains, `tend` does the rest; both are bounded, and called from one thread.

    `stop` may be called from any thread and lets a long round of tending end at its next step.
    """

    def __init__(self, store: SqliteStore, lake: Lake, window: Window | None = None, grace: int = GRACE) -> None:
        self.store = store
        self.lake = lake
        self.window = window or Window()
        self.grace = grace
        self.drain = Drain(store, lake)
        self.stopping = threading.Event()

    def stop(self) -> None:
        self.stopping.set()

    def step(self) -> Drained:
        """Drain what fits into memory; call it again while there is `more`."""
        with self.store.reader() as connection:
            waiting = manifest.unpublished(connection)
        if waiting:
            publish(self.store, self.lake)
        return self.drain.step()

    def tend(self) -> Tended:
        """Join files and fold corrections, a bounded piece for each type; delete what nobody needs; trim the store.

        What goes wrong with one type's table does not keep the others from theirs.
        """
        done = Tended()
        for type_ in self.lake.types():
            if self.stopping.is_set():
                return done
            try:
                self.tend_table(type_, done)
            except LandbridgeError as error:
                done.troubles[type_] = error
        done.trimmed = trim(self.store, self.window, self.stopping.is_set)
        return done

    def tend_table(self, type_: str, done: Tended) -> None:
        table = self.lake.table(type_)
        if table is None:
            return
        with turn(self.store.path):  # an erasure must find all files that have a line, so none is made beside it
            named, alone = self.named(type_)
            written = compact(table, self.store.clock(), self.stopping.is_set) if alone else None
            if written is not None:
                done.compacted[type_] = written
            table.checkpoint(EVERY)
            gone = sweep(table, named, self.store.clock(), self.grace, alone)
            if gone:
                done.swept[type_] = len(gone)

    def named(self, type_: str) -> tuple[set[str], bool]:
        """Files that count although the table does not name them; and whether nobody writes or waits with any."""
        with self.store.reader() as connection:
            waiting = [one for one in manifest.of_type(connection, type_) if not one.published]
            busy = connection.execute(
                "SELECT 1 FROM meta WHERE name >= ? AND name < ? LIMIT 1", (manifest.MARK, manifest.MARK[:-1] + ";")
            ).get
        return {orjson.loads(text)["name"] for one in waiting for text in one.files}, not waiting and busy is None
