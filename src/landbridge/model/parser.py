"""From NGSI-LD to the stored document: entities and fragments of them, checked and bounded.

Every error is InvalidEntity and names the member, written like `pm25.accuracy.unitCode`. NGSI-LD 4.5.1
(representation of entities), 4.6 (restrictions on data), 4.18 (scopes), 5.5.4 (validation). Attributes are read by
`model.attribute`.
"""

import re
from collections.abc import Mapping
from typing import Any

from landbridge.model.answer import Document
from landbridge.model.attribute import NAME, parse_attribute, stored_name
from landbridge.model.entity import NULL, SYSTEM, Instances, deletes
from landbridge.model.terms import Terms
from landbridge.model.value import Reading, parse_id, parse_moment, shown, wrong

MOST_ATTRIBUTES = 1000
SCOPE = re.compile(r"/?[^\W\d_]\w*(/[^\W\d_]\w*)*\Z")
PLAIN = re.compile(r"[^\W\d]")  # a name that is no IRI begins with a letter
ENTITY_MEMBERS = {
    "id": "id", "@id": "id", "type": "type", "@type": "type", "scope": "scope", "expiresAt": "expiresAt",
    "@context": "@context",
}  # fmt: skip
NOT_ATTRIBUTES = frozenset({"datasetId", "instanceId", "observedAt", "unitCode"})  # core terms that are no attributes
PLACES = frozenset({"location", "observationSpace", "operationSpace"})  # NGSI-LD 4.7.1: GeoProperties


def parse_entity(body: object, terms: Terms, *, simplified: bool = False) -> Document:
    """Read an entity; its `@context` has become `terms` already.

    `simplified` reads the key-value form (NGSI-LD 4.5.4), else each attribute may be normalized or concise.
    """
    given = head_of(body)
    document: Document = {"id": parse_id(given.get("id"), "id"), "type": parse_types(given.get("type"), terms)}
    if "scope" in given:
        document["scope"] = parse_scope(given["scope"])
    if "expiresAt" in given:
        document["expiresAt"] = parse_moment(given["expiresAt"], "expiresAt")
    document["attrs"] = parse_attributes(body, terms, simplified=simplified)
    return document


def parse_fragment(
    body: object, terms: Terms, *, simplified: bool = False, nulls: bool = False, partial: bool = False
) -> Document:
    """Read a part of an entity: any of `type`, `scope`, `expiresAt` and attributes; an id in it is not looked at.

    `nulls`: an NGSI-LD Null may stand for what is to be deleted, also for scope and expiresAt (kept as NULL);
    `partial`: what is given is to be merged, see `model.value.Reading`.
    """
    given = head_of(body)
    how = Reading(terms, simplified, nulls, partial)
    document: Document = {"attrs": read_attributes(body, how)}
    if "type" in given:
        document["type"] = parse_types(given["type"], terms)
    for name, parse in (("scope", parse_scope), ("expiresAt", lambda moment: parse_moment(moment, "expiresAt"))):
        if name in given:
            document[name] = NULL if nulls and given[name] == NULL else parse(given[name])
    return document


def parse_attributes(body: object, terms: Terms, *, simplified: bool = False) -> dict[str, Instances]:
    """Read the attributes of an entity or of a fragment of one, by stored name."""
    return read_attributes(body, Reading(terms, simplified))


def head_of(body: object) -> dict[str, Any]:
    """The members of an entity that are no attributes, under their plain names."""
    if not isinstance(body, Mapping):
        raise wrong("An entity is a JSON object.", "entity")
    return {ENTITY_MEMBERS[name]: member for name, member in body.items() if name in ENTITY_MEMBERS}


def read_attributes(body: object, how: Reading) -> dict[str, Instances]:
    if not isinstance(body, Mapping):
        raise wrong("An entity is a JSON object.", "entity")
    attributes: dict[str, Instances] = {}
    for name, given in body.items():
        if name in NOT_ATTRIBUTES:
            raise wrong(f"'{name}' is a member of attributes, and no attribute.", name)
        if name in ENTITY_MEMBERS or name in SYSTEM:
            continue
        stored = read_name(name, how.terms)
        if stored in attributes:
            raise wrong("The attribute is there twice under two names.", name)
        attributes[stored] = placed(stored, parse_attribute(given, how, name), name)
    if len(attributes) > MOST_ATTRIBUTES:
        raise wrong(f"An entity has at most {MOST_ATTRIBUTES} attributes.", "entity")
    return attributes


def read_name(name: str, terms: Terms) -> str:
    """The stored name of an attribute as a client names it (NGSI-LD 4.6.2)."""
    if ":" not in name and not PLAIN.match(name):
        raise wrong("The name of an attribute begins with a letter.", name[:80] or "entity")
    return stored_name(name, terms, name)


def placed(stored: str, instances: Instances, where: str) -> Instances:
    """An attribute as it is; one that the standard makes a place has to be one (NGSI-LD 4.7.1)."""
    if stored in PLACES:
        for instance in instances:
            if instance.get("type", "GeoProperty") != "GeoProperty" and not deletes(instance):
                raise wrong(f"'{stored}' is a GeoProperty.", where, "Give it a GeoJSON geometry.")
    return instances


def parse_types(given: Any, terms: Terms) -> list[str]:
    """Read a type or a list of them, as stored names (NGSI-LD 4.6.2, 4.16)."""
    names = given if isinstance(given, list) else [given]
    if not names or not all(isinstance(name, str) and is_type(name) for name in names):
        raise wrong("The type is missing." if given is None else "The type is a name or a list of names.", "type")
    return list(dict.fromkeys(terms.expand(name) for name in names))


def is_type(name: str) -> bool:
    return bool(NAME.match(name)) and name != NULL and (":" in name or bool(PLAIN.match(name)))


def parse_scope(given: Any) -> list[str]:
    """Read a scope or a list of them; each begins with a slash when it is kept (NGSI-LD 4.18)."""
    scopes = given if isinstance(given, list) else [given]
    if not scopes:
        raise wrong("The list of scopes is empty.", "scope", "Write one like /Tianjin/Binhai.")
    for scope in scopes:
        if not isinstance(scope, str) or not SCOPE.match(scope):
            hint = "Write it like /Tianjin/Binhai: letters, digits and '_', each level beginning with a letter."
            raise wrong(f"{shown(scope)} is no scope.", "scope", hint)
    return list(dict.fromkeys(scope if scope.startswith("/") else f"/{scope}" for scope in scopes))
