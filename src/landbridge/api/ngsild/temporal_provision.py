"""Writing the temporal evolution of entities; what they are now stays. Each is three calls: parse, pool, render."""

from urllib.parse import quote

from starlette.responses import Response

from landbridge.api.ngsild.answer import done
from landbridge.api.ngsild.attribute import DATASET_ID, DELETE_ALL, attribute_in, dataset_in
from landbridge.api.ngsild.body import read_body, read_context, read_json
from landbridge.api.ngsild.operation import ROOT, Ask, Operation, Served
from landbridge.api.ngsild.parameter import link_context, named_tenant, read_tenant
from landbridge.api.ngsild.path import entity_id
from landbridge.api.ngsild.writing import LOCAL
from landbridge.errors import InvalidEntity, Missing
from landbridge.model.chapter import parse_single, parse_temporal, parse_temporal_fragment
from landbridge.model.temporal import read_instance_id
from landbridge.model.terms import Contexts, Terms
from landbridge.model.value import URI
from landbridge.pool.pool import Pool

ENTITIES = ROOT + "/temporal/entities"
ENTITY = "/temporal/entities/{entityId}"
ATTRS, ATTRIBUTE = f"{ENTITY}/attrs", f"{ENTITY}/attrs/{{attrId}}"
INSTANCE = f"{ATTRIBUTE}/{{instanceId}}"
MANY = {204: "", 207: "BatchOperationResult"}

UPSERT = Operation(
    "upsertTemporal", "6.18.3.1", "POST", "/temporal/entities", "Create or update the temporal evolution of an entity.",
    (LOCAL,), "EntityTemporal", {201: "", **MANY},
)  # fmt: skip
APPEND = Operation(
    "appendAttrsTemporal", "6.20.3.1", "POST", ATTRS, "Add attributes to the temporal evolution of an entity.",
    (LOCAL,), "EntityTemporalFragment", MANY,
)  # fmt: skip
DELETE = Operation(
    "deleteTemporal", "6.19.3.2", "DELETE", ENTITY, "Delete the temporal evolution of an entity.", (LOCAL,),
    answers=MANY,
)  # fmt: skip
DELETE_ATTRIBUTE = Operation(
    "deleteAttrsTemporal", "6.21.3.1", "DELETE", ATTRIBUTE,
    "Delete an attribute from the temporal evolution of an entity.", (DATASET_ID, DELETE_ALL, LOCAL), answers=MANY,
)  # fmt: skip
UPDATE_INSTANCE = Operation(
    "updateAttrInstanceTemporal", "6.22.3.1", "PATCH", INSTANCE,
    "Change an attribute instance of the temporal evolution of an entity.", (LOCAL,), "AttributeInstances", MANY,
)  # fmt: skip
DELETE_INSTANCE = Operation(
    "deleteAttrInstanceTemporal", "6.22.3.2", "DELETE", INSTANCE,
    "Delete an attribute instance from the temporal evolution of an entity.", (LOCAL,), answers=MANY,
)  # fmt: skip


class TemporalProvision:
    """The operations that write evolutions, over one pool and the city's contexts."""

    def __init__(self, pool: Pool, contexts: Contexts) -> None:
        self.pool = pool
        self.contexts = contexts

    def served(self) -> tuple[Served, ...]:
        return (
            Served(UPSERT, self.upsert),
            Served(APPEND, self.append),
            Served(DELETE, self.delete),
            Served(DELETE_ATTRIBUTE, self.delete_attribute),
            Served(UPDATE_INSTANCE, self.update_instance),
            Served(DELETE_INSTANCE, self.delete_instance),
        )

    def upsert(self, ask: Ask) -> Response:
        """NGSI-LD 6.18.3.1, create or update the temporal evolution of an entity."""
        chapter = parse_temporal(*read_body(ask, self.contexts))
        tenant = named_tenant(ask.request)
        if not self.pool.write_evolution(ask.actor, chapter, tenant=tenant).made:
            return done(tenant)
        return done(tenant, 201, {"Location": f"{ENTITIES}/{quote(chapter.id, safe=':')}"})

    def append(self, ask: Ask) -> Response:
        """NGSI-LD 6.20.3.1, add attributes to the temporal evolution of an entity."""
        id_ = entity_id(ask.path)
        chapter = parse_temporal_fragment(id_, *read_body(ask, self.contexts))
        tenant = read_tenant(ask.request, self.pool)
        self.pool.extend_evolution(ask.actor, chapter, tenant=tenant)
        return done(tenant)

    def delete(self, ask: Ask) -> Response:
        """NGSI-LD 6.19.3.2, delete the temporal evolution of an entity."""
        id_, tenant = entity_id(ask.path), read_tenant(ask.request, self.pool)
        self.pool.delete_evolution(ask.actor, id_, tenant=tenant)
        return done(tenant)

    def delete_attribute(self, ask: Ask) -> Response:
        """NGSI-LD 6.21.3.1, delete an attribute from the temporal evolution of an entity."""
        id_, attribute = entity_id(ask.path), attribute_in(ask, self.linked(ask))
        tenant = read_tenant(ask.request, self.pool)
        dataset, everything = dataset_in(ask.given.get("datasetId")), ask.given.get("deleteAll") == "true"
        self.pool.delete_series(ask.actor, id_, attribute, dataset, everything, tenant=tenant)
        return done(tenant)

    def update_instance(self, ask: Ask) -> Response:
        """NGSI-LD 6.22.3.1, change an attribute instance."""
        media, body = read_json(ask)
        terms = read_context(ask, self.contexts, media, body if isinstance(body, dict) else {})
        id_, attribute, name = entity_id(ask.path), attribute_in(ask, terms), instance_in(ask)
        instance = parse_single(body, terms, ask.path["attrId"])
        tenant = read_tenant(ask.request, self.pool)
        self.pool.change_instance(ask.actor, id_, attribute, ours(name), instance, tenant=tenant)
        return done(tenant)

    def delete_instance(self, ask: Ask) -> Response:
        """NGSI-LD 6.22.3.2, delete an attribute instance."""
        id_, attribute, name = entity_id(ask.path), attribute_in(ask, self.linked(ask)), instance_in(ask)
        tenant = read_tenant(ask.request, self.pool)
        self.pool.delete_instance(ask.actor, id_, attribute, ours(name), tenant=tenant)
        return done(tenant)

    def linked(self, ask: Ask) -> Terms:
        """The terms of a request without a body."""
        return self.contexts.terms(link_context(ask.request), named_tenant(ask.request))


def instance_in(ask: Ask) -> str:
    """The instanceId that the address names. Raises InvalidEntity where it is no URI."""
    name = ask.path["instanceId"]
    if not URI.match(name):
        raise InvalidEntity(f"'{name[:80]}' is no URI.", where="instanceId")
    return name


def ours(name: str) -> tuple[int, int]:
    """The commit and the ordinal that an instanceId of this pool says. Raises Missing for another's."""
    found = read_instance_id(name)
    if found is None:
        raise Missing("The attribute has no such instance.", where=name)
    return found
