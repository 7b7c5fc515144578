"""Writing one entity over HTTP, clause by clause: forms, conditions, answers, and what the journal says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from landbridge.model.instant import format_instant, parse_instant
from landbridge.model.terms import DEFAULT, full_name
from made_api import ENTITIES, LD, OPERATOR, Api

CITY = "https://city.example/context.jsonld"
KNOWN = {CITY: {"@context": {"speed": "https://city.example/speed", "Vehicle": "https://city.example/Vehicle"}}}
LINK = {"Link": f'<{CITY}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'}
NULL = "urn:ngsi-ld:null"
BODY: dict[str, Any] = {
    "id": "urn:x:1",
    "type": "Vehicle",
    "speed": {"type": "Property", "value": 25, "unitCode": "KMH", "observedAt": "2022-03-14T01:59:26.535Z"},
    "address": {"type": "Property", "value": {"street": "17. Juni", "city": "Berlin"}},
    "name": {"type": "LanguageProperty", "languageMap": {"en": "Car", "zh": "车"}},
    "owner": {"type": "Relationship", "object": "urn:p:1"},
}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    api = Api(tmp_path, KNOWN)
    yield api
    api.close()


@pytest.fixture
def here(api: Api) -> str:
    """The address of an entity."""
    return api.made(BODY)


def full(api: Api, path: str, **parameters: str) -> dict[str, Any]:
    return api.shown(path, options="normalized", **parameters)


def problem(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition("/")[2]


# -- create, 5.6.1


@pytest.mark.parametrize("form", ["normalized", "concise", "keyValues", "simplified"])
@pytest.mark.parametrize("by", ["options", "format"])
def test_an_entity_is_made_in_each_form(api: Api, form: str, by: str) -> None:
    api.made(BODY)
    shown = api.get(f"{ENTITIES}/urn:x:1", params={by: form}).json()
    there = api.made(shown | {"id": "urn:x:2"}, params={by: form})
    assert api.get(there, params={by: form}).json() == shown | {"id": "urn:x:2"}
    if form in ("normalized", "concise"):
        assert full(api, there) == BODY | {"id": "urn:x:2"}


def test_an_id_is_escaped_in_the_location(api: Api) -> None:
    there = api.made({"id": "https://city.example/t?a=1#2", "type": "T"})
    assert there == f"{ENTITIES}/https:%2F%2Fcity.example%2Ft%3Fa%3D1%232"
    assert api.shown(there) == {"id": "https://city.example/t?a=1#2", "type": "T"}


@pytest.mark.parametrize(
    ("parameters", "status"),
    [({"options": "noOverwrite"}, 400), ({"format": "xml"}, 400), ({"q": "a"}, 400), ({"local": "true"}, 201)],
)
def test_parameters_of_a_creation(api: Api, parameters: dict[str, str], status: int) -> None:
    answer = api.post(ENTITIES, BODY, params=parameters)
    assert answer.status_code == status
    if status == 400:
        assert problem(answer) == (400, "InvalidRequest")


def test_a_tenant_is_made_by_its_first_write(api: Api) -> None:
    other = {"NGSILD-Tenant": "other"}
    assert problem(api.patch(f"{ENTITIES}/urn:x:1", {"a": 1}, headers=other)) == (404, "NonexistentTenant")
    answer = api.post(ENTITIES, BODY, headers=other)
    assert (answer.status_code, answer.headers["ngsild-tenant"]) == (201, "other")
    assert api.get(f"{ENTITIES}/urn:x:1").status_code == 404
    answer = api.patch(f"{ENTITIES}/urn:x:1", {"speed": 3}, headers=other)
    assert (answer.status_code, answer.headers["ngsild-tenant"]) == (204, "other")


# -- merge, 5.6.17


def test_a_merge_changes_what_it_names_down_to_members(api: Api, here: str) -> None:
    fragment = {
        "type": "Thing", "scope": "Madrid", "owner": NULL, "extra": 1,
        "speed": {"type": "Property", "value": 30}, "name": {"languageMap": {"zh": NULL, "de": "Auto"}},
        "address": {"type": "Property", "value": {"city": NULL, "country": "DE"}},
    }  # fmt: skip
    answer = api.patch(here, fragment)
    assert (answer.status_code, answer.content) == (204, b"")
    assert full(api, here) == {
        "id": "urn:x:1", "type": ["Vehicle", "Thing"], "scope": "/Madrid",
        "speed": BODY["speed"] | {"value": 30},
        "address": {"type": "Property", "value": {"street": "17. Juni", "country": "DE"}},
        "name": {"type": "LanguageProperty", "languageMap": {"en": "Car", "de": "Auto"}},
        "extra": {"type": "Property", "value": 1},
    }  # fmt: skip
    assert api.patch(here, {"scope": NULL}).status_code == 204
    assert "scope" not in full(api, here)


def test_a_merge_is_in_the_journal(api: Api, here: str) -> None:
    api.patch(here, {"speed": {"type": "Property", "value": 30}, "owner": NULL})
    points = api.pool.series(OPERATOR, "urn:x:1", "speed")
    assert [(point.value, point.deleted) for point in points] == [(25, False), (30, False)]
    points = api.pool.series(OPERATOR, "urn:x:1", "owner")
    assert [(point.value, point.deleted) for point in points] == [("urn:p:1", False), (None, True)]
    api.delete(here)
    assert api.pool.changes(0)[-1].entities == ("urn:x:1",)


@pytest.mark.parametrize("observed", [None, "2021-01-01T00:00:00Z", "1999-01-01T00:00:00Z"])
def test_an_older_or_missing_observation_does_not_make_a_write_vanish(
    api: Api, here: str, observed: str | None
) -> None:
    """Requests take effect in the order of their commits, whatever they say of observation (DESIGN 4.4)."""
    speed = {"type": "Property", "value": 7} | ({"observedAt": observed} if observed else {})
    api.post(f"{here}/attrs", {"speed": speed})
    assert full(api, here)["speed"] == speed


def test_parameters_of_a_merge(api: Api, here: str) -> None:
    moment = "2030-01-01T00:00:00Z"
    parameters = {"format": "simplified", "observedAt": moment, "lang": "zh"}
    answer = api.patch(here, {"speed": 40, "name": "汽车", "owner": "urn:p:2", "new": 1}, params=parameters)
    assert answer.status_code == 204
    shown = full(api, here)
    assert shown["speed"] == BODY["speed"] | {"value": 40, "observedAt": moment}
    assert shown["name"]["languageMap"] == {"en": "Car", "zh": "汽车"}
    assert shown["owner"] == {"type": "Relationship", "object": "urn:p:2"}
    assert shown["new"] == {"type": "Property", "value": 1}
    assert problem(api.patch(here, {"speed": 1}, params={"observedAt": "now"})) == (400, "BadRequestData")
    assert problem(api.patch(here, {"speed": 1}, params={"lang": "en,zh"})) == (400, "BadRequestData")


def test_a_json_merge_patch_deletes_by_null(api: Api, here: str) -> None:
    patch = {"Content-Type": "application/merge-patch+json"}
    assert (
        api.patch(
            here, {"owner": None, "address": {"type": "Property", "value": {"city": None}}}, headers=patch
        ).status_code
        == 204
    )
    shown = full(api, here)
    assert "owner" not in shown
    assert shown["address"]["value"] == {"street": "17. Juni"}
    assert api.patch(f"{here}/attrs/speed", {"unitCode": None}, headers=patch | LINK | patch).status_code == 404
    assert api.patch(f"{here}/attrs/speed", {"unitCode": None}, headers=patch).status_code == 204
    assert "unitCode" not in full(api, here)["speed"]
    assert api.post(ENTITIES, BODY, headers=patch).status_code == 415


@pytest.mark.parametrize(
    "fragment",
    [{"speed": None}, {"new": {"type": "Property", "unitCode": "X"}}, {"speed": {"type": "Prperty", "value": 1}},
     {"location": 5}, {"scope": "a b"}, {"type": NULL}, {"expiresAt": "soon"},
     {"speed": {"type": "Property", "value": 1, "datasetId": NULL}}],
)  # fmt: skip
def test_a_wrong_fragment_is_refused_and_changes_nothing(api: Api, here: str, fragment: dict[str, Any]) -> None:
    before = full(api, here, sysAttrs="true")
    assert problem(api.patch(here, {"ok": 1} | fragment)) == (400, "BadRequestData")
    assert full(api, here, sysAttrs="true") == before


# -- replace, 5.6.18, and times


def test_a_replacement_keeps_when_the_entity_was_made(api: Api, here: str) -> None:
    before = full(api, here, sysAttrs="true")
    answer = api.put(here, {"type": "Building", "speed": 1, "floors": 3})
    assert (answer.status_code, answer.content) == (204, b"")
    after = full(api, here, sysAttrs="true")
    assert full(api, here) == {
        "id": "urn:x:1", "type": "Building", "speed": {"type": "Property", "value": 1},
        "floors": {"type": "Property", "value": 3},
    }  # fmt: skip
    assert after["createdAt"] == before["createdAt"]
    assert parse_instant(after["modifiedAt"]) > parse_instant(before["modifiedAt"])
    assert after["speed"]["createdAt"] == before["speed"]["createdAt"]
    assert after["floors"]["createdAt"] == after["modifiedAt"] == after["floors"]["modifiedAt"]
    assert problem(api.put(f"{ENTITIES}/urn:no:1", {"type": "T"})) == (404, "ResourceNotFound")
    assert problem(api.put(here, {"speed": NULL})) == (400, "BadRequestData")
    api.put(here, {"speed": 2})
    assert full(api, here)["type"] == "Building"


def test_times_are_those_of_the_commits(api: Api) -> None:
    api.now = parse_instant("2030-01-01T00:00:00Z")
    here = api.made(BODY)
    api.now += 5_000_000
    api.patch(here, {"speed": {"type": "Property", "value": 1}})
    shown = full(api, here, sysAttrs="true")
    assert (shown["createdAt"], shown["modifiedAt"]) == ("2030-01-01T00:00:00Z", "2030-01-01T00:00:05Z")
    assert (shown["speed"]["createdAt"], shown["speed"]["modifiedAt"]) == (shown["createdAt"], shown["modifiedAt"])
    assert shown["owner"]["modifiedAt"] == shown["createdAt"]
    assert format_instant(api.now) == shown["modifiedAt"]


# -- attributes, 5.6.2 to 5.6.5, 5.6.19


def test_update_replaces_whole_and_adds(api: Api, here: str) -> None:
    assert api.patch(f"{here}/attrs", {"speed": {"value": 1}, "more": 2}).status_code == 204
    shown = full(api, here)
    assert shown["speed"] == {"type": "Property", "value": 1}
    assert shown["more"] == {"type": "Property", "value": 2}
    answer = api.patch(f"{here}/attrs", {"owner": NULL, "none": NULL, "scope": "/a"})
    assert answer.status_code == 207
    assert answer.json()["updated"] == [DEFAULT + "owner"]
    assert [one["attributeName"] for one in answer.json()["notUpdated"]] == [DEFAULT + "none", full_name("scope")]
    assert all(one["reason"] for one in answer.json()["notUpdated"])


def test_append_adds_scopes_and_types_and_takes_no_null(api: Api, here: str) -> None:
    assert api.post(f"{here}/attrs/", {"scope": "/a", "type": ["Thing"]}).status_code == 204
    assert api.post(f"{here}/attrs", {"scope": ["/b", "/a"]}, params={"options": "noOverwrite"}).status_code == 204
    shown = full(api, here)
    assert (shown["scope"], shown["type"]) == (["/a", "/b"], ["Vehicle", "Thing"])
    assert api.post(f"{here}/attrs", {"scope": "/c"}).status_code == 204
    assert full(api, here)["scope"] == "/c"
    assert problem(api.post(f"{here}/attrs", {"speed": NULL})) == (400, "BadRequestData")
    assert problem(api.post(f"{here}/attrs", {"a": 1}, params={"options": "replace"})) == (400, "InvalidRequest")


def test_one_attribute_is_updated_in_part_and_replaced(api: Api, here: str) -> None:
    speed = f"{here}/attrs/speed"
    assert api.patch(speed, {"value": 9, "accuracy": {"type": "Property", "value": 1}}).status_code == 204
    shown = full(api, here)["speed"]
    assert shown == BODY["speed"] | {"value": 9, "accuracy": {"type": "Property", "value": 1}}
    assert api.put(speed, {"type": "Relationship", "object": "urn:x:9"}).status_code == 204
    assert full(api, here)["speed"] == {"type": "Relationship", "object": "urn:x:9"}
    assert api.patch(speed, {"type": "Relationship", "object": NULL}).status_code == 204
    assert "speed" not in full(api, here)
    for answer in (api.patch(speed, {"value": 1}), api.put(speed, {"value": 1}), api.delete(speed)):
        assert problem(answer) == (404, "ResourceNotFound")


@pytest.mark.parametrize(
    ("method", "name"), [("PATCH", "scope"), ("PUT", "scope"), ("PATCH", "@type"), ("DELETE", "@a")]
)
def test_what_is_no_attribute(api: Api, here: str, method: str, name: str) -> None:
    answer = api.ask(method, f"{here}/attrs/{name}", **({"json": {"value": 1}} if method != "DELETE" else {}))
    assert problem(answer) == (400, "BadRequestData")


def test_instances_by_their_dataset(api: Api) -> None:
    one, two = "urn:d:1", "urn:d:2"
    speeds = [{"value": 1}, {"value": 2, "datasetId": one}, {"value": 3, "datasetId": two}]
    here = api.made({"id": "urn:x:1", "type": "T", "speed": speeds, "a": 1})
    speed = f"{here}/attrs/speed"

    def values() -> dict[str, int]:
        return dict(api.shown(here)["speed"]["dataset"])

    assert api.patch(speed, {"value": 20, "datasetId": one}).status_code == 204
    assert api.put(speed, {"value": 30, "datasetId": two}).status_code == 204
    assert values() == {"@none": 1, one: 20, two: 30}
    assert problem(api.patch(speed, {"value": 5, "datasetId": "urn:d:9"})) == (404, "ResourceNotFound")
    assert api.delete(speed, params={"datasetId": one}).status_code == 204
    assert values() == {"@none": 1, two: 30}
    assert problem(api.delete(speed, params={"datasetId": one})) == (404, "ResourceNotFound")
    assert problem(api.delete(speed, params={"datasetId": "no uri"})) == (400, "BadRequestData")
    assert api.delete(speed).status_code == 204
    assert values() == {two: 30}
    assert api.delete(speed, params={"deleteAll": "true"}).status_code == 204
    assert api.shown(here) == {"id": "urn:x:1", "type": "T", "a": 1}


def test_names_are_those_of_the_request(api: Api) -> None:
    body = {"id": "urn:x:1", "type": "Vehicle", "@context": [CITY], "speed": 1}
    here = api.made(body, headers=LD)
    assert problem(api.delete(f"{here}/attrs/speed")) == (404, "ResourceNotFound")
    assert api.patch(f"{here}/attrs/speed", {"value": 2}, headers=LINK).status_code == 204
    assert api.patch(f"{here}/attrs/speed", {"value": 3, "@context": CITY}, headers=LD).status_code == 204
    assert api.shown(here) == {"id": "urn:x:1", "type": "https://city.example/Vehicle", "https://city.example/speed": 3}
    assert api.delete(f"{here}/attrs/speed", headers=LINK).status_code == 204


@pytest.mark.parametrize("context", [True, 5, [[5]], {"@foo": 1}, ""])
def test_what_is_no_context_is_refused(api: Api, context: Any) -> None:
    answer = api.post(ENTITIES, BODY | {"@context": context}, headers=LD)
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) in (
        (400, "BadRequestData"),
        (504, "LdContextNotAvailable"),
    )


# -- type, 4.17


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "", {"a": 1}), ("PUT", "", {"a": 1}), ("POST", "/attrs", {"a": 1}), ("PATCH", "/attrs", {"a": 1}),
        ("PATCH", "/attrs/speed", {"value": 1}), ("PUT", "/attrs/speed", {"value": 1}),
        ("DELETE", "/attrs/speed", None), ("DELETE", "", None),
    ],
)  # fmt: skip
def test_a_write_may_say_the_type_and_the_state(api: Api, here: str, method: str, path: str, body: Any) -> None:
    told = {} if body is None else {"json": body}
    tag = api.get(here).headers["etag"]
    answer = api.ask(method, here + path, params={"type": "Building;Vehicle"}, **told)
    assert problem(answer) == (404, "ResourceNotFound")
    answer = api.ask(method, here + path, headers={"If-Match": '"1-00000000", W/' + tag}, **told)
    assert problem(answer) == (412, "about:blank")
    assert full(api, here) == BODY
    answer = api.ask(
        method, here + path, params={"type": "Building|Vehicle"}, headers={"If-Match": f'"x", {tag}'}, **told
    )
    assert answer.status_code == 204
    answer = api.ask(method, here + path, headers={"If-Match": tag}, **told)
    assert answer.status_code == (404 if (method, path) == ("DELETE", "") else 412)


# -- conditional requests, RFC 9110


def test_a_tag_names_state_and_form(api: Api, here: str) -> None:
    plain, keyed = api.get(here), api.get(here, params={"options": "keyValues"})
    assert plain.headers["etag"] != keyed.headers["etag"]
    assert plain.headers["etag"].partition("-")[0] == keyed.headers["etag"].partition("-")[0]
    again = api.get(here, headers={"If-None-Match": f'"x", {plain.headers["etag"]}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", plain.headers["etag"])
    assert api.get(here, headers={"If-None-Match": "*"}).status_code == 304
    assert api.get(here, headers={"If-None-Match": keyed.headers["etag"]}).status_code == 200
    assert api.patch(here, {"a": 1}, headers={"If-Match": keyed.headers["etag"]}).status_code == 204
    assert api.get(here, headers={"If-None-Match": plain.headers["etag"]}).status_code == 200
    assert api.patch(here, {"a": 1}, headers={"If-Match": "*"}).status_code == 204
    assert api.patch(f"{ENTITIES}/urn:no:1", {"a": 1}, headers={"If-Match": "*"}).status_code == 404


# -- purge, 5.6.21


def test_a_purge_says_what_goes(api: Api) -> None:
    for of in range(5):
        api.made({"id": f"urn:x:{of}", "type": "T", "n": of, "m": 1})
    api.made({"id": "urn:y:1", "type": "U", "n": 1})
    assert api.delete(ENTITIES, params={"type": "T", "q": "n>=3"}).status_code == 204
    assert api.delete(ENTITIES, params={"type": "T", "id": "urn:x:0", "drop": "m,o"}).status_code == 204
    assert api.delete(ENTITIES, params={"type": "T", "id": "urn:x:1", "keep": "m"}).status_code == 204
    found = api.get(ENTITIES, params={"local": "true", "options": "keyValues"}).json()
    assert {one["id"]: one for one in found} == {
        "urn:x:0": {"id": "urn:x:0", "type": "T", "n": 0}, "urn:x:1": {"id": "urn:x:1", "type": "T", "m": 1},
        "urn:x:2": {"id": "urn:x:2", "type": "T", "n": 2, "m": 1}, "urn:y:1": {"id": "urn:y:1", "type": "U", "n": 1},
    }  # fmt: skip
    assert api.delete(ENTITIES, params={"local": "true"}).status_code == 204
    assert api.get(ENTITIES, params={"local": "true"}).json() == []


@pytest.mark.parametrize(
    "parameters",
    [{}, {"id": "urn:x:1"}, {"idPattern": ".*"}, {"attrs": "createdAt"}, {"q": 'modifiedAt>"2020-01-01T00:00:00Z"'},
     {"type": "T", "keep": "a", "drop": "b"}, {"type": "T", "q": 'owner{name}=="x"'}, {"type": "T", "limit": "5"},
     {"type": "T", "attrs": "owner{name}"}, {"scopeQ": "/a"}],
)  # fmt: skip
def test_a_purge_that_is_too_wide_or_wrong_takes_nothing(api: Api, here: str, parameters: dict[str, str]) -> None:
    assert api.delete(ENTITIES, params=parameters).status_code == 400
    assert full(api, here) == BODY


# -- expiry, 4.22


def test_expiry_is_shown_where_asked_and_ends_the_entity(api: Api) -> None:
    api.now = parse_instant("2030-01-01T00:00:00Z")
    later = "2030-01-01T00:00:10Z"
    body = {"id": "urn:x:1", "type": "T", "expiresAt": later, "a": {"type": "Property", "value": 1, "expiresAt": later}}
    here = api.made(body)
    assert "expiresAt" not in api.get(here).text
    shown = full(api, here, sysAttrs="true")
    assert (shown["expiresAt"], shown["a"]["expiresAt"]) == (later, later)
    api.now += 10_000_000
    assert api.get(here).status_code == 404
    assert api.delete(here).status_code == 404
