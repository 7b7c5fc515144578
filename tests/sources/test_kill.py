"""A kill at any moment loses nothing and doubles nothing: real processes, killed in the middle of their work."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from landbridge.model.answer import RunRecord
from landbridge.pool.pool import Pool
from landbridge.sources.broker import DemoBroker
from landbridge.sources.run import Terms, pull
from made_source import OPERATOR, declared, folder_of, opened, sizes, things

DAY = "2024-03-30T00:00:00Z"
PULL = """
import sys
from pathlib import Path
from landbridge.app.entrance import LOOP
from landbridge.pool.pool import Pool
from landbridge.sources.declaration import read_declaration
from landbridge.sources.run import Terms, pull
from landbridge.store.sqlite import open_store
pool = Pool(open_store(sys.argv[1]))
print("open", flush=True)
record = pull(pool, LOOP, read_declaration(Path(sys.argv[2])), Terms(retries=50, retry_seconds=0.1))
print(record.state, record.reason, flush=True)
"""
ROWS = 200_000


def begun(store: Path, folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", PULL, str(store), str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    return process


def killed(process: subprocess.Popen[str]) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def until(true: Callable[[], Any], seconds: float = 200) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it does not come about"
        time.sleep(0.02)


def entities(pool: Pool, type_: str = "Thing") -> int:
    return sum(kind.entities for kind in pool.types(OPERATOR) if kind.type == type_)


def recorded(pool: Pool, attribute: str = "size") -> int:
    """How many instances the journal holds, in rows and in segments."""
    with pool.store.reader() as connection:
        rows = connection.execute("SELECT count(*) FROM journal WHERE attribute=?", (attribute,)).fetchone()[0]
        bulk = connection.execute("SELECT coalesce(sum(rows), 0) FROM segment").fetchone()[0]
    return int(rows) + int(bulk)


@pytest.mark.parametrize("after", [0, 70_000])
def test_a_pull_that_is_killed_is_completed_by_the_next_and_nothing_is_there_twice(tmp_path: Path, after: int) -> None:
    rows = things(*(f"{number:06d},{number % 7},{DAY}" for number in range(ROWS)))
    folder = folder_of(tmp_path, "things", rows)
    opened(tmp_path).close()
    process = begun(tmp_path / "pool.db", folder)
    watching = opened(tmp_path)
    until(lambda: entities(watching) > after or process.poll() is not None)
    killed(process)
    found = entities(watching)
    assert after < found < ROWS, "the kill came too late to prove anything"
    assert recorded(watching) == found
    record: RunRecord = pull(watching, OPERATOR, declared(folder), Terms(retries=0))
    assert (record.state, record.unchanged, record.entities) == ("done", found, ROWS - found)
    assert (entities(watching), recorded(watching)) == (ROWS, ROWS)
    assert pull(watching, OPERATOR, declared(folder), Terms(retries=0)).state == "unchanged"
    watching.close()


@pytest.mark.broker
def test_messages_are_in_the_pool_once_each_however_often_the_reader_is_killed(
    tmp_path: Path, mosquitto: DemoBroker
) -> None:
    count, topic = 3_000, uuid.uuid4().hex[:8]
    mapping = (
        "select 'urn:ngsi-ld:Thing:' || code as id, 'Thing' as type, cast(size as double) as size,"
        ' _received as "observedAt" from source'
    )
    folder = folder_of(tmp_path, "meter", "", mapping)
    (folder / "source.toml").write_text(
        f'kind = "mqtt"\naddress = "{mosquitto.address}"\ntopics = ["{topic}/#"]\nclient_id = "{topic}"\n'
        'batch_messages = 200\nbatch_seconds = 0.05\n[columns]\ncode = "text"\nsize = "double"\n'
    )
    store, watching = tmp_path / "pool.db", opened(tmp_path)
    # A retained message comes with the subscription, so that the session is known to exist before more is sent to it.
    publish_all(mosquitto, [(f"{topic}/first", {"code": "first", "size": 0})], retain=True)
    process = begun(store, folder)
    until(lambda: entities(watching) == 1)
    publish(mosquitto, topic, count)
    for share in (0.1, 0.4, 0.7):
        until(lambda share=share: entities(watching) > share * count)  # type: ignore[misc]
        killed(process)
        process = begun(store, folder)
    until(lambda: entities(watching) >= count + 1)
    time.sleep(1)  # what would come twice has time to come
    killed(process)
    assert entities(watching) == count + 1
    assert recorded(watching) == count + 1
    assert sizes(watching)["m00007"] == 7.0
    watching.close()


def publish(broker: DemoBroker, topic: str, count: int) -> None:
    publish_all(broker, [(f"{topic}/m", {"code": f"m{number:05d}", "size": number}) for number in range(count)])


def publish_all(broker: DemoBroker, messages: list[tuple[str, dict[str, Any]]], retain: bool = False) -> None:
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(1000)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    sent = [client.publish(topic, json.dumps(body), 1, retain) for topic, body in messages]
    for one in sent:
        one.wait_for_publish(60)
    client.disconnect()
    client.loop_stop()
