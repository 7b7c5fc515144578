"""Which types there are (NGSI-LD 6.25, available entity types)."""

from starlette.responses import Response

from landbridge.api.ngsild.answer import answer
from landbridge.api.ngsild.operation import Ask, Operation, Parameter, Served
from landbridge.api.ngsild.parameter import FLAG, JSON, JSON_LD, Wanted, read_wanted
from landbridge.model.terms import Contexts, full_name
from landbridge.pool.pool import Pool

DETAILS = Parameter("details", "With the attributes of each.", FLAG)
ALL = Operation(
    "retrieveTypes", "6.25.3.1", "GET", "/types", "Retrieve the available entity types.", (DETAILS,),
    answers={200: "EntityTypeList"},
)  # fmt: skip


class Types:
    """The operations on types, over one pool."""

    def __init__(self, pool: Pool, contexts: Contexts) -> None:
        self.pool = pool
        self.contexts = contexts

    def served(self) -> tuple[Served, ...]:
        return (Served(ALL, self.all),)

    def all(self, ask: Ask) -> Response:
        """NGSI-LD 6.25.3.1, retrieve the available types; with `details=true` their attributes too."""
        wanted = read_wanted(ask, self.contexts, self.pool, JSON, JSON_LD)
        found = self.pool.types(ask.actor, tenant=wanted.tenant)
        compact = wanted.terms.compact
        if wanted.parameters.get("details") == "true":
            shown = [
                {
                    "id": full_name(one.type),
                    "type": "EntityType",
                    "typeName": compact(one.type),
                    "attributeNames": [compact(name) for name in one.attributes],
                }
                | context(wanted)
                for one in found
            ]
            return answer(wanted, shown)
        body = {
            "id": "urn:ngsi-ld:EntityTypeList:all",
            "type": "EntityTypeList",
            "typeList": [compact(one.type) for one in found],
        }
        return answer(wanted, body | context(wanted))


def context(wanted: Wanted) -> dict[str, object]:
    return {"@context": wanted.terms.document()} if wanted.rendering.context else {}
