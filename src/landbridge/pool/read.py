"""What the pool answers: entities, types, links, and how its sources are doing. The facade has asked the policy."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import apsw
import orjson

from landbridge.errors import InvalidQuery, Missing
from landbridge.model.answer import (
    Change,
    Disagreement,
    Document,
    Held,
    Link,
    Page,
    RejectGroup,
    RunRecord,
    Said,
    SourceState,
    TypeSummary,
)
from landbridge.model.instant import parse_instant
from landbridge.model.query import Compare, Has, Path, Query
from landbridge.store import find, reading, timeline
from landbridge.store.contract import Kind
from landbridge.store.schema import SLOTS
from landbridge.store.sqlite import SqliteStore
from landbridge.store.transaction import SqliteTransaction

LARGEST_PAGE = 1000
SAMPLE = 50  # entities looked at to learn what a type's attributes are


def entity(store: SqliteStore, tenant: str, id_: str) -> Document:
    """An entity as it is now. Raises Missing."""
    stored = store.get(tenant, id_)
    if stored is None:
        raise Missing("There is no such entity.", where=id_)
    return reading.document(stored)


def held(store: SqliteStore, tenant: str, id_: str) -> Held:
    """An entity as it is now, its document not read yet. Raises Missing."""
    stored = store.get(tenant, id_)
    if stored is None:
        raise Missing("There is no such entity.", where=id_)
    return reading.held(stored)


def query(store: SqliteStore, asked: Query) -> Page:
    """One page of a query's answer. Raises InvalidQuery for a page larger than LARGEST_PAGE."""
    if not 0 <= asked.limit <= LARGEST_PAGE:
        raise InvalidQuery(f"A page has 0 to {LARGEST_PAGE} entities, not {asked.limit}.", where="limit")
    return store.query(asked)


def types(store: SqliteStore, tenant: str) -> list[TypeSummary]:
    """The types that have entities, by name; an entity counts for each of its types."""
    with store.reader() as connection:
        counted = [
            (kind, kind.entities + (find.count_shared(connection, kind) if kind.shared else 0))
            for kind in reading.kinds(connection, tenant)
        ]
        return [
            TypeSummary(kind.type, count, attributes_of(connection, kind), kind.located)
            for kind, count in counted
            if count
        ]


def attributes_of(connection: apsw.Connection, kind: Kind) -> tuple[str, ...]:
    """A kind's attributes: those with a slot, and where there are no slots left, those met in a sample."""
    names = dict.fromkeys(kind.slots)
    if len(kind.slots) >= SLOTS:
        page = reading.query(connection, Query(tenant=kind.tenant, types=Has(kind.type), limit=SAMPLE))
        names |= dict.fromkeys(name for document in page.documents for name in document["attrs"])
    return tuple(names)


def links(store: SqliteStore, tenant: str, id_: str, limit: int) -> list[Link]:
    """Which entities point at this one, by which attribute."""
    with store.reader() as connection:
        asked = [
            (kind, attribute)
            for kind in reading.kinds(connection, tenant)
            if kind.entities
            for attribute in relationships_of(connection, kind)
        ]
        bare = [
            (kind, kind.slots[attribute])
            for kind, attribute in asked
            if attribute in kind.slots and find.wants_index(connection, kind, kind.slots[attribute])
        ]
    if bare:
        add_indexes(store, bare)
    found: list[Link] = []
    with store.reader() as connection:
        for kind, attribute in asked:
            found += [Link(one, kind.type, attribute) for one in pointing(connection, kind, attribute, id_, limit)]
            if len(found) >= limit:
                break
    return found[:limit]


def add_indexes(store: SqliteStore, columns: Sequence[tuple[Kind, int]]) -> None:
    def job(transaction: SqliteTransaction) -> None:
        for kind, slot in columns:
            find.add_index(transaction.connection, kind, slot)

    store.write(job, actor="index")


def pointing(connection: apsw.Connection, kind: Kind, attribute: str, target: str, limit: int) -> list[str]:
    """The ids of a kind's entities that point at the target by this attribute."""
    if attribute not in kind.slots:
        where = Compare(Path(attribute), "==", target)
        asked = Query(tenant=kind.tenant, types=Has(kind.type), where=where, limit=min(limit, LARGEST_PAGE))
        return [document["id"] for document in reading.query(connection, asked).documents]
    rows = find.pointing(connection, kind, kind.slots[attribute], target)
    meant = (row.id for row in rows if target in objects_of(orjson.loads(row.doc)["attrs"].get(attribute, ())))
    return list(islice(meant, limit))


def objects_of(instances: Sequence[Mapping[str, Any]]) -> set[str]:
    """The ids that an attribute's instances point at."""
    found: set[str] = set()
    for instance in instances:
        objects = instance.get("object", instance.get("objectList", ()))
        for one in [objects] if isinstance(objects, str) else objects:
            found.add(one["object"] if isinstance(one, Mapping) else one)
    return found


