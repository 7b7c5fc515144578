"""Transient entities and attributes (NGSI-LD 4.22): never read once expired, but recorded and announced."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from feeding import City, micro
from landbridge.errors import Missing
from landbridge.governance.policy import Actor, Role
from landbridge.model.answer import Document
from landbridge.model.entity import NULL
from landbridge.model.parser import parse_entity
from landbridge.model.query import Has, Query
from landbridge.model.terms import Terms
from landbridge.pool.alter import Fragment
from landbridge.pool.batch import Order
from landbridge.pool.pool import Pool
from landbridge.store.sqlite import open_store

CORE = Terms()
CLERK = Actor("clerk", Role.STEWARD)
ID = "urn:x:1"
START, LATER, LAST = "2030-01-01T00:00:00Z", "2030-01-01T00:00:10Z", "2030-01-01T00:01:00Z"


def entity(**members: Any) -> Document:
    return parse_entity({"id": ID, "type": "T", **members}, CORE)


@pytest.fixture
def city() -> Iterator[City]:
    city = City()
    city.time = micro("2030-01-01T00:00Z")
    yield city
    city.close()


@pytest.fixture
def pool(city: City) -> Pool:
    return Pool(city.store)


def found(pool: Pool) -> list[str]:
    return [one["id"] for one in pool.query(CLERK, Query(types=Has("T"))).documents]


def test_an_entity_is_gone_at_its_moment(city: City, pool: Pool) -> None:
    pool.create(CLERK, entity(a=1, expiresAt=LATER))
    city.time = micro("2030-01-01T00:00Z") + 9_000_000
    assert found(pool) == [ID]
    city.time += 1_000_000
    assert found(pool) == []
    with pytest.raises(Missing):
        pool.entity(CLERK, ID)
    assert [row[1:6:4] for row in city.journal()] == [
        ("@entity", "create"), ("@entity", "delete"), ("a", "delete"), ("a", "set"),
    ]  # fmt: skip
    assert [change.entities for change in pool.changes(0)] == [(ID,), (ID,)]
    pool.create(CLERK, entity(a=2))
    assert pool.entity(CLERK, ID)["attrs"]["a"][0]["value"] == 2


def test_a_write_meets_no_expired_entity_either(city: City, pool: Pool) -> None:
    pool.create(CLERK, entity(a=1, expiresAt=LATER))
    city.time += 10_000_000
    with pytest.raises(Missing):
        pool.append(CLERK, ID, entity(b=1)["attrs"])
    pool.create(CLERK, entity(b=1))


def test_what_is_made_with_a_moment_gone_by_is_never_read(pool: Pool) -> None:
    pool.create(CLERK, entity(a=1, expiresAt="2020-01-01T00:00:00Z"))
    assert found(pool) == []


def test_instances_and_sub_attributes_expire_alone(city: City, pool: Pool) -> None:
    pool.create(CLERK, entity(
        a=[{"value": 1}, {"value": 2, "datasetId": "urn:d:1", "expiresAt": LATER}],
        b={"value": 1, "expiresAt": LATER}, c={"value": 3, "sub": {"value": 4, "expiresAt": LAST}},
    ))  # fmt: skip
    city.time += 10_000_000
    attrs = pool.entity(CLERK, ID)["attrs"]
    assert {name: [one["value"] for one in instances] for name, instances in attrs.items()} == {"a": [1], "c": [3]}
    assert "sub" in attrs["c"][0]
    city.time += 50_000_000
    assert "sub" not in pool.entity(CLERK, ID)["attrs"]["c"][0]
    assert [(row[1], row[2], row[5]) for row in city.journal() if row[5] == "delete"] == [
        ("a", "urn:d:1", "delete"), ("b", None, "delete")]  # fmt: skip
    assert city.store.writer.execute("SELECT count(*) FROM expiry").get == 0


def test_replacing_whole_makes_durable_and_partial_writes_keep_the_moment(city: City, pool: Pool) -> None:
    transient = {"value": 1, "expiresAt": LATER}
    pool.create(CLERK, entity(a=transient, b=transient, expiresAt=LATER))
    pool.patch(CLERK, ID, entity(a=2)["attrs"])
    pool.patch_attribute(CLERK, ID, "b", {"value": 2})
    pool.append(CLERK, ID, Fragment({}, expires_at=NULL))
    city.time += 10_000_000
    assert set(pool.entity(CLERK, ID)["attrs"]) == {"a"}


def test_a_moment_set_later_counts_and_may_be_moved(city: City, pool: Pool) -> None:
    pool.create(CLERK, entity(a=1))
    pool.append(CLERK, ID, Fragment({}, expires_at=LATER))
    pool.append(CLERK, ID, Fragment({}, expires_at=LAST))
    city.time += 10_000_000
    assert found(pool) == [ID]
    city.time += 50_000_000
    assert found(pool) == []


def test_what_a_source_keeps_outlives_the_clients_moment(city: City, pool: Pool) -> None:
    city.pull("one", [{"id": ID, "type": "T", "n": 1}])
    pool.append(CLERK, ID, Fragment(entity(a=1)["attrs"], expires_at=LATER))
    city.time += 10_000_000
    document = pool.entity(CLERK, ID)
    assert set(document["attrs"]) == {"n"}
    assert "expiresAt" not in document


def test_a_batch_and_many_tenants_expire(city: City, pool: Pool) -> None:
    orders = [Order(f"urn:x:{of}", entity(a=1, expiresAt=LATER) | {"id": f"urn:x:{of}"}) for of in range(1200)]
    pool.create_all(CLERK, orders)
    pool.create(CLERK, entity(a=1, expiresAt=LATER), tenant="other")
    pool.create(CLERK, entity(a=1) | {"id": "urn:x:stays"}, tenant="other")
    city.time += 10_000_000
    assert found(pool) == []
    assert [one["id"] for one in pool.query(CLERK, Query("other", types=Has("T"))).documents] == ["urn:x:stays"]
    assert [change.tenant for change in pool.changes(0)].count("other") == 3


def test_another_process_notices_within_a_second(tmp_path: Path) -> None:
    """Two pools over one file; the reading one looks at what the other wrote, and at the moment itself."""
    now = [micro("2030-01-01T00:00Z")]
    writing = Pool(open_store(tmp_path / "pool.db", lambda: now[0]))
    reading = Pool(open_store(tmp_path / "pool.db", lambda: now[0]))
    assert found(reading) == []
    writing.create(CLERK, entity(a=1, expiresAt=LATER))
    now[0] += 9_999_999
    assert found(reading) == [ID]
    now[0] += 1
    assert found(reading) == []
    writing.close()
    reading.close()
