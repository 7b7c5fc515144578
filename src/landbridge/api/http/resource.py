"""One address of an API: methods that are three calls each (parse, pool, render), and what surrounds them all.

Around every call: the request's number, the guard against foreign pages, who asks, a bound on the body, and the
standard's table of errors. The work itself runs in a thread, for the store's calls wait for the disk.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from landbridge.api.http.caller import Callers, actor_of, request_id
from landbridge.api.http.problem import Faults, NotAllowed, TooLarge
from landbridge.errors import LandbridgeError
from landbridge.pool.pool import Actor

BODY_LIMIT = 16 * 1024 * 1024
WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
    "Vary": "Accept, Authorization, Link",
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
    """The methods of one address, as an ASGI application. `chosen` picks them by the path where one is not enough."""

    methods: Mapping[str, Method]
    callers: Callers
    faults: Faults
    door: str
    body_limit: int = BODY_LIMIT
    chosen: Callable[[Request], Mapping[str, Method]] | None = field(default=None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        number = request_id(request)
        try:
            body = await read_body(request, self.body_limit) if request.method in WITH_BODY else b""
            response = await run_in_threadpool(self.perform, request, body)
        except LandbridgeError as error:
            response = self.faults.answer(error, number)
        except Exception as error:  # the last guard: whoever asks gets a number, the log the rest
            response = self.faults.unknown(error, number)
        for name, value in (HEADERS | {"X-Request-Id": number}).items():
            response.headers.setdefault(name, value)
        await response(scope, receive, send)

    def perform(self, request: Request, body: bytes) -> Response:
        """Find out who asks, then do it."""
        actor = actor_of(request, self.callers, self.door)
        methods = self.chosen(request) if self.chosen else self.methods
        wanted = "GET" if request.method == "HEAD" else request.method
        method = methods.get(wanted)
        if method is None:
            raise NotAllowed(request.method, sorted({*methods, *({"HEAD"} if "GET" in methods else ())}))
        return method(Call(request, actor, body))


async def read_body(request: Request, limit: int) -> bytes:
    """Read a body of `limit` bytes at most; raises TooLarge as soon as it is known to be larger."""
    told = request.headers.get("content-length", "")
    if told.isdigit() and int(told) > limit:
        raise TooLarge(f"The body has {told} bytes, and at most {limit} are taken.")
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise TooLarge(f"The body has more than {limit} bytes.")
        parts.append(part)
    return b"".join(parts)
