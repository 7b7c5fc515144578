"""A source tried on its first rows, without a pool: what its mapping makes of them, and what it rejects.

The same reading and mapping as a pull has, up to where a pull would begin to write.
"""

import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from landbridge.errors import LandbridgeError
from landbridge.model.column import RowPlan, ValueColumn
from landbridge.model.instant import EPOCH, MICROSECOND, format_instant
from landbridge.sources.contract import Batch, Declaration, Noted, Source
from landbridge.sources.gather import Tell, gather, judge, start
from landbridge.sources.kind import find_kind
from landbridge.sources.secret import PLACE as VARIABLE

KEPT = 20_000  # mapped rows of each mapping that are looked at
WITHOUT_ROWS = frozenset({"push", "derived"})  # kinds whose rows come from callers or from the pool
OF_TABLES = frozenset({"gtfs", "gtfs-realtime", "spreadsheet", "several"})  # kinds that may have several tables
MEMBER = {
    "Property": "value",
    "GeoProperty": "value",
    "Relationship": "object",
    "LanguageProperty": "languageMap",
    "VocabProperty": "vocab",
    "JsonProperty": "json",
    "ListProperty": "valueList",
    "ListRelationship": "objectList",
}


@dataclass(frozen=True)
class MappedRows:
    """Rows of one mapping file, in its columns' words."""

    mapping: str
    plan: RowPlan
    rows: Sequence[Mapping[str, Any]]


@dataclass
class Preview:
    """What became of a source's first rows. `read` is None where no row was asked for."""

    read: int | None = None
    whole: bool = True  # everything was read
    mapped: list[MappedRows] = field(default_factory=list)
    made: int = 0
    rejects: Counter[str] = field(default_factory=Counter)
    expectations: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    failure: LandbridgeError | None = None

    def entities(self, count: int) -> list[dict[str, Any]]:
        """The first entities that differ in id, `count` of each mapping file."""
        found: list[dict[str, Any]] = []
        for part in self.mapped:
            seen: set[object] = set()
            for row in part.rows:
                if row["id"] not in seen and len(seen) < count:
                    seen.add(row["id"])
                    found.append(entity(part.plan, row))
        return found


class Limit:
    """Passes on so many rows of each table; 0 is without limit."""

    def __init__(self, rows: int, *, several: bool) -> None:
        self.rows = rows
        self.several = several  # further tables may follow
        self.cut = False
        self.given: Counter[str] = Counter()

    def of(self, source: Source) -> Iterator[Batch]:
        for batch in source.batches(None):
            left = self.rows - self.given[batch.table] if self.rows else batch.rows.num_rows + 1
            if batch.rows.num_rows < left:
                self.given[batch.table] += batch.rows.num_rows
                yield batch
                continue
            self.cut = True
            if left:
                numbers = batch.numbers.slice(0, left) if batch.numbers is not None else None
                yield replace(batch, rows=batch.rows.slice(0, left), numbers=numbers)
                self.given[batch.table] += left
            if not self.several:
                return


def try_source(declaration: Declaration, rows: int, tell: Tell) -> Preview:
    """Read and map the first `rows` rows of a source (0: all); what goes wrong is in the answer's `failure`."""
    preview = Preview()
    if declaration.kind in WITHOUT_ROWS or unset_variables(declaration):
        return preview
    try:
        source = find_kind(declaration.kind)(declaration)
        if source.manner == "stream":
            return preview
        with tempfile.TemporaryDirectory(prefix="landbridge-") as folder:
            look(preview, declaration, source, Path(folder), rows, tell)
    except LandbridgeError as error:
        preview.failure = error
    return preview


def unset_variables(declaration: Declaration) -> list[str]:
    """Variables that the source's options name and the environment does not have."""
    named = VARIABLE.findall(orjson.dumps(dict(declaration.options), default=str).decode())
    return sorted({name for name in named if not os.environ.get(name)})


def look(preview: Preview, declaration: Declaration, source: Source, folder: Path, rows: int, tell: Tell) -> None:
    """Fill the preview; raises what the source, the mapping or the judge raises."""
    limit, pull = Limit(rows, several=declaration.kind in OF_TABLES), start(declaration, folder)
    preview.read = 0
    try:
        gather(pull, limit.of(source), None, tell)
    finally:
        for spool in (pull.rows, pull.mapped, pull.rejects.file):
            if spool is not None:
                spool.close()
        preview.read, preview.whole = pull.read, not limit.cut
        preview.notes = tuple(source.notes) if isinstance(source, Noted) else ()
    preview.made, preview.rejects = pull.mapped.rows, pull.reasons
    preview.expectations = pull.results
    left = dict[str, int]()
    judge(pull)
    for chunk in pull.mapped.chunks(KEPT):
        wanted = max(0, KEPT - left.get(chunk.mapping, 0))
        left[chunk.mapping] = left.get(chunk.mapping, 0) + chunk.rows.num_rows
        if wanted:
            preview.mapped.append(MappedRows(chunk.mapping, chunk.plan, chunk.rows.slice(0, wanted).to_pylist()))


def entity(plan: RowPlan, row: Mapping[str, Any]) -> dict[str, Any]:
    """A mapped row as the NGSI-LD entity that it makes."""
    made: dict[str, Any] = {"id": row["id"], "type": row["type"]}
    if plan.scope and row.get("scope") is not None:
        made["scope"] = row["scope"]
    for columns in plan.attributes:
        if row.get(columns.value.column) is None:
            continue
        instance = value(columns.value, row)
        observed = row.get(columns.observed_at or "") or (row.get("observedAt") if plan.observed_at else None)
        if observed is not None:
            instance["observedAt"] = format_instant((observed - EPOCH) // MICROSECOND)
        if columns.dataset_id and row.get(columns.dataset_id):
            instance["datasetId"] = row[columns.dataset_id]
        for sub in columns.subs:
            if row.get(sub.column) is not None:
                instance[sub.name] = value(sub, row)
        made[columns.name] = instance
    return made


def value(column: ValueColumn, row: Mapping[str, Any]) -> dict[str, Any]:
    """One value with its kind and unit."""
    cell = row[column.column]
    if column.reading != "plain" and isinstance(cell, str):
        cell = orjson.loads(cell)
    made = {"type": column.kind, MEMBER[column.kind]: cell}
    if column.unit_code and row.get(column.unit_code):
        made["unitCode"] = row[column.unit_code]
    return made
