"""Values of attributes on their way in: what each of the eight kinds may hold, and the members beside it.

Every error is InvalidEntity and names the member. NGSI-LD 4.5.1 to 4.5.24, 4.6. The NGSI-LD Null (4.5.0, 5.5.4)
stands for a value only where `Reading` allows it.
"""

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from landbridge.errors import Invalid, InvalidEntity
from landbridge.model.entity import KINDS, NULL, SEALED, Instance, is_geometry
from landbridge.model.geometry import check_geometry
from landbridge.model.instant import format_instant, parse_instant
from landbridge.model.terms import Terms

DEEPEST_VALUE = 32
LONGEST_ID = 2000
UNITS = frozenset({"Property", "ListProperty", "GeoProperty"})
URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`\x00-\x1f]+\Z")
EXACT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z\Z", re.ASCII)  # a moment that is kept as it is written
BLANKS = frozenset("\u115f\u1160\u2800\u3164\uffa0")  # letters that show nothing
VARIATIONS = ((0xFE00, 0xFE0F), (0xE0100, 0xE01EF))
UNSEEN = frozenset({"Cc", "Cf", "Cn", "Cs", "Zs", "Zl", "Zp"})
LANG_STRING = "langString"
PROOF = "ngsildproof"


@dataclass(frozen=True, slots=True)
class Reading:
    """How a body is read.

    `nulls`: an NGSI-LD Null may stand for a value, to delete what has it (updates, 5.5.8). `partial`: what is given
    is merged into what is there, so a value may be missing and Nulls lie deeper (merges, 5.5.12).
    """

    terms: Terms
    simplified: bool = False
    nulls: bool = False
    partial: bool = False


def wrong(message: str, where: str, hint: str | None = None) -> InvalidEntity:
    return InvalidEntity(message, where=where, hint=hint)


def shown(given: object) -> str:
    """A value in an error: a text as it is, cut; of anything else only what it is, for it may be deep or long."""
    return f"'{given[:80]}'" if isinstance(given, str) else f"a JSON {type(given).__name__}"


def is_uri(text: str) -> bool:
    """Whether a text is a URI or IRI without characters that cannot be seen (NGSI-LD 4.5.1, RFC 3987)."""
    if len(text) > LONGEST_ID or not URI.match(text):
        return False
    return text.isascii() or not any(is_unseen(one) for one in text)


def is_unseen(one: str) -> bool:
    if one.isascii():
        return False
    code = ord(one)
    return (
        one in BLANKS
        or unicodedata.category(one) in UNSEEN
        or any(low <= code <= high for low, high in VARIATIONS)
    )  # fmt: skip


def parse_id(given: object, where: str) -> str:
    if not isinstance(given, str) or not is_uri(given) or given == NULL:
        raise wrong(
            f"{shown(given)} is no URI." if given is not None else "The id is missing.",
            where,
            "Write it like urn:ngsi-ld:AirQualityObserved:1023A.",
        )
    return given


def is_null(kind: str | None, value: object) -> bool:
    """Whether a value is the NGSI-LD Null, for a LanguageProperty also as {"@none": Null} (NGSI-LD 4.5.0)."""
    return value == NULL or (kind == "LanguageProperty" and value == {"@none": NULL})


def parse_value(kind: str, given: Mapping[str, Any], how: Reading, where: str) -> Any:
    """Read the member that holds the value of this kind."""
    member = KINDS[kind]
    value, where = given[member], f"{where}.{member}"
    if is_null(kind, value):
        raise wrong("An NGSI-LD Null deletes, and there is nothing to delete here.", where)
    if value is None:
        raise wrong("A value must not be null.", where, "Delete the attribute instead.")
    match kind:
        case "JsonProperty":
            return parse_json(value, where)
        case "GeoProperty":
            return parse_geometry(value, where)
        case "Relationship":
            return parse_object(value, where)
        case "LanguageProperty":
            return parse_language_map(value, how, where)
        case "VocabProperty":
            return parse_words(value, how.terms, where)
        case "ListRelationship":
            return parse_object_list(value, where)
    if kind == "ListProperty" and not isinstance(value, list):
        raise wrong("A valueList is a list.", where)
    return checked(value, where, nulls=how.partial)


def parse_json(value: Any, where: str) -> Any:
    """Read raw JSON, which is an object or a list (NGSI-LD 4.5.24)."""
    if not isinstance(value, Mapping | list):
        raise wrong("A json is an object or a list.", where, "Send a single value as a Property.")
    return checked(value, where, nulls=True)


def parse_geometry(value: Any, where: str) -> Any:
    """Read a geometry; one that comes as a text of JSON becomes the object that it says (NGSI-LD 4.7.2)."""
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            raise wrong("The text is no geometry.", where, "Give a GeoJSON geometry.") from None
    check_geometry(value, where=where)
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


def parse_language_map(value: object, how: Reading, where: str) -> dict[str, Any]:
    def is_text(one: object) -> bool:
        if one == NULL:
            return how.partial
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


def parse_meta(kind: str | None, given: Mapping[str, Any], how: Reading, where: str) -> Instance:
    """Read unitCode, observedAt, expiresAt, datasetId, objectType and valueType. `kind` None: not told."""
    found: Instance = {}
    if "unitCode" in given:
        found["unitCode"] = parse_unit(kind, given["unitCode"], how, f"{where}.unitCode")
    for member in ("observedAt", "expiresAt"):
        if member in given:
            null = how.nulls and given[member] == NULL
            found[member] = NULL if null else parse_moment(given[member], f"{where}.{member}")
    if "datasetId" in given and given["datasetId"] != "@none":
        found["datasetId"] = parse_id(given["datasetId"], f"{where}.datasetId")
    for member in ("objectType", "valueType"):
        if member in given:
            null = how.nulls and given[member] == NULL
            found[member] = NULL if null else parse_words(given[member], how.terms, f"{where}.{member}")
    if kind == "LanguageProperty" and found.get("valueType") not in (None, NULL, how.terms.expand(LANG_STRING)):
        raise wrong("The valueType of a LanguageProperty is langString.", f"{where}.valueType")
    return found


def parse_unit(kind: str | None, given: object, how: Reading, where: str) -> str:
    if (kind is not None and kind not in UNITS) or not isinstance(given, str) or not given:
        raise wrong("A unitCode is a text, beside a value.", where)
    if given == NULL and not how.nulls:
        raise wrong("An NGSI-LD Null deletes, and there is nothing to delete here.", where)
    return given


def parse_seal(given: Mapping[str, Any], terms: Terms, where: str, proof: bool) -> Instance:
    """Read what a proof seals: bare texts, in an attribute named ngsildproof only (NGSI-LD 4.5.2.2, annex C.11)."""
    found = {member: given[member] for member in SEALED if member in given}
    for member, sealed in found.items():
        if not proof or not isinstance(sealed, str):
            raise wrong(f"A text {member} stands in '{PROOF}' alone.", f"{where}.{member}")
    if proof and "value" in given and not isinstance(given["value"], Mapping) and given["value"] != NULL:
        raise wrong("A proof is an object.", f"{where}.value")
    if "entityTypeSealed" in found:
        found["entityTypeSealed"] = parse_words(found["entityTypeSealed"], terms, f"{where}.entityTypeSealed")
    return found


def parse_moment(given: object, where: str) -> str:
    """Read a moment in UTC (NGSI-LD 4.6.3); its digits stay as they are written."""
    if isinstance(given, Mapping) and "@value" in given:
        given = given["@value"]
    text = given if isinstance(given, str) else shown(given)
    try:
        instant = parse_instant(text)
    except Invalid as error:
        raise wrong(error.message, where, error.hint) from None
    if not text.endswith("Z"):
        raise wrong(f"'{text}' is not in UTC.", where, f"Write it as {format_instant(instant)}.")
    return text if EXACT.match(text) else format_instant(instant)


def checked_value(value: Any, where: str, nulls: bool = False) -> Any:
    """A concise value: not null, and a geometry where it looks like one."""
    if value is None:
        raise wrong("A value must not be null.", where, "Delete the attribute instead.")
    if is_geometry(value):
        check_geometry(value, where=where)
    return checked(value, where, nulls=nulls)


def checked(value: Any, where: str, depth: int = 0, *, nulls: bool = False) -> Any:
    """Any JSON value, bounded in depth. Raises InvalidEntity for what JSON cannot say; `nulls`: NGSI-LD Nulls pass."""
    if depth > DEEPEST_VALUE:
        raise wrong(f"A value goes at most {DEEPEST_VALUE} deep.", where)
    if isinstance(value, str):
        if value == NULL and not nulls:
            raise wrong("An NGSI-LD Null deletes, and there is nothing to delete here.", where)
    elif isinstance(value, Mapping):
        for key, part in value.items():
            if not isinstance(key, str):
                raise wrong("A key of an object is a text.", where)
            checked(part, where, depth + 1, nulls=nulls)
    elif isinstance(value, list):
        for part in value:
            checked(part, where, depth + 1, nulls=nulls)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise wrong("A number is finite.", where)
    elif not isinstance(value, int | None):
        raise wrong(f"A value is JSON, not {type(value).__name__}.", where)
    return value
