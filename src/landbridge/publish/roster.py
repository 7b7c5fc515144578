"""The subscriptions as the publisher knows them: hung in the index, by the clock, and understood when they are needed.

Nothing is kept of a subscription beyond its anchors until something may be about it, so that a hundred thousand of them
are taken up in a moment and stay small.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

from landbridge.errors import LandbridgeError
from landbridge.model.subscription import Subscription
from landbridge.model.terms import Terms
from landbridge.pool.cabinet import Cabinet
from landbridge.pool.delivery import Look
from landbridge.pool.match import Asked, compile_asked
from landbridge.pool.subscription import INTEREST, SINCE, Body
from landbridge.publish.index import Index, Key
from landbridge.publish.periodic import Periodic

LOG = logging.getLogger("landbridge.publish")
UNDERSTOOD = 4096  # subscriptions kept ready

Understand = Callable[[str, str, Body], Subscription]  # tenant, id, body
TermsFor = Callable[[Any, str], Terms]  # context, tenant


class Understood(NamedTuple):
    """A subscription, and its conditions compiled."""

    it: Subscription
    asked: Asked


class Roster:
    """All subscriptions, as far as they are known by now. `buried`: deleted by the commit that is told."""

    def __init__(self, subscriptions: Cabinet, understand: Understand, terms: TermsFor) -> None:
        self.subscriptions = subscriptions
        self.understand, self.terms = understand, terms
        self.index = Index()
        self.periodic = Periodic(subscriptions.pool.store.clock)
        self.ready: OrderedDict[Key, Understood] = OrderedDict()
        self.buried: dict[Key, int] = {}
        self.version, self.moment = -1, -1

    def learn(self, found: Look) -> tuple[list[Key], list[Key]]:
        """Take in what is new: those that are new or changed, and those that are gone."""
        gone = [(tenant, id_) for tenant, id_, _ in found.gone]
        for key in gone:
            self.drop(key)
            self.buried.pop(key, None)
        put: list[Key] = []
        for kept in found.put:
            key = (kept.tenant, kept.id)
            if kept.body[SINCE] > self.buried.get(key, -1):
                self.buried.pop(key, None)
                self.take_up(key, kept.body)
                put.append(key)
        self.moment = max([self.moment, *(one[2] for one in found.gone), *(one.modified for one in found.put)])
        self.version = found.version
        return put, gone

    def take_up(self, key: Key, body: Body) -> None:
        """Know a subscription as it is now."""
        self.ready.pop(key, None)
        if body[INTEREST]:
            self.index.put(key, body["anchors"])
        else:
            self.index.drop(key)
        interval = body["interval"]
        self.periodic.put(key, interval, body["expires"] if body[INTEREST] or interval else None, body["paused"])

    def drop(self, key: Key) -> None:
        self.ready.pop(key, None)
        self.index.drop(key)
        self.periodic.drop(key)

    def forget_ready(self, key: Key) -> None:
        """Read a subscription anew when it is needed next."""
        self.ready.pop(key, None)

    def get(self, key: Key) -> Understood | None:
        """A subscription; None where it is gone, or can no longer be read."""
        if key in self.buried:
            return None
        found = self.ready.get(key)
        if found is not None:
            self.ready.move_to_end(key)
            return found
        kept = self.subscriptions.find(*key)
        if kept is None:
            return None
        try:
            made = self.understand(*key, kept.body)
            found = Understood(made, compile_asked(made.where, made.geo, made.scope))
        except LandbridgeError as error:
            LOG.error("The subscription %s cannot be served: %s", key[1], error)
            return None
        self.ready[key] = found
        while len(self.ready) > UNDERSTOOD:
            self.ready.popitem(last=False)
        return found

    def active(self, key: Key, now: int) -> Subscription | None:
        """A subscription for which something may be sent now."""
        found = self.get(key)
        return found.it if found is not None and found.it.status(now) == "active" else None

    def terms_of(self, made: Subscription) -> Terms:
        """The names in which it is told; as the core context alone has them where its own has gone meanwhile."""
        try:
            return self.terms(made.shape.context, made.tenant)
        except LandbridgeError:
            return self.terms(None, made.tenant)
