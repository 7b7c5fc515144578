"""The opened pools of the past: as of moments that were asked about lately, whoever makes their files."""

import threading
from collections.abc import Callable
from pathlib import Path

from landbridge.governance.policy import Policy
from landbridge.pool.pool import Pool
from landbridge.store.sqlite import SqliteStore

KEPT = 4  # pools


def opener(path_of: Callable[[str, int], Path], policy: Policy) -> Callable[[str, int], Pool]:
    """What opens the pool of a tenant and a moment, and keeps those that were asked for lately open."""
    lock = threading.Lock()
    opened: dict[Path, Pool] = {}
    resting: list[Pool] = []  # one more round until they are closed: somebody may still read

    def then(tenant: str, moment: int) -> Pool:
        path = path_of(tenant, moment)
        with lock:
            pool = opened.pop(path, None) or Pool(SqliteStore(str(path)), policy)
            opened[path] = pool
            while len(opened) > KEPT:
                resting.append(opened.pop(next(iter(opened))))
            while len(resting) > KEPT:
                resting.pop(0).close()
        return pool

    return then
