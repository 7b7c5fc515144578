"""Who this pool is among others: a name made once and kept, by which requests that come back are known.

NGSI-LD 5.2.40 (ContextSourceIdentity): each tenant has its own.
"""

import hashlib
import secrets

from landbridge.pool.pool import Pool
from landbridge.store import reading
from landbridge.store.transaction import SqliteTransaction

ALIAS = "alias"  # the name under which the store keeps it


def alias_of(pool: Pool) -> str:
    """The pool's own name; made where there is none yet."""
    with pool.store.reader() as connection:
        found = reading.meta(connection, ALIAS)
    return found or pool.store.write(make_alias, actor="identity")


def make_alias(transaction: SqliteTransaction) -> str:
    found = reading.meta(transaction.connection, ALIAS)
    if found is None:
        found = f"landbridge-{secrets.token_hex(8)}"
        transaction.connection.execute("INSERT INTO meta VALUES (?, ?)", (ALIAS, found))
    return found


def tenant_alias(alias: str, tenant: str) -> str:
    """The name of one tenant: a token that may stand in a Via header (RFC 9110, 7.6.3), and tells no tenant's name."""
    if not tenant:
        return alias
    return f"landbridge-{hashlib.sha256(f'{alias}/{tenant}'.encode()).hexdigest()[:16]}"
