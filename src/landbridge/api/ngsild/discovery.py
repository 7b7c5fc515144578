"""What there is to ask about: types and attributes, as lists or with details (NGSI-LD 6.25 to 6.28)."""

import uuid
from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from landbridge.api.ngsild.answer import answer
from landbridge.api.ngsild.operation import Ask, Operation, Parameter, Served
from landbridge.api.ngsild.parameter import FLAG, JSON, JSON_LD, LOCAL, Wanted, read_wanted
from landbridge.errors import Invalid, Missing
from landbridge.model.answer import AttributeSummary, TypeDetail
from landbridge.model.terms import Contexts, full_name
from landbridge.pool.pool import Pool

DETAILS = Parameter("details", "With what belongs to each.", FLAG)
NAMES = uuid.UUID("5f6a3f0e-6a1e-5d0c-9a52-3b0f6a0f1d41")  # of the ids of lists: one for what is listed

TYPES = Operation(
    "retrieveEntityTypes", "6.25.3.1", "GET", "/types", "Retrieve the available entity types.", (DETAILS, LOCAL),
    answers={200: "EntityTypeList"},
)  # fmt: skip
TYPE = Operation(
    "retrieveEntityTypeInfo", "6.26.3.1", "GET", "/types/{type}", "Retrieve what there is of an entity type.",
    (LOCAL,), answers={200: "EntityTypeInfo"},
)  # fmt: skip
ATTRIBUTES = Operation(
    "retrieveAttrTypes", "6.27.3.1", "GET", "/attributes", "Retrieve the available attributes.", (DETAILS, LOCAL),
    answers={200: "AttributeList"},
)  # fmt: skip
ATTRIBUTE = Operation(
    "retrieveAttrTypeInfo", "6.28.3.1", "GET", "/attributes/{attrId}", "Retrieve what there is of an attribute.",
    (LOCAL,), answers={200: "AttributeInfo"},
)  # fmt: skip


class Discovery:
    """The operations on types and attributes, over one pool."""

    def __init__(self, pool: Pool, contexts: Contexts) -> None:
        self.pool = pool
        self.contexts = contexts

    def served(self) -> tuple[Served, ...]:
        return (
            Served(TYPES, self.types),
            Served(TYPE, self.type),
            Served(ATTRIBUTES, self.attributes),
            Served(ATTRIBUTE, self.attribute),
        )

    def types(self, ask: Ask) -> Response:
        """NGSI-LD 6.25.3.1, retrieve the available types; with `details=true` their attributes too."""
        wanted = self.wanted(ask)
        found = self.pool.type_details(ask.actor, tenant=wanted.tenant)
        if ask.given.get("details") == "true":
            return answer(wanted, [type_of(one, wanted) | context(wanted) for one in found])
        return answer(wanted, list_of("EntityTypeList", "typeList", [one.type for one in found], wanted))

    def type(self, ask: Ask) -> Response:
        """NGSI-LD 6.26.3.1, retrieve what there is of a type."""
        wanted = self.wanted(ask)
        name = stored(ask.path["type"], wanted)
        found = self.pool.type_detail(ask.actor, name, tenant=wanted.tenant)
        return answer(wanted, type_info(found, wanted) | context(wanted))

    def attributes(self, ask: Ask) -> Response:
        """NGSI-LD 6.27.3.1, retrieve the available attributes; with `details=true` the types that have them too."""
        wanted = self.wanted(ask)
        found = self.pool.attributes(ask.actor, tenant=wanted.tenant)
        if ask.given.get("details") == "true":
            return answer(wanted, [attribute_of(one, wanted) | context(wanted) for one in found])
        return answer(wanted, list_of("AttributeList", "attributeList", [one.name for one in found], wanted))

    def attribute(self, ask: Ask) -> Response:
        """NGSI-LD 6.28.3.1, retrieve what there is of an attribute."""
        wanted = self.wanted(ask)
        name = stored(ask.path["attrId"], wanted)
        found = self.pool.attribute(ask.actor, name, tenant=wanted.tenant)
        return answer(wanted, attribute_info(found, wanted) | context(wanted))

    def wanted(self, ask: Ask) -> Wanted:
        return read_wanted(ask, self.contexts, self.pool, JSON, JSON_LD)


def stored(name: str, wanted: Wanted) -> str:
    """The stored name of what the address names. Raises Missing for a member that is no type and no attribute."""
    try:
        return wanted.terms.expand(name)
    except Invalid as error:
        raise Missing(error.message, where=name[:200]) from None


def list_of(type_: str, member: str, names: Sequence[str], wanted: Wanted) -> dict[str, Any]:
    """The list of names (NGSI-LD 5.2.24, 5.2.27); its id says what is listed."""
    id_ = f"urn:ngsi-ld:{type_}:{uuid.uuid5(NAMES, wanted.tenant + '/' + ','.join(names))}"
    return {"id": id_, "type": type_, member: [wanted.terms.compact(name) for name in names]} | context(wanted)


def type_of(found: TypeDetail, wanted: Wanted) -> dict[str, Any]:
    """An EntityType (NGSI-LD 5.2.25)."""
    compact = wanted.terms.compact
    names = [compact(one.name) for one in found.attributes]
    return {
        "id": full_name(found.type), "type": "EntityType", "typeName": compact(found.type), "attributeNames": names,
    }  # fmt: skip


def type_info(found: TypeDetail, wanted: Wanted) -> dict[str, Any]:
    """An EntityTypeInfo (NGSI-LD 5.2.26)."""
    details = [head_of(one, wanted) | {"attributeTypes": list(one.kinds)} for one in found.attributes]
    return {
        "id": full_name(found.type), "type": "EntityTypeInfo", "typeName": wanted.terms.compact(found.type),
        "entityCount": found.entities, "attributeDetails": details,
    }  # fmt: skip


def head_of(found: AttributeSummary, wanted: Wanted) -> dict[str, Any]:
    return {"id": full_name(found.name), "type": "Attribute", "attributeName": wanted.terms.compact(found.name)}


def attribute_of(found: AttributeSummary, wanted: Wanted) -> dict[str, Any]:
    """An Attribute (NGSI-LD 5.2.28) in a list."""
    return head_of(found, wanted) | {"typeNames": [wanted.terms.compact(name) for name in found.types]}


def attribute_info(found: AttributeSummary, wanted: Wanted) -> dict[str, Any]:
    """An Attribute (NGSI-LD 5.2.28) in full."""
    more = {"attributeCount": found.count, "attributeTypes": list(found.kinds)}
    return head_of(found, wanted) | more | {"typeNames": [wanted.terms.compact(name) for name in found.types]}


def context(wanted: Wanted) -> dict[str, object]:
    return {"@context": wanted.terms.document()} if wanted.rendering.context else {}
