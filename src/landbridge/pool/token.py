"""Bearer tokens: who may come in by API, console and push. Only a hash of each is kept.

A token is 256 random bits, so its plain SHA-256 gives nothing away and needs no salt.
"""

import hashlib
import secrets

from landbridge.errors import Exists, Invalid, Missing
from landbridge.governance.policy import Actor, Role
from landbridge.store import ledger
from landbridge.store.ledger import TokenRow
from landbridge.store.sqlite import SqliteStore
from landbridge.store.transaction import SqliteTransaction

PREFIX = "lb_"  # lets scanners of leaked secrets know what they found
GIVEN = (Role.OPERATOR, Role.STEWARD, Role.SOURCE, Role.READER)


def hash_of(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def create_token(
    store: SqliteStore,
    name: str,
    role: Role | str,
    source: str | None = None,
    expires: int | None = None,
    *,
    by: str = "operator",
) -> str:
    """Make a token and give its text, which is shown this once.

    `expires` in microseconds since 1970. Raises Invalid for an unknown role or a `source` that does not fit it,
    Exists where the name is taken.
    """
    if not name or len(name) > 100 or not name.isprintable():
        raise Invalid("A token needs a name of 1 to 100 printable characters.", where=name[:100] or None)
    if role not in [given.value for given in GIVEN]:
        raise Invalid(f"'{role}' is no role for a token.", hint=f"Use one of {', '.join(GIVEN)}.")
    if (role == Role.SOURCE) != (source is not None):
        raise Invalid(
            "A token of the role 'source' names its source, and no other does.", hint="Give the source's name."
        )
    text = PREFIX + secrets.token_urlsafe(32)

    def job(transaction: SqliteTransaction) -> None:
        if any(row.name == name for row in ledger.tokens(transaction.connection)):
            raise Exists(f"There is a token called '{name}' already.", hint="Revoke it first, or choose another name.")
        row = TokenRow(name, str(role), source, transaction.recorded, expires)
        ledger.add_token(transaction.connection, hash_of(text), row)
        ledger.add_audit(
            transaction.connection, [(transaction.recorded, by, "", "create token", name, "done", str(role), "")]
        )

    store.write(job, actor=by)
    return text


def actor_for(store: SqliteStore, token: str) -> Actor | None:
    """Who a token speaks for; None where it is unknown, revoked or past its time."""
    with store.reader() as connection:
        row = ledger.token(connection, hash_of(token))
    if row is None or (row.expires is not None and row.expires <= store.clock()):
        return None
    return Actor(row.name, Role(row.role), row.source)


def list_tokens(store: SqliteStore) -> list[TokenRow]:
    """All tokens, without their texts, which nobody has any more."""
    with store.reader() as connection:
        return ledger.tokens(connection)


def revoke_token(store: SqliteStore, name: str, *, by: str = "operator") -> None:
    """Forget a token; whoever holds it is refused from now on. Raises Missing where there is none."""

    def job(transaction: SqliteTransaction) -> None:
        if not ledger.drop_token(transaction.connection, name):
            raise Missing(f"There is no token called '{name}'.")
        ledger.add_audit(transaction.connection, [(transaction.recorded, by, "", "revoke token", name, "done", "", "")])

    store.write(job, actor=by)
