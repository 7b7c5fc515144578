"""What SQLite has to withstand: kills, full disks, other processes, broken and newer files."""

import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import apsw
import pytest

from landbridge.errors import Damaged
from landbridge.model.query import Has, Query
from landbridge.store import sqlite
from landbridge.store.find import search
from landbridge.store.schema import MIGRATIONS
from landbridge.store.sqlite import open_store
from store.writing import add, entity, prop

TESTS = Path(__file__).parents[1]


def put_one(store: Any, number: int, text: str = "x") -> int:
    return add(store, [entity(f"urn:x:{number}", ["Road"], {"a": prop(text)})])


def child(script: str, path: Path, **options: Any) -> "subprocess.Popen[str]":
    """Start another Python that has the store open; it prints what was acknowledged."""
    head = f"import sys\nsys.path.insert(0, {str(TESTS)!r})\nfrom store.writing import *\n"
    head += "from landbridge.errors import *\n"
    head += f"from landbridge.store.sqlite import *\nstore = open_store({str(path)!r})\n"
    return subprocess.Popen(
        [sys.executable, "-c", head + script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


WRITING = """
import threading
def client(name):
    number = 0
    while True:
        add(store, [entity(f"urn:{name}:{number}", ["Road"], {"a": prop("x" * 500)})])
        sys.stdout.write(f"urn:{name}:{number}\\n"); sys.stdout.flush()
        number += 1
for name in range(4):
    threading.Thread(target=client, args=(name,)).start()
"""


@pytest.mark.parametrize("lines", [1, 40, 300])
def test_a_kill_loses_nothing_that_was_acknowledged(tmp_path: Path, lines: int) -> None:
    path = tmp_path / "pool.db"
    process = child(WRITING, path)
    assert process.stdout is not None
    said = [process.stdout.readline().strip() for _ in range(lines)]
    process.send_signal(signal.SIGKILL)
    said += [line.strip() for line in process.stdout.read().splitlines() if line.startswith("urn:")][:-1]
    process.communicate()
    store = open_store(path)
    try:
        assert all(said)
        assert [id_ for id_ in said if store.get("", id_) is None] == []
        count = store.query(Query(types=Has("Road"), count=True)).count
        assert count == store.version() >= len(said)
        with store.reader() as connection:
            assert connection.execute("PRAGMA integrity_check").get == "ok"
    finally:
        store.close()


def test_two_processes_write_in_turn_and_number_as_one(tmp_path: Path) -> None:
    path = tmp_path / "pool.db"
    script = """
for number in range(60):
    print(add(store, [entity(f"urn:{sys.argv[0]}{os_id}:{number}", ["Road"], {"a": prop(number)})]))
store.close()
"""
    processes = [child(f"os_id = {number}\n" + script, path) for number in range(2)]
    numbers: list[int] = []
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        numbers += [int(line) for line in out.split()]
    assert sorted(numbers) == list(range(1, 121))
    store = open_store(path)
    try:
        assert store.query(Query(types=Has("Road"), count=True, limit=0)).count == 120
        with store.reader() as connection:
            times = [time for (time,) in connection.execute("SELECT recorded FROM commits ORDER BY number")]
        assert all(earlier < later for earlier, later in pairwise(times))
    finally:
        store.close()


def test_readers_see_one_snapshot_while_others_write(tmp_path: Path) -> None:
    store = open_store(tmp_path / "pool.db")
    try:
        put_one(store, 1)
        with store.reader() as connection:
            before = store.version()
            done = threading.Thread(target=put_one, args=(store, 2))
            done.start()
            done.join()
            assert (store.version(), store.get("", "urn:x:2")) == (before, None)
            assert connection.execute("SELECT count(*) FROM entity").get == 1
        assert (store.version(), store.get("", "urn:x:2") is None) == (2, False)
    finally:
        store.close()


def test_a_full_disk_is_told_with_a_hint_and_ends_with_room(tmp_path: Path) -> None:
    store = open_store(tmp_path / "pool.db")
    try:
        put_one(store, 1)
        pages = store.writer.execute("PRAGMA page_count").get
        store.writer.execute(f"PRAGMA max_page_count={pages + 4}")
        with pytest.raises(Damaged, match="full") as raised:
            put_one(store, 2, "x" * 200_000)
        assert raised.value.hint == "Make room on the disk; what was acknowledged is safe."
        assert (store.get("", "urn:x:2"), store.version()) == (None, 1)
        store.writer.execute("PRAGMA max_page_count=1000000")
        assert put_one(store, 2, "x" * 200_000) == 2
    finally:
        store.close()


def test_in_a_group_that_meets_a_full_disk_what_fits_is_still_written(tmp_path: Path) -> None:
    store = open_store(tmp_path / "pool.db")
    outcome: dict[int, str] = {}
    started, go = threading.Event(), threading.Event()

    def hold(_: Any) -> None:
        started.set()
        go.wait(30)

    def client(number: int) -> None:
        try:
            put_one(store, number, "x" * (400_000 if number == 3 else 10))
            outcome[number] = "done"
        except Damaged as error:
            outcome[number] = error.message

    try:
        put_one(store, 0)
        pages = store.writer.execute("PRAGMA page_count").get
        store.writer.execute(f"PRAGMA max_page_count={pages + 20}")
        holder = threading.Thread(target=store.write, args=(hold,))
        holder.start()
        started.wait(30)
        clients = [threading.Thread(target=client, args=(number,)) for number in range(1, 6)]
        for thread in clients:
            thread.start()
        while store.jobs.qsize() < 5:
            pass
        go.set()
        for thread in [holder, *clients]:
            thread.join()
        assert outcome.pop(3) == "The store cannot do that: database or disk is full."
        assert set(outcome.values()) == {"done"}
    finally:
        store.close()


def test_a_file_that_may_not_grow_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "pool.db"
    script = """
for number in range(1000):
    try:
        add(store, [entity(f"urn:x:{number}", ["Road"], {"a": prop("x" * 5000)})])
    except Damaged as error:
        print(error); break
    print(number)
"""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    out, err = child(script, path, preexec_fn=limit).communicate(timeout=120)
    *said, last = out.splitlines()
    assert "what was acknowledged is safe" in last, (out, err)
    assert len(said) > 10
    store = open_store(path)
    try:
        assert [number for number in said if store.get("", f"urn:x:{number}") is None] == []
        assert put_one(store, 9999) > len(said)
    finally:
        store.close()


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "pool.db"
    open_store(path).close()
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(Damaged, match="schema version 99") as raised:
        open_store(path)
    assert raised.value.hint is not None
    connection = apsw.Connection(str(path))
    assert connection.execute("PRAGMA user_version").get == 99
    connection.close()


def test_an_older_file_is_migrated_and_keeps_what_it_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "pool.db"
    store = open_store(path)
    put_one(store, 1)
    store.close()
    monkeypatch.setattr(sqlite, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE later (x); INSERT INTO later VALUES (1);"))
    store = open_store(path)
    try:
        assert store.get("", "urn:x:1") is not None
        with store.reader() as connection:
            assert connection.execute("SELECT x FROM later").get == 1
            assert connection.execute("PRAGMA user_version").get == len(MIGRATIONS) + 1
    finally:
        store.close()


def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "pool.db"
    open_store(path).close()
    monkeypatch.setattr(sqlite, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE later (x);", "CREATE TABLE later (x);"))
    with pytest.raises(Damaged, match="already exists"):
        open_store(path)
    connection = apsw.Connection(str(path))
    assert connection.execute("PRAGMA user_version").get == len(MIGRATIONS)
    assert connection.execute("SELECT count(*) FROM sqlite_schema WHERE name='later'").get == 0
    connection.close()


def a_text(path: Path) -> None:
    path.write_text("This is a letter to the mayor. " * 200)


def a_torn_file(path: Path) -> None:
    store = open_store(path)
    for number in range(200):
        put_one(store, number, "x" * 2000)
    store.close()
    with path.open("r+b") as file:
        file.seek(4096 * 2)
        file.write(os.urandom(4096 * 40))


@pytest.mark.parametrize(("spoil", "hint"), [(a_text, "is no pool"), (a_torn_file, "from a backup")])
def test_a_file_that_is_no_pool_or_broken_is_named(tmp_path: Path, spoil: Callable[[Path], None], hint: str) -> None:
    path = tmp_path / "pool.db"
    spoil(path)
    with pytest.raises(Damaged) as raised:
        store = open_store(path)
        try:
            with store.reader() as connection:
                connection.execute("SELECT sum(length(doc)) FROM entity").fetchall()
        finally:
            store.close()
    assert raised.value.where == "pool.db"
    assert raised.value.hint is not None
    assert hint in raised.value.hint


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Damaged, match="folder"):
        open_store(tmp_path / "file" / "pool.db")


def test_a_closed_store_says_so_and_closing_twice_is_no_harm(tmp_path: Path) -> None:
    store = open_store(tmp_path / "pool.db")
    put_one(store, 1)
    store.close()
    store.close()
    for use in (lambda: put_one(store, 2), store.version):
        with pytest.raises(Damaged, match="closed"):
            use()
    assert not (tmp_path / "pool.db-wal").exists()


def test_the_log_is_copied_back_between_commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "WAL_PAGES", 50)
    store = open_store(tmp_path / "pool.db")
    try:
        for number in range(300):
            put_one(store, number, "x" * 4000)
        assert (tmp_path / "pool.db-wal").stat().st_size < 150 * 4096
        assert (tmp_path / "pool.db").stat().st_size > 250 * 4096
    finally:
        store.close()


def test_connections_for_reading_are_used_again(tmp_path: Path) -> None:
    store = open_store(tmp_path / "pool.db")
    try:
        put_one(store, 1)
        for _ in range(50):
            thread = threading.Thread(target=store.get, args=("", "urn:x:1"))
            thread.start()
            thread.join()
        assert len(store.idle) == 1
    finally:
        store.close()


def test_names_are_found_in_every_language_and_by_id(tmp_path: Path) -> None:
    store = open_store(tmp_path / "pool.db")
    names = {"type": "LanguageProperty", "languageMap": {"en": "Binhai New Area", "zh": ["滨海新区"]}}
    add(
        store,
        [
            entity("urn:ngsi-ld:Area:120116", ["Area"], {"name": names}),
            entity("urn:ngsi-ld:Area:120117", ["Area"], {"name": prop("100% of _all_")}),
            entity("urn:ngsi-ld:Area:120118", ["Area"], {"note": prop("Binhai")}),
        ],
    )
    try:
        with store.reader() as connection:

            def found(text: str, limit: int = 9) -> list[str]:
                return [stored.id[-1] for stored in search(connection, store.kinds(""), text, limit)]

            assert found("滨海") == found("binhai new") == ["6"]
            assert found("area:1201") == ["6", "7", "8"]
            assert found("area:1201", 2) == ["6", "7"]
            assert found("%") == ["7"]
            assert found("_all_") == ["7"]
            assert found("languageMap") == found("Property") == []
    finally:
        store.close()
