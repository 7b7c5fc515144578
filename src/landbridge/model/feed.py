"""What a source hands to the pool: mapped rows with their plan, and where each came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from landbridge.model.column import RowPlan

if TYPE_CHECKING:
    import pyarrow as pa

    from landbridge.model.block import Ready

KEY, HASH, ROW = "_key", "_hash", "_row"


@dataclass(frozen=True)
class SourceFacts:
    """What the pool needs to know of a source to keep its instances."""

    name: str
    tenant: str = ""
    manner: str = "whole"  # whole, incremental, stream
    holds: int | None = None  # microseconds a claim holds; None: until the source's next
    gone: str = "keep"
    gone_share: float = 0.5
    null_remove: frozenset[str] = frozenset()
    never_store: frozenset[str] = frozenset()
    backfill: bool = False  # its past goes straight to the files of history


@dataclass(frozen=True)
class Raw:
    """The source rows behind a delivery.

    `take` gives them by row number, in that order; `place` names where they are: ("admin.csv", "line") and,
    by row number, the number that people count. `ready`: gives those that are packed already (see `model.block`).
    """

    take: Callable[[Sequence[int]], pa.RecordBatch]
    place: Callable[[Sequence[int]], tuple[list[str], str, list[int]]]  # (origin per row, unit, number per row)
    ready: Ready | None = None


@dataclass(frozen=True)
class RejectedRow:
    """A row that is kept apart, with where it stood, why, and what it held."""

    place: str
    reason: str
    row: Mapping[str, object]
    number: int | None = None


@dataclass(frozen=True)
class Delivery:
    """Some mapped rows of one mapping file, to be made durable in one commit.

    `rows`: the SELECT's columns by their names, `_row` (int64, may be null), `_key` and `_hash` (uint64).
    `read`: rows read from the source since the delivery before (for the run's count). `replayed`: rejected rows, by
    their number in the store, in whose place this delivery comes.
    """

    plan: RowPlan
    rows: pa.RecordBatch
    raw: Raw | None
    mapping: str = "mapping.sql"
    rejects: tuple[RejectedRow, ...] = ()
    cursor: Mapping[str, Any] | None = None
    read: int = 0
    replayed: tuple[int, ...] = ()
    expand: Callable[[str], str] = field(default=lambda name: name)  # mapping's name -> stored name


@dataclass(frozen=True)
class Counts:
    """What one commit did."""

    commit: int
    entities: int = 0
    instances: int = 0
    unchanged: int = 0
    repeated: int = 0
    conflicting: int = 0
    past: int = 0  # instances that went to history alone
