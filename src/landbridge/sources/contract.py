"""What a kind of source is: something that yields Arrow batches and a cursor, and nothing else.

A kind is found through the entry-point group `landbridge.sources`, built-in ones too, so a third party adds
one with a package. It fetches; the schedule, the retry, the rejects, the commit and the cursor's keeping are
written once, in `run`.
"""

import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa

ROW = "_row"  # int64, the row's ordinal within the pull, from 0; added by `run`, not by a kind
Cursor = dict[str, Any]  # JSON; what a kind needs to go on where it stopped


@dataclass(frozen=True)
class Reject:
    """A row that could not be read or mapped. `place` is for people: `file.csv line 12`, `topic #77`."""

    place: str
    reason: str
    row: Mapping[str, object]


@dataclass(frozen=True)
class Batch:
    """Some rows of one table of the source, as the source has them.

    `rows`: text columns where the source has only text (CSV cells stay text), native types elsewhere.
    `table`: "source" for the only or main table, else the sheet's or file's own name (as an SQL name).
    `origin`, `unit`, `numbers` say where each row is, for people: "admin.csv", "line", [12, 13, 16] (int64, one per
    row). Where `numbers` is None the rows are counted on from the origin's previous batch, from 1.
    `rejects`: rows of this stretch that could not be read at all.
    `report`: told, before `settle`, which rows the mapping rejected, by their place in the batch (-1: not known), and
    why; for streams.
    `settle`: called once the rows are in the pool for good (acknowledges a message).
    `cursor`: where to go on after this batch; None while the pull cannot be resumed here.
    """

    rows: pa.RecordBatch
    table: str = "source"
    origin: str = ""
    unit: str = "row"
    numbers: pa.Int64Array | None = None
    rejects: tuple[Reject, ...] = ()
    report: Callable[[Sequence[tuple[int, str]]], None] = lambda found: None
    settle: Callable[[], None] = lambda: None
    cursor: Cursor | None = None


@dataclass(frozen=True)
class Declaration:
    """A source's folder, read: `source.toml` beside its mapping and reference tables.

    `options` holds the keys of the kind's own table `[source]` that this class does not name.
    """

    name: str
    kind: str
    folder: Path
    options: Mapping[str, Any]
    tenant: str = ""
    schedule: str | None = None  # "every 10m", a cron line, "once"; None: only when asked
    owner: str = ""
    licence: str = ""
    title: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # language -> its own texts -> in the language
    types: tuple[str, ...] = ()  # needed only where `type` is not a literal in the mapping
    tables: Mapping[str, str] = field(default_factory=dict)  # reference tables: SQL name -> file or database address
    holds: int | None = None  # microseconds that a claim holds; None: until the source's next
    gone: str = "keep"
    gone_share: float = 0.5
    reject_share: float = 0.5
    window: str = "batch"  # "all": an incremental source whose mapping looks over everything it pulled
    backfill: bool = False  # its past goes straight to the files of history
    null_remove: tuple[str, ...] = ()  # attributes that a NULL removes
    never_store: tuple[str, ...] = ()  # source columns that are never kept, not even raw or in rejects
    time_zone: str = "UTC"
    ambiguous_time: str = "reject"  # "earlier", "later", "reject"
    expectations: tuple[Mapping[str, Any], ...] = ()
    timeout: float = 600.0  # seconds for one mapping query
    memory: int = 256  # MiB for the mapping's engine


class Source(Protocol):
    """One opened source. A kind is a class (or function) `(Declaration) -> Source`."""

    #: "whole": each pull yields everything; "incremental": only what is new since the cursor;
    #: "stream": `batches` goes on until `stop` is called.
    manner: str

    def batches(self, cursor: Cursor | None) -> Iterator[Batch]:
        """Yield the rows since `cursor` (None: from the start), in bounded memory.

        Raises Unreachable where trying again may help, Invalid where the source or its declaration is wrong.
        Yielding no batch and raising nothing means that nothing changed since the cursor.
        """
        ...

    def stop(self) -> None:
        """End `batches` soon, from another thread."""
        ...


@dataclass(frozen=True)
class Edition:
    """One dated edition of a register: a whole pull of its own.

    `source` adds the column `_edition` (date32) to its tables. The run loop hands it the cursor that the run before
    left, as to any source; an edition that was pulled already, or is older than the newest pulled, yields no batch.
    """

    date: datetime.date
    source: Source


@runtime_checkable
class Editions(Protocol):
    """What a source may have beside `batches`: editions that are pulled one after the other.

    Where `editions` gives any, the loop makes one run of each, in the order given (by date), instead of calling
    `batches` of the source itself; so rows gone are judged between an edition and the next.
    """

    def editions(self) -> Sequence[Edition]:
        """The declared editions by date; empty where the source has none."""
        ...


@runtime_checkable
class Noted(Protocol):
    """What a source may have beside `batches`: what it found out while reading, for the run's record.

    "admin.csv: encoding detected: gb18030". Read it after `batches` has ended; each pull starts with none.
    """

    notes: list[str]


OpenSource = Callable[[Declaration], Source]
