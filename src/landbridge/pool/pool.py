"""The only way in and the only way out: every method asks the policy, and what it refuses is on record.

Doors (APIs, console, command line, sources) hold one Pool and call it with an actor; nothing else reads or writes
the store. Times are microseconds since 1970.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from landbridge.errors import Refused
from landbridge.governance.audit import Act, ReadCounter, act
from landbridge.governance.policy import Actor, Policy, Role
from landbridge.model.answer import (
    Change,
    Disagreement,
    Document,
    Link,
    Page,
    Point,
    RejectGroup,
    RunRecord,
    SourceState,
    Trace,
    TypeSummary,
)
from landbridge.model.claim import Claims
from landbridge.model.query import And, Has, Or, Query
from landbridge.pool import read, write
from landbridge.pool.series import series
from landbridge.pool.trace import explain
from landbridge.pool.write import Attributes, Fragment, Written
from landbridge.store import ledger, reading, shelf
from landbridge.store.sqlite import SqliteStore
from landbridge.store.transaction import SqliteTransaction

__all__ = ["Actor", "Pool"]

CLAIMS = "claims"  # the name under which the store keeps them


@dataclass
class Target:
    """What somebody asks for, as the audit names it."""

    name: str


class Pool:
    """A city's pool: its state, who may do what with it, and which sources feed what."""

    def __init__(self, store: SqliteStore, policy: Policy | None = None, claims: Claims | None = None) -> None:
        self.store = store
        self.policy = policy or Policy()
        self.given_claims = claims
        self.kept_claims: tuple[str | None, Claims] = (None, Claims())
        self.reads = ReadCounter(store.clock, self.save_acts)

    def close(self) -> None:
        """Keep what is counted, and close the store."""
        self.reads.flush()
        self.store.close()

    @property
    def claims(self) -> Claims:
        """Which sources feed what: as handed in, else as the city's folder was last declared, by whichever process."""
        if self.given_claims is not None:
            return self.given_claims
        with self.store.reader() as connection:
            text = reading.meta(connection, CLAIMS)
        known, claims = self.kept_claims
        if text != known:
            claims = Claims.from_json(orjson.loads(text)) if text else Claims()
            self.kept_claims = (text, claims)
        return claims

    # -- who may

    @contextmanager
    def asked(self, actor: Actor, right: str, what: str, target: str = "") -> Iterator["Target"]:
        """Let the actor do it, or refuse; a refusal is audited before it is told, also one that comes from inside.

        What is yielded may be given a name that is only known later, for the counts of public reads.
        """
        aim = Target(target)
        try:
            self.policy.require(actor, right, what)
            yield aim
        except Refused as refusal:
            if actor.role is Role.PUBLIC:  # no line each for whoever knocks: counted
                self.reads.count(what, actor.door, "denied")
            else:
                self.save_acts([act(self.store.clock(), actor, what, target, "denied", refusal.message)])
            raise
        if actor.role is Role.PUBLIC:
            self.reads.count(aim.name or what, actor.door)

    def save_acts(self, acts: list[Act]) -> None:
        """Keep lines of the audit; on disk when this returns."""
        rows = [(a.at, a.actor, a.role, a.action, a.target, a.outcome, a.reason, a.request) for a in acts]

        def job(transaction: SqliteTransaction) -> None:
            ledger.add_audit(transaction.connection, rows)

        self.store.write(job, actor="audit")

    def audit(self, actor: Actor, action: str, target: str, outcome: str, reason: str = "") -> None:
        """Put on record what a door or a command did in an actor's name."""
        self.save_acts([act(self.store.clock(), actor, action, target, outcome, reason)])

    def audited(self, actor: Actor, limit: int = 100) -> list[Act]:
        """The newest lines of the audit, newest first, for operators."""
        with self.asked(actor, "operate", "read the audit"), self.store.reader() as connection:
            return [Act(*row) for row in ledger.audit(connection, limit)]

    # -- reading

    def entity(self, actor: Actor, id: str, *, tenant: str = "") -> Document:
        """An entity as it is now. Raises Missing."""
        with self.asked(actor, "read", "read entities", id) as target:
            document = read.entity(self.store, tenant, id)
            target.name = ",".join(document["type"])
            return document

    def query(self, actor: Actor, query: Query) -> Page:
        """One page of entities."""
        with self.asked(actor, "read", "read entities", type_names(query.types)):
            return read.query(self.store, query)

    def types(self, actor: Actor, *, tenant: str = "") -> Sequence[TypeSummary]:
        with self.asked(actor, "read", "read types"):
            return read.types(self.store, tenant)

    def explain(self, actor: Actor, id: str, attribute: str | None = None, *, tenant: str = "") -> Sequence[Trace]:
        """Where each instance came from; raw rows and names only for operators and stewards."""
        with self.asked(actor, "read", "read provenance"):
            inside = self.policy.allows(actor, "raw")
            return explain(self.store, self.claims, tenant, id, attribute, inside=inside)

    def series(
        self, actor: Actor, id: str, attribute: str, *, limit: int = 200, since: int | None = None, tenant: str = ""
    ) -> Sequence[Point]:
        """The newest recorded instances of an attribute, newest last."""
        with self.asked(actor, "read", "read series"):
            return series(self.store, tenant, id, attribute, limit, since)

    def links(self, actor: Actor, id: str, *, limit: int = 100, tenant: str = "") -> Sequence[Link]:
        """What points at an entity."""
        with self.asked(actor, "read", "read links"):
            return read.links(self.store, tenant, id, limit)

    def disagreements(
        self,
        actor: Actor,
        *,
        entity: str | None = None,
        attribute: str | None = None,
        limit: int = 1000,
        tenant: str = "",
    ) -> Sequence[Disagreement]:
        with self.asked(actor, "read", "read disagreements"):
            return read.disagreements(self.store, tenant, entity, attribute, limit)

    def sources(self, actor: Actor) -> Sequence[SourceState]:
        with self.asked(actor, "read", "read about sources"):
            return read.sources(self.store)

    def runs(self, actor: Actor, source: str, limit: int = 20) -> Sequence[RunRecord]:
        with self.asked(actor, "read", "read about runs"):
            return read.runs(self.store, source, limit)

    def rejects(self, actor: Actor, source: str | None = None, *, examples: int = 3) -> Sequence[RejectGroup]:
        with self.asked(actor, "raw", "see rejected rows", source or ""):
            return read.rejects(self.store, source, examples)

    def reject_rows(
        self, actor: Actor, source: str, reason: str, limit: int = 100, offset: int = 0
    ) -> Sequence[Mapping[str, Any]]:
        with self.asked(actor, "raw", "see rejected rows", source):
            return read.reject_rows(self.store, source, reason, limit, offset)

    def search(self, actor: Actor, text: str, *, limit: int = 20, tenant: str = "") -> Sequence[Document]:
        """Entities whose id or name contains the text."""
        with self.asked(actor, "read", "search"):
            return read.search(self.store, tenant, text, limit)

    def version(self) -> int:
        """The number of the last commit."""
        return self.store.version()

    def has_tenant(self, tenant: str) -> bool:
        """Whether anything was ever written for a tenant; the default one is always there."""
        if tenant == "" or self.store.kinds(tenant):
            return True
        with self.store.reader() as connection:
            return shelf.has_tenant(connection, tenant)

    def changes(self, since: int, limit: int = 1000) -> list[Change]:
        """What the commits after `since` changed. Says no values, so no actor is asked."""
        return read.changes(self.store, since, limit)

    # -- writing

    def create(self, actor: Actor, document: Document, *, tenant: str = "") -> Written:
        """Make an entity from a stored document. Raises Exists, Refused."""
        with self.asked(actor, "write", "write entities", document["id"]):
            return write.create(self.store, self.claims, actor, document, tenant)

    def append(
        self,
        actor: Actor,
        id: str,
        attrs: Attributes,
        *,
        overwrite: bool = True,
        types: Sequence[str] = (),
        scope: Sequence[str] | None = None,
        tenant: str = "",
    ) -> Written:
        """Add attribute instances, and types that the entity has besides. Raises Missing, Refused."""
        with self.asked(actor, "write", "write entities", id):
            given = Fragment(attrs, types, scope)
            return write.append(self.store, self.claims, actor, id, given, overwrite, tenant)

    def patch(
        self,
        actor: Actor,
        id: str,
        attrs: Attributes,
        *,
        types: Sequence[str] = (),
        scope: Sequence[str] | None = None,
        tenant: str = "",
    ) -> Written:
        """Replace attribute instances that are there. Raises Missing, Refused."""
        with self.asked(actor, "write", "write entities", id):
            return write.patch(self.store, self.claims, actor, id, Fragment(attrs, types, scope), tenant)

    def delete_attribute(
        self,
        actor: Actor,
        id: str,
        attribute: str,
        dataset_id: str | None = None,
        all: bool = False,
        *,
        tenant: str = "",
    ) -> Written:
        """Delete a client's instance (or all of them); lifts a pin. Raises Missing, Refused."""
        with self.asked(actor, "write", "write entities", id):
            return write.delete_attribute(self.store, self.claims, actor, id, attribute, dataset_id, all, tenant)

    def delete(self, actor: Actor, id: str, *, tenant: str = "") -> Written:
        """Delete an entity that no source feeds. Raises Missing, Refused."""
        with self.asked(actor, "write", "delete entities", id):
            return write.delete(self.store, actor, id, tenant)


def type_names(types: Has | And | Or | object | None) -> str:
    """The types that a query names, for the counts of public reads."""
    if isinstance(types, Has):
        return types.type
    if isinstance(types, And | Or):
        return ",".join(sorted({type_names(part) for part in types.parts}))[:200]
    return "(any)"
