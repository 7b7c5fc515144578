"""The recent window: what the store still has of the journal for quick answers. What is older is in the lake alone.

A line goes when the type's table has it for certain and it is older than the window's days, or the window holds more
than its megabytes. Readers are told first: `drained.trimmed` moves before any line is deleted, and whoever reads the
journal begins after it. The lines themselves are then deleted in small steps, between which others write.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import apsw

from landbridge.store import drained
from landbridge.store.schema import KIND_BITS
from landbridge.store.sqlite import SqliteStore
from landbridge.store.transaction import SqliteTransaction

DAY = 86_400_000_000
MEGABYTE = 1_000_000
ROW_BYTES = 150  # of a row of the journal with its two indexes, about
TOGETHER = 1_000  # commits whose size is counted together
# bytes of the journal by so many commits, the newest first
SIZES = f"""
SELECT part, sum(bytes) FROM (
  SELECT number / {TOGETHER} AS part, count(*) * {ROW_BYTES} AS bytes FROM journal INDEXED BY journal_number
  GROUP BY part
  UNION ALL SELECT number / {TOGETHER} AS part, sum(length(body)) FROM segment GROUP BY part
) GROUP BY part ORDER BY part DESC
"""  # noqa: S608  # our own constants
ROWS_AT_ONCE = 2_000  # deleted in one transaction
SEGMENTS_AT_ONCE = 32


@dataclass(frozen=True)
class Window:
    """How much of the journal the store keeps although the lake has it: so many days, and so many megabytes at most."""

    days: float = 30.0
    megabytes: int = 1_000


@dataclass(frozen=True)
class Trimmed:
    """How many rows and segments of the journal went."""

    rows: int = 0
    segments: int = 0


def trim(store: SqliteStore, window: Window, stop: Callable[[], bool] = lambda: False) -> Trimmed:
    """Delete what is older than the window and in the lake. It may be stopped at any step and goes on the next time."""
    with store.reader() as connection:
        kinds = drained.kinds(connection)
        beyond = boundary(connection, window, store.clock())
        known = {type_: drained.of_type(connection, type_) for type_ in kinds}
    rows = segments = 0
    for type_, numbers in kinds.items():
        upto = min(beyond, known[type_].number)
        if upto > known[type_].trimmed:
            store.tend(partial(tell, type_, upto))
        for kind in numbers:
            for deleted in steps(store, kind):
                rows, segments = rows + deleted.rows, segments + deleted.segments
                if stop():
                    return Trimmed(rows, segments)
    return Trimmed(rows, segments)


def tell(type_: str, upto: int, transaction: SqliteTransaction) -> None:
    drained.trim(transaction, type_, upto)


def boundary(connection: apsw.Connection, window: Window, now: int) -> int:
    """The last commit that is out of the window."""
    old = last_before(connection, now - int(window.days * DAY))
    room = window.megabytes * MEGABYTE
    for part, size in connection.execute(SIZES):
        room -= size
        if room < 0:
            return max(old, (int(part) + 1) * TOGETHER - 1)
    return old


def last_before(connection: apsw.Connection, moment: int) -> int:
    """The last commit that was recorded before a moment; 0 where there is none. Commits' times never go back."""
    low, high = 0, int(connection.execute("SELECT max(number) FROM commits").get or 0)
    while low < high:
        middle = (low + high + 1) // 2
        number, recorded = connection.execute(
            "SELECT number, recorded FROM commits WHERE number <= ? ORDER BY number DESC LIMIT 1", (middle,)
        ).get or (0, moment - 1)
        low, high = (middle, high) if recorded < moment else (low, number - 1)
    return low


def steps(store: SqliteStore, kind: int) -> Iterator[Trimmed]:
    """Delete a kind's lines that are trimmed, some at a time."""
    after = 0
    while True:
        rows, after = store.tend(partial(delete_rows, kind, after))
        if rows:
            yield Trimmed(rows=rows)
        if rows < ROWS_AT_ONCE:
            break
    while segments := store.tend(partial(delete_segments, kind)):
        yield Trimmed(segments=segments)


def delete_rows(kind: int, after: int, transaction: SqliteTransaction) -> tuple[int, int]:
    """Delete rows of commits from `after` on: how many, and the commit to go on with."""
    connection = transaction.connection
    found = list(
        connection.execute(
            "SELECT key, attribute, number, ordinal FROM journal INDEXED BY journal_number"
            " WHERE number BETWEEN ? AND ? AND key BETWEEN ? AND ? ORDER BY number LIMIT ?",
            (after, drained.trimmed(connection, kind), kind << KIND_BITS, ((kind + 1) << KIND_BITS) - 1, ROWS_AT_ONCE),
        )
    )
    connection.executemany("DELETE FROM journal WHERE key=? AND attribute=? AND number=? AND ordinal=?", found)
    return len(found), found[-1][2] if found else after


def delete_segments(kind: int, transaction: SqliteTransaction) -> int:
    connection = transaction.connection
    connection.execute(
        "DELETE FROM segment WHERE seq IN (SELECT seq FROM segment INDEXED BY segment_number"
        " WHERE number <= ? AND kind = ? ORDER BY number LIMIT ?)",
        (drained.trimmed(connection, kind), kind, SEGMENTS_AT_ONCE),
    )
    return int(connection.changes())
