"""Geometry: which GeoJSON can be kept, the box around it, and how two geometries lie to each other.

Coordinates are longitude and latitude in degrees (WGS 84, RFC 7946); distances are metres on the great circle.
Relations are those of OGC Simple Features in the plane of longitude and latitude, as NGSI-LD 4.10 asks.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import orjson
import shapely
from shapely.geometry.base import BaseGeometry
from shapely.lib import ShapelyError

from landbridge.errors import InvalidEntity, LandbridgeError

Place = tuple[float, float]
Box = tuple[float, float, float, float]  # west, south, east, north
Geometry = Mapping[str, Any]

DEPTH = {"Point": 0, "MultiPoint": 1, "LineString": 1, "MultiLineString": 2, "Polygon": 2, "MultiPolygon": 3}
MOST_POSITIONS = 200_000
EARTH = 6_371_008.8  # metres, the mean radius

RELATIONS: Mapping[str, Callable[[BaseGeometry, BaseGeometry], bool]] = {  # target, reference
    "within": lambda target, reference: bool(shapely.within(target, reference)),
    "contains": lambda target, reference: bool(shapely.contains(target, reference)),
    "intersects": lambda target, reference: bool(shapely.intersects(target, reference)),
    "overlaps": lambda target, reference: bool(shapely.overlaps(target, reference)),
    "disjoint": lambda target, reference: bool(shapely.disjoint(target, reference)),
    "equals": lambda target, reference: bool(shapely.equals(target, reference)),
}


class Flaw(Exception):
    """What is wrong with a geometry, as a clause without capital or full stop."""


def check_geometry(geometry: object, *, where: str | None = None, kind: type[LandbridgeError] = InvalidEntity) -> None:
    """Raise `kind` for anything but a GeoJSON geometry (no collection) that is well formed, valid and in the world."""
    reason = flaw(geometry)
    if reason:
        raise kind(f"{reason[0].upper()}{reason[1:]}.", where=where, hint="Give it as RFC 7946 says.")


def flaw(geometry: object) -> str | None:
    """Say what is wrong with a GeoJSON geometry, None where it can be kept."""
    try:
        examine(geometry)
    except Flaw as found:
        return str(found)
    return None


def examine(geometry: object) -> None:
    if not isinstance(geometry, Mapping):
        raise Flaw("the geometry is no object")
    kind = geometry.get("type")
    if not isinstance(kind, str) or kind not in DEPTH:
        raise Flaw(f"the geometry's type '{kind[:40] if isinstance(kind, str) else ''}' is none of {', '.join(DEPTH)}")
    count = 0
    for count, (lon, lat, *_) in enumerate(positions(geometry.get("coordinates"), DEPTH[kind]), 1):
        if count > MOST_POSITIONS:
            raise Flaw(f"the {kind} has more than {MOST_POSITIONS} positions")
        if abs(lon) > 180 or abs(lat) > 90:
            swapped = abs(lat) <= 180 and abs(lon) <= 90
            hint = "; are longitude and latitude swapped?" if swapped else ""
            raise Flaw(f"the position [{lon:g}, {lat:g}] is outside the world{hint}")
    if not count:
        raise Flaw(f"the {kind} has no coordinates")
    if kind in ("Polygon", "MultiPolygon"):
        for rings in geometry["coordinates"] if kind == "MultiPolygon" else [geometry["coordinates"]]:
            examine_rings(rings)
    examine_shape(kind, geometry)


def positions(coordinates: object, depth: int) -> Iterator[list[float]]:
    """Yield each position, checked to be two or three numbers."""
    if not isinstance(coordinates, list | tuple):
        raise Flaw("the coordinates are no array")
    if depth:
        for part in coordinates:
            yield from positions(part, depth - 1)
        return
    numbers = all(isinstance(part, int | float) and not isinstance(part, bool) for part in coordinates)
    if not numbers or len(coordinates) not in (2, 3) or not all(map(math.isfinite, coordinates)):
        said = f"the position {str(coordinates)[:60]}" if numbers else "a position"
        raise Flaw(f"{said} is not two or three numbers")
    yield list(coordinates)


def examine_rings(rings: list[list[list[float]]]) -> None:
    if not rings:
        raise Flaw("a polygon has no ring")
    for ring in rings:
        if len(ring) < 4:
            raise Flaw("a ring of the polygon has fewer than four positions")
        if list(ring[0]) != list(ring[-1]):
            raise Flaw("a ring of the polygon is not closed")


def examine_shape(kind: str, geometry: Geometry) -> None:
    try:
        shape = shapely.from_geojson(geometry_text(geometry))
    except (ShapelyError, ValueError) as error:
        reason = str(error).strip().removeprefix("IllegalArgumentException: ")
        raise Flaw(f"the {kind} cannot be built: {reason}") from None
    if not shapely.is_valid(shape):
        raise Flaw(f"the {kind} is not valid: {shapely.is_valid_reason(shape)}")


def geometry_text(geometry: Geometry) -> str:
    """The geometry's two members that count, as JSON text."""
    return orjson.dumps({"type": geometry["type"], "coordinates": geometry["coordinates"]}).decode()


