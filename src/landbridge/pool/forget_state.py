"""Forgetting state: whole entities, or instances of theirs; the rule chooses anew among the claims that are left.

Nothing of it is news: no subscriber is told, and no line of the journal records what was forgotten.
"""

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import apsw
import numpy as np
import orjson

from landbridge.model.claim import Claims
from landbridge.model.entity import Instances, instance_of
from landbridge.model.erasure import Naming, Subject
from landbridge.pool.disagree import Touched, named
from landbridge.pool.pin import without_pin
from landbridge.pool.row import row_of
from landbridge.pool.survey import Survey, covers
from landbridge.store import wipe
from landbridge.store.contract import Stored
from landbridge.store.document import unfold
from landbridge.store.schema import KIND_BITS
from landbridge.store.segment import unpack
from landbridge.store.sqlite import SqliteStore
from landbridge.store.transaction import SqliteTransaction

PART = 1_000  # entities of one commit


def forget(store: SqliteStore, claims: Claims, subject: Subject, found: Survey, naming: Naming) -> dict[str, int]:
    """Forget a subject's state."""
    if subject.whole:
        counts = {"entities": store.tend(lambda transaction: remove(transaction, found.keys))}
        counts["others that named it"] = sum(each(store, subject, naming.named, list(naming.marks)))
        return counts
    forgetting = Forgetting(claims, subject)
    if subject.entity is not None:
        store.tend(lambda transaction: forgetting.take(transaction, list(transaction.load(found.keys))))
        return forgetting.counts
    needle = f'"@":[{orjson.dumps(subject.source).decode()},'
    with store.reader() as connection:
        forgetting.held = held_keys(connection, subject.tenant)
    for part in parts(store, subject, [needle]):
        store.tend(lambda transaction, part=part: forgetting.take(transaction, list(transaction.load(part))))  # type: ignore[misc]  # bound now
    if not subject.timed:
        store.tend(lambda transaction: forgetting.forget_past(transaction))
    return forgetting.counts


def remove(transaction: SqliteTransaction, keys: list[int]) -> int:
    count = wipe.remove(transaction, keys)
    wipe.forget_keys(transaction, keys)
    return count


def parts(store: SqliteStore, subject: Subject, needles: list[str]) -> Iterator[list[int]]:
    """The keys of entities in whose text one of the needles is, some at a time."""
    with store.reader() as connection:
        kinds = wipe.kinds_of(connection, subject.tenant)
    some = " OR ".join(f"instr(doc, ?{number + 3})" for number in range(len(needles)))
    for number, _, _ in kinds:
        with store.reader() as connection:
            rows = connection.execute(
                f"SELECT key FROM entity WHERE key BETWEEN ?1 AND ?2 AND ({some}) ORDER BY key",  # noqa: S608  (marks alone)
                (*wipe.kind_span(number), *needles),
            )
            keys = [key for (key,) in rows]
        for at in range(0, len(keys), PART):
            yield keys[at : at + PART]


def each(store: SqliteStore, subject: Subject, renamed: Callable[[str], str], needles: list[str]) -> Iterator[int]:
    """Put marks in place of names in other entities; how many changed, part by part."""

    def job(transaction: SqliteTransaction, part: list[int]) -> int:
        count = 0
        for stored in list(transaction.load(part)):
            text = renamed(stored.doc)
            if text != stored.doc:
                save(transaction, stored, unfold(text))
                count += 1
        return count

    for part in parts(store, subject, needles):
        yield store.tend(lambda transaction, part=part: job(transaction, part))  # type: ignore[misc]  # bound now


def save(transaction: SqliteTransaction, stored: Stored, document: dict[str, Any]) -> None:
    """Write an entity's document anew. Its version is this commit's, so that nothing rendered of it before is used."""
    tenant = tenant_of(transaction, stored.key)
    kinds = [transaction.kind(tenant, type_) for type_ in document["type"]]
    version = max(transaction.number, stored.version) + 1
    row = row_of(stored.key, document, kinds, stored.created, max(transaction.recorded, stored.modified), version)
    wipe.write_row(transaction, row)


