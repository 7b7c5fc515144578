"""The functions that a mapping has besides DuckDB's own: times, numbers, positions, and geometry's validity."""

import datetime
import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landbridge.sources.mapping.clock import LocalClock
from landbridge.sources.mapping.engine import Engine
from landbridge.sources.mapping.geometry import from_gcj02, gcj02_geojson, gcj02_shift, normal_geometry, normal_wkt
from made_mapping import mapped, one

UTC = datetime.UTC


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(memory=256, spill="", time_zone="Europe/Berlin", ambiguous="reject")


def ask(engine: Engine, expression: str) -> Any:
    """One value, as text where it is a time."""
    return engine.do(f"select cast({expression} as varchar)")[0][0]


# --- times ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("'2020-04-02 08:30'", "2020-04-02 06:30:00+00"),
        ("'2020-04-02T08:30:15'", "2020-04-02 06:30:15+00"),
        ("'2020/4/2 8:30'", "2020-04-02 06:30:00+00"),
        ("'20200402'", "2020-04-01 22:00:00+00"),
        ("'2020.4.2'", "2020-04-01 22:00:00+00"),
        ("'2020年1月31日'", "2020-01-30 23:00:00+00"),
        ("'2020年1月31日 12:00'", "2020-01-31 11:00:00+00"),
        ("date '2020-07-01'", "2020-06-30 22:00:00+00"),
        ("timestamp '2020-07-01 12:00'", "2020-07-01 10:00:00+00"),
        ("'2020-04-02T08:30:00Z'", "2020-04-02 08:30:00+00"),
        ("'2020-04-02T08:30:00+08:00'", "2020-04-02 00:30:00+00"),
        ("''", None),
        ("null", None),
    ],
)
def test_local_time_reads_the_usual_spellings(engine: Engine, written: str, instant: str | None) -> None:
    assert ask(engine, f"local_time({written})") == instant


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("'20200402', '08'", "2020-04-02 06:00:00+00"),
        ("'2020-04-02', 24", "2020-04-02 22:00:00+00"),
        ("date '2020-04-02', 8, 45", "2020-04-02 06:45:00+00"),
        ("null, 8", None),
    ],
)
def test_local_time_of_a_date_with_an_hour_beside_it(engine: Engine, written: str, instant: str | None) -> None:
    assert ask(engine, f"local_time({written})") == instant


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("'2021-03-28 02:30'", "2021-03-28 02:30 does not exist in Europe/Berlin"),
        ("'2021-10-31 02:30'", "2021-10-31 02:30 is there twice in Europe/Berlin"),
        ("'2021-02-29'", "'2021-02-29' is no date and time"),
        ("'yesterday'", "'yesterday' is no date and time"),
        ("'2021-03-28', 2", "2021-03-28 2:00 does not exist in Europe/Berlin"),
        ("'2021-03-27', 25", "'2021-03-27 25:00' is no date and time"),
        ("'2021-03-27', 2, 75", "'2021-03-27 2:75' is no date and time"),
    ],
)
def test_local_time_says_what_is_wrong(engine: Engine, written: str, reason: str) -> None:
    with pytest.raises(duckdb.Error) as error:
        ask(engine, f"local_time({written})")
    assert reason in str(error.value)


@pytest.mark.parametrize(("ambiguous", "hour"), [("earlier", 0), ("later", 1)])
def test_a_time_that_comes_twice_is_resolved_as_declared(tmp_path: Path, ambiguous: str, hour: int) -> None:
    rows = {"x": ["2021-10-31 02:30", "2021-03-28 02:30"]}
    outcome = mapped(
        tmp_path, one("local_time(x)", "observedAt"), rows, time_zone="Europe/Berlin", ambiguous_time=ambiguous
    )
    assert outcome.column("observedAt") == [datetime.datetime(2021, 10, 31, hour, 30, tzinfo=UTC)]
    assert outcome.rejects == [(1, "2021-03-28 02:30 does not exist in Europe/Berlin")]


def test_times_without_a_function_are_local_too(tmp_path: Path) -> None:
    outcome = mapped(tmp_path, one("x", "observedAt"), {"x": ["2020-04-02 08:00", "soon"]}, time_zone="Asia/Shanghai")
    assert outcome.column("observedAt") == [datetime.datetime(2020, 4, 2, tzinfo=UTC)]
    assert outcome.rejects == [(1, "column observedAt: 'soon' is no date and time")]


ZONES = [
    "Asia/Shanghai",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Asia/Tehran",
    "UTC",
]


