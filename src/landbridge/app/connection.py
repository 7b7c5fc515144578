"""A caller's connection: what can be answered at once is; a head that does not come in time is not waited for.

uvicorn reads what comes and hands it to the application, as it does for any other. Before it does, a whole request
that came in one piece is shown to the short way (see `api.ngsild.express`), which answers it then and there or leaves
it. uvicorn closes a connection that stays silent after an answer, but waits without end for a head that trickles, and
takes one of any length; here both have a bound. Names of headers go out as they are spelt.
"""

import contextlib
import ipaddress
import resource
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from landbridge.api.http.express import LATER, MORE

HEAD_SECONDS = 30.0  # that a request's head may take
HEAD_BYTES = 65_536  # that it may have
Later = Callable[[bytes | None], None]
Answer = Callable[[bytes, tuple[str, int], bool, Later], bytes | None]  # what came in, from whom, whether that is near


class Connection(HttpToolsProtocol):
    """uvicorn's connection. `at_once` answers what it can at once, and gives None for the rest."""

    def __init__(self, at_once: Answer, **given: Any) -> None:
        super().__init__(**given)
        self.at_once = at_once
        self.near = False
        self.late: Any = None  # the clock of a head that is waited for
        self.silent: Any = None  # the clock of a silence after an answer at once
        self.last = 0.0  # when something was answered at once
        self.size = 0  # bytes of a head that is coming in
        self.midway = False  # a request has begun to come in
        self.pending: bytes | None = None  # a request that is answered later
        self.behind = bytearray()  # what came in behind it
        self.begun = b""  # a request whose rest is still to come
        self.leaving = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.near = self.client is not None and is_loopback(self.client[0])
        self.watch()

    def data_received(self, data: bytes) -> None:
        if self.pending is not None:
            self.behind += data
            self.flow.pause_reading()
            return
        if self.begun:
            data, self.begun = self.begun + data, b""
        if self.is_free():
            answer = self.at_once(data, self.client or ("", 0), self.near, self.answer_later)
            if answer is not None:
                self._unset_keepalive_if_required()
                if answer is MORE:
                    self.begun = data
                elif answer is LATER:
                    self.pending = data
                else:
                    self.answered(answer)
                return
        self.take(data)

    def answered(self, answer: bytes) -> None:
        """Send what was answered at once."""
        self.transport.write(answer)
        self.server_state.total_requests += 1
        self.last = self.loop.time()
        if self.silent is None:
            self.silent = self.loop.call_later(self.timeout_keep_alive, self.leave)

    def answer_later(self, answer: bytes | None) -> None:
        """Send the answer to what is pending, or let it take the ordinary road; then take what has come behind it."""
        pending, behind = self.pending, bytes(self.behind)
        self.pending = None
        self.behind.clear()
        if self.transport is None or self.transport.is_closing() or pending is None:
            return
        self.flow.resume_reading()
        if answer is None:
            self.take(pending + behind)
            return
        self.answered(answer)
        if self.leaving:
            self.transport.close()
        elif behind:
            self.data_received(behind)

    def shutdown(self) -> None:
        self.give_on()
        if self.pending is None:
            super().shutdown()
        else:
            self.leaving = True

    def give_on(self) -> None:
        """Let what has begun to come in take the ordinary road."""
        data, self.begun = self.begun, b""
        if data:
            self.take(data)

    def take(self, data: bytes) -> None:
        """Let uvicorn read what came in."""
        super().data_received(data)
        if self.size:
            self.size += len(data)
            if self.size > HEAD_BYTES and not self.transport.is_closing():
                self.send_400_response("The head of the request is too long.")
        self.watch()

    def is_free(self) -> bool:
        """Whether the next byte is the first of a request, and all before it are answered and on their way."""
        return (
            not self.midway
            and self.pending is None
            and (self.cycle is None or self.cycle.response_complete)
            and not self.access_log
            and not self.flow.write_paused
        )

    # -- what the parser tells

    def on_message_begin(self) -> None:
        self.midway, self.size = True, 1
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self.size = 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self.midway = False
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        super()._start_asgi_task(cycle, Spelt(cycle, app))

    # -- clocks

    def watch(self) -> None:
        """Start the clock with a head's beginning, and stop it with its end."""
        waiting = self.cycle is None or self.cycle.response_complete
        if self.late is not None and not waiting:
            self.late.cancel()
            self.late = None
        elif self.late is None and waiting:
            self.late = self.loop.call_later(HEAD_SECONDS, self.give_up)

    def give_up(self) -> None:
        """Close where no head has come since the clock was started; begin again where one was answered since."""
        self.late = None
        if self.begun:
            self.give_on()
            return
        if (self.cycle is None or self.cycle.response_complete) and not self.transport.is_closing():
            since = self.loop.time() if self.pending is not None else self.last
            left = 0.0 if self.midway else since + HEAD_SECONDS - self.loop.time()
            if left > 0:
                self.late = self.loop.call_later(left, self.give_up)
            else:
                self.transport.close()

    def leave(self) -> None:
        """Close where nothing has come for a while after an answer."""
        self.silent = None
        if self.is_free() and self.timeout_keep_alive_task is None and not self.transport.is_closing():
            left = self.last + self.timeout_keep_alive - self.loop.time()
            if left > 0:
                self.silent = self.loop.call_later(left, self.leave)
            else:
                self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        for clock in (self.late, self.silent):
            if clock is not None:
                clock.cancel()
        self.late = self.silent = None
        super().connection_lost(exc)


class Spelt:
    """An application whose answers' headers go out as they are spelt, for clients that take names by the letter."""

    def __init__(self, cycle: RequestResponseCycle, app: Any) -> None:
        self.cycle = cycle
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, self.send)

    async def send(self, message: Any) -> None:
        cycle = self.cycle
        if message["type"] != "http.response.start" or cycle.access_log or cycle.response_started:
            await cycle.send(message)
            return
        if cycle.flow.write_paused and not cycle.disconnected:
            await cycle.flow.drain()
        if not cycle.disconnected:
            self.start(message["status"], [*cycle.default_headers, *message.get("headers", ())])

    def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Write the status and the headers, and note how the body comes, as uvicorn does."""
        cycle = self.cycle
        cycle.response_started, cycle.waiting_for_100_continue = True, False
        content, closing = [STATUS_LINE[status]], False
        for name, value in headers:
            if HEADER_RE.search(name) or HEADER_VALUE_RE.search(value):
                raise RuntimeError("A header has letters that no header has.")
            plain = name.lower()
            if plain == b"content-length" and cycle.chunked_encoding is None:
                cycle.expected_content_length, cycle.chunked_encoding = int(value), False
            elif plain == b"transfer-encoding" and value.lower() == b"chunked":
                cycle.expected_content_length, cycle.chunked_encoding = 0, True
            elif plain == b"connection" and b"close" in value.lower():
                cycle.keep_alive, closing = False, True
            content += (name, b": ", value, b"\r\n")
        if not cycle.keep_alive and not closing:
            content.append(b"connection: close\r\n")
        if cycle.chunked_encoding is None and cycle.scope["method"] != "HEAD" and status not in (204, 304):
            cycle.chunked_encoding = True
            content.append(b"transfer-encoding: chunked\r\n")
        content.append(b"\r\n")
        cycle.transport.write(b"".join(content))


@lru_cache(maxsize=1_000)
def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def allow_connections() -> None:
    """Let this process have as many open files, and so connections, as the machine allows it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
