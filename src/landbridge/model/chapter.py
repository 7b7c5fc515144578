"""What somebody tells of an entity's evolution: its temporal representation on its way in (NGSI-LD 5.2.20, 4.5.6 ff.).

Each attribute is one instance or a list of them, normalized or concise; or it is simplified, with pairs of values and
times. An NGSI-LD Null as the value of an instance says that it was deleted then. What the pool alone says of an
instance (instanceId, createdAt, modifiedAt, deletedAt) is not looked at.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from landbridge.model.attribute import kind_named, parse_instance, with_type
from landbridge.model.entity import KINDS, NULL, SYSTEM, Instance, Instances
from landbridge.model.instant import parse_instant
from landbridge.model.parser import (
    ENTITY_MEMBERS,
    MOST_ATTRIBUTES,
    NOT_ATTRIBUTES,
    head_of,
    parse_scope,
    parse_types,
    placed,
    read_name,
)
from landbridge.model.terms import Terms
from landbridge.model.value import Reading, is_null, parse_id, parse_meta, parse_moment, shown, wrong

MOST_INSTANCES = 100_000  # of one request
SIMPLIFIED: Mapping[str, tuple[str, bool]] = {  # kind -> the member that has its pairs, and whether values are wrapped
    "Property": ("values", False), "GeoProperty": ("values", False), "Relationship": ("objects", False),
    "LanguageProperty": ("languageMaps", True), "VocabProperty": ("vocabs", True), "JsonProperty": ("jsons", True),
    "ListProperty": ("valueLists", False), "ListRelationship": ("objectLists", False),
}  # fmt: skip
PAIRS = frozenset(member for member, _ in SIMPLIFIED.values())
Scopes = Sequence[tuple[int | None, Sequence[str]]]


@dataclass(frozen=True)
class Chapter:
    """A part of an entity's evolution.

    `attrs`: instances by stored name; one whose value is the NGSI-LD Null says that it was deleted at its observedAt.
    `scopes`: since when (microseconds, None: not told) it had which scopes (none: it lost them).
    """

    id: str
    types: Sequence[str] = ()
    attrs: Mapping[str, Sequence[Instance]] = field(default_factory=dict)
    scopes: Scopes = ()


def parse_temporal(body: Mapping[str, Any], terms: Terms) -> Chapter:
    """Read the evolution of an entity. Raises InvalidEntity that names the member."""
    given = head_of(body)
    id_, types = parse_id(given.get("id"), "id"), parse_types(given.get("type"), terms)
    return Chapter(id_, types, read_series(body, terms), read_scopes(given, terms))


def parse_temporal_fragment(id_: str, body: Mapping[str, Any], terms: Terms) -> Chapter:
    """Read a part of an entity's evolution: what is to be added to it (NGSI-LD 5.6.12)."""
    given = head_of(body)
    types = parse_types(given["type"], terms) if "type" in given else ()
    chapter = Chapter(id_, types, read_series(body, terms), read_scopes(given, terms))
    if not (chapter.attrs or chapter.types or chapter.scopes):
        raise wrong("The fragment has nothing to add.", "entity", "Give an attribute with one instance at least.")
    return chapter


def parse_single(body: Any, terms: Terms, name: str) -> Instance:
    """Read the one instance that is to stand in the place of another one (NGSI-LD 5.6.14).

    It stands alone, or in a list, or under the attribute's name.
    """
    own = read_name(name, terms)
    if isinstance(body, Mapping):
        inside = [key for key in body if key not in ENTITY_MEMBERS and key not in SYSTEM]
        if len(inside) == 1 and isinstance(body[inside[0]], Mapping | list) and read_name(inside[0], terms) == own:
            body = body[inside[0]]
    found = instances_of(body, terms, name)
    if len(found) != 1:
        raise wrong("Exactly one instance is expected.", name)
    if found[0].get("value") == NULL:
        raise wrong("An instance that was never there is deleted, not changed.", name, "Use DELETE.")
    return placed(own, found, name)[0]


def read_series(body: Mapping[str, Any], terms: Terms) -> dict[str, Instances]:
    """The instances of each attribute, by stored name."""
    series: dict[str, Instances] = {}
    count = 0
    for name, given in body.items():
        if name in NOT_ATTRIBUTES:
            raise wrong(f"'{name}' is a member of attributes, and no attribute.", name)
        if name in ENTITY_MEMBERS or name in SYSTEM:
            continue
        stored = read_name(name, terms)
        if stored in series:
            raise wrong("The attribute is there twice under two names.", name)
        series[stored] = placed(stored, instances_of(given, terms, name), name)
        count += len(series[stored])
        if count > MOST_INSTANCES:
            raise wrong(f"A request has at most {MOST_INSTANCES} instances.", name, "Send them in parts.")
    if len(series) > MOST_ATTRIBUTES:
        raise wrong(f"An entity has at most {MOST_ATTRIBUTES} attributes.", "entity")
    return series


