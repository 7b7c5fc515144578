"""Parquet files as a source: types as they are, GeoParquet as GeoJSON, damaged files told."""

import datetime
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from landbridge.errors import Invalid, LandbridgeError
from landbridge.sources.contract import Batch, Declaration
from landbridge.sources.file import FileSource
from landbridge.sources.parquet import BATCH_ROWS, open_source


def opened(folder: Path, **options: Any) -> FileSource:
    source = open_source(Declaration("table", "parquet", folder, {"location": "t.parquet", **options}))
    assert isinstance(source, FileSource)
    return source


def read(folder: Path, table: pa.Table, **options: Any) -> list[Batch]:
    pq.write_table(table, folder / "t.parquet", row_group_size=30_000)
    return list(opened(folder, **options).batches(None))


def test_rows_come_in_batches_with_their_types(tmp_path: Path) -> None:
    count = 70_000
    stamps = pa.array([datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)] * count, pa.timestamp("us", "UTC"))
    table = pa.table({
        "n": pa.array(range(count), pa.int32()), "t": stamps, "s": pa.array(["ü"] * count).dictionary_encode(),
        "l": pa.array([[{"a": 1}]] * count), "x": pa.array([None] * count, pa.float32()),
    })  # fmt: skip
    batches = read(tmp_path, table)
    assert all(batch.rows.num_rows <= BATCH_ROWS for batch in batches) and len(batches) > 3
    assert [row for batch in batches for row in batch.rows.column("n").to_pylist()] == list(range(count))
    assert [str(field.type) for field in batches[0].rows.schema] == [
        "int32", "timestamp[us, tz=UTC]", "string", "list<element: struct<a: int64>>", "float",
    ]  # fmt: skip
    assert [batch.cursor is not None for batch in batches].count(True) == 1
    assert list(opened(tmp_path).batches(batches[-1].cursor)) == []


def test_chosen_columns_alone_are_read(tmp_path: Path) -> None:
    table = pa.table({"a": [1], "b": [2], "c": [3]})
    (batch,) = read(tmp_path, table, read_columns=["c", "a"])
    assert sorted(batch.rows.schema.names) == ["a", "c"]
    with pytest.raises(Invalid, match="no column 'd'"):
        read(tmp_path, table, read_columns=["d"])


def test_geoparquet_comes_as_geojson(tmp_path: Path) -> None:
    shape = shapely.Point(117.5, 39)
    geo = {
        "version": "1.0.0",
        "primary_column": "shape",
        "columns": {"shape": {"encoding": "WKB", "geometry_types": []}},
    }
    table = pa.table({"shape": pa.array([shapely.to_wkb(shape), None, b"no"], pa.binary()), "raw": [b"x", b"y", b"z"]})
    (batch,) = read(tmp_path, table.replace_schema_metadata({"geo": json.dumps(geo)}))
    first, second, third = batch.rows.column("shape").to_pylist()
    assert json.loads(first) == {"type": "Point", "coordinates": [117.5, 39.0]} and second is third is None
    assert batch.rows.column("raw").to_pylist() == [b"x", b"y", b"z"]
    geo["columns"]["shape"]["crs"] = {"id": {"authority": "EPSG", "code": 3857}}  # type: ignore[index]
    source = opened(tmp_path)
    pq.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), tmp_path / "t.parquet")
    list(source.batches(None))
    assert "declares another coordinate system" in source.notes[0]
    pq.write_table(table.replace_schema_metadata({"geo": "[1"}), tmp_path / "t.parquet")
    (batch,) = source.batches(None)
    assert "cannot be read" in source.notes[0] and batch.rows.column("shape").to_pylist()[0] == shapely.to_wkb(shape)


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    read(tmp_path, pa.table({"a": list(range(5_000))}))
    path = tmp_path / "t.parquet"
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"PAR1", b"a,b\n1,2\n"):
        path.write_bytes(content)
        with pytest.raises(Invalid, match="no whole Parquet file"):
            list(opened(tmp_path).batches(None))


def test_two_columns_of_one_name_are_told(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    with pytest.raises(Invalid, match="'a' is there twice"):
        read(tmp_path, table)


def test_no_rows_are_a_batch_without_rows(tmp_path: Path) -> None:
    batches = read(tmp_path, pa.table({"a": pa.array([], pa.int64())}))
    assert [batch.rows.schema.names for batch in batches] == [["a"]] and batches[-1].cursor is not None


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=8), st.integers(0, 300))
@settings(max_examples=150, deadline=None)
def test_whatever_is_in_the_file_only_our_errors_come_out(
    tmp_path_factory: pytest.TempPathFactory, place: int, garbage: bytes, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    path = folder / "t.parquet"
    pq.write_table(pa.table({"a": ["x", "yy"] * 20, "b": [1.5, None] * 20}), path)
    content = bytearray(path.read_bytes())
    at = place % len(content)
    content[at : at + len(garbage)] = garbage
    path.write_bytes(bytes(content[: len(content) - cut]) if cut % 3 == 0 else bytes(content))
    try:
        list(opened(folder).batches(None))
    except LandbridgeError as error:
        assert str(error)
