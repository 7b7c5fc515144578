"""Order: what rows are sorted by, and where a page goes on. Ties are broken by key, so every order is whole.

Numbers come before texts, then objects, arrays and booleans; entities without the value come last in both
directions (NGSI-LD 4.23.2). Texts are compared by code point, or as a collation says.
"""

from collections.abc import Mapping
from typing import Any

from landbridge.model.geometry import geometry_text
from landbridge.model.query import Order, Path
from landbridge.store.condition import ENTITY_TIMES, Ground
from landbridge.store.cursor import Cursor
from landbridge.store.fragment import NEVER, Fragment, every, json_path, put, some
from landbridge.store.place import LOCATION
from landbridge.store.target import target

NOTHING = Fragment("NULL")
SORTED = (
    "CASE v.type WHEN 'true' THEN x'03' WHEN 'false' THEN x'02' WHEN 'array' THEN x'01' WHEN 'object' THEN x'00'"
    " ELSE v.atom END"
)


def sort_value(key: Order, ground: Ground, collation: str | None = None) -> Fragment:
    """What one term of an order sorts by; texts as the collation puts them."""
    if key.origin is not None:
        return metres(key.path, key.origin, ground)
    value = plain_value(key.path, ground)
    if collation is None or value == NOTHING or key.path.attribute in ENTITY_TIMES:
        return value
    return put("collated({}, {})", value, collation)


def metres(path: Path, origin: Mapping[str, Any], ground: Ground) -> Fragment:
    """The distance of a GeoProperty, of its first instance; NULL for what is none. NGSI-LD 4.23.1."""
    if ground.lacks(path.attribute) or path.subs or path.keys:
        return NOTHING
    reference = geometry_text(origin)
    opened = put(
        "(SELECT shape_metres({}, i.value -> '$.value') FROM json_each(doc, {}) AS i"
        " WHERE i.value ->> '$.type' = 'GeoProperty' LIMIT 1)",
        *(reference, json_path("attrs", path.attribute)),
    )
    if path.attribute != LOCATION:
        return opened
    return put("CASE WHEN lon IS NULL THEN {} ELSE point_metres({}, lon, lat) END", opened, reference)


def plain_value(path: Path, ground: Ground) -> Fragment:
    """The value that a path sorts by: of the first instance that has one, where the default instance comes first."""
    if path.attribute in ENTITY_TIMES:
        return Fragment(ENTITY_TIMES[path.attribute])
    if path.attribute == "id":
        return Fragment("id")
    if path.attribute == "type":
        return Fragment("doc ->> '$.type[0]'")
    if path.attribute == "scope":
        return Fragment("doc ->> '$.scope[0]'")
    if ground.lacks(path.attribute):
        return NOTHING
    slow = opened(path)
    column = ground.slot(path.attribute)
    if column is None or path.subs or path.keys:
        return slow
    return put(f"CASE WHEN {column} = x'' THEN {{}} ELSE {column} END", slow)


def opened(path: Path) -> Fragment:
    found = target(path)
    if found.time:
        return put("(SELECT {} FROM {} WHERE {} IS NOT NULL LIMIT 1)", found.value, found.tables, found.value)
    if path.subs and path.subs[-1] == "observedAt":
        moment = "(SELECT instant({} ->> '$') FROM {} WHERE {} IS NOT NULL LIMIT 1)"
        return put(moment, found.value, found.tables, found.value)
    if path.subs == ("datasetId",):  # instances stand in their order, but for a chosen claim
        return put("(SELECT min({} ->> '$') FROM {})", found.value, found.tables)
    return put(f"(SELECT {SORTED} FROM {{}}, json_tree({{}}) AS v LIMIT 1)", found.tables, found.value)


def ordering(order: tuple[Order, ...], backward: bool = False) -> str:
    """The ORDER BY clause over columns o0, o1, ... and key; `backward`: the whole order turned round."""
    if backward:
        terms = [f"o{n} IS NULL DESC, o{n}{'' if term.descending else ' DESC'}" for n, term in enumerate(order)]
        return ", ".join([*terms, "key DESC"])
    terms = [f"o{n} IS NULL, o{n}{' DESC' if term.descending else ''}" for n, term in enumerate(order)]
    return ", ".join([*terms, "key"])


def beyond(order: tuple[Order, ...], cursor: Cursor) -> Fragment:
    """Being after the cursor's row in this order, or before it where the cursor looks backward."""
    found = put(f"key {'<' if cursor.backward else '>'} {{}}", cursor.key)
    for number, (term, value) in reversed(list(enumerate(zip(order, cursor.values, strict=True)))):
        column = f"o{number}"
        sign = "<" if term.descending != cursor.backward else ">"
        if value is None:
            passed = Fragment(f"{column} IS NOT NULL") if cursor.backward else NEVER
        elif cursor.backward:
            passed = put(f"{column} {sign} {{}}", value)
        else:
            passed = put(f"({column} {sign} {{}} OR {column} IS NULL)", value)
        found = some([passed, every([put(f"{column} IS {{}}", value), found])])
    return found
