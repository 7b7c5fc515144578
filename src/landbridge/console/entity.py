"""An entity's page: what we know of it, how sure, since when, and where each value comes from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from landbridge.console.chart import Chart, as_said, draw
from landbridge.console.download import table, wanted
from landbridge.console.figure import (
    Figure,
    figure,
    is_number,
    observed,
    short_id,
    subs,
)
from landbridge.console.language import mark
from landbridge.console.naming import area_of, documents_by_id, known_names, name_of
from landbridge.console.outline import Drawing, areas, drawn, location_of, middle, rings_of
from landbridge.console.page import Visit, packed
from landbridge.errors import Missing
from landbridge.model.answer import Disagreement, Document, Point, Trace
from landbridge.model.instant import format_instant

STANDINGS: dict[str, tuple[str, str]] = {  # standing -> sign, word
    "value": ("", mark("value")),
    "chosen": ("✓", mark("chosen by the rule")),
    "claim": ("○", mark("claim")),
    "pin": ("⚑", mark("pinned by hand")),
    "instance": ("•", mark("separate reading")),
}
CARD = 6  # attributes on a map's card
TABLED = 60  # points in the table beside a chart
POINTS = 300
LINKS = 200
QUARRELS = 1_000  # disagreements of an entity that are counted


@dataclass(frozen=True)
class Claim:
    """One instance of an attribute, with its trace where there is one."""

    shown: Figure
    standing: str
    observed: int | None
    owner: str
    trace: Trace | None
    subs: Sequence[tuple[str, Figure]]
    holds: bool  # the attribute's value for whoever asks


@dataclass(frozen=True)
class Attribute:
    """One attribute with all its instances; the one that counts comes first."""

    name: str
    label: str
    kind: str
    claims: tuple[Claim, ...]
    numeric: bool
    differs: bool  # sources that hold now say different things, by more than is tolerated

    @property
    def first(self) -> Claim:
        return self.claims[0]

    @property
    def told(self) -> tuple[Claim, ...]:
        """The claims without the repetition of the one that the rule chose."""
        return self.claims[1:] if self.first.standing == "chosen" and len(self.claims) > 1 else self.claims

    @property
    def agreed(self) -> bool:
        """Whether all of several claims say the same."""
        return len(self.told) > 1 and len({claim.shown.text for claim in self.told}) == 1


def entity(visit: Visit) -> Response:
    """GET /entity/{id}."""
    id = visit.request.path_params["id"]
    document = visit.reading.entity(visit.actor, id, tenant=visit.tenant)
    traces = visit.reading.explain(visit.actor, id, tenant=visit.tenant)
    disagreements = disagreements_of(visit, id)
    shown = attributes(visit, document, traces, standing_now(disagreements))
    charted = chosen_series(visit, shown)
    chart, points = series(visit, id, charted)
    if wanted(visit):
        columns = ("time", "value", "source", "recorded", "withdrawn")
        return table(visit, f"{id} {charted or ''}", columns, map(point_row, points))
    names = known_names(visit, [link for a in shown for c in a.claims for link in c.shown.links])
    return visit.page(
        "entity.html.j2",
        document=document,
        name=name_of(visit, document),
        attributes=shown,
        charted=next((a for a in shown if a.name == charted), None),
        chartable=[a for a in shown if a.numeric],
        chart=chart,
        points=points[::-1][:TABLED],
        drawing=small_map(visit, document),
        out=links_out(shown, names),
        names=names,
        into=links_in(visit, id),
        disagreements=disagreements,
        standings=STANDINGS,
        raw=visit.may("raw"),
        version=visit.reading.version(),
        screen="entity",
    )


def disagreements_of(visit: Visit, id: str) -> Sequence[Disagreement]:
    return visit.reading.disagreements(visit.actor, entity=id, limit=QUARRELS, tenant=visit.tenant)


def standing_now(disagreements: Sequence[Disagreement]) -> frozenset[str]:
    """The attributes on which sources differ now."""
    return frozenset(one.attribute for one in disagreements if one.until is None)


def attributes(visit: Visit, document: Document, traces: Sequence[Trace], disputed: frozenset[str]) -> list[Attribute]:
    """The entity's attributes for people: numbers first, then texts, places and links."""
    by_key: dict[tuple[str, str | None], Trace] = {(t.attribute, t.dataset_id): t for t in traces}
    found = [
        attribute(visit, name, instances, by_key, name in disputed)
        for name, instances in document["attrs"].items()
        if instances
    ]
    return sorted(found, key=lambda a: (not a.numeric, a.kind == "Relationship", a.kind == "GeoProperty"))


