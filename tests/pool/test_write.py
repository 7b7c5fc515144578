"""What clients write: one commit each, with journal, announcement and audit; what belongs to a source stays its own."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from feeding import City, rivals
from landbridge.errors import Exists, InvalidEntity, Missing, Outdated, Refused
from landbridge.governance.policy import Actor, Role
from landbridge.model.answer import Document
from landbridge.model.entity import NULL
from landbridge.model.parser import parse_attributes, parse_entity, parse_fragment
from landbridge.model.query import Compare, Has, Query
from landbridge.model.query import Path as Where
from landbridge.model.terms import Terms
from landbridge.pool.alter import Fragment
from landbridge.pool.batch import Order
from landbridge.pool.pool import Pool
from landbridge.pool.target import Target
from landbridge.store.sqlite import open_store
from landbridge.store.transaction import SqliteTransaction

CORE = Terms()
CLERK = Actor("clerk", Role.STEWARD, request="r-1")
READER = Actor("guest", Role.READER)
POINT = {"type": "Point", "coordinates": [117.7, 39.0]}


def entity(id_: str = "urn:x:1", **attributes: Any) -> Document:
    return parse_entity({"id": id_, "type": "T", **attributes}, CORE)


def attrs(**attributes: Any) -> Any:
    return parse_attributes(attributes, CORE)


@pytest.fixture
def city() -> Iterator[City]:
    city = City()
    yield city
    city.close()


@pytest.fixture
def pool(city: City) -> Pool:
    return Pool(city.store)


def shown(pool: Pool, id_: str = "urn:x:1") -> dict[str, Any]:
    """Each attribute's instances as {datasetId or None: value}."""
    return {
        name: {one.get("datasetId"): one["value"] for one in instances}
        for name, instances in pool.entity(CLERK, id_)["attrs"].items()
    }


def test_a_write_is_state_journal_announcement_and_commit(city: City, pool: Pool) -> None:
    written = pool.create(CLERK, entity(a=1, b={"value": 2, "observedAt": "2020-04-02T00:00:00Z"}))
    assert written.updated == ("a", "b")
    document = pool.entity(CLERK, "urn:x:1")
    assert document["attrs"]["a"][0]["@"][:2] == ["api", written.commit]
    assert [(row[0], row[1], row[5]) for row in city.journal()] == [("urn:x:1", "a", "set"), ("urn:x:1", "b", "set")]
    (change,) = pool.changes(0)
    assert (change.commit, change.types, change.entities, change.more) == (written.commit, ("T",), ("urn:x:1",), False)
    (trace,) = pool.explain(CLERK, "urn:x:1", "a")
    assert (trace.standing, trace.owner, trace.actor, trace.request) == ("value", "api", "clerk", "r-1")


def test_an_acknowledged_write_is_there_when_the_file_is_opened_again(tmp_path: Path) -> None:
    pool = Pool(open_store(tmp_path / "pool.db"))
    pool.create(CLERK, entity(a=1))
    pool.close()
    pool = Pool(open_store(tmp_path / "pool.db"))
    assert shown(pool) == {"a": {None: 1}}
    pool.close()


def test_creating_twice_is_refused_and_leaves_what_is_there(pool: Pool) -> None:
    pool.create(CLERK, entity(a=1))
    with pytest.raises(Exists):
        pool.create(CLERK, entity(a=2))
    assert shown(pool) == {"a": {None: 1}}


def test_append_replaces_or_leaves(pool: Pool) -> None:
    pool.create(CLERK, entity(a=1))
    pool.append(CLERK, "urn:x:1", attrs(a=2, b=[{"value": 3}, {"value": 4, "datasetId": "urn:d:1"}]))
    assert shown(pool) == {"a": {None: 2}, "b": {None: 3, "urn:d:1": 4}}
    left = pool.append(CLERK, "urn:x:1", attrs(a=9, c=5), overwrite=False)
    assert left.updated == ("c",)
    assert [name for name, _ in left.not_updated] == ["a"]
    assert shown(pool)["a"] == {None: 2}


def test_an_instance_keeps_when_it_was_made(pool: Pool) -> None:
    pool.create(CLERK, entity(a=1))
    made = pool.entity(CLERK, "urn:x:1")["attrs"]["a"][0]["@"]
    pool.append(CLERK, "urn:x:1", attrs(a=2))
    after = pool.entity(CLERK, "urn:x:1")
    assert after["attrs"]["a"][0]["@"][2] == made[2] == after["createdAt"]
    assert after["attrs"]["a"][0]["@"][3] == after["modifiedAt"] > made[3]


