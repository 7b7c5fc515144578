"""Attributes on their way in: normalized, concise and simplified, with their sub-attributes, checked and bounded.

An attribute becomes the list of its instances, the default one first. What a merge gives may be a part of an instance:
then `type` and the value are there only where they were given. NGSI-LD 4.5.1 to 4.5.5, 4.5.24.
"""

import re
from collections.abc import Mapping
from typing import Any

from landbridge.model.entity import (
    KINDS,
    META,
    NULL,
    SEALED,
    SIMPLE,
    SYSTEM,
    VALUE_MEMBERS,
    Instance,
    Instances,
    in_order,
    in_shape,
    is_geometry,
)
from landbridge.model.geometry import check_geometry
from landbridge.model.terms import Terms
from landbridge.model.value import (
    PROOF,
    Reading,
    checked,
    checked_value,
    is_null,
    parse_id,
    parse_meta,
    parse_seal,
    parse_value,
    shown,
    wrong,
)

MOST_INSTANCES, MOST_SUBS = 1000, 200
DEEPEST_SUB = 5
LONGEST_NAME = 1000
NAME = re.compile(r"[^\s@\"'<>=;()\[\]\\\x00-\x1f][^\s\"'<>=;()\[\]\\\x00-\x1f]*\Z")
OUTPUT_ONLY = frozenset({f"previous{member[0].upper()}{member[1:]}" for member in VALUE_MEMBERS})
SKIPPED = frozenset({"type", "@type", *VALUE_MEMBERS, *META, *SYSTEM})


def parse_attribute(given: object, how: Reading, where: str) -> Instances:
    """Read one attribute: its instances, the default one first."""
    if how.simplified:
        return parse_simplified(given, how, where)
    return parse_instances(given, how, where, 0)


def parse_part(given: object, how: Reading, where: str) -> Instance:
    """Read the one instance, or part of one, that a partial update of an attribute gives (NGSI-LD 5.6.4)."""
    if not isinstance(given, Mapping) or not given:
        raise wrong("The fragment of an attribute is a JSON object with one member at least.", where)
    if how.simplified:
        return simple_instance(given, how, where)
    typed = with_type(given, how.terms)
    if is_whole(typed, how.terms):
        return parse_instance(typed, how, where, 0)
    return parse_piece(typed, how, where, 0)


def stored_name(name: str, terms: Terms, where: str) -> str:
    if len(name) > LONGEST_NAME or not NAME.match(name):
        raise wrong("This is no name of an attribute.", where[:80], "Use letters, digits, '_', '-', '.' or an IRI.")
    return terms.expand(name)


# -- normalized and concise


def parse_instances(given: object, how: Reading, where: str, depth: int) -> Instances:
    if isinstance(given, list) and given and all(is_instance(one, how) for one in given):
        if len(given) > MOST_INSTANCES:
            raise wrong(f"An attribute has at most {MOST_INSTANCES} instances.", where)
        instances = [parse_instance(one, how, where, depth) for one in given]
    else:
        instances = [parse_instance(given, how, where, depth)]
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


def is_instance(given: object, how: Reading) -> bool:
    """Whether a member of a list is an instance and not a part of a concise value."""
    if not isinstance(given, Mapping):
        return False
    given = with_type(given, how.terms)
    if "type" in given:
        return kind_named(given["type"], how.terms) is not None
    return any(member in given for member in VALUE_MEMBERS)


def with_type(given: Mapping[str, Any], terms: Terms) -> Mapping[str, Any]:
    """An instance with its kind under `type`, where it says it as JSON-LD does (NGSI-LD 4.4)."""
    if "@type" not in given or "type" in given or kind_named(given["@type"], terms) is None:
        return given
    return {"type": given["@type"]} | {name: member for name, member in given.items() if name != "@type"}


def is_whole(given: Mapping[str, Any], terms: Terms) -> bool:
    """Whether an instance says its value and its kind."""
    return kind_named(given.get("type"), terms) is not None and any(member in given for member in VALUE_MEMBERS)


def is_piece(given: Mapping[str, Any], how: Reading) -> bool:
    """Whether an object of a merge is a part of an instance, and not a bare value (NGSI-LD 5.5.12).

    One without kind and value is a part where it has members of instances, or sub-attributes that look like such.
    """
    if any(member in given for member in VALUE_MEMBERS):
        return "type" not in given
    if "type" in given:
        return kind_named(given["type"], how.terms) is not None
    subs = (one for sub in given.values() for one in (sub if isinstance(sub, list) else [sub]))
    return any(name in META for name in given) or any(is_instance(one, how) for one in subs)


