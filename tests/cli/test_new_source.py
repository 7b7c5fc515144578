"""`landbridge new-source` writes sources that run, of whatever it is given."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from openpyxl import Workbook

from command import landbridge
from landbridge.cli.draft import attribute_name, type_name
from landbridge.cli.profile import look
from landbridge.cli.unit_code import SPOKEN, resembling, units

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TREES = (
    "code,Tree Species,height (m),lon,lat,planted\nT1,oak,7.5,0.001,51.47,2012-03-01\nT2,elm,4,0.002,51.48,2015-11-20\n"
)


@pytest.fixture
def city(tmp_path: Path) -> Path:
    folder = tmp_path / "city"
    folder.mkdir()
    (folder / "landbridge.toml").write_text('name = "Harbour"\ntime_zone = "Europe/London"\n')
    return folder


def made(city: Path, name: str, place: str | Path, *words: str) -> dict[str, Any]:
    """Make a source; answer what `check` finds in it. It must pass, and pull."""
    done = landbridge("new-source", name, city, "--from", place, *words)
    assert done.code == 0, done.err + done.out
    checked = landbridge("check", city, name, "--json").json()
    assert [one for one in checked["findings"] if one["level"] == "error"] == []
    (found,) = checked["sources"]
    assert found["mapped"] > 0
    assert found["rejected"] <= found["read"] / 100
    return dict(found)


def mapping(city: Path, name: str) -> str:
    return (city / "sources" / name / "mapping.sql").read_text()


def test_a_csv_with_key_unit_place_and_day(city: Path, tmp_path: Path) -> None:
    (tmp_path / "trees.csv").write_text(TREES)
    found = made(city, "trees", tmp_path / "trees.csv")
    assert found["types"] == ["Tree"]
    assert found["entities"][0] == {
        "id": "urn:ngsi-ld:Tree:T1",
        "type": "Tree",
        "code": {"type": "Property", "value": "T1"},
        "treeSpecies": {"type": "Property", "value": "oak"},
        "height": {"type": "Property", "value": 7.5, "unitCode": "MTR"},
        "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [0.001, 51.47]}},
        "planted": {"type": "Property", "value": "2012-03-01T00:00:00Z"},
    }
    assert "key guessed: differs in each of 2 rows" in mapping(city, "trees")
    assert landbridge("pull", city, "trees").code == 0


def test_what_may_be_about_persons_is_left_out_and_never_stored(city: Path, tmp_path: Path) -> None:
    (tmp_path / "clubs.csv").write_text("id,club,contact,phone\n1,Chess,Ann,555-1\n2,Rowing,Bob,555-2\n")
    found = made(city, "clubs", tmp_path / "clubs.csv")
    assert set(found["entities"][0]) == {"id", "type", "code", "club"}
    assert 'never_store = ["contact","phone"]' in (city / "sources" / "clubs" / "source.toml").read_text()


def test_a_real_file_of_hourly_readings(city: Path) -> None:
    place = EXAMPLES / "binhai" / "sources" / "air-quality" / "pm25in_tianjin_2020-03-26_2020-04-02.csv"
    made(city, "air", place)
    text = mapping(city, "air")
    assert 'local_time("Date", "Hour")' in text
    assert '"WatchPoint"' in text.partition(" as id")[0]
    assert "'GQ'" in text.partition('as "pm25.unitCode"')[0].splitlines()[-1]


def test_a_file_in_gbk_is_read_and_its_encoding_told(city: Path) -> None:
    place = EXAMPLES / "binhai" / "sources" / "newsroom" / "839studio_covid_updates_gbk.csv"
    done = landbridge("new-source", "news", city, "--from", place)
    assert done.code == 0, done.err
    assert "gb18030" in done.out
    assert "省份" in mapping(city, "news")


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        ("geojson", "binhai/sources/outlines/tianjin_districts.geojson"),
        ("json", "binhai/sources/dxy/dxy_area_latest_2020-03-28.json"),
        ("sql", "binhai/sources/stations/stations.db"),
    ],
)
def test_real_files_of_other_kinds(city: Path, kind: str, place: str) -> None:
    assert made(city, "some", EXAMPLES / place)["kind"] == kind


def test_a_timetable_and_its_vehicles(city: Path) -> None:
    folder = EXAMPLES / "redding" / "sources"
    (timetable,) = sorted(folder.rglob("*.zip"))[:1]
    (vehicles,) = sorted(folder.rglob("*vehicle*.pb"))[:1]
    stops = made(city, "stops", timetable)
    assert stops["kind"] == "gtfs"
    assert "location" in stops["entities"][0]
    assert made(city, "vehicles", vehicles)["kind"] == "gtfs-realtime"


def test_a_workbook(city: Path, tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (["Depth of the quays"], [], ["code", "depth (m)"], ["Q1", 12.5], ["Q2", 14]):
        sheet.append(row)
    book.save(tmp_path / "quays.xlsx")
    found = made(city, "quays", tmp_path / "quays.xlsx")
    assert found["kind"] == "spreadsheet"
    assert found["entities"][0]["depth"] == {"type": "Property", "value": 12.5, "unitCode": "MTR"}


def test_a_parquet_file_keeps_its_types(city: Path, tmp_path: Path) -> None:
    table = pa.table({"code": ["a", "b"], "count": [1, 2], "share": [0.5, 0.25], "open": [True, False]})
    pq.write_table(table, tmp_path / "doors.parquet")
    (entity, _) = made(city, "doors", tmp_path / "doors.parquet")["entities"]
    assert (entity["count"]["value"], entity["share"]["value"], entity["open"]["value"]) == (1, 0.5, True)


def test_a_database_of_several_tables_wants_one_named(city: Path, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "office.db") as connection:
        connection.execute("create table permit (id integer primary key, street text)")
        connection.execute("create table street (name text)")
        connection.executemany("insert into permit (street) values (?)", [("High Street",), ("Quay",)])
    connection.close()
    done = landbridge("new-source", "permits", city, "--from", tmp_path / "office.db")
    assert done.code == 3
    assert "permit, street" in done.err
    found = made(city, "permits", tmp_path / "office.db", "--table", "permit")
    assert found["entities"][0]["id"] == "urn:ngsi-ld:Permit:1"


class Api(BaseHTTPRequestHandler):
    answers: ClassVar[dict[str, tuple[str, bytes]]] = {
        "/v1/stations": (
            "application/json",
            orjson.dumps({"meta": {"count": 2}, "data": [{"id": "s1", "level": 1.5}, {"id": "s2", "level": 2.5}]}),
        ),
        "/rows.csv": ("text/csv", TREES.encode()),
        "/page": ("text/html", b"<html>Sign in</html>"),
    }

    def do_GET(self) -> None:
        kind, body = self.answers.get(self.path, ("text/plain", b""))
        self.send_response(200 if body else 404)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_addresses(city: Path) -> None:
    with serving() as address:
        api = made(city, "levels", f"{address}/v1/stations")
        assert (api["kind"], api["read"]) == ("http", 2)
        assert 'path = "data"' in (city / "sources" / "levels" / "source.toml").read_text()
        assert made(city, "trees", f"{address}/rows.csv")["kind"] == "csv"
        for path, said in (("/page", "web page"), ("/nothing", "404")):
            done = landbridge("new-source", "no", city, "--from", address + path)
            assert done.code == 10
            assert said in done.err
    assert not (city / "sources" / "no").exists()


def test_a_file_may_stay_where_it_is(city: Path, tmp_path: Path) -> None:
    (tmp_path / "trees.csv").write_text(TREES)
    made(city, "trees", tmp_path / "trees.csv", "--link")
    assert not (city / "sources" / "trees" / "trees.csv").exists()
    assert str(tmp_path / "trees.csv") in (city / "sources" / "trees" / "source.toml").read_text()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["trees", "--from", "nowhere.csv"], 6, "There is no file"),
        (["bad name", "--from", "trees.csv"], 5, "cannot name a source"),
        (["trees", "--from", "gopher://old.example/x"], 3, "no address"),
        (["trees", "--from", "trees.csv", "--kind", "cvs"], 5, "'csv'"),
        (["trees", "--from", "empty.csv"], 3, ""),
        (["trees", "--from", "postgresql://nobody@127.0.0.1:1/x"], 10, "cannot be read"),
    ],
)
def test_what_cannot_be_a_source_leaves_nothing_behind(city: Path, words: list[str], code: int, said: str) -> None:
    (city / "trees.csv").write_text(TREES)
    (city / "empty.csv").write_text("")
    done = landbridge("new-source", *words, cwd=city)
    assert done.code == code, done.err
    assert said in done.err
    assert not (city / "sources").exists()


def test_a_source_is_never_overwritten(city: Path, tmp_path: Path) -> None:
    (tmp_path / "trees.csv").write_text(TREES)
    made(city, "trees", tmp_path / "trees.csv")
    assert landbridge("new-source", "trees", city, "--from", tmp_path / "trees.csv").code == 7


# --- the guesses ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "cells", "kind", "role", "unit"),
    [
        ("code", ["0123", "0456"], "text", "", ""),
        ("count", ["1", "20", ""], "integer", "", ""),
        ("price", ["1,234.5", "17"], "number", "", ""),
        ("day", ["2026年3月1日", "2026年3月12日"], "day", "time", ""),
        ("code", ["20260301", "20260302"], "integer", "", ""),
        ("date", ["20260301", "20260302"], "day", "time", ""),
        ("opened", ["2026-03-01", "1999-01-31"], "day", "", ""),
        ("date", ["31-12-2025", "01-02-2026"], "strptime", "time", ""),
        ("updated", ["1585414934149"], "milliseconds", "time", ""),
        ("时间", ["00:00:00", "23:00:00"], "clock", "clock", ""),
        ("Longitude", ["117.5", "-0.1"], "double", "longitude", ""),
        ("lat", ["117.5"], "double", "", ""),
        ("PM2.5", ["12", "NaN"], "integer", "", "GQ"),
        ("气温℃", ["12.5", "-3"], "double", "", "CEL"),
        ("temp", ["280.1", "279"], "double", "", "KEL"),
        ("depth_m", ["12"], "integer", "", "MTR"),
        ("speed (km/h)", ["12"], "integer", "", "KMH"),
        ("E-mail", ["a@b.example"], "text", "person", ""),
        ("of", ["urn:ngsi-ld:Park:1"], "urn", "", ""),
        ("shape", ["POINT (1 2)"], "wkt", "", ""),
    ],
)
def test_what_a_column_seems_to_be(name: str, cells: list[str], kind: str, role: str, unit: str) -> None:
    column = look(name, pa.chunked_array([pa.array(cells)]))
    assert (column.kind, column.role, column.unit) == (kind, role, unit)


def test_names_become_attributes() -> None:
    taken: set[str] = set()
    names = ["Tree Species", "PM2.5", "depth (m)", "TOTAL BEDS", "id", "监测点", "2015-16", "tree_species", "ID"]
    assert [attribute_name(name, taken) for name in names] == [
        "treeSpecies", "pm25", "depth", "totalBeds", "code", "监测点", "n201516", "treeSpecies2", "code2",
    ]  # fmt: skip


def test_names_become_types() -> None:
    names = ["street-trees", "bus", "cities", "air quality", "2020"]
    assert [type_name(name) for name in names] == ["StreetTree", "Bus", "City", "AirQuality", "Thing2020"]


def test_spoken_units_are_codes() -> None:
    assert set(SPOKEN.values()) <= set(units())
    assert len(units()) > 1_500
    assert "'GQ'" in resembling("µg/m³")
    assert "'CEL'" in resembling("degree celsius")
    assert resembling("nothing like it at all") == ""


def test_a_decimal_comma_is_no_obstacle_to_a_place(city: Path, tmp_path: Path) -> None:
    rows = "某市树木登记;;;\n制表：园林局;;;\n编号;高度(m);经度;纬度\nA1;7,5;117,705;39,01\nA2;8,25;117,71;39\n"
    (tmp_path / "trees.csv").write_bytes(rows.encode("gbk"))
    found = made(city, "trees", tmp_path / "trees.csv")
    assert found["entities"][0]["location"]["value"] == {"type": "Point", "coordinates": [117.705, 39.01]}
    assert found["entities"][1]["高度"] == {"type": "Property", "value": 8.25, "unitCode": "MTR"}


def test_a_features_own_id_is_its_key(city: Path, tmp_path: Path) -> None:
    place = {"type": "Point", "coordinates": [0.0, 51.47]}
    features = [
        {"type": "Feature", "id": id_, "properties": {"name": "Park", "area_m2": 12}, "geometry": place}
        for id_ in ("p1", "p2")
    ]
    (tmp_path / "parks.geojson").write_bytes(orjson.dumps({"type": "FeatureCollection", "features": features}))
    found = made(city, "parks", tmp_path / "parks.geojson")
    assert [entity["id"] for entity in found["entities"]] == ["urn:ngsi-ld:Park:p1", "urn:ngsi-ld:Park:p2"]
    assert found["entities"][0]["area"]["unitCode"] == "MTK"


@pytest.mark.parametrize("place", ["sqlite:///permits.db", "sqlite:///permits.db#permit"])
def test_the_address_of_a_database_file_counts_from_where_it_is_typed(city: Path, tmp_path: Path, place: str) -> None:
    with sqlite3.connect(tmp_path / "permits.db") as connection:
        connection.execute("create table permit (no text, cost real)")
        connection.executemany("insert into permit values (?, ?)", [("P1", 2.5), ("P2", None)])
    done = landbridge("new-source", "permits", city, "--from", place, cwd=tmp_path)
    assert done.code == 0, done.err
    assert landbridge("pull", city, "permits").code == 0
    assert [path.name for path in tmp_path.glob("permits.db*")] == ["permits.db"]


@pytest.mark.parametrize(
    ("place", "code", "said"),
    [
        ("sqlite:permits.db", 3, "is no address of an SQLite file"),
        ("sqlite://permits.db", 3, "is no address of an SQLite file"),
        ("sqlite:///permits.db", 6, "There is no database file"),
        ("sqlite:///empty.db", 3, "has no table"),
        ("one.csv", 3, "one.csv"),
    ],
)
def test_what_an_address_lacks_is_said(city: Path, tmp_path: Path, place: str, code: int, said: str) -> None:
    sqlite3.connect(tmp_path / "empty.db").close()
    (tmp_path / "one.csv").write_text("id\n")
    done = landbridge("new-source", "odd", city, "--from", place, cwd=tmp_path)
    assert done.code == code, done.err
    assert said in done.err
    assert not (tmp_path / "permits.db").exists()
