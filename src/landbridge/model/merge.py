"""How what a client sends becomes part of what is there: partial updates (NGSI-LD 5.5.8) and merges (5.5.12).

Pure: from an instance and a part of one to the next instance, or None where a Null deletes it. What is given has been
read by `model.attribute`; its errors are InvalidEntity.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from landbridge.model.entity import (
    KINDS,
    META,
    NULL,
    PROVENANCE,
    SIMPLE,
    VALUE_MEMBERS,
    Instance,
    Instances,
    deletes,
    in_shape,
    instance_of,
    is_geometry,
    subs_of,
)
from landbridge.model.geometry import check_geometry
from landbridge.model.terms import Terms
from landbridge.model.value import Reading, parse_moment, parse_value, wrong


@dataclass(frozen=True, slots=True)
class Merging:
    """What a merge says besides its fragment (NGSI-LD 6.5.3.4).

    `terms`: to read simplified values of vocabularies. `observed_at`: of attributes that had one and are given none.
    `language`: of simplified texts that are merged into languages.
    """

    terms: Terms
    observed_at: str | None = None
    language: str | None = None


def updated(old: Instance, part: Instance, where: str) -> Instance | None:
    """Put the members that are given in place of those that are there; the others stay (NGSI-LD 5.5.8).

    Raises InvalidEntity where the kind differs, for a partial update does not change it (5.6.4).
    """
    if deletes(part):
        return None
    part = of_kind(old, part, where)
    new = {name: member for name, member in old.items() if name != PROVENANCE}
    for name, member in part.items():
        if is_gone(member):
            new.pop(name, None)
        else:
            new[name] = member
    return in_shape(new)


def of_kind(old: Instance, part: Instance, where: str) -> Instance:
    """The part with the kind that is there. Raises InvalidEntity where it has another, or a value of another."""
    kind = old["type"]
    members = [member for member in VALUE_MEMBERS if member in part]
    if part.get("type", kind) != kind or (members and members != [KINDS[kind]]):
        raise wrong(f"The attribute is a {kind}.", where, "Replace it (PUT) where its kind is to change.")
    require_geometry(kind, part, where)
    return {**part, "type": kind}


def require_geometry(kind: str, part: Instance, where: str) -> None:
    """Refuse a value that was read as a Property's for a place."""
    if kind == "GeoProperty" and "value" in part:
        check_geometry(part["value"], where=where)


def is_gone(member: object) -> bool:
    """Whether what is given for a member deletes it."""
    return member == NULL or (isinstance(member, Mapping) and "type" in member and deletes(member))


def merged(old: Instance | None, part: Instance, how: Merging, where: str) -> Instance | None:
    """Merge a part into an instance, or into nothing (NGSI-LD 5.5.12); None: it is deleted, or was never there."""
    if deletes(part):
        return None
    if old is None:
        return completed(part, where)
    part = cast(old, part, how, where) if part.get(SIMPLE) else part
    kind = kind_after(old, part)
    if kind != old["type"]:
        return completed({**part, "type": kind}, where)
    new = {name: member for name, member in old.items() if name != PROVENANCE}
    member = KINDS[kind]
    require_geometry(kind, part, where)
    if member in part:
        new[member] = merged_value(kind, old[member], part[member])
        if kind == "LanguageProperty" and not new[member]:
            return None
    for name in META:
        if part.get(name) == NULL:
            new.pop(name, None)
        elif name in part:
            new[name] = part[name]
    if how.observed_at and "observedAt" in old and "observedAt" not in part:
        new["observedAt"] = how.observed_at
    return in_shape(with_subs(new, part, how, where))


def kind_after(old: Instance, part: Instance) -> str:
    """The kind that an instance has after the merge: as told, else as it was where the value fits, else as it looks."""
    if "type" in part:
        return str(part["type"])
    members = [member for member in VALUE_MEMBERS if member in part]
    if not members or members == [KINDS[old["type"]]]:
        return str(old["type"])
    return guessed(part, members[0])


