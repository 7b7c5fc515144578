"""From the query tree to one SQL statement over the entities' rows.

Each kind is one range of keys with its own slots, so the statement is a branch for each kind that can match, read in
the order of keys and stopped when the page is full. Entities of a further type hang on `extra_type` and are a branch
of their own. Golden files under tests/store/golden show the outcome.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from landbridge.errors import InvalidQuery
from landbridge.model.query import And, Has, Or, Query
from landbridge.store.condition import Ground, check_size, condition, present, scoped
from landbridge.store.contract import Kind
from landbridge.store.cursor import Cursor, read_cursor
from landbridge.store.find import bounds
from landbridge.store.fragment import ALWAYS, NEVER, Fragment, Value, every, listed, put, separated
from landbridge.store.order import beyond, ordering, sort_value
from landbridge.store.pattern import check_pattern
from landbridge.store.place import located
from landbridge.store.schema import KIND_BITS

COLUMNS = "key, id, doc, created, modified, version"
MOST_BRANCHES = 16
Types = Has | And | Or


@dataclass(frozen=True)
class Layout:
    """The kinds of the query's tenant, as they are in the snapshot that is asked, and the road to take.

    `candidates`: keys among which all matches are, for a query about one kind; `by_place`: look places up by cells.
    """

    kinds: tuple[Kind, ...]
    candidates: Fragment | None = None
    by_place: bool = True


@dataclass(frozen=True)
class Compiled:
    sql: str
    bindings: tuple[Value, ...]


@dataclass(frozen=True)
class Branch:
    """Rows of one kind (None: of any), with what must hold for them."""

    kind: Kind | None
    where: Fragment
    order: tuple[Fragment, ...]


def compile_query(query: Query, layout: Layout, counting: bool = False) -> Compiled:
    """Compile a query: rows of an entity's six columns and the order values, one more than `limit`; or the count.

    Raises InvalidQuery for what cannot be asked: a bad pattern, geometry, scope or cursor, a tree too large.
    """
    if query.limit < 0:
        raise InvalidQuery("The limit is below 0.", where="limit")
    if query.where is not None:
        check_size(query.where)
    if query.types is not None:
        check_size(query.types)
    branches = list(plan(query, layout))
    found = counted(branches) if counting else page(query, branches, read_cursor(query))
    return Compiled(found.sql, found.bindings)


def plan(query: Query, layout: Layout) -> Iterator[Branch]:
    """The branches that can match."""
    kinds = {kind.type: kind for kind in layout.kinds}
    if query.ids:
        ids = put(
            "entity.key IN (SELECT key FROM name WHERE tenant = {} AND id IN ({}))", query.tenant, listed(query.ids)
        )
        types = ALWAYS if query.types is None else condition(query.types, Ground(None, kinds))
        yield from branch(query, layout, Ground(None, kinds), every([ids, types]))
        return
    whole = [
        kind for kind in layout.kinds if kind.entities and (query.types is None or suffices(query.types, kind.type))
    ]
    found = [
        part for kind in sorted(whole, key=lambda kind: kind.num) for part in branch(query, layout, Ground(kind, kinds))
    ]
    if len(found) > MOST_BRANCHES:
        nums = [part.kind.num for part in found if part.kind]
        found = list(
            branch(query, layout, Ground(None, kinds), put(f"(entity.key >> {KIND_BITS}) IN ({{}})", listed(nums)))
        )
    yield from found
    if query.types is not None:
        yield from shared(query, layout, {kind.num for kind in whole})


def sole_kind(query: Query, layout: Layout) -> Kind | None:
    """The one kind that a query is about, where it is about one only."""
    if not isinstance(query.types, Has):
        return None
    name = query.types.type
    return next((kind for kind in layout.kinds if kind.type == name and not kind.shared), None)


def suffices(tree: Types, type_: str) -> bool:
    """Whether being of this type alone meets the types asked for."""
    match tree:
        case Has(wanted):
            return wanted == type_
        case And(parts):
            return all(suffices(part, type_) for part in parts)  # type: ignore[arg-type] # a tree of types has types only
        case Or(parts):
            return any(suffices(part, type_) for part in parts)  # type: ignore[arg-type] # as above


def shared(query: Query, layout: Layout, whole: set[int]) -> Iterator[Branch]:
    """The branch of entities that have a further type, where that lets them match."""
    kinds = {kind.type: kind for kind in layout.kinds}
    asked = [kind.num for name in named(query.types) if (kind := kinds.get(name)) and kind.shared]
    if not asked or query.types is None:
        return
    ground = Ground(None, kinds)
    terms = [put("entity.key IN (SELECT key FROM extra_type WHERE kind IN ({}))", listed(sorted(set(asked))))]
    if whole:
        terms.append(put(f"(entity.key >> {KIND_BITS}) NOT IN ({{}})", listed(sorted(whole))))
    yield from branch(query, layout, ground, every([*terms, condition(query.types, ground)]))


def named(tree: object) -> Iterator[str]:
    if isinstance(tree, Has):
        yield tree.type
    elif isinstance(tree, And | Or):
        for part in tree.parts:
            yield from named(part)


def branch(query: Query, layout: Layout, ground: Ground, first: Fragment = ALWAYS) -> Iterator[Branch]:
    """One branch, or none where it cannot match."""
    terms = [first]
    if layout.candidates is not None:
        terms.append(put("entity.key IN ({})", layout.candidates))
    if query.attrs:
        terms.append(present(query.attrs, ground))
    if query.where is not None:
        terms.append(condition(query.where, ground))
    if query.scope is not None:
        terms.append(scoped(query.scope))
    if query.geo is not None:
        terms.append(located(query.geo, layout.by_place))
    if query.id_pattern is not None:
        terms.append(put("regexp({}, id)", check_pattern(query.id_pattern)))
    where = every(terms)
    if where != NEVER:
        yield Branch(ground.kind, where, tuple(sort_value(term.path, ground) for term in query.order))


def key_range(kind: Kind, after: int | None) -> Fragment:
    """The kind's keys, those past `after` only; with one lower bound, for SQLite starts at the first it meets."""
    if after is None or after < kind.num << KIND_BITS:
        return Fragment(bounds(kind))
    return put(f"key > {{}} AND key < {(kind.num + 1) << KIND_BITS}", after)


