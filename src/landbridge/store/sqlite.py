"""The pool's state in one SQLite file: one writer that commits in groups, readers apart.

Every commit is on disk before its answer (`synchronous=FULL`). Writers of one process queue at one thread, which
puts what waits into one transaction; processes take turns by SQLite's own lock.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import apsw

from landbridge.errors import Damaged
from landbridge.model.answer import Page
from landbridge.model.query import Query
from landbridge.store import reading
from landbridge.store.compile import FUNCTIONS
from landbridge.store.contract import Kind, Stored
from landbridge.store.schema import MIGRATIONS
from landbridge.store.transaction import SqliteTransaction

T = TypeVar("T")
Job = tuple[Callable[[SqliteTransaction], Any], tuple[str, str, str, str | None, int | None], "Future[Any]"]

BUSY_MS = 60_000
GROUP = 128  # jobs in one transaction at most
WAL_PAGES = 16_000  # about 64 MB: copy the log back into the file, between two commits


def wall_clock() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000


def connect(path: str, *, readonly: bool = False) -> apsw.Connection:
    """Open a connection as this store uses it."""
    flags = apsw.SQLITE_OPEN_READONLY if readonly else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    connection = apsw.Connection(path, flags=flags)
    connection.set_busy_timeout(BUSY_MS)
    connection.execute("PRAGMA cache_size=-16384; PRAGMA temp_store=MEMORY; PRAGMA foreign_keys=ON")
    for name, function in FUNCTIONS.items():
        connection.create_scalar_function(name, function, deterministic=True)
    return connection


def migrate(connection: apsw.Connection) -> None:
    """Bring the file's tables up to this version. Refuses a file of a newer one."""
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if found > len(MIGRATIONS):
        raise Damaged(
            f"The pool has schema version {found}, and this Landbridge knows {len(MIGRATIONS)}.",
            hint="Install the version that wrote it, or a later one.",
        )
    if found == len(MIGRATIONS):
        return
    with connection:
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        for number in range(found, len(MIGRATIONS)):
            connection.execute(MIGRATIONS[number])
            connection.execute(f"PRAGMA user_version={number + 1}")


