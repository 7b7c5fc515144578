"""Erasure: a subject is forgotten for good, everywhere in the pool, and a certificate says so by its hash alone.

The intention is recorded first, and from that commit on nothing of the subject comes in any more, whoever writes. Then
one step follows the other, each of which may be repeated; so a kill at any moment leaves an erasure that whoever opens
the city next finishes. Last the intention itself goes, and with it what free pages and the log still hold.
Loaded by commands and workers only.
"""

import fcntl
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import orjson

from landbridge.errors import Exists, Failed, Invalid, Missing
from landbridge.governance.policy import Actor
from landbridge.model.claim import Claims
from landbridge.model.erasure import Naming, Subject
from landbridge.pool import disagree, forget_lines, forget_rows, forget_state, forget_texts
from landbridge.pool.certificate import Certificate, write_certificate
from landbridge.pool.erased import (
    ATTRIBUTE,
    CELL,
    ENTITY,
    SOURCE,
    attribute_hash,
    cell_hash,
    entity_hash,
    make_key,
    mark_of,
    sketch,
    source_hash,
)
from landbridge.pool.survey import History, Survey, survey
from landbridge.store import erased as kept
from landbridge.store import ledger, wipe
from landbridge.store.erased import Entry, UnderWay
from landbridge.store.sqlite import SqliteStore
from landbridge.store.transaction import SqliteTransaction

LOCK = "erase.lock"
FOLDER = "erasures"  # of the pool's folder: where certificates lie
SWEEPING = "sweep"
Keys = Callable[[str, str, Collection[int]], Collection[int]]  # source, id, times -> the keys of its rows
Forgot = Mapping[str, int]


@dataclass(frozen=True)
class Order:
    """What somebody wants erased, and why. `mentions`: further texts that tell the subject in rows and texts."""

    subject: Subject
    reason: str
    by: str
    mentions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise Invalid("An erasure has a reason.", hint="Give --reason.")
        told = [self.subject.entity, *self.mentions]
        if any(text and text in self.reason for text in told):
            raise Invalid(
                "The reason names what is to be forgotten, and the reason is kept.", hint="Say it without the name."
            )


def no_keys(source: str, id_: str, times: Collection[int]) -> Collection[int]:
    """Stand in where nobody knows how the mapping makes keys."""
    return ()


@dataclass
class Work:
    """One erasure under way: what it is after, what it found, how much is gone."""

    name: str
    order: Order
    hash: bytes
    began: int
    found: Survey = field(default_factory=Survey)
    counts: dict[str, int] = field(default_factory=dict)
    resumed: bool = False

    @property
    def subject(self) -> Subject:
        return self.order.subject

    @property
    def naming(self) -> Naming:
        """What is put in place of names and telling values, in texts."""
        marks = {self.subject.entity: mark_of(self.hash)} if self.subject.whole and self.subject.entity else {}
        return Naming(marks, frozenset(self.found.telling | set(self.order.mentions)))

    def add(self, counts: Forgot) -> None:
        for what, number in counts.items():
            if number:
                self.counts[what] = self.counts.get(what, 0) + number

    def body(self) -> str:
        order = self.order
        return orjson.dumps(
            {
                "subject": order.subject.to_json(),
                "reason": order.reason,
                "by": order.by,
                "mentions": order.mentions,
                "hash": self.hash.hex(),
                "began": self.began,
                "found": self.found.to_json(),
                "counts": self.counts,
            }
        ).decode()

    @classmethod
    def of(cls, row: UnderWay) -> "Work":
        told = orjson.loads(row.body)
        order = Order(Subject(**told["subject"]), told["reason"], told["by"], tuple(told["mentions"]))
        found = Survey.from_json(told["found"])
        return cls(row.certificate, order, bytes.fromhex(told["hash"]), told["began"], found, told["counts"], True)


