"""What a slice of a bulk delivery leaves in the journal: its rows as columns, nothing of them made into text.

Attributes that share their time share their lines; see `store.segment` for what becomes of them when they are read.
"""

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from landbridge.model.feed import ROW
from landbridge.pool.render import Columns, Rendered, ascend
from landbridge.store.segment import Said

Ints = np.ndarray[Any, np.dtype[np.int64]]


class Sheet:
    """The columns of a segment: the rows of a slice at the places `at`, in that order."""

    def __init__(self, columns: Columns, at: Ints) -> None:
        self.columns = columns
        self.at = None if len(at) == columns.rows.num_rows and ascend(at) else pa.array(at)
        self.said: list[Said] = []
        self.made: dict[str, pa.Array] = {}

    def add(self, rendered: Rendered, dataset: str | None) -> None:
        """Add an attribute, all instances of which have this datasetId."""
        part = rendered.plan.value
        plain = part.reading == "plain"
        value, unit, tail = f"value {len(self.said)}", None, None
        self.made[value] = self.taken(self.columns.rows.column(part.column) if plain else texts(rendered.text))
        if part.unit:
            unit = f"unit {part.unit}"
            if unit not in self.made:
                self.made[unit] = self.taken(self.columns.rows.column(part.unit)).dictionary_encode()
        if rendered.tail is not None:
            tail = f"tail {len(self.said)}"
            self.made[tail] = self.taken(texts(rendered.tail))
        self.said.append(Said(rendered.name, part.opening, value, plain, unit, tail, dataset))

    def table(self, keys: Ints, observed: pl.Series | None) -> pa.Table:
        """All columns, beside them the rows' keys, numbers and times."""
        times = pa.nulls(len(keys), pa.int64()) if observed is None else self.taken(observed.to_arrow())
        numbers = self.taken(self.columns.rows.column(ROW))
        return pa.table({"key": pa.array(keys), "observed": times, "row": numbers, **self.made})

    def taken(self, column: pa.Array) -> pa.Array:
        return column if self.at is None else column.take(self.at)


def texts(column: pl.Series) -> pa.Array:
    return column.to_arrow(compat_level=pl.CompatLevel.oldest())
