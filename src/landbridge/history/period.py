"""Periods of the calendar: where each begins, by the clock and the calendar of a time zone (NGSI-LD 4.5.19.1).

A month is as long as the calendar says and a day as long as the zone's clocks say, 23 or 25 hours where they change.
"""

from calendar import monthrange
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from landbridge.errors import TooMuch
from landbridge.model.instant import EPOCH, LAST, MICROSECOND
from landbridge.model.temporal import Period

MOST_PERIODS = 1_000_000
Instants = NDArray[np.int64]


def places(times: Instants, start: int, period: Period, zone: str) -> tuple[Instants, Instants, Instants]:
    """Of each time (none before `start`) the number of its period; and of each number the start and the end.

    Numbers count only periods that are met. Raises TooMuch where the stretch has too many periods to be told.
    """
    if not len(times):
        empty = np.empty(0, np.int64)
        return empty, empty, empty
    if not (period.months or period.days):
        numbers = (times - start) // period.micros
        met, told = np.unique(numbers, return_inverse=True)
        starts = start + met * period.micros
        return told.astype(np.int64), starts, starts + period.micros
    edges = np.array(boundaries(start, int(times.max()), period, zone), np.int64)
    numbers = np.searchsorted(edges, times, "right") - 1
    met, told = np.unique(numbers, return_inverse=True)
    return told.astype(np.int64), edges[met], edges[met + 1]


def boundaries(start: int, last: int, period: Period, zone: str) -> Sequence[int]:
    """Where periods begin, from the one that begins at `start` until one that begins after `last`."""
    local = (EPOCH + start * MICROSECOND).astimezone(ZoneInfo(zone))
    found = [start]
    while found[-1] <= last:
        if len(found) > MOST_PERIODS:
            raise TooMuch(
                f"The stretch of time has more than {MOST_PERIODS} periods.",
                where="aggrPeriodDuration", hint="Ask for longer periods, or a shorter stretch.",
            )  # fmt: skip
        found.append(max(found[-1] + 1, edge(local, period, len(found))))
    return found


def edge(start: datetime, period: Period, count: int) -> int:
    """The instant at which the period after `count` of them begins, by the calendar and clock of the start's zone."""
    months = start.month - 1 + period.months * count
    year, month = start.year + months // 12, months % 12 + 1
    if year > 9999:
        return LAST + 1
    day = min(start.day, monthrange(year, month)[1])  # after the 31st of January comes the last of February
    try:
        wall = start.replace(year=year, month=month, day=day, fold=0) + timedelta(days=period.days * count)
        found = (wall.astimezone(UTC) - EPOCH) // MICROSECOND
    except OverflowError:
        return LAST + 1
    return found + period.micros * count
