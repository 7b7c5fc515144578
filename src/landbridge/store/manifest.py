"""What a backfill leaves in the store: the word that one is under way, and the files of the lake that it made.

Source rows and hashes of a backfill are many, so they are kept in small commits while it goes on, under a mark that
says that they do not count yet. The one commit that makes the backfill count writes its manifests and takes the mark
away; where the mark is found later, the backfill came to no end, and what it left is taken away.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import apsw
import orjson

from landbridge.store import reading
from landbridge.store.transaction import SqliteTransaction

MARK = "backfill:"  # and the source's name, in meta
MANY = ("raw", "reject")  # tables that a backfill fills while it goes on


class Manifest(NamedTuple):
    """Files of a type's table, with all lines of one commit, which count since `recorded`.

    `files`: each as the writer describes it (see `history.backfill`); empty once the table names them itself
    (`published`).
    """

    seq: int
    type: str
    source: str
    run: int
    number: int
    recorded: int
    files: tuple[str, ...]
    published: bool


def begin(transaction: SqliteTransaction, source: str, run: int, part: int) -> None:
    """Say that a source's backfill begins: its hashes will be kept from this part on, its rows after all others."""
    last = {table: transaction.connection.execute(f"SELECT coalesce(max(seq), 0) FROM {table}").get for table in MANY}
    transaction.put_meta(MARK + source, orjson.dumps({"run": run, "part": part, **last}).decode())


def under_way(connection: apsw.Connection, source: str) -> bool:
    """Whether a backfill of the source has begun and neither counts nor is taken back."""
    return reading.meta(connection, MARK + source) is not None


def sources_under_way(connection: apsw.Connection) -> list[str]:
    """The sources of which a backfill has begun and neither counts nor is taken back."""
    rows = connection.execute("SELECT name FROM meta WHERE name >= ? AND name < ?", (MARK, MARK[:-1] + ";"))
    return [str(name).removeprefix(MARK) for (name,) in rows]


def end(transaction: SqliteTransaction, source: str) -> None:
    """What the backfill kept counts from this commit on."""
    transaction.connection.execute("DELETE FROM meta WHERE name=?", (MARK + source,))


def take_back(transaction: SqliteTransaction, source: str) -> None:
    """Take away what a backfill left that came to no end."""
    text = reading.meta(transaction.connection, MARK + source)
    if text is None:
        return
    told = orjson.loads(text)
    transaction.save_seen(source, told["part"], None)
    for table in MANY:
        transaction.connection.execute(
            f"DELETE FROM {table} WHERE source=? AND run=? AND seq>?", (source, told["run"], told[table])
        )
    end(transaction, source)


def add(transaction: SqliteTransaction, type_: str, source: str, run: int, number: int, files: Sequence[str]) -> None:
    """Name files whose lines are of commit `number` and count from this commit on."""
    transaction.connection.execute(
        "INSERT INTO manifest (type, source, run, number, recorded, files) VALUES (?, ?, ?, ?, ?, ?)",
        (type_, source, run, number, transaction.recorded, orjson.dumps(list(files)).decode()),
    )


def of_type(connection: apsw.Connection, type_: str) -> list[Manifest]:
    """All manifests of a type, the oldest first."""
    rows = connection.execute("SELECT * FROM manifest WHERE type=? ORDER BY seq", (type_,))
    return [read(row) for row in rows]


def unpublished(connection: apsw.Connection) -> list[Manifest]:
    """The manifests that no table names yet, the oldest first."""
    rows = connection.execute("SELECT * FROM manifest WHERE files IS NOT NULL ORDER BY type, seq")
    return [read(row) for row in rows]


def publish(transaction: SqliteTransaction, seq: int) -> None:
    """Say that the type's table names the files of a manifest now."""
    transaction.connection.execute("UPDATE manifest SET files=NULL WHERE seq=?", (seq,))


def read(row: tuple[Any, ...]) -> Manifest:
    seq, type_, source, run, number, recorded, files = row
    named = tuple(orjson.loads(files)) if files is not None else ()
    return Manifest(seq, type_, source, run, number, recorded, named, files is None)