def guessed(part: Instance, member: str) -> str:
    if member == "value":
        return "GeoProperty" if is_geometry(part["value"]) else "Property"
    return next(kind for kind, own in KINDS.items() if own == member)


def completed(part: Instance, where: str) -> Instance:
    """A part that has to stand for itself: it needs a value, and what its Nulls would delete was never there."""
    members = [member for member in VALUE_MEMBERS if member in part]
    if not members:
        raise wrong(
            "The attribute has no value.", where, "An attribute that is new, or of a new kind, needs its value."
        )
    kind = part.get("type") or guessed(part, members[0])
    if members != [KINDS[kind]]:
        raise wrong(f"A {kind} has the member '{KINDS[kind]}' and no other value.", where)
    value = part[members[0]] if kind == "JsonProperty" else without_nulls(part[members[0]])
    new: Instance = {"type": kind, members[0]: value}
    new |= {name: part[name] for name in META if name in part and part[name] != NULL}
    for name, sub in subs_of(part):
        kept = [completed(one, f"{where}.{name}") for one in as_list(sub) if not deletes(one)]
        if kept:
            new[name] = kept if len(kept) > 1 else kept[0]
    return in_shape(new)


def merged_value(kind: str, old: Any, given: Any) -> Any:
    """The value after a merge: objects and languages member by member, anything else as it is given."""
    if kind in ("Property", "JsonProperty", "LanguageProperty") and not is_geometry(given):
        return patched(old, given)
    return given


def patched(old: Any, patch: Any) -> Any:
    """A JSON merge patch (RFC 7396), with the NGSI-LD Null for null."""
    if not isinstance(patch, Mapping):
        return patch
    new = dict(old) if isinstance(old, Mapping) else {}
    for key, member in patch.items():
        if member == NULL:
            new.pop(key, None)
        else:
            new[key] = patched(new.get(key), member)
    return new


def without_nulls(value: Any) -> Any:
    """A value as a merge into nothing leaves it."""
    return patched(None, value) if isinstance(value, Mapping) else value


def with_subs(new: Instance, part: Instance, how: Merging, where: str) -> Instance:
    """Merge the sub-attributes, instance by instance."""
    for name, sub in subs_of(part):
        there = as_list(new.get(name, []))
        after = merged_instances(there, as_list(sub), how, f"{where}.{name}")
        if after:
            new[name] = after if len(after) > 1 else after[0]
        else:
            new.pop(name, None)
    return new


def merged_instances(old: Sequence[Instance], parts: Sequence[Instance], how: Merging, where: str) -> Instances:
    new = list(old)
    for part in parts:
        there = instance_of(new, part.get("datasetId"))
        after = merged(there, part, how, where)
        new = [one for one in new if one is not there] + ([after] if after is not None else [])
    return new


def as_list(sub: Any) -> Instances:
    return sub if isinstance(sub, list) else [sub]


def cast(old: Instance, part: Instance, how: Merging, where: str) -> Instance:
    """A simplified value as one of the kind that is there (NGSI-LD 5.5.12); as it looks where that cannot be."""
    kind, value = old["type"], part["value"]
    dataset = {"datasetId": part["datasetId"]} if "datasetId" in part else {}
    if kind == "LanguageProperty" and isinstance(value, str):
        return {"languageMap": {how.language or "@none": value}} | dataset
    if kind in ("Property", "LanguageProperty"):
        return {"type": part["type"], "value": value} | dataset
    if kind == "ListRelationship" and not isinstance(value, list):
        value = [value]
    member = KINDS[kind]
    return {member: parse_value(kind, {member: value}, Reading(how.terms, partial=True), where)} | dataset


def parse_observed(text: str) -> str:
    """The moment that a merge gives to what it changes. Raises InvalidEntity."""
    return parse_moment(text, "observedAt")
