"""A pool that tells the world, for the tests: its publisher, doors to subscribe and to write, and real receivers."""

import asyncio
import contextlib
import http.server
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette

from landbridge.api.http.caller import Callers
from landbridge.api.ngsild.routes import Doors, routes
from landbridge.api.ngsild.subscription import Telling
from landbridge.api.ngsild.subscription_sense import understand
from landbridge.governance.egress import Egress
from landbridge.governance.policy import Actor, Role
from landbridge.model.address import read_allowed
from landbridge.model.terms import Contexts
from landbridge.pool.pool import Pool
from landbridge.pool.subscription import subscriptions_of
from landbridge.publish.call import Caller, check_endpoint
from landbridge.publish.publisher import Publisher
from landbridge.store.sqlite import open_store

OPERATOR = Actor("operator", Role.OPERATOR)
ROOT = "/ngsi-ld/v1"
LOOPBACK = ("127.0.0.0/8",)
Json = dict[str, Any]


def reached(ready: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Wait until something is so, and give it back."""
    end = time.monotonic() + seconds
    while not (found := ready()):
        assert time.monotonic() < end, "what was waited for does not come"
        time.sleep(0.005)
    return found


@dataclass
class Got:
    """One request that a receiver had."""

    path: str
    headers: dict[str, str]
    body: Json
    status: int = 0
    at: float = field(default_factory=time.monotonic)

    @property
    def entities(self) -> list[Json]:
        found: list[Json] = self.body["data"]
        return found


@dataclass
class Receiver:
    """A real HTTP server that keeps what it gets. `answer` gives the status for each, and may wait."""

    answer: Callable[[Got], int] = lambda got: 200
    got: list[Got] = field(default_factory=list)
    url: str = ""

    def wait(self, count: int, seconds: float = 30.0) -> list[Got]:
        """What came, once it is so many at least."""
        reached(lambda: len(self.got) >= count, seconds)
        return list(self.got)


@contextlib.contextmanager
def receiver(answer: Callable[[Got], int] = lambda got: 200, tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """A receiver on a free port of this machine; `tls` gives it a certificate."""
    kept = Receiver(answer)

    class Door(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got = Got(self.path, dict(self.headers.items()), json.loads(body))
            status = got.status = kept.answer(got)
            kept.got.append(got)
            with contextlib.suppress(OSError):
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *told: object) -> None:
            """A caller that is killed half way is no error here."""

    server = Server(("127.0.0.1", 0), Door)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    kept.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}/notify"
    thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.02))
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class City:
    """A pool with its publisher, asked through its HTTP API without a network."""

    def __init__(
        self, path: Path, contexts: Contexts, allowed: tuple[str, ...], authorities: Path | None = None, **told: Any
    ) -> None:
        self.store = open_store(path)
        self.pool = Pool(self.store)
        egress = self.egress = Egress(read_allowed(allowed), authorities=authorities)
        self.caller = Caller(egress)
        self.publisher = Publisher(
            subscriptions_of(self.pool), lambda tenant, id_, body: understand(tenant, id_, body, contexts),
            contexts.terms, self.caller, **told,
        )  # fmt: skip
        telling = Telling(
            partial(check_endpoint, egress=egress), self.publisher.hurry, self.publisher.forget, self.publisher.standing
        )
        callers = Callers(by_token=lambda token: None, operator=OPERATOR, public=None, hosts=frozenset())
        application = Starlette(routes=routes(self.pool, Doors(callers, contexts, telling=telling)))
        self.transport = httpx.ASGITransport(application, client=("127.0.0.1", 4711))

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """One request; names of headers with '_' for '-'."""
        told = {"Content-Type": "application/json"} if body is not None else {}
        told |= {name.replace("_", "-"): value for name, value in headers.items()}

        async def asked() -> httpx.Response:
            async with httpx.AsyncClient(transport=self.transport, base_url="http://127.0.0.1") as client:
                content = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
                return await client.request(method, ROOT + path, content=content, headers=told)

        return asyncio.run(asked())

    def done(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """The same, which must go well."""
        answer = self.ask(method, path, body, **headers)
        assert answer.status_code < 300, answer.text
        return answer

    def subscribe(self, url: str, id_: str = "urn:s:1", endpoint: Json | None = None, **members: Any) -> str:
        """Subscribe to Vehicles, or as the members say; `notification` adds to where it goes."""
        notification = {"endpoint": {"uri": url, **(endpoint or {})}, **members.pop("notification", {})}
        body = {"id": id_, "type": "Subscription", "entities": [{"type": "Vehicle"}], **members}
        self.done(
            "POST", "/subscriptions", {k: v for k, v in body.items() if v is not None} | {"notification": notification}
        )
        return id_

    def close(self) -> None:
        self.publisher.close()
        self.caller.close()
        self.egress.close()
        self.pool.close()


@contextlib.contextmanager
def telling_city(
    folder: Path,
    contexts: Contexts | None = None,
    allowed: tuple[str, ...] = LOOPBACK,
    before: Callable[[City], None] = lambda city: None,
    **told: Any,
) -> Iterator[City]:
    """A city whose publisher runs; `before` it begins, something may be done to it."""
    city = City(folder / "pool.db", contexts or Contexts(), allowed, **told)
    before(city)
    city.publisher.start()
    try:
        yield city
    finally:
        city.close()


def vehicle(id_: str = "urn:v:1", **values: Any) -> Json:
    """An entity with these properties."""
    return {"id": id_, "type": "Vehicle"} | {
        name: {"type": "Property", "value": value} for name, value in values.items()
    }