def instances_of(given: Any, terms: Terms, where: str) -> Instances:
    """The instances of one attribute, in the order in which they are given."""
    listed = given if isinstance(given, list) else [given]
    if not listed:
        raise wrong("The attribute has no instances.", where)
    if len(listed) > MOST_INSTANCES:
        raise wrong(f"A request has at most {MOST_INSTANCES} instances.", where, "Send them in parts.")
    found: Instances = []
    for one in listed:
        found += simplified(one, terms, where) if is_simplified(one) else [instance_of(one, terms, where)]
    return found


def instance_of(given: Any, terms: Terms, where: str) -> Instance:
    how = Reading(terms)
    if isinstance(given, Mapping):
        typed = with_type(given, terms)
        kind = kind_named(typed.get("type"), terms)
        for own, member in KINDS.items():
            if member in typed and kind in (None, own) and is_null(own, typed[member]):
                meta = parse_meta(kind, typed, how, where)
                return {"type": own, "value": NULL} | {
                    name: meta[name] for name in ("observedAt", "datasetId") if name in meta
                }
    elif isinstance(given, str) and given == NULL:
        return {"type": "Property", "value": NULL}
    return parse_instance(given, how, where, 0)


def is_simplified(given: Any) -> bool:
    """Whether an attribute is given as pairs of values and times (NGSI-LD 4.5.9)."""
    return (
        isinstance(given, Mapping)
        and isinstance(given.get("type", given.get("@type")), str)
        and any(isinstance(given.get(member), list) for member in PAIRS)
    )


def simplified(given: Mapping[str, Any], terms: Terms, where: str) -> Instances:
    """The instances that pairs of values and times say."""
    kind = kind_named(with_type(given, terms).get("type"), terms)
    if kind is None:
        raise wrong(f"{shown(given.get('type'))} is no kind of attribute.", f"{where}.type", f"Use {', '.join(KINDS)}.")
    member, wrapped = SIMPLIFIED[kind]
    pairs = given.get(member)
    if not isinstance(pairs, list) or not pairs or set(given) - {"type", "@type", member, "datasetId"}:
        raise wrong(f"A simplified {kind} has pairs of values and times under '{member}', and no more.", where)
    beside = {"datasetId": given["datasetId"]} if "datasetId" in given else {}
    found = []
    for pair in pairs:
        if not isinstance(pair, list) or len(pair) != 2:
            raise wrong("A pair of a value and a time is expected.", f"{where}.{member}")
        value, time = pair
        if kind == "ListRelationship" and isinstance(value, list):
            value = [{"object": one} if isinstance(one, str) else one for one in value]
        one = {KINDS[kind]: value} if not wrapped or not isinstance(value, Mapping) else dict(value)
        found.append(instance_of({"type": kind, **one, **beside, "observedAt": time}, terms, where))
    return found


def read_scopes(given: Mapping[str, Any], terms: Terms) -> Scopes:
    """Since when the entity had which scopes: plain, or as instances of a Property (NGSI-LD 4.5.6)."""
    if "expiresAt" in given:
        parse_moment(given["expiresAt"], "expiresAt")
    if "scope" not in given:
        return ()
    listed = given["scope"] if isinstance(given["scope"], list) else [given["scope"]]
    if not any(isinstance(one, Mapping) for one in listed):
        return ((None, parse_scope(given["scope"])),)
    return tuple(since for one in listed for since in scopes_since(one, terms))


def scopes_since(given: Any, terms: Terms) -> list[tuple[int | None, Sequence[str]]]:
    if (
        not isinstance(given, Mapping)
        or kind_named(with_type(given, terms).get("type", "Property"), terms) != "Property"
    ):
        raise wrong("An instance of the scope is a Property.", "scope")
    pairs = given.get("values")
    told = pairs if isinstance(pairs, list) else [[given.get("value"), given.get("observedAt")]]
    found: list[tuple[int | None, Sequence[str]]] = []
    for pair in told:
        if not isinstance(pair, list) or len(pair) != 2:
            raise wrong("A pair of a value and a time is expected.", "scope.values")
        value, time = pair
        observed = None if time is None else parse_instant(parse_moment(time, "scope.observedAt"))
        found.append((observed, [] if value in (NULL, []) else parse_scope(value)))
    return found
