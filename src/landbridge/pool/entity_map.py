"""Entity maps: the entities that a query found, kept so that all its pages are of one set (NGSI-LD 5.14, 5.5.9.3).

The set is fixed when the map is made; each page asks the query again of the entities that are next in it, takes those
that no longer fit out of the map, and is filled from those behind.
"""

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from landbridge.errors import Missing, TooMuch
from landbridge.model.answer import EntityMap, Held, Page
from landbridge.model.query import Query
from landbridge.pool.erased import erased_of
from landbridge.store import entity_map as kept
from landbridge.store import reading, shelf
from landbridge.store.sqlite import SqliteStore
from landbridge.store.transaction import SqliteTransaction

HERE = "@none"
MOST_ENTITIES = 100_000
USUAL = 3600 * 1_000_000  # microseconds that a map is kept where nothing is said
LONGEST = 24 * USUAL
BATCH = 500


def create(store: SqliteStore, query: Query, lifetime: int | None) -> EntityMap:
    """Make the map of a query's answer. `lifetime` in microseconds, at most a day. Raises TooMuch for a huge answer."""
    with store.reader() as connection:
        ids = reading.ids(connection, replace(query, after=None, before=None, offset=0), MOST_ENTITIES + 1)
    if len(ids) > MOST_ENTITIES:
        raise TooMuch(f"The query finds more than {MOST_ENTITIES} entities.", hint="Narrow it, or page without a map.")
    return keep(store, query.tenant, dict.fromkeys(ids, (HERE,)), lifetime)


def keep(store: SqliteStore, tenant: str, entities: dict[str, Sequence[str]], lifetime: int | None = None) -> EntityMap:
    """Keep a map of these entities."""
    now = store.clock()
    expires = now + min(USUAL if lifetime is None else lifetime, LONGEST)
    with store.reader() as connection:
        erased = erased_of(connection)
    if erased:  # other brokers may still name what was erased here
        entities = {id_: where for id_, where in entities.items() if erased.whole(tenant, id_) is None}
    made = EntityMap(f"urn:ngsi-ld:EntityMap:{secrets.token_hex(12)}", expires, entities)

    def job(transaction: SqliteTransaction) -> None:
        kept.forget(transaction, tenant, now)
        shelf.put(transaction, kept.SHELF, tenant, made.id, body_of(made))

    store.write(job, tenant=tenant, actor="map")
    return made


def body_of(made: EntityMap) -> dict[str, Any]:
    return {"expires": made.expires, "entities": made.entities, "linked": made.linked}


def find(store: SqliteStore, tenant: str, id_: str) -> EntityMap:
    """A map that has not expired. Raises Missing."""
    with store.reader() as connection:
        found = kept.get(connection, tenant, id_)
    if found is None or found.body["expires"] <= store.clock():
        raise Missing("There is no such entity map, or its time is over.", where=id_)
    return EntityMap(id_, found.body["expires"], found.body["entities"], found.body["linked"])


def change(store: SqliteStore, tenant: str, id_: str, expires: int | None) -> None:
    """Change until when a map is kept, a day from now at most. Raises Missing."""
    if expires is None:
        find(store, tenant, id_)
        return
    until = min(expires, store.clock() + LONGEST)
    alter(store, tenant, id_, lambda body: body | {"expires": until})


def alter(store: SqliteStore, tenant: str, id_: str, changed: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    def job(transaction: SqliteTransaction) -> None:
        found = kept.get(transaction.connection, tenant, id_)
        if found is None or found.body["expires"] <= store.clock():
            raise Missing("There is no such entity map, or its time is over.", where=id_)
        shelf.put(transaction, kept.SHELF, tenant, id_, changed(found.body))

    store.write(job, tenant=tenant, actor="map")


def delete(store: SqliteStore, tenant: str, id_: str) -> None:
    """Forget a map. Raises Missing."""
    find(store, tenant, id_)
    store.write(lambda transaction: shelf.remove(transaction, kept.SHELF, tenant, id_), tenant=tenant, actor="map")


def page(store: SqliteStore, query: Query, of: EntityMap) -> Page:
    """A page of a map: `query.offset` counts its entities; `next` and `previous` are offsets as text."""
    ids = list(of.entities)
    found: list[Held] = []
    gone: list[str] = []
    for batch in in_batches(ids[query.offset :]):
        fitting = matches(store, query, batch)
        for id_ in batch:
            if len(found) > query.limit:
                break
            if id_ in fitting:
                found.append(fitting[id_])
            else:
                gone.append(id_)
        if len(found) > query.limit:
            break
    if gone:
        alter(store, query.tenant, of.id, lambda body: body | {"entities": without(body["entities"], set(gone))})
    following = str(query.offset + query.limit) if len(found) > query.limit else None
    previous = str(max(0, query.offset - query.limit)) if query.offset else None
    count = sum(1 for _ in fitting_ids(store, query, ids)) if query.count else None
    return Page(tuple(found[: query.limit]), following, count, previous)


def matches(store: SqliteStore, query: Query, ids: Sequence[str]) -> dict[str, Held]:
    """Those of some entities that still fit the query."""
    wanted = [id_ for id_ in ids if id_ in query.ids] if query.ids else ids
    if not wanted:
        return {}
    asked = replace(
        query, ids=tuple(wanted), limit=len(wanted), offset=0, after=None, before=None, order=(), count=False
    )
    return {one.id: one for one in store.query(asked).held}


def fitting_ids(store: SqliteStore, query: Query, ids: Sequence[str]) -> Iterator[str]:
    for batch in in_batches(ids):
        yield from matches(store, query, batch)


def in_batches(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + BATCH] for start in range(0, len(ids), BATCH))


def without(entities: dict[str, Any], gone: set[str]) -> dict[str, Any]:
    return {id_: sources for id_, sources in entities.items() if id_ not in gone}
