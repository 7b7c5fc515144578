"""Files are joined and corrections folded: no line comes or goes, what stood still stands, what hides is still told."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from feeding import City, micro
from landbridge.history import compact as module
from landbridge.history.backfill import publish
from landbridge.history.compact import choice, fold, join, sweep
from landbridge.history.drain import Drain
from landbridge.history.lake import File, Lake, LakeTable
from landbridge.history.line import Line, standing
from landbridge.history.log import mend, whole_commit
from landbridge.history.trim import Window
from landbridge.history.upkeep import GRACE, Upkeep
from landbridge.model.temporal import ENTITY
from landbridge.store import manifest
from landbridge.store.contract import Entry
from made_lake import HOUR, all_lines, drain_all, drained_lines, history, journalled, lake_rows, lively, write_more

Place = tuple[int, int]


def full_lake(tmp_path: Path, rounds: int = 6) -> tuple[City, Lake, LakeTable]:
    """A lake of many small files with corrections across them."""
    city = lively(tmp_path / "pool.db", small=True)
    lake = history(tmp_path)
    drain = Drain(city.store, lake)
    for round_ in range(rounds):
        drain_all(drain)
        write_more(city, 7 + round_ % 3, small=True)  # after three rounds at the times of former ones
        clear_some(city, round_)
    drain_all(drain)
    table = lake.table("T")
    assert table is not None and len(table.snapshot().files) > rounds
    return city, lake, table


def clear_some(city: City, round_: int) -> None:
    """Clear a series, or all of an entity, and say something of it again."""

    def job(transaction: Any) -> None:
        key = transaction.connection.execute("SELECT key FROM name WHERE id=?", (f"urn:x:{3 + round_}",)).get
        attribute, dataset = (ENTITY, None) if round_ % 2 else ("n", None)
        text = '{"type":"Property","value":99,"observedAt":"2026-01-01T00:00:00Z"}'
        transaction.record(
            [
                Entry(key, attribute, 0, dataset, "api", None, "clear", None),
                Entry(key, "n", 1, None, "api", micro("2026-01-01T00:00Z"), "set", text),
            ]
        )

    city.store.write(job)


def standing_places(rows: Sequence[dict[str, Any]], as_of: int | None = None) -> set[Place]:
    """The lines that count by the rules alone, whatever `until` says."""
    by_entity: dict[str, list[Line]] = {}
    for row in rows:
        by_entity.setdefault(row["entity"], []).append(line_of(row))
    return {line.place for some in by_entity.values() for line in standing(some, as_of) if line.attribute != ENTITY}


def line_of(row: dict[str, Any]) -> Line:
    replaces = None if row["replaces_commit"] is None else (row["replaces_commit"], row["replaces_ordinal"])
    return Line(
        row["attribute"], row["dataset"], row["time"] if row["timed"] else None, row["recorded"], row["commit"],
        row["ordinal"], row["source"], row["operation"], None, replaces,
    )  # fmt: skip


def unhidden(rows: Sequence[dict[str, Any]], as_of: int | None = None) -> set[Place]:
    """The lines that count for a reader who looks at `until` and at nothing else."""
    return {
        (row["commit"], row["ordinal"])
        for row in rows
        if row["operation"] in ("set", "delete") and row["attribute"] != ENTITY
        and (as_of is None or row["recorded"] <= as_of)
        and (row["until"] is None or (as_of is not None and row["until"] > as_of))
    }  # fmt: skip


def bare(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(({**row, "until": None} for row in rows), key=lambda row: (row["commit"], row["ordinal"]))


def test_folding_says_of_each_line_how_long_it_stood(tmp_path: Path) -> None:
    city, _, table = full_lake(tmp_path)
    before = list(lake_rows(table))
    assert table.snapshot().corrected and len(unhidden(before)) > len(standing_places(before)) + 500
    assert fold(table, city.clock(), worth=0) is None  # too dear for so few
    assert fold(table, city.clock()) == sum(row["replaces_commit"] is not None for row in before) + 6
    now = table.snapshot()
    rows = list(lake_rows(table))
    assert not now.corrected and bare(rows) == bare(before)
    moments = [*range(min(row["recorded"] for row in rows), max(row["recorded"] for row in rows) + 2, 7), None]
    for moment in [*random.Random(3).sample(moments, 6), None]:
        assert unhidden(rows, moment) == standing_places(before, moment)
    assert fold(table, city.clock()) is None
    city.close()


def test_corrections_wait_no_longer_than_a_day(tmp_path: Path) -> None:
    city, _, table = full_lake(tmp_path, 1)
    assert fold(table, city.clock(), worth=0) is None
    assert fold(table, city.clock() + 25 * HOUR, worth=0) is not None and not table.snapshot().corrected
    city.close()


@pytest.mark.parametrize("part", [50, 1_000_000])
def test_joining_keeps_every_line_and_the_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: int) -> None:
    monkeypatch.setattr(module, "PART", part)
    city, lake, table = full_lake(tmp_path, 5)
    before, count = drained_lines(lake), len(table.snapshot().files)
    places = standing_places(list(lake_rows(table)))
    assert join(table, fewest=3) is not None
    now = table.snapshot()
    assert len(now.files) < count and drained_lines(lake) == before == journalled(city.store)
    assert standing_places(list(lake_rows(table))) == places
    for file in now.files:
        order = [
            (row["tenant"], row["attribute"], row["entity"], row["time"], row["commit"], row["ordinal"])
            for row in table.read(file).to_pylist()
        ]
        assert order == sorted(order) and len(order) == file.rows
        times = [row[3] for row in order]
        assert (file.first, file.last) == (micros(min(times)), micros(max(times)))
    drain_all(Drain(city.store, lake))
    assert all_lines(city.store, lake) == before
    city.close()


def micros(moment: Any) -> int:
    return int(moment.timestamp() * 1_000_000 + 0.5)


def test_each_line_is_written_anew_a_few_times_at_most() -> None:
    """However many small files come, and in whatever sizes."""
    chance, written, files = random.Random(5), 0, list[File]()
    for number in range(3_000):
        rows = chance.choice([1, 40, 500, 8_000, 300_000])
        files.append(made_file(number, rows))
        while chosen := choice(files):
            assert sum(file.rows for file in chosen) <= module.LARGE
            written += sum(file.rows for file in chosen)
            names = {file.name for file in chosen}
            files = [file for file in files if file.name not in names]
            files.append(made_file(10_000 + number, sum(file.rows for file in chosen)))
    total = sum(file.rows for file in files)
    assert written < 7 * total and len(files) < 2 * total / module.LARGE + 30


def made_file(number: int, rows: int) -> File:
    return File("", rows, 0, 0, 0, f"{number:06}-{rows}", 0, 0, 0, 0, "")


def test_what_others_changed_meanwhile_is_not_joined(tmp_path: Path) -> None:
    city, lake, table = full_lake(tmp_path, 5)
    before = drained_lines(lake)
    other = history(tmp_path).table("T")
    assert other is not None
    files = choice(table.snapshot().files)
    made = table.write_parts(module.parts(table, files), 0, 99, corrects=True)
    assert join(other, fewest=3) is not None  # somebody else is quicker
    assert not module.replace(table, [made], files)
    assert not Path(made.path).exists() and drained_lines(lake) == before
    city.close()


def test_what_was_given_up_goes_after_a_time_of_grace(tmp_path: Path) -> None:
    city, _, table = full_lake(tmp_path, 5)
    folder = Path(table.address)
    old = {file.name for file in table.snapshot().files}
    assert join(table, fewest=3) is not None
    now = {file.name for file in table.snapshot().files}
    (folder / "0-0-left.parquet").write_bytes(b"what a kill left")
    (folder / "0-0-named.parquet").write_bytes(b"what a backfill will publish")
    clock = (folder / "0-0-named.parquet").stat().st_mtime_ns // 1000
    assert sweep(table, {"0-0-named.parquet"}, clock, GRACE, True) == []
    assert sweep(table, {"0-0-named.parquet"}, clock + 2 * GRACE, GRACE, False) == []
    assert sweep(table, {"0-0-named.parquet"}, clock + 2 * GRACE, GRACE, True) == ["0-0-left.parquet"]
    assert sorted(sweep(table, {"0-0-named.parquet"}, clock, 0, False)) == sorted(old - now)
    assert {path.name for path in folder.glob("*.parquet")} == now | {"0-0-named.parquet"}
    city.close()


def test_upkeep_does_all_of_it_and_leaves_what_a_backfill_has_named(tmp_path: Path) -> None:
    city = lively(tmp_path / "pool.db", small=True)
    upkeep = Upkeep(city.store, city.lake, Window(0, 0), grace=0)
    for seed in (7, 8, 7, 9, 7, 8, 9, 7):
        write_more(city, seed, small=True)
        while upkeep.step().more:
            pass
    wanted = all_lines(city.store, city.lake)
    table = city.lake.table("T")
    assert table is not None
    named = table.write(table.read(table.snapshot().files[0]), corrects=False)
    city.store.write(lambda transaction: manifest.begin(transaction, "past", 1, 0))
    while not upkeep.tend().idle:
        pass
    files = len(table.snapshot().files)
    assert files >= 8 and Path(named.path).exists()  # nothing is joined while a backfill is under way
    city.store.write(lambda transaction: manifest.take_back(transaction, "past"))
    while not (done := upkeep.tend()).idle:
        assert not done.troubles
    assert len(table.snapshot().files) < files and not table.snapshot().corrected
    with city.store.reader() as connection:
        assert connection.execute("SELECT count(*) FROM segment").get == 0
    assert all_lines(city.store, city.lake) == wanted
    assert publish(city.store, city.lake) == 0
    city.close()


# -- the log


def test_the_log_is_put_into_one_file_and_still_tells_all(tmp_path: Path) -> None:
    city, _, table = full_lake(tmp_path, 3)
    assert table.checkpoint(4) and not table.checkpoint(4)
    log = Path(table.address) / "_delta_log"
    assert (log / "_last_checkpoint").exists()
    again = history(tmp_path)
    assert drained_lines(again) == journalled(city.store)
    newest = sorted(log.glob("*.checkpoint.parquet"))[-1]
    newest.write_bytes(newest.read_bytes()[:100])  # as a failure of the power leaves it
    assert set(again.mend("T")) == {newest.name, "_last_checkpoint"}
    assert drained_lines(history(tmp_path)) == journalled(city.store)
    city.close()


@pytest.mark.parametrize("left", ["nothing", "zeros", "half", "all but the last line"])
def test_a_commit_of_which_the_power_left_a_part_is_done_again(tmp_path: Path, left: str) -> None:
    city = lively(tmp_path / "pool.db", small=True)
    lake = history(tmp_path)
    drain_all(Drain(city.store, lake))
    write_more(city, 8, small=True)
    drain_all(Drain(city.store, lake))
    table = lake.table("T")
    assert table is not None
    last = sorted((Path(table.address) / "_delta_log").glob("*.json"))[-1]
    content = last.read_bytes()
    assert whole_commit(content) and mend(lake.place, table.folder) == []
    parts = {"nothing": b"", "zeros": bytes(len(content)), "half": content[: len(content) // 2]}
    last.write_bytes(parts.get(left, b"\n".join(content.splitlines()[:-1]) + b"\n"))
    city.store.tend(lambda transaction: transaction.connection.execute("UPDATE drained SET number = 0"))
    again = history(tmp_path)
    drain_all(Drain(city.store, again))
    assert drained_lines(again) == journalled(city.store)
    city.close()
