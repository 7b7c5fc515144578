"""`asOf`, our own parameter: entities as they were known then, over HTTP, with joins of types at one instant."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from serving import served

DEVICE: dict[str, Any] = {
    "id": "urn:ngsi-ld:Device:1",
    "type": "Device",
    "level": {"type": "Property", "value": 1},
    "room": {"type": "Relationship", "object": "urn:ngsi-ld:Room:1"},
}
ROOM: dict[str, Any] = {"id": "urn:ngsi-ld:Room:1", "type": "Room", "name": {"type": "Property", "value": "old"}}


def ready(client: httpx.Client) -> None:
    """Wait until the process that keeps history is there."""
    for _ in range(600):
        if client.get(str(client.base_url.join("/health"))).json()["historian"] == "ready":
            return
        time.sleep(0.1)
    raise AssertionError("The historian does not come.")


def moment(client: httpx.Client, id_: str) -> datetime:
    """When an entity was changed last."""
    answer = client.get(f"/entities/{id_}", params={"options": "sysAttrs"}).json()
    return datetime.fromisoformat(answer["modifiedAt"])


def text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def test_entities_are_answered_as_they_were_known_then(tmp_path: Path) -> None:
    (tmp_path / "landbridge.toml").write_text('name = "Then"\n')
    with served(tmp_path) as client:
        for entity in (DEVICE, ROOM):
            assert client.post("/entities", json=entity).status_code == 201
        then = {"asOf": text(moment(client, ROOM["id"])), "format": "simplified"}
        client.patch(f"/entities/{DEVICE['id']}/attrs", json={"level": {"type": "Property", "value": 2}})
        client.patch(f"/entities/{ROOM['id']}/attrs", json={"name": {"type": "Property", "value": "new"}})
        assert client.delete(f"/entities/{DEVICE['id']}").status_code == 204
        ready(client)

        assert client.get(f"/entities/{DEVICE['id']}").status_code == 404
        assert client.get(f"/entities/{DEVICE['id']}", params=then).json()["level"] == 1
        joined = {"type": "Device", "q": "level==1", "join": "inline", "joinLevel": "1", **then}
        (found,) = client.get("/entities", params=joined).json()
        assert found["room"] == {"id": ROOM["id"], "type": "Room", "name": "old"}
        assert client.get(f"/entities/{ROOM['id']}", params={"format": "simplified"}).json()["name"] == "new"

        body = {"type": "Query", "entities": [{"type": "Device"}]}
        answer = client.post("/entityOperations/query", params={"asOf": then["asOf"]}, json=body)
        assert [one["id"] for one in answer.json()] == [DEVICE["id"]]

        for wrong in ("yesterday", text(datetime.now(UTC) + timedelta(days=1)), "1999-01-01T00:00:00Z"):
            refused = client.get("/entities", params={"type": "Device", "asOf": wrong})
            assert refused.status_code == 400
            assert "asOf" in refused.json()["detail"]
