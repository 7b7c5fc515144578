"""Telling subscribers which registrations there are that they care for, new, changed or gone (NGSI-LD 5.11).

What is to be told is put behind what waits for the subscriber in the very commit that changes the registration, so a
kill loses nothing; the publisher delivers it. Subscriptions by the clock are told by a thread of their own.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from landbridge.errors import LandbridgeError
from landbridge.federation.judge import Moments, holds, in_scope, in_time, lies
from landbridge.federation.offer import information_of
from landbridge.federation.registration import show_registration
from landbridge.model.instant import format_instant
from landbridge.model.query import Node, Selector
from landbridge.model.subscription import Endpoint, Subscription
from landbridge.model.terms import Terms
from landbridge.pool import delivery
from landbridge.pool.cabinet import Cabinet, Kept, Transaction
from landbridge.pool.delivery import Lane
from landbridge.pool.pool import Pool

LOG = logging.getLogger("landbridge.federation")
SHELF = "csource_subscription"
LOOK = 1.0  # seconds between looks at the clock
NEW, CHANGED, GONE = "newlyMatching", "updated", "noLongerMatching"

Body = dict[str, Any]


@dataclass(frozen=True)
class Watch:
    """A subscription to registrations, understood."""

    subscription: Subscription
    terms: Terms
    csf: Node | None = None
    moments: Moments | None = None

    def sight(self, id_: str, body: Mapping[str, Any]) -> Body | None:
        """What of a registration it is to be told: only informations that match; None where it does not match."""
        own = self.subscription
        informations = [one for one in body["information"] if self.about(one)]
        if not informations or not in_time(self.moments, body):
            return None
        if not all(holds(node, body) for node in (own.where, self.csf) if node is not None):
            return None
        if (own.geo is not None and not lies(own.geo, body)) or (own.scope and not in_scope(own.scope, body)):
            return None
        shown = show_registration({**body, "information": informations}, self.terms, secrets=False)
        return {"id": id_, **shown}

    def about(self, given: Mapping[str, Any]) -> bool:
        """Whether one information is about what the subscription names (5.11.2.4, 5.12)."""
        information = information_of(given)
        watched = self.subscription.watched
        if watched and information.names is not None and not information.names & watched:
            return False
        selectors: Sequence[Selector] = self.subscription.selectors or (Selector(),)
        return any(information.asked(one.types, one.ids, one.id_pattern) is not None for one in selectors)


Understand = Callable[[str, str, Body], Watch]  # tenant, id, body


class Herald:
    """Watches the registrations (`sources`) for those who subscribe to them.

    `understand` reads a kept subscription; `hurry` wakes whoever delivers.
    """

    def __init__(
        self, pool: Pool, sources: Cabinet, understand: Understand, hurry: Callable[[], None] = lambda: None
    ) -> None:
        self.pool = pool
        self.sources = sources
        sources.noted = self.registration_changed
        sources.written = lambda: self.hurry()
        self.cabinet = Cabinet(pool, SHELF, "subscriptions to context sources")
        self.understand = understand
        self.hurry = hurry
        self.stopping = threading.Event()
        self.due: dict[tuple[str, str], float] = {}
        self.thread = threading.Thread(target=self.run, name="herald", daemon=True)

    def start(self) -> None:
        self.thread.start()

    def close(self) -> None:
        self.stopping.set()
        if self.thread.is_alive():
            self.thread.join()

    # -- in the commits of registrations and subscriptions

    def registration_changed(
        self, transaction: Transaction, tenant: str, id_: str, before: Body | None, after: Body | None
    ) -> None:
        """Tell who is concerned that a registration is new, changed or gone."""
        for kept in self.cabinet.all_of(transaction, tenant):
            watch = self.watch(kept, transaction.recorded)
            if watch is None or watch.subscription.interval is not None:
                continue
            old = watch.sight(id_, before) if before else None
            new = watch.sight(id_, after) if after else None
            if new is not None:
                self.tell(transaction, watch, [new], CHANGED if old is not None else NEW)
            elif old is not None:
                self.tell(transaction, watch, [old], GONE)

    def subscription_changed(self, transaction: Transaction, kept: Kept, registrations: Iterable[Kept]) -> None:
        """Tell a subscription that is new or changed what matches it now (5.11.2, 5.11.3)."""
        watch = self.watch(kept, transaction.recorded)
        if watch is not None:
            self.tell_all(transaction, watch, registrations)
            self.due.pop((kept.tenant, kept.id), None)

    def subscription_gone(self, transaction: Transaction, tenant: str, id_: str) -> None:
        """Forget what waits to be delivered for a subscription."""
        delivery.clear(transaction, Lane(SHELF, tenant, id_))
        self.due.pop((tenant, id_), None)

    def endpoint(self, tenant: str, id_: str) -> tuple[Endpoint, str] | None:
        """Where a subscription's notifications go now, and the address of its context; None while they are held."""
        kept = self.cabinet.find(tenant, id_)
        watch = None if kept is None else self.watch(kept, self.pool.store.clock())
        return None if watch is None else (watch.subscription.endpoint, watch.terms.address())

    def watch(self, kept: Kept, now: int) -> Watch | None:
        """A kept subscription, understood; None while it is not to be told."""
        try:
            watch = self.understand(kept.tenant, kept.id, kept.body)
        except LandbridgeError as error:
            LOG.error("The subscription %s cannot be served: %s", kept.id, error)
            return None
        return watch if watch.subscription.status(now) == "active" else None

    def tell_all(self, transaction: Transaction, watch: Watch, registrations: Iterable[Kept]) -> None:
        seen = [sight for one in registrations if (sight := watch.sight(one.id, one.body)) is not None]
        if seen:
            self.tell(transaction, watch, seen, NEW)

    def tell(self, transaction: Transaction, watch: Watch, data: list[Body], reason: str) -> None:
        """Put a notification behind those that wait (5.3.2)."""
        own = watch.subscription
        id_ = f"urn:ngsi-ld:Notification:{secrets.token_hex(12)}"
        body: Body = {
            "id": id_,
            "type": "ContextSourceNotification",
            "subscriptionId": own.id,
            "notifiedAt": format_instant(transaction.recorded),
            "data": data,
            "triggerReason": reason,
        }
        if own.endpoint.accept == "application/ld+json":
            body["@context"] = watch.terms.address()
        delivery.queue(transaction, Lane(SHELF, own.tenant, own.id), id_, orjson.dumps(body))

    # -- by the clock

    def run(self) -> None:
        """Tell subscriptions with an interval, until told to stop."""
        while not self.stopping.wait(LOOK):
            try:
                self.tick(time.monotonic())
            except Exception:
                LOG.exception("Subscriptions to context sources are held up; they are tried again.")

    def tick(self, now: float) -> None:
        """Tell those whose time has come."""
        for kept in self.cabinet.everything():
            interval = kept.body.get("interval")
            if interval is None:
                continue
            key = (kept.tenant, kept.id)
            due = self.due.setdefault(key, now + interval)
            if now >= due:
                self.due[key] = now + interval
                self.tell_now(kept)

    def tell_now(self, kept: Kept) -> None:
        registrations = self.registrations(kept.tenant)
        watch = self.watch(kept, self.pool.store.clock())
        if watch is not None:
            self.pool.store.write(
                lambda transaction: self.tell_all(transaction, watch, registrations), tenant=kept.tenant, actor="herald"
            )
            self.hurry()

    def registrations(self, tenant: str) -> list[Kept]:
        return self.sources.within(tenant)

    def registrations_in(self, transaction: Transaction, tenant: str) -> list[Kept]:
        """The registrations of a tenant, as a commit under way sees them."""
        return self.sources.all_of(transaction, tenant)
