"""The past of several brokers as one: reading and writing evolutions over real sockets (NGSI-LD 5.6.11-16, 5.7.3-4)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from made_brokers import ROOT, Broker, brokers, dead_address, saying, source

READING = ["retrieveTemporal", "queryTemporal"]
WRITING = [
    "upsertTemporal", "appendAttrsTemporal", "deleteAttrsTemporal", "updateAttrInstanceTemporal",
    "deleteAttrInstanceTemporal", "deleteTemporal",
]  # fmt: skip
LAMP = "urn:ngsi-ld:Lamp:1"
SPAN = "timerel=after&timeAt=2020-01-01T00:00:00Z"


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Broker, Broker]]:
    with brokers(tmp_path, 2) as (one, other):
        yield one, other


def day(number: int) -> str:
    return f"2020-01-{number:02d}T00:00:00Z"


def series(**days: float) -> list[dict[str, Any]]:
    """Instances of a Property: values by day, as `d3=5`."""
    return [
        {"type": "Property", "value": value, "observedAt": day(int(name.removeprefix("d")))}
        for name, value in days.items()
    ]


def tell(broker: Broker, id_: str = LAMP, type_: str = "Lamp", **members: Any) -> None:
    answer = broker.client.post("/temporal/entities?local=true", json={"id": id_, "type": type_, **members})
    assert answer.status_code in (201, 204), answer.text


def pairs(broker: Broker, path: str, name: str = "power") -> list[tuple[Any, str]]:
    joint = "&" if "?" in path else "?"
    answer = broker.get(f"{path}{joint}options=temporalValues")
    assert answer.status_code == 200, answer.text
    told = answer.json()
    told = told[0] if isinstance(told, list) else told
    return [(value, time[8:10]) for value, time in told[name]["values"]]


# -- one entity


def test_an_evolution_that_only_another_broker_has_is_told(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    tell(there, power=series(d1=1, d2=2))
    assert here.get(f"/temporal/entities/{LAMP}").status_code == 404
    here.register(there.address, operations=READING)
    assert pairs(here, f"/temporal/entities/{LAMP}") == [(1, "01"), (2, "02")]
    assert pairs(here, f"/temporal/entities?type=Lamp&{SPAN}") == [(1, "01"), (2, "02")]
    answer = here.get(f"/temporal/entities/{LAMP}?local=true")
    assert answer.status_code == 404
    assert here.get("/temporal/entities/urn:x:nobody").status_code == 404


def test_names_and_times_of_instances_are_those_of_who_has_them(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    tell(there, power=series(d1=1))
    here.register(there.address, operations=READING)
    path = f"/temporal/entities/{LAMP}?sysAttrs=true"
    assert here.get(path).json() == there.get(path).json()


def test_an_instance_without_name_and_times_is_shown_without(pair: tuple[Broker, Broker]) -> None:
    here, _ = pair
    body = {"id": LAMP, "type": "Lamp", "power": [{"type": "Property", "value": 5, "observedAt": day(1)}]}
    with source(saying(200, body)) as bare:
        here.register(bare.address, operations=READING)
        found = here.get(f"/temporal/entities/{LAMP}?sysAttrs=true").json()
    assert found["power"] == [{"type": "Property", "value": 5, "observedAt": day(1)}]


def test_of_two_instances_of_one_time_the_later_written_stands(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    tell(here, power=series(d1=1, d2=2, d4=4))
    tell(there, power=series(d2=20, d3=3), own=series(d1=7))
    here.register(there.address, operations=READING)
    path = f"/temporal/entities/{LAMP}"
    assert pairs(here, path) == [(1, "01"), (20, "02"), (3, "03"), (4, "04")]
    assert pairs(here, path, "own") == [(7, "01")]
    assert pairs(here, f"{path}?lastN=2") == [(3, "03"), (4, "04")]
    assert pairs(here, f"{path}?timerel=between&timeAt={day(2)}&endTimeAt={day(4)}") == [(20, "02"), (3, "03")]
    assert pairs(here, f"{path}?timerel=before&timeAt={day(2)}") == [(1, "01")]


def test_an_exclusive_source_alone_tells_what_it_holds(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    tell(there, power=series(d2=2), own=series(d2=2))
    about = [{"entities": [{"type": "Lamp", "id": LAMP}], "propertyNames": ["power"]}]
    here.register(there.address, about, mode="exclusive", operations=READING)
    tell(here, power=series(d1=1), own=series(d1=1))
    path = f"/temporal/entities/{LAMP}"
    assert pairs(here, path) == [(2, "02")]
    assert pairs(here, path, "own") == [(1, "01")]


def test_what_was_known_at_a_time_is_told_by_the_pool_alone(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    tell(here, power=series(d1=1))
    tell(there, power=series(d2=2))
    here.register(there.address, operations=READING)
    answer = here.get(f"/temporal/entities/{LAMP}?asOf=2100-01-01T00:00:00Z")
    assert len(answer.json()["power"]) == 1
    assert "is not asked" in answer.headers["ngsild-warning"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([1], "no evolution"),
        ({"id": LAMP}, "no evolution"),
        ({"id": LAMP, "type": "Lamp", "p": {"value": 1, "observedAt": "then"}}, "no evolution"),
    ],
)
def test_what_makes_no_sense_is_left_out_and_told(pair: tuple[Broker, Broker], body: Any, said: str) -> None:
    here, _ = pair
    tell(here, power=series(d1=1))
    with source(saying(200, body)) as other:
        here.register(other.address, operations=READING)
        answer = here.get(f"/temporal/entities/{LAMP}")
    assert answer.status_code == 200
    assert len(answer.json()["power"]) == 1
    assert said in answer.headers["ngsild-warning"]


def test_a_source_that_does_not_answer_is_told(pair: tuple[Broker, Broker]) -> None:
    here, _ = pair
    tell(here, power=series(d1=1))
    here.register(dead_address(), operations=READING)
    answer = here.get(f"/temporal/entities?type=Lamp&{SPAN}")
    assert [one["id"] for one in answer.json()] == [LAMP]
    assert answer.headers["ngsild-warning"]


def test_a_source_of_a_time_is_asked_about_that_time(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    tell(there, power=series(d1=1, d9=9))
    interval = {"startAt": day(5), "endAt": day(20)}
    here.register(there.address, operations=READING, observationInterval=interval)
    path = f"/temporal/entities/{LAMP}"
    assert pairs(here, f"{path}?timerel=after&timeAt={day(8)}") == [(9, "09")]
    assert here.get(f"{path}?timerel=before&timeAt={day(3)}").status_code == 404


def test_a_source_without_the_operation_is_not_asked(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    tell(there, power=series(d1=1))
    here.register(there.address)
    assert here.get(f"/temporal/entities/{LAMP}").status_code == 404
    here.register(there.address, operations=["queryTemporal"])
    assert here.get(f"/temporal/entities/{LAMP}?{SPAN}").status_code == 200  # as a query for one id


# -- queries


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_pages_over_several_brokers_tell_every_entity_once(tmp_path: Path, limit: int) -> None:
    with brokers(tmp_path, 3) as (here, *others):
        wanted: dict[str, list[tuple[Any, str]]] = {}
        for number in range(9):
            id_ = f"urn:ngsi-ld:Lamp:{number:03d}"
            for place, broker in enumerate((here, *others)):
                if (number + 1) >> place & 1:
                    tell(broker, id_, power=series(**{f"d{place + 1}": number}))
                    wanted.setdefault(id_, []).append((number, f"{place + 1:02d}"))
        for other in others:
            here.register(other.address, operations=READING)
        found: dict[str, Any] = {}
        address = f"/temporal/entities?type=Lamp&{SPAN}&limit={limit}&count=true&options=temporalValues"
        while address:
            answer = here.get(address)
            assert answer.status_code == 200, answer.text
            assert answer.headers["ngsild-results-count"] == str(len(wanted))
            for one in answer.json():
                assert one["id"] not in found
                found[one["id"]] = [(value, time[8:10]) for value, time in one["power"]["values"]]
            links = [one for one in answer.headers.get("link", "").split(", ") if 'rel="next"' in one]
            address = links[0].partition("<")[2].partition(">")[0].removeprefix(ROOT) if links else ""
        assert found == wanted


def test_conditions_hold_at_each_source(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    tell(here, power=series(d1=1))
    tell(there, "urn:ngsi-ld:Lamp:2", power=series(d1=5), scope="/a/b")
    tell(there, "urn:ngsi-ld:Lamp:3", power=series(d1=2), scope="/c")
    here.register(there.address, operations=READING)

    def ids(more: str) -> list[str]:
        return [one[-1] for one in here.ids(f"/temporal/entities?type=Lamp&{SPAN}&{more}")]

    assert ids("q=power>1") == ["2", "3"]
    assert ids("q=power<5") == ["1", "3"]
    assert ids("scopeQ=/a/%23") == ["2"]
    assert ids("idPattern=Lamp:[12]$") == ["1", "2"]
    assert ids("id=urn:ngsi-ld:Lamp:3") == ["3"]
    assert ids("attrs=other") == []


def test_a_question_in_a_body_reaches_sources_too(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    tell(there, power=series(d1=1, d2=2))
    tell(there, "urn:ngsi-ld:Car:1", "Car", power=series(d1=1))
    here.register(there.address, operations=READING)
    body = {
        "type": "Query",
        "entities": [{"type": "Lamp", "idPattern": ".*"}],
        "temporalQ": {"timerel": "after", "timeAt": day(2)},
    }
    answer = here.client.post("/temporal/entityOperations/query", json=body)
    assert [(one["id"], len(one["power"])) for one in answer.json()] == [(LAMP, 1)]


def test_aggregates_are_of_the_instances_of_all(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    tell(here, power=series(d1=1, d2=2), own=series(d1=3))
    tell(there, power=series(d2=6, d3=8))
    tell(there, "urn:ngsi-ld:Lamp:2", power=series(d1=4))
    tell(here, "urn:ngsi-ld:Lamp:3", power=series(d1=9, d2=11))
    here.register(there.address, operations=READING)
    more = "options=aggregatedValues&aggrMethods=totalCount,avg,max"
    span = f"timerel=between&timeAt={day(1)}&endTimeAt={day(5)}"
    answer = here.get(f"/temporal/entities/{LAMP}?{more}&{span}")
    assert "ngsild-warning" not in answer.headers
    found = answer.json()
    period = [day(1), day(5)]
    assert found["power"] == {
        "type": "Property", "totalCount": [[3, *period]], "avg": [[5.0, *period]], "max": [[8, *period]],
    }  # fmt: skip
    assert found["own"]["avg"] == [[3.0, *period]]
    several = here.get(f"/temporal/entities?type=Lamp&{more}&{span}").json()
    assert [(one["id"][-1], one["power"]["avg"][0][0]) for one in several] == [("1", 5.0), ("3", 10.0), ("2", 4.0)]
    days = here.get(f"/temporal/entities/{LAMP}?{more}&{span}&aggrPeriodDuration=P1D").json()
    assert [one[0] for one in days["power"]["max"]] == [1, 6, 8]


def test_deletions_are_told_across_brokers(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    there.make({"id": LAMP, "type": "Lamp", "power": {"value": 1, "observedAt": day(1)}})
    assert there.client.delete(f"/entities/{LAMP}/attrs/power?local=true").status_code == 204
    here.register(there.address, operations=READING)
    path = f"/temporal/entities/{LAMP}?timerel=after&timeAt={day(1)}&timeproperty=deletedAt&sysAttrs=true"
    gone = there.get(path).json()["power"]
    assert [one["value"] for one in gone] == ["urn:ngsi-ld:null"]
    assert here.get(path).json()["power"] == gone


# -- writes


def stored(broker: Broker, name: str = "power", id_: str = LAMP) -> list[Any]:
    answer = broker.get(f"/temporal/entities/{id_}?local=true")
    if answer.status_code == 404:
        return []
    return [one["value"] for one in answer.json().get(name, [])]


def test_a_redirect_source_gets_the_whole_evolution(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    here.register(there.address, mode="redirect", operations=[*READING, *WRITING])
    body = {"id": LAMP, "type": "Lamp", "power": series(d1=1, d2=2)}
    answer = here.client.post("/temporal/entities", json=body)
    assert answer.status_code == 201
    assert answer.headers["location"] == f"{ROOT}/temporal/entities/{LAMP}"
    assert (stored(here), stored(there)) == ([], [1, 2])
    assert here.client.post("/temporal/entities", json=body | {"power": series(d3=3)}).status_code == 204
    assert here.client.post(f"/temporal/entities/{LAMP}/attrs", json={"power": series(d4=4)}).status_code == 204
    assert stored(there) == [1, 2, 3, 4]
    name = here.get(f"/temporal/entities/{LAMP}?timerel=after&timeAt={day(4)}").json()["power"][0]["instanceId"]
    path = f"/temporal/entities/{LAMP}/attrs/power/{name}"
    assert here.client.patch(path, json={"power": series(d4=40)}).status_code == 204
    assert stored(there) == [1, 2, 3, 40]
    assert here.client.delete(path).status_code == 204
    assert stored(there) == [1, 2, 3]
    assert here.client.delete(f"/temporal/entities/{LAMP}/attrs/power").status_code == 204
    assert stored(there) == []
    assert here.client.delete(f"/temporal/entities/{LAMP}").status_code == 204
    assert there.get(f"/temporal/entities/{LAMP}").status_code == 404


def test_an_exclusive_source_gets_its_attributes_and_the_pool_the_rest(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    about = [{"entities": [{"type": "Lamp", "id": LAMP}], "propertyNames": ["power"]}]
    here.register(there.address, about, mode="exclusive", operations=[*READING, *WRITING])
    body = {"id": LAMP, "type": "Lamp", "power": series(d1=1), "own": series(d1=2)}
    assert here.client.post("/temporal/entities", json=body).status_code == 201
    assert (stored(here), stored(here, "own")) == ([], [2])
    assert (stored(there), stored(there, "own")) == ([1], [])


def test_an_inclusive_source_gets_a_copy_and_its_failure_is_told(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    here.register(there.address, operations=WRITING)
    body = {"id": LAMP, "type": "Lamp", "power": series(d1=1)}
    assert here.client.post("/temporal/entities", json=body).status_code == 201
    assert (stored(here), stored(there)) == ([1], [1])
    id_ = here.register(dead_address(), operations=WRITING)
    answer = here.client.post("/temporal/entities", json=body | {"id": "urn:ngsi-ld:Lamp:2"})
    assert answer.status_code == 207
    assert [one["registrationId"] for one in answer.json()["errors"]] == [id_] or id_ in answer.text
    assert (stored(here, id_="urn:ngsi-ld:Lamp:2"), stored(there, id_="urn:ngsi-ld:Lamp:2")) == ([1], [1])


def test_two_brokers_that_are_each_others_sources_end(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    here.register(there.address, operations=[*READING, *WRITING])
    there.register(here.address, operations=[*READING, *WRITING])
    body = {"id": LAMP, "type": "Lamp", "power": series(d1=1)}
    assert here.client.post("/temporal/entities", json=body).status_code in (201, 207)
    assert (stored(here), stored(there)) == ([1], [1])
    assert pairs(here, f"/temporal/entities/{LAMP}") == [(1, "01")]
    assert here.ids(f"/temporal/entities?type=Lamp&{SPAN}") == [LAMP]
