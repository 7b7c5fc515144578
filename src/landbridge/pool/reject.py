"""Rejected rows with their numbers in the store, for whoever maps them again."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from landbridge.governance.policy import Actor
from landbridge.pool.pool import Pool
from landbridge.store import reading


class Kept(NamedTuple):
    """A rejected row as it is kept: its number in the store, where it stood, what it held."""

    number: int
    place: str
    row: Mapping[str, Any]


def kept_rejects(pool: Pool, actor: Actor, source: str, reason: str, limit: int) -> list[Kept]:
    """The oldest rejected rows of a source with this reason."""
    with pool.asked(actor, "raw", "replay rejected rows", source), pool.store.reader() as connection:
        rows = reading.rejects(connection, source, reason, limit, 0)
    return [Kept(number, place, orjson.loads(row)) for number, _, place, row in rows]


def newest_reject(pool: Pool, actor: Actor, source: str, reason: str) -> int:
    """The number of the newest rejected row with this reason, 0 where there is none."""
    with pool.asked(actor, "raw", "replay rejected rows", source), pool.store.reader() as connection:
        found = connection.execute(
            "SELECT coalesce(max(seq), 0) FROM reject WHERE source=? AND reason=?", (source, reason)
        )
        return int(next(found)[0])
