"""NGSI-LD over HTTP, on a real pool in a real file: forms, queries, paging, errors, and who may."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from landbridge.api.http.caller import Callers
from landbridge.api.ngsild.routes import Doors, routes
from landbridge.governance.policy import Actor, Policy, Role, Rule, default_rules
from landbridge.model.parser import parse_entity
from landbridge.model.terms import CORE_URL, DEFAULT, Contexts, Terms, full_name
from landbridge.pool.pool import Pool
from landbridge.pool.token import actor_for, create_token
from landbridge.store.sqlite import open_store

ENTITIES = "/ngsi-ld/v1/entities"
OPERATOR = Actor("operator", Role.OPERATOR)
CITY = "https://city.example/context.jsonld"
CONTEXTS = Contexts(
    {CITY: {"@context": {"name": "https://city.example/name", "Station": "https://city.example/Station"}}}
)
LINK = {"Link": f'<{CITY}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'}
STATION: dict[str, Any] = {
    "id": "urn:ngsi-ld:AirQualityObserved:1023A",
    "type": "AirQualityObserved",
    "pm25": {"type": "Property", "value": 41.5, "unitCode": "GQ", "observedAt": "2020-04-02T00:00:00Z"},
    "name": {"type": "LanguageProperty", "languageMap": {"zh": "第四大街", "en": "Fourth Avenue"}},
    "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [117.69, 39.03]}},
    "refArea": {"type": "Relationship", "object": "urn:ngsi-ld:AdministrativeArea:120116"},
}


def number(of: int) -> dict[str, Any]:
    return {"id": f"urn:ngsi-ld:Lamp:{of:03d}", "type": "Lamp", "power": of, "odd": bool(of % 2),
            "location": {"type": "Point", "coordinates": [117 + of / 100, 39]}}  # fmt: skip


class Client:
    """Asks the application from an address, under a name of the host, without a network."""

    def __init__(self, application: Starlette, address: str, host: str) -> None:
        self.transport = httpx.ASGITransport(application, client=(address, 4711))
        self.base = f"http://{host}"

    def ask(self, method: str, path: str, **told: Any) -> httpx.Response:
        return asyncio.run(self.asked(method, path, told))

    async def asked(self, method: str, path: str, told: dict[str, Any]) -> httpx.Response:
        async with httpx.AsyncClient(transport=self.transport, base_url=self.base) as client:
            return await client.request(method, path, **told)

    def get(self, path: str, **told: Any) -> httpx.Response:
        return self.ask("GET", path, **told)

    def post(self, path: str, **told: Any) -> httpx.Response:
        return self.ask("POST", path, **told)

    def patch(self, path: str, **told: Any) -> httpx.Response:
        return self.ask("PATCH", path, **told)

    def delete(self, path: str, **told: Any) -> httpx.Response:
        return self.ask("DELETE", path, **told)


class City:
    """A pool with an application over it, as callers meet it."""

    def __init__(self, folder: Path, *, public: bool = False) -> None:
        rules = default_rules()
        if public:
            rules[Role.PUBLIC] = Rule(read=True)
        self.pool = Pool(open_store(folder / "pool.db"), Policy(rules))
        everyone = Actor("public", Role.PUBLIC) if public else None
        callers = Callers(
            lambda token: actor_for(self.pool.store, token), OPERATOR, everyone, frozenset({"city.example"}),
            lambda door, _: self.pool.reads.count("door", door, "denied"),
        )  # fmt: skip
        self.application = Starlette(routes=routes(self.pool, Doors(callers, CONTEXTS)))
        self.near = self.client("127.0.0.1")

    def client(self, address: str, host: str = "localhost:8080") -> Client:
        return Client(self.application, address, host)

    def token(self, role: str, source: str | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {create_token(self.pool.store, role, role, source)}"}


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    city = City(tmp_path)
    city.pool.create(OPERATOR, parse_entity(STATION, Terms()))
    for of in range(25):
        city.pool.create(OPERATOR, parse_entity(number(of), Terms()))
    yield city
    city.pool.close()


@pytest.fixture
def open_city(tmp_path: Path) -> Iterator[City]:
    city = City(tmp_path, public=True)
    city.pool.create(OPERATOR, parse_entity(STATION, Terms()))
    yield city
    city.pool.close()


# -- forms


def test_an_entity_comes_back_as_it_went_in(city: City) -> None:
    answer = city.near.get(f"{ENTITIES}/{STATION['id']}")
    assert answer.status_code == 200
    assert answer.json() == STATION
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["link"].startswith(f"<{CORE_URL}>; rel=")
    assert "@" not in answer.json()["pm25"]


def test_json_ld_says_its_context_in_the_body(city: City) -> None:
    answer = city.near.get(f"{ENTITIES}/{STATION['id']}", headers={"Accept": "application/ld+json"})
    assert answer.json() == STATION | {"@context": CORE_URL}
    assert answer.headers["content-type"] == "application/ld+json"
    assert "link" not in answer.headers


@pytest.mark.parametrize("form", [{"options": "keyValues"}, {"format": "simplified"}, {"format": "keyValues"}])
def test_key_values(city: City, form: dict[str, str]) -> None:
    answer = city.near.get(f"{ENTITIES}/{STATION['id']}", params=form | {"lang": "zh;q=0.8,en;q=0.3"})
    assert answer.json() == {
        "id": STATION["id"], "type": "AirQualityObserved", "pm25": 41.5, "name": "第四大街",
        "location": STATION["location"]["value"], "refArea": STATION["refArea"]["object"],
    }  # fmt: skip


def test_concise_and_system_times(city: City) -> None:
    asked = {"format": "concise", "options": "sysAttrs", "attrs": "pm25"}
    shown = city.near.get(f"{ENTITIES}/{STATION['id']}", params=asked).json()
    assert set(shown) == {"id", "type", "createdAt", "modifiedAt", "pm25"}
    assert shown["pm25"]["value"] == 41.5
    assert re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z$", shown["pm25"]["createdAt"])


def test_geojson(city: City) -> None:
    geojson = {"Accept": "application/geo+json"}
    asked = {"type": "Lamp", "limit": "2", "options": "keyValues", "attrs": "power"}
    answer = city.near.get(ENTITIES, params=asked, headers=geojson)
    assert answer.headers["content-type"] == "application/geo+json"
    assert answer.json() == {
        "type": "FeatureCollection",
        "features": [
            {"id": f"urn:ngsi-ld:Lamp:00{of}", "type": "Feature", "properties": {"type": "Lamp", "power": of},
             "geometry": {"type": "Point", "coordinates": [117 + of / 100, 39]}}
            for of in (0, 1)
        ],
        "@context": CORE_URL,
    }  # fmt: skip
    feature = city.near.get(f"{ENTITIES}/{STATION['id']}", headers=geojson | {"Prefer": "body=json"}).json()
    assert feature["type"] == "Feature"
    assert feature["geometry"] == STATION["location"]["value"]
    assert "@context" not in feature


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("*/*", "application/json"), ("application/*", "application/json"),
        ("text/html, */*;q=0.1", "application/json"),
        ("application/json;q=0.5, application/ld+json", "application/ld+json"),
        ("application/ld+json;q=0, application/geo+json;q=0.2", "application/geo+json"),
    ],
)  # fmt: skip
def test_the_form_that_is_liked_best_is_given(city: City, accept: str, media: str) -> None:
    answer = city.near.get(f"{ENTITIES}?type=Lamp", headers={"Accept": accept})
    assert answer.headers["content-type"] == media


def test_names_are_those_of_the_callers_context(city: City) -> None:
    body = {"id": "urn:x:1", "type": "Station", "name": "A"}
    assert city.near.post(ENTITIES, json=body, headers=LINK).status_code == 201
    with_context = city.near.get(f"{ENTITIES}/urn:x:1", headers=LINK)
    assert with_context.json() == body | {"name": {"type": "Property", "value": "A"}}
    assert with_context.headers["link"].startswith(f"<{CITY}>")
    assert city.near.get(f"{ENTITIES}/urn:x:1").json()["type"] == "https://city.example/Station"
    assert [one["id"] for one in city.near.get(f"{ENTITIES}?type=Station", headers=LINK).json()] == ["urn:x:1"]
    assert city.near.get(f"{ENTITIES}?type=Station").json() == []
    found = city.near.get(f'{ENTITIES}?type=Station&q=name=="A"', headers=LINK | {"Accept": "application/ld+json"})
    assert found.json()[0]["@context"] == [CITY, CORE_URL]


# -- queries


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"type": "Lamp"}, 25), ({"type": "Lamp,AirQualityObserved"}, 26), ({"type": "Lamp;AirQualityObserved"}, 0),
        ({"q": "power>=20"}, 5), ({"q": "power==3..5;odd==true"}, 2), ({"q": 'name=="第四大街"'}, 1),
        ({"q": "pm25.unitCode==\"GQ\""}, 1), ({"q": "pm25.observedAt>=2020-04-02T00:00:00Z"}, 1),
        ({"q": "refArea==urn:ngsi-ld:AdministrativeArea:120116"}, 1), ({"attrs": "pm25"}, 1), ({"attrs": "nothing"}, 0),
        ({"id": "urn:ngsi-ld:Lamp:003,urn:ngsi-ld:Lamp:004,urn:no:1", "local": "true"}, 2),
        ({"idPattern": "Lamp:01.$", "type": "*"}, 10),
        ({"type": "Lamp", "georel": "near;maxDistance==1000", "geometry": "Point", "coordinates": "[117.1,39]"}, 3),
        ({"georel": "within", "geometry": "Polygon",
          "coordinates": "[[[117.6,39],[117.8,39],[117.8,39.1],[117.6,39.1],[117.6,39]]]"}, 1),
    ],
)  # fmt: skip
def test_queries(city: City, query: dict[str, str], count: int) -> None:
    answer = city.near.get(ENTITIES, params=query | {"count": "true", "limit": "0"})
    assert (answer.status_code, answer.headers.get("ngsild-results-count")) == (200, str(count))
    assert answer.json() == []
    assert len(city.near.get(ENTITIES, params=query | {"limit": "1000"}).json()) == count


def test_pages_are_walked_by_their_links(city: City) -> None:
    seen: list[str] = []
    address: str | None = f"{ENTITIES}?type=Lamp&limit=10&q=power%3E=2&options=keyValues"
    pages = 0
    while address:
        answer = city.near.get(address)
        seen += [one["id"] for one in answer.json()]
        if pages == 0:  # what comes and goes before the cursor moves nothing
            city.near.delete(f"{ENTITIES}/urn:ngsi-ld:Lamp:005")
        found = re.search(r'<([^>]+)>; rel="next"', answer.headers["link"])
        address, pages = (found.group(1) if found else None), pages + 1
    assert seen == [f"urn:ngsi-ld:Lamp:{of:03d}" for of in range(2, 25)]
    assert pages == 3


# -- errors


@pytest.mark.parametrize(
    ("address", "status", "kind"),
    [
        (ENTITIES, 400, "BadRequestData"), (f"{ENTITIES}?type=", 400, "BadRequestData"),
        (f"{ENTITIES}?type=A|", 400, "BadRequestData"), (f"{ENTITIES}?q=a>>1", 400, "BadRequestData"),
        (f"{ENTITIES}?id=nothing", 400, "BadRequestData"), (f"{ENTITIES}?type=A&limit=0", 400, "BadRequestData"),
        (f"{ENTITIES}?type=A&limit=1001", 400, "BadRequestData"), (f"{ENTITIES}?type=A&limit=x", 400, "BadRequestData"),
        (f"{ENTITIES}?idPattern=(", 400, "BadRequestData"), (f"{ENTITIES}?type=A&scopeQ=x", 400, "BadRequestData"),
        (f"{ENTITIES}?type=A&georel=within", 400, "BadRequestData"),
        (f"{ENTITIES}?type=A&georel=within&geometry=Point&coordinates=[1]", 400, "BadRequestData"),
        (f"{ENTITIES}?type=A&after=nonsense", 400, "BadRequestData"),
        (f"{ENTITIES}?type=A&colour=red", 400, "InvalidRequest"), (f"{ENTITIES}?type=A&type=B", 400, "InvalidRequest"),
        (f"{ENTITIES}?type=A&options=all", 400, "InvalidRequest"),
        (f"{ENTITIES}?type=A&offset=-1", 400, "BadRequestData"),
        (f"{ENTITIES}/nothing", 400, "BadRequestData"), (f"{ENTITIES}/urn:x:nothing", 404, "ResourceNotFound"),
        (f"{ENTITIES}/{STATION['id']}?attrs=power", 404, "ResourceNotFound"),
        (f"{ENTITIES}/{STATION['id']}?type=Lamp", 404, "ResourceNotFound"),
        (f"{ENTITIES}/urn:x:1/more", 404, "ResourceNotFound"), ("/provenance/urn:x:1", 404, "ResourceNotFound"),
    ],
)  # fmt: skip
def test_an_error_has_the_standards_type(city: City, address: str, status: int, kind: str) -> None:
    answer = city.near.get(address)
    assert (answer.status_code, answer.json()["type"]) == (status, f"https://uri.etsi.org/ngsi-ld/errors/{kind}")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["title"] and answer.json()["detail"]
    assert answer.json()["instance"].endswith(answer.headers["x-request-id"])


def test_errors_without_a_type_of_the_standard(city: City) -> None:
    wrong_form = city.near.get(f"{ENTITIES}?type=Lamp", headers={"Accept": "text/turtle"})
    assert (wrong_form.status_code, wrong_form.json()["type"]) == (406, "about:blank")
    wrong_method = city.near.ask("PUT", f"{ENTITIES}", json={})
    assert (wrong_method.status_code, wrong_method.headers["allow"]) == (405, "DELETE, GET, HEAD, OPTIONS, POST")
    assert city.near.post(ENTITIES, content=b"<a/>", headers={"Content-Type": "text/xml"}).status_code == 415
    assert city.near.post(ENTITIES, content=b"x" * (32 * 1024 * 1024 + 1)).status_code == 413
    assert city.near.ask("HEAD", f"{ENTITIES}/{STATION['id']}").status_code == 200


def test_contexts_and_tenants_that_are_not_known(city: City) -> None:
    link = {"Link": '<https://elsewhere.example/c>; rel="http://www.w3.org/ns/json-ld#context"'}
    answer = city.near.get(f"{ENTITIES}?type=Lamp", headers=link)
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (504, "LdContextNotAvailable")
    answer = city.near.get(f"{ENTITIES}?type=Lamp", headers={"NGSILD-Tenant": "other"})
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (404, "NonexistentTenant")
    assert city.near.get(f"{ENTITIES}?type=Lamp", headers={"NGSILD-Tenant": "a b"}).status_code == 400


def test_an_error_that_nobody_foresaw_gives_a_number_and_nothing_else(
    city: City, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(city.pool, "query", lambda *_: 1 / 0)
    answer = city.near.get(f"{ENTITIES}?type=Lamp", headers={"X-Request-Id": "abc-1"})
    assert (answer.status_code, answer.headers["x-request-id"]) == (500, "abc-1")
    assert "abc-1" in answer.json()["detail"]
    assert "zero" not in answer.text
    assert "ZeroDivisionError" in caplog.text


def test_tenants_are_apart(city: City) -> None:
    other = {"NGSILD-Tenant": "other"}
    assert city.near.post(ENTITIES, json=number(3) | {"power": 99}, headers=other).status_code == 201
    answer = city.near.get(f"{ENTITIES}?type=Lamp&options=keyValues", headers=other)
    assert [one["power"] for one in answer.json()] == [99]
    assert answer.headers["ngsild-tenant"] == "other"
    assert city.near.get(f"{ENTITIES}/urn:ngsi-ld:Lamp:003?options=keyValues").json()["power"] == 3


# -- writes


def test_writes(city: City) -> None:
    body = {"id": "urn:x:https%2F", "type": "T", "a": 1}
    body["id"] = "https://city.example/t/1"
    made = city.near.post(ENTITIES, json=body)
    assert (made.status_code, made.headers["location"]) == (201, f"{ENTITIES}/https:%2F%2Fcity.example%2Ft%2F1")
    here = made.headers["location"]
    assert city.near.post(ENTITIES, json=body).json()["type"].endswith("/AlreadyExists")
    assert city.near.post(f"{here}/attrs", json={"b": {"value": 2, "unitCode": "GQ"}}).status_code == 204
    kept = city.near.post(f"{here}/attrs?options=noOverwrite", json={"b": 3, "c": 4})
    assert kept.status_code == 207
    assert kept.json()["updated"] == [DEFAULT + "c"]
    assert [one["attributeName"] for one in kept.json()["notUpdated"]] == [DEFAULT + "b"]
    left = city.near.patch(f"{here}/attrs", json={"a": 5, "z": "urn:ngsi-ld:null", "scope": "/x"})
    assert [one["attributeName"] for one in left.json()["notUpdated"]] == [DEFAULT + "z", full_name("scope")]
    more = {"type": ["T", "U"], "scope": "/a/b"}
    assert city.near.post(f"{here}/attrs", json=more).status_code == 204
    assert [one["scope"] for one in city.near.get(f"{ENTITIES}?type=U&scopeQ=/a/%23").json()] == ["/a/b"]
    body |= more
    assert city.near.delete(f"{here}/attrs/c").status_code == 204
    assert city.near.delete(f"{here}/attrs/c").status_code == 404
    assert city.near.get(f"{here}?options=keyValues").json() == body | {"a": 5, "b": 2}
    assert city.near.delete(here).status_code == 204
    assert city.near.get(here).status_code == 404


@pytest.mark.parametrize(
    ("body", "media", "status"),
    [
        (b"{", "application/json", 400), (b"[]", "application/json", 400), (b'{"id": "x"}', "application/json", 400),
        (b'{"id":"urn:x:1","type":"T","@context":{}}', "application/json", 400),
        (b'{"id":"urn:x:1","type":"T"}', "application/ld+json", 400),
        (b'{"id":"urn:x:1","type":"T","@context":{"a":"https://a.example/a"},"a":1}', "application/ld+json", 201),
        (b"[" * 100_000, "application/json", 400),
    ],
)  # fmt: skip
def test_bodies(city: City, body: bytes, media: str, status: int) -> None:
    assert city.near.post(ENTITIES, content=body, headers={"Content-Type": media}).status_code == status


def test_types_and_provenance(city: City) -> None:
    assert city.near.get("/ngsi-ld/v1/types").json()["typeList"] == ["AirQualityObserved", "Lamp"]
    details = city.near.get("/ngsi-ld/v1/types?details=true").json()
    assert details[1]["attributeNames"] == ["power", "odd", "location"]
    told = city.near.get(f"/provenance/{STATION['id']}/pm25").json()
    (trace,) = told["attributes"]["pm25"]
    assert {**trace, "recorded": "", "commit": 0} == {
        "value": 41.5, "standing": "value", "owner": "api", "commit": 0, "recorded": "", "stale": False,
        "observedAt": "2020-04-02T00:00:00Z", "actor": "operator", "request": "", "unitCode": "GQ",
    }  # fmt: skip


# -- who may


def test_a_page_from_elsewhere_reaches_nothing(city: City) -> None:
    for headers in (
        {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://localhost:9999"},
        {"Origin": "http://localhost:8080.evil.example"}, {"Host": "evil.example"}, {"Host": "evil.example:8080"},
        {"Host": "127.0.0.1.evil.example"}, {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    ):  # fmt: skip
        assert city.near.get(f"{ENTITIES}?type=Lamp", headers=headers).status_code == 403, headers
        assert city.near.delete(f"{ENTITIES}/{STATION['id']}", headers=headers).status_code == 403, headers
    assert city.near.get(f"{ENTITIES}/{STATION['id']}").status_code == 200
    assert city.near.get(f"{ENTITIES}?type=Lamp", headers={"Origin": "http://localhost:8080"}).status_code == 200


def test_without_a_token_only_this_machine_is_the_operator(city: City) -> None:
    address = f"{ENTITIES}?type=Lamp"
    assert city.client("::1", "[::1]:8080").get(address).status_code == 200
    far = city.client("10.1.2.3").get(address)
    assert (far.status_code, far.headers["www-authenticate"]) == (401, "Bearer")
    assert city.client("127.0.0.1", "city.example").get(address).status_code == 401
    assert city.near.get(address, headers={"X-Forwarded-For": "10.1.2.3"}).status_code == 401
    assert city.near.get(address, headers={"Authorization": "Bearer nonsense"}).status_code == 401
    assert city.near.get(address, headers={"Authorization": "Basic b3A6"}).status_code == 401


@pytest.mark.parametrize(
    ("role", "reads", "writes"),
    [("operator", 200, 201), ("steward", 200, 201), ("reader", 200, 403), ("source", 403, 403)],
)
def test_tokens_have_roles(city: City, role: str, reads: int, writes: int) -> None:
    token = city.token(role, "air-quality" if role == "source" else None)
    far = city.client("10.1.2.3", "10.9.9.9:8080")
    assert far.get(f"{ENTITIES}?type=Lamp", headers=token).status_code == reads
    assert far.post(ENTITIES, json={"id": "urn:x:9", "type": "T"}, headers=token).status_code == writes
    raw = far.get(f"/provenance/{STATION['id']}", headers=token)
    if raw.status_code == 200:
        assert ("actor" in raw.json()["attributes"]["pm25"][0]) == (role in ("operator", "steward"))


def test_the_public_reads_where_the_city_is_open_and_is_only_counted(open_city: City) -> None:
    far = open_city.client("10.1.2.3", "city.example")
    for _ in range(3):
        assert far.get(f"{ENTITIES}?type=AirQualityObserved").status_code == 200
    assert far.get(f"{ENTITIES}?type=A", headers={"Origin": "http://city.example"}).status_code == 200
    assert far.delete(f"{ENTITIES}/{STATION['id']}").status_code == 403
    assert far.get(f"{ENTITIES}?type=A", headers={"Host": "evil.example"}).status_code == 403
    assert far.get(f"/provenance/{STATION['id']}").json()["attributes"]["pm25"][0].keys().isdisjoint({"actor", "raw"})
    open_city.pool.reads.flush()
    counted = {(a.target, a.action, a.request): a.reason for a in open_city.pool.audited(OPERATOR)}
    assert counted[("AirQualityObserved", "read", "ngsild")] == "3"
    assert counted[("delete entities", "denied", "ngsild")] == "1"
    assert counted[("door", "denied", "ngsild")] == "1"
    assert "10.1.2.3" not in repr(open_city.pool.audited(OPERATOR))


def test_what_a_token_is_denied_is_on_record(city: City) -> None:
    token = city.token("reader")
    city.near.delete(f"{ENTITIES}/{STATION['id']}", headers=token | {"X-Request-Id": "r-7"})
    denied = city.pool.audited(OPERATOR)[0]
    assert (denied.actor, denied.role, denied.action, denied.target, denied.outcome, denied.request) == (
        "reader", "reader", "delete entities", STATION["id"], "denied", "r-7")  # fmt: skip
