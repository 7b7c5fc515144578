"""Each mapped row's key and hash: 64 bits by which the pool knows a row again, and that it says what it said.

Declared here and not a library's `hash()`, which may change from one version to the next: words of eight bytes are
stirred in one after the other (xor, multiply, shift), a column of rows at a time. Long texts go through BLAKE2b.
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from landbridge.model.column import RowPlan
from landbridge.sources.mapping.normal import HASH, KEY

Numbers = np.ndarray[Any, np.dtype[np.uint64]]
Places = np.ndarray[Any, np.dtype[np.int64]]

WORD = 8  # bytes
LONG = 256  # bytes of a text from which it goes through BLAKE2b
FACTOR, FIRST, SECOND = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53))
HALF = np.uint64(32)
LAST_SHIFT = np.uint64(33)
MASKS = np.array([(1 << (8 * count)) - 1 for count in range(WORD + 1)], np.uint64)
BAD = bytes([*range(0x21), *b'<>"{}|\\^`'])  # characters that no URI has
SCHEME = np.zeros(256, bool)
SCHEME[list(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-")] = True
LETTER = SCHEME.copy()
LETTER[list(b"0123456789+.-")] = False
LONGEST_SCHEME = 32
COLON = 58


def with_hashes(rows: pa.Table, plan: RowPlan) -> pa.Table:
    """The rows with `_key` (id, observedAt and datasetIds; DESIGN 4.11) and `_hash` (all columns), both uint64."""
    datasets = [attribute.dataset_id for attribute in plan.attributes if attribute.dataset_id]
    named = ["id", *(["observedAt"] if plan.observed_at else []), *datasets]
    said = [name for name in rows.column_names if not name.startswith("_") and name != "row"]
    parts = {name: column_hashes(rows.column(name)) for name in said}
    for name in datasets:  # an empty datasetId is none
        parts[f"{name} "] = column_hashes(pc.fill_null(rows.column(name), ""))
    keys = together(rows.num_rows, ((f"{n} " if n in datasets else n, parts) for n in named))
    hashes = together(rows.num_rows, ((name, parts) for name in said))
    return rows.append_column(KEY, pa.array(keys)).append_column(HASH, pa.array(hashes))


def together(count: int, columns: Iterable[tuple[str, dict[str, Numbers]]]) -> Numbers:
    """One hash of several columns, each by its name."""
    state = np.zeros(count, np.uint64)
    for name, parts in columns:
        stir(state, parts[name] ^ seed(name))
    return finished(state)


def column_hashes(column: pa.ChunkedArray) -> Numbers:
    """A hash of each value; a missing one differs from an empty one, and a number from its text."""
    values = whole(column)
    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.timestamp("us", values.type.tz)).cast(pa.int64())
    kind = values.type
    if pa.types.is_floating(kind):
        found = filled(values.cast(pa.float64())) + 0.0  # -0.0 is 0.0
        state = found.view(np.uint64).copy()
    elif pa.types.is_boolean(kind) or pa.types.is_integer(kind):
        state = filled(values.cast(pa.int64())).view(np.uint64).copy()
    else:
        state = text_hashes(values if pa.types.is_string(kind) else as_text(values))
    state ^= seed(f"{'text' if pa.types.is_string(kind) else kind}")
    found = finished(state)
    if values.null_count:
        found[values.is_null().to_numpy(zero_copy_only=False)] = seed("missing")
    return found


def whole(column: pa.ChunkedArray) -> pa.Array:
    values = column.combine_chunks()
    return values.chunk(0) if isinstance(values, pa.ChunkedArray) else values


def filled(values: pa.Array) -> Any:
    return values.fill_null(0).to_numpy(zero_copy_only=False)


def as_text(values: pa.Array) -> pa.Array:
    """Values of other kinds (lists of scopes) as JSON."""
    return pa.array(
        [None if value is None else orjson.dumps(value, default=str).decode() for value in values.to_pylist()],
        pa.string(),
    )


def text_hashes(texts: pa.Array) -> Numbers:
    """A hash of each text's bytes, those of missing ones as of an empty one."""
    begin, size, data = laid_out(texts)
    state = size.astype(np.uint64) * FACTOR
    if not len(size):
        return state
    words: Numbers = np.ndarray((len(data) - WORD + 1,), "<u8", data, strides=(1,))
    everywhere = min(int(size.min()), LONG) // WORD
    for number in range(everywhere):
        stir(state, words[begin + WORD * number])
    for number in range(everywhere, -(-min(int(size.max()), LONG) // WORD)):
        at = np.flatnonzero(size > WORD * number)
        left = np.minimum(size[at] - WORD * number, WORD)
        some = state[at]
        stir(some, words[begin[at] + WORD * number] & MASKS[left])
        state[at] = some
    for place in np.flatnonzero(size > LONG).tolist():
        text = data[begin[place] : begin[place] + size[place]].tobytes()
        state[place] = int.from_bytes(blake2b(text, digest_size=WORD).digest(), "little")
    return state


def laid_out(texts: pa.Array) -> tuple[Places, Places, Any]:
    """Where each text begins, how many bytes it has, and the bytes of all with a word of zeros behind."""
    _, offsets, bytes_ = texts.buffers()
    if not len(texts) or offsets is None:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.zeros(WORD, np.uint8)
    ends = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)
    size = ends[1:] - ends[:-1]
    if texts.null_count:
        size[texts.is_null().to_numpy(zero_copy_only=False)] = 0
    data = np.zeros(int(ends[-1] - ends[0]) + WORD, np.uint8)
    if bytes_ is not None:
        data[:-WORD] = np.frombuffer(bytes_, np.uint8)[ends[0] : ends[-1]]
    return ends[:-1] - ends[0], size, data


def stir(state: Numbers, word: Numbers) -> None:
    """Take a word into each hash, in place."""
    state ^= word
    state *= FACTOR
    state ^= state >> HALF


def finished(state: Numbers) -> Numbers:
    """Spread what was stirred in over all bits."""
    state ^= state >> LAST_SHIFT
    state *= FIRST
    state ^= state >> LAST_SHIFT
    state *= SECOND
    state ^= state >> LAST_SHIFT
    return state


def seed(name: str) -> np.uint64:
    return np.uint64(int.from_bytes(blake2b(name.encode(), digest_size=WORD).digest(), "little"))


def plain_uris(column: pa.ChunkedArray) -> bool:
    """Whether each text of a column is clearly a URI as `normal.URI` has it; missing ones count as that.

    A quick look that never takes for a URI what is none: where it says no, the pattern judges row by row.
    """
    texts = whole(column)
    if not pa.types.is_string(texts.type):
        return False
    begin, size, data = laid_out(texts.drop_null())
    if not len(size):
        return True
    text = data[:-WORD].tobytes()
    if len(text.translate(None, BAD)) != len(text) or not LETTER[data[begin]].all():
        return False
    for number in range(1, LONGEST_SCHEME):
        if int(size.min()) <= number:
            return False
        byte = data[begin + number]
        colon = byte == COLON
        if not (colon | SCHEME[byte]).all() or not (size[colon] > number + 1).all():
            return False
        if colon.all():
            return True
        if colon.any():
            begin, size = begin[~colon], size[~colon]
    return False
