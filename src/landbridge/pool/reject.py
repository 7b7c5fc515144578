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


def count_rejects(pool: Pool, actor: Actor, source: str, reason: str) -> int:
    """How many rejected rows of a source have this reason."""
    with pool.asked(actor, "raw", "replay rejected rows", source), pool.store.reader() as connection:
        return sum(count for _, why, count in reading.reject_groups(connection, source) if why == reason)
