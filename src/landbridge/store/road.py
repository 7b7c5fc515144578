"""Roads: whether a question about a large kind goes by an index or by a walk in the order of keys.

SQLite's planner does not see that a page needs few rows, so the choice is made here, by counting what an index would
give up to a bound: few candidates are fetched, many mean that a walk fills the page soon. An index over a kind's
column is made when a walk was long and an index would have spared it.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import sqrt

import apsw

from landbridge.model.query import And, Between, Compare, Node, OneOf, Query
from landbridge.store.comparison import comparison, slot
from landbridge.store.compile import Layout, sole_kind
from landbridge.store.condition import Ground
from landbridge.store.contract import Kind
from landbridge.store.find import LARGE, bounds, index_name
from landbridge.store.fragment import Fragment, put
from landbridge.store.place import around, check, in_cells
from landbridge.store.schema import KIND_BITS

FEW = 600  # candidates that are always few
FEW_ROOTS = 4  # and as many as so many times the root of the entities (measured)
Wish = Callable[[Kind, int], None]


def choose(connection: apsw.Connection, query: Query, layout: Layout) -> Layout:
    """The layout with the road that this query is to take."""
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
    for column, condition in narrow(query.where, kind):
        if has_index(connection, kind, column):
            found = by_index(kind, column, condition)
            if is_few(connection, found, kind.entities, whole=bool(query.order)):
                return replace(layout, candidates=found)
    return layout


def narrow(node: Node | None, kind: Kind) -> Iterator[tuple[int, Fragment]]:
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
            yield int(column[1:]), slot(found, column)


def has_index(connection: apsw.Connection, kind: Kind, column: int) -> bool:
    name = index_name(kind, column)
    return bool(connection.execute("SELECT 1 FROM sqlite_schema WHERE type='index' AND name=?", (name,)).get)


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


def wish_for_index(connection: apsw.Connection, query: Query, layout: Layout, end: int | None, wish: Wish) -> None:
    """Ask for the indexes that would have spared a long walk. `end`: the key it ended at, None: of the last row."""
    kind = sole_kind(query, layout)
    if kind is None or kind.entities < LARGE or layout.candidates is not None:
        return
    walked = kind.entities if end is None or query.order or query.after else end - (kind.num << KIND_BITS)
    if walked >= LARGE:
        for column, _ in narrow(query.where, kind):
            if not has_index(connection, kind, column):
                wish(kind, column)
