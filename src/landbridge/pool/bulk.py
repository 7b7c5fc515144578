"""Many rows at once: the state and the journal of a whole delivery, made a column at a time.

Rows are brought into the order of their entities once, and worked on in slices of entities, so that the memory stays
bounded whatever the delivery; see `pool.load` for what becomes of a slice.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from landbridge.errors import InvalidMapping
from landbridge.model.feed import HASH, KEY, Delivery
from landbridge.pool import disagree
from landbridge.pool.absorb import Absorber
from landbridge.pool.load import Flags, Ints, Load, Part
from landbridge.pool.phrase import AttributePlan
from landbridge.pool.single import Writing, spoken_rows
from landbridge.pool.told import Told
from landbridge.store.contract import Kind
from landbridge.store.schema import KIND_BITS
from landbridge.store.transaction import SqliteTransaction

SLICE, SLICE_ROWS = 8_192, 65_536  # entities, and their rows, that are worked on together, about
NOT_SAID = frozenset({KEY, HASH, "type"})  # columns that are not needed any more once the rows have their order


def fits(rows: pa.RecordBatch, plans: tuple[AttributePlan, ...]) -> bool:
    """Whether columns can say all that these rows say: one datasetId an attribute, nothing to remove."""
    return all(
        plan.dataset is None and not (plan.remove and rows.column(plan.value.column).null_count) for plan in plans
    )


@dataclass(frozen=True)
class Arranged:
    """A delivery's rows that say anything, by type, ready for a commit. `odd`: ids that rows of several types name."""

    rows: pa.RecordBatch
    plans: tuple[AttributePlan, ...]
    by_type: tuple[tuple[str, Sorted], ...]
    odd: frozenset[str]


def arrange(rows: pa.RecordBatch, plans: tuple[AttributePlan, ...]) -> Arranged:
    """Do with a delivery's rows what can be done before their commit begins, while another one is under way."""
    rows = rows.filter(saying(rows, plans))
    types = rows.column("type").dictionary_encode()
    names = types.dictionary.to_pylist()
    odd = of_several_types(rows) if len(names) > 1 else set[str]()
    parts = [rows if len(names) == 1 else rows.filter(pc.equal(types.indices, at)) for at in range(len(names))]
    by_type = tuple((name, in_order(without(part, odd), plans)) for name, part in zip(names, parts, strict=True))
    return Arranged(rows, plans, by_type, frozenset(odd))


def write(
    transaction: SqliteTransaction,
    absorber: Absorber,
    told: Told,
    touched: disagree.Touched,
    delivery: Delivery,
    arranged: Arranged,
    *,
    journal: bool = True,
) -> pa.RecordBatch | None:
    """Bring a delivery's rows into state and journal; answers those that have to be written one by one.

    `journal` false: history has the lines already, so only the state and what is touched change.

    These are the rows about entities of several types, or of another type than the row's: what rivals an attribute has
    depends on all of them.
    """
    plans, odd = arranged.plans, set(arranged.odd)
    found = []
    for name, rows in arranged.by_type:
        kind = transaction.kind(absorber.tenant, delivery.expand(name), [plan.value.name for plan in plans])
        located = rows.located(transaction, kind)
        if located.odd:
            odd |= located.odd
            rows = in_order(without(rows.rows, odd), plans)
            located = rows.located(transaction, kind)
        found.append((kind, rows, located))
    for kind, rows, located in found:
        keys, fresh = located.take_keys(transaction, kind, rows.ids)
        for entities, part in rows.parts:
            Load(transaction, absorber, told, touched, kind, part, keys[entities], fresh[entities]).write(journal)
    rows = arranged.rows
    return rows.filter(pc.is_in(rows.column("id"), pa.array(odd, pa.string()))) if odd else None


