"""Which entities by type, scope and place: the parameters `type`, `scopeQ`, `georel` and its geometry.

NGSI-LD 4.17 (type selection), 4.19 (scopes), 4.10 (geo-queries).
"""

import math
import re
from typing import Any

import orjson

from landbridge.api.ngsild.reader import Reader
from landbridge.errors import Invalid, InvalidQuery
from landbridge.model.geometry import DEPTH, check_geometry
from landbridge.model.query import And, Has, Near, Or, Scope, Spatial
from landbridge.model.terms import Terms

TYPE_NAME = re.compile(r"[^\s\"'<>=;()\[\]|,@\x00-\x1f][^\s\"'<>=;()\[\]|,\x00-\x1f]*")
SCOPE_PATTERN = re.compile(r"(?:/(?:\+|[^/\s#+\"'()|;,&<>\x00-\x1f]+))+(?:/#)?|/#")
RELATIONS = ("within", "contains", "intersects", "overlaps", "disjoint", "equals")
DISTANCE = re.compile(r"(maxDistance|minDistance)==((?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)\Z", re.ASCII)
LONGEST_NUMBER = 50
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


def render_types(types: Types, terms: Terms) -> str:
    """Write types so that reading them gives the same."""
    match types:
        case Has(name):
            return terms.compact(name)
        case And(parts):
            return ";".join(grouped(part, terms) for part in parts)
        case Or(parts):
            return "|".join(f"({text})" if isinstance(part, Or) else text for part, text in written(parts, terms))


def written(parts: tuple[Any, ...], terms: Terms) -> list[tuple[Types, str]]:
    return [(part, render_types(part, terms)) for part in parts]


def grouped(part: Any, terms: Terms) -> str:
    text = render_types(part, terms)
    return text if isinstance(part, Has) else f"({text})"


def parse_scopes(text: str) -> Scope:
    """Read `/a/b`, `/a/#|/c`, `(/a;/b),/c`: "|" and "," are or, ";" is and, with parentheses or without."""
    reader = Reader(text, "scopeQ")
    alternatives = [every_scope(reader)]
    while reader.take("|") or reader.take(","):
        alternatives.append(every_scope(reader))
    if not reader.done:
        reader.wrong(f"'{text[reader.at]}' is not expected here.", "Write scopes like (/Binhai/#;/Company)|/Tianjin.")
    return Scope(tuple(alternatives))


def every_scope(reader: Reader) -> tuple[str, ...]:
    """One scope, or several that must all be there."""
    inside = reader.take("(")
    found = [one_scope(reader)]
    while reader.take(";"):
        found.append(one_scope(reader))
    if inside:
        reader.need(")")
    return tuple(found)


def one_scope(reader: Reader) -> str:
    reader.count_term()
    found = reader.match(SCOPE_PATTERN)
    return found if found is not None else reader.wrong("A scope is expected.", "Write it like /Binhai/Hebei.")


def render_scopes(scope: Scope) -> str:
    """Write scopes so that reading them gives the same."""
    return "|".join(f"({';'.join(every)})" if len(every) > 1 else every[0] for every in scope.alternatives)


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
    """The largest or the smallest distance in metres: one of them, greater than 0."""
    read = DISTANCE.match(bounds[0]) if len(bounds) == 1 and len(bounds[0]) < LONGEST_NUMBER else None
    metres = float(read.group(2)) if read else 0.0
    if read is None or not 0 < metres < math.inf:
        raise InvalidQuery(
            f"'{';'.join(bounds)[:60]}' is no distance." if bounds else "'near' has no distance.",
            where="georel",
            hint="Write near;maxDistance==2000, or minDistance, in metres.",
        )
    return (metres, None) if read.group(1) == "maxDistance" else (None, metres)


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
