"""Forgetting source rows: those behind a subject, rejected ones that name it, and the hashes that know rows again."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from landbridge.model import block
from landbridge.model.erasure import Naming, Subject
from landbridge.pool.seen import pack, unpack
from landbridge.pool.survey import Survey, as_cell
from landbridge.store import wipe
from landbridge.store.sqlite import SqliteStore
from landbridge.store.transaction import SqliteTransaction

Cells = Mapping[str, set[tuple[str, str]]]  # source -> (column, value)


def forget(
    store: SqliteStore, subject: Subject, found: Survey, naming: Naming, mentions: Sequence[str] = ()
) -> dict[str, int]:
    """Forget the source rows behind a subject, and rejected rows that name it."""
    if subject.source is not None and not subject.timed:
        return whole_source(store, subject.source)
    mentioned = forget_mentioned(store, mentions)
    cells = cells_by_source(found)
    counts = {"source rows": mentioned.get("source rows", 0)}
    for seq, source, run in blocks(store):
        if not naming.marks and source not in cells and not found.gone(source, run):
            continue
        with store.reader() as connection:
            body = wipe.blob(connection, "raw", seq)
        if body is None:
            continue
        table, taken = cleaned(block.unpack(body), found.gone(source, run), cells.get(source, set()), naming)
        if table is not None or taken:
            counts["source rows"] += taken
            store.tend(lambda transaction, seq=seq, table=table: wipe.put_block(transaction, seq, table))  # type: ignore[misc]  # bound now
    rejected = mentioned.get("rejected rows", 0) + forget_rejects(store, subject, cells, naming)
    return counts | {"rejected rows": rejected}


def cells_by_source(found: Survey) -> Cells:
    by_source: dict[str, set[tuple[str, str]]] = {}
    for source, column, text in found.cells:
        by_source.setdefault(source, set()).add((column, text))
    return by_source


def whole_source(store: SqliteStore, source: str) -> dict[str, int]:
    def job(transaction: SqliteTransaction) -> dict[str, int]:
        counts = {}
        for table, what in (("raw", "blocks of source rows"), ("reject", "rejected rows"), ("seen", "hashes of rows")):
            transaction.connection.execute(
                f"DELETE FROM {table} WHERE source=?",  # noqa: S608  (names above)
                (source,),
            )
            counts[what] = transaction.connection.changes()
        return counts

    return store.tend(job)


def blocks(store: SqliteStore) -> list[tuple[int, str, int]]:
    with store.reader() as connection:
        return list(connection.execute("SELECT seq, source, run FROM raw ORDER BY seq"))


def cleaned(
    table: pa.Table, gone: set[int], cells: set[tuple[str, str]], naming: Naming
) -> tuple[pa.Table | None, int]:
    """A block without the rows of these numbers, those with these cells, and without names; and how many rows went.

    None with 0 where nothing has to change, None with more where no row is left. What tells the subject by the
    operator's own words takes the row along; an id that is only named in a row gives way to its mark.
    """
    numbers = table.column(block.ROW).to_pylist()
    drop = {place for place, number in enumerate(numbers) if number in gone}
    for column, text in cells:
        if column in table.column_names:
            values = table.column(column).to_pylist()
            drop |= {place for place, value in enumerate(values) if value is not None and as_cell(value) == text}
    if block.IDS in table.column_names and naming.marks:
        ids = table.column(block.IDS).to_pylist()
        drop |= {place for place, made in enumerate(ids) if made and any(one in naming.marks for one in made)}
    if drop:
        table = table.take(pa.array([place for place in range(len(numbers)) if place not in drop], pa.int64()))
    if not table.num_rows:
        return None, len(drop)
    clean = wipe.renamed(table, naming, list(naming.marks)) if naming.marks else None
    return (clean if clean is not None else table if drop else None), len(drop)


def forget_rejects(store: SqliteStore, subject: Subject, cells: Cells, naming: Naming) -> int:
    """Forget rejected rows that name the subject: by its id, by cells that name it alone, by what the operator says."""

    def tells(source: str, row: Mapping[str, Any], text: str) -> bool:
        if naming.named(text) != text:
            return True
        mine = cells.get(source, ())
        return any((column, as_cell(value)) in mine for column, value in row.items() if value is not None)

    def job(transaction: SqliteTransaction) -> int:
        gone = []
        rows = transaction.connection.execute("SELECT seq, source, run, reason, place, row FROM reject")
        for seq, source, run, reason, place, row in rows:
            if subject.source is not None:
                hit = source == subject.source and subject.at(started(transaction, source, run))
            else:
                hit = tells(source, orjson.loads(row), f"{reason} {place} {row}")
            if hit:
                gone.append((seq,))
        transaction.connection.executemany("DELETE FROM reject WHERE seq=?", gone)
        return len(gone)

    return store.tend(job)


def started(transaction: SqliteTransaction, source: str, run: int) -> int | None:
    found = transaction.connection.execute("SELECT body FROM run WHERE source=? AND run=?", (source, run)).get
    return None if found is None else int(orjson.loads(found)["started"])


def forget_mentioned(store: SqliteStore, mentions: Sequence[str]) -> dict[str, int]:
    """Forget source rows and rejected rows that hold a text by which the operator tells the subject."""
    counts = {"source rows": 0, "rejected rows": 0}
    if not mentions:
        return {}
    for seq, _, _ in blocks(store):
        with store.reader() as connection:
            body = wipe.blob(connection, "raw", seq)
        if body is None:
            continue
        table = block.unpack(body)
        rows = table.to_pylist()
        keep = [place for place, row in enumerate(rows) if not holds(row, mentions)]
        if len(keep) < len(rows):
            counts["source rows"] += len(rows) - len(keep)
            left = table.take(pa.array(keep, pa.int64()))
            store.tend(lambda transaction, seq=seq, left=left: wipe.put_block(transaction, seq, left))  # type: ignore[misc]  # bound now

    def job(transaction: SqliteTransaction) -> int:
        gone = [
            (seq,)
            for seq, text in transaction.connection.execute("SELECT seq, reason || ' ' || row FROM reject")
            if any(mention in text for mention in mentions)
        ]
        transaction.connection.executemany("DELETE FROM reject WHERE seq=?", gone)
        return len(gone)

    counts["rejected rows"] = store.tend(job)
    return counts


def holds(row: Mapping[str, Any], mentions: Sequence[str]) -> bool:
    return any(mention in text for _, text in wipe.cells(row) for mention in mentions)


def forget_seen(store: SqliteStore, gone: Mapping[str, Any]) -> dict[str, int]:
    """Forget the keys and hashes of rows, by source."""

    def job(transaction: SqliteTransaction) -> int:
        count = 0
        for source, keys in gone.items():
            parts = list(transaction.connection.execute("SELECT part, body FROM seen WHERE source=?", (source,)))
            for part, body in parts:
                first, known, hashes = unpack(body)
                stay = ~np.isin(known, keys)
                if not stay.all():
                    count += int((~stay).sum())
                    transaction.save_seen(source, part, pack(first, known[stay], hashes[stay]))
        return count

    return {"hashes of rows": store.tend(job)}
