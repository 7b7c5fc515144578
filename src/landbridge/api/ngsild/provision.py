"""Entities: create, merge, replace, delete, purge. Each is three calls: parse, pool, render."""

from urllib.parse import quote

from starlette.responses import Response

from landbridge.api.ngsild.answer import done
from landbridge.api.ngsild.body import read_body, read_entity
from landbridge.api.ngsild.operation import ROOT, Ask, Operation, Parameter, Served
from landbridge.api.ngsild.parameter import link_context, named_tenant, read_tenant
from landbridge.api.ngsild.purge import FILTERS, read_purge, render_purge
from landbridge.api.ngsild.writing import (
    FORM,
    FORM_OPTIONS,
    IF_TYPE,
    LOCAL,
    is_simplified,
    read_fragment,
    read_options,
    read_target,
    render_written,
)
from landbridge.errors import InvalidQuery
from landbridge.model.merge import Merging, parse_observed
from landbridge.model.parser import parse_fragment
from landbridge.model.terms import Contexts, Terms
from landbridge.pool.pool import Pool

ENTITIES = ROOT + "/entities"
OBSERVED_AT = Parameter(
    "observedAt", "When what is merged was observed: for attributes that had a time and are given none."
)
LANGUAGE = Parameter("lang", "The language of simplified texts that are merged into languages.")

CREATE = Operation(
    "createEntity", "6.4.3.1", "POST", "/entities", "Create an entity.",
    (FORM_OPTIONS, FORM, LOCAL), "Entity", {201: ""},
)  # fmt: skip
PURGE = Operation(
    "purgeEntities", "6.4.3.3", "DELETE", "/entities", "Delete all entities that meet the parameters.",
    FILTERS, answers={204: "", 207: "BatchOperationResult"},
)  # fmt: skip
MERGE = Operation(
    "mergeEntity", "6.5.3.4", "PATCH", "/entities/{entityId}", "Merge a fragment into an entity.",
    (FORM_OPTIONS, FORM, OBSERVED_AT, LANGUAGE, IF_TYPE, LOCAL), "EntityFragment", {204: "", 207: "UpdateResult"},
)  # fmt: skip
REPLACE = Operation(
    "replaceEntity", "6.5.3.3", "PUT", "/entities/{entityId}", "Replace an entity.",
    (FORM_OPTIONS, FORM, IF_TYPE, LOCAL), "Entity", {204: "", 207: "UpdateResult"},
)  # fmt: skip
DELETE = Operation(
    "deleteEntity", "6.5.3.2", "DELETE", "/entities/{entityId}", "Delete an entity.",
    (IF_TYPE, LOCAL), answers={204: "", 207: "UpdateResult"},
)  # fmt: skip


class Provision:
    """The operations that write whole entities, over one pool and the city's contexts."""

    def __init__(self, pool: Pool, contexts: Contexts) -> None:
        self.pool = pool
        self.contexts = contexts

    def served(self) -> tuple[Served, ...]:
        return (
            Served(CREATE, self.create),
            Served(PURGE, self.purge),
            Served(MERGE, self.merge),
            Served(REPLACE, self.replace),
            Served(DELETE, self.delete),
        )

    def create(self, ask: Ask) -> Response:
        """NGSI-LD 6.4.3.1, create an entity."""
        document = read_entity(ask, self.contexts, simplified=is_simplified(read_options(ask.given)))
        tenant = named_tenant(ask.request)
        self.pool.create(ask.actor, document, tenant=tenant)
        return done(tenant, 201, {"Location": f"{ENTITIES}/{quote(document['id'], safe=':')}"})

    def merge(self, ask: Ask) -> Response:
        """NGSI-LD 6.5.3.4, merge an entity."""
        simplified = is_simplified(read_options(ask.given))
        body, terms = read_body(ask, self.contexts)
        target, tenant = read_target(ask, terms), read_tenant(ask.request, self.pool)
        given = read_fragment(body, terms, simplified=simplified, nulls=True, partial=True)
        written = self.pool.merge(ask.actor, target, given, read_merging(ask, terms), tenant=tenant)
        return render_written(written, tenant)

    def replace(self, ask: Ask) -> Response:
        """NGSI-LD 6.5.3.3, replace an entity."""
        simplified = is_simplified(read_options(ask.given))
        body, terms = read_body(ask, self.contexts)
        target, tenant = read_target(ask, terms), read_tenant(ask.request, self.pool)
        document = parse_fragment(body, terms, simplified=simplified)
        self.pool.replace(ask.actor, target, document, tenant=tenant)
        return done(tenant)

    def delete(self, ask: Ask) -> Response:
        """NGSI-LD 6.5.3.2, delete an entity."""
        target, tenant = read_target(ask, self.linked(ask)), read_tenant(ask.request, self.pool)
        self.pool.delete(ask.actor, target, tenant=tenant)
        return done(tenant)

    def purge(self, ask: Ask) -> Response:
        """NGSI-LD 6.4.3.3, purge entities."""
        query, doomed = read_purge(ask, self.contexts, self.pool)
        return render_purge(self.pool.purge(ask.actor, query, doomed), query.tenant)

    def linked(self, ask: Ask) -> Terms:
        """The terms of a request without a body."""
        return self.contexts.terms(link_context(ask.request), named_tenant(ask.request))


def read_merging(ask: Ask, terms: Terms) -> Merging:
    """What a merge says besides its fragment (NGSI-LD table 6.5.3.4-1)."""
    observed, language = ask.given.get("observedAt"), ask.given.get("lang")
    if language is not None and ("," in language or ";" in language):
        raise InvalidQuery("A merge is in one language.", where="lang", hint="Give one tag, like en.")
    return Merging(terms, parse_observed(observed) if observed else None, language)
