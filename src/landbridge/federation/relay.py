"""Subscriptions in all places: a copy of each at every source that has what it is about (NGSI-LD 5.8.1.4, 5.8.6).

A copy notifies us, and what it says is told to the subscriber under his own subscription. Copies are made, changed and
deleted behind the requests, whenever a subscription or a registration changes, until what is wanted is what there is.
A copy's id is known to the source and to us alone; whoever names it may notify.
"""

import logging
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from landbridge.federation.call import Asked, sent
from landbridge.federation.offer import Offer, named_types, offer_of
from landbridge.federation.reached import Ways
from landbridge.federation.trip import Trip
from landbridge.governance.policy import Role
from landbridge.model.query import Selector
from landbridge.pool.cabinet import Cabinet, Kept
from landbridge.pool.pool import Actor

LOG = logging.getLogger("landbridge.federation")
SHELF, SUBSCRIPTIONS = "relay", "subscription"
MARK = "urn:ngsi-ld:Subscription:distsub-"  # how copies' ids begin
RELAY = Actor("relay", Role.OPERATOR, door="federation")
NOTIFIER = Actor("notifier", Role.PUBLIC)  # any source that notifies

Body = dict[str, Any]


class Wanted(NamedTuple):
    """A subscription that is to be copied: what it is about, and the copy but for its id and address.

    `home`: the address under which subscribers reach us, to be notified at; None where it is not known yet.
    """

    selectors: Sequence[Selector]
    watched: frozenset[str]
    copy: Body
    home: str | None


