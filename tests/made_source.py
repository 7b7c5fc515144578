"""Sources and pools for the loop's tests: real folders, real mappings, and a kind whose steps a test decides."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from landbridge.governance.policy import Actor, Role
from landbridge.model.query import Has, Query
from landbridge.pool.pool import Pool
from landbridge.sources.contract import Batch, Cursor, Declaration
from landbridge.sources.declaration import read_declaration
from landbridge.store.sqlite import open_store

OPERATOR = Actor("test", Role.OPERATOR)
MAPPING = """select 'urn:ngsi-ld:Thing:' || code as id, 'Thing' as type, cast(size as double) as size,
       cast("at" as timestamptz) as "observedAt"
from source
"""


def folder_of(root: Path, name: str, rows: str, mapping: str = MAPPING, **keys: Any) -> Path:
    """A source's folder with a CSV file `things.csv`."""
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    given = {"kind": "csv", "location": "things.csv", **keys}
    (folder / "source.toml").write_text("".join(f"{key} = {toml(value)}\n" for key, value in given.items()))
    (folder / "mapping.sql").write_text(mapping)
    (folder / "things.csv").write_text(rows)
    return folder


def toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(one)}" for key, one in value.items()) + "}"
    return repr(value) if isinstance(value, int | float) else f'"{value}"'


def declared(folder: Path) -> Declaration:
    return read_declaration(folder)


def things(*rows: str) -> str:
    """CSV text with the columns code, size, at."""
    return "code,size,at\n" + "".join(f"{row}\n" for row in rows)


def opened(root: Path) -> Pool:
    return Pool(open_store(root / "pool.db"))


def sizes(pool: Pool, type_: str = "Thing") -> dict[str, Any]:
    """The current `size` of every thing, by the end of its id."""
    found: dict[str, Any] = {}
    query = Query(types=Has(type_), limit=1000)
    documents = pool.query(OPERATOR, query).documents
    for document in documents:
        instances = document["attrs"].get("size")
        found[document["id"].rsplit(":", 1)[1]] = instances[0]["value"] if instances else None
    return found


def history(pool: Pool, code: str) -> list[Any]:
    return [point.value for point in pool.series(OPERATOR, f"urn:ngsi-ld:Thing:{code}", "size")]


Step = Sequence[tuple[str, str, str]] | BaseException


@dataclass
class Steps:
    """A source that gives the batches of a list, one row each a tuple (code, size, at), or raises what stands there."""

    steps: list[Step]
    manner: str = "incremental"
    settled: list[int] = field(default_factory=list)
    asked: list[Cursor | None] = field(default_factory=list)
    before: Callable[[int], None] = lambda number: None
    stopped: bool = False

    def batches(self, cursor: Cursor | None) -> Iterator[Batch]:
        self.asked.append(cursor)
        done = int((cursor or {}).get("done", 0))
        for number in itertools.count(done):
            if number >= len(self.steps) or self.stopped:
                return
            step = self.steps[number]
            self.before(number)
            if isinstance(step, BaseException):
                self.steps[number] = []
                raise step
            columns = [list(column) for column in zip(*step, strict=True)] or [[], [], []]
            rows = pa.RecordBatch.from_arrays([pa.array(c, pa.string()) for c in columns], names=["code", "size", "at"])
            yield Batch(
                rows, origin="steps", unit="message", cursor={"done": number + 1},
                settle=lambda number=number: self.settled.append(number),  # type: ignore[misc]
            )  # fmt: skip

    def stop(self) -> None:
        self.stopped = True
