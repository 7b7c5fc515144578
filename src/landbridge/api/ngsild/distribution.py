"""Writes on one entity, in all places that hold it: here, and at sources that are registered (NGSI-LD 4.3.6, 5.6).

The operation itself stays as it is. It is performed with what is left for this place, the sources are asked for what
is theirs, and what became of it everywhere is told as one answer. Where nothing is registered, or `local=true` is
said, nothing of this happens.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import quote

import orjson
from starlette.responses import Response

from landbridge.api.ngsild.body import read_body, read_context, read_json
from landbridge.api.ngsild.operation import ROOT, Ask, Served
from landbridge.api.ngsild.outcome import (
    Outcome,
    answered,
    batch_result,
    empty,
    from_error,
    from_here,
    from_reply,
    from_share,
    single,
    update_result,
)
from landbridge.api.ngsild.parameter import link_context, named_tenant
from landbridge.api.ngsild.path import entity_id
from landbridge.api.ngsild.selection import parse_types, render_types
from landbridge.errors import LandbridgeError, Missing
from landbridge.federation.call import Asked, sent, words
from landbridge.federation.reach import Reach
from landbridge.federation.share import Division, Share, divided
from landbridge.federation.trip import Trip
from landbridge.model.attribute import NAME
from landbridge.model.chapter import parse_temporal, parse_temporal_fragment
from landbridge.model.entity import SYSTEM
from landbridge.model.parser import ENTITY_MEMBERS, parse_entity, parse_fragment
from landbridge.model.terms import Contexts, Terms, full_name
from landbridge.model.value import parse_id
from landbridge.pool.chronicle import glance

ENTITY, ATTRS, ATTRIBUTE = "/entities/{entityId}", "/entities/{entityId}/attrs", "/entities/{entityId}/attrs/{attrId}"
TEMPORAL = "/temporal"
INSTANCE = f"{TEMPORAL}{ATTRIBUTE}/{{instanceId}}"
WRONG = frozenset({400, 412, 413, 415, 422})  # the request itself is wrong, so nobody else is asked
CREATE_LIKE = frozenset({"createEntity", "replaceEntity", "upsertTemporal"})
APPENDING = frozenset({"upsertTemporal", "appendAttrsTemporal"})  # done twice, all would be there twice
LOOPED = {
    "type": "about:blank", "title": "Loop Detected", "status": 508, "detail": "The request has been here before.",
}  # fmt: skip
UPDATES = frozenset({"appendAttrs", "updateEntity", "mergeEntity"})  # answered with an UpdateResult


class Way(NamedTuple):
    """How registrations call an operation (4.20), and whether it is fine that there is nothing (5.6.5, 5.6.6)."""

    operation: str
    absent: bool = False
    made: int = 204


WAYS: Mapping[tuple[str, str], Way] = {
    ("POST", "/entities"): Way("createEntity", made=201),
    ("PUT", ENTITY): Way("replaceEntity"),
    ("PATCH", ENTITY): Way("mergeEntity"),
    ("DELETE", ENTITY): Way("deleteEntity", absent=True),
    ("POST", ATTRS): Way("appendAttrs"),
    ("PATCH", ATTRS): Way("updateEntity"),
    ("PATCH", ATTRIBUTE): Way("updateAttrs"),
    ("PUT", ATTRIBUTE): Way("replaceAttrs"),
    ("DELETE", ATTRIBUTE): Way("deleteAttrs", absent=True),
    ("POST", f"{TEMPORAL}/entities"): Way("upsertTemporal", made=201),
    ("DELETE", f"{TEMPORAL}{ENTITY}"): Way("deleteTemporal", absent=True),
    ("POST", f"{TEMPORAL}{ATTRS}"): Way("appendAttrsTemporal"),
    ("DELETE", f"{TEMPORAL}{ATTRIBUTE}"): Way("deleteAttrsTemporal", absent=True),
    ("PATCH", INSTANCE): Way("updateAttrInstanceTemporal", absent=True),
    ("DELETE", INSTANCE): Way("deleteAttrInstanceTemporal", absent=True),
}


@dataclass(frozen=True)
class Writing:
    """A write as it was asked: which entity, what of it, and in whose words. `names`: stored name -> the client's."""

    id: str
    trip: Trip
    tenant: str
    types: Sequence[str] | None = None
    names: Mapping[str, str] | None = None
    body: Any = None
    inside: Any = None  # the body's own @context


