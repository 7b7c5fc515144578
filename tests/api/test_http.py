"""What surrounds every operation: methods, foreign pages, packing, lengths, bounds, and the tenant named back."""

import asyncio
import gzip
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from landbridge.api.http.accept import choose, read_range
from landbridge.api.http.caller import Callers
from landbridge.api.ngsild.routes import Doors, routes
from landbridge.governance.policy import Actor, Policy, Role, Rule, default_rules
from made_api import ENTITIES, OPERATOR, ROOT, Api

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PUBLIC = Actor("public", Role.PUBLIC)
LAMP = {"id": "urn:ngsi-ld:Lamp:1", "type": "Lamp", "text": {"type": "Property", "value": "bright " * 400}}
ABROAD = {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}
WHOLE = 100_000


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    found = Api(tmp_path)
    found.made(LAMP)
    yield found
    found.close()


@pytest.fixture
def public(tmp_path: Path) -> Iterator[Api]:
    """A city where everyone may read, asked from this machine."""
    (tmp_path / "public").mkdir()
    found = Api(tmp_path / "public")
    found.made(LAMP)
    found.pool.policy = Policy(default_rules() | {Role.PUBLIC: Rule(read=True)})
    doors = Doors(Callers(lambda token: None, OPERATOR, PUBLIC), body_limit=WHOLE)
    application = Starlette(routes=routes(found.pool, doors))
    found.transport = httpx.ASGITransport(application, client=("127.0.0.1", 4711))
    yield found
    found.close()


# -- methods


def test_head_is_get_without_its_body(api: Api) -> None:
    shown, head = api.get(f"{ENTITIES}/{LAMP['id']}"), api.ask("HEAD", f"{ENTITIES}/{LAMP['id']}")
    assert head.status_code == 200
    told = {name: value for name, value in shown.headers.items() if name != "x-request-id"}
    assert told == {name: value for name, value in head.headers.items() if name != "x-request-id"}
    assert api.ask("HEAD", f"{ENTITIES}/urn:ngsi-ld:Lamp:none").status_code == 404


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (ENTITIES, "DELETE, GET, HEAD, OPTIONS, POST"),
        (f"{ENTITIES}/urn:ngsi-ld:Lamp:1", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
        (f"{ROOT}/types", "GET, HEAD, OPTIONS"),
        (f"{ROOT}/entityOperations/upsert", "OPTIONS, POST"),
        (f"{ROOT}/jsonldContexts", "GET, HEAD, OPTIONS, POST"),
    ],
)
def test_an_address_says_what_it_can_do(path: str, allowed: str, api: Api) -> None:
    asked = api.ask("OPTIONS", path)
    assert (asked.status_code, asked.headers["allow"], asked.content) == (204, allowed, b"")
    assert ("accept-patch" in asked.headers) == ("PATCH" in allowed)
    refused = api.ask("LOCK", path)
    assert (refused.status_code, refused.headers["allow"]) == (405, allowed)


def test_there_is_nothing_elsewhere(api: Api) -> None:
    for method in ("GET", "OPTIONS", "DELETE"):
        assert api.ask(method, f"{ROOT}/nothing").status_code == 404


# -- pages of other origins


def test_a_foreign_page_reads_a_public_city_as_the_public_and_changes_nothing(public: Api) -> None:
    shown = public.get(f"{ENTITIES}/{LAMP['id']}", headers=ABROAD)
    assert shown.status_code == 200
    assert shown.headers["access-control-allow-origin"] == "*"
    assert shown.headers["access-control-expose-headers"] == "*"
    assert "access-control-allow-credentials" not in shown.headers
    for method, path in (("POST", ENTITIES), ("DELETE", f"{ENTITIES}/{LAMP['id']}"), ("PATCH", f"{ENTITIES}/x")):
        refused = public.ask(method, path, headers=ABROAD | {"Content-Length": "2"}, content=b"{}")
        assert refused.status_code == 403
        assert "access-control-allow-origin" not in refused.headers
    assert public.get(f"{ENTITIES}/{LAMP['id']}").status_code == 200


def test_a_foreign_page_is_the_public_also_where_the_operator_sits_at_the_browser(public: Api) -> None:
    public.pool.policy = Policy()  # the public may read nothing, the operator everything
    assert public.get(ENTITIES + "?type=Lamp").status_code == 200
    assert public.get(ENTITIES + "?type=Lamp", headers=ABROAD).status_code == 403


