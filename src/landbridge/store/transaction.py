"""A commit under way in SQLite: everything that a write may change, in one transaction."""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import apsw
import orjson

from landbridge.store.cell import cell
from landbridge.store.change import Watch, types_of
from landbridge.store.contract import Entry, Kind, Row, Segment, Stored, Touched
from landbridge.store.schema import KIND_BITS, SLOTS

RUNS_KEPT = 1_000  # newest records of a source's runs; older ones stay where source rows of theirs are kept
OUTBOX_KEPT = 10_000  # commits whose changes can still be asked for by whoever fell behind
OUTBOX_SWEPT = 64  # commits after which what is older goes
ENTITY_COLUMNS = ("key", "id", "doc", "created", "modified", "version", "lon", "lat", "cell")
MARKS = ", ".join("?" * (len(ENTITY_COLUMNS) + SLOTS))
INSERT = f"INSERT INTO entity VALUES ({MARKS})"
UPDATE = (
    "UPDATE entity SET doc=?, modified=?, version=?, lon=?, lat=?, cell=?, "
    + ", ".join(f"s{number}=?" for number in range(SLOTS))
    + " WHERE key=?"
)

ROW = "SELECT key, id, doc, created, modified, version FROM entity"
FIND_ONE = f"{ROW} WHERE key = (SELECT key FROM name WHERE tenant=? AND id=?)"
FIND_ALL = (
    f"{ROW} WHERE key IN (SELECT key FROM name WHERE tenant=? AND id IN (SELECT value FROM carray(?))) ORDER BY key"
)


@lru_cache(maxsize=1_000)
def touching(slots: tuple[int, ...]) -> str:
    """The statement that writes texts, and slots of these numbers."""
    return f"UPDATE entity SET doc=?, modified=?, version=?{''.join(f', s{int(slot)}=?' for slot in slots)} WHERE key=?"


