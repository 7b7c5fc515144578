"""Entities: query by GET and by POST, and retrieve. Each is three calls: parse, pool, render."""

from collections.abc import Iterable, Mapping, Sequence

from starlette.responses import Response

from landbridge.api.http.accept import choose
from landbridge.api.http.condition import tagged
from landbridge.api.ngsild.body import read_body
from landbridge.api.ngsild.companion import beside, trip_of
from landbridge.api.ngsild.entity_map import MAP_HEADER, location_of, read_map
from landbridge.api.ngsild.listing import Listing, page_links
from landbridge.api.ngsild.operation import ROOT, Ask, Operation, Served
from landbridge.api.ngsild.parameter import (
    ASKED,
    FORMAT,
    GEOJSON,
    JSON,
    JSON_LD,
    LOCAL,
    OPTIONS,
    PAGED,
    SHOWN,
    SYS_ATTRS,
    TYPE,
    Wanted,
    read_tenant,
    read_wanted,
    wanted_of,
)
from landbridge.api.ngsild.path import entity_id
from landbridge.api.ngsild.query_body import read_members
from landbridge.api.ngsild.question import mapped, read_join, read_lifetime, read_query
from landbridge.api.ngsild.rendered import EMPTY, Rendered
from landbridge.api.ngsild.selection import parse_types
from landbridge.api.ngsild.temporal_question import AS_OF, read_moment
from landbridge.errors import Missing
from landbridge.federation.reach import Reach
from landbridge.federation.reached import Reached
from landbridge.federation.trip import Trip
from landbridge.model.answer import EntityMap, Held, Page
from landbridge.model.query import Query, Selector
from landbridge.model.temporal import Evolutions
from landbridge.model.terms import Contexts
from landbridge.pool.pool import Actor, Pool
from landbridge.pool.target import is_of

ENTITIES = ROOT + "/entities"
BY_POST = ROOT + "/entityOperations/query"
MEDIA = (JSON, JSON_LD, GEOJSON)

QUERY = Operation(
    "queryEntities", "6.4.3.2", "GET", "/entities", "Query entities.", (*SHOWN, *ASKED, *PAGED, AS_OF),
    answers={200: "EntityList", 201: "EntityList", 203: "EntityList"},
)  # fmt: skip
QUERY_BY_POST = Operation(
    "queryBatch", "6.23.3.1", "POST", "/entityOperations/query", "Query entities; the query is the body.",
    (OPTIONS, FORMAT, SYS_ATTRS, LOCAL, *PAGED, AS_OF), "Query",
    {200: "EntityList", 201: "EntityList", 203: "EntityList"},
)  # fmt: skip
RETRIEVE = Operation(
    "retrieveEntity", "6.5.3.1", "GET", "/entities/{entityId}", "Retrieve an entity.",
    (*SHOWN, TYPE, AS_OF), answers={200: "Entity", 203: "Entity", 304: ""},
)  # fmt: skip


