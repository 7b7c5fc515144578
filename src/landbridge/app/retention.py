"""Retention wired to a city: the rules of its landbridge.toml, by stored names."""

from collections.abc import Callable

from landbridge.errors import InvalidSettings
from landbridge.history.retention import PERIODS, RetentionRule, length
from landbridge.settings import FILE, Retain, Settings

MINUTE = 60_000_000


def retention_rules(settings: Settings, expand: Callable[[str], str]) -> tuple[RetentionRule, ...]:
    """The rules as history takes them. Raises InvalidSettings for a length of time that is none."""
    return tuple(rule_of(one, expand) for one in settings.retention)


def rule_of(told: Retain, expand: Callable[[str], str]) -> RetentionRule:
    where = f"retention.{told.type}" + (f".{told.attribute}" if told.attribute != "*" else "")
    keep = length(told.keep, f"{where}.keep")
    if told.means and told.means not in PERIODS:
        raise InvalidSettings(
            f"`{where}.means` is '{told.means}'.", where=FILE, hint=f"Give one of {', '.join(PERIODS)}."
        )
    period = PERIODS[told.means] * MINUTE if told.means else None
    means = length(told.keep_means, f"{where}.keep_means") if told.keep_means else None
    if means is not None and means <= keep:
        raise InvalidSettings(
            f"`{where}.keep_means` is no longer than `keep`.",
            where=FILE,
            hint="Means come after `keep`, and stay longer.",
        )
    attribute = told.attribute if told.attribute == "*" else expand(told.attribute)
    return RetentionRule(expand(told.type), attribute, keep, period, means)
