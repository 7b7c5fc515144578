"""Brokers that are each other's sources: real pools in real files, behind real sockets on this machine."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import orjson
import uvicorn
from starlette.applications import Starlette

from landbridge.api.http.caller import Callers
from landbridge.api.ngsild.routes import Doors, routes
from landbridge.federation.reach import Reach
from landbridge.governance.egress import Egress
from landbridge.governance.policy import Actor, Role
from landbridge.model.address import read_allowed
from landbridge.model.terms import Contexts
from landbridge.pool.pool import Pool
from landbridge.store.sqlite import open_store

ROOT = "/ngsi-ld/v1"
OPERATOR = Actor("operator", Role.OPERATOR)
EVERYTHING = [
    "federationOps",
    "redirectionOps",
    "createBatch",
    "upsertBatch",
    "updateBatch",
    "deleteBatch",
    "mergeBatch",
]
STARTED_SECONDS = 20.0


def lamp(number: int, **attributes: Any) -> dict[str, Any]:
    """An entity; attributes as given, or values of Properties."""
    return {"id": f"urn:ngsi-ld:Lamp:{number:03d}", "type": "Lamp", **attributes}


class Broker:
    """A Landbridge that is asked over HTTP."""

    def __init__(self, folder: Path, name: str, authorities: Path | None = None) -> None:
        (folder / name).mkdir(exist_ok=True)
        self.pool = Pool(open_store(folder / name / "pool.db"))
        self.egress = Egress(read_allowed(("127.0.0.0/8",)), authorities=authorities)
        self.contexts = Contexts()
        self.reach = Reach(self.pool, self.egress, self.contexts)
        callers = Callers(lambda token: None, OPERATOR)
        application = Starlette(routes=routes(self.pool, Doors(callers, self.contexts, self.reach)))
        self.door = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.door.getsockname()[1]}"
        config = uvicorn.Config(application, log_level="warning", lifespan="off", timeout_graceful_shutdown=1)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, args=([self.door],), daemon=True)
        self.thread.start()
        self.client = httpx.Client(base_url=self.address + ROOT, timeout=60)
        self.stalled = threading.Event()

    def close(self) -> None:
        self.client.close()
        self.server.should_exit = True
        self.thread.join()
        self.door.close()
        self.reach.close()
        self.egress.close()
        self.pool.close()

    def get(self, path: str, **told: Any) -> httpx.Response:
        return self.client.get(path, **told)

    def ids(self, path: str, **told: Any) -> list[str]:
        answer = self.get(path, **told)
        assert answer.status_code == 200, answer.text
        return [one["id"] for one in answer.json()]

    def make(self, *entities: dict[str, Any]) -> None:
        for entity in entities:
            answer = self.client.post("/entities?local=true", json=entity)
            assert answer.status_code == 201, answer.text

    def register(self, other: str, information: list[dict[str, Any]] | None = None, **members: Any) -> str:
        """Register an address as a source; the registration's id."""
        body = {
            "type": "ContextSourceRegistration",
            "information": information or [{"entities": [{"type": "Lamp"}]}],
            "endpoint": other,
            **members,
        }
        answer = self.client.post("/csourceRegistrations", json=body)
        assert answer.status_code == 201, answer.text
        return answer.headers["location"].rpartition("/")[2]


@contextmanager
def brokers(folder: Path, count: int) -> Iterator[list[Broker]]:
    """So many brokers that know nothing of each other."""
    made = [Broker(folder, f"broker{number}") for number in range(count)]
    try:
        yield made
    finally:
        for one in made:
            one.close()


class Source(ThreadingHTTPServer):
    """A source that answers what it is told to, and remembers what it was asked."""

    daemon_threads = True

    def __init__(self, reply: Callable[[str, str, bytes], tuple[int, bytes]]) -> None:
        super().__init__(("127.0.0.1", 0), Told)
        self.reply = reply
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Told(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        source = self.server
        assert isinstance(source, Source)
        source.asked.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        status, told = source.reply(self.command, self.path, body)
        self.send_response(status)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = answer

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def source(reply: Callable[[str, str, bytes], tuple[int, bytes]]) -> Iterator[Source]:
    """A source on a free port, as long as it is needed."""
    server = Source(reply)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def saying(status: int, body: Any = None) -> Callable[[str, str, bytes], tuple[int, bytes]]:
    """Answer the same to everything."""
    told = b"" if body is None else body if isinstance(body, bytes) else orjson.dumps(body)
    return lambda method, path, given: (status, told)


def dead_address() -> str:
    """An address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        return f"http://127.0.0.1:{door.getsockname()[1]}"
