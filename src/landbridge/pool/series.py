"""How a value came to be: the recorded instances of one attribute, newest last, merged by time.

Bulk writes lie in columnar segments and single writes in journal rows; both are read no further than the newest
`limit` points need. What the store has given to the lake is asked of a function that is handed in.
"""

import heapq
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import apsw
import orjson

from landbridge.errors import Damaged, Missing
from landbridge.model.answer import Point
from landbridge.model.entity import value_of
from landbridge.store import drained, past, timeline
from landbridge.store.schema import KIND_BITS
from landbridge.store.segment import rows_of
from landbridge.store.sqlite import SqliteStore
from landbridge.store.timeline import Piece, Recorded

LONGEST = 100_000
#: the newest points that the lake alone has of a series, in no order (see `history.said.points`): commits by type up to
#: which, tenant, id, attribute, how many at most, since when, and when the entity was made
Earlier = Callable[[Mapping[str, int], str, str, str, int, int | None, int], Sequence[Point]]


def series(
    store: SqliteStore, tenant: str, id_: str, attribute: str, limit: int, since: int | None = None,
    earlier: Earlier | None = None,
) -> list[Point]:  # fmt: skip
    """The newest `limit` points at or after `since`. Raises Missing where there is no such entity.

    `earlier`: gives what the store has no more. Raises Damaged where that is needed and not given.
    """
    limit = min(limit, LONGEST)
    with store.reader() as connection:
        key = timeline.key_of(connection, tenant, id_)
        if key is None:
            raise Missing("There is no such entity.", where=id_)
        keys = past.lineage(connection, key)
        found: list[Point] = []
        for one in keys:
            found = kept(connection, one, attribute, limit, since, found)
        if earlier is not None:
            types, created = drained.types_of(connection, keys), past.named(connection, [key])[0][2]
            found += earlier(types, tenant, id_, attribute, limit, since, created)
            found = newest(limit, found)
        elif any(drained.types_of(connection, keys).values()):
            raise Damaged(
                "The history of this pool is needed for a series, and it is not open.", where=id_,
                hint="Open the pool through its city's folder.",
            )  # fmt: skip
    return found[::-1] if limit else []


def kept(
    connection: apsw.Connection, key: int, attribute: str, limit: int, since: int | None, found: list[Point]
) -> list[Point]:
    """The newest of some points and of those that the store has under a key, the newest first."""
    after = drained.trimmed(connection, key >> KIND_BITS)
    rows = timeline.rows(connection, key, attribute, limit, since, after)
    found = newest(limit, [*found, *map(point_of, rows)])
    for piece in timeline.pieces(connection, key, since, after):
        if len(found) >= limit and latest(piece) < found[-1].time:
            break
        found += points_in(timeline.body(connection, piece.seq), piece, key, attribute, since)
        found = newest(limit, found)
    return found


def newest(limit: int, found: list[Point]) -> list[Point]:
    return heapq.nlargest(limit, found, key=lambda point: (point.time, point.recorded))


def latest(piece: Piece) -> int:
    return piece.recorded if piece.max_time is None else piece.max_time


def point_of(row: Recorded) -> Point:
    time = row.recorded if row.observed is None else row.observed
    value = value_in(row.instance)
    return Point(time, row.recorded, value, row.owner, row.dataset, row.operation == "delete")


def points_in(body: bytes, piece: Piece, key: int, attribute: str, since: int | None) -> list[Point]:
    """The points of one attribute of one entity in a segment."""
    found = []
    for row in rows_of(body, key, attribute):
        time = piece.recorded if row.observed is None else row.observed
        if since is None or time >= since:
            value = value_in(row.instance)
            found.append(Point(time, piece.recorded, value, piece.source, row.dataset, row.operation == "delete"))
    return found


def value_in(text: str | None) -> Any:
    """The value of an instance as the journal keeps it; None for a deletion."""
    return value_of(orjson.loads(text)) if text else None
