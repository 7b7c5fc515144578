"""Entities as earlier versions of NGSI-LD know them: what came later is left out or said in older words (4.3.6.8)."""

import re
from collections.abc import Mapping
from typing import Any

from landbridge.errors import Invalid
from landbridge.model.entity import VALUE_MEMBERS

Version = tuple[int, int]
OWN: Version = (1, 9)
PREFERRED = re.compile(r"(?:^|[,;\s])ngsi-ld=(\"?)(\d{1,2})\.(\d{1,2})(?:\.\d{1,3})?\1(?=$|[,;\s])", re.IGNORECASE)

WHOLE = re.compile(r"(\d{1,2})\.(\d{1,2})(?:\.\d{1,3})?\Z", re.ASCII)

OLD_KINDS: Mapping[str, tuple[Version, str, str]] = {  # kind -> since when, and what it was before
    "LanguageProperty": ((1, 4), "languageMap", "Property"),
    "JsonProperty": ((1, 8), "json", "Property"),
    "VocabProperty": ((1, 8), "vocab", "Property"),
    "ListProperty": ((1, 8), "valueList", "Property"),
    "ListRelationship": ((1, 8), "objectList", "Relationship"),
}
MEMBERS: Mapping[str, Version] = {  # member of an attribute -> since when
    "expiresAt": (1, 9), "valueType": (1, 9), "objectType": (1, 8), "datasetId": (1, 3), "observedAt": (1, 3),
    "unitCode": (1, 3),
}  # fmt: skip
ENTITY_MEMBERS: Mapping[str, Version] = {"expiresAt": (1, 9), "scope": (1, 4)}
SEVERAL: Version = (1, 3)  # since when an entity has several types, and an attribute several instances


def preferred_version(prefer: str) -> Version | None:
    """The version that a Prefer header asks for (RFC 7240); None: none, or one that is not known yet."""
    found = PREFERRED.search(prefer)
    version = (int(found.group(2)), int(found.group(3))) if found else None
    return version if version is not None and version <= OWN else None


def parse_version(text: str) -> Version:
    """Read a version such as 1.6. Raises Invalid for what is none, or is not known yet."""
    found = WHOLE.match(text)
    version = (int(found.group(1)), int(found.group(2))) if found else None
    if version is None or version > OWN:
        raise Invalid(f"'{text[:40]}' is no known version of NGSI-LD.", hint=f"Give one up to {OWN[0]}.{OWN[1]}.")
    return version


def amended(entity: Mapping[str, Any], version: Version) -> dict[str, Any]:
    """A rendered entity (normalized or concise) as this version knows it."""
    found: dict[str, Any] = {}
    for name, member in entity.items():
        if name in ENTITY_MEMBERS:
            if version >= ENTITY_MEMBERS[name]:
                found[name] = member
        elif name == "type" and isinstance(member, list) and version < SEVERAL:
            found[name] = member[0]
        elif name in ("id", "type", "@context", "createdAt", "modifiedAt"):
            found[name] = member
        elif name == "properties" and entity.get("type") == "Feature":
            found[name] = amended(member, version)
        elif name in ("geometry",) and entity.get("type") == "Feature":
            found[name] = member
        else:
            found[name] = attribute(member, version)
    return found


def attribute(given: Any, version: Version) -> Any:
    """An attribute, or the list of its instances."""
    if isinstance(given, list) and given and all(isinstance(one, Mapping) for one in given):
        if version < SEVERAL:
            given = next((one for one in given if "datasetId" not in one), given[0])
            return attribute(given, version)
        return [attribute(one, version) for one in given]
    if not isinstance(given, Mapping):
        return given
    found: dict[str, Any] = {}
    for name, member in given.items():
        if name not in MEMBERS or version >= MEMBERS[name]:
            found[name] = member if name in VALUES else attribute(member, version)
    for kind, (since, member_name, before) in OLD_KINDS.items():
        if version < since and member_name in found and found.get("type", kind) == kind:
            found = older(found, member_name, before)
    return found


VALUES = frozenset(  # of attributes, which are given as they are
    {"type", "datasetId", *VALUE_MEMBERS, *(f"previous{member[0].upper()}{member[1:]}" for member in VALUE_MEMBERS)}
)


def older(given: dict[str, Any], member: str, before: str) -> dict[str, Any]:
    """An attribute of a kind that is not known yet, as the kind that it was before; its members keep their places."""
    value = given[member]
    if before == "Relationship":
        value = [one["object"] for one in value]
    name = "object" if before == "Relationship" else "value"
    return {
        name if key == member else key: before if key == "type" else value if key == member else part
        for key, part in given.items()
    }
