"""A real web server on 127.0.0.1 for the tests of what fetches: each path answers what a test gives it."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

JSON = {"Content-Type": "application/json"}


@dataclass
class Request:
    """One request as it came."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    method: str = "GET"
    body: bytes = b""


@dataclass
class Reply:
    """What to answer; `pieces` are sent one by one, as slowly as they come."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: dict(JSON))
    pieces: Iterator[bytes] | None = None


Answering = Callable[[Request], Reply]


@dataclass
class WebOrigin:
    """A running server; `seen` are the requests so far."""

    address: str
    answering: dict[str, Answering] = field(default_factory=dict)
    seen: list[Request] = field(default_factory=list)

    def on(self, path: str, answering: Answering) -> str:
        """Answer this path so; its address."""
        self.answering[path] = answering
        return self.address + path


@contextlib.contextmanager
def web_origin() -> Iterator[WebOrigin]:
    """Run a server as long as the context."""
    origin = WebOrigin("")

    class Answerer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            split = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(split.query, keep_blank_values=True).items()}
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): text for name, text in self.headers.items()}
            request = Request(split.path, query, headers, self.command, body)
            origin.seen.append(request)
            reply = origin.answering.get(split.path, lambda _: Reply(b"{}", 404))(request)
            self.send_response(reply.status)
            for name, text in reply.headers.items():
                self.send_header(name, text)
            self.close_connection = True
            with contextlib.suppress(ConnectionError, TimeoutError):
                if reply.pieces is None:
                    self.send_header("Content-Length", str(len(reply.body)))
                    self.send_header("Connection", "close")
                    self.end_headers()
                    self.wfile.write(reply.body)
                    return
                self.send_header("Connection", "close")
                self.end_headers()
                for piece in reply.pieces:
                    self.wfile.write(piece)
                    self.wfile.flush()

        do_POST = do_GET

        def log_message(self, format: str, *arguments: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answerer)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    origin.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield origin
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
