"""Order: what rows are sorted by, and where a page goes on. Ties are broken by key, so every order is whole.

Numbers come before texts, then objects, arrays and booleans; entities without the value come last in both
directions (NGSI-LD 4.23.2). Texts are compared by code point.
"""

from landbridge.model.query import Order, Path
from landbridge.store.condition import ENTITY_TIMES, Ground
from landbridge.store.cursor import Cursor
from landbridge.store.fragment import NEVER, Fragment, every, put, some
from landbridge.store.target import target

NOTHING = Fragment("NULL")
SORTED = (
    "CASE v.type WHEN 'true' THEN x'03' WHEN 'false' THEN x'02' WHEN 'array' THEN x'01' WHEN 'object' THEN x'00'"
    " ELSE v.atom END"
)


def sort_value(path: Path, ground: Ground) -> Fragment:
    """The value that a path sorts by: of the first instance that has one, where the default instance comes first."""
    if path.attribute in ENTITY_TIMES:
        return Fragment(ENTITY_TIMES[path.attribute])
    if path.attribute == "id":
        return Fragment("id")
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


def ordering(order: tuple[Order, ...]) -> str:
    """The ORDER BY clause over columns o0, o1, ... and key."""
    terms = [f"o{n} IS NULL, o{n}{' DESC' if term.descending else ''}" for n, term in enumerate(order)]
    return ", ".join([*terms, "key"])


def beyond(order: tuple[Order, ...], cursor: Cursor) -> Fragment:
    """Being after the cursor's row in this order."""
    found = put("key > {}", cursor.key)
    for number, (term, value) in reversed(list(enumerate(zip(order, cursor.values, strict=True)))):
        column = f"o{number}"
        if value is None:
            later = NEVER
        else:
            later = put(f"({column} {'<' if term.descending else '>'} {{}} OR {column} IS NULL)", value)
        found = some([later, every([put(f"{column} IS {{}}", value), found])])
    return found