class Distribution:
    """Distributes the writes of single entities over one reach."""

    def __init__(self, reach: Reach, contexts: Contexts) -> None:
        self.reach = reach
        self.contexts = contexts

    def around(self, served: Served) -> Served:
        """The operation, performed wherever it has to be."""
        way = WAYS.get((served.operation.verb, served.operation.path))
        return served if way is None else Served(served.operation, partial(self.perform, served, way))

    def perform(self, served: Served, way: Way, ask: Ask) -> Response:
        if ask.given.get("local") == "true" or not self.reach.registry.of(named_tenant(ask.request)):
            return served.perform(ask)
        writing = self.read(ask, way)
        if way.operation in APPENDING and self.reach.alias(writing.tenant) in writing.trip.via:
            return single(Outcome(508, detail=LOOPED), writing.tenant)
        division = self.divide(ask, way, writing)
        if not division.shares:
            return served.perform(ask)
        outcomes = []
        if division.here:
            here = self.here(served, ask, writing, division)
            if here.status in WRONG:
                return single(here, writing.tenant)
            outcomes.append(here)
        else:
            check(way, writing, ask.given)
        outcomes += self.elsewhere(ask, writing, division)
        return told(way, writing, outcomes)

    def read(self, ask: Ask, way: Way) -> Writing:
        """What is asked for. Raises what the operation itself would raise of a malformed request."""
        tenant, body, inside, names = named_tenant(ask.request), None, None, None
        if served_body(ask):
            inside = raw_context(ask.body)
            body, terms = read_any(ask, self.contexts) if "instanceId" in ask.path else read_body(ask, self.contexts)
        else:
            terms = self.contexts.terms(link_context(ask.request), tenant)
        trip = Trip(terms, dict(ask.request.headers))
        if "attrId" in ask.path:
            return Writing(
                entity_id(ask.path),
                trip,
                tenant,
                None,
                {stored(ask.path["attrId"], terms): ask.path["attrId"]},
                body,
                inside,
            )
        types, id_ = None, ask.path.get("entityId")
        if body is not None:
            names = {stored(name, terms): name for name in body if name not in ENTITY_MEMBERS and name not in SYSTEM}
            types = types_in(body, terms)
        id_ = (
            entity_id(ask.path)
            if "entityId" in ask.path
            else parse_id((body or {}).get("id", (body or {}).get("@id")), "id")
        )
        return Writing(id_, trip, tenant, types, names, body, inside)

    def divide(self, ask: Ask, way: Way, writing: Writing) -> Division:
        """Who gets what. Raises Refused before anybody is asked."""
        pool = self.reach.pool
        with pool.asked(ask.actor, "write", "write entities", writing.id):
            types = writing.types
        if types is None or way.operation not in CREATE_LIKE:
            types = self.types_here(ask, writing) or types
        offers = self.reach.registry.matching(writing.tenant, None)
        via = writing.trip.via
        back = self.reach.alias(writing.tenant) in via
        return divided(offers, (way.operation,), writing.id, types, writing.names, via, back)

    def types_here(self, ask: Ask, writing: Writing) -> Sequence[str] | None:
        pool = self.reach.pool
        try:
            if is_temporal(ask):
                return pool.evolution(ask.actor, writing.id, glance(writing.tenant, writing.id)).types
            found: Sequence[str] = pool.entity(ask.actor, writing.id, tenant=writing.tenant)["type"]
        except Missing:
            return None
        return found

    def here(self, served: Served, ask: Ask, writing: Writing, division: Division) -> Outcome:
        """Do here what is left for here."""
        names = [own for name, own in (writing.names or {}).items() if division.rest is None or name in division.rest]
        if writing.names is not None and "attrId" not in ask.path and len(names) < len(writing.names):
            ask = replace(ask, body=orjson.dumps(part_of(writing, names, whole=True)))
        told_ = [full_name(name) for name in (writing.names or {}) if division.rest is None or name in division.rest]
        try:
            return from_here(served.perform(ask), told_)
        except LandbridgeError as error:
            return from_error(error, told_)

    def elsewhere(self, ask: Ask, writing: Writing, division: Division) -> list[Outcome]:
        """Ask the sources for their shares, all at once."""
        asked = [share for share in division.shares if share.able and not share.looping]
        requests = [(share.offer, self.request(ask, writing, share)) for share in asked]
        replies = iter(self.reach.lines.gather(requests))
        outcomes = []
        for share in division.shares:
            names = [full_name(name) for name in (writing.names or {}) if share.names is None or name in share.names]
            outcomes.append(from_reply(next(replies), names) if share in asked else from_share(share, names))
        return outcomes

    def request(self, ask: Ask, writing: Writing, share: Share) -> Any:
        own = words(share.offer, writing.trip, self.contexts)
        names = [client for name, client in (writing.names or {}).items() if share.names is None or name in share.names]
        path, body = (TEMPORAL if is_temporal(ask) else "") + "/entities", writing.body
        if "entityId" in ask.path:
            path += f"/{quote(writing.id, safe=':')}"
        if "attrId" in ask.path:
            path += f"/attrs/{quote(own.compact(next(iter(writing.names or {}))), safe=':')}"
            path += f"/{quote(ask.path['instanceId'], safe=':')}" if "instanceId" in ask.path else ""
        elif ask.request.scope["path"].rstrip("/").endswith("/attrs"):
            path += "/attrs"
        if body is not None and "attrId" not in ask.path:
            body = part_of(writing, names)
        params = {name: value for name, value in ask.given.items() if name != "local"}
        if "type" in params and own is not writing.trip.terms:
            params["type"] = render_types(parse_types(params["type"], writing.trip.terms), own)
        asked = Asked(ask.request.method, path, params, body, attribute="attrId" in ask.path)
        return sent(share.offer, writing.trip, asked, self.contexts, self.reach.alias(writing.tenant))


