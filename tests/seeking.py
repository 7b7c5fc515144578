"""Reads every byte under a folder, packed or not, for traces of what should be gone. Knows nothing of our formats.

Files are read as they are, then every zstd or gzip stream that begins anywhere in them is unpacked; SQLite files are
also read table by table, for their texts and for what is packed in their blobs; Parquet files column by column.
"""

import json
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

import apsw
import pyarrow as pa
import pyarrow.parquet as pq

ZSTD, GZIP = b"\x28\xb5\x2f\xfd", b"\x1f\x8b\x08"
SQLITE = b"SQLite format 3\x00"


def spellings(needle: str | float) -> list[bytes]:
    """How a text or a number may be written: plain, escaped for JSON or an address, in hexadecimal, as a double."""
    if isinstance(needle, float):
        return [repr(needle).encode(), struct.pack("<d", needle), struct.pack(">d", needle)]
    plain = needle.encode()
    escaped = json.dumps(needle)[1:-1].encode()
    return list(dict.fromkeys([plain, escaped, quote(needle, safe="").encode(), plain.hex().encode()]))


def traces(folder: Path, needles: Sequence[str | float]) -> list[str]:
    """Where under a folder any of the needles stands: `file: place: needle`."""
    wanted = {needle: spellings(needle) for needle in needles}
    found: list[str] = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            for place, data in pieces(path):
                found += [
                    f"{path.relative_to(folder)}: {place}: {needle}"
                    for needle, texts in wanted.items()
                    if any(text in data for text in texts)
                ]
        found += [f"{path.relative_to(folder)}: name: {needle}" for needle in needles if str(needle) in path.name]
    return list(dict.fromkeys(found))


def pieces(path: Path) -> Iterator[tuple[str, bytes]]:
    """All that a file holds, as it is and unpacked."""
    data = path.read_bytes()
    yield from unpacked("bytes", data)
    if data.startswith(SQLITE):
        yield from of_database(path)
    if data[:4] == data[-4:] == b"PAR1":
        for name, column in zip(
            (table := pq.read_table(path, partitioning=None)).column_names, table.columns, strict=True
        ):
            yield f"column {name}", "\n".join({str(value) for value in column.to_pylist()}).encode()


def unpacked(place: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    yield place, data
    for sign, unpack in ((ZSTD, zstd), (GZIP, gzip)):
        at = data.find(sign)
        while at >= 0:
            inner = unpack(data[at:])
            if inner:
                yield f"{place} packed at {at}", inner
            at = data.find(sign, at + 1)


def zstd(data: bytes) -> bytes:
    """What a stream holds, as far as it goes."""
    stream = pa.CompressedInputStream(pa.BufferReader(data), "zstd")
    found = b""
    try:
        while part := stream.read(4096):
            found += part
    except (OSError, pa.ArrowException):
        pass  # what follows the stream is none
    return found


def gzip(data: bytes) -> bytes:
    try:
        return zlib.decompressobj(31).decompress(data)
    except zlib.error:
        return b""


def of_database(path: Path) -> Iterator[tuple[str, bytes]]:
    """Every value of every table."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type='table'")]
        for table in tables:
            if table.startswith("shape_"):
                continue
            for row in connection.execute(f'SELECT * FROM "{table}"'):
                for value in row:
                    if isinstance(value, bytes):
                        yield from unpacked(f"table {table}", value)
                    elif value is not None:
                        yield f"table {table}", str(value).encode()
    finally:
        connection.close()