def rows(part: Branch, columns: Fragment, after: int | None = None) -> Fragment:
    """The SELECT of one branch. The kind's range is written out, so that an index over a part of it can be used."""
    if part.kind is not None:
        terms = [key_range(part.kind, after)]
    else:
        terms = [] if after is None else [put("key > {}", after)]
    terms += [part.where] if part.where != ALWAYS else []
    return put("SELECT {}\nFROM entity\nWHERE {}", columns, separated("\n  AND ", terms or [ALWAYS]))


def union(parts: list[Fragment]) -> Fragment:
    return separated("\nUNION ALL\n", parts)


def page(query: Query, branches: list[Branch], cursor: Cursor | None) -> Fragment:
    """The statement of one page."""
    if not branches:
        return Fragment(f"SELECT {COLUMNS} FROM entity WHERE 0")
    if not query.order:
        after = cursor.key if cursor else None
        parts = [rows(part, Fragment(COLUMNS), after) for part in branches]
        return put("{}\nORDER BY key\nLIMIT {}", union(parts), query.limit + 1)
    parts = []
    for part in branches:
        sorts = [put("{} AS o" + str(number), value) for number, value in enumerate(part.order)]
        parts.append(rows(part, listed([Fragment(COLUMNS), *sorts])))
    later = beyond(query.order, cursor) if cursor else ALWAYS
    return put(
        "SELECT * FROM (\n{}\n)\nWHERE {}\nORDER BY {}\nLIMIT {}",
        *(union(parts), later, Fragment(ordering(query.order)), query.limit + 1),
    )


def counted(branches: list[Branch]) -> Fragment:
    """The statement that counts all matches; kinds without conditions have been counted already."""
    known = sum(part.kind.entities for part in branches if part.kind and part.where == ALWAYS)
    unknown = [part for part in branches if not part.kind or part.where != ALWAYS]
    if not unknown:
        return put("SELECT {}", known)
    return put("SELECT {} + count(*) FROM (\n{}\n)", known, union([rows(part, Fragment("1")) for part in unknown]))
