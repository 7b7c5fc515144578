"""From an entity's lines to its evolution: what stands, lies within the stretch of time, is asked for, and has room.

Clauses: NGSI-LD 4.11 (stretches of time), 5.7.3.4 and 5.7.4.4 (which instances count for conditions and scopes), 4.18
(a scope holds until another is set), 4.5.6 to 4.5.8 (what an evolution shows), 6.3.10 (pages of instances).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from landbridge.errors import TooMuch
from landbridge.history.aggregate import buckets_of, kind_in
from landbridge.history.candidate import Subject
from landbridge.history.line import Line, ranking, standing
from landbridge.history.trial import Trial
from landbridge.model.entity import HISTORY
from landbridge.model.query import Query, attributes_of
from landbridge.model.temporal import (
    ENTITY,
    Evolution,
    Moment,
    Span,
    TemporalQuery,
    TimeProperty,
    instance_id,
)

MOST_AT_ONCE = 10_000  # instances of one series with one time, which no page can part
Series = dict[tuple[str, str | None], list[Line]]


def property_of(asked: TemporalQuery) -> TimeProperty:
    return asked.span.property if asked.span is not None else "observedAt"


def within(line: Line, span: Span | None) -> bool:
    """Whether a line's time lies in a stretch: `after` and the start of `between` inclusive, all ends exclusive."""
    if span is None:
        return True
    time = line.when(span.property)
    return time is not None and in_span(time, span)


def in_span(time: int, span: Span) -> bool:
    match span.relation:
        case "before":
            return time < span.at
        case "after":
            return time >= span.at
    return span.at <= time and (span.until is None or time < span.until)


def needed(asked: TemporalQuery) -> tuple[str, ...]:
    """The attributes of which lines are needed to answer; none named: all."""
    query = asked.query
    if not asked.attributes:
        return ()
    more = set(query.attrs) | attributes_of(query.where)
    if query.geo is not None:
        more.add(query.geo.geoproperty)
    return tuple(sorted(more.union(asked.attributes)))


# -- what is said of the entity itself


@dataclass(frozen=True)
class Told:
    """What was said of the entity: since when it had which scopes."""

    line: Line
    time: int
    scope: tuple[str, ...]

    def moment(self) -> Moment:
        instance = {"type": "Property", "value": list(self.scope)} if self.scope else None
        return self.line._replace(said=instance, observed=self.time).moment()


def scopes_told(lines: Iterable[Line]) -> list[Told]:
    """Each change of the entity's scopes, the oldest first."""
    said = []
    for line in lines:
        if line.attribute == ENTITY and line.operation in ("create", "describe"):
            found = orjson.loads(line.said) if isinstance(line.said, str) else dict(line.said or {})
            scope = as_texts(found.get("scope"))
            if scope or line.owner != HISTORY or line.observed is not None:  # else it tells types alone
                said.append(Told(line, line.time, scope))
    said.sort(key=lambda one: (one.time, one.line.place))
    changes: list[Told] = []
    for one in said:
        if one.scope != (changes[-1].scope if changes else ()):
            changes.append(one)
    return changes


def as_texts(found: Any) -> tuple[str, ...]:
    return (found,) if isinstance(found, str) else tuple(found or ())


def scopes_within(changes: Sequence[Told], span: Span | None) -> list[Moment]:
    """The changes of a stretch of time, and the scopes that held when it began."""
    if span is None:
        return [one.moment() for one in changes]
    if span.property == "deletedAt":
        return [one.moment() for one in changes if not one.scope and in_span(one.line.recorded, span)]
    times = [one.time if span.property == "observedAt" else one.line.recorded for one in changes]
    held = [one for one, time in zip(changes, times, strict=True) if span.relation != "before" and time < span.at]
    kept = [one for one, time in zip(changes, times, strict=True) if in_span(time, span)]
    before = [held[-1]] if held and held[-1].scope and not (kept and times[changes.index(kept[0])] == span.at) else []
    return [one.moment() for one in (*before, *kept)]


def stretches(changes: Sequence[Told], subject: Subject, trial: Trial) -> list[tuple[int, int]] | None:
    """When a scope held that is asked for; None: always (NGSI-LD 5.7.4.4, 4.18)."""
    if not changes:
        return None if trial.in_scope(subject.scope) else []
    found = []
    for place, one in enumerate(changes):
        until = changes[place + 1].time if place + 1 < len(changes) else 1 << 62
        if one.scope and trial.in_scope(one.scope):
            found.append((one.time, until))
    return found


def types_told(lines: Iterable[Line], subject: Subject) -> tuple[str, ...]:
    """The types that the entity had as known then."""
    said = [line for line in lines if line.attribute == ENTITY and line.operation in ("create", "describe")]
    for line in sorted(said, key=lambda one: one.place, reverse=True):
        found = orjson.loads(line.said) if isinstance(line.said, str) else dict(line.said or {})
        if found.get("type"):
            return as_texts(found["type"])
    return subject.types


# -- the evolution


