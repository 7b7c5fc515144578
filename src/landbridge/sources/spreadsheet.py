"""Workbooks as a source: XLSX and ODS, their sheets as tables whose columns have the kind that their cells have.

A sheet is read in passes (merged cells, kinds of columns, rows), each a stream, so that memory does not grow with it. A
workbook from outside is refused where it is a bomb of zip or XML, before anything of it is expanded.
"""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from landbridge.errors import Invalid, InvalidSettings, Missing, TooMuch
from landbridge.sources.contract import Batch, Declaration, Reject
from landbridge.sources.declaration import Keys
from landbridge.sources.file import FileSource, file_source
from landbridge.sources.header import letter
from landbridge.sources.location import OPTIONS as LOCATION_OPTIONS
from landbridge.sources.location import File
from landbridge.sources.ods import CONTENT, OdsWorkbook
from landbridge.sources.record_table import declared_columns, fitted, kind_name
from landbridge.sources.sheet import (
    LOOKED_AT,
    Faults,
    Filler,
    Row,
    Workbook,
    as_text,
    column_array,
    find_head,
    header_names,
    kind_of,
)
from landbridge.sources.xlsx import XlsxWorkbook, relations
from landbridge.sources.xml_part import Archive

OPTIONS: dict[str, str] = LOCATION_OPTIONS | {
    "sheet": "the sheet's name, or its number from 1; default 1",
    "sheets": "several sheets as tables: a list of names, or `{areas = \"Sheet 2\"}` with the tables' names",
    "header": "the header's row from 1, `[2, 3]` for two whose texts are joined by a space, a column's name to find it"
    " by, or false (columns are A, B, C, ...); default: the first row that fills its columns",
    "below": "rows between the header and the data that are left out, such as units; default 0",
    "until": "the table ends before the row whose first cell begins with this text; \"\": before the first blank row",
    "merged": "'fill' (default): every cell of a merged range has its value; 'first': only the first one",
    "columns": "kinds of columns that are not to be guessed, such as {code = \"text\"}: text, double, integer, boolean",
    "max_cells": "cells that a sheet may have; default 20000000",
    "max_unpacked_megabytes": "size that a workbook may unpack to; default 1024",
}  # fmt: skip
ROWS = 16_384  # rows of one batch
OLD = b"\xd0\xcf\x11\xe0"
SHOWN = 10_000


@dataclass(frozen=True)
class Form:
    """What source.toml says of a workbook. `sheets`: table name to sheet's name or number."""

    sheets: Mapping[str, str | int]
    header: bool | int | str | tuple[int, int]
    below: int
    until: str | None
    fill: bool
    columns: Mapping[str, pa.DataType]
    most_cells: int
    most_bytes: int


def open_source(declaration: Declaration) -> FileSource:
    """A source of workbooks; raises InvalidSettings."""
    reader = Reader(read_form(declaration))
    return file_source(declaration, reader.read)


def read_form(declaration: Declaration) -> Form:
    """The declared layout; raises InvalidSettings."""
    where = f"{declaration.name}/source.toml"
    read = Keys(declaration.options, where)
    return Form(
        declared_sheets(read),
        declared_header(read),
        read.whole("below", 0, 0, 1_000) or 0,
        read.text("until", "") if "until" in declaration.options else None,
        read.choice("merged", ("fill", "first")) == "fill",
        declared_columns(declaration.options.get("columns", {}), where),
        read.whole("max_cells", 20_000_000, 1, 10**12) or 1,
        int(read.number("max_unpacked_megabytes", 1024, 0.001, 1_048_576) * 1_048_576),
    )


def declared_sheets(read: Keys) -> dict[str, str | int]:
    """Table names and their sheets; raises InvalidSettings."""
    options = read.keys
    if "sheet" in options and "sheets" in options:
        raise InvalidSettings("`sheet` and `sheets` are both given.", where=read.where, hint="Keep one of them.")
    if "sheets" not in options:
        sheet = read.of("sheet", 1, is_sheet, "a sheet's name in quotes, or its number from 1")
        return {"source": sheet}
    sheets = options["sheets"]
    if isinstance(sheets, list) and sheets and all(map(is_sheet, sheets)):
        sheets = {table_name(str(sheet)): sheet for sheet in sheets}
        if len(sheets) < len(options["sheets"]):
            raise InvalidSettings("Two of `sheets` make the same table.", where=read.where, hint="Name the tables.")
    if not isinstance(sheets, dict) or not sheets or not all(map(is_sheet, sheets.values())):
        raise read.wrong("sheets", 'a list of sheets, or a table such as {areas = "Sheet 2"}')
    return {table_name(table): sheet for table, sheet in sheets.items()}