@settings(max_examples=150, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    moments=st.lists(
        st.datetimes(datetime.datetime(1950, 1, 1), datetime.datetime(2100, 1, 1)), min_size=1, max_size=20
    ),
)
def test_the_clock_agrees_with_pythons(zone: str, moments: list[datetime.datetime]) -> None:
    """What is local time of some instant comes back as that instant, or as twice there; nothing else exists."""
    place = ZoneInfo(zone)
    clock = LocalClock(zone, "reject")
    moments = [one.replace(microsecond=0) for one in moments]
    local = np.array([int((one - datetime.datetime(1970, 1, 1)).total_seconds()) * 1_000_000 for one in moments])
    earlier, later, state = clock.resolve(local)
    for whole, low, high, found in zip(moments, earlier, later, state, strict=True):
        readings = {whole.replace(fold=fold, tzinfo=place).astimezone(UTC) for fold in (0, 1)}
        real = sorted(one for one in readings if one.astimezone(place).replace(tzinfo=None) == whole)
        assert found == {0: 1, 1: 0, 2: 2}[len(real)], (zone, whole)
        if real:
            epoch = datetime.datetime(1970, 1, 1, tzinfo=UTC)
            assert [epoch + datetime.timedelta(microseconds=int(one)) for one in (low, high)] == [real[0], real[-1]]


# --- numbers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "value"),
    [("12", 12.0), ("12,5", 12.5), ("1.234,5", 1234.5), ("1,234.5", 1234.5), ("1,234", 1234.0),
     ("1.234.567", 1234567.0),
     ("１２．５", 12.5), ("－３", -3.0), ("1 234", 1234.0), ("1'234", 1234.0), ("1e3", 1000.0), (".5", 0.5),
     ("+7", 7.0),
     ("", None), ("  ", None), ("12.345", 12.345), ("-0,5", -0.5)],
)  # fmt: skip
def test_number(engine: Engine, written: str, value: float | None) -> None:
    found = engine.connection.execute("select number(?::varchar)", [written]).fetchall()[0][0]
    assert found == value


@pytest.mark.parametrize("written", ["many", "NaN", "Infinity", "1,2,3", "12 m", "--1", "1e999x", "0x10"])
def test_number_says_what_is_none(engine: Engine, written: str) -> None:
    with pytest.raises(duckdb.Error, match="is no number"):
        engine.connection.execute("select number(?::varchar)", [written]).fetchall()


@settings(max_examples=200, deadline=None)
@given(value=st.integers(-(10**9), 10**9), places=st.integers(1, 6))
def test_number_reads_a_decimal_comma_as_a_point(engine: Engine, value: int, places: int) -> None:
    written = f"{value / 10**places:.{places}f}"
    if places == 3:  # 1,234 may be a thousand's comma: what it means cannot be told
        return
    pair = engine.connection.execute(
        "select number(?::varchar), number(?::varchar)", [written, written.replace(".", ",")]
    )
    point, comma = pair.fetchall()[0]
    assert point == comma == float(written)


# --- positions and geometry ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "rejected"),
    [
        ("point(x, y)", ["'east' is no longitude"]),
        ("[x, y]", ["'[east, 39.1]' is no longitude and latitude"]),
        ("x || ', ' || y", ["'east, 39.1' is no longitude and latitude"]),
    ],
)
def test_points(tmp_path: Path, expression: str, rejected: list[str]) -> None:
    rows = {"x": ["117.2", "39.1", "east", None, "200"], "y": ["39.1", "117.2", "39.1", "39.1", "39.1"]}
    outcome = mapped(tmp_path, one(expression, "location.point"), rows)
    points = [json.loads(text) if text else None for text in outcome.column("location.point")]
    assert points == [{"type": "Point", "coordinates": [117.2, 39.1]}, None]
    reasons = dict(outcome.rejects)
    assert "is outside the world; are longitude and latitude swapped?" in reasons[1]
    assert rejected[0] in reasons[2]
    assert reasons[4].endswith("outside the world")


SQUARE = [[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]]


