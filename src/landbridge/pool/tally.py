"""Aggregates of an evolution whose instances came from several places (NGSI-LD 4.5.19)."""

from collections.abc import Sequence

from landbridge.history.aggregate import buckets_of
from landbridge.history.line import Line
from landbridge.model.temporal import Evolution, Moment, TemporalQuery


def fill(evolution: Evolution, asked: TemporalQuery) -> None:
    """Give an evolution the aggregates of its instances, in their place."""
    by_name = {name: lines for name, moments in evolution.attrs.items() if (lines := lines_of(name, moments))}
    evolution.buckets = buckets_of(by_name, asked, asked.span.property if asked.span else "observedAt")
    evolution.kinds = {name: evolution.attrs[name][-1].kind for name in by_name}
    evolution.attrs = {}
    evolution.cut = None


def lines_of(attribute: str, moments: Sequence[Moment]) -> list[Line]:
    """Instances as lines of history; deletions have no value."""
    return [
        Line(
            attribute, one.dataset, one.observed, one.recorded, one.number, one.ordinal, one.owner, "set", one.instance,
            (one.number, one.ordinal),
        )
        for one in moments
        if one.instance is not None
    ]  # fmt: skip
