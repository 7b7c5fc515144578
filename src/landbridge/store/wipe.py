"""Taking things out of SQLite for good: rows by key, lines of packed blocks, names in texts. Loaded by erasures alone.

Each function may be repeated, so that an erasure that was killed simply begins its step again. What SQLite leaves
behind in free pages and in its log goes at the end, by `sweep`.
"""

import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import apsw
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from landbridge.errors import Failed
from landbridge.model import block
from landbridge.model.erasure import Naming, walked
from landbridge.store import segment as packed
from landbridge.store.contract import Row
from landbridge.store.schema import KIND_BITS
from landbridge.store.segment import SCHEMA, SegmentRow
from landbridge.store.sqlite import connect, damaged
from landbridge.store.transaction import UPDATE, SqliteTransaction

BY_KEY = ("extra_type", "shape", "expiry", "disagreement", "name", "entity")
PATIENCE = 60.0  # seconds that others' reads may hold up the end
WITHIN = "(tenant=?1 OR substr(tenant, 1, length(?1) + 1) = ?1 || '/')"  # a tenant, with its snapshots' rooms


def kinds_of(connection: apsw.Connection, tenant: str) -> list[tuple[int, str, str]]:
    """Number, tenant and type of the kinds of a tenant and of its snapshots' rooms."""
    return list(connection.execute(f"SELECT num, tenant, type FROM kind WHERE {WITHIN} ORDER BY num", (tenant,)))


def keys_of(connection: apsw.Connection, tenant: str, id_: str) -> list[int]:
    """All keys that an id has or had, in a tenant and in its snapshots' rooms."""
    rows = connection.execute(
        f"SELECT key FROM name WHERE {WITHIN} AND id=?2 UNION SELECT key FROM past WHERE {WITHIN} AND id=?2 ORDER BY 1",
        (tenant, id_),
    )
    return [key for (key,) in rows]


def kind_span(number: int) -> tuple[int, int]:
    return number << KIND_BITS, ((number + 1) << KIND_BITS) - 1


# -- state


def remove(transaction: SqliteTransaction, keys: Sequence[int]) -> int:
    """Take entities out of state; how many there were. What the past knows of their keys stays."""
    connection, count = transaction.connection, 0
    for key in keys:
        connection.execute("DELETE FROM entity WHERE key=?", (key,))
        if connection.changes():
            count += 1
            connection.execute("UPDATE kind SET entities = entities - 1 WHERE num=?", (key >> KIND_BITS,))
        for table in BY_KEY:
            connection.execute(f"DELETE FROM {table} WHERE key=?", (key,))
    return count


def forget_keys(transaction: SqliteTransaction, keys: Sequence[int]) -> None:
    """Forget whose keys these were."""
    transaction.connection.executemany("DELETE FROM past WHERE key=?", ((key,) for key in keys))


def write_row(transaction: SqliteTransaction, row: Row) -> None:
    """Write an entity that exists, told to nobody: its change is no news."""
    transaction.connection.execute(UPDATE, transaction.changed(row))
    transaction.connection.execute("DELETE FROM shape WHERE key=?", (row.key,))
    transaction.put_box(row)


# -- journal


def take_lines(transaction: SqliteTransaction, lines: Iterable[tuple[int, str, int, int]]) -> int:
    """Take lines out of the journal: key, attribute, number and ordinal of each; how many."""
    some = list(lines)
    transaction.connection.executemany(
        "DELETE FROM journal WHERE key=? AND attribute=? AND number=? AND ordinal=?", some
    )
    return len(some)


def empty_lines(transaction: SqliteTransaction, lines: Iterable[tuple[int, str, int, int]]) -> None:
    """Leave of lines that take others' place only that: the others count no more, and nothing stands for them."""
    transaction.connection.executemany(
        "UPDATE journal SET operation='retract', instance=NULL, observed=NULL"
        " WHERE key=? AND attribute=? AND number=? AND ordinal=?",
        lines,
    )


