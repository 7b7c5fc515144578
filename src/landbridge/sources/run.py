"""The loop, written once for every kind of source: fetch, map, judge, write, settle; retry; keep the cursor.

A whole pull waits on disk until it is judged (`gather`), then goes to the pool in commits of some 40,000 rows; what a
killed pull has written is not written again, since each commit holds the hashes of its rows. A stream or an
incremental pull goes in micro-batches, each one commit with its cursor; only then is a message acknowledged.
"""

import contextlib
import logging
import random
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from landbridge.errors import Damaged, Failed, InvalidSettings, LandbridgeError, Unreachable
from landbridge.model.answer import Point, RunRecord
from landbridge.model.claim import dataset_of
from landbridge.model.feed import Counts, Delivery, RejectedRow, SourceFacts
from landbridge.model.query import Has, Query
from landbridge.pool.ingest import Ingest, open_ingest
from landbridge.pool.pool import Pool
from landbridge.pool.reject import Kept, count_rejects, kept_rejects
from landbridge.sources.contract import ROW, Cursor, Declaration, Editions, Noted, Source
from landbridge.sources.derived import DerivedSource, Reading, Wanted
from landbridge.sources.fingerprint import fingerprint
from landbridge.sources.flow import Flow, closing
from landbridge.sources.gather import (
    Expand,
    Gathered,
    Progress,
    Tell,
    commonest,
    deliveries,
    gather,
    judge,
    reject_parts,
    rejects_alone,
    start,
    tell_nobody,
)
from landbridge.sources.kind import find_kind
from landbridge.sources.mapping.mapper import Mapped, Mapper, open_mapper
from landbridge.sources.replay import alone, raw_of, rows_of, whole_row

LOG = logging.getLogger("landbridge.run")
LONGEST_PAUSE = 300.0  # seconds between two tries
REPLAYED = 5_000  # rejected rows that are mapped again in one commit
FAILED_REJECTS = 10  # commits' worth of rejected rows that a failed pull keeps, so that its mapping can be mended
Actor = Any  # an actor of `governance`, which a source's part must not see: it is only passed on
History = Any  # the lake of `history`, likewise


def as_written(name: str) -> str:
    """Stand in where the city has no @context of its own."""
    return name


@dataclass(frozen=True)
class Terms:
    """What the city and its operator add to every pull.

    `expand`: the mapping's name of an attribute or type to its stored name. `mark`: a text that changes when `expand`
    comes to mean something else. `spool`: the folder for what waits. `again`: map everything, changed or not.
    `committed`: told the source's name after each commit. `opened`: told the source's name and the opened source when
    a run begins, so that what is pushed finds its way to it. `history`: where a backfill puts its files.
    """

    expand: Expand = as_written
    mark: str = ""
    spool: Path | None = None
    retries: int = 4
    retry_seconds: float = 1.0
    again: bool = False
    committed: Callable[[str], None] = lambda name: None
    opened: Callable[[str, Source], None] = lambda name, source: None
    history: History = None


def pull(
    pool: Pool,
    actor: Actor,
    declaration: Declaration,
    terms: Terms | None = None,
    *,
    tell: Tell = tell_nobody,
    stop: threading.Event | None = None,
) -> RunRecord:
    """Pull one source, to its end or until `stop` is set, and say how it went.

    What goes wrong with the source, its mapping or the store is in the record (`state` "failed", `reason`), so that
    other sources go on. Of several editions the record of the last run is given. Raises Refused where the actor may
    not, and Damaged only where not even the failure can be written down.
    """
    run = Run(pool, actor, declaration, terms or Terms(), tell, stop or threading.Event())
    pa.set_memory_pool(pa.system_memory_pool())  # Arrow's own keeps what is freed: 100 MB more at the peak of a pull
    try:
        run.open()
        with stopping(run.source, run.stop):
            return run.flow() if run.source.manner == "stream" or run.grows else run.whole()
    except LandbridgeError as error:
        return run.fail(error)
    except OSError as error:
        return run.fail(Failed(f"The machine refuses: {error.strerror or error}.", hint=hint_of(error)))
    except Exception:
        number = secrets.token_hex(4)
        LOG.exception("The pull of %s meets an error that nobody expected, number %s.", declaration.name, number)
        return run.fail(
            Failed(f"The pull meets an error that nobody expected, number {number}.", hint="Look it up in the log.")
        )


