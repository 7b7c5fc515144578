"""What one request reads of history here and at the sources that are registered for it (NGSI-LD 5.7.3, 5.7.4, 4.3.6).

It answers as the pool does. Where no source offers anything of what is asked, it is the pool's answer and nothing more.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from landbridge.errors import InvalidQuery, LandbridgeError, Missing
from landbridge.federation.call import Asked
from landbridge.federation.judge import Moments, in_time
from landbridge.federation.line import WRONG, Reply
from landbridge.federation.offer import Narrowed, Offer
from landbridge.federation.reached import Reached, Ways, listed, types_text
from landbridge.federation.search import Search
from landbridge.federation.selector import plain
from landbridge.federation.strand import Strand, joined, read_evolution
from landbridge.federation.trip import Trip
from landbridge.federation.union import Part
from landbridge.model.answer import Document, Held, Page
from landbridge.model.instant import format_instant
from landbridge.model.query import And, Has, Or, Query
from landbridge.model.temporal import Evolution, Evolutions, Span, TemporalQuery
from landbridge.pool import tally
from landbridge.pool.pool import Actor, Pool

RETRIEVES = ("retrieveTemporal", "queryTemporal")
QUERIES = ("queryTemporal",)
MOST = 1000  # evolutions of one answer
MOST_ADDED = 100_000  # instances of a series of which aggregates are made where several places have some
OWN = "@evolution"  # where a document of this module has its evolution


class History(Protocol):
    """Whoever can be asked for evolutions: the pool, or the pool with its sources."""

    def evolution(self, actor: Actor, id: str, asked: TemporalQuery, /) -> Evolution: ...
    def evolutions(self, actor: Actor, asked: TemporalQuery, /) -> Evolutions: ...


class Evolving(Reached):
    """The history of the pool and of the sources, for one request."""

    def __init__(self, ways: Ways, trip: Trip, tenant: str) -> None:
        super().__init__(ways, trip, tenant)
        self.question_of: TemporalQuery | None = None

    # -- one entity

    def evolution(self, actor: Actor, id: str, asked: TemporalQuery, /) -> Evolution:
        """An entity's evolution as all sources together have it. Raises Missing where nobody has it (5.7.3)."""
        self.question_of = asked
        offers = self.able(asked, self.offers(self.tenant, None, RETRIEVES, id_=id))
        meant = [(offer, one) for offer in offers if (one := self.retrieval_of(offer, id, asked)) is not None]
        try:
            local: Evolution | None = self.pool.evolution(actor, id, asked)
            missing = None
        except Missing as error:
            local, missing = None, error
        strands = [one for reply in self.ask(meant) for one in self.strands(reply) if one.evolution.id == id]
        whole = self.together(actor, local, [offer for offer, _ in meant], strands, asked)
        if whole is None:
            missing = missing or Missing("There is no evolution of such an entity.", where=id)
            missing.told = self.trip.told
            raise missing
        return whole

    def together(
        self,
        actor: Actor,
        local: Evolution | None,
        offers: Iterable[Offer],
        strands: Sequence[Strand],
        asked: TemporalQuery,
    ) -> Evolution | None:
        """What is here and what came, as one evolution. Aggregates are made of the instances of all (4.5.19)."""
        if asked.aggregate is None or not strands:
            return joined(self.own(local, offers), strands, asked)
        bare = replace(asked, aggregate=None, most=MOST_ADDED)
        if local is not None:
            local = self.pool.evolution(actor, local.id, bare)
        whole = joined(self.own(local, offers), strands, bare)
        if whole is not None:
            if whole.cut is not None:
                self.trip.warn(199, f"Aggregates of {whole.id} are of a part of its instances: there are too many.")
            tally.fill(whole, asked)
        return whole

    def retrieval_of(self, offer: Offer, id_: str, asked: TemporalQuery) -> Asked | None:
        """The request for one evolution, by the operation that the source has; None where it offers nothing of it."""
        narrowed = offer.narrowed(None, (id_,), None, asked.attributes)
        if narrowed is None:
            return None
        if not offer.may("retrieveTemporal"):
            return self.question(offer, narrowed, Query(ids=(id_,)), {}, 0, 1) if asked.span is not None else None
        names = {} if narrowed.names is None else {"attrs": listed(self.words(offer), narrowed.names)}
        return Asked("GET", f"/temporal/entities/{id_}", {**names, **told(asked)})

    # -- many entities

    def evolutions(self, actor: Actor, asked: TemporalQuery, /) -> Evolutions:
        """One page of what all sources together find: first what is here, then what only they have (5.7.4)."""
        self.question_of = asked
        query = asked.query
        offers = [] if query.local else self.offers(query.tenant, query.types, QUERIES, query)
        together = asked.aggregate is not None and asked.aggregate.together
        if together or not self.able(asked, offers):
            return self.pool.evolutions(actor, asked)
        if query.order:
            raise InvalidQuery(
                "Evolutions of several sources are not put in order.", where="orderBy", hint="Ask with local=true."
            )
        search = EvolutionSearch(self, actor, replace(query, split=None), offers, asked)
        page = search.page()
        found = [document[OWN] for document in page.documents]
        return Evolutions(found, page.next, page.previous, page.count)

    def question(
        self, offer: Offer, narrowed: Narrowed, query: Query, filters: Mapping[str, str], offset: int, limit: int
    ) -> Asked:
        """The question for one source (NGSI-LD 6.18.3.2)."""
        own, selected = self.words(offer), plain(query, offer) or query
        assert self.question_of is not None
        wanted = {
            "type": types_text(selected.types, own) or (listed(own, narrowed.types, "|") if narrowed.types else None),
            "id": ",".join(narrowed.ids or ()),
            "idPattern": narrowed.pattern,
            "attrs": None if narrowed.names is None else listed(own, narrowed.names),
        }
        params = {name: value for name, value in wanted.items() if value}
        paging = {"limit": str(limit)} | ({"offset": str(offset)} if offset else {})
        return Asked("GET", "/temporal/entities", {**params, **filters, **told(self.question_of), **paging})

    # -- sources

    def able(self, asked: TemporalQuery, offers: list[Offer]) -> list[Offer]:
        """Those who can be asked: what was known at a time, a pool alone knows of itself."""
        if asked.as_of is None:
            return offers
        for offer in offers:
            self.trip.warn(199, f"{offer.id} is not asked: what it knew at that time cannot be told.")
        return []

    def candidates(self, tenant: str, types: Has | And | Or | None) -> Iterable[Offer]:
        """Offers of now, and those of an interval of the past that the question is about (NGSI-LD 5.12)."""
        moments = moments_of(self.question_of)
        for offer in self.ways.registry.matching(tenant, types, past=True):
            if not offer.past or (moments is not None and in_time(moments, offer.body)):
                yield offer

    def parts(self, reply: Reply) -> Iterator[Part]:
        """What a source has of each entity, as documents that have the evolution in them."""
        for strand in self.strands(reply):
            evolution = strand.evolution
            document = {"id": evolution.id, "type": list(evolution.types), "attrs": {}, OWN: strand}
            yield Part(document, strand.mode)

    def strands(self, reply: Reply) -> list[Strand]:
        """What a source tells of evolutions, but for attributes that it does not offer; what makes no sense is told."""
        offer = reply.offer
        self.trip.heard(reply.headers.get("ngsild-warning", ""))
        if reply.code:
            self.trip.warn(reply.code, reply.text)
        if not reply.fine or reply.body is None:
            return []
        given = reply.body if isinstance(reply.body, list) else [reply.body]
        try:
            if len(given) > MOST:
                raise InvalidQuery(f"The answer has more than {MOST} entities.")
            return [one for one in (self.strand(reply, body) for body in given) if one is not None]
        except (LandbridgeError, RecursionError) as error:
            said = error.message if isinstance(error, LandbridgeError) else "It is too deep."
            self.trip.warn(WRONG, f"{offer.id} answers with what is no evolution: {said}")
            return []

    def strand(self, reply: Reply, body: Any) -> Strand | None:
        offer = reply.offer
        assert self.question_of is not None
        found = read_evolution(
            body, offer.id, self.words(offer), self.ways.contexts, self.question_of, partial=reply.status == 206
        )
        names = offer.names_of(found.id, found.types)
        if names is False and offer.mode in ("inclusive", "auxiliary"):
            names = offer.names_of(found.id, None) or offer.names_of_types(found.types)
        if names is False:
            return None
        if isinstance(names, frozenset):
            found.attrs = {name: one for name, one in found.attrs.items() if name in names}
        return Strand(found, offer.mode, offer.id)

    def own(self, local: Evolution | None, offers: Iterable[Offer]) -> Evolution | None:
        """What is here of an evolution, without what an exclusive or redirect source holds alone."""
        for offer in offers:
            if local is None or offer.mode not in ("exclusive", "redirect"):
                continue
            names = offer.names_of(local.id, local.types)
            if names is None:
                local = None
            elif isinstance(names, frozenset):
                local.attrs = {name: one for name, one in local.attrs.items() if name not in names}
                local.buckets = {name: one for name, one in local.buckets.items() if name not in names}
        return local


