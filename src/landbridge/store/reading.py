"""What can be asked of the SQLite file: small functions from a connection to rows."""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import apsw
import orjson

from landbridge.model.answer import Document, Held, Page
from landbridge.model.query import Query
from landbridge.store.compile import Layout, compile_query
from landbridge.store.contract import Entry, Kind, Segment, Stored
from landbridge.store.cursor import next_cursor
from landbridge.store.document import unfold
from landbridge.store.road import Known, Wish, choose, wish_for_index
from landbridge.store.schema import KIND_BITS

ENTITY = "SELECT key, id, doc, created, modified, version FROM entity"
SEGMENT = "SELECT number, tenant, kind, source, run, min_key, max_key, min_time, max_time, rows, body, seq FROM segment"


def document(stored: Stored) -> Document:
    """The entity as the pool gives it: its document with the times of its row."""
    return timed(stored.doc, stored.created, stored.modified)


def timed(doc: str, created: int, modified: int) -> Document:
    found = unfold(doc)
    found["createdAt"] = created
    found["modifiedAt"] = modified
    return found


def held(stored: Stored) -> Held:
    """The entity as an answer holds it, its document not read yet."""
    row = (stored.key, stored.id, stored.doc, stored.created, stored.modified, stored.version)
    return Held.stored(row, timed)


def version(connection: apsw.Connection) -> int:
    """The number of the last commit, 0 before the first."""
    return int(connection.execute("SELECT coalesce(max(number), 0) FROM commits").get)


def get(connection: apsw.Connection, tenant: str, id_: str) -> Stored | None:
    row = connection.execute(
        f"{ENTITY} WHERE key = (SELECT key FROM name WHERE tenant=? AND id=?)", (tenant, id_)
    ).fetchone()
    return Stored(*row) if row else None


def by_keys(connection: apsw.Connection, keys: Sequence[int]) -> list[Stored]:
    rows = connection.execute(
        f"{ENTITY} WHERE key IN (SELECT value FROM carray(?)) ORDER BY key", (apsw.carray(array("q", keys)),)
    )
    return [Stored(*row) for row in rows] if keys else []


@lru_cache(maxsize=4096)
def slots_of(text: str) -> Mapping[str, int]:
    """The slots of a kind, read once for each text: every question needs those of all its tenant's kinds."""
    return MappingProxyType(orjson.loads(text))


def kinds(connection: apsw.Connection, tenant: str) -> list[Kind]:
    rows = connection.execute(
        "SELECT num, tenant, type, slots, entities, located, EXISTS (SELECT 1 FROM extra_type WHERE kind=num)"
        " FROM kind WHERE tenant=? ORDER BY type",
        (tenant,),
    )
    return [
        Kind(num, of, type_, slots_of(slots), count, bool(located), bool(shared))
        for num, of, type_, slots, count, located, shared in rows
    ]


def query(connection: apsw.Connection, asked: Query, wish: Wish | None = None, known: Known | None = None) -> Page:
    """One page of entities, and the count of all where it is asked for. `wish` is told of indexes that would help."""
    known = known or Known()
    layout = choose(connection, asked, Layout(tuple(kinds(connection, asked.tenant))), known)
    compiled = compile_query(asked, layout)
    rows = list(connection.execute(compiled.sql, compiled.bindings))
    more = len(rows) > asked.limit
    rows = rows[: asked.limit]
    if wish is not None and asked.where is not None:
        wish_for_index(connection, asked, layout, rows[-1][0] if more and rows else None, wish, known)
    count = None
    if asked.count:
        counting = compile_query(asked, layout, counting=True)
        count = int(connection.execute(counting.sql, counting.bindings).get)
    backward = asked.before is not None
    if backward:
        rows.reverse()
    following = bool(rows) and (more or backward)
    earlier = bool(rows) and (more if backward else asked.after is not None or asked.offset > 0)
    return Page(
        tuple([Held.stored(row[:6], timed) for row in rows]),
        next_cursor(asked, rows[-1]) if following else None,
        count,
        next_cursor(asked, rows[0]) if earlier else None,
    )


def ids(connection: apsw.Connection, asked: Query, most: int) -> list[str]:
    """The ids of what a query finds, in its order, `most` at most; documents are not read."""
    known = Layout(tuple(kinds(connection, asked.tenant)))
    compiled = compile_query(replace(asked, limit=most - 1), choose(connection, asked, known))
    return [str(id_) for (id_,) in connection.execute(f"SELECT id FROM ({compiled.sql})", compiled.bindings)]


def entries(connection: apsw.Connection, key: int, attribute: str | None, limit: int) -> list[tuple[Entry, int, int]]:
    """Recorded single writes of an entity, newest first, with the commit's number and time."""
    clause = "j.key=?1" if attribute is None else "j.key=?1 AND j.attribute=?2"
    rows = connection.execute(
        "SELECT j.key, j.attribute, j.ordinal, j.dataset, j.owner, j.observed, j.operation, j.instance,"
        f" j.number, c.recorded FROM journal j JOIN commits c USING (number) WHERE {clause}"
        " ORDER BY j.number DESC, j.ordinal DESC LIMIT ?3",
        (key, attribute, limit),
    )
    return [(Entry(*row[:8]), row[8], row[9]) for row in rows]


