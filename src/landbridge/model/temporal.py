"""Questions to history and its answers: which entities, which stretch of time, as known when, raw or aggregated.

Two times stand on every instance. It is observed at `observed` (none where its origin tells no time) and recorded at
`recorded`, when its commit was made; `time` is the first of them, and orders a series. Times are microseconds since
1970. NGSI-LD 4.5.6 to 4.5.8 (representations), 4.5.19 (aggregation), 4.11 (temporal query language), 5.7.3, 5.7.4.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from landbridge.model.instant import parse_instant
from landbridge.model.query import Query

Relation = Literal["before", "after", "between"]
TimeProperty = Literal["observedAt", "createdAt", "modifiedAt", "deletedAt"]
Method = Literal[
    "totalCount", "distinctCount", "sum", "avg", "min", "max", "stddev", "sumsq"
]  # NGSI-LD 4.5.19.1, table 4.5.19.1-1
ENTITY = "@entity"  # the attribute under which the journal says what happened to an entity itself


@dataclass(frozen=True)
class Span:
    """A stretch of time: before or after `at`, or from `at` until just before `until`, of one of the times."""

    relation: Relation
    at: int
    until: int | None = None
    property: TimeProperty = "observedAt"


@dataclass(frozen=True)
class Period:
    """A length of calendar time: months and days have the length that the zone's calendar gives them."""

    months: int = 0
    days: int = 0
    micros: int = 0

    @property
    def whole(self) -> bool:
        """Whether it is of no length, which means the whole stretch (NGSI-LD 4.5.19.1: PT0S)."""
        return not (self.months or self.days or self.micros)


@dataclass(frozen=True)
class Aggregate:
    """What to make of each series: these methods over periods that begin at the span's start. `zone` is IANA's name.

    `together`: of all entities together, as one evolution without an id.
    """

    methods: tuple[Method, ...]
    period: Period = field(default_factory=Period)
    zone: str = "UTC"
    together: bool = False


@dataclass(frozen=True)
class TemporalQuery:
    """A question to history. `query` selects entities; its conditions hold where an instance within `span` meets them.

    `attributes`: only these (empty: all). `datasets`: only instances with these datasetIds ("" is the one without).
    `last`: of each series only so many, the newest. `as_of`: as the pool was known at that recorded time. `most`: how
    many instances of each series one answer holds; what is more is for the next page, which begins at `since` or, where
    the newest come first, ends before `before`. `instance`: only the one of this commit and ordinal, or what has taken
    its place since (see `Moment.name`).
    """

    query: Query
    span: Span | None = None
    attributes: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    last: int | None = None
    as_of: int | None = None
    aggregate: Aggregate | None = None
    most: int = 1_000
    since: int | None = None
    before: int | None = None
    instance: tuple[int, int] | None = None


class Moment(NamedTuple):
    """One instance of a series as history has it.

    `instance`: the normalized member without provenance and without datasetId's neighbours; None: deleted then, and
    `kind` is what it had been, where that is known. `number` and `ordinal` are those of its line in the journal.
    `time`: observed, else recorded. A line that takes the place of another one by a client's wish has that one's
    instanceId and createdAt among the members of its instance, so both stay what they were (NGSI-LD 5.6.14).
    """

    time: int
    observed: int | None
    recorded: int
    number: int
    ordinal: int
    owner: str
    dataset: str | None
    instance: Mapping[str, Any] | None
    kind: str = "Property"

    @property
    def name(self) -> str:
        """Its instanceId: that of the line which it took the place of first, else its own."""
        given = (self.instance or {}).get("instanceId")
        return given if isinstance(given, str) else instance_id(self.number, self.ordinal)

    @property
    def created(self) -> int:
        """When it came in first; `recorded` is when it was changed last."""
        given = (self.instance or {}).get("createdAt")
        return parse_instant(given) if isinstance(given, str) else self.recorded


class Bucket(NamedTuple):
    """One aggregated value, with the period that it stands for. `value` None: nothing to make it of."""

    value: Any
    start: int
    end: int


@dataclass
class Evolution:
    """How an entity came to be what it is, within what was asked.

    `attrs`: its instances by stored name, in the order of time and then of commits (the newest last). `buckets`: in
    place of them, by stored name and method, where aggregates were asked for. `deleted`: when it went. `cut`: from the
    first to the last time that this page holds, where a page could not hold all of it. `scopes`: how its scopes came
    about, as instances of a Property whose value is a list; None: it had none since then (NGSI-LD 4.5.6). `kinds`: of
    each attribute that `buckets` has, what it is.
    """

    id: str
    types: tuple[str, ...]
    scope: tuple[str, ...] = ()
    created: int | None = None
    modified: int | None = None
    deleted: int | None = None
    attrs: dict[str, list[Moment]] = field(default_factory=dict)
    buckets: dict[str, dict[str, list[Bucket]]] = field(default_factory=dict)
    cut: tuple[int, int] | None = None
    scopes: list[Moment] = field(default_factory=list)
    kinds: dict[str, str] = field(default_factory=dict)


@dataclass
class Evolutions:
    """One page of a temporal query: its entities, in the order of their ids or as asked; `next` as `Page` has it."""

    found: Sequence[Evolution]
    next: str | None = None
    previous: str | None = None
    count: int | None = None


def time_in(moment: Moment, asked: TemporalQuery) -> int:
    """The time of an instance that a question goes by: its span's, else when it was observed (or recorded)."""
    match asked.span.property if asked.span else "observedAt":
        case "createdAt":
            return moment.created
        case "modifiedAt" | "deletedAt":
            return moment.recorded
        case _:
            return moment.time


def instance_id(number: int, ordinal: int) -> str:
    """The name of an instance (NGSI-LD 4.5.7, instanceId): the commit that recorded it, and its place in that."""
    return f"urn:ngsi-ld:Instance:{number}-{ordinal}"


def read_instance_id(text: str) -> tuple[int, int] | None:
    """Commit and ordinal of an instance's name; None for a name that is none of ours."""
    number, dash, ordinal = text.removeprefix("urn:ngsi-ld:Instance:").partition("-")
    if not (dash and number.isdecimal() and ordinal.isdecimal() and len(number) < 19 and len(ordinal) < 10):
        return None
    return (int(number), int(ordinal)) if instance_id(int(number), int(ordinal)) == text else None