# -- reading


def is_temporal(ask: Ask) -> bool:
    return str(ask.request.scope["path"]).startswith(f"{ROOT}{TEMPORAL}/")


def read_any(ask: Ask, contexts: Contexts) -> tuple[Any, Terms]:
    """The JSON of a body that may be a list, and the terms to read it with."""
    media, body = read_json(ask)
    return body, read_context(ask, contexts, media, body if isinstance(body, dict) else {})


def served_body(ask: Ask) -> bool:
    return ask.request.method in ("POST", "PUT", "PATCH")


def raw_context(body: bytes) -> Any:
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return given.get("@context") if isinstance(given, dict) else None


def stored(name: str, terms: Terms) -> str:
    """The stored name; of what is no name, the text itself, for the operation to refuse."""
    try:
        return terms.expand(name) if NAME.match(name) else name
    except LandbridgeError:
        return name


def types_in(body: Mapping[str, Any], terms: Terms) -> list[str] | None:
    given = body.get("type", body.get("@type"))
    named = given if isinstance(given, list) else [given]
    found = [stored(one, terms) for one in named if isinstance(one, str)]
    return found or None


def part_of(writing: Writing, names: Sequence[str], whole: bool = False) -> dict[str, Any]:
    """The body with these attributes alone; `whole` with its own @context, as the client sent it."""
    kept = {name: one for name, one in writing.body.items() if name in ENTITY_MEMBERS or name in names}
    return kept | ({"@context": writing.inside} if whole and writing.inside is not None else {})


def check(way: Way, writing: Writing, given: Mapping[str, str]) -> None:
    """Refuse what no place would take, where this place is not asked itself."""
    if writing.body is None or way.operation in ("updateAttrs", "replaceAttrs", "updateAttrInstanceTemporal"):
        return
    if way.operation == "upsertTemporal":
        parse_temporal(writing.body, writing.trip.terms)
        return
    if way.operation == "appendAttrsTemporal":
        parse_temporal_fragment(writing.id, writing.body, writing.trip.terms)
        return
    forms = {*given.get("options", "").split(","), given.get("format")}
    simplified = bool(forms & {"keyValues", "simplified"})
    if way.operation in CREATE_LIKE:
        body = {"id": writing.id, **writing.body}
        if way.operation == "createEntity" or "type" in body:
            parse_entity(body, writing.trip.terms, simplified=simplified)
    else:
        parse_fragment(writing.body, writing.trip.terms, simplified=simplified, nulls=True, partial=True)


# -- telling


def told(way: Way, writing: Writing, outcomes: Sequence[Outcome]) -> Response:
    """One answer for all places."""
    if way.absent and any(one.status != 404 for one in outcomes):
        outcomes = [one for one in outcomes if one.status != 404]
    if all(one.fine for one in outcomes):
        here = next((one.response for one in outcomes if one.response is not None), None)
        root = ROOT + (TEMPORAL if way.operation == "upsertTemporal" else "")
        location = f"{root}/entities/{quote(writing.id, safe=':')}" if way.made == 201 else None
        if way.operation == "upsertTemporal" and not any(one.status == 201 for one in outcomes):
            return empty(204, writing.tenant)
        return here or empty(way.made, writing.tenant, location)
    if len(outcomes) == 1:
        return single(outcomes[0], writing.tenant)
    if way.absent and not any(one.fine for one in outcomes) and all(one.status == 404 for one in outcomes):
        return single(outcomes[0], writing.tenant)
    if way.operation in UPDATES:
        return answered(update_result(outcomes), 207, writing.tenant)
    return answered(batch_result(writing.id, outcomes), 207, writing.tenant)
