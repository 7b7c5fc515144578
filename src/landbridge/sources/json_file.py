"""JSON and JSON Lines files as a source: the records at a path, their keys as columns.

A record streams through whatever the file's size; two passes make each column of one kind (integer, double, boolean or
text) from the first row to the last. A nested object or list is a column of JSON text: the mapping reaches into it with
`r.position->>'$.lat'` or `r.sensors->'$[0]'`. JSON knows no NaN and no Infinity: a file that has them is refused with
the line, of JSON Lines only the line is.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from landbridge.errors import TooMuch
from landbridge.sources.contract import Batch, Declaration, Reject
from landbridge.sources.declaration import Keys
from landbridge.sources.encoding import detect_encoding, known_encoding, utf8_pieces
from landbridge.sources.file import FileSource, file_source
from landbridge.sources.json_stream import Found, line_records, stream_records
from landbridge.sources.location import OPTIONS as LOCATION_OPTIONS
from landbridge.sources.location import File
from landbridge.sources.record_table import MOST_COLUMNS, as_text, declared_columns, fitted, kind_name

OPTIONS: dict[str, str] = LOCATION_OPTIONS | {
    "path": "where the records are, such as `data.stations`; `data.*`: every member of an object, its key as `_key`",
    "lines": "true where each line is a JSON document of its own (JSON Lines); default: detected, and noted",
    "columns": "kinds of columns that are not to be guessed, such as {code = \"text\"}: text, double, integer, boolean",
    "encoding": "how the text is written where it is not UTF-8; default: detected, and noted",
    "max_record_megabytes": "size that one record may have; default 16",
}  # fmt: skip
ROWS, BYTES = 16_384, 4_194_304  # of one batch
MOST_DEPTH = 64
SHOWN = 10_000
RESERVED = frozenset({"_row", "_edition", ""})
MIB = 1_048_576


def open_source(declaration: Declaration) -> FileSource:
    """A source of JSON files; raises InvalidSettings."""
    where = f"{declaration.name}/source.toml"
    read = Keys(declaration.options, where)
    encoding = read.text("encoding", "")
    reader = Reader(
        read.text("path", ""),
        read.flag("lines") if "lines" in declaration.options else None,
        declared_columns(declaration.options.get("columns", {}), where),
        known_encoding(encoding, where) if encoding else None,
        int(read.number("max_record_megabytes", 16, 0.001, 4096) * MIB),
        keeps=not declaration.never_store,
    )
    return file_source(declaration, reader.read)


@dataclass(frozen=True)
class Reader:
    """Reads one file. `keeps`: a line that is no JSON may be kept as it is."""

    path: str
    lines: bool | None
    columns: Mapping[str, pa.DataType]
    encoding: str | None
    most_bytes: int
    keeps: bool = True

    def read(self, file: File, notes: list[str]) -> Iterator[Batch]:
        """Yield the file's records as batches; raises Invalid or TooMuch with the place."""
        encoding = self.encoding or detect_encoding(file.path)
        if self.encoding is None and encoding != "utf-8":
            notes.append(f"{file.name}: encoding detected: {encoding}.")
        lines = self.lines if self.lines is not None else looks_like_lines(file)
        if self.lines is None and lines and Path(file.name).suffix.lower() == ".json":
            notes.append(f"{file.name}: read as JSON Lines, a document in each line.")

        def found() -> Iterator[Found]:
            pieces = utf8_pieces(file.path, encoding, file.name, self.encoding is not None, 131_072)
            if lines:
                return line_records(pieces, self.path, file.name, self.most_bytes)
            return stream_records(pieces, self.path, file, self.most_bytes)

        kinds = self.kinds(found(), file)
        yielded = False
        for part in parts(found()):
            yield self.batch(part, kinds, file, lines)
            yielded = True
        if not yielded:
            yield self.batch([], kinds, file, lines)

    def kinds(self, found: Iterator[Found], file: File) -> dict[str, pa.DataType]:
        """The columns of all records and the one kind of each; raises TooMuch above 2,000 columns."""
        types: dict[str, set[type]] = {}
        for one in found:
            if problem(one.record) is None:
                for name, value in cleaned(one.record).items():
                    types.setdefault(name, set()).add(kept_type(value))
                if len(types) > MOST_COLUMNS:
                    raise TooMuch(
                        f"The records have more than {MOST_COLUMNS:,} different keys.",
                        where=file.name,
                        hint='Give `path` the records below, or `path = "...*"` where the keys are names.',
                    )
        return {name: self.columns.get(name) or kind_of(found) for name, found in types.items()}

    def batch(self, part: Sequence[Found], kinds: Mapping[str, pa.DataType], file: File, lines: bool) -> Batch:
        """Some records as one batch; those that do not fit are its rejects."""
        unit = "line" if lines else "record"
        rows: list[dict[str, Any]] = []
        numbers: list[int] = []
        rejects: list[Reject] = []
        for one in part:
            record = cleaned(one.record) if isinstance(one.record, dict) else {}
            reason = one.problem or problem(one.record) or self.unfit(record)
            if reason is None:
                rows.append(record)
                numbers.append(one.number)
            else:
                place = f"{file.name} {unit} {one.number}"
                rejects.append(Reject(place, reason, self.content(one, record)))
        arrays = [column([row.get(name) for row in rows], name in self.columns, kind) for name, kind in kinds.items()]
        made = pa.RecordBatch.from_arrays(arrays, names=list(kinds))
        return Batch(made, "source", file.name, unit, pa.array(numbers, pa.int64()), tuple(rejects))

    def unfit(self, record: Mapping[str, Any]) -> str | None:
        """Why a record does not fit the declared kinds, or None."""
        for name, kind in self.columns.items():
            value = record.get(name)
            if value is not None and kind != pa.string() and fitted(value, kind) is None:
                return f"{name} is {as_text(value)!r:.60}, not {kind_name(kind)}"
        return None

    def content(self, one: Found, record: Mapping[str, Any]) -> dict[str, object]:
        """What a reject keeps."""
        if record and too_deep(record):
            return {}
        if record:
            return {name: (as_text(value) or "")[:SHOWN].replace("\0", "␀") for name, value in record.items()}
        return {"text": one.text[:SHOWN]} if one.text and self.keeps else {}


