"""Entity maps of temporal queries: made for one, used for its pages, asked for themselves (NGSI-LD 5.14.5, 6.35)."""

from collections.abc import Mapping
from dataclasses import replace

from starlette.responses import Response

from landbridge.api.http.accept import choose
from landbridge.api.ngsild.answer import answer
from landbridge.api.ngsild.body import read_body
from landbridge.api.ngsild.companion import trip_of
from landbridge.api.ngsild.entity_map import MAP_HEADER, location_of, shown
from landbridge.api.ngsild.operation import Ask, Operation, Served
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
from landbridge.api.ngsild.query_body import read_members
from landbridge.api.ngsild.question import mapped, read_lifetime
from landbridge.api.ngsild.temporal_question import TEMPORAL, TemporalWanted, read_question, read_temporal
from landbridge.errors import TooMuch
from landbridge.federation.evolving import History
from landbridge.federation.reach import Reach
from landbridge.model.answer import EntityMap
from landbridge.model.query import Selector
from landbridge.model.temporal import Evolution, Evolutions, TemporalQuery
from landbridge.model.terms import Contexts
from landbridge.pool.entity_map import MOST_ENTITIES
from landbridge.pool.pool import Actor, Pool

CHUNK = 1000
PARAMETERS = (
    *TEMPORAL, ATTRS, PICK, OMIT, DATASET_ID, LANG, SYS_ATTRS, LOCAL, ENTITY_MAP, LIFETIME, *ASKED, *PAGED,
)  # fmt: skip

CREATE = Operation(
    "createEntityMapQueryTemporal", "6.35.3.1", "GET", "/temporal/entityMaps",
    "Create an entity map for a temporal query.", PARAMETERS, answers={201: "EntityMap"},
)  # fmt: skip
CREATE_BY_POST = Operation(
    "createEntityMapQueryTemporalBatch", "6.35.3.2", "POST", "/temporal/entityMaps",
    "Create an entity map for the temporal query in the body.", PARAMETERS, "TemporalQueryBody", {201: "EntityMap"},
)  # fmt: skip


class TemporalMap:
    """The entity map that one temporal query makes or uses."""

    def __init__(self, pool: Pool, actor: Actor, history: History, asked: TemporalQuery, lifetime: int | None) -> None:
        self.pool = pool
        self.actor = actor
        self.history = history
        self.asked = asked
        self.lifetime = lifetime

    def of(self, named: bool, found: EntityMap | None, given: Mapping[str, str]) -> tuple[EntityMap | None, bool]:
        """The map that the request uses, and whether it was made for it (NGSI-LD 5.7.4.4)."""
        if found is not None or not (named or given.get("entityMap") == "true"):
            return found, False
        return self.make(), True

    def make(self) -> EntityMap:
        """Keep which entities the query finds. Raises TooMuch."""
        ids: list[str] = []
        after: str | None = None
        while True:
            query = replace(self.asked.query, limit=CHUNK, offset=0, after=after, before=None, count=False)
            page = self.history.evolutions(self.actor, replace(self.asked, query=query, last=1, most=1, aggregate=None))
            ids += [one.id for one in page.found]
            if len(ids) > MOST_ENTITIES:
                raise TooMuch(f"The query finds more than {MOST_ENTITIES} entities.", hint="Narrow it.")
            if page.next is None:
                return self.pool.map_of(self.actor, ids, self.lifetime, tenant=self.asked.query.tenant)
            after = page.next

    def page(self, of: EntityMap) -> Evolutions:
        """A page of a map: its entities are counted off, in its order; those that no longer fit are passed over."""
        query = mapped(self.asked.query)
        ids = [id_ for id_ in of.entities if not query.ids or id_ in query.ids]
        window = tuple(ids[query.offset : query.offset + query.limit])
        found: dict[str, Evolution] = {}
        if window:
            asked = replace(query, ids=window, offset=0, limit=len(window), count=False)
            found = {one.id: one for one in self.history.evolutions(self.actor, replace(self.asked, query=asked)).found}
        behind = query.offset + query.limit
        return Evolutions(
            [found[id_] for id_ in window if id_ in found],
            str(behind) if query.limit and behind < len(ids) else None,
            str(max(0, query.offset - query.limit)) if query.offset and query.limit else None,
            len(ids) if query.count else None,
        )


class TemporalMaps:
    """The operations that make entity maps of temporal queries, over one pool and the city's contexts."""

    def __init__(self, pool: Pool, contexts: Contexts, reach: Reach) -> None:
        self.pool = pool
        self.contexts = contexts
        self.reach = reach

    def served(self) -> tuple[Served, ...]:
        return Served(CREATE, self.create), Served(CREATE_BY_POST, self.create_by_post)

    def create(self, ask: Ask) -> Response:
        """NGSI-LD 6.35.3.1, create an entity map for a temporal query."""
        media, tenant = choose(ask.request.headers.get("accept"), (JSON, JSON_LD)), read_tenant(ask.request, self.pool)
        terms = self.contexts.terms(link_context(ask.request), tenant)
        return self.made(ask, read_temporal(ask.given, terms, tenant, media), ())

    def create_by_post(self, ask: Ask) -> Response:
        """NGSI-LD 6.35.3.2, create an entity map for a temporal query in the body."""
        media, tenant = choose(ask.request.headers.get("accept"), (JSON, JSON_LD)), read_tenant(ask.request, self.pool)
        body, terms = read_body(ask, self.contexts)
        given, selectors = read_members(body, terms, temporal=True)
        return self.made(ask, read_temporal({**given, **ask.given}, terms, tenant, media), selectors)

    def made(self, ask: Ask, wanted: TemporalWanted, selectors: tuple[Selector, ...]) -> Response:
        asked = read_question(wanted, selectors)
        trip = trip_of(ask, wanted.entity, asked.query)
        history = self.reach.history(trip, wanted.entity.tenant)
        of = TemporalMap(self.pool, ask.actor, history, asked, read_lifetime(wanted.entity.parameters)).make()
        response = answer(wanted.entity, shown(of, wanted.entity), {MAP_HEADER: location_of(of), **trip.told})
        response.status_code = 201
        return response
