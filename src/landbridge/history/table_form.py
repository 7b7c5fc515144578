"""Forms in which a table leaves the house: Parquet, GeoParquet, CSV, Arrow stream, JSON Lines; written as it is read.

Times go out as timestamps in UTC where the form has such, else as NGSI-LD writes them. What is no number, text, truth
or time is JSON: a text that holds it, and in JSON Lines the value itself.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import orjson
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

ROW_GROUP = 131_072
MOMENT = "%Y-%m-%dT%H:%M:%S%.fZ"
UNIQUE = ("instanceId", "geometry")  # columns in which hardly any text comes twice
GEOMETRY = "geometry"  # the column of a GeoParquet file


class Form(NamedTuple):
    """A form's media type and the ending of its files."""

    media: str
    ending: str


FORMS = {
    "parquet": Form("application/vnd.apache.parquet", "parquet"),
    "geoparquet": Form("application/vnd.apache.parquet", "parquet"),
    "csv": Form("text/csv; charset=utf-8", "csv"),
    "arrow": Form("application/vnd.apache.arrow.stream", "arrows"),
    "jsonl": Form("application/jsonl", "jsonl"),
}


@dataclass(frozen=True)
class Shape:
    """What columns of a table mean: `json` hold JSON texts; `place` is one of these with GeoJSON, or `lon` and `lat`
    stand in columns of their own for points."""

    json: frozenset[str] = frozenset()
    place: str | None = None
    lon: str | None = None
    lat: str | None = None


def write(pieces: Iterable[pa.Table], schema: pa.Schema, form: str, file: BinaryIO, shape: Shape) -> int:
    """Write the pieces of a table; answers how many rows they were. Texts of pieces may be dictionaries."""
    count = 0

    def counted() -> Iterator[pa.Table]:
        nonlocal count
        for piece in pieces:
            count += piece.num_rows
            if piece.num_rows:
                yield piece

    WRITERS[form](counted(), schema, file, shape)
    return count


def write_parquet(pieces: Iterator[pa.Table], schema: pa.Schema, file: BinaryIO, shape: Shape) -> None:
    """Parquet; texts that come as dictionaries are not spelt out on their way."""
    first = next(pieces, schema.empty_table())
    with pq.ParquetWriter(file, first.schema, **packing(first.schema)) as writer:
        writer.write_table(first, ROW_GROUP)
        for piece in pieces:
            writer.write_table(piece.cast(first.schema), ROW_GROUP)


def packing(schema: pa.Schema) -> dict[str, Any]:
    """How Parquet packs the columns: times as differences, names of which none comes twice as they are."""
    times = [field.name for field in schema if pa.types.is_timestamp(field.type)]
    words = [field.name for field in schema if field.name not in (*times, *UNIQUE)]
    return {
        "compression": "zstd", "compression_level": 1, "store_schema": False, "use_dictionary": words,
        "column_encoding": dict.fromkeys(times, "DELTA_BINARY_PACKED"),
    }  # fmt: skip


def write_arrow(pieces: Iterator[pa.Table], schema: pa.Schema, file: BinaryIO, shape: Shape) -> None:
    """An Arrow IPC stream."""
    with pa.ipc.new_stream(file, schema) as writer:
        for piece in pieces:
            writer.write_table(piece.cast(schema))


def write_csv(pieces: Iterator[pa.Table], schema: pa.Schema, file: BinaryIO, shape: Shape) -> None:
    """CSV as RFC 4180 has it, with a line of names; texts stand as they are, whatever a spreadsheet makes of them."""
    frame(schema.empty_table()).write_csv(file)
    for piece in pieces:
        frame(piece).write_csv(file, include_header=False, datetime_format=MOMENT)


def frame(piece: pa.Table) -> pl.DataFrame:
    """A piece as polars has it, texts as texts."""
    made = pl.from_arrow(piece)
    assert isinstance(made, pl.DataFrame)
    return made.with_columns(pl.col(pl.Categorical).cast(pl.String))


def write_lines(pieces: Iterator[pa.Table], schema: pa.Schema, file: BinaryIO, shape: Shape) -> None:
    """JSON Lines: an object a row, without what the row lacks."""
    for piece in pieces:
        rows = frame(piece)
        rows = rows.with_columns(pl.col(pl.Datetime).dt.to_string(MOMENT))
        members = [member(name, name in shape.json) for name in rows.columns]
        line = pl.concat_str(pl.lit("{"), pl.concat_str(members, separator=",", ignore_nulls=True), pl.lit("}\n"))
        file.write("".join(rows.select(line).to_series().to_list()).encode())


def member(name: str, json: bool) -> pl.Expr:
    """A column as `"name":value` of an object; null where there is no value."""
    if json:
        return pl.concat_str(pl.lit(f"{orjson.dumps(name).decode()}:"), pl.col(name))
    encoded = pl.struct(pl.col(name)).struct.json_encode()
    return pl.when(pl.col(name).is_not_null()).then(encoded.str.slice(1, encoded.str.len_chars() - 2))


def write_places(pieces: Iterator[pa.Table], schema: pa.Schema, file: BinaryIO, shape: Shape) -> None:
    """GeoParquet 1.1: Parquet with places as WKB, longitude first, in WGS 84, in the column `geometry`."""
    kinds, bounds = set[str](), np.array([np.inf, np.inf, -np.inf, -np.inf])
    schema = schema.append(pa.field(GEOMETRY, pa.binary()))
    with pq.ParquetWriter(file, schema, **packing(schema)) as writer:
        for piece in pieces:
            shapes = places(frame(piece), shape)
            kinds |= {kind for kind in KINDS[np.unique(shapely.get_type_id(shapes))] if kind}
            found = shapely.total_bounds(shapes)
            bounds[:2], bounds[2:] = np.fmin(bounds[:2], found[:2]), np.fmax(bounds[2:], found[2:])
            rows = piece.append_column(GEOMETRY, pa.array(shapely.to_wkb(shapes), pa.binary()))
            writer.write_table(rows.cast(schema), ROW_GROUP)
        writer.add_key_value_metadata({"geo": orjson.dumps(told(kinds, bounds)).decode()})


KINDS = np.array(
    ["Point", "LineString", "LinearRing", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon",
     "GeometryCollection", ""],
    object,
)  # fmt: skip  # by shapely's numbers; the last is what is none


def places(rows: pl.DataFrame, shape: Shape) -> Any:
    """Each row's geometry, None where it has none."""
    made: Any = np.full(rows.height, None, object)
    if shape.lon is not None and shape.lat is not None:
        there = rows[shape.lon].is_not_null().to_numpy()
        made[there] = shapely.points(rows[shape.lon].to_numpy()[there], rows[shape.lat].to_numpy()[there])
    if shape.place is not None and shape.place in rows.columns:
        texts = rows[shape.place].to_list()
        left = [at for at, one in enumerate(texts) if one is not None and made[at] is None and one.startswith("{")]
        made[left] = shapely.from_geojson([texts[at] for at in left], on_invalid="ignore")
    return made


def told(kinds: set[str], bounds: Any) -> dict[str, object]:
    """What GeoParquet says of its column; without `crs` it is OGC:CRS84."""
    column: dict[str, object] = {"encoding": "WKB", "geometry_types": sorted(kinds)}
    if np.isfinite(bounds).all():
        column["bbox"] = bounds.tolist()
    return {"version": "1.1.0", "primary_column": GEOMETRY, "columns": {GEOMETRY: column}}


WRITERS = {
    "parquet": write_parquet,
    "geoparquet": write_places,
    "csv": write_csv,
    "arrow": write_arrow,
    "jsonl": write_lines,
}
