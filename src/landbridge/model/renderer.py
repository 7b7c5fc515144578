"""From the stored document to NGSI-LD: normalized, concise, simplified, GeoJSON. Provenance is never shown.

NGSI-LD 4.5.1 (normalized and concise), 4.5.4 (simplified), 4.5.16 and 4.5.17 (GeoJSON), 4.15 (languages), 4.5.23
(linked entities), 4.21 (projection).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from landbridge.model.answer import Document, Held
from landbridge.model.entity import (
    KINDS,
    META,
    PROVENANCE,
    VALUE_MEMBERS,
    Instance,
    as_text,
    is_geometry,
    provenance,
    subs_of,
)
from landbridge.model.instant import format_instant
from landbridge.model.projection import CORE_MEMBERS, Projection
from landbridge.model.terms import Terms

Form = Literal["normalized", "concise", "simplified"]
RELATIONSHIPS = {"Relationship": "entity", "ListRelationship": "entityList"}  # and where linked entities stand inline
DEFAULT_INSTANCE = "@none"
AS_KEPT = frozenset({"type", "value", "object", "unitCode", "observedAt", "datasetId", PROVENANCE})  # shown as they are


@dataclass(frozen=True)
class Rendering:
    """How entities are wanted.

    `attrs`, `pick`, `omit`: which members to show (None: all; stored names). `datasets`: which instances (None: all).
    `system`: with createdAt and modifiedAt. `language`: the ranges of the `lang` parameter in order of preference,
    which turn language maps into one text.
    """

    terms: Terms
    form: Form = "normalized"
    attrs: Collection[str] | None = None
    system: bool = False
    language: Sequence[str] = ()
    geometry: str = "location"  # of a GeoJSON feature: a stored name
    context: bool = False  # the document says its @context
    pick: Projection | None = None
    omit: Projection | None = None
    datasets: Collection[str] | None = None

    @cached_property
    def signature(self) -> tuple[Any, ...]:
        """What tells one rendering from another, quick to compare."""
        parts = (self.attrs, self.language, self.datasets)
        lists = tuple(None if part is None else tuple(part) for part in parts)
        return self.terms, self.form, self.system, self.geometry, self.context, self.pick, self.omit, lists

    @cached_property
    def is_whole(self) -> bool:
        """Whether all of an entity is shown as it is: normalized, all members, all instances."""
        parts = (self.attrs, self.pick, self.omit, self.datasets)
        return self.form == "normalized" and all(part is None for part in parts)

    def shows(self, name: str) -> bool:
        """Whether a member is shown."""
        if self.pick is not None and name not in self.pick.names:
            return False
        if self.omit is not None and name in self.omit.whole:
            return False
        return self.attrs is None or name in self.attrs or name in CORE_MEMBERS

    def below(self, relationship: str) -> "Rendering":
        """How the entities are wanted that a relationship points at."""
        pick = self.pick.below(relationship) if self.pick else None
        omit = self.omit.below(relationship) if self.omit else None
        return replace(self, attrs=None, pick=pick, omit=omit, context=False)

    def without_context(self) -> "Rendering":
        return replace(self, context=False) if self.context else self

    def in_list(self, other: "Rendering") -> "Rendering":
        """The same in a list of entities that are wanted otherwise: it says its context where they do."""
        return self if self.context == other.context else replace(self, context=other.context)


@dataclass(frozen=True)
class Links:
    """Entities that relationships point at, to be shown where they do (NGSI-LD 4.5.23.2).

    `levels`: how many relationships to follow. `met`: ids passed on the way here, which are not shown again.
    """

    found: Mapping[str, Held]
    levels: int
    met: frozenset[str] = frozenset()

    def through(self, id_: str) -> "Links":
        return Links(self.found, self.levels - 1, self.met | {id_})

    def of(self, ids: Iterable[str]) -> list[Document]:
        """The documents of those that are there and were not met."""
        return [self.found[id_].document for id_ in ids if id_ in self.found and id_ not in self.met]


def render(document: Document, how: Rendering, links: Links | None = None) -> dict[str, Any]:
    """The entity in the wanted form; an empty object where none of it is wanted."""
    shown: dict[str, Any] = {"id": document["id"]} if how.shows("id") else {}
    shown |= members(document, how, links)
    if how.context and shown:
        shown["@context"] = how.terms.document()
    return shown


def members(document: Document, how: Rendering, links: Links | None = None) -> dict[str, Any]:
    """What an entity has besides its id."""
    shown: dict[str, Any] = {"type": render_types(document, how.terms)} if how.shows("type") else {}
    return shown | head(document, how) | attributes(document, how, links.through(document["id"]) if links else None)


def render_feature(document: Document, how: Rendering, links: Links | None = None) -> dict[str, Any]:
    """The entity as a GeoJSON Feature (NGSI-LD 4.5.16)."""
    feature: dict[str, Any] = {"id": document["id"]} if how.shows("id") else {}
    feature |= {"type": "Feature", "properties": members(document, how, links), "geometry": geometry_of(document, how)}
    return feature | ({"@context": how.terms.document()} if how.context else {})


def geometry_of(document: Document, how: Rendering) -> Any:
    """The value of the GeoProperty that is to be the feature's geometry: of the default instance, or the one chosen."""
    for instance in chosen(document["attrs"].get(how.geometry, ()), how):
        if instance["type"] == "GeoProperty" and (how.datasets is not None or "datasetId" not in instance):
            return instance["value"]
    return None


