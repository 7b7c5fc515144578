"""Entities: create, append, update, delete. Each is three calls: parse, pool, render."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import orjson
from starlette.responses import Response

from landbridge.api.ngsild.answer import done
from landbridge.api.ngsild.body import read_body
from landbridge.api.ngsild.fault import InvalidRequest
from landbridge.api.ngsild.operation import ROOT, Ask, Operation, Parameter, Served
from landbridge.api.ngsild.parameter import FORMAT, JSON, OPTIONS, link_context, named_tenant, read_tenant
from landbridge.api.ngsild.path import entity_id
from landbridge.model.parser import parse_entity, parse_fragment
from landbridge.model.terms import Contexts, Terms
from landbridge.pool.alter import Fragment
from landbridge.pool.pool import Pool
from landbridge.pool.write import Written

ENTITIES = ROOT + "/entities"
DATASET_ID = Parameter("datasetId", "The instance with this datasetId.")
DELETE_ALL = Parameter("deleteAll", "All instances of the attribute.", {"type": "string", "enum": ["true", "false"]})

CREATE = Operation(
    "createEntity", "6.4.3.1", "POST", "/entities", "Create an entity.", (OPTIONS, FORMAT), "Entity", {201: ""}
)
DELETE = Operation("deleteEntity", "6.5.3.2", "DELETE", "/entities/{entityId}", "Delete an entity.", answers={204: ""})
APPEND = Operation(
    "appendAttrs", "6.6.3.1", "POST", "/entities/{entityId}/attrs", "Append attributes to an entity.",
    (OPTIONS,), "EntityFragment", {204: "", 207: "UpdateResult"},
)  # fmt: skip
UPDATE = Operation(
    "updateAttrs", "6.6.3.2", "PATCH", "/entities/{entityId}/attrs", "Update attributes of an entity.",
    (OPTIONS,), "EntityFragment", {204: "", 207: "UpdateResult"},
)  # fmt: skip
DELETE_ATTRIBUTE = Operation(
    "deleteAttrs", "6.7.3.2", "DELETE", "/entities/{entityId}/attrs/{attrId}", "Delete an attribute of an entity.",
    (DATASET_ID, DELETE_ALL), answers={204: ""},
)  # fmt: skip


class Provision:
    """The operations that write one entity, over one pool and the city's contexts."""

    def __init__(self, pool: Pool, contexts: Contexts) -> None:
        self.pool = pool
        self.contexts = contexts

    def served(self) -> tuple[Served, ...]:
        return (
            Served(CREATE, self.create),
            Served(DELETE, self.delete),
            Served(APPEND, self.append),
            Served(UPDATE, self.update),
            Served(DELETE_ATTRIBUTE, self.delete_attribute),
        )

    def create(self, ask: Ask) -> Response:
        """NGSI-LD 6.4.3.1, create an entity."""
        given = ask.given
        body, terms = read_body(ask, self.contexts)
        document = parse_entity(body, terms, simplified=is_simplified(given))
        tenant = named_tenant(ask.request)
        self.pool.create(ask.actor, document, tenant=tenant)
        return done(tenant, 201, {"Location": f"{ENTITIES}/{quote(document['id'], safe=':')}"})

    def delete(self, ask: Ask) -> Response:
        """NGSI-LD 6.5.3.2, delete an entity."""
        tenant = read_tenant(ask.request, self.pool)
        self.pool.delete(ask.actor, entity_id(ask.path), tenant=tenant)
        return done(tenant)

    def append(self, ask: Ask) -> Response:
        """NGSI-LD 6.6.3.1, append attributes."""
        given = ask.given
        body, terms = read_body(ask, self.contexts)
        tenant = read_tenant(ask.request, self.pool)
        overwrite = "noOverwrite" not in given.get("options", "").split(",")
        written = self.pool.append(
            ask.actor, entity_id(ask.path), fragment(body, terms), overwrite=overwrite, tenant=tenant
        )
        return render_written(written, tenant)

    def update(self, ask: Ask) -> Response:
        """NGSI-LD 6.6.3.2, update attributes."""
        body, terms = read_body(ask, self.contexts)
        tenant = read_tenant(ask.request, self.pool)
        written = self.pool.patch(ask.actor, entity_id(ask.path), fragment(body, terms, nulls=True), tenant=tenant)
        return render_written(written, tenant)

    def delete_attribute(self, ask: Ask) -> Response:
        """NGSI-LD 6.7.3.2, delete an attribute."""
        given = ask.given
        attribute = self.contexts.terms(link_context(ask.request), named_tenant(ask.request)).expand(ask.path["attrId"])
        tenant = read_tenant(ask.request, self.pool)
        everything = given.get("deleteAll") == "true"
        self.pool.delete_attribute(
            ask.actor, entity_id(ask.path), attribute, given.get("datasetId"), everything, tenant=tenant
        )
        return done(tenant)


def fragment(body: dict[str, Any], terms: Terms, *, nulls: bool = False) -> Fragment:
    """A fragment of an entity as the pool takes it."""
    read = parse_fragment(body, terms, nulls=nulls)
    return Fragment(read["attrs"], read.get("type", ()), read.get("scope"), read.get("expiresAt"))


def is_simplified(given: Mapping[str, str]) -> bool:
    asked = {*given.get("options", "").split(","), given.get("format", "")}
    if asked - {"", "keyValues", "simplified", "normalized", "concise"}:
        raise InvalidRequest("The options of a creation are its form.", where="options", hint="Use keyValues, or none.")
    return bool(asked & {"keyValues", "simplified"})


def render_written(written: Written, tenant: str) -> Response:
    """204 where everything was written, else 207 with what was and what was not (NGSI-LD 5.2.18)."""
    if not written.not_updated:
        return done(tenant)
    body = {
        "updated": list(written.updated),
        "notUpdated": [{"attributeName": name, "reason": reason} for name, reason in written.not_updated],
    }
    return Response(orjson.dumps(body), 207, {"NGSILD-Tenant": tenant} if tenant else None, JSON)
