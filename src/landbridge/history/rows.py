"""The journal in the columns of the lake: rows written one by one, and both forms of segments.

What has not been drained yet looks like what has, so an answer from both has no seam.
"""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import apsw
import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from landbridge.history.lake import SCHEMA, TIME
from landbridge.history.leaf import DAY, EXACT, Leaf, Stamped
from landbridge.model.entity import KINDS, PROVENANCE
from landbridge.model.instant import format_instant
from landbridge.model.temporal import ENTITY
from landbridge.store.schema import KIND_BITS
from landbridge.store.segment import SCHEMA as SEGMENT
from landbridge.store.segment import Form, form_of, unpack

WORDS = pa.dictionary(pa.int32(), pa.string())
TEXTS = ("tenant", "entity", "attribute", "dataset", "source", "operation", "kind", "form", "text", "unit")
LINES = pa.schema([field.with_type(WORDS) if field.name in TEXTS else field for field in SCHEMA])
FORGOTTEN = "urn:landbridge:forgotten:"  # and a key: an entity that was deleted before pools kept whose keys were whose
AT_ONCE = 65_536  # rows of the journal that are made into columns together
Ids = dict[int, str]
Line = list[Any]

ROWS = (
    "SELECT j.key, j.attribute, j.dataset, j.observed, c.recorded, j.number, j.ordinal, j.owner, c.run, j.operation,"
    " j.instance, j.replaces_number, j.replaces_ordinal"
    " FROM journal j INDEXED BY journal_number JOIN commits c USING (number)"
    " WHERE j.number > ? AND j.number <= ? AND j.key BETWEEN ? AND ? ORDER BY j.number"
)
ROWS_OF = (
    "SELECT j.key, j.attribute, j.dataset, j.observed, c.recorded, j.number, j.ordinal, j.owner, c.run, j.operation,"
    " j.instance, j.replaces_number, j.replaces_ordinal"
    " FROM journal j JOIN commits c USING (number)"
    " WHERE j.key IN (SELECT value FROM carray(?3)) AND j.number > ?1 AND j.number <= ?2 ORDER BY j.number"
)
SEGMENTS = (
    "SELECT s.number, c.recorded, s.tenant, s.source, s.run, s.rows, s.body"
    " FROM segment s INDEXED BY segment_number JOIN commits c USING (number)"
    " WHERE s.number > ? AND s.number <= ? AND s.kind = ? ORDER BY s.number, s.seq"
)
SEGMENTS_OF = (
    "SELECT s.number, c.recorded, s.tenant, s.source, s.run, s.rows, s.body"
    " FROM segment s INDEXED BY segment_kind JOIN commits c USING (number)"
    " WHERE s.kind = ?3 AND s.max_key >= ?4 AND s.min_key <= ?5 AND s.number > ?1 AND s.number <= ?2 ORDER BY s.seq"
)
PAST = "SELECT key, id FROM past WHERE key IN (SELECT value FROM carray(?))"
PRESENT = "SELECT key, id FROM entity WHERE key IN (SELECT value FROM carray(?))"
LATEST = (1 << 62) - 1


def pending(
    connection: apsw.Connection,
    kinds: Sequence[int],
    after: int,
    upto: int | None = None,
    keys: Sequence[int] | None = None,
) -> Iterator[pa.Table]:
    """What the store's journal has of some kinds' commits after one and up to another, as tables of LINES' columns.

    `keys`: only of these entities. Each table has lines of one commit or of rows of several, in no order of entities.
    """
    last = LATEST if upto is None else upto
    for kind in kinds:
        some = None if keys is None else sorted(key for key in keys if key >> KIND_BITS == kind)
        if some is None or some:
            tenant = str(connection.execute("SELECT tenant FROM kind WHERE num=?", (kind,)).get)
            yield from single(connection, tenant, kind, after, last, some)
            yield from bulk(connection, kind, after, last, some)


def single(
    connection: apsw.Connection, tenant: str, kind: int, after: int, upto: int, keys: Sequence[int] | None
) -> Iterator[pa.Table]:
    """Rows that were written one by one."""
    low = kind << KIND_BITS
    if keys is None:
        found = connection.execute(ROWS, (after, upto, low, low + (1 << KIND_BITS) - 1))
    else:
        found = connection.execute(ROWS_OF, (after, upto, apsw.carray(array("q", keys))))
    lines: list[Line] = []
    for row in found:
        lines.append(line_of(*row))
        if len(lines) == AT_ONCE:
            yield written(connection, tenant, lines)
            lines = []
    if lines:
        yield written(connection, tenant, lines)


def written(connection: apsw.Connection, tenant: str, lines: list[Line]) -> pa.Table:
    keys, *columns = map(list, zip(*lines, strict=True))
    ids = ids_of(connection, sorted(set(keys)))
    return table_of(tenant, [ids[key] for key in keys], columns)


