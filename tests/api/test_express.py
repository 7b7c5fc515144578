"""The short way answers as the ordinary road does, byte for byte, or leaves the request to it."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httptools
import httpx
import orjson
import pytest
from starlette.applications import Starlette

from landbridge.api.http.caller import Callers
from landbridge.api.http.express import LATER, MORE
from landbridge.api.ngsild.express import Express
from landbridge.api.ngsild.routes import Doors, open_api
from landbridge.governance.policy import Actor, Policy, Role, Rule, default_rules
from landbridge.model.terms import Contexts
from landbridge.pool.pool import Pool
from landbridge.store.sqlite import open_store, wall_clock

ROOT = "/ngsi-ld/v1"
WORDS = "https://words.example/city.jsonld"
KNOWN = {WORDS: {"@context": {"lamp": "https://words.example/Lamp", "level": "https://words.example/level"}}}
LINK = f'<{WORDS}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'
READER = Actor("reader", Role.READER)
PUBLIC = Actor("public", Role.PUBLIC)
VARYING = ("date", "x-request-id")
Answer = tuple[int, Mapping[str, list[str]], bytes]


class Ways:
    """One pool, asked both ways. `now`: the clock, where it is set."""

    def __init__(self, folder: Path, policy: Policy | None = None, **who: Any) -> None:
        self.now: int | None = None
        self.pool = Pool(open_store(folder / "pool.db", lambda: self.now or wall_clock()), policy)
        self.tokens: dict[str, Actor] = {"good": READER}
        who = {"operator": Actor("operator", Role.OPERATOR)} | who
        callers = Callers(self.tokens.get, **who)
        self.contexts = Contexts(KNOWN)
        addresses, self.express = open_api(self.pool, Doors(callers, self.contexts))
        self.transport = httpx.ASGITransport(Starlette(routes=addresses), client=("127.0.0.1", 4711))

    def ask(self, method: str, path: str, **told: Any) -> httpx.Response:
        return self.raw(method, path, **told)[0]

    def raw(self, method: str, path: str, **told: Any) -> tuple[httpx.Response, bytes]:
        """An answer, and its body as it came."""

        async def asked() -> tuple[httpx.Response, bytes]:
            async with httpx.AsyncClient(transport=self.transport, base_url="http://localhost") as client:
                for name in ("accept", "accept-encoding", "user-agent", "connection"):
                    del client.headers[name]
                async with client.stream(method, path, **told) as answer:
                    return answer, b"".join([part async for part in answer.aiter_raw()])

        return asyncio.run(asked())

    def ordinary(self, path: str, headers: Mapping[str, str]) -> Answer:
        found, raw = self.raw("GET", path, headers=headers)
        told: dict[str, list[str]] = {}
        for name, value in found.headers.multi_items():
            told.setdefault(name.lower(), []).append(value)
        return found.status_code, {name: told[name] for name in told if name not in VARYING}, raw

    def short(self, path: str, headers: Mapping[str, str], client: str = "127.0.0.1") -> Answer | None:
        """What the short way answers, asked twice: the second time it knows head and parameters."""
        given = {"Host": "localhost", **headers}
        data = f"GET {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in given.items()) + "\r\n"
        near = client.startswith("127.")
        first, second = (self.express.answer(data.encode(), (client, 4711), near, never) for _ in range(2))
        assert (first is None) == (second is None)
        if first is None or second is None:
            return None
        assert read(first) == read(second)
        return read(first)


def never(answer: bytes | None) -> None:
    raise AssertionError("A read is answered at once.")


class Read:
    def __init__(self) -> None:
        self.told: dict[str, list[str]] = {}
        self.body = b""

    def on_header(self, name: bytes, value: bytes) -> None:
        self.told.setdefault(name.decode().lower(), []).append(value.decode())

    def on_body(self, body: bytes) -> None:
        self.body += body


def read(answer: bytes) -> Answer:
    found = Read()
    parser = httptools.HttpResponseParser(found)
    parser.feed_data(answer)
    return parser.get_status_code(), {n: v for n, v in found.told.items() if n not in VARYING}, found.body


@pytest.fixture
def ways(tmp_path: Path) -> Iterator[Ways]:
    found = Ways(tmp_path)
    for number in range(30):
        body = {
            "id": f"urn:ngsi-ld:Lamp:{number:02}", "type": "Lamp", "level": {"type": "Property", "value": number},
            "name": {"type": "LanguageProperty", "languageMap": {"de": "Leuchte", "en": "lamp"}},
            "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [117.5, 39 + number / 100]}},
        }  # fmt: skip
        assert found.ask("POST", f"{ROOT}/entities", json=body).status_code == 201
    other = {"id": "urn:x:a/b c", "type": "lamp", "level": 5}
    assert found.ask("POST", f"{ROOT}/entities", json=other, headers={"Link": LINK}).status_code in (201, 400)
    yield found
    found.pool.close()


ONE = f"{ROOT}/entities/urn:ngsi-ld:Lamp:05"
SHORT = [
    (ONE, {}),
    (ONE, {"Accept": "application/ld+json"}),
    (ONE, {"Accept": "*/*", "User-Agent": "wrk", "Connection": "keep-alive"}),
    (ONE, {"Accept-Encoding": "gzip, deflate, br, zstd"}),
    (f"{ONE}?options=keyValues&sysAttrs=true", {}),
    (f"{ONE}?attrs=level&lang=de", {}),
    (f"{ONE}?type=Lamp&pick=id,level", {}),
    (ONE, {"Link": LINK}),
    (ONE, {"Authorization": "Bearer good"}),
    (f"{ROOT}/entities/urn%3Angsi-ld%3ALamp%3A05", {}),
    (f"{ROOT}/entities?type=Lamp", {}),
    (f"{ROOT}/entities?type=Lamp&limit=7&count=true", {"Accept-Encoding": "zstd"}),
    (f"{ROOT}/entities?type=Lamp&limit=7&offset=7", {}),
    (f"{ROOT}/entities?type=Lamp&q=level%3E%3D10;level%3C15&options=concise", {}),
    (f"{ROOT}/entities?type=Lamp&q=level==3", {"Accept": "application/ld+json", "Link": LINK}),
    (f"{ROOT}/entities?type=Lamp&attrs=nothing", {}),
    (f"{ROOT}/entities?type=Lamp&georel=near;maxDistance==3000&geometry=Point&coordinates=[117.5,39.1]", {}),
    (f"{ROOT}/entities?local=true&idPattern=.*0$", {}),
]
ORDINARY = [
    (f"{ROOT}/entities/urn:ngsi-ld:Lamp:99", {}),
    (f"{ROOT}/entities/nonsense", {}),
    (f"{ONE}?type=Other", {}),
    (f"{ONE}?attrs=nothing", {}),
    (f"{ONE}?pick=nothing", {}),
    (f"{ONE}?unknown=1", {}),
    (f"{ONE}?options=keyValues&options=concise", {}),
    (ONE, {"Accept": "application/geo+json"}),
    (ONE, {"Accept": "text/html"}),
    (ONE, {"Authorization": "Bearer bad"}),
    (ONE, {"Authorization": "Basic Zm9v"}),
    (ONE, {"NGSILD-Tenant": "nobody"}),
    (ONE, {"Origin": "https://elsewhere.example"}),
    (ONE, {"If-None-Match": "*"}),
    (ONE, {"X-Request-Id": "mine"}),
    (ONE, {"Prefer": "ngsi-ld=1.3"}),
    (ONE, {"Via": "1.1 somebody"}),
    (ONE, {"Host": "elsewhere.example"}),
    (f"{ROOT}/entities", {}),
    (f"{ROOT}/entities?type=Lamp&limit=1000", {}),
    (f"{ROOT}/entities?type=Lamp&join=inline", {}),
    (f"{ROOT}/entities?type=Lamp&orderBy=level", {}),
    (f"{ROOT}/entities?type=Lamp&q=level%3E(", {}),
    (f"{ROOT}/types", {}),
]


@pytest.mark.parametrize(("path", "headers"), SHORT)
def test_the_short_way_answers_as_the_ordinary_road(ways: Ways, path: str, headers: dict[str, str]) -> None:
    short = ways.short(path, headers)
    assert short is not None
    assert short[0] == 200
    assert short == ways.ordinary(path, headers)


@pytest.mark.parametrize(("path", "headers"), ORDINARY)
def test_what_is_not_plain_is_left_to_the_ordinary_road(ways: Ways, path: str, headers: dict[str, str]) -> None:
    assert ways.short(path, headers) is None


def test_pages_are_walked_by_their_links(ways: Ways) -> None:
    path, met = f"{ROOT}/entities?type=Lamp&limit=4", list[str]()
    while True:
        short = ways.short(path, {"Accept": "application/ld+json"})
        assert short == ways.ordinary(path, {"Accept": "application/ld+json"})
        assert short is not None
        met += [one["id"] for one in orjson.loads(short[2])]
        following = [link for link in short[1].get("link", ()) if 'rel="next"' in link]
        if not following:
            break
        path = following[0][1:].partition(">")[0]
    assert met == [f"urn:ngsi-ld:Lamp:{number:02}" for number in range(30)]


def test_a_change_is_seen_at_once(ways: Ways) -> None:
    for value in range(3):
        ways.ask("PATCH", f"{ONE}/attrs", json={"level": {"type": "Property", "value": value}})
        short = ways.short(f"{ONE}?options=keyValues&pick=level", {})
        assert short is not None
        assert short[2] == b'{"level":%d}' % value


def test_a_token_that_was_taken_back_opens_nothing(ways: Ways) -> None:
    assert ways.short(ONE, {"Authorization": "Bearer good"}) is not None
    del ways.tokens["good"]
    assert ways.short(ONE, {"Authorization": "Bearer good"}) is None


def test_terms_that_are_read_anew_make_a_new_plan(ways: Ways) -> None:
    path = f"{ROOT}/entities?type=lamp&options=keyValues"
    assert ways.ordinary(path, {"Link": LINK})[0] == 200
    before = ways.short(path, {"Link": LINK})
    assert before is not None
    ways.contexts.forget()
    data = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nLink: {LINK}\r\n\r\n".encode()
    assert ways.express.answer(data, ("127.0.0.1", 1), True, never) is None
    assert ways.ordinary(path, {"Link": LINK}) == before == ways.short(path, {"Link": LINK})


def test_what_has_expired_is_withdrawn_by_the_ordinary_road(ways: Ways) -> None:
    ways.now = wall_clock()
    body = {"id": "urn:x:1", "type": "T", "expiresAt": "2100-01-01T00:00:00Z"}
    assert ways.ask("POST", f"{ROOT}/entities", json=body).status_code == 201
    assert ways.short(f"{ROOT}/entities/urn:x:1", {}) is not None
    ways.now = 4_200_000_000_000_000
    assert ways.short(f"{ROOT}/entities/urn:x:1", {}) is None
    assert ways.ordinary(f"{ROOT}/entities/urn:x:1", {})[0] == 404
    assert ways.short(ONE, {}) is not None


def test_where_a_source_is_registered_the_ordinary_road_asks_it(ways: Ways) -> None:
    assert ways.short(f"{ROOT}/entities?type=Lamp", {}) is not None
    registration = {
        "type": "ContextSourceRegistration", "endpoint": "http://source.example",
        "information": [{"entities": [{"type": "Other"}]}],
    }  # fmt: skip
    assert ways.ask("POST", f"{ROOT}/csourceRegistrations", json=registration).status_code == 201
    assert ways.short(f"{ROOT}/entities?type=Lamp", {}) is None
    assert ways.short(f"{ROOT}/entities?type=Lamp&local=true", {}) is not None


@pytest.mark.parametrize("path", [ONE, f"{ROOT}/entities?type=Lamp", f"{ROOT}/entities?local=true"])
def test_public_reads_are_counted_alike(tmp_path: Path, path: str) -> None:
    counts = []
    for way in ("short", "ordinary"):
        ways = Ways(
            tmp_path / way, Policy(default_rules() | {Role.PUBLIC: Rule(read=True)}), operator=None, public=PUBLIC
        )
        lamp = {"id": "urn:ngsi-ld:Lamp:05", "type": ["Lamp"], "attrs": {}}
        ways.pool.create(Actor("operator", Role.OPERATOR), lamp)
        for _ in range(1 if way == "short" else 2):  # the short way is asked twice
            assert (ways.short if way == "short" else ways.ordinary)(path, {}) is not None
        counts.append(dict(ways.pool.reads.counts))
        ways.pool.close()
    assert counts[0] == counts[1] != {}


def test_a_question_that_takes_long_is_left(ways: Ways, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("landbridge.api.ngsild.express.PATIENCE", -1.0)
    monkeypatch.setattr("landbridge.store.sqlite.STEPS", 1)
    assert ways.short(f"{ROOT}/entities?type=Lamp&q=level%3E3", {}) is None
    assert ways.short(ONE, {}) is not None


def test_long_documents_are_not_rendered_at_once(ways: Ways) -> None:
    body = {"id": "urn:x:long", "type": "Long", "text": {"type": "Property", "value": "x" * 100_000}}
    assert ways.ask("POST", f"{ROOT}/entities", json=body).status_code == 201
    assert ways.short(f"{ROOT}/entities/urn:x:long", {}) is None
    ways.ordinary(f"{ROOT}/entities/urn:x:long", {})
    assert ways.short(f"{ROOT}/entities/urn:x:long", {}) is not None  # it is rendered by now


def test_pieces_and_pipelines_are_left(ways: Ways) -> None:
    whole = f"GET {ONE} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    express: Express = ways.express
    for data in (whole[:-1], whole + whole, whole.replace(b"1.1", b"1.0"), whole.replace(b"GET ", b"GET  "),
                 whole.replace(b"localhost", b"localhost\r\nTransfer-Encoding: chunked")):  # fmt: skip
        assert express.answer(data, ("127.0.0.1", 1), True, never) is None
    assert express.answer(whole, ("127.0.0.1", 1), True, never) is not None


# -- writes


def short_write(ways: Ways, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer | None:
    """A write by the short way, which is answered later; None where it is left."""
    told = {"Host": "localhost", **headers} | ({"Content-Length": str(len(body))} if body else {})
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in told.items()) + "\r\n"

    async def asked() -> bytes | None:
        done: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        ways.express.returns.loop = asyncio.get_running_loop()
        taken = ways.express.answer(head.encode() + body, ("127.0.0.1", 4711), True, done.set_result)
        return None if taken is None else await done

    answer = asyncio.run(asked())
    return None if answer is None else read(answer)


def ordinary_write(ways: Ways, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    found, raw = ways.raw(method, path, content=body, headers=headers)
    told: dict[str, list[str]] = {}
    for name, value in found.headers.multi_items():
        told.setdefault(name.lower(), []).append(value)
    return found.status_code, {name: told[name] for name in told if name not in VARYING}, raw


JSON = {"Content-Type": "application/json"}
LAMP = b'{"id":"urn:x:1","type":"Lamp","level":{"type":"Property","value":1},"name":{"type":"Property","value":"a"}}'
OTHER = b'{"id":"urn:x:2","type":"Lamp","level":{"type":"Property","value":1}}'
LEVEL = b'{"level":{"type":"Property","value":%d}}'
X1, BATCH = f"{ROOT}/entities/urn:x:1", f"{ROOT}/entityOperations"
WRITES: list[tuple[str, str, bytes, dict[str, str]]] = [
    ("POST", f"{ROOT}/entities", LAMP, JSON),
    ("POST", f"{ROOT}/entities", LAMP, JSON),  # 409
    ("PATCH", f"{X1}/attrs", LEVEL % 2, JSON),
    ("PATCH", f"{X1}/attrs/level", b'{"value":3}', JSON),
    ("PATCH", f"{X1}/attrs/none", b'{"value":3}', JSON),  # 404
    ("PATCH", f"{ROOT}/entities/urn:x:none/attrs", LEVEL % 2, JSON),  # 404
    ("PATCH", f"{X1}/attrs?unknown=1", LEVEL % 2, JSON),  # 400
    ("PATCH", f"{X1}/attrs", b'{"level":', JSON),  # 400
    ("PATCH", f"{X1}/attrs", LEVEL % 2, {"Content-Type": "text/plain"}),  # 415
    ("POST", f"{X1}/attrs?options=noOverwrite", b'{"level":{"value":9},"more":{"value":1}}', JSON),  # 207
    ("PATCH", X1, b'{"name":{"type":"Property","value":"b"}}', {"Content-Type": "application/merge-patch+json"}),
    ("PUT", f"{X1}/attrs/level", b'{"type":"Property","value":7}', JSON),
    ("PUT", X1, LAMP.replace(b'"a"', b'"c"'), JSON),
    ("DELETE", f"{X1}/attrs/name", b"", {}),
    ("POST", f"{BATCH}/create", b"[" + LAMP + b"," + OTHER + b"]", JSON),  # 207
    ("POST", f"{BATCH}/upsert?options=update", b"[" + LAMP + b"," + OTHER + b"]", JSON),
    ("POST", f"{BATCH}/update", b'[{"id":"urn:x:2","type":"Lamp","more":{"value":1}}]', JSON),
    ("POST", f"{BATCH}/merge", b'[{"id":"urn:x:2","type":"Lamp","more":{"value":2}}]', JSON),
    ("POST", f"{BATCH}/delete", b'["urn:x:2","urn:x:3"]', JSON),  # 207
    ("PATCH", f"{X1}/attrs", LEVEL % 4, JSON | {"NGSILD-Tenant": "nobody"}),  # 404
    ("POST", f"{ROOT}/entities", LAMP, JSON | {"NGSILD-Tenant": "somebody"}),
    ("POST", f"{ROOT}/entities", LAMP.replace(b"}}", b'}},"@context":{}}'.replace(b"}}", b"}}", 1)), JSON),  # 400
    ("DELETE", X1, b"", {}),
    ("DELETE", X1, b"", {}),  # 404
]  # fmt: skip


def state(ways: Ways) -> list[Any]:
    """All that is stored, but for times."""
    with ways.pool.store.reader() as connection:
        entities = list(connection.execute("SELECT key, id, version, s0, s1, s2 FROM entity ORDER BY key"))
        journal = list(
            connection.execute("SELECT key, attribute, number, ordinal, operation, instance FROM journal ORDER BY 3, 4")
        )
        commits = list(connection.execute("SELECT number, tenant, actor FROM commits ORDER BY number"))
    return [entities, journal, commits]


def test_writes_do_the_same_and_are_answered_alike(tmp_path: Path) -> None:
    short, ordinary = Ways(tmp_path / "short"), Ways(tmp_path / "ordinary")
    for method, path, body, headers in WRITES:
        told = short_write(short, method, path, body, headers)
        assert told is not None, (method, path)
        wanted = ordinary_write(ordinary, method, path, body, headers)
        if told[0] >= 400:  # each names its own request
            told, wanted = (
                (answer[0], {**answer[1], "content-length": [""]}, answer[2].partition(b"urn:request:")[0])
                for answer in (told, wanted)
            )
        assert told == wanted, (method, path)
    assert state(short) == state(ordinary)
    short.pool.close()
    ordinary.pool.close()


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("POST", f"{ROOT}/subscriptions", JSON),
        ("DELETE", f"{ROOT}/entities?type=Lamp", {}),
        ("POST", f"{ROOT}/entityOperations/query", JSON),
        ("POST", f"{ROOT}/entities", {"Content-Type": "application/json", "If-Match": "*"}),
        ("POST", f"{ROOT}/entities", {"Content-Type": "application/json", "NGSILD-Snapshot": "urn:x:s"}),
        ("POST", f"{ROOT}/entities", {"Content-Type": "application/json", "Authorization": "Bearer good"}),
        ("POST", f"{ROOT}/entities", {"Content-Type": "application/json", "Expect": "100-continue"}),
        ("POST", f"{ROOT}/entities", {"Content-Type": "application/json", "Link": LINK.replace("city", "unknown")}),
    ],
)
def test_writes_that_are_not_plain_are_left(ways: Ways, method: str, path: str, headers: dict[str, str]) -> None:
    before = state(ways)
    assert short_write(ways, method, path, LAMP, headers) is None
    assert state(ways) == before


def test_many_writes_at_once_share_commits_and_are_each_answered(ways: Ways) -> None:
    count = 60

    async def all_of() -> list[bytes | None]:
        loop = asyncio.get_running_loop()
        ways.express.returns.loop = loop
        done: list[asyncio.Future[bytes | None]] = [loop.create_future() for _ in range(count)]
        for number, one in enumerate(done):
            body = LEVEL % number
            head = f"PATCH {ROOT}/entities/urn:ngsi-ld:Lamp:{number % 30:02}/attrs HTTP/1.1\r\nHost: localhost\r\n"
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            assert ways.express.answer(head.encode() + body, ("127.0.0.1", 1), True, one.set_result) is LATER
        return [await one for one in done]

    answers = asyncio.run(all_of())
    assert all(answer is not None and answer.startswith(b"HTTP/1.1 204 ") for answer in answers)
    found = ways.short(f"{ROOT}/entities?type=Lamp&limit=100&options=keyValues&pick=level", {})
    assert found is not None
    assert [one["level"] for one in orjson.loads(found[2])] == list(range(30, 60))


def test_a_body_that_comes_apart_is_waited_for(ways: Ways) -> None:
    head = f"PATCH {ONE}/attrs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
    answer = ways.express.answer
    for data, meant in (
        (f"{head}40\r\n\r\n", MORE),
        (f"{head}40\r\n\r\n" + "x" * 39, MORE),
        (f"{head}40\r\n\r\n" + "x" * 41, None),  # another request behind it
        (f"{head}4000000\r\n\r\n", None),
        (f"{head}40\r\n", None),  # the head is not whole
    ):
        assert answer(data.encode(), ("127.0.0.1", 1), True, never) is meant
