"""Snapshots: create, clone, retrieve, update, delete, purge; and every other operation on what one of them holds.

NGSI-LD 5.16, 6.36 (`snapshots`), 6.37 (`snapshots/{snapshotId}`), 6.38 (`snapshots/{snapshotId}/clone`), and 6.3.22
(the header `NGSILD-Snapshot`, which names the snapshot that an operation is about).
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import orjson
from starlette.responses import Response

from landbridge.api.ngsild.answer import done
from landbridge.api.ngsild.body import read_body
from landbridge.api.ngsild.companion import trip_of
from landbridge.api.ngsild.fault import NotSupported
from landbridge.api.ngsild.filter import parse_q
from landbridge.api.ngsild.kept import given_id, render_created, require_uri
from landbridge.api.ngsild.operation import ROOT, Ask, Operation, Served
from landbridge.api.ngsild.parameter import JSON, Q, read_tenant, wanted_of
from landbridge.api.ngsild.query_body import read_members
from landbridge.api.ngsild.question import read_query
from landbridge.api.ngsild.subscription_body import pair, several, text, uri
from landbridge.errors import Invalid, InvalidEntity, InvalidQuery
from landbridge.federation.snapshot import Question, Snapshots
from landbridge.model.entity import NULL
from landbridge.model.instant import parse_duration
from landbridge.model.query import attributes_of
from landbridge.model.terms import Contexts, Terms
from landbridge.pool.pool import Pool

SNAPSHOTS = ROOT + "/snapshots"
HEADER = "NGSILD-Snapshot"
MOST_QUERIES = 50
INSIDE = ("/entities", "/entityOperations/", "/types", "/attributes", "/entityMaps")  # what is asked of a snapshot
MEMBERS = frozenset(
    {"id", "type", "snapshotPriority", "snapshotLifetime", "snapshotStatus", "createdAt", "expiresAt", "lastUsedAt",
     "endpoint"}
)  # fmt: skip

CREATE = Operation(
    "createSnapshot", "6.36.3.1", "POST", "/snapshots", "Keep what queries find as it is now.",
    body="Snapshot", answers={201: ""},
)  # fmt: skip
PURGE = Operation(
    "purgeSnapshots", "6.36.3.2", "DELETE", "/snapshots", "Delete the snapshots of which q is true.", (Q,),
    answers={204: ""},
)  # fmt: skip
RETRIEVE = Operation(
    "retrieveSnapshotStatus", "6.37.3.1", "GET", "/snapshots/{snapshotId}", "Retrieve how a snapshot is.",
    answers={200: "Snapshot"},
)  # fmt: skip
UPDATE = Operation(
    "updateSnapshotStatus", "6.37.3.2", "PATCH", "/snapshots/{snapshotId}", "Change a snapshot's priority or life.",
    body="SnapshotFragment", answers={200: "Snapshot"},
)  # fmt: skip
DELETE = Operation(
    "deleteSnapshot", "6.37.3.3", "DELETE", "/snapshots/{snapshotId}", "Delete a snapshot.", answers={204: ""},
)  # fmt: skip
CLONE = Operation(
    "cloneSnapshot", "6.38.3.1", "POST", "/snapshots/{snapshotId}/clone", "Make a copy of a snapshot.",
    body="SnapshotFragment", answers={201: ""},
)  # fmt: skip


class SnapshotServer:
    """The operations on snapshots, over one pool. `check` judges the address that is told when one is ready."""

    def __init__(self, pool: Pool, contexts: Contexts, snapshots: Snapshots, check: Callable[[str], None]) -> None:
        self.pool = pool
        self.contexts = contexts
        self.snapshots = snapshots
        self.check = check

    def served(self) -> tuple[Served, ...]:
        return (
            Served(CREATE, self.create),
            Served(PURGE, self.purge),
            Served(RETRIEVE, self.retrieve),
            Served(UPDATE, self.update),
            Served(DELETE, self.delete),
            Served(CLONE, self.clone),
        )

    def create(self, ask: Ask) -> Response:
        """NGSI-LD 6.36.3.1, create a snapshot."""
        body, terms = read_body(ask, self.contexts)
        tenant, id_ = read_tenant(ask.request, self.pool), given_id(body, "Snapshot")
        if body.get("type") != "Snapshot":
            raise InvalidEntity("The type is 'Snapshot'.", where="type")
        if "snapshotTemporalQueries" in body:
            raise NotSupported("Snapshots keep no temporal evolution here.", where="snapshotTemporalQueries")
        if "snapshotQueries" not in body:
            raise InvalidEntity("The snapshot has no queries.", where="snapshotQueries")
        given = several(body["snapshotQueries"], "snapshotQueries", MOST_QUERIES)
        questions = [self.question(ask, one, terms, tenant) for one in given]
        kept = {"snapshotQueries": given, **self.members(body, "snapshotQueries")}
        self.snapshots.create(ask.actor, tenant, id_, kept, questions)
        return render_created(SNAPSHOTS, tenant, id_)

    def question(self, ask: Ask, given: Any, terms: Terms, tenant: str) -> Question:
        """One query, read as that of a POST (5.2.23)."""
        if not isinstance(given, dict):
            raise InvalidEntity("A query is an object.", where="snapshotQueries")
        taken, selectors = read_members(given, terms)
        wanted = wanted_of(taken, terms, tenant, JSON)
        query = read_query(wanted, selectors)
        return Question(query, trip_of(ask, wanted, query))

    def members(self, body: Mapping[str, Any], *others: str) -> dict[str, Any]:
        """The members that a client may set; None for those that go. Raises InvalidEntity."""
        found: dict[str, Any] = {}
        for name, value in body.items():
            if name in ("id", "@id", "type", *others):
                continue
            if name not in SETTABLE:
                raise InvalidEntity("A client does not set this member.", where=name[:60])
            found |= SETTABLE[name](None if value == NULL else value)
        if found.get("endpoint"):
            self.check(found["endpoint"]["uri"])
        return found

    def purge(self, ask: Ask) -> Response:
        """NGSI-LD 6.36.3.2, purge snapshots."""
        tenant = read_tenant(ask.request, self.pool)
        condition = None
        if "q" in ask.given:
            condition = parse_q(ask.given["q"], self.contexts.core)
            if attributes_of(condition) - MEMBERS:
                raise InvalidQuery("Only members of snapshots are asked for.", where="q")
        self.snapshots.purge(ask.actor, tenant, condition)
        return done(tenant)

    def retrieve(self, ask: Ask) -> Response:
        """NGSI-LD 6.37.3.1, retrieve a snapshot's status."""
        tenant = read_tenant(ask.request, self.pool)
        found = self.snapshots.get(ask.actor, tenant, require_uri(ask.path["snapshotId"]))
        return Response(orjson.dumps(self.snapshots.show(found)), 200, None, JSON)

    def update(self, ask: Ask) -> Response:
        """NGSI-LD 6.37.3.2, update a snapshot's status."""
        body, _ = read_body(ask, self.contexts)
        tenant = read_tenant(ask.request, self.pool)
        id_ = require_uri(ask.path["snapshotId"])
        found = self.snapshots.update(ask.actor, tenant, id_, self.members(body))
        return Response(orjson.dumps(self.snapshots.show(found)), 200, None, JSON)

    def delete(self, ask: Ask) -> Response:
        """NGSI-LD 6.37.3.3, delete a snapshot."""
        tenant = read_tenant(ask.request, self.pool)
        self.snapshots.delete(ask.actor, tenant, require_uri(ask.path["snapshotId"]))
        return done(tenant)

    def clone(self, ask: Ask) -> Response:
        """NGSI-LD 6.38.3.1, clone a snapshot."""
        body, _ = read_body(ask, self.contexts)
        tenant, id_ = read_tenant(ask.request, self.pool), given_id(body, "Snapshot")
        source = self.snapshots.get(ask.actor, tenant, require_uri(ask.path["snapshotId"]))
        self.snapshots.clone(ask.actor, tenant, source, id_, self.members(body))
        return render_created(SNAPSHOTS, tenant, id_)

    # -- the header

    def around(self, served: Served) -> Served:
        """The operation, on what the snapshot holds that the request names."""
        inside = served.operation.path.startswith(INSIDE)
        return Served(served.operation, partial(self.perform, served)) if inside else served

    def perform(self, served: Served, ask: Ask) -> Response:
        """NGSI-LD 6.3.22; what a snapshot holds is asked like a tenant of its own, and of this place alone."""
        id_ = ask.request.headers.get(HEADER)
        if id_ is None:
            return served.perform(ask)
        tenant = read_tenant(ask.request, self.pool)
        ask.request.state.room = self.snapshots.enter(ask.actor, tenant, require_uri(id_))
        response = served.perform(ask)
        response.raw_headers = [(name, value) for name, value in response.raw_headers if name.lower() != TENANT_HEADER]
        response.headers[HEADER] = id_
        return response