def tell(subject: Subject, lines: Sequence[Line], asked: TemporalQuery, trial: Trial | None) -> Evolution | None:
    """An entity's evolution of all its lines that may matter; None where it is not what is asked for.

    `trial` None: it is known that the entity meets the query's conditions.
    """
    counts = standing(lines, asked.as_of)
    changes = scopes_told(counts)
    there = [line for line in counts if line.attribute != ENTITY and within(line, asked.span)]
    query = asked.query
    if query.scope is not None and trial is not None:
        held = stretches(changes, subject, trial)
        if held is not None:
            there = [line for line in there if any(since <= line.time < until for since, until in held)]
    if trial is not None and not meets(subject, there, query, trial):
        return None
    evolution = begun(subject, counts, asked)
    evolution.scopes = scopes_within(changes, asked.span)
    chosen = [line for line in there if is_chosen(line, asked)]
    if asked.aggregate is not None:
        fill_buckets(evolution, chosen, asked)
    else:
        fill(evolution, chosen, asked, lines)
    return evolution


def meets(subject: Subject, there: Sequence[Line], query: Query, trial: Trial) -> bool:
    """Whether instances of the stretch of time meet what the query asks for."""
    if query.attrs and not any(line.attribute in query.attrs for line in there):
        return False
    return trial.passes(subject.id, there, subject.created, subject.modified)


def begun(subject: Subject, counts: Sequence[Line], asked: TemporalQuery) -> Evolution:
    """The evolution without its instances."""
    ended, modified, types, scope = subject.ended, subject.modified, subject.types, subject.scope
    if asked.as_of is not None:
        types = types_told(counts, subject)
        ended = None if ended is None or ended > asked.as_of else ended
        known = [line.recorded for line in counts]
        modified = max(known) if known else None
        changes = scopes_told(counts)
        scope = changes[-1].scope if changes else scope
    return Evolution(subject.id, types, scope, subject.created, modified, ended)


def is_chosen(line: Line, asked: TemporalQuery) -> bool:
    if asked.attributes and line.attribute not in asked.attributes:
        return False
    if asked.datasets and (line.dataset or "") not in asked.datasets:
        return False
    if asked.instance is not None:
        return line.place == asked.instance or line.name == instance_id(*asked.instance)
    return True


def fill(evolution: Evolution, chosen: Sequence[Line], asked: TemporalQuery, lines: Sequence[Line]) -> None:
    """Give an evolution the instances that one page holds."""
    property_ = property_of(asked)
    series = series_of(chosen, asked, property_)
    evolution.cut = cut(series, asked, property_)
    by_name: dict[str, list[Line]] = {}
    for (attribute, _), found in sorted(series.items(), key=lambda item: (item[0][0], item[0][1] or "")):
        if found or evolution.cut is not None:  # what another page has of it is known to be there
            by_name.setdefault(attribute, []).extend(found)
    for attribute, found in by_name.items():
        found.sort(key=ranking(found, property_))
        kind = "Property"
        if not found or any(line.said is None for line in found):
            kind = kind_in(line for line in lines if line.attribute == attribute)
        if not found:
            evolution.kinds[attribute] = kind
        evolution.attrs[attribute] = [line.moment(kind) for line in found]


def series_of(chosen: Sequence[Line], asked: TemporalQuery, property_: TimeProperty) -> Series:
    """The instances by attribute and datasetId; of each attribute no more than so many, the newest (5.7.3.4, lastN)."""
    by_name: dict[str, list[Line]] = {}
    for line in chosen:
        by_name.setdefault(line.attribute, []).append(line)
    series: Series = {}
    for found in by_name.values():
        rank = ranking(found, property_)
        found.sort(key=rank)
        for line in found if asked.last is None else found[-asked.last :]:
            if on_page(rank(line)[0], asked):
                series.setdefault((line.attribute, line.dataset), []).append(line)
    return series


def on_page(time: int, asked: TemporalQuery) -> bool:
    return (asked.since is None or time >= asked.since) and (asked.before is None or time < asked.before)


def cut(series: Series, asked: TemporalQuery, property_: TimeProperty) -> tuple[int, int] | None:
    """Let all series end where the first one is full; from when to when that is, None where all has room.

    Instances of one time are never parted, because the next page begins after it.
    """
    full = [found for found in series.values() if len(found) > asked.most]
    if not full:
        return None
    backwards = asked.last is not None
    if backwards:
        bound = max(found[-max(asked.most, 1)].rank(property_)[0] for found in full)
    else:
        bound = min(found[max(asked.most, 1) - 1].rank(property_)[0] for found in full)
    times = []
    shortened = False
    for key, found in series.items():
        kept = [
            line for line in found
            if (line.rank(property_)[0] >= bound if backwards else line.rank(property_)[0] <= bound)
        ]  # fmt: skip
        shortened |= len(kept) < len(found)
        if len(kept) > asked.most + MOST_AT_ONCE:
            raise TooMuch(
                f"More than {MOST_AT_ONCE} instances of '{key[0]}' have one time.",
                hint="Ask for their aggregates, or for one datasetId.",
            )
        series[key] = kept
        times += [line.rank(property_)[0] for line in (*kept[:1], *kept[-1:])]
    return (min(times), max(times)) if shortened else None


def fill_buckets(evolution: Evolution, chosen: Sequence[Line], asked: TemporalQuery) -> None:
    """Give an evolution the aggregates of its series."""
    property_ = property_of(asked)
    by_name: dict[str, list[Line]] = {}
    for line in chosen:
        if line.said is not None:
            by_name.setdefault(line.attribute, []).append(line)
    for attribute in sorted(by_name):
        evolution.kinds[attribute] = kind_in(by_name[attribute])
    evolution.buckets = buckets_of(by_name, asked, property_)
