"""Answers about history from store and lake together: one entity's evolution, pages of queries, aggregates.

A question is answered inside one read transaction of the store, and with each table opened once, so all of an answer
is of one moment. A few entities are read series by series; what is asked of many goes over the files at once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

import apsw

from landbridge.errors import InvalidQuery
from landbridge.history.block import Blocks
from landbridge.history.candidate import Patterns, Subject, cursor_at, ids, kinds_asked, matches, road_of, subjects
from landbridge.history.having import Having
from landbridge.history.lake import Lake
from landbridge.history.recent import is_there, missing
from landbridge.history.scan import Scan
from landbridge.history.spread import Spread, Views
from landbridge.history.summing import TOGETHER, sums
from landbridge.history.telling import begun, needed, tell
from landbridge.history.trial import Trial
from landbridge.model.temporal import Evolution, Evolutions, TemporalQuery
from landbridge.store import reading
from landbridge.store.sqlite import SqliteStore

ONE_BY_ONE = 100  # entities that are looked at by themselves before all are sifted at once
AT_ONCE = 64  # entities whose lines in the store are read together


class Reader:
    """Reads history in the store and in the lake. For several threads."""

    def __init__(self, store: SqliteStore, lake: Lake | None, blocks: Blocks | None = None) -> None:
        self.store = store
        self.lake = lake
        self.blocks = blocks or Blocks()

    def evolution(self, id_: str, asked: TemporalQuery) -> Evolution:
        """One entity's evolution (NGSI-LD 5.7.3). Raises Missing where it never was, or was taken away; TooMuch."""
        asked = replace(asked, query=replace(asked.query, ids=(id_,), attrs=()))
        with self.store.reader() as connection:
            subject = subjects(connection, asked.query.tenant, [id_]).get(id_)
            if subject is None or not is_there(subject, asked):
                raise missing(id_)
            question = Question(self, connection, asked)
            if question.sums_up and asked.query.where is None and asked.query.geo is None:
                return question.evolutions([(subject, None)])[0]
            found = question.told(subject, question.spread([subject]), Trial(asked.query))
            if found is None:
                raise missing(id_)
            return found

    def evolutions(self, asked: TemporalQuery) -> Evolutions:
        """One page of a temporal query (NGSI-LD 5.7.4). Raises InvalidQuery, TooMuch."""
        query = asked.query
        if query.limit < 0 or query.offset < 0:
            raise InvalidQuery("A page begins at 0 or later, and has 0 entities or more.", where="limit")
        with self.store.reader() as connection:
            question = Question(self, connection, asked)
            if asked.aggregate is not None and asked.aggregate.together:
                return Evolutions([question.together()])
            return question.page()


