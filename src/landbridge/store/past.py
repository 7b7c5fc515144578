"""Which keys of the journal an id has or had: the entity's own, those of its past, those that only history knows."""

from array import array
from collections.abc import Sequence
from typing import NamedTuple

import apsw
import orjson

from landbridge.store.schema import KIND_BITS
from landbridge.store.transaction import SqliteTransaction


class Former(NamedTuple):
    """A key of the past. `ended` None: only history knows it. `cleared`: the commit that took its evolution away."""

    key: int
    types: tuple[str, ...]
    ended: int | None
    cleared: int | None


class Keys(NamedTuple):
    """The keys of an id: that of the entity as it is now (None: there is none), and those of the past, newest last."""

    current: int | None
    former: tuple[Former, ...]

    @property
    def known(self) -> bool:
        """Whether there is an evolution, as far as the store knows."""
        return self.current is not None or any(one.cleared is None for one in self.former)

    @property
    def newest(self) -> int | None:
        """The key under which history goes on: that of now, else one that only history knows, else the last one."""
        if self.current is not None or not self.former:
            return self.current
        open_ones = [one.key for one in self.former if one.ended is None]
        return open_ones[-1] if open_ones else self.former[-1].key

    @property
    def all(self) -> tuple[int, ...]:
        return (*(one.key for one in self.former), *(() if self.current is None else (self.current,)))


def keys(connection: apsw.Connection, tenant: str, id_: str) -> Keys:
    """The keys of an id."""
    current = connection.execute("SELECT key FROM name WHERE tenant=? AND id=?", (tenant, id_)).get
    rows = connection.execute(
        "SELECT key, types, ended, cleared FROM past WHERE tenant=? AND id=? ORDER BY created, key", (tenant, id_)
    )
    return Keys(current, tuple(Former(key, tuple(orjson.loads(types)), *rest) for key, types, *rest in rows))


def lineage(connection: apsw.Connection, key: int) -> list[int]:
    """The keys of one entity: the one that it has, and those that it had before its type changed."""
    rows = connection.execute(
        "SELECT p.key FROM entity e JOIN kind k ON k.num = e.key >> ?2"
        " JOIN past p ON p.tenant = k.tenant AND p.id = e.id AND p.created = e.created WHERE e.key=?1 AND p.key <> ?1",
        (key, KIND_BITS),
    )
    return [key, *(former for (former,) in rows)]


def named(connection: apsw.Connection, own: Sequence[int]) -> list[tuple[int, str, int]]:
    """Of which ids keys are or were, each with when its entity was made."""
    found: list[tuple[int, str, int]] = []
    for statement in (
        "SELECT key, id, created FROM entity WHERE key IN (SELECT value FROM carray(?))",
        "SELECT key, id, created FROM past WHERE key IN (SELECT value FROM carray(?))",
    ):
        found += connection.execute(statement, (apsw.carray(array("q", own)),)) if own else ()
    return found


def begin(transaction: SqliteTransaction, tenant: str, id_: str, types: Sequence[str]) -> int:
    """Make a key for an id that only history knows."""
    key = transaction.spare_key(transaction.kind(tenant, types[0]))
    transaction.connection.execute(
        "INSERT INTO past (key, tenant, id, types, created) VALUES (?, ?, ?, ?, ?)",
        (key, tenant, id_, orjson.dumps(list(types)).decode(), transaction.recorded),
    )
    return key


def describe(transaction: SqliteTransaction, key: int, types: Sequence[str]) -> None:
    """Keep the types of what only history knows; whatever took its evolution away is over."""
    transaction.connection.execute(
        "UPDATE past SET types=?, cleared=NULL WHERE key=?", (orjson.dumps(list(types)).decode(), key)
    )


def clear(transaction: SqliteTransaction, tenant: str, id_: str) -> None:
    """Note that this commit takes an id's evolution away."""
    transaction.connection.execute(
        "UPDATE past SET cleared=? WHERE tenant=? AND id=?", (transaction.number, tenant, id_)
    )


def key_of_line(connection: apsw.Connection, number: int, ordinal: int) -> int | None:
    """The key of a line that is still a row of the journal."""
    found = connection.execute("SELECT key FROM journal WHERE number=? AND ordinal=?", (number, ordinal)).get
    return None if found is None else int(found)


def other_kinds(own: Sequence[int], key: int) -> list[int]:
    """Of some keys one for each kind but that of `key`."""
    found = {one >> KIND_BITS: one for one in own}
    found.pop(key >> KIND_BITS, None)
    return sorted(found.values())
