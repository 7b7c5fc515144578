"""What the temporal API writes: lines of the journal, so that history changes and what is now does not.

An id that only history knows has a key of its type's kind and no state. What is changed or taken away stays in the
journal, hidden by the line that changes it or takes it away (see `store.contract.Entry`). NGSI-LD 5.6.11 to 5.6.16.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from landbridge.errors import Missing
from landbridge.governance.policy import Actor
from landbridge.model.chapter import Chapter
from landbridge.model.entity import HISTORY, Instance, deletes, without_provenance
from landbridge.model.instant import format_instant, parse_instant
from landbridge.model.query import Query
from landbridge.model.temporal import ENTITY, Evolution, Moment, TemporalQuery, instance_id
from landbridge.pool.alter import union
from landbridge.pool.erased import erased_of
from landbridge.store import past
from landbridge.store.change import types_of
from landbridge.store.contract import Entry
from landbridge.store.past import Keys
from landbridge.store.sqlite import SqliteStore
from landbridge.store.transaction import SqliteTransaction

PAGE = 10_000  # instances that are read at once
Attributes = Mapping[str, Sequence[Instance]]
#: attribute, datasetId, observed, operation, instance as JSON, and the line whose place it takes
Line = tuple[str, str | None, int | None, str, str | None, tuple[int, int] | None]


@dataclass(frozen=True)
class Chronicled:
    """The commit of a write to history, and whether it made an evolution that was not there."""

    commit: int
    made: bool = False


def upsert(store: SqliteStore, actor: Actor, tenant: str, chapter: Chapter) -> Chronicled:
    """Begin an entity's evolution, or add to it (NGSI-LD 5.6.11)."""

    def job(transaction: SqliteTransaction) -> Chronicled:
        refuse_erased(transaction, tenant, chapter.id, chapter.attrs)
        keys = past.keys(transaction.connection, tenant, chapter.id)
        key = keys.newest
        if key is None:
            key = past.begin(transaction, tenant, chapter.id, chapter.types)
            add(transaction, key, chapter, chapter.types)
        else:
            go_on(transaction, keys, key, chapter)
        return Chronicled(transaction.number, not keys.known)

    return commit(store, actor, tenant, job)


def append(store: SqliteStore, actor: Actor, tenant: str, chapter: Chapter) -> Chronicled:
    """Add to an evolution (NGSI-LD 5.6.12). Raises Missing where there is none."""

    def job(transaction: SqliteTransaction) -> Chronicled:
        keys = past.keys(transaction.connection, tenant, chapter.id)
        key = keys.newest
        if key is None or not keys.known:
            raise missing(chapter.id)
        refuse_erased(transaction, tenant, chapter.id, chapter.attrs)
        go_on(transaction, keys, key, chapter)
        return Chronicled(transaction.number)

    return commit(store, actor, tenant, job)


def refuse_erased(transaction: SqliteTransaction, tenant: str, id_: str, attrs: Attributes) -> None:
    """Refuse what was erased. Raises Refused."""
    erased = erased_of(transaction.connection)
    erased.require(tenant, id_)
    for attribute, instances in attrs.items() if erased else ():
        for one in instances:
            erased.require_instance(tenant, id_, attribute, one, transaction.recorded)


def go_on(transaction: SqliteTransaction, keys: Keys, key: int, chapter: Chapter) -> None:
    """Add to an id's evolution; types that it is given besides are added to those it had."""
    if keys.current is not None:
        before: Sequence[str] = types_of(next(transaction.load([key])).doc)
    else:
        former = next(one for one in keys.former if one.key == key)
        before = former.types if former.cleared is None else ()
    types = union(before, chapter.types)
    if keys.current is None:
        past.describe(transaction, key, types)
    add(transaction, key, chapter, types, described=set(types) != set(before) and bool(before))


