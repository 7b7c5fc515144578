"""NGSI-LD entities in files (JSON, JSON-LD, JSON Lines): normalized, concise or simplified (keyValues), mixed as well.

An entity is a row whose columns have the names that a mapping gives them, so that a mapping which passes entities on
is a list of columns: `select id, 'Alert' as type, severity, "location.geojson", "refArea.object" from source`.
`pm25` is a Property, `pm25.unitCode` its unit, `pm25.observedAt` its time; see `ngsild_row` for all of them. Names are
those of the file: its own @context is not applied, the city's is. A file is read twice, a piece at a time: once for
the columns that its entities have between them, once for the rows.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import orjson
import pyarrow as pa

from landbridge.errors import Invalid
from landbridge.sources import location
from landbridge.sources.contract import Batch, Declaration, Reject, Source
from landbridge.sources.declaration import Keys
from landbridge.sources.encoding import utf8_pieces
from landbridge.sources.file import file_source
from landbridge.sources.json_scanner import Scanner
from landbridge.sources.location import File
from landbridge.sources.ngsild_row import Columns, Row, rows_of

OPTIONS: dict[str, str] = {
    **location.OPTIONS,
    "path": "where the entities are in the document, such as `data` in a notification; default: the document",
    "relationships": "attributes of simplified (keyValues) entities that are Relationships; nothing else tells them",
    "attributes": 'columns that are there even where no entity has them, such as ["pm25.unitCode"]',
}
BATCH_ROWS, BATCH_BYTES = 10_000, 4_194_304
KEPT = 4_096  # characters of a broken entity that go with its reject


def open_source(declaration: Declaration) -> Source:
    """Open files of entities; raises InvalidSettings."""
    keys = Keys(declaration.options, f"{declaration.name}/source.toml")
    path, relationships = keys.text("path", ""), frozenset(keys.texts("relationships"))
    columns = Columns(keys.texts("attributes"))

    def read(file: File, notes: list[str]) -> Iterator[Batch]:
        return Entities(file, notes, path, relationships, columns).batches()

    return file_source(declaration, read)


class Entities:
    """One file."""

    def __init__(
        self, file: File, notes: list[str], path: str, relationships: frozenset[str], columns: Columns
    ) -> None:
        self.file = file
        self.notes = notes
        self.path = path
        self.relationships = relationships
        self.columns = columns
        self.left: Counter[str] = Counter()  # what a row cannot say, and how often

    def batches(self) -> Iterator[Batch]:
        """Yield the entities' rows; an entity that is none, or does not fit the others, is a reject."""
        for _, text in self.texts():
            try:
                for row in self.flat(text):
                    self.columns.learn(row)
            except Invalid:
                continue  # told when it is read again
        self.columns.settle(self.file.name)
        self.notes += [f"{self.file.name}: {said} ({count} times)." for said, count in self.left.items()]
        rows: list[Row] = []
        numbers: list[int] = []
        rejects: list[Reject] = []
        size = 0
        done = 0
        for done, (number, text) in enumerate(self.texts(), start=1):  # noqa: B007
            size += len(text)
            try:
                fitting = [self.columns.fitted(row) for row in self.flat(text)]
                rows += fitting
                numbers += [number] * len(fitting)
            except Invalid as error:
                kept = {"entity": text[:KEPT].decode("utf-8", "replace")}
                rejects.append(Reject(f"{self.file.name} entity {number}", error.message, kept))
            if len(rows) + len(rejects) >= BATCH_ROWS or size >= BATCH_BYTES:
                yield self.batch(rows, numbers, rejects)
                rows, numbers, rejects, size = [], [], [], 0
        if rows or rejects or not done:
            yield self.batch(rows, numbers, rejects)

    def batch(self, rows: list[Row], numbers: list[int], rejects: list[Reject]) -> Batch:
        counted = pa.array(numbers, pa.int64())
        return Batch(self.columns.arrow(rows), "source", self.file.name, "entity", counted, tuple(rejects))

    def texts(self) -> Iterator[tuple[int, bytes]]:
        """Each entity's text, with its number in the file from 1."""
        scanner = Scanner(utf8_pieces(self.file.path, "utf-8", self.file.name, True), self.file.name)
        if self.path or scanner.peek() != b"{":
            yield from enumerate(scanner.records(self.path.split(".") if self.path else []), start=1)
            scanner.end()
        else:
            yield from enumerate(scanner.sequence(), start=1)

    def flat(self, text: bytes) -> list[Row]:
        """An entity's rows: one, and a further one for each further instance of an attribute; raises Invalid."""
        try:
            entity: Any = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise Invalid(f"The entity is no JSON: {str(error).split(': line')[0]}.") from None
        return rows_of(entity, self.relationships, self.left)