def keep_lines(body: bytes, keep: Callable[[SegmentRow], bool]) -> tuple[bytes | None, list[SegmentRow]]:
    """A segment with only some of its lines (None: with none), and those that go.

    Each line that stays keeps its ordinal, so a segment of source rows becomes one with a line for each instance.
    """
    staying: list[SegmentRow] = []
    going: list[SegmentRow] = []
    for row in packed.iterate(packed.unpack(body)):
        (staying if keep(row) else going).append(row)
    if not going:
        return body, []
    if not staying:
        return None, going
    columns = list(zip(*staying, strict=True))
    arrays = [
        pa.array(values, pa.string()).dictionary_encode()
        if pa.types.is_dictionary(of.type)
        else pa.array(values, of.type)
        for values, of in zip(columns, SCHEMA, strict=True)
    ]
    return packed.pack(pa.Table.from_arrays(arrays, names=SCHEMA.names)), going


def put_segment(transaction: SqliteTransaction, seq: int, body: bytes | None) -> None:
    """Write a segment anew with what its columns say of it; None takes it away."""
    if body is None:
        transaction.connection.execute("DELETE FROM segment WHERE seq=?", (seq,))
        return
    table = packed.unpack(body)
    keys, times = pc.min_max(table.column("key")).as_py(), pc.min_max(table.column("observed")).as_py()
    form = packed.form_of(table)
    lines = table.num_rows
    if form is not None:
        lines = sum(table.num_rows - table.column(one.value).null_count for one in form.said)
    latest = None if table.column("observed").null_count else times["max"]
    transaction.connection.execute(
        "UPDATE segment SET min_key=?, max_key=?, min_time=?, max_time=?, rows=?, body=? WHERE seq=?",
        (keys["min"], keys["max"], times["min"], latest, lines, body, seq),
    )


def segment_heads(connection: apsw.Connection, kinds: Sequence[int]) -> list[tuple[int, int, int, str, int, int, int]]:
    """Of the segments of some kinds: seq, kind, number, source, run, first and last key."""
    return (
        list(
            connection.execute(
                "SELECT seq, kind, number, source, run, min_key, max_key FROM segment"
                " WHERE kind IN carray(?) ORDER BY seq",
                (apsw.carray(array("q", kinds)),),
            )
        )
        if kinds
        else []
    )


def blob(connection: apsw.Connection, table: str, seq: int) -> bytes | None:
    """The packed body of a segment or of a block of raw rows."""
    found = connection.execute(f"SELECT body FROM {table} WHERE seq=?", (seq,)).get
    return None if found is None else bytes(found)


# -- packed columns


def renamed(body: bytes | pa.Table, naming: Naming, needles: Sequence[str]) -> pa.Table | None:
    """A packed table's columns without names; None where there are none. Text within lists and objects too."""
    table = packed.unpack(body) if isinstance(body, bytes) else body
    found, changed = table, False
    for place, field in enumerate(table.schema):
        made = column_renamed(table.column(place).combine_chunks(), naming, needles)
        if made is not None:
            found, changed = found.set_column(place, field.name, made), True
    told = table.schema.metadata or {}
    clean = {
        name: naming.named(text.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        for name, text in told.items()
    }
    if clean != told:
        changed = True
    return found.replace_schema_metadata(clean) if changed else None


def column_renamed(column: Any, naming: Naming, needles: Sequence[str]) -> Any | None:
    """A column without names; None where it has none."""
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    type_ = column.type
    texts = column.dictionary_decode() if pa.types.is_dictionary(type_) else column
    if pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type):
        if not any(pc.any(pc.match_substring(texts, needle)).as_py() for needle in needles):
            return None
        values = [None if text is None else naming.named(text) for text in texts.to_pylist()]
        made = pa.array(values, texts.type)
        return made.dictionary_encode() if pa.types.is_dictionary(type_) else made
    if pa.types.is_nested(type_):
        values = column.to_pylist()
        clean = [walked(value, naming.named, lambda text: False) for value in values]
        return None if clean == values else pa.array(clean, type_)
    return None