def add(
    transaction: SqliteTransaction, key: int, chapter: Chapter, types: Sequence[str], *, described: bool = False
) -> None:
    lines = list(lines_of(chapter, types, described))
    record(transaction, ((key, line) for line in lines))


def lines_of(chapter: Chapter, types: Sequence[str], described: bool) -> Iterator[Line]:
    """What the journal is to say of a chapter."""
    if described and not chapter.scopes:
        yield ENTITY, None, None, "describe", orjson.dumps({"type": list(types)}).decode(), None
    since = min((time for one in instances_of(chapter) if (time := observed_of(one)) is not None), default=None)
    for told, scopes in chapter.scopes:
        observed = since if told is None else told  # scopes without a time hold since the first that is told with them
        said = {"type": list(types)} | ({"scope": list(scopes)} if scopes else {})
        yield ENTITY, None, observed, "describe", orjson.dumps(said).decode(), None
    for attribute, instances in chapter.attrs.items():
        for instance in instances:
            gone = deletes(instance)
            text = None if gone else text_of(instance)
            yield attribute, instance.get("datasetId"), observed_of(instance), "delete" if gone else "set", text, None


def instances_of(chapter: Chapter) -> Iterator[Instance]:
    return (one for instances in chapter.attrs.values() for one in instances)


def observed_of(instance: Instance) -> int | None:
    return parse_instant(instance["observedAt"]) if "observedAt" in instance else None


def change(
    store: SqliteStore, actor: Actor, tenant: str, id_: str, attribute: str, moment: Moment, instance: Instance
) -> Chronicled:
    """Put an instance in the place of another one, whose name and creation it keeps (NGSI-LD 5.6.14)."""
    kept = {**instance, "instanceId": moment.name, "createdAt": format_instant(moment.created)}
    observed, dataset = observed_of(instance), instance.get("datasetId")

    def job(transaction: SqliteTransaction) -> Chronicled:
        refuse_erased(transaction, tenant, id_, {attribute: [instance]})
        place, replaces = of_line(transaction, tenant, id_, moment), (moment.number, moment.ordinal)
        main: Line = (attribute, dataset, observed, "set", text_of(kept), replaces)
        gone: Line = (attribute, moment.dataset, None, "retract", None, replaces)
        record(transaction, [(place[0], main), *((other, gone) for other in place[1:])])
        return Chronicled(transaction.number)

    return commit(store, actor, tenant, job)


def retract(store: SqliteStore, actor: Actor, tenant: str, id_: str, attribute: str, moment: Moment) -> Chronicled:
    """Take one instance away, as if it had never counted (NGSI-LD 5.6.15)."""

    def job(transaction: SqliteTransaction) -> Chronicled:
        gone: Line = (attribute, moment.dataset, None, "retract", None, (moment.number, moment.ordinal))
        record(transaction, ((key, gone) for key in of_line(transaction, tenant, id_, moment)))
        return Chronicled(transaction.number)

    return commit(store, actor, tenant, job)


def of_line(transaction: SqliteTransaction, tenant: str, id_: str, moment: Moment) -> list[int]:
    """The key of an instance's line; where history alone has the line, one key of each kind that may have been its."""
    keys = past.keys(transaction.connection, tenant, id_)
    known = past.key_of_line(transaction.connection, moment.number, moment.ordinal)
    if known is not None:
        return [known]
    if keys.newest is None:
        raise missing(id_)
    return [keys.newest, *past.other_kinds(keys.all, keys.newest)]


def clear(store: SqliteStore, actor: Actor, tenant: str, id_: str) -> Chronicled:
    """Take an entity's whole evolution away (NGSI-LD 5.6.16). Raises Missing where there is none."""

    def job(transaction: SqliteTransaction) -> Chronicled:
        keys = past.keys(transaction.connection, tenant, id_)
        if not keys.known:
            raise missing(id_)
        gone: Line = (ENTITY, None, None, "clear", None, None)
        record(transaction, ((key, gone) for key in keys.all))
        past.clear(transaction, tenant, id_)
        return Chronicled(transaction.number)

    return commit(store, actor, tenant, job)


