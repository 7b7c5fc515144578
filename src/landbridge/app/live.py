"""Changes as they happen: one look at the store four times a second, for however many pages listen."""

import asyncio
from collections.abc import AsyncIterator

from landbridge.model.answer import Change
from landbridge.pool.pool import Pool

SECONDS = 0.25
WAITING = 1_000  # changes that one listener may be behind; a slower one starts anew from the store


class Live:
    """Fans the pool's changes out to listeners."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.listeners: set[asyncio.Queue[Change | None]] = set()
        self.last = 0
        self.ended = False

    async def run(self) -> None:
        """Look for commits, of whichever process, until cancelled."""
        self.last = self.pool.version()
        while True:
            await asyncio.sleep(SECONDS)
            if not self.listeners:
                continue
            for change in self.since(self.last):
                self.last = change.commit
                for listener in list(self.listeners):
                    self.hand(listener, change)

    def since(self, commit: int) -> list[Change]:
        return self.pool.changes(commit) if self.pool.version() > commit else []

    def hand(self, listener: "asyncio.Queue[Change | None]", change: Change) -> None:
        """Give a change to a listener; one that has fallen behind is sent away, and comes back by itself."""
        if listener.full():
            self.listeners.discard(listener)
            listener.get_nowait()
            listener.put_nowait(None)
            return
        listener.put_nowait(change)

    async def changes(self, since: int) -> AsyncIterator[Change]:
        """The changes after a commit, as they come, until the listener or the server goes."""
        listener: asyncio.Queue[Change | None] = asyncio.Queue(WAITING)
        if not self.listeners:
            self.last = max(self.last, self.pool.version())
        self.listeners.add(listener)
        try:
            seen = since
            for change in self.since(since):
                seen = change.commit
                yield change
            while not self.ended and (found := await listener.get()) is not None:
                if found.commit > seen:
                    yield found
        finally:
            self.listeners.discard(listener)

    def end(self) -> None:
        """Send all listeners away."""
        self.ended = True
        for listener in list(self.listeners):
            if listener.full():
                listener.get_nowait()
            listener.put_nowait(None)
