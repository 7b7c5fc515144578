"""What one request reads of the pool and of the sources that are registered for it (NGSI-LD 5.7.1, 5.7.2, 4.3.6).

It answers as the pool does. Where no source offers anything of what is asked, it is the pool's answer and nothing more.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import orjson

from landbridge.errors import InvalidQuery, Missing
from landbridge.federation.call import Asked, Sent, sent, words
from landbridge.federation.foreign import documents
from landbridge.federation.judge import holds, lies
from landbridge.federation.line import Lines, Reply
from landbridge.federation.offer import Narrowed, Offer
from landbridge.federation.registry import Registry
from landbridge.federation.search import Search
from landbridge.federation.selector import plain
from landbridge.federation.trip import Trip
from landbridge.federation.union import Part, united
from landbridge.model.answer import Document, EntityMap, Held, Page
from landbridge.model.query import And, Has, Or, Query
from landbridge.model.terms import Contexts, Terms
from landbridge.pool import entity_map
from landbridge.pool.pool import Actor, Pool

READS = ("retrieveEntity", "queryEntity", "queryBatch")
QUERIES = ("queryEntity", "queryBatch")


class Ways(Protocol):
    """What a reach has: the pool, who is registered, how to ask them, and our own name."""

    pool: Pool
    registry: Registry
    lines: Lines
    contexts: Contexts

    def alias(self, tenant: str) -> str: ...


class Reached:
    """The pool and the sources, for one request."""

    def __init__(self, ways: Ways, trip: Trip, tenant: str) -> None:
        self.ways = ways
        self.pool = ways.pool
        self.trip = trip
        self.tenant = tenant

    # -- one entity

    def entity(self, actor: Actor, id: str, *, tenant: str = "", types: Has | And | Or | None = None) -> Document:
        """An entity as all sources together have it. Raises Missing where nobody has it (NGSI-LD 5.7.1)."""
        found = self.offers(tenant, types, READS, id_=id)
        asked = [(offer, self.retrieval(offer, id, types)) for offer in found]
        meant = [(offer, request) for offer, request in asked if request is not None]
        if not meant:
            return self.pool.entity(actor, id, tenant=tenant)
        try:
            local: Document | None = self.pool.entity(actor, id, tenant=tenant)
            missing = None
        except Missing as error:
            local, missing = None, error
        parts = [part for reply in self.ask(meant) for part in self.parts(reply) if part.document["id"] == id]
        whole = united(self.own_part(local, [offer for offer, _ in meant], id), parts)
        if whole is None:
            missing = missing or Missing("There is no such entity.", where=id)
            missing.told = self.trip.told
            raise missing
        return whole

    def held(self, actor: Actor, id: str, *, tenant: str = "") -> Held:
        """An entity as all sources together have it; the pool's own where it is here alone."""
        if not self.offers(tenant, None, READS, id_=id):
            try:
                return self.pool.held(actor, id, tenant=tenant)
            except Missing as missing:
                missing.told = self.trip.told
                raise
        return Held(self.entity(actor, id, tenant=tenant))

    def retrieval(self, offer: Offer, id_: str, types: Has | And | Or | None) -> Asked | None:
        """The request for one entity, by the operation that the source has; None where it offers nothing of it."""
        narrowed = offer.narrowed(types, (id_,), None, self.trip.attrs)
        if narrowed is None:
            return None
        own = self.words(offer)
        params = {"options": "sysAttrs"}
        if narrowed.names is not None:
            params["attrs"] = listed(own, narrowed.names)
        if offer.may("retrieveEntity"):
            return Asked("GET", f"/entities/{id_}", params)
        return self.question(offer, narrowed, Query(types=types, ids=(id_,)), {}, 0, 1)

    # -- many entities

    def query(self, actor: Actor, query: Query) -> Page:
        """One page of what all sources together find: first what is here, then what only they have (5.7.2)."""
        search = self.search(actor, query)
        return search.page() if search else self.pool.query(actor, query)

    def map_entities(self, actor: Actor, query: Query, lifetime: int | None = None) -> EntityMap:
        """Keep which entities a query finds, and at which sources (NGSI-LD 5.14.4)."""
        search = self.search(actor, query)
        if search is None:
            return self.pool.map_entities(actor, query, lifetime)
        with self.pool.asked(actor, "read", "read entities"):
            return entity_map.keep(self.pool.store, query.tenant, search.places(), lifetime)

    def query_map(self, actor: Actor, query: Query, of: EntityMap) -> Page:
        """One page of a map's entities; `next` and `previous` are offsets (NGSI-LD 5.5.9.3)."""
        search = self.search(actor, query)
        return search.mapped_page(of.entities) if search else self.pool.query_map(actor, query, of)

    def search(self, actor: Actor, query: Query) -> Search | None:
        """The search that a query is; None where nobody but the pool is to be asked."""
        offers = [] if query.local else self.offers(query.tenant, query.types, QUERIES, query)
        if not offers:
            return None
        if query.order:
            raise InvalidQuery(
                "Entities of several sources are not put in order.", where="orderBy", hint="Ask with local=true."
            )
        return Search(self, actor, query, offers)

    def filters(self, offer: Offer) -> Mapping[str, str]:
        """The conditions of a query in the words of a source; none where they are for the whole alone."""
        return self.trip.spelt(self.words(offer))

    def narrowed(self, offer: Offer, query: Query) -> Narrowed | None:
        asked = plain(query, offer)
        return None if asked is None else offer.narrowed(asked.types, asked.ids, asked.id_pattern, asked.attrs)

    def question(
        self, offer: Offer, narrowed: Narrowed, query: Query, filters: Mapping[str, str], offset: int, limit: int
    ) -> Asked:
        """The question for one source: by address, or by a body where it has no other operation."""
        own, asked = self.words(offer), plain(query, offer) or query
        types = types_text(asked.types, own) or (listed(own, narrowed.types, "|") if narrowed.types else None)
        names = None if narrowed.names is None else listed(own, narrowed.names)
        paging = {"limit": str(limit)} | ({"offset": str(offset)} if offset else {})
        if offer.may("queryEntity"):
            wanted = {"type": types, "id": ",".join(narrowed.ids or ()), "idPattern": narrowed.pattern, "attrs": names}
            told = {name: value for name, value in wanted.items() if value}
            return Asked("GET", "/entities", {**told, **filters, "options": "sysAttrs", **paging})
        body: dict[str, Any] = {"type": "Query"}
        selector = {"type": types, "idPattern": narrowed.pattern}
        selectors = [{"id": id_, **selector} for id_ in narrowed.ids or ()] or [selector]
        body["entities"] = [{name: value for name, value in one.items() if value} for one in selectors]
        if names:
            body["attrs"] = names.split(",")
        return Asked("POST", "/entityOperations/query", {"options": "sysAttrs", **paging}, body | in_body(filters))

    # -- sources

    def offers(
        self,
        tenant: str,
        types: Has | And | Or | None,
        operations: Sequence[str],
        query: Query | None = None,
        id_: str | None = None,
    ) -> list[Offer]:
        """Who may be asked: offers of now, that have the operation, and that the request has not come from."""
        if self.trip.local:
            return []
        came = set(self.trip.via)
        back = self.ways.alias(tenant) in came  # what is here is all that is new
        found = []
        for offer in self.candidates(tenant, types):
            if not offer.may(*operations) or (query is not None and not self.asked(offer, query)):
                continue
            if offer.id in self.trip.without or (id_ is not None and offer.names_of(id_, None) is False):
                continue
            if back or (offer.alias is not None and offer.alias in came):
                self.trip.warn(199, f"The request has passed the source of {offer.id} before.")
            else:
                found.append(offer)
        return found

    def candidates(self, tenant: str, types: Has | And | Or | None) -> Iterable[Offer]:
        """The offers that may be about entities of these types, of now (NGSI-LD 5.12)."""
        return self.ways.registry.matching(tenant, types)

    def asked(self, offer: Offer, query: Query) -> bool:
        """Whether a query is about what a source offers, and asks sources like it (5.12)."""
        if query.csf is not None and not holds(query.csf, offer.body):
            return False
        own, geo = set(offer.body.get("datasetId", ())), query.geo
        if own and self.trip.datasets and not own & self.trip.datasets:
            return False
        if geo is not None and geo.geoproperty in offer.body and not lies(geo, offer.body):
            return False
        return self.narrowed(offer, query) is not None

    def ask(self, asked: Iterable[tuple[Offer, Asked]]) -> list[Reply]:
        requests = [(offer, self.sent(offer, one)) for offer, one in asked]
        return self.ways.lines.gather(requests)

    def sent(self, offer: Offer, asked: Asked) -> Sent:
        return sent(offer, self.trip, asked, self.ways.contexts, self.ways.alias(self.tenant))

    def words(self, offer: Offer) -> Terms:
        return words(offer, self.trip, self.ways.contexts)

    def parts(self, reply: Reply) -> Iterator[Part]:
        """What a source has of each entity, but for attributes that it does not offer."""
        offer = reply.offer
        for document in documents(reply, self.trip, self.words(offer), self.ways.contexts):
            names = offer.names_of(document["id"], document["type"])
            if names is False and offer.mode in ("inclusive", "auxiliary"):
                names = offer.names_of(document["id"], None) or offer.names_of_types(document["type"])
            if names is False:
                continue
            if isinstance(names, frozenset):
                kept = {name: one for name, one in document["attrs"].items() if name in names}
                document = {**document, "attrs": kept}
            yield Part(document, offer.mode)

    def own_part(self, local: Document | None, offers: Iterable[Offer], id_: str) -> Document | None:
        """What is here of an entity, without what an exclusive or redirect source holds alone."""
        for offer in offers:
            if local is None or offer.mode not in ("exclusive", "redirect"):
                continue
            names = offer.names_of(id_, local["type"])
            if names is None:
                local = None
            elif isinstance(names, frozenset):
                kept = {name: one for name, one in local["attrs"].items() if name not in names}
                local = {**local, "attrs": kept}
        return local


def listed(terms: Terms, names: Iterable[str], mark: str = ",") -> str:
    return mark.join(terms.compact(name) for name in sorted(names))


def types_text(types: object, terms: Terms) -> str | None:
    """An expression of types in the words of a source (NGSI-LD 4.17)."""
    match types:
        case Has(name):
            return terms.compact(name)
        case Or(parts):
            return "|".join(grouped(part, terms) for part in parts)
        case And(parts):
            return ";".join(grouped(part, terms) for part in parts)
    return None


def grouped(types: object, terms: Terms) -> str:
    text = types_text(types, terms) or ""
    return text if isinstance(types, Has) else f"({text})"


GEO = ("georel", "geometry", "coordinates", "geoproperty")


def in_body(filters: Mapping[str, str]) -> dict[str, Any]:
    """Conditions as members of a query's body (NGSI-LD 5.2.23)."""
    found: dict[str, Any] = {name: filters[name] for name in ("q", "scopeQ", "datasetId") if name in filters}
    geo: dict[str, Any] = {name: filters[name] for name in GEO if name in filters}
    if "coordinates" in geo:
        geo["coordinates"] = orjson.loads(geo["coordinates"])
    return found | ({"geoQ": geo} if geo else {})
