"""The only way in and the only way out: every method asks the policy, and what it refuses is on record.

Doors (APIs, console, command line, sources) hold one Pool and call it with an actor; nothing else reads or writes
the store. Times are microseconds since 1970.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import orjson

from landbridge.errors import Failed, InvalidQuery, Refused
from landbridge.governance.audit import Act, ReadCounter, act
from landbridge.governance.policy import Actor, Policy, Role
from landbridge.history.recent import Recent
from landbridge.model.answer import (
    AttributeSummary,
    Change,
    Disagreement,
    Document,
    EntityMap,
    Held,
    Link,
    Page,
    Point,
    RejectGroup,
    RunRecord,
    SourceState,
    Trace,
    TypeDetail,
    TypeSummary,
)
from landbridge.model.chapter import Chapter
from landbridge.model.claim import Claims
from landbridge.model.entity import Instance
from landbridge.model.erasure import MARK
from landbridge.model.merge import Merging
from landbridge.model.query import And, Has, Or, Query
from landbridge.model.temporal import Evolution, Evolutions, TemporalQuery
from landbridge.pool import alter, batch, chronicle, discovery, entity_map, evolution, purge, read, write
from landbridge.pool.alter import Attributes, Fragment
from landbridge.pool.batch import Batch, Order
from landbridge.pool.chronicle import Chronicled
from landbridge.pool.evolution import History
from landbridge.pool.expire import Expiries
from landbridge.pool.purge import Doomed, Purge
from landbridge.pool.series import Earlier, series
from landbridge.pool.target import Target
from landbridge.pool.trace import explain
from landbridge.pool.write import Make, Written
from landbridge.store import ledger, reading, shelf
from landbridge.store.sqlite import SqliteStore
from landbridge.store.transaction import SqliteTransaction

__all__ = ["Actor", "Pool"]

LOG = logging.getLogger(__name__)
Done = TypeVar("Done", Written, Batch)
Then = Callable[[str, int], "Pool"]  # of a tenant and a moment
CLAIMS = "claims"  # the name under which the store keeps them


def pass_by(found: object) -> None:
    """Check nothing."""


@dataclass
class Aim:
    """What somebody asks for, as the audit names it."""

    name: str


class Pool:
    """A city's pool: its state, who may do what with it, and which sources feed what."""

    def __init__(self, store: SqliteStore, policy: Policy | None = None, claims: Claims | None = None) -> None:
        self.store = store
        self.history: History = Recent(store)
        self.policy = policy or Policy()
        self.given_claims = claims
        self.kept_claims: tuple[str | None, Claims] = (None, Claims())
        self.reads = ReadCounter(store.clock, self.save_acts, self.keep_acts)
        self.kept_acts: Future[None] = Future()
        self.kept_acts.set_result(None)
        self.expiries = Expiries(store)
        self.then: Then | None = None  # opens the pool as of a moment, handed in by whoever can read the lake
        self.earlier: Earlier | None = None  # what the store has given to the lake, handed in by whoever can read that

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
    def asked(self, actor: Actor, right: str, what: str, target: str = "") -> Iterator["Aim"]:
        """Let the actor do it, or refuse; a refusal is audited before it is told, also one that comes from inside.

        What is yielded may be given a name that is only known later, for the counts of public reads.
        """
        aim = Aim(target)
        try:
            self.policy.require(actor, right, what)
            self.expiries.withdraw(lambda: self.claims)
            yield aim
        except Refused as refusal:
            if actor.role is Role.PUBLIC:  # no line each for whoever knocks: counted
                self.reads.count(what, actor.door, "denied")
            else:
                named = named_in(refusal, target)
                self.save_acts([act(self.store.clock(), actor, what, named, "denied", refusal.message)])
            raise
        if actor.role is Role.PUBLIC:
            self.reads.count(aim.name or what, actor.door)

    def save_acts(self, acts: list[Act]) -> None:
        """Keep lines of the audit; on disk when this returns."""
        self.store.write(lines_of(acts), actor="audit")

    def keep_acts(self, acts: list[Act]) -> None:
        """Keep lines of the audit with the next commit, without waiting for it."""
        self.kept_acts = self.store.queue(lines_of(acts), ("", "audit", "", None, None))
        self.kept_acts.add_done_callback(complain)

    def audit(self, actor: Actor, action: str, target: str, outcome: str, reason: str = "") -> None:
        """Put on record what a door or a command did in an actor's name."""
        self.save_acts([act(self.store.clock(), actor, action, target, outcome, reason)])

    def audited(self, actor: Actor, limit: int = 100) -> list[Act]:
        """The newest lines of the audit, newest first, for operators."""
        with self.asked(actor, "operate", "read the audit"):
            self.kept_acts.exception()  # what is on its way there
        with self.store.reader() as connection:
            return [Act(*row) for row in ledger.audit(connection, limit)]

    # -- reading

    def entity(self, actor: Actor, id: str, *, tenant: str = "") -> Document:
        """An entity as it is now. Raises Missing."""
        with self.asked(actor, "read", "read entities", id) as target:
            document = read.entity(self.store, tenant, id)
            target.name = ",".join(document["type"])
            return document

    def query(self, actor: Actor, query: Query, check: Callable[[Page], object] = pass_by) -> Page:
        """One page of entities. What `check` raises of it is raised, as if nothing had been asked."""
        with self.asked(actor, "read", "read entities", type_names(query.types)):
            page = read.query(self.store, query)
            check(page)
            return page

    def held(self, actor: Actor, id: str, *, tenant: str = "", check: Callable[[Held], object] = pass_by) -> Held:
        """An entity as it is now, its document not read yet. Raises Missing, and what `check` raises of it."""
        with self.asked(actor, "read", "read entities", id) as target:
            found = read.held(self.store, tenant, id)
            check(found)
            if actor.role is Role.PUBLIC:
                target.name = ",".join(found.document["type"])
            return found

    def is_ready(self, actor: Actor, right: str) -> bool:
        """Whether the actor has the right and nothing is to be withdrawn before, so that asking waits for no write."""
        return self.policy.allows(actor, right) and not self.expiries.is_due(self.store.clock())

    def within(self, work: Callable[[], bytes], then: Callable[[bytes | None, BaseException | None], None]) -> None:
        """Do some work inside a commit, with others' at the same time; `then` is called once it is on disk.

        Both are called in the writer's thread, so they are short and wait for nothing.
        """
        self.store.within(work, then)

    def in_time(self, seconds: float) -> AbstractContextManager[None]:
        """Bound the reads of this thread: one that takes longer raises TakesLonger."""
        return self.store.in_time(seconds)

    def map_entities(self, actor: Actor, query: Query, lifetime: int | None = None) -> EntityMap:
        """Keep which entities a query finds, for so many microseconds at most (NGSI-LD 5.14.4)."""
        with self.asked(actor, "read", "read entities", type_names(query.types)):
            return entity_map.create(self.store, query, lifetime)

    def map_of(self, actor: Actor, ids: Sequence[str], lifetime: int | None = None, *, tenant: str = "") -> EntityMap:
        """Keep an entity map of these entities."""
        with self.asked(actor, "read", "read entities"):
            return entity_map.keep(self.store, tenant, dict.fromkeys(ids, (entity_map.HERE,)), lifetime)

    def query_map(self, actor: Actor, query: Query, of: EntityMap) -> Page:
        """One page of a map's entities; `next` and `previous` are offsets (NGSI-LD 5.5.9.3)."""
        with self.asked(actor, "read", "read entities", type_names(query.types)):
            return entity_map.page(self.store, query, of)

    def entity_map(self, actor: Actor, id: str, *, tenant: str = "") -> EntityMap:
        """Raises Missing where there is no such map, or its time is over."""
        with self.asked(actor, "read", "read entity maps", id):
            return entity_map.find(self.store, tenant, id)

    def change_entity_map(self, actor: Actor, id: str, expires: int | None, *, tenant: str = "") -> None:
        """Change until when a map is kept. Raises Missing."""
        with self.asked(actor, "read", "read entity maps", id):
            entity_map.change(self.store, tenant, id, expires)

    def delete_entity_map(self, actor: Actor, id: str, *, tenant: str = "") -> None:
        """Raises Missing."""
        with self.asked(actor, "read", "read entity maps", id):
            entity_map.delete(self.store, tenant, id)

    def type_details(self, actor: Actor, *, tenant: str = "") -> Sequence[TypeDetail]:
        """The types that have entities, with their attributes' names."""
        with self.asked(actor, "read", "read types"):
            return discovery.types(self.store, tenant)

    def type_detail(self, actor: Actor, type: str, *, tenant: str = "") -> TypeDetail:
        """One type, with the kinds of its attributes. Raises Missing."""
        with self.asked(actor, "read", "read types", type):
            return discovery.type_(self.store, tenant, type)

    def attributes(self, actor: Actor, *, tenant: str = "") -> Sequence[AttributeSummary]:
        """The attributes that entities have, with the types of those."""
        with self.asked(actor, "read", "read types"):
            return discovery.attributes(self.store, tenant)

    def attribute(self, actor: Actor, name: str, *, tenant: str = "") -> AttributeSummary:
        """One attribute, with its kinds and how many entities have it. Raises Missing."""
        with self.asked(actor, "read", "read types", name):
            return discovery.attribute(self.store, tenant, name)

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
            return series(self.store, tenant, id, attribute, limit, since, self.earlier)

    def as_of(self, actor: Actor, moment: int, *, tenant: str = "") -> "Pool":
        """This tenant's pool as it was known at a moment, to be read. Raises InvalidQuery, TooMuch."""
        with self.asked(actor, "read", "read entities as of then"):
            if moment > self.store.clock():
                raise InvalidQuery(
                    "What will be known is not known.", where="asOf", hint="Ask for a moment of the past."
                )
            if self.then is None:
                raise Failed("Nobody here reads the past of entities.", hint="Ask the city's service.")
            return self.then(tenant, moment)

    def evolution(self, actor: Actor, id: str, asked: TemporalQuery) -> Evolution:
        """How an entity came to be what it is; the question's query tells the tenant and conditions. Raises Missing."""
        with self.asked(actor, "read", "read history", id):
            return evolution.one(self.history, id, asked)

    def evolutions(self, actor: Actor, asked: TemporalQuery) -> Evolutions:
        """One page of entities that have instances in what is asked, with these. Raises InvalidQuery, TooMuch."""
        with self.asked(actor, "read", "read history", type_names(asked.query.types)):
            return self.history.evolutions(asked)

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

    # -- writing one entity; `id` may be a Target, which says under what conditions it is meant

    def create(self, actor: Actor, document: Document, *, tenant: str = "") -> Written:
        """Make an entity from a stored document. Raises Exists, Refused."""
        with self.asked(actor, "write", "write entities", document["id"]):
            return self.wrote(write.create(self.store, self.claims, actor, document, tenant))

    def replace(self, actor: Actor, id: str | Target, document: Document, *, tenant: str = "") -> Written:
        """Put a document in place of what clients wrote of an entity. Raises Missing, Outdated, Refused."""
        return self.change(actor, id, tenant, lambda _, edit: alter.replace(edit, document))

    def append(
        self,
        actor: Actor,
        id: str | Target,
        attrs: Attributes | Fragment,
        *,
        overwrite: bool = True,
        tenant: str = "",
    ) -> Written:
        """Add attribute instances, types and scopes. Raises Missing, Outdated, Refused."""
        given = attrs if isinstance(attrs, Fragment) else Fragment(attrs)
        return self.change(actor, id, tenant, lambda _, edit: alter.append(edit, given, overwrite=overwrite))

    def patch(self, actor: Actor, id: str | Target, attrs: Attributes | Fragment, *, tenant: str = "") -> Written:
        """Replace attribute instances, and add those that are not there. Raises Missing, Outdated, Refused."""
        given = attrs if isinstance(attrs, Fragment) else Fragment(attrs)
        return self.change(actor, id, tenant, lambda _, edit: alter.update(edit, given))

    def merge(self, actor: Actor, id: str | Target, given: Fragment, how: Merging, *, tenant: str = "") -> Written:
        """Merge a fragment into an entity, down to the members of values. Raises Missing, Outdated, Refused."""
        return self.change(actor, id, tenant, lambda _, edit: alter.merge(edit, given, how))

    def patch_attribute(
        self, actor: Actor, id: str | Target, attribute: str, part: Instance, *, tenant: str = ""
    ) -> Written:
        """Replace members of one attribute instance. Raises Missing, Outdated, Refused, InvalidEntity."""
        return self.change(actor, id, tenant, lambda _, edit: alter.update_attribute(edit, attribute, part))

    def replace_attribute(
        self, actor: Actor, id: str | Target, attribute: str, instances: Sequence[Instance], *, tenant: str = ""
    ) -> Written:
        """Replace instances of an attribute that are there. Raises Missing, Outdated, Refused."""
        return self.change(actor, id, tenant, lambda _, edit: alter.replace_attribute(edit, attribute, instances))

    def delete_attribute(
        self,
        actor: Actor,
        id: str | Target,
        attribute: str,
        dataset_id: str | None = None,
        all: bool = False,
        *,
        tenant: str = "",
    ) -> Written:
        """Delete a client's instance (or all of them); lifts a pin. Raises Missing, Outdated, Refused."""
        return self.change(actor, id, tenant, lambda _, edit: alter.delete_attribute(edit, attribute, dataset_id, all))

    def delete(self, actor: Actor, id: str | Target, *, tenant: str = "") -> Written:
        """Delete an entity that no source feeds. Raises Missing, Outdated, Refused."""
        return self.change(actor, id, tenant, alter.delete, "delete entities")

    def change(self, actor: Actor, id: str | Target, tenant: str, make: Make, what: str = "write entities") -> Written:
        target = id if isinstance(id, Target) else Target(id)
        with self.asked(actor, "write", what, target.id):
            return self.wrote(write.change(self.store, self.claims, actor, target, tenant, make))

    def wrote(self, written: Done) -> Done:
        """Remember that something expires."""
        if written.expiring:
            self.expiries.forget()
        return written

    # -- writing history alone: what is now stays as it is (NGSI-LD 5.6.11 to 5.6.16)

    def write_evolution(self, actor: Actor, chapter: Chapter, *, tenant: str = "") -> Chronicled:
        """Begin an entity's evolution, or add to it. Raises Refused."""
        with self.asked(actor, "write", "write history", chapter.id):
            return chronicle.upsert(self.store, actor, tenant, chapter)

    def extend_evolution(self, actor: Actor, chapter: Chapter, *, tenant: str = "") -> Chronicled:
        """Add to an entity's evolution. Raises Missing, Refused."""
        with self.asked(actor, "write", "write history", chapter.id):
            return chronicle.append(self.store, actor, tenant, chapter)

    def delete_evolution(self, actor: Actor, id: str, *, tenant: str = "") -> Chronicled:
        """Take an entity's evolution away. Raises Missing, Refused."""
        with self.asked(actor, "write", "delete history", id):
            return chronicle.clear(self.store, actor, tenant, id)

    def delete_series(
        self, actor: Actor, id: str, attribute: str, dataset_id: str | None, all: bool = False, *, tenant: str = ""
    ) -> Chronicled:
        """Take the evolution of an attribute away: of one datasetId, or all of it. Raises Missing, Refused."""
        with self.asked(actor, "write", "delete history", id):
            read = partial(self.evolution, actor, id)
            datasets = chronicle.datasets_meant(read, tenant, id, attribute, dataset_id, all)
            return chronicle.clear_series(self.store, actor, tenant, id, attribute, datasets)

    def change_instance(
        self,
        actor: Actor,
        id: str,
        attribute: str,
        instance_id: tuple[int, int],
        instance: Instance,
        *,
        tenant: str = "",
    ) -> Chronicled:
        """Put an instance in the place of another one, named by commit and ordinal. Raises Missing, Refused."""
        with self.asked(actor, "write", "write history", id):
            there = self.evolution(actor, id, chronicle.only(tenant, id, attribute, instance_id))
            moment = chronicle.moment_in(there, attribute, instance_id)
            return chronicle.change(self.store, actor, tenant, id, attribute, moment, instance)

    def delete_instance(
        self, actor: Actor, id: str, attribute: str, instance_id: tuple[int, int], *, tenant: str = ""
    ) -> Chronicled:
        """Take one instance away, named by commit and ordinal. Raises Missing, Refused."""
        with self.asked(actor, "write", "delete history", id):
            there = self.evolution(actor, id, chronicle.only(tenant, id, attribute, instance_id))
            return chronicle.retract(
                self.store, actor, tenant, id, attribute, chronicle.moment_in(there, attribute, instance_id)
            )

    # -- writing many, in one commit: what fails is told of each, and the others are written

    def create_all(self, actor: Actor, orders: Sequence[Order], *, tenant: str = "") -> Batch:
        """Make entities."""
        return self.all_of(actor, orders, tenant, batch.create)

    def upsert_all(self, actor: Actor, orders: Sequence[Order], *, update: bool = False, tenant: str = "") -> Batch:
        """Make entities, and replace or update those that are there."""
        return self.all_of(actor, orders, tenant, batch.upsert(update=update))

    def update_all(self, actor: Actor, orders: Sequence[Order], *, overwrite: bool = True, tenant: str = "") -> Batch:
        """Add attributes to entities, replacing those that are there or leaving them."""
        return self.all_of(actor, orders, tenant, batch.update(overwrite=overwrite))

    def merge_all(self, actor: Actor, orders: Sequence[Order], *, tenant: str = "") -> Batch:
        """Merge fragments into entities."""
        return self.all_of(actor, orders, tenant, batch.merge_one)

    def delete_all(self, actor: Actor, orders: Sequence[Order], *, tenant: str = "") -> Batch:
        """Delete entities."""
        return self.all_of(actor, orders, tenant, batch.remove, "delete entities")

    def all_of(
        self, actor: Actor, orders: Sequence[Order], tenant: str, one: batch.Perform, what: str = "write entities"
    ) -> Batch:
        with self.asked(actor, "write", what, f"{len(orders)} entities"):
            done = self.wrote(batch.perform(self.store, self.claims, actor, orders, tenant, one))
        self.audit_refused(actor, what, done.results)
        return done

    def purge(self, actor: Actor, query: Query, doomed: Doomed) -> Purge:
        """Delete all entities that a query finds, or attributes of theirs."""
        with self.asked(actor, "write", "delete entities", type_names(query.types)):
            done = purge.purge(self.store, self.claims, actor, query, doomed)
        self.audit_refused(actor, "delete entities", done.failed)
        return done

    def audit_refused(self, actor: Actor, what: str, results: Sequence[batch.Result]) -> None:
        """Put on record what a policy refused among many, one by one."""
        at = self.store.clock()
        denied = [(named_in(one.error, one.id), one.error.message) for one in results if isinstance(one.error, Refused)]
        if denied:
            self.save_acts([act(at, actor, what, id_, "denied", reason) for id_, reason in denied])


def named_in(refusal: Refused, target: str) -> str:
    """What a refusal was about, as the audit may name it: what was erased by its mark alone."""
    return refusal.where if refusal.where is not None and refusal.where.startswith(MARK) else target


def lines_of(acts: Sequence[Act]) -> Callable[[SqliteTransaction], None]:
    """The job that keeps lines of the audit."""
    rows = [(a.at, a.actor, a.role, a.action, a.target, a.outcome, a.reason, a.request) for a in acts]

    def job(transaction: SqliteTransaction) -> None:
        ledger.add_audit(transaction.connection, rows)

    return job


def complain(done: "Future[None]") -> None:
    """Say where lines of the audit could not be kept that nobody waited for."""
    if (error := done.exception()) is not None:
        LOG.error("The counts of public reads are not kept: %s", error)


def type_names(types: Has | And | Or | object | None) -> str:
    """The types that a query names, for the counts of public reads."""
    if isinstance(types, Has):
        return types.type
    if isinstance(types, And | Or):
        return ",".join(sorted({type_names(part) for part in types.parts}))[:200]
    return "(any)"