def line_of(
    key: int, attribute: str, dataset: str | None, observed: int | None, recorded: int, number: int, ordinal: int,
    owner: str, run: int | None, operation: str, instance: str | None, *replaces: int | None,
) -> Line:  # fmt: skip
    """A row of the journal as values for the columns from `attribute` on, its key in front."""
    said = said_of(instance, observed, attribute)
    run, row = (said.run, said.row) if said.row is not None or said.run is not None else (run, None)
    return [
        key, attribute, dataset, observed, recorded, number, ordinal, owner, run, row, operation, *said.values(),
        *replaces,
    ]  # fmt: skip


@dataclass
class SaidSo:
    """An instance's JSON, taken apart. `run` and `row`: where its provenance stands within."""

    kind: str | None = None
    form: str | None = None
    number: float | None = None
    text: str | None = None
    json: str | None = None
    lon: float | None = None
    lat: float | None = None
    unit: str | None = None
    rest: str | None = None
    run: int | None = field(default=None)
    row: int | None = field(default=None)

    def values(self) -> list[Any]:
        return [
            self.kind, self.form, self.number, self.text, self.json, self.lon, self.lat, self.unit, self.rest,
        ]  # fmt: skip


def said_of(instance: str | None, observed: int | None, attribute: str) -> SaidSo:
    """Take an instance apart; what the journal says of an entity itself stays JSON."""
    if instance is None:
        return SaidSo()
    if attribute == ENTITY:
        return SaidSo(form="json", json=instance)
    members = orjson.loads(instance)
    kind = members.pop("type")
    said = SaidSo(kind=kind, unit=members.pop("unitCode", None))
    put_value(said, members.pop(KINDS[kind]))
    origin = members.pop(PROVENANCE, None)
    if origin is not None:
        said.run, said.row = origin[4], origin[5]
    members.pop("datasetId", None)
    if observed is not None and members.get("observedAt") == format_instant(observed):
        del members["observedAt"]
    said.rest = orjson.dumps(members).decode() if members else None
    return said


def put_value(said: SaidSo, value: Any) -> None:
    """A value where its form says; whole numbers that a DOUBLE does not hold stay JSON."""
    if isinstance(value, bool):
        said.form, said.number = "boolean", float(value)
    elif isinstance(value, int) and -EXACT <= value <= EXACT:
        said.form, said.number = "integer", float(value)
    elif isinstance(value, float):
        said.form, said.number = "number", value
    elif isinstance(value, str):
        said.form, said.text = "text", value
    else:
        said.form, said.json = "json", orjson.dumps(value).decode()
        said.lon, said.lat = position_of(value)


def position_of(value: Any) -> tuple[float | None, float | None]:
    """Longitude and latitude of a point."""
    if isinstance(value, dict) and value.get("type") == "Point":
        match value.get("coordinates"):
            case [int() | float() as lon, int() | float() as lat, *_]:
                return float(lon), float(lat)
    return None, None


def value_in(line: Mapping[str, Any]) -> Any:
    """The value of a line of the lake, as its instance had it."""
    match line["form"]:
        case "boolean":
            return bool(line["number"])
        case "integer":
            return int(line["number"])
        case "number":
            return line["number"]
        case "text":
            return line["text"]
        case "json":
            return orjson.loads(line["json"])
    return None


def instance_in(line: Mapping[str, Any]) -> dict[str, Any] | None:
    """The instance of a line of the lake, without provenance, as the journal had it; None where the line has none.

    `line` has the columns form, number, text, json, kind, unit, timed, time (microseconds), dataset and rest.
    """
    kind = line["kind"]
    if kind is None:
        return None
    instance = {"type": kind, KINDS[kind]: value_in(line)}
    if line["unit"] is not None:
        instance["unitCode"] = line["unit"]
    if line["timed"]:
        instance["observedAt"] = format_instant(line["time"])
    if line["dataset"] is not None:
        instance["datasetId"] = line["dataset"]
    return instance | orjson.loads(line["rest"]) if line["rest"] else instance


# -- segments


def bulk(
    connection: apsw.Connection, kind: int, after: int, upto: int, keys: Sequence[int] | None
) -> Iterator[pa.Table]:
    """What lies in segments; those of source rows that belong together are made into columns together."""
    if keys is None:
        found = connection.execute(SEGMENTS, (after, upto, kind))
    else:
        found = connection.execute(SEGMENTS_OF, (after, upto, kind, keys[0], keys[-1]))
    held: Held | None = None
    for number, recorded, tenant, source, run, rows, body in found:
        stamped = Stamped(tenant, number, recorded, source, run)
        part = unpack(body)
        form = form_of(part)
        if held is not None and (form is None or not held.take(stamped, part, form, rows)):
            yield from held.lines(connection, keys)
            held = None
        if form is None:
            yield from each(connection, stamped, part, keys)
        elif held is None:
            held = Held(stamped, form, rows, [part])
    if held is not None:
        yield from held.lines(connection, keys)


