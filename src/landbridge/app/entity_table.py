"""Entities as a table that may be larger than memory: columns are known once all have been seen.

Pages wait in a file as they come, with the columns that they have; then they are read again, each with all columns and
the types that fit all (see `frame` for what the columns are).
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from landbridge.app.frame import arrow
from landbridge.history.table_form import Shape
from landbridge.model.answer import Document
from landbridge.model.entity import value_of

PAGE = 2_000  # entities of one part


class EntityTable:
    """A table of entities in a file; `name` turns a stored name into the one to show."""

    def __init__(self, path: Path, documents: Iterable[Document], name: Callable[[str], str]) -> None:
        self.path, self.name = path, name
        self.types: dict[str, pa.DataType] = {"id": pa.string(), "type": pa.string()}
        self.nested: set[str] = set()  # columns that hold JSON, and nothing else
        self.mixed: set[str] = set()
        self.parts = 0
        self.write(documents)

    def write(self, documents: Iterable[Document]) -> None:
        with self.path.open("wb") as file:
            held: list[Document] = []
            for document in documents:
                held.append(document)
                if len(held) == PAGE:
                    self.add(file, held)
                    held = []
            if held:
                self.add(file, held)

    def add(self, file: Any, documents: list[Document]) -> None:
        """Keep a page, and what its columns hold."""
        rows = arrow(documents, self.name)
        for field in rows.schema:
            known = self.types.get(field.name)
            self.types[field.name] = field.type if known is None else wider(known, field.type)
        for document in documents:
            for attribute, instances in document["attrs"].items():
                nested = isinstance(value_of(instances[0]), dict | list)
                (self.nested if nested else self.mixed).add(self.name(attribute))
        with pa.ipc.new_stream(file, rows.schema) as writer:
            writer.write_table(rows)
        self.parts += 1

    @property
    def schema(self) -> pa.Schema:
        """All columns, `id` and `type` first, then by name; of a column that never had a value, texts."""
        first = ("id", "type")
        names = [*first, *sorted(name for name in self.types if name not in first)]
        return pa.schema(
            [(name, pa.string() if pa.types.is_null(type_ := self.types[name]) else type_) for name in names]
        )

    @property
    def shape(self) -> Shape:
        json = frozenset(self.nested - self.mixed)
        return Shape(json, "location" if "location" in json else next(iter(sorted(json)), None))

    def pieces(self) -> Iterator[pa.Table]:
        """The pages again, with all columns."""
        schema = self.schema
        with self.path.open("rb") as file:
            for _ in range(self.parts):
                rows = pa.ipc.open_stream(file).read_all()
                columns = [
                    rows.column(field.name).cast(field.type)
                    if field.name in rows.column_names
                    else pa.nulls(rows.num_rows, field.type)
                    for field in schema
                ]
                yield pa.Table.from_arrays(columns, schema=schema)


def wider(known: pa.DataType, other: pa.DataType) -> pa.DataType:
    """The type that holds what both hold: numbers together, else text."""
    if known == other or pa.types.is_null(other):
        return known
    if pa.types.is_null(known):
        return other
    numeric = (pa.int64(), pa.float64())
    return pa.float64() if known in numeric and other in numeric else pa.string()
