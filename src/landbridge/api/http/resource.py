"""One address of an API: methods that are three calls each (parse, pool, render), and what surrounds them all.

Around every call: the request's number, the guard against foreign pages, who asks, a bound on the body, and the
standard's table of errors. The work itself runs in a thread, for the store's calls wait for the disk.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from landbridge.api.http.caller import SAFE, Callers, actor_of, request_id
from landbridge.api.http.packing import packed, unpacked
from landbridge.api.http.problem import Faults, LengthRequired, NotAllowed, TooLarge
from landbridge.errors import LandbridgeError, TakesLonger
from landbridge.pool.pool import Actor

BODY_LIMIT = 32 * 1024 * 1024
DRAINED = 256 * 1024 * 1024  # bytes of a body too large that are let pass by, so that its sender hears the answer
WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
PATCHES = "application/json, application/ld+json, application/merge-patch+json"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
    "Vary": "Accept, Accept-Encoding, Authorization, Link",
}


@dataclass(frozen=True)
class Call:
    """One request, who makes it, and its body."""

    request: Request
    actor: Actor
    body: bytes = b""


Method = Callable[[Call], Response]


@dataclass(frozen=True)
class Resource:
    """The methods of one address, as an ASGI application. `chosen` picks them by the path where one is not enough.

    `echoed` are headers of the request that every answer repeats; `length_required`: a body says how long it is.
    """

    methods: Mapping[str, Method]
    callers: Callers
    faults: Faults
    door: str
    body_limit: int = BODY_LIMIT
    chosen: Callable[[Request], Mapping[str, Method]] | None = field(default=None)
    echoed: Mapping[str, re.Pattern[str]] = field(default_factory=dict)
    length_required: bool = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        number = request_id(request)
        try:
            methods = self.chosen(request) if self.chosen else self.methods
            body = await self.body(request) if request.method in methods and request.method in WITH_BODY else b""
            response = await run_in_threadpool(self.perform, request, methods, body)
        except Exception as error:
            response = self.fault(error, number)
        self.finish(request, response, number)
        await response(scope, receive, send)

    def at_once(self, request: Request, actor: Actor, body: bytes) -> Response:
        """The whole answer to an actor's request, made in this thread. Raises TakesLonger."""
        number = request_id(request)
        try:
            response = self.perform(request, self.chosen(request) if self.chosen else self.methods, body, actor)
        except TakesLonger:
            raise
        except Exception as error:
            response = self.fault(error, number)
        self.finish(request, response, number)
        return response

    def fault(self, error: Exception, number: str) -> Response:
        """The answer that says an error; of one that nobody foresaw whoever asks gets a number, the log the rest."""
        if isinstance(error, LandbridgeError):
            return self.faults.answer(error, number)
        return self.faults.unknown(error, number)

    async def body(self, request: Request) -> bytes:
        """The request's body, unpacked. Raises LengthRequired, TooLarge, WrongMedia or Invalid."""
        if self.length_required and "content-length" not in request.headers:
            raise LengthRequired("The request does not say how long its body is.", hint="Send Content-Length.")
        return unpacked(request, await read_body(request, self.body_limit), self.body_limit)

    def perform(
        self, request: Request, methods: Mapping[str, Method], body: bytes, known: Actor | None = None
    ) -> Response:
        """Find out who asks, where that is not known, then do it."""
        actor = known or actor_of(request, self.callers, self.door, reads_abroad=True)
        if request.method == "OPTIONS":
            return self.options(request, methods)
        method = methods.get("GET" if request.method == "HEAD" else request.method)
        if method is None:
            raise NotAllowed(request.method, verbs(methods))
        return packed(request, method(Call(request, actor, body)))

    def options(self, request: Request, methods: Mapping[str, Method]) -> Response:
        """What the address can do (RFC 9110, 9.3.7), and to a page of another origin that it may read."""
        told = {"Allow": ", ".join(verbs(methods))}
        if "PATCH" in methods:
            told["Accept-Patch"] = PATCHES
        if self.callers.public is not None and "access-control-request-method" in request.headers:
            told |= {
                "Access-Control-Allow-Methods": "GET, HEAD",
                "Access-Control-Allow-Headers": "Accept, Link, NGSILD-Tenant, Prefer, X-Request-Id",
                "Access-Control-Max-Age": "86400",
            }
        return Response(None, 204, told)

    def finish(self, request: Request, response: Response, number: str) -> None:
        """Add what every answer says."""
        echoed = {name: request.headers.get(name, "") for name in self.echoed}
        told = {name: given for name, given in echoed.items() if self.echoed[name].match(given)}
        said = {name.lower() for name, _ in response.raw_headers}  # some are spelt as their standard spells them
        for name, value in (HEADERS | told | {"X-Request-Id": number}).items():
            if name.lower().encode() not in said:
                response.headers.append(name, value)
        if self.callers.public is not None and request.method in SAFE:
            response.headers["Access-Control-Allow-Origin"] = "*"  # a browser sends no credentials along then
            response.headers["Access-Control-Expose-Headers"] = "*"


class Beneath(BaseRoute):
    """Every address beneath a prefix, whatever letters it has; a route's pattern ends at a line's end."""

    def __init__(self, prefix: str, resource: Resource) -> None:
        self.prefix = prefix + "/"
        self.resource = resource

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        found = scope["type"] == "http" and scope["path"].startswith(self.prefix)
        return (Match.FULL if found else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.resource(scope, receive, send)


def verbs(methods: Mapping[str, Method]) -> list[str]:
    """The methods of an address, with those that follow from them."""
    return sorted({*methods, "OPTIONS", *({"HEAD"} if "GET" in methods else ())})


async def read_body(request: Request, limit: int) -> bytes:
    """Read a body of `limit` bytes at most; raises TooLarge once the rest has passed by, or as much as is fair."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size <= limit:
            parts.append(part)
        elif size > DRAINED:
            break
        else:
            parts.clear()
    if size > limit:
        raise TooLarge(f"The body has more than {limit} bytes.", hint="Send it in parts.")
    return b"".join(parts)
