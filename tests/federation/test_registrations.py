"""Registrations over HTTP: what is taken, kept, shown and found, and what contradicts (NGSI-LD 5.9, 5.10, 5.2.9)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from made_api import LD, ROOT, Api

REGISTRATIONS = f"{ROOT}/csourceRegistrations"
CITY = "https://city.example/context.jsonld"
KNOWN = {CITY: {"@context": {"Building": "https://city.example/Building", "name": "https://city.example/name"}}}
LINK = {"Link": f'<{CITY}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'}
ID = "urn:ngsi-ld:ContextSourceRegistration:1"
BASE: dict[str, Any] = {
    "id": ID,
    "type": "ContextSourceRegistration",
    "information": [{"entities": [{"type": "Building", "idPattern": "Building:.*"}], "propertyNames": ["name"]}],
    "endpoint": "http://source.example",
}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    made = Api(tmp_path, KNOWN)
    yield made
    made.close()


def register(api: Api, **members: Any) -> int:
    body = {name: value for name, value in {**BASE, **members}.items() if value is not None}
    return api.post(REGISTRATIONS, body).status_code


def found(api: Api, question: str) -> list[str]:
    answer = api.get(f"{REGISTRATIONS}?{question}")
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()]


def test_a_registration_is_shown_in_each_readers_names(api: Api) -> None:
    answer = api.post(REGISTRATIONS, {**BASE, "@context": [CITY], "owner": "district"}, headers=LD)
    assert answer.status_code == 201 and answer.headers["location"] == f"{REGISTRATIONS}/{ID}"
    shown = api.get(f"{REGISTRATIONS}/{ID}", headers=LINK).json()
    assert shown == {**BASE, "owner": "district", "mode": "inclusive", "operations": ["federationOps"]}
    information = api.get(f"{REGISTRATIONS}/{ID}").json()["information"]
    assert information[0]["entities"][0]["type"] == "https://city.example/Building"
    assert information[0]["propertyNames"] == ["https://city.example/name"]
    both = api.get(f"{REGISTRATIONS}/{ID}?options=sysAttrs").json()
    assert both["createdAt"] == both["modifiedAt"]


@pytest.mark.parametrize(
    "members",
    [
        {"endpoint": None}, {"information": None}, {"information": []}, {"type": "Building"}, {"mode": "shy"},
        {"operations": ["fly"]}, {"expiresAt": "2018-01-01T00:00:00Z"}, {"endpoint": "ftp://x.example"},
        {"endpoint": "http://127.0.0.1:1"}, {"information": [{"entities": [{"id": "urn:x:1"}]}]},
        {"information": [{"entities": [{"type": "A", "idPattern": "("}]}]}, {"information": [{"colour": ["x"]}]},
        {"contextSourceInfo": [{"key": "a"}]}, {"contextSourceInfo": [{"key": "a", "value": "b\r\nc"}]},
        {"management": {"timeout": 0}}, {"management": {"cacheDuration": "soon"}}, {"location": {"type": "Point"}},
        {"observationInterval": {"endAt": "2020-01-01T00:00:00Z"}}, {"scope": "no scope"},
        {"mode": "auxiliary", "operations": ["createEntity"]}, {"mode": "exclusive"},
        {"mode": "exclusive", "information": [{"entities": [{"type": "Building", "id": "urn:x:1"}]}]},
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_and_leaves_nothing(api: Api, members: dict[str, Any]) -> None:
    assert register(api, **members) in (400, 403)
    assert found(api, "type=Building&limit=1") == []


def test_a_registration_is_changed_member_by_member(api: Api) -> None:
    assert register(api, expiresAt="2100-01-01T00:00:00Z", description="old") == 201
    update = {"endpoint": "http://new.example", "expiresAt": None, "description": "urn:ngsi-ld:null"}
    assert api.patch(f"{REGISTRATIONS}/{ID}", update).status_code == 204
    shown = api.get(f"{REGISTRATIONS}/{ID}").json()
    assert shown["endpoint"] == "http://new.example" and not {"expiresAt", "description"} & set(shown)
    for wrong in ({"information": None}, {"type": "Lamp"}, {"mode": "exclusive"}, {"endpoint": "no address"}):
        assert api.patch(f"{REGISTRATIONS}/{ID}", wrong).status_code == 400
    assert api.patch(f"{REGISTRATIONS}/urn:x:none", {"description": "x"}).status_code == 404


def test_one_that_has_expired_is_gone(api: Api) -> None:
    api.now = 1_600_000_000_000_000
    assert register(api, expiresAt="2020-09-13T12:26:50Z") == 201
    assert found(api, "type=Building") == [ID]
    api.now += 20_000_000
    assert found(api, "type=Building") == []
    assert api.get(f"{REGISTRATIONS}/{ID}").status_code == 404


def test_what_headers_say_is_no_readers_business(api: Api) -> None:
    assert register(api, contextSourceInfo=[{"key": "Authorization", "value": "Bearer secret"}]) == 201
    api.pool.policy.rules.update({role: replace_write(rule) for role, rule in api.pool.policy.rules.items()})
    answer = api.get(f"{REGISTRATIONS}/{ID}")
    assert answer.status_code == 200 and "secret" not in answer.text


def replace_write(rule: Any) -> Any:
    return type(rule)(read=rule.read, write=False, raw=rule.raw, operate=rule.operate, push=rule.push)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("type=Building", "abcd"), ("type=Lamp", "e"), ("type=Building,Lamp", "abcde"), ("type=Nothing", ""),
        ("id=urn:x:Building:7", "abd"), ("id=urn:x:House:7", "bd"),
        ("type=Building&idPattern=Building", "abcd"), ("attrs=height", "bde"),
        ("attrs=name,height", "abcde"), ("type=Building&attrs=height", "bd"),
        ("q=owner==%22district%22", "b"), ("csf=endpoint~=%22special%22", "d"), ("q=floors>3", "d"),
        ("q=floors==1..3", "b"), ("q=floors!=1", "bd"), ("q=!owner", None), ("q=owner|floors", "bd"),
        ("scopeQ=/Madrid/%23", "b"), ("scopeQ=/%2B/Centro", "b"), ("scopeQ=/Berlin", "d"),
        ("georel=near;maxDistance==2000&geometry=Point&coordinates=[8.68,49.41]", "b"),
        ("georel=within&geometry=Polygon&coordinates=[[[8,49],[9,49],[9,50],[8,50],[8,49]]]", "b"),
        ("type=Building&timerel=before&timeAt=2021-01-01T00:00:00Z", "c"),
        ("type=Building&timerel=before&timeAt=2019-01-01T00:00:00Z", ""),
        ("type=Building&timerel=after&timeAt=2022-01-01T00:00:00Z", ""),
        ("type=Building&timerel=between&timeAt=2020-02-01T00:00:00Z&endTimeAt=2020-03-01T00:00:00Z", "c"),
        ("type=Building&timerel=before&timeAt=2021-01-01T00:00:00Z&timeproperty=modifiedAt", ""),
    ],
)  # fmt: skip
def test_registrations_are_found_by_what_they_offer(api: Api, question: str, expected: str | None) -> None:
    interval = {"startAt": "2020-01-01T00:00:00Z", "endAt": "2021-06-01T00:00:00Z"}
    point = {"type": "Point", "coordinates": [8.68, 49.41]}
    anything = [{"entities": [{"type": "Building"}]}]
    made: dict[str, dict[str, Any]] = {
        "a": {}, "b": {"information": anything, "owner": "district", "floors": 2, "scope": "/Madrid/Centro",
                       "location": point},
        "c": {"observationInterval": interval},
        "d": {"information": anything, "endpoint": "http://special.example", "floors": {"type": "Property", "value": 5},
              "scope": ["/Berlin", "/Hamburg"]},
        "e": {"information": [{"entities": [{"type": "Lamp", "id": "urn:x:Lamp:1"}]}]},
    }  # fmt: skip
    for name, members in made.items():
        assert register(api, id=f"urn:x:{name}", **members) == 201
    if expected is None:
        assert api.get(f"{REGISTRATIONS}?{question}").status_code == 400
        return
    wanted = expected if "timerel" in question else expected.replace("c", "")
    assert found(api, question) == [f"urn:x:{name}" for name in wanted]


@pytest.mark.parametrize(
    "question", ["", "id=nothing", "q=(x", "georel=within", "timerel=before", "typ=A", "idPattern=("]
)
def test_a_question_that_says_nothing_or_nonsense_is_refused(api: Api, question: str) -> None:
    assert api.get(f"{REGISTRATIONS}?{question}").status_code == 400


def test_pages_of_registrations(api: Api) -> None:
    for number in range(5):
        assert register(api, id=f"urn:x:{number}") == 201
    answer = api.get(f"{REGISTRATIONS}?type=Building&limit=2&offset=2&count=true")
    assert [one["id"] for one in answer.json()] == ["urn:x:2", "urn:x:3"]
    assert answer.headers["ngsild-results-count"] == "5"
    assert api.get(answer.links["prev"]["url"]).json()[0]["id"] == "urn:x:0"
    assert [one["id"] for one in api.get(answer.links["next"]["url"]).json()] == ["urn:x:4"]


PROXY = [{"entities": [{"type": "Lamp", "id": "urn:ngsi-ld:Lamp:1"}], "propertyNames": ["power"]}]


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [("exclusive", "exclusive", 409), ("exclusive", "redirect", 409), ("redirect", "exclusive", 409),
     ("redirect", "redirect", 201), ("exclusive", "inclusive", 201), ("inclusive", "exclusive", 201)],
)  # fmt: skip
def test_exclusive_means_that_nobody_else_proxies(api: Api, first: str, second: str, status: int) -> None:
    assert register(api, mode=first, information=PROXY) == 201
    assert register(api, id="urn:x:2", mode=second, information=PROXY) == status
    other = [{**PROXY[0], "propertyNames": ["colour"]}]
    assert register(api, id="urn:x:3", mode="exclusive", information=other) == 201
    assert (
        api.patch(f"{REGISTRATIONS}/urn:x:3", {"information": PROXY}).status_code == 409
        or first == second == "inclusive"
    )


@pytest.mark.parametrize("mode", ["exclusive", "redirect"])
def test_what_is_here_already_is_nobody_elses_to_hold(api: Api, mode: str) -> None:
    lamp = {"id": "urn:ngsi-ld:Lamp:1", "type": "Lamp", "power": 1}
    assert api.post(f"{ROOT}/entities", lamp).status_code == 201
    assert register(api, mode=mode, information=PROXY) == 409
    assert register(api, mode=mode, information=[{**PROXY[0], "propertyNames": ["colour"]}]) == 201
    assert api.delete(f"{ROOT}/entities/urn:ngsi-ld:Lamp:1?local=true").status_code == 204


def test_each_tenant_is_a_source_of_its_own(api: Api) -> None:
    def alias(**headers: str) -> str:
        body = api.get(f"{ROOT}/info/sourceIdentity", headers=headers).json()
        assert body["type"] == "ContextSourceIdentity" and body["id"].startswith("urn:")
        return str(body["contextSourceAlias"])

    first, other = alias(), alias(**{"NGSILD-Tenant": "one"})
    assert first == alias() and other == alias(**{"NGSILD-Tenant": "one"}) and first != other
    assert "one" not in other


def test_pages_of_registrations_name_their_neighbours_as_json_ld(api: Api) -> None:
    for number in range(3):
        registration = {"type": "ContextSourceRegistration", "endpoint": "http://other.example",
                        "information": [{"entities": [{"type": "Building"}]}]}  # fmt: skip
        assert api.post(REGISTRATIONS, registration | {"id": f"urn:r:{number}"}).status_code == 201
    answer = api.get(f"{REGISTRATIONS}?type=Building&limit=1&offset=1&count=true")
    assert [one["id"] for one in answer.json()] == ["urn:r:1"]
    assert answer.headers["NGSILD-Results-Count"] == "3"
    for rel, offset in (("prev", 0), ("next", 2)):
        query = f"type=Building&count=true&limit=1&offset={offset}"
        assert f'<{REGISTRATIONS}?{query}>; rel="{rel}"; type="application/ld+json"' in answer.headers["Link"]
