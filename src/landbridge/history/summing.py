"""Aggregates of many instances at once, in columns: what `aggregate` makes of a few, and with the same results.

Lines are read in parts and only sums are kept, so memory is that of the answer (NGSI-LD 4.5.19).
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import orjson
import polars as pl

from landbridge.errors import TooMuch
from landbridge.history.aggregate import Buckets, anchor, as_number, ending
from landbridge.history.period import boundaries
from landbridge.history.rolled import ROLLED, mark
from landbridge.history.scan import Scan
from landbridge.model.temporal import Aggregate, Bucket, Method, Span, TemporalQuery

COLUMNS = ("kind", "form", "number", "text", "json", "recorded")
MOST_BUCKETS = 2_000_000  # of one answer
MOST_DISTINCT = 5_000_000  # values that are told apart
Told = dict[str, tuple[Buckets, dict[str, str]]]  # by id: the buckets, and each attribute's kind
NUMBERS = pl.col("form").is_in(["integer", "number", "boolean"])
TOGETHER = ""  # the id under which all entities together are


def sums(scan: Scan, attributes: Sequence[str], asked: TemporalQuery) -> Told:
    """The aggregates of the scan's entities. Raises TooMuch where an answer would not fit."""
    assert asked.aggregate is not None
    means = scan.has_means(attributes)
    columns = (*COLUMNS, "rest") if means else COLUMNS
    lines = valued(scan.lines(attributes, columns), json=scan.has_json(attributes))
    lines = weighed(lines) if means else lines
    if asked.aggregate.together:
        lines = lines.with_columns(entity=pl.lit(TOGETHER))
    lines = lines.with_columns(at=timed(asked.span))
    start = anchor(asked.span)
    if start is not None:
        return told(scan, lines, asked.aggregate, asked.span, start, means=means)
    begun = scan.collect(lines.group_by("entity").agg(begun=pl.col("at").min()))
    if not (asked.aggregate.period.months or asked.aggregate.period.days):
        lines = lines.join(begun.lazy(), on="entity", how="left")
        return told(scan, lines, asked.aggregate, asked.span, None, means=means)
    found: Told = {}
    for entity, first in begun.iter_rows():  # each has a calendar of its own
        own = lines.filter(pl.col("entity") == entity)
        found |= told(scan, own, asked.aggregate, asked.span, first, means=means)
    return found


def timed(span: Span | None) -> pl.Expr:
    """The time that an instance is put into a period by, in microseconds."""
    column = "recorded" if span is not None and span.property != "observedAt" else "time"
    return pl.col(column).dt.epoch("us")


def told(
    scan: Scan, lines: pl.LazyFrame, asked: Aggregate, span: Span | None, start: int | None, *, means: bool
) -> Told:
    """Group and sum. `start` None: each entity's periods start where its column `begun` says."""
    if asked.period.whole:
        place = pl.lit(0, pl.Int64)
    elif not (asked.period.months or asked.period.days):
        begun = pl.col("begun") if start is None else pl.lit(start)
        place = (pl.col("at") - begun) // asked.period.micros
    else:
        assert start is not None, "calendars of several entities are counted one by one"
        last = scan.last() if span is None or span.property == "observedAt" else scan.views.now
        edges = np.array(boundaries(start, start if last is None else last, asked.period, asked.zone), np.int64)
        place = placed(edges)
    keys = ["entity", "attribute", "place"]
    lines = lines.with_columns(place=place)
    refuse_too_many(scan, lines, asked)
    more = {"begun": pl.col("begun").first()} if start is None else {}
    summed = scan.collect(
        lines.group_by(keys)
        .agg(
            kind=pl.col("kind").first(), first=pl.col("at").min(), last=pl.col("at").max(),
            whole=(pl.col("form") != "number").all(), **more,
            **made(asked.methods, means),
        )
        .head(MOST_BUCKETS + 1)
    ).sort(keys)  # fmt: skip
    if summed.height > MOST_BUCKETS:
        raise TooMuch(
            f"The answer has more than {MOST_BUCKETS:,} periods.", where="aggrPeriodDuration",
            hint="Ask for longer periods, a shorter stretch of time, or fewer entities.",
        )  # fmt: skip
    if asked.period.whole:
        summed = summed.with_columns(**whole_span(span, start))
    elif asked.period.months or asked.period.days:
        at = summed["place"].to_numpy()
        summed = summed.with_columns(since=pl.Series(edges[at]), until=pl.Series(edges[at + 1]))
    else:
        since = (pl.col("begun") if start is None else pl.lit(start)) + pl.col("place") * asked.period.micros
        summed = summed.with_columns(since=since, until=since + asked.period.micros)
    return read(summed, asked.methods)


