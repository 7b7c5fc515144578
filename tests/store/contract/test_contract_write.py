"""What every store promises of writing: one commit, whole or not at all, numbered and timed without going back."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import orjson
import pytest

from landbridge.errors import Invalid
from landbridge.model.query import Has, Query
from landbridge.store.contract import Entry, Kind, Row, Store
from store.writing import add, entity, prop


def put_one(store: Store, id_: str, value: object = 1) -> int:
    return add(store, [entity(id_, ["Road"], {"a": prop(value)})])


def test_a_write_is_read_by_the_next_read(store: Store) -> None:
    number = put_one(store, "urn:x:1")
    found = store.get("", "urn:x:1")
    assert found is not None
    assert (orjson.loads(found.doc)["attrs"]["a"][0]["value"], found.version, store.version()) == (1, number, number)
    assert store.get("", "urn:x:2") is None


def test_commits_are_numbered_without_gaps(store: Store) -> None:
    assert store.version() == 0
    assert [put_one(store, f"urn:x:{n}") for n in range(5)] == [1, 2, 3, 4, 5]


def test_recorded_time_never_goes_back_when_the_clock_does(open_with: Callable[..., Store]) -> None:
    times = iter([5_000, 9_000, 1_000, 1_000, 9_500])
    store = open_with(lambda: next(times))
    assert [store.write(lambda transaction: transaction.recorded) for _ in range(5)] == [
        5_000,
        9_000,
        9_001,
        9_002,
        9_500,
    ]


def test_a_job_that_fails_leaves_nothing_and_tells_its_reason(store: Store) -> None:
    put_one(store, "urn:x:1")

    def fails(transaction: Any) -> None:
        kind = transaction.kind("", "Ghost", ["a"])
        (key,) = transaction.take_keys(kind, 1)
        transaction.insert("", [Row(key, "urn:x:ghost", "{}", 1, 1, 1, {})])
        transaction.record([Entry(key, "a", 0, None, "api", None, "set", "{}")])
        raise Invalid("It is wrong.")

    with pytest.raises(Invalid, match="It is wrong"):
        store.write(fails)
    assert store.get("", "urn:x:ghost") is None
    assert [kind.type for kind in store.kinds("")] == ["Road"]
    assert put_one(store, "urn:x:2") == 2


def test_many_writers_are_each_answered_and_a_failing_one_harms_no_other(store: Store) -> None:
    gate = threading.Barrier(24)
    outcome: dict[int, object] = {}

    def client(number: int) -> None:
        def job(transaction: Any) -> int:
            kind = transaction.kind("", "Road", ["a"])
            row = Row(transaction.take_keys(kind, 1)[0], f"urn:x:{number}", '{"attrs":{}}', 1, 1, 1, {})
            transaction.insert("", [row])
            if number % 3 == 0:
                raise Invalid(f"{number} is wrong.")
            return int(transaction.number)

        gate.wait()
        try:
            outcome[number] = store.write(job)
        except Invalid as error:
            outcome[number] = error.message

    threads = [threading.Thread(target=client, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [outcome[n] for n in range(0, 24, 3)] == [f"{n} is wrong." for n in range(0, 24, 3)]
    numbers = sorted(number for number in outcome.values() if isinstance(number, int))
    assert numbers == list(range(1, 17))
    assert store.query(Query(types=Has("Road"), count=True)).count == 16


def test_an_update_changes_what_is_asked_and_keeps_the_key(store: Store) -> None:
    put_one(store, "urn:x:1", "old")
    before = store.get("", "urn:x:1")
    assert before is not None

    def job(transaction: Any) -> None:
        kind = transaction.kind("", "Road", ["a"])
        document = orjson.dumps(entity("urn:x:1", ["Road"], {"a": prop("new")})).decode()
        transaction.update(
            [
                Row(
                    before.key,
                    before.id,
                    document,
                    before.created,
                    transaction.recorded,
                    transaction.number,
                    {kind.slots["a"]: "new"},
                )
            ]
        )

    store.write(job)
    after = store.get("", "urn:x:1")
    assert after is not None
    assert (after.key, after.created, after.version) == (before.key, before.created, 2)
    assert after.modified > before.modified
    assert '"new"' in after.doc


def test_a_delete_takes_the_entity_out_of_everything_but_its_journal(store: Store) -> None:
    point = {"type": "GeoProperty", "value": {"type": "LineString", "coordinates": [[1, 1], [2, 2]]}}
    add(store, [entity("urn:x:1", ["Road", "Way"], {"location": point}), entity("urn:x:2", ["Road"], {"a": prop(1)})])
    found = store.get("", "urn:x:1")
    assert found is not None
    store.write(lambda transaction: transaction.delete("", [found]))
    assert store.get("", "urn:x:1") is None
    for asked in (Has("Road"), Has("Way")):
        page = store.query(Query(types=asked, count=True))
        left = [document["id"] for document in page.documents]
        assert (left, page.count) == ((["urn:x:2"], 1) if asked == Has("Road") else ([], 0))
    add(store, [entity("urn:x:1", ["Road"], {"a": prop(2)})])
    again = store.get("", "urn:x:1")
    assert again is not None
    assert again.key != found.key


def test_locate_and_load_find_many_at_once(store: Store) -> None:
    add(store, [entity(f"urn:x:{n}", ["Road"], {"a": prop(n)}) for n in range(5)])

    def job(transaction: Any) -> tuple[dict[str, int], list[str]]:
        keys = transaction.locate("", ["urn:x:3", "urn:x:1", "urn:x:none"])
        return keys, [stored.id for stored in transaction.load(list(keys.values()))]

    keys, ids = store.write(job)
    assert sorted(keys) == ["urn:x:1", "urn:x:3"]
    assert ids == ["urn:x:1", "urn:x:3"]


def test_a_kind_gives_slots_until_there_are_none(store: Store) -> None:
    def job(transaction: Any) -> Kind:
        transaction.kind("", "Road", ["a", "b", "a"])
        found: Kind = transaction.kind("", "Road", [f"n{n}" for n in range(40)])
        return found

    kind = store.write(job)
    assert (kind.slots["a"], kind.slots["b"]) == (0, 1)
    assert sorted(kind.slots.values()) == list(range(32))
    assert "n30" not in kind.slots


def columns(first: int, count: int) -> dict[str, Sequence[Any]]:
    documents = [entity(f"urn:c:{first + n}", ["Road"], {"a": prop(first + n)}) for n in range(count)]
    return {
        "id": [document["id"] for document in documents],
        "doc": [orjson.dumps(document).decode() for document in documents],
    }


def test_columns_are_written_as_rows_are(store: Store) -> None:
    box = (1.0, 2.0, 3.0, 4.0)

    def job(transaction: Any) -> None:
        kind = transaction.kind("", "Road", ["a"])
        keys = transaction.take_keys(kind, 3)
        transaction.insert_columns(
            "", kind, {**columns(0, 3), "key": list(keys), "s0": [0, 1, 2], "box": [None, box, None]}
        )

    store.write(job)
    page = store.query(Query(types=Has("Road"), count=True))
    assert ([document["id"] for document in page.documents], page.count) == (["urn:c:0", "urn:c:1", "urn:c:2"], 3)
    assert store.kinds("")[0].located


def test_tenants_do_not_meet(store: Store) -> None:
    add(store, [entity("urn:x:1", ["Road"], {"a": prop(1)})], tenant="one")
    add(store, [entity("urn:x:1", ["Road", "Way"], {"a": prop(2)})], tenant="two")
    for tenant, value in (("one", 1), ("two", 2)):
        found = store.get(tenant, "urn:x:1")
        assert found is not None
        assert orjson.loads(found.doc)["attrs"]["a"][0]["value"] == value
        for query in (
            Query(tenant=tenant),
            Query(tenant=tenant, ids=("urn:x:1",)),
            Query(tenant=tenant, types=Has("Road")),
        ):
            assert [document["attrs"]["a"][0]["value"] for document in store.query(query).documents] == [value]
    assert store.query(Query(tenant="one", types=Has("Way"))).documents == ()
    assert store.query(Query(tenant="")).documents == ()
