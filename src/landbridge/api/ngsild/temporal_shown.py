"""The evolution of an entity in the form that is wanted (NGSI-LD 4.5.6 to 4.5.9, 4.5.19).

Normalized and concise: of each attribute the list of its instances. Simplified: of each datasetId its pairs of values
and times. Aggregated: of each method its values with the period that each stands for.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from landbridge.api.ngsild.temporal_question import TemporalWanted
from landbridge.model.chapter import SIMPLIFIED
from landbridge.model.entity import KINDS, NULL
from landbridge.model.instant import format_instant, parse_instant
from landbridge.model.renderer import (
    DEFAULT_INSTANCE,
    Rendering,
    best_text,
    concise,
    normalized,
    objects_of,
    shown_value,
)
from landbridge.model.temporal import Bucket, Evolution, Moment, TimeProperty
from landbridge.model.terms import Terms

Moments = Sequence[Moment]


def show(evolution: Evolution, wanted: TemporalWanted) -> dict[str, Any]:
    """The evolution; an empty object where none of it is wanted."""
    how = wanted.entity.rendering
    found: dict[str, Any] = {"id": evolution.id} if how.shows("id") else {}
    if how.shows("type"):
        found["type"] = names(evolution.types, how.terms)
    if how.shows("scope") and (scope := scopes_of(evolution, wanted)):
        found["scope"] = scope
    if how.system:
        found |= times(evolution)
    found |= buckets(evolution, how) if wanted.form == "aggregatedValues" else series(evolution, wanted)
    if how.context and found:
        found["@context"] = how.terms.document()
    return found


def names(types: Sequence[str], terms: Terms) -> Any:
    shown = [terms.compact(one) for one in types]
    return shown[0] if len(shown) == 1 else shown


def times(evolution: Evolution) -> dict[str, str]:
    """The entity's own system times, where they are known."""
    told = {"createdAt": evolution.created, "modifiedAt": evolution.modified, "deletedAt": evolution.deleted}
    return {name: format_instant(time) for name, time in told.items() if time is not None}


def series(evolution: Evolution, wanted: TemporalWanted) -> dict[str, Any]:
    """Each attribute that is shown and has instances, be it on another page."""
    how = wanted.entity.rendering
    found = {}
    for name, moments in evolution.attrs.items():
        kept = [moment for moment in moments if is_wanted(moment, how)]
        if how.shows(name) and (kept or not moments):
            simple = wanted.form == "temporalValues"
            kind = evolution.kinds.get(name, "Property")
            shown = pairs(kept, how, wanted.property, kind) if simple else [instance(one, how) for one in kept]
            found[how.terms.compact(name)] = shown
    return found


def is_wanted(moment: Moment, how: Rendering) -> bool:
    """Whether an instance has one of the datasetIds that are asked for (NGSI-LD 4.5.5)."""
    return how.datasets is None or (moment.dataset or DEFAULT_INSTANCE) in how.datasets


# -- normalized and concise


def instance(moment: Moment, how: Rendering) -> Any:
    """One instance with its instanceId; of a deletion, what says that it is one (NGSI-LD 4.5.7)."""
    shown = deletion(moment) if moment.instance is None else normalized(dict(moment.instance), how)
    if moment.dataset is not None:
        shown["datasetId"] = moment.dataset
    if moment.number or "instanceId" in (moment.instance or {}):  # other brokers may tell none, nor any times
        shown["instanceId"] = moment.name
    if how.system and moment.recorded:
        shown |= {"createdAt": format_instant(moment.created), "modifiedAt": format_instant(moment.recorded)}
    return concise(shown) if how.form == "concise" and moment.instance is not None else shown


def deletion(moment: Moment) -> dict[str, Any]:
    kind = moment.kind if moment.kind in KINDS else "Property"
    shown: dict[str, Any] = {"type": kind, KINDS[kind]: null_of(kind)}
    if moment.observed is not None:
        shown["observedAt"] = format_instant(moment.observed)
    return shown | {"deletedAt": format_instant(moment.recorded)}


def null_of(kind: str) -> Any:
    """The NGSI-LD Null as a value of this kind (NGSI-LD 4.5.0)."""
    return {DEFAULT_INSTANCE: NULL} if kind == "LanguageProperty" else NULL


# -- simplified


def pairs(moments: Moments, how: Rendering, property_: TimeProperty, otherwise: str) -> Any:
    """An attribute as pairs of values and times; several kinds or datasetIds as a list of such.

    `otherwise`: its kind where it has no instances here.
    """
    if not moments:
        return {"type": otherwise, SIMPLIFIED[otherwise][0]: []}
    groups: dict[tuple[str | None, str], list[list[Any]]] = {}
    for moment in moments:
        kind = kind_of(moment, how)
        groups.setdefault((moment.dataset, kind), []).append([simple(moment, kind, how), time_of(moment, property_)])
    shown = []
    for (dataset, kind), found in groups.items():
        named = {"datasetId": dataset} if dataset is not None else {}
        shown.append({"type": kind, **named, SIMPLIFIED[kind][0]: found})
    return shown[0] if len(shown) == 1 else shown


