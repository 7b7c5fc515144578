"""One page of a query that several sources answer together (NGSI-LD 5.7.2, 5.5.9).

The order is: what is here, in its order; then what only others have, source by source in the order of their
registrations' ids. So a page is the same whoever asks, as long as nothing changes. Each source is asked for no more
than the page needs; an entity of the page that a source might have beyond that is asked for by its id.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from landbridge.errors import InvalidQuery
from landbridge.federation.call import Asked
from landbridge.federation.line import Reply
from landbridge.federation.offer import Narrowed, Offer
from landbridge.federation.selector import selects
from landbridge.federation.trip import Trip
from landbridge.federation.union import Part, united
from landbridge.model.answer import Document, Held, Page
from landbridge.model.query import Query
from landbridge.pool.pool import Actor
from landbridge.pool.sieve import sift

CHUNK, LARGEST_CHUNK = 100, 1000  # entities asked of a source at once
IDS = 50  # ids named in one address
MOST = 10_000  # entities taken of one source for one page, and of the pool where entities may be split
HERE = "@none"
STEPS = 200  # times that sources are asked for one page


class Finding(Protocol):
    """Who finds what is here: the pool."""

    def query(self, actor: Actor, query: Query, /) -> Page: ...


class Asking(Protocol):
    """What a search needs of the request that it is for."""

    @property
    def pool(self) -> Finding: ...
    @property
    def trip(self) -> Trip: ...

    def narrowed(self, offer: Offer, query: Query) -> Narrowed | None: ...
    def filters(self, offer: Offer) -> Mapping[str, str]: ...
    def question(
        self, offer: Offer, narrowed: Narrowed, query: Query, filters: Mapping[str, str], offset: int, limit: int
    ) -> Asked: ...
    def ask(self, asked: Iterable[tuple[Offer, Asked]]) -> list[Reply]: ...
    def parts(self, reply: Reply) -> Iterable[Part]: ...
    def own_part(self, local: Document | None, offers: Iterable[Offer], id_: str) -> Document | None: ...


@dataclass
class Walk:
    """How far one source has been read."""

    offer: Offer
    narrowed: Narrowed
    taken: int = 0
    ended: bool = False
    parts: dict[str, Part] = field(default_factory=dict)


class Search:
    """The page of one query."""

    def __init__(self, asking: Asking, actor: Actor, query: Query, offers: Sequence[Offer]) -> None:
        self.asking = asking
        self.actor = actor
        self.query = replace(query, offset=offset_of(query), after=None, before=None)
        self.walks = []
        for offer in sorted(offers, key=lambda offer: offer.id):
            narrowed = asking.narrowed(offer, replace(query, attrs=()) if query.split else query)
            if narrowed is not None:
                self.walks.append(Walk(offer, narrowed))
        self.chunk = min(LARGEST_CHUNK, max(CHUNK, query.limit))

    def filters(self, offer: Offer) -> Mapping[str, str]:
        """The conditions that a source is to apply; none where they are for the whole alone (5.7.2.4)."""
        return {} if self.query.split else self.asking.filters(offer)

    def page(self) -> Page:
        return self.split_page() if self.query.split else self.whole_page()

    # -- entities that each source has as a whole, or as parts that meet the conditions by themselves

    def whole_page(self) -> Page:
        query = self.query
        local = self.asking.pool.query(self.actor, replace(query, count=True))
        here, lacking = local.count or 0, query.limit - len(local.held)
        beyond: list[str] = []
        if lacking or query.count or query.offset + query.limit >= here:
            skipped = max(0, query.offset - here)
            beyond = self.walk(None if query.count else skipped + lacking + 1)
            count = here + len(beyond)
            beyond = beyond[skipped : skipped + lacking]
        else:
            count = here
        ids = [one.id for one in local.held]
        self.complete([*ids, *beyond])
        shown = [self.whole(document, document["id"]) for document in local.documents]
        shown += [self.whole(None, id_) for id_ in beyond]
        return self.paged([one for one in shown if one is not None], count)

    def walk(self, wanted: int | None) -> list[str]:
        """The ids that only others have, in order; `wanted` of them are enough (None: all there are, within bounds)."""
        beyond: dict[str, None] = {}
        for _ in range(STEPS):
            under_way = [walk for walk in self.walks if not walk.ended]
            if not under_way or (wanted is not None and len(beyond) >= wanted):
                break
            fresh = self.step(under_way)
            known = self.known([id_ for id_ in fresh if id_ not in beyond])
            beyond |= dict.fromkeys(id_ for id_ in fresh if id_ not in known)
        ordered = dict.fromkeys(id_ for walk in self.walks for id_ in walk.parts if id_ in beyond)
        return list(ordered)

    def step(self, walks: Sequence[Walk]) -> list[str]:
        """Read the next chunk of each source; the ids that came."""
        asked = [
            (
                walk.offer,
                self.asking.question(
                    walk.offer, walk.narrowed, self.query, self.filters(walk.offer), walk.taken, self.chunk
                ),
            )
            for walk in walks
        ]
        fresh: list[str] = []
        for walk, reply in zip(walks, self.asking.ask(asked), strict=True):
            parts = list(self.parts(reply))
            told = len(reply.body) if isinstance(reply.body, list) else 0
            walk.taken += told
            new = [part.document["id"] for part in parts if part.document["id"] not in walk.parts]
            walk.parts |= {part.document["id"]: part for part in parts}
            walk.ended = told < self.chunk or not new
            if walk.taken >= MOST and not walk.ended:
                walk.ended = True
                self.asking.trip.warn(199, f"{walk.offer.id} has more than {MOST} entities; the others are left out.")
            fresh += new
        return fresh

    def parts(self, reply: Reply) -> Iterator[Part]:
        """What a source has of the entities that are asked for, which may be fewer than it was asked."""
        return (part for part in self.asking.parts(reply) if selects(self.query.selectors, part.document))

    def known(self, ids: Sequence[str]) -> set[str]:
        """Those of some ids that are here, too, and meet the conditions."""
        found: set[str] = set()
        for start in range(0, len(ids), LARGEST_CHUNK):
            some = tuple(ids[start : start + LARGEST_CHUNK])
            asked = replace(self.query, ids=some, offset=0, limit=len(some), count=False)
            found |= {one.id for one in self.asking.pool.query(self.actor, asked).held}
        return found

    def complete(self, ids: Sequence[str], places: Mapping[str, Sequence[str]] | None = None) -> None:
        """Ask sources that were not read to their end for the page's entities, those that `places` says they have."""
        asked: list[tuple[Offer, Asked]] = []
        whose: list[Walk] = []
        for walk in self.walks:
            unknown = [] if walk.ended else [id_ for id_ in ids if id_ not in walk.parts]
            if places is not None:
                unknown = [id_ for id_ in unknown if walk.offer.id in places[id_]]
            for start in range(0, len(unknown), IDS):
                some = replace(self.query, ids=tuple(unknown[start : start + IDS]))
                narrowed = self.asking.narrowed(walk.offer, some)
                if narrowed is not None:
                    question = self.asking.question(
                        walk.offer, narrowed, some, self.filters(walk.offer), 0, len(some.ids)
                    )
                    asked.append((walk.offer, question))
                    whose.append(walk)
        for walk, reply in zip(whose, self.asking.ask(asked), strict=True):
            walk.parts |= {part.document["id"]: part for part in self.parts(reply)}

    def whole(self, local: Document | None, id_: str) -> Document | None:
        parts = [(walk.offer, walk.parts[id_]) for walk in self.walks if id_ in walk.parts]
        own = self.asking.own_part(local, [offer for offer, _ in parts], id_)
        return united(own, [part for _, part in parts])

    # -- entity maps (5.5.9.3, 5.14.4)

    def places(self) -> dict[str, Sequence[str]]:
        """Every entity that is found, and where it is: `@none` for here, else the ids of registrations."""
        found: dict[str, Sequence[str]] = {}
        asked = replace(self.query, limit=LARGEST_CHUNK, offset=0, count=False)
        while len(found) < MOST:
            page = self.asking.pool.query(self.actor, asked)
            found |= {one.id: [HERE] for one in page.held}
            if page.next is None:
                break
            asked = replace(asked, after=page.next)
        self.walk(None)
        for walk in self.walks:
            for id_ in walk.parts:
                found[id_] = [*found.get(id_, ()), walk.offer.id]
        return found

    def mapped_page(self, places: Mapping[str, Sequence[str]]) -> Page:
        """A page of a map; entities that no longer fit are passed over."""
        query, ids = self.query, list(places)
        found: list[Document] = []
        at = query.offset
        while at < len(ids) and len(found) < query.limit:
            some = ids[at : at + max(CHUNK, query.limit)]
            for document in self.some(some, places):
                at += 1
                if document is not None:
                    found.append(document)
                if len(found) == query.limit:
                    break
        return Page(
            tuple(Held(document) for document in found),
            str(at) if at < len(ids) else None,
            len(ids) if query.count else None,
            str(max(0, query.offset - query.limit)) if query.offset and query.limit else None,
        )

    def some(self, ids: Sequence[str], places: Mapping[str, Sequence[str]]) -> list[Document | None]:
        """Some entities of a map, each from where it is; None where it is no more."""
        asked = replace(self.query, ids=tuple(ids), offset=0, limit=len(ids), count=False)
        local = {document["id"]: document for document in self.asking.pool.query(self.actor, asked).documents}
        self.complete(ids, places)
        return [self.whole(local.get(id_), id_) for id_ in ids]

    # -- entities whose parts meet the conditions only together (5.5.14, splitEntities)

    def split_page(self) -> Page:
        """Collect every part, put them together, and only then see which entities meet the conditions."""
        bare = replace(self.query, where=None, geo=None, scope=None, attrs=(), offset=0, limit=LARGEST_CHUNK)
        local: dict[str, Document] = {}
        while len(local) < MOST:
            page = self.asking.pool.query(self.actor, bare)
            local |= {document["id"]: document for document in page.documents}
            if page.next is None:
                break
            bare = replace(bare, offset=0, after=page.next)
        while under_way := [walk for walk in self.walks if not walk.ended]:
            self.step(under_way)
        ids = dict.fromkeys([*local, *(id_ for walk in self.walks for id_ in walk.parts)])
        wholes = [self.whole(local.get(id_), id_) for id_ in ids]
        found = sift([one for one in wholes if one is not None], self.query)
        query = self.query
        return self.paged(found[query.offset : query.offset + query.limit], len(found))

    def paged(self, documents: Sequence[Document], count: int) -> Page:
        """The page, with the places of its neighbours as offsets."""
        query = self.query
        further = query.limit and query.offset + query.limit < count
        return Page(
            tuple(Held(document) for document in documents),
            str(query.offset + query.limit) if further else None,
            count if query.count else None,
            str(max(0, query.offset - query.limit)) if query.offset and query.limit else None,
        )


def offset_of(query: Query) -> int:
    """Where the page begins. Raises InvalidQuery for a cursor of another kind of answer."""
    place = query.after if query.after is not None else query.before
    if place is None:
        return query.offset
    if not place.isascii() or not place.isdigit() or len(place) > 8:
        raise InvalidQuery("This is no place in an answer of several sources.", where="after", hint="Use offset.")
    return int(place)