def parse_instance(given: object, how: Reading, where: str, depth: int) -> Instance:
    """Read one instance, normalized or concise."""
    if depth > DEEPEST_SUB:
        raise wrong(f"Sub-attributes go at most {DEEPEST_SUB} deep.", where)
    if given == NULL and how.nulls:
        return {"type": "Property", "value": NULL}
    if isinstance(given, Mapping):
        given = with_type(given, how.terms)
        if how.partial and is_piece(given, how):
            return parse_piece(given, how, where, depth)
    kind = kind_of(given, how.terms, where)
    if kind is None:
        value = checked_value(given, where, how.partial)
        return {"type": "GeoProperty" if is_geometry(given) else "Property", "value": value}
    assert isinstance(given, Mapping)
    if how.nulls and is_null(kind, given[KINDS[kind]]):
        return {"type": kind, "value": NULL} | dataset_of(parse_meta(kind, given, how, where))
    instance: Instance = {"type": kind, KINDS[kind]: parse_value(kind, given, how, where)}
    instance |= parse_meta(kind, given, how, where)
    return in_shape(instance | parse_subs(given, how, where, depth))


def dataset_of(meta: Instance) -> Instance:
    return {"datasetId": meta["datasetId"]} if "datasetId" in meta else {}


def parse_piece(given: Mapping[str, Any], how: Reading, where: str, depth: int) -> Instance:
    """Read a part of an instance: `type` and a value are there only where they are given."""
    kind = kind_named(given["type"], how.terms) if "type" in given else None
    if "type" in given and kind is None:
        raise wrong(f"{shown(given['type'])} is no kind of attribute.", f"{where}.type", f"Use {', '.join(KINDS)}.")
    piece: Instance = {"type": kind} if kind else {}
    if any(member in given for member in VALUE_MEMBERS):
        guessed = kind_of(given, how.terms, where)
        assert guessed is not None
        member = KINDS[guessed]
        if is_null(guessed, given[member]):
            return piece | {"value": NULL} | dataset_of(parse_meta(kind, given, how, where))
        piece[member] = parse_value(guessed, given, how, where)
    return in_shape(piece | parse_meta(kind, given, how, where) | parse_subs(given, how, where, depth))


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


def parse_subs(given: Mapping[str, Any], how: Reading, where: str, depth: int) -> Instance:
    """Read the sub-attributes and what a proof seals; one instance stands alone, several as a list."""
    found: Instance = {}
    if any(member in given for member in SEALED) or where.rpartition(".")[2] == PROOF:
        found |= parse_seal(given, how.terms, where, depth == 0 and where == PROOF)
    for name, sub in given.items():
        if name in SKIPPED:
            continue
        inner = f"{where}.{name}"
        if name in OUTPUT_ONLY:
            raise wrong("This member is given by the pool alone.", inner, "Leave it out.")
        stored = stored_name(name, how.terms, inner)
        if stored in found or stored in SKIPPED:
            raise wrong("The sub-attribute is there twice under two names.", inner)
        instances = parse_instances(sub, how, inner, depth + 1)
        found[stored] = instances if len(instances) > 1 else instances[0]
    if len(found) > MOST_SUBS:
        raise wrong(f"An attribute has at most {MOST_SUBS} sub-attributes.", where)
    return found


# -- simplified


def parse_simplified(given: object, how: Reading, where: str) -> Instances:
    """Read a key-value member: a bare value, a geometry, or an object whose one member tells its kind."""
    if isinstance(given, Mapping) and list(given) == ["dataset"] and isinstance(given["dataset"], Mapping):
        instances = []
        for dataset, one in given["dataset"].items():
            own: Instance = {} if dataset == "@none" else {"datasetId": parse_id(dataset, f"{where}.dataset")}
            instances.append(in_shape(simple_instance(one, how, where) | own))
        if not instances:
            raise wrong("The dataset is empty.", where)
        return in_order(instances)
    return [simple_instance(given, how, where)]


def simple_instance(given: object, how: Reading, where: str) -> Instance:
    """Read a value alone. One that is to be merged is marked: its kind is that of what is there (NGSI-LD 5.5.12)."""
    mark: Instance = {SIMPLE: True} if how.partial else {}
    if given == NULL and how.nulls:
        return {"type": "Property", "value": NULL}
    if isinstance(given, Mapping) and len(given) == 1:
        member = next(iter(given))
        kind = next((kind for kind, own in KINDS.items() if own == member and member != "value"), None)
        if kind and how.nulls and is_null(kind, given[member]):
            return {"type": kind, "value": NULL}
        if kind:
            return {"type": kind, member: parse_value(kind, given, how, where)}
    if is_geometry(given):
        check_geometry(given, where=where)
        return {"type": "GeoProperty", "value": checked(given, where)} | mark
    return {"type": "Property", "value": checked_value(given, where, how.partial)} | mark
