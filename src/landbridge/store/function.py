"""The functions that compiled queries call from SQL: moments, geometry, collation. All are pure and bounded."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import orjson
import shapely
from shapely.geometry.base import BaseGeometry
from shapely.lib import ShapelyError

from landbridge.errors import Invalid
from landbridge.model.collation import parse_collation
from landbridge.model.core_context import full_name
from landbridge.model.geometry import distance, place_distance, place_relates, relates
from landbridge.model.instant import DATE_TIME, parse_instant


@lru_cache(maxsize=4096)
def instant(text: object) -> int | None:
    """Microseconds since 1970 of a text that is a date and time, None for anything else."""
    if not isinstance(text, str) or not DATE_TIME.match(text):
        return None
    try:
        return parse_instant(text)
    except Invalid:
        return None


def built(text: object) -> BaseGeometry | None:
    """The geometry of a GeoJSON text, None where it is none."""
    try:
        shape: BaseGeometry = shapely.from_geojson(text)
    except (ShapelyError, TypeError, ValueError):
        return None
    return shape


def point_relates(relation: str, reference: str, lon: float, lat: float) -> int:
    return int(place_relates(relation, lon, lat, reference))


def shape_relates(relation: str, reference: str, text: object) -> int:
    shape = built(text)
    return int(shape is not None and relates(relation, shape, reference))


def point_metres(reference: str, lon: float, lat: float) -> float:
    return place_distance(lon, lat, reference)


def shape_metres(reference: str, text: object) -> float | None:
    shape = built(text)
    return None if shape is None else distance(shape, reference)


def collated(value: object, collation: str) -> object:
    """A text's sort key in a collation; anything else as it is."""
    return sort_text(value, collation) if isinstance(value, str) else value


@lru_cache(maxsize=8192)
def sort_text(text: str, collation: str) -> str:
    return parse_collation(collation).key(text)


@lru_cache(maxsize=4096)
def full_names(text: str | None) -> str | None:
    """The IRIs of the words of a vocabulary, from JSON to JSON: a word is asked for by its IRI (NGSI-LD 4.9)."""
    if text is None:
        return None
    words = orjson.loads(text)
    return orjson.dumps([full_name(word) for word in words] if isinstance(words, list) else full_name(words)).decode()


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "instant": instant,
    "point_relates": point_relates,
    "shape_relates": shape_relates,
    "point_metres": point_metres,
    "shape_metres": shape_metres,
    "collated": collated,
    "full_names": full_names,
}
