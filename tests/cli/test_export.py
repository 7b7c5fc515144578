"""`landbridge export` and its door: what is asked for is in the file, and another library reads it."""

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas
import httpx
import orjson
import polars as pl
import pyarrow as pa
import pytest

from command import landbridge, source
from landbridge.app.download import FORMS, MEDIA
from landbridge.history import table_form

MAPPING = """select 'urn:ngsi-ld:Station:' || code as id, 'Station' as type, name,
  cast(level as double) as level, 'MTR' as "level.unitCode", cast(floors as bigint) as floors,
  '{"type":"Point","coordinates":[' || lon || ',' || lat || ']}' as "location.point",
  'urn:ngsi-ld:District:' || code as "refArea.object", time::timestamptz as observedAt
from source
"""
ROWS = """code,name,level,floors,lon,lat,time
a,=Alpha,1.5,3,117.5,39.0,2020-01-01T00:00:00Z
a,=Alpha,2.5,3,117.5,39.0,2020-01-02T00:00:00Z
b,塔,,4,117.6,39.1,2020-01-01T00:00:00Z
"""
SERVE = """
import sys
from landbridge.app.serve import serve
serve(sys.argv[1], port=0, ready=lambda at: print(at, flush=True))
"""


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("city")
    (folder / "landbridge.toml").write_text('name = "Here"\n')
    source(folder, "stations", 'kind = "csv"\nlocation = "data.csv"\n', MAPPING, data=ROWS)
    assert landbridge("pull", folder).code == 0
    return folder


@pytest.fixture(scope="module")
def served(city: Path) -> Iterator[str]:
    """The address of the city, served once its historian is there."""
    process = subprocess.Popen([sys.executable, "-c", SERVE, str(city)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    while httpx.get(address + "health", timeout=60).json()["historian"] != "ready":
        assert process.poll() is None
    yield address
    process.terminate()
    process.wait(60)
    process.stdout.close()


def exported(city: Path, tmp_path: Path, name: str, *words: str) -> Path:
    path = tmp_path / name
    done = landbridge("export", city, *words, "-o", path)
    assert done.code == 0, done.err
    assert sorted(tmp_path.iterdir()) == [path]
    return path


def test_entities_have_a_row_each_and_columns_of_their_kinds(city: Path, tmp_path: Path) -> None:
    frame = pl.read_parquet(exported(city, tmp_path, "stations.parquet", "--type", "Station"))
    assert frame.schema["level"] == pl.Float64
    assert frame.schema["floors"] == pl.Int64
    assert frame.schema["level.observedAt"] == pl.Datetime("us", "UTC")
    assert frame.columns[:2] == ["id", "type"]
    assert frame.select("id", "name", "level", "floors", "level.unitCode", "refArea").rows() == [
        ("urn:ngsi-ld:Station:a", "=Alpha", 2.5, 3, "MTR", "urn:ngsi-ld:District:a"),
        ("urn:ngsi-ld:Station:b", "塔", None, 4, None, "urn:ngsi-ld:District:b"),
    ]


def test_what_is_asked_for_is_what_comes(city: Path, tmp_path: Path) -> None:
    path = exported(city, tmp_path, "a.jsonl", "--type", "Station", "--q", "level>2", "--attrs", "level,location")
    (one,) = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    assert set(one) == {"id", "type", "level", "level.observedAt", "level.unitCode", "location", "location.observedAt"}
    assert one["location"] == {"type": "Point", "coordinates": [117.5, 39.0]}
    assert landbridge("export", city, "--type", "Station", "--q", "level>>2").code != 0
    assert landbridge("export", city, "--type", "Nothing").out == "id,type\n"


def test_entities_are_places_of_a_map(city: Path, tmp_path: Path) -> None:
    frame = geopandas.read_parquet(exported(city, tmp_path, "x.parquet", "--type", "Station", "--format", "geoparquet"))
    assert [found.wkt for found in frame.geometry] == ["POINT (117.5 39)", "POINT (117.6 39.1)"]


def test_history_is_what_was_said_and_when(city: Path, tmp_path: Path) -> None:
    words = ("--history", "--type", "Station", "--attrs", "level")
    frame = pl.read_csv(exported(city, tmp_path, "x.csv", *words))
    assert frame.sort("observedAt").select("id", "attribute", "observedAt", "number", "unitCode").rows() == [
        ("urn:ngsi-ld:Station:a", "level", "2020-01-01T00:00:00Z", 1.5, "MTR"),
        ("urn:ngsi-ld:Station:a", "level", "2020-01-02T00:00:00Z", 2.5, "MTR"),
    ]
    later = landbridge("export", city, *words, "--since", "2020-01-02T00:00:00Z", "--provenance")
    assert later.out.splitlines()[1].endswith(",stations,1,1")
    assert len(landbridge("export", city, *words, "--until", "2020-01-02T00:00:00Z").out.splitlines()) == 2
    assert landbridge("export", city, *words, "--as-of", "2020-01-01T00:00:00Z").out.count("\n") == 1
    assert len(landbridge("export", city, *words, "--q", "floors==3").out.splitlines()) == 3
    assert len(landbridge("export", city, *words, "--q", "floors==4").out.splitlines()) == 1


READ: dict[str, Any] = {
    "parquet": lambda data: pl.read_parquet(data).to_dicts(),
    "geoparquet": lambda data: pl.read_parquet(data).to_dicts(),
    "csv": lambda data: pl.read_csv(data).to_dicts(),
    "arrow": lambda data: pa.ipc.open_stream(io.BytesIO(data)).read_all().to_pylist(),
    "jsonl": lambda data: [orjson.loads(line) for line in data.splitlines()],
}


@pytest.mark.parametrize("form", FORMS)
def test_the_door_gives_each_form_by_parameter(served: str, form: str) -> None:
    for path, rows in (("entities", 2), ("temporal/entities", 14)):
        answer = httpx.get(f"{served}export/{path}?type=Station&format={form}", timeout=120)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == FORMS[form][0]
        assert answer.headers["content-disposition"].startswith("attachment; filename=")
        assert len(READ[form](answer.content)) == rows


@pytest.mark.parametrize("media", MEDIA)
def test_the_door_gives_what_is_accepted(served: str, media: str) -> None:
    answer = httpx.get(f"{served}export/entities?type=Station", headers={"accept": media}, timeout=120)
    assert answer.headers["content-type"].partition(";")[0] == media
    assert len(READ[MEDIA[media]](answer.content)) == 2


def test_the_door_says_what_is_wrong(served: str, city: Path) -> None:
    wrong = {"type=Station&format=xls": "format", "type=Station&q=a>>1": "q", "nothing=1": "nothing", "q=": "q"}
    for query, named in wrong.items():
        answer = httpx.get(f"{served}export/entities?{query}", timeout=120)
        assert answer.status_code == 400
        assert named in answer.text
    answer = httpx.get(f"{served}export/entities?type=Station", headers={"accept": "image/png"}, timeout=120)
    assert answer.status_code == 406
    assert httpx.get(f"{served}export/entities?type=Station", headers={"host": "elsewhere"}).status_code == 403
    assert list((city / ".landbridge" / "spool" / "exports").iterdir()) == []


def test_the_forms_are_those_that_can_be_written() -> None:
    assert {form: (one.media, one.ending) for form, one in table_form.FORMS.items()} == FORMS
