"""Who came in and who did what, in SQLite: tokens, the audit, and the commits as the audit of writes."""

from collections.abc import Iterable
from typing import NamedTuple

import apsw


class Commit(NamedTuple):
    """A commit: its number, when it was recorded, who made it by which request, or which run of which source."""

    number: int
    recorded: int
    actor: str
    request: str
    source: str | None
    run: int | None


class TokenRow(NamedTuple):
    """A token as it is kept: never the token itself. Times in microseconds since 1970."""

    name: str
    role: str
    source: str | None
    created: int
    expires: int | None


AuditRow = tuple[int, str, str, str, str, str, str, str]


def commit_of(connection: apsw.Connection, number: int) -> Commit | None:
    row = connection.execute(
        "SELECT number, recorded, actor, request, source, run FROM commits WHERE number=?", (number,)
    ).fetchone()
    return Commit(*row) if row else None


def add_audit(connection: apsw.Connection, rows: Iterable[AuditRow]) -> None:
    """Keep lines of the audit: at, actor, role, action, target, outcome, reason, request."""
    connection.executemany(
        "INSERT INTO audit (at, actor, role, action, target, outcome, reason, request) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )


def audit(connection: apsw.Connection, limit: int) -> list[AuditRow]:
    """The newest lines of the audit, newest first."""
    return list(
        connection.execute(
            "SELECT at, actor, role, action, target, outcome, reason, request FROM audit ORDER BY seq DESC LIMIT ?",
            (limit,),
        )
    )


def add_token(connection: apsw.Connection, hash_: bytes, token: TokenRow) -> None:
    connection.execute("INSERT INTO token VALUES (?, ?, ?, ?, ?, ?)", (hash_, *token))


def token(connection: apsw.Connection, hash_: bytes) -> TokenRow | None:
    row = connection.execute("SELECT name, role, source, created, expires FROM token WHERE hash=?", (hash_,)).fetchone()
    return TokenRow(*row) if row else None


def tokens(connection: apsw.Connection) -> list[TokenRow]:
    rows = connection.execute("SELECT name, role, source, created, expires FROM token ORDER BY name, created")
    return [TokenRow(*row) for row in rows]


def drop_token(connection: apsw.Connection, name: str) -> int:
    """Forget the tokens of this name; the number of them."""
    connection.execute("DELETE FROM token WHERE name=?", (name,))
    return connection.changes()
