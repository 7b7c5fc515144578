"""Evolutions as other brokers tell them, and several tellings of one evolution put together (NGSI-LD 4.5.5, 5.7.3.4).

Of two instances with one datasetId and one observedAt the one modified later stands. What an exclusive source offers
comes from nobody else; of an auxiliary one only instances count whose time nobody else has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from landbridge.errors import Invalid
from landbridge.model.chapter import instance_of, is_simplified, read_scopes, simplified
from landbridge.model.entity import NULL, SYSTEM, Instance
from landbridge.model.instant import format_instant, parse_instant
from landbridge.model.parser import ENTITY_MEMBERS, NOT_ATTRIBUTES, head_of, parse_types, read_name
from landbridge.model.temporal import Evolution, Moment, TemporalQuery, read_instance_id, time_in
from landbridge.model.terms import Contexts, Terms
from landbridge.model.value import is_uri, parse_id

MOST_INSTANCES = 200_000  # of one attribute of an answer


@dataclass(frozen=True)
class Strand:
    """What one source tells of an entity's evolution."""

    evolution: Evolution
    mode: str
    source: str


# -- reading


def read_evolution(
    given: Any, source: str, own: Terms, contexts: Contexts, asked: TemporalQuery, *, partial: bool = False
) -> Evolution:
    """One entity of an answer. `own`: the terms that the source was asked with; `partial`: it has more instances.

    Raises Invalid for what makes no sense.
    """
    if not isinstance(given, Mapping):
        raise Invalid("It is no JSON object.")
    body = dict(given)
    inside = body.pop("@context", None)
    terms = own if inside is None or inside in (own.document(), list(own.contexts)) else contexts.terms(inside)
    head = head_of(body)
    found = Evolution(parse_id(head.get("id"), "id"), tuple(parse_types(head.get("type"), terms)))
    found.created, found.modified = moment_of(body.get("createdAt")), moment_of(body.get("modifiedAt"))
    found.deleted = moment_of(body.get("deletedAt"))
    for place, (observed, scopes) in enumerate(read_scopes(head, terms)):
        told = {"type": "Property", "value": list(scopes)} if scopes else None
        found.scopes.append(Moment(observed or 0, observed, 0, 0, place, source, None, told))
    for name, value in body.items():
        if name in ENTITY_MEMBERS or name in SYSTEM or name in NOT_ATTRIBUTES:
            continue
        found.attrs[read_name(name, terms)] = read_moments(value, source, terms, name)
    if partial:
        found.cut = stretch(found, asked)
    return found


def read_moments(given: Any, source: str, terms: Terms, where: str) -> list[Moment]:
    """The instances of one attribute, oldest first."""
    found: list[Moment] = []
    for one in given if isinstance(given, list) else [given]:
        if is_simplified(one):
            found += [moment(told, {}, source, len(found)) for told in simplified(one, terms, where)]
        else:
            beside = one if isinstance(one, Mapping) else {}
            found.append(moment(instance_of(one, terms, where), beside, source, len(found)))
        if len(found) > MOST_INSTANCES:
            raise Invalid(f"It has more than {MOST_INSTANCES} instances of one attribute.", where=where)
    return sorted(found, key=lambda one: one.time)


def moment(told: Instance, beside: Mapping[str, Any], source: str, place: int) -> Moment:
    """An instance as history has it; `beside` has what its source says of its times and its name."""
    observed = moment_of(told.get("observedAt"))
    created = moment_of(beside.get("createdAt"))
    recorded = moment_of(beside.get("modifiedAt")) or moment_of(beside.get("deletedAt")) or created or 0
    dataset = told.get("datasetId")
    instance, name = None, beside.get("instanceId")
    number, ordinal = (read_instance_id(name) if isinstance(name, str) else None) or (0, place)
    if told.get("value") != NULL:
        instance = {name: member for name, member in told.items() if name != "datasetId"}
        instance |= {"instanceId": name} if isinstance(name, str) and is_uri(name) else {}
        instance |= {"createdAt": format_instant(created)} if created is not None else {}
    time = recorded if observed is None else observed
    return Moment(time, observed, recorded, number, ordinal, source, dataset, instance, str(told["type"]))


def moment_of(value: Any) -> int | None:
    try:
        return parse_instant(value) if isinstance(value, str) else None
    except Invalid:
        return None


# -- putting together


