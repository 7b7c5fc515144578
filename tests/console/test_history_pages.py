"""The pages of history over a real pool: series over a stretch of time, a day replayed, two instants compared."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from console.made_city import OPERATOR, Clock
from console.made_console import console_app
from console.visitor import Visitor
from landbridge.governance.policy import Policy
from landbridge.model.instant import format_instant, parse_instant
from landbridge.pool.pool import Pool
from landbridge.store.sqlite import SqliteStore

HOUR = 3_600_000_000
START = parse_instant("2020-04-01T00:00:00Z")  # 08:00 in Binhai
ONE, OTHER = "urn:ngsi-ld:AirQualityObserved:a", "urn:ngsi-ld:AirQualityObserved:b"


def reading(value: float, at: int, unit: str = "GQ") -> dict[str, Any]:
    return {"type": "Property", "value": value, "unitCode": unit, "observedAt": format_instant(at)}


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    folder: Path = tmp_path_factory.mktemp("history")
    made = Pool(SqliteStore(str(folder / "pool.db"), Clock()), Policy())
    for id_ in (ONE, OTHER):
        made.create(OPERATOR, {"id": id_, "type": ["AirQualityObserved"], "attrs": {"pm25": [reading(10, START)]}})
    for hour in range(1, 30):
        made.patch(OPERATOR, ONE, {"pm25": [reading(10.0 + hour, START + hour * HOUR)]})
    made.patch(OPERATOR, ONE, {"temperature": [reading(21.5, START + HOUR, "CEL")]})
    yield made
    made.close()


def asked(pool: Pool, page: str, **told: str) -> Any:
    return Visitor(console_app(pool)).get(f"{page}?{urlencode(told)}")


def table(pool: Pool, page: str, **told: str) -> list[dict[str, Any]]:
    answer = asked(pool, page, format="json", **told)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = orjson.loads(answer.content)
    return found


def test_a_stretch_of_time_on_the_citys_clock(pool: Pool) -> None:
    told = {"from": "2020-04-01T10:00", "to": "2020-04-01T12:00"}
    rows = table(pool, "/series", entity=ONE, attribute="pm25", **told)
    assert [(row["time"], row["value"]) for row in rows] == [
        ("2020-04-01T02:00:00Z", 12), ("2020-04-01T03:00:00Z", 13), ("2020-04-01T04:00:00Z", 14),
    ]  # fmt: skip


def test_readings_without_a_time_stand_where_they_were_recorded(pool: Pool) -> None:
    pool.patch(OPERATOR, OTHER, {"level": [{"type": "Property", "value": 7}]})
    rows = table(pool, "/series", entity=OTHER, attribute="level", **{"from": "2020-04-01T00:00"})
    assert [row["value"] for row in rows] == [7]


def test_several_attributes_have_a_panel_for_each_unit(pool: Pool) -> None:
    page = Visitor(console_app(pool)).get(f"/series?entity={ONE}&attribute=pm25&attribute=temperature").text
    assert page.count('class="unit-mark"') == 2
    assert "every reading" in page


def test_more_readings_than_pixels_are_told_by_period(tmp_path: Path) -> None:
    pool = Pool(SqliteStore(str(tmp_path / "pool.db"), Clock()), Policy())
    attrs = {"pm25": [reading(0, START)]}
    pool.create(OPERATOR, {"id": ONE, "type": ["AirQualityObserved"], "attrs": attrs})
    for minute in range(1, 1200):
        pool.patch(OPERATOR, ONE, {"pm25": [reading(minute % 60, START + minute * 60_000_000)]})
    told = {"from": "2020-04-01T08:00", "to": "2020-04-02T04:00"}
    rows = table(pool, "/series", entity=ONE, attribute="pm25", **told)
    assert sum(row["count"] for row in rows) == 1200
    assert len(rows) <= 900
    assert min(row["low"] for row in rows) == 0
    assert max(row["high"] for row in rows) == 59
    page = asked(pool, "/series", entity=ONE, attribute="pm25", **told).text
    assert 'class="band"' in page
    assert "lowest, highest and mean of each PT" in page
    pool.close()


def test_a_day_is_replayed_hour_by_hour(pool: Pool) -> None:
    answer = asked(pool, "/console/replay.json", type="AirQualityObserved", value="pm25", day="2020-04-01")
    told = orjson.loads(answer.content)
    assert told["labels"][0] == "2020-04-01 00:00"
    assert told["labels"][-1] == "2020-04-02 00:00"
    assert told["values"][ONE][:9] == [None] * 8 + [10.0]
    assert told["values"][ONE][-1] == 26.0
    assert told["values"][OTHER][8] == 10.0


def test_two_instants_say_what_was_last_observed_then(pool: Pool) -> None:
    told = {"one": "2020-04-01T09:30", "other": "2020-04-01T11:00"}
    rows = table(pool, "/compare", type="AirQualityObserved", attribute="pm25", **told)
    by_entity = {row["entity"]: row for row in rows}
    assert (by_entity[ONE]["one"], by_entity[ONE]["other"], by_entity[ONE]["difference"]) == (11, 13, 2)
    assert by_entity[ONE]["one_time"] == "2020-04-01T01:00:00Z"
    assert by_entity[OTHER]["difference"] == 0
    assert [row["entity"] for row in rows] == [ONE, OTHER]  # what changed comes first
    before = table(pool, "/compare", entity=ONE, one="2020-04-01T07:00", other="2020-04-01T08:30")
    assert [("one" in row, row["other"]) for row in before] == [(False, 10)]


@pytest.mark.parametrize(
    ("page", "told", "status"),
    [
        ("/series", {}, 404),
        ("/series", {"entity": ONE, "from": "yesterday"}, 400),
        ("/series", {"entity": ONE, "from": "2020-04-02T00:00", "to": "2020-04-01T00:00"}, 400),
        ("/compare", {}, 400),
        ("/compare", {"entity": ONE, "one": "2020-13-01"}, 400),
        ("/compare", {"entity": ONE, "one": "2010-01-01T00:00", "other": "2010-01-02T00:00"}, 404),
        ("/console/replay.json", {"type": "AirQualityObserved"}, 400),
        ("/console/replay.json", {"type": "AirQualityObserved", "value": "pm25", "day": "never"}, 400),
    ],
)
def test_what_is_asked_wrongly_is_refused_in_words(pool: Pool, page: str, told: dict[str, str], status: int) -> None:
    answer = asked(pool, page, **told)
    assert answer.status_code == status
    assert "What to do" in answer.text or "hint" in answer.text or len(answer.text) > 200
