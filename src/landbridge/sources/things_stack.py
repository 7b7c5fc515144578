"""Uplinks of The Things Stack v3 (LoRaWAN) as flat rows: the device, its reading, and how well it was heard.

The decoded payload's keys are columns of their own; one that is called like a column below is `payload_<name>`.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from landbridge.errors import Invalid


def read_uplink(payload: bytes) -> list[dict[str, Any]]:
    """Read one message of The Things Stack; raises Invalid for anything but an uplink."""
    try:
        message = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise Invalid(f"The message is no JSON: {error}.") from None
    ids = part(message, "end_device_ids")
    if not isinstance(message, Mapping) or not isinstance(message.get("uplink_message"), Mapping):
        kinds = sorted(message.keys() - {"end_device_ids", "correlation_ids", "received_at"}) if ids else []
        raise Invalid(f"The message is no uplink of The Things Stack{': ' + ', '.join(kinds)[:100] if kinds else ''}.")
    uplink = message["uplink_message"]
    row = {**device(ids), **reception(uplink), **position(uplink)}
    row["received_at"] = uplink.get("received_at") or message.get("received_at")
    for name in ("f_port", "f_cnt", "frm_payload"):
        row[name] = uplink.get(name)
    for name, value in part(uplink, "decoded_payload").items():
        row[f"payload_{name}" if name in row else name] = value
    return [row]


def part(whole: object, name: str) -> Mapping[str, Any]:
    """A member that is an object, else an empty one."""
    found = whole.get(name) if isinstance(whole, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def device(ids: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "device_id": ids.get("device_id"),
        "application_id": part(ids, "application_ids").get("application_id"),
        "dev_eui": ids.get("dev_eui"),
        "dev_addr": ids.get("dev_addr"),
    }


def reception(uplink: Mapping[str, Any]) -> dict[str, Any]:
    """The gateway that heard it best."""
    heard = uplink.get("rx_metadata")
    gateways = [one for one in heard if isinstance(one, Mapping)] if isinstance(heard, list) else []
    best = max(gateways, key=lambda one: number(one.get("rssi"), -999.0), default={})
    return {
        "gateway_id": part(best, "gateway_ids").get("gateway_id"),
        "rssi": best.get("rssi"),
        "snr": best.get("snr"),
    }


def number(value: object, otherwise: float) -> float:
    return float(value) if isinstance(value, int | float) else otherwise


def position(uplink: Mapping[str, Any]) -> dict[str, Any]:
    """The device's place: as its payload tells, else as the network knows it."""
    places = part(uplink, "locations")
    for name in ("frm-payload", "user", *places):
        if place := part(places, name):
            return {key: place.get(key) for key in ("latitude", "longitude", "altitude")}
    return {"latitude": None, "longitude": None, "altitude": None}
