"""From the query tree to one SQL statement over the entities' rows.

Each kind is one range of keys with its own slots, so the statement is a branch for each kind that can match, read in
the order of keys and stopped when the page is full. Entities of a further type hang on `extra_type` and are a branch
of their own. Golden files under tests/store/golden show the outcome.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from landbridge.errors import InvalidQuery
from landbridge.model.query import And, Compare, Has, Linked, Or, Query, Selector
from landbridge.store.condition import Ground, check_size, condition, present, scoped
from landbridge.store.contract import Kind
from landbridge.store.cursor import Cursor, read_cursor, sort_keys
from landbridge.store.find import bounds
from landbridge.store.fragment import ALWAYS, NEVER, Fragment, Value, every, listed, put, separated, some
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
    `arms`: stretches of one index that hold all matches, each in the order of keys, and the name of the index.
    """

    kinds: tuple[Kind, ...]
    candidates: Fragment | None = None
    by_place: bool = True
    arms: tuple[Fragment, ...] = ()
    index: str = ""


@dataclass(frozen=True)
class Compiled:
    sql: str
    bindings: tuple[Value, ...]


@dataclass(frozen=True)
class Branch:
    """Rows of one kind (None: of any), with what must hold for them, and the index to read them by."""

    kind: Kind | None
    where: Fragment
    order: tuple[Fragment, ...]
    index: str = ""


def compile_query(query: Query, layout: Layout, counting: bool = False) -> Compiled:
    """Compile a query: rows of an entity's six columns and the order values, one more than `limit`; or the count.

    Raises InvalidQuery for what cannot be asked: a bad pattern, geometry, scope or cursor, a tree too large.
    """
    if query.limit < 0 or query.offset < 0:
        raise InvalidQuery("A page begins at 0 or later, and has 0 entities or more.", where="limit")
    if query.where is not None:
        check_size(query.where)
    if query.types is not None:
        check_size(query.types)
    for pattern in patterns(query):
        check_pattern(pattern)
    branches = list(plan(query, layout))
    found = counted(branches) if counting else page(query, branches, read_cursor(query))
    return Compiled(found.sql, found.bindings)


def patterns(query: Query) -> Iterator[str]:
    """The regular expressions of a query: a bad one is refused also where no row would meet it."""
    yield from (one for one in (query.id_pattern, *(each.id_pattern for each in query.selectors)) if one is not None)
    pending = [query.where]
    while pending:
        match pending.pop():
            case And(parts) | Or(parts):
                pending += parts
            case Linked(term=term):
                pending.append(term)
            case Compare(_, "~=" | "!~=", value):
                yield str(value)


def plan(query: Query, layout: Layout) -> Iterator[Branch]:
    """The branches that can match."""
    kinds = {kind.type: kind for kind in layout.kinds}
    anywhere = Ground(None, kinds, query.tenant)
    ids = named_ids(query)
    if ids:
        known = "entity.key IN (SELECT key FROM name WHERE tenant = {} AND id IN ({}))"
        types = ALWAYS if query.types is None else condition(query.types, anywhere)
        yield from branch(query, layout, anywhere, every([put(known, query.tenant, listed(ids)), types]))
        return
    asked = asked_types(query)
    whole = [kind for kind in layout.kinds if kind.entities and (asked is None or suffices(asked, kind.type))]
    found = [
        part
        for kind in sorted(whole, key=lambda kind: kind.num)
        for part in branch(query, layout, Ground(kind, kinds, query.tenant))
    ]
    if len(found) > MOST_BRANCHES:
        nums = [part.kind.num for part in found if part.kind]
        found = list(branch(query, layout, anywhere, put(f"(entity.key >> {KIND_BITS}) IN ({{}})", listed(nums))))
    yield from found
    if asked is not None:
        yield from shared(query, asked, layout, {kind.num for kind in whole})


def named_ids(query: Query) -> tuple[str, ...]:
    """The ids of which every match has one; none where matches can have any."""
    if query.ids or not query.selectors or not all(selector.ids for selector in query.selectors):
        return query.ids
    return tuple(dict.fromkeys(id_ for selector in query.selectors for id_ in selector.ids))


def asked_types(query: Query) -> Types | None:
    """The types that every match has, as the query or its selectors say; None where matches can be of any."""
    if query.types is not None or not query.selectors:
        return query.types
    types = [selector.types for selector in query.selectors if selector.types is not None]
    if len(types) < len(query.selectors):
        return None
    return types[0] if len(types) == 1 else Or(tuple(types))


def sole_kind(query: Query, layout: Layout) -> Kind | None:
    """The one kind that a query is about, where it is about one only."""
    types = asked_types(query)
    if not isinstance(types, Has):
        return None
    name = types.type
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


