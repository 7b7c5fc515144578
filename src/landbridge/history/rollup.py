"""The mark of a mean that retention left in the place of values: how readers and aggregates know and weigh it.

It is a member of the instance, as NGSI-LD has such: `"rollup": {"type": "JsonProperty", "json": {"method": "mean",
"count": 60, "min": ..., "max": ..., "sumsq": ..., "until": ...}}`. The value is the mean, `observedAt` the time when
its period begins.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

OPENING = '{"rollup":'  # how the further members of a mean begin


class Mean(NamedTuple):
    """So many values: their mean and extremes, and the sum of their squares."""

    weight: int
    mean: float
    least: float
    greatest: float
    squares: float


def mean_in(instance: Mapping[str, Any]) -> Mean | None:
    """The mean that an instance is; None for any other."""
    told = instance.get("rollup")
    told = told.get("json") if isinstance(told, Mapping) else None
    if not isinstance(told, Mapping) or told.get("method") != "mean":
        return None
    try:
        return Mean(told["count"], instance["value"], told["min"], told["max"], told["sumsq"])
    except KeyError:
        return None
