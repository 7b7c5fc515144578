"""What is made of a series' values over periods: counts, sums, means, extremes (NGSI-LD 4.5.19, table 4.5.19.1-1).

Numbers are taken as they are; a truth counts as 1 or 0; of a list its length is taken; of a text the least and the
greatest can be told, of times too. Of anything else values are counted. The standard deviation is that of a sample.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import fsum, sqrt
from typing import Any

import numpy as np
import orjson

from landbridge.history.line import Line
from landbridge.history.period import places
from landbridge.history.rollup import Mean, mean_in
from landbridge.model.entity import KINDS, PROVENANCE
from landbridge.model.instant import FIRST
from landbridge.model.temporal import Aggregate, Bucket, Method, Span, TemporalQuery, TimeProperty

Buckets = dict[str, dict[str, list[Bucket]]]


def kind_in(lines: Iterable[Line]) -> str:
    """What kind of attribute some lines are of."""
    for line in lines:
        instance = line.instance
        if instance is not None:
            return str(instance["type"])
    return "Property"


def anchor(span: Span | None) -> int | None:
    """Where the first period begins; None: with the oldest instance."""
    if span is None or span.relation == "before" or span.at <= FIRST:
        return None
    return span.at


def ending(span: Span | None) -> int | None:
    """Where the only period ends; None: with the newest instance."""
    if span is None or span.relation == "after":
        return None
    return span.at if span.relation == "before" else span.until


def buckets_of(by_name: Mapping[str, Sequence[Line]], asked: TemporalQuery, property_: TimeProperty) -> Buckets:
    """The aggregates of an entity's attributes; their periods begin together."""
    assert asked.aggregate is not None
    times = {name: [line.rank(property_)[0] for line in lines] for name, lines in by_name.items()}
    start = anchor(asked.span)
    if start is None:
        start = min((min(found) for found in times.values() if found), default=0)
    found: Buckets = {}
    for name in sorted(by_name):
        values = [value_of(line) for line in by_name[name]]
        made = aggregated(times[name], values, start, ending(asked.span), asked.aggregate)
        if made:
            found[name] = made
    return found


def aggregated(
    times: Sequence[int], values: Sequence[Any], start: int, end: int | None, asked: Aggregate
) -> dict[str, list[Bucket]]:
    """Each method's values over the periods in which there are any; methods that none of them has are left out."""
    if not times:
        return {}
    groups: dict[tuple[int, int], list[Any]] = {}
    if asked.period.whole:
        groups[start, max(times) if end is None else end] = list(values)
    else:
        numbers, starts, ends = places(np.array(times, np.int64), start, asked.period, asked.zone)
        edges = list(zip(starts.tolist(), ends.tolist(), strict=True))
        for number, value in zip(numbers.tolist(), values, strict=True):
            groups.setdefault(edges[number], []).append(value)
    found: dict[str, list[Bucket]] = {}
    for method in asked.methods:
        buckets = [Bucket(made_of(method, groups[key]), *key) for key in sorted(groups)]
        if any(bucket.value is not None for bucket in buckets):
            found[method] = buckets
    return found


def value_of(line: Line) -> Any:
    """The value of a line's instance, as it is aggregated: of typed values what they hold."""
    instance = line.instance
    assert instance is not None
    mean = mean_in(instance)
    if mean is not None:
        return mean
    value = instance[KINDS[instance["type"]]]
    if isinstance(value, Mapping) and "@value" in value:
        return value["@value"]
    if isinstance(value, str) and instance["type"] != "Property":
        return {"": value}  # a name of something: counted, never ordered
    return value


def made_of(method: Method, values: Sequence[Any]) -> Any:
    """One method over the values of one period; None where it does not apply to any of them."""
    if method == "totalCount":
        return sum(value.weight if isinstance(value, Mean) else 1 for value in values)
    if method == "distinctCount":
        return len({as_key(value) for value in values})
    if any(isinstance(value, Mean) for value in values):
        return of_means(method, [mean for value in values if (mean := as_mean(value)) is not None])
    numbers = [number for value in values if (number := as_number(value)) is not None]
    if not numbers:
        texts = [value for value in values if isinstance(value, str)]
        return extreme(method, texts) if texts else None
    return of_numbers(method, numbers)


def as_mean(value: Any) -> Mean | None:
    """A mean, or a number as the mean of itself alone."""
    if isinstance(value, Mean):
        return value
    number = as_number(value)
    return None if number is None else Mean(1, number, number, number, number * number)


def of_means(method: Method, means: Sequence[Mean]) -> Any:
    """A method over values of which some are told by their means alone, each weighed by their count."""
    count, sum_ = sum(one.weight for one in means), fsum(one.mean * one.weight for one in means)
    squares = fsum(one.squares for one in means)
    match method:
        case "sum":
            return sum_
        case "avg":
            return sum_ / count
        case "min":
            return min(one.least for one in means)
        case "max":
            return max(one.greatest for one in means)
        case "sumsq":
            return squares
        case "stddev":
            return sqrt(max(squares - sum_ * sum_ / count, 0.0) / (count - 1)) if count > 1 else None
    return None


def as_key(value: Any) -> bytes:
    if isinstance(value, Mean):
        value = value.mean
    if isinstance(value, Mapping):
        value = {name: part for name, part in value.items() if name != PROVENANCE}
    if isinstance(value, float) and value.is_integer() and abs(value) < 1 << 53:
        value = int(value)
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def as_number(value: Any) -> int | float | None:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int | float):
        return value
    return len(value) if isinstance(value, list) else None


def extreme(method: Method, texts: Sequence[str]) -> str | None:
    return min(texts) if method == "min" else max(texts) if method == "max" else None


def of_numbers(method: Method, numbers: Sequence[int | float]) -> Any:
    match method:
        case "sum":
            return total(numbers)
        case "avg":
            return total(numbers) / len(numbers)
        case "min":
            return min(numbers)
        case "max":
            return max(numbers)
        case "sumsq":
            return total([number * number for number in numbers])
        case "stddev":
            if len(numbers) < 2:
                return None
            mean = total(numbers) / len(numbers)
            return sqrt(fsum((number - mean) ** 2 for number in numbers) / (len(numbers) - 1))
    return None


def total(numbers: Sequence[int | float]) -> int | float:
    """Exact for whole numbers, and as exact as can be for others."""
    if all(isinstance(number, int) for number in numbers):
        return sum(numbers)
    return fsum(numbers)
