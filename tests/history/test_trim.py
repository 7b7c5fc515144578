"""The store gives away what the lake has: nothing that anybody asks for changes by that, and nothing goes too early."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from feeding import ACTOR, City, micro, rivals, when
from landbridge.errors import Damaged
from landbridge.governance.policy import Policy
from landbridge.history import trim as trim_module
from landbridge.history.drain import Drain
from landbridge.history.lake import Lake
from landbridge.history.said import points
from landbridge.history.trim import DAY, Window, boundary, last_before, trim
from landbridge.model.answer import Document
from landbridge.pool.disagree import heal, settle_kind
from landbridge.pool.pool import Pool
from landbridge.store import drained
from made_lake import Remembering, all_lines, drain_all, drained_lines, history, journalled, lively, write_more

NOTHING = Window(0, 0)  # a window that keeps nothing
ATTRIBUTES = ("n", "text", "level", "on", "location")
IDS = ("urn:x:0", "urn:x:1", "urn:x:2", "urn:x:39")


def remaining(city: City) -> tuple[int, int]:
    with city.store.reader() as connection:
        return (
            connection.execute("SELECT count(*) FROM journal").get,
            connection.execute("SELECT count(*) FROM segment").get,
        )


def all_series(pool: Pool, ids: Sequence[str] = IDS, **more: Any) -> list[Any]:
    return [
        pool.series(ACTOR, id_, attribute, **more)
        for id_ in ids
        for attribute in ("n", "text", "level", "on", "location")
    ]


def test_what_is_drained_and_old_goes_and_every_series_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trim_module, "ROWS_AT_ONCE", 10)
    monkeypatch.setattr(trim_module, "SEGMENTS_AT_ONCE", 1)
    city = lively(tmp_path / "pool.db")
    lake = history(tmp_path)
    pool = city.pool()
    questions: list[dict[str, Any]] = [
        {"limit": 100_000}, {"limit": 7}, {"limit": 50, "since": micro("2026-10-21T00:00Z")}
    ]  # fmt: skip
    before = [all_series(pool, **question) for question in questions]
    wanted = journalled(city.store)
    assert trim(city.store, NOTHING).rows == 0 and journalled(city.store) == wanted  # nothing is in the lake yet
    drain_all(Drain(city.store, lake))
    assert [all_series(pool, **question) for question in questions] == before
    assert trim(city.store, Window()).rows == 0  # all is within thirty days
    gone = trim(city.store, NOTHING)
    assert gone.rows > 20 and gone.segments >= 2 and remaining(city) == (0, 0)
    assert [all_series(pool, **question) for question in questions] == before
    assert drained_lines(lake) == wanted == all_lines(city.store, lake)
    write_more(city, 7)  # late, at the times of what was trimmed
    write_more(city, 9)
    twin = lively(tmp_path / "twin.db")
    write_more(twin, 7)
    write_more(twin, 9)
    whole = Pool(twin.store, Policy(), twin.claims)
    assert times_apart(all_series(pool, limit=100_000)) == times_apart(all_series(whole, limit=100_000))
    city.close()
    twin.close()


def times_apart(found: list[Any]) -> list[Any]:
    return [[(one.time, one.value, one.owner, one.dataset_id, one.deleted) for one in series] for series in found]


def test_a_series_says_so_where_its_history_is_not_at_hand(tmp_path: Path) -> None:
    city = lively(tmp_path / "pool.db")
    drain_all(Drain(city.store, history(tmp_path)))
    trim(city.store, NOTHING)
    with pytest.raises(Damaged, match="history of this pool is needed"):
        Pool(city.store, Policy(), city.claims).series(ACTOR, "urn:x:1", "n")
    pool = Pool(city.store, Policy(), city.claims)
    pool.earlier = partial(points, city.store, Lake(str(tmp_path / "elsewhere")))
    with pytest.raises(Damaged, match="given its own away"):
        pool.series(ACTOR, "urn:x:1", "n")
    city.close()


def test_what_the_lake_does_not_have_never_goes(tmp_path: Path) -> None:
    city = lively(tmp_path / "pool.db")
    lake = history(tmp_path)
    drain_all(Drain(city.store, lake))
    write_more(city, 8)
    wanted = journalled(city.store)
    trim(city.store, NOTHING)
    assert all_lines(city.store, lake) == wanted and remaining(city) != (0, 0)
    with city.store.reader() as connection:
        position = drained.of_type(connection, "T")
    assert 0 < position.trimmed == position.number < city.store.version()
    city.close()


def test_a_trim_that_is_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trim_module, "ROWS_AT_ONCE", 3)
    monkeypatch.setattr(trim_module, "SEGMENTS_AT_ONCE", 1)
    city = lively(tmp_path / "pool.db")
    lake = history(tmp_path)
    drain_all(Drain(city.store, lake))
    wanted, rounds = drained_lines(lake), 0
    while remaining(city) != (0, 0):
        trim(city.store, NOTHING, stop=lambda: True)
        assert all_lines(city.store, lake) == wanted
        rounds += 1
        assert rounds < 200
    assert rounds > 10
    city.close()


def test_the_window_is_of_days_and_of_megabytes(tmp_path: Path) -> None:
    city = lively(tmp_path / "pool.db")
    middle = city.store.version()
    city.time += 10 * DAY
    write_more(city, 8)
    with city.store.reader() as connection:
        moments = dict(connection.execute("SELECT number, recorded FROM commits"))
        for number, moment in moments.items():
            assert last_before(connection, moment) == number - 1 and last_before(connection, moment + 1) == number
        assert last_before(connection, 0) == 0
        assert boundary(connection, Window(9, 1_000), city.clock()) == middle
        assert boundary(connection, Window(11, 1_000), city.clock()) == 0
        assert boundary(connection, Window(11, 0), city.clock()) >= city.store.version()
    city.time -= DAY * 30  # a clock that is set back trims nothing more
    with city.store.reader() as connection:
        assert boundary(connection, Window(9, 1_000), city.clock()) == 0
    city.close()


# -- disagreements are of all that was ever claimed


def row(at: str, value: Any, id_: str = "urn:x:1", type_: str = "T") -> dict[str, Any]:
    return {"id": id_, "type": type_, "n": value, "observedAt": when(at)}


def told(city: City) -> list[Any]:
    return sorted(
        (one.entity, one.attribute, one.since, one.until or 0, str([(s.source, s.value) for s in one.values]))
        for one in city.disagreements()
    )


def forget(city: City, lake: Lake) -> None:
    drain_all(Drain(city.store, lake))
    trim(city.store, NOTHING)
    assert remaining(city) == (0, 0)


def found_anew(city: City, lake: Lake) -> list[Any]:
    """All disagreements, found again of nothing but what store and lake have."""
    with city.store.reader() as connection:
        kinds = [number for numbers in drained.kinds(connection).values() for number in numbers]
    for kind in kinds:
        settle_kind(city.store, city.claims, ACTOR, kind, {"n": None, "level": None, "text": None}, "a:1", lake)
    return told(city)


@pytest.mark.parametrize("few", [0, 10_000], ids=["as columns", "row by row"])
def test_disagreements_are_the_same_after_the_trim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    """Also where late claims come after it, which agree or not with what the lake alone has."""
    monkeypatch.setattr("landbridge.pool.ingest.FEW", few)
    claims = rivals("a", "b", "c", attributes=("n", "level", "text"), holds={"c": 3 * DAY})
    lake = history(tmp_path)
    cities = [Remembering(tmp_path / "pool.db", lake, claims=claims), City(tmp_path / "whole.db", claims=claims)]
    steps: list[tuple[str, list[dict[str, Any]]]] = [
        ("a", [row(f"2025-01-{day:02}T00:00Z", day % 3, f"urn:x:{n}") for day in range(1, 20) for n in range(30)]),
        (
            "b",
            [row(f"2025-01-{day:02}T00:00Z", day % 4, f"urn:x:{n}") for day in range(1, 20) for n in range(0, 30, 2)],
        ),
        ("c", [row("2025-01-05T00:00Z", 2.5), {**row("2025-01-05T00:00Z", 1), "text": 'ä "q"', "level": True}]),
        ("a", [{**row("2025-01-05T06:00Z", 1), "text": 'ä "q"', "level": True}]),  # agrees with what is in the lake
        ("b", [{**row("2025-01-05T06:00Z", 1), "text": "other", "level": False}]),
        ("b", [row("2025-01-03T00:00Z", 0)]),  # mends a claim that the lake alone has
        ("c", [row("2024-12-31T00:00Z", 7, "urn:x:4")]),  # late: before everything
    ]
    for source, rows in steps:
        for city in cities:
            city.pull(source, rows)
        assert told(cities[0]) == told(cities[1])
        forget(cities[0], lake)
        assert found_anew(cities[0], lake) == told(cities[1])
    assert len(told(cities[1])) > 20
    for city in cities:
        city.close()


def test_disagreements_say_so_where_the_history_is_not_at_hand(tmp_path: Path) -> None:
    city = City(tmp_path / "pool.db", claims=rivals("a", "b"))
    city.pull("a", [row("2025-01-01T00:00Z", 1)])
    city.pull("b", [row("2025-01-01T00:00Z", 2)])
    forget(city, history(tmp_path))
    with pytest.raises(Damaged, match="where sources disagree"):
        city.pull("b", [row("2025-01-01T00:00Z", 1)])
    heal(city.store, city.claims, ACTOR, None, history(tmp_path))  # the mark of that run is there, and is seen to
    assert told(city) == []
    city.close()


def test_a_series_goes_on_where_the_type_changes(tmp_path: Path) -> None:
    lake = history(tmp_path)
    city = Remembering(tmp_path / "pool.db", lake)
    pool = city.pool()

    def document(type_: str, value: int) -> Document:
        said = {"type": "Property", "value": value, "observedAt": f"2026-01-0{value}T00:00:00Z"}
        return {"id": "urn:x:1", "type": [type_], "attrs": {"n": [said]}}

    pool.create(ACTOR, document("T", 1))
    drain_all(Drain(city.store, lake))
    pool.replace(ACTOR, "urn:x:1", document("Other", 2))
    before = [point.value for point in pool.series(ACTOR, "urn:x:1", "n") if not point.deleted]
    assert before == [1, 2]
    forget(city, lake)
    assert [point.value for point in pool.series(ACTOR, "urn:x:1", "n") if not point.deleted] == before
    pool.delete(ACTOR, "urn:x:1")
    pool.create(ACTOR, document("Other", 3))  # another one of the same id
    assert [point.value for point in pool.series(ACTOR, "urn:x:1", "n")] == [3]
    forget(city, lake)
    assert [point.value for point in pool.series(ACTOR, "urn:x:1", "n")] == [3]
    city.close()
