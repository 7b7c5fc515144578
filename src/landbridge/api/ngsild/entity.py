"""Entities: query, retrieve, create, append, update, delete. Each is three calls: parse, pool, render."""

from typing import Any
from urllib.parse import quote, urlencode

import orjson
from starlette.responses import Response

from landbridge.api.http.resource import Call
from landbridge.api.ngsild.body import read_body
from landbridge.api.ngsild.fault import InvalidRequest
from landbridge.api.ngsild.parameter import (
    ASKED,
    GEOJSON,
    JSON,
    JSON_LD,
    PAGED,
    SHOWN,
    Wanted,
    context_link,
    link_context,
    named_tenant,
    read_parameters,
    read_query,
    read_tenant,
    read_wanted,
)
from landbridge.api.ngsild.path import segments
from landbridge.api.ngsild.selection import parse_types
from landbridge.errors import InvalidEntity, InvalidQuery, Missing
from landbridge.model.answer import Document, Page
from landbridge.model.parser import parse_entity, parse_fragment
from landbridge.model.query import And, Has, Or
from landbridge.model.renderer import render, render_collection, render_feature
from landbridge.model.terms import Contexts, Terms
from landbridge.model.value import URI
from landbridge.pool.pool import Pool
from landbridge.pool.write import Written

ENTITIES = "/ngsi-ld/v1/entities"


class Entities:
    """The operations on entities, over one pool and the city's contexts."""

    def __init__(self, pool: Pool, contexts: Contexts) -> None:
        self.pool = pool
        self.contexts = contexts

    def query(self, call: Call) -> Response:
        """NGSI-LD 6.4.3.2, query entities."""
        wanted = self.wanted(call, SHOWN | ASKED | PAGED)
        page = self.pool.query(call.actor, read_query(wanted))
        return render_page(call, wanted, page)

    def retrieve(self, call: Call) -> Response:
        """NGSI-LD 6.5.3.1, retrieve an entity."""
        wanted = self.wanted(call, SHOWN | {"type"})
        document = self.pool.entity(call.actor, entity_id(call), tenant=wanted.tenant)
        return render_one(wanted, chosen(document, wanted))

    def create(self, call: Call) -> Response:
        """NGSI-LD 6.4.3.1, create an entity."""
        given = read_parameters(call.request, {"options", "format"})
        body, terms = read_body(call, self.contexts)
        document = parse_entity(body, terms, simplified=is_simplified(given))
        tenant = named_tenant(call.request)
        self.pool.create(call.actor, document, tenant=tenant)
        return done(tenant, 201, {"Location": f"{ENTITIES}/{quote(document['id'], safe=':')}"})

    def delete(self, call: Call) -> Response:
        """NGSI-LD 6.5.3.2, delete an entity."""
        read_parameters(call.request, set())
        tenant = read_tenant(call.request, self.pool)
        self.pool.delete(call.actor, entity_id(call), tenant=tenant)
        return done(tenant)

    def append(self, call: Call) -> Response:
        """NGSI-LD 6.6.3.1, append attributes."""
        given = read_parameters(call.request, {"options"})
        body, terms = read_body(call, self.contexts)
        tenant = read_tenant(call.request, self.pool)
        overwrite = "noOverwrite" not in given.get("options", "").split(",")
        written = self.pool.append(
            call.actor, entity_id(call), **fragment(body, terms), overwrite=overwrite, tenant=tenant
        )
        return render_written(written, tenant)

    def update(self, call: Call) -> Response:
        """NGSI-LD 6.6.3.2, update attributes."""
        read_parameters(call.request, {"options"})
        body, terms = read_body(call, self.contexts)
        tenant = read_tenant(call.request, self.pool)
        written = self.pool.patch(call.actor, entity_id(call), **fragment(body, terms), tenant=tenant)
        return render_written(written, tenant)

    def delete_attribute(self, call: Call) -> Response:
        """NGSI-LD 6.7.3.2, delete an attribute."""
        given = read_parameters(call.request, {"datasetId", "deleteAll"})
        attribute = self.contexts.terms(link_context(call.request)).expand(segments(call.request, ENTITIES)[2])
        tenant = read_tenant(call.request, self.pool)
        everything = given.get("deleteAll") == "true"
        self.pool.delete_attribute(
            call.actor, entity_id(call), attribute, given.get("datasetId"), everything, tenant=tenant
        )
        return done(tenant)

    def wanted(self, call: Call, allowed: frozenset[str] | set[str]) -> Wanted:
        return read_wanted(call.request, self.contexts, self.pool, allowed, JSON, JSON_LD, GEOJSON)


def fragment(body: dict[str, Any], terms: Terms) -> dict[str, Any]:
    """A fragment of an entity as the pool takes it."""
    read = parse_fragment(body, terms)
    return {"attrs": read["attrs"], "types": read.get("type", ()), "scope": read.get("scope")}


def is_simplified(given: dict[str, str]) -> bool:
    asked = {*given.get("options", "").split(","), given.get("format", "")}
    if asked - {"", "keyValues", "simplified", "normalized", "concise"}:
        raise InvalidRequest("The options of a creation are its form.", where="options", hint="Use keyValues, or none.")
    return bool(asked & {"keyValues", "simplified"})


def entity_id(call: Call) -> str:
    """The id in the path."""
    id_ = segments(call.request, ENTITIES)[0]
    if not URI.match(id_):
        raise InvalidEntity(f"'{id_[:80]}' is no URI.", where="id")
    return id_


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


def render_page(call: Call, wanted: Wanted, page: Page) -> Response:
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


def answer(wanted: Wanted, shown: Any, headers: dict[str, str] | None = None) -> Response:
    """JSON in the wanted form; where the body does not say its context, the Link header does."""
    found = Response(orjson.dumps(shown), 200, headers, wanted.media)
    if not wanted.rendering.context:
        found.headers.append("Link", context_link(wanted.terms))
    if wanted.tenant:
        found.headers["NGSILD-Tenant"] = wanted.tenant
    return found


def done(tenant: str, status: int = 204, headers: dict[str, str] | None = None) -> Response:
    return Response(None, status, (headers or {}) | ({"NGSILD-Tenant": tenant} if tenant else {}))


def render_written(written: Written, tenant: str) -> Response:
    """204 where everything was written, else 207 with what was and what was not (NGSI-LD 5.2.18)."""
    if not written.not_updated:
        return done(tenant)
    body = {
        "updated": list(written.updated),
        "notUpdated": [{"attributeName": name, "reason": reason} for name, reason in written.not_updated],
    }
    return Response(orjson.dumps(body), 207, {"NGSILD-Tenant": tenant} if tenant else None, JSON)
