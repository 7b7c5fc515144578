"""Where entity maps lie: on a shelf of documents, each with the moment until which it can be asked for."""

import apsw

from landbridge.store import shelf
from landbridge.store.transaction import SqliteTransaction

SHELF = "entityMap"
MOST = 1000  # of a tenant: the one that expires first goes when there is one more


def forget(transaction: SqliteTransaction, tenant: str, now: int) -> None:
    """Delete what expired, and the first to expire where there are too many."""
    gone = transaction.connection.execute(
        "SELECT id FROM (SELECT id, body ->> '$.expires' AS expires,"
        " row_number() OVER (ORDER BY body ->> '$.expires' DESC) AS place FROM shelf WHERE shelf=? AND tenant=?)"
        " WHERE expires <= ? OR place >= ?",
        (SHELF, tenant, now, MOST),
    )
    for (id_,) in list(gone):
        shelf.remove(transaction, SHELF, tenant, id_)


def get(connection: apsw.Connection, tenant: str, id_: str) -> shelf.Kept | None:
    return shelf.get(connection, SHELF, tenant, id_)
