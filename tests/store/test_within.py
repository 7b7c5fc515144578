"""Work inside a commit that others share: all of it or nothing, answered once it is on disk, seen by itself at once."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from landbridge.errors import Damaged, Missing
from landbridge.store.sqlite import SqliteStore, open_store
from landbridge.store.transaction import SqliteTransaction

Outcome = tuple[Any, BaseException | None]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    found = open_store(tmp_path / "pool.db")
    yield found
    found.close()


def put(name: str, value: str) -> Callable[[SqliteTransaction], int]:
    def job(transaction: SqliteTransaction) -> int:
        transaction.put_meta(name, value)
        return transaction.number

    return job


def kept(store: SqliteStore) -> dict[str, str]:
    with store.reader() as connection:
        return dict(connection.execute("SELECT name, value FROM meta WHERE name LIKE 'test%'"))


def together(store: SqliteStore, *works: Callable[[], Any]) -> list[Outcome]:
    """Run works in one commit: they wait while the writer is held up."""
    held, free = threading.Event(), threading.Event()
    outcomes: list[Outcome] = [(None, None)] * len(works)
    done = threading.Semaphore(0)

    def hold(transaction: SqliteTransaction) -> None:
        held.set()
        free.wait(30)

    first = threading.Thread(target=lambda: store.write(hold))
    first.start()
    held.wait(30)
    for place, work in enumerate(works):

        def then(answer: Any, reason: BaseException | None, place: int = place) -> None:
            outcomes[place] = answer, reason
            done.release()

        store.within(work, then)
    free.set()
    first.join()
    for _ in works:
        assert done.acquire(timeout=30)
    return outcomes


def test_each_has_a_commit_of_its_own_and_sees_what_was_before_it(store: SqliteStore) -> None:
    def read_and_write() -> tuple[dict[str, str], int]:
        number = store.write(put("test b", "2"))
        return kept(store), number

    found = together(store, lambda: store.write(put("test a", "1")), read_and_write)
    (first, _), ((seen, second), _) = found
    assert second == first + 1
    assert seen == {"test a": "1", "test b": "2"} == kept(store)


def test_one_that_fails_is_undone_alone_as_far_as_it_did_not_commit(store: SqliteStore) -> None:
    def fail(transaction: SqliteTransaction) -> None:
        transaction.put_meta("test no", "x")
        raise Missing("There is none.")

    def work() -> None:
        store.write(put("test told", "1"))
        store.write(fail)

    (_, reason), (answer, none) = together(store, work, lambda: store.write(put("test yes", "1")))
    assert isinstance(reason, Missing)
    assert none is None
    assert answer > 0
    assert kept(store) == {"test told": "1", "test yes": "1"}


def test_numbers_of_commits_have_no_gap_where_one_failed(store: SqliteStore) -> None:
    def fail(transaction: SqliteTransaction) -> None:
        raise Missing("There is none.")

    (first, _), (_, reason), (last, _) = together(
        store,
        lambda: store.write(put("test", "1")),
        lambda: store.write(fail),
        lambda: store.write(put("test", "2")),
    )
    assert isinstance(reason, Missing)
    assert last == first + 1
    with store.reader() as connection:
        numbers = [number for (number,) in connection.execute("SELECT number FROM commits ORDER BY number")]
    assert numbers == list(range(1, last + 1))


def test_where_sqlite_fails_the_others_go_through_and_the_work_hears_of_it(store: SqliteStore) -> None:
    """Also where the work hides it: what SQLite gave up may be more than one savepoint."""
    runs: list[str] = []

    def break_it(transaction: SqliteTransaction) -> None:
        transaction.put_meta("test no", "x")
        transaction.connection.execute("ROLLBACK")
        raise apsw.FullError("no room")

    def hides() -> str:
        runs.append("hides")
        with contextlib.suppress(Damaged):
            store.write(break_it)
        return "fine"

    (first, _), (_, reason), (last, _) = together(
        store, lambda: store.write(put("test a", "1")), hides, lambda: store.write(put("test b", "2"))
    )
    assert isinstance(reason, Damaged)
    assert last > first
    assert kept(store) == {"test a": "1", "test b": "2"}
    assert len(runs) == 2  # once with the others, once alone


def test_jobs_and_guests_share_a_commit(store: SqliteStore) -> None:
    numbers = [0]

    def other() -> None:
        numbers[0] = store.write(put("test c", "3"))

    thread = threading.Thread(target=other)

    def work() -> int:
        thread.start()
        return store.write(put("test d", "4"))

    ((answer, reason),) = together(store, work)
    thread.join()
    assert reason is None
    assert answer != numbers[0]
    assert kept(store) == {"test c": "3", "test d": "4"}


def test_an_answer_comes_once_it_is_on_disk(store: SqliteStore, tmp_path: Path) -> None:
    seen: list[dict[str, str]] = []
    done = threading.Event()
    other = SqliteStore(str(tmp_path / "pool.db"))

    def then(answer: Any, reason: BaseException | None) -> None:
        seen.append(kept(other))
        done.set()

    store.within(lambda: store.write(put("test", "1")), then)
    assert done.wait(30)
    other.close()
    assert seen == [{"test": "1"}]


def test_a_closed_store_takes_nobody_in(tmp_path: Path) -> None:
    store = open_store(tmp_path / "pool.db")
    store.close()
    with pytest.raises(Damaged):
        store.within(lambda: None, lambda answer, reason: None)
