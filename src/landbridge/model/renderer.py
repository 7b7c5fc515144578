"""From the stored document to NGSI-LD: normalized, concise, simplified, GeoJSON. Provenance is never shown.

NGSI-LD 4.5.1 (normalized and concise), 4.5.4 (simplified), 4.5.16 and 4.5.17 (GeoJSON), 4.15 (languages).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from landbridge.model.answer import Document
from landbridge.model.entity import (
    KINDS,
    META,
    PROVENANCE,
    VALUE_MEMBERS,
    Instance,
    as_text,
    default_instance,
    is_geometry,
    provenance,
    subs_of,
)
from landbridge.model.instant import format_instant
from landbridge.model.terms import Terms

Form = Literal["normalized", "concise", "simplified"]


@dataclass(frozen=True)
class Rendering:
    """How entities are wanted.

    `attrs`: stored names to show (None: all). `system`: with createdAt and modifiedAt. `language`: the ranges of the
    `lang` parameter in order of preference, which turn language maps into one text.
    """

    terms: Terms
    form: Form = "normalized"
    attrs: Collection[str] | None = None
    system: bool = False
    language: Sequence[str] = ()
    geometry: str = "location"  # of a GeoJSON feature: a stored name
    context: bool = False  # the document says its @context


def render(document: Document, how: Rendering) -> dict[str, Any]:
    """The entity in the wanted form."""
    shown: dict[str, Any] = {"id": document["id"], "type": render_types(document, how.terms)}
    shown |= head(document, how) | attributes(document, how)
    if how.context:
        shown["@context"] = how.terms.document()
    return shown


def render_feature(document: Document, how: Rendering) -> dict[str, Any]:
    """The entity as a GeoJSON Feature (NGSI-LD 4.5.16)."""
    located = default_instance(document, how.geometry)
    geometry = located["value"] if located and located["type"] == "GeoProperty" else None
    properties = {"type": render_types(document, how.terms)} | head(document, how) | attributes(document, how)
    feature = {"id": document["id"], "type": "Feature", "properties": properties, "geometry": geometry}
    return feature | ({"@context": how.terms.document()} if how.context else {})


def render_collection(documents: Sequence[Document], how: Rendering) -> dict[str, Any]:
    """Entities as a GeoJSON FeatureCollection (NGSI-LD 4.5.17); the context stands once."""
    each = Rendering(how.terms, how.form, how.attrs, how.system, how.language, how.geometry)
    shown: dict[str, Any] = {"type": "FeatureCollection", "features": [render_feature(one, each) for one in documents]}
    return shown | ({"@context": how.terms.document()} if how.context else {})


def render_types(document: Document, terms: Terms) -> Any:
    types = [terms.compact(type_) for type_ in document["type"]]
    return types[0] if len(types) == 1 else types


def head(document: Document, how: Rendering) -> dict[str, Any]:
    """Scope and system times."""
    shown: dict[str, Any] = {}
    if "scope" in document:
        scope = document["scope"]
        shown["scope"] = scope[0] if len(scope) == 1 else scope
    if how.system:
        shown |= {name: format_instant(document[name]) for name in ("createdAt", "modifiedAt") if name in document}
        shown |= {name: document[name] for name in ("expiresAt",) if name in document}
    return shown


def attributes(document: Document, how: Rendering) -> dict[str, Any]:
    return {
        how.terms.compact(name): render_attribute(instances, how)
        for name, instances in document["attrs"].items()
        if how.attrs is None or name in how.attrs
    }


def render_attribute(instances: Sequence[Instance], how: Rendering) -> Any:
    """One attribute in the wanted form; several instances as a list, or as a `dataset` when simplified."""
    if how.form == "simplified":
        if len(instances) == 1 and "datasetId" not in instances[0]:
            return simplified(instances[0], how)
        return {"dataset": {one.get("datasetId", "@none"): simplified(one, how) for one in instances}}
    shown = [normalized(one, how) for one in instances]
    if how.form == "concise":
        shown = [concise(one) for one in shown]
    return shown[0] if len(shown) == 1 else [bare_in_list(one) for one in shown]


def normalized(instance: Instance, how: Rendering) -> dict[str, Any]:
    """An instance with all its members, names compacted."""
    kind = instance["type"]
    member = KINDS[kind]
    shown: dict[str, Any] = {"type": kind, member: shown_value(kind, instance[member], how)}
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
    """The text in the language wanted most, else any, with its tag (NGSI-LD 4.15)."""
    lower = {tag.lower(): tag for tag in texts}
    for range_ in wanted:
        range_ = range_.lower()
        tag = lower.get(range_) or next((own for low, own in lower.items() if low.startswith(range_ + "-")), None)
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


def simplified(instance: Instance, how: Rendering) -> Any:
    """The value alone; kinds that a bare value would not tell keep their member (NGSI-LD 4.5.4)."""
    kind = instance["type"]
    value = shown_value(kind, instance[KINDS[kind]], how)
    if kind == "LanguageProperty" and how.language:
        return best_text(value, how.language)[0]
    if kind == "ListRelationship":
        return {"objectList": [one["object"] for one in value]}
    return value if kind in ("Property", "GeoProperty", "Relationship") else {KINDS[kind]: value}