def tenant_of(transaction: SqliteTransaction, key: int) -> str:
    """The tenant of a key, or a snapshot's room."""
    return str(transaction.connection.execute("SELECT tenant FROM kind WHERE num=?", (key >> KIND_BITS,)).get)


def held_keys(connection: apsw.Connection, tenant: str) -> frozenset[int]:
    """The keys that some segment has lines of."""
    found: set[int] = set()
    kinds = [number for number, _, _ in wipe.kinds_of(connection, tenant)]
    for seq, *_ in wipe.segment_heads(connection, kinds):
        body = wipe.blob(connection, "segment", seq)
        if body is not None:
            found.update(np.unique(unpack(body).column("key").to_numpy()).tolist())
    return frozenset(found)


@dataclass
class Forgetting:
    """Takes a subject's instances out of documents. `held`: keys of which packed lines are left."""

    claims: Claims
    subject: Subject
    held: frozenset[int] = frozenset()
    counts: dict[str, int] = field(default_factory=lambda: {"entities": 0, "values": 0})

    def take(self, transaction: SqliteTransaction, rows: list[Stored]) -> None:
        """Take the instances out of these entities; one that a source alone fed goes with its last."""
        touched = Touched()
        for stored in rows:
            document = unfold(stored.doc)
            tenant = tenant_of(transaction, stored.key)
            names = [n for n in list(document["attrs"]) if self.take_from(transaction, tenant, document, n)]
            if not names:
                continue
            for name in names if tenant == self.subject.tenant else ():  # a snapshot has no disagreements
                touched.add(named("", 0), stored.key >> KIND_BITS, (name,), [stored.key])
            if document["attrs"] or self.subject.source is None:
                save(transaction, stored, document)
            else:
                self.drop(transaction, stored)
        touched.mark(transaction)

    def take_from(self, transaction: SqliteTransaction, tenant: str, document: dict[str, Any], name: str) -> bool:
        """Take what is meant out of an attribute; whether there was anything."""
        before: Instances = document["attrs"][name]
        left = [one for one in before if not covers(self.subject, name, one)]
        if len(left) == len(before):
            return False
        self.counts["values"] += len(before) - len(left)
        default = instance_of(before, None)
        if left and default is not None and default not in left:
            rivals = self.claims.rivals(tenant, document["type"], name)
            rule = self.claims.rule(document["type"], name)
            left = without_pin([default, *left], self.claims, rivals, rule, transaction.recorded)
        if left:
            document["attrs"][name] = left
        else:
            del document["attrs"][name]
        return True

    def drop(self, transaction: SqliteTransaction, stored: Stored) -> None:
        """Let an entity go; where others said something of it before, the past knows its key."""
        connection = transaction.connection
        tenant = tenant_of(transaction, stored.key)
        line = connection.execute("SELECT 1 FROM journal WHERE key=? LIMIT 1", (stored.key,)).get
        if line is not None or stored.key in self.held:
            transaction.bury(tenant, [stored])
        self.counts["entities"] += wipe.remove(transaction, [stored.key])

    def forget_past(self, transaction: SqliteTransaction) -> None:
        """Forget the keys of entities that are no more and of which no line is left, of the types that it fed."""
        types = {type_ for (_, type_, _), sources in self.claims.feeds.items() if self.subject.source in sources}
        connection = transaction.connection
        kinds = [number for number, _, type_ in wipe.kinds_of(connection, self.subject.tenant) if type_ in types]
        rows: Any = (
            connection.execute(
                "SELECT key FROM past p WHERE ended IS NOT NULL AND (key >> ?1) IN carray(?2)"
                " AND NOT EXISTS (SELECT 1 FROM journal j WHERE j.key = p.key)",
                (KIND_BITS, apsw.carray(array("q", kinds))),
            )
            if kinds
            else []
        )
        wipe.forget_keys(transaction, [key for (key,) in list(rows) if key not in self.held])