def bounds(geometry: Geometry) -> Box:
    """The box around a geometry: west, south, east, north."""
    places = list(positions(geometry["coordinates"], DEPTH[geometry["type"]]))
    lons, lats = [place[0] for place in places], [place[1] for place in places]
    return min(lons), min(lats), max(lons), max(lats)


def widened(box: Box, metres: float) -> Box:
    """A box that holds every place within so many metres of the box. All longitudes where it meets a pole or 180°."""
    west, south, east, north = box
    angle = math.degrees(metres / EARTH) * (1 + 1e-9) + 1e-9
    low, high = south - angle, north + angle
    if low <= -90 or high >= 90:
        return -180.0, max(low, -90.0), 180.0, min(high, 90.0)
    widest = max(abs(low), abs(high))
    ratio = math.sin(math.radians(angle)) / math.cos(math.radians(widest))
    side = math.degrees(math.asin(ratio)) + 1e-9 if ratio < 1 else 180.0
    if west - side < -180 or east + side > 180:
        return -180.0, low, 180.0, high
    return west - side, low, east + side, high


@lru_cache(maxsize=64)
def reference(text: str) -> BaseGeometry:
    """A query's geometry, built and prepared once for the many it is compared with."""
    shape: BaseGeometry = shapely.from_geojson(text)
    shapely.prepare(shape)
    return shape


@lru_cache(maxsize=64)
def reference_place(text: str) -> Place | None:
    """A query's geometry as a place, where it is a Point."""
    shape = reference(text)
    return (shape.x, shape.y) if shape.geom_type == "Point" else None


def relates(relation: str, target: BaseGeometry, text: str) -> bool:
    """Whether the target lies to the reference (GeoJSON text) as the relation's name says (NGSI-LD 4.10)."""
    return RELATIONS[relation](target, reference(text))


def place_relates(relation: str, lon: float, lat: float, text: str) -> bool:
    """Whether a place lies to the reference as the relation's name says; quick for the common ones."""
    if relation == "within":
        return bool(shapely.contains_xy(reference(text), lon, lat))
    if relation in ("intersects", "disjoint"):
        return bool(shapely.intersects_xy(reference(text), lon, lat)) == (relation == "intersects")
    return relates(relation, shapely.points(lon, lat), text)


def distance(target: BaseGeometry, text: str) -> float:
    """Metres from the target to the reference (GeoJSON text), 0 where they touch.

    The nearest two places are sought in a plane around them, true to scale at their latitude; the metres between
    them are of the great circle. Exact for two points.
    """
    other = reference(text)
    if shapely.intersects(target, other):
        return 0.0
    return min(apart(target, shifted(other, turn)) for turn in turns(target, other))


def place_distance(lon: float, lat: float, text: str) -> float:
    """Metres from a place to the reference (GeoJSON text); quick where that is a place too."""
    other = reference_place(text)
    if other is not None:
        return metres_between(lon, lat, *other)
    return distance(shapely.points(lon, lat), text)


def turns(one: BaseGeometry, other: BaseGeometry) -> tuple[int, ...]:
    """Which turns around the Earth may bring the other closer: more than one where they are far apart."""
    west, _, east, _ = one.bounds
    west_too, _, east_too, _ = other.bounds
    if max(east_too - west, east - west_too) <= 180:
        return (0,)
    return (-360, 0, 360)


def shifted(shape: BaseGeometry, turn: int) -> BaseGeometry:
    return shapely.transform(shape, lambda places: np.add(places, (turn, 0))) if turn else shape


def apart(one: BaseGeometry, other: BaseGeometry) -> float:
    """Metres between the nearest places of two geometries, the short way in longitude as given."""
    if one.geom_type == other.geom_type == "Point":
        return metres_between(one.x, one.y, other.x, other.y)
    middle = (one.bounds[1] + one.bounds[3] + other.bounds[1] + other.bounds[3]) / 4
    scale = max(math.cos(math.radians(middle)), 1e-6)
    flat = [shapely.transform(shape, lambda places: np.multiply(places, (scale, 1))) for shape in (one, other)]
    (x, y), (u, v) = shapely.shortest_line(*flat).coords
    return metres_between(x / scale, y, u / scale, v)


def metres_between(lon: float, lat: float, lon_too: float, lat_too: float) -> float:
    """Metres on the great circle between two places (haversine)."""
    phi, phi_too = math.radians(lat), math.radians(lat_too)
    bow = math.sin((phi_too - phi) / 2) ** 2
    bow += math.cos(phi) * math.cos(phi_too) * math.sin(math.radians(lon_too - lon) / 2) ** 2
    return 2 * EARTH * math.asin(min(1.0, math.sqrt(bow)))
