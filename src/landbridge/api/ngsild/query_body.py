"""The Query data type of a POST request (NGSI-LD 5.2.23): its members become the parameters of the same names.

What a member may be stands in one table; EntitySelectors (5.2.33), GeoQuery (5.2.13) and OrderingParams (5.2.43) are
objects in it.
"""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from landbridge.api.ngsild.parameter import MOST_IDS
from landbridge.api.ngsild.selection import parse_types
from landbridge.errors import InvalidQuery
from landbridge.model.query import Selector
from landbridge.model.terms import Terms
from landbridge.model.value import URI

Taken = dict[str, str]
MOST_SELECTORS = 100


def wrong(message: str, where: str, hint: str | None = None) -> InvalidQuery:
    return InvalidQuery(message, where=where, hint=hint)


def text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise wrong("A text is expected.", where)
    return value


def listed(value: Any, where: str) -> str:
    """A list of texts, or one with commas."""
    given = value if isinstance(value, list) else [value]
    if not given:
        raise wrong("The list is empty.", where, "Leave it out, or name something.")
    return ",".join(text(one, where) for one in given)


def whole(value: Any, where: str) -> str:
    if not isinstance(value, list):
        raise wrong("A list is expected.", where)
    return listed(value, where)


def flag(value: Any, where: str) -> str:
    if not isinstance(value, bool):
        raise wrong("true or false is expected.", where)
    return "true" if value else "false"


def number(value: Any, where: str) -> str:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise wrong("A whole number from 1 is expected.", where)
    return str(value)


def coordinates(value: Any, where: str) -> str:
    if isinstance(value, str):
        return text(value, where)
    if not isinstance(value, list):
        raise wrong("An array of coordinates is expected.", where)
    return orjson.dumps(value).decode()


def array(value: Any, where: str) -> str:
    if not isinstance(value, list):
        raise wrong("An array of coordinates is expected.", where, "Write it like [8,40].")
    return orjson.dumps(value).decode()


Reader = Callable[[Any, str], str]
MEMBERS: Mapping[str, Reader] = {
    "q": text, "scopeQ": text, "csf": text, "lang": text, "join": text, "entityMapLifetime": text,
    "geometryProperty": text, "attrs": whole, "pick": listed, "omit": listed, "containedBy": listed,
    "datasetId": listed, "expandValues": listed, "jsonKeys": listed, "joinLevel": number, "entityMap": flag,
    "splitEntities": flag, "local": flag,
}  # fmt: skip
TEMPORAL: Mapping[str, Reader] = {
    "timerel": text, "timeAt": text, "endTimeAt": text, "timeproperty": text, "lastN": number, "aggrMethods": listed,
    "aggrPeriodDuration": text,
}  # fmt: skip
AGGREGATION: Mapping[str, Reader] = {"aggrMethods": listed, "aggrPeriodDuration": text}
GEO: Mapping[str, Reader] = {"georel": text, "geometry": text, "coordinates": coordinates, "geoproperty": text}
ORDERING: Mapping[str, tuple[str, Reader]] = {
    "orderBy": ("orderBy", listed), "collation": ("collation", text), "coordinates": ("orderFrom", array),
    "geometry": ("orderGeometry", text),
}  # fmt: skip
OTHER = frozenset({"type", "entities", "geoQ", "ordering"})
PARTS: Mapping[str, Mapping[str, Reader]] = {"temporalQ": TEMPORAL, "aggrParams": AGGREGATION}


def read_members(
    body: Mapping[str, Any], terms: Terms, *, temporal: bool = False
) -> tuple[Taken, tuple[Selector, ...]]:
    """The parameters that a Query says, and its selectors; `temporal`: of evolutions (NGSI-LD 5.2.21, 5.2.44).

    Raises InvalidQuery that names the member.
    """
    if body.get("type") != "Query":
        raise wrong("The type is not Query.", "type")
    for name in body:
        if name in PARTS:
            if not temporal:
                raise wrong("Only a query for the temporal evolution has it.", name)
            continue
        if name not in MEMBERS and name not in OTHER:
            raise wrong("A Query has no such member.", name[:60], f"Known: {', '.join(sorted({*MEMBERS, *OTHER}))}.")
    taken = {name: read(body[name], name) for name, read in MEMBERS.items() if name in body}
    if "geoQ" in body:
        taken |= read_geo(body["geoQ"])
    if "ordering" in body:
        taken |= read_ordering(body["ordering"])
    for part, readers in PARTS.items():
        given = object_of(body[part], part, readers) if part in body else {}
        taken |= {name: readers[name](value, f"{part}.{name}") for name, value in given.items()}
    selectors, everything = read_selectors(body["entities"], terms) if "entities" in body else ((), False)
    return taken | ({"type": "*"} if everything else {}), selectors


def read_geo(given: Any) -> Taken:
    members = object_of(given, "geoQ", GEO)
    return {name: GEO[name](value, f"geoQ.{name}") for name, value in members.items()}


def read_ordering(given: Any) -> Taken:
    members = object_of(given, "ordering", ORDERING)
    return {ORDERING[name][0]: ORDERING[name][1](value, f"ordering.{name}") for name, value in members.items()}


def object_of(given: Any, where: str, known: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise wrong("An object is expected.", where)
    for name in given:
        if name not in known and name != "type":
            raise wrong(f"It has no member '{name[:60]}'.", where, f"Known: {', '.join(known)}.")
    return {name: value for name, value in given.items() if name in known}


def read_selectors(given: Any, terms: Terms) -> tuple[tuple[Selector, ...], bool]:
    """The selectors of `entities`, and whether one of them is for every type."""
    if not isinstance(given, list) or not given or len(given) > MOST_SELECTORS:
        raise wrong(f"A list of 1 to {MOST_SELECTORS} selectors is expected.", "entities")
    found = tuple(read_selector(one, terms) for one in given)
    return found, any(one["type"] == "*" for one in given)


def read_selector(given: Any, terms: Terms) -> Selector:
    """An EntitySelector; an id stands over a pattern (NGSI-LD 5.2.33)."""
    members = object_of(given, "entities", {"id": 0, "idPattern": 0})
    types = text(given.get("type"), "entities.type")
    ids = members.get("id", [])
    ids = ids if isinstance(ids, list) else [ids]
    if len(ids) > MOST_IDS or ("id" in members and not ids):
        raise wrong(f"1 to {MOST_IDS} ids are expected.", "entities.id")
    for id_ in ids:
        if not isinstance(id_, str) or not URI.match(id_):
            raise wrong(f"'{str(id_)[:80]}' is no URI.", "entities.id")
    pattern = text(members["idPattern"], "entities.idPattern") if "idPattern" in members else None
    return Selector(None if types == "*" else parse_types(types, terms), tuple(ids), None if ids else pattern)
