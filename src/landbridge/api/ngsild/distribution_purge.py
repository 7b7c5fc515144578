"""Purges, in all places that hold the entities (NGSI-LD 5.6.21, 4.3.6).

A source is asked to purge no more than it is registered for: where its registration names ids or a pattern, so does
the request that it gets (4.3.6.1).
"""

from functools import partial

from starlette.responses import Response

from landbridge.api.ngsild.distribution import WRONG
from landbridge.api.ngsild.operation import Ask, Served
from landbridge.api.ngsild.outcome import (
    Outcome,
    answered,
    batch_error,
    empty,
    from_error,
    from_here,
    from_reply,
    from_share,
    single,
)
from landbridge.api.ngsild.parameter import link_context, named_tenant, names, read_ids
from landbridge.api.ngsild.selection import parse_types
from landbridge.errors import LandbridgeError
from landbridge.federation.call import Asked, Sent, sent, words
from landbridge.federation.offer import Narrowed, Offer, Types
from landbridge.federation.reach import Reach
from landbridge.federation.share import Share
from landbridge.federation.trip import Trip
from landbridge.model.terms import Contexts

PURGE = ("DELETE", "/entities")
EVERY_TYPE = "*"


class PurgeDistribution:
    """Distributes purges over one reach."""

    def __init__(self, reach: Reach, contexts: Contexts) -> None:
        self.reach = reach
        self.contexts = contexts

    def around(self, served: Served) -> Served:
        key = (served.operation.verb, served.operation.path)
        return Served(served.operation, partial(self.perform, served)) if key == PURGE else served

    def perform(self, served: Served, ask: Ask) -> Response:
        tenant = named_tenant(ask.request)
        if ask.given.get("local") == "true" or not self.reach.registry.of(tenant):
            return served.perform(ask)
        here = outcome_here(served, ask)
        if here.status in WRONG:
            return single(here, tenant)
        trip = Trip(self.contexts.terms(link_context(ask.request), tenant), dict(ask.request.headers))
        shares = self.shares(ask, trip, tenant)
        asked = [(share, narrowed) for share, narrowed in shares if share.able and not share.looping]
        replies = self.reach.lines.gather(
            [(share.offer, self.request(ask, trip, share.offer, narrowed, tenant)) for share, narrowed in asked]
        )
        outcomes = [here, *(from_reply(reply, ()) for reply in replies)]
        outcomes += [from_share(share, ()) for share, _ in shares if not share.able or share.looping]
        return told(outcomes, tenant)

    def shares(self, ask: Ask, trip: Trip, tenant: str) -> list[tuple[Share, Narrowed]]:
        """The sources that hold some of it, and what each is to purge. Raises Refused before anybody is asked."""
        with self.reach.pool.asked(ask.actor, "write", "write entities"):
            types = types_of(ask, trip)
        came, back = set(trip.via), self.reach.alias(tenant) in trip.via
        found = []
        for offer in self.reach.registry.matching(tenant, types):
            narrowed = self.narrowed(ask, trip, offer, types)
            if narrowed is None or offer.mode == "auxiliary":
                continue
            share = Share(offer, None, offer.may("purgeEntity"), back or offer.alias in came)
            if share.alone or (share.able and not share.looping):
                found.append((share, narrowed))
        return found

    def narrowed(self, ask: Ask, trip: Trip, offer: Offer, types: Types) -> Narrowed | None:
        given = ask.given
        ids = read_ids(given["id"]) if "id" in given else ()
        attrs = names(given["attrs"], trip.terms, "attrs") if "attrs" in given else ()
        return offer.narrowed(types, ids, given.get("idPattern"), attrs)

    def request(self, ask: Ask, trip: Trip, offer: Offer, narrowed: Narrowed, tenant: str) -> Sent:
        own = words(offer, trip, self.contexts)
        params = {name: value for name, value in ask.given.items() if name != "local"}
        if own is not trip.terms:
            for name in ("attrs", "keep", "drop"):
                if name in params:
                    params[name] = ",".join(own.compact(one) for one in names(params[name], trip.terms, name))
        if narrowed.ids:
            params["id"] = ",".join(narrowed.ids)
        if narrowed.pattern and not narrowed.ids:
            params["idPattern"] = narrowed.pattern
        asked = Asked("DELETE", "/entities", params)
        return sent(offer, trip, asked, self.contexts, self.reach.alias(tenant))


def types_of(ask: Ask, trip: Trip) -> Types:
    text = ask.given.get("type")
    return None if text is None or text == EVERY_TYPE else parse_types(text, trip.terms)


def outcome_here(served: Served, ask: Ask) -> Outcome:
    try:
        return from_here(served.perform(ask), ())
    except LandbridgeError as error:
        return from_error(error, ())


def told(outcomes: list[Outcome], tenant: str) -> Response:
    """204 where all of it went everywhere, else 207 with what did not."""
    failed = [one for one in outcomes if not one.fine and one.status != 404]
    if not failed:
        return empty(204, tenant)
    if len(outcomes) == 1:
        return single(outcomes[0], tenant)
    success: list[str] = []
    errors = []
    for one in failed:
        body = one.body if one.status == 207 and isinstance(one.body, dict) else None
        if body is not None:
            success += [id_ for id_ in body.get("success", ()) if isinstance(id_, str)]
            errors += [error for error in body.get("errors", ()) if isinstance(error, dict)]
        else:
            errors.append(batch_error("urn:ngsi-ld:all", one))
    return answered({"success": success, "errors": errors}, 207, tenant)
