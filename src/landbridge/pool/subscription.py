"""Subscriptions in the pool: documents on a shelf, and beside them what is wanted of which entities.

The table of interests changes in the commit that creates, changes or deletes a subscription, so the very next write
knows what to keep a record of, in whichever process it is made. NGSI-LD 5.8.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from landbridge.errors import Exists, Missing
from landbridge.governance.policy import Actor
from landbridge.pool.pool import Pool
from landbridge.store import shelf
from landbridge.store.shelf import Kept
from landbridge.store.transaction import SqliteTransaction

SHELF = "subscription"
INTEREST, SINCE = "interest", "since"  # members of a body that are kept here: [type, id, attribute] each; a commit

Body = dict[str, Any]
Row = tuple[str, str, str]


class Subscriptions:
    """The subscriptions of all tenants."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    def create(self, actor: Actor, tenant: str, id_: str, body: Body) -> None:
        """Keep a new subscription. Raises Exists, Refused."""

        def job(transaction: SqliteTransaction) -> None:
            if shelf.get(transaction.connection, SHELF, tenant, id_) is not None:
                raise Exists("There is a subscription with this id already.", where=id_)
            put(transaction, tenant, id_, None, {**body, SINCE: transaction.number})

        with self.pool.asked(actor, "write", "write subscriptions", id_):
            self.pool.store.write(job, tenant=tenant, actor=actor.name, request=actor.request)

    def change(self, actor: Actor, tenant: str, id_: str, edit: Callable[[Body], Body]) -> None:
        """Replace a subscription by what `edit` makes of it. Raises Missing, Refused, and what `edit` raises."""

        def job(transaction: SqliteTransaction) -> None:
            found = shelf.get(transaction.connection, SHELF, tenant, id_)
            if found is None:
                raise missing(id_)
            body = edit(found.body)
            since = found.body[SINCE] if found.body[INTEREST] else transaction.number
            put(transaction, tenant, id_, found.body, {**body, SINCE: since})

        with self.pool.asked(actor, "write", "write subscriptions", id_):
            self.pool.store.write(job, tenant=tenant, actor=actor.name, request=actor.request)

    def remove(self, actor: Actor, tenant: str, id_: str) -> int:
        """Forget a subscription, with all that waits to be delivered for it; the commit. Raises Missing, Refused."""

        def job(transaction: SqliteTransaction) -> int:
            found = shelf.get(transaction.connection, SHELF, tenant, id_)
            if found is None:
                raise missing(id_)
            count(transaction, tenant, found.body[INTEREST], -1)
            shelf.remove(transaction, SHELF, tenant, id_)
            for table in ("delivery", "delivered"):
                transaction.connection.execute(
                    f"DELETE FROM {table} WHERE shelf=? AND tenant=? AND subscription=?",  # noqa: S608  (two names)
                    (SHELF, tenant, id_),
                )
            return transaction.number

        with self.pool.asked(actor, "write", "delete subscriptions", id_):
            return self.pool.store.write(job, tenant=tenant, actor=actor.name, request=actor.request)

    def get(self, actor: Actor, tenant: str, id_: str) -> Kept:
        """A subscription. Raises Missing, Refused."""
        with self.pool.asked(actor, "read", "read subscriptions", id_), self.pool.store.reader() as connection:
            found = shelf.get(connection, SHELF, tenant, id_)
        if found is None:
            raise missing(id_)
        return found

    def page(self, actor: Actor, tenant: str, limit: int, offset: int) -> tuple[list[Kept], int]:
        """Some of a tenant's subscriptions in the order of their ids, and how many there are. Raises Refused."""
        with self.pool.asked(actor, "read", "read subscriptions"), self.pool.store.reader() as connection:
            return shelf.page(connection, SHELF, tenant, limit, offset), shelf.count(connection, SHELF, tenant)

    # -- for the publisher: no actor is asked

    def find(self, tenant: str, id_: str) -> Kept | None:
        with self.pool.store.reader() as connection:
            return shelf.get(connection, SHELF, tenant, id_)

    def expire(self, tenant: str, id_: str) -> None:
        """Want nothing any more for a subscription whose time is over."""

        def job(transaction: SqliteTransaction) -> None:
            found = shelf.get(transaction.connection, SHELF, tenant, id_)
            if found is not None and found.body[INTEREST]:
                put(transaction, tenant, id_, found.body, {**found.body, INTEREST: []})

        known = self.find(tenant, id_)
        if known is not None and known.body[INTEREST]:
            self.pool.store.write(job, tenant=tenant, actor="landbridge")


def missing(id_: str) -> Missing:
    return Missing("There is no such subscription.", where=id_)


def put(transaction: SqliteTransaction, tenant: str, id_: str, before: Body | None, body: Body) -> None:
    """Keep a body, and count its interests in place of those before."""
    count(transaction, tenant, before[INTEREST] if before else (), -1)
    count(transaction, tenant, body[INTEREST], 1)
    shelf.put(transaction, SHELF, tenant, id_, body)


def count(transaction: SqliteTransaction, tenant: str, rows: Iterable[list[str]], by: int) -> None:
    """Count interests up or down; what nobody wants any more is forgotten."""
    changed = Counter(tuple(row) for row in rows)
    for row, number in changed.items():
        transaction.connection.execute(
            "INSERT INTO interest VALUES (?1, ?2, ?3, ?4, ?5)"
            " ON CONFLICT (tenant, type, id, attribute) DO UPDATE SET uses = uses + ?5",
            (tenant, *row, by * number),
        )
        if by < 0:
            transaction.connection.execute(
                "DELETE FROM interest WHERE tenant=? AND type=? AND id=? AND attribute=? AND uses<=0", (tenant, *row)
            )