def hint_of(error: OSError) -> str:
    """What to do about an error of the operating system."""
    if "No space left" in str(error):
        return "Make room on the disk; what was there before stays."
    return "What was there before stays."


@dataclass
class Run:
    """One pull under way. `ingest` is the run as the pool keeps it, opened when there is something to say."""

    pool: Pool
    actor: Actor
    declaration: Declaration
    terms: Terms
    tell: Tell
    stop: threading.Event
    source: Source = field(init=False)
    mark: str = ""
    ingest: Ingest | None = None

    # -- beginning and end

    def open(self) -> None:
        """Open the source and its fingerprint; raises what is wrong with the folder."""
        declaration = self.declaration
        self.source = find_kind(declaration.kind)(declaration)
        if isinstance(self.source, DerivedSource):
            self.source.ask = self.readings
        if self.source.manner == "stream" and declaration.window == "all":
            raise InvalidSettings(
                '`window` is "all", and a stream has no end.',
                where=f"{declaration.name}/source.toml",
                hint="Map each message alone, and make what looks over several a source of kind 'derived'.",
            )
        if declaration.backfill and (self.source.manner == "stream" or self.grows):
            raise InvalidSettings(
                "`backfill` is true, and the source brings only what is new.",
                where=f"{declaration.name}/source.toml",
                hint="Leave it out: what comes piece by piece goes through the store.",
            )
        self.mark = fingerprint(declaration, self.terms.mark)
        self.terms.opened(declaration.name, self.source)

    @property
    def grows(self) -> bool:
        """Whether each pull brings only what is new; a mapping that looks over everything needs everything."""
        return self.source.manner == "incremental" and self.declaration.window != "all"

    def begin(self) -> Ingest:
        """The run's number, and where the run before left."""
        if self.ingest is None:
            manner = getattr(getattr(self, "source", None), "manner", "whole")
            if manner == "incremental" and not self.grows:
                manner = "whole"
            with self.pool.asked(self.actor, "operate", "pull sources", self.declaration.name):
                known = facts(self.declaration, manner)
                self.ingest = open_ingest(
                    self.pool.store, self.pool.claims, known, actor=self.actor, fingerprint=self.mark,
                    history=self.terms.history,
                )  # fmt: skip
        return self.ingest

    def end(self, ingest: Ingest, **how: Any) -> RunRecord:
        """Write the run's record; the next run is another."""
        self.ingest = None
        record = ingest.finish(notes=self.notes(), **how)
        self.tell(Progress(self.declaration.name, "done", record.rows, record.mapped, record.mapped, record.rejected))
        return record

    def notes(self) -> tuple[str, ...]:
        source = getattr(self, "source", None)
        return tuple(source.notes) if isinstance(source, Noted) else ()

    def fail(self, error: LandbridgeError, **how: Any) -> RunRecord:
        """Write down that the run failed, and why; what the pool knew before stays."""
        started = time.time_ns() // 1000
        ingest = self.begin()
        try:
            return self.end(ingest, state="failed", reason=str(error), **how)
        except Damaged as damage:
            LOG.error("The failure of %s cannot be written down: %s", self.declaration.name, damage)
            name, number = self.declaration.name, ingest.number
            return RunRecord(
                name, number, started, started, "failed", f"{error} {damage}", 0, 0, 0, 0, 0, 0, 0, 0, 0, self.notes()
            )

    def kept(self, ingest: Ingest) -> Cursor | None:
        """What the run before left, where it may be gone on from."""
        saved = ingest.cursor
        if not saved or saved.get("kind") != self.declaration.kind or self.terms.again:
            return None
        # a stream and an increment go on whatever became of the mapping: what they brought is not there a second time
        same = saved.get("mark") == self.mark or self.source.manner == "stream" or self.grows
        return dict(saved) if same else None

    def wrapped(self, cursor: Cursor | None, rows: str | None = None) -> Cursor:
        """The kind's cursor with what tells the next run whether anything changed."""
        return {"kind": self.declaration.kind, "of": cursor, "mark": self.mark, "rows": rows}

    # -- whole pulls

    def whole(self) -> RunRecord:
        """Pull everything, edition by edition where there are some."""
        editions = self.source.editions() if isinstance(self.source, Editions) else ()
        record: RunRecord | None = None
        for part in [edition.source for edition in editions] or [self.source]:
            self.source = part
            found = self.edition(self.begin(), part)
            record = found or record
            if (found and found.state == "failed") or self.stop.is_set():
                break
        if self.ingest is not None or record is None:
            state = "failed" if self.stop.is_set() else "unchanged"
            reason = "The pull is stopped before its end." if self.stop.is_set() else None
            record = self.end(self.begin(), state=state, reason=reason)
        return record

    def edition(self, ingest: Ingest, source: Source) -> RunRecord | None:
        """One whole pull; None where nothing changed, or where it was stopped."""
        kept = self.kept(ingest)
        with (
            waiting_room(self.terms.spool, self.declaration.name) as folder,
            contextlib.closing(self.gathered(source, kept, folder)) as gathered,
        ):
            if self.stop.is_set() or (gathered.batches == 0 and kept is not None):
                return None
            if gathered.same or (gathered.read == 0 and isinstance(source, DerivedSource)):
                ingest.write((), cursor=self.wrapped(gathered.cursor, gathered.mark.text()))
                return None
            try:
                judge(gathered)
            except Failed as failure:
                self.keep_rejects(ingest, gathered)
                return self.fail(failure, expectations=gathered.results, rows=gathered.read)
            return self.written(ingest, gathered)

    def gathered(self, source: Source, kept: Cursor | None, folder: Path) -> Gathered:
        """Read and map everything, trying again where something outside does not answer."""
        for tries in range(self.terms.retries + 1):
            gathered = start(self.declaration, fresh(folder))
            known = kept.get("rows") if kept else None
            batches = source.batches(kept["of"] if kept else None)
            try:
                with closing(batches):
                    gather(gathered, batches, known, self.tell)
                return gathered
            except Unreachable as error:
                gathered.close()
                if tries == self.terms.retries or not self.pause(tries, error):
                    raise
            except BaseException:
                gathered.close()
                raise
        raise AssertionError("the loop above returns or raises")

    def pause(self, tries: int, error: LandbridgeError) -> bool:
        """Wait longer each time, by chance a little more or less; whether to go on after it."""
        seconds = min(self.terms.retry_seconds * 2**tries, LONGEST_PAUSE) * random.uniform(0.75, 1.25)  # noqa: S311
        LOG.warning("%s: %s Trying again in %.0f s.", self.declaration.name, error, seconds)
        return not self.stop.wait(seconds)

    def written(self, ingest: Ingest, gathered: Gathered) -> RunRecord:
        """Hand a judged pull to the pool, a commit at a time."""
        written = 0
        for commit in deliveries(gathered, self.terms.expand):
            if ingest.hand_over(commit) is not None:
                self.terms.committed(self.declaration.name)
            written += sum(delivery.rows.num_rows for delivery in commit)
            self.tell(gathered.progress("writing", written))
        if ingest.settle() is not None:
            self.terms.committed(self.declaration.name)
        record = self.end(ingest, expectations=gathered.results, rows=gathered.read)
        if record.state != "failed":
            # After the end, so that a pull killed before it is done again: its rows are then known and drop out.
            ingest.write((), cursor=self.wrapped(gathered.cursor, gathered.mark.text()))
        return record

    def keep_rejects(self, ingest: Ingest, gathered: Gathered) -> None:
        """Keep what a failed pull rejected, so that a person sees why it failed."""
        for number, part in enumerate(reject_parts(gathered)):
            if number < FAILED_REJECTS:
                ingest.write((rejects_alone(part),))

    def write(self, ingest: Ingest, commit: tuple[Delivery, ...], cursor: Cursor | None = None) -> Counts:
        counts = ingest.write(commit, cursor=cursor)
        self.terms.committed(self.declaration.name)
        return counts

    # -- streams and increments

    def flow(self) -> RunRecord:
        """Pull what is new, micro-batch by micro-batch, until the source ends or is stopped."""
        ingest = self.begin()
        kept = self.kept(ingest)
        flow = Flow(self, kept["of"] if kept else None)
        tries = 0
        while True:
            before = flow.read
            try:
                with flow.ending_runs():
                    flow.go()
                break
            except Unreachable as error:
                tries = 0 if flow.read > before else tries
                if tries >= self.terms.retries or not self.pause(tries, error):
                    if self.stop.is_set():
                        break
                    raise
                tries += 1
        if flow.share > self.declaration.reject_share and not self.stop.is_set():
            raise Failed(
                f"{flow.rejected:,} of {flow.read:,} rows are rejected: {commonest(flow.reasons)}.",
                where=f"sources/{self.declaration.name}",
                hint="What could be mapped is kept. Mend the mapping, then replay the rejected rows.",
            )
        ingest = self.begin()
        state = "done" if ingest.record.rows or not kept else "unchanged"
        return self.end(ingest, state=state, expectations=flow.results())

    # -- readings of the pool, for derived sources

    def readings(self, wanted: Wanted) -> Iterator[Reading]:
        """The readings that a derived source asks for."""
        query = Query(tenant=self.declaration.tenant, types=Has(wanted.type), ids=wanted.ids, limit=200)
        while True:
            page = self.pool.query(self.actor, query)
            for document in page.documents:
                for attribute in wanted.attributes or sorted(document["attrs"]):
                    if attribute in document["attrs"]:
                        yield from self.series(document["id"], wanted, attribute)
            if page.next is None:
                return
            query = replace(query, after=page.next)

    def series(self, id_: str, wanted: Wanted, attribute: str) -> Iterator[Reading]:
        """The last readings of one attribute; where sources make claims, of the first in the rule's order."""
        tenant, claims = self.declaration.tenant, self.pool.claims
        rule, rivals = claims.rule((wanted.type,), attribute), claims.rivals(tenant, (wanted.type,), attribute)
        points = self.pool.series(self.actor, id_, attribute, limit=wanted.last * max(1, len(rivals)), tenant=tenant)
        best: dict[int, Point] = {}
        for point in points:
            if not point.deleted and point.dataset_id in (None, dataset_of(point.owner)):
                held = best.get(point.time)
                if held is None or rule.rank(point.owner) <= rule.rank(held.owner):
                    best[point.time] = point
        for moment in sorted(best)[-wanted.last :]:
            found = best[moment].value
            number = isinstance(found, int | float) and not isinstance(found, bool)
            value = float(found) if number else None  # type: ignore[arg-type]  # just tested
            yield Reading(id_, wanted.type, attribute, moment, value, None if number else str(found))


