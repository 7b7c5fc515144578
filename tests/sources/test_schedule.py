"""When a source is pulled next."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from landbridge.errors import InvalidSettings
from landbridge.sources.contract import Declaration
from landbridge.sources.schedule import Schedule, read_schedule

NOON = datetime(2024, 3, 30, 12, tzinfo=UTC)


def schedule(text: str | None, zone: str = "UTC") -> Schedule:
    found = read_schedule(Declaration("air", "csv", Path(), {}, schedule=text, time_zone=zone))
    assert found is not None
    return found


def test_a_source_without_schedule_is_pulled_when_asked() -> None:
    assert read_schedule(Declaration("air", "csv", Path(), {})) is None


@pytest.mark.parametrize(("text", "minutes"), [("every 10m", 10), ("every 2 h", 120), ("Every 90s", 1.5)])
def test_intervals_count_from_the_last_run(text: str, minutes: float) -> None:
    assert schedule(text).due(NOON, good=True) == NOON + timedelta(minutes=minutes)


@pytest.mark.parametrize("text", ["every 10m", "0 6 * * *", "once"])
def test_what_was_never_pulled_is_due_at_once(text: str) -> None:
    due = schedule(text).due(None, good=False)
    assert due is not None and due < NOON


def test_a_cron_line_hangs_on_the_clock_of_the_source_also_over_a_change_of_the_clock() -> None:
    berlin = schedule("0 6 * * *", "Europe/Berlin")
    first = berlin.due(NOON - timedelta(days=1), good=True)
    second = berlin.due(NOON, good=True)
    assert first == datetime(2024, 3, 30, 5, tzinfo=UTC)  # 06:00 in winter
    assert second == datetime(2024, 3, 31, 4, tzinfo=UTC)  # 06:00 in summer


def test_once_is_done_when_it_went_well_and_tried_again_when_not() -> None:
    assert schedule("once").due(NOON, good=True) is None
    assert schedule("once").due(NOON, good=False, failures=1) == NOON + timedelta(minutes=1)


def test_what_failed_is_tried_again_with_growing_pauses_but_never_later_than_planned() -> None:
    daily = schedule("every 1d")
    pauses = [daily.due(NOON, good=True, failures=count) - NOON for count in (1, 2, 3, 50)]  # type: ignore[operator]
    assert pauses == [timedelta(minutes=1), timedelta(minutes=2), timedelta(minutes=4), timedelta(hours=1)]
    assert schedule("every 30s").due(NOON, good=True, failures=3) == NOON + timedelta(seconds=30)


@pytest.mark.parametrize(
    "text", ["every", "every 0m", "every 10 years", "sometimes", "61 * * * *", "* * *", "0 0 30 2 *"]
)
def test_what_is_no_time_is_named_with_its_remedy(text: str) -> None:
    with pytest.raises(InvalidSettings, match="every 10m") as caught:
        schedule(text)
    assert caught.value.where == "air/source.toml"
