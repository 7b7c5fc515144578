"""Batches over HTTP: answers to the letter, errors one by one, each entity's form and context, ten thousand at once."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landbridge.model.entity import KINDS
from made_api import ENTITIES, LD, OPERATIONS, Api

CITY, OTHER = "https://city.example/context.jsonld", "https://other.example/context.jsonld"
KNOWN = {
    CITY: {"@context": {"speed": "https://city.example/speed"}},
    OTHER: {"@context": {"speed": "https://other.example/speed"}},
}
LINK = {"Link": f'<{CITY}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'}
ERRORS = "https://uri.etsi.org/ngsi-ld/errors/"
NULL = "urn:ngsi-ld:null"
EVERY = ("create", "upsert", "update", "merge", "delete")


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    api = Api(tmp_path, KNOWN)
    yield api
    api.close()


def entity(of: int, **attributes: Any) -> dict[str, Any]:
    return {"id": f"urn:x:{of}", "type": "T", **attributes}


def batch(api: Api, operation: str, body: Any, **told: Any) -> tuple[int, Any]:
    answer = api.post(f"{OPERATIONS}/{operation}", body, **told)
    return answer.status_code, answer.json() if answer.content else None


def shown(api: Api, of: int) -> dict[str, Any]:
    return api.shown(f"{ENTITIES}/urn:x:{of}")


def test_answers_where_all_is_well(api: Api) -> None:
    assert batch(api, "create", [entity(1, a=1), entity(2)]) == (201, ["urn:x:1", "urn:x:2"])
    assert batch(api, "upsert", [entity(2, a=2), entity(3), entity(3, b=1)]) == (201, ["urn:x:3"])
    assert batch(api, "upsert", [entity(2, b=2), entity(3)]) == (204, None)
    assert batch(api, "upsert", [entity(2, c=3)], params={"options": "update"}) == (204, None)
    assert shown(api, 2) == entity(2, b=2, c=3)
    assert batch(api, "update", [{"id": "urn:x:2", "b": 5, "type": "U"}]) == (204, None)
    assert shown(api, 2) == entity(2, b=5, c=3) | {"type": ["T", "U"]}
    assert batch(api, "merge", [{"id": "urn:x:2", "c": NULL, "d": 1}]) == (204, None)
    assert shown(api, 2) == entity(2, b=5, d=1) | {"type": ["T", "U"]}
    assert batch(api, "delete", ["urn:x:1", "urn:x:2"]) == (204, None)
    assert api.get(f"{ENTITIES}/urn:x:2").status_code == 404


def test_errors_are_told_one_by_one(api: Api) -> None:
    api.made(entity(1, a=1))
    status, body = batch(
        api, "create", [entity(1), entity(2, a=None), entity(3), {"id": "x", "type": "T"}, {"type": "T"}, 5, entity(3)]
    )
    assert status == 207
    assert body["success"] == ["urn:x:3"]
    assert [(one["entityId"], one["error"]["type"], one["error"]["status"]) for one in body["errors"]] == [
        ("urn:x:1", ERRORS + "AlreadyExists", 409), ("urn:x:2", ERRORS + "BadRequestData", 400),
        ("x", ERRORS + "BadRequestData", 400), ("", ERRORS + "BadRequestData", 400),
        ("", ERRORS + "BadRequestData", 400),
        ("urn:x:3", ERRORS + "AlreadyExists", 409),
    ]  # fmt: skip
    assert all(one["error"]["title"] and one["error"]["detail"] for one in body["errors"])
    status, body = batch(api, "update", [{"id": "urn:x:9", "a": 1}, {"id": "urn:x:1", "b": 1}])
    assert (status, body["success"]) == (207, ["urn:x:1"])
    assert body["errors"][0]["error"]["type"] == ERRORS + "ResourceNotFound"
    status, body = batch(api, "update", [entity(1, a=5, c=1)], params={"options": "noOverwrite"})
    assert (status, body["success"], body["errors"][0]["entityId"]) == (207, [], "urn:x:1")
    assert shown(api, 1) == entity(1, a=1, b=1, c=1)
    status, body = batch(api, "delete", ["urn:x:1", "no uri", "urn:x:1", 5])
    assert (status, body["success"]) == (207, ["urn:x:1"])
    assert [one["error"]["status"] for one in body["errors"]] == [400, 404, 400]


@pytest.mark.parametrize("operation", EVERY)
@pytest.mark.parametrize(
    ("body", "kind"),
    [([], "BadRequestData"), ({}, "InvalidRequest"), ("{", "InvalidRequest"), ([None], "BadRequestData")],
)
def test_a_body_that_is_no_batch_is_refused_whole(api: Api, operation: str, body: Any, kind: str) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    headers = {"Content-Type": "application/json"}
    answer = api.ask("POST", f"{OPERATIONS}/{operation}", content=text, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (400, ERRORS + kind)
    answer = api.ask("POST", f"{OPERATIONS}/{operation}", content=text, headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415


@pytest.mark.parametrize(
    ("operation", "options", "status"),
    [("create", "noOverwrite", 400), ("upsert", "replace", 201), ("upsert", "replace,update", 400),
     ("upsert", "noOverwrite", 400), ("update", "noOverwrite", 207), ("update", "update", 400), ("merge", "x", 400)],
)  # fmt: skip
def test_options(api: Api, operation: str, options: str, status: int) -> None:
    assert batch(api, operation, [entity(1)], params={"options": options})[0] == status


def test_each_entity_has_its_own_context(api: Api) -> None:
    bodies = [entity(1, speed=1) | {"@context": CITY}, entity(2, speed=2) | {"@context": [OTHER]}, entity(3, speed=3)]
    status, body = batch(api, "create", bodies, headers=LD)
    assert (status, body["success"]) == (207, ["urn:x:1", "urn:x:2"])
    (error,) = body["errors"]
    assert (error["entityId"], error["error"]["type"]) == ("urn:x:3", ERRORS + "BadRequestData")
    assert shown(api, 1) == entity(1, **{"https://city.example/speed": 1})
    assert shown(api, 2) == entity(2, **{"https://other.example/speed": 2})
    assert batch(api, "create", [entity(4, speed=4)], headers=LINK)[0] == 201
    assert shown(api, 4) == entity(4, **{"https://city.example/speed": 4})
    assert batch(api, "upsert", [entity(4) | {"@context": CITY}])[0] == 207
    assert batch(api, "upsert", [entity(4) | {"@context": CITY}], headers=LD | LINK)[0] == 400
    unknown = entity(5) | {"@context": "https://nowhere.example/c"}
    status, body = batch(api, "upsert", [unknown, entity(6) | {"@context": CITY}], headers=LD)
    assert (status, body["success"]) == (207, ["urn:x:6"])
    assert body["errors"][0]["error"]["type"] == ERRORS + "LdContextNotAvailable"


def test_simplified_batches(api: Api) -> None:
    simple = {"format": "simplified"}
    bodies = [entity(1, owner={"object": "urn:p:1"}, name={"languageMap": {"en": "a"}}, raw={"type": "Property"})]
    api.made(entity(1) | {"owner": {"object": "urn:p:1"}, "name": {"languageMap": {"en": "a"}}})
    assert batch(api, "upsert", [entity(2, a={"value": 1})], params=simple)[0] == 201
    assert shown(api, 2) == entity(2, a={"value": 1})
    merge = [{"id": "urn:x:1", "owner": "urn:p:2", "name": "b", "n": 1}]
    assert batch(api, "merge", merge, params=simple | {"lang": "fr"}) == (204, None)
    assert shown(api, 1) == entity(1, owner="urn:p:2", name={"languageMap": {"en": "a", "fr": "b"}}, n=1)
    assert batch(api, "update", bodies, params={"options": "keyValues,noOverwrite"})[0] == 207


def test_tenants(api: Api) -> None:
    other = {"NGSILD-Tenant": "other"}
    assert batch(api, "update", [entity(1)], headers=other)[0] == 404
    assert batch(api, "upsert", [entity(1)], headers=other)[0] == 201
    assert batch(api, "delete", ["urn:x:1"], headers=other)[0] == 204
    assert batch(api, "delete", ["urn:x:1"])[0] == 207


def test_ten_thousand_at_once_and_no_more(api: Api) -> None:
    many = [entity(of, a=of) for of in range(10_000)]
    status, made = batch(api, "create", many)
    assert (status, len(made)) == (201, 10_000)
    assert api.pool.version() == 1
    answer = api.get(ENTITIES, params={"type": "T", "count": "true", "limit": "0"})
    assert answer.headers["ngsild-results-count"] == "10000"
    assert batch(api, "update", [{"id": one["id"], "a": -1} for one in many]) == (204, None)
    assert shown(api, 9_999) == entity(9_999, a=-1)
    assert batch(api, "create", [*many, entity(10_000)])[0] == 400
    assert batch(api, "delete", [one["id"] for one in many]) == (204, None)


# -- whatever is written is read the same

names = st.from_regex(r"[a-z]{3,6}", fullmatch=True).filter(lambda name: name not in ("type", "scope", "value"))
uris = st.from_regex(r"urn:[a-z]{1,3}:[a-zA-Z0-9]{1,5}", fullmatch=True)
scalars = st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(max_size=8).filter(lambda text: text != NULL)
plain = st.recursive(
    scalars | texts,
    lambda one: st.lists(one, max_size=3) | st.dictionaries(names, one, max_size=3),
    max_leaves=5,
)
VALUES = {
    "Property": plain,
    "GeoProperty": st.builds(
        lambda x, y: {"type": "Point", "coordinates": [x, y]}, st.integers(-180, 180), st.integers(-90, 90)
    ),
    "Relationship": uris | st.lists(uris, min_size=1, max_size=2),
    "LanguageProperty": st.dictionaries(st.sampled_from(["en", "zh", "@none"]), texts, min_size=1),
    "VocabProperty": names,
    "JsonProperty": st.dictionaries(names, plain | st.none(), max_size=2),
    "ListProperty": st.lists(plain, max_size=2),
    "ListRelationship": st.lists(uris.map(lambda uri: {"object": uri}), max_size=2),
}


@st.composite
def attributes(draw: st.DrawFn, depth: int = 1) -> dict[str, Any]:
    kind = draw(st.sampled_from(sorted(KINDS)))
    found: dict[str, Any] = {"type": kind, KINDS[kind]: draw(VALUES[kind])}
    if draw(st.booleans()):
        found["observedAt"] = draw(st.sampled_from(["2020-04-02T00:00:00Z", "2020-04-02T00:00:00.120Z"]))
    if depth:
        found |= draw(st.dictionaries(names, attributes(0), max_size=1))
    return found


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One pool for all examples; each replaces what the one before left."""
    api = Api(tmp_path_factory.mktemp("lasting"))
    yield api
    api.close()


bodies = st.lists(st.dictionaries(names, attributes(), max_size=3), min_size=3, max_size=3)


@settings(max_examples=60)
@given(bodies, bodies)
def test_what_is_written_is_read(lasting: Api, first: list[dict[str, Any]], second: list[dict[str, Any]]) -> None:
    """Upserted entities come back exactly, and an update puts whole attributes over what is there."""
    assert batch(lasting, "upsert", [entity(of, **body) for of, body in enumerate(first)])[0] in (201, 204)
    for of, body in enumerate(first):
        assert lasting.get(f"{ENTITIES}/urn:x:{of}").json() == json.loads(json.dumps(entity(of, **body)))
    assert batch(lasting, "update", [entity(of, **body) for of, body in enumerate(second)]) == (204, None)
    for of, (old, new) in enumerate(zip(first, second, strict=True)):
        assert lasting.get(f"{ENTITIES}/urn:x:{of}").json() == json.loads(json.dumps(entity(of, **(old | new))))
