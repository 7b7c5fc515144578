"""Answers about history from the store alone, one entity after the other, without any engine.

It is the whole of history where nothing has been drained, and the recent window where the lake has the rest.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

import apsw

from landbridge.errors import InvalidQuery, Missing
from landbridge.history.candidate import Patterns, Subject, cursor_at, ids, matches, road_of, subjects
from landbridge.history.line import Line
from landbridge.history.near import lines_of
from landbridge.history.telling import needed, tell
from landbridge.history.trial import Trial
from landbridge.model.temporal import Evolution, Evolutions, TemporalQuery
from landbridge.store.sqlite import SqliteStore


class Recent:
    """Reads history in the store."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store

    def evolution(self, id_: str, asked: TemporalQuery) -> Evolution:
        """One entity's evolution (NGSI-LD 5.7.3). Raises Missing where it never was, or was taken away."""
        query = replace(asked.query, ids=(id_,), attrs=())
        with self.store.reader() as connection:
            subject = subjects(connection, query.tenant, [id_]).get(id_)
            if subject is None or not is_there(subject, asked):
                raise missing(id_)
            lines = self.lines(connection, subject, asked)
            found = tell(subject, lines, replace(asked, query=query), Trial(query))
            if found is None:
                raise missing(id_)
            return found

    def evolutions(self, asked: TemporalQuery) -> Evolutions:
        """One page of a temporal query (NGSI-LD 5.7.4). Raises InvalidQuery."""
        with self.store.reader() as connection:
            return page(asked, lambda some: self.found(connection, some))

    def found(self, connection: apsw.Connection, asked: TemporalQuery) -> Iterator[Evolution]:
        """What the query finds, in the order of its road."""
        query = asked.query
        has, trial = Patterns(connection), Trial(query)
        for some in ids(connection, query, road_of(query)):
            for subject in subjects(connection, query.tenant, some).values():
                if is_there(subject, asked) and matches(query, subject, has):
                    one = tell(subject, self.lines(connection, subject, asked), asked, trial)
                    if one is not None and (one.attrs or one.kinds):
                        yield one

    def lines(self, connection: apsw.Connection, subject: Subject, asked: TemporalQuery) -> Sequence[Line]:
        return list(lines_of(connection, subject.keys, needed(asked)))


def is_there(subject: Subject, asked: TemporalQuery) -> bool:
    """Whether an entity's evolution is there, as known now or then."""
    return subject.known if asked.as_of is None else subject.first <= asked.as_of


def missing(id_: str) -> Missing:
    return Missing("There is no evolution of such an entity.", where=id_)


def page(asked: TemporalQuery, find: Callable[[TemporalQuery], Iterator[Evolution]]) -> Evolutions:
    """One page of what is found, which comes in the order of the query's road, and the count of all where asked."""
    query, road = asked.query, road_of(asked.query)
    if query.limit < 0 or query.offset < 0:
        raise InvalidQuery("A page begins at 0 or later, and has 0 entities or more.", where="limit")
    held = list(islice(find(asked), query.offset, query.offset + query.limit + 1)) if query.limit else []
    more = len(held) > query.limit
    held = held[: query.limit]
    if road.turned:
        held.reverse()
    following = bool(held) and (road.turned or more)
    earlier = bool(held) and (more if road.turned else road.start is not None or query.offset > 0)
    return Evolutions(
        held,
        cursor_at(held[-1].id) if following else None,
        cursor_at(held[0].id) if earlier else None,
        counted(asked, find) if query.count else None,
    )


def counted(asked: TemporalQuery, find: Callable[[TemporalQuery], Iterator[Evolution]]) -> int:
    """How many entities a query finds on all its pages."""
    everything = replace(asked.query, after=None, before=None, offset=0)
    return sum(
        1 for _ in find(replace(asked, query=everything, last=1, most=1, aggregate=None, since=None, before=None))
    )
