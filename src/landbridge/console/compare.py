"""Two instants beside each other: what an entity's attributes were then and then, or one attribute of all of a type.

`entity`, or `type` with `attribute`; `one` and `other` are instants on the city's clock. Of each series the reading
that was observed last until the instant counts, with its own time beside it, so that an old one looks old.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from starlette.responses import Response

from landbridge.console.download import table, wanted
from landbridge.console.figure import Figure, figure, is_number, short_id, value_of
from landbridge.console.mapdata import measures_of
from landbridge.console.moment import local
from landbridge.console.naming import documents_by_id, names_of
from landbridge.console.page import Visit
from landbridge.console.series import FORM, read_local, source_text
from landbridge.errors import InvalidQuery, Missing
from landbridge.model.instant import format_instant
from landbridge.model.query import Has, Query
from landbridge.model.temporal import Evolution, Moment, Span, TemporalQuery

MOST = 1_000  # rows of a page
PAGE = 250
DAY = 86_400_000_000
Key = tuple[str, str, str | None, str]  # entity, attribute, datasetId, owner


@dataclass(frozen=True)
class Then:
    """What a series had said last until an instant; `shown` None where it had said nothing, or had been withdrawn."""

    time: int
    shown: Figure | None
    value: Any


@dataclass(frozen=True)
class Row:
    """One series at both instants."""

    entity: str
    attribute: str
    source: str
    one: Then | None
    other: Then | None

    @property
    def unit(self) -> str:
        return next((then.shown.unit for then in (self.other, self.one) if then and then.shown), "")

    @property
    def difference(self) -> float | None:
        """How much more the second instant has, where both have a number."""
        if self.one is None or self.other is None or not (is_number(self.one.value) and is_number(self.other.value)):
            return None
        return float(self.other.value) - float(self.one.value)

    @property
    def same(self) -> bool:
        values = [None if then is None or then.shown is None else then.value for then in (self.one, self.other)]
        return bool(values[0] == values[1])


def compare(visit: Visit) -> Response:
    """GET /compare."""
    clock = visit.console.zone
    now = round(visit.console.doors.clock() * 1e6)
    one, other = (read_local(visit.asked(name), clock, name) for name in ("one", "other"))
    other = now if other is None else other
    one = other - DAY if one is None else one
    entity, type_, attribute = visit.asked("entity"), visit.asked("type"), visit.asked("attribute")
    if entity:
        query, attributes = Query(tenant=visit.tenant, ids=(entity,)), (attribute,) if attribute else ()
    elif type_ and attribute:
        query, attributes = Query(tenant=visit.tenant, types=Has(type_), limit=PAGE), (attribute,)
    else:
        raise InvalidQuery("Neither an entity nor a type is given.", hint="Open this page from an entity or a type.")
    before, after = (at_instant(visit, query, attributes, instant) for instant in (one, other))
    found = rows(visit, before, after)
    if entity and not found:
        raise Missing("History has nothing of this entity until then.", where=entity)
    if wanted(visit):
        columns = ("entity", "attribute", "source", "one", "one_time", "other", "other_time", "difference", "unit")
        return table(visit, f"{entity or type_} {attribute}", columns, map(told, found))
    return visit.page(
        "compare.html.j2",
        entity=entity,
        type=type_,
        attribute=attribute,
        measures=measures(visit, type_) if type_ else (),
        names=names_of(visit, list(documents_by_id(visit, dict.fromkeys(row.entity for row in found)).values())),
        rows=found[:MOST],
        left=max(0, len(found) - MOST),
        one=one,
        other=other,
        field=lambda instant: local(instant, clock).strftime(FORM),
        short=short_id,
        screen="compare",
    )


def measures(visit: Visit, type_: str) -> Sequence[Any]:
    """The numbers of a type, to choose another one."""
    found = [one for one in visit.reading.types(visit.actor, tenant=visit.tenant) if one.type == type_]
    return measures_of(visit, found[0]) if found else ()


def at_instant(visit: Visit, query: Query, attributes: tuple[str, ...], instant: int) -> dict[Key, Moment]:
    """The last reading of each series until an instant."""
    question = TemporalQuery(query, Span("before", instant + 1), attributes, last=1)
    found: dict[Key, Moment] = {}
    for evolution in pages(visit, question):
        for name, moments in evolution.attrs.items():
            for one in moments:
                key = (evolution.id, name, one.dataset, one.owner)
                if key not in found or one.time >= found[key].time:
                    found[key] = one
    return found


def pages(visit: Visit, question: TemporalQuery) -> Iterator[Evolution]:
    left = MOST
    while left > 0:
        page = visit.reading.evolutions(visit.actor, question)
        yield from page.found
        left -= len(page.found)
        if page.next is None:
            return
        question = replace(question, query=replace(question.query, after=page.next))


def rows(visit: Visit, before: Mapping[Key, Moment], after: Mapping[Key, Moment]) -> list[Row]:
    """Each series that had said something until one of the instants; what changed comes first."""
    found = [
        Row(key[0], key[1], source_text(visit, key[3]), then(visit, before.get(key)), then(visit, after.get(key)))
        for key in dict.fromkeys([*before, *after])
    ]
    return sorted(found, key=lambda row: (row.same, row.attribute, row.entity, row.source))


def then(visit: Visit, moment: Moment | None) -> Then | None:
    if moment is None:
        return None
    if moment.instance is None:
        return Then(moment.time, None, None)
    return Then(moment.time, figure(moment.instance, visit.language), value_of(moment.instance))


def told(row: Row) -> tuple[Any, ...]:
    cells: list[Any] = [row.entity, row.attribute, row.source]
    for side in (row.one, row.other):
        cells += [side.value if side else None, format_instant(side.time) if side else None]
    return (*cells, row.difference, row.unit or None)
