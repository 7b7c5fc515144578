"""Batches, in all places that hold their entities (NGSI-LD 5.6.7 to 5.6.10, 5.6.20, 4.3.6).

Each entity is divided as a single one is; each source is asked once for all that is its own, and where it has the
operation for single entities only, for each by itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import quote

import orjson
from starlette.responses import Response

from landbridge.api.ngsild.body import read_context, read_list
from landbridge.api.ngsild.distribution import WRONG, types_in
from landbridge.api.ngsild.distribution import stored as stored_name
from landbridge.api.ngsild.operation import Ask, Served
from landbridge.api.ngsild.outcome import Outcome, answered, batch_error, empty, from_reply, from_share
from landbridge.api.ngsild.parameter import link_context, named_tenant
from landbridge.errors import LandbridgeError, Missing
from landbridge.federation.call import Asked, Sent, renamed, sent
from landbridge.federation.offer import Offer
from landbridge.federation.reach import Reach
from landbridge.federation.share import Division, divided
from landbridge.federation.trip import Trip
from landbridge.model.entity import SYSTEM
from landbridge.model.parser import ENTITY_MEMBERS
from landbridge.model.terms import Contexts, Terms

OPERATIONS = "/entityOperations/"


class Batching(NamedTuple):
    """A batch operation: its name, and the one for single entities, if there is one, with its method and address."""

    batch: str
    single: str | None
    method: str = "POST"
    path: str = "/entities"


WAYS: Mapping[str, Batching] = {
    "create": Batching("createBatch", "createEntity"),
    "upsert": Batching("upsertBatch", "createEntity"),
    "update": Batching("updateBatch", "appendAttrs", "POST", "/entities/{}/attrs"),
    "delete": Batching("deleteBatch", "deleteEntity", "DELETE", "/entities/{}"),
    "merge": Batching("mergeBatch", "mergeEntity", "PATCH", "/entities/{}"),
}


@dataclass
class Member:
    """One entity of a batch: as it was sent, and what is known of it."""

    given: Any
    id: str = ""
    terms: Terms | None = None
    types: Sequence[str] | None = None
    names: Mapping[str, str] | None = None
    division: Division | None = None


@dataclass
class Parcel:
    """What one source gets of a batch."""

    offer: Offer
    members: list[Member] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)


@dataclass
class Ledger:
    """What became of each entity, everywhere."""

    order: dict[str, None] = field(default_factory=dict)
    fine: set[str] = field(default_factory=set)
    made: dict[str, None] = field(default_factory=dict)
    errors: list[tuple[str, Outcome | None, dict[str, Any]]] = field(default_factory=list)

    def failed(self, id_: str, outcome: Outcome) -> None:
        self.errors.append((id_, outcome, batch_error(id_, outcome)))


class BatchDistribution:
    """Distributes batches over one reach."""

    def __init__(self, reach: Reach, contexts: Contexts) -> None:
        self.reach = reach
        self.contexts = contexts

    def around(self, served: Served) -> Served:
        """The operation, performed wherever it has to be."""
        path = served.operation.path
        way = WAYS.get(path.removeprefix(OPERATIONS)) if path.startswith(OPERATIONS) else None
        return served if way is None else Served(served.operation, partial(self.perform, served, way))

    def perform(self, served: Served, way: Batching, ask: Ask) -> Response:
        tenant = named_tenant(ask.request)
        if ask.given.get("local") == "true" or not self.reach.registry.of(tenant):
            return served.perform(ask)
        members = self.divide(ask, way, self.read(ask), tenant)
        if not any(one.division and one.division.shares for one in members):
            return served.perform(ask)
        ledger = Ledger(dict.fromkeys(one.id for one in members))
        response = self.here(served, ask, members, ledger)
        if response is not None and response.status_code in WRONG:
            return response
        self.elsewhere(ask, way, members, ledger, tenant)
        return told(way, ledger, tenant)

    # -- reading and dividing

    def read(self, ask: Ask) -> list[Member]:
        """The members as far as they can be read; what is wrong with one, the operation itself says."""
        media, given = read_list(ask)
        return [self.member(ask, media, one) for one in given]

    def member(self, ask: Ask, media: str, given: Any) -> Member:
        if isinstance(given, str):
            return Member(given, given, self.contexts.terms(link_context(ask.request)))
        if not isinstance(given, dict):
            return Member(given)
        id_ = given.get("id", given.get("@id"))
        try:
            terms = read_context(ask, self.contexts, media, dict(given))
        except LandbridgeError:
            return Member(given)
        names = {stored_name(name, terms): name for name in given if name not in ENTITY_MEMBERS and name not in SYSTEM}
        return Member(given, id_ if isinstance(id_, str) else "", terms, types_in(given, terms), names)

    def divide(self, ask: Ask, way: Batching, members: list[Member], tenant: str) -> list[Member]:
        """Who gets what of each. Raises Refused before anybody is asked."""
        with self.reach.pool.asked(ask.actor, "write", "write entities"):
            offers = self.reach.registry.matching(tenant, None)
        via = Trip(self.contexts.core, dict(ask.request.headers)).via
        back = self.reach.alias(tenant) in via
        operations = [name for name in (way.batch, way.single) if name]
        for one in members:
            if one.id and one.terms is not None:
                types = one.types if way.batch in ("createBatch", "upsertBatch") else self.types(ask, one, tenant)
                one.division = divided(offers, operations, one.id, types, one.names, via, back)
        return members

    def types(self, ask: Ask, one: Member, tenant: str) -> Sequence[str] | None:
        try:
            found: Sequence[str] = self.reach.pool.entity(ask.actor, one.id, tenant=tenant)["type"]
        except Missing:
            return one.types
        return found

    # -- here

    def here(self, served: Served, ask: Ask, members: Sequence[Member], ledger: Ledger) -> Response | None:
        """Perform the batch with what is left for here."""
        left = [(one, left_of(one)) for one in members]
        own = [(one, body) for one, body in left if body is not None]
        if not own:
            return None
        try:
            response = served.perform(replace(ask, body=orjson.dumps([body for _, body in own])))
        except Missing as error:  # the tenant
            for one, _ in own:
                ledger.failed(one.id, Outcome(404, detail={"title": "Not found", "status": 404, "detail": str(error)}))
            return None
        told_ = orjson.loads(response.body) if response.body else None
        failed = told_["errors"] if isinstance(told_, dict) and "errors" in told_ else []
        ids = {one.get("entityId") for one in failed}
        ledger.errors += [(one.get("entityId", ""), None, one) for one in failed]
        ledger.fine |= {one.id for one, _ in own if one.id not in ids}
        if response.status_code == 201 and isinstance(told_, list):
            ledger.made |= dict.fromkeys(told_)
        return response

    # -- elsewhere

    def elsewhere(self, ask: Ask, way: Batching, members: Sequence[Member], ledger: Ledger, tenant: str) -> None:
        parcels: dict[str, Parcel] = {}
        for one in members:
            for share in one.division.shares if one.division else ():
                if not share.able or share.looping:
                    ledger.failed(one.id, from_share(share, ()))
                    continue
                parcel = parcels.setdefault(share.offer.id, Parcel(share.offer))
                parcel.members.append(one)
                body, words = part(one, share.names), parcel.members[0].terms
                if one.terms is not None and words is not None and one.terms is not words:
                    body = renamed(body, one.terms, words)
                parcel.bodies.append(body)
        jobs = [job for parcel in parcels.values() for job in self.jobs(ask, way, parcel, tenant)]
        replies = self.reach.lines.gather([(parcel.offer, request) for parcel, _, request in jobs])
        again: list[tuple[Parcel, Sequence[Member], Sent]] = []
        for (parcel, some, _), reply in zip(jobs, replies, strict=True):
            if reply.status == 409 and way.batch == "upsertBatch" and not parcel.offer.may(way.batch):
                again.append((parcel, some, self.overwriting(ask, parcel, some[0], tenant)))
            else:
                note(ledger, some, from_reply(reply, ()))
        replies = self.reach.lines.gather([(parcel.offer, request) for parcel, _, request in again])
        for (_, some, _), reply in zip(again, replies, strict=True):
            note(ledger, some, from_reply(reply, ()))

    def overwriting(self, ask: Ask, parcel: Parcel, one: Member, tenant: str) -> Sent:
        """The second half of an upsert of one entity that is there: it is replaced, or updated (5.6.8)."""
        body = parcel.bodies[next(place for place, member in enumerate(parcel.members) if member is one)]
        path = f"/entities/{quote(one.id, safe=':')}"
        if "update" in ask.given.get("options", "").split(","):
            verb = "PATCH" if parcel.offer.may("updateEntity") else "POST"
            asked = Asked(verb, f"{path}/attrs", form_of(ask), body)
        else:
            asked = Asked("PUT", path, form_of(ask), body)
        return self.sent(ask, parcel, one, asked, tenant)

    def jobs(self, ask: Ask, way: Batching, parcel: Parcel, tenant: str) -> list[tuple[Parcel, Sequence[Member], Sent]]:
        """The requests for one source."""
        params = {name: value for name, value in ask.given.items() if name != "local"}
        if parcel.offer.may(way.batch):
            path = OPERATIONS + next(name for name, one in WAYS.items() if one is way)
            asked = Asked("POST", path, params, parcel.bodies)
            return [(parcel, parcel.members, self.sent(ask, parcel, parcel.members[0], asked, tenant))]
        params = form_of(ask) if way.batch == "upsertBatch" else params
        found: list[tuple[Parcel, Sequence[Member], Sent]] = []
        for one, body in zip(parcel.members, parcel.bodies, strict=True):
            path = way.path.format(quote(one.id, safe=":"))
            asked = Asked(way.method, path, params, body if isinstance(body, dict) else None)
            found.append((parcel, [one], self.sent(ask, parcel, one, asked, tenant)))
        return found

    def sent(self, ask: Ask, parcel: Parcel, one: Member, asked: Asked, tenant: str) -> Sent:
        trip = Trip(one.terms or self.contexts.core, dict(ask.request.headers))
        return sent(parcel.offer, trip, asked, self.contexts, self.reach.alias(tenant))


def form_of(ask: Ask) -> dict[str, str]:
    """The parameters that say the form of the body, without those that are for an upsert alone."""
    options = [one for one in ask.given.get("options", "").split(",") if one and one not in ("update", "replace")]
    found = {"options": ",".join(options)} if options else {}
    return found | ({"format": ask.given["format"]} if "format" in ask.given else {})


def part(one: Member, names: frozenset[str] | None) -> Any:
    """A member with these attributes alone, without its @context."""
    if not isinstance(one.given, dict):
        return one.given
    kept = {client for own, client in (one.names or {}).items() if names is None or own in names}
    return {
        name: value
        for name, value in one.given.items()
        if name in kept or (name in ENTITY_MEMBERS and name != "@context")
    }


def left_of(one: Member) -> Any:
    """What is left of a member for here; None where nothing is."""
    if one.division is None:
        return one.given
    if not one.division.here:
        return None
    if one.division.rest is None or len(one.division.rest) == len(one.names or {}):
        return one.given
    context = {"@context": one.given["@context"]} if "@context" in one.given else {}
    return part(one, one.division.rest) | context


def note(ledger: Ledger, members: Sequence[Member], outcome: Outcome) -> None:
    """Enter what a source says of its part."""
    body = outcome.body if isinstance(outcome.body, dict) else {}
    errors = body.get("errors") if outcome.status == 207 else None
    if isinstance(errors, list):
        bad = {one.get("entityId"): one.get("error") for one in errors if isinstance(one, dict)}
        for one in members:
            if one.id in bad:
                said = bad[one.id]
                detail: dict[str, Any] = said if isinstance(said, dict) else {"title": "Failed", "status": 500}
                ledger.failed(one.id, replace(outcome, detail=detail))
            else:
                ledger.fine.add(one.id)
        return
    for one in members:
        if outcome.fine:
            ledger.fine.add(one.id)
        else:
            ledger.failed(one.id, outcome)
    if outcome.status == 201:
        made = outcome.body if isinstance(outcome.body, list) else [one.id for one in members]
        ledger.made |= dict.fromkeys(id_ for id_ in made if isinstance(id_, str))


def told(way: Batching, ledger: Ledger, tenant: str) -> Response:
    """One answer: 201 with the ids of what was made, 204, or 207 with what failed where (5.2.16)."""
    errors = ledger.errors
    if way.batch == "deleteBatch":  # what is gone elsewhere need not be here, nor the other way round
        errors = [one for one in errors if one[0] not in ledger.fine or one[2]["error"].get("status") != 404]
    if errors:
        bad = {one[0] for one in errors}
        success = [id_ for id_ in ledger.order if id_ in ledger.fine and id_ not in bad]
        return answered({"success": success, "errors": [one[2] for one in errors]}, 207, tenant)
    if ledger.made and way.batch in ("createBatch", "upsertBatch"):
        return answered([id_ for id_ in ledger.order if id_ in ledger.made], 201, tenant)
    return empty(204, tenant)
