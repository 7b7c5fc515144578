"""Slots: what a kind's narrow columns hold of an attribute, so that most questions need not open the document.

A slot says everything about its attribute or says that it does not: a number or a text is the value of the one and
only instance, booleans have a mark each, and LOOK means "present, but look into the document" (several instances,
a list, an object, languages, a long text). None means that the attribute is absent. Whoever writes an entity fills
the slots of *all* its attributes, in this way; the compiler of queries relies on it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from landbridge.model.geometry import Box, Place, bounds

Slot = None | int | float | str | bytes

LOOK = b""
OBJECT, ARRAY, FALSE, TRUE = b"\x00", b"\x01", b"\x02", b"\x03"  # in the order of NGSI-LD 4.23.2
LONGEST = 256  # characters of a text that are worth keeping twice
MEMBERS = {  # kinds whose value may be one number or text -> the member that holds it
    "Property": "value",
    "Relationship": "object",
    "JsonProperty": "json",
}
SMALLEST, LARGEST = -(1 << 63), (1 << 63) - 1


def slot_value(instance: Mapping[str, Any]) -> Slot:
    """The slot of an attribute whose only instance this is."""
    member = MEMBERS.get(instance["type"])
    return scalar_slot(instance.get(member)) if member else LOOK


def slot_of(instances: Sequence[Mapping[str, Any]]) -> Slot:
    """The slot of an attribute with these instances (one or more; none: absent)."""
    if not instances:
        return None
    return slot_value(instances[0]) if len(instances) == 1 else LOOK


def scalar_slot(value: object) -> Slot:
    """The slot of a value: itself where it is a number, boolean or short text, else LOOK."""
    if isinstance(value, str):
        return value if len(value) <= LONGEST else LOOK
    if isinstance(value, bool):
        return TRUE if value else FALSE
    if isinstance(value, float):
        return value
    if isinstance(value, int):
        return value if SMALLEST <= value <= LARGEST else float(value)
    return LOOK


def where_of(instances: Sequence[Mapping[str, Any]]) -> tuple[Place | None, Box | None]:
    """The `place` and `box` of an entity's row, from the instances of its `location`.

    One Point is a place (longitude, latitude). Anything else is a box (west, south, east, north) around all
    instances. Both None where there is no location.
    """
    shapes = [instance["value"] for instance in instances if instance["type"] == "GeoProperty"]
    if len(shapes) == 1 and shapes[0]["type"] == "Point":
        lon, lat = shapes[0]["coordinates"][:2]
        return (float(lon), float(lat)), None
    boxes = [bounds(shape) for shape in shapes]
    if not boxes:
        return None, None
    west, south, east, north = zip(*boxes, strict=True)
    return None, (min(west), min(south), max(east), max(north))
