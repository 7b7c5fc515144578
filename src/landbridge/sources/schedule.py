"""When a source is pulled next: `every 10m`, a cron line, `once`, or only when asked."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from croniter import CroniterBadCronError, CroniterBadDateError, croniter

from landbridge.errors import InvalidSettings
from landbridge.sources.contract import Declaration

EVERY = re.compile(r"every\s+(\d+)\s*(s|m|h|d)", re.IGNORECASE)
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
FIRST_PAUSE, LONGEST_PAUSE = 60, 3600  # seconds until what failed is tried again


@dataclass(frozen=True)
class Schedule:
    """A source's declared times: one of the three is set. `zone` is where the cron line's clock hangs."""

    every: timedelta | None = None
    cron: str | None = None
    once: bool = False
    zone: str = "UTC"

    def due(self, last: datetime | None, good: bool, failures: int = 0) -> datetime | None:
        """When to pull next, perhaps in the past (then at once); None: not by this schedule.

        `last`: when the last run began (None: never). `good`: whether any run ever came to its end. `failures`: how
        many runs failed since the last good one: what failed is tried again sooner than a long interval ends.
        """
        if last is None:
            return datetime.fromtimestamp(0, UTC)
        regular = self.regular(last, good)
        if failures == 0:
            return regular
        again = last + timedelta(seconds=min(FIRST_PAUSE * 2 ** min(failures - 1, 10), LONGEST_PAUSE))
        return again if regular is None else min(regular, again)

    def regular(self, last: datetime, good: bool) -> datetime | None:
        if self.every is not None:
            return last + self.every
        if self.cron is not None:
            local = last.astimezone(ZoneInfo(self.zone))
            return after(self.cron, local).astimezone(UTC)
        return None if good else last + timedelta(seconds=FIRST_PAUSE)


def read_schedule(declaration: Declaration) -> Schedule | None:
    """Read `schedule` of a source.toml; None where the source is pulled only when asked. Raises InvalidSettings."""
    text = (declaration.schedule or "").strip()
    if not text:
        return None
    if text.lower() == "once":
        return Schedule(once=True)
    every = EVERY.fullmatch(text)
    if every:
        seconds = int(every.group(1)) * SECONDS[every.group(2).lower()]
        if not 1 <= seconds <= 366 * 86_400:
            raise wrong(declaration)
        return Schedule(every=timedelta(seconds=seconds))
    try:
        after(text, datetime(2024, 1, 1, tzinfo=UTC))
    except (CroniterBadCronError, CroniterBadDateError, ValueError, KeyError):
        raise wrong(declaration) from None
    return Schedule(cron=text, zone=declaration.time_zone)


def after(line: str, moment: datetime) -> datetime:
    """The first time of a cron line after a moment, in the moment's zone."""
    times: Any = croniter(line, moment)  # croniter has no types
    found: datetime = times.get_next(datetime)
    return found


def wrong(declaration: Declaration) -> InvalidSettings:
    return InvalidSettings(
        f"`schedule` is '{declaration.schedule}'.",
        where=f"{declaration.name}/source.toml",
        hint="Write 'every 10m' (s, m, h, d), a cron line such as '5 * * * *', or 'once'.",
    )
