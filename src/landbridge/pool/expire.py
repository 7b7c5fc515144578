"""Transient entities and attributes (NGSI-LD 4.22): what has expired is withdrawn before anyone reads it.

There is no sweep by a clock: whoever reads or writes asks first whether something is due, which costs one comparison
with a number in memory. What expires is a recorded deletion like any other, so it is announced, and its history stays.
"""

import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from landbridge.model.claim import Claims
from landbridge.model.entity import API, Instance, provenance, subs_of
from landbridge.model.instant import SECOND, parse_instant
from landbridge.pool.desk import Desk
from landbridge.pool.edit import Edit
from landbridge.store import expiry
from landbridge.store.sqlite import SqliteStore
from landbridge.store.transaction import SqliteTransaction

PART = 500  # entities in one commit
ACTOR = "expiry"


class Expiries:
    """Knows when the next thing expires, and withdraws what has."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.lock = threading.Lock()
        self.next: int | None = None
        self.looked: int | None = None  # when the store was asked last; other processes write too

    def forget(self) -> None:
        """Ask the store again, for something that expires was written."""
        with self.lock:  # not while another thread is asking, whose answer would be older
            self.looked = None

    def withdraw(self, claims: Callable[[], Claims]) -> None:
        """Withdraw all that has expired by now."""
        now = self.store.clock()
        while self.is_due(now):
            with self.store.reader() as connection:
                tenants = {tenant for tenant, _ in expiry.due(connection, now, PART)}
            for tenant in tenants:
                self.store.write(partial(withdraw, claims=claims(), tenant=tenant), tenant=tenant, actor=ACTOR)
            self.forget()

    def is_due(self, now: int) -> bool:
        if self.looked is None or now - self.looked >= SECOND or now < self.looked:
            with self.lock, self.store.reader() as connection:
                self.looked, self.next = now, expiry.first(connection)
        return self.next is not None and self.next <= now


def withdraw(transaction: SqliteTransaction, claims: Claims, tenant: str) -> None:
    """Withdraw what has expired of some of a tenant's entities, as one commit."""
    desk = Desk(transaction, tenant, claims)
    due = expiry.due(transaction.connection, transaction.recorded, PART)
    desk.take(transaction.load(sorted(key for of, key in due if of == tenant)))
    for edit in list(desk.open.values()):
        take(desk, edit, transaction.recorded)
    desk.save()
    desk.announce()


def take(desk: Desk, edit: Edit, now: int) -> None:
    """Take from an entity what has expired; the whole of it where it has expired and no source keeps anything here."""
    edit.changed = True
    expired = is_over(edit.document, now)
    if expired:
        edit.describe("expiresAt", None)
    for attribute in list(edit.document["attrs"]):
        for instance in edit.instances(attribute):
            if provenance(instance).owner == API:
                take_instance(edit, attribute, instance, now, expired)
    if expired and edit.owner() is None:
        desk.drop(edit)


def take_instance(edit: Edit, attribute: str, instance: Instance, now: int, expired: bool) -> None:
    if expired or is_over(instance, now):
        edit.remove(attribute, instance.get("datasetId"))
        return
    kept = without_expired(instance, now)
    if kept != instance:
        edit.put(attribute, kept)


def without_expired(instance: Mapping[str, Any], now: int) -> Instance:
    """An instance without the sub-attributes that have expired."""
    kept = dict(instance)
    for name, sub in subs_of(instance):
        all_ = sub if isinstance(sub, list) else [sub]
        living = [without_expired(one, now) for one in all_ if not is_over(one, now)]
        if living:
            kept[name] = living if len(living) > 1 else living[0]
        else:
            del kept[name]
    return kept


def is_over(described: Mapping[str, Any], now: int) -> bool:
    """Whether an entity or an instance has expired."""
    moment = described.get("expiresAt")
    return isinstance(moment, str) and parse_instant(moment) <= now
