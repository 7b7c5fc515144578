"""What leaves as a table is what stands in history; every form of it is read back by another library."""

import io
from pathlib import Path
from typing import Any

import duckdb
import geopandas
import orjson
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feeding import micro, when
from filling import DAYS, Filled, row
from landbridge.history.backfill import catch_up
from landbridge.history.export import COLUMNS, PROVENANCE, SHAPE, Asked, pieces
from landbridge.history.table_form import FORMS, write
from landbridge.model.temporal import Span


def taken(city: Filled, asked: Asked | None = None) -> list[dict[str, Any]]:
    """The rows as Python has them, in the order of entities, attributes and times."""
    asked = asked or Asked("")
    parts = [part.cast(asked.schema) for part in pieces(city.store, city.lake, ["T"], asked, lambda name: name)]
    rows: list[dict[str, Any]] = pa.concat_tables([asked.schema.empty_table(), *parts]).to_pylist()
    return sorted(rows, key=lambda one: (one["id"], one["attribute"], str(one["observedAt"]), one["instanceId"]))


def numbers(city: Filled, asked: Asked | None = None) -> list[tuple[str, float]]:
    return [(one["id"][-1], one["number"]) for one in taken(city, asked) if one["attribute"] == "n"]


@pytest.fixture
def city(tmp_path: Path) -> Any:
    made = Filled(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("drained", [True, False])
@pytest.mark.parametrize("back", [True, False])
def test_what_stands_is_taken_wherever_it_lies(city: Filled, back: bool, drained: bool) -> None:
    city.fill([row("a", DAYS[0], 1.0), row("a", DAYS[1], 2.0), row("b", DAYS[0], 5.0)], back=back)
    if drained:
        catch_up(city.store, city.lake, "T")
    before = city.store.clock()
    city.fill([row("a", DAYS[0], 1.5), row("a", DAYS[1], 2.0), row("b", DAYS[0], 5.0)], back=back)
    assert numbers(city) == [("a", 1.5), ("a", 2.0), ("b", 5.0)]
    assert numbers(city, Asked("", as_of=before)) == [("a", 1.0), ("a", 2.0), ("b", 5.0)]
    assert numbers(city, Asked("", as_of=0)) == []
    assert numbers(city, Asked("another")) == []


def test_only_what_is_asked_for_is_taken(city: Filled) -> None:
    city.fill([row("a", day, float(at)) for at, day in enumerate(DAYS)], [row("b", DAYS[0], 7.0)])
    first, third = micro(DAYS[0]), micro(DAYS[2])
    assert numbers(city, Asked("", span=Span("between", first, third))) == [("a", 0.0), ("a", 1.0), ("b", 7.0)]
    assert numbers(city, Asked("", span=Span("before", third))) == [("a", 0.0), ("a", 1.0), ("b", 7.0)]
    assert len(numbers(city, Asked("", span=Span("after", third)))) == 7
    assert numbers(city, Asked("", span=Span("before", third, property="modifiedAt"))) == []
    assert numbers(city, Asked("", ids=pa.array(["urn:x:b"]))) == [("b", 7.0)]
    many = pa.array(["urn:x:b", *(f"urn:y:{at}" for at in range(2_000))])
    assert numbers(city, Asked("", ids=many)) == [("b", 7.0)]
    assert {one["attribute"] for one in taken(city, Asked("", attributes=("w",)))} == {"w"}
    assert taken(city, Asked("", datasets=("urn:z",))) == []
    assert len(taken(city, Asked("", datasets=("",)))) == 20


def test_the_columns_are_those_that_are_told(city: Filled) -> None:
    city.fill([row("a", DAYS[0], 2.5)])
    number, text = taken(city, Asked("", provenance=True))
    assert list(number) == [*COLUMNS, *PROVENANCE]
    assert (number["valueType"], number["number"], number["unitCode"], number["text"]) == ("number", 2.5, "GQ", None)
    assert (text["valueType"], text["number"], text["text"]) == ("text", None, "x")
    assert (number["observedAt"], number["type"], number["attributeType"]) == (when(DAYS[0]), "T", "Property")
    assert (number["source"], number["run"], number["row"], number["deleted"]) == ("one", 1, 0, False)


ROWS = [row("a", DAYS[0], 2.5, 'x"ü'), row("b", DAYS[1], None, "=1+1")]
LINES = [
    {"id": "urn:x:a", "attribute": "n", "observedAt": DAYS[0], "number": 2.5, "text": None},
    {"id": "urn:x:a", "attribute": "w", "observedAt": DAYS[0], "number": None, "text": 'x"ü'},
    {"id": "urn:x:b", "attribute": "w", "observedAt": DAYS[1], "number": None, "text": "=1+1"},
]


def polars_rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    if isinstance(frame.schema["observedAt"], pl.Datetime):
        frame = frame.with_columns(pl.col("observedAt").dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    return frame.select(list(LINES[0])).sort("id", "attribute").to_dicts()


def read_parquet(data: bytes, path: Path) -> Any:
    path.write_bytes(data)
    found = duckdb.sql(f"select observedAt, count(*) from read_parquet('{path}') group by 1 order by 1").fetchall()
    assert [(str(moment.date()), count) for moment, count in found] == [("2020-01-01", 2), ("2020-01-02", 1)]
    assert pq.read_table(path).schema.field("observedAt").type == pa.timestamp("us", "UTC")
    return polars_rows(pl.read_parquet(path))


def read_lines(data: bytes, path: Path) -> Any:
    path.write_bytes(data)
    found = [orjson.loads(line) for line in data.splitlines()]
    assert all(value is not None for one in found for value in one.values())
    return polars_rows(pl.DataFrame(found, schema_overrides={"number": pl.Float64}, infer_schema_length=None))


READERS = {
    "parquet": read_parquet,
    "geoparquet": read_parquet,
    "csv": lambda data, path: polars_rows(pl.read_csv(data, schema_overrides={"number": pl.Float64})),
    "arrow": lambda data, path: polars_rows(pl.from_arrow(pa.ipc.open_stream(data).read_all())),  # type: ignore[arg-type]
    "jsonl": read_lines,
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_read_back(city: Filled, tmp_path: Path, form: str) -> None:
    city.fill(ROWS)
    assert READERS[form](written(city, form), tmp_path / "table") == LINES


def written(city: Filled, form: str, asked: Asked | None = None) -> bytes:
    file, asked = io.BytesIO(), asked or Asked("")
    write(pieces(city.store, city.lake, ["T"], asked, lambda name: name), asked.schema, form, file, SHAPE)
    return file.getvalue()


@pytest.mark.parametrize("form", FORMS)
def test_an_empty_table_is_one(city: Filled, form: str) -> None:
    city.fill(ROWS)
    data = written(city, form, Asked("", attributes=("nothing",)))
    if form == "jsonl":
        assert data == b""
    elif form == "csv":
        assert data.decode().splitlines() == [",".join(COLUMNS)]
    elif form == "arrow":
        assert pa.ipc.open_stream(data).read_all().column_names == list(COLUMNS)
    else:
        assert pl.read_parquet(data).columns[: len(COLUMNS)] == list(COLUMNS)


def test_places_are_geometries(city: Filled, tmp_path: Path) -> None:
    shape = {"type": "LineString", "coordinates": [[1, 2], [3, 4]]}
    rows = [
        {"id": "urn:x:p", "type": "T", "location.point": '{"type":"Point","coordinates":[117.5,39.0]}'},
        {"id": "urn:x:q", "type": "T", "location.geojson": orjson.dumps(shape).decode()},
    ]
    for number, one in enumerate(rows):
        city.fill([one], source=f"s{number}")
    path = tmp_path / "places.parquet"
    path.write_bytes(written(city, "geoparquet"))
    frame = geopandas.read_parquet(path).sort_values("id")
    assert frame.crs.equals("OGC:CRS84")
    assert [found.wkt for found in frame.geometry] == ["POINT (117.5 39)", "LINESTRING (1 2, 3 4)"]
    told = orjson.loads(pq.read_metadata(path).metadata[b"geo"])
    assert told["columns"]["geometry"]["geometry_types"] == ["LineString", "Point"]
    assert told["columns"]["geometry"]["bbox"] == [1.0, 2.0, 117.5, 39.0]
