"""Subscriptions in all places, at the door: what changes them is told to the relays, and what their copies notify is
told to the subscriber (NGSI-LD 5.8.1.4, 5.8.2.4, 5.8.5.4, 5.8.6).
"""

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import orjson
from starlette.requests import Request
from starlette.responses import Response

from landbridge.api.http.resource import Call
from landbridge.api.ngsild.fault import InvalidRequest
from landbridge.api.ngsild.operation import Ask, Served
from landbridge.api.ngsild.parameter import link_context, named_tenant
from landbridge.api.ngsild.subscription_sense import Json, understand
from landbridge.api.ngsild.subscription_shown import show_subscription
from landbridge.errors import LandbridgeError, Missing
from landbridge.federation.foreign import moment_of, parse_foreign
from landbridge.federation.reach import Reach
from landbridge.federation.relay import RELAY, SUBSCRIPTIONS, Relays, Wanted
from landbridge.federation.selector import selects
from landbridge.federation.trip import Trip, passed
from landbridge.federation.union import Part, united
from landbridge.model.answer import Document
from landbridge.model.query import Query
from landbridge.model.subscription import Subscription
from landbridge.model.terms import Contexts
from landbridge.pool import delivery
from landbridge.pool.cabinet import Kept
from landbridge.pool.delivery import Lane
from landbridge.pool.match import entities
from landbridge.pool.sieve import sift
from landbridge.publish.notification import write_notification
from landbridge.publish.view import View

ADDRESS = "/ngsi-ld/ex/remote-notify"
COPIED = frozenset(
    {"type", "entities", "watchedAttributes", "notificationTrigger", "timeInterval", "throttling", "q", "geoQ",
     "scopeQ", "isActive", "expiresAt", "splitEntities", "expandValues", "jsonKeys"}
)  # fmt: skip
FILTERS = frozenset({"q", "geoQ", "scopeQ"})
MOST = 1000  # entities of one notification
MOST_HOMES = 10_000


