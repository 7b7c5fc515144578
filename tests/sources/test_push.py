"""Pushed rows: answered once they are committed, rejects told by row, a key stored once, kills and stops told."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landbridge.errors import Failed, Invalid, InvalidSettings, LandbridgeError, TooMuch
from landbridge.sources.contract import Batch, Declaration
from landbridge.sources.push import KEYS, PushSource, Receipt, open_source
from landbridge.sources.push_body import read_body
from landbridge.sources.record_table import RecordTable


def opened(**options: Any) -> PushSource:
    source = open_source(Declaration("counts", "push", Path(), options))
    assert isinstance(source, PushSource)
    return source


class Committing:
    """What a run does: takes batches and settles them once `allowed`; a negative `n` is what its mapping rejects."""

    def __init__(self, source: PushSource, cursor: Any = None) -> None:
        self.source = source
        self.batches: list[Batch] = []
        self.allowed = threading.Event()
        self.allowed.set()
        self.began = threading.Event()
        self.broken = False
        self.thread = threading.Thread(target=self.run, args=(cursor,))

    def run(self, cursor: Any) -> None:
        batches = self.source.batches(cursor)
        try:
            for batch in batches:
                self.began.set()
                self.allowed.wait(20)
                if self.broken:
                    break
                rows = batch.rows.to_pylist()
                batch.report([(place, "n is negative") for place, row in enumerate(rows) if (row.get("n") or 0) < 0])
                self.batches.append(batch)
                batch.settle()
        finally:
            batches.close()  # type: ignore[attr-defined]

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [row for batch in self.batches for row in batch.rows.to_pylist()]


@contextmanager
def committing(source: PushSource, cursor: Any = None) -> Iterator[Committing]:
    run = Committing(source, cursor)
    run.thread.start()
    while not source.running:
        threading.Event().wait(0.005)
    try:
        yield run
    finally:
        run.allowed.set()
        source.stop()
        run.thread.join(20)


def answer(future: "Future[Receipt]") -> Receipt:
    return future.result(20)


def test_the_answer_comes_after_the_commit() -> None:
    source = opened()
    with committing(source) as run:
        run.allowed.clear()
        future = source.offer(b'[{"n": 1}, {"n": -2}, 7, {"n": 3}]', request="r1")
        assert run.began.wait(20) and not future.done()
        run.allowed.set()
        assert answer(future).document() == {
            "rows": 4,
            "rejected": [{"row": 2, "reason": "n is negative"}, {"row": 3, "reason": "The row is no object."}],
            "repeated": False,
        }
        assert [(row["n"], row["_request"]) for row in run.rows] == [(1, "r1"), (-2, "r1"), (3, "r1")]
        assert all(row["_received"].year >= 2024 for row in run.rows)
        (reject,) = run.batches[0].rejects
        assert (reject.place, reject.row) == ("push r1 row 3", {"row": "7"})


def test_bodies_that_wait_together_share_a_commit_and_keep_their_own_rejects() -> None:
    source = opened()
    with committing(source) as run:
        run.allowed.clear()
        first = source.offer(b'{"n": 0}')
        assert run.began.wait(20)
        later = [source.offer(b'[{"n": %d}, {"n": %d}]' % (n, -n)) for n in (1, 2, 3)]
        run.allowed.set()
        assert answer(first).rejected == ()
        assert [answer(one).rejected for one in later] == [((2, "n is negative"),)] * 3
        assert len(run.batches) == 2 and run.batches[1].rows.num_rows == 6


def test_a_key_is_stored_once_also_by_the_next_run() -> None:
    source = opened()
    with committing(source) as run:
        assert answer(source.offer(b'{"n": 1}', key="a")) == Receipt(1)
        assert answer(source.offer(b'{"n": 1}', key="a")) == Receipt(0, repeated=True)
        assert answer(source.offer(b'{"n": 1}', key="b")) == Receipt(1)
        with pytest.raises(Invalid, match="used for another body"):
            source.offer(b'{"n": 2}', key="a")
        cursor = run.batches[-1].cursor
        assert len(run.rows) == 2
    source = opened()
    with committing(source, cursor) as run:
        assert answer(source.offer(b'{"n": 1}', key="a")).repeated
        for number in range(KEYS):
            answer(source.offer(b'{"n": 5}', key=f"k{number}"))
        assert len(str(run.batches[-1].cursor)) < 6_000  # bounded, as it is saved with each commit
        assert not answer(source.offer(b'{"n": 1}', key="a")).repeated  # the oldest keys are forgotten


def test_a_key_that_is_under_way_waits_for_the_same_commit() -> None:
    source = opened()
    with committing(source) as run:
        run.allowed.clear()
        first = source.offer(b'{"n": 1}', key="a")
        assert run.began.wait(20)
        assert source.offer(b'{"n": 1}', key="a") is first
        run.allowed.set()
        answer(first)
        assert len(run.rows) == 1


def test_a_run_that_breaks_tells_everyone_who_waits() -> None:
    source = opened()
    with committing(source) as run:
        run.allowed.clear()
        under_way = source.offer(b'{"n": 1}', key="a")
        assert run.began.wait(20)
        waiting = source.offer(b'{"n": 2}')
        run.broken = True
        run.allowed.set()
        with pytest.raises(Failed, match="may be stored or not"):
            answer(under_way)
        with pytest.raises(Failed, match="are not stored"):
            answer(waiting)
    with pytest.raises(Failed, match="is not running"):
        source.offer(b'{"n": 1}')


def test_a_sender_that_goes_away_takes_nothing_back() -> None:
    source = opened()
    with committing(source) as run:
        run.allowed.clear()
        future = source.offer(b'{"n": 1}')
        assert not future.cancel()
        run.allowed.set()
        answer(future)
        assert len(run.rows) == 1


def test_bounds() -> None:
    source = opened(max_megabytes=0.001, max_rows=3)
    with committing(source) as run:
        with pytest.raises(TooMuch, match="1048 are allowed"):
            source.offer(b" " * 1049)
        with pytest.raises(TooMuch, match="more than 3 rows"):
            source.offer(b'[{"n":1},{"n":1},{"n":1},{"n":1}]')
        run.allowed.clear()
        future = source.offer(b'{"n": 1}')
        assert run.began.wait(20)
        big = b'{"n": 1, "t": "%s"}' % (b"x" * 1000)
        waiting = [source.offer(big) for _ in range(4)]
        with pytest.raises(TooMuch, match="Too much waits") as raised:
            source.offer(big)
        assert raised.value.where == "busy"
        run.allowed.set()
        assert all(answer(one) for one in (future, *waiting))


@pytest.mark.parametrize(
    ("body", "kind", "rows"),
    [
        (b'{"a": 1}', "application/json; charset=utf-8", [{"a": 1}]),
        (b'{"a": 1}\n\n{"a": 2}\n{"a"', "application/x-ndjson", [{"a": 1}, {"a": 2}]),
        ("a,B\n1,ü\n2\n3,\n".encode(), "text/csv", [{"a": "1", "B": "ü"}, {"a": "3", "B": None}]),
        (b"[]", "application/json", []),
    ],
)
def test_bodies_are_read_by_their_type(body: bytes, kind: str, rows: list[dict[str, Any]]) -> None:
    found = read_body(body, kind, "", 100, RecordTable(), "")
    assert found.records == rows
    assert [reject.reason.split(":")[0] for _, reject in found.rejects] in (
        [],
        ["The line is no JSON"],
        ["The row has 1 cells and the header 2."],
    )


def test_a_path_leads_to_the_rows() -> None:
    source = opened(path="data.rows", columns={"n": "double"})
    with committing(source) as run:
        receipt = answer(source.offer(b'{"data": {"rows": [{"n": "1.5"}, {"n": "x"}]}}'))
        assert receipt.rejected == ((2, "n is 'x', not double"),)
        assert run.rows[0]["n"] == 1.5
        with pytest.raises(Invalid, match="There is no 'data'"):
            source.offer(b"{}")


def test_wrong_bodies_and_settings_are_told() -> None:
    for body, kind, said in (
        (b"<x/>", "application/xml", "content type 'application/xml'"),
        (b"[1", "application/json", "no JSON"),
        (b"\xff\xfe", "text/csv", "not UTF-8"),
        (b'"a', "text/csv", "no CSV"),
    ):
        with pytest.raises(Invalid, match=said):
            read_body(body, kind, "", 10, RecordTable(), "")
    with pytest.raises(InvalidSettings):
        opened(max_rows="many")


@given(st.binary(max_size=200), st.sampled_from(["application/json", "application/x-ndjson", "text/csv", "", "?"]))
@settings(max_examples=300, deadline=None)
def test_whatever_is_pushed_only_our_errors_come_out(body: bytes, kind: str) -> None:
    table = RecordTable()
    try:
        found = read_body(body, kind, "", 1000, table, "r")
    except LandbridgeError:
        return
    assert len(found.records) == len(found.numbers)
    table.rows(found.records)
