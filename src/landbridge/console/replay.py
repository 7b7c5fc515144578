"""A day of one measure, hour by hour, for the map's time slider: what each place had said last at the end of each hour.

A reading stands until the place's next, but no longer than half as long again as its readings are usually apart; after
that the place has no value. Where sources differ, what was observed last counts.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import orjson
from starlette.responses import Response

from landbridge.console.chart import usual_step
from landbridge.console.figure import is_number, value_of
from landbridge.console.moment import local
from landbridge.console.page import Visit, packed
from landbridge.errors import InvalidQuery
from landbridge.model.query import Has, Query
from landbridge.model.temporal import Evolution, Moment, Span, TemporalQuery

HOUR = 3_600_000_000
MOST = 2_000  # places of one answer
PAGE = 500
READINGS = 1_000  # of one place in two days
PATIENCE = 1.5  # how long a reading stands, counted in the usual step


def replay(visit: Visit) -> Response:
    """GET /console/replay.json: `type`, `value` (the attribute) and `day` on the city's calendar."""
    type_, value = visit.asked("type"), visit.asked("value")
    if not type_ or not value:
        raise InvalidQuery("Type and value are not both given.", hint="Add ?type=AirQualityObserved&value=pm25&day=...")
    ends = hours_of(day_of(visit.asked("day")), visit.console.zone)
    span = Span("between", ends[0] - 24 * HOUR, ends[-1] + 1)
    query = Query(tenant=visit.tenant, types=Has(type_), limit=PAGE)
    question = TemporalQuery(query, span, (value,), most=READINGS)
    values = {one.id: values_at(one.attrs.get(value, ()), ends) for one in evolutions(visit, question)}
    told = {
        "labels": [local(at, visit.console.zone).strftime("%Y-%m-%d %H:%M") for at in ends],
        "values": {id: some for id, some in values.items() if any(one is not None for one in some)},
    }
    return packed(visit.request, orjson.dumps(told).decode(), media_type="application/json")


def day_of(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidQuery(f"'{text[:20]}' is no day.", where="day", hint="Write it like 2020-06-30.") from None


def hours_of(day: date, zone: ZoneInfo) -> list[int]:
    """The instants of a day's hours on the city's clock, from midnight to midnight: 24, or 23 or 25 of them apart."""
    start, end = (datetime.combine(one, time(), zone).timestamp() for one in (day, day + timedelta(days=1)))
    return [round(at * 1_000_000) for at in range(int(start), int(end) + 1, 3600)]


def evolutions(visit: Visit, question: TemporalQuery) -> Iterator[Evolution]:
    """What history has of the places, page by page, up to MOST of them."""
    left = MOST
    while left > 0:
        page = visit.reading.evolutions(visit.actor, question)
        yield from page.found[:left]
        left -= len(page.found)
        if page.next is None:
            return
        question = replace(question, query=replace(question.query, after=page.next))


def values_at(moments: Sequence[Moment], ends: Sequence[int]) -> list[float | None]:
    """The number that stands at each of these instants."""
    told = [(one.time, value_of(one.instance) if one.instance else None) for one in moments]
    told = [(at, value) for at, value in told if value is None or is_number(value)]
    times = [at for at, _ in told]
    patience = PATIENCE * max(usual_step(times), HOUR) if len(times) > 1 else 24 * HOUR
    found: list[float | None] = []
    for end in ends:
        place = bisect_right(times, end) - 1
        stands = place >= 0 and end - times[place] <= patience
        found.append(told[place][1] if stands else None)
    return found
