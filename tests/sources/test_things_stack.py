"""The Things Stack's published messages as rows."""

import json
from pathlib import Path

import pytest

from landbridge.errors import Invalid
from landbridge.sources.things_stack import read_uplink

DATA = Path(__file__).parents[1] / "data/things_stack"


def uplink() -> bytes:
    text = (DATA / "uplink_message_example.json").read_text()
    return text.replace('}\n    "received_at"', '},\n    "received_at"').encode()


def test_published_uplink() -> None:
    (row,) = read_uplink(uplink())
    assert row["device_id"] == "dev1"
    assert row["application_id"] == "app1"
    assert (row["temperature"], row["luminosity"]) == (1.0, 0.64)
    assert (row["gateway_id"], row["rssi"], row["snr"]) == ("gtw1", -35, 5)
    assert (row["latitude"], row["longitude"]) == (37.97155556731436, 23.72678801175413)
    assert row["received_at"] == "2020-02-12T15:15:45.789585559Z"


def test_a_reading_called_like_a_column_is_kept() -> None:
    message = json.loads(uplink())
    message["uplink_message"]["decoded_payload"]["rssi"] = 7
    (row,) = read_uplink(json.dumps(message).encode())
    assert (row["rssi"], row["payload_rssi"]) == (-35, 7)


def test_the_gateway_that_heard_best() -> None:
    message = json.loads(uplink())
    message["uplink_message"]["rx_metadata"] += [{"gateway_ids": {"gateway_id": "near"}, "rssi": -20}, {}, 3]
    (row,) = read_uplink(json.dumps(message).encode())
    assert row["gateway_id"] == "near"


def test_other_messages_say_what_they_are() -> None:
    with pytest.raises(Invalid, match="no uplink of The Things Stack: join_accept"):
        read_uplink((DATA / "join_message_example.json").read_bytes())
    with pytest.raises(Invalid, match="no JSON"):
        read_uplink((DATA / "uplink_message_example.json").read_bytes())
    for odd in (b"3", b"[]", b"{}", b'{"uplink_message": 3}', b'{"end_device_ids": {}, "uplink_message": []}'):
        with pytest.raises(Invalid, match="no uplink"):
            read_uplink(odd)
