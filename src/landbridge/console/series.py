"""The page of series: several entities, attributes and claims over any stretch of time, as a chart and in words.

What is shown is in the address: `entity` and `attribute` (each may stand several times), `from` and `to` on the city's
clock, `known` for what was known then. Where a series has more readings than the chart has pixels, history is asked
for periods instead, with the lowest, highest and mean value of each.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from starlette.responses import Response

from landbridge.console.download import table, wanted
from landbridge.console.figure import CLIENTS, is_number, value_of
from landbridge.console.language import mark
from landbridge.console.moment import local
from landbridge.console.naming import name_of
from landbridge.console.page import Visit
from landbridge.console.plot import PIXELS, Plot, Sample, Stretch, Track, draw_plot
from landbridge.console.unit import symbol
from landbridge.errors import InvalidQuery, Missing
from landbridge.model.answer import Document
from landbridge.model.instant import format_instant
from landbridge.model.query import Has, Query
from landbridge.model.temporal import Aggregate, Evolution, Moment, Period, Span, TemporalQuery

MOST = 6  # series of one chart: as many as can be told apart
RECENT = 300  # readings that are shown where no stretch is asked for
NEIGHBOURS = 50  # entities of the same type that the page offers
DAY = 86_400_000_000
STEPS = (
    *(Period(micros=minutes * 60_000_000) for minutes in (1, 5, 15, 30, 60, 180, 360, 720)),
    Period(days=1),
    Period(days=7),
    Period(months=1),
    Period(months=12),
)
LENGTHS: tuple[tuple[str, timedelta], ...] = (
    (mark("Day"), timedelta(days=1)),
    (mark("Week"), timedelta(days=7)),
    (mark("Month"), timedelta(days=30)),
    (mark("Year"), timedelta(days=365)),
)
FORM = "%Y-%m-%dT%H:%M"


@dataclass(frozen=True)
class Asked:
    """What the address asks for. `first` and `last` are None where it names no stretch."""

    entities: tuple[str, ...]
    attributes: tuple[str, ...]
    first: int | None
    last: int | None
    known: int | None

    @property
    def span(self) -> Span | None:
        if self.first is not None and self.last is not None:
            return Span("between", self.first, self.last + 1)
        if self.first is not None:
            return Span("after", self.first - 1)
        return Span("before", self.last + 1) if self.last is not None else None


@dataclass(frozen=True)
class Said:
    """One series with what the page says of it. `period`: of which its values are means, None for readings."""

    entity: str
    name: str
    attribute: str
    source: str
    track: Track
    period: Period | None


def asked_of(visit: Visit) -> Asked:
    """Read the address. Raises InvalidQuery where a time is none, or there is too much of it."""
    parameters = visit.request.query_params
    entities = tuple(dict.fromkeys(filter(None, parameters.getlist("entity"))))
    attributes = tuple(dict.fromkeys(filter(None, parameters.getlist("attribute"))))
    if len(entities) > MOST or len(attributes) > MOST:
        raise InvalidQuery("A chart holds at most six entities and six attributes.", hint="Leave some out.")
    zone = visit.console.zone
    first, last, known = (read_local(visit.asked(name), zone, name) for name in ("from", "to", "known"))
    if first is not None and last is not None and last <= first:
        raise InvalidQuery("The stretch of time ends before it begins.", hint="Let 'to' be later than 'from'.")
    return Asked(entities, attributes, first, last, known)


def read_local(text: str, zone: ZoneInfo, name: str) -> int | None:
    """A date and time as the browser's field gives it, on the city's clock."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidQuery(f"'{text[:40]}' is no date and time.", where=name, hint="Like 2020-06-30T08:00.") from None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    try:
        return round(aware.timestamp() * 1_000_000)
    except (OverflowError, ValueError):
        raise InvalidQuery(f"'{text[:40]}' is too far away.", where=name, hint="Choose a year from 1 on.") from None


