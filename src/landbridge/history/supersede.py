"""Which line of a source takes the place of which: of two with equal key and observed time the later stands.

The key is (entity, attribute, datasetId, source). Lines without an observed time take nobody's place.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
import pyarrow as pa

from landbridge.history.line import CLIENTS

KEY = ["attribute", "entity", "dataset", "source", "time"]
PLACE = ["commit", "ordinal"]
OF_A_SOURCE = ~pl.col("source").is_in(CLIENTS)  # a client's line takes another one's place only where it says so


def superseding(lines: pa.Table, earlier: Sequence[str] = (), options: Mapping[str, str] | None = None) -> pa.Table:
    """Lines of the lake's columns with `replaces_commit` and `replaces_ordinal` where they take another one's place.

    They are looked for among the lines themselves, and in the parquet files `earlier`, whose commits are not later.
    """
    frame = frame_of(lines.select([*KEY, "timed", *PLACE])).with_row_index("at").filter(pl.col("timed"), OF_A_SOURCE)
    found = sought(frame, earlier, options) if earlier else frame.select(*KEY, *PLACE).clear()
    repeated = frame.select(KEY).is_duplicated()
    if not found.height and not repeated.any():
        return lines
    both = pl.concat(
        [found.with_columns(at=pl.lit(None, pl.UInt32)).select("at", *KEY, *PLACE), frame.select("at", *KEY, *PLACE)]
    ).sort(*PLACE)
    linked = both.with_columns(
        before_commit=pl.col("commit").shift(1).over(KEY), before_ordinal=pl.col("ordinal").shift(1).over(KEY)
    ).filter(pl.col("at").is_not_null() & pl.col("before_commit").is_not_null())
    return placed(lines, linked)


def sought(frame: pl.DataFrame, earlier: Sequence[str], options: Mapping[str, str] | None) -> pl.DataFrame:
    """The lines of files that have the key of one of these, the last of each key."""
    low, high = frame["time"].min(), frame["time"].max()
    first, last = frame["entity"].min(), frame["entity"].max()
    return (
        pl.scan_parquet(list(earlier), storage_options=dict(options or {}))
        .filter(
            pl.col("time").is_between(pl.lit(low), pl.lit(high)),
            pl.col("entity").is_between(pl.lit(first), pl.lit(last)),
            pl.col("timed"),
        )
        .select(*KEY, *PLACE)
        .join(frame.lazy().select(KEY).unique(), on=KEY, how="semi", nulls_equal=True)
        .sort(*PLACE)
        .unique(KEY, keep="last")
        .collect(engine="streaming")
    )


def placed(lines: pa.Table, linked: pl.DataFrame) -> pa.Table:
    """The lines with what `linked` says of them by their places."""
    at = linked["at"].to_numpy()
    for name, before in (("replaces_commit", "before_commit"), ("replaces_ordinal", "before_ordinal")):
        place = lines.column_names.index(name)
        told = lines.column(place).combine_chunks()
        values = told.fill_null(0).to_numpy().astype(np.int64)
        values[at] = linked[before].to_numpy()
        empty = told.is_null().to_numpy(zero_copy_only=False).copy()
        empty[at] = False
        lines = lines.set_column(place, name, pa.array(values, mask=empty).cast(told.type))
    return lines


def frame_of(lines: pa.Table) -> pl.DataFrame:
    """The lines as a frame, texts as texts."""
    found = pl.from_arrow(lines)
    assert isinstance(found, pl.DataFrame)
    return found.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))
