"""Charts of a stretch of time, drawn on the server as SVG: several series over one axis of time, a panel for each unit.

A series is its own readings or, where there are more of them than pixels, periods with their lowest, highest and mean
value: a band and a line. A pause in a series is a gap. Series are told apart by dash and label, not by colour alone;
each comes with its facts in words for the text beside the chart.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from zoneinfo import ZoneInfo

from landbridge.console.chart import GAP, Tick, time_ticks, usual_step, value_ticks

WIDTH = 960.0
PANEL = 230.0  # height of a panel of one unit
LEFT, RIGHT, TOP, FOOT, BETWEEN = 58.0, 16.0, 14.0, 30.0, 26.0
STYLES = 6  # lines that can be told apart
PIXELS = int(WIDTH - LEFT - RIGHT)  # no more points than these are drawn of a series

Spot = tuple[float, float]


@dataclass(frozen=True)
class Sample:
    """One reading. `value` None: it was withdrawn then."""

    time: int
    value: float | None


@dataclass(frozen=True)
class Stretch:
    """A period's readings in a few numbers."""

    start: int
    end: int
    low: float
    high: float
    mean: float
    count: int


@dataclass(frozen=True)
class Track:
    """One series: what it is called, its unit, and its samples or stretches in the order of time."""

    label: str
    unit: str
    samples: tuple[Sample, ...] = ()
    stretches: tuple[Stretch, ...] = ()

    @property
    def numbers(self) -> list[tuple[int, float]]:
        """Its values with their times; of a stretch the mean at its middle."""
        if self.stretches:
            return [((one.start + one.end) // 2, one.mean) for one in self.stretches]
        return [(one.time, one.value) for one in self.samples if one.value is not None]

    @property
    def extremes(self) -> tuple[tuple[int, float], tuple[int, float]] | None:
        """The lowest and the highest value, each with its time; None where there is none."""
        if self.stretches:
            low, high = min(self.stretches, key=lambda s: s.low), max(self.stretches, key=lambda s: s.high)
            return (low.start, low.low), (high.start, high.high)
        found = self.numbers
        if not found:
            return None
        return min(found, key=lambda one: one[1]), max(found, key=lambda one: one[1])

    @property
    def count(self) -> int:
        return sum(one.count for one in self.stretches) if self.stretches else len(self.numbers)

    @property
    def mean(self) -> float | None:
        if not self.count:
            return None
        if self.stretches:
            return sum(one.mean * one.count for one in self.stretches) / self.count
        return sum(value for _, value in self.numbers) / self.count


@dataclass(frozen=True)
class Drawn:
    """A series in its panel: paths of its runs, bands behind them, and dots for readings that stand alone."""

    style: int
    label: str
    runs: tuple[str, ...]
    bands: tuple[str, ...]
    dots: tuple[Spot, ...]


@dataclass(frozen=True)
class Panel:
    """The series of one unit."""

    unit: str
    top: float
    bottom: float
    up: tuple[Tick, ...]
    tracks: tuple[Drawn, ...]


@dataclass(frozen=True)
class Plot:
    """A chart ready for its template."""

    panels: tuple[Panel, ...]
    across: tuple[Tick, ...]
    first: int
    last: int
    height: float
    width: float = WIDTH
    left: float = LEFT
    right: float = WIDTH - RIGHT

    @property
    def bottom(self) -> float:
        return self.panels[-1].bottom


@dataclass(frozen=True)
class Frame:
    """Where a value of a time lies in a panel."""

    first: int
    last: int
    low: float
    high: float
    top: float
    bottom: float

    def x(self, time: int) -> float:
        span = self.last - self.first
        share = (time - self.first) / span if span else 0.5
        return LEFT + (WIDTH - LEFT - RIGHT) * min(max(share, 0.0), 1.0)

    def y(self, value: float) -> float:
        return self.bottom - (self.bottom - self.top) * (value - self.low) / (self.high - self.low)


def draw_plot(tracks: Sequence[Track], first: int, last: int, zone: ZoneInfo) -> Plot | None:
    """Draw series over the stretch from `first` to `last` (µs since 1970); None where none of them has a number."""
    told = [track for track in tracks if track.numbers]
    if not told:
        return None
    styles = {id(track): number % STYLES + 1 for number, track in enumerate(told)}
    panels: list[Panel] = []
    top = TOP
    for unit in dict.fromkeys(track.unit for track in told):
        some = [track for track in told if track.unit == unit]
        panels.append(panel(unit, some, styles, Frame(first, last, 0, 1, top, top + PANEL)))
        top += PANEL + BETWEEN
    frame = Frame(first, last, 0, 1, TOP, TOP + PANEL)
    across = tuple(Tick(frame.x(at), text) for at, text in time_ticks(first, last, zone))
    return Plot(tuple(panels), across, first, last, top - BETWEEN + FOOT)


def panel(unit: str, tracks: Sequence[Track], styles: dict[int, int], bare: Frame) -> Panel:
    values = [value for track in tracks for value in span_of(track)]
    ticks = value_ticks(min(values), max(values), all(float(value).is_integer() for value in values))
    frame = Frame(bare.first, bare.last, ticks[0], ticks[-1], bare.top, bare.bottom)
    return Panel(
        unit,
        frame.top,
        frame.bottom,
        tuple(Tick(frame.y(value), f"{value:,.10g}") for value in ticks),
        tuple(drawn(track, styles[id(track)], frame) for track in tracks),
    )


def span_of(track: Track) -> Iterable[float]:
    if track.stretches:
        return (value for one in track.stretches for value in (one.low, one.high))
    return (value for _, value in track.numbers)


def drawn(track: Track, style: int, frame: Frame) -> Drawn:
    if track.stretches:
        together = runs_of_stretches(track.stretches)
        lines = [[(frame.x((s.start + s.end) // 2), frame.y(s.mean)) for s in run] for run in together]
        bands = tuple(band(run, frame) for run in together)
    else:
        lines = [[(frame.x(at), frame.y(value)) for at, value in run] for run in runs_of_samples(track.samples)]
        bands = ()
    paths = tuple(path(run) for run in lines if len(run) > 1)
    return Drawn(style, track.label, paths, bands, tuple(run[0] for run in lines if len(run) == 1))


def runs_of_samples(samples: Sequence[Sample]) -> list[list[tuple[int, float]]]:
    """Readings that follow each other as usual; a pause or a withdrawal ends a run."""
    usual = usual_step([one.time for one in samples if one.value is not None])
    runs: list[list[tuple[int, float]]] = []
    before: int | None = None
    for one in samples:
        if one.value is None:
            before = None
            continue
        if before is None or one.time - before > GAP * usual:
            runs.append([])
        runs[-1].append((one.time, one.value))
        before = one.time
    return runs


def runs_of_stretches(stretches: Sequence[Stretch]) -> list[list[Stretch]]:
    """Periods that adjoin; one without readings between them ends a run."""
    runs = [[stretches[0]]]
    for before, one in pairwise(stretches):
        if one.start > before.end:
            runs.append([])
        runs[-1].append(one)
    return runs


def band(run: Sequence[Stretch], frame: Frame) -> str:
    """From the lowest to the highest values of a run, as one closed shape."""
    upper = [(frame.x(at), frame.y(one.high)) for one in run for at in (one.start, one.end)]
    lower = [(frame.x(at), frame.y(one.low)) for one in reversed(run) for at in (one.end, one.start)]
    return path([*upper, *lower]) + "Z"


def path(spots: Sequence[Spot]) -> str:
    return "M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in spots)
