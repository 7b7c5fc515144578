"""Attributes: append, update, update in part, replace, delete. Each is three calls: parse, pool, render."""

from starlette.responses import Response

from landbridge.api.ngsild.answer import done
from landbridge.api.ngsild.body import read_body
from landbridge.api.ngsild.operation import Ask, Operation, Parameter, Served
from landbridge.api.ngsild.parameter import FLAG, link_context, named_tenant, read_tenant
from landbridge.api.ngsild.writing import (
    FORM,
    FORM_OPTIONS,
    IF_TYPE,
    LOCAL,
    NO_OVERWRITE,
    is_simplified,
    read_fragment,
    read_options,
    read_target,
    render_written,
)
from landbridge.errors import InvalidEntity
from landbridge.model.attribute import parse_attribute, parse_part
from landbridge.model.parser import placed, read_name
from landbridge.model.terms import Contexts, Terms
from landbridge.model.value import Reading, parse_id
from landbridge.pool.alter import SCOPE
from landbridge.pool.pool import Pool

APPENDING = Parameter("options", "noOverwrite: what is there is left as it is. Also the form of the body.")
DATASET_ID = Parameter("datasetId", "The instance with this datasetId.")
DELETE_ALL = Parameter("deleteAll", "true: all instances of the attribute.", FLAG)
ATTRS, ATTRIBUTE = "/entities/{entityId}/attrs", "/entities/{entityId}/attrs/{attrId}"
MANY = {204: "", 207: "UpdateResult"}

APPEND = Operation(
    "appendAttrs", "6.6.3.1", "POST", ATTRS, "Append attributes to an entity.",
    (APPENDING, FORM, IF_TYPE, LOCAL), "EntityFragment", MANY,
)  # fmt: skip
UPDATE = Operation(
    "updateAttrs", "6.6.3.2", "PATCH", ATTRS, "Update attributes of an entity.",
    (FORM_OPTIONS, FORM, IF_TYPE, LOCAL), "EntityFragment", MANY,
)  # fmt: skip
UPDATE_PART = Operation(
    "partialAttrUpdate", "6.7.3.1", "PATCH", ATTRIBUTE, "Update members of an attribute.",
    (IF_TYPE, LOCAL), "AttributeFragment", MANY,
)  # fmt: skip
REPLACE = Operation(
    "replaceAttr", "6.7.3.3", "PUT", ATTRIBUTE, "Replace an attribute.", (IF_TYPE, LOCAL),
    "AttributeInstances", MANY,
)  # fmt: skip
DELETE = Operation(
    "deleteAttr", "6.7.3.2", "DELETE", ATTRIBUTE, "Delete an attribute.",
    (DATASET_ID, DELETE_ALL, IF_TYPE, LOCAL), answers=MANY,
)  # fmt: skip


class Attributes:
    """The operations that write attributes of an entity, over one pool and the city's contexts."""

    def __init__(self, pool: Pool, contexts: Contexts) -> None:
        self.pool = pool
        self.contexts = contexts

    def served(self) -> tuple[Served, ...]:
        return (
            Served(APPEND, self.append),
            Served(UPDATE, self.update),
            Served(UPDATE_PART, self.update_part),
            Served(REPLACE, self.replace),
            Served(DELETE, self.delete),
        )

    def append(self, ask: Ask) -> Response:
        """NGSI-LD 6.6.3.1, append attributes."""
        options = read_options(ask.given, NO_OVERWRITE)
        body, terms = read_body(ask, self.contexts)
        target, tenant = read_target(ask, terms), read_tenant(ask.request, self.pool)
        given = read_fragment(body, terms, simplified=is_simplified(options))
        written = self.pool.append(ask.actor, target, given, overwrite=NO_OVERWRITE not in options, tenant=tenant)
        return render_written(written, tenant)

    def update(self, ask: Ask) -> Response:
        """NGSI-LD 6.6.3.2, update attributes."""
        simplified = is_simplified(read_options(ask.given))
        body, terms = read_body(ask, self.contexts)
        target, tenant = read_target(ask, terms), read_tenant(ask.request, self.pool)
        given = read_fragment(body, terms, simplified=simplified, nulls=True)
        return render_written(self.pool.patch(ask.actor, target, given, tenant=tenant), tenant)

    def update_part(self, ask: Ask) -> Response:
        """NGSI-LD 6.7.3.1, partial attribute update."""
        body, terms = read_body(ask, self.contexts)
        target, tenant = read_target(ask, terms), read_tenant(ask.request, self.pool)
        attribute = attribute_in(ask, terms)
        part = parse_part(body, Reading(terms, nulls=True), ask.path["attrId"])
        self.pool.patch_attribute(ask.actor, target, attribute, part, tenant=tenant)
        return done(tenant)

    def replace(self, ask: Ask) -> Response:
        """NGSI-LD 6.7.3.3, replace an attribute."""
        body, terms = read_body(ask, self.contexts)
        target, tenant = read_target(ask, terms), read_tenant(ask.request, self.pool)
        attribute = attribute_in(ask, terms)
        instances = placed(attribute, parse_attribute(body, Reading(terms), ask.path["attrId"]), ask.path["attrId"])
        self.pool.replace_attribute(ask.actor, target, attribute, instances, tenant=tenant)
        return done(tenant)

    def delete(self, ask: Ask) -> Response:
        """NGSI-LD 6.7.3.2, delete an attribute; also the scope."""
        terms = self.contexts.terms(link_context(ask.request), named_tenant(ask.request))
        target, tenant = read_target(ask, terms), read_tenant(ask.request, self.pool)
        name = ask.path["attrId"]
        attribute = name if name == SCOPE else read_name(name, terms)
        dataset = dataset_in(ask.given.get("datasetId"))
        everything = ask.given.get("deleteAll") == "true"
        self.pool.delete_attribute(ask.actor, target, attribute, dataset, everything, tenant=tenant)
        return done(tenant)


def attribute_in(ask: Ask, terms: Terms) -> str:
    """The stored name of the attribute that the address names; scope is none (NGSI-LD 5.6.4.4, 5.6.19.4)."""
    name = ask.path["attrId"]
    if name == SCOPE:
        raise InvalidEntity("The scope is no attribute.", where=name, hint="Change it with the entity's others.")
    return read_name(name, terms)


def dataset_in(given: str | None) -> str | None:
    return None if given is None or given == "@none" else parse_id(given, "datasetId")
