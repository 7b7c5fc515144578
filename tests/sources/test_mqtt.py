"""MQTT as a source, against a real mosquitto and the broker that the demo brings along."""

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pyarrow as pa
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from landbridge.errors import InvalidSettings, Unreachable
from landbridge.sources.broker import DemoBroker
from landbridge.sources.contract import Batch, Declaration
from landbridge.sources.mqtt import MqttSource, open_source
from services import needs

CONSUMER = """
import json, sys, time
from pathlib import Path
from landbridge.sources.contract import Declaration
from landbridge.sources.mqtt import open_source
source = open_source(Declaration("air", "mqtt", Path("."), json.loads(sys.argv[1])))
count = 0
for batch in source.batches(json.loads(sys.argv[2])):
    count += batch.rows.num_rows
    if sys.argv[3] == "settle":
        batch.settle()
    if count >= int(sys.argv[4]):
        print(json.dumps([count, batch.cursor]), flush=True)
        time.sleep(60)
"""


def options(broker: DemoBroker, **more: Any) -> dict[str, Any]:
    name = uuid.uuid4().hex[:8]
    return {"address": broker.address, "topics": [f"{name}/#"], "client_id": name, **more}


def opened(wanted: dict[str, Any]) -> MqttSource:
    source = open_source(Declaration("air", "mqtt", Path(), wanted))
    assert isinstance(source, MqttSource)
    return source


def subscribed(wanted: dict[str, Any]) -> None:
    """Make the broker keep messages for this client from now on."""
    source = opened(wanted)
    client = source.client()
    source.connect(client)
    client.disconnect()


def publish(broker: DemoBroker, messages: list[tuple[str, bytes]], retain: bool = False) -> None:
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(1000)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    sent = [client.publish(topic, payload, 1, retain) for topic, payload in messages]
    for one in sent:
        one.wait_for_publish(30)
    client.disconnect()
    client.loop_stop()


def first(source: MqttSource, rows: int, cursor: Any = None, settle: bool = True) -> list[Batch]:
    """Batches until so many rows and rejects have come; settled like a run does."""
    found: list[Batch] = []
    batches = source.batches(cursor)
    for batch in batches:
        found.append(batch)
        if settle:
            batch.settle()
        if sum(one.rows.num_rows + len(one.rejects) for one in found) >= rows:
            source.stop()
    return found


def nothing_more(wanted: dict[str, Any], cursor: Any = None) -> bool:
    """Whether the broker has nothing left: a message sent last is the only one that comes."""
    source = opened(wanted)
    rows = first(source, 1, cursor)[0].rows.to_pylist()
    return [row.get("last") for row in rows] == [True]


def topic(wanted: dict[str, Any]) -> str:
    return str(wanted["topics"][0])[:-2]


