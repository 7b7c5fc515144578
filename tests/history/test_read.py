"""Questions to history: what stands, which stretch, which page, which entities; wherever the lines lie meanwhile."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from landbridge.errors import InvalidQuery, Missing
from landbridge.governance.policy import Actor, Role
from landbridge.history.drain import Drain
from landbridge.history.lake import Lake
from landbridge.history.read import Question, Reader
from landbridge.history.trim import Window, trim
from landbridge.model.chapter import parse_temporal
from landbridge.model.instant import parse_instant
from landbridge.model.parser import parse_entity, parse_fragment
from landbridge.model.query import Compare, Has, Order, Query, Scope
from landbridge.model.query import Path as At
from landbridge.model.temporal import (
    Aggregate,
    Evolution,
    Evolutions,
    Moment,
    Period,
    Span,
    TemporalQuery,
)
from landbridge.model.terms import Contexts
from landbridge.pool.pool import Pool
from landbridge.store.sqlite import open_store

TERMS = Contexts().core
ALICE = Actor("alice", Role.OPERATOR, request="urn:r:1")
CAR, SPEED, FUEL = (TERMS.expand(name) for name in ("Car", "speed", "fuel"))
ID = "urn:c:1"


class Clock:
    def __init__(self) -> None:
        self.now = parse_instant("2026-01-01T00:00:00Z")

    def __call__(self) -> int:
        self.now += 1_000_000
        return self.now


class Draining(Reader):
    """Drains before each question, and trims the store, so that all is read from the lake."""

    def drain(self) -> None:
        assert self.lake is not None
        drain = Drain(self.store, self.lake)
        while (done := drain.step()).more or done.count:
            assert not done.troubles
        trim(self.store, Window(0, 0))

    def evolution(self, id_: str, asked: TemporalQuery) -> Evolution:
        self.drain()
        return super().evolution(id_, asked)

    def evolutions(self, asked: TemporalQuery) -> Evolutions:
        self.drain()
        return super().evolutions(asked)


class Sifting(Draining):
    """Finds entities and sums at once, as among many."""

    def evolutions(self, asked: TemporalQuery) -> Evolutions:
        self.drain()
        with self.store.reader() as connection:
            question = Question(self, connection, asked)
            question.sift()
            return question.page()


@pytest.fixture(params=["recent", "waiting", "drained", "sifted"])
def pool(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pool]:
    pool = Pool(open_store(tmp_path / "pool.db", Clock()))
    lake = Lake(str(tmp_path / "history"))
    readers = {"waiting": Reader, "drained": Draining, "sifted": Sifting}
    if request.param in readers:
        pool.history = readers[request.param](pool.store, lake)
    yield pool
    pool.close()


def at(minute: int) -> str:
    return f"2020-08-01T12:{minute:02}:00Z"


def micros(minute: int) -> int:
    return parse_instant(at(minute))


def reading(value: Any, minute: int | None, **more: Any) -> dict[str, Any]:
    timed = {} if minute is None else {"observedAt": at(minute)}
    return {"type": "Property", "value": value, **timed, **more}


def write(pool: Pool, id_: str = ID, **attrs: Any) -> None:
    pool.write_evolution(ALICE, parse_temporal({"id": id_, "type": "Car", **attrs}, TERMS))


def asked(query: Query | None = None, **more: Any) -> TemporalQuery:
    return TemporalQuery(query or Query(types=Has(CAR)), **more)


def values(found: Evolution, attribute: str = SPEED) -> list[Any]:
    return [value(one) for one in found.attrs.get(attribute, [])]


def value(one: Moment) -> Any:
    return None if one.instance is None else one.instance["value"]


def test_instances_come_in_the_order_of_their_times(pool: Pool) -> None:
    write(pool, speed=[reading(3, 3), reading(1, 1)])
    write(pool, speed=[reading(2, 2)])
    found = pool.evolution(ALICE, ID, asked())
    assert values(found) == [1, 2, 3] and found.types == (CAR,) and found.cut is None
    assert [one.observed for one in found.attrs[SPEED]] == [micros(1), micros(2), micros(3)]


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (Span("after", micros(2)), [2, 3]),
        (Span("before", micros(2)), [1]),
        (Span("between", micros(1), micros(3)), [1, 2]),
        (Span("after", micros(9)), []),
        (Span("after", 0, property="createdAt"), [1, 2, 3]),
        (Span("before", micros(59), property="modifiedAt"), []),
        (Span("after", 0, property="deletedAt"), []),
    ],
)
def test_a_stretch_begins_inclusive_and_ends_exclusive(pool: Pool, span: Span, expected: list[int]) -> None:
    write(pool, speed=[reading(1, 1), reading(2, 2), reading(3, 3)])
    assert values(pool.evolution(ALICE, ID, asked(span=span))) == expected
    assert len(pool.evolutions(ALICE, asked(span=span)).found) == bool(expected)


def test_pages_of_instances_go_on_without_gap_or_repetition(pool: Pool) -> None:
    write(pool, speed=[reading(n, n) for n in range(10)], fuel=[reading(n, n) for n in range(0, 10, 2)])
    forwards: list[Any] = []
    question = asked(most=3)
    for _ in range(4):
        found = pool.evolution(ALICE, ID, question)
        forwards += values(found)
        if found.cut is None:
            break
        question = asked(most=3, since=found.cut[1] + 1)
    assert forwards == list(range(10))
    backwards: list[Any] = []
    question = asked(most=4, last=8)
    for _ in range(3):
        found = pool.evolution(ALICE, ID, question)
        backwards = values(found) + backwards
        if found.cut is None:
            break
        question = asked(most=4, last=8, before=found.cut[0])
    assert backwards == list(range(2, 10))


def test_a_page_never_parts_instances_of_one_time(pool: Pool) -> None:
    write(pool, speed=[reading(n, 5) for n in range(6)] + [reading(9, 6)])
    found = pool.evolution(ALICE, ID, asked(most=2))
    assert values(found) == [0, 1, 2, 3, 4, 5] and found.cut == (micros(5), micros(5))


def test_an_instance_that_was_changed_hides_the_former_and_keeps_its_name(pool: Pool) -> None:
    write(pool, speed=[reading(1, 1), reading(2, 2)])
    first = pool.evolution(ALICE, ID, asked()).attrs[SPEED][0]
    pool.change_instance(ALICE, ID, SPEED, (first.number, first.ordinal), reading(5, 9))
    changed = pool.evolution(ALICE, ID, asked())
    assert values(changed) == [2, 5]
    last = changed.attrs[SPEED][-1]
    assert last.name == first.name and last.created == first.created and last.recorded > first.recorded
    assert values(pool.evolution(ALICE, ID, asked(span=Span("before", micros(2))))) == []
    assert values(pool.evolution(ALICE, ID, asked(as_of=first.recorded))) == [1, 2]
    only = pool.evolution(ALICE, ID, asked(instance=(first.number, first.ordinal)))
    assert values(only) == [5]
    pool.delete_instance(ALICE, ID, SPEED, (first.number, first.ordinal))
    assert values(pool.evolution(ALICE, ID, asked())) == [2]


def test_what_was_taken_away_is_gone_and_was_known_before(pool: Pool) -> None:
    write(pool, speed=[reading(1, 1)], fuel=[reading(7, 1)])
    before = pool.store.clock()
    pool.delete_series(ALICE, ID, SPEED, None)
    assert list(pool.evolution(ALICE, ID, asked()).attrs) == [FUEL]
    pool.delete_evolution(ALICE, ID)
    with pytest.raises(Missing):
        pool.evolution(ALICE, ID, asked())
    write(pool, speed=[reading(4, 4)])
    assert values(pool.evolution(ALICE, ID, asked())) == [4]
    known = pool.evolution(ALICE, ID, asked(as_of=before))
    assert values(known) == [1] and values(known, FUEL) == [7]


def test_what_was_never_there_is_missing(pool: Pool) -> None:
    write(pool, speed=[reading(1, 1)])
    with pytest.raises(Missing):
        pool.evolution(ALICE, "urn:c:2", asked())
    with pytest.raises(Missing):
        pool.evolution(ALICE, ID, asked(Query(tenant="other")))
    with pytest.raises(Missing):
        pool.evolution(ALICE, ID, asked(as_of=micros(1)))


def test_an_entity_that_went_and_came_again_has_one_evolution(pool: Pool) -> None:
    entity = {"id": ID, "type": "Car", "speed": reading(1, 1)}
    pool.create(ALICE, parse_entity(entity, TERMS))
    pool.delete(ALICE, ID)
    gone = pool.evolution(ALICE, ID, asked())
    assert values(gone)[0] == 1 and gone.deleted is not None
    pool.create(ALICE, parse_entity(entity | {"speed": reading(2, 2)}, TERMS))
    again = pool.evolution(ALICE, ID, asked())
    assert again.deleted is None and [one for one in values(again) if one is not None] == [1, 2]
    (listed,) = pool.evolutions(ALICE, asked()).found
    assert listed.attrs == again.attrs


def test_deletions_are_instances_without_a_value(pool: Pool) -> None:
    pool.create(ALICE, parse_entity({"id": ID, "type": "Car", "speed": reading(1, 1)}, TERMS))
    pool.delete_attribute(ALICE, ID, SPEED)
    found = pool.evolution(ALICE, ID, asked(span=Span("after", 0, property="deletedAt")))
    assert values(found) == [None] and found.attrs[SPEED][0].kind == "Property"


@pytest.fixture
def three(pool: Pool) -> Pool:
    for number in range(3):
        write(pool, f"urn:c:{number}", speed=[reading(10 * number, 1), reading(10 * number + 5, 30)])
    return pool


def ids(pool: Pool, query: Query, **more: Any) -> list[str]:
    return [one.id for one in pool.evolutions(ALICE, asked(query, **more)).found]


def test_a_condition_is_met_by_an_instance_of_the_stretch_alone(three: Pool) -> None:
    fast = Query(types=Has(CAR), where=Compare(At(SPEED), ">=", 15))
    assert ids(three, fast) == ["urn:c:1", "urn:c:2"]
    assert ids(three, fast, span=Span("before", micros(10))) == ["urn:c:2"]
    assert ids(three, fast, span=Span("before", micros(10)), attributes=(FUEL,)) == []


def test_pages_of_entities_go_both_ways(three: Pool) -> None:
    query = Query(types=Has(CAR), limit=2, count=True)
    first = three.evolutions(ALICE, asked(query))
    assert [one.id for one in first.found] == ["urn:c:0", "urn:c:1"] and first.count == 3 and first.previous is None
    second = three.evolutions(ALICE, asked(Query(types=Has(CAR), limit=2, after=first.next, count=True)))
    assert [one.id for one in second.found] == ["urn:c:2"] and second.next is None and second.count == 3
    back = three.evolutions(ALICE, asked(Query(types=Has(CAR), limit=2, before=second.previous)))
    assert [one.id for one in back.found] == ["urn:c:0", "urn:c:1"] and back.previous is None and back.next is not None
    assert ids(three, Query(types=Has(CAR), order=(Order(At("id"), descending=True),), limit=2)) == [
        "urn:c:2",
        "urn:c:1",
    ]
    assert ids(three, Query(types=Has(CAR), offset=1, limit=1)) == ["urn:c:1"]
    with pytest.raises(InvalidQuery):
        ids(three, Query(types=Has(CAR), order=(Order(At(SPEED)),)))
    with pytest.raises(InvalidQuery):
        ids(three, Query(types=Has(CAR), after="nonsense"))


def test_ids_patterns_and_types_select(three: Pool) -> None:
    assert ids(three, Query(ids=("urn:c:2", "urn:c:7"))) == ["urn:c:2"]
    assert ids(three, Query(id_pattern="c:[01]$")) == ["urn:c:0", "urn:c:1"]
    assert ids(three, Query(types=Has("urn:Bus"))) == []
    assert ids(three, Query(types=Has(CAR), attrs=(FUEL,))) == []


def test_a_scope_holds_until_another_is_set(pool: Pool) -> None:
    scope = [{"type": "Property", "value": "/R", "observedAt": at(0)},
             {"type": "Property", "value": "/S", "observedAt": at(30)}]  # fmt: skip
    write(pool, scope=scope, speed=[reading("old", 15), reading("new", 45)])
    span = Span("between", micros(10), micros(50))
    for wanted, expected in (("/R", ["old"]), ("/S", ["new"]), ("/#", ["old", "new"])):
        (found,) = pool.evolutions(ALICE, asked(Query(types=Has(CAR), scope=Scope(((wanted,),))), span=span)).found
        assert values(found) == expected
        assert [one.instance and one.instance["value"] for one in found.scopes] == [["/R"], ["/S"]]
    assert ids(pool, Query(types=Has(CAR), scope=Scope((("/T",),))), span=span) == []
    late = Span("between", micros(31), micros(50))
    assert ids(pool, Query(types=Has(CAR), scope=Scope((("/R",),))), span=late) == []


def test_aggregates_stand_for_periods_that_begin_with_the_first_instance(pool: Pool) -> None:
    write(pool, speed=[reading(120, 3), reading(80, 5), reading(100, 7), reading(7, 59)])
    how = Aggregate(("avg", "min", "max", "totalCount"), Period(micros=600_000_000))
    found = pool.evolution(ALICE, ID, asked(aggregate=how))
    assert found.buckets[SPEED]["avg"] == [(100.0, micros(3), micros(13)), (7.0, micros(53), micros(59) + 240_000_000)]
    assert [one.value for one in found.buckets[SPEED]["max"]] == [120, 7] and found.kinds == {SPEED: "Property"}
    whole = pool.evolution(ALICE, ID, asked(aggregate=Aggregate(("sum",)), span=Span("after", micros(0))))
    assert whole.buckets == {SPEED: {"sum": [(307, micros(0), micros(59))]}}


def test_patches_of_the_present_are_history(pool: Pool) -> None:
    pool.create(ALICE, parse_entity({"id": ID, "type": "Car", "speed": reading(1, 1)}, TERMS))
    pool.patch(ALICE, ID, parse_fragment({"speed": reading(2, 1)}, TERMS)["attrs"])
    found = pool.evolution(ALICE, ID, asked())
    assert values(found) == [1, 2], "what a client says again for one time stands beside what it said before"