class EvolutionSearch(Search):
    """The page of a temporal query: its documents have evolutions in them."""

    def __init__(
        self, asking: Evolving, actor: Actor, query: Query, offers: Sequence[Offer], asked: TemporalQuery
    ) -> None:
        super().__init__(Inside(asking, asked), actor, query, offers)
        self.evolving = asking
        self.asked = asked

    def whole(self, local: Document | None, id_: str) -> Document | None:
        parts = [(walk.offer, walk.parts[id_].document[OWN]) for walk in self.walks if id_ in walk.parts]
        strands, offers = [strand for _, strand in parts], [offer for offer, _ in parts]
        found = self.evolving.together(self.actor, local[OWN] if local else None, offers, strands, self.asked)
        return None if found is None else {"id": id_, "type": list(found.types), "attrs": {}, OWN: found}


class Inside:
    """What a search asks of a temporal request: all as it is, but for the pool, whose pages are of evolutions."""

    def __init__(self, evolving: Evolving, asked: TemporalQuery) -> None:
        self.trip = evolving.trip
        self.pool = Pages(evolving.pool, asked)
        self.narrowed, self.filters, self.question = evolving.narrowed, evolving.filters, evolving.question
        self.ask, self.parts, self.own_part = evolving.ask, evolving.parts, evolving.own_part