def relationships_of(connection: apsw.Connection, kind: Kind) -> list[str]:
    """The attributes of a kind that are relationships, as a sample of its entities tells."""
    page = reading.query(connection, Query(tenant=kind.tenant, types=Has(kind.type), limit=SAMPLE))
    return sorted(
        {
            name
            for document in page.documents
            for name, instances in document["attrs"].items()
            if instances[0]["type"] in ("Relationship", "ListRelationship")
        }
    )


def disagreements(
    store: SqliteStore, tenant: str, id_: str | None, attribute: str | None, limit: int
) -> list[Disagreement]:
    """Intervals in which sources differ; of one entity or attribute where given."""
    with store.reader() as connection:
        key = None if id_ is None else timeline.key_of(connection, tenant, id_)
        if id_ is not None and key is None:
            raise Missing("There is no such entity.", where=id_)
        rows = reading.disagreements(connection, tenant, key, attribute, limit)
    return [Disagreement(of, name, since, until, said_in(text)) for of, name, since, until, text in rows]


def said_in(text: str) -> tuple[Said, ...]:
    return tuple(Said(one["source"], one["value"], moment_of(one["observedAt"])) for one in orjson.loads(text))


def moment_of(moment: object) -> int:
    return moment if isinstance(moment, int) else parse_instant(str(moment))


def sources(store: SqliteStore) -> list[SourceState]:
    """Each source with its declaration, its last run, its last good one, and how many rows it rejects."""
    with store.reader() as connection:
        rejected: dict[str, int] = {}
        for source, _, count in reading.reject_groups(connection, None):
            rejected[source] = rejected.get(source, 0) + count
        return [
            source_state(connection, name, declared, rejected.get(name, 0))
            for name, declared, *_ in reading.sources(connection)
            if not declared.get("retired")
            if not declared.get("removed")
        ]


def source_state(connection: apsw.Connection, name: str, declared: Mapping[str, Any], rejects: int) -> SourceState:
    """What is known of a source, with its last run, its last good one and the last that read rows."""
    title = declared.get("title") or {}
    last, good = runs_of(connection, name, 1), reading.good_run(connection, name)
    judged = reading.judged_run(connection, name)
    return SourceState(
        name=name,
        kind=str(declared.get("kind", "")),
        title={"": title} if isinstance(title, str) else dict(title),
        owner=str(declared.get("owner", "")),
        licence=str(declared.get("licence", "")),
        schedule=declared.get("schedule"),
        types=tuple(declared.get("types", ())),
        attributes=tuple(declared.get("attributes", ())),
        last=last[0] if last else None,
        last_good=run_record(good) if good else None,
        judged=run_record(judged) if judged else None,
        rejects=rejects,
        next_due=declared.get("next_due"),
        words=dict(declared.get("words", {})),
    )


def runs_of(connection: apsw.Connection, source: str, limit: int) -> list[RunRecord]:
    return [run_record(body) for body in reading.runs(connection, source, limit)]


def run_record(body: Mapping[str, Any]) -> RunRecord:
    given = dict(body)
    given["notes"] = tuple(given.get("notes", ()))
    given["expectations"] = tuple(given.get("expectations", ()))
    return RunRecord(**given)


def runs(store: SqliteStore, source: str, limit: int) -> list[RunRecord]:
    """The last runs of a source, newest first."""
    with store.reader() as connection:
        return runs_of(connection, source, limit)


def rejects(store: SqliteStore, source: str | None, examples: int) -> list[RejectGroup]:
    """Rejected rows by source and reason, with some examples of each."""
    with store.reader() as connection:
        return [
            RejectGroup(of, reason, count, tuple(rows_rejected(connection, of, reason, examples, 0)))
            for of, reason, count in reading.reject_groups(connection, source)
        ]


def rows_rejected(
    connection: apsw.Connection, source: str, reason: str, limit: int, offset: int
) -> list[Mapping[str, Any]]:
    return [
        {"place": place, "row": orjson.loads(row), "run": run}
        for _, run, place, row in reading.rejects(connection, source, reason, limit, offset)
    ]


def reject_rows(store: SqliteStore, source: str, reason: str, limit: int, offset: int) -> list[Mapping[str, Any]]:
    """Some rejected rows of one reason: {place, row, run}."""
    with store.reader() as connection:
        return rows_rejected(connection, source, reason, limit, offset)


def search(store: SqliteStore, tenant: str, text: str, limit: int) -> list[Document]:
    """Entities whose id or name contains the text."""
    with store.reader() as connection:
        kinds = [kind for kind in reading.kinds(connection, tenant) if kind.entities]
        return [reading.document(stored) for stored in find.search(connection, kinds, text, limit)]


def changes(store: SqliteStore, since: int, limit: int) -> list[Change]:
    """What the commits after `since` changed, oldest first."""
    with store.reader() as connection:
        rows = reading.outbox(connection, since, limit)
    found = []
    for number, recorded, tenant, text in rows:
        body = orjson.loads(text)
        found.append(
            Change(
                number, recorded, tenant, tuple(body["types"]), tuple(body["entities"]), bool(body.get("more", False))
            )
        )
    return found
