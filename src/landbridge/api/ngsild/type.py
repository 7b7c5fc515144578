"""Which types there are (NGSI-LD 6.25, available entity types)."""

from starlette.responses import Response

from landbridge.api.http.resource import Call
from landbridge.api.ngsild.entity import answer
from landbridge.api.ngsild.parameter import JSON, JSON_LD, Wanted, read_wanted
from landbridge.model.terms import Contexts, full_name
from landbridge.pool.pool import Pool


class Types:
    """The operations on types, over one pool."""

    def __init__(self, pool: Pool, contexts: Contexts) -> None:
        self.pool = pool
        self.contexts = contexts

    def all(self, call: Call) -> Response:
        """NGSI-LD 6.25.3.1, retrieve the available types; with `details=true` their attributes too."""
        wanted = read_wanted(call.request, self.contexts, self.pool, {"details"}, JSON, JSON_LD)
        found = self.pool.types(call.actor, tenant=wanted.tenant)
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
