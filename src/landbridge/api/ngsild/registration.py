"""Context source registrations: register, update, delete, retrieve, query. Each: parse, registry, render.

NGSI-LD 6.8 (`csourceRegistrations`), 6.9 (`csourceRegistrations/{registrationId}`).
"""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from landbridge.api.ngsild.answer import done
from landbridge.api.ngsild.body import read_body
from landbridge.api.ngsild.filter import parse_q
from landbridge.api.ngsild.kept import (
    dressed,
    given_id,
    read_window,
    render_created,
    render_one,
    render_page,
    require_uri,
)
from landbridge.api.ngsild.operation import ROOT, Ask, Operation, Parameter, Served
from landbridge.api.ngsild.parameter import (
    ATTRS,
    COORDINATES,
    COUNT,
    GEOMETRY,
    GEOPROPERTY,
    GEOREL,
    ID,
    ID_PATTERN,
    JSON,
    JSON_LD,
    LIMIT,
    OFFSET,
    OPTIONS,
    SCOPE_Q,
    SYS_ATTRS,
    TYPE,
    Q,
    Wanted,
    named_tenant,
    read_geo,
    read_ids,
    read_tenant,
    read_wanted,
)
from landbridge.api.ngsild.parameter import names as read_names
from landbridge.api.ngsild.selection import parse_scopes, parse_types
from landbridge.errors import InvalidQuery
from landbridge.federation.judge import Moments, read_moments
from landbridge.federation.pattern import check_pattern
from landbridge.federation.reach import Reach
from landbridge.federation.registration import show_registration
from landbridge.federation.registry import Sought
from landbridge.model.terms import Contexts
from landbridge.pool.cabinet import Kept
from landbridge.pool.pool import Pool

REGISTRATIONS = ROOT + "/csourceRegistrations"
CSF = Parameter("csf", "Context sources of whose properties this is true (NGSI-LD query language, 4.9).")
TIMEREL = Parameter(
    "timerel", "How the times lie to timeAt.", {"type": "string", "enum": ["before", "after", "between"]}
)
TIME_AT = Parameter("timeAt", "A date and time.")
END_TIME_AT = Parameter("endTimeAt", "The end, where timerel is between.")
TIME_PROPERTY = Parameter("timeproperty", "Which time is meant: observedAt (usual), createdAt, modifiedAt, deletedAt.")
TIMES = (TIMEREL, TIME_AT, END_TIME_AT, TIME_PROPERTY)
SOUGHT = (TYPE, ID, ID_PATTERN, ATTRS, Q, CSF, GEOREL, GEOMETRY, COORDINATES, GEOPROPERTY, SCOPE_Q, *TIMES)

CREATE = Operation(
    "createCSR", "6.8.3.1", "POST", "/csourceRegistrations", "Register a context source.",
    body="CsourceRegistration", answers={201: ""},
)  # fmt: skip
QUERY = Operation(
    "queryCSR", "6.8.3.2", "GET", "/csourceRegistrations", "Query context source registrations.",
    (*SOUGHT, OPTIONS, SYS_ATTRS, LIMIT, OFFSET, COUNT), answers={200: "CsourceRegistrationList"},
)  # fmt: skip
RETRIEVE = Operation(
    "retrieveCSR", "6.9.3.1", "GET", "/csourceRegistrations/{registrationId}", "Retrieve a registration.",
    (OPTIONS, SYS_ATTRS), answers={200: "CsourceRegistration"},
)  # fmt: skip
UPDATE = Operation(
    "updateCSR", "6.9.3.2", "PATCH", "/csourceRegistrations/{registrationId}", "Update a registration.",
    body="CsourceRegistrationFragment", answers={204: ""},
)  # fmt: skip
DELETE = Operation(
    "deleteCSR", "6.9.3.3", "DELETE", "/csourceRegistrations/{registrationId}", "Delete a registration.",
    answers={204: ""},
)  # fmt: skip


