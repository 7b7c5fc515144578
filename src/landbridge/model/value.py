"""Values of attributes on their way in: what each of the eight kinds may hold, and the members beside it.

Every error is InvalidEntity and names the member. NGSI-LD 4.5.1 to 4.5.24, 4.6.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

from landbridge.errors import Invalid, InvalidEntity
from landbridge.model.entity import KINDS, Instance, is_geometry
from landbridge.model.geometry import check_geometry
from landbridge.model.instant import format_instant, parse_instant
from landbridge.model.terms import Terms

DEEPEST_VALUE = 32
LONGEST_ID = 2000
UNITS = frozenset({"Property", "ListProperty", "GeoProperty", "JsonProperty"})
URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`\x00-\x1f]+\Z")


def wrong(message: str, where: str, hint: str | None = None) -> InvalidEntity:
    return InvalidEntity(message, where=where, hint=hint)


def shown(given: object) -> str:
    """A value in an error: a text as it is, cut; of anything else only what it is, for it may be deep or long."""
    return f"'{given[:80]}'" if isinstance(given, str) else f"a JSON {type(given).__name__}"


def parse_id(given: object, where: str) -> str:
    if not isinstance(given, str) or len(given) > LONGEST_ID or not URI.match(given):
        raise wrong(
            f"{shown(given)} is no URI." if given is not None else "The id is missing.",
            where,
            "Write it like urn:ngsi-ld:AirQualityObserved:1023A.",
        )
    return given


def parse_value(kind: str, given: Mapping[str, Any], terms: Terms, where: str) -> Any:
    """Read the member that holds the value of this kind."""
    member = KINDS[kind]
    value, where = given[member], f"{where}.{member}"
    if kind == "JsonProperty":
        return checked(value, where)
    if value is None:
        raise wrong("A value must not be null.", where, "Delete the attribute instead.")
    if kind == "GeoProperty":
        check_geometry(value, where=where)
        return checked(value, where)
    if kind == "Relationship":
        return parse_object(value, where)
    if kind == "LanguageProperty":
        return parse_language_map(value, where)
    if kind == "VocabProperty":
        return parse_words(value, terms, where)
    if kind == "ListRelationship":
        return parse_object_list(value, where)
    if kind == "ListProperty" and not isinstance(value, list):
        raise wrong("A valueList is a list.", where)
    return checked(value, where)


def parse_object(value: object, where: str) -> Any:
    if isinstance(value, list):
        if not value:
            raise wrong("The list of objects is empty.", where)
        return [parse_id(one, where) for one in value]
    return parse_id(value, where)


def parse_object_list(value: object, where: str) -> list[dict[str, str]]:
    if not isinstance(value, list):
        raise wrong("An objectList is a list.", where)
    return [{"object": parse_id(one.get("object") if isinstance(one, Mapping) else one, where)} for one in value]


def parse_language_map(value: object, where: str) -> dict[str, Any]:
    def is_text(one: object) -> bool:
        return isinstance(one, str) or (isinstance(one, list) and all(isinstance(part, str) for part in one))

    if not isinstance(value, Mapping) or not all(key and is_text(one) for key, one in value.items()):
        raise wrong("A languageMap has a text (or a list of them) for each language.", where)
    return dict(value)


def parse_words(value: Any, terms: Terms, where: str) -> Any:
    """Read the terms of a vocabulary as stored names."""
    words = value if isinstance(value, list) else [value]
    if not words or not all(isinstance(word, str) and word and not word.startswith("@") for word in words):
        raise wrong("A vocab is a term or a list of terms.", where)
    stored = [terms.expand(word) for word in words]
    return stored if isinstance(value, list) else stored[0]


def parse_meta(kind: str, given: Mapping[str, Any], terms: Terms, where: str) -> Instance:
    """Read unitCode, observedAt, datasetId, objectType and valueType."""
    found: Instance = {}
    if "unitCode" in given:
        unit = given["unitCode"]
        if kind not in UNITS or not isinstance(unit, str) or not unit:
            raise wrong("A unitCode is a text, beside a value.", f"{where}.unitCode")
        found["unitCode"] = unit
    if "observedAt" in given:
        found["observedAt"] = parse_moment(given["observedAt"], f"{where}.observedAt")
    if "datasetId" in given:
        found["datasetId"] = parse_id(given["datasetId"], f"{where}.datasetId")
    for member in ("objectType", "valueType"):
        if member in given:
            found[member] = parse_words(given[member], terms, f"{where}.{member}")
    return found


def parse_moment(given: object, where: str) -> str:
    if isinstance(given, Mapping) and "@value" in given:
        given = given["@value"]
    try:
        return format_instant(parse_instant(given if isinstance(given, str) else shown(given)))
    except Invalid as error:
        raise wrong(error.message, where, error.hint) from None


def checked_value(value: Any, where: str) -> Any:
    """A concise value: not null, and a geometry where it looks like one."""
    if value is None:
        raise wrong("A value must not be null.", where, "Delete the attribute instead.")
    if is_geometry(value):
        check_geometry(value, where=where)
    return checked(value, where)


def checked(value: Any, where: str, depth: int = 0) -> Any:
    """Any JSON value, bounded in depth. Raises InvalidEntity for what JSON cannot say."""
    if depth > DEEPEST_VALUE:
        raise wrong(f"A value goes at most {DEEPEST_VALUE} deep.", where)
    if isinstance(value, Mapping):
        for key, part in value.items():
            if not isinstance(key, str):
                raise wrong("A key of an object is a text.", where)
            checked(part, where, depth + 1)
    elif isinstance(value, list):
        for part in value:
            checked(part, where, depth + 1)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise wrong("A number is finite.", where)
    elif not isinstance(value, str | int | None):
        raise wrong(f"A value is JSON, not {type(value).__name__}.", where)
    return value