@dataclass
class Eraser:
    """Erases from one pool. `history`: the files of history; `keys`: how a source's rows are known again;
    `waiting`: waits until no pull holds rows on disk that it read before."""

    store: SqliteStore
    claims: Claims
    actor: Actor
    history: History | None = None
    keys: Keys = no_keys
    waiting: Callable[[], Forgot] = dict

    @property
    def folder(self) -> Path:
        return Path(self.store.path).parent

    # -- asking

    def look(self, order: Order) -> Survey:
        """What would go; nothing is changed."""
        with self.store.reader() as connection:
            return survey(connection, order.subject, self.history, order.mentions)

    def erase(self, order: Order) -> Certificate:
        """Forget a subject, to the end. Raises Invalid, Failed where another erasure is under way or held up."""
        with alone(self.folder) as first:
            if not first:
                raise Failed("Another erasure is under way.", hint="Wait until it has ended.")
            return self.go(self.begin(order), 0)

    def resume(self, *, wait: bool = False) -> list[Certificate]:
        """Finish what was begun and killed; nothing where another process is at it and nobody wants to `wait`."""
        with self.store.reader() as connection:
            if not kept.under_way(connection):
                return []
        with alone(self.folder, wait=wait) as first:
            if not first:
                return []
            with self.store.reader() as connection:
                left = kept.under_way(connection)
            return [self.again(row) for row in left]

    def again(self, row: UnderWay) -> Certificate:
        if row.step == SWEEPING:
            return self.finish(Certificate.from_json(orjson.loads(row.body)))
        names = [name for name, _ in self.steps()]
        return self.go(Work.of(row), names.index(row.step))

    def begin(self, order: Order) -> Work:
        """Record the intention; from here on nothing of the subject comes in any more."""
        key = make_key(self.folder)
        hash_ = hash_of(key, order.subject)
        now = self.store.clock()
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now / 1e6))
        work = Work(f"{stamp}-{hash_.hex()[:12]}", order, hash_, now)

        def job(transaction: SqliteTransaction) -> None:
            if any(one.certificate == work.name for one in kept.under_way(transaction.connection)):
                raise Exists("This erasure is under way already.", where=work.name)
            kept.add(transaction, [entry_of(key, order.subject, work.name)])
            kept.grow(transaction)
            kept.put(transaction, UnderWay(work.name, "look", work.body()))

        self.store.write(job, tenant=order.subject.tenant, actor=order.by)
        return work

    def allow(self, name: str) -> int:
        """Let come back what an erasure keeps out; how many hashes that were. Raises Missing where there are none."""

        def job(transaction: SqliteTransaction) -> int:
            count = kept.lift(transaction, name)
            if not count:
                raise Missing(
                    "No erasure of this name keeps anything out.", where=name, hint="List them: landbridge erase --list"
                )
            kept.grow(transaction)
            line = (transaction.recorded, self.actor.name, "", "allow again what was erased", name, "done", "", "")
            ledger.add_audit(transaction.connection, [line])
            return count

        return self.store.write(job, actor=self.actor.name)

    # -- step by step

    def steps(self) -> Sequence[tuple[str, Callable[[Work], Forgot]]]:
        return (
            ("look", self.find),
            (
                "rows",
                lambda work: forget_rows.forget(self.store, work.subject, work.found, work.naming, work.order.mentions),
            ),
            ("lines", lambda work: forget_lines.forget(self.store, work.subject, work.found, work.naming)),
            (
                "state",
                lambda work: forget_state.forget(self.store, self.claims, work.subject, work.found, work.naming),
            ),
            ("texts", lambda work: forget_texts.forget(self.store, work.subject, work.naming, mark_of(work.hash))),
            ("seen", self.forget_seen),
            ("history", lambda work: {} if self.history is None else self.history.erase(work.subject, work.naming)),
            ("settle", self.settle),
            ("wait", lambda work: self.waiting()),
        )

    def go(self, work: Work, start: int) -> Certificate:
        """Do one step after the other, each kept with what it did."""
        steps = self.steps()
        for place in range(start, len(steps)):
            work.add(steps[place][1](work))
            following = steps[place + 1][0] if place + 1 < len(steps) else None
            if following is not None:
                self.note(UnderWay(work.name, following, work.body()))
        certificate = Certificate.of(work)
        self.note(UnderWay(work.name, SWEEPING, orjson.dumps(certificate.to_json()).decode()))
        return self.finish(certificate)

    def note(self, row: UnderWay) -> None:
        self.store.tend(lambda transaction: kept.put(transaction, row))

    def find(self, work: Work) -> Forgot:
        """Find what there is, and keep it with the intention; also by which cells a source names the subject."""
        work.found = self.look(work.order)
        key = make_key(self.folder)

        def job(transaction: SqliteTransaction) -> None:
            kept.add(transaction, [cell_entry(key, work.name, *cell) for cell in sorted(work.found.cells)])
            kept.grow(transaction)

        self.store.tend(job)
        return {}

    def forget_seen(self, work: Work) -> Forgot:
        """Forget the hashes of the subject's rows, where it is known how the mapping makes them."""
        subject, id_ = work.subject, work.subject.entity
        if id_ is None or subject.attribute is not None:
            return {}
        times = [time for time in work.found.times if subject.at(time)]
        gone = {
            source: np.array(sorted(keys), np.uint64)
            for source in work.found.rows
            if (keys := self.keys(source, id_, times))
        }
        return forget_rows.forget_seen(self.store, gone) if gone else {}

    def settle(self, work: Work) -> Forgot:
        """Find the disagreements anew that were about what is gone."""
        disagree.heal(self.store, self.claims, self.actor, lake=self.history.lake if self.history else None)
        return {}

    def finish(self, certificate: Certificate) -> Certificate:
        """Sweep the file, and put the certificate on record."""
        if self.store.path != ":memory:":
            wipe.sweep(self.store.path)
        ended = certificate.ended_at(self.store.clock())
        path = write_certificate(self.folder / FOLDER, ended, make_key(self.folder))

        def job(transaction: SqliteTransaction) -> None:
            line = (transaction.recorded, certificate.by, "", "erase", mark_of(bytes.fromhex(certificate.subject)))
            ledger.add_audit(transaction.connection, [(*line, "done", certificate.reason[:500], path.name)])
            kept.drop(transaction, certificate.name)
            kept.grow(transaction)
            transaction.announce({"types": [], "entities": [], "more": True})

        self.store.write(job, actor=certificate.by)
        return ended


