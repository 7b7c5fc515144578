"""A stream or an increment on its way: micro-batches, each one commit with its cursor, and only then settled.

What the mapping refuses of a stream is kept as rejects, so that one odd message holds up nothing. A stream's run is
ended and begun anew now and then: its record, and the disagreements that it found, are never far behind.
"""

import contextlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from landbridge.errors import InvalidMapping, LandbridgeError
from landbridge.model.feed import Delivery, RejectedRow
from landbridge.sources.contract import Batch, Cursor
from landbridge.sources.gather import Progress, rejects_alone
from landbridge.sources.mapping.mapper import Mapped, Mapper, Rejected, open_mapper
from landbridge.sources.rejected import clean, redacted, told
from landbridge.sources.spool import Numbering, Rows, held_rows, numbered

if TYPE_CHECKING:
    from landbridge.sources.run import Run

LOG = logging.getLogger("landbridge.run")
QUIET, LONG = 5.0, 60.0  # seconds without a commit, or with them, after which a stream's run gives way to the next


@dataclass
class Flow:
    """A stream or an increment on its way: micro-batches to commits."""

    run: "Run"
    cursor: Cursor | None
    numbering: Numbering = field(default_factory=Numbering)
    reasons: Counter[str] = field(default_factory=Counter)
    read: int = 0
    mapped: int = 0
    rejected: int = 0
    fresh: bool = False  # whether the run under way has made a commit
    began: float = field(default_factory=time.monotonic)
    last: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)
    mapper: Mapper | None = None

    def results(self) -> tuple[dict[str, Any], ...]:
        """What the expectations found since the last record; the next record counts anew."""
        mapper = self.mapper
        if mapper is None:
            return ()
        found, mapper.results = tuple(mapper.results), []
        return found

    @contextlib.contextmanager
    def ending_runs(self) -> Iterator[None]:
        """End the run and begin another now and then, so that a stream has records of what came lately."""
        done = threading.Event()

        def watch() -> None:
            while not done.wait(1.0):
                with self.lock:
                    now = time.monotonic()
                    if self.fresh and (now - self.last > QUIET or now - self.began > LONG):
                        self.turn(now)

        watcher = threading.Thread(target=watch, name="run-watch", daemon=True)
        if self.run.source.manner == "stream":
            watcher.start()
        try:
            yield
        finally:
            done.set()
            if watcher.is_alive():
                watcher.join()

    def turn(self, now: float) -> None:
        """End this run's record; the next commit begins another."""
        self.fresh, self.began = False, now
        try:
            self.run.end(self.run.begin(), expectations=self.results())
        except LandbridgeError as error:
            LOG.warning("%s: the run's record cannot be written: %s", self.run.declaration.name, error)

    @property
    def share(self) -> float:
        """The share of rows that are rejected."""
        return self.rejected / self.read if self.read else 0.0

    def go(self) -> None:
        """Commit batch after batch from the cursor on; raises what the source raises."""
        source = self.run.source
        batches = source.batches(self.cursor)
        with contextlib.ExitStack() as opened:
            opened.enter_context(closing(batches))
            mapper = self.mapper = opened.enter_context(open_mapper(self.run.declaration, whole=False))
            for batch in batches:
                try:
                    made, rejects, rows = self.map(mapper, batch)
                except InvalidMapping as error:
                    if source.manner != "stream":
                        raise
                    # One odd message must not hold up all that follow it; it is kept, and can be replayed.
                    made, rejects, rows = self.refuse(batch, error)
                    mapper.close()
                    mapper = self.mapper = opened.enter_context(open_mapper(self.run.declaration, whole=False))
                self.commit(batch, made, rejects, rows)

    def map(self, mapper: Mapper, batch: Batch) -> tuple[list[Mapped], list[Rejected], Rows]:
        """Map one batch; what the mapping cannot take comes as rejects by row number."""
        stretch = self.numbering.stretch(batch)
        rows = held_rows(stretch, batch.rows, frozenset(self.run.declaration.never_store))
        if batch.rows.num_rows == 0:
            return [], [], rows
        made = [*mapper.feed(batch.table, numbered(batch.rows, stretch)), *mapper.flush()]
        return made, [rejected for mapped in made for rejected in mapped.rejects], rows

    def refuse(self, batch: Batch, error: InvalidMapping) -> tuple[list[Mapped], list[Rejected], Rows]:
        """All rows of a batch as rejects."""
        stretch = replace(
            self.numbering.stretch(replace(batch, rows=batch.rows.slice(0, 0))),
            first=self.numbering.rows - batch.rows.num_rows,
            last=self.numbering.rows - 1,
        )
        rows = held_rows(stretch, batch.rows, frozenset(self.run.declaration.never_store))
        return [], [Rejected(row, error.message) for row in range(stretch.first, stretch.last + 1)], rows

    def commit(self, batch: Batch, made: list[Mapped], found: list[Rejected], rows: Rows) -> None:
        """Make one batch durable with its cursor, then settle it."""
        run, never = self.run, frozenset(self.run.declaration.never_store)
        unread = tuple(
            RejectedRow(reject.place, redacted(reject.reason, never), clean(reject.row, never))
            for reject in batch.rejects
        )
        known = told([[item.row, redacted(item.reason, never), "", {}] for item in found], rows)
        rejects, read = unread + known, batch.rows.num_rows + len(unread)
        raw = rows.raw()
        parts = [
            Delivery(mapped.plan, mapped.rows, raw, mapped.file.path, expand=run.terms.expand)
            for mapped in made
            if mapped.rows.num_rows
        ]
        first = rejects_alone(rejects, read) if not parts else replace(parts[0], rejects=rejects, read=read)
        self.cursor = batch.cursor or self.cursor
        with self.lock:
            run.write(run.begin(), (first, *parts[1:]), run.wrapped(self.cursor) if self.cursor else None)
            self.fresh, self.last = True, time.monotonic()
        first_row = self.numbering.rows - batch.rows.num_rows
        batch.report([(item.row - first_row if item.row >= 0 else -1, redacted(item.reason, never)) for item in found])
        batch.settle()
        self.read += read
        self.mapped += sum(part.rows.num_rows for part in parts)
        self.rejected += len(rejects)
        for reject in rejects:
            if len(self.reasons) < 1_000 or reject.reason in self.reasons:
                self.reasons[reject.reason] += 1
        run.tell(Progress(run.declaration.name, "writing", self.read, self.mapped, self.mapped, self.rejected))


@contextlib.contextmanager
def closing(batches: Iterator[Batch]) -> Iterator[None]:
    """End a generator at once, with the connections and files it holds."""
    try:
        yield
    finally:
        close = getattr(batches, "close", None)
        if close is not None:
            close()
