"""Documents on shelves: kept, replaced, counted and forgotten, each tenant's apart, with a version that tells."""

from pathlib import Path
from typing import Any

from landbridge.store import shelf
from landbridge.store.sqlite import SqliteStore, open_store
from landbridge.store.transaction import SqliteTransaction


def put(store: SqliteStore, tenant: str, id_: str, body: dict[str, Any]) -> None:
    def job(transaction: SqliteTransaction) -> None:
        shelf.put(transaction, "subscription", tenant, id_, body)

    store.write(job)


def test_documents_are_kept_by_tenant_and_id(tmp_path: Path) -> None:
    store = open_store(tmp_path / "pool.db")
    for tenant, id_ in (("", "urn:b"), ("", "urn:a"), ("other", "urn:a")):
        put(store, tenant, id_, {"of": tenant})
    put(store, "", "urn:a", {"of": "", "again": True})
    with store.reader() as connection:
        assert [one.id for one in shelf.page(connection, "subscription", "", 10)] == ["urn:a", "urn:b"]
        assert [one.id for one in shelf.page(connection, "subscription", "", 10, 1)] == ["urn:b"]
        assert shelf.count(connection, "subscription", "other") == 1
        assert [(one.tenant, one.id) for one in shelf.everything(connection, "subscription")] == [
            ("", "urn:a"), ("", "urn:b"), ("other", "urn:a"),
        ]  # fmt: skip
        found = shelf.get(connection, "subscription", "", "urn:a")
        assert found is not None and found.body == {"of": "", "again": True} and found.created < found.modified
        assert shelf.get(connection, "registration", "", "urn:a") is None
        assert shelf.version(connection, "subscription") == 4
        assert shelf.version(connection, "registration") == 0
    store.close()


def test_a_document_is_forgotten_once(tmp_path: Path) -> None:
    store = open_store(tmp_path / "pool.db")
    put(store, "", "urn:a", {})
    assert store.write(lambda transaction: shelf.remove(transaction, "subscription", "", "urn:a"))
    assert not store.write(lambda transaction: shelf.remove(transaction, "subscription", "", "urn:a"))
    with store.reader() as connection:
        assert shelf.get(connection, "subscription", "", "urn:a") is None
        assert shelf.version(connection, "subscription") == 2
    store.close()


def test_the_oldest_go_beyond_a_number_and_heads_say_what_is_there(tmp_path: Path) -> None:
    store = open_store(tmp_path / "pool.db")
    for id_ in ("urn:c", "urn:b", "urn:a", "urn:c"):
        put(store, "", id_, {})
    put(store, "other", "urn:z", {})
    store.write(lambda transaction: shelf.keep_newest(transaction, "subscription", "", 2))
    with store.reader() as connection:
        heads = list(shelf.heads(connection, "subscription", ""))
        assert [id_ for id_, _, _ in heads] == ["urn:a", "urn:c"]
        assert heads[1][1] < heads[0][1] < heads[1][2]
        assert shelf.count(connection, "subscription", "other") == 1
    store.close()
