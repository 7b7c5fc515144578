"""Several brokers as one: reads, writes, discovery and loops over real sockets (NGSI-LD 4.3.6, 5.6, 5.7, 6.3.17)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from made_brokers import EVERYTHING, ROOT, Broker, brokers, dead_address, lamp, saying, source

USUAL = "https://uri.etsi.org/ngsi-ld/default-context/"
ONE = lamp(1)["id"]
SPEED = [{"entities": [{"type": "Lamp", "id": ONE}], "propertyNames": ["power"]}]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Broker, Broker]]:
    with brokers(tmp_path, 2) as (one, other):
        yield one, other


def value(entity: dict[str, Any], name: str) -> Any:
    return entity[name]["value"]


# -- reading


def test_an_entity_is_put_together_from_all_that_have_it(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    here.make(lamp(1, power={"value": 1, "observedAt": "2020-01-01T00:00:00Z"}, own=1))
    there.make(lamp(1, power={"value": 2, "observedAt": "2021-01-01T00:00:00Z"}, theirs=2))
    here.register(there.address)
    found = here.get(f"/entities/{ONE}").json()
    assert (value(found, "power"), value(found, "own"), value(found, "theirs")) == (2, 1, 2)
    assert value(here.get(f"/entities/{ONE}?local=true").json(), "power") == 1
    shown = here.get("/entities?type=Lamp").json()
    assert shown == [found]


def test_of_two_values_without_a_time_the_later_written_stands(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    here.make(lamp(1, power=1))
    there.make(lamp(1, power=2))
    here.register(there.address)
    assert value(here.get(f"/entities/{ONE}").json(), "power") == 2
    assert here.client.patch(f"/entities/{ONE}/attrs?local=true", json={"power": 3}).status_code == 204
    assert value(here.get(f"/entities/{ONE}").json(), "power") == 3


def test_an_auxiliary_source_only_fills_gaps(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    here.make(lamp(1, power=1))
    there.make(lamp(1, power=2, theirs=2), lamp(2, power=2))
    here.register(there.address, mode="auxiliary")
    found = here.get(f"/entities/{ONE}").json()
    assert (value(found, "power"), value(found, "theirs")) == (1, 2)


def test_an_exclusive_source_alone_says_what_it_holds(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    there.make(lamp(1, power=2, other=2))
    here.register(there.address, SPEED, mode="exclusive", operations=EVERYTHING)
    here.make(lamp(1, power=1, own=1))
    found = here.get(f"/entities/{ONE}").json()
    assert (value(found, "power"), value(found, "own")) == (2, 1)
    assert "other" not in found  # it is not registered for that


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
def test_pages_over_several_sources_give_every_entity_once(tmp_path: Path, limit: int) -> None:
    with brokers(tmp_path, 3) as (here, *others):
        here.make(*(lamp(n, power=n) for n in range(0, 9, 2)))
        for shift, other in enumerate(others):
            other.make(*(lamp(n + shift, power=n) for n in range(4)))
            here.register(other.address)
        pages, address = [], f"/entities?type=Lamp&limit={limit}&count=true"
        while address:
            answer = here.get(address)
            assert answer.headers["ngsild-results-count"] == "7"
            pages += [one["id"] for one in answer.json()]
            address = answer.links.get("next", {}).get("url", "").removeprefix(ROOT)
        assert sorted(pages) == sorted(lamp(n)["id"] for n in (0, 1, 2, 3, 4, 6, 8))


def test_conditions_and_attributes_go_along(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    there.make(*(lamp(n, power=n, colour="red" if n % 2 else "blue") for n in range(6)))
    here.register(there.address)
    assert here.ids('/entities?type=Lamp&q=power>2;colour=="red"') == [lamp(3)["id"], lamp(5)["id"]]
    assert set(here.get("/entities?type=Lamp&attrs=colour").json()[0]) == {"id", "type", "colour"}
    body = {"type": "Query", "entities": [{"type": "Lamp"}], "q": "power==4"}
    assert [one["id"] for one in here.client.post("/entityOperations/query", json=body).json()] == [lamp(4)["id"]]


def test_split_entities_meet_conditions_together(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    here.make(lamp(1, power=5), lamp(2, power=5))
    there.make(lamp(1, colour="red"), lamp(3, colour="red"))
    here.register(there.address)
    question = '/entities?type=Lamp&q=power>1;colour=="red"'
    assert here.ids(question) == []
    assert here.ids(question + "&splitEntities=true") == [ONE]


def test_an_entity_map_fixes_which_entities_the_pages_have(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    here.make(*(lamp(n, power=n) for n in range(3)))
    there.make(*(lamp(n, power=n) for n in range(2, 6)))
    id_ = here.register(there.address)
    first = here.get("/entities?type=Lamp&limit=2&entityMap=true")
    assert first.status_code == 201
    named = first.headers["ngsild-entitymap"]
    places = here.get(named.removeprefix(ROOT)).json()["entityMap"]
    assert places[lamp(0)["id"]] == ["@none"] and places[lamp(2)["id"]] == ["@none", id_]
    assert places[lamp(5)["id"]] == [id_]
    there.make(lamp(9, power=9))
    found = [one["id"] for one in first.json()]
    for offset in (2, 4):
        found += here.ids(f"/entities?type=Lamp&limit=2&offset={offset}", headers={"NGSILD-EntityMap": named})
    assert sorted(found) == [lamp(n)["id"] for n in range(6)]


def test_nothing_is_ordered_over_several_sources(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    here.register(there.address)
    assert here.get("/entities?type=Lamp&orderBy=power").status_code == 400
    assert here.get("/entities?type=Lamp&orderBy=power&local=true").status_code == 200


def test_types_and_attributes_of_all_are_told(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    here.make(lamp(1, power=1))
    there.make({"id": "urn:ngsi-ld:Pole:1", "type": "Pole", "height": 3})
    here.register(there.address, [{"entities": [{"type": "Pole"}]}])
    assert here.get("/types").json()["typeList"] == ["Lamp", "Pole"]
    assert here.get("/types?local=true").json()["typeList"] == ["Lamp"]
    assert here.get("/attributes").json()["attributeList"] == ["height", "power"]
    assert here.get("/types/Pole").json()["entityCount"] == 1
    assert [one["typeName"] for one in here.get("/types?details=true").json()] == ["Lamp", "Pole"]


# -- writing


def test_a_redirect_source_holds_what_is_written(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    here.register(there.address, mode="redirect", operations=EVERYTHING)
    assert here.client.post("/entities", json=lamp(1, power=1)).status_code == 201
    assert here.get(f"/entities/{ONE}?local=true").status_code == 404
    assert here.client.patch(f"/entities/{ONE}/attrs", json={"power": 2}).status_code == 204
    assert here.client.post(f"/entities/{ONE}/attrs", json={"colour": "red"}).status_code == 204
    assert here.client.patch(f"/entities/{ONE}", json={"colour": "blue"}).status_code == 204
    found = there.get(f"/entities/{ONE}?options=keyValues").json()
    assert (found["power"], found["colour"]) == (2, "blue")
    assert here.client.patch(f"/entities/{ONE}/attrs/power", json={"value": 7}).status_code == 204
    assert here.client.delete(f"/entities/{ONE}/attrs/colour").status_code == 204
    assert here.client.put(f"/entities/{ONE}", json=lamp(1, size=3)).status_code == 204
    assert there.get(f"/entities/{ONE}?options=keyValues").json() == lamp(1, size=3)
    assert here.client.delete(f"/entities/{ONE}").status_code == 204
    assert there.get(f"/entities/{ONE}").status_code == 404
    assert here.client.delete(f"/entities/{ONE}").status_code == 404


def test_an_exclusive_source_gets_its_attributes_and_nothing_else(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    here.register(there.address, SPEED, mode="exclusive", operations=EVERYTHING)
    assert here.client.post("/entities", json=lamp(1, power=1, own=1)).status_code == 201
    assert there.get(f"/entities/{ONE}?options=keyValues").json() == lamp(1, power=1)
    assert here.get(f"/entities/{ONE}?options=keyValues&local=true").json() == lamp(1, own=1)
    assert here.get(f"/entities/{ONE}?options=keyValues").json() == lamp(1, own=1, power=1)


def test_an_inclusive_source_gets_a_copy_and_what_failed_is_told(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    id_ = here.register(there.address, operations=EVERYTHING)
    there.make(lamp(1, power=1))
    answer = here.client.post("/entities", json=lamp(1, power=2))
    assert answer.status_code == 207
    (error,) = answer.json()["errors"]
    assert (error["registrationId"], error["error"]["status"]) == (id_, 409)
    assert answer.json()["success"] == [ONE]
    answer = here.client.post(f"/entities/{ONE}/attrs?options=noOverwrite", json={"power": 3, "extra": 1})
    assert answer.status_code == 207 and answer.json()["updated"] == [f"{USUAL}extra"]
    left = answer.json()["notUpdated"]
    assert [(one["attributeName"], one.get("registrationId")) for one in left] == [
        (f"{USUAL}power", None),
        (f"{USUAL}power", id_),
    ]


def test_a_batch_goes_where_each_of_its_entities_belongs(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    information = [{"entities": [{"type": "Lamp", "idPattern": "Lamp:00[1-3]"}]}]
    here.register(there.address, information, mode="redirect", operations=EVERYTHING)
    answer = here.client.post("/entityOperations/create", json=[lamp(n, power=n) for n in range(6)])
    assert answer.status_code == 201 and answer.json() == [lamp(n)["id"] for n in range(6)]
    assert there.ids("/entities?type=Lamp") == [lamp(n)["id"] for n in (1, 2, 3)]
    assert here.ids("/entities?type=Lamp&local=true") == [lamp(n)["id"] for n in (0, 4, 5)]
    answer = here.client.post("/entityOperations/create", json=[lamp(n, power=n) for n in (3, 5, 6)])
    assert answer.status_code == 207 and answer.json()["success"] == [lamp(6)["id"]]
    assert {one["entityId"] for one in answer.json()["errors"]} == {lamp(3)["id"], lamp(5)["id"]}
    ids = [lamp(n)["id"] for n in range(7)]
    assert here.client.post("/entityOperations/delete", json=ids).status_code == 204
    assert there.ids("/entities?type=Lamp") == here.ids("/entities?type=Lamp") == []


@pytest.mark.parametrize("options", ["update", "replace"])
def test_an_upsert_is_made_of_what_the_source_can_do(pair: tuple[Broker, Broker], options: str) -> None:
    here, there = pair
    here.register(there.address, mode="redirect", operations=["federationOps", "redirectionOps"])
    there.make(lamp(1, power=1, colour="red"))
    entities = [lamp(1, power=5), lamp(2, power=6)]
    answer = here.client.post(f"/entityOperations/upsert?options={options}", json=entities)
    assert answer.status_code == 201 and answer.json() == [lamp(2)["id"]]
    kept = {"colour": "red"} if options == "update" else {}
    assert there.get(f"/entities/{ONE}?options=keyValues").json() == lamp(1, power=5, **kept)
    assert there.get(f"/entities/{lamp(2)['id']}?options=keyValues").json() == entities[1]


def test_a_purge_asks_a_source_for_no_more_than_it_is_registered_for(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    there.make(lamp(1, power=1), lamp(2, power=2))
    here.register(there.address, [{"entities": [{"type": "Lamp", "id": ONE}]}], operations=EVERYTHING)
    assert here.client.delete("/entities?type=Lamp").status_code == 204
    assert there.ids("/entities?type=Lamp") == [lamp(2)["id"]]


def test_a_source_without_the_operation_is_a_conflict_where_it_alone_holds_it(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    here.register(there.address, mode="redirect", operations=["retrieveOps"])
    answer = here.client.post("/entities", json=lamp(1, power=1))
    assert answer.status_code == 409 and answer.json()["type"].endswith("/Conflict")
    assert there.ids("/entities?type=Lamp") == []


# -- what goes wrong


def test_brokers_that_name_each_other_do_not_ask_for_ever(tmp_path: Path) -> None:
    with brokers(tmp_path, 3) as made:
        for number, one in enumerate(made):
            one.make(lamp(number, power=number))
        for one in made:
            for other in made:
                if one is not other:
                    one.register(other.address, operations=EVERYTHING)
        for one in made:
            assert sorted(one.ids("/entities?type=Lamp")) == [lamp(n)["id"] for n in range(3)]
            assert one.get(f"/entities/{lamp(2)['id']}").status_code == 200


def test_a_write_that_comes_back_is_a_loop(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    here.register(there.address, mode="redirect", operations=EVERYTHING)
    there.register(here.address, mode="redirect", operations=EVERYTHING)
    assert here.client.post("/entities", json=lamp(1, power=1)).status_code in (502, 508)
    via = {"Via": f"1.1 {here.reach.alias('')}"}
    assert here.client.delete(f"/entities/{ONE}", headers=via).status_code == 508


@pytest.mark.parametrize(
    ("reply", "code"),
    [(saying(403), "299"), (saying(500, {"boom": 1}), "299"), (saying(200, b"no json"), "111"),
     (saying(200, [{"id": "x"}]), "111"), (saying(200, [{"id": ONE, "type": "Lamp", "a": [[]] * 3}] * 1001), "111")],
)  # fmt: skip
def test_a_source_that_makes_no_sense_is_left_out_and_told(pair: tuple[Broker, Broker], reply: Any, code: str) -> None:
    here, _ = pair
    here.make(lamp(1, power=1))
    with source(reply) as wrong:
        here.register(wrong.address)
        answer = here.get("/entities?type=Lamp")
    assert [one["id"] for one in answer.json()] == [ONE]
    assert answer.headers["ngsild-warning"].startswith(code)


def test_what_a_source_does_not_have_is_no_failure(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    here.register(there.address)
    answer = here.get(f"/entities/{ONE}")
    assert answer.status_code == 404 and "ngsild-warning" not in answer.headers


def test_a_dead_source_is_told_also_where_nothing_is_found(pair: tuple[Broker, Broker]) -> None:
    here, _ = pair
    here.register(dead_address(), mode="redirect", operations=EVERYTHING)
    answer = here.get(f"/entities/{ONE}")
    assert answer.status_code == 404 and answer.headers["ngsild-warning"].startswith("199 landbridge ")
    assert here.client.patch(f"/entities/{ONE}/attrs", json={"power": 1}).status_code == 504


def test_a_source_that_failed_is_left_alone_for_its_cooldown(pair: tuple[Broker, Broker]) -> None:
    here, _ = pair
    with source(saying(500)) as failing:
        id_ = here.register(failing.address, management={"cooldown": 3_600_000})
        assert "timesSent" not in here.get(f"/csourceRegistrations/{id_}").json()
        assert "299" in here.get("/entities?type=Lamp").headers["ngsild-warning"]
        assert "199" in here.get("/entities?type=Lamp").headers["ngsild-warning"]
        assert len(failing.asked) == 1
        shown = here.get(f"/csourceRegistrations/{id_}").json()
    assert (shown["status"], shown["timesSent"], shown["timesFailed"]) == ("failed", 1, 1)
    assert "lastFailure" in shown and "lastSuccess" not in shown


def test_an_answer_is_kept_for_its_cache_duration(pair: tuple[Broker, Broker]) -> None:
    here, _ = pair
    with source(saying(200, [lamp(1, power=1)])) as slow:
        here.register(slow.address, management={"cacheDuration": "PT1H"})
        assert here.ids("/entities?type=Lamp") == here.ids("/entities?type=Lamp") == [ONE]
        assert len(slow.asked) == 1


def test_a_source_that_does_not_answer_takes_no_more_than_its_time(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    there.make(lamp(1, power=1))
    here.register(there.address)
    with source(lambda *_: (here.stalled.wait(30), (200, b"[]"))[1]) as stalling:
        here.register(stalling.address, management={"timeout": 200})
        answer = here.get("/entities?type=Lamp")
        here.stalled.set()
    assert [one["id"] for one in answer.json()] == [ONE]
    assert "199" in answer.headers["ngsild-warning"] and "0.2 s" in answer.headers["ngsild-warning"]


# -- how a source is asked


def test_headers_go_along_as_the_registration_says(pair: tuple[Broker, Broker]) -> None:
    here, _ = pair
    pairs = [
        {"key": "Authorization", "value": "Bearer x"}, {"key": "X-User", "value": "urn:ngsi-ld:request"},
        {"key": "Via", "value": "1.1 evil"}, {"key": "NGSILD-Tenant", "value": "evil"},
        {"key": "accept", "value": "application/ld+json"},
    ]  # fmt: skip
    with source(saying(200, [])) as asked:
        here.register(asked.address, contextSourceInfo=pairs, tenant="theirs")
        here.get("/entities?type=Lamp", headers={"X-User": "me"})
        here.get("/entities?type=Lamp")
    first, second = (headers for _, _, headers, _ in asked.asked)
    assert first["authorization"] == "Bearer x" and first["ngsild-tenant"] == "theirs"
    assert first["via"] == f"1.1 {here.reach.alias('')}" and first["accept"] == "application/ld+json"
    assert (first["x-user"], second.get("x-user")) == ("me", None)


def test_a_source_is_asked_in_the_words_of_its_context(pair: tuple[Broker, Broker]) -> None:
    here, _ = pair
    address = "https://city.example/context.jsonld"
    here.contexts.known = {address: {"@context": {"Leuchte": f"{USUAL}Lamp", "Leistung": f"{USUAL}power"}}}
    pairs = [{"key": "jsonldContext", "value": address}]
    told = {"id": ONE, "type": "Leuchte", "Leistung": {"type": "Property", "value": 3}}
    with source(lambda method, *_: (201, b"") if method == "POST" else (200, orjson.dumps([told]))) as german:
        here.register(german.address, mode="redirect", operations=EVERYTHING, contextSourceInfo=pairs)
        found = here.get("/entities?type=Lamp&q=power>1").json()
        here.client.post("/entities", json=lamp(2, power={"value": 1, "power": 2}))
    assert [(one["id"], value(one, "power")) for one in found] == [(ONE, 3)]
    (_, path, headers, _), (_, _, _, body) = german.asked
    assert "type=Leuchte" in path and "q=Leistung" in path and address in headers["link"]
    assert orjson.loads(body) == {"id": lamp(2)["id"], "type": "Leuchte", "Leistung": {"value": 1, "Leistung": 2}}


def test_nothing_is_asked_of_others_without_registrations_or_with_local(pair: tuple[Broker, Broker]) -> None:
    here, _ = pair
    with source(saying(200, [])) as asked:
        id_ = here.register(asked.address)
        here.get("/entities?type=Lamp&local=true")
        here.get("/entities?type=Pole")
        assert here.client.delete(f"/csourceRegistrations/{id_}").status_code == 204
        here.get("/entities?type=Lamp")
    assert asked.asked == []


# -- selectors of a POST query (NGSI-LD 5.2.33, 5.7.2.4)


def asked(broker: Broker, *selectors: dict[str, Any], **members: Any) -> list[str]:
    answer = broker.client.post("/entityOperations/query", json={"type": "Query", "entities": selectors, **members})
    assert answer.status_code == 200, answer.text
    assert "ngsild-warning" not in answer.headers
    return [entity["id"] for entity in answer.json()]


def poles(*numbers: int) -> list[dict[str, Any]]:
    return [{**lamp(number), "id": f"urn:pole:{number}", "type": "Pole"} for number in numbers]


def test_sources_are_asked_by_the_selectors_of_a_query(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    here.make(lamp(1, power=1))
    there.make(lamp(1, more=1), lamp(2), lamp(3), *poles(1, 2))
    here.register(there.address, [{"entities": [{"type": "Lamp"}, {"type": "Pole"}]}])
    two, three = lamp(2)["id"], lamp(3)["id"]
    assert asked(here, {"type": "Lamp"}) == [ONE, two, three]
    assert asked(here, {"type": "Lamp", "id": [ONE, two]}) == [ONE, two]
    assert asked(here, {"type": "Lamp", "id": three}, {"type": "Pole", "idPattern": "2$"}) == [three, "urn:pole:2"]
    assert asked(here, {"type": "Lamp", "id": three, "idPattern": "2$"}) == [three]  # the id stands over the pattern
    assert asked(here, {"type": "Tree"}, {"type": "Pole"}) == ["urn:pole:1", "urn:pole:2"]
    assert asked(here, {"type": "Lamp;Pole"}) == []
    assert asked(here, {"type": "Tree"}) == []


def test_what_is_here_is_completed_also_where_selectors_ask(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    here.make(*(lamp(number, power=number) for number in range(1, 6)))
    there.make(*(lamp(number, more=number) for number in range(1, 6)), *poles(1))
    here.register(there.address, [{"entities": [{"type": "Lamp"}, {"type": "Pole"}]}])
    body = {"type": "Query", "entities": [{"type": "Lamp"}, {"type": "Pole"}]}
    page = here.client.post("/entityOperations/query?limit=2&offset=2", json=body).json()
    assert [(value(one, "power"), value(one, "more")) for one in page] == [(3, 3), (4, 4)]


def test_a_source_that_answers_queries_by_post_alone_gets_the_selectors(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    there.make(lamp(1), lamp(2), *poles(1))
    here.register(there.address, [{"entities": [{"type": "Lamp"}, {"type": "Pole"}]}], operations=["queryBatch"])
    assert asked(here, {"type": "Lamp", "id": ONE}, {"type": "Pole"}) == [ONE, "urn:pole:1"]
