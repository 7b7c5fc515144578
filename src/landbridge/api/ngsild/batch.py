"""Many entities in one request: create, upsert, update, delete, merge. Each is three calls: parse, pool, render.

What is wrong with one entity, in its text or in the pool, is told of that one, and the others are written.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.responses import Response

from landbridge.api.ngsild.answer import done
from landbridge.api.ngsild.body import id_in, read_context, read_list
from landbridge.api.ngsild.fault import InvalidRequest, problem
from landbridge.api.ngsild.operation import Ask, Operation, Parameter, Served
from landbridge.api.ngsild.parameter import named_tenant, read_tenant
from landbridge.api.ngsild.provision import LANGUAGE, OBSERVED_AT, read_merging
from landbridge.api.ngsild.writing import (
    FORM,
    FORM_OPTIONS,
    LOCAL,
    NO_OVERWRITE,
    is_simplified,
    read_options,
    told,
)
from landbridge.errors import InvalidEntity, LandbridgeError
from landbridge.model.parser import head_of, parse_entity, parse_fragment
from landbridge.model.terms import Contexts, Terms
from landbridge.model.value import parse_id
from landbridge.pool.batch import Batch, Order, Result
from landbridge.pool.pool import Pool

UPSERTING = Parameter("options", "replace (usual) or update: what becomes of entities that are there. Also the form.")
UPDATING = Parameter("options", "noOverwrite: attributes that are there are left. Also the form of the body.")
RESULT = "BatchOperationResult"

CREATE = Operation(
    "batchEntityCreation", "6.14.3.1", "POST", "/entityOperations/create", "Create entities.",
    (FORM_OPTIONS, FORM, LOCAL), "EntityList", {201: "IdList", 207: RESULT},
)  # fmt: skip
UPSERT = Operation(
    "batchEntityUpsert", "6.15.3.1", "POST", "/entityOperations/upsert", "Create entities, or replace or update them.",
    (UPSERTING, FORM, LOCAL), "EntityList", {201: "IdList", 204: "", 207: RESULT},
)  # fmt: skip
UPDATE = Operation(
    "batchEntityUpdate", "6.16.3.1", "POST", "/entityOperations/update", "Update attributes of entities.",
    (UPDATING, FORM, LOCAL), "EntityFragmentList", {204: "", 207: RESULT},
)  # fmt: skip
DELETE = Operation(
    "batchEntityDelete", "6.17.3.1", "POST", "/entityOperations/delete", "Delete entities.",
    (LOCAL,), "IdList", {204: "", 207: RESULT},
)  # fmt: skip
MERGE = Operation(
    "batchEntityMerge", "6.31.3.1", "POST", "/entityOperations/merge", "Merge fragments into entities.",
    (FORM_OPTIONS, FORM, OBSERVED_AT, LANGUAGE, LOCAL), "EntityFragmentList", {204: "", 207: RESULT},
)  # fmt: skip

Read = Callable[[object, Terms], Order]


@dataclass
class Orders:
    """The orders of a batch, and those members of it that are none, each with its place."""

    good: list[Order] = field(default_factory=list)
    bad: dict[int, Result] = field(default_factory=dict)

    def outcome(self, batch: Batch) -> list[Result]:
        """What became of each member of the batch, in their order."""
        done = iter(batch.results)
        count = len(self.good) + len(self.bad)
        return [self.bad[place] if place in self.bad else next(done) for place in range(count)]


class Batches:
    """The operations on many entities, over one pool and the city's contexts."""

    def __init__(self, pool: Pool, contexts: Contexts) -> None:
        self.pool = pool
        self.contexts = contexts

    def served(self) -> tuple[Served, ...]:
        return (
            Served(CREATE, self.create),
            Served(UPSERT, self.upsert),
            Served(UPDATE, self.update),
            Served(DELETE, self.delete),
            Served(MERGE, self.merge),
        )

    def create(self, ask: Ask) -> Response:
        """NGSI-LD 6.14.3.1, batch entity creation."""
        simplified = is_simplified(read_options(ask.given))
        orders = self.read(ask, whole(simplified))
        tenant = named_tenant(ask.request)
        batch = self.pool.create_all(ask.actor, orders.good, tenant=tenant)
        return render_batch(orders.outcome(batch), tenant)

    def upsert(self, ask: Ask) -> Response:
        """NGSI-LD 6.15.3.1, batch entity creation or update."""
        options = read_options(ask.given, "replace", "update")
        if {"replace", "update"} <= options:
            raise InvalidRequest("An upsert replaces or updates.", where="options", hint="Give one of the two.")
        orders = self.read(ask, whole(is_simplified(options)))
        tenant = named_tenant(ask.request)
        batch = self.pool.upsert_all(ask.actor, orders.good, update="update" in options, tenant=tenant)
        return render_batch(orders.outcome(batch), tenant)

    def update(self, ask: Ask) -> Response:
        """NGSI-LD 6.16.3.1, batch entity update."""
        options = read_options(ask.given, NO_OVERWRITE)
        simplified, overwrite = is_simplified(options), NO_OVERWRITE not in options

        def read(body: object, terms: Terms) -> Order:
            return order_of(body, terms, simplified=simplified, nulls=True)

        orders, tenant = self.read(ask, read), read_tenant(ask.request, self.pool)
        batch = self.pool.update_all(ask.actor, orders.good, overwrite=overwrite, tenant=tenant)
        return render_batch(orders.outcome(batch), tenant)

    def merge(self, ask: Ask) -> Response:
        """NGSI-LD 6.31.3.1, batch entity merge."""
        simplified = is_simplified(read_options(ask.given))

        def read(body: object, terms: Terms) -> Order:
            order = order_of(body, terms, simplified=simplified, nulls=True, partial=True)
            return Order(order.id, order.document, read_merging(ask, terms))

        orders, tenant = self.read(ask, read), read_tenant(ask.request, self.pool)
        return render_batch(orders.outcome(self.pool.merge_all(ask.actor, orders.good, tenant=tenant)), tenant)

    def delete(self, ask: Ask) -> Response:
        """NGSI-LD 6.17.3.1, batch entity delete."""
        _, members = read_list(ask)
        orders = Orders()
        for place, id_ in enumerate(members):
            try:
                orders.good.append(Order(parse_id(id_, "id")))
            except InvalidEntity as error:
                orders.bad[place] = Result(id_in(id_), error=error)
        tenant = read_tenant(ask.request, self.pool)
        return render_batch(orders.outcome(self.pool.delete_all(ask.actor, orders.good, tenant=tenant)), tenant)

    def read(self, ask: Ask, one: Read) -> Orders:
        """Read each member of a batch with its own context."""
        media, members = read_list(ask)
        orders = Orders()
        for place, body in enumerate(members):
            try:
                if not isinstance(body, dict):
                    raise InvalidEntity("An entity is a JSON object.", where="entity")
                orders.good.append(one(body, read_context(ask, self.contexts, media, body)))
            except LandbridgeError as error:
                orders.bad[place] = Result(id_in(body), error=error)
        return orders


def whole(simplified: bool) -> Read:
    """Read entities that may be made."""

    def read(body: object, terms: Terms) -> Order:
        document = parse_entity(body, terms, simplified=simplified)
        return Order(document["id"], document)

    return read


def order_of(body: object, terms: Terms, *, simplified: bool, nulls: bool = False, partial: bool = False) -> Order:
    """A fragment that names its entity."""
    id_ = parse_id(head_of(body).get("id"), "id")
    return Order(id_, parse_fragment(body, terms, simplified=simplified, nulls=nulls, partial=partial))


def render_batch(results: list[Result], tenant: str) -> Response:
    """201 with the ids of what was made, 204 where nothing was, 207 where something failed (NGSI-LD 5.2.16, 5.2.17)."""
    errors = [{"entityId": one.id, "error": problem(one.error)} for one in results if one.error is not None]
    if errors:
        success = list(dict.fromkeys(one.id for one in results if one.error is None))
        return told(207, {"success": success, "errors": errors}, tenant)
    created = list(dict.fromkeys(one.id for one in results if one.created))
    return told(201, created, tenant) if created else done(tenant)
