"""A caller's connection: one that does not come to the end of a request's head is not waited for forever.

uvicorn closes a connection that stays silent after an answer, but waits without end for a head that trickles; a few
callers could hold all connections that the machine allows.
"""

import asyncio
import contextlib
import resource
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 30.0  # that a request's head may take


class Connection(H11Protocol):
    """uvicorn's connection, closed where a request's head does not come in time."""

    late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.watch()

    def watch(self) -> None:
        """Start the clock with a head's beginning, and stop it with its end."""
        waiting = self.cycle is None or self.cycle.response_complete
        if self.late is not None and not waiting:
            self.late.cancel()
            self.late = None
        elif self.late is None and waiting:
            self.late = self.loop.call_later(HEAD_SECONDS, self.give_up)

    def give_up(self) -> None:
        self.late = None
        if (self.cycle is None or self.cycle.response_complete) and not self.transport.is_closing():
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.late is not None:
            self.late.cancel()
            self.late = None
        super().connection_lost(exc)


def allow_connections() -> None:
    """Let this process have as many open files, and so connections, as the machine allows it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
