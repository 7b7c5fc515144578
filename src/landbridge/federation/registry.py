"""The registered sources of every tenant: kept on disk, matched from memory, checked against each other.

What is in memory is read again when a registration is changed here, and looked after once a second for changes by
another process.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from landbridge.federation.conflict import check_entities, check_others
from landbridge.federation.judge import Moments, holds, in_scope, in_time, lies
from landbridge.federation.offer import Offer, Register, Types, named_types, offer_of
from landbridge.federation.registration import check_mode, parse_registration, parse_update
from landbridge.model.instant import parse_instant
from landbridge.model.query import Near, Node, Scope, Spatial
from landbridge.model.terms import Terms
from landbridge.pool.cabinet import Cabinet, Kept
from landbridge.pool.pool import Actor, Pool

SHELF = "registration"
LOOK_AGAIN = 1.0  # seconds
NOBODY = Register(())

Body = dict[str, Any]


@dataclass(frozen=True)
class Sought:
    """Which registrations a client looks for (NGSI-LD 5.10.2)."""

    types: Types = None
    ids: tuple[str, ...] = ()
    pattern: str | None = None
    attrs: tuple[str, ...] = ()
    conditions: tuple[Node, ...] = ()  # of q and csf
    geo: Near | Spatial | None = None
    scope: Scope | None = None
    moments: Moments | None = None

    def fits(self, offer: Offer) -> bool:
        return (
            offer.narrowed(self.types, self.ids, self.pattern, self.attrs) is not None
            and all(holds(node, offer.body) for node in self.conditions)
            and (self.geo is None or lies(self.geo, offer.body))
            and (self.scope is None or in_scope(self.scope, offer.body))
            and in_time(self.moments, offer.body)
        )


class Registry:
    """The registrations over one pool. `check_address` judges an endpoint; `forget` begins anew with a source."""

    def __init__(self, pool: Pool, check_address: Callable[[str], None], forget: Callable[[str, str], None]) -> None:
        self.pool = pool
        self.forget = forget
        self.cabinet = Cabinet(pool, SHELF, "context source registrations")
        self.check_address = check_address
        self.registers: Mapping[str, Register] = {}
        self.seen = (-1, -1)  # the shelf's version, and the changes made here
        self.looked = float("-inf")

    # -- changes

    def register(self, actor: Actor, tenant: str, id_: str, given: Mapping[str, Any], terms: Terms) -> None:
        """Keep a registration. Raises InvalidEntity, Exists, Conflicting, Refused (NGSI-LD 5.9.2)."""
        body = parse_registration(given, terms, self.pool.store.clock())
        offer = self.examined(actor, tenant, id_, body)
        self.cabinet.create(actor, tenant, id_, body, lambda others: check_others(offer, map(offer_from, others)))
        self.forget(tenant, id_)  # what an earlier one with this id may have left

    def update(self, actor: Actor, tenant: str, id_: str, given: Mapping[str, Any], terms: Terms) -> None:
        """Change members of a registration. Raises InvalidEntity, Missing, Conflicting (NGSI-LD 5.9.3)."""
        before = self.cabinet.get(actor, tenant, id_).body
        sets, gone = parse_update(given, terms, self.pool.store.clock())

        def edit(body: Body) -> Body:
            return {name: value for name, value in (body | sets).items() if name not in gone}

        check_mode(edit(before))
        if sets.keys() & {"information", "mode", "endpoint"}:
            self.examined(actor, tenant, id_, edit(before))
        self.cabinet.change(
            actor,
            tenant,
            id_,
            edit,
            lambda body, others: check_others(offer_of(id_, tenant, body), map(offer_from, others)),
        )

    def examined(self, actor: Actor, tenant: str, id_: str, body: Body) -> Offer:
        self.check_address(body["endpoint"])
        offer = offer_of(id_, tenant, body)
        check_entities(self.pool, actor, offer)
        return offer

    def delete(self, actor: Actor, tenant: str, id_: str) -> None:
        """Forget a registration. Raises Missing (NGSI-LD 5.9.4)."""
        self.cabinet.remove(actor, tenant, id_)
        self.forget(tenant, id_)

    # -- looking

    def get(self, actor: Actor, tenant: str, id_: str) -> Kept:
        """A registration. Raises Missing, also for one that has expired (NGSI-LD 5.10.1)."""
        found = self.cabinet.get(actor, tenant, id_)
        if expired(found.body, self.pool.store.clock()):
            raise self.cabinet.missing(id_)
        return found

    def find(self, actor: Actor, tenant: str, sought: Sought) -> list[Kept]:
        """The registrations that are sought, by their ids (NGSI-LD 5.10.2)."""
        now = self.pool.store.clock()
        return [
            one
            for one in self.cabinet.listed(actor, tenant)
            if not expired(one.body, now) and sought.fits(offer_from(one))
        ]

    def of(self, tenant: str) -> Register:
        """What is registered for a tenant; empty where nothing is."""
        if time.monotonic() - self.looked > LOOK_AGAIN or self.cabinet.changed != self.seen[1]:
            self.look()
        return self.registers.get(tenant, NOBODY)

    def look(self) -> None:
        """Read what is registered, where that has changed."""
        changed, version = self.cabinet.changed, self.cabinet.version()
        self.looked = time.monotonic()
        if version != self.seen[0]:
            offers: dict[str, list[Offer]] = {}
            for kept in self.cabinet.everything():
                offers.setdefault(kept.tenant, []).append(offer_from(kept))
            self.registers = {tenant: Register(own) for tenant, own in offers.items()}
        self.seen = (version, changed)

    def matching(self, tenant: str, types: Types, *, past: bool = False) -> list[Offer]:
        """The offers that may be about entities of these types and are of now; `past`: or of the past (5.12)."""
        now = self.pool.store.clock()
        return [
            offer
            for offer in self.of(tenant).of_types(named_types(types))
            if (past or not offer.past) and (offer.expires is None or offer.expires > now)
        ]


def offer_from(kept: Kept) -> Offer:
    return offer_of(kept.id, kept.tenant, kept.body)


def expired(body: Mapping[str, Any], now: int) -> bool:
    return "expiresAt" in body and parse_instant(body["expiresAt"]) <= now
