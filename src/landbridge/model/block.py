"""Source rows as they were, packed: what a pull keeps of its rows while it waits, and the pool for whoever asks.

A block is one Arrow IPC stream (zstd) of rows of one run in the order of their numbers, beside each the place that
people know it by. Because both sides know it, a block goes from the waiting pull into the pool as it is.
"""

from collections.abc import Callable
from typing import NamedTuple

import pyarrow as pa

ROWS = 8_192  # rows of a block at most
PACKED = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", 1))
ROW, ORIGIN, NUMBER, IDS = "_row", "_origin", "_number", "_ids"
RESERVED = frozenset({ROW, ORIGIN, NUMBER})


class Block(NamedTuple):
    """Rows numbered `first` to `last`, packed."""

    first: int
    last: int
    body: bytes


# ascending row numbers and a mapping's name to the blocks that hold just these, and the numbers for which there is none
Ready = Callable[[pa.Int64Array, str], tuple[list[Block], pa.Int64Array]]


def pack(
    rows: pa.RecordBatch,
    numbers: pa.Int64Array,
    origins: pa.Array,
    counted: pa.Int64Array,
    told: dict[str, str],
    ids: pa.Array | None = None,
) -> bytes:
    """Pack rows with their numbers; `origins` and `counted` say where people find each.

    `told`: what is true of the whole block: `unit` (in which people count), `mapping` (by which it was read), and
    `attributes` where `ids` says which entities the mapping made of each row.
    """
    own = [name for name in rows.schema.names if name not in RESERVED]
    arrays = [*(rows.column(name) for name in own), numbers, origins, counted, *([] if ids is None else [ids])]
    names = [*own, ROW, ORIGIN, NUMBER, *([] if ids is None else [IDS])]
    made = pa.RecordBatch.from_arrays(arrays, names=names).replace_schema_metadata(told)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, made.schema, options=PACKED) as writer:
        writer.write_batch(made)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


def unpack(body: bytes | pa.Buffer) -> pa.Table:
    """All columns of a block; what was told of it is in the schema's metadata."""
    with pa.ipc.open_stream(body) as reader:
        return reader.read_all()
