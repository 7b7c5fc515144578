"""Subscriptions in the pool: documents on a shelf, and beside them what is wanted of which entities.

The table of interests changes in the commit that creates, changes or deletes a subscription, so the very next write
knows what to keep a record of, in whichever process it is made. NGSI-LD 5.8.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from landbridge.pool.cabinet import Cabinet
from landbridge.pool.pool import Pool
from landbridge.store import shelf
from landbridge.store.transaction import SqliteTransaction

SHELF = "subscription"
INTEREST, SINCE = "interest", "since"  # members of a body that are kept here: [type, id, attribute] each; a commit

Body = dict[str, Any]
Row = tuple[str, str, str]


def subscriptions_of(pool: Pool) -> Cabinet:
    """The subscriptions of all tenants."""
    found = Cabinet(pool, SHELF, "subscriptions")
    found.made, found.noted = since_when, interested
    return found


def expire(subscriptions: Cabinet, tenant: str, id_: str) -> None:
    """Want nothing any more for a subscription whose time is over; no actor is asked."""

    def job(transaction: SqliteTransaction) -> None:
        found = shelf.get(transaction.connection, SHELF, tenant, id_)
        if found is not None and found.body[INTEREST]:
            subscriptions.put(transaction, tenant, id_, found.body, {**found.body, INTEREST: []})

    known = subscriptions.find(tenant, id_)
    if known is not None and known.body[INTEREST]:
        subscriptions.pool.store.write(job, tenant=tenant, actor="landbridge")


def since_when(transaction: SqliteTransaction, before: Body | None, body: Body) -> Body:
    """The body with the commit since which it has wanted anything without a break."""
    since = before[SINCE] if before and before[INTEREST] else transaction.number
    return {**body, SINCE: since}


def interested(transaction: SqliteTransaction, tenant: str, id_: str, before: Body | None, after: Body | None) -> None:
    """Count what is wanted in place of what was; of a subscription that goes forget also what waits to be delivered."""
    count(transaction, tenant, before[INTEREST] if before else (), -1)
    count(transaction, tenant, after[INTEREST] if after else (), 1)
    if after is None:
        for table in ("delivery", "delivered"):
            transaction.connection.execute(
                f"DELETE FROM {table} WHERE shelf=? AND tenant=? AND subscription=?",  # noqa: S608  (two names)
                (SHELF, tenant, id_),
            )


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