def kind_of(moment: Moment, how: Rendering) -> str:
    """The kind that an instance is shown as; one of texts by language is a Property once one language is chosen."""
    kind = moment.kind if moment.instance is None else str(moment.instance["type"])
    return "Property" if kind == "LanguageProperty" and how.language else kind if kind in KINDS else "Property"


def simple(moment: Moment, kind: str, how: Rendering) -> Any:
    """A value alone, under its member where a bare one would not tell its kind."""
    if moment.instance is None:
        value: Any = null_of(kind)
    elif kind == "ListRelationship":
        value = objects_of(moment.instance)
    else:
        own = str(moment.instance["type"])
        value = shown_value(own, moment.instance[KINDS[own]], how)
        if own == "LanguageProperty" and how.language:
            return best_text(value, how.language)[0]
    return {KINDS[kind]: value} if SIMPLIFIED[kind][1] else value


def time_of(moment: Moment, property_: TimeProperty) -> str:
    """The time of an instance that is asked about; where it was observed at no time, that of its modification."""
    match property_:
        case "createdAt":
            return format_instant(moment.created)
        case "modifiedAt" | "deletedAt":
            return format_instant(moment.recorded)
    if moment.instance is not None and "observedAt" in moment.instance:
        return str(moment.instance["observedAt"])
    return format_instant(moment.recorded if moment.observed is None else moment.observed)


# -- aggregated


def buckets(evolution: Evolution, how: Rendering) -> dict[str, Any]:
    """Of each attribute and method the values, each with the start and the end of its period (NGSI-LD 4.5.19.0)."""
    found = {}
    for name, methods in evolution.buckets.items():
        if how.shows(name):
            kind = evolution.kinds.get(name, "Property")
            shown = {"type": "Relationship" if kind in ("Relationship", "ListRelationship") else "Property"}
            found[how.terms.compact(name)] = shown | {method: spans(values) for method, values in methods.items()}
    return found


def spans(values: Sequence[Bucket]) -> list[list[Any]]:
    return [[one.value, format_instant(one.start), format_instant(one.end)] for one in values]


# -- the scope


def scopes_of(evolution: Evolution, wanted: TemporalWanted) -> Any:
    """How the scope came about, as a Property (NGSI-LD 4.5.6)."""
    how = wanted.entity.rendering
    if not evolution.scopes:
        if not evolution.scope or wanted.property == "deletedAt":
            return None
        return [{"type": "Property", "value": plain(evolution.scope)}] if wanted.form != "temporalValues" else None
    if wanted.form == "temporalValues":
        told = [[plain(scopes_in(one)), time_of(one, wanted.property)] for one in evolution.scopes]
        return {"type": "Property", "values": told}
    return [scope(one, system=how.system) for one in evolution.scopes]


def scope(moment: Moment, *, system: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {"type": "Property", "value": plain(scopes_in(moment))}
    if moment.instance is None:
        shown["deletedAt"] = format_instant(moment.recorded)
    elif moment.observed is not None:
        shown["observedAt"] = format_instant(moment.observed)
    if system:
        shown |= {"createdAt": format_instant(moment.created), "modifiedAt": format_instant(moment.recorded)}
    return shown


def scopes_in(moment: Moment) -> Sequence[str]:
    value = (moment.instance or {}).get("value", [])
    return value if isinstance(value, list) else [value]


def plain(scopes: Sequence[str]) -> Any:
    return scopes[0] if len(scopes) == 1 else list(scopes)


# -- what has expired


def without_expired(evolution: Evolution, now: int) -> None:
    """Leave out instances whose time is over, and deletions that only tell that it is (NGSI-LD 4.8, 4.22)."""
    for name, moments in list(evolution.attrs.items()):
        if not any(one.instance is not None and "expiresAt" in one.instance for one in moments):
            continue
        gone: dict[str | None, bool] = {}
        kept = []
        for moment in moments:
            if moment.instance is not None:
                gone[moment.dataset] = is_over(moment.instance, now)
            if not gone.get(moment.dataset, False):
                kept.append(moment)
        if kept:
            evolution.attrs[name] = kept
        else:
            del evolution.attrs[name]


def is_over(instance: Mapping[str, Any], now: int) -> bool:
    moment = instance.get("expiresAt")
    return isinstance(moment, str) and parse_instant(moment) <= now
