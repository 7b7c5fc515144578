"""The process beside the serving one that keeps history: it drains the journal into the lake, and answers questions.

It has the heavy engines, so the serving process stays small, and an answer over a hundred million lines stands in
nobody's way. Orders come as lines of JSON on its standard input; answers go out on its standard output, each a line of
JSON and so many bytes as that says. It ends when that input ends, so it never outlives its parent.
"""

import contextlib
import logging
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from landbridge.app.entrance import contexts_of, open_pool
from landbridge.app.export import Exporter, exported, exporter_of
from landbridge.app.passage import read_question, write_answer, write_points
from landbridge.app.retention import retention_rules
from landbridge.errors import LandbridgeError
from landbridge.history.durable import storage_options
from landbridge.history.lake import Lake
from landbridge.history.read import Reader
from landbridge.history.retention import Retention, RetentionRule
from landbridge.history.said import points
from landbridge.history.trim import Window
from landbridge.history.upkeep import GRACE, Upkeep
from landbridge.model.temporal import Evolutions
from landbridge.pool.past_pool import PastPools
from landbridge.pool.pool import Pool
from landbridge.settings import Operator, Settings, read_operator, read_settings

LOG = logging.getLogger("landbridge.historian")
ANSWERING = 3  # questions under way at once
PAUSE = 20.0  # seconds between two drains where little is written
FULL = 200_000  # lines in the store alone, about, from which it is drained at once
SHARE = 0.5  # of a processor's time that draining and tending take at most
TENDING = 60.0  # seconds between two rounds of tending
RETAINING = 86_400.0  # seconds between two looks for what is too old
NICE = 10  # how much less urgent that is than answers
Say = Callable[[Mapping[str, Any], bytes], None]


class Historian:
    """The history of one pool until `stop` is set."""

    def __init__(
        self, pool: Pool, lake: Lake, window: Window, exporter: Exporter, rules: Sequence[RetentionRule] = ()
    ) -> None:
        self.pool = pool
        self.exporter = exporter
        self.retention = Retention(pool.store, lake, rules, GRACE) if rules else None
        self.lake = lake
        self.reader = Reader(pool.store, lake)
        self.upkeep = Upkeep(pool.store, lake, window)
        self.folder = tempfile.TemporaryDirectory(prefix="landbridge-past-")
        self.past = PastPools(pool.store, lake, Path(self.folder.name))
        self.stop = threading.Event()
        self.asked = ThreadPoolExecutor(ANSWERING, thread_name_prefix="asked")
        self.orders: dict[str, Callable[[Mapping[str, Any]], bytes]] = {
            "evolution": self.evolution,
            "evolutions": self.evolutions,
            "points": self.points,
            "settle": self.settle,
            "as_of": self.as_of,
            "export": lambda order: orjson.dumps(exported(self.exporter, order)),
        }

    # -- what is asked for

    def evolution(self, order: Mapping[str, Any]) -> bytes:
        """One entity's evolution."""
        return write_answer(Evolutions([self.reader.evolution(order["id"], read_question(order["asked"]))]))

    def evolutions(self, order: Mapping[str, Any]) -> bytes:
        """A page of a temporal query."""
        return write_answer(self.reader.evolutions(read_question(order["asked"])))

    def points(self, order: Mapping[str, Any]) -> bytes:
        """The newest points of one series that the lake alone has."""
        return write_points(points(self.pool.store, self.lake, order["uptos"], *order["of"]))

    def as_of(self, order: Mapping[str, Any]) -> bytes:
        """The file that holds a tenant's pool as of a moment."""
        return orjson.dumps(str(self.past.path(order["tenant"], order["moment"])))

    def settle(self, order: Mapping[str, Any]) -> bytes:
        """Drain all that there is; answers up to which commit."""
        version = self.pool.version()
        while (done := self.upkeep.step()).more:
            for trouble in done.troubles.values():
                raise trouble
        return orjson.dumps(version)

    def take(self, order: Mapping[str, Any], say: Say) -> None:
        """Have an order carried out; its answer comes when it is done."""
        self.asked.submit(self.obey, order, say)

    def obey(self, order: Mapping[str, Any], say: Say) -> None:
        number = order.get("id")
        try:
            body = self.orders[order["do"]](order)
        except LandbridgeError as error:
            say({"answer": number, "error": type(error).__name__, **told(error)}, b"")
        except Exception:
            LOG.exception("A question cannot be answered: %s", order.get("do"))
            wrong = {"error": "Failed", "message": "The historian meets an unexpected error."}
            say({"answer": number, **wrong}, b"")
        else:
            say({"answer": number, "size": len(body)}, body)

    # -- what goes on by itself

    def keep(self) -> None:
        """Drain and tend until told to stop, at a share of one processor's time."""
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        drained = tended = -TENDING
        retained = -RETAINING
        seen = -1
        while not self.stop.is_set():
            began = time.monotonic()
            busy = False
            try:
                self.past.look()
                version = self.pool.version()
                if version != seen and (began - drained >= PAUSE or self.crowded()):
                    busy = self.drain()
                    drained, seen = began, seen if busy else version
                if began - tended >= TENDING:
                    tended = began if self.tend() else began - TENDING + PAUSE
                if self.retention is not None and began - retained >= RETAINING:
                    retained = began
                    self.let_go(self.retention)
            except LandbridgeError as error:
                LOG.warning("History waits. %s", error)
                drained = time.monotonic()
            except Exception:
                LOG.exception("History meets an unexpected error.")
                drained = time.monotonic()
            took = time.monotonic() - began
            self.stop.wait(took * (1 / SHARE - 1) if busy else max(1.0, took * (1 / SHARE - 1)))

    def drain(self) -> bool:
        """Drain some; whether there is more."""
        done = self.upkeep.step()
        for type_, trouble in done.troubles.items():
            LOG.warning("The history of %s waits. %s", type_, trouble)
        return done.more and not done.troubles

    def tend(self) -> bool:
        """One round of tending; whether there was nothing to do."""
        done = self.upkeep.tend()
        for type_, trouble in done.troubles.items():
            LOG.warning("The files of %s stay as they are. %s", type_, trouble)
        return done.idle

    def let_go(self, retention: Retention) -> None:
        """Let go what is older than the city's rules allow."""
        for gone in retention.keep():
            LOG.info("%d lines of %s of %s are gone; %d means stay.", gone.rows, gone.attribute, gone.type, gone.means)

    def crowded(self) -> bool:
        """Whether the store alone has so much that it should be drained at once."""
        with self.pool.store.reader() as connection:
            least = connection.execute(
                "SELECT min(coalesce(d.number, 0)) FROM kind k LEFT JOIN drained d ON d.type = k.type"
            ).get
            rows = (
                "SELECT sum(rows) FROM (SELECT rows FROM segment INDEXED BY segment_number WHERE number > ? LIMIT 100)"
            )
            return int(connection.execute(rows, (least or 0,)).get or 0) >= FULL

    def end(self) -> None:
        """End what is under way."""
        self.stop.set()
        self.upkeep.stop()
        self.asked.shutdown(wait=True, cancel_futures=True)
        self.folder.cleanup()