@pytest.fixture(params=["5", "3.1.1"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_messages_become_rows(mosquitto: DemoBroker, version: str) -> None:
    wanted = options(mosquitto, version=version)
    subscribed(wanted)
    root = topic(wanted)
    publish(mosquitto, [
        (f"{root}/a", b'{"pm25": 12, "name": "x", "where": {"lon": 1}}'),
        (f"{root}/b", b'[{"pm25": 12.5}, {"pm25": null, "topic": "odd"}]'),
        (f"{root}/c", b"23.5"),
        (f"{root}/d", b"{broken"),
        (f"{root}/e", b"[1]"),
        (f"{root}/f", b""),
    ])  # fmt: skip
    batches = first(opened(wanted), 7)
    rows = [row for batch in batches for row in batch.rows.to_pylist()]
    assert [row["topic"] for row in rows] == [f"{root}/a", f"{root}/b", f"{root}/b", f"{root}/c"]
    assert [row["pm25"] for row in rows] == [12.0, 12.5, None, None]
    assert (json.loads(rows[0]["where"]), rows[2]["payload_topic"], rows[3]["value"]) == ({"lon": 1}, "odd", 23.5)
    assert all(row["_received"].year >= 2020 for row in rows)
    rejects = [reject for batch in batches for reject in batch.rejects]
    assert [reject.row["payload"] for reject in rejects] == ["{broken", "[1]", ""]
    assert rejects[0].place == f"topic {root}/d"
    assert "no JSON" in rejects[0].reason
    publish(mosquitto, [(f"{root}/z", b'{"last": true}')])
    assert nothing_more(wanted)


def test_what_is_not_settled_comes_again(mosquitto: DemoBroker, version: str) -> None:
    wanted = options(mosquitto, version=version)
    subscribed(wanted)
    publish(mosquitto, [(f"{topic(wanted)}/n", b'{"n": %d}' % n) for n in range(5)])
    assert sum(batch.rows.num_rows for batch in first(opened(wanted), 5, settle=False)) == 5
    again = first(opened(wanted), 5)
    assert [row["n"] for batch in again for row in batch.rows.to_pylist()] == [0, 1, 2, 3, 4]


def killed_consumer(wanted: dict[str, Any], cursor: Any, count: int, settle: str = "keep") -> Any:
    """Run a consumer in a process of its own, and kill it -9 once it has taken so many rows."""
    command = [sys.executable, "-c", CONSUMER, json.dumps(wanted), json.dumps(cursor), settle, str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
    return said


@pytest.mark.parametrize("settle", ["keep", "settle"])
def test_kill_before_or_after_settling_loses_and_doubles_nothing(
    mosquitto: DemoBroker, version: str, settle: str
) -> None:
    wanted = options(mosquitto, version=version)
    subscribed(wanted)
    publish(mosquitto, [(f"{topic(wanted)}/n", b'{"n": %d}' % n) for n in range(10)])
    taken, cursor = killed_consumer(wanted, None, 10, settle)
    assert taken == 10
    # The rows were stored with the cursor: what comes again is known and only acknowledged.
    publish(mosquitto, [(f"{topic(wanted)}/z", b'{"last": true}')])
    assert nothing_more(wanted, cursor)
    publish(mosquitto, [(f"{topic(wanted)}/z", b'{"last": true}')])
    assert nothing_more(wanted)  # and the broker has forgotten them


def test_kill_before_the_commit_loses_nothing(mosquitto: DemoBroker) -> None:
    wanted = options(mosquitto)
    subscribed(wanted)
    publish(mosquitto, [(f"{topic(wanted)}/n", b'{"n": %d}' % n) for n in range(10)])
    killed_consumer(wanted, None, 10)
    rows = [row for batch in first(opened(wanted), 10) for row in batch.rows.to_pylist()]
    assert [row["n"] for row in rows] == list(range(10))


def test_equal_messages_are_all_taken(mosquitto: DemoBroker) -> None:
    wanted = options(mosquitto)
    subscribed(wanted)
    publish(mosquitto, [(f"{topic(wanted)}/n", b'{"n": 1}')] * 4)
    assert sum(batch.rows.num_rows for batch in first(opened(wanted), 4)) == 4


def test_columns_stay_and_kinds_only_widen(mosquitto: DemoBroker) -> None:
    wanted = options(mosquitto, batch_messages=1, columns={"pm25": "double", "site": "text"})
    subscribed(wanted)
    payloads = [b'{"pm25": 12, "v": 1}', b'{"pm25": "13.5", "v": "x"}', b'{"pm25": "NA", "v": 2}', b'{"site": 5}']
    publish(mosquitto, [(f"{topic(wanted)}/n", payload) for payload in payloads])
    batches = first(opened(wanted), 4)
    assert [batch.rows.column("pm25").to_pylist() for batch in batches] == [[12.0], [13.5], [], [None]]
    assert [batch.rows.column("v").to_pylist() for batch in batches] == [[1], ["x"], [], [None]]
    assert batches[3].rows.schema.field("v").type == pa.string()
    assert batches[3].rows.column("site").to_pylist() == ["5"]
    assert "pm25 is 'NA', not double" in batches[2].rejects[0].reason


def test_senml_and_things_stack_formats(mosquitto: DemoBroker) -> None:
    data = Path(__file__).parents[1] / "data/senml"
    wanted = options(mosquitto, format="senml+cbor")
    subscribed(wanted)
    publish(mosquitto, [(f"{topic(wanted)}/n", (data / "ex3.gen.cbor").read_bytes()), (f"{topic(wanted)}/n", b"\xff")])
    batches = first(opened(wanted), 8)
    assert [row["v"] for batch in batches for row in batch.rows.to_pylist()][:2] == [120.1, 1.2]
    assert sum(len(batch.rejects) for batch in batches) == 1


def test_a_message_that_is_too_long_is_a_reject(mosquitto: DemoBroker) -> None:
    wanted = options(mosquitto, max_message_bytes=100_000)
    subscribed(wanted)
    publish(mosquitto, [(f"{topic(wanted)}/n", b'"' + b"x" * 200_000 + b'"')])
    (batch,) = first(opened(wanted), 1)
    assert "200002 bytes" in batch.rejects[0].reason
    assert len(str(batch.rejects[0].row["payload"])) == 65_536


@pytest.fixture(params=["mosquitto", "python"])
def own_broker(request: pytest.FixtureRequest) -> Iterator[DemoBroker]:
    if request.param == "mosquitto":
        needs("mosquitto")
    with DemoBroker(program=request.param) as broker:
        yield broker


def test_both_brokers_serve_and_end(own_broker: DemoBroker) -> None:
    wanted = options(own_broker, version="3.1.1")
    publish(own_broker, [(f"{topic(wanted)}/n", b'{"n": 1}')], retain=True)
    assert first(opened(wanted), 1)[0].rows.column("n").to_pylist() == [1]
    pid = own_broker.pid
    own_broker.__exit__(None, None, None)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_broker_that_goes_and_comes_back(own_broker: DemoBroker) -> None:
    wanted = options(own_broker, version="3.1.1", patience_seconds=60)
    source = opened(wanted)
    batches = source.batches(None)
    publish(own_broker, [(f"{topic(wanted)}/n", b'{"n": 1}')], retain=True)
    next(batches).settle()
    own_broker.__exit__(None, None, None)
    with DemoBroker(program=own_broker.program, port=own_broker.port) as back:
        publish(back, [(f"{topic(wanted)}/n", b'{"n": 2}')], retain=True)
        batch = next(batches)
        assert batch.rows.column("n").to_pylist() == [2]
        source.stop()
        assert list(batches) == []


def test_nobody_there() -> None:
    source = opened({"address": "mqtt://user:hidden@127.0.0.1:9", "topics": ["a"]})
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9 cannot be used") as caught:
        next(source.batches(None))
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"topics": ["a"]}, "no `address`"),
        ({"address": "http://h", "topics": ["a"]}, "no `address`"),
        ({"address": "mqtt://h"}, "no `topics`"),
        ({"address": "mqtt://h", "topics": "a"}, "no `topics`"),
        ({"address": "mqtt://h:x", "topics": ["a"]}, "port 'x'"),
        ({"address": "mqtt://h", "topics": ["a"], "qos": 2}, "`qos`"),
        ({"address": "mqtt://h", "topics": ["a"], "format": "xml"}, "`format` is 'xml'"),
        ({"address": "mqtt://h", "topics": ["a"], "version": "4"}, "`version`"),
        ({"address": "mqtt://h", "topics": ["a"], "columns": {"a": "float"}}, "kind 'float'"),
        ({"address": "mqtt://h", "topics": ["a"], "password": "${LANDBRIDGE_NOT_SET}"}, "LANDBRIDGE_NOT_SET"),
        ({"address": "mqtt://h", "topics": ["a"], "batch_seconds": -1}, "`batch_seconds`"),
    ],
)
def test_wrong_settings_are_named(wanted: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidSettings, match=said):
        opened(wanted)
