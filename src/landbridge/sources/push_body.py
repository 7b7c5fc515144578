"""A pushed body as rows: a JSON object, a list of them, JSON Lines or CSV, told by its content type."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from landbridge.errors import Invalid, LandbridgeError, TooMuch
from landbridge.sources.contract import Reject
from landbridge.sources.header import column_names
from landbridge.sources.record_path import records_at
from landbridge.sources.record_table import RecordTable

LINES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl", "application/json-seq"})
KEPT = 4_096  # characters of a row that is none


@dataclass
class Body:
    """The rows of a body with their numbers in it, from 1, and those that are none."""

    records: list[dict[str, Any]] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    rejects: list[tuple[int, Reject]] = field(default_factory=list)


def read_body(content: bytes, content_type: str, path: str, max_rows: int, table: RecordTable, request: str) -> Body:
    """Read a body; raises Invalid where it is none, TooMuch above `max_rows`. Single rows that are none are rejects."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "text/csv":
        found = csv_rows(content)
    elif kind in LINES:
        found = (parsed(line) for line in content.split(b"\n") if line.strip(b" \t\r\n\x1e"))
    elif kind in ("", "application/json", "text/json") or kind.endswith("+json"):
        found = iter(records_at(whole(content), path, where="the body"))
    else:
        raise Invalid(f"The content type '{kind[:60]}' is not known.", where="the body",
                      hint="Send application/json, application/x-ndjson or text/csv.")  # fmt: skip
    body = Body()
    for number, record in enumerate(found, start=1):
        if number > max_rows:
            raise TooMuch(f"The body has more than {max_rows} rows.", where="the body", hint="Send it in parts.")
        reason = said(record) or table.unfit(record)
        if reason:
            place = " ".join(part for part in ("push", request, "row", str(number)) if part)
            body.rejects.append((number, Reject(place, reason, {"row": shown(record)})))
        else:
            body.records.append(record)
            body.numbers.append(number)
    return body


def said(record: Any) -> str | None:
    """Why this is no row, or None."""
    if isinstance(record, LandbridgeError):
        return record.message
    if not isinstance(record, dict):
        return "The row is no object."
    return None


def shown(record: Any) -> str:
    if isinstance(record, LandbridgeError):
        return (record.where or "")[:KEPT]
    return orjson.dumps(record, default=str).decode()[:KEPT]


def whole(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise Invalid(f"The body is no JSON: {error}.", where="the body") from None


def parsed(line: bytes) -> Any:
    """A line of JSON Lines; one that is none as the error that says why, with its text as the place."""
    try:
        return orjson.loads(line.strip(b" \t\r\n\x1e"))
    except orjson.JSONDecodeError as error:
        text = line.decode("utf-8", "replace")
        return Invalid(f"The line is no JSON: {str(error).split(': line')[0]}.", where=text)


def csv_rows(content: bytes) -> Iterator[Any]:
    """The rows of a CSV body, each cell as text, an empty one as null."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid("The body is not UTF-8.", where="the body", hint="Send it as UTF-8.") from None
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        names = column_names(next(rows, []), "the body's header")
        for row in rows:
            if len(row) == len(names):
                yield {name: cell or None for name, cell in zip(names, row, strict=True)}
            elif row:
                said = f"The row has {len(row)} cells and the header {len(names)}."
                yield Invalid(said, where=",".join(row)[:KEPT])
    except csv.Error as error:
        raise Invalid(f"The body is no CSV: {error}.", where=f"the body line {rows.line_num}") from None
