"""Whole requests, at the doors of a real pool: whatever is asked ends in an answer or in a LandbridgeError.

A question goes all the way through the compiler to SQLite. Nothing is called outside: every name leads nowhere.
"""

import asyncio
import shutil
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlencode

import orjson
from starlette.requests import Request

from fuzzing.body import CONTEXTS, OPERATOR, WORDS, json_of
from fuzzing.target import Target
from fuzzing.text import HEAD, MARKS
from landbridge.api.http.caller import Callers
from landbridge.api.http.express import LATER, MORE
from landbridge.api.http.packing import packed
from landbridge.api.http.resource import Call
from landbridge.api.ngsild.express import Express
from landbridge.api.ngsild.operation import Table
from landbridge.api.ngsild.routes import Doors, open_api, table
from landbridge.pool.pool import Pool
from landbridge.store.sqlite import open_store

LOOP = asyncio.new_event_loop()  # of those who wait for a write
CLIENT = ("127.0.0.1", 4711)
PATIENCE = 60.0  # seconds until a write is answered
FORGET = 2_000  # requests after which the pool is empty again
ROOT = "/ngsi-ld/v1"
FIRST = {
    "id": "urn:x:1", "type": ["Car", "ex:B"], "scope": "/a/b", "speed": {"value": 5, "accuracy": {"value": {"a": [1]}}},
    "owner": [{"object": "urn:x:2", "datasetId": "urn:d:1"}, {"object": ["urn:x:1"]}], "kind": {"vocab": ["x", "ex:y"]},
    "name": {"languageMap": {"en": "a", "de": ["b"]}}, "location": {"type": "Point", "coordinates": [8, 40]},
    "raw": {"json": {"a": {"b": 1}}}, "list": {"valueList": [1, [2]]}, "all": {"objectList": [{"object": "urn:x:4"}]},
}  # fmt: skip


class City:
    """A pool and its operations, made new now and then."""

    def __init__(self) -> None:
        self.asked = 0
        self.made: tuple[Path, Pool, Table, Express] | None = None

    def table(self) -> Table:
        self.asked += 1
        if self.made is not None and self.asked % FORGET == 0:
            self.close()
        if self.made is None:
            folder = Path(tempfile.mkdtemp(prefix="landbridge-fuzz-"))
            pool = Pool(open_store(folder / "pool.db"))
            doors = Doors(Callers(by_token=lambda token: None, operator=OPERATOR), CONTEXTS)
            self.made = folder, pool, table(pool, doors), open_api(pool, doors)[1]
            ask(self.made[2], {"method": "POST", "path": "/entities", "body": FIRST})
        return self.made[2]

    def express(self) -> Express:
        self.table()
        assert self.made is not None
        self.made[3].returns.loop = LOOP
        return self.made[3]

    def standing(self) -> Table:
        """The operations as they are, whatever the count."""
        assert self.made is not None
        return self.made[2]

    def close(self) -> None:
        if self.made is not None:
            self.made[1].close()
            shutil.rmtree(self.made[0], ignore_errors=True)
            self.made = None


@cache
def city() -> City:
    return City()


def ask(operations: Table, given: dict[str, Any]) -> None:
    """Perform one request. `query` and `headers` are objects; `body` is any JSON."""
    query = {str(name): str(value) for name, value in object_of(given.get("query")).items()}
    headers = {"content-type": "application/json"} | object_of(given.get("headers"))
    path = ROOT + str(given.get("path"))
    lines = [
        (name.lower().encode("latin-1", "replace"), str(value).encode("latin-1", "replace"))
        for name, value in headers.items()
    ]
    request = Request(
        {
            "type": "http", "method": str(given.get("method")), "scheme": "http", "path": path,
            "raw_path": path.encode("ascii", "replace"), "query_string": urlencode(query).encode("ascii"),
            "headers": lines, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "state": {},
        }
    )  # fmt: skip
    method = operations.methods(request).get(request.method)
    if method is not None:
        method(Call(request, OPERATOR, orjson.dumps(given.get("body"))))


def object_of(given: Any) -> dict[str, Any]:
    return given if isinstance(given, dict) else {}


def read_request(data: bytes) -> None:
    """One request, or several one after the other."""
    given = json_of(data)
    for one in given if isinstance(given, list) else [given]:
        if isinstance(one, dict):
            ask(city().table(), one)


def read_parameters(data: bytes) -> None:
    """A question alone: the object has its parameters."""
    ask(city().table(), {"method": "GET", "path": "/entities", "query": json_of(data)})


def read_express(data: bytes) -> None:
    """A request as bytes, by the short way: what it answers is what the ordinary road does."""
    express, heard = city().express(), list[bytes | None]()
    operations = city().standing()
    answered = express.answer(data, CLIENT, True, heard.append)
    until = time.monotonic() + PATIENCE
    while answered is LATER and not heard:  # a write, which its commit answers
        LOOP.run_until_complete(asyncio.sleep(0))
        assert time.monotonic() < until, "nothing is answered"
    assert answered in (None, LATER, MORE) or answered.startswith(b"HTTP/1.1 "), answered
    if answered not in (None, LATER, MORE) and data.startswith(b"GET "):
        line, _, head = data.partition(b"\r\n")
        path, _, query = line.split(b" ")[1].partition(b"?")
        known = express.heads.find(head, CLIENT, True)
        assert known is not None
        request = known.request("GET", unquote(path.decode()), path, query)
        ordinary = packed(request, operations.methods(request)["GET"](Call(request, OPERATOR)))
        assert answered.partition(b"\r\n\r\n")[2] == ordinary.body, (answered, ordinary.body)


PARAMETERS = (
    "type",
    "q",
    "attrs",
    "pick",
    "omit",
    "id",
    "idPattern",
    "georel",
    "geometry",
    "coordinates",
    "scopeQ",
    "lang",
    "orderBy",
    "collation",
    "limit",
    "offset",
    "count",
    "join",
    "joinLevel",
    "containedBy",
    "csf",
    "after",
    "before",
    "datasetId",
    "options",
    "format",
    "splitEntities",
    "entityMap",
    "jsonKeys",
)

TARGETS = (
    Target(
        "express",
        read_express,
        words=(
            *HEAD,
            *PARAMETERS,
            "\r\n",
            "\r\n\r\n",
            "HTTP/1.1",
            "GET ",
            "PATCH ",
            "content-length: ",
            "%",
            "?",
            "&",
            "=",
        ),
    ),
    Target("question", read_parameters, json=True, words=(*MARKS, *PARAMETERS)),
    Target(
        "request",
        read_request,
        json=True,
        words=(*WORDS, *PARAMETERS, "method", "path", "query", "headers", "body"),
    ),
)
