"""A source's past on its way straight to the files of history, where its declaration says `backfill = true`.

Every line goes to a file of its type's table of the lake; of each series only what stands (the newest) is held, and
becomes state in the one commit that makes the files count (`Ingest.turn`). Files, source rows and hashes are written
before that commit and are nobody's until then, so a kill leaves the pool as it was. Where very many series stand, the
work is done in rounds, each with such a commit of its own; so memory stays bounded.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from landbridge.errors import LandbridgeError
from landbridge.history.backfill import Stage
from landbridge.history.leaf import Leaf, Stamped
from landbridge.model.claim import Claims
from landbridge.model.feed import Delivery, SourceFacts
from landbridge.pool import bulk, disagree
from landbridge.pool.absorb import Absorber
from landbridge.pool.bulk import Arranged, Sorted
from landbridge.pool.load import Ints, Lines, Part
from landbridge.pool.phrase import AttributePlan
from landbridge.pool.sheet import Sheet
from landbridge.pool.told import Told
from landbridge.store import manifest, reading
from landbridge.store.schema import KIND_BITS
from landbridge.store.segment import Form
from landbridge.store.sqlite import SqliteStore, Stamp
from landbridge.store.transaction import SqliteTransaction

LOG = logging.getLogger("landbridge.backfill")
Plans = tuple[AttributePlan, ...]

STANDING = 200_000  # rows that stand, from which a round ends
AGAIN = 50_000  # rows added to those that stand, after which they are looked through


@dataclass
class Held:
    """Of a mapping's rows about entities of one type, those of which something stands."""

    delivery: Delivery
    plans: Plans
    type: str  # as the mapping writes it
    rows: list[pa.RecordBatch] = field(default_factory=list)
    count: int = 0
    standing: int = 0  # rows left when they were last looked through

    def add(self, rows: pa.RecordBatch) -> None:
        """Hold rows that stand within their delivery."""
        self.rows.append(rows)
        self.count += rows.num_rows
        if self.count > 2 * self.standing + AGAIN:
            self.look_through()

    def look_through(self) -> None:
        """Let go of rows over which later ones stand."""
        ordered = bulk.in_order(joined(self.rows), self.plans)
        self.rows = [standing_rows(part) for _, part in ordered.parts]
        self.count = self.standing = sum(part.num_rows for part in self.rows)

    def arranged(self) -> Arranged:
        """What stands, ready for the commit."""
        self.look_through()
        rows = joined(self.rows)
        return bulk.arrange(rows.append_column("type", pa.array([self.type] * rows.num_rows, pa.string())), self.plans)


@dataclass
class Round:
    """What counts together: lines of commit `number` in files by type, and the rows that stand.

    `others`: rows that only the ordinary way can take.
    """

    number: int
    recorded: int
    lines: int = 0
    files: dict[str, list[str]] = field(default_factory=dict)
    held: dict[Any, Held] = field(default_factory=dict)
    others: list[tuple[Delivery, pa.RecordBatch, Plans]] = field(default_factory=list)


