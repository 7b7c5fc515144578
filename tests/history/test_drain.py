"""The journal goes to the lake: every line once, as it was, in order, whatever fails on the way."""

from pathlib import Path

import pyarrow as pa
import pytest

from landbridge.errors import Damaged
from landbridge.history import drain as module
from landbridge.history.drain import Drain
from landbridge.history.lake import SCHEMA
from landbridge.history.rows import LINES, pending
from landbridge.store import drained
from made_lake import all_lines, drain_all, drained_lines, history, journalled, lake_rows, lively, write_more


def test_what_is_pending_says_what_the_journal_says(tmp_path: Path) -> None:
    city = lively(tmp_path / "pool.db")
    wanted = journalled(city.store)
    found = all_lines(city.store, history(tmp_path))
    assert len(wanted) > 5_000 and {line.operation for line in wanted.values()} >= {
        "set",
        "delete",
        "retract",
        "create",
    }
    assert found == wanted
    assert any(
        isinstance(line.instance, dict) and repr(line.instance.get("value")) == "-0.0" for line in found.values()
    )
    with city.store.reader() as connection:
        kinds = [number for numbers in drained.kinds(connection).values() for number in numbers]
        key = connection.execute("SELECT key FROM name WHERE id='urn:x:1'").get
        of_one = pa.concat_tables(pending(connection, kinds, 0, None, [key]))
        assert of_one.schema.equals(LINES)
        assert of_one.num_rows == sum(line.entity == "urn:x:1" for line in wanted.values())
        parts = [
            pa.concat_tables(pending(connection, kinds, after, upto)).num_rows for after, upto in ((0, 3), (3, None))
        ]
        assert sum(parts) == len(wanted) and all(parts)
    city.close()


def test_every_line_goes_to_the_lake_once_and_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINES", 1_000)  # so that there are many batches, and commits that are larger than one
    city = lively(tmp_path / "pool.db")
    lake = history(tmp_path)
    drain = Drain(city.store, lake)
    wanted = journalled(city.store)
    assert drain_all(drain) == len(wanted)
    assert drained_lines(lake) == wanted
    assert drain_all(drain) == 0
    write_more(city, 8)
    more = journalled(city.store)
    assert drain_all(Drain(city.store, history(tmp_path))) == len(more) - len(wanted)
    assert drained_lines(lake) == more == all_lines(city.store, lake)
    for type_ in lake.types():
        table = lake.table(type_)
        assert table is not None
        for file in table.snapshot().files:
            lines = table.read(file)
            assert lines.schema.equals(SCHEMA)
            order = [
                (line["tenant"], line["attribute"], line["entity"], line["time"], line["commit"], line["ordinal"])
                for line in lines.to_pylist()
            ]
            assert order == sorted(order)
            assert (file.rows, file.low, file.high) == (len(order), min(o[4] for o in order), max(o[4] for o in order))
    city.close()


def test_of_two_lines_of_a_source_at_one_time_the_later_names_the_former(tmp_path: Path) -> None:
    city = lively(tmp_path / "pool.db")
    lake = history(tmp_path)
    drain_all(Drain(city.store, lake))
    write_more(city, 7)  # the same times again, in files of their own
    drain_all(Drain(city.store, lake))
    table = lake.table("T")
    assert table is not None and table.snapshot().corrected
    rows = list(lake_rows(table))
    standing: dict[tuple[object, ...], tuple[int, int]] = {}
    replaced = 0
    for row in sorted(rows, key=lambda row: (row["commit"], row["ordinal"])):
        place = (row["commit"], row["ordinal"])
        if row["source"] == "api":
            explicit = row["operation"] == "retract" or row["text"] == "changed"
            assert (row["replaces_commit"] is not None) == explicit
            continue
        series = (row["entity"], row["attribute"], row["dataset"], row["source"], row["time"])
        before = standing.get(series)
        assert before == (None if row["replaces_commit"] is None else (row["replaces_commit"], row["replaces_ordinal"]))
        replaced += before is not None
        standing[series] = place
    assert replaced > 1_000
    city.close()


def test_a_second_drain_does_no_harm(tmp_path: Path) -> None:
    city = lively(tmp_path / "pool.db")
    one, other = Drain(city.store, history(tmp_path)), Drain(city.store, history(tmp_path))
    for drain in (one, other, one, other):
        drain.look(city.store.version())
    table = one.lake.make("T")
    assert other.lake.table("T") is not None
    batches = [module.Batch(drain.lake.make("T"), drain.lake.make("T").snapshot()) for drain in (one, other)]
    with city.store.reader() as connection:
        kinds = drained.kinds(connection)["T"]
        for batch in batches:
            for lines in pending(connection, kinds, 0):
                batch.take(lines)
    assert [batch.commit(city.store.version()) for batch in batches] == [True, False]
    names = {file.name for file in table.snapshot().files}
    assert names == {path.name for path in Path(table.address).glob("*.parquet")}  # what lost the race is gone
    drain_all(other)
    assert drained_lines(one.lake) == journalled(city.store)
    city.close()


def test_a_store_that_is_older_than_its_lake_is_told(tmp_path: Path) -> None:
    city = lively(tmp_path / "pool.db")
    drain_all(Drain(city.store, history(tmp_path)))
    city.close()
    young = lively(tmp_path / "other.db")
    last = young.store.version()
    young.store.write(lambda transaction: None)
    write_more(young, 9)
    drain_all(Drain(young.store, history(tmp_path)))
    again = lively(tmp_path / "third.db")
    assert again.store.version() == last
    troubles = Drain(again.store, history(tmp_path)).step().troubles
    assert {type(error) for error in troubles.values()} == {Damaged}
    assert "older than the lake" in str(troubles["T"])
    young.close()
    again.close()
