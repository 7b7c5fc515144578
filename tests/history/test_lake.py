"""The lake as an open interface: Delta tables that any reader can read, and clear words where one cannot be read."""

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pytest

from landbridge.errors import Damaged
from landbridge.history.compact import parts
from landbridge.history.drain import Drain
from landbridge.history.lake import SCHEMA, Lake, LakeTable, folder_of
from landbridge.history.said import points
from made_lake import TYPES, Remembering, all_lines, drain_all, drained_lines, history, journalled, lively, write_more


@pytest.fixture
def city(tmp_path: Path) -> Remembering:
    made = lively(tmp_path / "pool.db", small=True)
    drain_all(Drain(made.store, made.lake))
    return made


def table_of(city: Remembering, type_: str = "T") -> LakeTable:
    table = Lake(city.lake.root).table(type_)
    assert table is not None
    return table


def test_each_type_has_a_table_with_the_declared_columns(city: Remembering) -> None:
    assert city.lake.types() == sorted(TYPES) == Lake(city.lake.root).types()
    for type_ in TYPES:
        table = table_of(city, type_)
        assert table.folder == folder_of(type_) and table.folder.isascii() and "/" not in table.folder
        frame = pl.read_delta(table.address)
        assert frame.to_arrow().column_names == SCHEMA.names
        files = f"read_parquet('{table.address}/*.parquet')"
        told = duckdb.sql(f"select count(*), count(distinct (commit, ordinal)) from {files}")
        assert told is not None
        (seen,) = told.fetchall()
        assert seen == (frame.height, frame.height)
        assert pa.schema(table.delta.schema().to_arrow()).names == SCHEMA.names
    assert history(Path(city.lake.root)).types() == [] and Lake(city.lake.root).table("Other") is None
    city.close()


def test_the_log_names_no_entity(city: Remembering) -> None:
    """What was erased must leave no trace, and the log's old entries stay."""
    for type_ in TYPES:
        for path in (Path(table_of(city, type_).address) / "_delta_log").glob("*.json"):
            assert "urn:" not in path.read_text()
    city.close()


def test_a_snapshot_is_quick_where_nothing_has_changed(city: Remembering) -> None:
    table, other = table_of(city), table_of(city)
    before = table.snapshot()
    assert table.snapshot() is before
    write_more(city, 8, small=True)
    drain_all(Drain(city.store, city.lake))
    assert table.snapshot().position > before.position and table.snapshot() == other.snapshot()
    city.close()


@pytest.mark.parametrize(
    ("reader", "writer", "more"),
    [(2, 5, {}), (3, 7, {"readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"]}), (99, 99, {})],
)
def test_a_table_of_a_newer_version_is_refused(
    city: Remembering, reader: int, writer: int, more: dict[str, list[str]]
) -> None:
    table = table_of(city)
    table.snapshot()
    change = {"protocol": {"minReaderVersion": reader, "minWriterVersion": writer, **more}}
    (Path(table.address) / "_delta_log" / f"{table.snapshot().version + 1:020}.json").write_text(json.dumps(change))
    with pytest.raises(Damaged, match=r"version|protocol|feature"):
        table.snapshot()
    with pytest.raises(Damaged, match=r"version|protocol|feature"):
        table_of(city).snapshot()
    write_more(city, 8, small=True)
    before = journalled(city.store)
    done = Drain(city.store, Lake(city.lake.root)).step()
    assert isinstance(done.troubles["T"], Damaged) and journalled(city.store) == before  # nothing is lost by that
    assert TYPES[1] in done.lines  # and other types go on
    city.close()


def test_columns_of_a_newer_landbridge_are_refused(city: Remembering) -> None:
    table = table_of(city)
    log = Path(table.address) / "_delta_log" / f"{0:020}.json"
    log.write_text(log.read_text().replace('"landbridge.version":"1"', '"landbridge.version":"2"'))
    with pytest.raises(Damaged, match="this Landbridge knows 1"):
        table_of(city)
    city.close()


