"""Geometry in a mapping: text or numbers become GeoJSON that is valid and lies on the Earth, or a reason why not.

Runs in the mapping's child process, a column at a time. A text that begins with `!` is a reason.
"""

from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import shapely
from shapely.lib import ShapelyError

from landbridge.model.geometry import DEPTH, Flaw, flaw, positions

WRONG = "!"
# GCJ-02: the Krasovsky ellipsoid as the offset's published formula has it
AXIS, FLATNESS = 6378245.0, 0.00669342162296594323


class Unfit(Exception):
    """A geometry that cannot be kept; the message says why."""


def normal_geometry(texts: pa.ChunkedArray) -> pa.Array:
    """GeoJSON texts (a geometry, or a Feature with one) as validated geometry texts."""
    return pa.array([checked(text, read_geojson) for text in texts.to_pylist()], pa.string())


def normal_wkt(texts: pa.ChunkedArray) -> pa.Array:
    """Well-known texts as validated GeoJSON geometry texts."""
    return pa.array([checked(text, read_wkt) for text in texts.to_pylist()], pa.string())


def gcj02_geojson(texts: pa.ChunkedArray) -> pa.Array:
    """GeoJSON geometry texts in GCJ-02 as WGS 84; what cannot be read stays, for the later check to name."""
    return pa.array([moved(text) for text in texts.to_pylist()], pa.string())


def mended_geojson(texts: pa.ChunkedArray) -> pa.Array:
    """GeoJSON geometry texts made valid: rings that cross themselves are parted; the covered ground stays."""
    return pa.array([mended(text) for text in texts.to_pylist()], pa.string())


def mended(text: str | None) -> str | None:
    """One geometry made valid; what cannot be read stays, for the later check to name."""
    if text is None:
        return None
    try:
        shape = shapely.make_valid(shapely.from_geojson(text), method="structure")
    except ShapelyError:
        return text
    return str(shapely.to_geojson(shape))


def gcj02_points(lons: pa.ChunkedArray, lats: pa.ChunkedArray) -> pa.Array:
    """GCJ-02 longitudes and latitudes as lists of WGS 84 longitude and latitude."""
    lon, lat = (np.asarray(part.to_numpy(zero_copy_only=False), dtype=float) for part in (lons, lats))
    found = np.stack(from_gcj02(lon, lat), axis=1)
    known: Any = np.isfinite(found).all(axis=1)
    return pa.array(
        [pair if ok else None for pair, ok in zip(found.tolist(), known.tolist(), strict=True)], pa.list_(pa.float64())
    )


def checked(text: str | None, read: Any) -> str | None:
    """One geometry read, validated and written again; its reason where it is wrong."""
    if text is None or not text.strip():
        return None
    try:
        geometry = read(text)
        check_geometry(geometry)
    except Unfit as wrong:
        return f"{WRONG}{wrong}"
    return orjson.dumps({"type": geometry["type"], "coordinates": geometry["coordinates"]}).decode()


def read_geojson(text: str) -> dict[str, Any]:
    try:
        geometry = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Unfit(f"'{text[:40]}' is no GeoJSON") from None
    if isinstance(geometry, dict) and geometry.get("type") == "Feature":
        geometry = geometry.get("geometry")
    if not isinstance(geometry, dict):
        raise Unfit(f"'{text[:40]}' is no GeoJSON geometry")
    return geometry


def read_wkt(text: str) -> dict[str, Any]:
    try:
        geometry: dict[str, Any] = orjson.loads(shapely.to_geojson(shapely.from_wkt(text)))
    except ShapelyError:
        raise Unfit(f"'{text[:40]}' is no well-known text of a geometry") from None
    return geometry


def check_geometry(geometry: dict[str, Any]) -> None:
    """Raise Unfit for a geometry that is misshapen, crosses itself or lies outside the world."""
    reason = flaw(geometry)
    if reason:
        raise Unfit(reason)


def moved(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        geometry = read_geojson(text)
        list(positions(geometry.get("coordinates"), DEPTH[geometry["type"]]))
    except (Unfit, Flaw, KeyError, TypeError):
        return text
    return orjson.dumps({**geometry, "coordinates": move(geometry["coordinates"])}).decode()


def move(coordinates: Any) -> Any:
    """Every position of nested arrays from GCJ-02 to WGS 84, to 1e-7 degrees (1 cm)."""
    if not coordinates:
        return coordinates
    if not isinstance(coordinates[0], list):
        lon, lat = from_gcj02(np.array([coordinates[0]], float), np.array([coordinates[1]], float))
        return [round(float(lon[0]), 7), round(float(lat[0]), 7), *coordinates[2:]]
    if coordinates[0] and not isinstance(coordinates[0][0], list):
        table = np.array([place[:2] for place in coordinates], float)
        lon, lat = from_gcj02(table[:, 0], table[:, 1])
        return [
            [x, y, *place[2:]]
            for x, y, place in zip(lon.round(7).tolist(), lat.round(7).tolist(), coordinates, strict=True)
        ]
    return [move(part) for part in coordinates]


Floats = np.ndarray[Any, np.dtype[np.float64]]


def from_gcj02(lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """Invert the GCJ-02 offset by iteration (it has no closed inverse); outside China nothing changes."""
    x, y = lon.copy(), lat.copy()
    for _ in range(12):
        shift_x, shift_y = gcj02_shift(x, y)
        x, y = lon - shift_x, lat - shift_y
    inside = (lon > 72.004) & (lon < 137.8347) & (lat > 0.8293) & (lat < 55.8271)
    return np.where(inside, x, lon), np.where(inside, y, lat)


def gcj02_shift(lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """How far GCJ-02 moves a WGS 84 position, in degrees."""
    x, y, pi = lon - 105.0, lat - 35.0, np.pi
    root = np.sqrt(np.abs(x))
    waves = (20 * np.sin(6 * x * pi) + 20 * np.sin(2 * x * pi)) * 2 / 3
    north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + waves
    north += (20 * np.sin(y * pi) + 40 * np.sin(y / 3 * pi)) * 2 / 3
    north += (160 * np.sin(y / 12 * pi) + 320 * np.sin(y * pi / 30)) * 2 / 3
    east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + waves
    east += (20 * np.sin(x * pi) + 40 * np.sin(x / 3 * pi)) * 2 / 3
    east += (150 * np.sin(x / 12 * pi) + 300 * np.sin(x / 30 * pi)) * 2 / 3
    angle = lat / 180 * pi
    bend = 1 - FLATNESS * np.sin(angle) ** 2
    north = north * 180 / (AXIS * (1 - FLATNESS) / (bend * np.sqrt(bend)) * pi)
    east = east * 180 / (AXIS / np.sqrt(bend) * np.cos(angle) * pi)
    return east, north
