"""What stands and what goes to history alone: time order, repeats, NULLs, tenants, clocks, streams, announcements."""

from typing import Any

import pyarrow as pa
import pytest

from feeding import City, delivery, micro, raw_of, rivals, when
from landbridge.errors import InvalidMapping
from landbridge.model.feed import RejectedRow
from landbridge.store import raw, reading


def row(value: Any, at: str | None = None, id_: str = "urn:x:1", **more: Any) -> dict[str, Any]:
    observed = {} if at is None else {"observedAt": when(at)}
    return {"id": id_, "type": "T", "n": value, **observed, **more}


def test_a_late_value_goes_to_history_alone() -> None:
    city = City()
    city.pull("a", [row(2, "2020-01-02T00:00Z")], manner="stream")
    before = len(city.announced())
    run = city.open("a", manner="stream")
    counts = run.write([delivery([row(1, "2020-01-01T00:00Z")])])
    assert (counts.instances, counts.past) == (1, 1)
    assert city.values("urn:x:1", "n") == [(None, 2, "2020-01-02T00:00:00Z")]
    assert [line[6]["value"] for line in city.journal()] == [1, 2]
    assert len(city.announced()) == before  # what lands in the past is not announced
    city.close()


def test_of_two_at_one_time_the_later_recorded_stands_and_both_are_in_history() -> None:
    city = City()
    run = city.open("a", manner="stream")
    run.write([delivery([row(1, "2020-01-01T00:00Z")])])
    run.write([delivery([row(2, "2020-01-01T00:00Z")])])
    assert city.values("urn:x:1", "n") == [(None, 2, "2020-01-01T00:00:00Z")]
    assert [line[6]["value"] for line in city.journal()] == [1, 2]
    city.close()


def test_a_value_without_time_is_ordered_by_its_run_and_shows_none() -> None:
    city = City()
    city.pull("a", [row(1, "2030-01-01T00:00Z")])
    city.pull("a", [row(2)])
    assert city.values("urn:x:1", "n") == [(None, 2, None)]
    city.pull("a", [row(3, "2020-01-01T00:00Z")])
    assert city.values("urn:x:1", "n") == [(None, 3, "2020-01-01T00:00:00Z")]
    city.close()


def test_the_order_of_times_is_not_the_order_of_texts() -> None:
    city = City()
    run = city.open("a", manner="stream")
    run.write([delivery([row(1, "2020-01-01T00:00:00.500Z")])])
    run.write([delivery([row(2, "2020-01-01T00:00:00Z")])])  # its text is the greater, its time the smaller
    assert city.values("urn:x:1", "n") == [(None, 1, "2020-01-01T00:00:00.500Z")]
    city.close()


def test_a_second_pull_changes_nothing() -> None:
    city = City()
    rows = [row(number, "2020-01-01T00:00Z", f"urn:x:{number}") for number in range(5)]
    city.pull("a", rows)
    journal, version = city.journal(), city.document("urn:x:1")
    record = city.pull("a", rows)
    assert (record.unchanged, record.instances, record.entities) == (5, 0, 0)
    assert (city.journal(), city.document("urn:x:1")) == (journal, version)
    changed = city.pull("a", [*rows[:4], row(44, "2020-01-01T00:00Z", "urn:x:4")])
    assert (changed.unchanged, changed.instances) == (4, 1)
    back = city.pull("a", rows)  # as it was at first: said anew
    assert (back.unchanged, back.instances) == (4, 1)
    assert city.values("urn:x:4", "n")[0][1] == 4
    city.close()


def test_repeats_are_counted_and_contradictions_reported_with_their_places() -> None:
    city = City()
    at = "2020-01-01T00:00Z"
    record = city.pull("a", [row(1, at), row(1, at), row(2, at), row(1, at, "urn:x:2")])
    assert (record.repeated, record.conflicting, record.instances) == (1, 1, 3)
    (note,) = record.notes
    assert note.startswith("1 row repeats a key (id, observedAt, datasetId) with other values")
    assert note.endswith("the later stands: urn:x:1 (file.csv line 4).")
    assert city.values("urn:x:1", "n")[0][1] == 2
    again = city.pull("a", [row(1, at), row(1, at), row(2, at), row(1, at, "urn:x:2")])
    assert (again.instances, again.conflicting) == (0, 1)
    city.close()


def test_a_null_changes_nothing_unless_it_is_to_remove() -> None:
    city = City()
    city.pull("a", [row(1, m="kept")])
    city.pull("a", [row(None, m="kept")])
    assert city.values("urn:x:1", "n") == [(None, 1, None)]
    city.pull("b", [row(5, id_="urn:x:2", m="kept")], null_remove=frozenset({"n"}))
    city.pull("b", [row(None, id_="urn:x:2", m="kept")], types={"n": pa.int64()}, null_remove=frozenset({"n"}))
    assert city.values("urn:x:2", "n") == []
    assert city.values("urn:x:2", "m") == [(None, "kept", None)]
    assert [line[5] for line in city.journal() if line[:2] == ("urn:x:2", "n")] == ["delete", "set"]
    city.pull("b", [row(None, id_="urn:x:3")], types={"n": pa.int64()}, null_remove=frozenset({"n"}))
    assert city.document("urn:x:3") is None
    city.close()


def test_a_row_that_says_nothing_makes_no_entity() -> None:
    city = City()
    assert city.pull("a", [row(None)], types={"n": pa.int64()}).entities == 0
    assert city.document("urn:x:1") is None
    city.close()


