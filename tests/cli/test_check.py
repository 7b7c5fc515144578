"""`landbridge check` names likely mistakes, each with what to do, and does not cry wolf."""

from pathlib import Path
from typing import Any

import pytest

from command import Ended, landbridge, source

OUTLINE = """{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, "geometry":
 {"type": "Polygon", "coordinates": [[[117.0, 38.5], [118.0, 38.5], [118.0, 39.5], [117.0, 39.5], [117.0, 38.5]]]}}]}"""
CITY = 'name = "Harbour"\ntime_zone = "Asia/Shanghai"\ndistrict = "outline.geojson"\n'
CSV = 'kind = "csv"\nlocation = "rows.csv"\ntime_zone = "Asia/Shanghai"\n'
PLAIN = """select 'urn:ngsi-ld:Gate:' || code as id, 'Gate' as type, cast(count as bigint) as visitors,
       point(lon, lat) as "location.point", local_time(day) as observedAt
from source"""
ROWS = "code,count,lon,lat,day\nN,5,117.5,39.0,2026-01-05\nS,7,117.6,39.1,2026-01-05\n"


@pytest.fixture
def city(tmp_path: Path) -> Path:
    (tmp_path / "landbridge.toml").write_text(CITY)
    (tmp_path / "outline.geojson").write_text(OUTLINE)
    return tmp_path


def findings(city: Path, *words: str) -> list[dict[str, Any]]:
    done = landbridge("check", city, *words, "--json")
    assert done.code in (0, 3), done.err
    found: list[dict[str, Any]] = done.json()["findings"]
    return found


def only(city: Path) -> dict[str, Any]:
    (found,) = findings(city)
    return found


def test_a_sound_city_has_no_finding(city: Path) -> None:
    source(city, "gates", CSV, PLAIN, rows=ROWS)
    done = landbridge("check", city, "--json")
    assert done.code == 0
    assert done.json()["findings"] == []
    (one,) = done.json()["sources"]
    assert (one["read"], one["mapped"], one["rejected"], one["whole"]) == (2, 2, 0, True)
    assert one["types"] == ["Gate"]
    assert one["entities"][0] == {
        "id": "urn:ngsi-ld:Gate:N",
        "type": "Gate",
        "visitors": {"type": "Property", "value": 5, "observedAt": "2026-01-04T16:00:00Z"},
        "location": {
            "type": "GeoProperty",
            "value": {"type": "Point", "coordinates": [117.5, 39.0]},
            "observedAt": "2026-01-04T16:00:00Z",
        },
    }


def test_check_writes_nothing(city: Path) -> None:
    source(city, "gates", CSV, PLAIN, rows=ROWS)
    before = sorted((path, path.stat().st_mtime_ns) for path in city.rglob("*"))
    landbridge("check", city)
    assert sorted((path, path.stat().st_mtime_ns) for path in city.rglob("*")) == before


def test_a_unit_that_is_no_code(city: Path) -> None:
    mapping = PLAIN.replace("as visitors,", "as visitors, 'µg/m³' as \"visitors.unitCode\",")
    source(city, "gates", CSV, mapping, rows=ROWS)
    found = only(city)
    assert found["level"] == "warning"
    assert "'µg/m³' is no UN/CEFACT unit code" in found["message"]
    assert "'GQ'" in found["hint"]


def test_points_outside_the_district(city: Path) -> None:
    source(city, "gates", CSV, PLAIN, rows=ROWS.replace("117.6,39.1", "120.6,39.1"))
    found = only(city)
    assert "1 of 2 places lie outside the district, such as urn:ngsi-ld:Gate:S" in found["message"]


def test_coordinates_swapped_outside_the_world(city: Path) -> None:
    source(city, "gates", CSV, PLAIN.replace("point(lon, lat)", "point(lat, lon)"), rows=ROWS)
    found = findings(city)
    assert any("swapped" in one["message"] + one["hint"] for one in found)
    assert any("point(longitude, latitude)" in one["hint"] for one in found)


