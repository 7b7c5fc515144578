"""All 44 Smart Data Models come back as they went in: normalized, concise and key-values, with their own contexts."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from made_api import ENTITIES, LD, Api

DATA = Path(__file__).parents[1] / "data" / "smart_data_models"
MODELS = sorted(path.name.partition(".")[0] for path in (DATA / "examples").glob("*.normalized.jsonld"))
CONTEXTS = {f"https://models.example/{path.stem}.jsonld": json.loads(path.read_text()) for path in
            (DATA / "contexts").glob("*.jsonld")}  # fmt: skip
SUBJECTS = {
    "Alert": "Alert", "Anomaly": "Alert", "Building": "Building", "Catalogue": "DCAT-AP", "Dataset": "DCAT-AP",
    "Distribution": "DCAT-AP", "Device": "Device", "DeviceMeasurement": "Device", "DeviceModel": "Device",
    "SmartMeteringObservation": "Device", "ThreePhaseAcMeasurement": "Energy", "AirQualityObserved": "Environment",
    "FloodMonitoring": "Environment", "NoiseLevelObserved": "Environment", "WaterObserved": "Environment",
    "AisVessel": "MarineTransport", "Berth": "MarineTransport", "Port": "MarineTransport",
    "PortCall": "MarineTransport", "Vessel": "MarineTransport", "OffStreetParking": "Parking",
    "OnStreetParking": "Parking", "ParkingSpot": "Parking", "PointOfInterest": "PointOfInterest",
    "Streetlight": "Streetlighting", "StreetlightControlCabinet": "Streetlighting",
    "StreetlightGroup": "Streetlighting", "BikeHireDockingStation": "Transportation",
    "CrowdFlowObserved": "Transportation", "EVChargingStation": "Transportation", "RoadSegment": "Transportation",
    "TrafficFlowObserved": "Transportation", "Vehicle": "Transportation", "ArrivalEstimation": "UrbanMobility",
    "GtfsAgency": "UrbanMobility", "GtfsRoute": "UrbanMobility", "GtfsStop": "UrbanMobility",
    "GtfsStopTime": "UrbanMobility", "GtfsTrip": "UrbanMobility", "WasteContainer": "WasteManagement",
    "WaterConsumptionObserved": "WaterConsumption", "WeatherAlert": "Weather", "WeatherForecast": "Weather",
    "WeatherObserved": "Weather",
}  # fmt: skip
# What is no NGSI-LD as it is published, member by member (None: left out): a Relationship without object, a kind that
# does not exist, a place that is a Property, an id that is no URI, a time with an offset, a member as an attribute.
MENDED: dict[str, dict[str, Any]] = {
    "Berth": {"id": "urn:uuid:02ce3860-3126-42af-8ac7-c2a661134130"},
    "Catalogue": {
        "catalog": {"type": "Relationship", "object": ["urn:ngsi-ld:Catalogue:items:LZMQ:44249979"]},
        "creator": None,
        "record": None,
    },
    "DeviceMeasurement": {"location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [60.1, 24.9]}}},
    "Distribution": {"location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [-67.1, 67.9]}}},
    "FloodMonitoring": {
        "floodLevelStatus": {"type": "Property", "value": "Normal"},
        "observationDateTime": {"type": "Property", "value": "2020-09-16T13:30:00+05:30"},
        "stationID": {"type": "Property", "value": "FWR013"},
    },
    "Port": {"refPortAuthority": {"type": "Relationship", "object": "urn:mrn:amura:port-authority:UNLOCODE"}},
    "PortCall": {"authorizationDate": {"type": "Property", "value": "2023-01-01T08:00:00.00Z"}},
    "Vehicle": {"battery": {"type": "Property", "value": 0.81, "observedAt": "2021-03-11T10:21:02Z"}},
    "Vessel": {"observedAt": None, "createdAt": None, "modifiedAt": None},
    "WaterObserved": {"dateObserved": {"type": "Property", "value": "2020-03-17T08:45:00.209Z"}},
    "WeatherAlert": {"id": "urn:ngsi-ld:WeatherAlert:83b872975414bfca10832e564a1bb416-7"},
    "WeatherForecast": {"id": "urn:ngsi-ld:WeatherForecast:46005_2016-12-01T18:00:00"},
}
MENDED_TEXT = {"PointOfInterest.jsonld": ('"occupancy": 50\n', '"occupancy": 50,\n')}  # a comma is missing


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    api = Api(tmp_path, CONTEXTS)
    yield api
    api.close()


def example(model: str, file: str, members: tuple[str, ...] | None = None) -> dict[str, Any]:
    """An example with the address of its subject's context, mended where it is wrong."""
    text = (DATA / "examples" / file).read_text("utf-8")
    if file in MENDED_TEXT:
        text = text.replace(*MENDED_TEXT[file])
    body: dict[str, Any] = json.loads(text)
    mended = MENDED.get(model, {})
    body |= {name: member for name, member in mended.items() if members is None or name in members}
    body["@context"] = f"https://models.example/{SUBJECTS[model]}.jsonld"
    return {name: member for name, member in body.items() if member is not None}


def asked(api: Api, body: dict[str, Any], form: str) -> dict[str, Any]:
    """The entity as it is given back with its own context, without saying that."""
    link = {"Link": f'<{body["@context"]}>; rel="http://www.w3.org/ns/json-ld#context"'}
    answer = api.get(f"{ENTITIES}/{body['id']}", params={"format": form}, headers=link)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def without_context(body: dict[str, Any]) -> dict[str, Any]:
    return {name: member for name, member in body.items() if name != "@context"}


def test_there_are_44_models_and_each_has_its_subject() -> None:
    assert len(MODELS) == len(SUBJECTS) == 44
    assert set(MODELS) == set(SUBJECTS)


@pytest.mark.parametrize("model", MODELS)
def test_a_normalized_entity_comes_back_in_each_form(api: Api, model: str) -> None:
    body = example(model, f"{model}.normalized.jsonld")
    api.made(body, headers=LD)
    assert asked(api, body, "normalized") == without_context(body)
    for number, form in enumerate(("concise", "simplified"), 1):
        shown = asked(api, body, form)
        again = shown | {"id": f"urn:again:{number}", "@context": body["@context"]}
        api.made(again, headers=LD, params={"format": form})
        assert asked(api, again, form) == without_context(again)
        if form == "concise":  # says all that the normalized form says
            assert asked(api, again, "normalized") == without_context(body) | {"id": "urn:again:1"}


@pytest.mark.parametrize("model", MODELS)
def test_a_key_values_entity_comes_back(api: Api, model: str) -> None:
    body = example(model, f"{model}.jsonld", ("id", "observedAt", "createdAt", "modifiedAt"))
    api.made(body, headers=LD, params={"options": "keyValues"})
    assert asked(api, body, "keyValues") == without_context(body)
