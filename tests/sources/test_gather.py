"""The first half of a whole pull: everything is mapped and judged before the pool sees any of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from landbridge.errors import Failed, InvalidMapping, TooMuch
from landbridge.sources.contract import Batch, Declaration, Reject
from landbridge.sources.gather import Gathered, Progress, deliveries, gather, judge, start

MAPPING = "select 'urn:x:' || code as id, 'Thing' as type, cast(size as double) as size from source"


PULLS: list[Gathered] = []


def source(folder: Path, mapping: str = MAPPING, **declared: Any) -> Declaration:
    home = folder / "things"
    home.mkdir(exist_ok=True)
    (home / "mapping.sql").write_text(mapping)
    return Declaration("things", "csv", home, {}, **declared)


def batches(*columns: list[str]) -> Iterator[Batch]:
    for sizes in columns:
        rows = pa.RecordBatch.from_pydict({"code": [f"{size}" for size in sizes], "size": sizes})
        yield Batch(rows, origin="things.csv", unit="line")


def pulled(folder: Path, declaration: Declaration, given: Iterator[Batch], known: str | None = None) -> Gathered:
    room = folder / "room"
    room.mkdir()
    pull = start(declaration, room)
    try:
        gather(pull, given, known)
    finally:
        PULLS.append(pull)
    return pull


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    while PULLS:
        PULLS.pop().close()


def test_what_is_judged_good_comes_with_its_rows_rejects_and_places(tmp_path: Path) -> None:
    pull = pulled(tmp_path, source(tmp_path), batches(["1", "2"], ["bad", "4"]))
    judge(pull)
    (commit,) = deliveries(pull, str.upper)
    (delivery,) = commit
    assert delivery.rows.column("id").to_pylist() == ["urn:x:1", "urn:x:2", "urn:x:4"]
    assert delivery.rows.column("_row").to_pylist() == [0, 1, 3]
    assert (delivery.read, delivery.mapping, delivery.expand("a")) == (4, "things/mapping.sql", "A")
    assert delivery.raw is not None
    assert delivery.raw.take([3]).to_pylist() == [{"code": "4", "size": "4"}]
    assert delivery.raw.place([0, 3]) == (["things.csv", "things.csv"], "line", [1, 4])
    (reject,) = delivery.rejects
    assert (reject.place, reject.row, reject.number) == ("things.csv line 3", {"code": "bad", "size": "bad"}, 2)
    assert "'bad'" in reject.reason


def test_the_same_rows_again_are_not_mapped(tmp_path: Path) -> None:
    first = pulled(tmp_path, source(tmp_path), batches(["1"], ["2"]))
    (tmp_path / "again").mkdir()
    again = pulled(tmp_path / "again", first.declaration, batches(["1"], ["2"]), first.mark.text())
    assert (again.same, again.read, again.mapped.rows) == (True, 2, 0)


def test_a_changed_row_among_those_known_is_found_and_everything_mapped(tmp_path: Path) -> None:
    first = pulled(tmp_path, source(tmp_path), batches(["1"], ["2"]))
    (tmp_path / "again").mkdir()
    again = pulled(tmp_path / "again", first.declaration, batches(["1"], ["3"]), first.mark.text())
    assert (again.same, again.mapped.rows) == (False, 2)
    (commit,) = deliveries(again, str)
    assert commit[0].rows.column("id").to_pylist() == ["urn:x:1", "urn:x:3"]
    assert commit[0].raw is not None and commit[0].raw.take([1]).to_pylist() == [{"code": "3", "size": "3"}]


def test_a_source_that_yields_nothing_fails(tmp_path: Path) -> None:
    for number, given in enumerate((batches(), batches([]))):
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.raises(Failed, match="yields nothing"):
            judge(pulled(folder, source(folder), given))


def test_too_many_rejects_fail_with_the_commonest_reason(tmp_path: Path) -> None:
    pull = pulled(tmp_path, source(tmp_path, reject_share=0.5), batches(["1", "x", "y", "x"]))
    with pytest.raises(Failed, match=r"3 of 4 rows are rejected, and 50% may be") as caught:
        judge(pull)
    assert "'x' is no DOUBLE" in caught.value.message
    assert "reject_share" in (caught.value.hint or "")


def test_a_share_that_is_allowed_passes(tmp_path: Path) -> None:
    judge(pulled(tmp_path, source(tmp_path, reject_share=0.75), batches(["1", "x", "y", "x"])))


def test_rows_that_could_not_be_read_count_as_rejected(tmp_path: Path) -> None:
    broken = tuple(Reject(f"things.csv line {n}", "too many cells", {"text": "a,b,c"}) for n in range(3))
    rows = pa.RecordBatch.from_pydict({"code": ["1"], "size": ["1"]})
    pull = pulled(tmp_path, source(tmp_path), iter([Batch(rows, rejects=broken)]))
    with pytest.raises(Failed, match="3 of 4 rows are rejected"):
        judge(pull)


def test_a_mapping_that_makes_nothing_fails(tmp_path: Path) -> None:
    pull = pulled(tmp_path, source(tmp_path, MAPPING + " where code = 'absent'"), batches(["1"]))
    with pytest.raises(Failed, match="makes nothing of 1 rows"):
        judge(pull)


def test_a_mapping_that_joins_without_a_key_is_stopped(tmp_path: Path) -> None:
    mapping = (
        "select 'urn:x:' || a.code || b.code || c.code as id, 'T' as type, 1 as n from source a, source b, source c"
    )
    many = [str(number) for number in range(3_000)]
    with pytest.raises(TooMuch, match=r"join lack its key|timeout"):
        pulled(tmp_path, source(tmp_path, mapping, timeout=5.0), batches(many))


def test_a_renamed_column_is_a_mistake_of_the_mapping_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(InvalidMapping) as caught:
        pulled(tmp_path, source(tmp_path, MAPPING.replace("cast(size", "cast(weight")), batches(["1"]))
    assert (caught.value.where or "").startswith("things/mapping.sql:1:")


def test_what_the_source_raises_comes_through(tmp_path: Path) -> None:
    def breaking() -> Iterator[Batch]:
        yield from batches(["1"])
        raise Failed("The well is dry.")

    with pytest.raises(Failed, match="The well is dry"):
        pulled(tmp_path, source(tmp_path), breaking())


def test_progress_is_told_as_it_goes_on(tmp_path: Path) -> None:
    told: list[Progress] = []
    pull = start(source(tmp_path), tmp_path)
    gather(pull, batches(["1", "2"], ["3"]), None, told.append)
    pull.close()
    assert told[0] == Progress("things", "reading", 2)
    assert told[-1].read == 3


def test_many_rejects_alone_go_in_bounded_commits(tmp_path: Path) -> None:
    wrong = [f"w{number}" for number in range(12_000)]
    pull = pulled(tmp_path, source(tmp_path, reject_share=1.0), batches(["1"], wrong))
    commits = list(deliveries(pull, str))
    assert [len(commit[0].rejects) for commit in commits] == [5_000, 5_000, 2_000]
    assert [commit[0].rows.num_rows for commit in commits] == [1, 0, 0]
    assert commits[-1][0].rejects[-1].place == "things.csv line 12001"
