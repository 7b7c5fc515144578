"""What the pool knows already, as a source (kind `derived`): figures made of other sources' readings.

Its rows are readings of the pool, its mapping an ordinary SELECT over all of them (an average, a count, a newest
value), so that a derived value has a source, a run and rows like any other. The reading is handed in by `run`.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pyarrow as pa

from landbridge.errors import InvalidSettings
from landbridge.sources.contract import Batch, Cursor, Declaration
from landbridge.sources.declaration import Keys

OPTIONS: dict[str, str] = {
    "type": "the entity type whose readings are the rows",
    "attributes": "the attributes that are read; default: all",
    "ids": "only these entities; default: all of the type",
    "last": "how many recent readings of each attribute of each entity are rows, 1 to 100000; default 1",
    "after": "sources after whose commits this one is pulled anew",
}
ROWS = 20_000  # rows of a batch
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("type", pa.string()),
        ("attribute", pa.string()),
        ("observedAt", pa.timestamp("us", tz="UTC")),
        ("value", pa.float64()),
        ("text", pa.string()),
    ]
)


class Reading(NamedTuple):
    """One reading: the columns of a row. `time` in microseconds; `text` holds a value that is no number."""

    id: str
    type: str
    attribute: str
    time: int | None
    value: float | None
    text: str | None


@dataclass(frozen=True)
class Wanted:
    """Which readings a derived source asks the pool for."""

    type: str
    attributes: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    last: int = 1
    after: tuple[str, ...] = ()


Ask = Callable[[Wanted], Iterator[Reading]]


def ask_nobody(wanted: Wanted) -> Iterator[Reading]:
    """Stand in until the loop has handed the pool's readings in."""
    return iter(())


@dataclass
class DerivedSource:
    """The pool's readings as one whole pull."""

    wanted: Wanted
    ask: Ask = ask_nobody
    manner: str = "whole"
    ended: threading.Event = field(default_factory=threading.Event)

    def batches(self, cursor: Cursor | None) -> Iterator[Batch]:
        """Yield all readings; whether they changed is found out by the loop."""
        held: list[Reading] = []
        for reading in self.ask(self.wanted):
            if self.ended.is_set():
                return
            held.append(reading)
            if len(held) == ROWS:
                yield self.batch(held)
                held = []
        yield self.batch(held)

    def batch(self, held: Sequence[Reading]) -> Batch:
        columns: list[Any] = [list(column) for column in zip(*held, strict=True)] or [[] for _ in SCHEMA]
        arrays = [pa.array(values, kind.type) for values, kind in zip(columns, SCHEMA, strict=True)]
        return Batch(pa.RecordBatch.from_arrays(arrays, schema=SCHEMA), origin=self.wanted.type, unit="reading")

    def stop(self) -> None:
        """End `batches` at the next reading."""
        self.ended.set()


def read_wanted(declaration: Declaration) -> Wanted:
    """Read the options of the kind; raises InvalidSettings."""
    keys = Keys(declaration.options, f"{declaration.name}/source.toml")
    if not keys.text("type", ""):
        raise InvalidSettings("`type` is missing.", where=keys.where, hint='Write  type = "AirQualityObserved".')
    last = keys.whole("last", 1, 1, 100_000)
    return Wanted(keys.text("type", ""), keys.texts("attributes"), keys.texts("ids"), last or 1, keys.texts("after"))


def open_source(declaration: Declaration) -> DerivedSource:
    """Open a derived source; raises InvalidSettings."""
    return DerivedSource(read_wanted(declaration))
