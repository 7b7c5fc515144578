"""Runs a mapping's text over rows through the real child process, as the loop does."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from landbridge.sources.contract import Declaration
from landbridge.sources.mapping.mapper import Mapped, Mapper, open_mapper


@dataclass
class Outcome:
    """What came out: rows with their columns, (row number, reason) of rejects, which batch each part was of."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    rejects: list[tuple[int, str]] = field(default_factory=list)
    parts: list[Mapped] = field(default_factory=list)

    def take(self, parts: Iterable[Mapped]) -> None:
        for part in parts:
            self.parts.append(part)
            self.rows += part.rows.to_pylist()
            self.rejects += [(one.row, one.reason) for one in part.rejects]

    def column(self, name: str) -> list[Any]:
        return [row[name] for row in self.rows]


def declare(folder: Path, text: str | dict[str, str], **keys: Any) -> Declaration:
    """A source's folder with its mapping, or several of them by name."""
    if isinstance(text, str):
        (folder / "mapping.sql").write_text(text, encoding="utf-8")
    else:
        (folder / "mapping").mkdir(exist_ok=True)
        for name, one in text.items():
            (folder / "mapping" / f"{name}.sql").write_text(one, encoding="utf-8")
    return Declaration("register", "csv", folder, {}, **keys)


def numbered(columns: dict[str, list[Any]], first: int = 0) -> pa.Table:
    rows = len(next(iter(columns.values())))
    return pa.table({**columns, "_row": pa.array(range(first, first + rows), pa.int64())})


def mapped(
    folder: Path,
    text: str | dict[str, str],
    columns: dict[str, list[Any]],
    *,
    size: int = 1_000,
    whole: bool = True,
    look: Callable[[Mapper], None] = lambda mapper: None,
    **keys: Any,
) -> Outcome:
    """Map the rows of the table `source` in batches of `size`."""
    outcome = Outcome()
    with open_mapper(declare(folder, text, **keys), whole=whole) as mapper:
        for batch in numbered(columns).to_batches(max_chunksize=size):
            outcome.take(mapper.feed("source", batch))
        outcome.take(mapper.finish() if whole else mapper.flush())
        look(mapper)
    return outcome


def one(expression: str, name: str = "v") -> str:
    """A mapping whose attribute `v` is an expression over the column `x`."""
    return f"select 'urn:x:' || _row as id, 'Thing' as type, {expression} as \"{name}\" from source"
