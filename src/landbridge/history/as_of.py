"""The lines of which a pool's state as of a commit follows: of the store's journal and of the lake, none of them twice.

Of a series that one source filled without ever taking anything back only the line that stands is needed, and when the
first was recorded; so a long history is brought down to about as many lines as there are instances before Python sees
any of them. All others are given in full. What only history knows (the temporal API's lines) never was state.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import apsw
import polars as pl

from landbridge.errors import TooMuch
from landbridge.history.lake import SCHEMA, Lake
from landbridge.history.rows import pending
from landbridge.history.said import earlier
from landbridge.model.entity import API, HISTORY
from landbridge.store import drained

MOST = 1_000_000  # lines that are replayed
MOST_READ = 5_000_000  # lines of one type that are read to find these
SERIES = ("entity", "attribute", "dataset", "source")
STATE = ("set", "delete", "create", "describe")
NEEDED = (
    "tenant", "entity", "attribute", "dataset", "time", "timed", "recorded", "commit", "ordinal", "source", "run",
    "row", "operation", "kind", "form", "number", "text", "json", "unit", "rest",
)  # fmt: skip
Line = Mapping[str, Any]


def lines(connection: apsw.Connection, lake: Lake | None, tenant: str, number: int) -> Iterator[tuple[str, Line]]:
    """Each line that counts up to this commit, with its type, as a mapping of the lake's columns and `first`.

    `first` is when the first line of its series was recorded. Times are microseconds since 1970. Lines of a type come
    in the order of their commits. Raises TooMuch where there are more than MOST.
    """
    left = MOST
    for type_, kinds in drained.kinds(connection).items():
        some = reduced(frame_of(connection, lake, tenant, type_, kinds, number))
        left -= some.height
        if left < 0:
            raise too_much(MOST)
        yield from ((type_, line) for line in some.iter_rows(named=True))


def too_much(lines: int) -> TooMuch:
    return TooMuch(
        f"The pool as of then follows from more than {lines:,} lines of history.",
        hint="Ask the temporal API, which reads what is asked for alone.",
    )


def frame_of(
    connection: apsw.Connection, lake: Lake | None, tenant: str, type_: str, kinds: list[int], number: int
) -> pl.LazyFrame:
    """All lines of a type up to a commit, of one tenant."""
    upto = drained.of_type(connection, type_).trimmed
    parts: list[pl.LazyFrame] = []
    if lake is not None:
        former, _ = earlier(connection, lake, type_, upto)
        parts += [] if former is None else [former.select(NEEDED)]
    own = [kind for kind in kinds if connection.execute("SELECT tenant FROM kind WHERE num=?", (kind,)).get == tenant]
    for table in pending(connection, own, upto, number):
        found = pl.from_arrow(table.cast(SCHEMA))
        assert isinstance(found, pl.DataFrame)
        parts.append(found.lazy().select(NEEDED))
    if not parts:
        return pl.LazyFrame(schema=pl.Schema(dict.fromkeys(NEEDED, pl.String)))
    every = pl.concat([part.with_columns(pl.col("time", "recorded").dt.timestamp("us")) for part in parts])
    return every.filter(
        pl.col("tenant") == tenant,
        pl.col("commit") <= number,
        pl.col("source") != HISTORY,
        pl.col("operation").is_in(STATE),
    )


def reduced(every: pl.LazyFrame) -> pl.DataFrame:
    """Of plain series the line that stands; all lines of the others."""
    if every.select(pl.len()).collect().item() > MOST_READ:
        raise too_much(MOST_READ)
    whole = every.collect(engine="streaming")
    if not whole.height:
        return whole
    troubled = whole.filter(pl.col("operation") == "delete").select("entity").unique()
    whole = whole.with_columns(
        first=pl.col("recorded").min().over(SERIES),
        alike=(pl.col("timed").all() | ~pl.col("timed").any()).over(SERIES),
    ).join(troubled.with_columns(gone=pl.lit(True)), on="entity", how="left")
    plain = (pl.col("source") != API) & pl.col("alike") & pl.col("gone").is_null() & (pl.col("operation") == "set")
    latest = whole.filter(plain).sort("time", "commit", "ordinal").unique(SERIES, keep="last", maintain_order=False)
    return pl.concat([latest, whole.filter(~plain)]).sort("commit", "ordinal")
