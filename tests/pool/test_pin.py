"""A client's value stands over rule and source until a client deletes it; what sources say meanwhile is kept."""

from collections.abc import Iterator
from typing import Any

import pytest

from feeding import City, micro, rivals, when
from landbridge.errors import Refused
from landbridge.governance.policy import Actor, Role
from landbridge.model.claim import Claims
from landbridge.model.entity import NULL
from landbridge.model.merge import Merging
from landbridge.model.parser import parse_attributes, parse_entity, parse_fragment
from landbridge.model.terms import Terms
from landbridge.pool.alter import Fragment
from landbridge.pool.pool import Pool

CLERK = Actor("clerk", Role.STEWARD)
ID = "urn:x:1"
DAY = 86_400_000_000


@pytest.fixture
def city() -> Iterator[City]:
    city = City()
    yield city
    city.close()


def pool_of(city: City, claims: Claims | None = None) -> Pool:
    city.claims = claims or Claims({("", "T", "n"): ("one",)})
    return Pool(city.store, claims=city.claims)


def pin(pool: Pool, value: Any) -> None:
    pool.append(CLERK, ID, parse_attributes({"n": value}, Terms()))


def says(city: City, source: str, value: Any, at: str | None = None) -> None:
    row: dict[str, Any] = {"id": ID, "type": "T", "n": value}
    if at:
        row["observedAt"] = when(at)
    city.pull(source, [row])


def standings(pool: Pool) -> dict[str | None, str]:
    return {trace.dataset_id: trace.standing for trace in pool.explain(CLERK, ID, "n")}


def test_a_pin_stands_over_the_one_source_and_is_lifted(city: City) -> None:
    pool = pool_of(city)
    says(city, "one", 1)
    pin(pool, 100)
    assert city.values(ID, "n") == [(None, 100, None), ("one", 1, None)]
    says(city, "one", 2)
    assert city.values(ID, "n") == [(None, 100, None), ("one", 2, None)]
    assert standings(pool) == {None: "pin", "urn:ngsi-ld:Dataset:one": "claim"}
    pool.delete_attribute(CLERK, ID, "n")
    assert city.values(ID, "n") == [(None, 2, None)]
    assert standings(pool) == {None: "value"}
    says(city, "one", 3)
    assert city.values(ID, "n") == [(None, 3, None)]


def test_a_pin_stands_over_the_rule_and_lifting_it_chooses_again(city: City) -> None:
    pool = pool_of(city, rivals("one", "two", rule="highest"))
    says(city, "one", 1)
    says(city, "two", 2)
    assert city.values(ID, "n") == [(None, 2, None), ("one", 1, None), ("two", 2, None)]
    pin(pool, 50)
    says(city, "one", 9)
    assert city.values(ID, "n") == [(None, 50, None), ("one", 9, None), ("two", 2, None)]
    pool.delete_attribute(CLERK, ID, "n")
    assert city.values(ID, "n") == [(None, 9, None), ("one", 9, None), ("two", 2, None)]
    assert standings(pool)[None] == "chosen"


def test_a_pin_that_was_there_first_gives_way_to_the_source_only_when_lifted(city: City) -> None:
    pool = pool_of(city)
    pool.create(CLERK, parse_entity({"id": ID, "type": "T", "n": 7}, Terms()))
    assert standings(pool) == {None: "pin"}  # a source feeds the attribute, though it has said nothing yet
    says(city, "one", 1)
    assert city.values(ID, "n") == [(None, 7, None), ("one", 1, None)]
    pool.delete_attribute(CLERK, ID, "n", all=True)
    assert city.values(ID, "n") == [(None, 1, None)]


def test_a_pin_over_a_pin_is_a_pin(city: City) -> None:
    pool = pool_of(city)
    says(city, "one", 1)
    pin(pool, 5)
    pin(pool, 6)
    assert city.values(ID, "n") == [(None, 6, None), ("one", 1, None)]
    with pytest.raises(Refused):
        pool.delete_attribute(CLERK, ID, "n", "urn:ngsi-ld:Dataset:one")