def clear_series(
    store: SqliteStore, actor: Actor, tenant: str, id_: str, attribute: str, datasets: Sequence[str | None]
) -> Chronicled:
    """Take the evolution of an attribute's instances with these datasetIds away (NGSI-LD 5.6.13)."""

    def job(transaction: SqliteTransaction) -> Chronicled:
        keys = past.keys(transaction.connection, tenant, id_)
        gone: list[Line] = [(attribute, dataset, None, "clear", None, None) for dataset in datasets]
        record(transaction, ((key, line) for key in keys.all for line in gone))
        return Chronicled(transaction.number)

    return commit(store, actor, tenant, job)


# -- what is there


def only(tenant: str, id_: str, attribute: str, instance: tuple[int, int]) -> TemporalQuery:
    """The question for one instance, or what stands in its place."""
    return TemporalQuery(Query(tenant, ids=(id_,)), attributes=(attribute,), instance=instance)


def glance(tenant: str, id_: str) -> TemporalQuery:
    """The question for as little of an evolution as says that it is there, and of which types."""
    return TemporalQuery(Query(tenant, ids=(id_,)), last=1, most=1)


def moment_in(evolution: Evolution, attribute: str, instance: tuple[int, int]) -> Moment:
    """The instance of this name. Raises Missing."""
    name = instance_id(*instance)
    found = next((one for one in evolution.attrs.get(attribute, ()) if one.name == name), None)
    if found is None:
        raise Missing("The attribute has no such instance.", where=name)
    return found


def datasets_meant(
    read: Callable[[TemporalQuery], Evolution],
    tenant: str,
    id_: str,
    attribute: str,
    dataset: str | None,
    everything: bool,
) -> list[str | None]:
    """Which of an attribute's datasetIds are meant; `read` tells its evolution. Raises Missing where there is none."""
    query = Query(tenant, ids=(id_,))
    if everything:
        found = list(datasets_in(read, TemporalQuery(query, attributes=(attribute,), most=PAGE), attribute))
    else:
        asked = TemporalQuery(query, attributes=(attribute,), datasets=(dataset or "",), last=1, most=1)
        found = [dataset] if read(asked).attrs.get(attribute) else []
    if not found:
        what = f"'{attribute}'" + (f" with datasetId {dataset}" if dataset else "")
        raise Missing(f"The evolution has no attribute {what}.", where=id_)
    return found


def datasets_in(
    read: Callable[[TemporalQuery], Evolution], asked: TemporalQuery, attribute: str
) -> dict[str | None, None]:
    """The datasetIds that an attribute's instances have, read page by page."""
    found: dict[str | None, None] = {}
    while True:
        evolution = read(asked)
        found |= dict.fromkeys(one.dataset for one in evolution.attrs.get(attribute, ()))
        if evolution.cut is None:
            return found
        asked = replace(asked, since=evolution.cut[1] + 1)


def missing(id_: str) -> Missing:
    return Missing("There is no evolution of such an entity.", where=id_)


# -- the journal


def record(transaction: SqliteTransaction, lines: Iterable[tuple[int, Line]]) -> None:
    """Write lines, numbered through."""
    transaction.record(
        [
            Entry(key, attribute, ordinal, dataset, HISTORY, observed, operation, instance, replaces)
            for ordinal, (key, (attribute, dataset, observed, operation, instance, replaces)) in enumerate(lines)
        ]
    )


def text_of(instance: Mapping[str, Any]) -> str:
    return orjson.dumps(without_provenance(instance)).decode()


def commit(store: SqliteStore, actor: Actor, tenant: str, job: Any) -> Chronicled:
    done: Chronicled = store.write(job, tenant=tenant, actor=actor.name, request=actor.request)
    return done
