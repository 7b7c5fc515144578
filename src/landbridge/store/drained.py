"""How far each type's journal is in the lake, and how much there is to drain, in SQLite."""

from collections.abc import Sequence
from typing import NamedTuple

import apsw

from landbridge.store.schema import KIND_BITS
from landbridge.store.transaction import SqliteTransaction


class Position(NamedTuple):
    """Up to which commit a type's table of the lake has its lines, and up to which the store may have none."""

    number: int = 0
    trimmed: int = 0


def of_type(connection: apsw.Connection, type_: str) -> Position:
    row = connection.execute("SELECT number, trimmed FROM drained WHERE type=?", (type_,)).fetchone()
    return Position(*row) if row else Position()


def trimmed(connection: apsw.Connection, kind: int) -> int:
    """Up to which commit the lines of a kind may be in the lake alone: whoever reads the journal begins after it."""
    found = connection.execute(
        "SELECT d.trimmed FROM kind k JOIN drained d ON d.type = k.type WHERE k.num=?", (kind,)
    ).get
    return int(found or 0)


def types_of(connection: apsw.Connection, keys: Sequence[int]) -> dict[str, int]:
    """The types whose kinds keys are of, each with the commit up to which the lake alone may have its lines."""
    found: dict[str, int] = {}
    for kind in {key >> KIND_BITS for key in keys}:
        type_ = connection.execute("SELECT type FROM kind WHERE num=?", (kind,)).get
        found[str(type_)] = trimmed(connection, kind)
    return found


def least(connection: apsw.Connection) -> int:
    """Up to which commit all types' lines are in the lake, as far as the store knows."""
    found = connection.execute(
        "SELECT min(coalesce(d.number, 0)) FROM kind k LEFT JOIN drained d ON d.type = k.type"
    ).get
    return int(found or 0)


def kinds(connection: apsw.Connection) -> dict[str, list[int]]:
    """The numbers of the kinds of each type, of all tenants."""
    found: dict[str, list[int]] = {}
    for type_, number in connection.execute("SELECT type, num FROM kind ORDER BY num"):
        found.setdefault(type_, []).append(number)
    return found


def touched(connection: apsw.Connection, after: int, upto: int) -> set[int]:
    """The kinds of which commits after one and up to another have lines."""
    rows = connection.execute(
        f"SELECT DISTINCT key >> {KIND_BITS} FROM journal INDEXED BY journal_number WHERE number > ?1 AND number <= ?2"
        " UNION SELECT DISTINCT kind FROM segment INDEXED BY segment_number WHERE number > ?1 AND number <= ?2",
        (after, upto),
    )
    return {number for (number,) in rows}


def cut(connection: apsw.Connection, of: Sequence[int], after: int, upto: int, most: int) -> tuple[int, int]:
    """The last of the commits whose lines of some kinds are at most so many together, and how many they are.

    That is at least one commit that has lines, however many. Where there are no lines: `upto` and 0.
    """
    total, last = 0, after
    for number, count in sizes(connection, of, after, upto, most):
        if total and total + count > most:
            return last, total
        total, last = total + count, number
    return upto, total


def sizes(connection: apsw.Connection, of: Sequence[int], after: int, upto: int, most: int) -> apsw.Cursor:
    """How many lines of these kinds each commit has, in order; right for the first `most` commits that have any."""
    wanted = ", ".join(str(int(number)) for number in of)
    return connection.execute(
        "SELECT number, sum(lines) FROM ("
        " SELECT * FROM (SELECT number, count(*) AS lines FROM journal INDEXED BY journal_number"
        f" WHERE number > ?1 AND number <= ?2 AND key >> {KIND_BITS} IN ({wanted})"
        " GROUP BY number ORDER BY number LIMIT ?3)"
        " UNION ALL"
        " SELECT * FROM (SELECT number, sum(rows) FROM segment INDEXED BY segment_number"
        f" WHERE number > ?1 AND number <= ?2 AND kind IN ({wanted}) GROUP BY number ORDER BY number LIMIT ?3)"
        ") GROUP BY number ORDER BY number",
        (after, upto, most),
    )


def trim(transaction: SqliteTransaction, type_: str, number: int) -> None:
    """Say that a type's lines of commits up to a number are to be looked for in the lake alone.

    Never more than the store knows to be there.
    """
    transaction.connection.execute(
        "UPDATE drained SET trimmed = max(trimmed, min(number, ?2)) WHERE type=?1", (type_, number)
    )


def keep(transaction: SqliteTransaction, type_: str, number: int) -> None:
    """Note that the lake has a type's lines up to a commit."""
    transaction.connection.execute(
        "INSERT INTO drained (type, number) VALUES (?1, ?2)"
        " ON CONFLICT (type) DO UPDATE SET number = max(number, excluded.number)",
        (type_, number),
    )
