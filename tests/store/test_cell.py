"""Cells and the ranges that cover a box."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from landbridge.store.cell import MOST_RANGES, SIDE, cell, cells, covering

lons, lats = st.floats(-180, 180), st.floats(-90, 90)


@given(lons, lats, lons, lats, st.floats(0, 1), st.floats(0, 1))
def test_every_place_of_a_box_is_in_its_ranges(a: float, b: float, c: float, d: float, s: float, t: float) -> None:
    (west, east), (south, north) = sorted((a, c)), sorted((b, d))
    ranges = covering((west, south, east, north))
    assert 1 <= len(ranges) <= MOST_RANGES
    assert all(first <= last for first, last in ranges)
    assert all(one[1] + 1 < other[0] for one, other in pairwise(ranges))
    here = cell(min(max(west + s * (east - west), west), east), min(max(south + t * (north - south), south), north))
    assert any(first <= here <= last for first, last in ranges)


@given(st.lists(st.tuples(lons, lats), min_size=1))
def test_a_column_of_cells_equals_the_cells(places: list[tuple[float, float]]) -> None:
    found = cells(np.array([lon for lon, _ in places]), np.array([lat for _, lat in places]))
    assert found.tolist() == [cell(lon, lat) for lon, lat in places]


def test_a_small_box_is_covered_tightly() -> None:
    ranges = covering((117.6, 38.9, 117.7, 39.0))
    share = sum(last - first + 1 for first, last in ranges) / SIDE**2
    assert share < 3 * (0.1 / 360) * (0.1 / 180)


def test_near_places_share_their_leading_bits() -> None:
    assert cell(-180, -90) == 0
    assert cell(180, 90) == SIDE**2 - 1
    assert cell(117.7, 39.0) >> 40 == cell(117.70001, 39.00001) >> 40
