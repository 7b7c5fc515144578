"""When transient entities and attributes expire (NGSI-LD 4.22): the moment of each entity's first expiry, by key."""

import apsw

from landbridge.store.schema import KIND_BITS
from landbridge.store.transaction import SqliteTransaction


def keep(transaction: SqliteTransaction, key: int, due: int | None) -> None:
    """Note when the first part of an entity expires, in microseconds since 1970; None: nothing does."""
    if due is None:
        transaction.connection.execute("DELETE FROM expiry WHERE key=?", (key,))
    else:
        transaction.connection.execute("INSERT OR REPLACE INTO expiry VALUES (?, ?)", (key, due))


def first(connection: apsw.Connection) -> int | None:
    """The moment of the next expiry, None where nothing expires."""
    found = connection.execute("SELECT min(due) FROM expiry").get
    return None if found is None else int(found)


def due(connection: apsw.Connection, now: int, limit: int) -> list[tuple[str, int]]:
    """The tenants and keys of entities of which something has expired, the earliest first."""
    rows = connection.execute(
        f"SELECT kind.tenant, expiry.key FROM expiry JOIN kind ON kind.num = expiry.key >> {KIND_BITS}"
        " WHERE due <= ? ORDER BY due LIMIT ?",
        (now, limit),
    )
    return list(rows)
