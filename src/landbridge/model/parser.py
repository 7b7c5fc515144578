"""From NGSI-LD to the stored document: normalized, concise and simplified members, checked and bounded.

Every error is InvalidEntity and names the member, written like `pm25.accuracy.unitCode`. NGSI-LD 4.5.1 to 4.5.24
(representations), 4.6 (restrictions on data), 5.5.4 (validation).
"""

import re
from collections.abc import Mapping
from typing import Any

from landbridge.model.answer import Document
from landbridge.model.entity import KINDS, SYSTEM, VALUE_MEMBERS, Instance, Instances, in_order, in_shape, is_geometry
from landbridge.model.geometry import check_geometry
from landbridge.model.terms import Terms
from landbridge.model.value import checked, checked_value, parse_id, parse_meta, parse_value, shown, wrong

MOST_ATTRIBUTES, MOST_INSTANCES, MOST_SUBS = 1000, 1000, 200
DEEPEST_SUB = 5
LONGEST_NAME = 1000
SCOPE = re.compile(r"(/[^/\s#+\"'()|;,&<>]+)+\Z")
NAME = re.compile(r"[^\s@\"'<>=;()\[\]\\\x00-\x1f][^\s\"'<>=;()\[\]\\\x00-\x1f]*\Z")
ENTITY_MEMBERS = {"id": "id", "@id": "id", "type": "type", "@type": "type", "scope": "scope", "@context": "@context"}


def parse_entity(body: object, terms: Terms, *, simplified: bool = False) -> Document:
    """Read an entity; its `@context` has become `terms` already.

    `simplified` reads the key-value form (NGSI-LD 4.5.4), else each attribute may be normalized or concise.
    """
    if not isinstance(body, Mapping):
        raise wrong("An entity is a JSON object.", "entity")
    given = head_of(body)
    document: Document = {"id": parse_id(given.get("id"), "id"), "type": parse_types(given.get("type"), terms)}
    if "scope" in given:
        document["scope"] = parse_scope(given["scope"])
    document["attrs"] = parse_attributes(body, terms, simplified=simplified)
    return document


def head_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """The members of an entity that are no attributes, under their plain names."""
    return {ENTITY_MEMBERS[name]: member for name, member in body.items() if name in ENTITY_MEMBERS}


def parse_fragment(body: object, terms: Terms) -> Document:
    """Read a part of an entity: any of `type`, `scope` and attributes; its id, if it says one, is not looked at."""
    document: Document = {"attrs": parse_attributes(body, terms)}
    given = head_of(body) if isinstance(body, Mapping) else {}
    if "type" in given:
        document["type"] = parse_types(given["type"], terms)
    if "scope" in given:
        document["scope"] = parse_scope(given["scope"])
    return document


def parse_attributes(body: object, terms: Terms, *, simplified: bool = False) -> dict[str, Instances]:
    """Read the attributes of an entity or of a fragment of one, by stored name."""
    if not isinstance(body, Mapping):
        raise wrong("An entity is a JSON object.", "entity")
    attributes: dict[str, Instances] = {}
    for name, given in body.items():
        if name in ENTITY_MEMBERS or name in SYSTEM:
            continue
        stored = stored_name(name, terms, name)
        if stored in attributes:
            raise wrong("The attribute is there twice under two names.", name)
        attributes[stored] = parse_attribute(given, terms, name, simplified=simplified)
    if len(attributes) > MOST_ATTRIBUTES:
        raise wrong(f"An entity has at most {MOST_ATTRIBUTES} attributes.", "entity")
    return attributes


def parse_attribute(given: object, terms: Terms, where: str, *, simplified: bool = False) -> Instances:
    """Read one attribute: its instances, the default one first."""
    if simplified:
        return parse_simplified(given, terms, where)
    return parse_instances(given, terms, where, 0)


def stored_name(name: str, terms: Terms, where: str) -> str:
    if len(name) > LONGEST_NAME or not NAME.match(name):
        raise wrong("This is no name of an attribute.", where[:80], "Use letters, digits, '_', '-', '.' or an IRI.")
    return terms.expand(name)


def parse_types(given: Any, terms: Terms) -> list[str]:
    names = given if isinstance(given, list) else [given]
    if not names or not all(isinstance(name, str) and NAME.match(name) for name in names):
        raise wrong("The type is missing." if given is None else "The type is a name or a list of names.", "type")
    return list(dict.fromkeys(terms.expand(name) for name in names))


def parse_scope(given: Any) -> list[str]:
    scopes = given if isinstance(given, list) else [given]
    if not scopes or not all(isinstance(scope, str) and SCOPE.match(scope) for scope in scopes):
        raise wrong("A scope is a path.", "scope", "Write it like /Tianjin/Binhai.")
    return scopes


# -- normalized and concise


