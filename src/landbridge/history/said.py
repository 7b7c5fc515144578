"""What was said long ago, of which the store has no lines any more: for readers that need all that was ever recorded.

Such a reader takes the store's lines of commits after the last that was trimmed, and all before from here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import apsw
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from landbridge.errors import Damaged
from landbridge.history.backfill import standing
from landbridge.history.lake import Lake
from landbridge.history.rows import value_in
from landbridge.model.answer import Point
from landbridge.model.entity import KINDS
from landbridge.store import manifest
from landbridge.store.segment import json_texts
from landbridge.store.sqlite import SqliteStore

POINT = ("time", "recorded", "source", "dataset", "operation", "form", "number", "text", "json")
CLAIM: dict[str, type[pl.DataType]] = {
    "entity": pl.String, "attribute": pl.String, "source": pl.String, "commit": pl.Int64, "ordinal": pl.Int32,
    "operation": pl.String, "kind": pl.String, "form": pl.String, "number": pl.Float64, "text": pl.String,
    "json": pl.String,
}  # fmt: skip
BESIDE: dict[str, type[pl.DataType]] = {"key": pl.Int64, "since": pl.Int64}
MEMBERS = {kind: f'{{"type":"{kind}","{member}":' for kind, member in KINDS.items()}


def earlier(connection: apsw.Connection, lake: Lake, type_: str, upto: int) -> tuple[pl.LazyFrame | None, int]:
    """The lines of a type that the lake alone has as this read transaction sees it, and how many there are at most.

    These are the lines of commits up to `upto`, and those of backfills. None where there are none.
    """
    if not upto and not manifest.of_type(connection, type_):
        return None, 0  # so that a lake that cannot be read keeps nobody from what the store has
    table = lake.table(type_)
    if table is None:
        if upto:
            raise Damaged(
                f"The lake has no history of '{type_}', of which the store has given its own away.", where=lake.root,
                hint="Bring it back from a backup.",
            )  # fmt: skip
        return None, 0
    snapshot, backfills = standing(connection, table)
    numbers = sorted({one.number for one in backfills})
    files = [file for file in snapshot.files if file.low <= upto or any(file.low <= n <= file.high for n in numbers)]
    if not files:
        return None, 0
    lines = pl.scan_parquet([file.path for file in files], storage_options=lake.options or None)
    counted = pl.col("commit") <= upto
    if numbers:
        counted |= pl.col("commit").is_in(numbers)
    return lines.filter(counted), sum(file.rows for file in files)


def points(
    store: SqliteStore, lake: Lake, uptos: Mapping[str, int], tenant: str, id_: str, attribute: str, limit: int,
    since: int | None, created: int,
) -> list[Point]:  # fmt: skip
    """The newest points of one series that the lake alone has, in no order. `uptos`: by type, see `earlier`.

    Of an entity that was made at `created`: what was recorded before is another one's of the same id.
    """
    found: list[Point] = []
    with store.reader() as connection:
        for type_, upto in uptos.items():
            lines, _ = earlier(connection, lake, type_, upto)
            if lines is None:
                continue
            wanted = lines.filter(
                pl.col("attribute") == attribute, pl.col("entity") == id_, pl.col("tenant") == tenant,
                pl.col("operation").is_in(["set", "delete"]), pl.col("recorded").to_physical() >= created,
                *([] if since is None else [pl.col("time").to_physical() >= since]),
            )  # fmt: skip
            wanted = wanted.select(POINT).sort("time", "recorded", descending=True).head(limit)
            rows = collected(lake, wanted.with_columns(pl.col("time", "recorded").to_physical()))
            found += [point_of(row) for row in rows.iter_rows(named=True)]
    return found


def point_of(row: Mapping[str, Any]) -> Point:
    return Point(
        row["time"], row["recorded"], value_in(row), row["source"], row["dataset"], row["operation"] == "delete"
    )


def count(connection: apsw.Connection, lake: Lake, type_: str, upto: int) -> int:
    """How many lines of a type the lake alone has, at most."""
    return earlier(connection, lake, type_, upto)[1]


def claims(
    connection: apsw.Connection, lake: Lake, type_: str, upto: int, tenant: str, entities: pl.DataFrame,
    rivals: Mapping[str, Sequence[str]],
) -> pl.DataFrame:  # fmt: skip
    """What the lake alone has of some attributes' rival sources about some entities, in the columns CLAIM.

    Beside each line its `key` and since when the claim is (microseconds); in the order of keys and commits.
    `entities`: columns key, entity and created (microseconds).
    """
    lines, _ = earlier(connection, lake, type_, upto)
    if lines is None or not entities.height:
        return none()
    sources = sorted({source for some in rivals.values() for source in some})
    wanted = lines.filter(
        pl.col("attribute").is_in(list(rivals)), pl.col("source").is_in(sources), pl.col("tenant") == tenant,
        pl.col("entity").is_between(pl.lit(entities["entity"].min()), pl.lit(entities["entity"].max())),
    )  # fmt: skip
    met = (
        wanted.select(*CLAIM, "time", "recorded")
        .join(entities.lazy(), on="entity", how="inner")
        .filter(pl.col("recorded").to_physical() >= pl.col("created"))
        .with_columns(since=pl.col("time").to_physical())
        .select(*CLAIM, *BESIDE)
        .sort("key", "commit", "ordinal")
    )
    return collected(lake, met)


def none() -> pl.DataFrame:
    return pl.DataFrame(schema={**CLAIM, **BESIDE})


def instances(claims_made: pl.DataFrame) -> pl.Series:
    """The instances of lines as JSON, as far as their values; null for deletions. As the journal's segments have it."""
    number = json_texts(claims_made["number"].to_arrow())
    whole = pc.cast(pc.if_else(fits(claims_made), claims_made["number"].to_arrow(), None), pa.int64()).cast(pa.string())
    text = json_texts(claims_made["text"].to_arrow().cast(pa.string()))
    frame = claims_made.select("form", "kind", "json", truth=pl.col("number") != 0).with_columns(
        number=pl.Series(number), whole=pl.Series(whole), text=pl.Series(text)
    )
    form = pl.col("form")
    value = (
        pl.when(form == "number").then(pl.col("number"))
        .when(form == "integer").then(pl.col("whole"))
        .when(form == "text").then(pl.col("text"))
        .when(form == "boolean").then(pl.when("truth").then(pl.lit("true")).otherwise(pl.lit("false")))
        .otherwise(pl.col("json"))
    )  # fmt: skip
    opening = pl.col("kind").replace_strict(MEMBERS, default=None, return_dtype=pl.String)
    return frame.select(instance=pl.concat_str(opening, value, pl.lit("}"))).to_series()


def fits(claims_made: pl.DataFrame) -> pa.Array:
    return (claims_made["form"] == "integer").fill_null(False).to_arrow()


def collected(lake: Lake, lines: pl.LazyFrame) -> pl.DataFrame:
    """The lines. Raises Damaged where a file of the lake is missing or broken, Unreachable where storage is."""
    with lake.told():
        return lines.collect(engine="streaming")