class Entities:
    """The operations that read entities, over one pool and the city's contexts.

    With `asOf`, our own parameter, this pool alone is asked, as it was known then.
    """

    def __init__(self, pool: Pool, contexts: Contexts, reach: Reach | None = None) -> None:
        self.pool = pool
        self.contexts = contexts
        self.reach = reach or Reach(pool)
        self.rendered = Rendered()

    def served(self) -> tuple[Served, ...]:
        return (
            Served(QUERY, self.query),
            Served(QUERY_BY_POST, self.query_by_post),
            Served(RETRIEVE, self.retrieve),
        )

    def query(self, ask: Ask) -> Response:
        """NGSI-LD 6.4.3.2, query entities."""
        return self.found(ask, read_wanted(ask, self.contexts, self.pool, *MEDIA), (), ENTITIES)

    def query_by_post(self, ask: Ask) -> Response:
        """NGSI-LD 6.23.3.1, query entities by a Query in the body."""
        media = choose(ask.request.headers.get("accept"), MEDIA)
        tenant = read_tenant(ask.request, self.pool)
        body, terms = read_body(ask, self.contexts)
        given, selectors = read_members(body, terms)
        wanted = wanted_of({**given, **ask.given}, terms, tenant, media, ask.request.headers.get("prefer", ""))
        return self.found(ask, wanted, selectors, BY_POST)

    def found(self, ask: Ask, wanted: Wanted, selectors: tuple[Selector, ...], path: str) -> Response:
        """Ask the question, and show the page."""
        query = read_query(wanted, selectors)
        join = read_join(wanted, query.where)
        trip = trip_of(ask, wanted, query)
        pool, rendered, fetch = self.asked_of(ask, wanted, trip)
        listing = Listing(wanted, rendered, join, fetch)
        of, made = self.entity_map(ask, wanted, query, pool)
        page = pool.query(ask.actor, query) if of is None else pool.query_map(ask.actor, mapped(query), of)
        headers = page_links(
            path, ask.given, around(page, query, "offset" in ask.given or of is not None), wanted.media
        )
        if page.count is not None:
            headers.append(("NGSILD-Results-Count", str(page.count)))
        if of is not None:
            headers.append((MAP_HEADER, location_of(of)))
        body = listing.many(page.held)
        return listing.answer(body, 201 if made else 200, [*headers, *trip.told.items()])

    def retrieve(self, ask: Ask) -> Response:
        """NGSI-LD 6.5.3.1, retrieve an entity."""
        wanted = read_wanted(ask, self.contexts, self.pool, *MEDIA)
        join = read_join(wanted)
        trip = trip_of(ask, wanted)
        pool, rendered, fetch = self.asked_of(ask, wanted, trip)
        held = chosen(pool.held(ask.actor, entity_id(ask.path), tenant=wanted.tenant), wanted)
        listing = Listing(wanted, rendered, join, fetch)
        body = listing.one(held)
        if body == EMPTY:
            raise Missing("The entity has none of the members that are wanted.", where=held.id)
        of = self.map_of(ask, wanted, held)
        headers = [*trip.told.items(), *([(MAP_HEADER, location_of(of))] if of else ())]
        response = listing.answer(body, 200, headers)
        plain = join is None and held.mark is not None and "asOf" not in wanted.parameters
        return tagged(ask.request, response, held.modified) if plain else response

    def asked_of(self, ask: Ask, wanted: Wanted, trip: Trip) -> tuple[Pool | Reached, Rendered, "Fetching"]:
        """Who answers, what was rendered of that before, and who has linked entities."""
        if "asOf" not in wanted.parameters:
            return self.reach.along(trip, wanted.tenant), self.rendered, self.fetch(ask.actor, wanted, trip)
        moment = read_moment(wanted.parameters, "asOf")
        then = self.pool.as_of(ask.actor, moment, tenant=wanted.tenant)
        return then, Rendered(), Fetching(then, ask.actor, wanted.tenant)

    def fetch(self, actor: Actor, wanted: Wanted, trip: Trip) -> "Fetching":
        return Fetching(self.reach.along(beside(trip), wanted.tenant), actor, wanted.tenant)

    def entity_map(self, ask: Ask, wanted: Wanted, query: Query, pool: Pool | Reached) -> tuple[EntityMap | None, bool]:
        """The entity map that the request uses, and whether it was made for it (NGSI-LD 5.7.2.4)."""
        named, of = read_map(self.pool, ask, wanted)
        if of is not None or not (named or wanted.parameters.get("entityMap") == "true"):
            return of, False
        return pool.map_entities(ask.actor, query, read_lifetime(wanted.parameters)), True

    def map_of(self, ask: Ask, wanted: Wanted, held: Held) -> EntityMap | None:
        """The entity map that the retrieval uses (NGSI-LD 5.7.1.4)."""
        named, of = read_map(self.pool, ask, wanted)
        if of is not None or not (named or wanted.parameters.get("entityMap") == "true"):
            return of
        return self.pool.map_of(ask.actor, [held.id], read_lifetime(wanted.parameters), tenant=wanted.tenant)


class Fetching:
    """Linked entities by their ids, for one caller."""

    def __init__(self, pool: Pool | Reached, actor: Actor, tenant: str) -> None:
        self.pool = pool
        self.actor = actor
        self.tenant = tenant

    def __call__(self, ids: Sequence[str]) -> Iterable[Held]:
        return self.pool.query(self.actor, Query(self.tenant, ids=tuple(ids), limit=len(ids))).held


def around(page: Page | Evolutions, query: Query, counted: bool) -> dict[str, Mapping[str, str]]:
    """Where the pages before and behind begin: counted off where the caller does so, else at a cursor.

    A cursor is worth more: what comes and goes before it moves nothing.
    """
    if not query.limit:
        return {}
    found: dict[str, Mapping[str, str]] = {}
    if page.previous is not None:
        place = str(max(0, query.offset - query.limit))
        found["prev"] = {"offset": place} if counted else {"before": page.previous}
    if page.next is not None:
        found["next"] = {"offset": str(query.offset + query.limit)} if counted else {"after": page.next}
    return found


def chosen(held: Held, wanted: Wanted) -> Held:
    """The entity, if it is of the type and has one of the attributes that are asked for. Raises Missing."""
    attrs, given = wanted.rendering.attrs, wanted.parameters
    if attrs is not None and not any(name in held.document["attrs"] for name in attrs):
        raise Missing("The entity has none of these attributes.", where=held.id)
    if "type" in given and not is_of(held.document["type"], parse_types(given["type"], wanted.terms)):
        raise Missing("The entity is not of this type.", where=held.id)
    return held
