"""What a store of the pool's state is: the promises that SQLite keeps today and PostgreSQL will keep too.

One transaction holds everything a write changes: state, journal, outbox, a source's cursor. A transaction's
function may be called again from the start (a group that fails is retried singly), so it must not act outside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

from landbridge.model.answer import Page
from landbridge.model.query import Query
from landbridge.model.slot import Slot

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kind:
    """A tenant's type: its number, and which attribute's value lies in which slot."""

    num: int
    tenant: str
    type: str
    slots: Mapping[str, int]
    entities: int = 0
    located: bool = False
    shared: bool = False  # entities of other kinds have this type too


class Stored(NamedTuple):
    """An entity's row: the document is a text (see `store.document`); times in microseconds."""

    key: int
    id: str
    doc: str
    created: int
    modified: int
    version: int


@dataclass(frozen=True, slots=True)
class Row:
    """What to write of one entity.

    `slots` by slot number, for every attribute that has one (see `model.slot`); `place` and `box` as
    `model.slot.where_of` gives them for `location`.
    """

    key: int
    id: str
    doc: str
    created: int
    modified: int
    version: int
    slots: Mapping[int, Slot]
    place: tuple[float, float] | None = None
    box: tuple[float, float, float, float] | None = None
    extra: tuple[int, ...] = ()  # numbers of further kinds
    moved: bool = True  # False: place and box are as they were


class Touched(NamedTuple):
    """An entity that changes in nothing but attributes: its row before, its new text, and some slots' values."""

    before: Stored
    doc: str
    values: Sequence[Slot | None]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the journal.

    `operation`: set (`instance` is its JSON), delete (the instance is gone since then), retract (the line that it
    replaces never counted), clear (nothing that this series had before counts; `attribute` "@entity": of all), and of
    "@entity" create, describe (`instance`: the entity's type, scope and expiresAt since then) and delete.
    `replaces`: commit and ordinal of the line of which it takes the place.
    """

    key: int
    attribute: str
    ordinal: int
    dataset: str | None
    owner: str
    observed: int | None
    operation: str
    instance: str | None
    replaces: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """Many recorded instances as columns. `body` is an Arrow IPC stream (see `store.segment`)."""

    number: int
    tenant: str
    kind: int
    source: str
    run: int
    min_key: int
    max_key: int
    min_time: int | None
    max_time: int | None
    rows: int
    body: bytes
    seq: int = 0


class Transaction(Protocol):
    """One commit under way: its number, its recorded time, and what it may change."""

    number: int
    recorded: int

    def kind(self, tenant: str, type_: str, attributes: Iterable[str] = ()) -> Kind:
        """The kind. `attributes`: all that the rows to be written have; they get slots while there are any."""
        ...

    def locate(self, tenant: str, ids: Sequence[str]) -> dict[str, int]: ...
    def load(self, keys: Sequence[int]) -> Iterator[Stored]: ...
    def take_keys(self, kind: Kind, count: int) -> range: ...
    def insert(self, tenant: str, rows: Sequence[Row]) -> None: ...
    def insert_columns(self, tenant: str, kind: Kind, columns: Mapping[str, Sequence[Any]]) -> None: ...
    def update(self, rows: Sequence[Row]) -> None: ...
    def touch(self, slots: Sequence[int], rows: Sequence[Touched]) -> None: ...
    def delete(self, tenant: str, stored: Sequence[Stored]) -> None: ...
    def record(self, entries: Sequence[Entry]) -> None: ...
    def add_segment(self, segment: Segment) -> None: ...
    def announce(self, body: Mapping[str, Any]) -> None: ...


class Store(Protocol):
    """The pool's state on some engine."""

    def write(
        self,
        job: Callable[[Any], T],
        *,
        tenant: str = "",
        actor: str = "",
        request: str = "",
        source: str | None = None,
        run: int | None = None,
    ) -> T:
        """Run `job(transaction)` as one commit; return its answer once the commit is on disk."""
        ...

    def get(self, tenant: str, id_: str) -> Stored | None: ...
    def query(self, query: Query) -> Page: ...
    def kinds(self, tenant: str) -> list[Kind]: ...
    def version(self) -> int: ...
    def close(self) -> None: ...