def is_sheet(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool) and value not in ("", 0)


def table_name(sheet: str) -> str:
    """A sheet's name as a mapping can write it: what is no letter, digit, space, `$` or `-` becomes `_`."""
    name = re.sub(r"[^\w$ -]", "_", sheet)
    return name if re.match(r"\w", name) else f"_{name}"


def declared_header(read: Keys) -> bool | int | str | tuple[int, int]:
    """The option `header`; raises InvalidSettings."""
    value = read.keys.get("header", True)
    if isinstance(value, list) and len(value) == 2 and all(type(one) is int for one in value):
        if 1 <= value[0] <= value[1] <= value[0] + 9:
            return value[0], value[1]
    elif isinstance(value, bool) or (isinstance(value, str) and value) or (isinstance(value, int) and value >= 1):
        return value
    raise read.wrong("header", "a row's number, [first, last], a column's name, or false")


@dataclass(frozen=True)
class Reader:
    """Reads one workbook."""

    form: Form

    def read(self, file: File, notes: list[str]) -> Iterator[Batch]:
        """Yield the rows of the declared sheets; raises Invalid, Missing, Refused or TooMuch."""
        refuse_old(file)
        with Archive(file.path, file.name, self.form.most_bytes) as archive:
            book = open_workbook(archive, self.form.most_cells)
            found = [(table, find_sheet(book, sheet, file.name)) for table, sheet in self.form.sheets.items()]
            for table, sheet in found:
                alone = len(book.names) == 1
                origin = file.name if alone else f"{file.name} [{book.names[sheet]}]"
                yield from Table(book, sheet, self.form, origin, table).batches(notes)


def refuse_old(file: File) -> None:
    with file.path.open("rb") as opened:
        start = opened.read(4)
    if start == OLD:
        raise Invalid(
            "The file is an old workbook (.xls) or one with a password.",
            where=file.name,
            hint="Save it as XLSX or ODS without a password.",
        )
    if not start:
        raise Invalid("The file is empty.", where=file.name, hint="Was it written to its end?")


def open_workbook(archive: Archive, most_cells: int) -> Workbook:
    """The workbook of an archive; raises Invalid for any other archive."""
    if archive.has(CONTENT):
        return OdsWorkbook(archive, most_cells)
    book = relations(archive, "")[1].get("officeDocument", "xl/workbook.xml")
    if archive.has(book) and not book.endswith(".bin"):
        return XlsxWorkbook(archive, book)
    raise Invalid("The archive is no XLSX or ODS workbook.", where=archive.name, hint="Save it as XLSX or ODS.")


def find_sheet(book: Workbook, sheet: str | int, where: str) -> int:
    """The sheet's place; raises Missing, naming the sheets there are."""
    if isinstance(sheet, int):
        if 1 <= sheet <= len(book.names):
            return sheet - 1
    elif sheet in book.names:
        return book.names.index(sheet)
    else:
        near = [place for place, name in enumerate(book.names) if name.strip().lower() == sheet.strip().lower()]
        if len(near) == 1:
            return near[0]
    names = ", ".join(f"'{name}'" for name in book.names[:20]) or "none"
    wanted = f"'{sheet}'" if isinstance(sheet, str) else f"number {sheet}"
    raise Missing(f"The workbook has no sheet {wanted}; its sheets: {names}.", where=where, hint="Correct `sheet`.")


