"""How the parent and the mapping's child process speak: framed messages over two pipes.

A frame is two lengths (little-endian, 4 and 8 bytes), a JSON header and an Arrow IPC stream (or nothing). Neither side
evaluates anything that it reads.
"""

import json
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO

import pyarrow as pa

END = 64  # bytes that a stream's end and its paddings have at most
LENGTHS = struct.Struct("<IQ")
Header = dict[str, Any]


def pack(rows: pa.RecordBatch | pa.Table) -> pa.Buffer:
    """Write rows as one Arrow IPC stream, into room that is made at once where its size is known."""
    parts = rows.to_batches() if isinstance(rows, pa.Table) else [rows]
    sized = not any(has_dictionary(field.type) for field in rows.schema)
    if sized:
        size = rows.schema.serialize().size + sum(pa.ipc.get_record_batch_size(part) for part in parts) + END
        room = pa.allocate_buffer(size)
    sink = pa.FixedSizeBufferWriter(room) if sized else pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        for part in parts:
            writer.write_batch(part)
    return room.slice(0, sink.tell()) if sized else sink.getvalue()


def has_dictionary(kind: pa.DataType) -> bool:
    """Whether values of this type come with dictionaries, which are messages of their own."""
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    return pa.types.is_dictionary(kind) or any(has_dictionary(kind.field(at).type) for at in range(kind.num_fields))


def unpack(body: bytes) -> pa.Table:
    """Read an Arrow IPC stream."""
    with pa.ipc.open_stream(body) as reader:
        return reader.read_all()


def send(pipe: BinaryIO, header: Mapping[str, Any], body: pa.Buffer | bytes = b"") -> None:
    """Write one frame and flush it."""
    head = json.dumps(header, default=str).encode()
    pipe.write(LENGTHS.pack(len(head), len(body)))
    pipe.write(head)
    if len(body):
        pipe.write(memoryview(body))
    pipe.flush()


def receive(pipe: BinaryIO) -> tuple[Header, bytes] | None:
    """Read one frame; None at the end of the pipe."""
    lengths = pipe.read(LENGTHS.size)
    if len(lengths) < LENGTHS.size:
        return None
    head, body = LENGTHS.unpack(lengths)
    text, content = pipe.read(head), pipe.read(body)
    if len(text) < head or len(content) < body:
        return None
    header: Header = json.loads(text)
    return header, content