class RelayServer:
    """Subscriptions in all places, over one reach. `hurry` wakes whoever delivers."""

    def __init__(self, reach: Reach, contexts: Contexts, hurry: Callable[[], None]) -> None:
        self.reach = reach
        self.contexts = contexts
        self.hurry = hurry
        self.homes: dict[tuple[str, str], str] = {}  # of subscriptions changed lately
        self.last: str | None = None
        self.relays = Relays(reach, self.wanted)
        after = reach.registry.cabinet.written
        reach.registry.cabinet.written = partial(both, after, self.relays.registrations_changed)

    # -- operations on subscriptions

    def around(self, served: Served) -> Served:
        """An operation that changes a subscription, and then its copies."""
        of_subscriptions = served.operation.path in ("/subscriptions", "/subscriptions/{subscriptionId}")
        changes = of_subscriptions and served.operation.verb != "GET"
        return Served(served.operation, partial(self.perform, served)) if changes else served

    def perform(self, served: Served, ask: Ask) -> Response:
        response = served.perform(ask)
        if passed(ask.request.headers.get("via", "")):
            return response  # another broker's copy: it sees to its own
        location = next((value for name, value in response.raw_headers if name.lower() == b"location"), b"")
        id_ = ask.path.get("subscriptionId") or location.decode().rpartition("/")[2]
        tenant = named_tenant(ask.request)
        self.last = home_of(ask.request)
        if len(self.homes) < MOST_HOMES:
            self.homes[tenant, id_] = self.last
        self.relays.subscription_changed(tenant, id_)
        return response

    def wanted(self, kept: Kept) -> Wanted | None:
        """What of a subscription is to be copied; None where it is for this place alone."""
        given = kept.body["given"]
        if given.get("localOnly"):
            return None
        shown = show_subscription(kept.body, self.contexts.core, self.contexts, kept.tenant, {}, secrets=False)
        dropped = FILTERS if given.get("splitEntities") else frozenset()
        copy: Json = {name: shown[name] for name in shown if name in COPIED and name not in dropped and name in given}
        told = shown["notification"]
        members = ("attributes",) if not given.get("splitEntities") else ()
        copy |= {"type": "Subscription", "notification": {name: told[name] for name in members if name in told}}
        made = understand(kept.tenant, kept.id, kept.body, self.contexts)
        return Wanted(made.selectors, made.watched, copy, self.home(kept))

    def home(self, kept: Kept) -> str | None:
        """The address to be notified at: the one that the subscriber used, now or when the first copy was made."""
        known = self.homes.get((kept.tenant, kept.id))
        if known is not None:
            return known
        there = self.relays.of(kept.tenant, kept.id)
        if there:
            return str(there[0].body["copy"]["notification"]["endpoint"]["uri"]).removesuffix(ADDRESS)
        return self.last

    def watching(self, tenant: str) -> list[Json]:
        """What this pool itself watches registrations for, as subscriptions to them (5.8.1.4, 5.11.2)."""
        found: dict[str, Json] = {}
        for one in self.relays.relays().values():
            if one.tenant == tenant:
                found[one.body["subscription"]] = one.body["copy"]
        return [
            {"id": f"urn:ngsi-ld:Subscription:csr-{hashlib.sha256(id_.encode()).hexdigest()[:16]}", "status": "active"}
            | copy
            for id_, copy in found.items()
        ]

    # -- what copies notify

    def notified(self, call: Call) -> Response:
        """Take a notification of a copy, and put it behind those that wait for the subscriber."""
        try:
            body = orjson.loads(call.body)
        except orjson.JSONDecodeError:
            raise InvalidRequest("The notification is no JSON.") from None
        relay = self.relays.named(body.get("subscriptionId", "")) if isinstance(body, dict) else None
        if relay is None:
            raise Missing("There is no such subscription.", where=str(body)[:60])
        kept = next(
            (one for one in self.relays.subscriptions.within(relay.tenant) if one.id == relay.body["subscription"]),
            None,
        )
        data = body.get("data")
        given = data if isinstance(data, list) else [data]
        if kept is None or len(given) > MOST:
            raise Missing("There is no such subscription.", where=relay.id)
        made = understand(kept.tenant, kept.id, kept.body, self.contexts)
        if made.status(self.reach.pool.store.clock()) == "active":
            terms = self.contexts.terms(link_context(call.request))
            documents = [parse_foreign(one, relay.body["registration"], terms, self.contexts) for one in given]
            gone = {
                one["id"]: moment_of(one["deletedAt"]) for one in given if isinstance(one, dict) and "deletedAt" in one
            }
            split = bool(kept.body["given"].get("splitEntities"))
            self.tell(made, self.fitting(made, documents, relay, split=split), gone)
        return Response(None, 200)

    def fitting(self, made: Subscription, documents: Sequence[Document], relay: Kept, *, split: bool) -> list[Document]:
        """The entities that the subscription is about; put together with the rest of them where they may be split."""
        meant = [one for one in documents if selects(made.selectors, one)]
        if not split or not meant:
            return meant
        wholes = [self.whole(made.tenant, one, relay.body["registration"]) for one in meant]
        return sift(wholes, Query(tenant=made.tenant, where=made.where, geo=made.geo, scope=made.scope))

    def whole(self, tenant: str, document: Document, registration: str) -> Document:
        """The entity with what is here of it, and at all sources but the one that notified (5.8.6)."""
        trip = Trip(self.contexts.core, without=frozenset({registration}))
        try:
            there = self.reach.along(trip, tenant).entity(RELAY, document["id"], tenant=tenant)
        except LandbridgeError:
            return document
        return united(there, [Part(document, "inclusive")]) or document

    def tell(self, made: Subscription, documents: Sequence[Document], gone: Mapping[str, int | None]) -> None:
        if not documents:
            return
        store = self.reach.pool.store
        id_ = f"urn:ngsi-ld:Notification:{secrets.token_hex(12)}"
        terms = self.contexts.terms(made.shape.context, made.tenant)
        now = store.clock()
        views = [View({"createdAt": now, "modifiedAt": now, **one}, gone=gone.get(one["id"])) for one in documents]
        body = write_notification(made, id_, views, terms, now, partial(entities, store))
        lane = Lane(SUBSCRIPTIONS, made.tenant, made.id)
        store.write(partial(delivery.queue, lane=lane, notification=id_, body=body), tenant=made.tenant, actor="relay")
        self.hurry()


def both(first: Callable[[], None], second: Callable[[], None]) -> None:
    first()
    second()


def home_of(request: Request) -> str:
    """The address under which the client reached us."""
    return f"{request.scope['scheme']}://{request.headers.get('host', '')}"
