"""A delivery's columns as the JSON that documents are made of: the same texts as `pool.phrase`, a column at a time.

Only rows that are asked for become text: of many rows about one entity all but the newest go to the journal as they
are. Numbers are written by the same algorithm as orjson's (shortest digits; held together by a test), texts are
escaped where they need it, times are those of `model.instant`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import orjson
import polars as pl
import pyarrow as pa

from landbridge.model.slot import FALSE, LONGEST, LOOK, MEMBERS, TRUE, scalar_slot
from landbridge.pool.phrase import AttributePlan, Part, read

SPECIAL = r'["\\\x00-\x1f]'
COORDINATES = r"^\{\"type\":\"Point\",\"coordinates\":\[([^,\]]+),([^,\]]+)\]\}$"
Places = np.ndarray[Any, np.dtype[np.int64]]
FEW = 4  # rows that share a time, on average, from which each time is written once


@dataclass(frozen=True)
class Rendered:
    """One attribute's columns, a row each. Texts are made when they are asked for, of some rows (`places`) or of all.

    `values`: what is said, null where the row says nothing; `observed`: the time in microseconds.
    """

    columns: Columns
    plan: AttributePlan

    @property
    def name(self) -> str:
        return self.plan.value.name

    @cached_property
    def values(self) -> pl.Series:
        return self.columns.column(self.plan.value.column)

    @property
    def observed(self) -> pl.Series | None:
        return self.columns.micros(self.plan.observed) if self.plan.observed else None

    @cached_property
    def head(self) -> pl.Series:
        """The instances' JSON before the place of a datasetId; null where the row says nothing."""
        value = self.plan.value
        parts = [pl.lit(value.opening), self.text, *self.columns.unit(value)]
        if self.plan.observed:
            parts.append(self.columns.shown(self.plan.observed))
        return pl.select(pl.concat_str(parts)).to_series()

    @cached_property
    def tail(self) -> pl.Series | None:
        """The sub-attributes as further members; None where the mapping has none."""
        return self.columns.tail(self.plan)

    @cached_property
    def text(self) -> pl.Series:
        """The values as JSON."""
        return self.columns.value_text(self.plan.value)

    @cached_property
    def position(self) -> tuple[pl.Series, pl.Series] | None:
        """Longitudes and latitudes of points; None for all else."""
        if self.plan.value.reading != "point":
            return None
        return point_text(self.columns.texts(self.plan.value.column))[1:]

    def some(self, places: Places) -> Rendered:
        """The same of these rows alone."""
        if len(places) == self.columns.rows.num_rows and ascend(places):
            return self
        plan = self.plan
        wanted = {plan.value.column, plan.value.unit, plan.observed}
        wanted |= {name for sub in plan.subs for name in (sub.column, sub.unit)}
        rows = self.columns.rows.select([name for name in self.columns.rows.schema.names if name in wanted])
        return Rendered(Columns(rows.take(pa.array(places))), plan)


class Columns:
    """The columns of a delivery, rendered when they are asked for; times once however many attributes share them."""

    def __init__(self, rows: pa.RecordBatch) -> None:
        self.rows = rows
        self.times: dict[str, pl.Series] = {}
        self.shown_times: dict[str, pl.Series] = {}

    def column(self, name: str) -> pl.Series:
        return pl.Series(name, self.rows.column(name))

    def texts(self, name: str) -> pl.Series:
        column = self.column(name)
        return column if column.dtype == pl.String else column.cast(pl.String)

    def micros(self, name: str) -> pl.Series:
        """A column of times as microseconds."""
        if name not in self.times:
            self.times[name] = self.column(name).cast(pl.Datetime("us", "UTC")).cast(pl.Int64)
        return self.times[name]

    def shown(self, name: str) -> pl.Series:
        """A column of times as the JSON member that shows them ('' where there is none)."""
        if name not in self.shown_times:
            self.shown_times[name] = observed_text(self.micros(name))
        return self.shown_times[name]

    def attribute(self, plan: AttributePlan) -> Rendered:
        """One attribute."""
        return Rendered(self, plan)

    def value_text(self, value: Part) -> pl.Series:
        """The values of a column as JSON."""
        if value.reading == "plain":
            return json_text(self.column(value.column))
        if value.reading == "point":
            return point_text(self.texts(value.column))[0]
        return canonical(self.texts(value.column), value)

    def unit(self, value: Part) -> list[pl.Series]:
        if value.unit is None:
            return []
        text = json_text(self.texts(value.unit))
        return [pl.select(pl.concat_str(pl.lit(',"unitCode":'), text).fill_null("")).to_series()]

    def tail(self, plan: AttributePlan) -> pl.Series | None:
        """The sub-attributes as further members."""
        if not plan.subs:
            return None
        subs = [
            pl.concat_str(
                pl.lit(f",{orjson.dumps(sub.name).decode()}:{sub.opening}"),
                self.value_text(sub),
                *self.unit(sub),
                pl.lit("}"),
            ).fill_null("")
            for sub in plan.subs
        ]
        return pl.select(pl.concat_str(subs)).to_series()


