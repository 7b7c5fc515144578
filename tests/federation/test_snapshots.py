"""Snapshots: what queries find at one moment, here and elsewhere, and every question asked of it (NGSI-LD 5.16)."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from made_brokers import ROOT, Broker, brokers, lamp, saying, source

QUERY = {"type": "Query", "entities": [{"type": "Lamp"}], "q": "power>2"}
PATIENCE = 20.0


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Broker, Broker]]:
    with brokers(tmp_path, 2) as (one, other):
        yield one, other


def made(broker: Broker, **members: Any) -> str:
    """Make a snapshot and wait until it is ready; its id."""
    answer = broker.client.post("/snapshots", json={"type": "Snapshot", "snapshotQueries": [QUERY], **members})
    assert answer.status_code == 201, answer.text
    return ready(broker, answer.headers["location"].removeprefix(ROOT))["id"]


def ready(broker: Broker, path: str) -> dict[str, Any]:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        found: dict[str, Any] = broker.get(path).json()
        if found["snapshotStatus"] != "preparing":
            return found
        time.sleep(0.01)
    raise AssertionError("The snapshot is never ready.")


def inside(id_: str, **more: str) -> dict[str, str]:
    return {"NGSILD-Snapshot": id_, **more}


def test_a_snapshot_stays_as_it_is_and_answers_every_question(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    here.make(*(lamp(n, power=n) for n in range(6)))
    there.make(*(lamp(n, power=n) for n in range(4, 9)))
    here.register(there.address)
    id_ = made(here)
    before = here.get(f"/entities/{lamp(3)['id']}?options=sysAttrs").json()
    assert here.client.patch(f"/entities/{lamp(3)['id']}/attrs?local=true", json={"power": 99}).status_code == 204
    assert here.client.delete(f"/entities/{lamp(5)['id']}?local=true").status_code == 204
    answer = here.get("/entities?type=Lamp&options=keyValues", headers=inside(id_))
    assert answer.json() == [lamp(n, power=n) for n in range(3, 9)] and answer.headers["ngsild-snapshot"] == id_
    assert "ngsild-tenant" not in answer.headers
    assert here.get(f"/entities/{lamp(3)['id']}?options=sysAttrs", headers=inside(id_)).json() == before
    assert here.get("/types", headers=inside(id_)).json()["typeList"] == ["Lamp"]
    assert here.ids("/entities?type=Lamp&q=power==7", headers=inside(id_)) == [lamp(7)["id"]]
    shown = here.get(f"/snapshots/{id_}").json()
    assert shown["snapshotStatus"] == "success" and shown["snapshotQueriesDetails"] == [{"resultStatus": "success"}]


def test_a_snapshot_of_nothing_is_empty_and_one_that_is_not_there_is_missing(pair: tuple[Broker, Broker]) -> None:
    here, _ = pair
    id_ = made(here)
    assert here.get(f"/snapshots/{id_}").json()["snapshotStatus"] == "empty"
    assert here.get("/entities?type=Lamp", headers=inside(id_)).json() == []
    assert here.get("/entities?type=Lamp", headers=inside("urn:x:none")).status_code == 404
    assert here.client.delete(f"/snapshots/{id_}").status_code == 204
    assert here.get("/entities?type=Lamp", headers=inside(id_)).status_code == 404


def test_tenants_do_not_see_each_others_snapshots(pair: tuple[Broker, Broker]) -> None:
    here, _ = pair
    here.make(lamp(3, power=3))
    tenant = {"NGSILD-Tenant": "other"}
    assert here.client.post("/entities", json=lamp(4, power=4), headers=tenant).status_code == 201
    id_ = made(here)
    assert here.get("/entities?type=Lamp", headers=inside(id_, **tenant)).status_code == 404
    for name in (f"/{id_}", f"other/{id_}"):
        assert here.get("/entities?type=Lamp", headers={"NGSILD-Tenant": name}).status_code == 400


def test_a_clone_outlives_what_it_was_made_of(pair: tuple[Broker, Broker]) -> None:
    here, _ = pair
    here.make(*(lamp(n, power=n) for n in range(6)))
    id_ = made(here)
    answer = here.client.post(f"/snapshots/{id_}/clone", json={"type": "Snapshot", "snapshotPriority": 9})
    clone = ready(here, answer.headers["location"].removeprefix(ROOT))
    assert clone["snapshotPriority"] == 9
    assert here.client.delete("/snapshots?q=snapshotPriority<6").status_code == 204
    assert here.get(f"/snapshots/{id_}").status_code == 404
    assert here.ids("/entities?type=Lamp", headers=inside(clone["id"])) == [lamp(n)["id"] for n in (3, 4, 5)]


def test_what_a_snapshot_held_is_forgotten_with_it(pair: tuple[Broker, Broker]) -> None:
    here, _ = pair
    here.make(*(lamp(n, power=n, location={"type": "Point", "coordinates": [8, 49]}) for n in range(6)))
    with here.pool.store.reader() as connection:
        before = [connection.execute(f"SELECT count(*) FROM {table}").get for table in ("entity", "name", "kind")]
    assert here.client.delete(f"/snapshots/{made(here)}").status_code == 204
    with here.pool.store.reader() as connection:
        after = [connection.execute(f"SELECT count(*) FROM {table}").get for table in ("entity", "name", "kind")]
    assert after == before


def test_whoever_wants_to_know_is_told(pair: tuple[Broker, Broker]) -> None:
    here, _ = pair
    here.make(lamp(3, power=3))
    with source(saying(200)) as receiver:
        id_ = made(here, endpoint={"uri": f"{receiver.address}/told"}, receiverInfo=[{"key": "X-A", "value": "b"}])
        until = time.monotonic() + PATIENCE
        while not receiver.asked and time.monotonic() < until:
            time.sleep(0.01)
    ((_, path, headers, body),) = receiver.asked
    told = orjson.loads(body)
    assert path == "/told" and headers["x-a"] == "b" and told["type"] == "SnapshotNotification"
    assert told["snapshotId"] == id_ and told["snapshotStatus"] == "success"


@pytest.mark.parametrize(
    "body",
    [{"type": "Snapshot"}, {"snapshotQueries": [QUERY]}, {"type": "Snapshot", "snapshotQueries": []},
     {"type": "Snapshot", "snapshotQueries": [{**QUERY, "temporalQ": {"timerel": "after"}}]},
     {"type": "Snapshot", "snapshotQueries": [QUERY], "snapshotStatus": "success"},
     {"type": "Snapshot", "snapshotQueries": [QUERY], "snapshotPriority": 99},
     {"type": "Snapshot", "snapshotQueries": [QUERY], "snapshotLifetime": "soon"}],
)  # fmt: skip
def test_what_is_wrong_is_refused(pair: tuple[Broker, Broker], body: dict[str, Any]) -> None:
    assert pair[0].client.post("/snapshots", json=body).status_code == 400


def test_members_are_changed_within_bounds(pair: tuple[Broker, Broker]) -> None:
    here, _ = pair
    id_ = made(here)
    shown = here.client.patch(f"/snapshots/{id_}", json={"snapshotPriority": 2, "snapshotLifetime": "PT1H"}).json()
    assert shown["snapshotPriority"] == 2 and shown["snapshotLifetime"] == "PT1H"
    assert here.client.patch(f"/snapshots/{id_}", json={"snapshotQueries": []}).status_code == 400
    assert here.client.delete("/snapshots?q=power>1").status_code == 400
    assert here.client.patch(f"/snapshots/{id_}", json={"snapshotLifetime": "PT0S"}).status_code == 404


def test_a_snapshot_of_what_is_elsewhere_alone_is_whole(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    there.make(lamp(1))
    here.register(there.address)
    id_ = made(here, snapshotQueries=[{"type": "Query", "entities": [{"type": "Lamp"}]}])
    assert here.get(f"/snapshots/{id_}").json()["snapshotStatus"] == "success"
    assert here.ids("/entities?type=Lamp", headers=inside(id_)) == [lamp(1)["id"]]