def parts(found: Iterator[Found]) -> Iterator[list[Found]]:
    """The records in parts of bounded count and size."""
    part: list[Found] = []
    size = 0
    for one in found:
        part.append(one)
        size += one.size
        if len(part) >= ROWS or size >= BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


def problem(record: Any) -> str | None:
    """Why a record cannot be a row, or None."""
    if not isinstance(record, dict):
        return "the record is no object"
    if not record:
        return "the record is empty"
    if too_deep(record):
        return f"the record nests more than {MOST_DEPTH} levels"
    for name, value in record.items():
        if isinstance(value, str) and "\0" in value:
            return f"{name} holds a NUL character"
    return None


def too_deep(value: Any, left: int = MOST_DEPTH) -> bool:
    if isinstance(value, dict):
        return left == 0 or any(too_deep(part, left - 1) for part in value.values() if isinstance(part, dict | list))
    if isinstance(value, list):
        return left == 0 or any(too_deep(part, left - 1) for part in value if isinstance(part, dict | list))
    return False


def cleaned(record: dict[str, Any]) -> dict[str, Any]:
    """The record with names that a mapping can have: the loop's own get a number, an empty one becomes `_`."""
    if RESERVED.isdisjoint(record) and not any("\0" in name for name in record):
        return record
    return {
        ((f"{name}_2" if name else "_") if name in RESERVED else name).replace("\0", "␀"): value
        for name, value in record.items()
    }


def kept_type(value: Any) -> type:
    """The type that decides a column's kind: anything nested is text, an integer beyond 64 bits too."""
    if value is None or isinstance(value, bool | float):
        return type(value)
    if isinstance(value, int):
        return int if -(2**63) <= value < 2**63 else str
    return str


def kind_of(found: set[type]) -> pa.DataType:
    """The kind that holds all these types."""
    found = found - {type(None)}
    if found == {int}:
        return pa.int64()
    if found and found <= {int, float}:
        return pa.float64()
    return pa.bool_() if found == {bool} else pa.string()


def column(values: list[Any], declared: bool, kind: pa.DataType) -> pa.Array:
    """A column of one kind."""
    if kind == pa.string():
        return pa.array([as_text(value) for value in values], kind)
    if declared:
        return pa.array([None if value is None else fitted(value, kind) for value in values], kind)
    if kind == pa.float64():
        return pa.array([None if value is None else float(value) for value in values], kind)
    return pa.array(values, kind)


def looks_like_lines(file: File) -> bool:
    """Whether the file is JSON Lines, by its name, or because its first two lines are objects of their own."""
    if Path(file.name).suffix.lower() in (".jsonl", ".ndjson", ".jsonlines"):
        return True
    with file.path.open("rb") as opened:
        lines = opened.read(MIB).removeprefix(b"\xef\xbb\xbf").split(b"\n", 2)
    if len(lines) < 2 or not lines[1].lstrip().startswith(b"{"):
        return False
    try:
        return isinstance(orjson.loads(lines[0]), dict)
    except orjson.JSONDecodeError:
        return False