@dataclass
class Held:
    """Segments of source rows of one commit that say the same attributes, one after the other."""

    stamped: Stamped
    form: Form
    count: int
    parts: list[pa.Table]

    def take(self, stamped: Stamped, part: pa.Table, form: Form, rows: int) -> bool:
        """Add a segment if it goes on where these end."""
        goes_on = stamped == self.stamped and form.said == self.form.said and form.first == self.form.first + self.count
        if goes_on and self.parts[0].schema.equals(part.schema) and sum(one.num_rows for one in self.parts) < AT_ONCE:
            self.parts.append(part)
            self.count += rows
            return True
        return False

    def lines(self, connection: apsw.Connection, keys: Sequence[int] | None) -> Iterator[pa.Table]:
        rows = pa.concat_tables([part.replace_schema_metadata(None) for part in self.parts])
        rows = rows.unify_dictionaries().combine_chunks()
        known, places = np.unique(rows.column("key").to_numpy(), return_inverse=True)
        ids = ids_of(connection, known.tolist())
        rows = rows.set_column(rows.column_names.index("key"), "key", pa.array(places.astype(np.int32)))
        wanted = None if keys is None else pa.array(np.flatnonzero(np.isin(known, np.array(keys))).astype(np.int32))
        for _, lines in Leaf(rows, self.form, [ids[key] for key in known.tolist()]).lines(self.stamped):
            lines = lines if wanted is None else lines.filter(pc.is_in(lines.column("entity").chunk(0).indices, wanted))
            if lines.num_rows:
                yield of_schema(lines)


def each(
    connection: apsw.Connection, stamped: Stamped, part: pa.Table, keys: Sequence[int] | None
) -> Iterator[pa.Table]:
    """A segment that has a line for each instance."""
    if keys is not None:
        part = part.filter(pc.is_in(part.column("key"), pa.array(keys, pa.int64())))
    if not part.num_rows:
        return
    columns: dict[str, list[Any]] = {name: part.column(name).to_pylist() for name in SEGMENT.names}
    lines = [
        [
            attribute, dataset, observed, stamped.recorded, stamped.number, ordinal, stamped.source, stamped.run, row,
            operation, *said_of(instance, observed, attribute).values(), None, None,
        ]
        for _, attribute, dataset, observed, ordinal, row, operation, instance in zip(*columns.values(), strict=True)
    ]  # fmt: skip
    ids = ids_of(connection, sorted(set(columns["key"])))
    yield table_of(stamped.tenant, [ids[key] for key in columns["key"]], list(map(list, zip(*lines, strict=True))))


# -- columns


def table_of(tenant: str, entities: list[str], columns: list[list[Any]]) -> pa.Table:
    """Columns of values, from `attribute` to `replaces_ordinal` without the days, as a table of LINES."""
    attribute, dataset, observed, recorded, *others = columns
    count = len(entities)
    told = np.array([time is not None for time in observed], bool)
    time = np.array([at if at is not None else then for at, then in zip(observed, recorded, strict=True)], np.int64)
    values: list[Any] = [
        [tenant] * count, entities, attribute, dataset,
        pa.array((time // DAY).astype(np.int32)).cast(pa.date32()), pa.array(time).cast(TIME), pa.array(told),
        pa.array(recorded, pa.int64()).cast(TIME), *others, pa.nulls(count, TIME),
    ]  # fmt: skip
    arrays = [
        column if isinstance(column, pa.Array)
        else pa.array(column, pa.string()).dictionary_encode() if pa.types.is_dictionary(of.type)
        else pa.array(column, of.type)
        for column, of in zip(values, LINES, strict=True)
    ]  # fmt: skip
    return pa.Table.from_arrays(arrays, schema=LINES)


def of_schema(lines: pa.Table) -> pa.Table:
    """Lines with exactly the types of LINES, whatever their source's columns were."""
    return lines.cast(LINES)


def in_order(lines: pa.Table) -> pa.Table:
    """Lines in the order of the lake's files: tenant, attribute, entity, time, commit, ordinal."""
    lines = lines.unify_dictionaries().combine_chunks()
    series = ranks(lines.column("tenant"))
    for name in ("attribute", "entity"):
        column = lines.column(name)
        series = series * max(len(column.chunk(0).dictionary), 1) + ranks(column) if lines.num_rows else series
    keys = [lines.column(name).cast(pa.int64()).to_numpy() for name in ("ordinal", "commit", "time")]
    order = np.lexsort((*keys, series))
    return lines if (order[1:] > order[:-1]).all() else lines.take(pa.array(order))


def ranks(column: pa.ChunkedArray) -> Any:
    """The place of each text among all of a dictionary's in their order."""
    if not column.num_chunks:
        return np.empty(0, np.int64)
    words = column.chunk(0)
    place = np.empty(len(words.dictionary), np.int64)
    place[pc.sort_indices(words.dictionary).to_numpy()] = np.arange(len(place))
    return place[words.indices.to_numpy()]


def ids_of(connection: apsw.Connection, keys: Sequence[int]) -> Ids:
    """Whose keys these are, or were."""
    ids: Ids = {}
    if keys:
        for statement in (PAST, PRESENT):
            ids.update(connection.execute(statement, (apsw.carray(array("q", keys)),)))
    return {key: ids.get(key) or f"{FORGOTTEN}{key}" for key in keys}
