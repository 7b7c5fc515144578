"""Which ids there are and were, in SQLite: of entities, of those that are no more, and of what only history knows."""

import heapq
from collections.abc import Iterator, Sequence
from typing import Any

import apsw
import orjson

from landbridge.store.contract import Kind
from landbridge.store.find import bounds
from landbridge.store.schema import KIND_BITS

NOW = (
    "SELECT n.id, e.key, e.doc -> '$.type', e.doc -> '$.scope', e.created, e.modified"
    " FROM name n JOIN entity e ON e.key = n.key WHERE n.tenant = ?1 AND n.id IN (SELECT value FROM carray(?2))"
)
THEN = (
    "SELECT id, key, types, created, ended, cleared FROM past WHERE tenant = ?1"
    " AND id IN (SELECT value FROM carray(?2)) ORDER BY created, key"
)


def present(connection: apsw.Connection, tenant: str, ids: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """Of ids that are entities: id, key, types and scope as JSON, when they were made and changed."""
    return connection.execute(NOW, (tenant, apsw.carray(tuple(ids))))


def past(connection: apsw.Connection, tenant: str, ids: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """Of each former key of these ids: id, key, types as JSON, created, ended, cleared."""
    return connection.execute(THEN, (tenant, apsw.carray(tuple(ids))))


def of_kinds(connection: apsw.Connection, tenant: str, kinds: Sequence[Kind]) -> Iterator[str]:
    """The ids of entities that are or were of some kinds."""
    for kind in kinds:
        for sql in (
            f"SELECT id FROM entity WHERE {bounds(kind)}",
            f"SELECT id FROM past WHERE {bounds(kind)}",
            f"SELECT e.id FROM extra_type x JOIN entity e USING (key) WHERE x.kind = {int(kind.num)}",
        ):
            yield from (str(id_) for (id_,) in connection.execute(sql))
    names = orjson.dumps([kind.type for kind in kinds]).decode()
    further = (
        "SELECT id FROM past WHERE tenant = ? AND EXISTS (SELECT 1 FROM json_each(types) AS t"
        " WHERE t.value IN (SELECT value FROM json_each(?)))"
    )
    yield from (str(id_) for (id_,) in connection.execute(further, (tenant, names)))


def walk(
    connection: apsw.Connection, tenant: str, kinds: Sequence[Kind] | None, begun: str | None, back: bool, chunk: int
) -> Iterator[list[str]]:
    """The ids of a tenant, of some kinds, in order behind one, or backwards; so many at a time."""
    numbers = None if kinds is None else ", ".join(str(int(kind.num)) for kind in kinds) or "NULL"
    names = None if kinds is None else orjson.dumps([kind.type for kind in kinds]).decode()
    now = then = ""
    if numbers is not None:
        of = f"(key >> {KIND_BITS}) IN ({numbers})"
        now = f" AND ({of} OR key IN (SELECT key FROM extra_type WHERE kind IN ({numbers})))"
        then = (
            f" AND ({of} OR EXISTS (SELECT 1 FROM json_each(types) AS t"
            " WHERE t.value IN (SELECT value FROM json_each(?4))))"
        )
    sign, way = ("<", "DESC") if back else (">", "ASC")
    while True:
        parts = [
            connection.execute(
                f"SELECT {word} id FROM {table} WHERE tenant = ?1 AND (?2 IS NULL OR id {sign} ?2){more}"
                f" ORDER BY id {way} LIMIT ?3",
                (tenant, begun, chunk, names)[: 4 if "?4" in more else 3],
            ).fetchall()
            for table, word, more in (("name", "", now), ("past", "DISTINCT", then))
        ]
        merged = heapq.merge(*([str(id_) for (id_,) in part] for part in parts), reverse=back)
        found = list(dict.fromkeys(merged))[:chunk]
        if not found:
            return
        yield found
        begun = found[-1]
