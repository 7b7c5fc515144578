"""Who this context source is: `GET /info/sourceIdentity` (NGSI-LD 5.15.1, 5.2.40, 6.33)."""

import time
from typing import Any

import orjson
from starlette.responses import Response

from landbridge.api.http.accept import choose
from landbridge.api.ngsild.operation import Ask, Operation, Served
from landbridge.api.ngsild.parameter import JSON, JSON_LD, context_link, named_tenant
from landbridge.federation.reach import Reach
from landbridge.model.instant import format_instant
from landbridge.model.terms import Contexts

IDENTITY = Operation(
    "retrieveContextSourceIdentity", "6.33.3.1", "GET", "/info/sourceIdentity", "Retrieve who this context source is.",
    answers={200: "ContextSourceIdentity"},
)  # fmt: skip


class Identity:
    """The operation that says who is asked, over one reach; `started` on the monotonic clock."""

    def __init__(self, reach: Reach, contexts: Contexts) -> None:
        self.reach = reach
        self.contexts = contexts
        self.started = time.monotonic()

    def served(self) -> tuple[Served, ...]:
        return (Served(IDENTITY, self.retrieve),)

    def retrieve(self, ask: Ask) -> Response:
        """NGSI-LD 6.33.3.1; each tenant is a context source of its own, also one that nothing was written for."""
        media = choose(ask.request.headers.get("accept"), (JSON, JSON_LD))
        tenant = named_tenant(ask.request)
        terms = self.contexts.core
        alias = self.reach.alias(tenant)
        body: dict[str, Any] = {
            "id": f"urn:ngsi-ld:ContextSourceIdentity:{alias}",
            "type": "ContextSourceIdentity",
            "contextSourceAlias": alias,
            "contextSourceUptime": f"PT{int(time.monotonic() - self.started)}S",
            "contextSourceTimeAt": format_instant(self.reach.pool.store.clock()),
        }
        headers = {"NGSILD-Tenant": tenant} if tenant else {}
        if media == JSON_LD:
            body["@context"] = terms.document()
        else:
            headers["Link"] = context_link(terms)
        return Response(orjson.dumps(body), 200, headers, media)
