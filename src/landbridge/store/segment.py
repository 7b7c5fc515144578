"""Journal segments: many recorded instances as columns, one Arrow IPC stream each, packed with zstd.

A bulk commit leaves a few segments where single writes leave a row each: a tenth of the room and of the time. Rows are
in the order of key, attribute and observed time, so that one entity's series is one stretch of a segment.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from landbridge.store.contract import Segment

ROWS = 8_192  # rows of a segment
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


def pack(rows: pa.Table) -> bytes:
    """Write columns of SCHEMA's names as one packed stream."""
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
    """Cut sorted rows of one kind into segments, ready to be added to commit `number`."""
    rows = rows.combine_chunks()
    for start in range(0, rows.num_rows, ROWS):
        part = rows.slice(start, ROWS)
        keys = part.column("key")
        times = pc.min_max(part.column("observed")).as_py()
        # instances without a time stand at the time of their commit, after all that readers may skip by time
        untimed = part.column("observed").null_count > 0
        yield Segment(
            number, tenant, kind, source, run, keys[0].as_py(), keys[-1].as_py(), times["min"],
            None if untimed else times["max"], part.num_rows, pack(part),
        )  # fmt: skip


def rows_of(body: bytes, key: int, attribute: str | None = None) -> Iterator[SegmentRow]:
    """The rows of one entity, of one attribute where it is given, in the order in which they stand."""
    rows = unpack(body)
    keys = rows.column("key").to_numpy()
    first, last = (int(np.searchsorted(keys, key, side)) for side in ("left", "right"))
    rows = rows.slice(first, last - first)
    if attribute is not None and rows.num_rows:
        rows = rows.filter(pc.equal(pc.cast(rows.column("attribute"), pa.string()), attribute))
    return iterate(rows)


def iterate(rows: pa.Table) -> Iterator[SegmentRow]:
    """Each row of a segment's columns."""
    columns: list[list[Any]] = [rows.column(name).to_pylist() for name in SCHEMA.names]
    return map(SegmentRow, *columns)
