"""What the chart of an entity's page draws of the recorded values, when sources come, differ and are overruled."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

import pytest

from feeding import City, Rows, rivals, when
from landbridge.console.chart import as_said, draw
from landbridge.governance.policy import Actor, Role
from landbridge.model.answer import Point
from landbridge.model.claim import Claims
from landbridge.model.parser import parse_attributes
from landbridge.model.terms import Terms
from landbridge.pool.convert import convert
from landbridge.pool.pool import Pool

BOSS = Actor("boss", Role.OPERATOR)
HOURS = [f"2020-04-02T{hour:02d}:00+00:00" for hour in range(24)]
ID = "urn:x:1"


@pytest.fixture
def city() -> Iterator[City]:
    city = City()
    yield city
    city.close()


def readings(*values: float, start: int = 0) -> Rows:
    return [
        {"id": ID, "type": "T", "n": value, "observedAt": when(HOURS[start + place])}
        for place, value in enumerate(values)
    ]


def lines(city: City) -> dict[str, list[tuple[int, object]]]:
    """What is drawn: hour and value by owner."""
    found: dict[str, list[tuple[int, object]]] = {}
    for point in as_said(Pool(city.store, claims=city.claims).series(BOSS, ID, "n", limit=1_000)):
        value = None if point.deleted else point.value
        found.setdefault(point.owner, []).append((point.time // 3_600_000_000 % 24, value))
    return found


def test_a_source_that_gets_a_rival_keeps_its_line_and_the_client_gets_one_of_its_own(city: City) -> None:
    city.claims = Claims(feeds={("", "T", "n"): ("one",)})
    convert(city.store, city.claims, BOSS)
    city.pull("one", readings(1, 2, 3))
    city.claims = rivals("one", "two", attributes=("n",), type_="T")
    convert(city.store, city.claims, BOSS)
    city.pull("one", readings(4, start=3), manner="incremental")
    city.pull("two", readings(7, 8, start=3))
    assert lines(city) == {"one": [(0, 1), (1, 2), (2, 3), (3, 4)], "two": [(3, 7), (4, 8)]}

    pin = parse_attributes({"n": {"type": "Property", "value": 9, "observedAt": "2020-04-02T05:00:00Z"}}, Terms())
    Pool(city.store, claims=city.claims).patch(BOSS, ID, pin)
    city.pull("two", readings(6, start=6), manner="incremental")
    assert lines(city)["api"] == [(5, 9)]
    assert lines(city)["two"] == [(3, 7), (4, 8), (6, 6)]

    points = as_said(Pool(city.store, claims=city.claims).series(BOSS, ID, "n", limit=1_000))
    chart = draw(points, ZoneInfo("UTC"))
    assert chart is not None
    assert {line.owner: len(line.runs) for line in chart.lines} == {"one": 1, "two": 1, "api": 0}


def test_what_is_withdrawn_and_not_said_again_is_a_gap() -> None:
    def point(hour: int, value: object, deleted: bool = False) -> Point:
        return Point(hour * 3_600_000_000, 1_000 + hour, value, "one", None, deleted)

    points = [point(0, 1), point(1, 2), point(2, None, True), point(3, 4), point(4, 5)]
    assert as_said(points) == points
    chart = draw(points, ZoneInfo("UTC"))
    assert chart is not None
    assert len(chart.lines[0].runs) == 2
