"""One run of one source on its way into the pool: each `write` is one commit, and `finish` ends the run.

A commit holds the state, the journal, the announcement, the source rows behind it, what was rejected, the hashes of
its rows and the cursor; so a kill at any moment loses nothing and doubles nothing. Loaded by workers only: it brings
polars with it.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import apsw
import numpy as np
import orjson
import pyarrow as pa

from landbridge.errors import Failed, LandbridgeError, Unreachable
from landbridge.governance.policy import Actor
from landbridge.history.backfill import Stage
from landbridge.history.lake import Lake
from landbridge.model.answer import RunRecord
from landbridge.model.block import Block
from landbridge.model.claim import Claims
from landbridge.model.column import RowPlan
from landbridge.model.feed import HASH, KEY, ROW, Counts, Delivery, SourceFacts
from landbridge.pool import bulk, disagree
from landbridge.pool import withdraw as withdrawal
from landbridge.pool.absorb import Absorber
from landbridge.pool.backfill import Backfill
from landbridge.pool.erased import erased_of
from landbridge.pool.left_out import LeftOut
from landbridge.pool.phrase import AttributePlan, attribute_plans
from landbridge.pool.seen import Recent, Seen, Sifted, pack
from landbridge.pool.told import Told
from landbridge.store import manifest, raw, reading
from landbridge.store.sqlite import SqliteStore, Stamp
from landbridge.store.transaction import SqliteTransaction

FEW = 128  # rows below which writing them one by one is quicker
EXAMPLES = 3
SETTLE = 10_000_000  # microseconds between a running stream's looks for disagreements
CONTRADICTED = "a key (id, observedAt, datasetId) with other values; the later stands:"


@dataclass(frozen=True)
class Prepared:
    """A delivery's rows that are to be written, with its attributes' plans; `arranged` where there are many."""

    delivery: Delivery
    rows: pa.RecordBatch
    plans: tuple[AttributePlan, ...]
    arranged: bulk.Arranged | None


@dataclass(frozen=True)
class Underway:
    """A commit that the store has been given: its answer to come, and what to take in when it is durable."""

    answer: Future[tuple[int, Told, disagree.Touched]]
    deliveries: Sequence[Delivery]
    counts: Counts
    keys: Any
    hashes: Any
    cursor: Mapping[str, Any] | None


@dataclass
class Ingest:
    """A run under way. `cursor` and `fingerprint` are what the run before left."""

    store: SqliteStore
    claims: Claims
    source: SourceFacts
    actor: Actor
    number: int
    started: int
    cursor: Mapping[str, Any] | None
    fingerprint: str | None
    mark: str | None  # this run's own fingerprint, kept once it has ended well
    memory: Seen | Recent
    present: withdrawal.Present | None
    record: RunRecord = field(init=False)
    last: Mapping[str, Any] | None = field(init=False)
    settled: int = field(init=False)  # when a stream's disagreements were last found
    left_out: LeftOut = field(init=False)  # what was erased and does not come back
    touched: disagree.Touched = field(default_factory=disagree.Touched)
    differing: list[str] = field(default_factory=list)
    planned: dict[RowPlan, tuple[AttributePlan, ...]] = field(default_factory=dict)
    backfill: Backfill | None = None
    lake: Lake | None = None  # where what the store has no more of the journal lies
    underway: Underway | None = None
    before: Counts | None = None  # what the last settled commit did

    def __post_init__(self) -> None:
        self.last, self.settled = self.cursor, self.started
        with self.store.reader() as connection:
            self.left_out = LeftOut(self.source, erased_of(connection))
        self.record = RunRecord(
            self.source.name, self.number, self.started, None, "running", None, 0, 0, 0, 0, 0, 0, 0, 0, 0
        )

    # -- writing

    def write(self, deliveries: Sequence[Delivery], *, cursor: Mapping[str, Any] | None = None) -> Counts:
        """Make these rows durable in one commit, together with where the source stands after them.

        Raises InvalidMapping where a mapping names a datasetId for an attribute on which sources may disagree.
        """
        self.settle()
        counts = self.send(deliveries, cursor)
        counts = self.settle() or counts
        self.keep_up()
        return counts

    def hand_over(self, deliveries: Sequence[Delivery]) -> Counts | None:
        """Write rows of a whole pull without waiting for their commit: the next ones are prepared meanwhile.

        At most one commit is under way; answers what the one before did, and raises what it raises. `settle` (or any
        other call) waits for the last.
        """
        try:
            self.send(deliveries, None)
        except BaseException:
            with suppress(LandbridgeError):
                self.settle()  # what is under way is not left to itself
            raise
        return self.before

    def settle(self) -> Counts | None:
        """Wait for the commit that is under way, and take in what it did; None where there is none."""
        under, self.underway = self.underway, None
        if under is None:
            return None
        number, told, touched = under.answer.result()
        self.last = self.last if under.cursor is None else under.cursor
        pa.default_memory_pool().release_unused()  # what a commit needed is not kept for the next
        self.remember(under.keys, under.hashes)
        self.touched.join(touched)
        counts = replace(under.counts, commit=number, entities=told.entities, instances=told.instances, past=told.past)
        self.add_up(under.deliveries, counts)
        return counts

    def send(self, deliveries: Sequence[Delivery], cursor: Mapping[str, Any] | None) -> Counts:
        """Prepare these rows, wait for the commit before, and give the store this one, where there is any."""
        deliveries = self.without_erased(deliveries)
        prepared, sifted = self.sift(deliveries)
        counts = self.counts(deliveries, sifted)
        blocks = [block for one in prepared for block in self.blocks(one)]
        if self.backfill is not None and (prepared or self.backfill.round is not None):
            if all(bulk.fits(one.rows, one.plans) for one in prepared):
                return self.set_aside(self.backfill, deliveries, prepared, blocks, counts)
            self.turn(self.backfill)  # what columns cannot say takes the ordinary way, after what was set aside
        self.before = self.settle()
        rejects = any(delivery.rejects or delivery.replayed for delivery in deliveries)
        if prepared or rejects or cursor is not None:
            self.underway = self.commit(deliveries, prepared, blocks, counts, cursor)
        else:
            self.add_up(deliveries, counts)
        return counts

    def set_aside(
        self,
        backfill: Backfill,
        deliveries: Sequence[Delivery],
        prepared: list[Prepared],
        blocks: list[Block],
        counts: Counts,
    ) -> Counts:
        """Put a delivery of a backfill into files, and what is kept beside it under the mark that it does not count."""
        self.settle()
        keys, hashes = (joined([numbers(one.rows, name) for one in prepared]) for name in (KEY, HASH))
        backfill.open(self.memory.parts if isinstance(self.memory, Seen) else 0)
        self.store.tend(lambda transaction: self.keep(transaction, deliveries, blocks, keys, hashes))
        self.remember(keys, hashes)
        again = bool(counts.conflicting)
        lines = sum(backfill.take(one.delivery, one.rows, one.plans, again) for one in prepared)
        counts = replace(counts, instances=lines)
        self.add_up(deliveries, counts)
        self.before = counts
        if backfill.full:
            self.turn(backfill)
        return counts

    def turn(self, backfill: Backfill) -> None:
        """Let what was set aside count, in one commit: files, rows, hashes, and the state of what stands."""

        def job(transaction: SqliteTransaction) -> tuple[Told, disagree.Touched]:
            self.require_current(transaction.connection)
            told, touched = Told(), disagree.Touched()
            backfill.turn(transaction, self.absorber(transaction), told, touched)
            if announcement := told.announcement():
                transaction.announce(announcement)
            touched.mark(transaction)
            return told, touched

        if backfill.round is None:
            return
        told, touched = self.store.queue(job, self.stamp).result()
        self.touched.join(touched)
        entities, instances = self.record.entities + told.entities, self.record.instances + told.instances
        self.record = replace(self.record, entities=entities, instances=instances)
        backfill.publish()

    def keep_up(self) -> None:
        """Find a stream's disagreements now and then, as its run may have no end."""
        if self.source.manner != "whole" and self.touched.parts and self.store.clock() - self.settled > SETTLE:
            disagree.settle(self.store, self.claims, self.touched, self.actor, self.lake)
            self.settled = self.store.clock()

    def without_erased(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        """The deliveries without what was erased; what they speak of is there all the same."""
        if self.present is not None:
            for delivery in deliveries:
                if delivery.rows.num_rows:
                    self.present.add(delivery)
        with self.store.reader() as connection:
            self.require_current(connection, anew=self.source.manner != "whole")
        return [self.left_out.of(delivery) for delivery in deliveries]

    def require_current(self, connection: apsw.Connection, *, anew: bool = False) -> None:
        """See that what is left out is all that was erased by now, so that nothing of it comes back on its way.

        A whole pull ends where more was erased meanwhile, for it remembers rows of before; a stream goes on `anew`.
        """
        now = erased_of(connection)
        if now is self.left_out.erased or now.entries == self.left_out.erased.entries:
            return
        if anew:
            self.left_out = LeftOut(self.source, now, self.left_out.count)
        elif self.source.manner == "whole":
            raise Failed("Something was erased while the source was pulled.", hint="Pull it again.")
        else:
            raise Unreachable("Something is erased just now.", hint="It is tried again in a moment.")

    def sift(self, deliveries: Sequence[Delivery]) -> tuple[list[Prepared], list[Sifted]]:
        """Leave out the rows that say nothing new."""
        prepared, found = [], []
        for delivery in deliveries:
            if not delivery.rows.num_rows:
                continue
            keys, hashes = (numbers(delivery.rows, name) for name in (KEY, HASH))
            strict = isinstance(self.memory, Seen) or delivery.plan.observed_at
            sifted = self.memory.sift(keys, hashes, strict=strict)
            self.note(delivery, sifted)
            found.append(sifted)
            rows = delivery.rows if sifted.keep.all() else delivery.rows.filter(pa.array(sifted.keep))
            if rows.num_rows:
                plans = self.plans(delivery)
                many = rows.num_rows > FEW and bulk.fits(rows, plans)
                arranged = bulk.arrange(rows, plans) if many and self.backfill is None else None
                prepared.append(Prepared(delivery, rows, plans, arranged))
        return prepared, found

    def plans(self, delivery: Delivery) -> tuple[AttributePlan, ...]:
        """The attributes of a mapping with stored names, read once per plan."""
        known = self.planned.get(delivery.plan)
        if known is None:
            known = attribute_plans(delivery.plan, delivery.expand, self.source.null_remove)
            self.planned[delivery.plan] = known
        return known

    def counts(self, deliveries: Sequence[Delivery], sifted: Sequence[Sifted]) -> Counts:
        return Counts(
            0,
            unchanged=sum(one.unchanged for one in sifted),
            repeated=sum(one.repeated for one in sifted),
            conflicting=sum(len(one.differing) for one in sifted),
        )

    def note(self, delivery: Delivery, sifted: Sifted) -> None:
        """Keep some examples of rows that contradict an earlier one with their key."""
        for place in sifted.differing[: max(EXAMPLES - len(self.differing), 0)].tolist():
            row = delivery.rows.slice(place, 1).select(["id", ROW]).to_pylist()[0]
            where = ""
            if delivery.raw is not None and row[ROW] is not None:
                (origin,), unit, (number,) = delivery.raw.place([row[ROW]])
                where = f" ({origin} {unit} {number})"
            self.differing.append(f"{row['id']}{where}")

    def commit(
        self,
        deliveries: Sequence[Delivery],
        prepared: list[Prepared],
        blocks: list[Block],
        counts: Counts,
        cursor: Mapping[str, Any] | None,
    ) -> Underway:
        """Give the store one commit of everything."""
        keys = joined([numbers(one.rows, KEY) for one in prepared])
        hashes = joined([numbers(one.rows, HASH) for one in prepared])

        def job(transaction: SqliteTransaction) -> tuple[int, Told, disagree.Touched]:
            self.require_current(transaction.connection)
            told, touched = self.change(transaction, prepared)
            self.keep(transaction, deliveries, blocks, keys, hashes)
            if cursor is not None:
                self.place(transaction, cursor)
            if announcement := told.announcement():
                transaction.announce(announcement)
            touched.mark(transaction)
            return transaction.number, told, touched

        return Underway(self.store.queue(job, self.stamp), deliveries, counts, keys, hashes, cursor)

    @property
    def stamp(self) -> Stamp:
        """What stands on this run's commits."""
        return self.source.tenant, self.actor.name, self.actor.request, self.source.name, self.number

    def change(self, transaction: SqliteTransaction, prepared: list[Prepared]) -> tuple[Told, disagree.Touched]:
        """Bring rows into state and journal, by the column where there are many."""
        told, touched = Told(), disagree.Touched()
        absorber = self.absorber(transaction)
        for one in prepared:
            rows: pa.RecordBatch | None = one.rows
            if one.arranged is not None:
                rows = bulk.write(transaction, absorber, told, touched, one.delivery, one.arranged)
            if rows is not None and rows.num_rows:
                bulk.write_singly(transaction, absorber, told, touched, one.delivery, rows, one.plans)
        return told, touched

    def absorber(self, transaction: SqliteTransaction) -> Absorber:
        """What puts this run's items into documents, in one commit."""
        return Absorber(
            self.source.name, self.number, transaction.number, transaction.recorded, self.claims, self.source.tenant
        )

    def blocks(self, prepared: Prepared) -> list[Block]:
        """The source rows behind the rows that are written: as the source has them packed, where it has just these."""
        source = prepared.delivery.raw
        if source is None:
            return []
        found = prepared.rows.column(ROW).drop_null().to_numpy(zero_copy_only=False).astype(np.int64, copy=False)
        if not (found[1:] > found[:-1]).all():
            found = np.unique(found)
        found = self.left_out.kept(found)
        mapping, left = prepared.delivery.mapping, pa.array(found)
        blocks, left = ([], left) if source.ready is None else source.ready(left, mapping)
        wanted: list[int] = left.to_pylist()
        if not wanted:
            return blocks
        rows = source.take(wanted)
        rows = rows.select([name for name in rows.schema.names if name not in self.source.never_store])
        origins, unit, counted = source.place(wanted)
        made = None
        if "/mapping/" in mapping:  # one of several that may read the same row
            made = raw.Made([plan.value.name for plan in prepared.plans], raw.ids_by_row(prepared.rows))
        return [*blocks, *raw.blocks(rows, wanted, origins, unit, counted, mapping, made)]

    def keep(
        self,
        transaction: SqliteTransaction,
        deliveries: Sequence[Delivery],
        blocks: Sequence[Block],
        keys: Any,
        hashes: Any,
    ) -> None:
        """Put raw rows, rejects and hashes into the commit."""
        name, never = self.source.name, self.source.never_store
        for first, last, body in blocks:
            transaction.add_raw(name, self.number, first, last, body)
        rejects = [reject for delivery in deliveries for reject in delivery.rejects]
        transaction.take_rejects(number for delivery in deliveries for number in delivery.replayed)
        if rejects:
            transaction.add_rejects(
                name,
                self.number,
                (
                    (
                        one.reason,
                        one.place,
                        orjson.dumps({k: v for k, v in one.row.items() if k not in never}, default=str).decode(),
                    )
                    for one in rejects
                ),
            )
        if not len(keys):
            return
        if isinstance(self.memory, Recent):
            transaction.save_seen(name, *self.memory.part(keys, hashes))
        else:
            transaction.save_seen(name, self.memory.parts, pack(self.number, keys, hashes))

    def place(self, transaction: SqliteTransaction, cursor: Mapping[str, Any] | None) -> None:
        """Save where the source stands."""
        saved = None if cursor is None else orjson.dumps(cursor).decode()
        mark = self.mark if self.record.ended else self.fingerprint
        transaction.save_source(self.source.name, cursor=saved, fingerprint=mark)

    def remember(self, keys: Any, hashes: Any) -> None:
        """Take in what is durable now."""
        if not len(keys):
            return
        if isinstance(self.memory, Recent):
            self.memory.committed(keys, hashes)
        else:
            self.memory.parts += 1

    def add_up(self, deliveries: Sequence[Delivery], counts: Counts) -> None:
        record = self.record
        self.record = replace(
            record,
            rows=record.rows + sum(delivery.read for delivery in deliveries),
            mapped=record.mapped + sum(delivery.rows.num_rows for delivery in deliveries),
            unchanged=record.unchanged + counts.unchanged,
            repeated=record.repeated + counts.repeated,
            conflicting=record.conflicting + counts.conflicting,
            rejected=record.rejected + sum(len(delivery.rejects) for delivery in deliveries),
            entities=record.entities + counts.entities,
            instances=record.instances + counts.instances,
            erased=self.left_out.count,
        )

    # -- the end

    def finish(
        self,
        *,
        state: str = "done",
        reason: str | None = None,
        notes: Sequence[str] = (),
        expectations: Sequence[Mapping[str, Any]] = (),
        rows: int | None = None,
    ) -> RunRecord:
        """End the run and keep its record; the record says `failed` where more rows are gone than may be.

        After a whole pull that went well, withdraws what is gone (`gone = "end"`), keeps the hashes of this pull
        alone and forgets the rejects of earlier runs. The disagreements of what was touched are found anew.
        """
        with suppress(LandbridgeError) if state == "failed" else nullcontext():
            self.settle()
            self.end_backfill(state != "failed")
        whole = state == "done" and self.source.manner == "whole"
        notes, gone = [*notes], 0
        if whole and self.present is not None and self.memory_gone():
            broken = [str(one.get("name", "")) for one in expectations if one.get("failed")]
            if broken:
                notes.append(f"Nothing that is gone is withdrawn: not all rows are as expected ({', '.join(broken)}).")
            else:
                gone, reason = self.withdraw(self.present)
                state = "failed" if reason else state
        disagree.settle(self.store, self.claims, self.touched, self.actor, self.lake)
        if self.record.conflicting:
            rows_repeat = f"{self.record.conflicting:,} row{'s repeat' if self.record.conflicting > 1 else ' repeats'}"
            notes.append(f"{rows_repeat} {CONTRADICTED} {', '.join(self.differing)}.")
        self.record = replace(
            self.record, state=state, reason=reason, gone=gone, notes=tuple(notes), expectations=tuple(expectations),
            rows=self.record.rows if rows is None else rows,
        )  # fmt: skip
        return self.close(whole and state == "done")

    def end_backfill(self, good: bool) -> None:
        """Let what a backfill set aside count; after a failure take it away."""
        if self.backfill is None:
            return
        if not good:
            self.backfill.take_back()
        elif self.backfill.round is not None:
            self.turn(self.backfill)
        else:
            self.backfill.publish()  # what a killed run may have left

    def withdraw(self, present: withdrawal.Present) -> tuple[int, str | None]:
        return withdrawal.withdraw(self.store, self.claims, self.source, self.actor, self.number, present, self.touched)

    def memory_gone(self) -> bool:
        return isinstance(self.memory, Seen) and (self.memory.gone() or self.memory.fresh)

    def close(self, good: bool) -> RunRecord:
        """Keep the run's record and, after a good whole pull, its hashes in place of those before."""

        def job(transaction: SqliteTransaction) -> RunRecord:
            parts = self.memory.compacted() if good and isinstance(self.memory, Seen) else None
            record = replace(self.record, ended=transaction.recorded)
            transaction.save_run(self.source.name, self.number, orjson.dumps(record).decode())
            if self.record.state != "failed":
                transaction.save_source(
                    self.source.name, cursor=None if self.last is None else orjson.dumps(self.last).decode(),
                    fingerprint=self.mark,
                )  # fmt: skip
            if good:
                transaction.drop_rejects(self.source.name, before_run=self.number)
            if parts is not None:
                transaction.save_seen(self.source.name, 0, None)
                for number, body in enumerate(parts):
                    transaction.save_seen(self.source.name, number, body)
            return record

        self.record = self.store.write(job, actor=self.actor.name, source=self.source.name, run=self.number)
        return self.record


def numbers(rows: pa.RecordBatch, name: str) -> Any:
    """A column of keys or hashes as numpy has it."""
    return rows.column(name).to_numpy(zero_copy_only=False).astype(np.uint64, copy=False)


def joined(parts: Sequence[Any]) -> Any:
    return np.concatenate(parts) if parts else np.empty(0, np.uint64)


def open_ingest(
    store: SqliteStore,
    claims: Claims,
    source: SourceFacts,
    *,
    actor: Actor,
    fingerprint: str | None = None,
    history: Lake | None = None,
) -> Ingest:
    """Begin a run of a source: count it, recall where the run before left and what it had sent.

    Disagreements that a killed run left undone are found first, and what a killed backfill left is taken away.
    `history`: the lake, where a source that declares `backfill` puts its lines.
    """
    disagree.heal(store, claims, actor, source.name, history)

    def job(transaction: SqliteTransaction) -> tuple[int, int]:
        manifest.take_back(transaction, source.name)
        number = transaction.next_run(source.name)
        record = RunRecord(source.name, number, transaction.recorded, None, "running", None, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        transaction.save_run(source.name, number, orjson.dumps(record).decode())
        return number, transaction.recorded

    number, started = store.write(job, actor=actor.name, request=actor.request, source=source.name)
    with store.reader() as connection:
        cursor, before = reading.source_state(connection, source.name)
        parts = reading.seen(connection, source.name)
        whole = source.manner == "whole"
        memory = Seen(number, parts) if whole else Recent.of(number, parts)
    present = withdrawal.Present() if whole and source.gone == "end" else None
    known = orjson.loads(cursor) if cursor else None
    made = Ingest(store, claims, source, actor, number, started, known, before, fingerprint, memory, present)
    made.lake = history
    if source.backfill and whole and history is not None:
        made.backfill = Backfill(store, Stage(store, history), claims, source, number, made.stamp)
    return made
