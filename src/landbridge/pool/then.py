"""The opened pools of the past: as of moments that were asked about lately, whoever makes their files."""

import threading
from collections.abc import Callable
from pathlib import Path

from landbridge.governance.policy import Policy
from landbridge.pool.pool import Pool
from landbridge.store.sqlite import SqliteStore

KEPT = 4  # pools


class OpenedPasts:
    """Opens the pool of a tenant and a moment. `path_of` has its file made; `policy` is that of the pool of now."""

    def __init__(self, path_of: Callable[[str, int], Path], policy: Policy) -> None:
        self.path_of = path_of
        self.policy = policy
        self.lock = threading.Lock()
        self.opened: dict[Path, Pool] = {}
        self.resting: list[Pool] = []  # one more round until they are closed: somebody may still read

    def __call__(self, tenant: str, moment: int) -> Pool:
        path = self.path_of(tenant, moment)
        with self.lock:
            pool = self.opened.pop(path, None) or Pool(SqliteStore(str(path)), self.policy)
            self.opened[path] = pool
            while len(self.opened) > KEPT:
                self.resting.append(self.opened.pop(next(iter(self.opened))))
            while len(self.resting) > KEPT:
                self.resting.pop(0).close()
        return pool

    def forget(self) -> None:
        """Close all of them, as something was erased."""
        with self.lock:
            closing = [*self.opened.values(), *self.resting]
            self.opened, self.resting = {}, []
        for pool in closing:
            pool.close()
