"""A backfill leaves in state and history what an ordinary pull leaves, and announces nothing but what stands."""

from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeding import City, bare, delivery, micro, rivals
from filling import DAYS, Filled, row
from landbridge.history.backfill import publish
from landbridge.pool import backfill

CLAIMS = rivals("one", "two")


ROWS = st.lists(
    st.builds(
        row,
        st.sampled_from("abc"),
        st.none() | st.sampled_from(DAYS),
        st.none() | st.sampled_from([1.0, 2.5, 3.0]),
        st.none() | st.sampled_from(["x", 'y"', "ü"]),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=3), ROWS, st.booleans())
def test_it_leaves_what_an_ordinary_pull_leaves(
    tmp_path_factory: pytest.TempPathFactory, parts: list[list[Any]], later: list[Any], rival: bool
) -> None:
    folder = tmp_path_factory.mktemp("cities")
    cities = [Filled(folder / name, CLAIMS if rival else None) for name in ("back", "ordinary")]
    for city, back in zip(cities, (True, False), strict=True):
        city.fill([row("b", DAYS[3], 9.0)], source="two", back=False)
        city.fill(*parts, back=back)
        city.fill(*parts, later, back=back)
    states, histories = ([get(city) for city in cities] for get in (state, Filled.history))
    assert states[0] == states[1]
    assert histories[0] == histories[1]
    assert differing(cities[0]) == differing(cities[1])
    for city in cities:
        city.close()


def differing(city: City) -> list[Any]:
    """Who differs about what; not since when, which for values without a time is when they were recorded."""
    return sorted((one.entity, one.attribute, [said.value for said in one.values]) for one in city.disagreements())


def state(city: City) -> list[Any]:
    return [bare(city.document(f"urn:x:{name}")) for name in "abc"]


def test_history_knows_the_row_and_state_gets_the_newest_alone(tmp_path: Path) -> None:
    city = Filled(tmp_path)
    record = city.fill([row("a", day, float(at)) for at, day in enumerate(DAYS)], [row("b", DAYS[0], 7.0)])
    assert (record.state, record.entities, record.instances) == ("done", 2, 20)
    assert city.values("urn:x:a", "n") == [(None, 8.0, DAYS[-1])]
    first = city.lines()[0]
    assert (first["source"], first["run"], first["row"], first["number"]) == ("one", 1, 0, 0.0)
    assert city.journal() == []
    with city.store.reader() as connection:
        assert connection.execute("SELECT count(*) FROM manifest WHERE files IS NULL").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM meta WHERE name LIKE 'backfill:%'").fetchone() == (0,)
    city.close()


def test_nothing_of_the_past_is_announced(tmp_path: Path) -> None:
    city = Filled(tmp_path)
    city.store.write(
        lambda transaction: transaction.connection.execute("INSERT INTO interest VALUES ('', 'T', '', '', 1)")
    )
    city.fill(*[[row("a", day, float(at))] for at, day in enumerate(DAYS)])
    assert [one["entities"] for one in city.announced()] == [["urn:x:a"]]
    with city.store.reader() as connection:
        (after,) = [orjson.loads(text) for (text,) in connection.execute("SELECT after FROM change")]
    assert after["attrs"]["n"][0]["value"] == 8.0
    city.fill(*[[row("a", day, float(at) + (day == DAYS[2]))] for at, day in enumerate(DAYS)])  # a corrected past
    assert len(city.announced()) == 1
    city.close()


def test_a_second_pull_adds_nothing_and_a_correction_takes_the_place_of_its_line(tmp_path: Path) -> None:
    city = Filled(tmp_path)
    rows = [row("a", day, float(at)) for at, day in enumerate(DAYS)]
    city.fill(rows)
    before = city.lines()
    assert city.fill(rows).unchanged == len(DAYS)
    assert city.lines() == before
    rows[4] = row("a", DAYS[4], 44.0)
    city.fill(rows)
    new = city.lines()[len(before) :]
    old = next(line for line in before if line["number"] == 4.0)
    n, w = sorted(new, key=lambda line: line["attribute"])
    assert (n["number"], n["replaces_commit"], n["replaces_ordinal"]) == (44.0, old["commit"], old["ordinal"])
    assert w["replaces_commit"] == old["commit"]
    assert city.values("urn:x:a", "n") == [(None, 8.0, DAYS[-1])]
    table = city.lake.table("T")
    assert table is not None
    assert table.snapshot().corrected
    city.close()