def series(visit: Visit) -> Response:
    """GET /series."""
    asked = asked_of(visit)
    if not asked.entities:
        raise Missing("The address names no entity.", hint="Open a chart from an entity's page.")
    documents = {id: visit.reading.entity(visit.actor, id, tenant=visit.tenant) for id in asked.entities}
    offered = numbers_of(documents)
    attributes = asked.attributes or tuple(offered)[:1]
    told = [one for id in asked.entities for name in attributes for one in said(visit, documents[id], name, asked)]
    told, left = told[:MOST], max(0, len(told) - MOST)
    if wanted(visit):
        columns = ("entity", "attribute", "source", "time", "until", "value", "low", "high", "count", "unit")
        return table(visit, "-".join([*asked.entities[:1], *attributes]), columns, rows(told))
    first, last = stretch(asked, told)
    shown = None if first is None or last is None else draw_plot([one.track for one in told], first, last, zone(visit))
    return visit.page(
        "series.html.j2",
        asked=asked,
        entities=[(id, name_of(visit, document)) for id, document in documents.items()],
        attributes=attributes,
        offered=offered,
        neighbours=neighbours(visit, documents),
        told=told,
        left=left,
        plot=shown,
        first=first,
        last=last,
        ways=ways(visit, shown),
        without=lambda id: without(visit, id),
        facts=facts,
        field=lambda instant: "" if instant is None else local(instant, zone(visit)).strftime(FORM),
        most=MOST,
        screen="series",
    )


def zone(visit: Visit) -> ZoneInfo:
    return visit.console.zone


def numbers_of(documents: Mapping[str, Document]) -> dict[str, str]:
    """The attributes that are numbers, with their units' signs, of all of these entities."""
    found: dict[str, str] = {}
    for document in documents.values():
        for name, instances in document["attrs"].items():
            if instances and is_number(instances[0].get("value")):
                found.setdefault(name, symbol(instances[0].get("unitCode")))
    return found


def neighbours(visit: Visit, documents: Mapping[str, Document]) -> list[tuple[str, str]]:
    """Other entities of the first one's type, to be set beside it."""
    kind = next(iter(documents.values()))["type"][0]
    page = visit.reading.query(visit.actor, Query(tenant=visit.tenant, types=Has(kind), limit=NEIGHBOURS))
    return [(other["id"], name_of(visit, other)) for other in page.documents if other["id"] not in documents]


# -- from history


def said(visit: Visit, document: Document, attribute: str, asked: Asked) -> Iterator[Said]:
    """The series of one attribute of one entity, one for each source: readings, or periods where those are too many."""
    question = TemporalQuery(
        Query(tenant=visit.tenant, ids=(document["id"],)), asked.span, (attribute,), as_of=asked.known, most=PIXELS + 1,
        last=None if asked.span else RECENT,
    )  # fmt: skip
    evolution = found(visit, document["id"], question)
    moments = evolution.attrs.get(attribute, ()) or untimed(visit, document["id"], attribute, question)
    by_voice: dict[tuple[str | None, str], list[Moment]] = {}
    for one in moments:
        by_voice.setdefault((one.dataset, one.owner), []).append(one)
    crowded = evolution.cut is not None or len(moments) > PIXELS
    for (dataset, owner), some in by_voice.items():
        unit = next((symbol(m.instance.get("unitCode")) for m in reversed(some) if m.instance), "")
        label = label_of(visit, document, attribute, owner, asked)
        period = None
        if crowded and asked.span is not None:
            track, period = summed(visit, document["id"], attribute, dataset, asked, (label, unit), some)
        else:
            track = Track(label, unit, samples=tuple(samples(some)))
        if track.numbers:
            yield Said(document["id"], name_of(visit, document), attribute, source_text(visit, owner), track, period)


def untimed(visit: Visit, id: str, attribute: str, question: TemporalQuery) -> list[Moment]:
    """The readings of a source that tells no times: they stand where they were recorded."""
    if question.span is None:
        return []
    recorded = replace(question, span=replace(question.span, property="modifiedAt"))
    return [one for one in found(visit, id, recorded).attrs.get(attribute, ()) if one.observed is None]


def found(visit: Visit, id: str, question: TemporalQuery) -> Evolution:
    """An entity's history; an empty one where it has none in this stretch."""
    try:
        return visit.reading.evolution(visit.actor, id, question)
    except Missing:
        return Evolution(id, ())


def samples(moments: Sequence[Moment]) -> Iterator[Sample]:
    for one in moments:
        value = value_of(one.instance) if one.instance else None
        if value is None or is_number(value):
            yield Sample(one.time, None if value is None else float(value))