def shared(query: Query, types: Types, layout: Layout, whole: set[int]) -> Iterator[Branch]:
    """The branch of entities that have a further type, where that lets them match."""
    kinds = {kind.type: kind for kind in layout.kinds}
    asked = [kind.num for name in named(types) if (kind := kinds.get(name)) and kind.shared]
    if not asked:
        return
    ground = Ground(None, kinds, query.tenant)
    terms = [put("entity.key IN (SELECT key FROM extra_type WHERE kind IN ({}))", listed(sorted(set(asked))))]
    if whole:
        terms.append(put(f"(entity.key >> {KIND_BITS}) NOT IN ({{}})", listed(sorted(whole))))
    yield from branch(query, layout, ground, every([*terms, condition(types, ground)]))


def named(tree: object) -> Iterator[str]:
    if isinstance(tree, Has):
        yield tree.type
    elif isinstance(tree, And | Or):
        for part in tree.parts:
            yield from named(part)


def branch(query: Query, layout: Layout, ground: Ground, first: Fragment = ALWAYS) -> Iterator[Branch]:
    """One branch, one for each arm of an index, or none where it cannot match."""
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
    if query.selectors:
        terms.append(some(selected(selector, ground) for selector in query.selectors))
    where = every(terms)
    if where != NEVER:
        sorts = tuple(sort_value(key, ground, query.collation) for key in sort_keys(query.order))
        if not layout.arms or ground.kind is None:
            yield Branch(ground.kind, where, sorts)
            return
        for arm in layout.arms:
            yield Branch(ground.kind, every([arm, where]), sorts, layout.index)


def selected(selector: Selector, ground: Ground) -> Fragment:
    """Being selected by one of a query's selectors."""
    terms = [] if selector.types is None else [condition(selector.types, ground)]
    if selector.ids:
        terms.append(put("id IN ({})", listed(selector.ids)))
    if selector.id_pattern is not None:
        terms.append(put("regexp({}, id)", check_pattern(selector.id_pattern)))
    return every(terms)


def key_range(kind: Kind, cursor: Cursor | None) -> Fragment:
    """The kind's keys on the cursor's side; with one bound each way, for SQLite starts at the first it meets."""
    first, last = kind.num << KIND_BITS, (kind.num + 1) << KIND_BITS
    if cursor is None or (cursor.key >= last if cursor.backward else cursor.key < first):
        return Fragment(bounds(kind))
    if cursor.backward:
        return put(f"key >= {first} AND key < {{}}", cursor.key)
    return put(f"key > {{}} AND key < {last}", cursor.key)


def rows(part: Branch, columns: Fragment, cursor: Cursor | None = None) -> Fragment:
    """The SELECT of one branch. The kind's range is written out, so that an index over a part of it can be used."""
    if part.kind is not None:
        terms = [key_range(part.kind, cursor)]
        if part.index and cursor is not None:
            terms.insert(0, Fragment(bounds(part.kind)))  # else SQLite does not see that the index has all of it
    else:
        terms = [] if cursor is None else [put(f"key {'<' if cursor.backward else '>'} {{}}", cursor.key)]
    terms += [part.where] if part.where != ALWAYS else []
    table = f"entity INDEXED BY {part.index}" if part.index else "entity"
    return put(f"SELECT {{}}\nFROM {table}\nWHERE {{}}", columns, separated("\n  AND ", terms or [ALWAYS]))


def union(parts: list[Fragment]) -> Fragment:
    return separated("\nUNION ALL\n", parts)


def page(query: Query, branches: list[Branch], cursor: Cursor | None) -> Fragment:
    """The statement of one page; its rows come from the end of the page where the cursor looks backward.

    Where rows are sorted, that is done with their keys alone: only the documents of the page are read.
    """
    if not branches:
        return Fragment(f"SELECT {COLUMNS} FROM entity WHERE 0")
    backward = cursor is not None and cursor.backward
    limit = (
        put("LIMIT {} OFFSET {}", query.limit + 1, query.offset) if query.offset else put("LIMIT {}", query.limit + 1)
    )
    if not query.order:
        parts = [rows(part, Fragment(COLUMNS), cursor) for part in branches]
        return put("{}\nORDER BY key" + " DESC" * backward + "\n{}", union(parts), limit)
    parts = []
    for part in branches:
        sorts = [put("{} AS o" + str(number), value) for number, value in enumerate(part.order)]
        parts.append(rows(part, listed([Fragment("key"), *sorts])))
    order = sort_keys(query.order)
    later = beyond(order, cursor) if cursor else ALWAYS
    sorted_by = Fragment(ordering(order, backward))
    chosen = put("SELECT * FROM (\n{}\n)\nWHERE {}\nORDER BY {}\n{}", union(parts), later, sorted_by, limit)
    values = "".join(f", o{number}" for number in range(len(order)))
    return put(f"SELECT {COLUMNS}{values} FROM (\n{{}}\n) JOIN entity USING (key)\nORDER BY {{}}", chosen, sorted_by)


def counted(branches: list[Branch]) -> Fragment:
    """The statement that counts all matches; kinds without conditions have been counted already."""
    known = sum(part.kind.entities for part in branches if part.kind and part.where == ALWAYS)
    unknown = [part for part in branches if not part.kind or part.where != ALWAYS]
    if not unknown:
        return put("SELECT {}", known)
    return put("SELECT {} + count(*) FROM (\n{}\n)", known, union([rows(part, Fragment("1")) for part in unknown]))