@pytest.mark.parametrize(
    ("geometry", "reason"),
    [
        ({"type": "Polygon", "coordinates": [SQUARE]}, None),
        ({"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2, 3]}}, None),
        ({"type": "Polygon", "coordinates": [SQUARE[:-1]]}, "a ring of the polygon is not closed"),
        (
            {"type": "Polygon", "coordinates": [[[0, 0], [2, 2], [0, 2], [2, 0], [0, 0]]]},
            "not valid: Self-intersection",
        ),
        ({"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [0, 0]]]}, "fewer than four positions"),
        (
            {"type": "Polygon", "coordinates": [SQUARE, [[5, 5], [6, 5], [6, 6], [5, 5]]]},
            "not valid: Hole lies outside",
        ),
        ({"type": "Point", "coordinates": [39.1, 117.2]}, "outside the world; are longitude and latitude swapped?"),
        ({"type": "Point", "coordinates": [1e6, 1e6]}, "outside the world"),
        ({"type": "Point", "coordinates": ["1", 2]}, "is not two or three numbers"),
        ({"type": "Point", "coordinates": [1]}, "is not two or three numbers"),
        ({"type": "Point", "coordinates": []}, "not two or three numbers"),
        ({"type": "Point", "coordinates": None}, "the coordinates are no array"),
        ({"type": "LineString", "coordinates": [[1, 2]]}, "LineString"),
        ({"type": "MultiPolygon", "coordinates": [[]]}, "has no coordinates"),
        ({"type": "Circle", "coordinates": [1, 2]}, "the geometry's type 'Circle' is none of"),
        ({"type": "GeometryCollection", "geometries": []}, "'GeometryCollection' is none of"),
        ([1, 2], "is no GeoJSON geometry"),
        ("{", "is no GeoJSON"),
    ],
)
def test_geometry(tmp_path: Path, geometry: Any, reason: str | None) -> None:
    text = geometry if isinstance(geometry, str) else json.dumps(geometry)
    outcome = mapped(tmp_path, one("x", "location.geojson"), {"x": [text]})
    if reason is None:
        kept = geometry.get("geometry", geometry)
        assert json.loads(outcome.rows[0]["location.geojson"]) == kept
    else:
        ((_, said),) = outcome.rejects
        assert said.startswith("column location.geojson: ")
        assert reason in said


def test_well_known_text() -> None:
    texts = pa.chunked_array([["POINT (117.2 39.1)", "POLYGON ((0 0, 2 2, 0 2, 2 0, 0 0))", "CIRCLE", None, " "]])
    good, crossing, unknown, missing, blank = normal_wkt(texts).to_pylist()
    assert json.loads(good) == {"type": "Point", "coordinates": [117.2, 39.1]}
    assert crossing.startswith("!the Polygon is not valid")
    assert unknown == "!'CIRCLE' is no well-known text of a geometry"
    assert (missing, blank) == (None, None)


@settings(max_examples=200, deadline=None)
@given(lon=st.floats(75, 135), lat=st.floats(3, 53))
def test_gcj02_is_inverted(lon: float, lat: float) -> None:
    """A WGS 84 position moved as GCJ-02 moves it comes back to within 2 cm."""
    x, y = np.array([lon]), np.array([lat])
    east, north = gcj02_shift(x, y)
    back_x, back_y = from_gcj02(x + east, y + north)
    assert abs(back_x[0] - lon) < 2e-7
    assert abs(back_y[0] - lat) < 2e-7
    assert 1e-4 < abs(east[0]) + abs(north[0]) < 0.02


def test_gcj02_in_a_mapping(tmp_path: Path) -> None:
    rows = {"x": [117.2, 2.3], "y": [39.1, 48.9]}
    outcome = mapped(tmp_path, one("wgs84_from_gcj02(x, y)", "location.point"), rows)
    (lon, lat), paris = (json.loads(text)["coordinates"] for text in outcome.column("location.point"))
    assert 0.005 < 117.2 - lon < 0.007  # about 500 m
    assert 0.001 < 39.1 - lat < 0.002
    assert paris == [2.3, 48.9]  # outside China nothing moves
    line = json.dumps({"type": "LineString", "coordinates": [[117.2, 39.1], [117.3, 39.2, 5]]})
    (moved,) = gcj02_geojson(pa.chunked_array([[line]])).to_pylist()
    assert json.loads(moved)["coordinates"][0] == [round(lon, 7), round(lat, 7)]
    assert json.loads(moved)["coordinates"][1][2] == 5
    assert gcj02_geojson(pa.chunked_array([["{", None]])).to_pylist() == ["{", None]  # a later check names it


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["type", "coordinates", "geometry", "x"]), inner, max_size=3)
    ),
    max_leaves=12,
)
kinds = st.sampled_from(
    ["Point", "LineString", "Polygon", "MultiPolygon", "MultiPoint", "MultiLineString", "Feature", "X"]
)


@settings(max_examples=300, deadline=None)
@given(kind=kinds, coordinates=junk)
def test_whatever_the_geometry_is_it_is_valid_or_has_a_reason(kind: str, coordinates: Any) -> None:
    text = json.dumps({"type": kind, "coordinates": coordinates, "geometry": coordinates})
    for given_text in (text, text[:-1], json.dumps(coordinates)):
        column = pa.chunked_array([[given_text]])
        (moved,) = gcj02_geojson(column).to_pylist()
        assert isinstance(moved, str)
        (found,) = normal_geometry(column).to_pylist()
        assert (
            found is None
            or found.startswith("!")
            or normal_geometry(pa.chunked_array([[found]])).to_pylist() == [found]
        )