@dataclass
class Backfill:
    """Puts a run's rows into files and holds what stands; `round` is what is not committed yet."""

    store: SqliteStore
    stage: Stage
    claims: Claims
    source: SourceFacts
    run: int
    stamp: Stamp
    round: Round | None = None

    # -- one round

    def open(self, part: int) -> None:
        """Begin a round, where none is under way: its lines get a commit of their own, and a mark is left.

        `part`: from which on the hashes of its rows are kept.
        """
        if self.round is not None:
            return

        def job(transaction: SqliteTransaction) -> tuple[int, int]:
            manifest.begin(transaction, self.source.name, self.run, part)
            return transaction.number, transaction.recorded

        self.stage.publish()
        self.round = Round(*self.store.queue(job, self.stamp).result())

    @property
    def full(self) -> bool:
        """Whether so much stands that it should be committed."""
        held = [one.count for one in self.round.held.values()] if self.round else []
        others: list[int] = [rows.num_rows for _, rows, _ in self.round.others] if self.round else []
        return sum(held) + sum(others) > STANDING

    def turn(self, transaction: SqliteTransaction, absorber: Absorber, told: Told, touched: disagree.Touched) -> None:
        """Let the round count: its files, what was kept beside them, and the state of what stands."""
        assert self.round is not None
        for held in self.round.held.values():
            left = bulk.write(transaction, absorber, told, touched, held.delivery, held.arranged(), journal=False)
            if left is not None and left.num_rows:
                bulk.write_singly(transaction, absorber, told, touched, held.delivery, left, held.plans)
        for delivery, rows, plans in self.round.others:
            bulk.write_singly(transaction, absorber, told, touched, delivery, rows, plans)
        for type_, files in self.round.files.items():
            manifest.add(transaction, type_, self.source.name, self.run, self.round.number, files)
        manifest.end(transaction, self.source.name)

    def publish(self) -> None:
        """After the commit: have the tables name the files; what fails here is done by whoever comes next."""
        self.round = None
        try:
            self.stage.publish()
        except LandbridgeError as error:
            LOG.warning("History takes what %s has brought in later: %s", self.source.name, error)

    def take_back(self) -> None:
        """Take away what the round wrote: it will never count."""
        if self.round is not None:
            self.store.tend(lambda transaction: manifest.take_back(transaction, self.source.name))
            self.stage.discard(self.round.files)
            self.round = None

    # -- rows

    def take(self, delivery: Delivery, rows: pa.RecordBatch, plans: Plans, again: bool) -> int:
        """Write the lines of rows, which columns can say, into files; answers how many there are.

        `again`: whether some rows have been said in this pull before, with other values.
        """
        assert self.round is not None
        before = self.round.lines
        arranged = bulk.arrange(rows, plans)
        odd = set(arranged.odd)
        for name, part in arranged.by_type:
            odd |= self.of_other_types(delivery.expand(name), part.ids)
        for name, part in arranged.by_type:
            some = bulk.in_order(bulk.without(part.rows, odd), plans) if odd else part
            if some.rows.num_rows:
                self.write(self.round, delivery, plans, name, some, again)
        if odd:
            wanted = pc.is_in(rows.column("id"), pa.array(odd, pa.string()))
            self.round.others.append((delivery, rows.filter(wanted), plans))
        return self.round.lines - before

    def of_other_types(self, type_: str, ids: list[str]) -> frozenset[str]:
        """The ids of entities that exist and have another type than this one, or further ones."""
        with self.store.reader() as connection:
            look = SqliteTransaction(connection, 0, 0)
            keys = look.locate(self.source.tenant, ids)
            kind = next((kind for kind in reading.kinds(connection, self.source.tenant) if kind.type == type_), None)
            several = look.of_several_types(kind) if kind is not None and keys else set[int]()
        number = -1 if kind is None else kind.num
        return frozenset(id_ for id_, key in keys.items() if key >> KIND_BITS != number or key in several)

    def write(self, round_: Round, delivery: Delivery, plans: Plans, name: str, rows: Sorted, again: bool) -> None:
        """Write the lines about entities of one type as files."""
        type_ = delivery.expand(name)
        held = round_.held.setdefault((delivery.mapping, delivery.plan, name), Held(delivery, plans, name))
        leaves: list[Leaf] = []
        for entities, part in rows.parts:
            leaves += self.leaves(round_, part, rows.ids[entities], type_)
            held.add(standing_rows(part))
        if type_ not in round_.files:
            self.stage.catch_up(type_)
        files = round_.files.setdefault(type_, [])
        stamped = Stamped(self.source.tenant, round_.number, round_.recorded, self.source.name, self.run)
        files += self.stage.write(type_, leaves, stamped, files if again else ())

    def leaves(self, round_: Round, part: Part, ids: Sequence[str], type_: str) -> Iterator[Leaf]:
        """The lines of a part, in columns as a segment has them."""
        absorber = Absorber(self.source.name, self.run, round_.number, 0, self.claims, self.source.tenant)
        by_time: dict[str | None, list[int]] = {}
        for number, lines in enumerate(part.attributes):
            if len(lines.at):
                by_time.setdefault(lines.rendered.plan.observed, []).append(number)
        for numbers in by_time.values():
            some = [part.attributes[number] for number in numbers]
            group, at = part.said_by(some)
            sheet = Sheet(part.columns, at)
            for lines in some:
                standing = absorber.standing((type_,), lines.rendered.name)
                sheet.add(lines.rendered, standing.claim if standing.rivals else None)
            form = Form(tuple(sheet.said), round_.lines)
            round_.lines += sum(len(lines.at) for lines in some)
            yield Leaf(sheet.table(group, some[0].rendered.observed), form, ids)


def standing_rows(part: Part) -> pa.RecordBatch:
    """The rows of a part of which something stands, in their order."""
    places = [lines.at[lines.newest] for lines in part.attributes if len(lines.at)]
    places += [last_untimed(lines) for lines in part.attributes if lines.untimed is not None and lines.untimed.any()]
    wanted: Ints = np.unique(np.concatenate(places)) if places else np.empty(0, np.int64)
    rows = part.columns.rows
    return rows if len(wanted) == rows.num_rows else rows.take(pa.array(wanted))


def last_untimed(lines: Lines) -> Ints:
    """The last row of each entity that tells no time: what was said before it stands no more, whatever comes later."""
    groups, at = lines.group[lines.untimed], lines.at[lines.untimed]
    order = np.lexsort((at, groups))
    groups, at = groups[order], at[order]
    last = np.ones(len(groups), bool)
    last[:-1] = groups[1:] != groups[:-1]
    return at[last]


def joined(rows: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """Batches as one."""
    if len(rows) == 1:
        return rows[0]
    return pa.Table.from_batches(rows).combine_chunks().to_batches()[0]
