"""Forgetting lines of the journal: rows, and lines within packed segments; others' lines lose the names alone."""

from collections.abc import Callable

from landbridge.model.entity import API, HISTORY
from landbridge.model.erasure import Naming, Subject
from landbridge.pool.survey import Survey, journal_lines
from landbridge.store import reading, wipe
from landbridge.store import segment as packed
from landbridge.store.segment import SegmentRow
from landbridge.store.sqlite import SqliteStore
from landbridge.store.transaction import SqliteTransaction

LINES = "lines of the journal"


def forget(store: SqliteStore, subject: Subject, found: Survey, naming: Naming) -> dict[str, int]:
    """Forget a subject's lines."""

    def job(transaction: SqliteTransaction) -> int:
        if subject.whole:
            for key in found.keys:
                transaction.connection.execute("DELETE FROM journal WHERE key=?", (key,))
                count.append(transaction.connection.changes())
            return sum(count)
        lines = list(journal_lines(transaction.connection, subject, found.keys))
        emptied = [row[:4] for row in lines if subject.timed and row[9] and row[4] in (API, HISTORY)]
        wipe.empty_lines(transaction, emptied)  # what a client changed does not count again
        return wipe.take_lines(transaction, {row[:4] for row in lines} - set(emptied)) + len(emptied)

    count: list[int] = []
    counts = {LINES: store.tend(job)}
    if naming.marks:
        counts["others' lines that named it"] = store.tend(lambda transaction: unname(transaction, naming))
    for what, number in segments(store, subject, found, naming).items():
        counts[what] = counts.get(what, 0) + number
    return counts


def unname(transaction: SqliteTransaction, naming: Naming) -> int:
    keys = ("key", "attribute", "number", "ordinal")
    return wipe.rewrite(
        transaction, "journal", keys, ("instance",), list(naming.marks), lambda instance: (naming.named(instance),)
    )


def segments(store: SqliteStore, subject: Subject, found: Survey, naming: Naming) -> dict[str, int]:
    """Write those segments anew that hold lines of the subject, or name it."""
    counts = {LINES: 0, "others' lines that named it": 0}
    with store.reader() as connection:
        kinds = [number for number, _, _ in wipe.kinds_of(connection, subject.tenant)]
        heads = wipe.segment_heads(connection, kinds)
    for seq, _, number, source, _, low, high in heads:
        with store.reader() as connection:
            recorded = reading.recorded(connection, number)
            body = wipe.blob(connection, "segment", seq)
        if body is None:
            continue
        left: bytes | None = body
        going: list[SegmentRow] = []
        if source == subject.source or any(low <= key <= high for key in found.keys):
            left, going = wipe.keep_lines(body, staying(subject, set(found.keys), source, recorded))
        named = wipe.renamed(left, naming, list(naming.marks)) if left is not None and naming.marks else None
        if named is not None:
            left = packed.pack(named)
            counts["others' lines that named it"] += 1
        if left is not body:
            counts[LINES] += len(going)
            store.tend(lambda transaction, seq=seq, left=left: wipe.put_segment(transaction, seq, left))  # type: ignore[misc]  # bound now
    return counts


def staying(subject: Subject, keys: set[int], source: str, recorded: int) -> Callable[[SegmentRow], bool]:
    """Which lines of a segment stay."""

    def stays(row: SegmentRow) -> bool:
        if subject.source is None and row.key not in keys:
            return True
        return not subject.covers(row.attribute, source, recorded if row.observed is None else row.observed)

    return stays
