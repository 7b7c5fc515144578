"""Local times of a source as instants: the zone's own table of changes, applied to a whole column.

DuckDB reads a time that was skipped in spring or came twice in autumn as if nothing were the matter; here it is found.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pyarrow as pa

from landbridge.errors import InvalidSettings
from landbridge.sources.mapping.rowhash import laid_out, whole

FIRST, LAST = 1890, 2110  # the years whose changes are looked up; the offset is constant outside
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000
Ints = np.ndarray[Any, np.dtype[np.int64]]
FINE, SKIPPED, TWICE = 0, 1, 2
AROUND = 36 * 3600 * SECOND  # farther from a time than any change that it may be read by
ZERO = np.uint8(48)
SHAPES = {10: "0000-00-00", 16: "0000-00-00 00:00", 19: "0000-00-00 00:00:00"}  # by length
DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], np.int64)  # of each month
YEAR_1970 = 719_162  # days from the year 1
BEFORE = np.concatenate(([0, 0], np.cumsum(DAYS[1:-1])))  # days of a year before each month


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
        before = local - self.offset_at(local - AROUND)
        after = local - self.offset_at(local + AROUND)
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

    def plain(self, texts: pa.ChunkedArray) -> pa.Array:
        """The instants of local times written as 2020-03-26, 2020-03-26 14:00 or 2020-03-26 14:00:00 (or with a T).

        Null for all that is written otherwise, is no time, or is not there once: others find out what it is.
        """
        count = len(texts)
        local, good = np.zeros(count, np.int64), np.zeros(count, bool)
        begin, size, data = laid_out(whole(texts))
        for length, shape in SHAPES.items():
            at = np.flatnonzero(size == length)
            if len(at):
                local[at], good[at] = read_shape(signs(begin[at], length, data), shape)
        if not good.any():
            return pa.nulls(count, pa.timestamp("us", tz="UTC"))
        low, high = int(local[good].min()) - AROUND, int(local[good].max()) + AROUND
        first, last = np.searchsorted(self.moments, (low, high), side="right").tolist()
        if first == last:  # nothing changes around these times
            return pa.array(local - self.offsets[first], pa.timestamp("us", tz="UTC"), mask=~good)
        earlier, _, state = self.resolve(local)
        return pa.array(earlier, pa.timestamp("us", tz="UTC"), mask=~(good & (state == FINE)))

    def states(self, times: pa.ChunkedArray) -> pa.Array:
        """0 for a time that is there once, 1 for a skipped one, 2 for one that comes twice."""
        return pa.array(self.resolve(micros(times))[2].astype(np.int8), pa.int8())


def signs(begin: Ints, length: int, data: Any) -> Any:
    """Texts of one length as rows of their first, second ... signs."""
    first, last = int(begin[0]), int(begin[-1]) + length
    if last - first == len(begin) * length:  # one behind the other
        return np.ascontiguousarray(data[first:last].reshape(-1, length).T)
    return data[begin + np.arange(length)[:, np.newaxis]]


def read_shape(written: Any, shape: str) -> tuple[Ints, Any]:
    """Times of one length, given as `signs`: their microseconds, and which of them are times."""
    good = np.ones(written.shape[1], bool)
    digits = written - ZERO  # wraps around below zero
    for place, sign in enumerate(shape):
        if sign == "0":
            good &= digits[place] <= 9
        else:
            good &= (written[place] == ord(sign)) | ((written[place] == ord("T")) & (sign == " "))
    number = digits.astype(np.int32)
    year = number[0] * 1000 + number[1] * 100 + number[2] * 10 + number[3]
    month, day = number[5] * 10 + number[6], number[8] * 10 + number[9]
    good &= (year >= 1) & (month >= 1) & (month <= 12)
    month[~good] = 1
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    good &= (day >= 1) & (day <= DAYS[month] + (leap & (month == 2)))
    past = year - 1
    days = (
        past * 365 + past // 4 - past // 100 + past // 400 + BEFORE[month] + (leap & (month > 2)) + day - 1 - YEAR_1970
    )
    seconds = days.astype(np.int64) * 86_400
    for place, worth, most in ((11, 3600, 23), (14, 60, 59), (17, 1, 59)):
        if place < len(shape):
            part = number[place] * 10 + number[place + 1]
            good &= part <= most
            seconds += part * worth
    return seconds * SECOND, good


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
