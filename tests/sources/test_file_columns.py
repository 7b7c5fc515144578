"""Several files as one pull: the columns that they have between them, so that nothing a file has is lost or refused."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from landbridge.sources.contract import Batch, Declaration
from landbridge.sources.file import wider
from landbridge.sources.kind import find_kind


def read(folder: Path, kind: str, **options: Any) -> list[Batch]:
    return list(find_kind(kind)(Declaration("files", kind, folder, {"location": "*.*", **options})).batches(None))


def rows(batches: list[Batch]) -> list[dict[str, Any]]:
    assert len({batch.rows.schema.to_string() for batch in batches}) == 1
    return [row for batch in batches for row in batch.rows.to_pylist()]


def test_geojson_files_that_differ(tmp_path: Path) -> None:
    for name, properties in (("a", {"n": 1, "T": True}), ("b", {"n": 2.5, "t": "x", "late": [1]})):
        feature = {"type": "Feature", "geometry": None, "properties": properties}
        (tmp_path / f"{name}.geojson").write_text(json.dumps(feature))
    assert rows(read(tmp_path, "geojson")) == [
        {"geometry": None, "_id": None, "n": 1.0, "T": "true", "late": None},
        {"geometry": None, "_id": None, "n": 2.5, "T": "x", "late": "[1]"},
    ]


def test_entities_in_files_that_differ(tmp_path: Path) -> None:
    for number, value in enumerate((1, {"a": 1}, "text")):
        (tmp_path / f"{number}.json").write_text(
            json.dumps({"id": f"urn:x:{number}", "type": "A", f"only{number}": value})
        )
    found = rows(read(tmp_path, "ngsild"))
    assert [row["only1"] for row in found] == [None, '{"a":1}', None]
    assert [row["only2"] for row in found] == [None, None, "text"]


def test_tables_that_differ(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("n,x\n1,2\n")
    (tmp_path / "b.csv").write_text("X,n,more\n3,4,5\n")
    assert rows(read(tmp_path, "csv")) == [{"n": "1", "x": "2", "more": None}, {"n": "4", "x": "3", "more": "5"}]


def test_parquet_files_that_differ(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": pa.array([1], pa.int32())}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"n": pa.array(["x"]), "m": pa.array([1.5])}), tmp_path / "b.parquet")
    assert rows(read(tmp_path, "parquet")) == [{"n": "1", "m": None}, {"n": "x", "m": 1.5}]


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (pa.int64(), pa.float32(), pa.float64()),
        (pa.null(), pa.bool_(), pa.bool_()),
        (pa.bool_(), pa.int64(), pa.string()),
        (pa.date32(), pa.date32(), pa.date32()),
    ],
)
def test_the_type_that_holds_both(one: pa.DataType, other: pa.DataType, both: pa.DataType) -> None:
    assert wider(one, other) == both == wider(other, one)