def joined(own: Evolution | None, strands: Sequence[Strand], asked: TemporalQuery) -> Evolution | None:
    """The evolution that the pool and the sources tell together; None where nobody tells anything."""
    if not strands:
        return own
    alone = {name for one in strands if one.mode == "exclusive" for name in one.evolution.attrs}
    tellings = [] if own is None else [without(own, alone)]
    tellings += [without(one.evolution, alone) for one in strands if one.mode not in ("exclusive", "auxiliary")]
    tellings += [one.evolution for one in strands if one.mode == "exclusive"]
    whole = Evolution(strands[0].evolution.id, ()) if not tellings else tellings[0]
    for one in tellings[1:]:
        whole = both(whole, one, asked)
    for strand in strands:
        if strand.mode == "auxiliary":
            whole = both(whole, only_new(strand.evolution, whole, asked), asked)
    return bounded(whole, asked)


def without(evolution: Evolution, names: set[str]) -> Evolution:
    """An evolution without attributes that others own."""
    return replace(evolution, attrs={name: one for name, one in evolution.attrs.items() if name not in names})


def only_new(evolution: Evolution, whole: Evolution, asked: TemporalQuery) -> Evolution:
    """Of an auxiliary source's instances those whose time nobody else has (NGSI-LD 5.7.3.4)."""
    attrs = {}
    for name, moments in evolution.attrs.items():
        there = {time_in(one, asked) for one in whole.attrs.get(name, ())}
        attrs[name] = [one for one in moments if time_in(one, asked) not in there]
    return replace(evolution, attrs=attrs)


def both(one: Evolution, other: Evolution, asked: TemporalQuery) -> Evolution:
    """Two tellings of one evolution as one."""
    attrs = dict(one.attrs)
    for name, moments in other.attrs.items():
        attrs[name] = woven(attrs[name], moments) if name in attrs else list(moments)
    firsts = [time for time in (one.created, other.created) if time is not None]
    lasts = [time for time in (one.modified, other.modified) if time is not None]
    return Evolution(
        one.id,
        tuple(dict.fromkeys([*one.types, *other.types])),
        tuple(dict.fromkeys([*one.scope, *other.scope])),
        min(firsts, default=None),
        max(lasts, default=None),
        one.deleted if one.deleted is not None and other.deleted is not None else None,
        attrs,
        {},
        shared(one.cut, other.cut, backwards=asked.last is not None),
        sorted([*one.scopes, *other.scopes], key=lambda moment: moment.time),
        {**other.kinds, **one.kinds},
    )


def woven(some: Sequence[Moment], others: Sequence[Moment]) -> list[Moment]:
    """The instances of both, oldest first; of two of one dataset and one time of observation the one modified later."""
    found: dict[tuple[str | None, int], Moment] = {}
    untimed: list[Moment] = []
    for moment in (*some, *others):
        if moment.observed is None:
            untimed.append(moment)
            continue
        key = (moment.dataset, moment.observed)
        if key not in found or (moment.owner != found[key].owner and moment.recorded > found[key].recorded):
            found[key] = moment
        elif moment.owner == found[key].owner:  # one place may tell several of one time
            untimed.append(moment)
    return sorted([*found.values(), *untimed], key=lambda moment: (moment.time, moment.number, moment.ordinal))


def shared(one: tuple[int, int] | None, other: tuple[int, int] | None, *, backwards: bool) -> tuple[int, int] | None:
    """The stretch that both pages hold."""
    if one is None or other is None:
        return one or other
    first, last = min(one[0], other[0]), max(one[1], other[1])
    return (max(one[0], other[0]), last) if backwards else (first, min(one[1], other[1]))


def bounded(whole: Evolution, asked: TemporalQuery) -> Evolution:
    """No more instances of each attribute than are asked for, the newest, and no others than all pages hold."""
    if asked.last is not None:
        last = asked.last
        whole.attrs = {name: moments[-last:] for name, moments in whole.attrs.items()}
    if whole.cut is None:
        whole.attrs = {name: moments for name, moments in whole.attrs.items() if moments}
        return whole
    first, end = whole.cut
    for name, moments in whole.attrs.items():
        times = [time_in(one, asked) for one in moments]
        fits = [time >= first if asked.last is not None else time <= end for time in times]
        whole.attrs[name] = [one for one, fit in zip(moments, fits, strict=True) if fit]
    whole.cut = stretch(whole, asked) or whole.cut
    return whole


def stretch(evolution: Evolution, asked: TemporalQuery) -> tuple[int, int] | None:
    """From the first time that an evolution tells of to the last."""
    times = [time_in(one, asked) for moments in evolution.attrs.values() for one in moments]
    return (min(times), max(times)) if times else None
