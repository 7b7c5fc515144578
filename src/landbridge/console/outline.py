"""The city's own outlines as a drawing: the ground of every map, and a map that needs no script.

Shapes come from the pool's AdministrativeArea entities, thinned to what the drawing can show, in an equirectangular
projection around the middle latitude, which at a district's size is as good as any.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from landbridge.governance.policy import Actor
from landbridge.model.answer import Document
from landbridge.model.query import Has, Query

AREA = "AdministrativeArea"
MOST_AREAS = 1000
FINENESS = 0.002  # of the drawing's longer side: bends smaller than that are left out

Position = tuple[float, float]
Ring = tuple[Position, ...]


@dataclass(frozen=True)
class Spot:
    """Something at a place of the drawing."""

    x: float
    y: float
    id: str
    type: str
    label: str


@dataclass(frozen=True)
class Drawing:
    """An SVG's content: outlines as path data and spots, in units of the view box."""

    width: float
    height: float
    paths: tuple[tuple[str, str], ...]  # (entity id, path data)
    spots: tuple[Spot, ...]
    lines: tuple[str, ...] = ()  # path data of what is drawn over the ground


def location_of(document: Document) -> Mapping[str, Any] | None:
    """The entity's `location` geometry (its default instance), None where it has none."""
    instances = document.get("attrs", {}).get("location")
    value = instances[0].get("value") if instances else None
    return value if isinstance(value, Mapping) and "type" in value else None


def areas(reading: Any, actor: Actor, tenant: str) -> list[Document]:
    """The city's areas that have a shape."""
    page = reading.query(actor, Query(tenant=tenant, types=Has(AREA), attrs=("location",), limit=MOST_AREAS))
    return [document for document in page.documents if (location_of(document) or {}).get("type") != "Point"]


def rings_of(geometry: Mapping[str, Any]) -> Iterator[Ring]:
    """Every line of a geometry: rings of polygons, line strings."""
    kind, coordinates = geometry.get("type"), geometry.get("coordinates", ())
    if kind == "GeometryCollection":
        for part in geometry.get("geometries", ()):
            yield from rings_of(part)
    elif kind == "LineString":
        yield tuple((p[0], p[1]) for p in coordinates)
    elif kind in ("Polygon", "MultiLineString"):
        yield from (tuple((p[0], p[1]) for p in ring) for ring in coordinates)
    elif kind == "MultiPolygon":
        yield from (tuple((p[0], p[1]) for p in ring) for polygon in coordinates for ring in polygon)


def points_of(geometry: Mapping[str, Any]) -> list[Position]:
    if geometry.get("type") == "Point":
        return [(geometry["coordinates"][0], geometry["coordinates"][1])]
    if geometry.get("type") == "MultiPoint":
        return [(p[0], p[1]) for p in geometry["coordinates"]]
    return []


@lru_cache(maxsize=2048)
def thinned(ring: Ring, tolerance: float) -> Ring:
    """Leave out positions nearer than `tolerance` (degrees) to the line between those kept (Douglas-Peucker)."""
    if len(ring) < 3:
        return ring
    keep = {0, len(ring) - 1}
    spans = [(0, len(ring) - 1)]
    while spans:
        first, last = spans.pop()
        far, distance = first, 0.0
        for index in range(first + 1, last):
            away = off_line(ring[index], ring[first], ring[last])
            if away > distance:
                far, distance = index, away
        if distance > tolerance:
            keep.add(far)
            spans += [(first, far), (far, last)]
    return tuple(ring[index] for index in sorted(keep))


def off_line(point: Position, start: Position, end: Position) -> float:
    """Distance of a point from the segment between two others."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = dx * dx + dy * dy
    share = ((point[0] - start[0]) * dx + (point[1] - start[1]) * dy) / length if length else 0.0
    share = min(1.0, max(0.0, share))
    return math.hypot(point[0] - start[0] - share * dx, point[1] - start[1] - share * dy)


def middle(geometry: Mapping[str, Any]) -> Position | None:
    """A point to stand for a geometry: the point itself, else the centroid of its largest ring."""
    if points := points_of(geometry):
        return points[0]
    rings = [ring for ring in rings_of(geometry) if len(ring) > 1]
    if not rings:
        return None
    ring = max(rings, key=lambda ring: abs(swept(ring)))
    area = swept(ring)
    if abs(area) < 1e-12:
        return ring[len(ring) // 2]
    x = y = 0.0
    for (x1, y1), (x2, y2) in zip(ring, ring[1:] + ring[:1], strict=True):
        cross = x1 * y2 - x2 * y1
        x, y = x + (x1 + x2) * cross, y + (y1 + y2) * cross
    return x / (6 * area), y / (6 * area)


def swept(ring: Ring) -> float:
    """The signed area of a ring, in square degrees."""
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in zip(ring, ring[1:] + ring[:1], strict=True)) / 2


def bounds(positions: Iterable[Position]) -> tuple[float, float, float, float] | None:
    """West, south, east, north of some positions; None of none."""
    found = list(positions)
    if not found:
        return None
    across, up = [p[0] for p in found], [p[1] for p in found]
    return min(across), min(up), max(across), max(up)


def drawn(
    ground: Sequence[Document],
    spots: Sequence[tuple[Position, str, str, str]],
    width: float = 640.0,
    over: Sequence[Ring] = (),
) -> Drawing | None:
    """Draw the ground's outlines, lines `over` it and spots (position, id, type, label); None where there is nothing.

    Where there is no ground, the drawing is as large as what lies on it.
    """
    shapes = [(d["id"], list(rings_of(location_of(d) or {}))) for d in ground]
    box = bounds([p for _, rings in shapes for ring in rings for p in ring]) or bounds(
        [*(spot[0] for spot in spots), *(p for line in over for p in line)]
    )
    if box is None:
        return None
    west, south, east, north = box
    pad = max(east - west, north - south, 0.01) * 0.03
    west, south, east, north = west - pad, south - pad, east + pad, north + pad
    flat = math.cos(math.radians((south + north) / 2))
    scale = width / ((east - west) * flat)

    def place(position: Position) -> Position:
        return (position[0] - west) * flat * scale, (north - position[1]) * scale

    fine = max(east - west, north - south) * FINENESS
    paths = tuple((id, "".join(path_data(map(place, thinned(ring, fine))) for ring in rings)) for id, rings in shapes)
    inside = [spot for spot in spots if west <= spot[0][0] <= east and south <= spot[0][1] <= north]
    lines = tuple(path_data(map(place, thinned(line, fine)), end="") for line in over)
    return Drawing(width, (north - south) * scale, paths, tuple(Spot(*place(at), *rest) for at, *rest in inside), lines)


def path_data(positions: Iterable[Position], end: str = "Z") -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in positions) + end
