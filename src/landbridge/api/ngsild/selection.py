"""Which entities by type, scope and place: the parameters `type`, `scopeQ`, `georel` and its geometry.

NGSI-LD 4.17 (type selection), 4.19 (scopes), 4.10 (geo-queries).
"""

import re

import orjson

from landbridge.api.ngsild.reader import Reader
from landbridge.errors import Invalid, InvalidQuery
from landbridge.model.geometry import DEPTH, check_geometry
from landbridge.model.query import And, Has, Near, Or, Scope, Spatial
from landbridge.model.terms import Terms

TYPE_NAME = re.compile(r"[^\s\"'<>=;()\[\]|,@\x00-\x1f][^\s\"'<>=;()\[\]|,\x00-\x1f]*")
SCOPE_PATTERN = re.compile(r"(?:/(?:\+|[^/\s#+\"'()|;,&<>]+))*(?:/#)?\Z")
RELATIONS = ("within", "contains", "intersects", "overlaps", "disjoint", "equals")
DISTANCE = re.compile(r"(maxDistance|minDistance)==(\d{1,12}(?:\.\d{1,12})?)\Z", re.ASCII)
LONGEST_GEOMETRY = 200_000

Types = Has | And | Or


def parse_types(text: str, terms: Terms) -> Types:
    """Read `A`, `A,B`, `A|B;(C)`: "," and "|" are or, ";" is and, which binds before."""
    reader = Reader(text, "type")
    found = types_or(reader, terms)
    if not reader.done:
        reader.wrong(f"'{text[reader.at]}' is not expected here.", "Write types like Building|(Home;Vehicle).")
    return found


def types_or(reader: Reader, terms: Terms) -> Types:
    parts = [types_and(reader, terms)]
    while reader.take("|") or reader.take(","):
        parts.append(types_and(reader, terms))
    return parts[0] if len(parts) == 1 else Or(tuple(parts))


def types_and(reader: Reader, terms: Terms) -> Types:
    parts = [one_type(reader, terms)]
    while reader.take(";"):
        parts.append(one_type(reader, terms))
    return parts[0] if len(parts) == 1 else And(tuple(parts))


def one_type(reader: Reader, terms: Terms) -> Types:
    if reader.take("("):
        reader.enter()
        found = types_or(reader, terms)
        reader.need(")")
        reader.leave()
        return found
    reader.count_term()
    name = reader.match(TYPE_NAME)
    if name is None:
        reader.wrong("The name of a type is expected.")
    try:
        return Has(terms.expand(name))
    except Invalid as error:
        reader.wrong(error.message)


def parse_scopes(text: str) -> Scope:
    """Read `/a/b;/c|/d/#`: ";" is and, "|" and "," are or."""
    reader = Reader(text, "scopeQ")
    alternatives = []
    for part in re.split(r"[|,]", text):
        patterns = tuple(one.removeprefix("(").removesuffix(")") for one in part.split(";"))
        reader.count_term()
        for pattern in patterns:
            if not pattern or not SCOPE_PATTERN.match(pattern):
                raise InvalidQuery(
                    f"'{pattern[:60]}' is no scope.", where="scopeQ", hint="Write it like /Binhai/Hebei or /Binhai/#."
                )
        alternatives.append(patterns)
    return Scope(tuple(alternatives))


def parse_geo(georel: str, geometry: str, coordinates: str, geoproperty: str) -> Near | Spatial:
    """Read a geo-query. `coordinates` is a JSON array; `geoproperty` a stored name."""
    shape = {"type": geometry, "coordinates": parse_coordinates(geometry, coordinates)}
    try:
        check_geometry(shape, where="coordinates", kind=InvalidQuery)
    except RecursionError:
        raise InvalidQuery("The coordinates are too deep.", where="coordinates") from None
    relation, *bounds = georel.split(";")
    if relation == "near":
        return Near(shape, *near_bounds(bounds), geoproperty=geoproperty)
    if relation not in RELATIONS or bounds:
        raise InvalidQuery(
            f"'{georel[:60]}' is no relation.",
            where="georel",
            hint=f"Use near;maxDistance==2000 or one of {', '.join(RELATIONS)}.",
        )
    return Spatial(relation, shape, geoproperty)  # type: ignore[arg-type] # it is one of RELATIONS


def near_bounds(bounds: list[str]) -> tuple[float | None, float | None]:
    """The largest and the smallest distance in metres."""
    found: dict[str, float] = {}
    for bound in bounds:
        read = DISTANCE.match(bound)
        if read is None or read.group(1) in found:
            raise InvalidQuery(f"'{bound[:60]}' is no bound.", where="georel", hint="Write near;maxDistance==2000.")
        found[read.group(1)] = float(read.group(2))
    if not found:
        raise InvalidQuery("'near' has no distance.", where="georel", hint="Write near;maxDistance==2000.")
    return found.get("maxDistance"), found.get("minDistance")


def parse_coordinates(geometry: str, text: str) -> object:
    if geometry not in DEPTH:
        raise InvalidQuery(f"'{geometry[:40]}' is no geometry.", where="geometry", hint=f"Use {', '.join(DEPTH)}.")
    if len(text) > LONGEST_GEOMETRY:
        raise InvalidQuery(f"The coordinates are longer than {LONGEST_GEOMETRY} characters.", where="coordinates")
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidQuery(
            f"The coordinates are no JSON array: {error}.", where="coordinates", hint="Write them like [117.7,39.0]."
        ) from None