def test_a_lapsed_claim_is_not_chosen_when_a_pin_is_lifted(city: City) -> None:
    """`one` has priority, but what it said held for two days only."""
    city.time = micro("2020-04-10T00:00Z")
    pool = pool_of(city, rivals("one", "two", holds={"one": 2 * DAY}))
    says(city, "one", 1, "2020-04-09T00:00+00:00")
    says(city, "two", 2, "2020-04-01T00:00+00:00")
    pin(pool, 50)
    city.time = micro("2020-04-12T00:00Z")
    pool.delete_attribute(CLERK, ID, "n")
    assert city.values(ID, "n")[0] == (None, 2, "2020-04-01T00:00:00Z")


def test_staleness_is_told_and_changes_nothing_that_is_stored(city: City) -> None:
    city.time = micro("2020-04-10T00:00Z")
    pool = pool_of(city, Claims({("", "T", "n"): ("one",)}, {}, {"one": 2 * DAY}))
    says(city, "one", 1, "2020-04-09T00:00+00:00")
    before = city.document(ID)
    (fresh,) = pool.explain(CLERK, ID, "n")
    assert (fresh.stale, fresh.holds_until) == (False, micro("2020-04-11T00:00Z"))
    city.time = micro("2020-04-11T00:00Z")
    (stale,) = pool.explain(CLERK, ID, "n")
    assert (stale.stale, stale.standing) == (True, "value")
    assert city.document(ID) == before


def test_pins_are_in_the_history_with_who_wrote_them(city: City) -> None:
    pool = pool_of(city)
    says(city, "one", 1)
    pin(pool, 5)
    pool.delete_attribute(CLERK, ID, "n")
    points = pool.series(CLERK, ID, "n")
    assert [(point.owner, point.value, point.deleted) for point in points] == [
        ("one", 1, False),
        ("api", 5, False),
        ("api", None, True),
        ("one", 1, False),
    ]


def test_merges_and_partial_updates_pin_too_and_take_what_they_do_not_name_from_the_source(city: City) -> None:
    pool = pool_of(city)
    city.pull("one", [{"id": ID, "type": "T", "n": 1, "n.unitCode": "CEL"}])
    pool.patch_attribute(CLERK, ID, "n", {"value": 5})
    assert city.values(ID, "n") == [(None, 5, None), ("one", 1, None)]
    assert pool.entity(CLERK, ID)["attrs"]["n"][0]["unitCode"] == "CEL"
    part = parse_fragment({"n": {"type": "Property", "value": 6}}, Terms(), nulls=True, partial=True)
    pool.merge(CLERK, ID, Fragment(part["attrs"]), Merging(Terms()))
    assert city.values(ID, "n") == [(None, 6, None), ("one", 1, None)]
    assert standings(pool)[None] == "pin"
    gone = Fragment(parse_fragment({"n": NULL}, Terms(), nulls=True, partial=True)["attrs"])
    pool.merge(CLERK, ID, gone, Merging(Terms()))
    assert city.values(ID, "n") == [(None, 1, None)]
    with pytest.raises(Refused, match="belongs to the source 'one'"):
        pool.merge(CLERK, ID, gone, Merging(Terms()))
    with pytest.raises(Refused, match="belongs to the source 'one'"):
        pool.patch(CLERK, ID, gone)


def test_scopes_types_and_other_attributes_of_a_fed_entity_are_the_clients(city: City) -> None:
    pool = pool_of(city)
    says(city, "one", 1)
    pool.append(CLERK, ID, Fragment(parse_attributes({"m": 1}, Terms()), ["U"], ["/a"]))
    says(city, "one", 2)
    document = pool.entity(CLERK, ID)
    assert (document["type"], document["scope"]) == (["T", "U"], ["/a"])
    assert city.values(ID, "n") == [(None, 2, None)]
    pool.delete_attribute(CLERK, ID, "scope")
    pool.delete_attribute(CLERK, ID, "m")
    assert set(pool.entity(CLERK, ID)["attrs"]) == {"n"}
