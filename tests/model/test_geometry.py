"""Which geometries are taken, and how far and how they lie to each other."""

import json
from typing import Any

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Geod

from landbridge.errors import InvalidEntity, InvalidQuery
from landbridge.model.geometry import bounds, check_geometry, distance, flaw, metres_between, widened

RING = [[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]]


def shape(kind: str, coordinates: object) -> dict[str, Any]:
    return {"type": kind, "coordinates": coordinates}


@pytest.mark.parametrize(
    "geometry",
    [
        shape("Point", [117.7, 39]),
        shape("Point", [117.7, 39, 12.5]),
        shape("MultiPoint", [[1, 2], [3, 4]]),
        shape("LineString", [[1, 2], [3, 4]]),
        shape("MultiLineString", [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]),
        shape("Polygon", [RING]),
        shape("Polygon", [RING, [[0.5, 0.5], [0.5, 1], [1, 1], [0.5, 0.5]]]),
        shape("MultiPolygon", [[RING], [[[5, 5], [6, 5], [6, 6], [5, 5]]]]),
    ],
)
def test_a_sound_geometry_is_taken(geometry: dict[str, Any]) -> None:
    assert flaw(geometry) is None


@pytest.mark.parametrize(
    ("geometry", "said"),
    [
        ("POINT (1 2)", "no object"),
        (shape("GeometryCollection", []), "none of Point"),
        (shape("Circle", [1, 2]), "'Circle' is none of"),
        ({"type": ["Point"], "coordinates": [1, 2]}, "none of"),
        (shape("Point", []), "not two or three numbers"),
        (shape("Point", None), "no array"),
        (shape("Point", ["1", "2"]), "not two or three numbers"),
        (shape("Point", [True, 2]), "not two or three numbers"),
        (shape("Point", [float("nan"), 2]), "not two or three numbers"),
        (shape("Point", [float("inf"), 2]), "not two or three numbers"),
        (shape("Point", [1, 2, 3, 4]), "not two or three numbers"),
        (shape("Point", [39.0, 117.7]), "longitude and latitude swapped"),
        (shape("Point", [181, 2]), "outside the world"),
        (shape("LineString", [[1, 2]]), "LineString"),
        (shape("LineString", []), "no coordinates"),
        (shape("MultiPoint", [[[1, 2]]]), "not two or three numbers"),
        (shape("Polygon", [RING[:3]]), "fewer than four"),
        (shape("Polygon", [RING[:4]]), "not closed"),
        (shape("Polygon", [[[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]]), "Self-intersection"),
        (shape("MultiPolygon", [[RING], []]), "no ring"),
        (shape("MultiPoint", [[0, 0]] * 200_001), "more than 200000 positions"),
    ],
)
def test_a_flaw_is_named(geometry: Any, said: str) -> None:
    assert said in str(flaw(geometry))
    with pytest.raises(InvalidEntity, match=r"^body: [A-Z].*\. Give it"):
        check_geometry(geometry, where="body")
    with pytest.raises(InvalidQuery):
        check_geometry(geometry, kind=InvalidQuery)


lons, lats = st.floats(-180, 180), st.floats(-85, 85)


@given(lons, lats, lons, lats)
def test_metres_are_those_of_the_globe(lon: float, lat: float, lon_too: float, lat_too: float) -> None:
    there = json.dumps(shape("Point", [lon_too, lat_too]))
    found = distance(shapely.Point(lon, lat), there)
    geodesic = Geod(a=6_371_008.8, b=6_371_008.8).inv(lon, lat, lon_too, lat_too)[2]
    assert found == pytest.approx(geodesic, rel=1e-6, abs=0.01)
    assert found == pytest.approx(Geod(ellps="WGS84").inv(lon, lat, lon_too, lat_too)[2], rel=0.006, abs=0.01)


@given(st.floats(100, 140), st.floats(-60, 60), st.floats(0, 0.3), st.floats(0, 0.3), st.floats(0.01, 0.2))
def test_a_point_is_as_far_from_a_box_as_from_its_nearest_place(
    x: float, y: float, dx: float, dy: float, side: float
) -> None:
    box = shapely.box(x, y, x + side, y + side)
    lon, lat = x + side + dx, y + side + dy
    found = distance(box, json.dumps(shape("Point", [lon, lat])))
    edge = [box.boundary.interpolate(n / 2000, normalized=True) for n in range(2001)]
    nearest = min(metres_between(lon, lat, place.x, place.y) for place in edge)
    assert found == pytest.approx(nearest, rel=0.002, abs=side * 111_000 * 4 / 2000)


@given(lons, lats, st.floats(1, 3_000_000), st.floats(0, 360))
def test_a_widened_box_holds_all_within_the_metres(lon: float, lat: float, metres: float, azimuth: float) -> None:
    east, north, _ = Geod(a=6_371_008.8, b=6_371_008.8).fwd(lon, lat, azimuth, metres * 0.999_999)
    west_, south_, east_, north_ = widened((lon, lat, lon, lat), metres)
    assert south_ <= north <= north_
    assert west_ <= east <= east_ or abs(abs(east) - 180) < 1e-6


def test_the_short_way_is_taken_across_the_date_line() -> None:
    assert distance(shapely.Point(179.9, 0), json.dumps(shape("Point", [-179.9, 0]))) == pytest.approx(22_239, rel=1e-3)
    box = shapely.box(-179.9, -1, -179, 1)
    assert distance(box, json.dumps(shape("Point", [179.9, 0]))) == pytest.approx(22_239, rel=1e-3)
    assert distance(shapely.box(0, 0, 1, 1), json.dumps(shape("Point", [0.5, 0.5]))) == 0


def test_bounds_are_west_south_east_north() -> None:
    assert bounds(shape("MultiPolygon", [[RING], [[[5, 5], [6, 5], [6, 6], [5, 5]]]])) == (0, 0, 6, 6)
    assert bounds(shape("Point", [1, 2, 9])) == (1, 2, 1, 2)
