"""The lake as docs/lake.md tells it: its columns are those of the tables, and each example gives what stands."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from filling import DAYS, Filled, row
from landbridge.history.lake import SCHEMA, folder_of

PAGE = (Path(__file__).parents[2] / "docs" / "lake.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
TYPES = {
    pa.string(): "string",
    pa.date32(): "date",
    pa.timestamp("us", "UTC"): "timestamp, UTC, microseconds",
    pa.bool_(): "boolean",
    pa.int64(): "long",
    pa.int32(): "integer",
    pa.float64(): "double",
}


def test_the_columns_are_those_of_the_tables() -> None:
    told = re.findall(r"^\| `(\w+)` \| ([\w, ]+?) \|", PAGE, re.M)
    assert told == [(field.name, TYPES[field.type]) for field in SCHEMA]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A table of two entities of which one value was corrected."""
    home = tmp_path_factory.mktemp("lake")
    city = Filled(home)
    rows = [row("a", DAYS[0], 1.0), row("a", DAYS[1], 2.0), row("b", DAYS[0], 5.0)]
    city.fill(rows)
    city.fill([row("a", DAYS[0], 1.5), *rows[1:]])
    city.close()
    return str(home / "history" / folder_of("T"))


FIRST, SECOND = datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 2, tzinfo=UTC)
MEANS = [("urn:x:a", FIRST, 1.5), ("urn:x:a", SECOND, 2.0), ("urn:x:b", FIRST, 5.0)]


def sections() -> dict[str, list[str]]:
    """The examples by the library of their heading."""
    parts = re.split(r"^## (.*)$", PAGE, flags=re.M)
    return {
        name: EXAMPLE.findall(text) for name, text in zip(parts[1::2], parts[2::2], strict=True) if EXAMPLE.search(text)
    }


def rows_of(table: Any) -> list[tuple[Any, ...]]:
    if isinstance(table, duckdb.DuckDBPyRelation):
        return table.fetchall()
    if hasattr(table, "rows"):
        found: list[tuple[Any, ...]] = table.rows()
        return found
    return [(*index, value) for index, value in table.items()]


def run(example: str, folder: str) -> list[tuple[Any, ...]]:
    told: dict[str, Any] = {"folder": folder, "attribute": "n", "print": lambda table: None}
    exec(example, told)
    return [(entity, moment_of(hour), mean) for entity, hour, mean in rows_of(told["table"])]


def moment_of(hour: Any) -> datetime:
    found: datetime = hour.to_pydatetime() if hasattr(hour, "to_pydatetime") else hour
    return found.astimezone(UTC)


def test_polars(folder: str) -> None:
    (example,) = sections()["polars"]
    assert run(example, folder) == MEANS


def test_pandas(folder: str) -> None:
    (example,) = sections()["pandas"]
    assert run(example, folder) == MEANS


def test_duckdb(folder: str) -> None:
    """The example with DuckDB's own extension differs from the other in nothing but how it names the files."""
    scanned, listed = sections()["DuckDB"]
    assert run(listed, folder) == MEANS
    query: Callable[[str], str] = lambda text: text[text.index("with lines") :]  # noqa: E731 - a word for here
    assert query(scanned) == query(listed).replace("read_parquet({files})", "delta_scan('{folder}')")
