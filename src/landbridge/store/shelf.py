"""Documents that clients leave beside the entities, by shelf, tenant and id: subscriptions, registrations, contexts.

They change in commits like everything else. Whoever keeps a shelf in memory compares `version` to know whether it
changed, whichever process changed it.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import apsw
import orjson

from landbridge.store.transaction import SqliteTransaction

REMEMBERED = 86_400_000_000  # microseconds for which it is known what was taken from a shelf


class Kept(NamedTuple):
    """A document on a shelf. Times in microseconds since 1970."""

    tenant: str
    id: str
    body: dict[str, Any]
    created: int
    modified: int


def put(transaction: SqliteTransaction, shelf: str, tenant: str, id_: str, body: dict[str, Any]) -> None:
    """Keep a document, in place of the one with its id; its creation stays."""
    transaction.connection.execute(
        "INSERT INTO shelf VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (shelf, tenant, id) DO UPDATE SET body = excluded.body, modified = excluded.modified",
        (shelf, tenant, id_, orjson.dumps(body).decode(), transaction.recorded, transaction.recorded),
    )
    transaction.connection.execute("DELETE FROM shelf_gone WHERE shelf=? AND tenant=? AND id=?", (shelf, tenant, id_))
    grow(transaction, shelf)


def remove(transaction: SqliteTransaction, shelf: str, tenant: str, id_: str) -> bool:
    """Forget a document; whether it was there."""
    transaction.connection.execute("DELETE FROM shelf WHERE shelf=? AND tenant=? AND id=?", (shelf, tenant, id_))
    found = transaction.connection.changes() > 0
    if found:
        transaction.connection.execute(
            "INSERT OR REPLACE INTO shelf_gone VALUES (?, ?, ?, ?)", (shelf, tenant, id_, transaction.recorded)
        )
        transaction.connection.execute(
            "DELETE FROM shelf_gone WHERE shelf=? AND gone<?", (shelf, transaction.recorded - REMEMBERED)
        )
        grow(transaction, shelf)
    return found


def keep_newest(transaction: SqliteTransaction, shelf: str, tenant: str, most: int) -> None:
    """Forget a tenant's documents that changed longest ago, beyond `most` of them."""
    beyond = count(transaction.connection, shelf, tenant) - most
    if beyond > 0:
        transaction.connection.execute(
            "DELETE FROM shelf WHERE shelf=?1 AND tenant=?2 AND id IN"
            " (SELECT id FROM shelf WHERE shelf=?1 AND tenant=?2 ORDER BY modified, id LIMIT ?3)",
            (shelf, tenant, beyond),
        )
        grow(transaction, shelf)


def grow(transaction: SqliteTransaction, shelf: str) -> None:
    transaction.connection.execute(
        "INSERT INTO shelf_version VALUES (?, 1) ON CONFLICT (shelf) DO UPDATE SET version = version + 1", (shelf,)
    )


def get(connection: apsw.Connection, shelf: str, tenant: str, id_: str) -> Kept | None:
    """A document by its id, None where there is none."""
    row = connection.execute(
        "SELECT tenant, id, body, created, modified FROM shelf WHERE shelf=? AND tenant=? AND id=?",
        (shelf, tenant, id_),
    ).fetchone()
    return kept(row) if row else None


def page(connection: apsw.Connection, shelf: str, tenant: str, limit: int, offset: int = 0) -> list[Kept]:
    """A tenant's documents in the order of their ids."""
    rows = connection.execute(
        "SELECT tenant, id, body, created, modified FROM shelf WHERE shelf=? AND tenant=? ORDER BY id LIMIT ? OFFSET ?",
        (shelf, tenant, limit, offset),
    )
    return [kept(row) for row in rows]


def count(connection: apsw.Connection, shelf: str, tenant: str) -> int:
    found = connection.execute("SELECT count(*) FROM shelf WHERE shelf=? AND tenant=?", (shelf, tenant)).get
    return int(found)


def has_tenant(connection: apsw.Connection, tenant: str) -> bool:
    """Whether any shelf has something of a tenant's."""
    found = connection.execute(
        "SELECT 1 FROM shelf_version AS v WHERE EXISTS"
        " (SELECT 1 FROM shelf AS s WHERE s.shelf = v.shelf AND s.tenant = ?) LIMIT 1",
        (tenant,),
    ).get
    return found is not None


def heads(connection: apsw.Connection, shelf: str, tenant: str) -> Iterator[tuple[str, int, int]]:
    """The id, creation and last change of each of a tenant's documents, in order."""
    return connection.execute(
        "SELECT id, created, modified FROM shelf WHERE shelf=? AND tenant=? ORDER BY id", (shelf, tenant)
    )


def everything(connection: apsw.Connection, shelf: str) -> Iterator[Kept]:
    """All documents of a shelf, of every tenant, in order."""
    rows = connection.execute(
        "SELECT tenant, id, body, created, modified FROM shelf WHERE shelf=? ORDER BY tenant, id", (shelf,)
    )
    return map(kept, rows)


def since(connection: apsw.Connection, shelf: str, moment: int) -> tuple[list[Kept], list[tuple[str, str, int]]]:
    """What was put on a shelf after a moment, and what was taken from it: (tenant, id, when). Oldest first.

    What was taken is told for a day: whoever has not looked for longer begins anew, with moment -1.
    """
    put_there = connection.execute(
        "SELECT tenant, id, body, created, modified FROM shelf WHERE shelf=? AND modified>?"
        " ORDER BY modified, tenant, id",
        (shelf, moment),
    )
    gone = connection.execute(
        "SELECT tenant, id, gone FROM shelf_gone WHERE shelf=? AND gone>? ORDER BY gone, tenant, id", (shelf, moment)
    )
    return [kept(row) for row in put_there], list(gone)


def version(connection: apsw.Connection, shelf: str) -> int:
    """A number that changes with every change of the shelf."""
    found = connection.execute("SELECT version FROM shelf_version WHERE shelf=?", (shelf,)).get
    return int(found or 0)


def kept(row: Any) -> Kept:
    tenant, id_, body, created, modified = row
    return Kept(tenant, id_, orjson.loads(body), created, modified)