def whole_span(span: Span | None, start: int | None) -> Mapping[str, pl.Expr]:
    """The one period of the whole stretch: where the stretch has no ends, those of the instances."""
    end = ending(span)
    since = pl.col("begun") if start is None else pl.lit(start)
    return {"since": since, "until": pl.col("last") if end is None else pl.lit(end)}


def placed(edges: Any) -> pl.Expr:
    """The number of the period that each time lies in."""
    length = int(edges[1] - edges[0])
    if (np.diff(edges) == length).all():
        return (pl.col("at") - int(edges[0])) // length
    return pl.col("at").map_batches(
        lambda times: pl.Series(np.searchsorted(edges, times.to_numpy(), "right") - 1, dtype=pl.Int64),
        return_dtype=pl.Int64, is_elementwise=True,
    )  # fmt: skip


def refuse_too_many(scan: Scan, lines: pl.LazyFrame, asked: Aggregate) -> None:
    """Raises TooMuch where telling values apart would need more memory than there is for one question."""
    if "distinctCount" not in asked.methods:
        return
    keys = pl.struct("entity", "attribute", "place", *distinct())
    count = scan.collect(lines.select(keys.approx_n_unique().alias("count")))["count"][0]
    if count > MOST_DISTINCT:
        raise TooMuch(
            f"About {count:,} different values would have to be told apart.", where="aggrMethods",
            hint="Ask for distinctCount of fewer entities or of a shorter stretch of time.",
        )  # fmt: skip


# -- values


def valued(lines: pl.LazyFrame, *, json: bool) -> pl.LazyFrame:
    """Lines with the number `n` or the text `t` that is aggregated; others are counted alone."""
    plain = pl.when(NUMBERS).then(pl.col("number"))
    text = pl.when((pl.col("form") == "text") & (pl.col("kind") == "Property")).then(pl.col("text"))
    if not json:
        return lines.with_columns(n=plain, t=text)
    lists = pl.struct("kind", "json").map_batches(numbers_in, return_dtype=pl.Float64, is_elementwise=True)
    texts = pl.col("json").map_batches(texts_in, return_dtype=pl.String, is_elementwise=True)
    return lines.with_columns(n=plain.otherwise(lists), t=text.otherwise(texts))


def numbers_in(values: pl.Series) -> pl.Series:
    """Of lists their lengths, of whole numbers that no DOUBLE holds the nearest, of typed values what they hold."""
    kinds, texts = values.struct.field("kind"), values.struct.field("json")
    found: list[float | None] = []
    for kind, text in zip(kinds, texts, strict=True):
        value = None if text is None or kind not in ("Property", "ListProperty", "ListRelationship") else told_in(text)
        number = as_number(value)
        found.append(None if number is None else float(number))
    return pl.Series(found, dtype=pl.Float64)


def texts_in(texts: pl.Series) -> pl.Series:
    """Of typed values the text that they hold."""
    found = []
    for text in texts:
        value = told_in(text) if text is not None and '"@value"' in text else None
        found.append(value if isinstance(value, str) else None)
    return pl.Series(found, dtype=pl.String)


def told_in(text: str) -> Any:
    value = orjson.loads(text)
    return value["@value"] if isinstance(value, dict) and "@value" in value else value


