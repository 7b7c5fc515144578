"""Tables to take away: what a page shows as CSV or JSON, streamed as it is read.

A CSV begins with a byte order mark, which spreadsheets need for Chinese, and no cell of it can act as a formula.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

import orjson
from starlette.responses import Response, StreamingResponse

from landbridge.console.page import HEADERS, Visit

FORMS = ("csv", "json")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
Row = Sequence[object]


def wanted(visit: Visit) -> bool:
    """Whether the address asks for a file instead of a page (`?format=csv` or `json`)."""
    return visit.asked("format") in FORMS


def table(visit: Visit, name: str, columns: Sequence[str], rows: Iterable[Row]) -> Response:
    """The table as the file that the address asks for."""
    form = visit.asked("format")
    lines = csv_lines(columns, rows) if form == "csv" else json_lines(columns, rows)
    plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in name).strip("-") or "table"
    headers = HEADERS | {"Content-Disposition": f'attachment; filename="{plain}.{form}"'}
    media_type = "text/csv; charset=utf-8" if form == "csv" else "application/json"
    return StreamingResponse(lines, 200, headers, media_type=media_type)


def csv_lines(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[bytes]:
    yield b"\xef\xbb\xbf" + csv_line(columns)
    for row in rows:
        yield csv_line([cell(value) for value in row])


def csv_line(cells: Sequence[object]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue().encode()


def cell(value: object) -> object:
    """A CSV cell; a text that a spreadsheet would take for a formula gets an apostrophe before it."""
    if isinstance(value, dict | list | tuple):
        return orjson.dumps(value).decode()
    if isinstance(value, str) and value.startswith(FORMULA):
        return "'" + value
    return "" if value is None else value


def json_lines(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[bytes]:
    """A JSON array of flat objects, a line each; what a row lacks is left out."""
    before = b"["
    for row in rows:
        told = {name: value for name, value in zip(columns, row, strict=True) if value is not None}
        yield before + orjson.dumps(told)
        before = b",\n"
    yield b"]\n" if before != b"[" else b"[]\n"
