"""Notifications over MQTT, to a real mosquitto: both versions, every quality, headers, and a broker that goes away."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from landbridge.errors import Invalid, Refused
from landbridge.governance.egress import Egress
from landbridge.model.address import read_allowed
from landbridge.model.subscription import Endpoint
from landbridge.publish.call import check_endpoint, read_broker
from landbridge.sources.broker import DemoBroker
from made_publisher import City, reached, telling_city, vehicle

TOPIC = "city/vehicles"


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    with telling_city(tmp_path, first_retry=0.02) as made:
        yield made


class Listener:
    """A client that keeps what the topic brings."""

    def __init__(self, port: int) -> None:
        self.got: list[tuple[dict[str, Any], int]] = []
        ready = threading.Event()
        self.client = paho.Client(CallbackAPIVersion.VERSION2)
        self.client.on_message = lambda client, data, message: self.got.append(
            (json.loads(message.payload), message.qos)
        )
        self.client.on_subscribe = lambda *told: ready.set()
        self.client.connect("127.0.0.1", port)
        self.client.subscribe(TOPIC, 2)
        self.client.loop_start()
        assert ready.wait(20)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.mark.parametrize("version", ["mqtt3.1.1", "mqtt5.0", None])
@pytest.mark.parametrize("quality", ["0", "1", "2"])
def test_a_notification_is_a_message_with_its_headers(
    city: City, mosquitto: DemoBroker, version: str | None, quality: str
) -> None:
    notifier = [{"key": "MQTT-QoS", "value": quality}]
    notifier += [{"key": "MQTT-Version", "value": version}] if version else []
    listener = Listener(mosquitto.port)
    try:
        endpoint = {"notifierInfo": notifier, "receiverInfo": [{"key": "X-Key", "value": "v"}]}
        city.subscribe(f"{mosquitto.address}/{TOPIC}", endpoint=endpoint)
        for speed in range(20):
            path = "/entities" if not speed else "/entities/urn:v:1/attrs"
            body = vehicle(speed=speed) if not speed else {"speed": {"type": "Property", "value": speed}}
            city.done("POST", path, body)
        reached(lambda: len(listener.got) == 20)
    finally:
        listener.close()
    told, level = listener.got[0]
    assert level == int(quality)
    assert told.keys() == {"metadata", "body"}
    assert told["metadata"]["Content-Type"] == "application/json"
    assert told["metadata"]["X-Key"] == "v"
    assert "Link" in told["metadata"]
    assert told["body"]["type"] == "Notification"
    assert [one["body"]["data"][0]["speed"]["value"] for one, _ in listener.got] == list(range(20))


def test_a_broker_that_is_away_gets_everything_when_it_is_back(city: City) -> None:
    with DemoBroker(program="python") as first:
        port = first.port
    city.subscribe(f"mqtt://127.0.0.1:{port}/{TOPIC}", endpoint={"notifierInfo": [{"key": "MQTT-QoS", "value": "1"}]})
    city.done("POST", "/entities", vehicle(speed=1))
    reached(lambda: city.publisher.standing("", "urn:s:1").get("timesFailed", 0) > 1)
    with DemoBroker(program="mosquitto", port=port):
        listener = Listener(port)
        try:
            reached(lambda: len(listener.got) == 1)
        finally:
            listener.close()


def endpoint(uri: str, **notifier: str) -> Endpoint:
    return Endpoint(uri, notifier=tuple((name.replace("_", "-"), value) for name, value in notifier.items()))


def test_an_address_is_read_with_its_user_port_and_topic() -> None:
    broker, message = read_broker(endpoint("mqtts://us%40er:pass%2Fword@broker.example/a/b%20c", MQTT_QoS="2"))
    assert (broker.host, broker.port, broker.secure, broker.fifth) == ("broker.example", 8883, True, True)
    assert (broker.user, broker.password) == ("us@er", "pass/word")
    assert message == ("a/b c", 2)
    assert read_broker(endpoint("mqtt://[::1]:99/t", MQTT_Version="mqtt3.1.1"))[0][:4] == ("::1", 99, False, False)


@pytest.mark.parametrize(
    ("uri", "notifier"),
    [
        ("mqtt://broker.example", {}),
        ("mqtt:///topic", {}),
        ("mqtt://broker.example/a/#", {}),
        ("mqtt://broker.example:99999/a", {}),
        ("mqtt://broker.example/a", {"MQTT_QoS": "3"}),
        ("mqtt://broker.example/a", {"MQTT_Version": "4"}),
        ("ftp://broker.example/a", {}),
    ],
)
def test_what_cannot_be_reached_is_refused_when_it_is_registered(uri: str, notifier: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        check_endpoint(endpoint(uri, **notifier), Egress())


@pytest.mark.parametrize(
    "uri", ["mqtt://localhost/t", "mqtts://10.0.0.1/t", "mqtt://[::ffff:127.0.0.1]/t", "http://[::1]/"]
)
def test_a_private_broker_is_refused_unless_it_is_allowed(uri: str) -> None:
    with pytest.raises(Refused):
        check_endpoint(endpoint(uri), Egress())
    check_endpoint(endpoint(uri), Egress(read_allowed(("127.0.0.0/8", "10.0.0.0/8", "::1"))))
