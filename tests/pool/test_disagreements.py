"""Where sources disagree: stored intervals are those of all claims ever made, in any order, after any kill."""

from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeding import ACTOR, City, delivery, micro, rivals, when
from landbridge.model.claim import WITHDRAWN, Claim, ClaimRule, Claims, choose, disagreements, lay_out
from landbridge.pool import disagree, ingest
from landbridge.pool.disagree import heal

DAY = 86_400_000_000


def row(at: str | None, value: Any, id_: str = "urn:x:1") -> dict[str, Any]:
    return {"id": id_, "type": "T", "n": value, "observedAt": None if at is None else when(at)}


def told(city: City) -> list[Any]:
    return [
        (one.entity, one.since, one.until, tuple((s.source, s.value) for s in one.values))
        for one in city.disagreements()
    ]


def test_an_interval_ends_where_a_source_falls_silent() -> None:
    """The issue's own case: health-commission says 3 and newsroom 2 at the end of June 2020."""
    claims = rivals("health", "newsroom", holds={"health": 2 * DAY})
    city = City(claims=claims)
    city.pull("newsroom", [row("2020-06-29T00:00Z", 2), row("2020-12-06T00:00Z", 12)])
    city.pull("health", [row("2020-06-30T00:00Z", 3)])
    since, until = micro("2020-06-30T00:00Z"), micro("2020-07-02T00:00Z")
    assert told(city) == [("urn:x:1", since, until, (("health", 3), ("newsroom", 2)))]
    city.close()


def test_a_source_that_mends_its_value_ends_the_disagreement() -> None:
    city = City(claims=rivals("a", "b"))
    city.pull("a", [row("2020-01-01T00:00Z", 1)])
    city.pull("b", [row("2020-01-01T00:00Z", 2)])
    assert len(told(city)) == 1
    city.pull("b", [row("2020-01-01T00:00Z", 1)])  # of two at one time the later stands
    assert told(city) == []
    city.close()


def test_what_the_tolerance_covers_is_none() -> None:
    city = City(claims=rivals("a", "b", tolerance=1.0))
    city.pull("a", [row("2020-01-01T00:00Z", 1), row("2020-01-01T00:00Z", 1, "urn:x:2")])
    city.pull("b", [row("2020-01-01T00:00Z", 2), row("2020-01-01T00:00Z", 3, "urn:x:2")])
    assert [one[0] for one in told(city)] == ["urn:x:2"]
    city.close()


def test_texts_disagree_too() -> None:
    city = City(claims=rivals("a", "b"))
    city.pull("a", [row("2020-01-01T00:00Z", 'say "x", y'), row("2020-01-01T00:00Z", "same", "urn:x:2")])
    city.pull("b", [row("2020-01-01T00:00Z", 'say "x", z'), row("2020-01-01T00:00Z", "same", "urn:x:2")])
    assert [(one[0], one[3]) for one in told(city)] == [("urn:x:1", (("a", 'say "x", y'), ("b", 'say "x", z')))]
    city.close()


def test_claims_without_time_hold_from_when_they_were_recorded() -> None:
    city = City(claims=rivals("a", "b"))
    city.pull("a", [row(None, 1)])
    city.pull("b", [row(None, 2)])
    (one,) = city.disagreements()
    assert (one.until, one.since > micro("2026-01-01T00:00Z")) == (None, True)
    city.close()


def test_a_claim_that_is_withdrawn_disagrees_no_more() -> None:
    city = City(claims=rivals("a", "b"))
    keep = row("2020-01-01T00:00Z", 1, "urn:x:2")
    city.pull("a", [row("2020-01-01T00:00Z", 1), keep], gone="end")
    city.pull("b", [row("2020-01-01T00:00Z", 2)])
    assert told(city)[0][2] is None
    city.pull("a", [keep], gone="end")
    (one,) = told(city)
    assert one[2] is not None
    assert city.values("urn:x:1", "n") == [(None, 2, "2020-01-01T00:00:00Z"), ("b", 2, "2020-01-01T00:00:00Z")]
    city.close()


SOURCES = ("a", "b", "c")
SAID = st.lists(
    st.tuples(st.sampled_from(SOURCES), st.integers(1, 3), st.integers(0, 6), st.sampled_from([1, 2, 3.5])), max_size=14
)


KINDS_OF_VALUES = {  # by source; what is equal as a number is no disagreement, whatever its type
    "numbers": {"a": float, "b": float, "c": float},
    "whole": {"a": float, "b": int, "c": float},
    "texts": {"a": str, "b": str, "c": str},
    "mixed": {"a": str, "b": float, "c": float},
}


@settings(max_examples=60, deadline=None)
@given(
    SAID,
    st.sampled_from([0.0, 1.0]),
    st.sampled_from([0, DAY]),
    st.booleans(),
    st.permutations(SOURCES),
    st.sets(st.sampled_from(SOURCES)),
    st.sampled_from(list(KINDS_OF_VALUES)),
)
def test_stored_intervals_are_those_of_all_claims(
    said: list[Any], tolerance: float, slack: int, lapsing: bool, order: list[str], columnar: set[str], kind: str
) -> None:
    """Of numbers and texts, written as columns or row by row, looked at a few entities at a time."""
    of_source = KINDS_OF_VALUES[kind]
    holds = {"a": 2 * DAY} if lapsing else {}
    claims = rivals(*SOURCES, tolerance=tolerance, tolerance_time=slack, holds=holds)
    latest = {(source, id_, day): of_source[source](value) for source, id_, day, value in said}
    city, before = City(claims=claims), (ingest.FEW, disagree.WINDOW_KEYS)
    disagree.WINDOW_KEYS = 1 if lapsing else 100
    try:
        for source in order:
            ingest.FEW = -1 if source in columnar else 256
            given_rows = [
                row(f"2020-01-{day + 1:02}T00:00Z", value, f"urn:x:{id_}")
                for (of, id_, day), value in latest.items()
                if of == source
            ]
            if given_rows:
                city.pull(source, given_rows)
        found = told(city)
    finally:
        ingest.FEW, disagree.WINDOW_KEYS = before
        city.close()
    expected = []
    for id_ in (1, 2, 3):
        mine = [
            (of, value, micro(f"2020-01-{day + 1:02}T00:00Z")) for (of, i, day), value in latest.items() if i == id_
        ]
        for interval in disagreements(mine, holds, claims.rule(("T",), "n")):
            words = tuple((claim.source, claim.value) for claim in interval.claims)
            until = None if interval.until > 1 << 60 else interval.until
            expected.append((f"urn:x:{id_}", interval.since, until, words))
    assert sorted(found, key=repr) == sorted(expected, key=repr)


