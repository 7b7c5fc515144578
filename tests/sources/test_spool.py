"""Where a pull waits: rows found by number and place, rejects with their content, nothing that is never stored."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from landbridge.model.column import plan_columns
from landbridge.sources.contract import Batch, Reject
from landbridge.sources.rejected import HELD_BACK, RejectSpool
from landbridge.sources.spool import MappedSpool, Mark, Numbering, Rows, RowSpool, held_rows

NOTHING: frozenset[str] = frozenset()


def batch(values: list[Any], origin: str = "a.csv", **more: Any) -> Batch:
    rows = pa.RecordBatch.from_pydict({"code": [str(value) for value in values], "phone": ["7"] * len(values)})
    return Batch(rows, origin=origin, unit="line", **more)


def spooled(folder: Path, batches: list[Batch], never_store: frozenset[str] = NOTHING) -> RowSpool:
    spool, numbering = RowSpool(folder, never_store), Numbering()
    for one in batches:
        spool.write(one, numbering)
    spool.close()
    return spool


@settings(max_examples=60, deadline=None)
@given(sizes=st.lists(st.integers(0, 9), min_size=1, max_size=8), data=st.data())
def test_rows_are_found_again_by_number_in_the_order_asked(
    tmp_path_factory: Any, sizes: list[int], data: st.DataObject
) -> None:
    total, batches = 0, []
    for size in sizes:
        batches.append(batch(list(range(total, total + size))))
        total += size
    rows = spooled(tmp_path_factory.mktemp("spool"), batches).rows
    asked = data.draw(st.lists(st.integers(0, total + 3), max_size=30))
    known = [number for number in asked if number < total]
    found = rows.take(asked)
    assert (found.column("code").to_pylist() if known else []) == [str(number) for number in known]


def test_a_row_has_the_place_that_people_count(tmp_path: Path) -> None:
    batches = [
        batch([1, 2], numbers=pa.array([2, 5], pa.int64())),
        batch([3], origin="b.csv"),
        batch([4, 5], origin="b.csv"),
    ]
    rows = spooled(tmp_path, batches).rows
    assert rows.place([0, 1, 2, 4]) == (["a.csv", "a.csv", "b.csv", "b.csv"], "line", [2, 5, 1, 3])


def test_batches_of_different_shape_keep_their_columns(tmp_path: Path) -> None:
    other = Batch(pa.RecordBatch.from_pydict({"sheet": [1.5]}), table="second", origin="x")
    spool = spooled(tmp_path, [batch([1]), other, batch([2])])
    assert spool.rows.take([0, 1, 2]).to_pylist() == [
        {"code": "1", "phone": "7", "sheet": None},
        {"code": None, "phone": None, "sheet": 1.5},
        {"code": "2", "phone": "7", "sheet": None},
    ]
    assert [(table, rows.column("_row").to_pylist()) for table, rows in spool.again()] == [
        ("source", [0]),
        ("second", [1]),
        ("source", [2]),
    ]


def test_what_is_never_stored_is_in_no_answer(tmp_path: Path) -> None:
    never = frozenset({"phone"})
    rows = spooled(tmp_path, [batch([1])], never).rows
    assert rows.take([0]).schema.names == ["code"]
    rejects = RejectSpool(tmp_path / "rejects", never)
    rejects.add("column phone: '0123' is no DOUBLE", number=0)
    rejects.add("'0123' is no DATE", number=0)
    rejects.add("column code: '1' is no DATE", number=0)
    rejects.add("too many cells", place="a.csv line 9", row={"text": "1,0123,x", "phone": "0123"})
    found = [(reject.reason, reject.row) for part in rejects.read(rows, 10) for reject in part]
    assert found == [
        ("column phone: '…' is no DOUBLE", {"code": "1"}),
        ("'…' is no DATE", {"code": "1"}),
        ("column code: '1' is no DATE", {"code": "1"}),
        ("too many cells", {"text": HELD_BACK}),
    ]


def test_rejects_come_with_place_and_content_and_a_row_counts_once(tmp_path: Path) -> None:
    rows = spooled(tmp_path, [batch([1, 2, 3])]).rows
    rejects = RejectSpool(tmp_path / "rejects")
    rejects.add("bad id", number=2)
    rejects.add("bad id as well", number=2)
    rejects.add("not known which", number=-1)
    rejects.add("unreadable", place="a.csv line 7", row={"text": "x" * 100_000, "share": float("nan")})
    parts = list(rejects.read(rows, 3))
    assert [len(part) for part in parts] == [3, 1]
    assert (parts[0][0].place, parts[0][0].row, parts[0][0].number) == ("a.csv line 3", {"code": "3", "phone": "7"}, 2)
    assert (parts[0][2].place, parts[0][2].row, parts[0][2].number) == ("", {}, None)
    assert len(str(parts[1][0].row["text"])) < 70_000
    assert (rejects.count, rejects.rejected) == (4, 3)


@given(numbers=st.lists(st.integers(0, 5_000), max_size=60))
def test_distinct_rejected_rows_are_counted(tmp_path_factory: Any, numbers: list[int]) -> None:
    rejects = RejectSpool(tmp_path_factory.getbasetemp() / "counted")
    for number in numbers:
        rejects.mark(number)
    assert rejects.rejected == len(set(numbers))


def test_mapped_rows_come_back_joined_and_in_order(tmp_path: Path) -> None:
    spool = MappedSpool(tmp_path)
    plan, other = plan_columns(["id", "type", "a"]), plan_columns(["id", "type", "b"])
    for start in range(0, 10, 2):
        spool.write("one.sql", plan, pa.RecordBatch.from_pydict({"id": [str(start), str(start + 1)]}))
    spool.write("two.sql", other, pa.RecordBatch.from_pydict({"id": ["x"], "b": [1]}))
    spool.close()
    chunks = [(chunk.mapping, chunk.plan, chunk.rows.column("id").to_pylist()) for chunk in spool.chunks(3)]
    assert chunks == [
        ("one.sql", plan, ["0", "1", "2", "3"]),
        ("one.sql", plan, ["4", "5", "6", "7"]),
        ("one.sql", plan, ["8", "9"]),
        ("two.sql", other, ["x"]),
    ]
    assert not list(tmp_path.glob("mapped-*"))


def test_the_mark_of_a_pull_tells_any_change(tmp_path_factory: Any) -> None:
    def marked(*batches: Batch) -> str:
        mark, numbering = Mark(), Numbering()
        spool = RowSpool(tmp_path_factory.mktemp("spool"), frozenset({"phone"}))
        for one in batches:
            spool.write(one, numbering, mark)
        spool.close()
        return mark.text()

    same = marked(batch([1, 2]), batch([3]))
    assert marked(batch([1, 2]), batch([3])) == same
    never_stored = pa.RecordBatch.from_pydict({"code": ["1", "2"], "phone": ["7", "8"]})
    others = [
        marked(batch([1, 2]), batch([4])),
        marked(batch([1, 2])),
        marked(batch([1, 2]), batch([3], origin="b.csv")),
        marked(batch([1, 2]), batch([3], table="sheet")),
        marked(batch([1, 2]), batch([3], numbers=pa.array([9], pa.int64()))),
        marked(batch([1, 2]), batch([3], rejects=(Reject("line 4", "too long", {}),))),
        marked(replace(batch([1, 2]), rows=never_stored), batch([3])),
    ]
    assert len({same, *others}) == 8


def test_the_rows_of_a_micro_batch_are_found_like_those_of_a_spool() -> None:
    one = batch([5, 6])
    rows: Rows = held_rows(Numbering().stretch(one), one.rows, frozenset({"phone"}))
    assert rows.take([1]).to_pylist() == [{"code": "6"}]
    assert rows.take([7]).num_rows == 0
