"""What is wrong, and what one can do about it: disagreements between sources, and rejected rows with replay."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from urllib.parse import quote, unquote

from starlette.responses import RedirectResponse, Response

from landbridge.console.download import table, wanted
from landbridge.console.naming import known_names
from landbridge.console.page import HEADERS, Visit
from landbridge.console.sentence import teller, told
from landbridge.console.session import SAID, keep_cookie
from landbridge.errors import InvalidQuery
from landbridge.model.answer import Disagreement, RejectGroup
from landbridge.model.instant import format_instant
from landbridge.model.query import Query

MOST = 10_000  # disagreements that are looked through
PAGE = 50  # of them on a page
ROWS = 50
Rejected = tuple[str, dict[str, object]]  # the place, and the row's columns


@dataclass(frozen=True)
class Quarrel:
    """A disagreement with the names of its entity and its unit."""

    it: Disagreement
    name: str
    type: str
    label: str
    unit: str | None


def disagreements(visit: Visit) -> Response:
    """GET /disagreements: filter by entity, attribute, and whether they still stand."""
    entity, attribute = visit.asked("entity").strip() or None, visit.asked("attribute") or None
    everything = visit.reading.disagreements(visit.actor, entity=entity, limit=MOST, tenant=visit.tenant)
    found = [d for d in everything if attribute in (None, d.attribute)]
    if visit.asked("open"):
        found = [d for d in found if d.until is None]
    found.sort(key=lambda d: (d.until is not None, -d.since))
    if wanted(visit):
        columns = ("entity", "attribute", "from", "to", "source", "value", "observedAt")
        return table(visit, "disagreements", columns, (row for one in found for row in said_rows(one)))
    offset = visit.number("offset")
    return visit.page(
        "disagreements.html.j2",
        quarrels=quarrels(visit, found[offset : offset + PAGE]),
        total=len(found),
        offset=offset,
        earlier=max(0, offset - PAGE) if offset else None,
        further=offset + PAGE if offset + PAGE < len(found) else None,
        attributes=sorted({d.attribute for d in everything}),
        entity=entity or "",
        attribute=attribute or "",
        only_open=bool(visit.asked("open")),
        cut=len(everything) >= MOST,
        filtered=bool(entity or attribute or visit.asked("open")),
        screen="disagreements",
    )


def said_rows(one: Disagreement) -> Iterator[list[object]]:
    """A disagreement as rows, one for each source."""
    until = None if one.until is None else format_instant(one.until)
    for said in one.values:
        at = format_instant(said.observed_at)
        yield [one.entity, one.attribute, format_instant(one.since), until, said.source, said.value, at]


def quarrels(visit: Visit, found: Sequence[Disagreement]) -> list[Quarrel]:
    ids = list(dict.fromkeys(d.entity for d in found))
    names: dict[str, tuple[str, str]] = {}
    units: dict[tuple[str, str], str | None] = {}
    for start in range(0, len(ids), 100):
        some = tuple(ids[start : start + 100])
        names |= known_names(visit, some)
        for document in visit.reading.query(visit.actor, Query(tenant=visit.tenant, ids=some, limit=100)).documents:
            for name, instances in document["attrs"].items():
                units[document["id"], name] = instances[0].get("unitCode") if instances else None
    return [
        Quarrel(
            d,
            *names.get(d.entity, (d.entity, "")),
            visit.language.term(d.attribute),
            units.get((d.entity, d.attribute)),
        )
        for d in found
    ]


def rejects(visit: Visit) -> Response:
    """GET /rejects: groups by source and reason; the rows of one group where the address names it."""
    source, reason = visit.asked("source") or None, visit.asked("reason") or None
    offset = visit.number("offset")
    groups = sorted(visit.reading.rejects(visit.actor, source), key=lambda g: (g.source, -g.count))
    if wanted(visit):
        return rejects_table(visit, groups, source, reason)
    rows = visit.reading.reject_rows(visit.actor, source, reason, ROWS + 1, offset) if source and reason else []
    message = told(unquote(visit.request.cookies.get(SAID, "")), visit.language)
    page = visit.page(
        "rejects.html.j2",
        groups=groups,
        total=sum(g.count for g in groups),
        source=source,
        reason=reason,
        tables=tables_of([row_view(row) for row in rows[:ROWS]]),
        offset=offset,
        further=offset + ROWS if len(rows) > ROWS else None,
        raw=visit.may("raw"),
        message=message,
        group=group_of(groups, source, reason),
        said=teller(visit.language, visit.reading.sources(visit.actor)),
        screen="rejects",
    )
    if message:
        page.delete_cookie(SAID, path="/")  # said once
    return page


def rejects_table(visit: Visit, groups: Sequence[RejectGroup], source: str | None, reason: str | None) -> Response:
    """The groups, or all rows of one, as a file."""
    if not source or not reason:
        return table(visit, "rejects", ("source", "reason", "rows"), ((g.source, g.reason, g.count) for g in groups))
    return table(visit, f"rejects of {source}", ("place", "row"), every_row(visit, source, reason))


def every_row(visit: Visit, source: str, reason: str) -> Iterator[Rejected]:
    offset = 0
    while rows := visit.reading.reject_rows(visit.actor, source, reason, 500, offset):
        yield from map(row_view, rows)
        offset += len(rows)


def group_of(groups: Sequence[RejectGroup], source: str | None, reason: str | None) -> RejectGroup | None:
    return next((g for g in groups if (g.source, g.reason) == (source, reason)), None)


def row_view(row: object) -> Rejected:
    """A rejected row as (place, columns), whatever else the pool tells of it."""
    told = dict(row) if isinstance(row, dict) else {"row": row}
    place = str(told.get("place", ""))
    inner = told.get("row", told)
    return place, dict(inner) if isinstance(inner, dict) else {"row": inner}


def tables_of(rows: Sequence[Rejected]) -> list[tuple[tuple[str, ...], list[Rejected]]]:
    """Rows that follow each other with the same columns, as one table each."""
    return [(columns, list(some)) for columns, some in groupby(rows, key=lambda row: tuple(row[1]))]


def replay(visit: Visit) -> Response:
    """POST /rejects/replay: map the rejected rows of a source and reason again."""
    visit.console.doors.policy.require(visit.actor, "raw", "replay rejected rows")
    source, reason = visit.form.get("source", ""), visit.form.get("reason", "")
    if not source or not reason:
        raise InvalidQuery("The form names no source or no reason.", hint="Use the button beside a reason.")
    said = visit.console.doors.replay(source, reason)
    message = str(said) if said else visit.language.gettext("The rows have been mapped again.")
    response = RedirectResponse("/rejects", 303, HEADERS)
    keep_cookie(response, visit.request, SAID, quote(message[:1000]))
    return response
