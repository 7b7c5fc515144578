"""Finding things: search by id and name, and a table of each type with downloads."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

from starlette.responses import Response

from landbridge.console.download import table, wanted
from landbridge.console.figure import Figure, default_instance, figure, is_number
from landbridge.console.mapdata import documents_of
from landbridge.console.naming import known_names, names_of
from landbridge.console.page import Visit
from landbridge.errors import Missing
from landbridge.model.answer import Document, TypeSummary
from landbridge.model.instant import format_instant
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
    names = names_of(visit, documents)
    found = [(d["id"], names[d["id"]], visit.language.term(d["type"][0])) for d in documents]
    return visit.page("search.html.j2", text=text, found=found, cut=len(found) == FOUND, screen="search")


def all_types(visit: Visit) -> Response:
    """GET /types: what kinds of things the city's pool holds."""
    summaries = sorted(visit.reading.types(visit.actor, tenant=visit.tenant), key=lambda s: visit.language.term(s.type))
    if wanted(visit):
        columns = ("type", "entities", "attributes", "located")
        return table(visit, "types", columns, ((s.type, s.entities, list(s.attributes), s.located) for s in summaries))
    return visit.page("types.html.j2", summaries=summaries, screen="types")


def summary_of(visit: Visit, type: str) -> TypeSummary:
    found = next((s for s in visit.reading.types(visit.actor, tenant=visit.tenant) if s.type == type), None)
    if found is None:
        raise Missing(f"There are no entities of type '{type}'.", hint="The map lists the types that this city has.")
    return found


def types(visit: Visit) -> Response:
    """GET /types/{type}: a page of the table, or all of it as CSV or JSON (`?format=`)."""
    type = visit.request.path_params["type"]
    summary = summary_of(visit, type)
    if wanted(visit):
        return download_type(visit, summary)
    sort, down = visit.asked("sort"), visit.asked("dir") == "desc"
    order = (Order(Path(sort), down),) if sort in (*summary.attributes, "id") else ()
    after = visit.asked("after") or None
    page = visit.reading.query(
        visit.actor, Query(tenant=visit.tenant, types=Has(type), order=order, limit=PAGE, after=after)
    )
    columns = columns_of(summary, page.documents)
    names = names_of(visit, page.documents)
    rows = [(d["id"], names[d["id"]], cells(visit, d, columns)) for d in page.documents]
    return visit.page(
        "type.html.j2",
        links=known_names(visit, [link for *_, told in rows for cell in told if cell for link in cell.links]),
        type=type,
        summary=summary,
        columns=columns,
        rows=rows,
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


def cells(visit: Visit, document: Document, columns: Sequence[str]) -> list[Figure | None]:
    found = [default_instance(document, name) for name in columns]
    return [figure(instance, visit.language) if instance else None for instance in found]


def download_type(visit: Visit, summary: TypeSummary) -> Response:
    """The whole table, read page by page; `name.unitCode` stands beside what has a unit."""
    documents = documents_of(visit, Query(tenant=visit.tenant, types=Has(summary.type)), EVERYTHING)
    first = next(documents, None)
    names = list(summary.attributes)
    measured = [name for name in names if first and unit_of(first, name)]
    columns = ["id", "type", *names, *(f"{name}.unitCode" for name in measured), "modifiedAt"]
    found = chain([first], documents) if first else documents
    return table(visit, summary.type, columns, (flat(document, names, measured) for document in found))


def flat(document: Document, names: Sequence[str], measured: Sequence[str]) -> list[object]:
    modified = document.get("modifiedAt")
    return [
        document["id"],
        document["type"][0],
        *(raw_value(document, name) for name in names),
        *(unit_of(document, name) for name in measured),
        None if modified is None else format_instant(modified),
    ]


def unit_of(document: Document, name: str) -> str | None:
    return (default_instance(document, name) or {}).get("unitCode")


def raw_value(document: Document, name: str) -> Any:
    """An attribute's plain value: number, text, id or JSON."""
    instance = default_instance(document, name)
    if instance is None:
        return None
    members = ("value", "object", "languageMap", "vocab", "valueList", "objectList", "json")
    return next((instance[member] for member in members if member in instance), None)
