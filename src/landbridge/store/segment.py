"""Journal segments: many recorded instances as columns, one Arrow IPC stream each, packed with zstd.

A bulk commit leaves a few segments where single writes leave a row each: a tenth of the room and of the time. There
are two forms. One has a line for each instance, with its JSON; it can hold anything. The other, of bulk loads, has a
line for each source row and in it a typed column for each attribute; the instances' JSON is made when it is asked for,
so that a million readings that only history keeps are never written as text. Lines are in the order of their keys, so
that one entity's series is one stretch of a segment.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from landbridge.model.instant import format_instant
from landbridge.store.contract import Segment

ROWS = 8_192  # lines of a segment
PACKED = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", 1))
WORDS = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    [
        ("key", pa.int64()),
        ("attribute", WORDS),
        ("dataset", WORDS),
        ("observed", pa.int64()),
        ("ordinal", pa.int32()),
        ("row", pa.int64()),
        ("operation", WORDS),
        ("instance", pa.string()),
    ]
)
FORM = b"form"  # of the schema's metadata: what the columns of a segment of source rows mean
SPECIAL = r'["\\\x00-\x1f]'


class SegmentRow(NamedTuple):
    """One recorded instance. `instance` is JSON without provenance, None for a deletion; `row` its source row."""

    key: int
    attribute: str
    dataset: str | None
    observed: int | None
    ordinal: int
    row: int | None
    operation: str
    instance: str | None


@dataclass(frozen=True)
class Said:
    """How a line of source rows becomes an instance of one attribute, where its `value` column is not null.

    `value`, `unit` and `tail` name columns: the value itself (`plain`: a number, a truth or a text; else JSON text),
    its unit, and further members as JSON text that begins with a comma. `opening` is the instance's JSON before the
    value. `dataset` is the datasetId of all its instances.
    """

    attribute: str
    opening: str
    value: str
    plain: bool
    unit: str | None = None
    tail: str | None = None
    dataset: str | None = None


@dataclass(frozen=True)
class Form:
    """What a segment of source rows says: its attributes, and the ordinal of its first instance."""

    said: tuple[Said, ...]
    first: int

    def metadata(self) -> dict[bytes, bytes]:
        return {FORM: orjson.dumps({"first": self.first, "said": [asdict(one) for one in self.said]})}


def form_of(rows: pa.Table) -> Form | None:
    """The form of a segment of source rows; None for one that has a line for each instance."""
    told = (rows.schema.metadata or {}).get(FORM)
    if told is None:
        return None
    read = orjson.loads(told)
    return Form(tuple(Said(**one) for one in read["said"]), read["first"])


# -- writing


def pack(rows: pa.Table) -> bytes:
    """Write columns as one packed stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema, options=PACKED) as writer:
        writer.write_table(rows, max_chunksize=max(rows.num_rows, 1))
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


def unpack(body: bytes) -> pa.Table:
    """Read a segment's columns."""
    with pa.ipc.open_stream(body) as reader:
        return reader.read_all()


def cut(rows: pa.Table, *, number: int, tenant: str, kind: int, source: str, run: int) -> Iterator[Segment]:
    """Cut sorted lines of one kind, of SCHEMA's names, into segments, ready to be added to commit `number`."""
    rows = rows.combine_chunks()
    for start in range(0, rows.num_rows, ROWS):
        part = rows.slice(start, ROWS)
        yield segment(part, part.num_rows, number, tenant, kind, source, run)


def cut_rows(
    rows: pa.Table, said: Sequence[Said], first: int, *, number: int, tenant: str, kind: int, source: str, run: int
) -> Iterator[Segment]:
    """Cut source rows of one kind into segments.

    They have the columns key (they are sorted by it), observed, row and those that `said` names; `first` is the
    ordinal of their first instance. Within an entity they stand in the order in which they were observed.
    """
    rows = rows.combine_chunks()
    for start in range(0, rows.num_rows, ROWS):
        part = rows.slice(start, ROWS)
        count = sum(part.num_rows - part.column(one.value).null_count for one in said)
        part = part.replace_schema_metadata(Form(tuple(said), first).metadata())
        yield segment(part, count, number, tenant, kind, source, run)
        first += count


def segment(part: pa.Table, count: int, number: int, tenant: str, kind: int, source: str, run: int) -> Segment:
    keys = part.column("key")
    times = pc.min_max(part.column("observed")).as_py()
    # instances without a time stand at the time of their commit, after all that readers may skip by time
    untimed = part.column("observed").null_count > 0
    return Segment(
        number, tenant, kind, source, run, keys[0].as_py(), keys[-1].as_py(), times["min"],
        None if untimed else times["max"], count, pack(part),
    )  # fmt: skip


# -- reading


