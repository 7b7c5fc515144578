"""A small chart of recent values, drawn on the server as SVG: axes with units, gaps as gaps.

One line per source; what sources are told apart by is the dash and the label, not colour alone. The table beside it
says the same in words.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from zoneinfo import ZoneInfo

from landbridge.console.figure import is_number
from landbridge.console.moment import local
from landbridge.model.answer import Point

WIDTH, HEIGHT = 480.0, 220.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 14.0, 14.0, 30.0
GAP = 3.5  # a step this many times the usual one is a gap
LINES = 6  # lines that can be told apart


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: where (in the drawing's units) and what it says."""

    at: float
    text: str


@dataclass(frozen=True)
class Line:
    """One source's values: runs of connected positions, and the last position for its label."""

    owner: str
    runs: tuple[str, ...]
    dots: tuple[tuple[float, float], ...]
    last: tuple[float, float]


@dataclass(frozen=True)
class Chart:
    """A chart ready for its template."""

    lines: tuple[Line, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    low: float
    high: float
    first: int
    last: int
    count: int
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    top: float = TOP
    bottom: float = HEIGHT - BOTTOM


def step_of(span: float, marks: int) -> float:
    """A round step (1, 2 or 5 times a power of ten) that gives about this many marks."""
    rough = span / max(marks, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)


def value_ticks(low: float, high: float, whole: bool = False) -> list[float]:
    """Round values that span the data; no fractions where the data has none."""
    if high - low <= max(abs(low), abs(high), 1e-290) * 1e-9:
        low, high = low - (abs(low) * 0.1 or 1), high + (abs(high) * 0.1 or 1)
    step = max(step_of(high - low, 4), 1.0 if whole else 0.0)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{number * step:.12g}") for number in range(first, last + 1)]


MINUTE, HOUR, DAY = 60, 3600, 86400
CLOCK_STEPS = (
    (MINUTE, "%H:%M"), (5 * MINUTE, "%H:%M"), (15 * MINUTE, "%H:%M"), (30 * MINUTE, "%H:%M"), (HOUR, "%H:%M"),
    (3 * HOUR, "%H:%M"), (6 * HOUR, "%H:%M"), (12 * HOUR, "%H:%M"), (DAY, "%m-%d"), (2 * DAY, "%m-%d"),
    (3 * DAY, "%m-%d"), (7 * DAY, "%m-%d"), (14 * DAY, "%m-%d"), (30 * DAY, "%Y-%m-%d"),
    (90 * DAY, "%Y-%m"), (365 * DAY, "%Y"),
)  # fmt: skip


def time_ticks(first: int, last: int, zone: ZoneInfo) -> list[tuple[int, str]]:
    """Round times on the city's clock, with their texts; about five."""
    seconds = max((last - first) / 1e6, 1)
    step, form = next((step for step in CLOCK_STEPS if seconds / step[0] <= 6), CLOCK_STEPS[-1])
    start = local(first, zone).replace(second=0, microsecond=0)
    start = start.replace(hour=0, minute=0) if step >= HOUR else start.replace(minute=0)
    found: list[tuple[int, str]] = []
    moment: datetime = start
    while (instant := int(moment.timestamp() * 1e6)) <= last and len(found) < 12:
        if instant >= first:
            midnight = step < DAY and (moment.hour, moment.minute) == (0, 0)
            found.append((instant, moment.strftime("%m-%d" if midnight else form)))
        moment += timedelta(seconds=step)
        if instant < first - step * 1_000_000:  # jump near the start rather than walk there
            moment += timedelta(seconds=((first - instant) // 1_000_000 // step - 1) * step)
    return found


def usual_step(times: Sequence[int]) -> float:
    steps = [later - earlier for earlier, later in pairwise(times) if later > earlier]
    return median(steps) if steps else math.inf


def line(owner: str, points: Sequence[Point], place: "Placing") -> Line:
    """Join points that follow each other as usual; leave a gap where the series pauses or a value was withdrawn."""
    usual = usual_step([point.time for point in points if is_number(point.value)])
    runs: list[list[tuple[float, float]]] = []
    before: Point | None = None
    for point in points:
        if point.deleted or not is_number(point.value):
            before = None
            continue
        if before is None or point.time - before.time > GAP * usual:
            runs.append([])
        runs[-1].append(place(point))
        before = point
    alone = tuple(run[0] for run in runs if len(run) == 1)
    paths = tuple("M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in run) for run in runs if len(run) > 1)
    return Line(owner, paths, alone, runs[-1][-1])


@dataclass(frozen=True)
class Placing:
    """Where a point lies in the drawing."""

    first: int
    last: int
    low: float
    high: float

    def across(self, time: int) -> float:
        span = self.last - self.first
        return LEFT + (WIDTH - LEFT - RIGHT) * ((time - self.first) / span if span else 0.5)

    def up(self, value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - self.low) / (self.high - self.low)

    def __call__(self, point: Point) -> tuple[float, float]:
        return self.across(point.time), self.up(float(point.value))  # type: ignore[arg-type] # only numbers are placed


def as_said(points: Sequence[Point]) -> list[Point]:
    """The points in their order as each owner said them, once each.

    A value that got another datasetId, since a source came or went, is recorded as a withdrawal and said again at the
    same time; that is no gap in the series.
    """
    said: dict[tuple[str, int, bool, str], Point] = {}
    for point in sorted(points, key=lambda point: (point.time, point.recorded)):
        said.setdefault((point.owner, point.time, point.deleted, repr(point.value)), point)
    values = {(point.owner, point.time) for point in said.values() if not point.deleted}
    return [point for point in said.values() if not point.deleted or (point.owner, point.time) not in values]


def draw(points: Sequence[Point], zone: ZoneInfo) -> Chart | None:
    """Draw the numbers of a series; None where fewer than two are numbers."""
    numbers = sorted((p for p in points if is_number(p.value) and not p.deleted), key=lambda p: p.time)
    if len(numbers) < 2:
        return None
    values = [float(p.value) for p in numbers]  # type: ignore[arg-type] # as their name says
    ticks = value_ticks(min(values), max(values), all(value.is_integer() for value in values))
    place = Placing(numbers[0].time, numbers[-1].time, ticks[0], ticks[-1])
    owners = list(dict.fromkeys(p.owner for p in numbers))[:LINES]
    ordered = sorted(points, key=lambda p: p.time)
    return Chart(
        lines=tuple(line(owner, [p for p in ordered if p.owner == owner], place) for owner in owners),
        across=tuple(Tick(place.across(at), text) for at, text in time_ticks(place.first, place.last, zone)),
        up=tuple(Tick(place.up(value), f"{value:,.10g}") for value in ticks),
        low=min(values),
        high=max(values),
        first=place.first,
        last=place.last,
        count=len(numbers),
    )
