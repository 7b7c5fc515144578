"""What the pool keeps of an entity: the stored document, the eight kinds of attribute, and how to look into them.

A document is `{"id", "type": [...], "scope": [...], "attrs": {stored name: [instance, ...]}}`. An instance is the
normalized NGSI-LD member with its provenance under "@": `[owner, commit, created, modified, run, row]` (times in
microseconds since 1970; owner is a source's name or "api"). The instance without `datasetId` comes first.
NGSI-LD 4.5.2 (Property), 4.5.3 (Relationship), 4.5.18 (LanguageProperty), 4.5.20 (VocabProperty),
4.5.21 (ListProperty), 4.5.22 (ListRelationship), 4.5.24 (JsonProperty), 4.7 (GeoProperty).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from landbridge.model.answer import Document
from landbridge.model.geometry import DEPTH

Instance = dict[str, Any]
Instances = list[Instance]

KINDS: Mapping[str, str] = {  # kind of attribute -> the member that holds its value
    "Property": "value",
    "GeoProperty": "value",
    "Relationship": "object",
    "LanguageProperty": "languageMap",
    "VocabProperty": "vocab",
    "JsonProperty": "json",
    "ListProperty": "valueList",
    "ListRelationship": "objectList",
}
VALUE_MEMBERS = tuple(dict.fromkeys(KINDS.values()))
SEALED = ("entityIdSealed", "entityTypeSealed")  # what an ngsildproof is about (annex C.11)
META = ("unitCode", "observedAt", "expiresAt", "datasetId", "objectType", "valueType", *SEALED)
PROVENANCE = "@"
API = "api"  # the owner of what clients write
HISTORY = "@api"  # the owner of what they write to history alone, which never was state
NULL = "urn:ngsi-ld:null"  # the NGSI-LD Null: in an update, what has it is deleted (4.5.0)
SIMPLE = "@simple"  # marks an instance of a simplified merge, whose kind is that of what is there
SYSTEM = frozenset({"createdAt", "modifiedAt", "deletedAt", "instanceId"})  # NGSI-LD 4.8: given, never taken
NOT_SUBS = frozenset({"type", PROVENANCE, SIMPLE, *VALUE_MEMBERS, *META, *SYSTEM})


class Provenance(NamedTuple):
    """Who an instance comes from, and since when it is there."""

    owner: str
    commit: int
    created: int
    modified: int
    run: int | None
    row: int | None


def provenance(instance: Mapping[str, Any]) -> Provenance:
    return Provenance(*instance[PROVENANCE])


def value_of(instance: Mapping[str, Any]) -> Any:
    """The value of an instance, whichever member its kind keeps it in."""
    return instance[KINDS[instance["type"]]]


def subs_of(instance: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The sub-attributes of an instance: stored name, and one instance or a list of them."""
    return ((name, sub) for name, sub in instance.items() if name not in NOT_SUBS)


def instance_of(instances: Sequence[Instance], dataset_id: str | None) -> Instance | None:
    """The instance with this datasetId (None: the default one)."""
    return next((instance for instance in instances if instance.get("datasetId") == dataset_id), None)


def default_instance(document: Document, attribute: str) -> Instance | None:
    """The default instance of an attribute, None where there is none."""
    return instance_of(document["attrs"].get(attribute, ()), None)


def is_geometry(value: object) -> bool:
    """Whether a value looks like a GeoJSON geometry, right or wrong."""
    return isinstance(value, Mapping) and as_text(value.get("type")) in DEPTH and "coordinates" in value


def as_text(value: object) -> str:
    """A text, or nothing in place of anything else."""
    return value if isinstance(value, str) else ""


def deletes(instance: Mapping[str, Any]) -> bool:
    """Whether an instance as it was parsed says that the one with its datasetId goes."""
    return bool(instance.get("value") == NULL)


def in_order(instances: Sequence[Instance]) -> Instances:
    """The default instance first, the others by datasetId."""
    return sorted(instances, key=lambda instance: instance.get("datasetId") or "")


def without_provenance(instance: Mapping[str, Any]) -> Instance:
    return {name: member for name, member in instance.items() if name != PROVENANCE}


def in_shape(instance: Mapping[str, Any]) -> Instance:
    """The members in the order in which documents keep them: type, value, metadata, subs, provenance."""
    leading = ("type", *VALUE_MEMBERS, *META)
    ordered = {name: instance[name] for name in leading if name in instance}
    ordered |= {name: member for name, member in instance.items() if name not in ordered and name != PROVENANCE}
    if PROVENANCE in instance:
        ordered[PROVENANCE] = instance[PROVENANCE]
    return ordered
