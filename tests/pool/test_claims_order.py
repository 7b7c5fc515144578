"""Rivals: each source's claim beside the others', the rule's choice in front, in whatever order they were pulled."""

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeding import ACTOR, City, bare, delivery, micro, rivals, when
from landbridge.model.claim import ClaimRule, Claims
from landbridge.pool import ingest
from landbridge.pool.convert import convert
from landbridge.pool.pool import Pool
from landbridge.pool.seen import Sifted

DAY = 86_400_000_000
SAID = {
    "health": [("2020-06-28T00:00Z", 2), ("2020-06-30T00:00Z", 3)],
    "dxy": [("2020-06-29T00:00Z", 3)],
    "newsroom": [("2020-06-20T00:00Z", 1), ("2020-06-30T00:00Z", 2), ("2020-12-06T00:00Z", 12)],
}


def rows(said: list[tuple[str, Any]]) -> list[dict[str, Any]]:
    return [{"id": "urn:x:1", "type": "T", "n": value, "observedAt": when(at)} for at, value in said]


def pulled(order: tuple[str, ...], claims: Claims, few: int = 256) -> City:
    city = City(claims=claims)
    before = ingest.FEW
    ingest.FEW = few
    try:
        for source in order:
            city.pull(source, rows(SAID[source]))
    finally:
        ingest.FEW = before
    return city


@pytest.mark.parametrize("few", [-1, 256])
@pytest.mark.parametrize("rule", ["priority", "newest", "highest", "lowest", "median"])
def test_every_order_of_pulling_ends_the_same(rule: str, few: int) -> None:
    claims = rivals("health", "dxy", "newsroom", rule=rule, holds={"health": 2 * DAY, "dxy": 2 * DAY})
    ends = []
    for order in permutations(SAID):
        city = pulled(order, claims, few)
        ends.append((bare(city.document("urn:x:1")), city.journal(), city.disagreements()))
        city.close()
    assert all(end == ends[0] for end in ends)
    instances = ends[0][0]["attrs"]["n"]
    assert [one.get("datasetId", "").rpartition(":")[2] for one in instances] == ["", "dxy", "health", "newsroom"]


def test_of_claims_of_2020_pulled_in_2026_the_one_that_still_holds_is_chosen() -> None:
    claims = rivals("health", "dxy", "newsroom", holds={"health": 2 * DAY, "dxy": 2 * DAY})
    city = pulled(("newsroom", "health", "dxy"), claims)
    assert city.values("urn:x:1", "n")[0] == (None, 12, "2020-12-06T00:00:00Z")
    city.close()


def test_where_none_holds_any_more_those_that_held_last_are_chosen_from() -> None:
    holds = {"health": 2 * DAY, "dxy": 3 * DAY, "newsroom": DAY}
    said = {"health": "2020-01-01T00:00Z", "dxy": "2020-01-02T00:00Z", "newsroom": "2020-01-04T00:00Z"}
    city = City(claims=rivals("health", "newsroom", "dxy", holds=holds))
    for value, (source, at) in enumerate(said.items()):
        city.pull(source, rows([(at, value)]))
    assert city.values("urn:x:1", "n")[0][1] == 2  # dxy and newsroom held until the 5th, and newsroom ranks higher
    city.close()


def test_lapsing_changes_no_stored_value_until_one_of_the_sources_speaks() -> None:
    city = City(claims=rivals("a", "b", holds={"a": DAY}), start="2026-01-01T12:00Z")
    city.pull("a", rows([("2026-01-01T00:00Z", 1)]))
    city.pull("b", rows([("2026-01-01T00:00Z", 2)]))
    assert city.values("urn:x:1", "n")[0][1] == 1
    city.time = micro("2026-01-03T00:00Z")
    city.pull("b", rows([("2026-01-01T00:00Z", 2)]))  # nothing new
    assert city.values("urn:x:1", "n")[0][1] == 1
    city.pull("b", rows([("2026-01-02T00:00Z", 2)]))
    assert city.values("urn:x:1", "n")[0][1] == 2
    city.close()


