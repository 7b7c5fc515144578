"""Claims: what each source says of one attribute, which of them the rule chooses, and where they disagree.

Pure and deterministic: the same claims give the same choice and the same disagreements in whatever order they came.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Any

from landbridge.errors import InvalidSettings

RULES = ("priority", "newest", "highest", "lowest", "median")
DATASET = "urn:ngsi-ld:Dataset:"
FOREVER = 1 << 62
WITHDRAWN = object()  # said in place of a value: the source no longer claims anything


def dataset_of(source: str) -> str:
    """The datasetId under which a source's own claim is kept."""
    return DATASET + source


@dataclass(frozen=True)
class ClaimRule:
    """How the default instance is chosen, and what difference is no disagreement.

    `order` ranks the sources, for `priority` and to break ties. `tolerance` is in the value's unit,
    `tolerance_time` in microseconds: what another source says within that time counts as agreeing.
    """

    rule: str = "priority"
    order: tuple[str, ...] = ()
    tolerance: float = 0.0
    tolerance_time: int = 0

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise InvalidSettings(f"'{self.rule}' is no claims rule.", hint=f"Use one of {', '.join(RULES)}.")

    def rank(self, source: str) -> int:
        return self.order.index(source) if source in self.order else len(self.order)


@dataclass(frozen=True)
class Claims:
    """Which sources feed which attribute, as the city's folder says (never as the data says).

    `feeds`: (tenant, type, attribute) -> the sources that map it, sorted. `holds`: source -> microseconds.
    """

    feeds: Mapping[tuple[str, str, str], tuple[str, ...]] = field(default_factory=dict)
    rules: Mapping[tuple[str, str], ClaimRule] = field(default_factory=dict)
    holds: Mapping[str, int | None] = field(default_factory=dict)

    def rivals(self, tenant: str, types: Iterable[str], attribute: str) -> tuple[str, ...]:
        """The sources whose claims stand side by side; empty where one source at most feeds the attribute."""
        for type_ in types:
            sources = self.feeds.get((tenant, type_, attribute), ())
            if len(sources) > 1:
                return sources
        return ()

    def rule(self, types: Iterable[str], attribute: str) -> ClaimRule:
        for type_ in types:
            found = self.rules.get((type_, attribute)) or self.rules.get((type_, "*"))
            if found:
                return found
        return ClaimRule("newest")

    def unruled(self) -> list[tuple[str, str, tuple[str, ...]]]:
        """Attributes that several sources map and no rule covers: (type, attribute, sources)."""
        return [
            (type_, attribute, sources)
            for (_, type_, attribute), sources in sorted(self.feeds.items())
            if len(sources) > 1 and (type_, attribute) not in self.rules and (type_, "*") not in self.rules
        ]

    def to_json(self) -> dict[str, Any]:
        return {
            "feeds": [[*key, list(sources)] for key, sources in sorted(self.feeds.items())],
            "rules": [
                [*key, rule.rule, list(rule.order), rule.tolerance, rule.tolerance_time]
                for key, rule in sorted(self.rules.items())
            ],
            "holds": dict(self.holds),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Claims":
        return cls(
            {(tenant, type_, name): tuple(sources) for tenant, type_, name, sources in data["feeds"]},
            {
                (type_, name): ClaimRule(rule, tuple(order), tolerance, time)
                for type_, name, rule, order, tolerance, time in data["rules"]
            },
            data["holds"],
        )


@dataclass(frozen=True, slots=True)
class Claim:
    """What a source said: a value, from when, until when it holds (exclusive; FOREVER: open)."""

    source: str
    value: Any
    since: int
    until: int = FOREVER


def choose(claims: Sequence[Claim], rule: ClaimRule, now: int) -> Claim:
    """Choose among the claims that hold now; if none does, among those that held last."""
    holding = [claim for claim in claims if claim.until > now]
    if not holding:
        last = max(claim.until for claim in claims)
        holding = [claim for claim in claims if claim.until == last]
    if len(holding) == 1:
        return holding[0]
    return min(holding, key=preference(holding, rule))


def preference(claims: Sequence[Claim], rule: ClaimRule) -> Any:
    """The sort key under which the chosen claim comes first; ties go by the rule's order, then by name."""

    def tie(claim: Claim) -> tuple[int, int, str]:
        return (rule.rank(claim.source), -claim.since, claim.source)

    numeric = all(isinstance(claim.value, int | float) for claim in claims)
    if rule.rule == "priority" or (rule.rule != "newest" and not numeric):
        return tie
    if rule.rule == "newest":
        return lambda claim: (-claim.since, *tie(claim))
    if rule.rule == "highest":
        return lambda claim: (-claim.value, *tie(claim))
    if rule.rule == "lowest":
        return lambda claim: (claim.value, *tie(claim))
    middle = median(claim.value for claim in claims)
    return lambda claim: (abs(claim.value - middle), *tie(claim))


@dataclass(frozen=True, slots=True)
class Interval:
    """A disagreement's interval in observed time, with what each source that holds said (at `since`)."""

    since: int
    until: int
    claims: tuple[Claim, ...]


def lay_out(said: Iterable[tuple[str, Any, int]], holds: Mapping[str, int | None]) -> dict[str, list[Claim]]:
    """Order (source, value, since) by time and give each its end: the same source's next, or its declared hold.

    Of two at one time the later in `said` stands. WITHDRAWN ends what the source claimed before.
    """
    by_source: dict[str, dict[int, Any]] = {}
    for source, value, since in said:
        by_source.setdefault(source, {})[since] = value
    laid: dict[str, list[Claim]] = {}
    for source, values in by_source.items():
        hold = holds.get(source)
        moments = sorted(values)
        ends = [*moments[1:], FOREVER]
        laid[source] = [
            Claim(source, values[since], since, end if hold is None else min(end, since + hold))
            for since, end in zip(moments, ends, strict=True)
            if values[since] is not WITHDRAWN
        ]
    return {source: made for source, made in laid.items() if made}


def disagreements(
    said: Iterable[tuple[str, Any, int]], holds: Mapping[str, int | None], rule: ClaimRule
) -> list[Interval]:
    """All intervals in which claims that hold differ by more than the rule tolerates.

    Computed from everything ever said, so it is the same in whatever order it was said. Neighbouring intervals
    with the same values are one.
    """
    laid = lay_out(said, holds)
    if len(laid) < 2:
        return []
    edges = {edge for claims in laid.values() for claim in claims for edge in (claim.since, claim.until)}
    if rule.tolerance_time:
        edges |= {edge + way for edge in edges if edge < FOREVER for way in (-rule.tolerance_time, rule.tolerance_time)}
    cursors = dict.fromkeys(laid, 0)
    found: list[Interval] = []
    for since, until in pairwise(sorted(edges)):
        holding = [claim for source in sorted(laid) if (claim := held_at(laid[source], cursors, source, since))]
        if len(holding) < 2 or not differ(holding, laid, rule, since):
            continue
        last = found[-1] if found else None
        same = last and last.until == since and values_of(last.claims) == values_of(holding)
        found[-1:] = (
            [Interval(last.since, until, last.claims)]
            if last and same
            else [*found[-1:], Interval(since, until, tuple(holding))]
        )
    return found


def values_of(claims: Iterable[Claim]) -> list[tuple[str, Any]]:
    return [(claim.source, claim.value) for claim in claims]


def held_at(claims: list[Claim], cursors: dict[str, int], source: str, moment: int) -> Claim | None:
    """The claim that holds at `moment`; moments must not go back, so a cursor per source suffices."""
    place = cursors[source]
    while place + 1 < len(claims) and claims[place + 1].since <= moment:
        place += 1
    cursors[source] = place
    claim = claims[place]
    return claim if claim.since <= moment < claim.until else None


def differ(holding: list[Claim], laid: Mapping[str, list[Claim]], rule: ClaimRule, moment: int) -> bool:
    """Whether two of the claims differ, beyond the tolerance in value and in time."""
    for place, one in enumerate(holding):
        for other in holding[place + 1 :]:
            if close(one.value, other.value, rule.tolerance):
                continue
            if not rule.tolerance_time:
                return True
            if not (
                said_about(laid[other.source], one.value, rule, moment)
                and said_about(laid[one.source], other.value, rule, moment)
            ):
                return True
    return False


def close(one: Any, other: Any, tolerance: float) -> bool:
    if isinstance(one, int | float) and isinstance(other, int | float):
        return abs(one - other) <= tolerance
    return bool(one == other)


def said_about(claims: list[Claim], value: Any, rule: ClaimRule, moment: int) -> bool:
    """Whether the source held a value close to this one within the tolerated time around `moment`."""
    early, late = moment - rule.tolerance_time, moment + rule.tolerance_time
    for place in range(bisect_right(claims, late, key=lambda claim: claim.since) - 1, -1, -1):
        if claims[place].until <= early:  # ends never go back, so neither does any before
            return False
        if close(claims[place].value, value, rule.tolerance):
            return True
    return False
