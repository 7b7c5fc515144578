"""CSV and TSV files as a source: every cell as text, an empty one as NULL, each row with its line in the file.

The text is cut into stretches of whole records, and Arrow cuts these into cells; no more than a few MiB are held,
however large the file. What cannot be a row (cells too many or too few, a NUL character) is a reject with its line and
content.
"""

import csv
import io
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from landbridge.errors import Invalid
from landbridge.sources import csv_layout
from landbridge.sources.contract import Batch, Declaration, Reject
from landbridge.sources.csv_layout import Form, Layout, find_layout, read_form, reading
from landbridge.sources.csv_record import Stretch, record_ends, stretches
from landbridge.sources.encoding import detect_encoding, utf8_pieces
from landbridge.sources.file import FileSource, file_source
from landbridge.sources.header import column_names, letter
from landbridge.sources.location import OPTIONS as LOCATION_OPTIONS
from landbridge.sources.location import File

OPTIONS: dict[str, str] = LOCATION_OPTIONS | csv_layout.OPTIONS
SIZE = 2_097_152  # bytes read at once: they drive the memory, and the rows of a batch
SHOWN = 10_000  # characters of a row that a reject keeps
ZIP = b"PK\x03\x04"


def open_source(declaration: Declaration) -> FileSource:
    """A source of CSV files; raises InvalidSettings."""
    reader = Reader(read_form(declaration), keeps=not declaration.never_store)
    return file_source(declaration, reader.read)


@dataclass(frozen=True)
class Reader:
    """Reads one file. `keeps`: a row that cannot be cut into its columns may be kept as it is."""

    form: Form
    keeps: bool = True

    def read(self, file: File, notes: list[str]) -> Iterator[Batch]:
        """Yield the file's rows as batches of text columns; raises Invalid or TooMuch with the line."""
        form, declared = self.form, self.form.encoding is not None
        encoding = form.encoding or detect_encoding(file.path)
        if not declared and encoding != "utf-8":
            notes.append(f"{file.name}: encoding detected: {encoding}.")
        pieces = utf8_pieces(file.path, encoding, file.name, declared, SIZE)
        first = next(pieces, b"")
        refuse_other(first, file)
        layout, found = find_layout(
            first.decode("utf-8", "ignore"), form, file.name, Path(file.name).suffix.lower() in (".tsv", ".tab")
        )
        notes += found
        lines = without_lines(itertools.chain([first], pieces), layout.skip)
        cut = stretches(lines, layout.delimiter, form.quotes, file.name, layout.skip + 1)
        yield from self.table(file, cut, layout)

    def table(self, file: File, cut: Iterator[Stretch], layout: Layout) -> Iterator[Batch]:
        """The batches of the stretches: the first record names the columns."""
        form = self.form
        wanted = form.below + (form.header is not False)
        head: list[bytes] = []
        names: list[str] | None = None
        empty = True
        for part in cut:
            if len(head) < wanted:
                taken, part = split_head(part, wanted - len(head), layout.delimiter, form.quotes)
                head += taken
                if len(head) < wanted and not part.tail:
                    continue
            names = names or self.names(head, layout, file)
            yield Cutter(tuple(names), form, layout, file, self.keeps).batch(part)
            empty = False
        if empty:
            if not head and form.header is not False:
                raise Invalid(
                    "The file has no header.", where=file.name, hint="Is it complete? Or is `skip` too large?"
                )
            yield Cutter(tuple(self.names(head, layout, file)), form, layout, file).batch(
                Stretch(b"", np.empty(0, int))
            )

    def names(self, head: list[bytes], layout: Layout, file: File) -> list[str]:
        """The columns' names: declared, of the header's record, or letters."""
        form, where = self.form, f"{file.name} line {layout.skip + 1}"
        if form.header is False or not head:
            if not head and form.header is not False:
                raise Invalid("The header has a quote that is never closed.", where=where, hint="Give quotes = false?")
            return list(form.names) or [letter(place) for place in range(layout.width)]
        text = head[0].decode("utf-8", "replace")
        try:
            cells = next(csv.reader(io.StringIO(text, newline=""), **reading(layout.delimiter, form.quotes)), [])
        except csv.Error as error:
            raise Invalid(f"The header cannot be read: {error}.", where=where, hint="Is the delimiter right?") from None
        if form.names and len(form.names) != len(cells):
            raise Invalid(
                f"`names` has {len(form.names)} names and the header {len(cells)} cells.",
                where=where,
                hint="Name every column.",
            )
        return list(form.names) or column_names(cells, where)