TENANT_HEADER = b"ngsild-tenant"


def read_priority(value: Any) -> dict[str, Any]:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 10):
        raise InvalidEntity("A priority is a whole number from 1 to 10.", where="snapshotPriority")
    return {"snapshotPriority": 5 if value is None else value}


def read_life(value: Any) -> dict[str, Any]:
    if value is None:
        return {"snapshotLifetime": None, "life": None}
    told = text(value, "snapshotLifetime")
    try:
        return {"snapshotLifetime": told, "life": parse_duration(told)}
    except Invalid as error:
        raise InvalidEntity(error.message, where="snapshotLifetime", hint=error.hint) from None


def read_endpoint(value: Any) -> dict[str, Any]:
    if value is None:
        return {"endpoint": None}
    if not isinstance(value, dict):
        raise InvalidEntity("An endpoint is an object.", where="endpoint")
    return {"endpoint": {**value, "uri": uri(value.get("uri"), "endpoint.uri")}}


def read_receiver(value: Any) -> dict[str, Any]:
    if value is None:
        return {"receiverInfo": None}
    return {"receiverInfo": [pair(one, "receiverInfo") for one in several(value, "receiverInfo", 100)]}


SETTABLE: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "snapshotPriority": read_priority, "snapshotLifetime": read_life, "endpoint": read_endpoint,
    "receiverInfo": read_receiver,
}  # fmt: skip
