"""Roads: whether a question about a large kind goes by an index or by a walk in the order of keys.

SQLite's planner does not see that a page needs few rows, so the choice is made here, by counting what an index would
give up to a bound: few candidates are fetched, many mean that a walk fills the page soon. An index over a kind's
column is made when a walk was long and an index would have spared it.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import sqrt
from time import monotonic
from typing import Any

import apsw

from landbridge.model.query import And, Between, Compare, Node, OneOf, Query
from landbridge.store.comparison import Comparison, comparison, fitting, slot
from landbridge.store.compile import Layout, sole_kind
from landbridge.store.condition import Ground
from landbridge.store.contract import Kind
from landbridge.store.find import LARGE, bounds, index_name
from landbridge.store.fragment import Fragment, put
from landbridge.store.function import instant
from landbridge.store.place import around, check, in_cells
from landbridge.store.schema import KIND_BITS

FEW = 600  # candidates that are always few
FEW_ROOTS = 4  # and as many as so many times the root of the entities (measured)
REMEMBERED, MOST_KNOWN = 60.0, 10_000  # seconds; ranges
RISING = (">", ">=")
Wish = Callable[[Kind, int], None]


class Known:
    """What earlier choices found out, which spares later ones a look: it may be out of date, and then costs time only.

    An open range that held many rows holds many wherever it begins earlier.
    """

    def __init__(self) -> None:
        self.indexes: set[str] = set()  # none is ever dropped
        self.many: dict[tuple[int, int, str, type], tuple[Any, float]] = {}  # the narrowest range, and when that was

    def has_index(self, connection: apsw.Connection, kind: Kind, column: int) -> bool:
        name = index_name(kind, column)
        if name in self.indexes:
            return True
        found = bool(connection.execute("SELECT 1 FROM sqlite_schema WHERE type='index' AND name=?", (name,)).get)
        if found:
            self.indexes.add(name)
        return found

    def is_many(self, kind: Kind, column: int, asked: Comparison) -> bool:
        """Whether such a range was found to hold many rows a while ago."""
        key = key_of(kind, column, asked)
        found = self.many.get(key) if key is not None else None
        if found is None or monotonic() - found[1] > REMEMBERED:
            return False
        (value,) = asked.choices
        return bool(value <= found[0] if asked.operator in RISING else value >= found[0])

    def note_many(self, kind: Kind, column: int, asked: Comparison) -> None:
        key = key_of(kind, column, asked)
        if key is not None and not self.is_many(kind, column, asked) and len(self.many) < MOST_KNOWN:
            self.many[key] = asked.choices[0], monotonic()


def key_of(kind: Kind, column: int, asked: Comparison) -> tuple[int, int, str, type] | None:
    """What an open range is known by, besides where it begins; None for what is no open range."""
    if asked.operator not in (*RISING, "<", "<=") or asked.negated or len(asked.choices) != 1:
        return None
    (value,) = asked.choices
    if isinstance(value, bool | tuple):
        return None
    return kind.num, column, asked.operator, str if isinstance(value, str) else float


def choose(connection: apsw.Connection, query: Query, layout: Layout, known: Known | None = None) -> Layout:
    """The layout with the road that this query is to take."""
    known = known or Known()
    if query.ids:
        return layout
    if query.geo is not None:
        check(query.geo)
        box = around(query.geo)
        few = box is not None and is_few(connection, in_cells(box), sum(kind.entities for kind in layout.kinds))
        return replace(layout, by_place=few)
    kind = sole_kind(query, layout)
    if kind is None or kind.entities < LARGE:
        return layout
    whole = bool(query.order)
    for column, asked in narrow(query.where, kind):
        if not known.has_index(connection, kind, column):
            continue
        equals = one_value(asked, f"s{column}")
        if equals is not None and is_alone(query):
            return by_arms(layout, kind, column, equals)
        if not whole and known.is_many(kind, column, asked):
            continue
        found = by_index(kind, column, slot(asked, f"s{column}"))
        if is_few(connection, found, kind.entities, whole=whole):
            return replace(layout, candidates=found) if equals is None else by_arms(layout, kind, column, equals)
        if not whole:
            known.note_many(kind, column, asked)
    return layout


def is_alone(query: Query) -> bool:
    """Whether a query has one condition and nothing else that most of what meets it could fail."""
    return isinstance(query.where, Compare) and not (query.attrs or query.scope or query.id_pattern or query.selectors)


def by_arms(layout: Layout, kind: Kind, column: int, equals: Fragment) -> Layout:
    """Read an index where its column is one value, and where the document says: each is in the order of keys.

    So a page costs what it holds, however many meet the condition.
    """
    return replace(layout, arms=(equals, Fragment(f"s{column} = x''")), index=index_name(kind, column))


def one_value(asked: Comparison, column: str) -> Fragment | None:
    """The condition that a slot is the one value that is asked for, where it is one and its text means only itself."""
    if asked.operator != "==" or asked.negated or len(asked.choices) != 1:
        return None
    (value,) = asked.choices
    if isinstance(value, bool | tuple) or (isinstance(value, str) and instant(value) is not None):
        return None
    return put(f"{column} = {{}}", value if isinstance(value, str) else fitting(value))


def narrow(node: Node | None, kind: Kind) -> Iterator[tuple[int, Comparison]]:
    """The conditions that every match meets and that an index over one slot can answer; equalities first."""
    ground = Ground(kind, {})
    leaves = node.parts if isinstance(node, And) else (node,)
    asked = [
        (comparison(leaf), leaf.path.attribute)
        for leaf in leaves
        if isinstance(leaf, Compare | Between | OneOf) and not leaf.path.subs and not leaf.path.keys
    ]
    for found, attribute in sorted(asked, key=lambda pair: pair[0].operator != "=="):
        column = ground.slot(attribute)
        if column and not found.negated and found.operator != "~=":
            yield int(column[1:]), found


def by_index(kind: Kind, column: int, condition: Fragment) -> Fragment:
    """The keys that an index gives: rows whose slot meets the condition, and rows that have to be opened."""
    rows = f"SELECT key FROM entity INDEXED BY {index_name(kind, column)} WHERE {bounds(kind)}"
    return put(f"{rows} AND {{}} UNION ALL {rows} AND s{column} = x''", condition)


def is_few(connection: apsw.Connection, rows: Fragment, entities: int, *, whole: bool = False) -> bool:
    """Whether these candidates of so many entities are sooner fetched than a page is found by walking.

    With C candidates among N, a walk meets its page after about 20 N / C rows, so the two roads cost the same where
    C is some times the root of N. Where the answer is needed `whole`, to be sorted, the index always saves.
    """
    bound = max(FEW, entities // 8) if whole else max(FEW, int(FEW_ROOTS * sqrt(entities)))
    counting = put("SELECT count(*) FROM (SELECT 1 FROM ({}) LIMIT {})", rows, bound)
    return int(connection.execute(counting.sql, counting.bindings).get) < bound


def wish_for_index(
    connection: apsw.Connection, query: Query, layout: Layout, end: int | None, wish: Wish, known: Known
) -> None:
    """Ask for the indexes that would have spared a long walk. `end`: the key it ended at, None: of the last row."""
    kind = sole_kind(query, layout)
    if kind is None or kind.entities < LARGE or layout.candidates is not None or layout.arms:
        return
    walked = kind.entities if end is None or query.order or query.after else end - (kind.num << KIND_BITS)
    if walked >= LARGE:
        for column, _ in narrow(query.where, kind):
            if not known.has_index(connection, kind, column):
                wish(kind, column)
