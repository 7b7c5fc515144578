"""Landbridge as a library: the examples of its docstrings, answers as columns, writing and its refusals."""

import doctest
from collections.abc import Iterator
from pathlib import Path

import pytest

import landbridge
from landbridge.app.library import District
from landbridge.errors import Exists, Failed, InvalidQuery, Missing
from made_source import folder_of

PARKS = "id,name,area,lon,lat\n1,Riverside,120.5,117.7,39.0\n2,Old Mill,80,117.8,39.1\n"
MAPPING = """select 'urn:ngsi-ld:Park:' || id as id, 'Park' as type, name as name, cast(area as double) as area,
       'MTK' as "area.unitCode", point(cast(lon as double), cast(lat as double)) as "location.point",
       timestamptz '2024-01-02 03:04:05+00' as "area.observedAt"
from source
"""


@pytest.fixture
def city(tmp_path: Path) -> Path:
    (tmp_path / "landbridge.toml").write_text('name = "Here"\n')
    folder = folder_of(tmp_path / "sources", "parks", "", MAPPING, location="parks.csv")
    (folder / "parks.csv").write_text(PARKS)
    return tmp_path


@pytest.fixture
def district(city: Path) -> Iterator[District]:
    with landbridge.open(city) as opened:
        opened.pull("parks")
        yield opened


def test_the_examples_of_the_docstrings_hold(city: Path) -> None:
    examples = doctest.DocTestFinder(recurse=False).find(landbridge.open, "landbridge.open")
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for example in examples:
        example.globs.update(landbridge=landbridge, city=city)
        runner.run(example)
    result = runner.summarize()
    assert (result.failed, result.attempted) == (0, 8)


def test_importing_the_package_loads_no_engine() -> None:
    assert "importlib" in vars(landbridge)
    assert not {"polars", "duckdb", "pa"} & set(vars(landbridge))


def test_answers_come_as_columns(district: District) -> None:
    table = district.query("Park").arrow()
    assert table.column("area").to_pylist() == [120.5, 80.0]
    assert table.column("area.unitCode").to_pylist() == ["MTK", "MTK"]
    assert table.column("area.observedAt")[0].as_py().isoformat() == "2024-01-02T03:04:05+00:00"
    assert district.query("Park").polars().shape[0] == 2
    assert list(district.query("Park").pandas()["name"]) == ["Riverside", "Old Mill"]
    frame = district.query("Park", q='name=="Old Mill"').geopandas()
    assert (frame.geometry[0].x, frame.geometry[0].y, frame.crs.to_epsg()) == (117.8, 39.1, 4326)


def test_columns_of_different_entities_are_filled_up(district: District) -> None:
    district.create({"id": "urn:ngsi-ld:Park:3", "type": "Park", "area": "unknown", "tags": ["a", "b"]})
    table = district.query("Park").arrow()
    assert table.column("area").to_pylist() == ["120.5", "80.0", "unknown"]
    assert table.column("tags").to_pylist() == [None, None, '["a","b"]']
    assert table.column("name").null_count == 1


def test_queries_by_place_and_page(district: District) -> None:
    assert [park["name"] for park in district.query("Park", near=(117.7, 39.0, 100.0))] == ["Riverside"]
    assert len(district.query("Park", limit=1)) == 1
    assert district.query("Park")[0:1][0]["name"] == "Riverside"
    assert district.query("Park", attrs=["area"])[1] == {"id": "urn:ngsi-ld:Park:2", "type": "Park", "area": 80}
    with pytest.raises(InvalidQuery):
        district.query("Park", q="area>>1")


def test_writing_and_its_refusals(district: District) -> None:
    with pytest.raises(Exists):
        district.create({"id": "urn:ngsi-ld:Park:1", "type": "Park"})
    district.append("urn:ngsi-ld:Park:2", {"keeper": {"type": "Property", "value": "city"}})
    district.patch("urn:ngsi-ld:Park:2", {"keeper": {"type": "Property", "value": "club"}})
    assert district.get("urn:ngsi-ld:Park:2")["keeper"] == "club"
    district.delete("urn:ngsi-ld:Park:2", "keeper")
    assert "keeper" not in district.get("urn:ngsi-ld:Park:2")
    with pytest.raises(Missing):
        district.get("urn:ngsi-ld:Park:404")


def test_a_pull_that_fails_is_raised_with_its_reason(district: District, city: Path) -> None:
    (city / "sources/parks/parks.csv").write_text("id,name,area,lon,lat\n")
    with pytest.raises(Failed, match="yields nothing"):
        district.pull("parks")
    with pytest.raises(Missing, match="Did you mean 'parks'"):
        district.pull("park")
    assert len(district.query("Park")) == 2


def test_what_the_city_knows_of_itself(district: District) -> None:
    assert [(kind.type, kind.entities) for kind in district.types()] == [("Park", 2)]
    assert district.sources()[0].name == "parks"
    assert district.rejects() == []
    assert district.disagreements() == []
    assert [point.value for point in district.series("urn:ngsi-ld:Park:1", "area")] == [120.5]
