"""The members of a registration as clients send them: each read by one function, checked and bounded.

NGSI-LD 5.2.8 (EntityInfo), 5.2.9, 5.2.10 (RegistrationInfo), 5.2.11 (TimeInterval), 5.2.22 (KeyValuePair), 5.2.34
(RegistrationManagementInfo). Names of types and attributes become stored names. Every error is InvalidEntity.
"""

from collections.abc import Mapping
from typing import Any

from landbridge.errors import InvalidEntity
from landbridge.federation.ability import GROUPS, OPERATIONS
from landbridge.federation.pattern import check_pattern
from landbridge.model.attribute import NAME
from landbridge.model.geometry import check_geometry
from landbridge.model.instant import format_instant, parse_duration, parse_instant
from landbridge.model.parser import parse_scope
from landbridge.model.terms import Terms
from landbridge.model.value import parse_id

TYPE = "ContextSourceRegistration"
MODES = ("inclusive", "exclusive", "redirect", "auxiliary")
MOST_INFORMATION, MOST_ENTITIES, MOST_NAMES, MOST_PAIRS = 1000, 1000, 1000, 100
LONGEST_TEXT = 2000
LONGEST_WAIT = 3_600_000  # milliseconds

Body = dict[str, Any]


def wrong(message: str, where: str, hint: str | None = None) -> InvalidEntity:
    return InvalidEntity(message, where=where, hint=hint)


def parse_type(value: Any, terms: Terms, where: str) -> str:
    if value != TYPE and not (isinstance(value, str) and ":" in value and terms.expand(value) == TYPE):
        raise wrong(f"The type is {TYPE}.", where)
    return TYPE


def parse_text(value: Any, terms: Terms, where: str) -> str:
    if not isinstance(value, str) or not value or len(value) > LONGEST_TEXT:
        raise wrong(f"A text of 1 to {LONGEST_TEXT} characters is expected.", where)
    return value


def parse_endpoint(value: Any, terms: Terms, where: str) -> str:
    """Read the address under which the source's `/ngsi-ld/v1` is found."""
    text = parse_text(value, terms, where)
    if not text.startswith(("http://", "https://")) or any(letter in text for letter in " \t\n?#"):
        raise wrong("An endpoint is an address of http or https without parameters.", where)
    return text


def parse_flag(value: Any, terms: Terms, where: str) -> bool:
    if not isinstance(value, bool):
        raise wrong("True or false is expected.", where)
    return value


def parse_mode(value: Any, terms: Terms, where: str) -> str:
    if value not in MODES:
        raise wrong("There is no such mode.", where, f"Use {', '.join(MODES)}.")
    return str(value)


def parse_operations(value: Any, terms: Terms, where: str) -> list[str]:
    names = texts(value, where, MOST_NAMES)
    for name in names:
        if name not in OPERATIONS and name not in GROUPS:
            raise wrong(f"'{name[:60]}' is no operation.", where, f"Use {', '.join(GROUPS)}, or operations of 4.20.")
    return names


def texts(value: Any, where: str, most: int) -> list[str]:
    """A list of texts, each once; one text may stand alone."""
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list) or not given or len(given) > most:
        raise wrong(f"A list of 1 to {most} texts is expected.", where)
    if not all(isinstance(one, str) and one and len(one) <= LONGEST_TEXT for one in given):
        raise wrong("Each member of the list is a text.", where)
    return list(dict.fromkeys(given))


def parse_information(value: Any, terms: Terms, where: str) -> list[Body]:
    if not isinstance(value, list) or not value or len(value) > MOST_INFORMATION:
        raise wrong(f"The information is a list of 1 to {MOST_INFORMATION} objects.", where)
    return [parse_one_information(one, terms, f"{where}[{place}]") for place, one in enumerate(value)]


def parse_one_information(given: Any, terms: Terms, where: str) -> Body:
    """Read a RegistrationInfo: which entities, which attributes (5.2.10)."""
    if not isinstance(given, Mapping):
        raise wrong("An information is an object.", where)
    found: Body = {}
    for name, value in given.items():
        if name == "entities":
            if not isinstance(value, list) or not value or len(value) > MOST_ENTITIES:
                raise wrong(f"The entities are a list of 1 to {MOST_ENTITIES} objects.", f"{where}.entities")
            found[name] = [parse_entity_info(one, terms, f"{where}.entities") for one in value]
        elif name in ("propertyNames", "relationshipNames"):
            found[name] = expand_names(value, terms, f"{where}.{name}")
        else:
            raise wrong("An information has no such member.", f"{where}.{name[:60]}")
    if not found:
        raise wrong("An information names entities or attributes.", where)
    return found


def parse_entity_info(given: Any, terms: Terms, where: str) -> Body:
    """Read an EntityInfo: a type, and an id or a pattern of ids (5.2.8)."""
    if not isinstance(given, Mapping):
        raise wrong("An entity's information is an object.", where)
    found: Body = {}
    for name, value in given.items():
        if name in ("id", "@id"):
            found["id"] = parse_id(value, f"{where}.id")
        elif name == "idPattern":
            found[name] = check_pattern(parse_text(value, terms, f"{where}.{name}"), f"{where}.{name}")
        elif name in ("type", "@type"):
            names = expand_names(value, terms, f"{where}.type")
            found["type"] = names[0] if isinstance(value, str) else names
        else:
            raise wrong("An entity's information has no such member.", f"{where}.{name[:60]}")
    if "type" not in found:
        raise wrong("The type of the entities is missing.", f"{where}.type")
    return found


