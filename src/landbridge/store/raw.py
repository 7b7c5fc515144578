"""Source rows as they were, kept for whoever asks where a value comes from: blocks of rows, packed as Arrow streams.

A block holds rows of one run in the order of their numbers, beside each the place that people know it by.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa

ROWS = 8_192  # rows of a block
PACKED = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", 1))
ROW, ORIGIN, NUMBER = "_row", "_origin", "_number"


class RawRow(NamedTuple):
    """A kept row: where it stands (`admin.csv line 12`), by which mapping it was read, what it holds."""

    place: str
    mapping: str
    raw: dict[str, object]


def blocks(
    rows: pa.RecordBatch,
    numbers: Sequence[int],
    origins: Sequence[str],
    unit: str,
    counted: Sequence[int],
    mapping: str,
) -> Iterator[tuple[int, int, bytes]]:
    """Pack rows whose `numbers` ascend; yields each block's first and last number and its body.

    `origins` and `counted` say where people find each row.
    """
    own = [name for name in rows.schema.names if name not in (ROW, ORIGIN, NUMBER)]
    arrays = [rows.column(name) for name in own]
    arrays += [
        pa.array(numbers, pa.int64()),
        pa.array(origins, pa.string()).dictionary_encode(),
        pa.array(counted, pa.int64()),
    ]
    table = pa.Table.from_arrays(arrays, names=[*own, ROW, ORIGIN, NUMBER])
    table = table.replace_schema_metadata({"unit": unit, "mapping": mapping})
    for start in range(0, len(numbers), ROWS):
        part = table.slice(start, ROWS)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, part.schema, options=PACKED) as writer:
            writer.write_table(part, max_chunksize=ROWS)
        yield numbers[start], numbers[min(start + ROWS, len(numbers)) - 1], sink.getvalue().to_pybytes()


def find_row(body: bytes, row: int) -> RawRow | None:
    """The row of this number in a block, None where it is not there."""
    with pa.ipc.open_stream(body) as reader:
        table = reader.read_all()
    at = table.column(ROW).index(row).as_py()
    if at < 0:
        return None
    found = table.slice(at, 1).to_pylist()[0]
    told = {name.decode(): text.decode() for name, text in (table.schema.metadata or {}).items()}
    found.pop(ROW)
    parts = (found.pop(ORIGIN), told.get("unit"), found.pop(NUMBER))
    return RawRow(" ".join(str(part) for part in parts if part not in (None, "")), told.get("mapping", ""), found)
