"""Context source registrations: what a client says another broker holds, checked, kept and shown again.

A registration is kept as NGSI-LD's own members with stored names of types and attributes, so that any client's
context can show it. NGSI-LD 5.2.9 (CsourceRegistration), 5.9.2, 5.9.3, 4.3.6 (modes); its members are in `member`.
"""

from collections.abc import Mapping
from typing import Any

from landbridge.federation.ability import AUXILIARY, USUAL
from landbridge.federation.member import READERS, TYPE, Body, parse_property, parse_type, wrong
from landbridge.model.instant import parse_instant
from landbridge.model.terms import Terms

MOST_PROPERTIES = 200
INTERVALS = ("observationInterval", "managementInterval")
GIVEN = frozenset(  # what only the broker says
    {"createdAt", "modifiedAt", "status", "timesSent", "timesFailed", "lastSuccess", "lastFailure"}
)
MANDATORY = ("type", "information", "endpoint")
NULL = "urn:ngsi-ld:null"


def parse_registration(given: Mapping[str, Any], terms: Terms, now: int) -> Body:
    """Read a whole registration but for its id; `now` in microseconds. Raises InvalidEntity (BadRequestData)."""
    read = parse_members(given, terms, now)
    for name in MANDATORY:
        if name not in read:
            raise wrong(f"A registration has a member '{name}'.", name)
    check_mode(read)
    return read


def parse_update(given: Mapping[str, Any], terms: Terms, now: int) -> tuple[Body, set[str]]:
    """Read a fragment of a registration (NGSI-LD 5.9.3): what it sets, and what it removes by null."""
    gone = {name for name, value in given.items() if value is None or value == NULL}
    for name in MANDATORY:
        if name in gone:
            raise wrong("This member cannot be removed.", name)
    kept = {name: value for name, value in given.items() if name not in gone}
    return parse_members(kept, terms, now), {stored_member(name, terms) for name in gone}


def stored_member(name: str, terms: Terms) -> str:
    return name if name in READERS or name in GIVEN else terms.expand(name)


def parse_members(given: Mapping[str, Any], terms: Terms, now: int) -> Body:
    """Read the members that are there; further ones are properties of the context source (5.2.9)."""
    found: Body = {}
    properties: Body = {}
    for name, value in given.items():
        if name in ("id", "@id", "@context") or name in GIVEN:
            continue
        if name in READERS:
            found[name] = READERS[name](value, terms, name)
        elif name == "@type":
            found["type"] = parse_type(value, terms, name)
        else:
            properties[terms.expand(name)] = parse_property(value, name)
    if len(properties) > MOST_PROPERTIES:
        raise wrong(f"A registration has at most {MOST_PROPERTIES} properties of its own.", TYPE)
    if "expiresAt" in found and parse_instant(found["expiresAt"]) <= now:
        raise wrong("The registration has expired already.", "expiresAt", "Give a time that is to come, or none.")
    return found | properties


def check_mode(read: Body) -> None:
    """What the modes ask of a registration by itself (NGSI-LD 4.3.6.2, 4.3.6.3, 5.9.2.4)."""
    mode = read.get("mode", "inclusive")
    if mode == "auxiliary" and not set(read.get("operations", ())) <= {*AUXILIARY, "retrieveOps"}:
        raise wrong(
            "An auxiliary source is only read.", "operations", "Use retrieveOps, retrieveEntity or queryEntity."
        )
    if mode != "exclusive":
        return
    for one in read["information"]:
        if not one.get("propertyNames") and not one.get("relationshipNames"):
            raise wrong("An exclusive registration names the attributes.", "information")
        if not one.get("entities") or not all(
            "id" in entity and "idPattern" not in entity for entity in one["entities"]
        ):
            raise wrong("An exclusive registration names each entity by its id.", "information.entities")


def show_registration(body: Body, terms: Terms, *, secrets: bool = True) -> Body:
    """A kept registration with the names of a client's context; values of headers only for whom they are no secret."""
    shown: Body = {}
    for name, value in body.items():
        if name == "information":
            shown[name] = [show_information(one, terms) for one in value]
        elif name == "contextSourceInfo" and not secrets:
            shown[name] = [{"key": pair["key"], "value": "(not shown)"} for pair in value]
        else:
            shown[name if name in READERS or name == "id" else terms.compact(name)] = value
    shown.setdefault("mode", "inclusive")
    shown.setdefault("operations", list(USUAL))
    return shown


def show_information(one: Body, terms: Terms) -> Body:
    shown: Body = {}
    if "entities" in one:
        shown["entities"] = [show_entity_info(entity, terms) for entity in one["entities"]]
    for name in ("propertyNames", "relationshipNames"):
        if name in one:
            shown[name] = [terms.compact(own) for own in one[name]]
    return shown


def show_entity_info(entity: Body, terms: Terms) -> Body:
    type_ = entity["type"]
    names = terms.compact(type_) if isinstance(type_, str) else [terms.compact(one) for one in type_]
    return entity | {"type": names}
