"""Change records: written with the change itself, of what somebody wants and of nothing else."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from landbridge.store.sqlite import SqliteStore, open_store
from landbridge.store.transaction import SqliteTransaction
from store.writing import add, entity, prop


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    made = open_store(":memory:")
    yield made
    made.close()


def want(store: SqliteStore, *rows: tuple[str, str, str], tenant: str = "") -> None:
    def job(transaction: SqliteTransaction) -> None:
        for row in rows:
            transaction.connection.execute("INSERT INTO interest VALUES (?, ?, ?, ?, 1)", (tenant, *row))

    store.write(job)


def records(store: SqliteStore) -> list[tuple[Any, ...]]:
    with store.reader() as connection:
        return list(connection.execute("SELECT rank >> 24, id, before, after FROM change ORDER BY rank"))


def lamp(number: int, power: int = 1, **more: Any) -> dict[str, Any]:
    return entity(f"urn:l:{number}", ["Lamp"], {"power": prop(power), **more})


def change(store: SqliteStore, number: int, power: int, **more: Any) -> None:
    """Update a lamp as single writes do."""

    def job(transaction: SqliteTransaction) -> None:
        (key,) = transaction.locate("", [f"urn:l:{number}"]).values()
        document = lamp(number, power, **more)
        transaction.update_columns([key], [orjson.dumps(document).decode()], {})

    store.write(job)


def remove(store: SqliteStore, number: int) -> None:
    def job(transaction: SqliteTransaction) -> None:
        keys = list(transaction.locate("", [f"urn:l:{number}"]).values())
        transaction.delete("", list(transaction.load(keys)))

    store.write(job)


def test_nothing_is_kept_while_nobody_subscribes(store: SqliteStore) -> None:
    add(store, [lamp(1)])
    change(store, 1, 2)
    remove(store, 1)
    assert records(store) == []


def test_what_is_made_changed_and_removed_is_kept_with_both_states(store: SqliteStore) -> None:
    want(store, ("Lamp", "", ""))
    numbers = [add(store, [lamp(1), entity("urn:r:1", ["Road"], {})])]
    change(store, 1, 2)
    remove(store, 1)
    made, changed, gone = records(store)
    assert [one[1] for one in (made, changed, gone)] == ["urn:l:1"] * 3
    assert made[0] == numbers[0]
    assert made[2] is None
    assert orjson.loads(made[3])["attrs"]["power"][0]["value"] == 1
    assert (orjson.loads(changed[2]), orjson.loads(changed[3])) == (lamp(1), lamp(1, 2))
    assert (orjson.loads(gone[2]), gone[3]) == (lamp(1, 2), None)


def test_only_wanted_attributes_ids_and_tenants_are_kept(store: SqliteStore) -> None:
    add(store, [lamp(1), lamp(2), lamp(3)])
    want(store, ("Lamp", "", "colour"), ("Lamp", "urn:l:2", ""), ("", "urn:l:3", "power"))
    want(store, ("Lamp", "", ""), tenant="elsewhere")
    change(store, 1, 5)
    change(store, 1, 5, colour=prop("red"))
    change(store, 2, 6)
    change(store, 3, 7)
    change(store, 3, 7, height=prop(3))
    assert [(one[1], orjson.loads(one[3])["attrs"]["power"][0]["value"]) for one in records(store)] == [
        ("urn:l:1", 5), ("urn:l:2", 6), ("urn:l:3", 7),
    ]  # fmt: skip


def test_new_columns_are_kept_where_they_are_wanted(store: SqliteStore) -> None:
    want(store, ("Lamp", "urn:l:2", ""))

    def job(transaction: SqliteTransaction) -> None:
        kind = transaction.kind("", "Lamp", ["power"])
        keys = transaction.take_keys(kind, 3)
        documents = [orjson.dumps(lamp(number)).decode() for number in (1, 2, 3)]
        ids = [f"urn:l:{number}" for number in (1, 2, 3)]
        transaction.insert_columns("", kind, {"key": list(keys), "id": ids, "doc": documents})

    store.write(job)
    assert [one[1] for one in records(store)] == ["urn:l:2"]


def test_an_entity_of_several_types_is_wanted_by_each(store: SqliteStore) -> None:
    want(store, ("Sensor", "", ""))
    add(store, [entity("urn:x:1", ["Lamp", "Sensor"], {"power": prop(1)}), lamp(2)])
    assert [one[1] for one in records(store)] == ["urn:x:1"]


def test_a_commit_that_fails_leaves_no_record(store: SqliteStore) -> None:
    want(store, ("Lamp", "", ""))

    def job(transaction: SqliteTransaction) -> None:
        kind = transaction.kind("", "Lamp")
        (key,) = transaction.take_keys(kind, 1)
        transaction.insert_columns("", kind, {"key": [key], "id": ["urn:l:1"], "doc": [orjson.dumps(lamp(1)).decode()]})
        raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        store.write(job)
    assert records(store) == []