@dataclass(frozen=True)
class Cutter:
    """Cuts stretches into the columns `names`."""

    names: tuple[str, ...]
    form: Form
    layout: Layout
    file: File
    keeps: bool = True

    def batch(self, part: Stretch) -> Batch:
        """One stretch as a batch; rows that do not fit the columns are its rejects."""
        ragged: list[Any] = []

        def put_aside(row: Any) -> str:
            ragged.append(row)
            return "skip"

        try:
            table = self.cut(part.text, put_aside)
        except pa.ArrowInvalid as error:
            line = int(part.lines[0]) if part.lines.size else 1
            raise Invalid(
                f"The rows from here on cannot be read: {error}.", where=f"{self.file.name} line {line}"
            ) from None
        rejects = [self.ragged(row, int(part.lines[row.number - 1])) for row in ragged]
        lines = np.delete(part.lines, [row.number - 1 for row in ragged])
        if b"\0" in part.text:
            table, lines, more = self.without_nul(table, lines)
            rejects += more
        if part.tail:
            rejects.append(self.unclosed(part))
        return Batch(one_batch(table), "source", self.file.name, "line", pa.array(lines, pa.int64()), tuple(rejects))

    def cut(self, text: bytes, put_aside: Any) -> pa.Table:
        """The cells as text columns."""
        names, quotes = list(self.names), self.form.quotes and b'"' in text
        if not text.strip(b"\r\n"):
            return pa.table({name: pa.array([], pa.string()) for name in names})
        return pa.csv.read_csv(
            pa.BufferReader(text),
            read_options=pa.csv.ReadOptions(column_names=names, use_threads=False, block_size=len(text) + 1),
            parse_options=pa.csv.ParseOptions(
                delimiter=self.layout.delimiter,
                quote_char='"' if quotes else False,
                newlines_in_values=quotes,
                invalid_row_handler=put_aside,
            ),
            convert_options=pa.csv.ConvertOptions(
                check_utf8=False,  # the text was encoded here
                column_types=dict.fromkeys(names, pa.string()),
                strings_can_be_null=True,
                null_values=["", *self.form.null],
            ),
        )

    def ragged(self, row: Any, line: int) -> Reject:
        """A row with too many or too few cells."""
        reason = f"the row has {row.actual_columns} cells and the header {row.expected_columns}"
        return self.reject(line, reason, {"text": row.text[:SHOWN]})

    def reject(self, line: int, reason: str, content: dict[str, object]) -> Reject:
        return Reject(f"{self.file.name} line {line}", reason, content if self.keeps else {})

    def without_nul(self, table: pa.Table, lines: Any) -> tuple[pa.Table, Any, list[Reject]]:
        """The rows without a NUL character, and the others as rejects: no text of the pool can hold one."""
        bad = np.zeros(table.num_rows, bool)
        for column in table.columns:
            bad |= pc.fill_null(pc.match_substring(column, "\0"), False).to_numpy(zero_copy_only=False)
        rejects = []
        for place in np.flatnonzero(bad).tolist():
            row = {name: shown(text) for name, text in table.slice(place, 1).to_pylist()[0].items()}
            reason = "a cell holds a NUL character"
            rejects.append(Reject(f"{self.file.name} line {lines[place]}", reason, row))
        return table.filter(pa.array(~bad)), lines[~bad], rejects

    def unclosed(self, part: Stretch) -> Reject:
        """The last line with a quote that is never closed; raises Invalid where it swallowed more than its line."""
        where = f"{self.file.name} line {part.tail_line}"
        swallowed = len(part.tail.strip(b"\r\n").splitlines()) - 1
        if swallowed:
            raise Invalid(
                f"A quote that opens in this row is never closed, so {swallowed} more lines cannot be told apart.",
                where=where,
                hint="Mend the row, or give quotes = false where quotes are plain characters.",
            )
        text = part.tail.decode("utf-8", "replace").rstrip("\r\n")
        return self.reject(part.tail_line, "a quote that opens in this row is never closed", {"text": text[:SHOWN]})


def shown(text: str | None) -> str | None:
    """A cell as a reject keeps it: bounded, its NULs visible."""
    return None if text is None else text[:SHOWN].replace("\0", "␀")


def one_batch(table: pa.Table) -> pa.RecordBatch:
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)


def refuse_other(first: bytes, file: File) -> None:
    """Raise Invalid for a file that is empty or no text."""
    if not first.strip():
        raise Invalid("The file is empty.", where=file.name, hint="Was it written to its end?")
    with file.path.open("rb") as opened:
        if opened.read(4) == ZIP:
            hint = 'A workbook is read by kind = "spreadsheet"; unpack any other archive.'
            raise Invalid("The file is a zip archive and no CSV.", where=file.name, hint=hint)


def without_lines(pieces: Iterable[bytes], count: int) -> Iterator[bytes]:
    """The pieces of text without their first `count` lines."""
    rest, left = b"", count
    for piece in pieces:
        rest += piece
        while left and (end := line_end(rest)) is not None:
            rest, left = rest[end:], left - 1
        if not left:
            yield rest
            rest = b""
        elif len(rest) > SIZE:
            rest = rest[-1:]  # a line longer than that: only its end counts
    if rest and not left:
        yield rest


def line_end(text: bytes) -> int | None:
    """Where the first line ends; None where that is not known yet."""
    feed, back = text.find(b"\n"), text.find(b"\r")
    if back >= 0 and (feed < 0 or back < feed):
        if back == len(text) - 1:
            return None
        return back + (2 if feed == back + 1 else 1)
    return feed + 1 if feed >= 0 else None


def split_head(part: Stretch, count: int, delimiter: str, quoting: bool) -> tuple[list[bytes], Stretch]:
    """Take the first `count` records off a stretch, empty lines apart."""
    ends, _ = record_ends(part.text, delimiter, quoting, last=True)
    head: list[bytes] = []
    place = 0
    for content, following, _ in ends.tolist():
        if len(head) == count:
            break
        if content > place:
            head.append(part.text[place:content])
        place = following
    return head, Stretch(part.text[place:], part.lines[len(head) :], part.tail, part.tail_line)
