"""What the serving process keeps in memory, dropped when something is erased, by whichever process.

A number in the store grows with each erasure (see `store.erased`); all that this costs is a look at it twice a second.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from starlette.concurrency import run_in_threadpool

from landbridge.errors import LandbridgeError
from landbridge.pool.erased import erased_number
from landbridge.store.sqlite import SqliteStore

LOG = logging.getLogger("landbridge.serve")
SECONDS = 0.5


class Forgetting:
    """Looks whether something was erased, and has each of `drops` let go of what it keeps."""

    def __init__(self, store: SqliteStore, drops: Sequence[Callable[[], None]]) -> None:
        self.store = store
        self.drops = (*drops, store.forget)
        self.number = self.now()

    def now(self) -> int:
        with self.store.reader() as connection:
            return erased_number(connection)

    def look(self) -> bool:
        """Drop everything where something was erased since the last look; whether that was so."""
        number = self.now()
        if number == self.number:
            return False
        self.number = number
        for drop in self.drops:
            drop()
        return True

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            await asyncio.sleep(SECONDS)
            try:
                await run_in_threadpool(self.look)
            except LandbridgeError as error:
                LOG.error("Whether something was erased cannot be seen: %s", error)
