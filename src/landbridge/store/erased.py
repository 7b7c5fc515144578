"""Where it is kept what must not come back, by keyed hashes alone, and which erasures are under way."""

from typing import NamedTuple

import apsw

from landbridge.store.transaction import SqliteTransaction

NUMBER = "erasures"  # of meta: grows with each step by which others must know; whoever keeps something compares it


class Entry(NamedTuple):
    """One thing that must not come back (see `pool.erased`). Times in microseconds since 1970."""

    scope: str
    of: bytes
    part: bytes
    sketch: int
    since: int | None
    until: int | None
    certificate: str


class UnderWay(NamedTuple):
    """An erasure that is not through: its certificate's name, the step it has come to, and what it needs (JSON)."""

    certificate: str
    step: str
    body: str


def number(connection: apsw.Connection) -> int:
    """How often something was erased, 0 where nothing ever was."""
    return int(connection.execute("SELECT value FROM meta WHERE name=?", (NUMBER,)).get or 0)


def grow(transaction: SqliteTransaction) -> None:
    """Let everybody who keeps something know."""
    transaction.put_meta(NUMBER, str(number(transaction.connection) + 1))


def entries(connection: apsw.Connection) -> list[Entry]:
    rows = connection.execute("SELECT scope, of, part, sketch, since, until, certificate FROM erased ORDER BY seq")
    return [Entry(*row) for row in rows]


def add(transaction: SqliteTransaction, some: list[Entry]) -> None:
    """Keep what must not come back; what is known already stays as it is."""
    known = set(entries(transaction.connection))
    transaction.connection.executemany(
        "INSERT INTO erased (scope, of, part, sketch, since, until, certificate) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [one for one in dict.fromkeys(some) if one not in known],
    )


def lift(transaction: SqliteTransaction, certificate: str) -> int:
    """Let come back what an erasure keeps out; how many entries it had."""
    transaction.connection.execute("DELETE FROM erased WHERE certificate=?", (certificate,))
    return transaction.connection.changes()


def under_way(connection: apsw.Connection) -> list[UnderWay]:
    return [UnderWay(*row) for row in connection.execute("SELECT certificate, step, body FROM erasure")]


def put(transaction: SqliteTransaction, erasure: UnderWay) -> None:
    transaction.connection.execute("INSERT OR REPLACE INTO erasure VALUES (?, ?, ?)", erasure)


def drop(transaction: SqliteTransaction, certificate: str) -> None:
    transaction.connection.execute("DELETE FROM erasure WHERE certificate=?", (certificate,))