def test_a_pin_stands_over_the_rule_until_it_is_lifted() -> None:
    claims = rivals("a", "b")
    city = City(claims=claims)
    city.pull("a", rows([("2020-01-01T00:00Z", 1)]))
    city.pull("b", rows([("2020-01-01T00:00Z", 2)]))
    pin = {"type": "Property", "value": 99}
    Pool(city.store, claims=claims).append(ACTOR, "urn:x:1", {"n": [pin]})
    city.pull("a", rows([("2020-01-02T00:00Z", 3)]))
    assert [one[:2] for one in city.values("urn:x:1", "n")] == [(None, 99), ("a", 3), ("b", 2)]
    Pool(city.store, claims=claims).delete_attribute(ACTOR, "urn:x:1", "n")
    assert [one[:2] for one in city.values("urn:x:1", "n")] == [(None, 3), ("a", 3), ("b", 2)]
    city.close()


@pytest.mark.parametrize("few", [-1, 256])
def test_what_the_one_source_says_under_a_pin_is_kept(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "FEW", few)
    city = City()
    city.pull("a", rows([("2020-01-01T00:00Z", 1)]))
    Pool(city.store, claims=city.claims).append(ACTOR, "urn:x:1", {"n": [{"type": "Property", "value": 99}]})
    city.pull("a", rows([("2020-01-02T00:00Z", 2)]))
    assert [one[:2] for one in city.values("urn:x:1", "n")] == [(None, 99), ("a", 2)]
    Pool(city.store, claims=city.claims).delete_attribute(ACTOR, "urn:x:1", "n")
    assert city.values("urn:x:1", "n") == [(None, 2, "2020-01-02T00:00:00Z")]
    city.close()


# -- converting


def ended(order: tuple[str, ...], claims: Claims) -> Any:
    city = pulled(order, claims)
    found = bare(city.document("urn:x:1"))
    city.close()
    return found


def converted(city: City, claims: Claims) -> int:
    city.claims = claims
    return convert(city.store, claims, ACTOR)


def test_a_second_source_turns_the_value_into_a_claim() -> None:
    alone = Claims({("", "T", "n"): ("health",)})
    city = pulled(("health",), alone)
    convert(city.store, alone, ACTOR)
    both = rivals("dxy", "health")
    assert converted(city, both) == 1
    assert city.values("urn:x:1", "n") == [
        (None, 3, "2020-06-30T00:00:00Z"),
        ("health", 3, "2020-06-30T00:00:00Z"),
    ]
    city.pull("dxy", rows(SAID["dxy"]))
    assert bare(city.document("urn:x:1")) == ended(("health", "dxy"), both)
    assert converted(city, both) == 0
    city.close()


def test_a_source_that_went_is_withdrawn_and_may_come_back() -> None:
    both, alone = rivals("dxy", "health"), Claims({("", "T", "n"): ("health",)})
    city = pulled(("health", "dxy"), both)
    convert(city.store, both, ACTOR)
    assert city.disagreements()
    assert converted(city, alone) == 1
    assert city.values("urn:x:1", "n") == [(None, 3, "2020-06-30T00:00:00Z")]
    assert ("urn:x:1", "n", "urn:ngsi-ld:Dataset:dxy", None, "dxy", "delete", None) in city.journal()
    assert city.disagreements() == []
    assert converted(city, both) == 1
    city.pull("dxy", rows(SAID["dxy"]))  # its hashes are forgotten, so it says everything again
    assert bare(city.document("urn:x:1")) == ended(("health", "dxy"), both)
    city.close()


def test_a_new_rule_chooses_anew() -> None:
    city = pulled(("newsroom", "health"), rivals("health", "newsroom"))
    convert(city.store, city.claims, ACTOR)
    assert city.values("urn:x:1", "n")[0][1] == 3
    assert converted(city, rivals("health", "newsroom", rule="highest")) == 1
    assert city.values("urn:x:1", "n")[0][1] == 12
    assert city.announced()[-1] == {"types": ["T"], "entities": [], "more": True}
    city.close()


