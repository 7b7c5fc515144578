"""What an attribute says, made ready for people: text, unit, link, number or not."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from landbridge.console.language import Language
from landbridge.console.unit import symbol, unit_name
from landbridge.errors import Invalid
from landbridge.model.answer import Document
from landbridge.model.instant import parse_instant

MEMBERS = {"value", "object", "languageMap", "vocab", "valueList", "objectList", "json"}
META = MEMBERS | {"type", "@", "observedAt", "unitCode", "datasetId", "objectType", "createdAt", "modifiedAt"}
NAMES = ("name", "title", "alternateName")
CLIENTS = "api"  # the owner of what clients write (model.entity.API; that module loads the engine of geometry)
Instance = Mapping[str, Any]


@dataclass(frozen=True)
class Figure:
    """One value as it is shown. `links` are the entities it points at, `parts` a language map's texts."""

    text: str
    kind: str
    unit: str = ""
    unit_title: str = ""
    number: float | None = None
    links: tuple[str, ...] = ()
    parts: tuple[tuple[str, str], ...] = ()
    block: bool = False  # longer than a line: JSON, geometry


def value_of(instance: Instance) -> Any:
    """The value of an instance, whichever member its kind keeps it in."""
    return next((instance[member] for member in MEMBERS if member in instance), None)


def number_text(value: float) -> str:
    """A number with grouped thousands and no more digits than it has (six after the point at most)."""
    if isinstance(value, int) or (value.is_integer() and abs(value) < 1e15):
        return f"{int(value):,}"
    return f"{value:,.6f}".rstrip("0") if 1e-4 < abs(value) < 1e12 else f"{value:.6g}"


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def plain(value: object, language: Language) -> str:
    """Any JSON value in a line."""
    if value is None:
        return "—"
    if isinstance(value, bool):
        return language.gettext("yes") if value else language.gettext("no")
    if is_number(value):
        return number_text(value)  # type: ignore[arg-type]
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ", ".join(plain(part, language) for part in value)
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    return str(value)


def geometry_text(value: Mapping[str, Any], language: Language) -> str:
    """A geometry in a line: a point's coordinates, or the kind and how many positions it has."""
    coordinates = value.get("coordinates", ())
    if value.get("type") == "Point":
        return "{1:.5f}, {0:.5f}".format(*coordinates[:2])
    number = count_positions(coordinates)
    return f"{value.get('type')}, " + language.ngettext("%(num)d position", "%(num)d positions", number) % {
        "num": number
    }


def count_positions(coordinates: Any) -> int:
    if not isinstance(coordinates, list | tuple) or not coordinates:
        return 0
    return 1 if is_number(coordinates[0]) else sum(map(count_positions, coordinates))


def figure(instance: Instance, language: Language) -> Figure:
    """Show one instance of an attribute, whatever its kind."""
    kind = str(instance.get("type", "Property"))
    if "languageMap" in instance:
        texts = instance["languageMap"]
        return Figure(
            language.of(texts), kind, parts=tuple((tag, plain(text, language)) for tag, text in texts.items())
        )
    if "object" in instance or "objectList" in instance:
        return relationship(instance, kind)
    if "json" in instance:
        return block(instance["json"], kind)
    for member in ("vocab", "valueList"):
        if member in instance:
            return Figure(plain(instance[member], language), kind)
    return property_figure(instance.get("value"), instance.get("unitCode"), kind, language)


def relationship(instance: Instance, kind: str) -> Figure:
    objects = instance.get("object", instance.get("objectList"))
    ids = [part.get("object", "") if isinstance(part, Mapping) else part for part in aslist(objects)]
    return Figure(", ".join(map(str, ids)), kind, links=tuple(map(str, ids)))


def aslist(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def block(value: object, kind: str) -> Figure:
    return Figure(json.dumps(value, ensure_ascii=False, indent=2), kind, block=True)


def property_figure(value: object, unit: str | None, kind: str, language: Language) -> Figure:
    """Show a Property's or GeoProperty's value."""
    if kind == "GeoProperty" and isinstance(value, Mapping):
        return Figure(geometry_text(value, language), kind)
    if isinstance(value, Mapping) and "@value" in value:
        value = value["@value"]
    if isinstance(value, Mapping):
        return block(value, kind)
    number = float(value) if is_number(value) else None  # type: ignore[arg-type]
    name = unit_name(unit)
    title = f"{language.gettext(name)} ({unit})" if name else (unit or "")
    return Figure(plain(value, language), kind, symbol(unit), title, number)


def subs(instance: Instance, language: Language) -> list[tuple[str, Figure]]:
    """The sub-attributes of an instance, by their names for people."""
    found = []
    for name, value in instance.items():
        if name in META:
            continue
        for part in aslist(value):
            shown = figure(part, language) if isinstance(part, Mapping) else Figure(plain(part, language), "Property")
            found.append((language.term(name), shown))
    return found


def default_instance(document: Document, attribute: str) -> Instance | None:
    """The instance that counts: without datasetId where there is one, else the first."""
    instances = document.get("attrs", {}).get(attribute)
    return instances[0] if instances else None


def own_name(document: Document, language: Language) -> str:
    """What an entity says it is called, in the reader's language; empty where it does not say."""
    for attribute in NAMES:
        instance = default_instance(document, attribute)
        if instance:
            shown = figure(instance, language).text
            if shown:
                return shown
    return ""


def short_id(id: str) -> str:
    """The part of an id that people tell apart: `urn:ngsi-ld:Type:rest` without its first three words."""
    parts = id.split(":", 3)
    return parts[3] if id.startswith("urn:ngsi-ld:") and len(parts) == 4 and parts[3] else id


def observed(instance: Instance) -> int | None:
    """An instance's observedAt in µs, None where it has none or none that can be read."""
    text = instance.get("observedAt")
    try:
        return parse_instant(text) if isinstance(text, str) else None
    except Invalid:
        return None
