"""Clients that others wrote, unmodified, against a city that is served: ngsildclient, and GDAL as maps use it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import ngsildclient
import pyogrio
import pytest
from ngsildclient import Client, Entity
from ngsildclient.api.exceptions import NgsiAlreadyExistsError

START = """
import sys
from pathlib import Path
from landbridge.app.serve import serve
serve(sys.argv[1], port=0, ready=lambda at: print(at, flush=True))
"""
LINES = [("A", 41.5, 117.69, 39.03), ("B", 12.0, 117.71, 39.05), ("C", 80.25, 117.65, 38.99)]
TENANT = {"NGSILD-Tenant": "clients"}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.URL]:
    folder = tmp_path_factory.mktemp("city")
    (folder / "landbridge.toml").write_text('name = "Here"\n')
    command = [sys.executable, "-c", START, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield httpx.URL(process.stdout.readline().strip())
        finally:
            process.terminate()


def station(name: str, pm25: float, lon: float, lat: float) -> Entity:
    made = Entity("AirQualityObserved", f"urn:ngsi-ld:AirQualityObserved:{name}")
    made.prop("pm25", pm25, unitcode="GQ", observedat="2020-04-02T00:00:00Z")
    made.loc((lat, lon))
    made.rel("refArea", "urn:ngsi-ld:AdministrativeArea:120116")
    return made


def test_ngsildclient_does_all_that_it_can(address: httpx.URL) -> None:
    assert ngsildclient.__version__
    stations = [station(*line) for line in LINES]
    httpx.post(address.join("/ngsi-ld/v1/entities"), json={"id": "urn:a:b", "type": "First"}, headers=TENANT)
    with Client("localhost", address.port, tenant="clients") as client:
        assert client.create(stations[0]) is not None
        with pytest.raises(NgsiAlreadyExistsError):
            client.create(stations[0])
        assert client.exists(stations[0].id) and not client.exists("urn:ngsi-ld:AirQualityObserved:none")
        shown = client.get(stations[0].id)
        assert shown["pm25"] == {
            "type": "Property", "value": 41.5, "unitCode": "GQ", "observedAt": "2020-04-02T00:00:00Z",
        }  # fmt: skip
        assert client.upsert(stations)
        assert client.count("AirQualityObserved") == 3
        assert client.count("AirQualityObserved", q="pm25>40") == 2
        assert [one.id[-1] for one in client.query_all("AirQualityObserved", q="pm25>40")] == ["A", "C"]
        stations[1].prop("pm25", 99.5)
        client.update(stations[1])
        assert client.get(stations[1].id)["pm25"]["value"] == 99.5
        assert client.types.list() == ["AirQualityObserved", "First"]
        assert client.delete(stations[2]) and not client.exists(stations[2])
        client.delete_where("AirQualityObserved", q="pm25>40")
        assert client.count("AirQualityObserved") == 0


def test_ngsildclient_keeps_contexts_and_subscriptions(address: httpx.URL) -> None:
    subscription: dict[str, Any] = {
        "id": "urn:ngsi-ld:Subscription:1",
        "type": "Subscription",
        "description": "Air",
        "entities": [{"type": "AirQualityObserved"}],
        "notification": {"endpoint": {"uri": "https://receiver.example/notify", "accept": "application/json"}},
        "@context": "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context.jsonld",
    }
    with Client("localhost", address.port) as client:
        client.contexts.add({"@context": {"pm25": "https://city.example/pm25"}})
        (found,) = client.contexts.list("localhost")
        id_ = found.rpartition("/")[2]
        assert client.contexts.exists(id_)
        assert client.contexts.get(id_) == {"@context": {"pm25": "https://city.example/pm25"}}
        assert client.contexts.delete("", "localhost") and not client.contexts.exists(id_)
        assert client.subscriptions.create(subscription) == subscription["id"]
        assert [one["id"] for one in client.subscriptions.list("Air")] == [subscription["id"]]
        assert client.subscriptions.delete("Air")
        assert client.subscriptions.list() == []


def test_gdal_reads_entities_as_a_map_layer(address: httpx.URL) -> None:
    """As QGIS does by the address of a layer."""
    with httpx.Client(base_url=address) as client:
        for line in LINES:
            body = json.loads(station(*line).to_json())
            answer = client.post("/ngsi-ld/v1/entities", json=body, headers={"Content-Type": "application/ld+json"})
            assert answer.status_code == 201, answer.text
    pyogrio.set_gdal_config_options({"GDAL_HTTP_HEADERS": "Accept: application/geo+json"})
    try:
        url = f"{address}ngsi-ld/v1/entities?type=AirQualityObserved&options=keyValues"
        layer = pyogrio.read_dataframe(url)
    finally:
        pyogrio.set_gdal_config_options({"GDAL_HTTP_HEADERS": None})
    assert sorted(layer["pm25"]) == [12.0, 41.5, 80.25]
    assert layer.crs.to_epsg() == 4326
    assert sorted(point.x for point in layer.geometry) == [117.65, 117.69, 117.71]
