"""Heads of requests that came before, byte for byte: what they say is known, so they are not read again.

A caller that keeps its connection sends the same headers with every request. Their text is looked up as it is; one
that is new is read by the same parser as any other. Only heads of known headers are taken here, so whatever means
something that is not thought of takes the ordinary road.
"""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from functools import cached_property
from itertools import count
from typing import Any

import httptools
from starlette.datastructures import Headers as StarletteHeaders
from starlette.requests import Request
from starlette.responses import Response

from landbridge.api.http.caller import BEARER, Callers, actor_of, no_count
from landbridge.errors import LandbridgeError
from landbridge.pool.pool import Actor

END = b"\r\n\r\n"
LATER, MORE = b"later", b"more"  # no answers, but what becomes of one: it comes by itself, or the request is not whole
LINE_END = b" HTTP/1.1\r\n"
LONGEST, MOST = 4_000, 500  # bytes of a head; heads that are kept
PLAIN = frozenset(
    {
        b"host", b"user-agent", b"accept", b"accept-encoding", b"accept-language", b"connection", b"link",
        b"content-type", b"content-length", b"ngsild-tenant", b"cache-control", b"pragma", b"authorization",
    }
)  # fmt: skip
REASONS = {200: b"OK", 201: b"Created", 204: b"No Content", 207: b"Multi-Status", 400: b"Bad Request"}
Headers = list[tuple[bytes, bytes]]


class Returns:
    """Calls from another thread that are made in the loop's, as many as wait at a time."""

    def __init__(self) -> None:
        self.waiting: deque[Callable[[], None]] = deque()
        self.awake = False
        self.loop: asyncio.AbstractEventLoop | None = None

    def open(self) -> None:
        """Say, in the loop's thread, that this is the loop."""
        if self.loop is None:
            self.loop = asyncio.get_running_loop()

    def put(self, call: Callable[[], None]) -> None:
        self.waiting.append(call)
        if not self.awake and self.loop is not None:
            self.awake = True
            self.loop.call_soon_threadsafe(self.make)

    def make(self) -> None:
        self.awake = False
        while self.waiting:
            self.waiting.popleft()()


@dataclass(frozen=True, eq=False)
class Head:
    """A head that is known: its headers by lower-case names, who sends it, and how long the body behind it is, if any.

    `actor` is None where a token says it, which is asked about each time, for it may have been taken back.
    """

    headers: Headers
    client: tuple[str, int]
    actor: Actor | None
    token: str
    length: int | None
    tenant: str

    def request(self, method: str, path: str, raw_path: bytes, query: bytes) -> Request:
        """The request as the ordinary road has it."""
        scope: dict[str, Any] = {
            "type": "http", "http_version": "1.1", "method": method, "path": path, "raw_path": raw_path,
            "query_string": query, "headers": self.headers, "client": self.client, "server": None, "scheme": "http",
            "root_path": "", "state": {},
        }  # fmt: skip
        found = Request(scope)
        found._headers = self.known  # where Starlette keeps them once they have been asked for
        return found

    @cached_property
    def known(self) -> "Known":
        return Known(self.headers)


class Known(StarletteHeaders):
    """Headers of which each is there once, found by their names and not one after the other."""

    def __init__(self, raw: Headers) -> None:
        super().__init__(raw=raw)
        self.found = {name.decode("latin-1"): value.decode("latin-1") for name, value in raw}

    def __getitem__(self, key: str) -> str:
        return self.found[key.lower()]

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key.lower() in self.found

    def getlist(self, key: str) -> list[str]:
        return [self.found[key.lower()]] if key.lower() in self.found else []


class Heads:
    """The heads met lately, and who may be asking by one (see `caller`)."""

    def __init__(self, callers: Callers, door: str) -> None:
        self.callers = callers
        self.quiet = Callers(callers.by_token, callers.operator, callers.public, callers.hosts, no_count)
        self.door = door
        self.known: dict[tuple[bool, bytes], Head | None] = {}

    def find(self, text: bytes, client: tuple[str, int], near: bool) -> Head | None:
        """What a head says, from behind the request's line to the empty line; None: it takes the ordinary road.

        `near`: the caller sits at this machine, which is all that its address says.
        """
        key = (near, text)
        try:
            return self.known[key]
        except KeyError:
            pass
        if len(text) > LONGEST:
            return None
        found = self.read(text, client)
        if len(self.known) >= MOST:
            self.known.clear()
        self.known[key] = found
        return found

    def read(self, text: bytes, client: tuple[str, int]) -> Head | None:
        told = Told()
        parser = httptools.HttpRequestParser(told)
        try:
            parser.feed_data(b"POST / HTTP/1.1\r\n" + text)
        except httptools.HttpParserError:
            return None
        names = [name for name, _ in told.headers]
        if not told.complete or not parser.should_keep_alive() or parser.should_upgrade() or not set(names) <= PLAIN:
            return None
        if len(set(names)) < len(names):
            return None
        given = dict(told.headers)
        token = given.get(b"authorization", b"").decode("latin-1")
        actor = None
        if not token:
            try:
                request = Head(told.headers, client, None, "", 0, "").request("GET", "/", b"/", b"")
                actor = actor_of(request, self.quiet, self.door, reads_abroad=True)
            except LandbridgeError:
                return None
        elif not token.lower().startswith(BEARER):
            return None
        length = int(given[b"content-length"]) if b"content-length" in given else None
        tenant = given.get(b"ngsild-tenant", b"").decode("latin-1")
        return Head(told.headers, client, actor, token[len(BEARER) :].strip(), length, tenant)

    def actor(self, head: Head) -> Actor | None:
        """Who sends the head, None where nobody known does."""
        if head.actor is not None:
            return head.actor
        found = self.callers.by_token(head.token) if head.token else None
        return None if found is None else Actor(found.name, found.role, found.source, "", self.door)


class Told:
    """What the parser says of a head."""

    def __init__(self) -> None:
        self.headers: Headers = []
        self.complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.complete = True


class Clock:
    """The Date header, made anew each second."""

    def __init__(self) -> None:
        self.second = 0
        self.text = b""

    def line(self) -> bytes:
        now = int(time.time())
        if now != self.second:
            self.second, self.text = now, b"date: " + formatdate(now, usegmt=True).encode() + b"\r\n"
        return self.text


class Numbers:
    """Numbers for requests that bring none: eight letters of this process, eight that count."""

    def __init__(self) -> None:
        self.begin = secrets.token_hex(4)
        self.next = count(secrets.randbelow(1 << 16)).__next__

    def take(self) -> str:
        return f"{self.begin}{self.next() & 0xFFFFFFFF:08x}"


CLOCK = Clock()


def lines(headers: Headers) -> bytes:
    """Headers as they are sent."""
    return b"".join([b"%b: %b\r\n" % one for one in headers])


def as_bytes(response: Response) -> bytes:
    """A whole response as it is sent."""
    status = response.status_code
    begin = b"HTTP/1.1 %d %b\r\n" % (status, REASONS.get(status, b""))
    return begin + CLOCK.line() + lines(response.raw_headers) + b"\r\n" + bytes(response.body)
