"""The temporal evolution of entities: query by GET and by POST, retrieve. Each is three calls: parse, pool, render."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import orjson
from starlette.responses import Response

from landbridge.api.http.accept import choose
from landbridge.api.ngsild.body import read_body
from landbridge.api.ngsild.companion import trip_of
from landbridge.api.ngsild.entity import around
from landbridge.api.ngsild.entity_map import MAP_HEADER, location_of, read_map
from landbridge.api.ngsild.listing import Headers, Listing, page_links
from landbridge.api.ngsild.operation import ROOT, Ask, Operation, Served
from landbridge.api.ngsild.parameter import (
    ASKED,
    ATTRS,
    DATASET_ID,
    ENTITY_MAP,
    JSON,
    JSON_LD,
    LANG,
    LIFETIME,
    LOCAL,
    OMIT,
    PAGED,
    PICK,
    SYS_ATTRS,
    link_context,
    read_tenant,
)
from landbridge.api.ngsild.path import entity_id
from landbridge.api.ngsild.query_body import read_members
from landbridge.api.ngsild.question import read_lifetime
from landbridge.api.ngsild.rendered import Rendered
from landbridge.api.ngsild.temporal_map import TemporalMap
from landbridge.api.ngsild.temporal_page import cut, range_headers
from landbridge.api.ngsild.temporal_question import (
    TEMPORAL,
    USUAL_PAGE,
    TemporalWanted,
    read_question,
    read_retrieval,
    read_temporal,
)
from landbridge.api.ngsild.temporal_shown import show, without_expired
from landbridge.errors import Missing
from landbridge.federation.reach import Reach
from landbridge.model.answer import EntityMap
from landbridge.model.query import Selector
from landbridge.model.temporal import Evolution, TemporalQuery
from landbridge.model.terms import Contexts
from landbridge.model.version import OWN, amended
from landbridge.pool.pool import Pool

ENTITIES = ROOT + "/temporal/entities"
BY_POST = ROOT + "/temporal/entityOperations/query"
MEDIA = (JSON, JSON_LD)
MANY = dict.fromkeys((200, 201, 203, 206), "EntityTemporalList")
SHOWN = (ATTRS, PICK, OMIT, DATASET_ID, LANG, SYS_ATTRS, LOCAL, ENTITY_MAP, LIFETIME)

QUERY = Operation(
    "queryTemporal", "6.18.3.2", "GET", "/temporal/entities", "Query the temporal evolution of entities.",
    (*TEMPORAL, *SHOWN, *ASKED, *PAGED),
    answers=MANY,
)  # fmt: skip
QUERY_BY_POST = Operation(
    "queryTemporalBatch", "6.24.3.1", "POST", "/temporal/entityOperations/query",
    "Query the temporal evolution of entities; the query is the body.",
    (*TEMPORAL, SYS_ATTRS, LOCAL, *PAGED), "TemporalQueryBody",
    MANY,
)  # fmt: skip
RETRIEVE = Operation(
    "retrieveTemporal", "6.19.3.1", "GET", "/temporal/entities/{entityId}",
    "Retrieve the temporal evolution of an entity.", (*TEMPORAL, *SHOWN),
    answers=dict.fromkeys((200, 203, 206), "EntityTemporalAnswer"),
)  # fmt: skip


class Temporals:
    """The operations that read evolutions, over one pool and the city's contexts.

    `page`: how many instances of each attribute one answer has at most.
    """

    def __init__(self, pool: Pool, contexts: Contexts, reach: Reach | None = None, page: int = USUAL_PAGE) -> None:
        self.pool = pool
        self.contexts = contexts
        self.reach = reach or Reach(pool)
        self.page = page
        self.rendered = Rendered()

    def served(self) -> tuple[Served, ...]:
        return (
            Served(QUERY, self.query),
            Served(QUERY_BY_POST, self.query_by_post),
            Served(RETRIEVE, self.retrieve),
        )

    def query(self, ask: Ask) -> Response:
        """NGSI-LD 6.18.3.2, query the temporal evolution of entities."""
        return self.found(ask, self.wanted(ask), (), ENTITIES)

    def query_by_post(self, ask: Ask) -> Response:
        """NGSI-LD 6.24.3.1, the same by a Query in the body; methods of aggregation in it ask for aggregated values."""
        media = choose(ask.request.headers.get("accept"), MEDIA)
        tenant = read_tenant(ask.request, self.pool)
        body, terms = read_body(ask, self.contexts)
        given, selectors = read_members(body, terms, temporal=True)
        wanted = read_temporal(
            {**given, **ask.given}, terms, tenant, media, ask.request.headers.get("prefer", ""),
            aggregated="aggrMethods" in given,
        )  # fmt: skip
        return self.found(ask, wanted, selectors, BY_POST)

    def wanted(self, ask: Ask) -> TemporalWanted:
        media = choose(ask.request.headers.get("accept"), MEDIA)
        tenant = read_tenant(ask.request, self.pool)
        terms = self.contexts.terms(link_context(ask.request), tenant)
        return read_temporal(ask.given, terms, tenant, media, ask.request.headers.get("prefer", ""))

    def found(self, ask: Ask, wanted: TemporalWanted, selectors: tuple[Selector, ...], path: str) -> Response:
        """Ask the question, and show the page."""
        asked = read_question(wanted, selectors, page=self.page)
        trip = trip_of(ask, wanted.entity, asked.query)
        history = self.reach.history(trip, wanted.entity.tenant)
        mapped = TemporalMap(self.pool, ask.actor, history, asked, read_lifetime(wanted.entity.parameters))
        of, made = mapped.of(*read_map(self.pool, ask, wanted.entity), wanted.entity.parameters)
        page = history.evolutions(ask.actor, asked) if of is None else mapped.page(of)
        counted = "offset" in ask.given or of is not None
        headers = page_links(path, ask.given, around(page, asked.query, counted), wanted.entity.media)
        if page.count is not None:
            headers.append(("NGSILD-Results-Count", str(page.count)))
        shown = Shown(self.rendered, wanted, asked, path, ask.given)
        bodies = shown.bodies(page.found, self.pool.store.clock())
        return shown.answer(bodies, [*headers, *map_headers(of), *trip.told.items()], 201 if made else 200)

    def retrieve(self, ask: Ask) -> Response:
        """NGSI-LD 6.19.3.1, retrieve the temporal evolution of an entity."""
        wanted = self.wanted(ask)
        id_ = entity_id(ask.path)
        asked = read_retrieval(wanted, id_, page=self.page)
        trip = trip_of(ask, wanted.entity)
        found = self.reach.history(trip, wanted.entity.tenant).evolution(ask.actor, id_, asked)
        if asked.query.attrs and not (found.attrs or found.buckets):
            raise Missing("The entity never had one of these attributes.", where=id_)
        named, of = read_map(self.pool, ask, wanted.entity)
        if of is None and (named or wanted.entity.parameters.get("entityMap") == "true"):
            lifetime = read_lifetime(wanted.entity.parameters)
            of = self.pool.map_of(ask.actor, [id_], lifetime, tenant=wanted.entity.tenant)
        shown = Shown(self.rendered, wanted, asked, f"{ENTITIES}/{quote(id_, safe=':')}", ask.given)
        bodies = shown.bodies([found], self.pool.store.clock())
        if not bodies:
            raise Missing("The entity has none of the members that are wanted.", where=id_)
        return shown.answer(bodies[0], [*map_headers(of), *trip.told.items()])


def map_headers(of: EntityMap | None) -> Headers:
    return [] if of is None else [(MAP_HEADER, location_of(of))]


class Shown:
    """How the evolutions of one answer are shown: in which form, as which version, and how much of them one page holds.

    `path` and `given` are those of the request, for the Link to the page behind.
    """

    def __init__(
        self, rendered: Rendered, wanted: TemporalWanted, asked: TemporalQuery, path: str, given: Mapping[str, str]
    ) -> None:
        self.wanted = wanted
        self.asked = asked
        self.path = path
        self.given = given
        self.listing = Listing(wanted.entity, rendered, None, lambda ids: ())
        self.partial: Headers = []

    def bodies(self, found: Sequence[Evolution], now: int) -> list[dict[str, Any]]:
        """The evolutions as they are sent, without those of which nothing is wanted; `now` decides what has expired."""
        for one in found:
            without_expired(one, now)
        held = cut(found, self.asked)
        if held is not None:
            self.partial = range_headers(held, self.asked, self.path, self.given, self.wanted.entity.media)
        shown = [body for body in (show(one, self.wanted) for one in found) if body]
        version = self.listing.version
        if version is None or version >= OWN:
            return shown
        old = [amended(body, version) for body in shown]
        self.listing.altered = old != shown
        return old

    def answer(self, body: Any, headers: Headers, status: int = 200) -> Response:
        """The response; partial (206) where one page does not hold all instances (NGSI-LD 6.3.10)."""
        return self.listing.answer(orjson.dumps(body), 206 if self.partial else status, [*headers, *self.partial])