def test_a_foreign_page_under_a_bent_name_reads_nothing(public: Api) -> None:
    assert public.get(ENTITIES + "?type=Lamp", headers=ABROAD | {"Host": "evil.example"}).status_code == 403


def test_a_preflight_is_told_that_it_may_read(public: Api, api: Api) -> None:
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "link"}
    told = public.ask("OPTIONS", ENTITIES, headers=ABROAD | asked)
    assert told.status_code == 204
    assert told.headers["access-control-allow-origin"] == "*"
    assert told.headers["access-control-allow-methods"] == "GET, HEAD"
    assert "authorization" not in told.headers["access-control-allow-headers"].lower()
    assert api.ask("OPTIONS", ENTITIES, headers=ABROAD | asked).status_code == 403  # a city that is not public


# -- packing


@pytest.mark.parametrize(
    ("wished", "packing"),
    [("gzip", "gzip"), ("zstd", "zstd"), ("gzip, zstd", "zstd"), ("zstd;q=0.5, gzip", "gzip"), ("br", None),
     ("gzip;q=0", None), ("identity", None), ("", None)],
)  # fmt: skip
def test_an_answer_is_packed_as_it_is_liked(wished: str, packing: str | None, api: Api) -> None:
    plain = api.get(f"{ENTITIES}/{LAMP['id']}", headers={"Accept-Encoding": "identity"})
    answer = api.get(f"{ENTITIES}/{LAMP['id']}", headers={"Accept-Encoding": wished})
    assert answer.headers.get("content-encoding") == packing
    assert "Accept-Encoding" in answer.headers["vary"]
    assert (zstd.decompress(answer.content) if packing == "zstd" else answer.content) == plain.content
    assert (int(answer.headers["content-length"]) < len(plain.content) / 4) == bool(packing)


def test_a_small_answer_is_not_packed(api: Api) -> None:
    api.made({"id": "urn:ngsi-ld:Lamp:2", "type": "Lamp"})
    answer = api.get(f"{ENTITIES}/urn:ngsi-ld:Lamp:2", headers={"Accept-Encoding": "gzip, zstd"})
    assert "content-encoding" not in answer.headers


def test_a_packed_answer_has_its_own_tag_and_is_known_again(api: Api) -> None:
    tags = {}
    for wished in ("identity", "gzip", "zstd"):
        headers = {"Accept-Encoding": wished}
        tags[wished] = api.get(f"{ENTITIES}/{LAMP['id']}", headers=headers).headers["etag"]
        again = api.get(f"{ENTITIES}/{LAMP['id']}", headers=headers | {"If-None-Match": tags[wished]})
        assert (again.status_code, again.content) == (304, b"")
    assert len(set(tags.values())) == 3


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_a_packed_request_is_unpacked_within_the_bound(packing: str, public: Api) -> None:
    pack = gzip.compress if packing == "gzip" else zstd.compress
    headers = {"Content-Type": "application/json", "Content-Encoding": packing}

    def send(body: bytes) -> httpx.Response:
        return public.ask("POST", ENTITIES, content=body, headers=headers)

    assert send(pack(json.dumps(LAMP | {"id": "urn:ngsi-ld:Lamp:packed"}).encode())).status_code == 201
    assert send(pack(b'"' + b"x" * WHOLE + b'"')).status_code == 413
    assert send(pack(b"x" * 50_000_000)).status_code == 413
    assert send(b"no such thing").status_code == 400
    assert send(pack(b"{}" * 1000)[:-5]).status_code == 400
    other = public.ask("POST", ENTITIES, content=b"{}", headers=headers | {"Content-Encoding": "br"})
    assert other.status_code == 415


# -- lengths and bounds


@pytest.mark.parametrize(
    ("method", "path"), [("POST", ENTITIES), ("PATCH", f"{ENTITIES}/urn:a:b"), ("PUT", f"{ENTITIES}/urn:a:b")]
)
def test_a_body_without_its_length_is_411_and_nothing_else(method: str, path: str, api: Api) -> None:
    async def parts() -> Any:
        yield b"{}"

    answer = api.ask(method, path, content=parts(), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.content) == (411, b"")