class Pages:
    """The pool's evolutions as a search reads entities."""

    def __init__(self, pool: Pool, asked: TemporalQuery) -> None:
        self.pool = pool
        self.asked = asked

    def query(self, actor: Actor, query: Query) -> Page:
        found = self.pool.evolutions(actor, replace(self.asked, query=query))
        held = tuple(Held({"id": one.id, "type": list(one.types), "attrs": {}, OWN: one}) for one in found.found)
        return Page(held, found.next, found.count, found.previous)


def moments_of(asked: TemporalQuery | None) -> Moments | None:
    """The stretch of time as registrations are matched with it."""
    span = asked.span if asked else None
    return None if span is None else Moments(span.relation, span.at, span.until, span.property)


def told(asked: TemporalQuery) -> dict[str, str]:
    """The temporal parts of a question as parameters again."""
    found: dict[str, str] = {"options": "sysAttrs"}
    span = narrowed_span(asked)
    if span is not None:
        found |= {"timerel": span.relation, "timeAt": format_instant(span.at), "timeproperty": span.property}
        if span.until is not None:
            found["endTimeAt"] = format_instant(span.until)
    if asked.last is not None:
        found["lastN"] = str(asked.last)
    return found


def narrowed_span(asked: TemporalQuery) -> Span | None:
    """The stretch of time without the pages that were shown before."""
    span = asked.span
    property_ = span.property if span is not None else "observedAt"
    low = span.at if span is not None and span.relation != "before" else None
    high = span.until if span is not None and span.relation == "between" else None
    if span is not None and span.relation == "before":
        high = span.at
    lows = [one for one in (low, asked.since) if one is not None]
    highs = [one for one in (high, asked.before) if one is not None]
    if lows and highs:
        return Span("between", max(lows), min(highs), property_)
    if lows:
        return Span("after", max(lows), None, property_)
    return Span("before", min(highs), None, property_) if highs else None
