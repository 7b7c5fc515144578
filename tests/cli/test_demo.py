"""The demo joins a city, replays its stream through a real broker, shows it, and ends with all its children."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from command import landbridge, source

MAPPING = """select 'urn:ngsi-ld:Gate:' || gate as id, 'Gate' as type, cast(count as bigint) as visitors,
       local_time(day, hour) as observedAt
from source"""
STREAM = """kind = "mqtt"
address = "${DEMO_BROKER}"
topics = ["gates/#"]
client_id = "landbridge-test"
version = "3.1.1"
batch_seconds = 0.05

[columns]
day = "text"
hour = "text"
count = "text"
"""
REPLAY = """[replay]
file = "replay.csv"
topic = "gates/hourly"
hour = ["day", "hour"]
seconds_per_hour = 0.4
"""


@pytest.fixture
def city(tmp_path: Path) -> Path:
    """A small city with a file, and a stream that has something to replay."""
    folder = tmp_path / "harbour"
    assert landbridge("init", folder, "--name", "Harbour").code == 0
    source(folder, "gates", STREAM, MAPPING)
    (folder / "demo.toml").write_text(REPLAY)
    hours = "".join(f"{gate},2020-04-02,{hour},{hour}\n" for hour in range(24) for gate in "NS")
    (folder / "replay.csv").write_text(f"gate,day,hour,count\n{hours}")
    return folder


@contextmanager
def running(city: Path, folder: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A demo on a free port, once it says its address."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LANDBRIDGE_")}
    command = [sys.executable, "-m", "landbridge", "demo", str(city), "--port", "0", *words]
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout and process.stderr
    said = ""
    try:
        for line in process.stdout:
            said += line
            if line.startswith("Open "):
                break
        yield process, said
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def children(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def until_seen(work: Path, value: int) -> None:
    """Wait until the stream's last value is in the pool."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        done = landbridge("explain", work, "urn:ngsi-ld:Gate:N", "visitors", "--json")
        if done.code == 0 and done.json()[0]["value"] == value:
            return
    raise AssertionError(done.out + done.err)


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_the_demo_shows_a_city_and_ends_with_all_its_children(city: Path, tmp_path: Path, sign: signal.Signals) -> None:
    with running(city, tmp_path) as (process, said):
        assert re.search(r"Entities\s+3 \(3 Place\)", said), said
        assert re.search(r"Rows read\s+3\b", said)
        address = said.rpartition("Open ")[2].partition(" ")[0]
        with urllib.request.urlopen(address) as answer:
            assert answer.status == 200
        until_seen(tmp_path / ".demo" / "harbour", 23)
        below = children(process)
        assert len(below) >= 2  # a broker and a worker at least
        process.send_signal(sign)
        assert process.wait(60) == 0, process.stderr and process.stderr.read()
        _, alive = psutil.wait_procs(below, timeout=20)
        assert alive == []


@pytest.mark.parametrize("program", ["python", None])
def test_a_demo_that_is_killed_leaves_nothing_running(city: Path, tmp_path: Path, program: str | None) -> None:
    with running(city, tmp_path, *(["--broker", program] if program else [])) as (process, _):
        below = children(process)
        process.kill()
        _, alive = psutil.wait_procs(below, timeout=30)
        assert alive == []


def test_the_demo_works_without_mosquitto(city: Path, tmp_path: Path) -> None:
    with running(city, tmp_path, "--broker", "python") as (process, said):
        assert "Open " in said
        until_seen(tmp_path / ".demo" / "harbour", 23)
        process.terminate()
        assert process.wait(60) == 0


def test_a_second_demo_finds_what_the_first_one_pulled(city: Path, tmp_path: Path) -> None:
    first = landbridge("demo", city, "--no-serve", cwd=tmp_path)
    assert first.code == 0, first.err
    second = landbridge("demo", city, "--no-serve", cwd=tmp_path)
    assert "unchanged" in second.out
    fresh = landbridge("demo", city, "--no-serve", "--fresh", cwd=tmp_path)
    assert "unchanged" not in fresh.out.partition("Sources")[0].partition("\n")[2].replace("unchanged  ", "", 1)
    assert re.search(r"Entities\s+3 \(3 Place\)", fresh.out)


def test_a_taken_port_is_said_before_the_work(city: Path, tmp_path: Path) -> None:
    with running(city, tmp_path) as (_, said):
        port = said.rpartition("Open http://127.0.0.1:")[2].partition("/")[0]
        done = landbridge("demo", city, "--port", port, "--folder", tmp_path / "other", cwd=tmp_path)
    assert done.code == 7
    assert "PORT=" in done.err
    assert not (tmp_path / "other").exists()
