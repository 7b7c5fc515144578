"""Moments in time: whole microseconds since 1970 in UTC, and the text that NGSI-LD gives them.

Everything inside counts in these integers, so comparing, storing and sorting need no objects.
"""

import re
from datetime import UTC, datetime, timedelta

from landbridge.errors import Invalid

SECOND = 1_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
LONGEST = 365_000 * 86_400 * SECOND  # of a duration: what it is added to is still a moment
FIRST, LAST = ((moment.replace(tzinfo=UTC) - EPOCH) // MICROSECOND for moment in (datetime.min, datetime.max))

DATE_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(Z|[+-]\d\d:?\d\d)\Z", re.ASCII)
DURATION = re.compile(
    r"P(?:(\d{1,9})Y)?(?:(\d{1,9})M)?(?:(\d{1,9})W)?(?:(\d{1,9})D)?"
    r"(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})S)?)?\Z",
    re.ASCII,
)


def parse_instant(text: str) -> int:
    """Read an ISO 8601 date-time with zone (NGSI-LD 4.6.3) as microseconds since 1970.

    Digits past the microsecond are cut. Raises Invalid for anything else, also for 29 February 2021.
    """
    found = DATE_TIME.match(text)
    if not found:
        raise Invalid(f"'{text[:60]}' is no date and time.", hint="Write it like 2020-06-30T08:00:00Z.")
    *parts, fraction, zone = found.groups()
    try:
        moment = datetime(*map(int, parts), tzinfo=UTC)  # type: ignore[misc, arg-type]
    except ValueError as error:
        raise Invalid(f"'{text}' is no date and time: {error}.") from None
    instant = (moment - EPOCH) // MICROSECOND + int(((fraction or "") + "000000")[:6]) - offset(zone)
    if not FIRST <= instant <= LAST:
        raise Invalid(f"'{text}' lies before the year 1 or after 9999 in UTC.")
    return instant


def offset(zone: str) -> int:
    """Microseconds that a zone such as `+08:00` is ahead of UTC."""
    if zone == "Z":
        return 0
    sign = -1 if zone[0] == "-" else 1
    return sign * (int(zone[1:3]) * 3600 + int(zone[-2:]) * 60) * SECOND


def format_instant(instant: int) -> str:
    """Write microseconds since 1970 as NGSI-LD does: UTC, `Z`, a fraction only where there is one."""
    seconds, micro = divmod(instant, SECOND)
    text = (EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    if len(text) < 19:  # years below 1000 are not padded everywhere
        text = text.rjust(19, "0")
    if not micro:
        return text + "Z"
    return f"{text}.{micro // 1000:03d}Z" if micro % 1000 == 0 else f"{text}.{micro:06d}Z"


def parse_duration(text: str) -> int:
    """Read an ISO 8601 duration of weeks, days, hours, minutes and seconds as microseconds.

    Years and months have no fixed length and are refused.
    """
    found = DURATION.match(text)
    if not found or text in ("P", "PT") or text.endswith("T"):
        raise Invalid(f"'{text[:60]}' is no duration.", hint="Write it like P2D, PT6H or P1DT12H.")
    years, months, weeks, days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    if years or months:
        raise Invalid(f"'{text}' counts years or months, whose length varies.", hint="Say it in days.")
    length = (((weeks * 7 + days) * 24 + hours) * 3600 + minutes * 60 + seconds) * SECOND
    if length > LONGEST:
        raise Invalid(f"'{text}' is longer than a thousand years.")
    return length
