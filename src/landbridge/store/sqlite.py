"""The pool's state in one SQLite file: one writer that commits in groups, readers apart.

Every commit is on disk before its answer (`synchronous=FULL`). Writers of one process queue at one thread, which
puts what waits into one transaction; processes take turns by SQLite's own lock. No other SQLite library may open
the file in the same process (the standard library's is another one): two of them break each other's locks.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

import apsw

from landbridge.errors import Damaged, TakesLonger
from landbridge.model.answer import Page
from landbridge.model.query import Query
from landbridge.store import reading
from landbridge.store.contract import Kind, Stored
from landbridge.store.find import add_index
from landbridge.store.function import FUNCTIONS
from landbridge.store.pattern import add_patterns
from landbridge.store.road import Known
from landbridge.store.schema import MIGRATIONS
from landbridge.store.transaction import SqliteTransaction

T = TypeVar("T")
Stamp = tuple[str, str, str, str | None, int | None]  # tenant, actor, request, source, run
Work = tuple[Callable[[SqliteTransaction], Any], Stamp | None, "Future[Any]"]  # no stamp: no commit of its own
Then = Callable[[Any, BaseException | None], None]
Guest = tuple[Callable[[], Any], Then]
Job = Work | Guest

BUSY_MS = 60_000
PATIENCE_MS = 500  # how long a closing store waits for others to let the log be copied back
GROUP = 128  # jobs in one transaction at most
STEPS, LOOK_SECONDS = 2_000, 20e-6  # of SQLite between two looks at the clock, and about how long they take
LAST = "SELECT number, recorded FROM commits ORDER BY number DESC LIMIT 1"
MOST_INDEXES = 64  # made on demand by one process
WAL_PAGES = 16_000  # about 64 MB: copy the log back into the file, between two commits


def wall_clock() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000


def connect(path: str, *, readonly: bool = False) -> apsw.Connection:
    """Open a connection as this store uses it."""
    flags = apsw.SQLITE_OPEN_READONLY if readonly else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    connection = apsw.Connection(path, flags=flags)
    connection.set_busy_timeout(BUSY_MS)
    connection.execute("PRAGMA cache_size=-16384; PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF")
    for name, function in FUNCTIONS.items():
        connection.create_scalar_function(name, function, deterministic=True)
    add_patterns(connection)
    return connection


def migrate(connection: apsw.Connection) -> None:
    """Bring the file's tables up to this version. Refuses a file of a newer one."""
    if check_version(connection) == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for number in range(check_version(connection), len(MIGRATIONS)):
            connection.execute(MIGRATIONS[number])
            connection.execute(f"PRAGMA user_version={number + 1}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def check_version(connection: apsw.Connection) -> int:
    """How many migrations the file has had. Raises Damaged where that is more than there are."""
    found = int(connection.execute("PRAGMA user_version").get)
    if found > len(MIGRATIONS):
        raise Damaged(
            f"The pool has schema version {found}, and this Landbridge knows {len(MIGRATIONS)}.",
            hint="Install the version that wrote it, or a later one.",
        )
    return found


class Bound:
    """The end of what a read may take: so much work of SQLite, and ten times as long where it has to wait for others.

    Work is counted in steps, for a clock runs on while others have the processor.
    """

    def __init__(self, seconds: float) -> None:
        self.left = int(seconds / LOOK_SECONDS)
        self.clock = perf_counter() + 10 * seconds

    def is_over(self) -> bool:
        self.left -= 1
        return self.left < 0 or perf_counter() > self.clock


class SqliteStore:
    """A pool's state in a file (or in memory, for tests: `:memory:` has one connection for all)."""

    def __init__(self, path: str, clock: Callable[[], int] = wall_clock) -> None:
        self.path = path
        self.clock = clock
        self.jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self.local = threading.local()
        self.idle: list[apsw.Connection] = []
        self.lock = threading.Lock()
        self.roads = Known()
        self.wished: set[tuple[int, int]] = set()
        self.closed = False
        self.shared = threading.RLock() if path == ":memory:" else None
        self.wal_pages = 0
        self.last: tuple[int, int | None] | None = None  # the last commit, once the transaction has looked it up
        self.broken: apsw.Error | None = None  # what SQLite met while a guest wrote
        self.told: Callable[[], None] | None = None  # called after each commit of this process, by its writer
        self.writer = self.open_writer()
        self.thread = threading.Thread(target=self.run, name="store-writer", daemon=True)
        self.thread.start()

    def open_writer(self) -> apsw.Connection:
        try:
            connection = connect(self.path)
        except apsw.Error as error:
            raise damaged(error, self.path) from error
        try:
            if self.shared is None:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA synchronous=FULL")
                connection.wal_autocheckpoint(0)
                connection.set_wal_hook(self.note_wal)
            migrate(connection)
        except Damaged:
            connection.close()
            raise
        except apsw.Error as error:
            connection.close()
            raise damaged(error, self.path) from error
        return connection

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
        """Run `job(transaction)` as one commit; return its answer once the commit is on disk.

        What the job raises is raised here, and nothing of it is written. Raises Damaged where the disk fails.
        """
        stamp = (tenant, actor, request, source, run)
        return self.as_guest(job, stamp) if self.has_guest() else self.queue(job, stamp).result()

    def tend(self, job: Callable[[SqliteTransaction], T]) -> T:
        """Run `job(transaction)` like `write`, without a commit of its own in the record: it changes no facts."""
        return self.as_guest(job, None) if self.has_guest() else self.queue(job, None).result()

    def within(self, work: Callable[[], T], then: Callable[[T | None, BaseException | None], None]) -> None:
        """Run `work()` inside a commit that may have others in it: what it writes by `write` is part of that.

        It runs in the writer's thread, so it is to be short and must not wait for anything else. `then` is called, also
        there, with its answer or what it raised once the commit is on disk; or with Damaged. Raises Damaged.
        """
        with self.lock:
            if self.closed:
                raise Damaged("The store is closed.", where=Path(self.path).name)
            self.jobs.put((work, then))

    def has_guest(self) -> bool:
        """Whether this is the writer's thread, at work for a guest."""
        return getattr(self.local, "guest", False)

    def as_guest(self, job: Callable[[SqliteTransaction], T], stamp: Stamp | None) -> T:
        try:
            answer: T = self.perform(job, stamp)
        except apsw.Error as error:
            self.broken = error
            raise damaged(error, self.path) from error
        return answer

    def queue(self, job: Callable[[SqliteTransaction], T], stamp: Stamp | None) -> "Future[T]":
        answer: Future[T] = Future()
        with self.lock:
            if self.closed:
                raise Damaged("The store is closed.", where=Path(self.path).name)
            self.jobs.put((job, stamp, answer))
        return answer

    def run(self) -> None:
        """Take what waits, commit it as one group, answer; until told to end."""
        while (first := self.jobs.get()) is not None:
            group, ending = [first], False
            while len(group) < GROUP and not self.jobs.empty():
                job = self.jobs.get()
                if job is None:
                    ending = True
                    break
                group.append(job)
            self.commit(group)
            if ending:
                return

    def commit(self, group: list[Job]) -> None:
        """Commit a group and answer. A failing job is undone alone; where SQLite itself fails, each job goes singly."""
        try:
            with self.guard():
                outcome = self.attempt(group)
        except apsw.Error as error:
            if len(group) > 1:
                for job in group:
                    self.commit([job])
            else:
                self.answer(group[0], None, damaged(error, self.path))
            return
        for job, (value, reason) in zip(group, outcome, strict=True):
            self.answer(job, value, reason)
        if self.told is not None:
            self.told()
        if self.wal_pages > WAL_PAGES:
            self.checkpoint("PASSIVE")

    def answer(self, job: Job, value: Any, reason: BaseException | None) -> None:
        if len(job) == 2:
            job[1](value, reason)
        elif reason is None:
            job[2].set_result(value)
        else:
            job[2].set_exception(reason)

    def attempt(self, group: list[Job]) -> list[tuple[Any, BaseException | None]]:
        """Run a group's jobs in one transaction: what each answered or raised. Raises apsw.Error, with nothing done."""
        self.last = None  # other processes commit too
        first = group[0]
        if len(group) == 1 and len(first) == 3:
            return [self.alone(first[0], first[1])]
        outcome: list[tuple[Any, BaseException | None]] = []
        self.writer.execute("BEGIN IMMEDIATE")
        try:
            for job in group:
                try:
                    done = self.host(job[0]) if len(job) == 2 else self.perform(job[0], job[1])
                    outcome.append((done, None))
                except apsw.Error:
                    raise
                except BaseException as error:
                    outcome.append((None, error))
            self.writer.execute("COMMIT")
        except BaseException:
            if self.writer.in_transaction:
                self.writer.execute("ROLLBACK")
            raise
        return outcome

    def host(self, work: Callable[[], Any]) -> Any:
        """Run a guest's work in this thread: it reads what the transaction has written, and writes into it."""
        self.local.guest, self.local.connection = True, self.writer
        self.broken = None
        try:
            return work()
        finally:
            self.local.guest, self.local.connection = False, None
            if self.broken is not None:  # whatever the work made of it
                raise self.broken

    def alone(self, job: Callable[[SqliteTransaction], Any], stamp: Stamp | None) -> tuple[Any, BaseException | None]:
        """Run one job as a transaction of its own: a bulk load's. Raises apsw.Error, with nothing done.

        Without a savepoint, which would keep the former state of every page that the job changes, in memory.
        """
        self.writer.execute("BEGIN IMMEDIATE")
        try:
            number, recorded = self.stamped(stamp)
            answer = job(SqliteTransaction(self.writer, number, recorded))
            self.writer.execute("COMMIT")
        except BaseException as error:
            if self.writer.in_transaction:
                self.writer.execute("ROLLBACK")
            elif not isinstance(error, apsw.Error):  # the job hid that SQLite gave the transaction up
                raise apsw.AbortError(str(error)) from error
            if isinstance(error, apsw.Error):
                raise
            return None, error
        return answer, None

    def perform(self, job: Callable[[SqliteTransaction], Any], stamp: Stamp | None) -> Any:
        """Run one job inside a savepoint, with the next number and a time that never goes back."""
        last = self.last
        self.writer.execute("SAVEPOINT job")
        try:
            number, recorded = self.stamped(stamp)
            answer = job(SqliteTransaction(self.writer, number, recorded))
        except BaseException as error:
            self.last = last
            if self.writer.in_transaction:
                self.writer.execute("ROLLBACK TO job")
                self.writer.execute("RELEASE job")
            elif not isinstance(error, apsw.Error):  # the job hid that SQLite gave the whole group up
                raise apsw.AbortError(str(error)) from error
            raise
        self.writer.execute("RELEASE job")
        return answer

    def stamped(self, stamp: Stamp | None) -> tuple[int, int]:
        """Begin a commit: its number and recorded time."""
        if self.last is None:
            self.last = self.writer.execute(LAST).get or (0, None)
        last = self.last
        if stamp is None:
            return last[0], last[1] or 0
        number = last[0] + 1
        recorded = self.clock() if last[1] is None else max(self.clock(), last[1] + 1)
        self.writer.execute("INSERT INTO commits VALUES (?, ?, ?, ?, ?, ?, ?)", (number, recorded, *stamp))
        self.last = number, recorded
        return number, recorded

    def note_wal(self, _: apsw.Connection, __: str, pages: int) -> int:
        self.wal_pages = pages
        return apsw.SQLITE_OK

    def checkpoint(self, mode: str = "TRUNCATE") -> None:
        """Copy the log back into the file; a reader in the way leaves the rest for later."""
        modes = {"PASSIVE": apsw.SQLITE_CHECKPOINT_PASSIVE, "TRUNCATE": apsw.SQLITE_CHECKPOINT_TRUNCATE}
        try:
            self.writer.wal_checkpoint(mode=modes[mode])
            self.wal_pages = 0
        except apsw.Error:
            pass  # what is committed is in the log, and stays there; the next write says what is wrong

    # -- reading

    @contextmanager
    def reader(self) -> Iterator[apsw.Connection]:
        """A connection for reading, inside one snapshot; the same one for this thread's reads within."""
        if self.shared is not None:
            with self.shared:
                yield self.writer
            return
        inner: apsw.Connection | None = getattr(self.local, "connection", None)
        if inner is not None:
            yield inner
            return
        until: Bound | None = getattr(self.local, "until", None)
        try:
            connection = self.take_reader()
            self.local.connection = connection
            try:
                if until is not None:
                    connection.set_progress_handler(until.is_over, STEPS)
                connection.execute("BEGIN")
                yield connection
            finally:
                self.local.connection = None
                if until is not None:
                    connection.set_progress_handler(None)
                self.give_back(connection)
        except apsw.InterruptError as error:
            raise TakesLonger from error
        except apsw.Error as error:
            raise damaged(error, self.path) from error

    @contextmanager
    def in_time(self, seconds: float) -> Iterator[None]:
        """Bound the reads of this thread: one that takes longer raises TakesLonger."""
        self.local.until = Bound(seconds)
        try:
            yield
        finally:
            self.local.until = None

    def take_reader(self) -> apsw.Connection:
        with self.lock:
            if self.closed:
                raise Damaged("The store is closed.", where=Path(self.path).name)
            if self.idle:
                return self.idle.pop()
        return connect(self.path, readonly=True)

    def forget(self) -> None:
        """Let go of the pages that connections for reading keep in memory; those in use go when they are given back."""
        with self.lock:
            idle, self.idle = self.idle, []
        for connection in idle:
            connection.close()

    def give_back(self, connection: apsw.Connection) -> None:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        with self.lock:
            if not self.closed:
                self.idle.append(connection)
                return
        connection.close()

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
            return reading.query(connection, query, self.wish, self.roads)

    def wish(self, kind: Kind, slot: int) -> None:
        """Have an index over a kind's column made, once, after what waits to be written."""
        with self.lock:
            if (kind.num, slot) in self.wished or len(self.wished) >= MOST_INDEXES or self.closed:
                return
            self.wished.add((kind.num, slot))
            self.jobs.put((lambda transaction: add_index(transaction.connection, kind, slot), None, Future()))

    def kinds(self, tenant: str) -> list[Kind]:
        with self.reader() as connection:
            return reading.kinds(connection, tenant)

    def version(self) -> int:
        with self.reader() as connection:
            return reading.version(connection)

    def close(self) -> None:
        """Finish what was asked, put the log into the file, close every connection."""
        with self.lock:
            if self.closed:
                return
            self.closed = True
            self.jobs.put(None)
        self.thread.join()
        with self.lock:
            for connection in self.idle:
                connection.close()
            self.idle.clear()
        if self.shared is None:
            self.writer.set_busy_timeout(PATIENCE_MS)
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
        apsw.IOError: "See to the disk, which may be full; what was acknowledged is safe.",
    }
    hint = next((text for kind, text in hints.items() if isinstance(error, kind)), None)
    return Damaged(f"The store cannot do that: {error}.", where=Path(path).name, hint=hint)


def open_store(path: Path | str, clock: Callable[[], int] = wall_clock) -> SqliteStore:
    """Open the pool's state, making it where there is none and migrating it where it is older.

    Raises Damaged for a file that is no pool, cannot be opened, or was written by a newer version.
    """
    if str(path) != ":memory:":
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Damaged(f"The pool's folder cannot be made: {error.strerror}.", where=str(path)) from error
    return SqliteStore(str(path), clock)
