"""Entity maps: made for a query, retrieved, changed, deleted (NGSI-LD 6.32 and 6.34).

A request that names a map, by its address or its id, is in `read_map`.
"""

from urllib.parse import unquote

from starlette.responses import Response

from landbridge.api.http.accept import choose
from landbridge.api.ngsild.answer import answer, done
from landbridge.api.ngsild.body import read_body
from landbridge.api.ngsild.companion import trip_of
from landbridge.api.ngsild.operation import ROOT, Ask, Operation, Served
from landbridge.api.ngsild.parameter import (
    ASKED,
    JSON,
    JSON_LD,
    PAGED,
    SHOWN,
    Wanted,
    read_tenant,
    read_wanted,
    wanted_of,
)
from landbridge.api.ngsild.query_body import read_members
from landbridge.api.ngsild.question import read_join, read_lifetime, read_query
from landbridge.errors import InvalidEntity, InvalidQuery, Missing
from landbridge.federation.reach import Reach
from landbridge.model.answer import EntityMap
from landbridge.model.instant import format_instant, parse_instant
from landbridge.model.query import Selector
from landbridge.model.terms import Contexts
from landbridge.model.value import URI
from landbridge.pool.pool import Pool

MAPS = ROOT + "/entityMaps"
MAP_HEADER = "NGSILD-EntityMap"
LONGEST_NAME = 2000

CREATE = Operation(
    "createEntityMapQueryEntity", "6.34.3.1", "GET", "/entityMaps", "Create an entity map for a query.",
    (*SHOWN, *ASKED, *PAGED), answers={201: "EntityMap"},
)  # fmt: skip
CREATE_BY_POST = Operation(
    "createEntityMapQueryBatch", "6.34.3.2", "POST", "/entityMaps", "Create an entity map for the query in the body.",
    (*SHOWN, *ASKED, *PAGED), "Query", {201: "EntityMap"},
)  # fmt: skip
RETRIEVE = Operation(
    "retrieveEntityMap", "6.32.3.1", "GET", "/entityMaps/{entityMapId}", "Retrieve an entity map.",
    answers={200: "EntityMap"},
)  # fmt: skip
UPDATE = Operation(
    "updateEntityMap", "6.32.3.2", "PATCH", "/entityMaps/{entityMapId}", "Change until when an entity map is kept.",
    (), "EntityMapFragment", {204: ""},
)  # fmt: skip
DELETE = Operation(
    "deleteEntityMap", "6.32.3.3", "DELETE", "/entityMaps/{entityMapId}", "Delete an entity map.", answers={204: ""},
)  # fmt: skip


class EntityMaps:
    """The operations on entity maps, over one pool and the city's contexts."""

    def __init__(self, pool: Pool, contexts: Contexts, reach: Reach | None = None) -> None:
        self.pool = pool
        self.contexts = contexts
        self.reach = reach or Reach(pool)

    def served(self) -> tuple[Served, ...]:
        return (
            Served(CREATE, self.create),
            Served(CREATE_BY_POST, self.create_by_post),
            Served(RETRIEVE, self.retrieve),
            Served(UPDATE, self.update),
            Served(DELETE, self.delete),
        )

    def create(self, ask: Ask) -> Response:
        """NGSI-LD 6.34.3.1, create an entity map for a query."""
        return self.made(ask, read_wanted(ask, self.contexts, self.pool, JSON, JSON_LD), ())

    def create_by_post(self, ask: Ask) -> Response:
        """NGSI-LD 6.34.3.2, create an entity map for a query in the body."""
        media = choose(ask.request.headers.get("accept"), (JSON, JSON_LD))
        tenant = read_tenant(ask.request, self.pool)
        body, terms = read_body(ask, self.contexts)
        given, selectors = read_members(body, terms)
        return self.made(ask, wanted_of({**given, **ask.given}, terms, tenant, media), selectors)

    def made(self, ask: Ask, wanted: Wanted, selectors: tuple[Selector, ...]) -> Response:
        query = read_query(wanted, selectors)
        read_join(wanted, query.where)
        trip = trip_of(ask, wanted, query)
        pool = self.reach.along(trip, wanted.tenant)
        of = pool.map_entities(ask.actor, query, read_lifetime(wanted.parameters))
        response = answer(wanted, shown(of, wanted), {MAP_HEADER: location_of(of), **trip.told})
        response.status_code = 201
        return response

    def retrieve(self, ask: Ask) -> Response:
        """NGSI-LD 6.32.3.1, retrieve an entity map."""
        wanted = read_wanted(ask, self.contexts, self.pool, JSON, JSON_LD)
        return answer(wanted, shown(self.pool.entity_map(ask.actor, map_id(ask), tenant=wanted.tenant), wanted))

    def update(self, ask: Ask) -> Response:
        """NGSI-LD 6.32.3.2, update an entity map: what it holds is the system's own, and is not looked at."""
        tenant = read_tenant(ask.request, self.pool)
        body, _ = read_body(ask, self.contexts)
        expires = None
        if "expiresAt" in body:
            moment = body["expiresAt"]
            if not isinstance(moment, str):
                raise InvalidEntity("A date and time is expected.", where="expiresAt")
            expires = parse_instant(moment)
        self.pool.change_entity_map(ask.actor, map_id(ask), expires, tenant=tenant)
        return done(tenant)

    def delete(self, ask: Ask) -> Response:
        """NGSI-LD 6.32.3.3, delete an entity map."""
        tenant = read_tenant(ask.request, self.pool)
        self.pool.delete_entity_map(ask.actor, map_id(ask), tenant=tenant)
        return done(tenant)


def map_id(ask: Ask) -> str:
    id_ = ask.path["entityMapId"]
    if not URI.match(id_):
        raise InvalidQuery(f"'{id_[:80]}' is no URI.", where="entityMapId")
    return id_


def shown(of: EntityMap, wanted: Wanted) -> dict[str, object]:
    """An entity map as NGSI-LD 5.2.39 has it."""
    found: dict[str, object] = {
        "id": of.id,
        "type": "EntityMap",
        "expiresAt": format_instant(of.expires),
        "entityMap": of.entities,
        "linkedMaps": of.linked,
    }
    return found | ({"@context": wanted.terms.document()} if wanted.rendering.context else {})


def location_of(of: EntityMap) -> str:
    return f"{MAPS}/{of.id}"


def read_map(pool: Pool, ask: Ask, wanted: Wanted) -> tuple[bool, EntityMap | None]:
    """Whether the request names an entity map, and the map if it is still there (NGSI-LD 6.4.3.2, NGSILD-EntityMap)."""
    given = ask.request.headers.get(MAP_HEADER)
    if given is None:
        return False, None
    name = unquote(given[:LONGEST_NAME].rstrip("/").rpartition("/")[2])
    try:
        return True, pool.entity_map(ask.actor, name, tenant=wanted.tenant)
    except Missing:
        return True, None