def render_types(document: Document, terms: Terms) -> Any:
    types = [terms.compact(type_) for type_ in document["type"]]
    return types[0] if len(types) == 1 else types


def head(document: Document, how: Rendering) -> dict[str, Any]:
    """Scope and system times."""
    shown: dict[str, Any] = {}
    if "scope" in document and how.shows("scope"):
        scope = document["scope"]
        shown["scope"] = scope[0] if len(scope) == 1 else scope
    if how.system:
        shown |= {name: format_instant(document[name]) for name in ("createdAt", "modifiedAt") if name in document}
        shown |= {name: document[name] for name in ("expiresAt",) if name in document}
    return shown


def attributes(document: Document, how: Rendering, links: Links | None = None) -> dict[str, Any]:
    if how.is_whole and links is None:
        compact = how.terms.compact
        return {
            compact(name): normalized(instances[0], how) if len(instances) == 1 else render_attribute(instances, how)
            for name, instances in document["attrs"].items()
        }
    shown = {}
    for name, instances in document["attrs"].items():
        if how.shows(name) and (kept := chosen(instances, how)):
            inner = links if links is not None and links.levels >= 0 else None
            shown[how.terms.compact(name)] = render_attribute(kept, how, name, inner)
    return shown


def chosen(instances: Sequence[Instance], how: Rendering) -> Sequence[Instance]:
    """The instances that are wanted (NGSI-LD 4.5.5, `datasetId`)."""
    if how.datasets is None:
        return instances
    return [one for one in instances if one.get("datasetId", DEFAULT_INSTANCE) in how.datasets]


def render_attribute(instances: Sequence[Instance], how: Rendering, name: str = "", links: Links | None = None) -> Any:
    """One attribute in the wanted form; several instances as a list, or as a `dataset` when simplified."""
    if how.form == "simplified":
        if len(instances) == 1 and "datasetId" not in instances[0]:
            return simplified(instances[0], how, name, links)
        return {
            "dataset": {one.get("datasetId", DEFAULT_INSTANCE): simplified(one, how, name, links) for one in instances}
        }
    shown = [normalized(one, how) for one in instances]
    if how.form == "concise":
        shown = [concise(one) for one in shown]
    if links is not None:
        shown = [with_linked(one, instance, how, name, links) for one, instance in zip(shown, instances, strict=True)]
    return shown[0] if len(shown) == 1 else [bare_in_list(one) for one in shown]


def with_linked(shown: Any, instance: Instance, how: Rendering, name: str, links: Links) -> Any:
    """A relationship with the entities that it points at (NGSI-LD 4.5.23.2)."""
    member = RELATIONSHIPS.get(instance["type"])
    found = links.of(objects_of(instance)) if member else []
    if not found:
        return shown
    entities = [render(one, how.below(name), links if links.levels else None) for one in found]
    return shown | {member: entities if is_many(instance) else entities[0]}


def objects_of(instance: Mapping[str, Any]) -> list[str]:
    """The ids that a relationship points at; none for another kind of attribute."""
    if instance["type"] == "ListRelationship":
        return [one["object"] for one in instance["objectList"]]
    if instance["type"] != "Relationship":
        return []
    given = instance["object"]
    return given if isinstance(given, list) else [given]


def is_many(instance: Mapping[str, Any]) -> bool:
    return instance["type"] == "ListRelationship" or isinstance(instance["object"], list)