class SqliteTransaction:
    """One commit: `number` and `recorded` stand on everything it writes."""

    def __init__(self, connection: apsw.Connection, number: int, recorded: int) -> None:
        self.connection = connection
        self.number = number
        self.recorded = recorded
        self.watch = Watch(connection, number, recorded)

    def kind(self, tenant: str, type_: str, attributes: Iterable[str] = ()) -> Kind:
        """The kind, made where it is new; `attributes` get slots while there are any."""
        found = self.connection.execute(
            "SELECT num, slots, entities, located FROM kind WHERE tenant=? AND type=?", (tenant, type_)
        ).get
        slots: dict[str, int] = orjson.loads(found[1]) if found else {}
        wanted = [name for name in dict.fromkeys(attributes) if name not in slots][: SLOTS - len(slots)]
        slots |= {name: len(slots) + place for place, name in enumerate(wanted)}
        if not found:
            num = self.connection.execute("SELECT coalesce(max(num), 0) + 1 FROM kind").get
            self.connection.execute(
                "INSERT INTO kind (num, tenant, type, slots) VALUES (?, ?, ?, ?)",
                (num, tenant, type_, orjson.dumps(slots).decode()),
            )
            return Kind(num, tenant, type_, slots)
        if wanted:
            self.connection.execute("UPDATE kind SET slots=? WHERE num=?", (orjson.dumps(slots).decode(), found[0]))
        return Kind(found[0], tenant, type_, slots, found[2], bool(found[3]))

    def locate(self, tenant: str, ids: Sequence[str]) -> dict[str, int]:
        """The keys of those ids that exist."""
        if not ids:
            return {}
        return dict(
            self.connection.execute(
                "SELECT id, key FROM name WHERE tenant=? AND id IN (SELECT value FROM carray(?))",
                (tenant, apsw.carray(tuple(ids))),
            )
        )

    def of_several_types(self, kind: Kind) -> set[int]:
        """The keys of a kind's entities that have further types."""
        low = kind.num << KIND_BITS
        rows = self.connection.execute(
            "SELECT DISTINCT key FROM extra_type WHERE key BETWEEN ? AND ?", (low, low + (1 << KIND_BITS) - 1)
        )
        return {key for (key,) in rows}

    def load(self, keys: Sequence[int]) -> Iterator[Stored]:
        """The rows of these keys, in the order of the keys' values."""
        if keys:
            cursor = self.connection.execute(
                "SELECT key, id, doc, created, modified, version FROM entity"
                " WHERE key IN (SELECT value FROM carray(?)) ORDER BY key",
                (apsw.carray(array("q", keys)),),
            )
            for row in cursor:
                yield Stored(*row)

    def find(self, tenant: str, ids: Sequence[str]) -> Iterator[Stored]:
        """The rows of those ids that exist, in the order of their keys."""
        if len(ids) == 1:
            rows = self.connection.execute(FIND_ONE, (tenant, ids[0]))
        elif ids:
            rows = self.connection.execute(FIND_ALL, (tenant, apsw.carray(tuple(ids))))
        else:
            return
        for row in rows:
            yield Stored(*row)

    def documents(self, keys: Sequence[int]) -> list[str]:
        """The stored texts of entities that exist, given by ascending keys, in their order."""
        if keys and keys[-1] - keys[0] == len(keys) - 1:
            found = self.connection.execute(
                "SELECT doc FROM entity WHERE key BETWEEN ? AND ? ORDER BY key", (keys[0], keys[-1])
            )
        else:
            found = self.connection.execute(
                "SELECT doc FROM entity WHERE key IN (SELECT value FROM carray(?)) ORDER BY key",
                (apsw.carray(array("q", keys)),),
            )
        return [doc for (doc,) in found]

    def take_keys(self, kind: Kind, count: int) -> range:
        """New keys of a kind, counted as entities of it."""
        start = self.connection.execute(
            "UPDATE kind SET next = next + ?1, entities = entities + ?1 WHERE num = ?2 RETURNING next - ?1",
            (count, kind.num),
        ).get
        first = (kind.num << KIND_BITS) + start
        return range(first, first + count)

    def spare_key(self, kind: Kind) -> int:
        """A new key of a kind for what only history knows: it is no entity of it."""
        place = self.connection.execute("UPDATE kind SET next = next + 1 WHERE num=? RETURNING next - 1", (kind.num,))
        return (kind.num << KIND_BITS) + int(place.get)

    def insert(self, tenant: str, rows: Sequence[Row]) -> None:
        """Write new entities."""
        self.put_new(tenant, rows)
        self.watch.inserted(tenant, rows)

    def put_new(self, tenant: str, rows: Sequence[Row]) -> None:
        self.connection.executemany(
            "INSERT INTO name VALUES (?, ?, ?)", ((tenant, row.id, row.key) for row in sorted(rows, key=lambda r: r.id))
        )
        self.connection.executemany(INSERT, (self.values(row) for row in rows))
        for row in rows:
            self.put_extra(row)
            self.put_box(row)

    def insert_columns(self, tenant: str, kind: Kind, columns: Mapping[str, Sequence[Any]]) -> None:
        """Write new entities of one kind given as columns: key, id, doc, lon, lat, cell, box, and `s3` ... for slots.

        Rows are in the order of their ids, so both trees grow at few places.
        """
        count = len(columns["id"])
        self.connection.executemany(
            "INSERT INTO name VALUES (?, ?, ?)", zip([tenant] * count, columns["id"], columns["key"], strict=True)
        )
        fixed = (self.recorded, self.recorded, self.number)  # a bound number each row costs more than one in the text
        known = {f"s{number}" for number in range(SLOTS)} | {"lon", "lat", "cell"}
        further = [name for name in columns if name in known]
        marks = ", ".join("?" * (3 + len(further)))
        self.connection.executemany(
            f"INSERT INTO entity (created, modified, version, {', '.join(['key', 'id', 'doc', *further])})"
            f" VALUES ({fixed[0]:d}, {fixed[1]:d}, {fixed[2]:d}, {marks})",
            zip(*(columns[name] for name in ("key", "id", "doc", *further)), strict=True),
        )
        boxes = columns.get("box")
        if boxes:
            self.connection.executemany(
                "INSERT INTO shape (key, minx, miny, maxx, maxy) VALUES (?, ?, ?, ?, ?)",
                ((key, *box) for key, box in zip(columns["key"], boxes, strict=True) if box),
            )
        if boxes or "cell" in columns:
            self.connection.execute("UPDATE kind SET located=1 WHERE num=?", (kind.num,))
        self.watch.inserted_columns(tenant, kind, columns)

    def update(self, rows: Sequence[Row]) -> None:
        """Write entities that exist."""
        self.watch.updating(rows)
        self.connection.executemany(UPDATE, (self.changed(row) for row in rows))
        for row in rows:
            if row.moved:
                self.connection.execute("DELETE FROM shape WHERE key=?", (row.key,))
                self.put_box(row)
            self.connection.execute("DELETE FROM extra_type WHERE key=?", (row.key,))
            self.put_extra(row)

    def touch(self, slots: Sequence[int], rows: Sequence[Touched]) -> None:
        """Write entities that change in nothing but attributes: their texts, and of their slots those of these numbers.

        What is not named stays as it is in the indexes, too.
        """
        self.watch.touching(rows)
        self.connection.executemany(
            touching(tuple(slots)), [(row.doc, self.recorded, self.number, *row.values, row.before.key) for row in rows]
        )

    def update_columns(
        self,
        keys: Sequence[int],
        docs: Sequence[str],
        slots: Mapping[int, Sequence[Any]],
        places: Sequence[Sequence[Any]] = (),
    ) -> None:
        """Write documents, and some of their slots, of entities of one kind that exist; types are as they were.

        `places`: columns of longitudes, latitudes and cells; without it, and for shapes, it is all as it was.
        """
        self.watch.updating_columns(keys, docs)
        assignments = "".join(f", s{int(number)}=?" for number in slots)
        if places and keys:
            assignments += ", lon=?, lat=?, cell=?"
            self.connection.execute("UPDATE kind SET located=1 WHERE num=? AND NOT located", (keys[0] >> KIND_BITS,))
        self.connection.executemany(
            f"UPDATE entity SET modified={self.recorded:d}, version={self.number:d}, doc=?{assignments} WHERE key=?",
            zip(docs, *slots.values(), *places, keys, strict=True),
        )

    def changed(self, row: Row) -> tuple[Any, ...]:
        values = self.values(row)
        return (values[2], *values[4:], row.key)

    def values(self, row: Row) -> tuple[Any, ...]:
        lon, lat = row.place or (None, None)
        code = cell(lon, lat) if lon is not None and lat is not None else None
        slots = row.slots
        return (
            row.key, row.id, row.doc, row.created, row.modified, row.version, lon, lat, code,
            *map(slots.get, range(SLOTS)),
        )  # fmt: skip

    def put_box(self, row: Row) -> None:
        if row.box:
            self.connection.execute(
                "INSERT INTO shape (key, minx, miny, maxx, maxy) VALUES (?, ?, ?, ?, ?)", (row.key, *row.box)
            )
        if row.box or row.place:
            self.connection.execute("UPDATE kind SET located=1 WHERE num=? AND NOT located", (row.key >> KIND_BITS,))

    def put_extra(self, row: Row) -> None:
        self.connection.executemany(
            "INSERT OR IGNORE INTO extra_type VALUES (?, ?)", ((num, row.key) for num in row.extra)
        )

    def delete(self, tenant: str, stored: Sequence[Stored]) -> None:
        """Remove entities; their journal stays, and the past knows their keys."""
        self.watch.deleted(tenant, stored)
        self.bury(tenant, stored)
        self.forget(tenant, stored)

    def bury(self, tenant: str, stored: Iterable[Stored]) -> None:
        """Keep whose keys these were."""
        self.connection.executemany(
            "INSERT OR REPLACE INTO past (key, tenant, id, types, created, ended) VALUES (?, ?, ?, ?, ?, ?)",
            (
                (old.key, tenant, old.id, orjson.dumps(types_of(old.doc)).decode(), old.created, self.recorded)
                for old in stored
            ),
        )

    def forget(self, tenant: str, stored: Sequence[Stored]) -> None:
        for row in stored:
            self.connection.execute("DELETE FROM name WHERE tenant=? AND id=?", (tenant, row.id))
            for statement in (
                "DELETE FROM entity WHERE key=?",
                "DELETE FROM extra_type WHERE key=?",
                "DELETE FROM shape WHERE key=?",
                "DELETE FROM expiry WHERE key=?",
            ):
                self.connection.execute(statement, (row.key,))
            self.connection.execute("UPDATE kind SET entities = entities - 1 WHERE num=?", (row.key >> KIND_BITS,))

    def move(self, tenant: str, stored: Stored, row: Row) -> None:
        """Write an entity that exists under the key of another kind, with its disagreements.

        What was recorded of it stays in the journal under the key that it had, as history has it by its type of then.
        """
        self.watch.moving(tenant, stored, row)
        self.bury(tenant, [stored])
        self.forget(tenant, [stored])
        self.put_new(tenant, [row])
        self.connection.execute("UPDATE disagreement SET key=? WHERE key=?", (row.key, stored.key))

    def record(self, entries: Sequence[Entry]) -> None:
        """Add instances to the journal, a row each."""
        self.connection.executemany(
            "INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    entry.key, entry.attribute, self.number, entry.ordinal, entry.dataset, entry.owner,
                    entry.observed, entry.operation, entry.instance, *(entry.replaces or (None, None)),
                )
                for entry in entries
            ),
        )  # fmt: skip

    def add_segment(self, segment: Segment) -> None:
        """Add many instances to the journal, as columns."""
        self.connection.execute(
            "INSERT INTO segment (number, tenant, kind, source, run, min_key, max_key, min_time, max_time, rows, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                segment.number, segment.tenant, segment.kind, segment.source, segment.run, segment.min_key,
                segment.max_key, segment.min_time, segment.max_time, segment.rows, segment.body,
            ),
        )  # fmt: skip

    def announce(self, body: Mapping[str, Any]) -> None:
        """Leave word of what this commit changed."""
        self.connection.execute(
            "INSERT INTO outbox VALUES (?, ?) ON CONFLICT (number) DO UPDATE SET body = excluded.body",
            (self.number, orjson.dumps(body).decode()),
        )
        if self.number % OUTBOX_SWEPT == 0:
            self.connection.execute("DELETE FROM outbox WHERE number < ?", (self.number - OUTBOX_KEPT,))

    def save_source(self, name: str, *, cursor: str | None, fingerprint: str | None) -> None:
        """Keep where a source stands."""
        self.connection.execute("UPDATE source SET cursor=?, fingerprint=? WHERE name=?", (cursor, fingerprint, name))

    def declare_source(self, name: str, declared: str) -> None:
        """Keep what the city's folder says of a source."""
        self.connection.execute(
            "INSERT INTO source (name, declared) VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET declared = excluded.declared",
            (name, declared),
        )

    def next_run(self, source: str) -> int:
        """Count a new run of a source."""
        found = self.connection.execute(
            "INSERT INTO source (name, declared, runs) VALUES (?, '{}', 1)"
            " ON CONFLICT (name) DO UPDATE SET runs = runs + 1 RETURNING runs",
            (source,),
        ).get
        return int(found)

    def save_run(self, source: str, run: int, body: str) -> None:
        """Keep a run's record, replacing what it said before; of long ago only what may still be asked for.

        That is the record of a run whose source rows are kept, and of the last good one.
        """
        self.connection.execute("INSERT OR REPLACE INTO run VALUES (?, ?, ?)", (source, run, body))
        self.connection.execute(
            "DELETE FROM run WHERE source=?1 AND run=?2"
            " AND NOT EXISTS (SELECT 1 FROM raw WHERE raw.source=?1 AND raw.run=?2)"
            " AND (json_extract(body, '$.state') NOT IN ('done', 'unchanged') OR EXISTS (SELECT 1 FROM run new"
            " WHERE new.source=?1 AND new.run>?2 AND json_extract(new.body, '$.state') IN ('done', 'unchanged')))",
            (source, run - RUNS_KEPT),
        )

    def save_seen(self, source: str, part: int, body: bytes | None) -> None:
        """Keep one part of what a source sent last (None: forget it)."""
        if body is None:
            self.connection.execute("DELETE FROM seen WHERE source=? AND part>=?", (source, part))
        else:
            self.connection.execute("INSERT OR REPLACE INTO seen VALUES (?, ?, ?)", (source, part, body))

    def add_raw(self, source: str, run: int, first: int, last: int, body: bytes) -> None:
        """Keep source rows that instances came from."""
        self.connection.execute(
            "INSERT INTO raw (source, run, first, last, body) VALUES (?, ?, ?, ?, ?)", (source, run, first, last, body)
        )

    def add_rejects(self, source: str, run: int, rejects: Iterable[tuple[str, str, str]]) -> None:
        """Keep rows that could not be used: (reason, place, row as JSON)."""
        self.connection.executemany(
            "INSERT INTO reject (source, run, reason, place, row) VALUES (?, ?, ?, ?, ?)",
            ((source, run, *reject) for reject in rejects),
        )

    def drop_rejects(self, source: str, *, before_run: int) -> None:
        """Forget the rejects of earlier runs, once a whole pull has taken their place."""
        self.connection.execute("DELETE FROM reject WHERE source=? AND run<?", (source, before_run))

    def take_rejects(self, numbers: Iterable[int]) -> None:
        """Forget single rejected rows that are mapped again in this commit."""
        self.connection.executemany("DELETE FROM reject WHERE seq=?", ((number,) for number in numbers))

    def set_disagreements(
        self, keys: Sequence[int], attribute: str, rows: Iterable[tuple[int, int, int | None, str]]
    ) -> None:
        """Put these intervals (key, since, until, said) in place of all that the keys had for the attribute."""
        if keys:
            self.connection.execute(
                "DELETE FROM disagreement WHERE attribute=? AND key IN (SELECT value FROM carray(?))",
                (attribute, apsw.carray(array("q", keys))),
            )
        self.connection.executemany(
            "INSERT INTO disagreement VALUES (?, ?, ?, ?, ?)",
            ((key, attribute, since, until, said) for key, since, until, said in rows),
        )

    def put_meta(self, name: str, value: str) -> None:
        self.connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def keys_of(self, kind: Kind, after: int, limit: int) -> list[int]:
        """Some keys of a kind in order, following `after`."""
        low = max(after + 1, kind.num << KIND_BITS)
        return [
            key
            for (key,) in self.connection.execute(
                "SELECT key FROM entity WHERE key BETWEEN ? AND ? ORDER BY key LIMIT ?",
                (low, ((kind.num + 1) << KIND_BITS) - 1, limit),
            )
        ]