def segments(
    connection: apsw.Connection, kind: int, low: int, high: int, *, newest_first: bool = False, since: int | None = None
) -> Iterator[Segment]:
    """The segments of a kind that may hold keys from `low` to `high`."""
    order = "DESC" if newest_first else "ASC"
    rows = connection.execute(
        f"{SEGMENT} WHERE kind=? AND min_key<=? AND max_key>=? AND (?4 IS NULL OR max_time>=?4 OR max_time IS NULL)"
        f" ORDER BY seq {order}",
        (kind, high, low, since),
    )
    for row in rows:
        yield Segment(*row)


def recorded(connection: apsw.Connection, number: int) -> int:
    return int(connection.execute("SELECT recorded FROM commits WHERE number=?", (number,)).get or 0)


def raw(connection: apsw.Connection, source: str, run: int, row: int) -> list[bytes]:
    """The blocks of kept source rows that may hold this one."""
    rows = connection.execute(
        "SELECT body FROM raw WHERE source=? AND run=? AND first<=? AND last>=? ORDER BY seq", (source, run, row, row)
    )
    return [body for (body,) in rows]


def runs(connection: apsw.Connection, source: str, limit: int) -> list[dict[str, Any]]:
    rows = connection.execute("SELECT body FROM run WHERE source=? ORDER BY run DESC LIMIT ?", (source, limit))
    return [orjson.loads(body) for (body,) in rows]


def good_run(connection: apsw.Connection, source: str) -> dict[str, Any] | None:
    """The newest record of a run that went well."""
    return newest_run(connection, source, "json_extract(body, '$.state') IN ('done', 'unchanged')")


def judged_run(connection: apsw.Connection, source: str) -> dict[str, Any] | None:
    """The newest record of a run that read rows and came to an end."""
    return newest_run(connection, source, "json_extract(body, '$.rows') > 0 AND json_extract(body, '$.ended') > 0")


def newest_run(connection: apsw.Connection, source: str, which: str) -> dict[str, Any] | None:
    body = connection.execute(
        f"SELECT body FROM run WHERE source=? AND {which} ORDER BY run DESC LIMIT 1", (source,)
    ).get
    return orjson.loads(body) if body else None


def sources(connection: apsw.Connection) -> list[tuple[str, dict[str, Any], str | None, str | None, int]]:
    """Each source: name, declaration, cursor, fingerprint, number of runs."""
    rows = connection.execute("SELECT name, declared, cursor, fingerprint, runs FROM source ORDER BY name")
    return [(name, orjson.loads(declared), cursor, mark, count) for name, declared, cursor, mark, count in rows]


def source_state(connection: apsw.Connection, name: str) -> tuple[str | None, str | None]:
    """A source's cursor (JSON) and fingerprint."""
    row = connection.execute("SELECT cursor, fingerprint FROM source WHERE name=?", (name,)).fetchone()
    return (row[0], row[1]) if row else (None, None)


def seen(connection: apsw.Connection, source: str) -> Iterator[bytes]:
    """The parts of what a source sent last, one at a time."""
    return (body for (body,) in connection.execute("SELECT body FROM seen WHERE source=? ORDER BY part", (source,)))


def reject_groups(connection: apsw.Connection, source: str | None) -> list[tuple[str, str, int]]:
    rows = connection.execute(
        "SELECT source, reason, count(*) FROM reject WHERE ?1 IS NULL OR source=?1 GROUP BY source, reason"
        " ORDER BY source, count(*) DESC, reason",
        (source,),
    )
    return list(rows)


def rejects(
    connection: apsw.Connection, source: str, reason: str, limit: int, offset: int
) -> list[tuple[int, int, str, str]]:
    """Rejected rows: seq, run, place, row as JSON."""
    rows = connection.execute(
        "SELECT seq, run, place, row FROM reject WHERE source=? AND reason=? ORDER BY seq LIMIT ? OFFSET ?",
        (source, reason, limit, offset),
    )
    return list(rows)


def disagreements(
    connection: apsw.Connection, tenant: str, key: int | None, attribute: str | None, limit: int
) -> list[tuple[str, str, int, int | None, str]]:
    """Intervals: entity id, attribute, since, until, what was said as JSON."""
    rows = connection.execute(
        "SELECT e.id, d.attribute, d.since, d.until, d.said FROM disagreement d JOIN entity e USING (key)"
        " JOIN kind k ON k.num = d.key >> ?5 WHERE k.tenant=?1 AND (?2 IS NULL OR d.key=?2)"
        " AND (?3 IS NULL OR d.attribute=?3) ORDER BY d.key, d.attribute, d.since LIMIT ?4",
        (tenant, key, attribute, limit, KIND_BITS),
    )
    return list(rows)


def outbox(connection: apsw.Connection, since: int, limit: int) -> list[tuple[int, int, str, str]]:
    """Announcements after `since`: number, recorded, tenant, body."""
    rows = connection.execute(
        "SELECT o.number, c.recorded, c.tenant, o.body FROM outbox o JOIN commits c USING (number)"
        " WHERE o.number>? ORDER BY o.number LIMIT ?",
        (since, limit),
    )
    return list(rows)


def meta(connection: apsw.Connection, name: str) -> str | None:
    row = connection.execute("SELECT value FROM meta WHERE name=?", (name,)).fetchone()
    return str(row[0]) if row else None
