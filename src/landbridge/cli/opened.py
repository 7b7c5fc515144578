"""A city's pool opened for a command that reads or gives tokens: without the engines that only a pull needs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from landbridge.app.entrance import OWNER, contexts_of, open_pool
from landbridge.errors import Missing
from landbridge.pool.pool import Pool
from landbridge.settings import Settings, read_settings

OPERATOR = OWNER  # whoever may read the folder is its operator


@dataclass(frozen=True)
class Opened:
    """A city's settings and its pool."""

    settings: Settings
    pool: Pool

    def stored(self, name: str | None) -> str | None:
        """An attribute's stored name, of the name that the city's own @context gives it."""
        return name and contexts_of(self.settings).own.expand(name)


@contextmanager
def opened(folder: Path, *, make: bool = False) -> Iterator[Opened]:
    """Open the pool of a city's folder. Raises Missing where nothing was pulled yet, unless it is to be made."""
    settings = read_settings(folder)
    if not make and not settings.store.exists():
        raise Missing(
            "The city has no pool yet.", where=str(settings.store), hint="Pull its sources first: landbridge pull"
        )
    pool = open_pool(settings)
    try:
        yield Opened(settings, pool)
    finally:
        pool.close()
