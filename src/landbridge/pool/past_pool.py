"""Pools as they were known at some moment, each in a file of its own until others take its place.

A file is made once for each tenant and commit that is asked about; whoever answers opens it and asks it like any pool.
After an erasure none of the files made before is used again.
"""

import threading
from pathlib import Path

from landbridge.history.as_of import lines
from landbridge.history.lake import Lake
from landbridge.pool.as_of import claims_at, commit_at, documents
from landbridge.pool.frozen import BATCH, freeze
from landbridge.pool.pool import Pool
from landbridge.store import erased
from landbridge.store.sqlite import SqliteStore

KEPT = 4  # files
Key = tuple[str, int, int]  # tenant, commit, how often something was erased


class PastPools:
    """Makes the files, in a folder that is its own; call `look` now and then."""

    def __init__(self, store: SqliteStore, lake: Lake | None, folder: Path) -> None:
        self.store = store
        self.lake = lake
        self.folder = folder
        self.lock = threading.Lock()
        self.made: dict[Key, Path] = {}
        self.count = 0

    def path(self, tenant: str, moment: int) -> Path:
        """The file of a tenant's pool as of a moment. Raises InvalidQuery, TooMuch, Damaged."""
        with self.lock, self.store.reader() as connection:
            number, times = commit_at(connection, moment), erased.number(connection)
            key = (tenant, number, times)
            if key in self.made:
                self.made[key] = self.made.pop(key)
                return self.made[key]
            found = documents(lines(connection, self.lake, tenant, number), claims_at(connection, number), tenant)
            self.drop(list(self.made)[: 1 - KEPT])
            self.count += 1
            path = self.folder / f"{self.count}.db"
            made = Pool(SqliteStore(str(path)))
            try:
                for start in range(0, len(found), BATCH):
                    freeze(made, tenant, found[start : start + BATCH])
            finally:
                made.close()
            self.made[key] = path
            return path

    def look(self) -> None:
        """Take away what was made before something was erased."""
        with self.lock:
            with self.store.reader() as connection:
                times = erased.number(connection)
            self.drop([key for key in self.made if key[2] != times])

    def drop(self, keys: list[Key]) -> None:
        for key in keys:
            path = self.made.pop(key, None)
            for name in () if path is None else (path.name, f"{path.name}-wal", f"{path.name}-shm"):
                (self.folder / name).unlink(missing_ok=True)
