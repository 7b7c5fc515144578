"""Parquet files, a stretch of a row group at a time, with the types they have.

A GeoParquet file's geometries come as GeoJSON text, for `geometry as "location.geojson"`.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from landbridge.errors import Invalid, LandbridgeError
from landbridge.sources import location
from landbridge.sources.contract import Batch, Declaration, Source
from landbridge.sources.declaration import Keys
from landbridge.sources.file import file_source
from landbridge.sources.location import File

OPTIONS: dict[str, str] = {
    **location.OPTIONS,
    "read_columns": "the columns that are read; default: all",
}
BATCH_ROWS = 20_000
BUFFER = 1_048_576
UNREADABLE = (pa.ArrowException, OSError, MemoryError, ValueError, TypeError)


def open_source(declaration: Declaration) -> Source:
    """Open Parquet files; raises InvalidSettings."""
    columns = Keys(declaration.options, f"{declaration.name}/source.toml").texts("read_columns")

    def read(file: File, notes: list[str]) -> Iterator[Batch]:
        return rows(file, notes, columns)

    return file_source(declaration, read)


def rows(file: File, notes: list[str], columns: tuple[str, ...]) -> Iterator[Batch]:
    """Yield the file's rows; raises Invalid where it is damaged or lacks a column."""
    try:
        with pq.ParquetFile(file.path, buffer_size=BUFFER, pre_buffer=False) as opened:
            names = opened.schema_arrow.names
            check_columns(names, columns, file)
            shapes = geometries(opened.schema_arrow.metadata or {}, file, notes)
            for batch in opened.iter_batches(BATCH_ROWS, columns=list(columns) or None, use_threads=False):
                yield Batch(plain(batch, shapes), origin=file.name)
            if not opened.metadata.num_rows:
                empty = opened.schema_arrow.empty_table().select(list(columns) or names)
                yield Batch(plain(pa.RecordBatch.from_pylist([], schema=empty.schema), shapes), origin=file.name)
    except UNREADABLE as error:
        raise damaged(file, error) from error


def damaged(file: File, error: BaseException) -> LandbridgeError:
    return Invalid(
        f"The file is no whole Parquet file: {' '.join(str(error).split())[:200]}.",
        where=file.name,
        hint="Fetch it again; it may have been cut off on its way, or be of another kind.",
    )


def check_columns(names: list[str], wanted: tuple[str, ...], file: File) -> None:
    """Raise Invalid for a wanted column that is not there, and for two of one name."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Invalid(f"The column '{twice[0]}' is there twice.", where=file.name, hint="Rename one of them.")
    for name in wanted:
        if name not in names:
            raise Invalid(
                f"There is no column '{name}'.", where=file.name, hint=f"There is: {', '.join(names[:20])[:400]}."
            )


def geometries(metadata: dict[bytes, bytes], file: File, notes: list[str]) -> frozenset[str]:
    """The columns that GeoParquet's metadata says to hold WKB geometries."""
    try:
        described = orjson.loads(metadata.get(b"geo", b"{}"))
        columns: dict[str, Any] = dict(described.get("columns", {}))
        for name, facts in columns.items():
            system = facts.get("crs", "OGC:CRS84")
            text = system if isinstance(system, str) else orjson.dumps(system).decode()
            if not any(known in text for known in ("CRS84", '"code":4326')):
                notes.append(f"{file.name}: {name} declares another coordinate system, which is not applied.")
        return frozenset(name for name, facts in columns.items() if facts.get("encoding") == "WKB")
    except (orjson.JSONDecodeError, AttributeError, TypeError, ValueError):
        notes.append(f"{file.name}: the GeoParquet metadata cannot be read; geometries stay bytes.")
        return frozenset()


def plain(batch: pa.RecordBatch, shapes: frozenset[str]) -> pa.RecordBatch:
    """The batch with extension types as what they are stored in, dictionaries as values, geometries as GeoJSON."""
    arrays = []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        array = column.storage if isinstance(column, pa.ExtensionArray) else column
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        arrays.append(as_geojson(array) if name in shapes and is_binary(array.type) else array)
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def as_geojson(column: pa.Array) -> pa.Array:
    """WKB as GeoJSON text; what is no WKB becomes null."""
    cells = np.array(column.to_pylist(), dtype=object)
    shapes = shapely.from_wkb(cells, on_invalid="ignore")
    return pa.array(shapely.to_geojson(shapes), pa.string())