def write_singly(
    transaction: SqliteTransaction,
    absorber: Absorber,
    told: Told,
    touched: disagree.Touched,
    delivery: Delivery,
    rows: pa.RecordBatch,
    plans: tuple[AttributePlan, ...],
) -> None:
    """Bring rows into state and journal one by one; raises InvalidMapping for a datasetId that rivals rule out."""
    spoken = list(spoken_rows(delivery, rows, plans))
    refuse_datasets(absorber, {row.type for row in spoken}, delivery.mapping, plans)
    writing = Writing(transaction, absorber, told)
    writing.write(spoken, [plan.value.name for plan in plans])
    touched.add_drafts(absorber, writing)


def refuse_datasets(absorber: Absorber, types: set[str], mapping: str, plans: tuple[AttributePlan, ...]) -> None:
    """An attribute with rivals has one instance a source; a mapping cannot have more of its own."""
    for plan in plans:
        if plan.dataset is not None and any(absorber.standing((type_,), plan.value.name).rivals for type_ in types):
            raise InvalidMapping(
                f"The mapping sets '{plan.dataset}', and other sources map '{plan.value.name}' too.",
                where=mapping,
                hint="Leave the datasetId out: each source's claim has its own.",
            )


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
class Located:
    """Which entities exist: keys by id. `odd`: the ids of those that have other types than this one."""

    keys: dict[str, int]
    odd: frozenset[str]

    def take_keys(self, transaction: SqliteTransaction, kind: Kind, ids: list[str]) -> tuple[Ints, Flags]:
        """Each entity's key, and whether it is new."""
        count, known = len(ids), self.keys
        keys = np.zeros(count, np.int64)
        if known:
            keys[:] = np.fromiter((known.get(id_, 0) for id_ in ids), np.int64, count)
        fresh = keys == 0
        new = int(fresh.sum())
        if new:
            taken = transaction.take_keys(kind, new)
            keys[fresh] = np.arange(taken.start, taken.stop)
        return keys, fresh


@dataclass(frozen=True)
class Sorted:
    """Rows of one type by the order of their entities' ids, so that the store's trees grow at few places.

    `parts` are worked on one after the other, to bound the memory: which entities, and their rows.
    """

    rows: pa.RecordBatch
    ids: list[str]
    parts: tuple[tuple[slice, Part], ...]

    def located(self, transaction: SqliteTransaction, kind: Kind) -> Located:
        """Find out which of the entities exist."""
        keys = transaction.locate(kind.tenant, self.ids) if self.ids else {}
        several = transaction.of_several_types(kind) if keys else set()
        return Located(keys, frozenset(i for i, key in keys.items() if key >> KIND_BITS != kind.num or key in several))


def in_order(rows: pa.RecordBatch, plans: tuple[AttributePlan, ...]) -> Sorted:
    """Sort the rows by id, keeping the order of those about one entity."""
    ids, order = pl.Series(rows.column("id")), None
    if not ids.is_sorted():
        frame = pl.DataFrame({"id": ids}).with_row_index("at").sort("id", maintain_order=True)
        ids, order = frame["id"], frame["at"].to_numpy().astype(np.int64)
    first = (ids != ids.shift(1)).fill_null(True)
    starts = np.flatnonzero(first.to_numpy())
    said = rows.select([name for name in rows.schema.names if name not in NOT_SAID])
    return Sorted(rows, ids.filter(first).to_list(), tuple(cut_up(said, order, starts, plans)))


def cut_up(
    rows: pa.RecordBatch, order: Ints | None, starts: Ints, plans: tuple[AttributePlan, ...]
) -> Iterator[tuple[slice, Part]]:
    """Some entities' rows at a time, in order; `starts` says at which row each entity begins."""
    first = 0
    while first < len(starts):
        last = min(first + SLICE, int(np.searchsorted(starts, starts[first] + SLICE_ROWS, "left")))
        begin = int(starts[first])
        end = int(starts[last]) if last < len(starts) else rows.num_rows
        part = rows.slice(begin, end - begin) if order is None else rows.take(pa.array(order[begin:end]))
        group = np.zeros(end - begin, np.int64)
        group[starts[first + 1 : last] - begin] = 1
        yield slice(first, last), Part(part, np.cumsum(group), plans)
        first = last
