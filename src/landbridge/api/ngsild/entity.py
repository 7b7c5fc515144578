"""Entities: query and retrieve. Each is three calls: parse, pool, render."""

from urllib.parse import urlencode

from starlette.responses import Response

from landbridge.api.ngsild.answer import answer
from landbridge.api.ngsild.operation import ROOT, Ask, Operation, Served
from landbridge.api.ngsild.parameter import (
    ASKED,
    GEOJSON,
    JSON,
    JSON_LD,
    PAGED,
    SHOWN,
    TYPE,
    Wanted,
    read_query,
    read_wanted,
)
from landbridge.api.ngsild.path import entity_id
from landbridge.api.ngsild.selection import parse_types
from landbridge.errors import InvalidQuery, Missing
from landbridge.model.answer import Document, Page
from landbridge.model.query import And, Has, Or
from landbridge.model.renderer import render, render_collection, render_feature
from landbridge.model.terms import Contexts
from landbridge.pool.pool import Pool

ENTITIES = ROOT + "/entities"

QUERY = Operation(
    "queryEntities", "6.4.3.2", "GET", "/entities", "Query entities.", (*SHOWN, *ASKED, *PAGED),
    answers={200: "EntityList"},
)  # fmt: skip
RETRIEVE = Operation(
    "retrieveEntity", "6.5.3.1", "GET", "/entities/{entityId}", "Retrieve an entity.", (*SHOWN, TYPE),
    answers={200: "Entity"},
)  # fmt: skip


class Entities:
    """The operations that read entities, over one pool and the city's contexts."""

    def __init__(self, pool: Pool, contexts: Contexts) -> None:
        self.pool = pool
        self.contexts = contexts

    def served(self) -> tuple[Served, ...]:
        return Served(QUERY, self.query), Served(RETRIEVE, self.retrieve)

    def query(self, ask: Ask) -> Response:
        """NGSI-LD 6.4.3.2, query entities."""
        wanted = self.wanted(ask)
        page = self.pool.query(ask.actor, read_query(wanted))
        return render_page(wanted, page)

    def retrieve(self, ask: Ask) -> Response:
        """NGSI-LD 6.5.3.1, retrieve an entity."""
        wanted = self.wanted(ask)
        document = self.pool.entity(ask.actor, entity_id(ask.path), tenant=wanted.tenant)
        return render_one(wanted, chosen(document, wanted))

    def wanted(self, ask: Ask) -> Wanted:
        return read_wanted(ask, self.contexts, self.pool, JSON, JSON_LD, GEOJSON)


def chosen(document: Document, wanted: Wanted) -> Document:
    """The entity, if it is of the type and has one of the attributes that are asked for. Raises Missing."""
    attrs, given = wanted.rendering.attrs, wanted.parameters
    if attrs is not None and not any(name in document["attrs"] for name in attrs):
        raise Missing("The entity has none of these attributes.", where=document["id"])
    if "type" in given and not is_of(document, parse_types(given["type"], wanted.terms)):
        raise Missing("The entity is not of this type.", where=document["id"])
    return document


def is_of(document: Document, types: object) -> bool:
    match types:
        case Has(name):
            return name in document["type"]
        case And(parts):
            return all(is_of(document, part) for part in parts)
        case Or(parts):
            return any(is_of(document, part) for part in parts)
        case _:
            raise InvalidQuery("This is no selection of types.", where="type")


# -- answers


def render_one(wanted: Wanted, document: Document) -> Response:
    show = render_feature if wanted.media == GEOJSON else render
    return answer(wanted, show(document, wanted.rendering))


def render_page(wanted: Wanted, page: Page) -> Response:
    """A page of entities, the address of the next one, and the count where it was asked for."""
    headers = {}
    if page.next is not None:
        parameters = {**wanted.parameters, "after": page.next}
        headers["Link"] = f'<{ENTITIES}?{urlencode(parameters)}>; rel="next"; type="{wanted.media}"'
    if page.count is not None:
        headers["NGSILD-Results-Count"] = str(page.count)
    if wanted.media == GEOJSON:
        return answer(wanted, render_collection(page.documents, wanted.rendering), headers)
    return answer(wanted, [render(document, wanted.rendering) for document in page.documents], headers)
