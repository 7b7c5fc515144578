"""The demo's sensor stream: a file's rows sent through a real MQTT broker, an hour of its own times in a few seconds.

`demo.toml` in an example's folder says what is replayed. The rows keep their own times, so what the pool records is
what the stations measured, when they measured it.
"""

import csv
import threading
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from landbridge.errors import InvalidSettings, Unreachable

FILE = "demo.toml"
SETTLED = 4.0  # seconds in which a run that has begun is subscribed, where the broker keeps no session for it
Row = dict[str, str]


@dataclass(frozen=True)
class Replay:
    """What is replayed: the rows of one value of the columns `hour` are sent together, `seconds` apart."""

    file: Path
    encoding: str
    topic: str
    hour: tuple[str, ...]
    seconds: float

    def hours(self) -> Iterator[list[Row]]:
        """The rows, an hour at a time, in the file's order."""
        with self.file.open(encoding=self.encoding, newline="") as file:
            for _, rows in groupby(csv.DictReader(file), lambda row: tuple(row.get(name) for name in self.hour)):
                yield list(rows)


def read_replay(folder: Path) -> Replay | None:
    """What the example's `demo.toml` says to replay; None where it says nothing. Raises InvalidSettings."""
    path = folder / FILE
    if not path.is_file():
        return None
    found: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8")).get("replay", {})
    try:
        return Replay(
            folder / found["file"],
            found.get("encoding", "utf-8"),
            found["topic"],
            tuple(found["hour"]),
            float(found.get("seconds_per_hour", 3)),
        )
    except KeyError as error:
        raise InvalidSettings(f"`replay` has no {error}.", where=FILE, hint="Give file, topic and hour.") from None


class Replaying:
    """Sends a replay in the background, `with Replaying(replay, port): ...`, once `heard` says that one listens."""

    def __init__(self, replay: Replay, port: int, heard: Callable[[], bool] = lambda: True) -> None:
        self.replay = replay
        self.heard = heard
        self.stop = threading.Event()
        self.sent = 0
        self.client = paho.Client(CallbackAPIVersion.VERSION2, "landbridge-replay")
        self.thread = threading.Thread(target=self.run, name="replay", daemon=True)
        try:
            self.client.connect("127.0.0.1", port)
        except OSError as error:
            raise Unreachable(f"The broker cannot be reached: {error}.", where=f"port {port}") from None

    def run(self) -> None:
        """Send hour after hour, once somebody listens, until the file ends or the demo does."""
        while not self.heard() and not self.stop.wait(0.2):
            pass
        self.stop.wait(SETTLED)
        for rows in self.replay.hours():
            for row in rows:
                told = self.client.publish(self.replay.topic, orjson.dumps(row), qos=1)
                while told.rc:  # the broker has gone: whoever ends all at once ends it first
                    if self.stop.wait(0.2):
                        return
                    told = self.client.publish(self.replay.topic, orjson.dumps(row), qos=1)
                while not told.is_published() and not self.stop.wait(0.005):
                    pass
            self.sent += len(rows)
            if self.stop.wait(self.replay.seconds):
                return

    def __enter__(self) -> "Replaying":
        self.client.loop_start()
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join(5)
        self.client.disconnect()
        self.client.loop_stop()