def told(error: LandbridgeError) -> dict[str, Any]:
    return {"message": error.message, "where": error.where, "hint": error.hint}


def open_historian(settings: Settings, operator: Operator | None = None) -> Historian:
    """Open a city's pool and its lake. Raises Damaged, InvalidSettings."""
    rules = retention_rules(settings, contexts_of(settings).own.expand)
    pool = open_pool(settings)
    lake = Lake(settings.history, storage_options(os.environ))
    window = Window(settings.recent_days, settings.recent_megabytes)
    return Historian(pool, lake, window, exporter_of(pool, lake, settings, operator or read_operator()), rules)


def speak(out: BinaryIO, gone: Callable[[], None]) -> Say:
    """What says an answer on the standard output; `gone` is called where nobody listens any more."""
    lock = threading.Lock()

    def say(message: Mapping[str, Any], body: bytes) -> None:
        with lock:
            try:
                out.write(orjson.dumps(message) + b"\n" + body)
                out.flush()
            except OSError:
                gone()

    return say


def main(folder: str) -> None:
    """Keep the history of the city in this folder until the parent is gone or says TERM."""
    operator = read_operator()
    logging.basicConfig(level=operator.log_level.upper(), format="%(levelname)s %(name)s: %(message)s")
    historian = open_historian(read_settings(folder), operator)
    ended = threading.Event()
    say = speak(sys.stdout.buffer, ended.set)

    def leave(number: int, frame: object) -> None:
        ended.set()

    def listen() -> None:
        # a file of its own: at its end Python waits for nobody who still reads, but breaks off over its standard input
        for line in open(sys.stdin.fileno(), "rb", closefd=False):  # noqa: SIM115 - it stays open till the end
            historian.take(orjson.loads(line), say)
        ended.set()

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to pass on
    threading.Thread(target=listen, name="orders", daemon=True).start()
    keeping = threading.Thread(target=historian.keep, name="keeping", daemon=True)
    keeping.start()
    say({"news": "ready"}, b"")
    ended.wait()
    historian.end()
    keeping.join(timeout=15)
    historian.pool.close()


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except LandbridgeError as error:
        wrong = {"news": "wrong", "error": type(error).__name__, **told(error)}
        sys.stdout.buffer.write(orjson.dumps(wrong) + b"\n")
        sys.stdout.flush()
        sys.exit(1)