def normalized(instance: Instance, how: Rendering) -> dict[str, Any]:
    """An instance with all its members, names compacted."""
    if not how.system and instance.keys() <= AS_KEPT:
        shown = dict(instance)
        shown.pop(PROVENANCE, None)
        return shown
    kind = instance["type"]
    member = KINDS[kind]
    shown = {"type": kind, member: shown_value(kind, instance[member], how)}
    if kind == "LanguageProperty" and how.language:
        text, tag = best_text(instance["languageMap"], how.language)
        shown = {"type": "Property", "value": text, "lang": tag}
    for name in META:
        if name in instance and (name != "expiresAt" or how.system):
            words = name in ("objectType", "valueType", "entityTypeSealed")
            shown[name] = words_out(instance[name], how.terms) if words else instance[name]
    for name, sub in subs_of(instance):
        inner = [normalized(one, how) for one in sub] if isinstance(sub, list) else normalized(sub, how)
        shown[how.terms.compact(name)] = inner
    if how.system and PROVENANCE in instance:
        origin = provenance(instance)
        shown["createdAt"], shown["modifiedAt"] = format_instant(origin.created), format_instant(origin.modified)
    return shown


def shown_value(kind: str, value: Any, how: Rendering) -> Any:
    return words_out(value, how.terms) if kind == "VocabProperty" else value


def words_out(words: Any, terms: Terms) -> Any:
    return [terms.compact(word) for word in words] if isinstance(words, list) else terms.compact(words)


def best_text(texts: Mapping[str, Any], wanted: Sequence[str]) -> tuple[Any, str]:
    """The text in the language wanted most, else any, with its tag (NGSI-LD 4.15, RFC 4647 3.4).

    A range meets its own tag, then ever shorter ones, then tags that go on where it ends.
    """
    lower = {tag.lower(): tag for tag in texts}
    for range_ in (one.lower() for one in wanted):
        if range_ == "*":
            break
        parts = range_.split("-")
        shorter = ("-".join(parts[:count]) for count in range(len(parts), 0, -1))
        tag = next((lower[one] for one in shorter if one in lower), None)
        tag = tag or next((own for low, own in lower.items() if low.startswith(range_ + "-")), None)
        if tag:
            return texts[tag], tag
    tag = next((tag for tag in ("@none", "en") if tag in texts), next(iter(texts), "@none"))
    return texts.get(tag, ""), tag


def concise(shown: dict[str, Any]) -> Any:
    """Leave out what is understood: the kind, and the member of a plain value (NGSI-LD 4.5.2.3 and following)."""
    kind = shown["type"]
    member = KINDS[kind]
    members = {name: concise_sub(name, part) for name, part in shown.items() if name != "type"}
    geometry = is_geometry(shown[member])
    if (kind == "Property" and geometry) or (kind == "GeoProperty" and not geometry):
        return {"type": kind, **members}
    if list(members) == ["value"] and not misread(shown["value"], kind):
        return shown["value"]
    return members


def concise_sub(name: str, part: Any) -> Any:
    if isinstance(part, dict) and name not in VALUE_MEMBERS and as_text(part.get("type")) in KINDS:
        return concise(part)
    if isinstance(part, list) and name not in VALUE_MEMBERS and part and isinstance(part[0], dict):
        return [bare_in_list(concise(one)) for one in part]
    return part


def bare_in_list(one: Any) -> Any:
    """A bare value among several instances stands as a member, or it would be taken for a part of a value."""
    return one if isinstance(one, dict) and any(member in one for member in VALUE_MEMBERS) else {"value": one}


def misread(value: Any, kind: str) -> bool:
    """Whether a bare value would be read as something else."""
    if isinstance(value, Mapping):
        return kind == "Property" and ("type" in value or any(member in value for member in VALUE_MEMBERS))
    return isinstance(value, list) and any(isinstance(part, Mapping) for part in value)


def simplified(instance: Instance, how: Rendering, name: str = "", links: Links | None = None) -> Any:
    """The value alone; kinds that a bare value would not tell keep their member (NGSI-LD 4.5.4)."""
    kind = instance["type"]
    if kind in RELATIONSHIPS:
        return simplified_objects(instance, how, name, links)
    value = shown_value(kind, instance[KINDS[kind]], how)
    if kind == "LanguageProperty" and how.language:
        return best_text(value, how.language)[0]
    return value if kind in ("Property", "GeoProperty", "ListProperty") else {KINDS[kind]: value}


def simplified_objects(instance: Instance, how: Rendering, name: str, links: Links | None) -> Any:
    """The ids that a relationship points at, or the entities themselves where they are joined."""
    shown: list[Any] = []
    for id_ in objects_of(instance):
        found = links.of([id_]) if links is not None else []
        shown.append(render(found[0], how.below(name), links if links and links.levels else None) if found else id_)
    return shown if is_many(instance) else shown[0]
