"""Many entities in one commit: in order, each whole or not at all, errors told one by one; and purging."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeding import City, rivals
from landbridge.errors import Exists, InvalidEntity, Missing, Refused
from landbridge.governance.policy import Actor, Role
from landbridge.model.answer import Document
from landbridge.model.entity import NULL
from landbridge.model.merge import Merging
from landbridge.model.parser import parse_entity, parse_fragment
from landbridge.model.query import Compare, Has, Query
from landbridge.model.query import Path as Where
from landbridge.model.terms import Terms
from landbridge.pool.batch import PART, Order
from landbridge.pool.pool import Pool
from landbridge.pool.purge import Doomed
from landbridge.store.sqlite import open_store

CORE = Terms()
CLERK = Actor("clerk", Role.STEWARD, request="r-1")


@pytest.fixture
def city() -> Iterator[City]:
    city = City()
    yield city
    city.close()


@pytest.fixture
def pool(city: City) -> Pool:
    return Pool(city.store)


def document(id_: str, **attributes: Any) -> Document:
    return parse_entity({"id": f"urn:x:{id_}", "type": "T", **attributes}, CORE)


def whole(id_: str, **attributes: Any) -> Order:
    return Order(f"urn:x:{id_}", document(id_, **attributes))


def part(id_: str, **attributes: Any) -> Order:
    given = parse_fragment(attributes, CORE, nulls=True, partial=True)
    return Order(f"urn:x:{id_}", given, Merging(CORE))


def values(pool: Pool, id_: str) -> dict[str, Any]:
    attrs = pool.entity(CLERK, f"urn:x:{id_}")["attrs"]
    return {name: instances[0]["value"] for name, instances in attrs.items()}


def errors(batch: Any) -> list[tuple[str, type]]:
    return [(one.id, type(one.error)) for one in batch.results if one.error is not None]


def test_a_batch_is_one_commit_and_one_announcement(city: City, pool: Pool) -> None:
    batch = pool.create_all(CLERK, [whole(str(of), a=of) for of in range(PART + 7)])
    assert all(one.created and one.error is None for one in batch.results)
    assert pool.version() == batch.commit == 1
    (change,) = pool.changes(0)
    assert (change.commit, change.types, change.more) == (batch.commit, ("T",), True)
    assert pool.query(CLERK, Query(types=Has("T"), where=Compare(Where("a"), ">=", PART), limit=100)).documents
    assert [(one.type, one.entities) for one in pool.types(CLERK)] == [("T", PART + 7)]
    assert len(city.journal()) == PART + 7


def test_lines_of_a_commit_are_numbered_through(city: City, pool: Pool) -> None:
    """(commit, ordinal) names an instance, also where an id comes again in another part of the batch."""
    orders = [whole(str(of % PART), a=of, b=of) for of in range(2 * PART + 2)]
    pool.upsert_all(CLERK, orders)
    rows = list(city.store.writer.execute("SELECT number, ordinal FROM journal"))
    assert len(rows) == len(set(rows)) == 4 * PART + 4
    assert values(pool, "0") == {"a": 2 * PART, "b": 2 * PART}
    assert values(pool, "2") == {"a": PART + 2, "b": PART + 2}


def test_each_order_meets_what_the_ones_before_left(pool: Pool) -> None:
    batch = pool.create_all(CLERK, [whole("1", a=1), whole("2"), whole("1", a=2)])
    assert errors(batch) == [("urn:x:1", Exists)]
    assert values(pool, "1") == {"a": 1}
    batch = pool.upsert_all(CLERK, [whole("1", b=1), whole("3", a=1), whole("1", c=1), whole("3", d=4)])
    assert [one.created for one in batch.results] == [False, True, False, False]
    assert values(pool, "1") == {"c": 1}
    assert values(pool, "3") == {"d": 4}
    batch = pool.upsert_all(CLERK, [whole("1", e=1), whole("4", a=1), whole("4", b=1)], update=True)
    assert values(pool, "1") == {"c": 1, "e": 1}
    assert values(pool, "4") == {"a": 1, "b": 1}
    batch = pool.delete_all(CLERK, [Order("urn:x:1"), Order("urn:x:1"), Order("urn:x:9"), Order("urn:x:4")])
    assert errors(batch) == [("urn:x:1", Missing), ("urn:x:9", Missing)]


def test_what_fails_leaves_its_entity_as_it_was(city: City) -> None:
    city.claims = rivals("one", "two")
    pool = Pool(city.store, claims=city.claims)
    city.pull("one", [{"id": "urn:x:1", "type": "T", "n": 1}])
    pool.create_all(CLERK, [whole("2", a=1)])
    before = pool.entity(CLERK, "urn:x:1")
    owned = {"value": 5, "datasetId": "urn:ngsi-ld:Dataset:one"}
    batch = pool.update_all(CLERK, [whole("1", a=9, n=owned), whole("2", b=2), whole("7", a=1)])
    assert errors(batch) == [("urn:x:1", Refused), ("urn:x:7", Missing)]
    assert pool.entity(CLERK, "urn:x:1") == before
    assert values(pool, "2") == {"a": 1, "b": 2}
    batch = pool.create_all(CLERK, [whole("8", a=9, n=owned), whole("8", a=4)])
    assert [one.created for one in batch.results] == [False, True]
    assert values(pool, "8") == {"a": 4}
    denied = pool.audited(Actor("boss", Role.OPERATOR))
    assert [(act.action, act.target, act.outcome) for act in denied] == [
        ("write entities", "urn:x:8", "denied"), ("write entities", "urn:x:1", "denied")]  # fmt: skip
    assert not [row for row in city.journal() if row[0] == "urn:x:1" and row[1] == "a"]


def test_an_update_without_overwriting_names_what_it_left(pool: Pool) -> None:
    pool.create_all(CLERK, [whole("1", a=1)])
    batch = pool.update_all(CLERK, [whole("1", a=2, b=3)], overwrite=False)
    assert errors(batch) == [("urn:x:1", Exists)]
    assert "'a'" in str(batch.results[0].error)
    assert values(pool, "1") == {"a": 1, "b": 3}


def test_a_batch_merges(city: City, pool: Pool) -> None:
    pool.create_all(CLERK, [whole("1", a={"value": {"b": 1, "c": 2}}, d=1), whole("2", a={"value": {"b": 1}})])
    fragments = [
        part("1", a={"type": "Property", "value": {"b": NULL}}, d=NULL),
        part("2", e={"type": "Property", "unitCode": "X"}),
        part("2", f=1),
        part("1", a={"type": "Property", "value": {"g": 1}}),
        part("3", a=1),
    ]
    batch = pool.merge_all(CLERK, fragments)
    assert errors(batch) == [("urn:x:2", InvalidEntity), ("urn:x:3", Missing)]
    assert values(pool, "1") == {"a": {"c": 2, "g": 1}}
    assert values(pool, "2") == {"a": {"b": 1}, "f": 1}
    merged = [(row[1], row[5]) for row in city.journal() if row[0] == "urn:x:1"]
    assert sorted(merged) == [("a", "set"), ("a", "set"), ("a", "set"), ("d", "delete"), ("d", "set")]


def test_whoever_may_not_write_does_not(pool: Pool) -> None:
    with pytest.raises(Refused):
        pool.create_all(Actor("guest", Role.READER), [whole("1")])


# -- any batch is like its orders one by one

ids = st.sampled_from("123")
attrs = st.dictionaries(st.sampled_from("ab"), st.integers(0, 3), max_size=2)
kinds = st.sampled_from(["create", "upsert", "update", "delete"])


@given(st.lists(st.tuples(kinds, st.lists(st.tuples(ids, attrs), min_size=1, max_size=5)), max_size=4))
def test_a_batch_is_its_orders_one_by_one(batches: list[tuple[str, list[tuple[str, dict[str, int]]]]]) -> None:
    pool = Pool(open_store(":memory:"))
    model: dict[str, dict[str, int]] = {}
    for kind, orders in batches:
        made = [whole(id_, **given) for id_, given in orders]
        batch = getattr(pool, f"{kind}_all")(CLERK, made)
        for (id_, given_), result in zip(orders, batch.results, strict=True):
            there = id_ in model
            assert (result.error is None) == (kind == "upsert" or there != (kind == "create"))
            if result.error is None:
                apply(model, kind, id_, given_)
    found = {one["id"][-1]: values(pool, one["id"][-1]) for one in pool.query(CLERK, Query(types=Has("T"))).documents}
    assert found == model
    pool.close()


def apply(model: dict[str, dict[str, int]], kind: str, id_: str, given: dict[str, int]) -> None:
    if kind == "delete":
        del model[id_]
    elif kind == "update":
        model[id_] = model[id_] | given
    else:
        model[id_] = dict(given)


# -- readers beside writers


def test_an_upsert_never_shows_a_reader_a_half_replaced_entity(tmp_path: Path) -> None:
    """Readers in threads of their own see one version whole, whichever; never members of two, nor nothing."""
    pool = Pool(open_store(tmp_path / "pool.db"))
    names = [f"a{of}" for of in range(12)]
    ids_ = [f"urn:x:{of}" for of in range(3)]

    def version(of: int) -> list[Order]:
        return [whole(id_[-1], **dict.fromkeys(names[of % 5 :], of)) for id_ in ids_]

    pool.upsert_all(CLERK, version(0))
    done, seen, wrong = threading.Event(), set[int](), list[Any]()

    def read() -> None:
        while not done.is_set() and not wrong:
            for found in [
                pool.entity(CLERK, ids_[0])["attrs"],
                *(one["attrs"] for one in pool.query(CLERK, Query(types=Has("T"))).documents),
            ]:
                versions = {instances[0]["value"] for instances in found.values()}
                if len(versions) != 1 or set(found) != set(names[min(versions) % 5 :]):
                    wrong.append(found)
                seen.update(versions)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for of in range(1, 120):
        pool.upsert_all(CLERK, version(of))
    done.set()
    for reader in readers:
        reader.join()
    assert not wrong
    assert seen
    pool.close()


# -- replacing an entity's types


def test_an_entity_whose_types_are_replaced_is_found_by_the_new_ones_alone(city: City, pool: Pool) -> None:
    pool.create_all(CLERK, [whole("1", a=1), whole("2", a=1)])
    created = pool.entity(CLERK, "urn:x:1")["createdAt"]
    other = parse_entity(
        {"id": "urn:x:1", "type": ["U", "V"], "a": 2, "location": {"type": "Point", "coordinates": [1, 2]}}, CORE
    )
    pool.replace(CLERK, "urn:x:1", other)
    assert pool.entity(CLERK, "urn:x:1")["createdAt"] == created
    for type_, found in (("T", ["urn:x:2"]), ("U", ["urn:x:1"]), ("V", ["urn:x:1"])):
        asked = Query(types=Has(type_), where=Compare(Where("a"), ">", 0))
        assert [one["id"] for one in pool.query(CLERK, asked).documents] == found
    assert [(one.type, one.entities) for one in pool.types(CLERK)] == [("T", 1), ("U", 1), ("V", 1)]
    assert [point.value for point in pool.series(CLERK, "urn:x:1", "a")] == [1, 2]
    back = parse_entity({"id": "urn:x:1", "type": ["W", "U"], "a": 3}, CORE)
    pool.replace(CLERK, "urn:x:1", back)
    assert pool.entity(CLERK, "urn:x:1")["type"] == ["U", "W"]
    assert [point.value for point in pool.series(CLERK, "urn:x:1", "a")] == [1, 2, 3]


def test_replacing_keeps_what_a_source_says_and_lifts_a_pin(city: City) -> None:
    city.claims = rivals("one", "two", rule="highest")
    pool = Pool(city.store, claims=city.claims)
    city.pull("one", [{"id": "urn:x:1", "type": "T", "n": 1}])
    pool.append(CLERK, "urn:x:1", document("1", n=50, a=1)["attrs"])
    pool.replace(CLERK, "urn:x:1", document("1", b=2) | {"type": ["U"]})
    assert city.values("urn:x:1", "n") == [(None, 1, None), ("one", 1, None)]
    assert pool.entity(CLERK, "urn:x:1")["type"] == ["T", "U"]
    assert set(pool.entity(CLERK, "urn:x:1")["attrs"]) == {"n", "b"}
    pool.replace(CLERK, "urn:x:1", document("1", n=70))
    assert city.values("urn:x:1", "n") == [(None, 70, None), ("one", 1, None)]


# -- purging


def test_a_purge_takes_what_a_query_finds_page_by_page(city: City, pool: Pool) -> None:
    count = 2 * PART + 3
    pool.create_all(CLERK, [whole(str(of), a=of, b=1) for of in range(count)])
    purged = pool.purge(CLERK, Query(types=Has("T"), where=Compare(Where("a"), ">=", 5)), Doomed())
    assert (purged.count, purged.failed) == (count - 5, ())
    assert [one.entities for one in pool.types(CLERK)] == [5]
    assert pool.version() == 2
    purged = pool.purge(CLERK, Query(types=Has("T")), Doomed(drop={"a"}))
    assert (purged.count, values(pool, "3")) == (5, {"b": 1})
    pool.update_all(CLERK, [whole("3", c=1, d=2)])
    pool.purge(CLERK, Query(types=Has("T")), Doomed(keep={"c"}))
    assert values(pool, "3") == {"c": 1}
    assert values(pool, "2") == {}


def test_a_purge_leaves_what_a_source_keeps_and_names_it(city: City, pool: Pool) -> None:
    city.pull("one", [{"id": "urn:x:1", "type": "T", "n": 1}])
    pool.create_all(CLERK, [whole("2", n=1)])
    purged = pool.purge(CLERK, Query(types=Has("T")), Doomed(drop={"n"}))
    assert (purged.done, [(one.id, type(one.error)) for one in purged.failed]) == (("urn:x:2",), [("urn:x:1", Refused)])
    purged = pool.purge(CLERK, Query(types=Has("T")), Doomed())
    assert [one.id for one in purged.failed] == ["urn:x:1"]
    assert city.values("urn:x:1", "n") == [(None, 1, None)]