def test_patch_replaces_whole_instances_and_adds_what_is_not_there(pool: Pool) -> None:
    pool.create(CLERK, entity(a={"value": 1, "unitCode": "GQ"}))
    given = parse_fragment({"a": 2, "z": {"value": 3, "datasetId": "urn:d:1"}, "scope": "/x"}, CORE)
    written = pool.patch(CLERK, "urn:x:1", Fragment(given["attrs"], (), given["scope"]))
    assert written.updated == ("a", "z")
    assert [name for name, _ in written.not_updated] == ["scope"]
    document = pool.entity(CLERK, "urn:x:1")
    assert shown(pool) == {"a": {None: 2}, "z": {"urn:d:1": 3}}
    assert "unitCode" not in document["attrs"]["a"][0]
    assert "scope" not in document


def test_a_null_deletes_its_instance_and_names_what_is_not_there(city: City, pool: Pool) -> None:
    pool.create(CLERK, entity(a=[{"value": 1}, {"value": 2, "datasetId": "urn:d:1"}], b=3))
    nulls = {"a": {"value": NULL, "datasetId": "urn:d:1"}, "b": NULL, "c": NULL}
    written = pool.patch(CLERK, "urn:x:1", parse_fragment(nulls, CORE, nulls=True)["attrs"])
    assert written.updated == ("a", "b")
    assert [name for name, _ in written.not_updated] == ["c"]
    assert shown(pool) == {"a": {None: 1}}
    assert [(row[1], row[2]) for row in city.journal() if row[5] == "delete"] == [("a", "urn:d:1"), ("b", None)]
    before = pool.entity(CLERK, "urn:x:1")
    assert pool.patch(CLERK, "urn:x:1", parse_fragment({"c": NULL}, CORE, nulls=True)["attrs"]).updated == ()
    assert pool.entity(CLERK, "urn:x:1") == before


def test_what_is_written_can_be_asked_for(pool: Pool) -> None:
    """The narrow columns follow each write."""
    pool.create(CLERK, entity(a=1, location=POINT))
    pool.append(CLERK, "urn:x:1", attrs(a=7, b="x"))

    def found(where: Any) -> int:
        return len(pool.query(CLERK, Query(types=Has("T"), where=where)).documents)

    assert found(Compare(Where("a"), "==", 7)) == found(Compare(Where("b"), "==", "x")) == 1
    assert found(Compare(Where("a"), "==", 1)) == 0
    pool.append(CLERK, "urn:x:1", attrs(a={"value": 8, "datasetId": "urn:d:1"}))
    assert found(Compare(Where("a"), "==", 8)) == 1
    pool.delete_attribute(CLERK, "urn:x:1", "a", all=True)
    assert found(Compare(Where("a"), ">", 0)) == 0


def test_deleting_an_attribute(city: City, pool: Pool) -> None:
    pool.create(CLERK, entity(a=[{"value": 1}, {"value": 2, "datasetId": "urn:d:1"}], b=3))
    pool.delete_attribute(CLERK, "urn:x:1", "a", "urn:d:1")
    assert shown(pool) == {"a": {None: 1}, "b": {None: 3}}
    pool.delete_attribute(CLERK, "urn:x:1", "a")
    assert shown(pool) == {"b": {None: 3}}
    with pytest.raises(Missing):
        pool.delete_attribute(CLERK, "urn:x:1", "a")
    assert [row[2] for row in city.journal() if row[5] == "delete"] == ["urn:d:1", None]


def test_deleting_an_entity_leaves_its_history(city: City, pool: Pool) -> None:
    pool.create(CLERK, entity(a=1))
    pool.delete(CLERK, "urn:x:1")
    with pytest.raises(Missing):
        pool.entity(CLERK, "urn:x:1")
    assert [row[1:6:4] for row in city.journal()] == [("@entity", "delete"), ("a", "delete"), ("a", "set")]
    assert pool.types(CLERK) == []
    pool.create(CLERK, entity(a=2))
    assert [point.value for point in pool.series(CLERK, "urn:x:1", "a")] == [2]


def test_what_a_source_owns_is_refused_with_the_reason(city: City) -> None:
    city.claims = rivals("one", "two")
    pool = Pool(city.store, claims=city.claims)
    city.pull("one", [{"id": "urn:x:1", "type": "T", "n": 1}])
    with pytest.raises(Refused, match="belongs to the source 'one'"):
        pool.append(CLERK, "urn:x:1", attrs(n={"value": 5, "datasetId": "urn:ngsi-ld:Dataset:one"}))
    with pytest.raises(Refused, match="belongs to the source 'two'"):  # it has said nothing yet, but will
        pool.append(CLERK, "urn:x:1", attrs(n={"value": 5, "datasetId": "urn:ngsi-ld:Dataset:two"}))
    with pytest.raises(Refused, match="belongs to the source 'one'"):
        pool.delete_attribute(CLERK, "urn:x:1", "n")
    with pytest.raises(Refused, match="belongs to the source 'one'"):
        pool.delete(CLERK, "urn:x:1")
    denied = pool.audited(Actor("boss", Role.OPERATOR))
    assert [(act.actor, act.outcome, act.target) for act in denied] == [("clerk", "denied", "urn:x:1")] * 4
    pool.append(CLERK, "urn:x:1", attrs(n={"value": 5, "datasetId": "urn:ngsi-ld:Dataset:other"}, m=1))
    assert city.values("urn:x:1", "n") == [(None, 1, None), ("one", 1, None), ("other", 5, None)]