def test_a_large_body_is_refused(public: Api) -> None:
    body = json.dumps(LAMP | {"id": "urn:ngsi-ld:Lamp:large", "x": "y" * WHOLE})
    answer = public.ask("POST", ENTITIES, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert "in parts" in answer.json()["detail"]


@pytest.mark.parametrize("depth", [50, 200, 500, 1_000, 1_100, 10_000, 100_000])
@pytest.mark.parametrize("shape", ['{"a":%s}', "[%s]", '{"type":"Property","value":1,"a":%s}'])
def test_deep_json_is_taken_or_refused_and_never_crashed_on(depth: int, shape: str, api: Api) -> None:
    opening, _, closing = shape.partition("%s")
    deep = opening * depth + "1" + closing * depth
    for path, body in (
        (ENTITIES, f'{{"id":"urn:ngsi-ld:Lamp:{depth}","type":"Lamp","deep":{{"type":"Property","value":{deep}}}}}'),
        (ENTITIES, f'{{"id":"urn:ngsi-ld:Lamp:a{depth}","type":"Lamp","deep":{deep}}}'),
        (ENTITIES, deep),
        (f"{ROOT}/entityOperations/query", f'{{"type":"Query","q":{deep}}}'),
        (f"{ROOT}/subscriptions", deep),
        (f"{ROOT}/jsonldContexts", f'{{"@context":{deep}}}'),
    ):
        answer = api.ask("POST", path, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in (201, 400, 403), (path, answer.text)
        if answer.status_code == 201 and path == ENTITIES:
            assert api.get(answer.headers["location"]).status_code == 200
        if depth >= 10_000:
            assert answer.status_code == 400


def test_many_parameters_and_long_ones_are_refused(api: Api) -> None:
    assert api.get(ENTITIES + "?type=Lamp&" + "&".join(f"a{n}=1" for n in range(5000))).status_code == 400
    assert api.get(ENTITIES + "?type=Lamp&q=" + "a;" * 20_000 + "a").status_code in (400, 403)
    assert api.get(f"{ENTITIES}/urn:x:{'y' * 30_000}").status_code in (400, 404)


# -- tenants


def test_the_tenant_is_named_back_in_every_answer(api: Api) -> None:
    for headers, tenant in (({"NGSILD-Tenant": "here"}, "here"), ({}, None), ({"NGSILD-Tenant": "not one"}, None)):
        for method, path in (("GET", ENTITIES + "?type=Lamp"), ("GET", f"{ROOT}/nothing"), ("LOCK", ENTITIES)):
            answer = api.ask(method, path, headers=headers)
            assert answer.headers.get("ngsild-tenant") == tenant
    assert api.get(ENTITIES + "?type=Lamp", headers={"NGSILD-Tenant": "here"}).status_code == 404


def test_two_thousand_tenants_are_each_their_own(tmp_path: Path) -> None:
    api = Api(tmp_path)

    async def fill() -> None:
        async with httpx.AsyncClient(transport=api.transport, base_url="http://localhost:8080") as client:

            async def one(number: int) -> None:
                body = {"id": "urn:ngsi-ld:Lamp:1", "type": "Lamp", "number": number}
                answer = await client.post(ENTITIES, json=body, headers={"NGSILD-Tenant": f"t{number}"})
                assert answer.status_code == 201

            for start in range(0, 2000, 100):
                await asyncio.gather(*(one(number) for number in range(start, start + 100)))

    asyncio.run(fill())
    for number in (0, 1, 999, 1999):
        headers = {"NGSILD-Tenant": f"t{number}"}
        found = api.get(ENTITIES + "?type=Lamp&format=simplified&count=true", headers=headers)
        assert [one["number"] for one in found.json()] == [number]
        assert found.headers["ngsild-results-count"] == "1"
    assert api.get(ENTITIES + "?type=Lamp").json() == []
    api.close()


# -- Accept


def test_a_weight_that_is_none_says_nothing() -> None:
    assert choose("application/ld+json;q=much", ["application/json", "application/ld+json"]) == "application/ld+json"
    assert read_range("a/b; q=0.25") == ("a/b", 0.25)


@given(st.text(max_size=200))
def test_no_accept_header_ends_in_another_error(text: str) -> None:
    try:
        assert choose(text, ["application/json", "application/ld+json"])
    except Exception as error:
        assert type(error).__name__ == "NotAcceptable"
