"""Times for people: absolute in the city's time zone, and how long ago."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from landbridge.console.language import Language

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STEPS = ((60, "minute"), (3600, "hour"), (86400, "day"), (86400 * 30.44, "month"), (86400 * 365.25, "year"))


def local(instant: int, zone: ZoneInfo) -> datetime:
    """An instant (µs since 1970) on the city's clock."""
    return (EPOCH + timedelta(microseconds=instant)).astimezone(zone)


def absolute(instant: int, zone: ZoneInfo) -> str:
    """Date and time on the city's clock; seconds only where they are not zero; midnight stays a time."""
    moment = local(instant, zone)
    return moment.strftime("%Y-%m-%d %H:%M:%S" if moment.second else "%Y-%m-%d %H:%M")


def span(seconds: float, language: Language) -> str:
    """A length of time in one unit: "3 hours"."""
    seconds = abs(seconds)
    length, name = next((step for step in reversed(STEPS) if seconds >= step[0]), (1, "second"))
    number = int(seconds // length)
    texts = {
        "second": language.ngettext("%(num)d second", "%(num)d seconds", number),
        "minute": language.ngettext("%(num)d minute", "%(num)d minutes", number),
        "hour": language.ngettext("%(num)d hour", "%(num)d hours", number),
        "day": language.ngettext("%(num)d day", "%(num)d days", number),
        "month": language.ngettext("%(num)d month", "%(num)d months", number),
        "year": language.ngettext("%(num)d year", "%(num)d years", number),
    }
    return texts[name] % {"num": number}


def relative(instant: int, now: float, language: Language) -> str:
    """How long ago (or ahead) an instant is, seen from `now` (seconds since 1970)."""
    distance = now - instant / 1e6
    if abs(distance) < 1:
        return language.gettext("just now")
    text = language.gettext("%(span)s ago") if distance > 0 else language.gettext("in %(span)s")
    return text % {"span": span(distance, language)}