class Relays:
    """The copies of subscriptions at other sources.

    `wanted` reads a kept subscription: None where it is not to be copied.
    """

    def __init__(self, ways: Ways, wanted: Callable[[Kept], Wanted | None]) -> None:
        self.ways = ways
        self.wanted = wanted
        self.cabinet = Cabinet(ways.pool, SHELF, "copies of subscriptions")
        self.subscriptions = Cabinet(ways.pool, SUBSCRIPTIONS, "subscriptions")
        self.thread = ThreadPoolExecutor(1, "relay")  # one after the other, so that a copy is made before it is deleted
        self.known: tuple[int, dict[str, Kept]] = (-1, {})

    def close(self) -> None:
        self.thread.shutdown(wait=False, cancel_futures=True)

    # -- when something has changed

    def subscription_changed(self, tenant: str, id_: str) -> None:
        """Bring the copies of one subscription up to date, soon."""
        if self.ways.registry.of(tenant) or self.of(tenant, id_):
            self.thread.submit(self.guarded, tenant, id_)

    def registrations_changed(self) -> None:
        """Bring all copies up to date, soon."""
        self.thread.submit(self.guarded, None, None)

    def guarded(self, tenant: str | None, id_: str | None) -> None:
        try:
            if tenant is not None and id_ is not None:
                self.renew(tenant, id_)
                return
            concerned = [(one.tenant, one.id) for one in self.subscriptions.everything()]
            concerned += [(one.tenant, one.body["subscription"]) for one in self.cabinet.everything()]
            for key in dict.fromkeys(concerned):
                self.renew(*key)
        except Exception:
            LOG.exception("Copies of subscriptions at other sources are not up to date.")

    def renew(self, tenant: str, id_: str) -> None:
        """Make, change and delete the copies of one subscription."""
        kept = self.subscriptions.find(tenant, id_)
        wanted = None if kept is None or id_.startswith(MARK) else self.wanted(kept)
        if wanted is not None and wanted.home is None:
            return
        due = {} if wanted is None else {offer.id: (offer, copy) for offer, copy in self.copies(tenant, wanted)}
        there = {one.body["registration"]: one for one in self.of(tenant, id_)}
        for registration, one in there.items():
            if registration not in due:
                self.delete(one)
            elif due[registration][1] != one.body["copy"]:
                self.change(one, *due[registration])
        for registration, (offer, copy) in due.items():
            if registration not in there:
                self.make(tenant, id_, offer, copy)

    def of(self, tenant: str, id_: str) -> list[Kept]:
        """The copies of one subscription."""
        return [one for one in self.relays().values() if one.tenant == tenant and one.body["subscription"] == id_]

    def named(self, id_: str) -> Kept | None:
        """A copy by the id that its source knows."""
        return self.relays().get(id_)

    def relays(self) -> Mapping[str, Kept]:
        """All copies by their ids; read again when one has changed."""
        if self.known[0] != self.cabinet.changed:
            changed = self.cabinet.changed
            self.known = (changed, {one.id: one for one in self.cabinet.everything()})
        return self.known[1]

    # -- copies

    def copies(self, tenant: str, wanted: Wanted) -> Iterator[tuple[Offer, Body]]:
        """What each source is to have: the subscription reduced to what it is registered for."""
        for offer in self.ways.registry.matching(tenant, None):
            if not offer.may("createSubscription") or offer.mode == "auxiliary":
                continue
            meant = [place for place, one in enumerate(wanted.selectors) if offers(offer, one, wanted.watched)]
            if not meant and (wanted.selectors or not offers(offer, Selector(), wanted.watched)):
                continue
            copy = dict(wanted.copy)
            if "entities" in copy:
                copy["entities"] = [copy["entities"][place] for place in meant]
            self.narrow(copy, offer, wanted)
            copy["notification"] = {
                **copy["notification"],
                "endpoint": {"uri": f"{wanted.home}/ngsi-ld/ex/remote-notify", "accept": "application/json"},
            }
            yield offer, copy

    def narrow(self, copy: Body, offer: Offer, wanted: Wanted) -> None:
        """Have a copy be about no other attributes than the source is registered for (5.8.1.4)."""
        types = {name for one in wanted.selectors for name in named_types(one.types) or ()}
        names = offer.names_of_types(types) if types else None
        if not isinstance(names, frozenset):
            return
        own = names & wanted.watched if wanted.watched else names
        compact = self.ways.contexts.core.compact
        told = sorted(compact(name) for name in own)
        if "timeInterval" not in copy:
            copy["watchedAttributes"] = told
        copy["notification"] = {"attributes": sorted(compact(name) for name in names), **copy["notification"]}

    def make(self, tenant: str, id_: str, offer: Offer, copy: Body) -> None:
        name = f"{MARK}{secrets.token_hex(16)}"
        body = {"subscription": id_, "registration": offer.id, "offer": dict(offer.body), "copy": copy}
        self.cabinet.create(RELAY, tenant, name, body)
        self.send(offer, tenant, Asked("POST", "/subscriptions", {}, {"id": name, **copy}))

    def change(self, one: Kept, offer: Offer, copy: Body) -> None:
        self.cabinet.change(RELAY, one.tenant, one.id, lambda body: {**body, "copy": copy, "offer": dict(offer.body)})
        gone = {name: None for name in one.body["copy"] if name not in copy}
        self.send(offer, one.tenant, Asked("PATCH", f"/subscriptions/{one.id}", {}, {**copy, **gone}))

    def delete(self, one: Kept) -> None:
        offer = offer_of(one.body["registration"], one.tenant, one.body["offer"])
        self.cabinet.remove(RELAY, one.tenant, one.id)
        self.send(offer, one.tenant, Asked("DELETE", f"/subscriptions/{one.id}"))

    def send(self, offer: Offer, tenant: str, asked: Asked) -> None:
        """Ask the source, and put on record that it did not do it."""
        trip = Trip(self.ways.contexts.core)
        request = sent(offer, trip, asked, self.ways.contexts, self.ways.alias(tenant))
        (reply,) = self.ways.lines.gather([(offer, request)])
        if not reply.fine:
            LOG.warning("The source of %s did not take a subscription: %s", offer.id, reply.text or reply.status)


def offers(offer: Offer, one: Selector, watched: frozenset[str]) -> bool:
    return offer.narrowed(one.types, one.ids, one.id_pattern, tuple(watched)) is not None