def summed(
    visit: Visit, id: str, attribute: str, dataset: str | None, asked: Asked, named: tuple[str, str],
    some: Sequence[Moment],
) -> tuple[Track, Period]:  # fmt: skip
    """A series as periods: the shortest round ones of which no more than pixels fit into the stretch."""
    first = asked.first if asked.first is not None else some[0].time
    last = asked.last if asked.last is not None else round(visit.console.doors.clock() * 1e6)
    period = period_for(last - first)
    question = TemporalQuery(
        Query(tenant=visit.tenant, ids=(id,)), Span("between", first, last + 1), (attribute,), (dataset or "",),
        as_of=asked.known, aggregate=Aggregate(("min", "max", "avg", "totalCount"), period, str(visit.console.zone)),
    )  # fmt: skip
    buckets = found(visit, id, question).buckets.get(attribute, {})
    lows, highs, means, counts = (buckets.get(method, []) for method in ("min", "max", "avg", "totalCount"))
    stretches = tuple(
        Stretch(low.start, low.end, float(low.value), float(high.value), float(mean.value), int(count.value or 0))
        for low, high, mean, count in zip(lows, highs, means, counts, strict=False)
        if is_number(low.value) and is_number(high.value) and is_number(mean.value)
    )
    return Track(*named, stretches=stretches), period


def period_for(span: int) -> Period:
    """The shortest round period of which at most PIXELS / 2 fit into so many microseconds."""
    return next((step for step in STEPS if length(step) * PIXELS / 2 >= span), STEPS[-1])


def length(period: Period) -> int:
    """About how long it is, in microseconds."""
    return period.micros + (period.days + period.months * 30) * DAY


def label_of(visit: Visit, document: Document, attribute: str, owner: str, asked: Asked) -> str:
    """What tells a series from the others of the chart."""
    parts = [visit.language.term(attribute)]
    if len(asked.entities) > 1:
        parts.insert(0, name_of(visit, document))
    return " · ".join([*parts, source_text(visit, owner)])


def source_text(visit: Visit, owner: str) -> str:
    return visit.language.gettext("a client") if owner == CLIENTS else owner


# -- for the page


def stretch(asked: Asked, told: Sequence[Said]) -> tuple[int | None, int | None]:
    """From when to when the chart goes: as asked, else as far as there are readings."""
    times = [at for one in told for at, _ in one.track.numbers]
    first = asked.first if asked.first is not None else min(times, default=None)
    last = asked.last if asked.last is not None else max(times, default=None)
    return first, last


def ways(visit: Visit, plot: Plot | None) -> list[tuple[str, str, str]]:
    """Where to go from here: sign, words and changes of the address, as pairs of `from` and `to`."""
    if plot is None:
        return []
    clock, width = visit.console.zone, max(plot.last - plot.first, 60_000_000)

    def at(instant: int) -> str:
        return local(instant, clock).strftime(FORM)

    middle = (plot.first + plot.last) // 2
    found = [
        (mark("Earlier"), at(plot.first - width), at(plot.first)),
        (mark("Later"), at(plot.last), at(plot.last + width)),
        (mark("Closer"), at(middle - width // 6), at(middle + width // 6)),
        (mark("Wider"), at(middle - 3 * width // 2), at(middle + 3 * width // 2)),
    ]
    ends = round(plot.last / 60_000_000 + 0.5) * 60_000_000
    found += [(word, at(ends - span // timedelta(microseconds=1)), at(ends)) for word, span in LENGTHS]
    return found


def rows(told: Sequence[Said]) -> Iterator[tuple[Any, ...]]:
    """The chart's numbers as lines of a table."""
    for one in told:
        head, unit = (one.entity, one.attribute, one.source), one.track.unit or None
        for sample in one.track.samples:
            yield (*head, format_instant(sample.time), None, sample.value, None, None, None, unit)
        for part in one.track.stretches:
            span = (format_instant(part.start), format_instant(part.end))
            yield (*head, *span, part.mean, part.low, part.high, part.count, unit)


def told_period(period: Period | None) -> str:
    """A period as ISO 8601 writes it; empty for readings."""
    if period is None:
        return ""
    if period.months or period.days:
        return "P" + (f"{period.months}M" if period.months else f"{period.days}D")
    minutes = period.micros // 60_000_000
    return f"PT{minutes // 60}H" if minutes % 60 == 0 else f"PT{minutes}M"


def without(visit: Visit, id: str) -> str:
    """This page's address without one of its entities."""
    kept = [pair for pair in visit.request.query_params.multi_items() if pair != ("entity", id)]
    return f"{visit.request.url.path}?{urlencode(kept)}"


def facts(one: Said) -> dict[str, Any]:
    """A series in words and numbers, for the table below its chart."""
    extremes, numbers = one.track.extremes, one.track.numbers
    low, high = extremes if extremes else ((0, 0.0), (0, 0.0))
    return {
        "count": one.track.count, "mean": one.track.mean, "low": low[1], "low_at": low[0], "high": high[1],
        "high_at": high[0], "first": numbers[0], "last": numbers[-1], "period": told_period(one.period),
    }  # fmt: skip