def replay(pool: Pool, actor: Actor, declaration: Declaration, reason: str, terms: Terms | None = None) -> str:
    """Map the rejected rows of one reason again; say in a sentence what became of them.

    Those that now map are written and leave the rejects in one commit; those that do not stay, with their new reason.
    Where a row cannot be mapped by itself (an aggregate, several mappings, rows left out by an expectation) the source
    is pulled again instead.
    """
    terms = terms or Terms()
    run = Run(pool, actor, declaration, terms, tell_nobody, threading.Event())
    run.open()
    with open_mapper(declaration, whole=True) as mapper:
        files = mapper.files
    if not alone(files, declaration):
        if run.source.manner == "stream":
            return f"The mapping of '{declaration.name}' does not map rows one by one, so they cannot be replayed."
        record = pull(pool, actor, declaration, replace(terms, again=True))
        return f"Pulled again: {record.state}, {record.rejected:,} rows are rejected." + (
            f" {record.reason}" if record.reason else ""
        )
    with open_mapper(declaration, whole=False) as mapper:
        tried, mapped = Again(run, mapper, files[0].tables[0], reason).all()
    if tried == 0:
        return "There are no rejected rows with this reason that can be mapped again."
    ingest = run.begin()
    run.end(ingest, state="unchanged", reason=None)
    return f"{mapped:,} of {tried:,} rows are mapped now; {tried - mapped:,} stay rejected."