def test_an_instance_that_a_mapping_named_is_its_sources(city: City, pool: Pool) -> None:
    city.pull("one", [{"id": "urn:x:1", "type": "T", "n": 1, "n.datasetId": "urn:d:7"}])
    with pytest.raises(Refused):
        pool.append(CLERK, "urn:x:1", attrs(n={"value": 5, "datasetId": "urn:d:7"}))


def test_one_dataset_twice_is_refused(pool: Pool) -> None:
    document = entity(a=1)
    document["attrs"]["a"] *= 2
    with pytest.raises(InvalidEntity):
        pool.create(CLERK, document)
    with pytest.raises(Missing):
        pool.entity(CLERK, "urn:x:1")


def test_whoever_may_not_write_does_not_and_that_is_on_record(pool: Pool) -> None:
    with pytest.raises(Refused):
        pool.create(READER, entity(a=1))
    with pytest.raises(Refused):
        pool.rejects(READER)
    acts = pool.audited(Actor("boss", Role.OPERATOR))
    assert [(act.actor, act.role, act.action, act.outcome) for act in acts] == [
        ("guest", "reader", "see rejected rows", "denied"),
        ("guest", "reader", "write entities", "denied"),
    ]
    with pytest.raises(Refused):
        pool.audited(CLERK)


def test_an_entity_of_two_types_is_found_by_both(pool: Pool) -> None:
    pool.create(CLERK, parse_entity({"id": "urn:x:1", "type": ["T", "U"], "a": 1}, CORE))
    assert [(one.type, one.entities, one.attributes) for one in pool.types(CLERK)] == [
        ("T", 1, ("a",)),
        ("U", 1, ("a",)),
    ]
    for type_ in ("T", "U"):
        assert [one["id"] for one in pool.query(CLERK, Query(types=Has(type_))).documents] == ["urn:x:1"]
    pool.append(CLERK, "urn:x:1", attrs(a=2))
    assert len(pool.query(CLERK, Query(types=Has("U"), where=Compare(Where("a"), "==", 2))).documents) == 1


def test_no_change_is_lost_between_writers_that_say_what_they_saw(tmp_path: Path) -> None:
    """Six threads count up one value on condition that nobody else did meanwhile: each success is one step."""
    pool = Pool(open_store(tmp_path / "pool.db"))
    pool.create(CLERK, entity(a=0))
    steps: list[int] = []

    def count() -> None:
        for _ in range(15):
            seen = pool.entity(CLERK, "urn:x:1")
            next_ = seen["attrs"]["a"][0]["value"] + 1
            target = Target("urn:x:1", seen=frozenset({seen["modifiedAt"]}))
            with suppress(Outdated):
                pool.patch(CLERK, target, attrs(a=next_))
                steps.append(next_)

    threads = [threading.Thread(target=count) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(steps) == list(range(1, len(steps) + 1))
    assert shown(pool) == {"a": {None: len(steps)}}
    pool.close()


def test_writers_at_once_share_the_way_to_the_disk(tmp_path: Path) -> None:
    """What waits while a commit is under way goes to the disk in one transaction, each with its own number."""
    pool = Pool(open_store(tmp_path / "pool.db"))
    pool.create_all(CLERK, [Order(f"urn:x:{of}", entity(f"urn:x:{of}", a=0)) for of in range(40)])
    begun, held = threading.Event(), threading.Event()

    def hold(transaction: SqliteTransaction) -> None:
        begun.set()
        held.wait()

    groups: list[int] = []
    attempt = pool.store.attempt
    pool.store.attempt = lambda group: (groups.append(len(group)), attempt(group))[1]  # type: ignore[method-assign] # to look on
    holder = threading.Thread(target=pool.store.write, args=(hold,))
    holder.start()
    begun.wait()
    writers = [threading.Thread(target=pool.patch, args=(CLERK, f"urn:x:{of}", attrs(a=1))) for of in range(40)]
    for writer in writers:
        writer.start()
    while pool.store.jobs.qsize() < 40:
        pass
    held.set()
    for writer in [holder, *writers]:
        writer.join()
    assert groups == [1, 40]
    assert pool.version() == 42
    pool.close()