def parse_instances(given: object, terms: Terms, where: str, depth: int) -> Instances:
    if isinstance(given, list) and given and all(is_instance(one, terms) for one in given):
        if len(given) > MOST_INSTANCES:
            raise wrong(f"An attribute has at most {MOST_INSTANCES} instances.", where)
        instances = [parse_instance(one, terms, where, depth) for one in given]
    else:
        instances = [parse_instance(given, terms, where, depth)]
    seen = [instance.get("datasetId") for instance in instances]
    if len(set(seen)) < len(seen):
        raise wrong("Two instances have the same datasetId, or none.", where, "Give each its own datasetId.")
    return in_order(instances)


def kind_named(given: object, terms: Terms) -> str | None:
    """The kind of attribute that a `type` member names, None where it names something else."""
    if not isinstance(given, str) or not NAME.match(given):
        return None
    if given in KINDS:
        return given
    stored = terms.expand(given) if ":" in given else None
    return stored if stored in KINDS else None


def is_instance(given: object, terms: Terms) -> bool:
    """Whether a member of a list is an instance and not a part of a concise value."""
    if not isinstance(given, Mapping):
        return False
    if "type" in given:
        return kind_named(given["type"], terms) is not None
    return any(member in given for member in VALUE_MEMBERS)


def parse_instance(given: object, terms: Terms, where: str, depth: int) -> Instance:
    """Read one instance, normalized or concise."""
    if depth > DEEPEST_SUB:
        raise wrong(f"Sub-attributes go at most {DEEPEST_SUB} deep.", where)
    kind = kind_of(given, terms, where)
    if kind is None:
        value = given
        return {"type": "GeoProperty" if is_geometry(given) else "Property", "value": checked_value(value, where)}
    assert isinstance(given, Mapping)
    instance: Instance = {"type": kind, KINDS[kind]: parse_value(kind, given, terms, where)}
    instance |= parse_meta(kind, given, terms, where)
    return in_shape(instance | parse_subs(given, kind, terms, where, depth))


def kind_of(given: object, terms: Terms, where: str) -> str | None:
    """The kind of an instance; None for a bare (concise) value. NGSI-LD 4.5.1 and 4.5.2.3 say how it is told."""
    if not isinstance(given, Mapping):
        return None
    members = [member for member in VALUE_MEMBERS if member in given]
    if "type" not in given or (not members and kind_named(given["type"], terms) is None):
        if not members:
            return None
        if len(members) > 1:
            raise wrong(f"The attribute has {' and '.join(members)}.", where, "Keep the one that its kind asks for.")
        if members[0] == "value":
            return "GeoProperty" if is_geometry(given["value"]) else "Property"
        return next(kind for kind, member in KINDS.items() if member == members[0])
    kind = kind_named(given["type"], terms)
    if kind is None:
        raise wrong(f"{shown(given['type'])} is no kind of attribute.", f"{where}.type", f"Use {', '.join(KINDS)}.")
    if members != [KINDS[kind]]:
        raise wrong(f"A {kind} has the member '{KINDS[kind]}' and no other value.", where)
    return kind


def parse_subs(given: Mapping[str, Any], kind: str, terms: Terms, where: str, depth: int) -> Instance:
    """Read the sub-attributes; one instance stands alone, several as a list."""
    skipped = {"type", KINDS[kind], "unitCode", "observedAt", "datasetId", "objectType", "valueType", *SYSTEM}
    found: Instance = {}
    for name, sub in given.items():
        if name in skipped:
            continue
        inner = f"{where}.{name}"
        stored = stored_name(name, terms, inner)
        if stored in found or stored in skipped:
            raise wrong("The sub-attribute is there twice under two names.", inner)
        instances = parse_instances(sub, terms, inner, depth + 1)
        found[stored] = instances if len(instances) > 1 else instances[0]
    if len(found) > MOST_SUBS:
        raise wrong(f"An attribute has at most {MOST_SUBS} sub-attributes.", where)
    return found


# -- simplified


def parse_simplified(given: object, terms: Terms, where: str) -> Instances:
    """Read a key-value member: a bare value, a geometry, or an object whose one member tells its kind."""
    if isinstance(given, Mapping) and list(given) == ["dataset"] and isinstance(given["dataset"], Mapping):
        instances = []
        for dataset, one in given["dataset"].items():
            own: Instance = {} if dataset == "@none" else {"datasetId": parse_id(dataset, f"{where}.dataset")}
            instances.append(in_shape(simple_instance(one, terms, where) | own))
        if not instances:
            raise wrong("The dataset is empty.", where)
        return in_order(instances)
    return [simple_instance(given, terms, where)]


def simple_instance(given: object, terms: Terms, where: str) -> Instance:
    if isinstance(given, Mapping) and len(given) == 1:
        member = next(iter(given))
        kind = next((kind for kind, own in KINDS.items() if own == member and member != "value"), None)
        if kind:
            return {"type": kind, member: parse_value(kind, given, terms, where)}
    if is_geometry(given):
        check_geometry(given, where=where)
        return {"type": "GeoProperty", "value": checked(given, where)}
    return {"type": "Property", "value": checked_value(given, where)}