def attribute(
    visit: Visit,
    name: str,
    instances: Sequence[Mapping[str, Any]],
    traces: Mapping[tuple[str, str | None], Trace],
    disputed: bool,
) -> Attribute:
    claims = [
        claim(visit, instance, traces.get((name, instance.get("datasetId"))), len(instances) > 1)
        for instance in instances
    ]
    claims.sort(key=lambda c: not c.holds)
    first = claims[0].shown
    return Attribute(name, visit.language.term(name), first.kind, tuple(claims), first.number is not None, disputed)


def claim(visit: Visit, instance: Mapping[str, Any], trace: Trace | None, several: bool) -> Claim:
    plain = "instance" if instance.get("datasetId") else ("chosen" if several else "value")
    origin = instance.get("@") or [""]
    return Claim(
        shown=figure(instance, visit.language),
        standing=trace.standing if trace else plain,
        observed=observed(instance),
        owner=trace.owner if trace else str(origin[0]),
        trace=trace,
        subs=subs(instance, visit.language),
        holds="datasetId" not in instance,
    )


def chosen_series(visit: Visit, shown: Sequence[Attribute]) -> str | None:
    """Which attribute's values are drawn: the one asked for, else the first number with a time."""
    asked = visit.asked("series")
    if any(a.name == asked for a in shown):
        return asked
    numeric = [a for a in shown if a.numeric]
    timed = [a for a in numeric if a.first.observed is not None]
    return next((a.name for a in timed or numeric), None)


def series(visit: Visit, id: str, attribute: str | None) -> tuple[Chart | None, list[Point]]:
    if attribute is None:
        return None, []
    points = visit.reading.series(visit.actor, id, attribute, limit=POINTS, tenant=visit.tenant)
    numbers = [point for point in as_said(points) if is_number(point.value) or point.deleted]
    return draw(numbers, visit.console.zone), numbers


def point_row(point: Point) -> tuple[object, ...]:
    recorded = format_instant(point.recorded)
    return format_instant(point.time), point.value, point.owner, recorded, point.deleted or None


def small_map(visit: Visit, document: Document) -> Drawing | None:
    """Where the entity lies on the city's outlines, or where the area lies that it speaks of."""
    own, area = location_of(document), area_of(document)
    if own is None and area is not None:
        around = documents_by_id(visit, [area]).get(area)
        own = location_of(around) if around else None
    if own is None or (at := middle(own)) is None:
        return None
    ground = areas(visit.reading, visit.actor, visit.tenant)
    over = [] if any(one["id"] == document["id"] for one in ground) else list(rings_of(own))
    if not ground and not over:
        return None  # a dot on nothing says nothing
    spots = [] if over else [(at, document["id"], document["type"][0], "")]
    return drawn(ground, spots, width=320.0, over=over)


@dataclass(frozen=True)
class Linked:
    """An entity at the other end of a link."""

    id: str
    name: str
    type: str
    attribute: str
    known: bool


def links_out(shown: Sequence[Attribute], names: Mapping[str, tuple[str, str]]) -> list[Linked]:
    """What the entity points at, with names where the pool knows them."""
    pairs = [(a, id) for a in shown for id in dict.fromkeys(i for c in a.claims for i in c.shown.links)]
    return [Linked(id, *names.get(id, (id, "")), a.label, id in names) for a, id in pairs]


def links_in(visit: Visit, id: str) -> list[tuple[str, str, list[Linked]]]:
    """What points at the entity, by type and attribute."""
    links = visit.reading.links(visit.actor, id, limit=LINKS, tenant=visit.tenant)
    names = known_names(visit, [link.entity for link in links])
    term = visit.language.term
    found: dict[tuple[str, str], list[Linked]] = {}
    for link in links:
        name = names.get(link.entity, (short_id(link.entity),))[0]
        linked = Linked(link.entity, name, term(link.type), term(link.attribute), True)
        found.setdefault((linked.type, linked.attribute), []).append(linked)
    return [(*key, some) for key, some in found.items()]


def card_view(visit: Visit, id: str) -> Mapping[str, Any] | None:
    """What a map's card says of an entity; None where it is unknown."""
    try:
        document = visit.reading.entity(visit.actor, id, tenant=visit.tenant)
        traces = visit.reading.explain(visit.actor, id, tenant=visit.tenant)
    except Missing:
        return None
    every = attributes(visit, document, traces, standing_now(disagreements_of(visit, id)))
    shown = [a for a in every if a.kind not in ("GeoProperty",) and a.name != "name"]
    return {
        "id": id,
        "name": name_of(visit, document),
        "type": visit.language.term(document["type"][0]),
        "attributes": shown[:CARD],
        "more": max(0, len(shown) - CARD),
        "links": known_names(visit, [i for a in shown[:CARD] for i in a.first.shown.links]),
    }


def card(visit: Visit) -> Response:
    """GET /console/card?id=: a piece of page for the map's side."""
    shown = card_view(visit, visit.asked("id"))
    if shown is None:
        raise Missing("There is no such entity.", where=visit.asked("id"))
    return packed(visit.request, visit.fragment("card.html.j2", card=shown))
