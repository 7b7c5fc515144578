"""Which entities a temporal query may be about: those that are, those that were, and those that only history knows.

They come in the order of their ids, so that a page can end anywhere and the next one begins there. What they were
observed to be within a stretch of time is not looked at here (NGSI-LD 5.7.4; see `history.telling`).
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import apsw
import orjson

from landbridge.errors import InvalidQuery
from landbridge.model.query import And, Has, Or, Query, Selector
from landbridge.store import census, reading
from landbridge.store.compile import named
from landbridge.store.contract import Kind
from landbridge.store.pattern import check_pattern

CHUNK = 512  # ids read at once
FEW = 2_000  # entities of the types that are asked about, up to which they are looked up by type


@dataclass(frozen=True)
class Subject:
    """An id with all keys that it has or had in the journal (the newest last), and what it is, or was last.

    `kinds`: all types that it ever had, by which it is found. `created`, `modified`, `ended` in microseconds. `known`:
    whether its evolution is there, or was taken away.
    """

    id: str
    keys: tuple[int, ...]
    types: tuple[str, ...]
    kinds: frozenset[str]
    scope: tuple[str, ...] = ()
    created: int | None = None
    modified: int | None = None
    ended: int | None = None
    known: bool = True
    first: int = 0  # when the first of its keys was made


def subjects(connection: apsw.Connection, tenant: str, ids: Sequence[str]) -> dict[str, Subject]:
    """What is known of these ids, in their order; those that never were are left out."""
    if not ids:
        return {}
    former: dict[str, list[tuple[Any, ...]]] = {}
    for id_, *row in census.past(connection, tenant, ids):
        former.setdefault(id_, []).append((row[0], tuple(orjson.loads(row[1])), *row[2:]))
    found: dict[str, Subject] = {}
    for id_, key, types, scope, created, modified in census.present(connection, tenant, ids):
        before = former.pop(id_, [])
        now = tuple(orjson.loads(types))
        found[id_] = Subject(
            id_, (*(row[0] for row in before), key), now, frozenset(now).union(*(row[1] for row in before)),
            tuple(orjson.loads(scope)) if scope else (), created, modified,
            first=min([created, *(row[2] for row in before)]),
        )  # fmt: skip
    for id_, rows in former.items():
        last = max(rows, key=lambda row: (row[3] is None, row[2]))
        found[id_] = Subject(
            id_, (*(row[0] for row in rows if row is not last), last[0]), last[1],
            frozenset().union(*(row[1] for row in rows)), (), last[2], None, last[3],
            any(row[4] is None for row in rows), min(row[2] for row in rows),
        )  # fmt: skip
    return {id_: found[id_] for id_ in dict.fromkeys(ids) if id_ in found}


def matches(query: Query, subject: Subject, has: "Patterns") -> bool:
    """Whether an entity is one of those that a query names by type, id and pattern."""
    return (
        (query.types is None or is_of(query.types, subject.kinds))
        and (not query.ids or subject.id in query.ids)
        and (query.id_pattern is None or has(query.id_pattern, subject.id))
        and (not query.selectors or any(selects(one, subject, has) for one in query.selectors))
    )


def selects(selector: Selector, subject: Subject, has: "Patterns") -> bool:
    return (
        (selector.types is None or is_of(selector.types, subject.kinds))
        and (not selector.ids or subject.id in selector.ids)
        and (selector.id_pattern is None or has(selector.id_pattern, subject.id))
    )


def is_of(tree: object, types: frozenset[str]) -> bool:
    """Whether an entity of these types is one that a tree of types asks for."""
    match tree:
        case Has(type_):
            return type_ in types
        case And(parts):
            return all(is_of(part, types) for part in parts)
        case Or(parts):
            return any(is_of(part, types) for part in parts)
    return False


class Patterns:
    """Says whether an id matches a regular expression, in time linear in the id."""

    def __init__(self, connection: apsw.Connection) -> None:
        self.connection = connection

    def __call__(self, pattern: str, text: str) -> bool:
        return bool(self.connection.execute("SELECT regexp(?, ?)", (check_pattern(pattern), text)).get)


# -- ids in order


@dataclass(frozen=True)
class Road:
    """Where a page of ids begins, and which way it goes."""

    start: str | None
    descending: bool
    turned: bool  # the page ends where it begins: its ids come backwards

    @property
    def back(self) -> bool:
        return self.descending is not self.turned


def road_of(query: Query) -> Road:
    """The road of a query. Raises InvalidQuery for an order other than by id, and for what is no cursor."""
    for order in query.order:
        if order.path.attribute != "id" or order.path.subs or order.path.keys or order.origin is not None:
            raise InvalidQuery("History is put in order by ids alone.", where="orderBy", hint="Use orderBy=id.")
    if sum(one is not None for one in (query.after, query.before)) + bool(query.offset) > 1:
        raise InvalidQuery("A page begins at one place.", hint="Use one of after, before and offset.")
    descending = bool(query.order) and query.order[0].descending
    text = query.before if query.after is None else query.after
    return Road(None if text is None else read_cursor(text), descending, query.before is not None)


def cursor_at(id_: str) -> str:
    """The cursor of the page that begins after an id."""
    return urlsafe_b64encode(orjson.dumps(["history", id_])).rstrip(b"=").decode()


def read_cursor(text: str) -> str:
    wrong = InvalidQuery("The cursor does not belong to this query.", hint="Begin again without it.")
    try:
        found = orjson.loads(urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4)))
    except (binascii.Error, ValueError):
        raise wrong from None
    if not (isinstance(found, list) and len(found) == 2 and found[0] == "history" and isinstance(found[1], str)):
        raise wrong
    return found[1]


def ids(connection: apsw.Connection, query: Query, road: Road) -> Iterator[list[str]]:
    """The ids that may be meant, in the road's order, some at a time; more than are meant, but none less."""
    given = ids_given(query)
    if given is None:
        kinds = kinds_asked(reading.kinds(connection, query.tenant), query)
        few = kinds is not None and sum(kind.entities for kind in kinds) <= FEW
        if not few:
            yield from census.walk(connection, query.tenant, kinds, road.start, road.back, CHUNK)
            return
        given = set(census.of_kinds(connection, query.tenant, kinds or ()))
    begun = road.start
    rest = [id_ for id_ in given if begun is None or (id_ < begun if road.back else id_ > begun)]
    rest.sort(reverse=road.back)
    for start in range(0, len(rest), CHUNK):
        yield rest[start : start + CHUNK]


def ids_given(query: Query) -> set[str] | None:
    """The ids that a query names, where it names all."""
    if query.ids:
        return set(query.ids)
    if query.selectors and all(one.ids for one in query.selectors):
        return {id_ for one in query.selectors for id_ in one.ids}
    return None


def kinds_asked(kinds: Sequence[Kind], query: Query) -> list[Kind] | None:
    """The kinds of all types that a query names; None where it names none."""
    trees = [query.types, *(one.types for one in query.selectors)]
    asked = [query.types] if query.types is not None else trees[1:] if trees[1:] and None not in trees[1:] else None
    if asked is None:
        return None
    names = {name for tree in asked for name in named(tree)}
    return [kind for kind in kinds if kind.type in names]