def hash_of(key: bytes, subject: Subject) -> bytes:
    """The hash that names a subject."""
    if subject.source is not None:
        return source_hash(key, subject.source)
    if subject.attribute is not None:
        return attribute_hash(key, subject.tenant, str(subject.entity), subject.attribute)
    return entity_hash(key, subject.tenant, str(subject.entity))


def entry_of(key: bytes, subject: Subject, name: str) -> Entry:
    """What keeps a subject from coming back."""
    span = (subject.since, subject.until, name)
    if subject.source is not None:
        return Entry(SOURCE, source_hash(key, subject.source), b"", 0, *span)
    id_ = str(subject.entity)
    of, drawn = entity_hash(key, subject.tenant, id_), sketch(key, id_)
    if subject.attribute is not None:
        return Entry(ATTRIBUTE, of, attribute_hash(key, subject.tenant, id_, subject.attribute), drawn, *span)
    return Entry(ENTITY, of, b"", drawn, *span)


def cell_entry(key: bytes, name: str, source: str, column: str, value: str) -> Entry:
    return Entry(CELL, source_hash(key, source), cell_hash(key, source, column, value), 0, None, None, name)


@contextmanager
def alone(folder: Path, *, wait: bool = False) -> Iterator[bool]:
    """Be the only process that erases; False where another one does."""
    with (folder / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError:
            yield False
            return
        yield True