def test_coordinates_swapped_within_the_world(tmp_path: Path) -> None:
    (tmp_path / "landbridge.toml").write_text('district = "outline.geojson"\n')
    (tmp_path / "outline.geojson").write_text(OUTLINE.replace("117.", "17.").replace("118.", "18."))
    mapping = (
        "select 'urn:ngsi-ld:Gate:' || code as id, 'Gate' as type, point(lat, lon) as \"location.point\" from source"
    )
    source(
        tmp_path, "gates", 'kind = "csv"\nlocation = "rows.csv"\n', mapping, rows="code,lon,lat\nN,17.5,39\nS,17.6,39\n"
    )
    (found,) = findings(tmp_path)
    assert "longitude and latitude swapped" in found["hint"]


def test_a_forgotten_time_zone(city: Path) -> None:
    source(city, "gates", CSV.replace('time_zone = "Asia/Shanghai"\n', ""), PLAIN, rows=ROWS)
    found = only(city)
    assert "count as UTC" in found["message"]
    assert 'time_zone = "Asia/Shanghai"' in found["hint"]


def test_a_backfill_of_what_is_no_past_or_takes_the_slower_way(city: Path) -> None:
    """A mapping without times, NULLs that remove, datasetIds, and a stream."""
    back = CSV + "backfill = true\n"
    source(city, "gates", back, PLAIN, rows=ROWS)
    assert findings(city) == []
    source(city, "now", back, PLAIN.replace(", local_time(day) as observedAt", "").replace("Gate", "Door"), rows=ROWS)
    source(city, "gone", back + 'null_remove = ["visitors"]\n', PLAIN.replace("Gate", "Hatch"), rows=ROWS)
    own = PLAIN.replace("as visitors,", "as visitors, 'urn:x:' || code as \"visitors.datasetId\",").replace(
        "Gate", "Exit"
    )
    source(city, "several", back, own, rows=ROWS)
    live = 'kind = "push"\nbackfill = true\ntime_zone = "Asia/Shanghai"\n'
    source(city, "live", live, PLAIN.replace("Gate", "Ramp"), rows=ROWS)
    said = {one["source"]: (one["level"], one["message"]) for one in findings(city)}
    assert {name: level for name, (level, _) in said.items()} == {
        "now": "warning", "gone": "warning", "several": "warning", "live": "error",
    }  # fmt: skip
    assert all("`backfill` is true" in message for _, message in said.values())


def test_a_time_zone_is_not_missed_where_no_local_time_is_read(city: Path) -> None:
    mapping = "select 'urn:ngsi-ld:Gate:' || code as id, 'Gate' as type, 5 as n  -- local_time(day)\nfrom source"
    source(city, "gates", CSV.replace('time_zone = "Asia/Shanghai"\n', ""), mapping, rows=ROWS)
    assert findings(city) == []


def test_an_id_that_is_no_uri(city: Path) -> None:
    source(city, "gates", CSV, PLAIN.replace("'urn:ngsi-ld:Gate:' || code", "code"), rows=ROWS)
    found = findings(city)
    assert any("is no URI" in one["message"] and "urn:ngsi-ld:" in one["hint"] for one in found)


def test_times_in_the_future(city: Path) -> None:
    source(city, "gates", CSV, PLAIN, rows=ROWS.replace("S,7,117.6,39.1,2026", "S,7,117.6,39.1,2226"))
    assert "lie in the future, up to 2226" in only(city)["message"]


def test_rivals_without_a_rule_are_an_error(city: Path) -> None:
    source(city, "gates", CSV, PLAIN, rows=ROWS)
    source(city, "counters", CSV, PLAIN, rows=ROWS)
    done = landbridge("check", city, "--json")
    assert done.code == 3
    found = done.json()["findings"]
    assert {one["level"] for one in found} == {"error"}
    assert any("'visitors' of Gate comes from counters and gates" in one["message"] for one in found)
    assert "[claims.Gate]" in found[0]["hint"]