def test_a_run_that_is_killed_before_its_end_leaves_a_mark_that_is_seen_to() -> None:
    city = City(claims=rivals("a", "b"))
    city.pull("a", [row("2020-01-01T00:00Z", 1)])
    city.open("b").write([delivery([row("2020-01-01T00:00Z", 2)])])  # and never finished
    assert told(city) == []
    city.open("b")
    assert len(told(city)) == 1
    with city.store.reader() as connection:
        assert list(connection.execute("SELECT name FROM meta WHERE name LIKE 'disagree:%'")) == []
    city.close()


def test_another_sources_run_under_way_keeps_its_mark() -> None:
    city = City(claims=rivals("a", "b"))
    city.open("b").write([delivery([row("2020-01-01T00:00Z", 2)])])
    city.pull("a", [row("2020-01-01T00:00Z", 1)])
    with city.store.reader() as connection:
        assert len(list(connection.execute("SELECT name FROM meta WHERE name LIKE 'disagree:b:%'"))) == 1
    heal(city.store, city.claims, ACTOR)
    assert len(told(city)) == 1
    city.close()


def meanwhile(monkeypatch: pytest.MonkeyPatch, done: Callable[[], object]) -> None:
    """Have something happen once, between what a run reads for its disagreements and what it writes of them."""
    compute, waiting = disagree.changed, [done]

    def changed(*given: Any) -> Any:
        found = list(compute(*given))
        if waiting:
            waiting.pop()()
        return found

    monkeypatch.setattr(disagree, "changed", changed)


def test_two_runs_that_end_at_once_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    city = City(claims=rivals("a", "b"))
    one, other = city.open("a"), city.open("b")
    one.write([delivery([row("2020-01-01T00:00Z", 1)])])
    other.write([delivery([row("2020-01-01T00:00Z", 2)])])
    meanwhile(monkeypatch, other.finish)
    assert one.finish().state == "done"
    assert told(city) == [("urn:x:1", micro("2020-01-01T00:00Z"), None, (("a", 1), ("b", 2)))]
    city.close()


@pytest.mark.parametrize("mended", [1, 2])
def test_what_was_read_before_another_run_ended_is_not_written_over_it(
    mended: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    city = City(claims=rivals("a", "b"))
    city.pull("b", [row("2020-01-01T00:00Z", 3 - mended)])
    one = city.open("a")
    one.write([delivery([row("2020-01-01T00:00Z", 1)])])
    meanwhile(monkeypatch, lambda: city.pull("b", [row("2020-01-01T00:00Z", mended)]))
    one.finish()
    differ = [("urn:x:1", micro("2020-01-01T00:00Z"), None, (("a", 1), ("b", mended)))]
    assert told(city) == (differ if mended != 1 else [])
    city.close()


def test_a_stream_finds_its_disagreements_while_it_runs() -> None:
    city = City(claims=rivals("a", "b"))
    city.pull("a", [row("2020-01-01T00:00Z", 1)])
    run = city.open("b", manner="stream")
    run.write([delivery([row("2020-01-01T00:00Z", 2)])])
    city.time += 60_000_000
    run.write([delivery([row("2020-01-01T01:00Z", 3)])])
    assert len(told(city)) == 2
    city.close()


@pytest.mark.parametrize("order", list(permutations(("a", "b", "c"))))
def test_every_order_of_pulling_lists_the_same(order: tuple[str, ...]) -> None:
    city = City(claims=rivals("a", "b", "c"))
    for source in order:
        city.pull(source, [row(f"2020-01-0{1 + 'abc'.index(source)}T00:00Z", "abc".index(source))])
    days = [micro(f"2020-01-0{day}T00:00Z") for day in (2, 3)]
    assert told(city) == [
        ("urn:x:1", days[0], days[1], (("a", 0), ("b", 1))),
        ("urn:x:1", days[1], None, (("a", 0), ("b", 1), ("c", 2))),
    ]
    city.close()


def test_withdrawing_ends_a_claim_and_says_nothing() -> None:
    assert lay_out([("a", 1, 10), ("a", WITHDRAWN, 20)], {}) == {"a": [Claim("a", 1, 10, 20)]}
    assert lay_out([("a", WITHDRAWN, 20)], {}) == {}


def test_the_later_claim_wins_a_tie_of_unranked_sources() -> None:
    claims = [Claim("b", 1, 10), Claim("a", 2, 10), Claim("c", 3, 5)]
    assert choose(claims, ClaimRule("newest"), 99).source == "a"
    assert Claims.from_json(rivals("a", "b", tolerance=2.0).to_json()) == rivals("a", "b", tolerance=2.0)
