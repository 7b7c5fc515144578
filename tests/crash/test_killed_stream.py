"""MQTT streams whose reader is killed at random moments, as a pull and as the worker of `serve`."""

import random
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as paho
import psutil
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from killed_city import ROUNDS, journal, kill, outcome, reached, recorded, started
from landbridge.sources.broker import DemoBroker
from landbridge.sources.contract import Declaration
from landbridge.sources.mqtt import MqttSource, open_source

pytestmark = [pytest.mark.crash, pytest.mark.timeout(3600)]
MESSAGES, SENSORS, START = 1_500, 20, 1_700_000_000
MAPPING = """select 'urn:ngsi-ld:Sensor:' || sensor as id, 'Sensor' as type, cast(n as bigint) as n,
       to_timestamp(cast(t as bigint)) as "observedAt" from source
"""


def make_city(folder: Path, broker: DemoBroker) -> Path:
    """A city with one stream; the broker keeps its messages from now on."""
    name = uuid.uuid4().hex[:8]
    options = {"address": broker.address, "topics": [f"{name}/#"], "client_id": name, "batch_messages": 100,
               "batch_seconds": 0.02}  # fmt: skip
    source = folder / "sources" / "sensors"
    source.mkdir(parents=True)
    (folder / "landbridge.toml").write_text('name = "Killed"\n[access]\npublic = true\n')
    declared = "".join(f"{key} = {value!r}\n" for key, value in options.items())
    (source / "source.toml").write_text('kind = "mqtt"\n' + declared)
    (source / "mapping.sql").write_text(MAPPING)
    opened = open_source(Declaration("sensors", "mqtt", Path(), options))
    assert isinstance(opened, MqttSource)
    client = opened.client()
    opened.connect(client)
    client.disconnect()
    return folder


@contextmanager
def publishing(broker: DemoBroker, folder: Path) -> Iterator[None]:
    """Send all messages, some hundred a second, each once."""
    topic = (folder / "sources" / "sensors" / "source.toml").read_text().split("topics = ['")[1].split("/")[0]
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(1000)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()

    def send() -> None:
        for n in range(MESSAGES):
            client.publish(f"{topic}/{n % SENSORS}", f'{{"sensor": {n % SENSORS}, "n": {n}, "t": {START + n}}}', 1)
            if n % 20 == 0:
                time.sleep(0.01)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        sender.join(60)
        client.disconnect()
        client.loop_stop()


def end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    process.wait(60)


def whole(folder: Path) -> None:
    """Every message is in the pool, once, and explained."""
    found = journal(folder)
    assert found.total() == MESSAGES
    assert set(found.values()) == {1}
    left = outcome(folder)
    assert left.unexplained == [] and not left.rejects
    newest = {id_: document["attrs"]["n"][0]["value"] for id_, document in left.documents.items()}
    assert newest == {f"urn:ngsi-ld:Sensor:{n % SENSORS}": n for n in range(MESSAGES - SENSORS, MESSAGES)}


def goals(number: int) -> Iterator[Callable[[Path], bool]]:
    """What the journal must hold before a process is killed, for each kill of a round."""
    chance = random.Random(number)
    for share in sorted(chance.uniform(0.02, 0.9) for _ in range(chance.choice([1, 2, 3]))):
        yield lambda folder, share=share: recorded(folder) >= share * MESSAGES  # type: ignore[misc]


@pytest.mark.parametrize("number", range(max(1, ROUNDS // 3)))
def test_a_killed_stream_loses_and_doubles_nothing(tmp_path: Path, mosquitto: DemoBroker, number: int) -> None:
    folder, chance = make_city(tmp_path / "city", mosquitto), random.Random(number)
    with publishing(mosquitto, folder):
        for goal in goals(number):
            process = started(folder, "pull", "sensors", "--seconds", "600")
            assert reached(lambda goal=goal: goal(folder), process)  # type: ignore[misc]
            time.sleep(chance.uniform(0, 0.02))
            kill(process)
    process = started(folder, "pull", "sensors", "--seconds", "600")
    assert reached(lambda: recorded(folder) >= MESSAGES, process)
    time.sleep(0.5)  # what would come a second time would come now
    end(process)
    whole(folder)


@pytest.mark.parametrize("number", range(max(1, ROUNDS // 6)))
def test_a_killed_worker_of_serve_is_started_again(tmp_path: Path, mosquitto: DemoBroker, number: int) -> None:
    folder, chance = make_city(tmp_path / "city", mosquitto), random.Random(number)
    process = started(folder, "serve", "--port", "0")
    with publishing(mosquitto, folder):
        for goal in goals(number):
            assert reached(lambda goal=goal: goal(folder), process)  # type: ignore[misc]
            time.sleep(chance.uniform(0, 0.02))
            for worker in workers(process):
                worker.kill()
    kill(process)  # and the serving process itself, with the worker that it has now
    process = started(folder, "serve", "--port", "0")
    assert reached(lambda: recorded(folder) >= MESSAGES, process)
    time.sleep(0.5)
    end(process)
    whole(folder)


def workers(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    return [one for one in psutil.Process(process.pid).children() if "landbridge.app.worker" in one.cmdline()]