def test_a_rule_for_what_nobody_maps(city: Path) -> None:
    source(city, "gates", CSV, PLAIN, rows=ROWS)
    (city / "landbridge.toml").write_text(CITY + '[claims.Gates]\nrule = "newest"\n')
    assert "Gates, which no source maps" in only(city)["message"]


def test_a_mistake_in_a_mapping_is_placed_and_the_others_are_looked_at(city: Path) -> None:
    source(city, "gates", CSV, PLAIN, rows=ROWS)
    source(city, "broken", CSV, "select 'urn:ngsi-ld:Gate:' || code as id,\n  'Gate' as\nfrom source", rows=ROWS)
    done = landbridge("check", city)
    assert done.code == 3
    assert "urn:ngsi-ld:Gate:N" in done.out
    assert "broken/mapping.sql:3" in done.out


def test_a_table_that_the_source_does_not_have(city: Path) -> None:
    source(city, "gates", CSV, PLAIN.replace("from source", "from sauce"), rows=ROWS)
    found = [one for one in findings(city) if "'sauce'" in one["message"]]
    assert len(found) == 1
    assert found[0]["hint"] == "Did you mean 'source'? Its tables: source."


def test_a_variable_that_is_not_set_is_named_and_is_no_error(city: Path) -> None:
    toml = 'kind = "mqtt"\naddress = "${HARBOUR_BROKER}"\ntopics = ["a"]\n'
    source(city, "stream", toml, "select 'urn:ngsi-ld:Gate:' || gate as id, 'Gate' as type, n as n from source")
    found = only(city)
    assert found["level"] == "warning"
    assert "HARBOUR_BROKER" in found["message"]


def test_only_the_first_rows_are_read_unless_all_are_asked_for(city: Path) -> None:
    many = "code,count,lon,lat,day\n" + "".join(f"G{n},{n},117.5,39.0,2026-01-05\n" for n in range(60_000))
    source(city, "gates", CSV, PLAIN, rows=many)
    (few,) = landbridge("check", city, "--json", "--rows", "100").json()["sources"]
    assert few["read"] == 100
    assert few["whole"] is False
    (all_,) = landbridge("check", city, "--json", "--rows", "0").json()["sources"]
    assert (all_["read"], all_["whole"]) == (60_000, True)


def test_strict_counts_warnings(city: Path) -> None:
    source(city, "gates", CSV, PLAIN, rows=ROWS.replace("117.6,39.1", "120.6,39.1"))
    assert landbridge("check", city).code == 0
    assert landbridge("check", city, "--strict").code == 3


def said_of(done: Ended) -> str:
    return done.out + done.err


def test_a_district_that_is_none(city: Path) -> None:
    (city / "outline.geojson").write_text("not JSON")
    source(city, "gates", CSV, PLAIN, rows=ROWS)
    done = landbridge("check", city)
    assert done.code == 5
    assert "no GeoJSON" in said_of(done)


def test_an_unknown_source_is_named(city: Path) -> None:
    source(city, "gates", CSV, PLAIN, rows=ROWS)
    done = landbridge("check", city, "gate")
    assert done.code == 6
    assert "gates" in done.err


def test_a_folder_without_source_toml_is_not_passed_over(city: Path) -> None:
    source(city, "gates", CSV, PLAIN, rows=ROWS)
    source(city, "doors", CSV, PLAIN, rows=ROWS)
    (city / "sources" / "doors" / "source.toml").unlink()
    found = only(city)
    assert found["level"] == "warning"
    assert "'doors' is no source" in found["message"]


def test_a_mapping_that_is_a_folder_is_an_error_of_its_source(city: Path) -> None:
    source(city, "gates", CSV, PLAIN, rows=ROWS)
    (city / "sources" / "gates" / "mapping.sql").unlink()
    (city / "sources" / "gates" / "mapping.sql").mkdir()
    found = only(city)
    assert found["level"] == "error"
    assert "cannot be read" in found["message"]
    shown = landbridge("check", city).out
    assert "not tried" in shown


def test_a_folder_that_is_no_city_is_named(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    done = landbridge("check", "plain", cwd=tmp_path)
    assert done.code == 6
    assert "'plain' is no city" in done.err
