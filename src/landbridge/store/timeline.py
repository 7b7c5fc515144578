"""How one attribute of one entity came to be what it is: its recorded instances, from journal rows and segments."""

from collections.abc import Iterator
from typing import NamedTuple

import apsw

from landbridge.store.schema import KIND_BITS


class Recorded(NamedTuple):
    """A journal row: when it was recorded, what it says. `instance` is JSON, None for a deletion."""

    number: int
    recorded: int
    dataset: str | None
    owner: str
    observed: int | None
    operation: str
    instance: str | None


class Piece(NamedTuple):
    """A segment without its body. Times in microseconds; `max_time` None where its rows tell none."""

    seq: int
    number: int
    recorded: int
    source: str
    max_time: int | None


def key_of(connection: apsw.Connection, tenant: str, id_: str) -> int | None:
    row = connection.execute("SELECT key FROM name WHERE tenant=? AND id=?", (tenant, id_)).fetchone()
    return int(row[0]) if row else None


def rows(
    connection: apsw.Connection, key: int, attribute: str, limit: int, since: int | None = None, after: int = 0
) -> list[Recorded]:
    """The journal rows of commits after `after` that lie latest in time (observed, else recorded), newest first."""
    found = connection.execute(
        "SELECT j.number, c.recorded, j.dataset, j.owner, j.observed, j.operation, j.instance"
        " FROM journal j JOIN commits c USING (number) WHERE j.key=?1 AND j.attribute=?2"
        " AND (?3 IS NULL OR coalesce(j.observed, c.recorded) >= ?3) AND j.number > ?5"
        " ORDER BY coalesce(j.observed, c.recorded) DESC, j.number DESC, j.ordinal DESC LIMIT ?4",
        (key, attribute, since, limit, after),
    )
    return [Recorded(*row) for row in found]


def pieces(connection: apsw.Connection, key: int, since: int | None = None, after: int = 0) -> Iterator[Piece]:
    """The segments of commits after `after` that may hold this key, those with the latest times first."""
    found = connection.execute(
        "SELECT s.seq, s.number, c.recorded, s.source, coalesce(s.max_time, c.recorded) AS latest"
        " FROM segment s JOIN commits c USING (number) WHERE s.kind=?1 AND s.min_key<=?2 AND s.max_key>=?2"
        " AND (?3 IS NULL OR latest >= ?3) AND s.number > ?4 ORDER BY latest DESC, s.seq DESC",
        (key >> KIND_BITS, key, since, after),
    )
    return (Piece(*row) for row in found)


def body(connection: apsw.Connection, seq: int) -> bytes:
    return bytes(connection.execute("SELECT body FROM segment WHERE seq=?", (seq,)).get)