def names(column: pa.ChunkedArray, naming: Naming) -> bool:
    """Whether some text of a packed column names what is erased."""
    for chunk in column.chunks:
        texts = chunk.dictionary if pa.types.is_dictionary(chunk.type) else chunk
        for needle in naming.marks if pa.types.is_string(texts.type) else ():
            if any(map(naming.names, texts.filter(pc.match_substring(texts, needle)).to_pylist())):
                return True
    return False


def cells(row: Any) -> Iterator[tuple[str, str]]:
    """A raw row's cells as texts, each by its column."""
    for column, value in row.items():
        if value is not None and column not in block.RESERVED and column != block.IDS:
            yield column, value if isinstance(value, str) else orjson.dumps(value, default=str).decode()


def put_block(transaction: SqliteTransaction, seq: int, table: pa.Table | None) -> None:
    """Write a block of raw rows anew; None takes it away."""
    if table is None or not table.num_rows:
        transaction.connection.execute("DELETE FROM raw WHERE seq=?", (seq,))
        return
    numbers = pc.min_max(table.column(block.ROW)).as_py()
    transaction.connection.execute(
        "UPDATE raw SET first=?, last=?, body=? WHERE seq=?",
        (numbers["min"], numbers["max"], packed.pack(table), seq),
    )


# -- texts


def rewrite(
    transaction: SqliteTransaction,
    table: str,
    keys: Sequence[str],
    columns: Sequence[str],
    needles: Sequence[str],
    change: Callable[..., Sequence[Any] | None],
) -> int:
    """Change texts that hold any of the needles: `change` of the columns' values gives new ones, or None for no row.

    `keys` are the columns that find the row again. Returns how many rows changed or went.
    """
    if not needles:
        return 0
    some = " OR ".join(f"instr({column}, ?{number + 1})" for number in range(len(needles)) for column in columns)
    rows = list(
        transaction.connection.execute(f"SELECT {', '.join([*keys, *columns])} FROM {table} WHERE {some}", needles)
    )
    found = " AND ".join(f"{key} IS ?" for key in keys)
    count = 0
    for row in rows:
        key, values = row[: len(keys)], row[len(keys) :]
        made = change(*values)
        if made is None:
            transaction.connection.execute(f"DELETE FROM {table} WHERE {found}", key)
        elif tuple(made) != tuple(values):
            sets = ", ".join(f"{column}=?" for column in columns)
            transaction.connection.execute(
                f"UPDATE OR REPLACE {table} SET {sets} WHERE {found}",
                (*made, *key),
            )
        else:
            continue
        count += 1
    return count


# -- the end


def sweep(path: str, patience: float = PATIENCE) -> None:
    """Write the file anew without what its free pages hold, and cut its log to nothing.

    Raises Failed where others' reads or writes hold it up for longer than `patience` seconds, Damaged where the disk
    does not take it.
    """
    connection = connect(path)
    try:
        connection.execute("PRAGMA temp_store=FILE; PRAGMA secure_delete=ON")
        connection.wal_autocheckpoint(0)
        end = time.monotonic() + patience
        while not swept(connection):
            if time.monotonic() > end:
                raise Failed(
                    "Others read or write the pool all the time, so what was erased is still in its log.",
                    hint="It is finished when they are done: landbridge erase --resume",
                )
            time.sleep(0.05)
    except apsw.Error as error:
        raise damaged(error, path) from error
    finally:
        connection.close()


def swept(connection: apsw.Connection) -> bool:
    """Try it once; whether nothing was in the way."""
    try:
        connection.execute("VACUUM")
        connection.set_busy_timeout(2_000)
        left, _ = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except (apsw.BusyError, apsw.LockedError):
        return False
    return left <= 0
