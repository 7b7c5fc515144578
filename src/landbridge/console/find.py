"""Finding things: search by id and name, and a table of each type with downloads."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from starlette.responses import Response, StreamingResponse

from landbridge.console.figure import Figure, default_instance, display_name, figure, is_number
from landbridge.console.mapdata import documents_of
from landbridge.console.page import HEADERS, Visit
from landbridge.errors import Missing
from landbridge.model.answer import Document, TypeSummary
from landbridge.model.query import Has, Order, Path, Query

FOUND = 50
PAGE = 50
COLUMNS = 8
EVERYTHING = 10_000_000
NOT_IN_TABLE = ("name", "location")


def search(visit: Visit) -> Response:
    """GET /search?q=."""
    text = visit.asked("q").strip()[:200]
    documents = visit.reading.search(visit.actor, text, limit=FOUND, tenant=visit.tenant) if text else []
    language = visit.language
    found = [(d["id"], display_name(d, language), language.term(d["type"][0])) for d in documents]
    return visit.page("search.html.j2", text=text, found=found, cut=len(found) == FOUND, screen="search")


def summary_of(visit: Visit, type: str) -> TypeSummary:
    found = next((s for s in visit.reading.types(visit.actor, tenant=visit.tenant) if s.type == type), None)
    if found is None:
        raise Missing(f"There are no entities of type '{type}'.", hint="The map lists the types that this city has.")
    return found


def types(visit: Visit) -> Response:
    """GET /types/{type}: a page of the table, or all of it as CSV or JSON (`?format=`)."""
    type = visit.request.path_params["type"]
    summary = summary_of(visit, type)
    if visit.asked("format") in ("csv", "json"):
        return download(visit, summary, visit.asked("format"))
    sort, down = visit.asked("sort"), visit.asked("dir") == "desc"
    order = (Order(Path(sort), down),) if sort in (*summary.attributes, "id") else ()
    after = visit.asked("after") or None
    page = visit.reading.query(
        visit.actor, Query(tenant=visit.tenant, types=Has(type), order=order, limit=PAGE, after=after)
    )
    columns = columns_of(summary, page.documents)
    return visit.page(
        "type.html.j2",
        type=type,
        summary=summary,
        columns=columns,
        rows=[row(visit, document, columns) for document in page.documents],
        sort=sort,
        down=down,
        following=page.next,
        first=after is None,
        screen="type",
    )


def columns_of(summary: TypeSummary, documents: Sequence[Document]) -> list[str]:
    """The attributes that a table shows: those most entities have, numbers first."""

    def weight(name: str) -> tuple[bool, int]:
        having = [d for d in documents if d["attrs"].get(name)]
        numeric = any(is_number(d["attrs"][name][0].get("value")) for d in having)
        return not numeric, -len(having)

    told = [name for name in summary.attributes if name not in NOT_IN_TABLE]
    return sorted(told, key=weight)[:COLUMNS]


def row(visit: Visit, document: Document, columns: Sequence[str]) -> tuple[str, str, list[Figure | None]]:
    cells = [default_instance(document, name) for name in columns]
    shown = [figure(cell, visit.language) if cell else None for cell in cells]
    return document["id"], display_name(document, visit.language), shown


def download(visit: Visit, summary: TypeSummary, form: str) -> Response:
    """The whole table, streamed page by page."""
    query = Query(tenant=visit.tenant, types=Has(summary.type))
    documents = documents_of(visit, query, EVERYTHING)
    columns = list(summary.attributes)
    lines = csv_lines(documents, columns) if form == "csv" else json_lines(documents, columns)
    name = "".join(c if c.isalnum() else "-" for c in visit.language.term(summary.type)) or "entities"
    media_type = "text/csv; charset=utf-8" if form == "csv" else "application/json"
    ascii_name = name if name.isascii() else "entities"
    headers = HEADERS | {"Content-Disposition": f'attachment; filename="{ascii_name}.{form}"'}
    return StreamingResponse(lines, 200, headers, media_type=media_type)


def raw_value(document: Document, name: str) -> Any:
    """An attribute's plain value: number, text, id or JSON."""
    instance = default_instance(document, name)
    if instance is None:
        return None
    members = ("value", "object", "languageMap", "vocab", "valueList", "objectList", "json")
    return next((instance[member] for member in members if member in instance), None)


def units_of(document: Document, columns: Sequence[str]) -> list[str]:
    return [(default_instance(document, name) or {}).get("unitCode") or "" for name in columns]


def csv_lines(documents: Iterator[Document], columns: Sequence[str]) -> Iterator[str]:
    """A CSV with byte order mark (spreadsheets need it for Chinese), `name.unitCode` beside what has a unit."""
    first = next(documents, None)
    measured = [name for name, unit in zip(columns, units_of(first, columns), strict=True) if unit] if first else []
    header = ["id", "type", *columns, *(f"{name}.unitCode" for name in measured), "modifiedAt"]
    yield "\ufeff" + csv_line(header)
    while first is not None:
        values = [raw_value(first, name) for name in columns]
        kept = [first["id"], first["type"][0], *values, *units_of(first, measured), first.get("modifiedAt")]
        yield csv_line([cell(value) for value in kept])
        first = next(documents, None)


def csv_line(cells: Sequence[object]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue()


def cell(value: object) -> object:
    """A CSV cell; a text that a spreadsheet would take for a formula gets an apostrophe before it."""
    if isinstance(value, dict | list):
        return orjson.dumps(value).decode()
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return "'" + value
    return "" if value is None else value


def json_lines(documents: Iterator[Document], columns: Sequence[str]) -> Iterator[bytes]:
    """A JSON array of flat objects."""
    comma = b"["
    for document in documents:
        flat = {"id": document["id"], "type": document["type"][0]}
        flat |= {name: value for name in columns if (value := raw_value(document, name)) is not None}
        yield comma + orjson.dumps(flat)
        comma = b",\n"
    yield b"]" if comma != b"[" else b"[]"
