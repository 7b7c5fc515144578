"""Source rows in a segment's columns, made into the columns of the lake: one attribute after the other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from landbridge.store.segment import Form, Said, ordinals_of

DAY = 86_400_000_000
EXACT = 1 << 53  # beyond it a DOUBLE does not hold every integer
INSTANT = pa.timestamp("us", "UTC")
WORDS = pa.dictionary(pa.int32(), pa.string())
POSITION = r'^\{"type":"Point","coordinates":\[([^,\]]+),([^,\]]+)\]\}$'


@dataclass(frozen=True)
class Stamped:
    """What stands on all lines of a backfill's round."""

    tenant: str
    number: int
    recorded: int
    source: str
    run: int


@dataclass(frozen=True)
class Leaf:
    """Columns as a segment of source rows has them, but `key` holds the entity's place in `ids`."""

    rows: pa.Table
    form: Form
    ids: Sequence[str]

    def lines(self, stamped: Stamped) -> Iterator[tuple[str, pa.Table]]:
        """The lines of each attribute, as the lake's columns (texts as dictionaries), in the order of the rows."""
        for said in self.form.said:
            yield said.attribute, self.attribute(said, stamped)

    def attribute(self, said: Said, stamped: Stamped) -> pa.Table:
        rows = self.rows.append_column("ordinal", pa.array(ordinals_of(self.rows, self.form, said)))
        there = rows.column(said.value).is_valid()
        if rows.column(said.value).null_count:
            rows = rows.filter(there)
        count = rows.num_rows
        observed = one(rows.column("observed"))
        time = observed.fill_null(stamped.recorded) if observed.null_count else observed
        form, number, text, json, lon, lat = values(one(rows.column(said.value)), said)
        tail = one(rows.column(said.tail)) if said.tail else None
        columns: dict[str, Any] = {
            "tenant": same(stamped.tenant, count),
            "entity": pa.DictionaryArray.from_arrays(one(rows.column("key")).cast(pa.int32()), pa.array(self.ids)),
            "attribute": same(said.attribute, count),
            "dataset": same(said.dataset, count),
            "day": pa.array(time.to_numpy() // DAY).cast(pa.int32()).cast(pa.date32()),
            "time": time.cast(INSTANT),
            "timed": observed.is_valid(),
            "recorded": pa.repeat(stamped.recorded, count).cast(INSTANT),
            "commit": pa.repeat(stamped.number, count),
            "ordinal": one(rows.column("ordinal")),
            "source": same(stamped.source, count),
            "run": pa.repeat(stamped.run, count),
            "row": one(rows.column("row")),
            "operation": same("set", count),
            "kind": same(kind_of(said), count),
            "form": form,
            "number": number,
            "text": text,
            "json": json,
            "lon": lon,
            "lat": lat,
            "unit": one(rows.column(said.unit)).cast(WORDS) if said.unit else same(None, count),
            "rest": same(None, count) if tail is None else rest(tail),
            "replaces_commit": pa.nulls(count, pa.int64()),
            "replaces_ordinal": pa.nulls(count, pa.int32()),
            "until": pa.nulls(count, INSTANT),
        }
        return pa.table(columns)


def kind_of(said: Said) -> str:
    """The attribute's NGSI-LD type, of the JSON that opens its instances."""
    return str(orjson.loads(said.opening.rpartition(",")[0] + "}")["type"])


def values(column: pa.Array, said: Said) -> tuple[pa.Array, ...]:
    """Form, number, text, json, longitude and latitude of each value; none of them is null in `column`."""
    count, type_ = len(column), column.type
    empty = {"number": pa.nulls(count, pa.float64()), "text": same(None, count), "json": pa.nulls(count, pa.string())}
    lon = lat = empty["number"]
    if not said.plain:
        text = column.cast(pa.string())
        if '"GeoProperty"' in said.opening:
            lon, lat = positions(text)
        return same("json", count), empty["number"], empty["text"], text, lon, lat
    if pa.types.is_boolean(type_):
        return same("boolean", count), column.cast(pa.float64()), empty["text"], empty["json"], lon, lat
    if pa.types.is_integer(type_):
        return integers(column, empty)
    if pa.types.is_floating(type_):
        return same("number", count), column.cast(pa.float64()), empty["text"], empty["json"], lon, lat
    return same("text", count), empty["number"], column.cast(pa.string()), empty["json"], lon, lat


def integers(column: pa.Array, empty: dict[str, pa.Array]) -> tuple[pa.Array, ...]:
    """Whole numbers; those that a DOUBLE does not hold become JSON."""
    count = len(column)
    numbers = column.to_numpy(zero_copy_only=False)
    large = (numbers > EXACT) | (numbers < -EXACT)
    number = pa.array(numbers.astype(np.float64))
    if not large.any():
        return same("integer", count), number, empty["text"], empty["json"], *nowhere(count)
    mask = pa.array(large)
    json = pc.if_else(mask, column.cast(pa.string()), None)
    form = pc.if_else(mask, "json", "integer").dictionary_encode()
    return form, pc.if_else(mask, None, number), empty["text"], json, *nowhere(count)


def nowhere(count: int) -> tuple[pa.Array, pa.Array]:
    return pa.nulls(count, pa.float64()), pa.nulls(count, pa.float64())


def positions(texts: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Longitudes and latitudes of points; null for other shapes."""
    text = pl.Series(texts)
    return tuple(text.str.extract(POSITION, at).cast(pl.Float64, strict=False).to_arrow() for at in (1, 2))


def rest(tails: pa.Array) -> pa.Array:
    """Further members, which begin with a comma, as JSON objects; null where there are none."""
    text = pl.Series(tails)
    made = pl.select(pl.when(text != "").then(pl.concat_str(pl.lit("{"), text.str.slice(1), pl.lit("}"))))
    return made.to_series().to_arrow(compat_level=pl.CompatLevel.oldest()).cast(pa.string())


def same(value: str | None, count: int) -> pa.Array:
    """One text in each line."""
    if value is None:
        return pa.nulls(count, WORDS)
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array([value], pa.string()))


def one(column: pa.ChunkedArray) -> pa.Array:
    """A column as one array."""
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
