"""How a value came to be: the recorded instances of one attribute, newest last, merged by time.

Bulk writes lie in columnar segments and single writes in journal rows; both are read no further than the newest
`limit` points need.
"""

import heapq
from typing import Any

import orjson

from landbridge.errors import Missing
from landbridge.model.answer import Point
from landbridge.model.entity import value_of
from landbridge.store import timeline
from landbridge.store.segment import rows_of
from landbridge.store.sqlite import SqliteStore
from landbridge.store.timeline import Piece, Recorded

LONGEST = 100_000


def series(
    store: SqliteStore, tenant: str, id_: str, attribute: str, limit: int, since: int | None = None
) -> list[Point]:
    """The newest `limit` points at or after `since`. Raises Missing where there is no such entity."""
    limit = min(limit, LONGEST)
    with store.reader() as connection:
        key = timeline.key_of(connection, tenant, id_)
        if key is None:
            raise Missing("There is no such entity.", where=id_)
        found = [point_of(row) for row in timeline.rows(connection, key, attribute, limit, since)]
        for piece in timeline.pieces(connection, key, since):
            if len(found) >= limit and latest(piece) < found[-1].time:
                break
            found += points_in(timeline.body(connection, piece.seq), piece, key, attribute, since)
            found = heapq.nlargest(limit, found, key=lambda point: (point.time, point.recorded))
    return found[::-1] if limit else []


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