class Question:
    """One question, within one view of store and lake."""

    def __init__(self, reader: Reader, connection: apsw.Connection, asked: TemporalQuery) -> None:
        self.connection = connection
        self.asked = asked
        self.query = asked.query
        self.views = Views(connection, reader.lake, reader.blocks)
        self.sifted: set[str] | None = None

    @property
    def sums_up(self) -> bool:
        """Whether it asks for aggregates that columns alone can tell."""
        asked = self.asked
        paged = asked.since is not None or asked.before is not None or asked.last is not None
        return asked.aggregate is not None and self.query.scope is None and asked.instance is None and not paged

    def spread(self, some: Sequence[Subject]) -> Spread:
        return Spread(self.views, self.query.tenant, self.views.waiting(some))

    # -- one entity

    def told(self, subject: Subject, spread: Spread, trial: Trial | None) -> Evolution | None:
        """The evolution of one entity; None where it does not meet the query."""
        asked = self.asked
        if trial is not None and trial.nothing and not self.query.attrs:
            trial = None if self.query.scope is None else trial
        most = self.most(trial)
        lines = spread.lines(subject, self.attributes(trial), asked, most)
        return tell(subject, lines, asked, trial)

    def attributes(self, trial: Trial | None) -> tuple[str, ...]:
        return self.asked.attributes if trial is None else needed(self.asked)

    def most(self, trial: Trial | None) -> int | None:
        """How many instances of each series are enough; None: all are needed."""
        asked = self.asked
        ordered = asked.span is None or asked.span.property == "observedAt"
        if trial is not None or asked.aggregate is not None or asked.instance is not None or not ordered:
            return None
        if asked.last is None:
            return asked.most + 1
        return asked.last if asked.before is not None else min(asked.last, asked.most + 1)

    # -- a page

    def page(self) -> Evolutions:
        query, road = self.query, road_of(self.query)
        found = islice(self.found(), query.offset, query.offset + query.limit + 1)
        held = list(found) if query.limit else []
        more = len(held) > query.limit
        held = held[: query.limit]
        if road.turned:
            held.reverse()
        following = bool(held) and (road.turned or more)
        earlier = bool(held) and (more if road.turned else road.start is not None or query.offset > 0)
        return Evolutions(
            self.evolutions(held),
            cursor_at(held[-1][0].id) if following else None,
            cursor_at(held[0][0].id) if earlier else None,
            self.count() if query.count else None,
        )

    def found(self) -> Iterator[tuple[Subject, Evolution | None]]:
        """The entities that the query finds, in the order of its road, and their evolutions where they are known."""
        if self.sums_up and self.is_open:
            yield from self.summed()
            return
        looked = 0
        trial = Trial(self.query)
        for some in self.candidates():
            if looked < ONE_BY_ONE and self.sifted is None and not self.sums_up:
                spread = self.spread(some)
                for subject in some:
                    looked += 1
                    one = self.told(subject, spread, trial)
                    if one is not None and (one.attrs or one.kinds):
                        yield subject, one
                continue
            there = self.sift()
            kept = [subject for subject in some if subject.id in there]
            if not kept:
                continue
            if self.sums_up:
                yield from ((subject, None) for subject in kept)
                continue
            spread = self.spread(kept)
            for subject in kept:
                one = self.told(subject, spread, None if self.query.scope is None else trial)
                if one is not None and (one.attrs or one.kinds):
                    yield subject, one

    @property
    def is_open(self) -> bool:
        """Whether having an aggregate is all that an entity needs to be found."""
        query = self.query
        return query.where is None and query.geo is None and set(query.attrs) <= set(self.asked.attributes)

    def summed(self) -> Iterator[tuple[Subject, Evolution | None]]:
        """The entities that have aggregates, as many at once as a page needs."""
        want = self.query.offset + self.query.limit + 1
        waiting: list[Subject] = []
        for some in self.candidates():
            waiting += some
            if len(waiting) >= want:
                yield from self.having_sums(waiting)
                waiting = []
        yield from self.having_sums(waiting)

    def having_sums(self, some: Sequence[Subject]) -> Iterator[tuple[Subject, Evolution | None]]:
        by_id = {subject.id: subject for subject in some}
        for one in self.evolutions([(subject, None) for subject in some]):
            if one.kinds:
                yield by_id[one.id], one

    def candidates(self) -> Iterator[tuple[Subject, ...]]:
        """The entities that the query names by type, id and pattern, some at a time."""
        has = Patterns(self.connection)
        if self.query.limit > ONE_BY_ONE and not (self.sums_up and self.is_open):
            self.sift()
        for some in ids(self.connection, self.query, road_of(self.query)):
            known = subjects(self.connection, self.query.tenant, self.maybe(some)).values()
            named = [one for one in known if is_there(one, self.asked) and matches(self.query, one, has)]
            for start in range(0, len(named), AT_ONCE):
                yield tuple(named[start : start + AT_ONCE])

    def maybe(self, some: Sequence[str]) -> Sequence[str]:
        return some if self.sifted is None else [id_ for id_ in some if id_ in self.sifted]

    def sift(self) -> set[str]:
        """The ids that meet the query's conditions, found at once."""
        if self.sifted is None:
            attributes = self.query.attrs or self.asked.attributes
            asked = replace(self.asked, datasets=())
            self.sifted = Having(self.scan(asked)).ids(self.query, attributes)
        return self.sifted

    def count(self) -> int:
        everything = replace(self.query, after=None, before=None, offset=0)
        if self.query.scope is not None:
            asked = replace(self.asked, query=everything, last=1, most=1, aggregate=None, since=None, before=None)
            other = Question.__new__(Question)
            other.__dict__.update(self.__dict__ | {"asked": asked, "query": everything})
            return sum(1 for _ in other.found())
        self.sift()
        has = Patterns(self.connection)
        counted = 0
        for some in ids(self.connection, everything, road_of(everything)):
            known = subjects(self.connection, everything.tenant, self.maybe(some)).values()
            counted += sum(is_there(one, self.asked) and matches(everything, one, has) for one in known)
        return counted

    # -- aggregates

    def evolutions(self, held: Sequence[tuple[Subject, Evolution | None]]) -> list[Evolution]:
        """The evolutions of a page's entities."""
        missing = [subject for subject, known in held if known is None]
        if not missing:
            return [known for _, known in held if known is not None]
        scan = self.scan(self.asked, [subject.id for subject in missing])
        told = sums(scan, self.asked.attributes, self.asked)
        found = []
        for subject, known in held:
            if known is None:
                known = begun(subject, (), self.asked)
                known.buckets, known.kinds = told.get(subject.id, ({}, {}))
            found.append(known)
        return found

    def together(self) -> Evolution:
        """The aggregates of all entities that the query finds, as one."""
        asked, query = self.asked, self.query
        named = query.ids or query.id_pattern or query.selectors or query.attrs or query.where or query.geo
        found: list[str] | None = None
        if named or query.scope is not None:
            everything = replace(self.query, after=None, before=None, offset=0, limit=0)
            self.query = everything
            self.sift()
            found = [subject.id for some in self.candidates() for subject in some]
        told = sums(self.scan(asked, found), asked.attributes, asked)
        buckets, kinds = told.get(TOGETHER, ({}, {}))
        return Evolution(TOGETHER, (), buckets=buckets, kinds=kinds)

    def scan(self, asked: TemporalQuery, some: Sequence[str] | None = None) -> Scan:
        kinds = kinds_asked(reading.kinds(self.connection, self.query.tenant), self.query)
        if kinds is None or some is not None:
            kinds = reading.kinds(self.connection, self.query.tenant)
        return Scan(self.views, [kind.type for kind in kinds], asked, some)