def distinct() -> list[pl.Expr]:
    """What tells values apart: a truth is no number, and a name no text."""
    return [
        (pl.col("form") == "boolean").alias("d_truth"),
        (pl.col("kind") == "Property").alias("d_kind"),
        pl.col("number").alias("d_number"), pl.col("text").alias("d_text"), pl.col("json").alias("d_json"),
    ]  # fmt: skip


def weighed(lines: pl.LazyFrame) -> pl.LazyFrame:
    """Lines of which some are means: how many values each stands for, their extremes, and the sum of their squares."""
    number = pl.col("n")
    return lines.with_columns(
        count=pl.when(ROLLED).then(mark("count")).otherwise(1.0),
        least=pl.when(ROLLED).then(mark("min")).otherwise(number),
        greatest=pl.when(ROLLED).then(mark("max")).otherwise(number),
        squares=pl.when(ROLLED).then(mark("sumsq")).otherwise(number * number),
    )


def weighted() -> dict[Method, pl.Expr]:
    """The methods over lines of which some are means."""
    number, count = pl.col("n"), pl.col("count")
    total, counted = (number * count).sum(), count.filter(number.is_not_null()).sum()
    squares = pl.col("squares").sum()
    spread = ((squares - total * total / counted) / (counted - 1)).clip(0.0).sqrt()
    return {
        "totalCount": count.sum().cast(pl.Int64), "distinctCount": pl.struct(distinct()).n_unique(),
        "sum": pl.when(number.count() > 0).then(total), "avg": total / counted, "min": pl.col("least").min(),
        "max": pl.col("greatest").max(), "stddev": pl.when(counted > 1).then(spread),
        "sumsq": pl.when(number.count() > 0).then(squares),
    }  # fmt: skip


def made(methods: Sequence[Method], means: bool = False) -> dict[str, pl.Expr]:
    """Each method as an expression over a group; for the extremes of texts a second one."""
    number = pl.col("n")
    known = weighted() if means else {
        "totalCount": pl.len(), "distinctCount": pl.struct(distinct()).n_unique(),
        "sum": pl.when(number.count() > 0).then(number.sum()), "avg": number.mean(), "min": number.min(),
        "max": number.max(), "stddev": number.std(ddof=1),
        "sumsq": pl.when(number.count() > 0).then((number * number).sum()),
    }  # fmt: skip
    found: dict[str, pl.Expr] = {method: known[method] for method in methods}
    for method in methods:
        if method in ("min", "max"):
            found[f"{method}_text"] = pl.col("t").min() if method == "min" else pl.col("t").max()
    return found


def read(summed: pl.DataFrame, methods: Sequence[Method]) -> Told:
    """Sums as buckets, by entity, attribute and method."""
    columns = {name: summed[name].to_list() for name in ("since", "until", "whole", "kind")}
    values = {method: shown(summed, method, columns["whole"]) for method in methods}
    found: Told = {}
    names = list(zip(summed["entity"].to_list(), summed["attribute"].to_list(), strict=True))
    for (entity, attribute), places in groupby(range(len(names)), key=names.__getitem__):
        at = list(places)
        first, last = at[0], at[-1] + 1
        methods_told: dict[str, list[Bucket]] = {}
        for method in methods:
            part = values[method][first:last]
            if any(value is not None for value in part):
                methods_told[method] = list(
                    map(Bucket, part, columns["since"][first:last], columns["until"][first:last])
                )
        buckets, kinds = found.setdefault(entity, ({}, {}))
        kinds[attribute] = columns["kind"][first]
        if methods_told:
            buckets[attribute] = methods_told
    return found


def shown(summed: pl.DataFrame, method: Method, whole: Sequence[bool]) -> list[Any]:
    """A method's values; whole numbers as such where all of a period's values are."""
    values: list[Any] = summed[method].to_list()
    if method in ("sum", "min", "max", "sumsq"):
        values = [
            int(value) if each and value is not None and abs(value) < 1 << 53 else value
            for value, each in zip(values, whole, strict=True)
        ]
    if method in ("min", "max"):
        texts = summed[f"{method}_text"].to_list()
        values = [text if value is None else value for value, text in zip(values, texts, strict=True)]
    return values
