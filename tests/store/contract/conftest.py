"""The stores that the contract is run against. A second store joins by one more entry."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from landbridge.store.contract import Store
from landbridge.store.sqlite import open_store

Clock = Callable[[], int]
OPENERS: dict[str, Callable[[Path, Clock], Store]] = {
    "sqlite": lambda folder, clock: open_store(folder / "pool.db", clock),
    "sqlite-memory": lambda folder, clock: open_store(":memory:", clock),
}


@pytest.fixture(params=OPENERS)
def open_with(request: Any, tmp_path: Path) -> Iterator[Callable[..., Store]]:
    """Open a new, empty store of each kind with a clock of the test's."""
    opened: list[Store] = []
    places = count()

    def opening(clock: Clock = lambda: 1_000_000) -> Store:
        folder = tmp_path / str(next(places))
        folder.mkdir()
        opened.append(OPENERS[request.param](folder, clock))
        return opened[-1]

    yield opening
    for store in opened:
        store.close()


@pytest.fixture
def store(open_with: Callable[..., Store]) -> Store:
    return open_with()
