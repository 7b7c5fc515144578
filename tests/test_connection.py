"""Connections to a city that is really served: thousands at a time, some that never finish, and bodies too large."""

import contextlib
import re
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

MANY = 5_000
TYPES = "/ngsi-ld/v1/types"
START = """
import sys
from landbridge.app import connection
from landbridge.app.serve import serve
connection.HEAD_SECONDS = float(sys.argv[2])
serve(sys.argv[1], port=0, ready=lambda at: print(at, flush=True))
"""


@contextmanager
def served(folder: Path, head_seconds: float) -> Iterator[httpx.URL]:
    (folder / "landbridge.toml").write_text('name = "Here"\n')
    command = [sys.executable, "-c", START, str(folder), str(head_seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield httpx.URL(process.stdout.readline().strip())
        finally:
            process.terminate()


@pytest.fixture
def files() -> Iterator[int]:
    """How many files this process may open, raised as far as it goes."""
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    yield most
    resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))


def test_thousands_of_open_connections_keep_nobody_from_an_answer(tmp_path: Path, files: int) -> None:
    with served(tmp_path, 600) as url, contextlib.ExitStack() as open_ones:
        for _ in range(min(MANY, files - 300)):
            one = open_ones.enter_context(socket.create_connection((url.host, url.port), timeout=60))
            one.sendall(f"GET {TYPES} HTTP/1.1\r\nHost: localhost\r\n".encode())
        assert httpx.get(url.join(TYPES), timeout=60).status_code == 200
        one.sendall(b"\r\n")
        assert one.recv(100).startswith(b"HTTP/1.1 200")


def test_a_head_that_does_not_come_in_time_is_not_waited_for(tmp_path: Path) -> None:
    with served(tmp_path, 0.3) as url:
        for start in (b"", b"GET /ngsi-ld/v1/types HTTP/1.1\r\nHost: loc"):
            with socket.create_connection((url.host, url.port), timeout=60) as silent:
                silent.sendall(start)
                assert silent.recv(100) == b""
        with socket.create_connection((url.host, url.port), timeout=60) as again:
            again.sendall(f"GET {TYPES} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert again.recv(65536).startswith(b"HTTP/1.1 200")
            again.sendall(b"GET ")  # a second head, begun on the same connection
            while again.recv(65536):
                pass
        assert httpx.get(url.join(TYPES), timeout=60).status_code == 200


def test_what_is_too_large_is_refused_and_not_crashed_on(tmp_path: Path) -> None:
    with served(tmp_path, 30) as url, httpx.Client(base_url=url, timeout=60) as client:
        headers = {"Content-Type": "application/json"}
        answer = client.post("/ngsi-ld/v1/entities", content=b"[" + b" " * 50_000_000 + b"]", headers=headers)
        assert (answer.status_code, answer.json()["title"]) == (413, "Content too large")
        deep = b"[" * 10_000 + b"]" * 10_000
        assert client.post("/ngsi-ld/v1/entityOperations/create", content=deep, headers=headers).status_code == 400
        assert client.get(f"{TYPES}?{'a' * 65_000}").status_code in (400, 414)
        with contextlib.suppress(httpx.TransportError):  # the connection may go before all of it is sent
            assert client.get(TYPES, headers={"X-Long": "a" * 2_000_000}).status_code in (400, 431)
        assert client.get(TYPES).status_code == 200


STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
JSON = b"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"


def sent(method: bytes, path: bytes, body: bytes = b"") -> bytes:
    if not body:
        return b"%b /ngsi-ld/v1%b HTTP/1.1\r\nHost: localhost\r\n\r\n" % (method, path)
    return b"%b /ngsi-ld/v1%b HTTP/1.1\r\n" % (method, path) + JSON % (len(body), body)


def statuses(connection: socket.socket, count: int) -> list[int]:
    """The statuses of so many answers, which may come in any pieces."""
    data = b""
    while len(found := STATUS.findall(data)) < count or not data.endswith((b"}", b"]", b"\r\n\r\n")):
        part = connection.recv(65536)
        assert part, data
        data += part
    return [int(status) for status in found]


def test_requests_come_in_any_pieces_and_are_answered_in_their_order(tmp_path: Path) -> None:
    lamp = b'{"id":"urn:x:1","type":"Lamp","level":{"type":"Property","value":1}}'
    level = b'{"level":{"type":"Property","value":2}}'
    one = b"/entities/urn:x:1"
    requests = [
        (sent(b"POST", b"/entities", lamp), 201),
        (sent(b"GET", one), 200),
        (sent(b"PATCH", one + b"/attrs", level), 204),
        (sent(b"GET", b"/entities?type=Lamp"), 200),
        (sent(b"PATCH", b"/entities/urn:x:none/attrs", level), 404),
        (sent(b"GET", b"/types"), 200),
        (sent(b"DELETE", one), 204),
        (sent(b"GET", one), 404),
    ]
    whole = b"".join(data for data, _ in requests)
    wanted = [status for _, status in requests]
    with served(tmp_path, 30) as url:
        for size in (len(whole), 1000, 150, 61):
            with socket.create_connection((url.host, url.port), timeout=60) as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for begin in range(0, len(whole), size):
                    connection.sendall(whole[begin : begin + size])
                assert statuses(connection, len(wanted)) == wanted
            with socket.create_connection((url.host, url.port), timeout=60) as connection:
                for data, status in requests:  # one after the other
                    connection.sendall(data[:-20])
                    connection.sendall(data[-20:])
                    assert statuses(connection, 1) == [status]


def test_a_body_that_does_not_come_holds_nobody_up(tmp_path: Path) -> None:
    head = b"POST /ngsi-ld/v1/entities HTTP/1.1\r\n" + JSON % (400, b'{"id":')
    with served(tmp_path, 0.3) as url, socket.create_connection((url.host, url.port), timeout=60) as slow:
        slow.sendall(head)
        assert httpx.get(url.join(TYPES), timeout=60).status_code == 200
        time.sleep(0.5)  # longer than a head may take: the rest is still taken
        slow.sendall(b" " * 394)
        assert statuses(slow, 1) == [400]
