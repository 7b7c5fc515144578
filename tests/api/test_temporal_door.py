"""History over HTTP, clause by clause: writing the past, asking for it in each form, pages, and what is refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from landbridge.model.instant import format_instant, parse_instant
from made_api import ENTITIES, LD, ROOT, Api

TEMPORAL = f"{ROOT}/temporal/entities"
BY_POST = f"{ROOT}/temporal/entityOperations/query"
CITY = "https://city.example/context.jsonld"
KNOWN = {CITY: {"@context": {"speed": "https://city.example/speed", "Car": "https://city.example/Car"}}}
LINK = {"Link": f'<{CITY}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'}
NULL = "urn:ngsi-ld:null"
WINDOW = {"timerel": "after", "timeAt": "2020-01-01T00:00:00Z"}
HOUR = 3_600 * 1_000_000
START = parse_instant("2020-08-01T12:00:00Z")


def at(hour: float) -> str:
    return format_instant(START + int(hour * HOUR))


def reading(hour: float, value: Any, **told: Any) -> dict[str, Any]:
    return {"type": "Property", "value": value, "observedAt": at(hour)} | told


CAR: dict[str, Any] = {
    "id": "urn:c:1",
    "type": "Car",
    "speed": [reading(0, 120), reading(1, 80), reading(2, 100)],
    "fuel": [reading(0, 67), reading(1.5, 53)],
}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    api = Api(tmp_path, KNOWN)
    yield api
    api.close()


@pytest.fixture
def car(api: Api) -> str:
    """The address of an evolution."""
    return begun(api, CAR)


def begun(api: Api, body: dict[str, Any], **told: Any) -> str:
    answer = api.post(TEMPORAL, body, **told)
    assert (answer.status_code, answer.content) == (201, b""), answer.text
    return str(answer.headers["location"])


def seen(api: Api, path: str, **given: str) -> Any:
    answer = api.get(path, params=given)
    assert answer.status_code == 200, answer.text
    return answer.json()


def values(instances: list[dict[str, Any]]) -> list[Any]:
    return [one.get("value") for one in instances]


def problem(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition("/")[2]


# -- create and update, 5.6.11


def test_what_was_told_is_retrieved(api: Api, car: str) -> None:
    assert car == f"{TEMPORAL}/urn:c:1"
    body = seen(api, car)
    assert body["id"] == "urn:c:1" and body["type"] == "Car"
    names = [one.pop("instanceId") for name in ("speed", "fuel") for one in body[name]]
    assert len(set(names)) == 5 and all(name.startswith("urn:ngsi-ld:Instance:") for name in names)
    assert body["speed"] == CAR["speed"] and body["fuel"] == CAR["fuel"]


def test_a_second_telling_adds(api: Api, car: str) -> None:
    answer = api.post(TEMPORAL, CAR | {"type": ["Car", "Taxi"], "speed": [reading(3, NULL)]})
    assert (answer.status_code, answer.content) == (204, b"")
    body = seen(api, car)
    assert sorted(body["type"]) == ["Car", "Taxi"] and len(body["fuel"]) == 4
    gone = body["speed"][-1]
    assert gone["value"] == NULL and gone["observedAt"] == at(3) and "deletedAt" in gone


def test_what_is_now_is_not_changed(api: Api) -> None:
    there = api.made({"id": "urn:c:1", "type": "Car", "speed": {"type": "Property", "value": 9}})
    assert api.post(TEMPORAL, CAR).status_code == 204
    assert api.shown(there)["speed"] == 9
    assert sorted(values(seen(api, f"{TEMPORAL}/urn:c:1")["speed"])) == [9, 80, 100, 120]


def test_names_are_those_of_the_context(api: Api) -> None:
    begun(api, CAR | {"@context": CITY}, headers=LD)
    body = seen(api, f"{TEMPORAL}/urn:c:1")
    assert body["type"] == "https://city.example/Car" and len(body["https://city.example/speed"]) == 3
    linked = api.get(f"{TEMPORAL}/urn:c:1", headers=LINK | {"Accept": "application/ld+json"})
    assert linked.headers["content-type"] == "application/ld+json"
    assert linked.json()["@context"] and len(linked.json()["speed"]) == 3 and "Link" not in linked.headers


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (CAR | {"id": "x"}, "BadRequestData"),
        ({name: CAR[name] for name in ("type", "speed")}, "BadRequestData"),
        (CAR | {"speed": [reading(0, 1) | {"observedAt": "2020-08-01T12:00:00+03:00"}]}, "BadRequestData"),
        (CAR | {"expiresAt": NULL}, "BadRequestData"),
        ([CAR], "InvalidRequest"),
    ],
)
def test_what_is_no_evolution_is_refused_whole(api: Api, body: Any, kind: str) -> None:
    assert problem(api.post(TEMPORAL, body)) == (400, kind)
    assert api.get(f"{TEMPORAL}/urn:c:1").status_code == 404


# -- attributes and instances, 5.6.12 to 5.6.16


def test_attributes_are_added(api: Api, car: str) -> None:
    assert api.post(f"{car}/attrs", {"oil": [reading(0, 1), reading(1, 2)]}).status_code == 204
    assert values(seen(api, car)["oil"]) == [1, 2]
    assert problem(api.post(f"{TEMPORAL}/urn:c:9/attrs", {"oil": [reading(0, 1)]})) == (404, "ResourceNotFound")
    assert problem(api.post(f"{TEMPORAL}/x/attrs", {"oil": [reading(0, 1)]})) == (400, "BadRequestData")
    assert problem(api.post(f"{car}/attrs", {})) == (400, "BadRequestData")


def test_an_instance_is_changed_and_keeps_its_name(api: Api, car: str) -> None:
    first = seen(api, car, options="sysAttrs")["speed"][0]
    for value in (129, 130):
        answer = api.patch(f"{car}/attrs/speed/{first['instanceId']}", reading(0, value))
        assert (answer.status_code, answer.content) == (204, b""), answer.text
    changed, *others = seen(api, car, options="sysAttrs")["speed"]
    assert changed["value"] == 130 and values(others) == [80, 100]
    assert changed["instanceId"] == first["instanceId"] and changed["createdAt"] == first["createdAt"]
    assert changed["modifiedAt"] > first["modifiedAt"]


def test_an_instance_may_move_in_time(api: Api, car: str) -> None:
    name = seen(api, car)["speed"][0]["instanceId"]
    assert api.patch(f"{car}/attrs/speed/{name}", [reading(5, 120)]).status_code == 204
    assert values(seen(api, car)["speed"]) == [80, 100, 120]


def test_an_instance_is_taken_away(api: Api, car: str) -> None:
    name = seen(api, car)["speed"][1]["instanceId"]
    assert api.delete(f"{car}/attrs/speed/{name}").status_code == 204
    assert values(seen(api, car)["speed"]) == [120, 100]
    assert problem(api.delete(f"{car}/attrs/speed/{name}")) == (404, "ResourceNotFound")


@pytest.mark.parametrize("verb", ["PATCH", "DELETE"])
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("x/attrs/speed/NAME", (400, "BadRequestData")),
        ("urn:c:1/attrs/speed(/NAME", (400, "BadRequestData")),
        ("urn:c:1/attrs/speed/x", (400, "BadRequestData")),
        ("urn:c:9/attrs/speed/NAME", (404, "ResourceNotFound")),
        ("urn:c:1/attrs/height/NAME", (404, "ResourceNotFound")),
        ("urn:c:1/attrs/speed/urn:ngsi-ld:01234567890123456789", (404, "ResourceNotFound")),
        ("urn:c:1/attrs/speed/urn:ngsi-ld:Instance:999-0", (404, "ResourceNotFound")),
    ],
)
def test_an_instance_that_is_none_is_named(api: Api, car: str, verb: str, path: str, expected: tuple[int, str]) -> None:
    name = seen(api, car)["speed"][0]["instanceId"]
    told = {"json": reading(0, 1)} if verb == "PATCH" else {}
    assert problem(api.ask(verb, f"{TEMPORAL}/{path.replace('NAME', name)}", **told)) == expected


def test_an_attribute_is_taken_away_dataset_by_dataset(api: Api) -> None:
    other = {"datasetId": "urn:d:1"}
    there = begun(api, CAR | {"speed": [reading(0, 1), reading(1, 2, **other), reading(2, 3)]})
    assert api.delete(f"{there}/attrs/speed").status_code == 204
    assert values(seen(api, there)["speed"]) == [2]
    assert problem(api.delete(f"{there}/attrs/speed")) == (404, "ResourceNotFound")
    assert api.delete(f"{there}/attrs/speed", params=other).status_code == 204
    assert "speed" not in seen(api, there)
    assert api.post(f"{there}/attrs", {"speed": [reading(0, 4), reading(1, 5, **other)]}).status_code == 204
    assert api.delete(f"{there}/attrs/speed", params={"deleteAll": "true"}).status_code == 204
    assert "speed" not in seen(api, there) and len(seen(api, there)["fuel"]) == 2
    assert problem(api.delete(f"{TEMPORAL}/x/attrs/speed")) == (400, "BadRequestData")
    assert problem(api.delete(f"{there}/attrs/%2e%2e")) == (400, "BadRequestData")


def test_an_evolution_is_taken_away_and_begins_anew(api: Api, car: str) -> None:
    assert api.delete(car).status_code == 204
    assert problem(api.get(car)) == (404, "ResourceNotFound")
    assert problem(api.delete(car)) == (404, "ResourceNotFound")
    assert seen(api, TEMPORAL, type="Car", **WINDOW) == []
    begun(api, CAR | {"speed": [reading(0, 7)]})
    assert values(seen(api, car)["speed"]) == [7]


def test_the_entity_stays_when_its_evolution_goes(api: Api) -> None:
    there = api.made({"id": "urn:c:1", "type": "Car", "speed": {"type": "Property", "value": 9}})
    assert api.delete(f"{TEMPORAL}/urn:c:1").status_code == 204
    assert api.shown(there)["speed"] == 9
    assert seen(api, f"{TEMPORAL}/urn:c:1") == {"id": "urn:c:1", "type": "Car"}
    assert api.patch(f"{there}/attrs", {"speed": 10}).status_code == 204
    assert values(seen(api, f"{TEMPORAL}/urn:c:1")["speed"]) == [10]


# -- what happened through the other doors


def test_every_write_is_an_instance(api: Api) -> None:
    there = api.made({"id": "urn:c:1", "type": "Car", "speed": {"type": "Property", "value": 1}})
    for value in (2, 3):
        assert api.patch(f"{there}/attrs", {"speed": {"type": "Property", "value": value}}).status_code == 204
    assert api.delete(f"{there}/attrs/speed").status_code == 204
    body = seen(api, f"{TEMPORAL}/urn:c:1")
    assert values(body["speed"]) == [1, 2, 3, NULL]
    pairs = seen(api, f"{TEMPORAL}/urn:c:1", timeproperty="modifiedAt", options="temporalValues")["speed"]["values"]
    assert [value for value, _ in pairs] == [1, 2, 3]
    (gone,) = seen(api, f"{TEMPORAL}/urn:c:1", timeproperty="deletedAt")["speed"]
    assert gone["value"] == NULL and gone["deletedAt"]


def test_a_deleted_entity_has_a_past(api: Api) -> None:
    there = api.made({"id": "urn:c:1", "type": "Car", "speed": {"type": "Property", "value": 1}})
    assert api.delete(there).status_code == 204
    body = seen(api, f"{TEMPORAL}/urn:c:1", options="sysAttrs")
    assert values(body["speed"])[0] == 1 and "deletedAt" in body


def test_what_expires_goes_from_history_too(api: Api) -> None:
    api.now = START
    flash = {"type": "Property", "value": 10, "expiresAt": at(1)}
    api.made({"id": "urn:c:1", "type": "Car", "flash": flash, "steady": {"type": "Property", "value": 1}})
    there = f"{TEMPORAL}/urn:c:1"
    told = seen(api, there)
    assert values(told["flash"]) == [10] and "expiresAt" not in told["flash"][0]
    assert seen(api, there, options="sysAttrs")["flash"][0]["expiresAt"] == at(1)
    api.now = START + 2 * HOUR
    assert "flash" not in seen(api, there) and values(seen(api, there)["steady"]) == [1]


# -- retrieve, 5.7.3


def test_the_bounds_of_time(api: Api, car: str) -> None:
    for relation, given, expected in (
        ("after", {"timeAt": at(1)}, [80, 100]),
        ("before", {"timeAt": at(1)}, [120]),
        ("between", {"timeAt": at(0), "endTimeAt": at(1)}, [120]),
    ):
        assert values(seen(api, car, timerel=relation, attrs="speed", **given)["speed"]) == expected


def test_the_last_of_each_attribute(api: Api, car: str) -> None:
    body = seen(api, car, lastN="1")
    assert values(body["speed"]) == [100] and values(body["fuel"]) == [53]


def test_what_is_not_there_is_not_found(api: Api, car: str) -> None:
    assert problem(api.get(f"{TEMPORAL}/urn:c:9")) == (404, "ResourceNotFound")
    assert problem(api.get(car, params={"attrs": "height"})) == (404, "ResourceNotFound")
    assert problem(api.get(f"{TEMPORAL}/x")) == (400, "BadRequestData")
    assert problem(api.get(car, headers={"NGSILD-Tenant": "nobody"})) == (404, "NonexistentTenant")


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"timerel": "after"}, "BadRequestData"),
        ({"timerel": "between", "timeAt": "2020-08-01T12:00:00Z"}, "BadRequestData"),
        ({"timerel": "during", "timeAt": "2020-08-01T12:00:00Z"}, "BadRequestData"),
        ({"timeAt": "2020-08-01"}, "BadRequestData"),
        ({"format": "aggregatedValues"}, "BadRequestData"),
        ({"format": "aggregatedValues", "aggrMethods": "median"}, "BadRequestData"),
        ({"format": "aggregatedValues", "aggrMethods": "avg", "aggrPeriodDuration": "x"}, "BadRequestData"),
        ({"pick": "owner{name}"}, "BadRequestData"),
        ({"pick": "speed", "omit": "speed"}, "BadRequestData"),
        ({"pick": "speed", "attrs": "fuel"}, "BadRequestData"),
        ({"lastN": "0"}, "BadRequestData"),
        ({"format": "xml"}, "InvalidRequest"),
        ({"options": "temporalValues,xml"}, "InvalidRequest"),
        ({"joinLevel": "1"}, "InvalidRequest"),
    ],
)
def test_what_is_asked_wrongly_is_said(api: Api, car: str, given: dict[str, str], kind: str) -> None:
    assert problem(api.get(car, params=given)) == (400, kind)
    window = {} if given.keys() & WINDOW.keys() else WINDOW
    assert problem(api.get(TEMPORAL, params={"type": "Car", **window, **given})) == (400, kind)


def test_there_is_no_geojson_of_the_past(api: Api, car: str) -> None:
    assert api.get(car, headers={"Accept": "application/geo+json"}).status_code == 406
    assert api.get(TEMPORAL, params=WINDOW | {"type": "Car"}, headers={"Accept": "text/html"}).status_code == 406
    assert api.ask("POST", TEMPORAL, content=b"{}", headers={"Content-Type": "text/turtle"}).status_code == 415
    assert api.put(car, {}).status_code == 405


def test_aggregates_of_one_entity(api: Api, car: str) -> None:
    asked = {"format": "aggregatedValues", "aggrMethods": "avg,totalCount", "attrs": "speed"}
    (whole,) = seen(api, car, **asked)["speed"]["avg"]
    assert whole[0] == 100 and whole[1] == at(0)
    hourly = seen(api, car, aggrPeriodDuration="PT1H", **asked, timerel="after", timeAt=at(0))["speed"]
    assert hourly["type"] == "Property"
    assert hourly["avg"] == [[120, at(0), at(1)], [80, at(1), at(2)], [100, at(2), at(3)]]
    assert [one[0] for one in hourly["totalCount"]] == [1, 1, 1]


def test_as_it_was_known(api: Api) -> None:
    api.now = START
    there = begun(api, CAR)
    name = seen(api, there)["speed"][0]["instanceId"]
    api.now = START + 10 * HOUR
    assert api.patch(f"{there}/attrs/speed/{name}", reading(0, 121)).status_code == 204
    assert api.delete(f"{there}/attrs/fuel").status_code == 204
    assert values(seen(api, there)["speed"]) == [121, 80, 100]
    before = seen(api, there, asOf=at(9))
    assert values(before["speed"]) == [120, 80, 100] and values(before["fuel"]) == [67, 53]
    assert problem(api.get(there, params={"asOf": at(-1)})) == (404, "ResourceNotFound")


# -- query, 5.7.4


@pytest.fixture
def cars(api: Api) -> None:
    begun(api, CAR)
    begun(api, CAR | {"id": "urn:c:2", "speed": [reading(0, 10), reading(48, 200)]})
    begun(api, CAR | {"id": "urn:b:1", "type": "Bus", "speed": [reading(0, 30)]})


def ids(api: Api, **given: str) -> list[str]:
    return [one["id"] for one in seen(api, TEMPORAL, **{**WINDOW, **given})]


@pytest.mark.usefixtures("cars")
def test_which_entities_are_found(api: Api) -> None:
    assert ids(api, type="Car") == ["urn:c:1", "urn:c:2"]
    assert ids(api, type="Bus") == ["urn:b:1"]
    assert sorted(ids(api, attrs="speed")) == ["urn:b:1", "urn:c:1", "urn:c:2"]
    assert ids(api, type="Car", id="urn:c:2") == ["urn:c:2"]
    assert ids(api, type="Car", idPattern=".*1$") == ["urn:c:1"]
    assert ids(api, type="Car", timeAt=at(40)) == ["urn:c:2"]
    assert sorted(ids(api, type="*")) == ["urn:b:1", "urn:c:1", "urn:c:2"]


@pytest.mark.usefixtures("cars")
def test_a_condition_is_met_within_the_stretch_of_time(api: Api) -> None:
    assert ids(api, type="Car", q="speed>110") == ["urn:c:1", "urn:c:2"]
    assert ids(api, type="Car", q="speed>110", timerel="before", timeAt=at(24)) == ["urn:c:1"]
    assert ids(api, type="Car", q="speed==80..90") == ["urn:c:1"]


@pytest.mark.usefixtures("cars")
def test_pages_of_entities(api: Api) -> None:
    first = api.get(TEMPORAL, params={**WINDOW, "type": "Car,Bus", "limit": "2", "count": "true"})
    assert first.headers["NGSILD-Results-Count"] == "3" and len(first.json()) == 2
    link = first.headers["Link"]
    assert 'rel="next"' in link
    address = link.partition('rel="next"')[0].rpartition("<")[2].partition(">")[0]
    rest = api.get(address).json()
    assert {one["id"] for one in first.json()} | {one["id"] for one in rest} == {"urn:c:1", "urn:c:2", "urn:b:1"}
    assert ids(api, type="Car", limit="1", offset="1") == ["urn:c:2"]
    assert ids(api, type="Car", limit="1", offset="9") == []


@pytest.mark.usefixtures("cars")
def test_the_order_is_by_ids_alone(api: Api) -> None:
    assert ids(api, type="Car", orderBy="id;desc") == ["urn:c:2", "urn:c:1"]
    assert problem(api.get(TEMPORAL, params={**WINDOW, "type": "Car", "orderBy": "speed"})) == (400, "BadRequestData")


@pytest.mark.usefixtures("cars")
def test_the_same_question_as_a_body(api: Api) -> None:
    body = {"type": "Query", "entities": [{"type": "Car"}], "temporalQ": WINDOW | {"lastN": 1}, "q": "speed>150"}
    answer = api.post(BY_POST, body)
    assert answer.status_code == 200, answer.text
    (one,) = answer.json()
    assert one["id"] == "urn:c:2" and values(one["speed"]) == [200]
    simple = api.post(BY_POST, body, params={"options": "temporalValues"}).json()
    assert simple[0]["speed"] == {"type": "Property", "values": [[200, at(48)]]}
    aggregated = api.post(BY_POST, {**body, "aggrParams": {"aggrMethods": ["max"]}}).json()
    assert aggregated[0]["speed"]["max"][0][0] == 200
    assert problem(api.post(BY_POST, {"type": "Query", "entities": [{"type": "Car"}]})) == (400, "BadRequestData")


@pytest.mark.usefixtures("cars")
def test_the_query_needs_a_time_and_must_be_narrow(api: Api) -> None:
    assert problem(api.get(TEMPORAL, params={"type": "Car"})) == (400, "BadRequestData")
    assert problem(api.get(TEMPORAL, params=WINDOW)) == (400, "BadRequestData")
    assert problem(api.get(TEMPORAL, params=WINDOW | {"id": "urn:c:1"})) == (400, "BadRequestData")
    assert len(seen(api, TEMPORAL, local="true", **WINDOW)) == 3


@pytest.mark.usefixtures("cars")
def test_entity_maps_of_the_past(api: Api) -> None:
    made = api.get(TEMPORAL, params={**WINDOW, "type": "Car", "id": "urn:c:1", "entityMap": "true"})
    assert made.status_code == 201
    location = made.headers["NGSILD-EntityMap"]
    again = api.get(TEMPORAL, params={**WINDOW, "type": "Car"}, headers={"NGSILD-EntityMap": location})
    assert again.status_code == 200 and [one["id"] for one in again.json()] == ["urn:c:1"]
    assert again.headers["NGSILD-EntityMap"] == location
    other = api.get(TEMPORAL, params={**WINDOW, "type": "Car"}, headers={"NGSILD-EntityMap": "urn:ngsi-ld:none"})
    assert other.status_code == 201 and "none" not in other.headers["NGSILD-EntityMap"]
    one = api.get(f"{TEMPORAL}/urn:c:1", params={"entityMap": "true"})
    assert one.status_code == 200 and api.get(one.headers["NGSILD-EntityMap"]).json()["entityMap"] == {
        "urn:c:1": ["@none"]
    }
    whole = api.get(f"{ROOT}/temporal/entityMaps", params={**WINDOW, "type": "Car"})
    assert whole.status_code == 201 and sorted(whole.json()["entityMap"]) == ["urn:c:1", "urn:c:2"]
    empty = api.get(f"{ROOT}/temporal/entityMaps", params={"type": "Car", "timerel": "before", "timeAt": at(-9)})
    assert empty.status_code == 201 and empty.json()["entityMap"] == {}
    assert problem(api.get(f"{ROOT}/temporal/entityMaps", params={"type": "Car"})) == (400, "BadRequestData")


# -- pages of instances, 6.3.10


def test_every_instance_is_met_once_page_by_page(tmp_path: Path) -> None:
    api = Api(tmp_path, history_page=4)
    try:
        told = {"speed": [reading(n, n) for n in range(11)], "fuel": [reading(n + 0.5, n) for n in range(7)]}
        begun(api, CAR | told)
        begun(api, CAR | told | {"id": "urn:c:2", "speed": [reading(n * 3, n) for n in range(9)]})
        for path, given in ((f"{TEMPORAL}/urn:c:1", {}), (TEMPORAL, WINDOW | {"type": "Car"})):
            for rel, further in (("intervalafter", {}), ("intervalbefore", {"lastN": "100"})):
                met = walked(api, path, given | further, rel)
                single = {"urn:c:1": sorted(range(11))} | ({"urn:c:2": sorted(range(9))} if given else {})
                assert {id_: sorted(found["speed"]) for id_, found in met.items()} == single
                assert all(sorted(found["fuel"]) == list(range(7)) for found in met.values())
        newest = api.get(f"{TEMPORAL}/urn:c:1", params={"lastN": "6"})
        assert newest.status_code == 206 and newest.headers["Content-Range"].endswith("/6")
        assert walked(api, f"{TEMPORAL}/urn:c:1", {"lastN": "6"}, "intervalbefore")["urn:c:1"]["speed"] == [
            7, 8, 9, 10, 5, 6,
        ]  # fmt: skip
        assert api.get(f"{TEMPORAL}/urn:c:1", params={"lastN": "3"}).status_code == 200
    finally:
        api.close()


def walked(api: Api, path: str, given: dict[str, str], rel: str) -> dict[str, dict[str, list[int]]]:
    """The values that are met on the way through all pages of instances."""
    met: dict[str, dict[str, list[int]]] = {}
    answer = api.get(path, params=given)
    for _ in range(20):
        for one in answer.json() if isinstance(answer.json(), list) else [answer.json()]:
            for name in ("speed", "fuel"):
                found = met.setdefault(one["id"], {}).setdefault(name, [])
                found += [instance["value"] for instance in one.get(name, [])]
        if answer.status_code == 200:
            return met
        assert answer.status_code == 206 and answer.headers["Content-Range"].startswith("date-time ")
        links = [link for link in answer.headers.get_list("Link") if f'rel="{rel}"' in link]
        answer = api.get(links[0].partition("<")[2].partition(">")[0])
    raise AssertionError("The pages have no end.")


def test_an_old_version_is_told_what_it_knows(api: Api, car: str) -> None:
    words = {"type": "LanguageProperty", "languageMap": {"en": "a"}, "observedAt": at(0)}
    assert api.post(f"{car}/attrs", {"name": [words]}).status_code == 204
    answer = api.get(car, headers={"Prefer": "ngsi-ld=1.3"})
    assert answer.status_code == 203 and answer.headers["Preference-Applied"] == "ngsi-ld=1.3"
    assert answer.json()["name"][0]["type"] == "Property"


def test_tenants_are_apart(api: Api) -> None:
    other = {"NGSILD-Tenant": "other"}
    begun(api, CAR, headers=other)
    assert api.get(f"{TEMPORAL}/urn:c:1").status_code == 404
    answer = api.get(f"{TEMPORAL}/urn:c:1", headers=other)
    assert answer.status_code == 200 and answer.headers["NGSILD-Tenant"] == "other"


def test_a_plain_query_does_not_find_what_only_history_knows(api: Api, car: str) -> None:
    assert api.get(ENTITIES, params={"type": "Car"}).json() == []
    assert api.get(f"{ENTITIES}/urn:c:1").status_code == 404
    assert api.get(f"{ROOT}/types").json()["typeList"] == []
