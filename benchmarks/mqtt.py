"""How many MQTT messages a second go from a real broker into the pool, each acknowledged only once it is on disk.

    python benchmarks/mqtt.py
    python benchmarks/mqtt.py --rows 20000

mosquitto holds the messages (QoS 1, JSON of four values) of a session that exists already; then the stream is pulled by
a process that may use one core, its mapping's child with it. Timed is from the pull's start, its engines loaded,
until the pool holds every message; then each is counted: none may be missing, none there twice.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import paho.mqtt.client as paho
import process
import psutil
from paho.mqtt.enums import CallbackAPIVersion

from landbridge.sources.broker import DemoBroker
from landbridge.store.sqlite import SqliteStore, open_store

LIMIT = "5,000 rows/s"
SENSORS = 1_000
MAPPING = """select 'urn:ngsi-ld:Meter:' || code as id, 'Meter' as type, cast(level as double) as level,
  'GQ' as "level.unitCode", cast(flow as integer) as flow, to_timestamp(cast(second as bigint)) as "observedAt"
from source
"""
SOURCE = """kind = "mqtt"
address = "{address}"
topics = ["bench/#"]
client_id = "bench"
[columns]
code = "text"
level = "double"
flow = "integer"
second = "integer"
"""
PULL = """
import sys, threading
from pathlib import Path
from landbridge.app.city import open_city
with open_city(sys.argv[1]) as city:
    sys.stdin.readline()
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), stop.set()), daemon=True).start()
    print(city.pull("meters", stop=stop).state, flush=True)
"""


def main() -> None:
    """Fill the broker, pull, count."""
    asked = process.options(__doc__, 60_000)
    count = 2_000 if asked.quick else asked.rows
    with tempfile.TemporaryDirectory(prefix="bench-") as name, DemoBroker(program="mosquitto") as broker:
        city = make_city(Path(name), broker.address)
        fill(broker.port, count)
        print(process.TITLE)
        print(measure(city, count).line("messages of 1,000 meters, one core", count, LIMIT))


def make_city(folder: Path, address: str) -> Path:
    """A city with one stream."""
    source = folder / "sources" / "meters"
    source.mkdir(parents=True)
    (folder / "landbridge.toml").write_text('name = "Bench"\n')
    (source / "source.toml").write_text(SOURCE.format(address=address))
    (source / "mapping.sql").write_text(MAPPING)
    return folder


def fill(port: int, count: int) -> None:
    """Make the session, then send what it is to find."""
    reader = paho.Client(CallbackAPIVersion.VERSION2, "bench", clean_session=None, protocol=paho.MQTTv5)
    properties = paho.Properties(paho.PacketTypes.CONNECT)
    properties.SessionExpiryInterval = 86_400
    subscribed: list[bool] = []
    reader.on_subscribe = lambda *told: subscribed.append(True)
    reader.connect("127.0.0.1", port, clean_start=False, properties=properties)
    reader.loop_start()
    reader.subscribe("bench/#", 1)
    while not subscribed:
        time.sleep(0.01)
    reader.disconnect()
    reader.loop_stop()
    sender = paho.Client(CallbackAPIVersion.VERSION2)
    sender.max_inflight_messages_set(5_000)
    sender.connect("127.0.0.1", port)
    sender.loop_start()
    sent = [sender.publish(f"bench/{number % SENSORS}", body(number), 1) for number in range(count)]
    for one in sent:
        one.wait_for_publish(600)
    sender.disconnect()
    sender.loop_stop()


def body(number: int) -> bytes:
    second = 1_700_000_000 + number // SENSORS * 60
    return json.dumps(
        {"code": f"m{number % SENSORS:04d}", "level": number % 977 / 10, "flow": number % 53, "second": second}
    ).encode()


def measure(city: Path, count: int) -> process.Took:
    """Pull on one core until everything is there; ends the benchmark where something is missing or double."""
    child = subprocess.Popen(
        [sys.executable, "-c", PULL, str(city)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert child.stdin and child.stdout
    watched, cpu, peak = psutil.Process(child.pid), {}, 0
    watched.cpu_affinity([os.sched_getaffinity(0).pop()])
    store = open_store(city / ".landbridge" / "pool.db")
    time.sleep(3)  # its engines load
    start = time.perf_counter()
    child.stdin.write("go\n")
    while recorded(store) < count:
        peak = max(peak, process.look(watched, cpu))
        time.sleep(0.02)
        if child.poll() is not None or time.perf_counter() - start > 600:
            raise SystemExit(f"the pull ends with {recorded(store):,} of {count:,} messages")
    seconds = time.perf_counter() - start
    child.stdin.write("stop\n")
    said = child.communicate(timeout=60)[0]
    if recorded(store) != count:
        raise SystemExit(f"{recorded(store):,} messages are in the pool, and {count:,} were sent")
    store.close()
    return process.Took(seconds, sum(cpu.values()), peak / 1e6, said)


def recorded(store: SqliteStore) -> int:
    """How many values of `flow` the journal holds."""
    with store.reader() as connection:
        single = connection.execute("SELECT count(*) FROM journal WHERE attribute='flow'").fetchone()[0]
        bulk = connection.execute("SELECT coalesce(sum(rows), 0) FROM segment").fetchone()[0]
    return int(single) + int(bulk) // 2  # a segment has both attributes of a message


if __name__ == "__main__":
    main()
