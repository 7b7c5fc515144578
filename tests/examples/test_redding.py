"""Redding, joined from a timetable and two captured messages of its buses."""

from collections.abc import Iterator, Mapping

import pytest

from cities import OPERATOR, all_of, joined, value
from landbridge.app.city import City
from landbridge.model.answer import RunRecord
from landbridge.model.query import Has, Near, Query

ORDER = ("stops-routes", "vehicles")
Pulled = tuple[City, Mapping[str, RunRecord]]


@pytest.fixture(scope="module")
def pulled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pulled]:
    with joined("redding", tmp_path_factory.mktemp("redding"), ORDER) as found:
        yield found


def test_stops_routes_vehicles_and_arrivals(pulled: Pulled) -> None:
    city, runs = pulled
    assert [run.state for run in runs.values()] == ["done", "done"]
    assert {summary.type: summary.entities for summary in city.pool.types(OPERATOR)} == {
        "GtfsStop": 375, "GtfsRoute": 13, "Vehicle": 22, "ArrivalEstimation": 41,
    }  # fmt: skip


def test_one_vehicle_alone_is_on_a_route(pulled: Pulled) -> None:
    city, _ = pulled
    assert len([d for d in all_of(city, "Vehicle") if "hasRoute" in d["attrs"]]) == 1


def test_a_route_knows_what_points_at_it(pulled: Pulled) -> None:
    city, _ = pulled
    arrival = all_of(city, "ArrivalEstimation")[0]
    stop = str(value(arrival, "hasStop"))
    assert arrival["id"] in {link.entity for link in city.pool.links(OPERATOR, stop, limit=100)}


def test_stops_are_found_by_where_they_are(pulled: Pulled) -> None:
    city, _ = pulled
    place = {"type": "Point", "coordinates": [-122.380729, 40.611583]}
    near = city.pool.query(OPERATOR, Query(types=Has("GtfsStop"), geo=Near(place, at_most=1), limit=5))
    assert [document["id"] for document in near.documents] == ["urn:ngsi-ld:GtfsStop:1001"]


def test_number_plates_are_never_stored(pulled: Pulled) -> None:
    city, _ = pulled
    (trace, *_) = city.pool.explain(OPERATOR, "urn:ngsi-ld:Vehicle:66", "location")
    assert trace.raw is not None and "latitude" in trace.raw and "license_plate" not in trace.raw


def test_each_route_has_the_lines_that_its_trips_drive(pulled: Pulled) -> None:
    city, _ = pulled
    lines = {document["id"]: value(document, "location") for document in all_of(city, "GtfsRoute")}
    assert {kind["type"] for kind in lines.values() if isinstance(kind, dict)} == {"MultiLineString"}
    one = lines["urn:ngsi-ld:GtfsRoute:151"]
    assert isinstance(one, dict)
    assert one["coordinates"][0][0] == [-122.39245, 40.5832]
    place = {"type": "Point", "coordinates": one["coordinates"][0][10]}
    near = city.pool.query(OPERATOR, Query(types=Has("GtfsRoute"), geo=Near(place, at_most=1), limit=20))
    assert "urn:ngsi-ld:GtfsRoute:151" in {document["id"] for document in near.documents}
