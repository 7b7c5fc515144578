"""A source made of files: what every kind of file shares, so that a kind is only a reader of one file.

A pull is whole: it reads every file or, where none changed since the cursor, none. Its last batch carries the
cursor. Editions of one register are pulls of their own, by date, each with the column `_edition`.
"""

import datetime
import itertools
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from landbridge.errors import InvalidSettings
from landbridge.sources.contract import Batch, Cursor, Declaration, Edition
from landbridge.sources.location import File, Location, read_location

EDITION = "_edition"
Read = Callable[[File, list[str]], Iterator[Batch]]  # reads one file; adds notes


@dataclass
class FileSource:
    """Some files read as one whole pull."""

    location: Location | None
    read: Read
    dated: tuple[tuple[datetime.date, Location], ...] = ()
    date: datetime.date | None = None
    manner: str = "whole"
    notes: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def editions(self) -> list[Edition]:
        """The declared editions by date."""
        return [Edition(date, FileSource(place, self.read, (), date)) for date, place in self.dated]

    def batches(self, cursor: Cursor | None) -> Iterator[Batch]:
        """Yield every file's rows; nothing where no file changed. Of editions, one after the other."""
        self.notes.clear()
        if self.location is None:
            for edition in self.editions():
                for batch in edition.source.batches(cursor):
                    cursor = batch.cursor or cursor
                    yield batch
            return
        seen = self.seen(cursor)
        if seen is PASSED:
            return
        with self.location.files(seen) as (files, marks):
            yield from self.with_cursor(self.rows(files), self.cursor(marks))

    def seen(self, cursor: Cursor | None) -> Any:
        """The marks of the last pull; PASSED where this edition is older than what was pulled."""
        if cursor is None:
            return None
        if self.date is not None:
            last = str(cursor.get("edition", ""))
            if last > self.date.isoformat():
                self.notes.append(f"The edition of {self.date} is older than that of {last}: it was left out.")
                return PASSED
            if last != self.date.isoformat():
                return None
        return cursor.get("files")

    def cursor(self, marks: dict[str, Any]) -> Cursor:
        """What lets the next pull find out that nothing changed."""
        return {"files": marks} | ({"edition": self.date.isoformat()} if self.date else {})

    def with_cursor(self, batches: Iterator[Batch], cursor: Cursor) -> Iterator[Batch]:
        """The batches, the cursor on the last: only a pull that came to its end may be gone on from."""
        held: Batch | None = None
        for batch in batches:
            if held is not None:
                yield held
            held = batch
        if held is not None:
            yield held if self.ended.is_set() else replace(held, cursor=cursor)

    def rows(self, files: list[File]) -> Iterator[Batch]:
        """The batches of all files, one after the other, with the columns that the files have between them."""
        together = columns_together(self.read, files) if len(files) > 1 else {}
        first: dict[str, tuple[str, list[str]]] = {}  # by table: the file that was read first and its columns
        for file in files:
            compared: set[str] = set()
            for batch in self.read(file, self.notes):
                if self.ended.is_set():
                    return
                if batch.table not in compared:
                    compared.add(batch.table)
                    columns = batch.rows.schema.names
                    self.compare(file.name, columns, *first.setdefault(batch.table, (file.name, columns)))
                batch = conformed(batch, together.get(batch.table))
                yield batch if self.date is None else dated(batch, self.date)

    def compare(self, file: str, columns: list[str], first: str, expected: list[str]) -> None:
        """Note which columns of the first file another lacks: a header was renamed, or a column is gone."""
        gone = [name for name in expected if name not in columns]
        if gone:
            named = ", ".join(gone[:20]) + (", ..." if len(gone) > 20 else "")
            self.notes.append(f"{file} lacks columns that {first} has: {named}.")

    def stop(self) -> None:
        """End `batches` at the next batch."""
        self.ended.set()


PASSED = object()


def columns_together(read: Read, files: Sequence[File]) -> dict[str, pa.Schema]:
    """By table, the columns of all files, told by the first batch of each: one file may lack what another has."""
    found: dict[str, dict[str, pa.Field]] = {}
    for file in files:
        batches = read(file, [])
        for batch in itertools.islice(batches, 1):
            known = found.setdefault(batch.table, {})
            for column in batch.rows.schema:
                first = known.setdefault(column.name.lower(), column)  # as SQL sees it
                known[column.name.lower()] = pa.field(first.name, wider(first.type, column.type))
        if isinstance(batches, Generator):
            batches.close()
    return {table: pa.schema(list(fields.values())) for table, fields in found.items()}


def wider(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """The type that holds the values of both: a number, else text."""
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    numbers = all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in (one, other))
    return pa.float64() if numbers else pa.string()


def conformed(batch: Batch, schema: pa.Schema | None) -> Batch:
    """The batch with these columns, those that it lacks as null; as it is where that cannot be."""
    if schema is None or batch.rows.schema.equals(schema):
        return batch
    columns = {name.lower(): column for name, column in zip(batch.rows.schema.names, batch.rows.columns, strict=True)}
    if len(columns) != batch.rows.num_columns or not columns.keys() <= {name.lower() for name in schema.names}:
        return batch
    try:
        arrays = [cast(columns.get(field.name.lower()), field.type, batch.rows.num_rows) for field in schema]
    except (pa.ArrowException, TypeError):
        return batch
    return replace(batch, rows=pa.RecordBatch.from_arrays(arrays, schema=schema))


def cast(column: pa.Array | None, kind: pa.DataType, length: int) -> pa.Array:
    if column is None:
        return pa.nulls(length, kind)
    if column.type == kind:
        return column
    return (column.storage if isinstance(column, pa.ExtensionArray) else column).cast(kind)


def dated(batch: Batch, date: datetime.date) -> Batch:
    """The batch with the column `_edition`."""
    column = pa.repeat(pa.scalar(date, pa.date32()), batch.rows.num_rows)
    rows = pa.RecordBatch.from_arrays([*batch.rows.columns, column], names=[*batch.rows.schema.names, EDITION])
    return replace(batch, rows=rows)


def file_source(declaration: Declaration, read: Read) -> FileSource:
    """A source of the declared files or editions; raises InvalidSettings."""
    declared = declaration.options.get("editions")
    if declared is None:
        return FileSource(read_location(declaration), read)
    where = f"{declaration.name}/source.toml"
    if "location" in declaration.options:
        raise InvalidSettings("`location` and `editions` are both given.", where=where, hint="Keep one of them.")
    if not isinstance(declared, list) or not declared:
        raise InvalidSettings("`editions` is no list.", where=where, hint="Write [[editions]] with `file` and `date`.")
    dates = sorted((edition_of(one, where) for one in declared), key=lambda pair: pair[0])
    for (earlier, _), (later, _) in itertools.pairwise(dates):
        if earlier == later:
            raise InvalidSettings(f"Two editions have the date {earlier}.", where=where, hint="Give each its own.")
    return FileSource(None, read, tuple((date, read_location(declaration, (file,))) for date, file in dates))


def edition_of(value: Any, where: str) -> tuple[datetime.date, str]:
    """The date and the file of one `[[editions]]`; raises InvalidSettings."""
    if not isinstance(value, dict) or set(value) != {"file", "date"} or not isinstance(value["file"], str):
        raise InvalidSettings("An edition needs exactly `file` and `date`.", where=where)
    date = value["date"]
    try:
        read = datetime.date.fromisoformat(str(date))
    except ValueError:
        raise InvalidSettings(
            f"The edition '{value['file']}' has the date {date!s:.40}.", where=where, hint="Write it as 2024-03-31."
        ) from None
    return read, value["file"]