class Table:
    """One sheet as a table."""

    def __init__(self, book: Workbook, sheet: int, form: Form, origin: str, table: str) -> None:
        self.book, self.sheet, self.form, self.origin, self.table = book, sheet, form, origin, table
        self.merges = book.merged(sheet) if form.fill else []
        first = list(itertools.islice(book.rows(sheet, Faults()), LOOKED_AT))
        self.head = find_head(first, form.header, form.below, origin)
        self.before = sum(row.number < self.head.first for row in first)

    def rows(self, faults: Faults) -> Iterator[Row]:
        """The rows with their merged cells filled, from the header on, up to the declared end; raises TooMuch."""
        filler = Filler(self.merges, self.form.most_cells, self.origin)
        left = self.form.most_cells
        last = self.head.data - 1
        for row in self.book.rows(self.sheet, faults):
            left -= len(row.cells)
            if left < 0:
                raise TooMuch(
                    f"The sheet has more than {self.form.most_cells:,} cells.",
                    where=self.origin,
                    hint="If it should be that large, raise `max_cells` in source.toml.",
                )
            filled = filler.fill(row)
            if row.number >= self.head.data:
                if self.ends(row, last):
                    return
                last = row.number
            yield filled

    def ends(self, row: Row, last: int) -> bool:
        """Whether the table is over before this row."""
        until = self.form.until
        if until is None:
            return False
        if until == "":
            return row.number > last + 1
        return as_text(row.cells[min(row.cells)]).lstrip().startswith(until)

    def look(self, faults: Faults) -> tuple[list[str], list[int], list[pa.DataType]]:
        """The columns that have a header or a cell: their names, places and kinds."""
        head: dict[int, Row] = {}
        types: dict[int, set[type]] = {}
        for row in self.rows(faults):
            if self.head.first <= row.number <= self.head.last:
                head[row.number] = row
            elif row.number >= self.head.data:
                for column, value in row.cells.items():
                    found = types.get(column)
                    if found is None:
                        types[column] = {type(value)}
                    else:
                        found.add(type(value))
        headed = {column for row in head.values() for column in row.cells}
        if self.head.first and not headed:
            raise Invalid(f"The header's row {self.head.first} is blank.", where=self.origin, hint="Correct `header`.")
        places = sorted(headed | types.keys())
        width = max(places, default=-1) + 1
        names = (
            header_names(head, self.head, width, self.origin) if self.head.first else list(map(letter, range(width)))
        )
        kept = [names[place] for place in places]
        kinds = [
            self.form.columns.get(name) or kind_of(types.get(place, set()))
            for name, place in zip(kept, places, strict=True)
        ]
        self.check_declared(kept)
        return kept, places, kinds

    def check_declared(self, names: Sequence[str]) -> None:
        for name in self.form.columns:
            if name not in names:
                raise Invalid(
                    f"The sheet has no column '{name}'; its columns: {', '.join(names)[:400]}.",
                    where=self.origin,
                    hint="Correct `columns` or `header` in source.toml.",
                )

    def batches(self, notes: list[str]) -> Iterator[Batch]:
        """The table's rows in batches, at least one, perhaps empty."""
        faults = Faults()
        names, places, kinds = self.look(faults)
        self.note(faults, notes)
        rows = (row for row in self.rows(Faults()) if row.number >= self.head.data)
        yielded = False
        while part := list(itertools.islice(rows, ROWS)):
            yield self.batch(part, names, places, kinds)
            yielded = True
        if not yielded:
            yield self.batch([], names, places, kinds)

    def batch(self, rows: list[Row], names: list[str], places: list[int], kinds: list[pa.DataType]) -> Batch:
        rejects = []
        kept = rows
        if self.form.columns:
            kept = []
            declared = [(name, place) for name, place in zip(names, places, strict=True) if name in self.form.columns]
            for row in rows:
                reason = unfit(row, declared, self.form.columns)
                if reason is None:
                    kept.append(row)
                else:
                    content = {
                        n: as_text(row.cells[p])[:SHOWN] for n, p in zip(names, places, strict=True) if p in row.cells
                    }
                    rejects.append(Reject(f"{self.origin} row {row.number}", reason, content))
        arrays = []
        for name, place, kind in zip(names, places, kinds, strict=True):
            values: list[Any] = [row.cells.get(place) for row in kept]
            if name in self.form.columns and kind != pa.string():
                values = [None if value is None else fitted(value, kind) for value in values]
            arrays.append(column_array(values, kind))
        numbers = pa.array([row.number for row in kept], pa.int64())
        made = pa.RecordBatch.from_arrays(arrays, names=names)
        return Batch(made, self.table, self.origin, "row", numbers, tuple(rejects))

    def note(self, faults: Faults, notes: list[str]) -> None:
        if self.before and self.form.header is True:
            notes.append(f"{self.origin}: {self.before} row{'s' * (self.before > 1)} before the header left out.")
        if faults.missing:
            notes.append(
                f"{self.origin}: {faults.missing} formula cell{'s' * (faults.missing > 1)} without a stored value"
                f" ({', '.join(faults.uncounted)}): empty here; open and save the workbook in a spreadsheet program."
            )
        if faults.errors:
            cells = f"{faults.errors} cell{'s' * (faults.errors > 1)}"
            notes.append(f"{self.origin}: {cells} with an error such as #N/A: empty here.")


def unfit(row: Row, declared: Sequence[tuple[str, int]], columns: Mapping[str, pa.DataType]) -> str | None:
    """Why a row does not fit the declared kinds, or None."""
    for name, place in declared:
        value, kind = row.cells.get(place), columns[name]
        if value is not None and kind != pa.string() and fitted(value, kind) is None:
            return f"{name} is '{as_text(value)[:60]}', not {kind_name(kind)}"
    return None
