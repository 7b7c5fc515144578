"""Many rows at once: the state and the journal of a whole delivery, made a column at a time.

Rows are brought into the order of their entities once, and worked on in slices of entities, so that the memory stays
bounded whatever the delivery; see `pool.load` for what becomes of a slice.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from landbridge.model.feed import Delivery
from landbridge.pool import disagree
from landbridge.pool.absorb import Absorber
from landbridge.pool.load import Flags, Ints, Load
from landbridge.pool.phrase import AttributePlan
from landbridge.pool.told import Told
from landbridge.store.contract import Kind
from landbridge.store.schema import KIND_BITS
from landbridge.store.transaction import SqliteTransaction

SLICE = 16_384  # rows worked on together, about


def fits(rows: pa.RecordBatch, plans: tuple[AttributePlan, ...]) -> bool:
    """Whether columns can say all that these rows say: one datasetId an attribute, nothing to remove."""
    return all(
        plan.dataset is None and not (plan.remove and rows.column(plan.value.column).null_count) for plan in plans
    )


def write(
    transaction: SqliteTransaction,
    absorber: Absorber,
    told: Told,
    touched: disagree.Touched,
    delivery: Delivery,
    rows: pa.RecordBatch,
    plans: tuple[AttributePlan, ...],
) -> pa.RecordBatch | None:
    """Bring a delivery's rows into state and journal; answers those that have to be written one by one.

    These are the rows about entities of several types, or of another type than the row's: what rivals an attribute has
    depends on all of them.
    """
    rows = rows.filter(saying(rows, plans))
    types = rows.column("type").dictionary_encode()
    names = types.dictionary.to_pylist()
    odd = of_several_types(rows) if len(names) > 1 else set[str]()
    sorted_parts = []
    for number, name in enumerate(names):
        part = rows if len(names) == 1 else rows.filter(pc.equal(types.indices, number))
        kind = transaction.kind(absorber.tenant, delivery.expand(name), [plan.value.name for plan in plans])
        found = in_order(without(part, odd), transaction, absorber.tenant, kind)
        if found.odd:
            odd |= found.odd
            found = in_order(without(part, odd), transaction, absorber.tenant, kind)
        sorted_parts.append((kind, found))
    for kind, found in sorted_parts:
        keys, fresh = found.take_keys(transaction, kind)
        for first, last in found.slices():
            entities = slice(first, last)
            part = found.rows_of(first, last)
            Load(transaction, absorber, told, touched, kind, part, plans, keys[entities], fresh[entities]).write()
    return rows.filter(pc.is_in(rows.column("id"), pa.array(odd, pa.string()))) if odd else None


def saying(rows: pa.RecordBatch, plans: tuple[AttributePlan, ...]) -> pa.Array:
    """Which rows say anything at all."""
    columns = [rows.column(plan.value.column) for plan in plans]
    if any(not column.null_count for column in columns):
        return pa.array(np.ones(rows.num_rows, bool))
    return functools.reduce(pc.or_, (column.is_valid() for column in columns))


def of_several_types(rows: pa.RecordBatch) -> set[str]:
    """The ids that rows of more than one type speak of."""
    frame = pl.DataFrame({"id": pl.Series(rows.column("id")), "type": pl.Series(rows.column("type"))})
    several = frame.group_by("id").agg(pl.col("type").n_unique()).filter(pl.col("type") > 1)
    return set(several["id"].to_list())


def without(rows: pa.RecordBatch, ids: set[str]) -> pa.RecordBatch:
    """The rows that do not speak of these entities."""
    column = rows.column("id")
    return rows.filter(pc.invert(pc.is_in(column, pa.array(ids, column.type)))) if ids else rows


@dataclass(frozen=True)
class Sorted:
    """Rows of one type by the order of their entities' ids, so that the store's trees grow at few places.

    `order` None: they stand in it. `starts` says at which row each entity begins. `located`: keys of those that exist;
    `odd`: of these the ids with other types than this one.
    """

    rows: pa.RecordBatch
    order: Ints | None
    starts: Ints
    ids: list[str]
    located: dict[str, int]
    odd: frozenset[str]

    def take_keys(self, transaction: SqliteTransaction, kind: Kind) -> tuple[Ints, Flags]:
        """Each entity's key, and whether it is new."""
        count, located = len(self.ids), self.located
        keys = np.zeros(count, np.int64)
        if located:
            keys[:] = np.fromiter((located.get(id_, 0) for id_ in self.ids), np.int64, count)
        fresh = keys == 0
        new = int(fresh.sum())
        if new:
            taken = transaction.take_keys(kind, new)
            keys[fresh] = np.arange(taken.start, taken.stop)
        return keys, fresh

    def slices(self) -> Iterator[tuple[int, int]]:
        """Entities (first, beyond the last) whose rows are worked on together, to bound the memory."""
        first = 0
        while first < len(self.starts):
            last = int(np.searchsorted(self.starts, self.starts[first] + SLICE, "left"))
            yield first, last
            first = last

    def rows_of(self, first: int, last: int) -> tuple[pa.RecordBatch, Ints]:
        """The rows of these entities in order, and the number of each row's entity, from 0."""
        begin = int(self.starts[first])
        end = int(self.starts[last]) if last < len(self.starts) else self.rows.num_rows
        if self.order is None:
            rows = self.rows.slice(begin, end - begin)
        else:
            rows = self.rows.take(pa.array(self.order[begin:end]))
        group = np.zeros(end - begin, np.int64)
        group[self.starts[first + 1 : last] - begin] = 1
        return rows, np.cumsum(group)


def in_order(rows: pa.RecordBatch, transaction: SqliteTransaction, tenant: str, kind: Kind) -> Sorted:
    """Sort the rows by id, keeping the order of those about one entity, and find out which entities exist."""
    ids, order = pl.Series(rows.column("id")), None
    if not ids.is_sorted():
        frame = pl.DataFrame({"id": ids}).with_row_index("at").sort("id", maintain_order=True)
        ids, order = frame["id"], frame["at"].to_numpy().astype(np.int64)
    first = (ids != ids.shift(1)).fill_null(True)
    listed: list[str] = ids.filter(first).to_list()
    located = transaction.locate(tenant, listed) if listed else {}
    several = transaction.of_several_types(kind) if located else set()
    odd = frozenset(id_ for id_, key in located.items() if key >> KIND_BITS != kind.num or key in several)
    return Sorted(rows, order, np.flatnonzero(first.to_numpy()), listed, located, odd)