def ascend(places: Places) -> bool:
    """Whether the places go up; then as many as there are rows are all rows in their order."""
    return len(places) == 0 or bool((places[1:] > places[:-1]).all())


def json_text(column: pl.Series) -> pl.Series:
    """Numbers, booleans and texts as JSON; null stays null."""
    if column.dtype != pl.String:
        return column.cast(pl.String)
    special = column.str.contains(SPECIAL)
    if not special.any():
        return pl.select(pl.concat_str(pl.lit('"'), column, pl.lit('"'))).to_series()
    places = special.fill_null(False).arg_true()
    escaped = [orjson.dumps(text).decode() for text in column.gather(places).to_list()]
    plain = pl.select(pl.concat_str(pl.lit('"'), column, pl.lit('"'))).to_series()
    return plain.scatter(places, pl.Series(escaped, dtype=pl.String))


def observed_text(micros: pl.Series) -> pl.Series:
    """`,"observedAt":"..."` of each time, '' where there is none."""
    distinct = micros.unique()
    if len(distinct) * FEW < len(micros):
        pairs = pl.DataFrame({"at": distinct, "text": time_text(distinct)})
        shown = pl.DataFrame({"at": micros}).join(pairs, on="at", how="left", maintain_order="left")["text"]
    else:
        shown = time_text(micros)
    return pl.select(pl.concat_str(pl.lit(',"observedAt":"'), shown, pl.lit('"')).fill_null("")).to_series()


def time_text(micros: pl.Series) -> pl.Series:
    """Times as `model.instant.format_instant` writes them."""
    moment = micros.cast(pl.Datetime("us"))
    whole = moment.dt.to_string("%Y-%m-%dT%H:%M:%S")
    fraction = micros % 1_000_000
    if not (fraction > 0).any():
        return whole + "Z"
    frame = pl.DataFrame({"whole": whole, "fraction": fraction})
    digits = pl.col("fraction").cast(pl.String).str.zfill(6)
    shown = (
        pl.when(pl.col("fraction") == 0)
        .then(pl.lit("Z"))
        .when(pl.col("fraction") % 1000 == 0)
        .then(pl.concat_str(pl.lit("."), digits.str.head(3), pl.lit("Z")))
        .otherwise(pl.concat_str(pl.lit("."), digits, pl.lit("Z")))
    )
    return frame.select(pl.concat_str("whole", shown)).to_series()


def point_text(texts: pl.Series) -> tuple[pl.Series, pl.Series, pl.Series]:
    """Points as canonical GeoJSON, their longitudes and latitudes."""
    frame = pl.DataFrame({"text": texts}).select(
        lon=pl.col("text").str.extract(COORDINATES, 1).cast(pl.Float64, strict=False),
        lat=pl.col("text").str.extract(COORDINATES, 2).cast(pl.Float64, strict=False),
    )
    text = frame.select(
        pl.concat_str(
            pl.lit('{"type":"Point","coordinates":['),
            pl.col("lon").cast(pl.String),
            pl.lit(","),
            pl.col("lat").cast(pl.String),
            pl.lit("]}"),
        )
    ).to_series()
    return text, frame["lon"], frame["lat"]


def canonical(texts: pl.Series, value: Part) -> pl.Series:
    """JSON texts as orjson writes them; each distinct text is read once."""
    known: dict[str, str] = {}
    found: list[str | None] = []
    for text in texts.to_list():
        if text is not None and text not in known:
            known[text] = read(value, text)[0]
        found.append(None if text is None else known[text])
    return pl.Series(found, dtype=pl.String)


def slots(rendered: Rendered, places: Any) -> list[Any]:
    """What the store's narrow column holds of the rows at these places, as `model.slot` says (one instance alone)."""
    part, values = rendered.plan.value, rendered.values.gather(places)
    if part.member not in MEMBERS.values() or rendered.plan.geometry:
        return [LOOK] * len(values)
    if part.reading != "plain":
        return [scalar_slot(orjson.loads(text)) for text in values.to_list()]
    if values.dtype == pl.Boolean:
        return [TRUE if value else FALSE for value in values.to_list()]
    if values.dtype == pl.String and (values.str.len_chars() > LONGEST).any():
        return [scalar_slot(value) for value in values.to_list()]
    return values.to_list()
