"""What sources bring is told like what clients write: from the worker's process, in bulk, one by one, late and gone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from feeding import City as Feeding
from feeding import when
from made_publisher import City, Receiver, reached, receiver, telling_city


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    with telling_city(tmp_path) as made:
        yield made


@pytest.fixture
def worker(city: City) -> Iterator[Feeding]:
    """Another store on the same file, as the worker's process has it."""
    made = Feeding(city.store.path, start="2027-01-01T00:00Z")
    yield made
    made.close()


@pytest.fixture
def sink() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


def rows(count: int, value: int = 0, time: str = "2026-01-01T00:00Z") -> list[dict[str, Any]]:
    return [
        {"id": f"urn:v:{number:04}", "type": "Vehicle", "speed": value + number, "observedAt": when(time)}
        for number in range(count)
    ]


def told(sink: Receiver) -> dict[str, list[Any]]:
    """The values told of each entity, in their order."""
    found: dict[str, list[Any]] = {}
    for got in list(sink.got):
        for one in got.entities:
            found.setdefault(one["id"], []).append(one["speed"]["value"] if "speed" in one else "gone")
    return found


@pytest.mark.parametrize("count", [3, 1000])
def test_a_pull_is_told_and_the_same_pull_again_is_not(city: City, worker: Feeding, sink: Receiver, count: int) -> None:
    city.subscribe(sink.url, notificationTrigger=["entityCreated", "attributeUpdated", "entityDeleted"])
    worker.pull("one", rows(count), gone="end", gone_share=1.0)
    reached(lambda: len(told(sink)) == count)
    worker.pull("one", rows(count), gone="end", gone_share=1.0)
    changed = rows(count)
    changed[1] |= {"speed": 999, "observedAt": when("2026-01-02T00:00Z")}
    worker.pull("one", changed, gone="end", gone_share=1.0)
    reached(lambda: told(sink)["urn:v:0001"] == [1, 999])
    worker.pull("one", rows(count, -5, "2025-01-01T00:00Z"), gone="end", gone_share=1.0)  # of the past: history alone
    worker.pull("one", changed[:2], gone="end", gone_share=1.0)
    reached(lambda: sum(values[-1] == "gone" for values in told(sink).values()) == count - 2)
    found = told(sink)
    assert found["urn:v:0000"] == [0]
    assert found["urn:v:0001"] == [1, 999]
    assert all(values == [number, "gone"] for number, values in enumerate(found.values()) if number > 1)


def test_a_bulk_load_meets_values_attributes_and_ids_that_are_wanted(
    city: City, worker: Feeding, sink: Receiver
) -> None:
    city.subscribe(f"{sink.url}/value", "urn:s:value", q="speed>997")
    city.subscribe(f"{sink.url}/id", "urn:s:id", entities=[{"type": "Vehicle", "id": "urn:v:0007"}])
    city.subscribe(f"{sink.url}/other", "urn:s:other", watchedAttributes=["colour"])
    worker.pull("one", rows(1000))
    worker.pull("two", [{"id": "urn:v:0009", "type": "Vehicle", "colour": "red"}])
    reached(lambda: len(sink.got) == 3)
    assert {(got.path.rpartition("/")[2], one["id"]) for got in sink.got for one in got.entities} == {
        ("value", "urn:v:0998"), ("value", "urn:v:0999"), ("id", "urn:v:0007"), ("other", "urn:v:0009"),
    }  # fmt: skip