def test_a_pin_stays_when_sources_come_and_go() -> None:
    alone, both = Claims({("", "T", "n"): ("health",)}), rivals("dxy", "health")
    city = pulled(("health",), alone)
    convert(city.store, alone, ACTOR)
    Pool(city.store, claims=alone).append(ACTOR, "urn:x:1", {"n": [{"type": "Property", "value": 99}]})
    for claims in (both, alone):
        converted(city, claims)
        assert [one[:2] for one in city.values("urn:x:1", "n")] == [(None, 99), ("health", 3)]
    Pool(city.store, claims=alone).delete_attribute(ACTOR, "urn:x:1", "n")
    assert city.values("urn:x:1", "n") == [(None, 3, "2020-06-30T00:00:00Z")]
    city.close()


# -- against a slow merge in plain Python


class Plain:
    """The pool's rules for one attribute without claims rules or pins, as a person would write them down."""

    def __init__(self) -> None:
        self.state: dict[str, tuple[str, int, int | None]] = {}  # id -> owner, value, hour
        self.history: list[tuple[str, str, int, int | None]] = []

    def say(self, source: str, id_: str, value: int, hour: int | None) -> None:
        self.history.append((id_, source, value, hour))
        owner, _, known = self.state.get(id_, (None, 0, None))
        late = owner == source and hour is not None and known is not None and hour < known
        if not late:
            self.state[id_] = (source, value, hour)


SAYING = st.tuples(st.integers(1, 4), st.integers(0, 9), st.one_of(st.none(), st.integers(0, 5)))


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.lists(SAYING, min_size=1, max_size=10)), max_size=5), st.booleans())
def test_both_roads_keep_what_a_slow_merge_keeps(told: list[tuple[str, list[Any]]], columnar: bool) -> None:
    plain, city, before = Plain(), City(), ingest.FEW
    ingest.FEW = -1 if columnar else 256
    try:
        for source, said in told:
            given_rows: list[dict[str, Any]] = [
                {"id": f"urn:x:{id_}", "type": "T", "n": value, "observedAt": at(hour)} for id_, value, hour in said
            ]
            # each delivery is a run of its own whose rows differ from all before: the memory of rows is another test's
            run = city.open(f"{source}", manner="stream")
            run.memory.sift = lambda keys, hashes, strict: keep_all(len(keys))  # type: ignore[method-assign]
            run.write([delivery(given_rows)])
            for id_, value, hour in said:
                plain.say(source, f"urn:x:{id_}", value, hour)
        for number in range(1, 5):
            expected = plain.state.get(f"urn:x:{number}")
            found = city.document(f"urn:x:{number}")
            assert (found is None) == (expected is None)
            if found is not None and expected is not None:
                (one,) = found["attrs"]["n"]
                hour = one.get("observedAt")
                assert (one["@"][0], one["value"], None if hour is None else int(hour[11:13])) == expected
        assert len(city.journal()) == len(plain.history)
    finally:
        ingest.FEW = before
        city.close()


def at(hour: int | None) -> Any:
    return None if hour is None else when(f"2020-01-01T{hour:02}:00Z")


def keep_all(count: int) -> Any:
    return Sifted(np.ones(count, bool), 0, 0, np.empty(0, np.int64))


def test_the_rule_for_a_type_covers_its_attributes() -> None:
    claims = Claims({("", "T", "n"): ("a", "b")}, {("T", "*"): ClaimRule("lowest")})
    city = City(claims=claims)
    city.pull("a", rows([("2020-01-01T00:00Z", 5)]))
    city.pull("b", rows([("2020-01-01T00:00Z", 4)]))
    assert city.values("urn:x:1", "n")[0][1] == 4
    city.close()