class SqliteStore:
    """A pool's state in a file (or in memory, for tests: `:memory:` has one connection for all)."""

    def __init__(self, path: str, clock: Callable[[], int] = wall_clock) -> None:
        self.path = path
        self.clock = clock
        self.jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self.local = threading.local()
        self.readers: list[apsw.Connection] = []
        self.lock = threading.Lock()
        self.shared = threading.RLock() if path == ":memory:" else None
        try:
            self.writer = connect(path)
            if self.shared is None:
                self.writer.execute("PRAGMA journal_mode=WAL")
                self.writer.execute("PRAGMA synchronous=FULL")
                self.writer.wal_autocheckpoint(0)
                self.writer.set_wal_hook(self.note_wal)
            migrate(self.writer)
        except apsw.Error as error:
            raise damaged(error, path) from error
        self.wal_pages = 0
        self.thread = threading.Thread(target=self.run, name="store-writer", daemon=True)
        self.thread.start()

    # -- writing

    def write(
        self,
        job: Callable[[SqliteTransaction], T],
        *,
        tenant: str = "",
        actor: str = "",
        request: str = "",
        source: str | None = None,
        run: int | None = None,
    ) -> T:
        """Run `job(transaction)` as one commit; return its answer once the commit is on disk."""
        answer: Future[T] = Future()
        self.jobs.put((job, (tenant, actor, request, source, run), answer))
        return answer.result()

    def run(self) -> None:
        """Take what waits, commit it as one group, answer; until told to end."""
        while (first := self.jobs.get()) is not None:
            group = [first]
            while len(group) < GROUP:
                try:
                    job = self.jobs.get_nowait()
                except queue.Empty:
                    break
                if job is None:
                    self.commit(group)
                    return
                group.append(job)
            self.commit(group)

    def commit(self, group: list[Job]) -> None:
        """Commit a group; a job that fails is undone alone, and told why."""
        done: list[tuple[Future[Any], Any]] = []
        failed: list[tuple[Future[Any], BaseException]] = []
        try:
            with self.guard():
                self.writer.execute("BEGIN IMMEDIATE")
                try:
                    for job, stamp, answer in group:
                        try:
                            done.append((answer, self.perform(job, stamp)))
                        except apsw.Error:
                            raise
                        except BaseException as error:  # noqa: BLE001 - it is the caller's, and goes there
                            failed.append((answer, error))
                    self.writer.execute("COMMIT")
                except BaseException:
                    if self.writer.in_transaction:
                        self.writer.execute("ROLLBACK")
                    raise
        except apsw.Error as error:
            failed = [(answer, damaged(error, self.path)) for _, _, answer in group]
            done = []
        for answer, value in done:
            answer.set_result(value)
        for answer, reason in failed:
            answer.set_exception(reason)
        if self.wal_pages > WAL_PAGES:
            self.checkpoint("PASSIVE")

    def perform(self, job: Callable[[SqliteTransaction], Any], stamp: tuple[Any, ...]) -> Any:
        """Run one job inside a savepoint, with the next number and a time that never goes back."""
        with self.writer:
            last = self.writer.execute("SELECT number, recorded FROM commits ORDER BY number DESC LIMIT 1").fetchone()
            number, recorded = (last[0] + 1, max(self.clock(), last[1] + 1)) if last else (1, self.clock())
            self.writer.execute("INSERT INTO commits VALUES (?, ?, ?, ?, ?, ?, ?)", (number, recorded, *stamp))
            return job(SqliteTransaction(self.writer, number, recorded))

    def note_wal(self, _: apsw.Connection, __: str, pages: int) -> int:
        self.wal_pages = pages
        return apsw.SQLITE_OK

    def checkpoint(self, mode: str = "TRUNCATE") -> None:
        """Copy the log back into the file; a reader in the way leaves the rest for later."""
        modes = {"PASSIVE": apsw.SQLITE_CHECKPOINT_PASSIVE, "TRUNCATE": apsw.SQLITE_CHECKPOINT_TRUNCATE}
        try:
            self.writer.wal_checkpoint(mode=modes[mode])
            self.wal_pages = 0
        except apsw.BusyError:
            pass

    # -- reading

    @contextmanager
    def reader(self) -> Iterator[apsw.Connection]:
        """This thread's connection for reading, inside one snapshot."""
        if self.shared is not None:
            with self.shared:
                yield self.writer
            return
        connection: apsw.Connection | None = getattr(self.local, "connection", None)
        try:
            if connection is None:
                connection = self.local.connection = connect(self.path, readonly=True)
                with self.lock:
                    self.readers.append(connection)
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("COMMIT")
        except apsw.Error as error:
            raise damaged(error, self.path) from error

    @contextmanager
    def guard(self) -> Iterator[None]:
        if self.shared is None:
            yield
        else:
            with self.shared:
                yield

    def get(self, tenant: str, id_: str) -> Stored | None:
        with self.reader() as connection:
            return reading.get(connection, tenant, id_)

    def query(self, query: Query) -> Page:
        with self.reader() as connection:
            return reading.query(connection, query)

    def kinds(self, tenant: str) -> list[Kind]:
        with self.reader() as connection:
            return reading.kinds(connection, tenant)

    def version(self) -> int:
        with self.reader() as connection:
            return reading.version(connection)

    def close(self) -> None:
        """End the writer, put the log into the file, close every connection."""
        self.jobs.put(None)
        self.thread.join()
        with self.lock:
            for connection in self.readers:
                connection.close()
            self.readers.clear()
        if self.shared is None:
            self.checkpoint()
        self.writer.close()


def damaged(error: apsw.Error, path: str) -> Damaged:
    """Say what SQLite met, and what to do."""
    hints = {
        apsw.FullError: "Make room on the disk; what was acknowledged is safe.",
        apsw.ReadOnlyError: "Give the folder's owner the right to write, then start again.",
        apsw.CantOpenError: "See that the folder exists and can be written.",
        apsw.BusyError: "Another process holds the pool; wait for it or end it.",
        apsw.NotADBError: "The file is no pool; restore it from a backup.",
        apsw.CorruptError: "Restore the pool from a backup.",
        apsw.IOError: "See to the disk; what was acknowledged is safe.",
    }
    hint = next((text for kind, text in hints.items() if isinstance(error, kind)), None)
    return Damaged(f"The store cannot do that: {error}.", where=Path(path).name, hint=hint)


def open_store(path: Path | str, clock: Callable[[], int] = wall_clock) -> SqliteStore:
    """Open the pool's state, making it where there is none and migrating it where it is older."""
    if str(path) != ":memory:":
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    return SqliteStore(str(path), clock)