class Registrations:
    """The operations on context source registrations, over one reach."""

    def __init__(self, pool: Pool, contexts: Contexts, reach: Reach) -> None:
        self.pool = pool
        self.contexts = contexts
        self.registry = reach.registry
        self.standing = reach.standings.members

    def served(self) -> tuple[Served, ...]:
        return (
            Served(CREATE, self.create),
            Served(QUERY, self.query),
            Served(RETRIEVE, self.retrieve),
            Served(UPDATE, self.update),
            Served(DELETE, self.delete),
        )

    def create(self, ask: Ask) -> Response:
        """NGSI-LD 6.8.3.1, register a context source."""
        body, terms = read_body(ask, self.contexts)
        tenant = named_tenant(ask.request)
        id_ = given_id(body, "ContextSourceRegistration")
        self.registry.register(ask.actor, tenant, id_, body, terms)
        return render_created(REGISTRATIONS, tenant, id_)

    def query(self, ask: Ask) -> Response:
        """NGSI-LD 6.8.3.2, query registrations."""
        wanted = read_wanted(ask, self.contexts, self.pool, JSON, JSON_LD)
        found = self.registry.find(ask.actor, wanted.tenant, read_sought(wanted))
        window = read_window(ask.given)
        page = [self.show(ask, wanted, one) for one in found[window.offset : window.offset + window.limit]]
        return render_page(wanted, REGISTRATIONS, window, page, len(found))

    def retrieve(self, ask: Ask) -> Response:
        """NGSI-LD 6.9.3.1, retrieve a registration."""
        wanted = read_wanted(ask, self.contexts, self.pool, JSON, JSON_LD)
        found = self.registry.get(ask.actor, wanted.tenant, require_uri(ask.path["registrationId"]))
        return render_one(wanted, self.show(ask, wanted, found))

    def update(self, ask: Ask) -> Response:
        """NGSI-LD 6.9.3.2, update a registration."""
        id_ = require_uri(ask.path["registrationId"])
        body, terms = read_body(ask, self.contexts)
        tenant = read_tenant(ask.request, self.pool)
        self.registry.update(ask.actor, tenant, id_, body, terms)
        return done(tenant)

    def delete(self, ask: Ask) -> Response:
        """NGSI-LD 6.9.3.3, delete a registration."""
        tenant = read_tenant(ask.request, self.pool)
        self.registry.delete(ask.actor, tenant, require_uri(ask.path["registrationId"]))
        return done(tenant)

    def show(self, ask: Ask, wanted: Wanted, kept: Kept) -> dict[str, Any]:
        """A registration as a client sees it; what its headers say is for those who may register."""
        secrets = self.pool.policy.allows(ask.actor, "write")
        shown = show_registration(kept.body, wanted.terms, secrets=secrets)
        return dressed(wanted, kept, shown | self.standing(kept.tenant, kept.id))


def read_sought(wanted: Wanted) -> Sought:
    """The parameters that choose registrations. Raises InvalidQuery (NGSI-LD 5.10.2)."""
    given, terms = wanted.parameters, wanted.terms
    if not any(parameter.name in given for parameter in SOUGHT):
        raise InvalidQuery("Nothing says which registrations are wanted.", hint="Give type, attrs, id, q or csf.")
    return Sought(
        types=parse_types(given["type"], terms) if "type" in given else None,
        ids=read_ids(given["id"]) if "id" in given else (),
        pattern=check_pattern(given["idPattern"], "idPattern") if "idPattern" in given else None,
        attrs=read_names(given["attrs"], terms, "attrs") if "attrs" in given else (),
        conditions=tuple(parse_q(given[name], terms) for name in ("q", "csf") if name in given),
        geo=read_geo(given, terms),
        scope=parse_scopes(given["scopeQ"]) if "scopeQ" in given else None,
        moments=read_times(given),
    )


def read_times(given: Mapping[str, str]) -> Moments | None:
    """The temporal query, if there is one. Raises InvalidQuery."""
    if not any(parameter.name in given for parameter in TIMES):
        return None
    for name in ("timerel", "timeAt"):
        if name not in given:
            raise InvalidQuery("A question about times needs timerel and timeAt.", where=name)
    return read_moments(
        given["timerel"], given["timeAt"], given.get("endTimeAt"), given.get("timeproperty", "observedAt")
    )
