"""What a chart of a stretch of time draws: panels by unit, gaps as gaps, bands of periods, and its facts in words."""

import re
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as some

from landbridge.console.plot import LEFT, RIGHT, WIDTH, Plot, Sample, Stretch, Track, draw_plot

HOUR = 3_600_000_000
ZONE = ZoneInfo("Asia/Shanghai")


def hourly(*values: float | None, label: str = "a", unit: str = "µg/m³") -> Track:
    return Track(label, unit, tuple(Sample(at * HOUR, value) for at, value in enumerate(values)))


def plotted(*tracks: Track, last: int = 24 * HOUR) -> Plot:
    plot = draw_plot(tracks, 0, last, ZONE)
    assert plot is not None
    return plot


def test_series_of_one_unit_share_a_panel_and_others_have_their_own() -> None:
    plot = plotted(hourly(1, 2), hourly(5, 3, label="b"), hourly(20, 21, label="c", unit="°C"))
    assert [(panel.unit, [track.label for track in panel.tracks]) for panel in plot.panels] == [
        ("µg/m³", ["a", "b"]), ("°C", ["c"]),
    ]  # fmt: skip
    assert [track.style for panel in plot.panels for track in panel.tracks] == [1, 2, 3]
    assert plot.panels[0].bottom < plot.panels[1].top < plot.bottom < plot.height


def test_a_pause_and_a_withdrawal_are_gaps() -> None:
    pause = Track("a", "", tuple(Sample(at * HOUR, 1.0 + at) for at in (0, 1, 2, 9, 10)))
    withdrawn = hourly(1, 2, None, 3, 4)
    for track in (pause, withdrawn):
        assert len(plotted(track).panels[0].tracks[0].runs) == 2


def test_a_reading_that_stands_alone_is_a_dot() -> None:
    drawn = plotted(hourly(1, 2, None, 3)).panels[0].tracks[0]
    assert (len(drawn.runs), len(drawn.dots)) == (1, 1)


def test_periods_are_a_band_with_a_line_and_a_missing_one_is_a_gap() -> None:
    whole = [Stretch(at * HOUR, (at + 1) * HOUR, at, at + 4, at + 2, 60) for at in range(6)]
    track = Track("a", "", stretches=(*whole[:3], *whole[4:]))
    drawn = plotted(track, last=6 * HOUR).panels[0].tracks[0]
    assert (len(drawn.bands), len(drawn.runs)) == (2, 2)
    assert all(band.endswith("Z") for band in drawn.bands)
    assert track.extremes == ((0, 0), (5 * HOUR, 9))
    assert (track.count, track.mean) == (300, (2 + 3 + 4 + 6 + 7) / 5)


def test_nothing_to_draw_is_no_chart() -> None:
    assert draw_plot([], 0, HOUR, ZONE) is None
    assert draw_plot([hourly(None, None)], 0, HOUR, ZONE) is None


@given(some.lists(some.floats(-1e12, 1e12), min_size=1, max_size=40), some.integers(1, 10**15))
def test_everything_lies_within_its_panel(values: list[float], last: int) -> None:
    plot = draw_plot([Track("a", "", tuple(Sample(at, value) for at, value in enumerate(values)))], 0, last, ZONE)
    assert plot is not None
    (panel,) = plot.panels
    spots = [spot for track in panel.tracks for run in track.runs for spot in re.findall(r"(-?[\d.]+) (-?[\d.]+)", run)]
    for x, y in [*spots, *(dot for track in panel.tracks for dot in track.dots)]:
        assert LEFT - 0.1 <= float(x) <= WIDTH - RIGHT + 0.1
        assert panel.top - 0.1 <= float(y) <= panel.bottom + 0.1
