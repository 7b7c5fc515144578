"""Periods of the calendar, against a plain walk with the zone's own clock."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from landbridge.errors import TooMuch
from landbridge.history.period import boundaries, places
from landbridge.model.instant import EPOCH, MICROSECOND, parse_instant
from landbridge.model.temporal import Period

HOUR = 3_600_000_000
ZONES = ("UTC", "Asia/Shanghai", "Europe/Madrid", "America/New_York", "Asia/Kathmandu")
DAY, WEEK, MONTH, YEAR = Period(days=1), Period(days=7), Period(months=1), Period(months=12)


def edges(start: str, period: Period, zone: str, count: int) -> list[str]:
    """Where the first periods begin, by the clock of the zone."""
    first = parse_instant(start)
    found = boundaries(first, first, period, zone)
    while len(found) < count:
        found = boundaries(first, found[-1], period, zone)
    local = [(EPOCH + at * MICROSECOND).astimezone(ZoneInfo(zone)) for at in found[:count]]
    return [one.strftime("%Y-%m-%dT%H:%M%z") for one in local]


def test_days_are_those_of_the_zone_where_clocks_change() -> None:
    assert edges("2024-03-29T23:00:00Z", DAY, "Europe/Madrid", 4) == [
        "2024-03-30T00:00+0100", "2024-03-31T00:00+0100", "2024-04-01T00:00+0200", "2024-04-02T00:00+0200",
    ]  # fmt: skip
    first = parse_instant("2024-03-30T23:00:00Z")
    spring = boundaries(first, first + 40 * HOUR, DAY, "Europe/Madrid")
    assert spring[1] - spring[0] == 23 * HOUR and spring[2] - spring[1] == 24 * HOUR
    autumn = boundaries(
        parse_instant("2024-10-26T22:00:00Z"), parse_instant("2024-10-27T22:00:00Z"), DAY, "Europe/Madrid"
    )
    assert autumn[1] - autumn[0] == 25 * HOUR


def test_months_are_as_long_as_the_calendar_says() -> None:
    assert edges("2024-01-30T16:00:00Z", MONTH, "Asia/Shanghai", 4) == [
        "2024-01-31T00:00+0800", "2024-02-29T00:00+0800", "2024-03-31T00:00+0800", "2024-04-30T00:00+0800",
    ]  # fmt: skip
    assert edges("2024-02-29T00:00:00Z", YEAR, "UTC", 2) == ["2024-02-29T00:00+0000", "2025-02-28T00:00+0000"]


def test_weeks_begin_where_the_first_one_does() -> None:
    assert edges("2024-12-29T16:00:00Z", WEEK, "Asia/Shanghai", 2) == ["2024-12-30T00:00+0800", "2025-01-06T00:00+0800"]


def test_a_time_that_does_not_exist_is_the_next_one_that_does() -> None:
    assert edges("2024-03-30T01:30:00Z", DAY, "Europe/Madrid", 3) == [
        "2024-03-30T02:30+0100", "2024-03-31T03:30+0200", "2024-04-01T02:30+0200",
    ]  # fmt: skip


def test_too_many_periods_are_refused() -> None:
    with pytest.raises(TooMuch):
        boundaries(parse_instant("0001-01-01T00:00:00Z"), parse_instant("9998-01-01T00:00:00Z"), DAY, "UTC")


moments = st.integers(parse_instant("1990-01-01T00:00:00Z"), parse_instant("2035-01-01T00:00:00Z"))
periods = st.one_of(
    st.builds(Period, st.integers(1, 14)),
    st.builds(lambda days: Period(days=days), st.integers(1, 40)),
    st.builds(lambda micros: Period(micros=micros), st.integers(HOUR, 100 * HOUR)),
    st.builds(Period, st.integers(0, 2), st.integers(1, 9), st.integers(0, 3 * HOUR)),
)


def walked(start: int, period: Period, zone: str, time: int) -> tuple[int, int]:
    """The period of a time, found by walking from the start, one period after the other."""
    local, count, low = (EPOCH + start * MICROSECOND).astimezone(ZoneInfo(zone)), 1, start
    while True:
        months = local.month - 1 + period.months * count
        year, month = local.year + months // 12, months % 12 + 1
        last = (datetime(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)).day
        wall = local.replace(year=year, month=month, day=min(local.day, last), fold=0)
        wall = (wall.replace(tzinfo=None) + timedelta(days=period.days * count)).replace(tzinfo=ZoneInfo(zone))
        high = (wall.astimezone(UTC) - EPOCH) // MICROSECOND + period.micros * count
        if not (period.months or period.days):
            high = start + period.micros * count
        if low <= time < high:
            return low, high
        low, count = high, count + 1


@given(moments, st.lists(st.integers(0, 700 * 24 * HOUR), min_size=1, max_size=8), periods, st.sampled_from(ZONES))
def test_each_time_lies_in_the_period_that_a_walk_finds(
    start: int, later: list[int], period: Period, zone: str
) -> None:
    times = np.array([start + one for one in later], np.int64)
    numbers, starts, ends = places(times, start, period, zone)
    for time, number in zip(times.tolist(), numbers.tolist(), strict=True):
        assert (int(starts[number]), int(ends[number])) == walked(start, period, zone, time)
    assert len(set(starts.tolist())) == len(starts), "only periods that are met are told, each once"
