"""Contexts over HTTP: kept, listed, served, used, deleted; fetched from elsewhere, or a 504 that says why."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from landbridge.api.http.caller import Callers
from landbridge.api.ngsild.routes import Doors, routes
from landbridge.app.entrance import contexts_of, kept_contexts
from landbridge.governance.egress import Egress
from landbridge.model.address import read_allowed
from landbridge.model.terms import CORE_URL
from landbridge.settings import read_operator, read_settings
from made_api import ENTITIES, OPERATOR, ROOT, Api
from receiver import Receiver, receiving

CONTEXTS = f"{ROOT}/jsonldContexts"
LD = {"Content-Type": "application/ld+json"}
REL = 'rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'


class City(Api):
    """A pool with NGSI-LD over it that fetches contexts from this machine."""

    def __init__(self, folder: Path, said: str = "") -> None:
        super().__init__(folder)
        (folder / "landbridge.toml").write_text("")
        operator = replace(read_operator({}), address=said, listening="http://localhost:8080")
        self.egress = Egress(read_allowed(["127.0.0.1"]))
        kept = kept_contexts(self.pool, self.egress, operator)
        contexts = contexts_of(read_settings(folder), kept)
        doors = Doors(Callers(lambda token: None, OPERATOR), contexts, kept=kept)
        self.transport = httpx.ASGITransport(Starlette(routes=routes(self.pool, doors)), client=("127.0.0.1", 4711))

    def close(self) -> None:
        super().close()
        self.egress.close()

    def hosted(self, context: Any, **headers: str) -> str:
        answer = self.post(CONTEXTS, {"@context": context}, headers=headers)
        assert (answer.status_code, answer.content) == (201, b""), answer.text
        return answer.headers["location"]


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    found = City(tmp_path)
    yield found
    found.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as state:
        yield state


def kind_of(answer: httpx.Response) -> str:
    return str(answer.json()["type"]).rpartition("/")[2]


def test_a_context_is_kept_listed_served_and_deleted(city: City) -> None:
    path = city.hosted({"pm25": "https://city.example/pm25"})
    address = f"http://localhost:8080{path}"
    assert path.startswith(CONTEXTS + "/")
    assert city.get(CONTEXTS).json() == [address, CORE_URL]
    assert city.get(CONTEXTS, params={"kind": "Hosted"}).json() == [address]
    served = city.get(path, headers={"Accept": "application/ld+json"})
    assert served.headers["content-type"] == "application/ld+json"
    assert served.json() == {"@context": {"pm25": "https://city.example/pm25"}}
    assert city.get(path).headers["content-type"] == "application/json"
    (told,) = city.get(CONTEXTS, params={"kind": "Hosted", "details": "true"}).json()
    assert (told["URL"], told["localId"], told["kind"]) == (address, path.rpartition("/")[2], "Hosted")
    assert told["createdAt"].endswith("Z") and told["numberOfHits"] == 2
    assert city.delete(path).status_code == 204
    assert city.get(path).status_code == city.delete(path).status_code == 404


@pytest.mark.parametrize("named", ["{path}", "http://localhost:8080{path}", "https://city.example{path}"])
def test_a_kept_context_is_named_by_its_address_under_any_name_of_the_host(named: str, city: City) -> None:
    path = city.hosted({"pm25": "https://city.example/pm25"})
    link = {"Link": f"<{named.format(path=path)}>; {REL}"}
    where = city.made({"id": "urn:a:1", "type": "T", "pm25": 5}, headers=link)
    assert city.shown(where) == {"id": "urn:a:1", "type": "T", "https://city.example/pm25": 5}
    shown = city.get(where, params={"options": "keyValues"}, headers=link)
    assert shown.json()["pm25"] == 5
    assert shown.headers["link"] == f"<{named.format(path=path)}>; {REL}"


def test_the_operator_says_by_which_address_contexts_are_named(tmp_path: Path) -> None:
    (tmp_path / "city").mkdir()
    city = City(tmp_path / "city", "https://city.example")
    path = city.hosted({})
    assert city.get(CONTEXTS, params={"kind": "Hosted"}).json() == [f"https://city.example{path}"]
    assert city.get(path, params={"details": "true"}).json()["URL"] == f"https://city.example{path}"
    city.close()


def test_a_kept_context_is_gone_at_once(city: City) -> None:
    path = city.hosted({"pm25": "https://city.example/pm25"})
    link = {"Link": f"<{path}>; {REL}"}
    assert city.get(ENTITIES + "?type=T", headers=link).status_code == 200
    city.delete(path)
    assert city.get(ENTITIES + "?type=T", headers=link).status_code == 400


def test_a_tenants_context_is_its_own(city: City) -> None:
    headers = {"NGSILD-Tenant": "one"}
    path = city.hosted({"pm25": "https://city.example/pm25"}, **headers)
    assert city.get(path, headers=headers).headers["ngsild-tenant"] == "one"
    for other in ({}, {"NGSILD-Tenant": "two"}):
        assert city.get(path, headers=other).status_code == 404
        assert city.delete(path, headers=other).status_code == 404
        assert city.get(CONTEXTS, headers=other).json() == [CORE_URL]


def test_inline_contexts_get_an_address_that_an_answer_names(city: City) -> None:
    city.made({"id": "urn:a:1", "type": "T", "https://city.example/pm25": 5})
    inline = [{"pm25": "https://city.example/pm25"}]
    body = {"type": "Query", "entities": [{"type": "T"}], "@context": inline}
    answer = city.ask("POST", f"{ROOT}/entityOperations/query", json=body, headers=LD | {"Accept": "application/json"})
    assert answer.json()[0]["pm25"]["value"] == 5
    address = answer.headers["link"].partition(">")[0][1:]
    assert city.get(CONTEXTS, params={"kind": "ImplicitlyCreated"}).json() == [address]
    assert city.get(address).json() == {"@context": inline[0]}
    again = city.ask("POST", f"{ROOT}/entityOperations/query", json=body, headers=LD | {"Accept": "application/json"})
    assert again.headers["link"] == answer.headers["link"]


def test_a_context_elsewhere_is_fetched_kept_and_fetched_anew(city: City, receiver: Receiver) -> None:
    address = receiver.url("/context.jsonld")
    receiver.answers["/context.jsonld"] = (200, {}, b'{"@context":{"pm25":"https://a.example/pm25"}}')
    for number in range(3):
        city.made({"id": f"urn:a:{number}", "type": "T", "pm25": 5, "@context": address}, headers=LD)
    assert len(receiver.asked) == 1
    assert "https://a.example/pm25" in city.shown(f"{ENTITIES}/urn:a:0")
    assert city.get(CONTEXTS, params={"kind": "Cached"}).json() == [address, CORE_URL]
    escaped = f"{CONTEXTS}/{address.replace('/', '%2F')}"
    assert city.get(f"{CONTEXTS}/{address}", params={"details": "true"}).json()["URL"] == address
    told = city.get(escaped, params={"details": "true"}).json()
    assert (told["URL"], told["kind"], told["numberOfHits"]) == (address, "Cached", 4)
    served = city.get(f"{CONTEXTS}/{told['localId']}")
    assert (served.status_code, kind_of(served)) == (422, "OperationNotSupported")
    receiver.answers["/context.jsonld"] = (200, {}, b'{"@context":{"pm25":"https://b.example/pm25"}}')
    assert city.delete(escaped, params={"reload": "true"}).status_code == 204
    city.made({"id": "urn:a:3", "type": "T", "pm25": 5, "@context": address}, headers=LD)
    assert "https://b.example/pm25" in city.shown(f"{ENTITIES}/urn:a:3")
    receiver.answers["/context.jsonld"] = (500, {}, b"")
    failed = city.delete(escaped, params={"reload": "true"})
    assert (failed.status_code, kind_of(failed)) == (504, "LdContextNotAvailable")
    assert city.get(escaped, params={"details": "true"}).status_code == 200
    assert city.delete(escaped).status_code == 204
    assert city.get(escaped, params={"details": "true"}).status_code == 404


@pytest.mark.parametrize(
    ("address", "status", "why"),
    [
        ("http://127.0.0.1:{port}/nothing.jsonld", 504, "answers 404"),
        ("http://127.0.0.1:1/context.jsonld", 504, "cannot be reached"),
        ("http://127.0.0.2:{port}/context.jsonld", 504, "--allow-egress"),
        ("http://[::1]:{port}/context.jsonld", 504, "--allow-egress"),
        ("http://127.0.0.1:{port}/round.jsonld", 504, "redirects more than"),
        ("http://127.0.0.1:{port}/inside.jsonld", 504, "--allow-egress"),
        ("http://127.0.0.1:{port}/page.jsonld", 400, "no JSON"),
        ("http://127.0.0.1:{port}/none.jsonld", 400, "no @context"),
        ("http://127.0.0.1:{port}/wrong.jsonld", 400, "neither an IRI"),
        ("http://127.0.0.1:{port}/self.jsonld", 403, "within each other"),
        ("https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v9.9.jsonld", 504, "cannot be"),
        ("context.jsonld", 400, "whole address"),
        ("/ngsi-ld/v1/jsonldContexts/none", 400, "whole address"),
        ("ftp://127.0.0.1/context.jsonld", 400, "whole address"),
    ],
)
def test_a_context_that_cannot_be_had_says_why(
    address: str, status: int, why: str, city: City, receiver: Receiver
) -> None:
    receiver.answers |= {
        "/nothing.jsonld": (404, {}, b""),
        "/round.jsonld": (302, {"Location": "/round.jsonld"}, b""),
        "/inside.jsonld": (302, {"Location": f"http://127.0.0.2:{receiver.port}/"}, b""),
        "/page.jsonld": (200, {"Content-Type": "text/html"}, b"<html>"),
        "/none.jsonld": (200, {}, b"{}"),
        "/wrong.jsonld": (200, {}, b'{"@context":{"a":5}}'),
        "/self.jsonld": (200, {}, f'{{"@context":["{receiver.url("/self.jsonld")}"]}}'.encode()),
    }
    named = address.format(port=receiver.port)
    answer = city.post(ENTITIES, {"id": "urn:a:1", "type": "T", "@context": [named]}, headers=LD)
    assert (answer.status_code, why in answer.json()["detail"]) == (status, True), answer.text
    linked = city.get(ENTITIES + "?type=T", headers={"Link": f"<{named}>; {REL}"})
    assert linked.status_code == status
    assert city.get(f"{ENTITIES}/urn:a:1").status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b"{", 400, "InvalidRequest"), (b"[]", 400, "InvalidRequest"), (b'{"a":"b"}', 400, "InvalidRequest"),
        (b'{"@context":5}', 400, "BadRequestData"), (b'{"@context":[5]}', 400, "BadRequestData"),
        (b'{"@context":null}', 400, "BadRequestData"), (b'{"@context":{"a":{"@id":5}}}', 400, "BadRequestData"),
        (b'{"@context":["http://127.0.0.1:1/a"]}', 504, "LdContextNotAvailable"),
    ],
)  # fmt: skip
def test_what_is_no_context_is_not_kept(body: bytes, status: int, kind: str, city: City) -> None:
    answer = city.ask("POST", CONTEXTS, content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, kind_of(answer)) == (status, kind)
    assert city.get(CONTEXTS).json() == [CORE_URL]


def test_wrong_parameters_and_the_core_say_so(city: City) -> None:
    for path in (f"{CONTEXTS}?kind=Other", f"{CONTEXTS}?details=perhaps", f"{CONTEXTS}/x?details=perhaps"):
        assert (city.get(path).status_code, kind_of(city.get(path))) == (400, "BadRequestData")
    core = f"{CONTEXTS}/{CORE_URL.replace('/', '%2F')}"
    assert city.get(core, params={"details": "true"}).json()["kind"] == "Cached"
    assert city.delete(core).status_code == 400
    assert city.delete(core, params={"reload": "true"}).status_code == 204
    assert city.delete(f"{CONTEXTS}/none", params={"reload": "true"}).status_code == 400
    assert city.post(CONTEXTS, {"@context": {}}, headers={"Content-Type": "text/plain"}).status_code == 415
    assert city.get(CONTEXTS, headers={"Accept": "text/html"}).status_code == 406


def test_many_requests_at_once_fetch_a_context_once(city: City, receiver: Receiver) -> None:
    receiver.answers["/context.jsonld"] = (200, {}, b'{"@context":{"pm25":"https://a.example/pm25"}}')
    link = {"Link": f"<{receiver.url('/context.jsonld')}>; {REL}"}

    async def all_at_once() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=city.transport, base_url="http://localhost:8080") as client:
            return await asyncio.gather(*(client.get(ENTITIES + "?type=T", headers=link) for _ in range(20)))

    assert {answer.status_code for answer in asyncio.run(all_at_once())} == {200}
    assert len(receiver.asked) == 1


def test_a_core_context_of_another_version_is_not_fetched_and_a_wrong_entity_is_wrong_all_the_same(city: City) -> None:
    entity = {
        "id": "urn:ngsi-ld:Lamp:1",
        "type": "Lamp",
        "level": {"type": "Property", "value": 1},
        "@context": "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.6.jsonld",
    }
    answer = city.post(ENTITIES, entity, headers=LD)
    assert (answer.status_code, answer.json()["title"]) == (504, "@context not available")
    assert "not inside" in answer.json()["detail"] and "--contexts-map" in answer.json()["detail"]
    wrong = city.post(ENTITIES, entity | {"level": {"type": "Property"}}, headers=LD)
    assert (wrong.status_code, wrong.json()["type"].rpartition("/")[2]) == (400, "BadRequestData")
