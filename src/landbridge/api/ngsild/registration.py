"""Context source registrations: register, update, delete, retrieve, query. Each: parse, registry, render.

NGSI-LD 6.8 (`csourceRegistrations`), 6.9 (`csourceRegistrations/{registrationId}`).
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from starlette.responses import Response

from landbridge.api.ngsild.answer import answer, done
from landbridge.api.ngsild.body import read_body
from landbridge.api.ngsild.filter import parse_q
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
    read_limit,
    read_tenant,
    read_wanted,
)
from landbridge.api.ngsild.parameter import names as read_names
from landbridge.api.ngsild.selection import parse_scopes, parse_types
from landbridge.errors import InvalidEntity, InvalidQuery
from landbridge.federation.judge import Moments, read_moments
from landbridge.federation.pattern import check_pattern
from landbridge.federation.reach import Reach
from landbridge.federation.registration import show_registration
from landbridge.federation.registry import Sought
from landbridge.model.instant import format_instant
from landbridge.model.terms import Contexts
from landbridge.model.value import URI
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
        self.standing = reach.lines.standing

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
        id_ = given_id(body)
        self.registry.register(ask.actor, tenant, id_, body, terms)
        return done(tenant, 201, {"Location": f"{REGISTRATIONS}/{quote(id_, safe=':')}"})

    def query(self, ask: Ask) -> Response:
        """NGSI-LD 6.8.3.2, query registrations."""
        wanted = read_wanted(ask, self.contexts, self.pool, JSON, JSON_LD)
        found = self.registry.find(ask.actor, wanted.tenant, read_sought(wanted))
        return render_page(wanted, REGISTRATIONS, found, lambda kept: self.show(ask, wanted, kept))

    def retrieve(self, ask: Ask) -> Response:
        """NGSI-LD 6.9.3.1, retrieve a registration."""
        wanted = read_wanted(ask, self.contexts, self.pool, JSON, JSON_LD)
        found = self.registry.get(ask.actor, wanted.tenant, registration_id(ask.path))
        return answer(wanted, self.show(ask, wanted, found))

    def update(self, ask: Ask) -> Response:
        """NGSI-LD 6.9.3.2, update a registration."""
        id_ = registration_id(ask.path)
        body, terms = read_body(ask, self.contexts)
        tenant = read_tenant(ask.request, self.pool)
        self.registry.update(ask.actor, tenant, id_, body, terms)
        return done(tenant)

    def delete(self, ask: Ask) -> Response:
        """NGSI-LD 6.9.3.3, delete a registration."""
        tenant = read_tenant(ask.request, self.pool)
        self.registry.delete(ask.actor, tenant, registration_id(ask.path))
        return done(tenant)

    def show(self, ask: Ask, wanted: Wanted, kept: Kept) -> dict[str, Any]:
        """A registration as a client sees it; what its headers say is for those who may register."""
        secrets = self.pool.policy.allows(ask.actor, "write")
        shown = {"id": kept.id, **show_registration(kept.body, wanted.terms, secrets=secrets)}
        shown |= self.standing(kept.tenant, kept.id)
        if wanted.rendering.system:
            shown |= {"createdAt": format_instant(kept.created), "modifiedAt": format_instant(kept.modified)}
        return shown | context(wanted)


def context(wanted: Wanted) -> dict[str, Any]:
    """The client's own contexts; that the core context is among them is understood (NGSI-LD 5.5.7)."""
    own = list(wanted.terms.contexts) or wanted.terms.document()
    return {"@context": own} if wanted.rendering.context else {}


def given_id(body: Mapping[str, Any], kind: str = "ContextSourceRegistration") -> str:
    """The id that a new document says, or a fresh one. Raises InvalidEntity."""
    id_ = body.get("id", body.get("@id"))
    if id_ is None:
        return f"urn:ngsi-ld:{kind}:{uuid.uuid4()}"
    if not isinstance(id_, str) or not URI.match(id_):
        raise InvalidEntity("The id is no URI.", where="id", hint=f"Write it like urn:ngsi-ld:{kind}:1.")
    return id_


def registration_id(path: Mapping[str, str]) -> str:
    return named_id(path["registrationId"])


def named_id(id_: str) -> str:
    """The id that the address names. Raises InvalidEntity where it is no URI."""
    if not URI.match(id_):
        raise InvalidEntity(f"'{id_[:80]}' is no URI.", where="id")
    return id_


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


def render_page(wanted: Wanted, address: str, found: Sequence[Any], show: Any) -> Response:
    """A page of documents with the addresses of its neighbours, and the count where asked for (5.5.9, 6.3.10)."""
    given = wanted.parameters
    counted = given.get("count") == "true" or "count" in given.get("options", "").split(",")
    limit, offset = read_limit(given.get("limit"), counted), read_offset(given.get("offset"))
    headers = {"NGSILD-Results-Count": str(len(found))} if counted else {}
    response = answer(wanted, [show(one) for one in found[offset : offset + limit]], headers)
    places = {}
    if limit and offset:
        places["prev"] = max(0, offset - limit)
    if limit and offset + limit < len(found):
        places["next"] = offset + limit
    for relation, place in places.items():
        query = urlencode({**given, "limit": limit, "offset": place})
        response.headers.append("Link", f'<{address}?{query}>; rel="{relation}"; type="{JSON_LD}"')
    return response


def read_offset(text: str | None) -> int:
    if text is None:
        return 0
    if not text.isascii() or not text.isdigit() or len(text) > 8:
        raise InvalidQuery(f"'{text[:20]}' is no number of documents.", where="offset")
    return int(text)