@dataclass
class Again:
    """Rejected rows of one reason on their way back."""

    run: Run
    mapper: Mapper
    table: str
    reason: str

    def all(self) -> tuple[int, int]:
        """Map them in parts; how many were tried, and how many are rejected no more."""
        run, tried, mapped = self.run, 0, 0
        name = run.declaration.name
        total = count_rejects(run.pool, run.actor, name, self.reason)
        # what stays rejected goes to the end of the line, so each is tried once
        while tried < total and (
            kept := kept_rejects(run.pool, run.actor, name, self.reason, min(REPLAYED, total - tried))
        ):
            tried += len(kept)
            mapped += self.part(kept)
        return tried, mapped

    def part(self, kept: list[Kept]) -> int:
        """Map some rows, in one commit; how many are rejected no more."""
        never = self.run.declaration.never_store
        usable = [one for one in kept if whole_row(one.row)]
        left = [RejectedRow(one.place, self.reason, one.row) for one in kept if not whole_row(one.row)]
        made: list[Mapped] = []
        rows = rows_of([one.row for one in usable], never)
        if usable:
            numbers = pa.array(range(len(usable)), pa.int64())
            made = [*self.mapper.feed(self.table, rows.append_column(ROW, numbers)), *self.mapper.flush()]
        for rejected in (item for mapped in made for item in mapped.rejects):
            one = usable[rejected.row]
            left.append(RejectedRow(one.place, rejected.reason, one.row))
        raw = raw_of(rows, [one.place for one in usable], never)
        expand, taken = self.run.terms.expand, tuple(one.number for one in kept)
        parts = [Delivery(one.plan, one.rows, raw, one.file.path, expand=expand) for one in made if one.rows.num_rows]
        self.run.write(self.run.begin(), (replace(rejects_alone(tuple(left), len(kept)), replayed=taken), *parts))
        return len(kept) - len(left)


def facts(declaration: Declaration, manner: str) -> SourceFacts:
    """What the pool needs to know of the source."""
    return SourceFacts(
        declaration.name,
        declaration.tenant,
        manner,
        declaration.holds,
        declaration.gone,
        declaration.gone_share,
        frozenset(declaration.null_remove),
        frozenset(declaration.never_store),
        declaration.backfill,
    )


@contextlib.contextmanager
def stopping(source: Source, stop: threading.Event) -> Iterator[None]:
    """Tell the source to end as soon as `stop` is set."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            if stop.is_set():
                source.stop()  # again and again: a source may just be starting, and forget what it was told before

    watcher = threading.Thread(target=watch, name="stop-watch", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


@contextlib.contextmanager
def waiting_room(spool: Path | None, name: str) -> Iterator[Path]:
    """A folder of its own for what waits, gone at the end."""
    with tempfile.TemporaryDirectory(prefix=f"landbridge-{name}-", dir=spool, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def fresh(folder: Path) -> Path:
    """The folder, emptied."""
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return folder