def rows_of(body: bytes, key: int, attribute: str | None = None) -> Iterator[SegmentRow]:
    """The instances of one entity, of one attribute where it is given, in the order in which they stand."""
    rows = unpack(body)
    keys = rows.column("key").to_numpy()
    first, last = (int(np.searchsorted(keys, key, side)) for side in ("left", "right"))
    form = form_of(rows)
    if form is not None:
        before = sum(first - rows.column(one.value).slice(0, first).null_count for one in form.said)
        form = Form(form.said, form.first + before)
        return (row for row in spelled(rows.slice(first, last - first), form) if attribute in (None, row.attribute))
    rows = rows.slice(first, last - first)
    if attribute is not None and rows.num_rows:
        rows = rows.filter(pc.equal(pc.cast(rows.column("attribute"), pa.string()), attribute))
    return iterate(rows)


def iterate(rows: pa.Table) -> Iterator[SegmentRow]:
    """Each instance of a segment's columns."""
    form = form_of(rows)
    if form is not None:
        return spelled(rows, form)
    columns: list[list[Any]] = [rows.column(name).to_pylist() for name in SCHEMA.names]
    return map(SegmentRow, *columns)


def spelled(rows: pa.Table, form: Form) -> Iterator[SegmentRow]:
    """Each instance of some source rows, line by line."""
    columns = {name: rows.column(name).to_pylist() for name in rows.column_names}
    ordinal = form.first
    for place, (key, observed, row) in enumerate(zip(columns["key"], columns["observed"], columns["row"], strict=True)):
        time = "" if observed is None else f',"observedAt":"{format_instant(observed)}"'
        for one in form.said:
            value = columns[one.value][place]
            if value is not None:
                text = instance(one, value, {name: column[place] for name, column in columns.items()}, time)
                yield SegmentRow(key, one.attribute, one.dataset, observed, ordinal, row, "set", text)
                ordinal += 1


def instance(said: Said, value: Any, line: dict[str, Any], time: str) -> str:
    """An instance as JSON, its members in their order."""
    text = orjson.dumps(value).decode() if said.plain else value
    unit = line[said.unit] if said.unit else None
    shown = f',"unitCode":{orjson.dumps(unit).decode()}' if unit is not None else ""
    mark = f',"datasetId":{orjson.dumps(said.dataset).decode()}' if said.dataset else ""
    tail = (line[said.tail] if said.tail else None) or ""
    return f"{said.opening}{text}{shown}{time}{mark}{tail}}}"


def values_of(body: bytes, attribute: str, keys: Any) -> pa.Table:
    """What a segment recorded of one attribute of some entities: the columns key, observed, ordinal and instance.

    `instance` is the JSON of the instance as far as its value, null for a deletion.
    """
    rows = unpack(body)
    form = form_of(rows)
    if form is None:
        rows = rows.select(["key", "attribute", "observed", "ordinal", "instance"])
        wanted = pc.equal(pc.cast(rows.column("attribute"), pa.string()), attribute)
        wanted = pc.and_(wanted, pc.is_in(rows.column("key"), pa.array(keys)))
        return rows.filter(wanted).drop_columns("attribute")
    said = next((one for one in form.said if one.attribute == attribute), None)
    if said is None:
        return SCHEMA.empty_table().select(["key", "observed", "ordinal", "instance"])
    rows = rows.append_column("ordinal", pa.array(ordinals_of(rows, form, said)))
    wanted = pc.and_(rows.column(said.value).is_valid(), pc.is_in(rows.column("key"), pa.array(keys)))
    rows = rows.select(["key", "observed", "ordinal", said.value]).filter(wanted)
    values = rows.column(said.value).combine_chunks()
    text = json_texts(values) if said.plain else values.cast(pa.string())
    told = pc.binary_join_element_wise(said.opening, text, "}", "")
    return rows.drop_columns(said.value).append_column("instance", told)


def ordinals_of(rows: pa.Table, form: Form, said: Said) -> Any:
    """The ordinal of each line's instance of one attribute; without meaning where there is none."""
    there = np.stack([rows.column(one.value).is_valid().to_numpy() for one in form.said], axis=1)
    counted = np.cumsum(there.ravel()).reshape(there.shape)
    place = form.said.index(said)
    return (counted[:, place] - 1 + form.first).astype(np.int32)


def json_texts(values: pa.Array) -> pa.Array:
    """Plain values as JSON texts."""
    if isinstance(values, pa.ChunkedArray):
        values = pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], values.type)
    if pa.types.is_string(values.type) and not pc.any(pc.match_substring_regex(values, SPECIAL)).as_py():
        return pc.binary_join_element_wise('"', values, '"', "")
    if pa.types.is_string(values.type):
        return pa.array(
            [None if one is None else orjson.dumps(one).decode() for one in values.to_pylist()], pa.string()
        )
    filled = values.fill_null(False if pa.types.is_boolean(values.type) else 0)
    texts = orjson.dumps(filled.to_pylist())[1:-1].decode().split(",") if len(values) else []
    return pc.if_else(values.is_valid(), pa.array(texts, pa.string()), pa.scalar(None, pa.string()))