def test_a_missing_file_is_told_and_never_a_wrong_answer(city: Remembering) -> None:
    table = table_of(city)
    write_more(city, 7, small=True)
    drain_all(Drain(city.store, city.lake))
    gone = Path(table.snapshot().files[0].path)
    content = gone.read_bytes()
    gone.unlink()
    with pytest.raises(Damaged, match="missing"):
        table.read(table.snapshot().files[0])
    with pytest.raises(Damaged, match="missing"):
        points(city.store, city.lake, {"T": 10**9}, "", "urn:x:1", "n", 9, None, 0)
    write_more(city, 7, small=True)  # whose lines take the place of some in the missing file
    before = journalled(city.store)
    assert "missing" in str(Drain(city.store, city.lake).step().troubles["T"])
    with pytest.raises(Damaged, match="missing"):
        list(parts(table, table.snapshot().files))
    gone.write_bytes(content[: len(content) // 2])
    with pytest.raises(Damaged):
        table.read(table.snapshot().files[0])
    gone.write_bytes(content)  # brought back from a backup
    drain_all(Drain(city.store, city.lake))
    assert drained_lines(city.lake) == before
    city.close()


def test_a_clock_that_is_set_back_changes_nothing(city: Remembering) -> None:
    city.time -= 3_600_000_000
    write_more(city, 8, small=True)
    drain_all(Drain(city.store, city.lake))
    assert drained_lines(city.lake) == journalled(city.store)
    rows = table_of(city).read(table_of(city).snapshot().files[-1]).to_pylist()
    moments = {(row["commit"], row["recorded"]) for row in rows}
    ordered = sorted(moments)
    assert [moment for _, moment in ordered] == sorted(moment for _, moment in ordered)
    city.close()


DISK = """
import sys
from pathlib import Path
from landbridge.history.drain import Drain
from landbridge.history.lake import Lake
from landbridge.store.sqlite import open_store

folder = Path(sys.argv[1])
store, lake = open_store(folder / "pool.db"), Lake(str(folder / "disk" / "history"))
Drain(store, lake).step()
block = folder / "disk" / "block"
try:
    with block.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
except OSError:
    pass
with block.open("r+b") as file:
    file.truncate(max(block.stat().st_size - int(sys.argv[2]), 0))
print(*(f"{type(error).__name__} {error}" for error in Drain(store, lake).step().troubles.values()), sep="|")
block.unlink()
drain = Drain(store, lake)
while drain.step().more:
    pass
left = sorted(path.name for path in (folder / "disk" / "history").rglob("*.parquet"))
named = sorted(file.name for type_ in lake.types() for file in lake.table(type_).snapshot().files)
print(left == named, sum(lake.table(type_).snapshot().position for type_ in lake.types()) == 2 * store.version())
"""


@pytest.mark.parametrize("left", [0, 12_000])
def test_a_full_disk_is_told_and_the_journal_is_kept(tmp_path: Path, left: int) -> None:
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
        pytest.skip("no disk of its own can be mounted here, so a full one is not tested.")
    city = lively(tmp_path / "pool.db", small=True)
    before = journalled(city.store)
    city.close()
    (tmp_path / "disk").mkdir()
    (tmp_path / "fill.py").write_text(DISK.replace("Drain(store, lake).step()\nblock", "block", 1))
    inside = 'mount -t tmpfs -o size=4m tmpfs "$1/disk" && exec "$2" "$1/fill.py" "$1" "$3"'
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", inside, "sh", str(tmp_path), sys.executable, str(left)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    troubles, after = done.stdout.splitlines()
    assert troubles.count("Damaged") == 2 and "full" in troubles and "acknowledged is in the pool's store" in troubles
    assert after == "True True"
    again = Remembering(tmp_path / "pool.db", history(tmp_path / "elsewhere"))
    assert journalled(again.store) == before and all_lines(again.store, again.lake) == before
    again.close()
