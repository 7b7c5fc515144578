"""What is to be told, on its way out: changes until they are matched, notifications until they are delivered.

The publisher alone takes from here. Whatever it finds out (a change is matched, a notification came through, failed,
is given up) is settled in one transaction, so that a kill at any moment loses nothing and repeats no more than what
was not settled yet. Times are microseconds since 1970.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import apsw
import orjson

from landbridge.errors import Missing
from landbridge.model.subscription import Change
from landbridge.pool.subscription import SHELF
from landbridge.pool.untold import without_erased
from landbridge.store import shelf
from landbridge.store.change import RANK_BITS
from landbridge.store.document import unfold
from landbridge.store.shelf import Kept
from landbridge.store.sqlite import SqliteStore
from landbridge.store.transaction import SqliteTransaction

LARGEST_LOOK = 16 * 1024 * 1024  # characters of documents that are read at once, about
NOTICE = "SELECT shelf, tenant, subscription, rank, notification, made, body, tries, due, dead, reason FROM delivery"


class Lane(NamedTuple):
    """Whose notifications stand in one row: a document of a shelf."""

    shelf: str
    tenant: str
    subscription: str


class Notice(NamedTuple):
    """A notification that waits since `made`. `body` is the JSON to send; `dead`: when it was given up, or 0."""

    lane: Lane
    rank: int
    notification: str
    made: int
    body: bytes
    tries: int = 0
    due: int = 0
    dead: int = 0
    reason: str = ""


@dataclass
class Outcome:
    """What the publisher found out since it last settled. `standings`: how a lane's deliveries went, as members."""

    matched: list[int] = field(default_factory=list)  # ranks of changes
    queued: list[Notice] = field(default_factory=list)
    done: list[tuple[Lane, int]] = field(default_factory=list)
    standings: dict[Lane, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        return not (self.matched or self.queued or self.done or self.standings)

    def joined(self, later: "Outcome") -> "Outcome":
        """This and what was found out after it."""
        return Outcome(
            self.matched + later.matched,
            self.queued + later.queued,
            self.done + later.done,
            {**self.standings, **later.standings},
        )


class Look(NamedTuple):
    """What is new, in one snapshot: subscriptions put and gone since the last look, and changes to match.

    `more`: there are further changes, beyond what is read at once.
    """

    version: int
    put: list[Kept]
    gone: list[tuple[str, str, int]]
    changes: list[Change]
    more: bool


def look(store: SqliteStore, version: int, moment: int, after: int, limit: int) -> Look:
    """Look for what is new: `version` and `moment` of the subscriptions known, `after` the last change read."""
    with store.reader() as connection:
        now = shelf.version(connection, SHELF)
        put, gone = ([], []) if now == version else shelf.since(connection, SHELF, moment)
        rows = connection.execute(
            "SELECT rank, tenant, id, recorded, created, modified, before, after FROM change WHERE rank>?"
            " ORDER BY rank LIMIT ?",
            (after, limit),
        )
        changes, size = list[Change](), 0
        for row in rows:
            changes.append(change_of(row))
            size += len(row[6] or "") + len(row[7] or "")
            if size > LARGEST_LOOK:
                break
        return Look(now, put, gone, changes, len(changes) == limit or size > LARGEST_LOOK)


def change_of(row: Sequence[Any]) -> Change:
    rank, tenant, id_, recorded, created, modified, *texts = row
    before, after = (None if text is None else unfold(text) for text in texts)
    return Change(rank, tenant, id_, recorded, created, modified, before, after)


def settle(store: SqliteStore, outcome: Outcome) -> None:
    """Make durable what was found out."""
    gone: dict[Lane, bool] = {}

    def job(transaction: SqliteTransaction) -> None:
        connection = transaction.connection
        connection.executemany("DELETE FROM change WHERE rank=?", ((rank,) for rank in outcome.matched))
        connection.executemany(
            "INSERT OR REPLACE INTO delivery VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            ((*one.lane, *one[1:]) for one in kept(connection, outcome.queued) if is_there(connection, one.lane, gone)),
        )
        connection.executemany(
            "DELETE FROM delivery WHERE shelf=? AND tenant=? AND subscription=? AND rank=?",
            ((*lane, rank) for lane, rank in outcome.done),
        )
        connection.executemany(
            "INSERT OR REPLACE INTO delivered VALUES (?, ?, ?, ?)",
            (
                (*lane, orjson.dumps(members).decode())
                for lane, members in outcome.standings.items()
                if is_there(connection, lane, gone)
            ),
        )

    store.tend(job)


def kept(connection: apsw.Connection, notices: Sequence[Notice]) -> Iterator[Notice]:
    """Notifications that may be kept: without what was erased since they were made."""
    for one in notices:
        body = without_erased(connection, one.lane.tenant, one.body)
        if body is not None:
            yield one if body is one.body else one._replace(body=body)


def is_there(connection: apsw.Connection, lane: Lane, known: dict[Lane, bool]) -> bool:
    """Whether the lane's document is still there: one that is deleted leaves nothing behind."""
    found = known.get(lane)
    if found is None:
        found = known[lane] = (
            connection.execute("SELECT 1 FROM shelf WHERE shelf=? AND tenant=? AND id=?", lane).get is not None
        )
    return found


def queue(transaction: SqliteTransaction, lane: Lane, notification: str, body: bytes) -> None:
    """Put a notification behind those that wait in a lane, in a commit under way: for who notifies by other rules."""
    rank = transaction.connection.execute(
        "SELECT max(coalesce(max(rank) + 1, 0), ?) FROM delivery WHERE shelf=? AND tenant=? AND subscription=?",
        ((transaction.number << RANK_BITS) + (1 << (RANK_BITS - 1)), *lane),
    ).get
    transaction.connection.execute(
        "INSERT INTO delivery (shelf, tenant, subscription, rank, notification, made, body)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (*lane, rank, notification, transaction.recorded, body),
    )


def clear(transaction: SqliteTransaction, lane: Lane) -> None:
    """Forget what waits in a lane and how its deliveries went, in a commit under way."""
    for table in ("delivery", "delivered"):
        transaction.connection.execute(
            f"DELETE FROM {table} WHERE shelf=? AND tenant=? AND subscription=?",  # noqa: S608  (two names of ours)
            lane,
        )


def begin_anew(store: SqliteStore, lane: Lane) -> None:
    """Forget how a lane's deliveries went."""

    def job(transaction: SqliteTransaction) -> None:
        clear(transaction, lane)

    store.tend(job)


def lanes(store: SqliteStore) -> list[Lane]:
    """The lanes in which something is kept, each found by one look."""
    found: list[Lane] = []
    with store.reader() as connection:
        row: Any = ("", "", "")
        while row is not None:
            row = connection.execute(
                "SELECT shelf, tenant, subscription FROM delivery WHERE (shelf, tenant, subscription) > (?, ?, ?)"
                " ORDER BY shelf, tenant, subscription LIMIT 1",
                row,
            ).fetchone()
            if row is not None:
                found.append(Lane(*row))
    return found


def waiting(store: SqliteStore, lane: Lane, after: int, limit: int) -> list[Notice]:
    """Notifications of a lane in their order."""
    with store.reader() as connection:
        rows = connection.execute(
            f"{NOTICE} WHERE shelf=? AND tenant=? AND subscription=? AND rank>? AND NOT dead ORDER BY rank LIMIT ?",
            (*lane, after, limit),
        )
        return [notice(row) for row in rows]


def standing(store: SqliteStore, lane: Lane) -> dict[str, Any]:
    """How a lane's deliveries went; nothing where there were none."""
    with store.reader() as connection:
        found = connection.execute("SELECT body FROM delivered WHERE shelf=? AND tenant=? AND subscription=?", lane).get
    return orjson.loads(found) if found else {}


def notice(row: Sequence[Any]) -> Notice:
    return Notice(Lane(*row[:3]), *row[3:])


# -- dead letters


def dead_letters(store: SqliteStore, limit: int = 100, offset: int = 0) -> tuple[list[Notice], int]:
    """Notifications that were given up, the oldest first, and how many there are."""
    with store.reader() as connection:
        count = int(connection.execute("SELECT count(*) FROM delivery WHERE dead").get)
        rows = connection.execute(
            f"{NOTICE} WHERE dead ORDER BY dead, shelf, tenant, subscription, rank LIMIT ? OFFSET ?", (limit, offset)
        )
        return [notice(row) for row in rows], count


def wanted(subscription: str | None, notification: str | None) -> tuple[str, list[str]]:
    """The condition on dead letters: of one subscription, one notification, or all."""
    terms, values = ["dead"], list[str]()
    for column, value in (("subscription", subscription), ("notification", notification)):
        if value is not None:
            terms.append(f"{column}=?")
            values.append(value)
    return " AND ".join(terms), values


def replay(store: SqliteStore, subscription: str | None = None, notification: str | None = None) -> int:
    """Have dead letters tried again, under the same notification id; how many. Raises Missing where there are none."""
    where, values = wanted(subscription, notification)

    def job(transaction: SqliteTransaction) -> int:
        transaction.connection.execute(
            f"UPDATE delivery SET dead=0, tries=0, due=0, reason='', made=? WHERE {where}",  # noqa: S608  (names above)
            [store.clock(), *values],
        )
        return transaction.connection.changes()

    return counted(store.tend(job))


def forget(store: SqliteStore, subscription: str | None = None, notification: str | None = None) -> int:
    """Drop dead letters; how many. Raises Missing where there are none."""
    where, values = wanted(subscription, notification)

    def job(transaction: SqliteTransaction) -> int:
        transaction.connection.execute(f"DELETE FROM delivery WHERE {where}", values)  # noqa: S608  (as above)
        return transaction.connection.changes()

    return counted(store.tend(job))


def counted(number: int) -> int:
    if not number:
        raise Missing("There are no such dead letters.", hint="List them: landbridge notifications")
    return number
