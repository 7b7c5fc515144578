"""How entities came to be what they are: questions to history, whoever answers them.

The library and the command line hold a reader of store and lake themselves; the serving process has the recent window
and asks the historian beside it for the rest (see `app.historian`).
"""

from dataclasses import replace
from typing import Protocol

from landbridge.model.temporal import Evolution, Evolutions, TemporalQuery


class History(Protocol):
    """Whoever knows history."""

    def evolution(self, id_: str, asked: TemporalQuery) -> Evolution:
        """One entity's evolution; it may have no instances. Raises Missing where it never was, or was taken away."""
        ...

    def evolutions(self, asked: TemporalQuery) -> Evolutions:
        """One page of a temporal query: entities that have instances in what is asked. Raises InvalidQuery, TooMuch."""
        ...


def one(history: History, id_: str, asked: TemporalQuery) -> Evolution:
    """The evolution of one entity: what selects entities does not matter."""
    query = replace(asked.query, ids=(id_,), types=None, id_pattern=None, selectors=(), after=None, before=None)
    return history.evolution(id_, replace(asked, query=query))
