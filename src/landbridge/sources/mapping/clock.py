"""Local times of a source as instants: the zone's own table of changes, applied to a whole column.

DuckDB reads a time that was skipped in spring or came twice in autumn as if nothing were the matter; here it is found.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pyarrow as pa

from landbridge.errors import InvalidSettings

FIRST, LAST = 1890, 2110  # the years whose changes are looked up; the offset is constant outside
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000
Ints = np.ndarray[Any, np.dtype[np.int64]]
FINE, SKIPPED, TWICE = 0, 1, 2


class LocalClock:
    """Resolves local times of one zone. `ambiguous`: earlier, later or reject."""

    def __init__(self, zone: str, ambiguous: str) -> None:
        try:
            self.zone = ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise InvalidSettings(
                f"'{zone}' is no time zone.", where="time_zone", hint="Write a name like Asia/Shanghai or UTC."
            ) from None
        if ambiguous not in ("earlier", "later", "reject"):
            raise InvalidSettings(
                f"'{ambiguous}' says nothing of a time that comes twice.",
                where="ambiguous_time",
                hint="Write earlier, later or reject.",
            )
        self.ambiguous = ambiguous
        self.moments, self.offsets = changes(self.zone)

    def resolve(self, local: Ints) -> tuple[Ints, Ints, Ints]:
        """Local microseconds as two candidate instants and a state: FINE, SKIPPED or TWICE."""
        before = local - self.offset_at(local - 36 * 3600 * SECOND)
        after = local - self.offset_at(local + 36 * 3600 * SECOND)
        fits_before = before + self.offset_at(before) == local
        fits_after = after + self.offset_at(after) == local
        state = np.where(fits_before & fits_after & (before != after), TWICE, FINE)
        state = np.where(fits_before | fits_after, state, SKIPPED)
        one, other = np.where(fits_before, before, after), np.where(fits_after, after, before)
        return np.minimum(one, other), np.maximum(one, other), state

    def offset_at(self, moments: Ints) -> Ints:
        found: Ints = self.offsets[np.searchsorted(self.moments, moments, side="right")]
        return found

    def instants(self, times: pa.ChunkedArray) -> pa.Array:
        """The instants of local timestamps; null where the time is skipped, or comes twice and none is chosen."""
        earlier, later, state = self.resolve(micros(times))
        chosen = later if self.ambiguous == "later" else earlier
        wrong = (state == SKIPPED) | ((state == TWICE) & (self.ambiguous == "reject")) | missing(times)
        return pa.array(chosen, pa.timestamp("us", tz="UTC"), mask=wrong)

    def states(self, times: pa.ChunkedArray) -> pa.Array:
        """0 for a time that is there once, 1 for a skipped one, 2 for one that comes twice."""
        return pa.array(self.resolve(micros(times))[2].astype(np.int8), pa.int8())


def micros(times: pa.ChunkedArray) -> Ints:
    found: Ints = times.cast(pa.timestamp("us")).cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    return found


def missing(times: pa.ChunkedArray) -> Any:
    return times.is_null().to_numpy(zero_copy_only=False)


def changes(zone: ZoneInfo) -> tuple[Ints, Ints]:
    """The instants at which the zone's offset changes, and the offsets between them (microseconds)."""
    moments: list[int] = []
    at = datetime(FIRST, 1, 1, tzinfo=UTC)
    offsets = [offset(zone, at)]
    while at.year < LAST:
        following = at + timedelta(days=7)
        if offset(zone, following) != offsets[-1]:
            moments.append(change_between(zone, at, following))
            offsets.append(offset(zone, following))
        at = following
    return np.array(moments, np.int64), np.array(offsets, np.int64)


def change_between(zone: ZoneInfo, low: datetime, high: datetime) -> int:
    """The second at which the offset changes, by halving."""
    start, end = int((low - EPOCH).total_seconds()), int((high - EPOCH).total_seconds())
    was = offset(zone, low)
    while end - start > 1:
        middle = (start + end) // 2
        start, end = (middle, end) if offset(zone, EPOCH + timedelta(seconds=middle)) == was else (start, middle)
    return end * SECOND


def offset(zone: ZoneInfo, at: datetime) -> int:
    return int((at.astimezone(zone).utcoffset() or timedelta()).total_seconds()) * SECOND
