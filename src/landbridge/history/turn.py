"""Whose turn it is between journal and lake: a drain's, from its reading of lines to the commit of their files.

An erasure takes its turn after it has taken lines out of the journal, so that none that was read before arrives later.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = "lake.lock"


@contextmanager
def turn(store: str) -> Iterator[None]:
    """Wait until nobody else is between the journal of this store (its file) and its lake; be there alone."""
    if store == ":memory:":
        yield
        return
    with (Path(store).parent / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
