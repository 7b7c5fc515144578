"""From a document to the row that the store keeps: its text, its queryable values, where it lies."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from landbridge.model.answer import Document
from landbridge.model.entity import default_instance
from landbridge.model.geometry import bounds
from landbridge.model.slot import slot_value
from landbridge.store.contract import Kind, Row, Slot

LOCATION = "location"


def row_of(key: int, document: Document, kinds: Sequence[Kind], created: int, modified: int, version: int) -> Row:
    """The row of an entity whose first type is `kinds[0]`; further kinds find it too."""
    place, box = whereabouts(document)
    return Row(
        key,
        document["id"],
        orjson.dumps({name: document[name] for name in ("id", "type", "scope", "attrs") if name in document}).decode(),
        created,
        modified,
        version,
        slots_of(document, kinds[0]),
        place,
        box,
        tuple(kind.num for kind in kinds[1:]),
    )


def slots_of(document: Document, kind: Kind) -> dict[int, Slot]:
    """The default instances' values, by slot number."""
    found: dict[int, Slot] = {}
    for attribute, number in kind.slots.items():
        instance = default_instance(document, attribute)
        if instance is not None:
            found[number] = slot_value(instance)
    return found


def whereabouts(document: Document) -> tuple[tuple[float, float] | None, tuple[float, float, float, float] | None]:
    """A Point's lon and lat, or another shape's box (west, east, south, north); nothing where there is no location."""
    instance = default_instance(document, LOCATION)
    geometry: Mapping[str, Any] | None = instance.get("value") if instance else None
    if not geometry:
        return None, None
    if geometry["type"] == "Point":
        lon, lat = geometry["coordinates"][:2]
        return (float(lon), float(lat)), None
    return None, bounds(geometry)