def test_tenants_do_not_see_each_other() -> None:
    city = City()
    city.pull("a", [row(1)])
    city.pull("b", [row(2)], tenant="harbour")
    assert city.values("urn:x:1", "n") == [(None, 1, None)]
    assert city.values("urn:x:1", "n", tenant="harbour") == [(None, 2, None)]
    city.close()


def test_a_clock_set_back_does_not_turn_commits_round() -> None:
    city = City()
    run = city.open("a", manner="stream")
    run.write([delivery([row(1)])])
    city.time -= 3_600_000_000
    run.write([delivery([row(2)])])
    first, second = [line for line in commits(city) if line[1] == "a" and line[2] is not None][-2:]
    assert second[0] > first[0]
    assert city.values("urn:x:1", "n") == [(None, 2, None)]
    city.close()


def commits(city: City) -> list[Any]:
    with city.store.reader() as connection:
        return list(connection.execute("SELECT recorded, source, run FROM commits ORDER BY number"))


def test_a_dataset_of_the_mappings_own_stands_beside_the_default() -> None:
    city = City()
    given = [
        row(1, **{"n.datasetId": None}),
        row(2, **{"n.datasetId": "urn:d:2"}),
        row(3, **{"n.datasetId": "urn:d:3"}),
    ]
    city.pull("a", given, types={"n.datasetId": pa.string()})
    assert city.values("urn:x:1", "n") == [(None, 1, None), ("2", 2, None), ("3", 3, None)]
    city.close()


def test_a_dataset_of_ones_own_is_refused_where_there_are_rivals() -> None:
    city = City(claims=rivals("a", "b"))
    run = city.open("a")
    with pytest.raises(InvalidMapping, match=r"sets 'n.datasetId'"):
        run.write([delivery([row(1, **{"n.datasetId": "urn:d:2"})])])
    assert city.document("urn:x:1") is None
    city.close()


def test_a_second_type_is_added_and_the_scope_kept() -> None:
    city = City()
    city.pull("a", [row(1, scope="/a")])
    city.pull("b", [{"id": "urn:x:1", "type": "U", "m": 2}])
    document = city.document("urn:x:1")
    assert document is not None
    assert (document["type"], document["scope"], sorted(document["attrs"])) == (["T", "U"], ["/a"], ["m", "n"])
    city.close()


def test_a_message_that_comes_twice_is_written_once_also_by_the_next_run() -> None:
    city = City()
    rows = [row(1, "2020-01-01T00:00Z"), row(2, "2020-01-01T01:00Z")]
    run = city.open("a", manner="stream")
    run.write([delivery(rows)], cursor={"at": 1})
    assert run.write([delivery(rows)], cursor={"at": 1}).repeated == 2
    again = city.open("a", manner="stream")  # as after a kill
    assert again.cursor == {"at": 1}
    assert again.write([delivery(rows)], cursor={"at": 2}).instances == 0
    assert len(city.journal()) == 2
    city.close()


def test_a_commit_keeps_cursor_rejects_and_the_rows_behind_it_but_no_column_that_is_never_stored() -> None:
    city = City()
    run = city.open("a", never_store=frozenset({"m"}))
    reject = RejectedRow("file.csv line 9", "no id", {"n": 3, "m": "secret"})
    given = [row(1, m="secret")]
    run.write([delivery(given, rejects=(reject,), raw=raw_of(given))], cursor={"page": 2})
    assert run.finish().rejected == 1
    with city.store.reader() as connection:
        assert reading.source_state(connection, "a") == ('{"page":2}', "f")
        assert reading.rejects(connection, "a", "no id", 9, 0)[0][2:] == ("file.csv line 9", '{"n":3}')
        (body,) = reading.raw(connection, "a", 1, 0)
    found = raw.find_row(body, 0)
    assert found is not None
    assert (found.place, found.mapping, found.raw) == (
        "file.csv line 2",
        "mapping.sql",
        {"id": "urn:x:1", "type": "T", "n": "1"},
    )
    document = city.document("urn:x:1")
    assert document is not None
    assert document["attrs"]["n"][0]["@"][0::4] == ["a", 1]  # source and run
    city.close()


def test_rejects_of_earlier_runs_go_with_a_good_whole_pull() -> None:
    city = City()
    run = city.open("a")
    run.write([delivery([row(1)], rejects=(RejectedRow("p", "bad", {}),))])
    run.finish()
    city.pull("a", [row(2)])
    with city.store.reader() as connection:
        assert reading.reject_groups(connection, "a") == []
    city.close()


def test_what_changed_is_announced_by_id_within_a_bound() -> None:
    city = City()
    city.pull("a", [row(number, id_=f"urn:x:{number:04}") for number in range(300)])
    (told,) = city.announced()
    assert (told["types"], len(told["entities"]), told["more"]) == (["T"], 100, True)
    city.close()


def test_created_stays_and_modified_moves() -> None:
    city = City()
    city.pull("a", [row(1)])
    city.pull("a", [row(2)])
    document = city.document("urn:x:1")
    stored = city.store.get("", "urn:x:1")
    assert document is not None
    assert stored is not None
    _, _, created, modified, run, _ = document["attrs"]["n"][0]["@"]
    assert created == stored.created
    assert micro("2026-01-01T00:00Z") < created < modified == stored.modified
    assert run == 2
    city.close()
