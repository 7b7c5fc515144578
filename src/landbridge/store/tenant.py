"""A tenant's entities as a whole: forgotten at once, with all that hangs on them, when nobody needs the copies."""

import apsw

from landbridge.store.schema import KIND_BITS

BY_KEY = ("shape", "extra_type", "journal", "disagreement", "expiry", "entity")


def drop(connection: apsw.Connection, tenant: str) -> None:
    """Forget a tenant's entities with their journal, and its types. Shelves are not touched."""
    for (num,) in list(connection.execute("SELECT num FROM kind WHERE tenant=?", (tenant,))):
        span = (num << KIND_BITS, ((num + 1) << KIND_BITS) - 1)
        for table in BY_KEY:
            connection.execute(f"DELETE FROM {table} WHERE key BETWEEN ? AND ?", span)
        connection.execute("DELETE FROM segment WHERE kind=?", (num,))
    for table in ("name", "past"):
        connection.execute(f"DELETE FROM {table} WHERE tenant=?", (tenant,))
    connection.execute("DELETE FROM kind WHERE tenant=?", (tenant,))