def expand_names(value: Any, terms: Terms, where: str) -> list[str]:
    names = texts(value, where, MOST_NAMES)
    if not all(NAME.match(name) for name in names):
        raise wrong("This is no name of a type or attribute.", where)
    return [terms.expand(name) for name in names]


def parse_interval(value: Any, terms: Terms, where: str) -> Body:
    """Read a TimeInterval: `startAt`, and `endAt` where it is over (5.2.11)."""
    if not isinstance(value, Mapping) or "startAt" not in value or set(value) - {"startAt", "endAt"}:
        raise wrong("An interval has startAt, and endAt where it has an end.", where)
    found = {name: format_instant(moment(one, f"{where}.{name}")) for name, one in value.items()}
    if "endAt" in found and parse_instant(found["endAt"]) < parse_instant(found["startAt"]):
        raise wrong("The interval ends before it begins.", where)
    return found


def moment(value: Any, where: str) -> int:
    if not isinstance(value, str) or not value.endswith("Z"):
        raise wrong("A date and time in UTC is expected.", where, "Write it like 2020-06-30T08:00:00Z.")
    try:
        return parse_instant(value.strip())
    except Exception as error:
        raise wrong(str(error), where) from None


def parse_moment(value: Any, terms: Terms, where: str) -> str:
    return format_instant(moment(value, where))


def parse_space(value: Any, terms: Terms, where: str) -> Any:
    """Read a geometry, bare or as a GeoProperty."""
    inner = value.get("value") if isinstance(value, Mapping) and value.get("type") == "GeoProperty" else value
    check_geometry(inner, where=where)
    return inner


def parse_scopes(value: Any, terms: Terms, where: str) -> Any:
    scopes = parse_scope(value)
    return scopes[0] if isinstance(value, str) else scopes


def parse_pairs(value: Any, terms: Terms, where: str) -> list[Body]:
    """Read the KeyValuePairs that become headers (5.2.22, 4.3.6.5)."""
    if not isinstance(value, list) or len(value) > MOST_PAIRS:
        raise wrong(f"A list of at most {MOST_PAIRS} pairs of key and value is expected.", where)
    for pair in value:
        if not isinstance(pair, Mapping) or set(pair) != {"key", "value"}:
            raise wrong("Each pair has key and value, and nothing else.", where)
        for one in pair.values():
            if not isinstance(one, str) or not one or len(one) > LONGEST_TEXT or any(ord(c) < 32 for c in one):
                raise wrong("Key and value are texts.", where)
    return [dict(pair) for pair in value]


def parse_duration_text(value: Any, terms: Terms, where: str) -> str:
    text = parse_text(value, terms, where)
    try:
        parse_duration(text)
    except Exception as error:
        raise wrong(str(error), where) from None
    return text


def parse_wait(value: Any, terms: Terms, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= LONGEST_WAIT:
        raise wrong(f"Milliseconds greater than 0, and at most {LONGEST_WAIT}, are expected.", where)
    return value


def parse_management(value: Any, terms: Terms, where: str) -> Body:
    """Read how the source is to be treated (5.2.34)."""
    readers = {
        "localOnly": parse_flag, "cacheDuration": parse_duration_text, "timeout": parse_wait, "cooldown": parse_wait,
    }  # fmt: skip
    if not isinstance(value, Mapping) or set(value) - set(readers):
        raise wrong(f"The management is an object of {', '.join(readers)}.", where)
    return {name: readers[name](one, terms, f"{where}.{name}") for name, one in value.items()}


def parse_datasets(value: Any, terms: Terms, where: str) -> list[str]:
    return [one if one == "@none" else parse_id(one, where) for one in texts(value, where, MOST_NAMES)]


def parse_property(value: Any, where: str) -> Any:
    """Read a property of the context source itself: kept and shown as it is, within bounds."""
    if depth(value) > 10:
        raise wrong("The value is too deep.", where[:80])
    return value


def depth(value: Any) -> int:
    """How deep a JSON value is, as far as that matters."""
    found, level = 0, [value]
    while level and found <= 10:
        found += 1
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
    return found


READERS = {
    "type": parse_type, "registrationName": parse_text, "description": parse_text, "information": parse_information,
    "tenant": parse_text, "observationInterval": parse_interval, "managementInterval": parse_interval,
    "location": parse_space, "observationSpace": parse_space, "operationSpace": parse_space,
    "expiresAt": parse_moment, "endpoint": parse_endpoint, "contextSourceInfo": parse_pairs, "scope": parse_scopes,
    "mode": parse_mode, "operations": parse_operations, "refreshRate": parse_duration_text,
    "management": parse_management, "contextSourceAlias": parse_text, "hostAlias": parse_text,
    "datasetId": parse_datasets, "localOnly": parse_flag,
}  # fmt: skip
