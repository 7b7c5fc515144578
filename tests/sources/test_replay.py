"""Rejected rows, mapped again once the mapping is mended."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from landbridge.pool.pool import Pool
from landbridge.sources import run
from landbridge.sources.rejected import CUT, HELD_BACK
from landbridge.sources.replay import parted, raw_of, rows_of, whole_row
from landbridge.sources.run import Terms, pull, replay
from made_source import MAPPING, OPERATOR, Steps, declared, folder_of, opened, sizes, things

DAY = "2024-03-30T00:00:00Z"
MENDED = MAPPING.replace("cast(size as double)", "cast(replace(size, ',', '.') as double)")


@pytest.fixture
def pool(tmp_path: Path) -> Any:
    made = opened(tmp_path)
    yield made
    made.close()


def reasons(pool: Pool) -> dict[str, int]:
    return {group.reason: group.count for group in pool.rejects(OPERATOR, "things")}


def test_rows_that_map_now_are_written_and_leave_the_rejects(tmp_path: Path, pool: Pool) -> None:
    rows = things(f"a,1,{DAY}", f'b,"2,5",{DAY}', f'c,"2,5",{DAY}', f"d,much,{DAY}")
    folder = folder_of(tmp_path, "things", rows, reject_share=0.9)
    pull(pool, OPERATOR, declared(folder))
    (comma,) = [reason for reason in reasons(pool) if "2,5" in reason]
    (much,) = [reason for reason in reasons(pool) if "much" in reason]
    (folder / "mapping.sql").write_text(MENDED)
    assert replay(pool, OPERATOR, declared(folder), comma) == "2 of 2 rows are mapped now; 0 stay rejected."
    assert sizes(pool) == {"a": 1.0, "b": 2.5, "c": 2.5}
    assert replay(pool, OPERATOR, declared(folder), much) == "0 of 1 rows are mapped now; 1 stay rejected."
    assert list(reasons(pool).values()) == [1]
    (trace,) = pool.explain(OPERATOR, "urn:ngsi-ld:Thing:c", "size")
    assert (trace.run, trace.place) == (2, "things.csv line 4")
    assert trace.raw == {"code": "c", "size": "2,5", "at": DAY}


def test_a_replay_and_the_next_pull_write_nothing_twice(tmp_path: Path, pool: Pool) -> None:
    folder = folder_of(tmp_path, "things", things(f"a,1,{DAY}", f'b,"2,5",{DAY}'))
    pull(pool, OPERATOR, declared(folder))
    (folder / "mapping.sql").write_text(MENDED)
    replay(pool, OPERATOR, declared(folder), next(iter(reasons(pool))))
    record = pull(pool, OPERATOR, declared(folder))
    assert (record.state, record.unchanged, record.instances, record.rejected) == ("done", 2, 0, 0)


def test_where_rows_cannot_be_mapped_alone_the_source_is_pulled_again(tmp_path: Path, pool: Pool) -> None:
    total = (
        "select 'urn:ngsi-ld:Thing:all' as id, 'Thing' as type, sum(cast(size as double)) as size from source"
        " group by 1, 2 having count(*) > 0"
    )
    folder = folder_of(tmp_path, "things", things(f"a,1,{DAY}", f"b,much,{DAY}"), total)
    assert pull(pool, OPERATOR, declared(folder)).rejected == 1
    (folder / "mapping.sql").write_text(total.replace("cast(size", "try_cast(size"))
    assert replay(pool, OPERATOR, declared(folder), next(iter(reasons(pool)))).startswith("Pulled again: done, 0 rows")
    assert reasons(pool) == {}


def test_messages_of_a_stream_are_replayed_from_what_was_kept(
    tmp_path: Path, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = Steps([[("a", "1", DAY), ("b", "2,5", DAY)]], manner="stream")
    monkeypatch.setattr(run, "find_kind", lambda kind: lambda declaration: steps)
    folder = folder_of(tmp_path, "things", "")
    pull(pool, OPERATOR, declared(folder), Terms(retries=0))
    (folder / "mapping.sql").write_text(MENDED)
    said = replay(pool, OPERATOR, declared(folder), next(iter(reasons(pool))))
    assert said.startswith("1 of 1")
    assert sizes(pool) == {"a": 1.0, "b": 2.5}


def test_a_reason_that_nobody_gave_changes_nothing(tmp_path: Path, pool: Pool) -> None:
    folder = folder_of(tmp_path, "things", things(f"a,1,{DAY}"))
    pull(pool, OPERATOR, declared(folder))
    assert replay(pool, OPERATOR, declared(folder), "no such reason").startswith("There are no rejected rows")


def test_what_was_cut_or_held_back_is_not_taken_for_the_row() -> None:
    assert whole_row({"a": "x", "b": 1})
    assert not whole_row({})
    assert not whole_row({"a": "x" + CUT})
    assert not whole_row({"a": HELD_BACK})


def test_kept_rows_become_columns_with_the_places_they_had() -> None:
    rows = rows_of([{"a": 1, "b": None, "c": 1}, {"a": 2, "b": None, "c": "x"}], ["phone"])
    assert [str(field.type) for field in rows.schema] == ["int64", "string", "string", "string"]
    assert rows.column("c").to_pylist() == ["1", "x"]
    raw = raw_of(rows, ["a b.csv line 12", "topic x"], ["phone"])
    assert raw.place([0, 1]) == (["a b.csv", "topic x"], "line", [12, 0])
    assert raw.take([1]).schema.names == ["a", "b", "c"]
    assert isinstance(rows, pa.RecordBatch)
    assert parted("message 3") == ("", "message", 3)