def test_what_an_ordinary_pull_has_said_before_is_replaced_too(tmp_path: Path) -> None:
    """Whether the journal's lines have been drained or not when the source becomes one that is backfilled."""
    city = Filled(tmp_path)
    city.fill([row("a", DAYS[0], 1.0)], back=False)
    city.fill([row("a", DAYS[0], 2.0)])
    lines = {line["number"]: line for line in city.lines() if line["attribute"] == "n"}
    assert (lines[2.0]["replaces_commit"], lines[2.0]["replaces_ordinal"]) == (
        lines[1.0]["commit"],
        lines[1.0]["ordinal"],
    )
    city.close()


def test_of_rows_that_contradict_each_other_in_one_pull_the_later_takes_the_place(tmp_path: Path) -> None:
    city = Filled(tmp_path)
    record = city.fill(
        [row("a", DAYS[0], 1.0), row("a", DAYS[0], 2.0)], [row("a", DAYS[0], 3.0), row("b", DAYS[0], 3.0)]
    )
    assert record.conflicting == 2
    chain = [(line["number"], line["replaces_ordinal"]) for line in city.lines() if line["attribute"] == "n"]
    ordinal = {line["number"]: line["ordinal"] for line in city.lines() if line["entity"] == "urn:x:a"}
    assert chain[:3] == [(1.0, None), (2.0, ordinal[1.0]), (3.0, ordinal[2.0])]
    city.close()


def test_very_many_series_are_taken_in_rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill, "STANDING", 3)
    city = Filled(tmp_path)
    parts = [[row(name, day, float(at)) for at, day in enumerate(DAYS)] for name in "abcdefgh"]
    assert city.fill(*parts).entities == 8
    assert len({line["commit"] for line in city.lines()}) == 2
    assert {city.values(f"urn:x:{name}", "n")[0] for name in "abcdefgh"} == {(None, 8.0, DAYS[-1])}
    assert len(city.lines()) == 8 * 9 * 2
    city.close()


def test_what_columns_cannot_say_takes_the_ordinary_way(tmp_path: Path) -> None:
    """Entities of another type than the row's, and rows that remove by NULL."""
    city = Filled(tmp_path)
    city.fill([{"id": "urn:x:a", "type": "Other", "m": 1.0}], source="two", back=False)
    city.fill([row("a", DAYS[0], 1.0), row("b", DAYS[0], 2.0)])
    document = city.document("urn:x:a")
    assert document is not None
    assert document["type"] == ["Other", "T"]
    found = {(line["entity"], line["attribute"]) for line in city.lines()}
    assert found == {(f"urn:x:{e}", a) for e, a in ("am", "an", "aw", "bn", "bw")} | {("urn:x:a", "@entity")}
    city.fill([row("b", DAYS[1], None)], source="three", null_remove=frozenset({"n"}))
    assert len(city.lines()) == 7
    city.close()


def test_a_manifest_is_read_before_it_is_published_and_counts_once_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    city = Filled(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr("landbridge.history.backfill.publish", lambda store, lake: 0)
        city.fill([row("a", day, float(at)) for at, day in enumerate(DAYS)])
    waiting = city.lines()
    assert len(waiting) == 18
    assert publish(city.store, city.lake) == 1
    assert publish(city.store, city.lake) == 0
    assert city.lines() == waiting
    with city.store.reader() as connection:  # a kill after the table's commit and before the store's
        connection.execute("SELECT 1")
    city.store.tend(lambda one: one.connection.execute("UPDATE manifest SET files='[]'"))
    assert publish(city.store, city.lake) == 1
    assert city.lines() == waiting
    city.close()


def test_a_backfill_that_fails_leaves_nothing(tmp_path: Path) -> None:
    city = Filled(tmp_path)
    run = city.begun()
    run.hand_over([delivery([row("a", DAYS[0], 1.0)], types={"n": pa.float64(), "w": pa.string()})])
    assert run.finish(state="failed", reason="no").state == "failed"
    assert (city.lines(), city.document("urn:x:a")) == ([], None)
    assert list((tmp_path / "history").rglob("*.parquet")) == []
    with city.store.reader() as connection:
        for table in ("seen", "raw", "manifest"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    assert city.fill([row("a", DAYS[0], 1.0)]).instances == 2
    assert micro(DAYS[0]) == city.lines()[0]["time"]
    city.close()
