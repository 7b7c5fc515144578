"""The process beside the serving one: it runs schedules, pulls and streams, and what the serving process asks for.

It has the heavy engines, so the serving process stays small. Orders come as lines of JSON on its standard input,
answers and news go out on its standard output; it ends when that input ends, so it never outlives its parent.
"""

import base64
import heapq
import json
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TextIO

from landbridge.app.city import City, open_city
from landbridge.app.entrance import LOOP
from landbridge.errors import Failed, LandbridgeError, Missing
from landbridge.model.answer import RunRecord
from landbridge.settings import read_operator
from landbridge.sources.contract import Source
from landbridge.sources.kind import find_kind
from landbridge.sources.push import PushSource
from landbridge.sources.schedule import Schedule, read_schedule

LOG = logging.getLogger("landbridge.worker")
CALM, PATIENCE = 1.0, 5.0  # seconds without a commit before a derived source is pulled, and the longest wait for them
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0  # seconds until a stream that failed is tried again
ASKED = 16  # orders under way: what is pushed waits for its commit
PUSHED_SECONDS = 120.0


class Derived:
    """Which derived sources wait for a pull: those whose sources made a commit, once these are calm for a moment."""

    def __init__(self, after: dict[str, tuple[str, ...]]) -> None:
        self.followers: dict[str, list[str]] = {}
        for name, sources in after.items():
            for source in sources:
                self.followers.setdefault(source, []).append(name)
        self.lock = threading.Lock()
        self.waiting: dict[str, tuple[float, float]] = {}  # name -> (first commit, last commit)

    def committed(self, source: str) -> None:
        """Take note of a commit of this source."""
        now = time.monotonic()
        with self.lock:
            for name in self.followers.get(source, ()):
                self.waiting[name] = (self.waiting.get(name, (now, now))[0], now)

    def due(self) -> list[str]:
        """The derived sources whose time has come."""
        now = time.monotonic()
        with self.lock:
            ready = [
                name for name, (first, last) in self.waiting.items() if now - last >= CALM or now - first >= PATIENCE
            ]
            for name in ready:
                del self.waiting[name]
        return ready


@dataclass
class Worker:
    """The work of one city until `stop` is set."""

    city: City
    say: Callable[[dict[str, Any]], None]
    stop: threading.Event = field(default_factory=threading.Event)
    wake: threading.Event = field(default_factory=threading.Event)
    busy: set[str] = field(default_factory=set)
    dues: list[tuple[float, str]] = field(default_factory=list)  # heap of (seconds since 1970, source)
    failures: dict[str, int] = field(default_factory=dict)
    schedules: dict[str, Schedule] = field(default_factory=dict)
    streams: list[threading.Thread] = field(default_factory=list)
    pushed: dict[str, PushSource] = field(default_factory=dict)  # what is open for rows from outside
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.pulls = ThreadPoolExecutor(self.city.operator.pulls, thread_name_prefix="pull")
        self.asked = ThreadPoolExecutor(ASKED, thread_name_prefix="asked")
        after = {
            name: tuple(declaration.options.get("after", ()))
            for name, declaration in self.city.declarations.items()
            if declaration.kind == "derived"
        }
        self.derived = Derived(after)

    def run(self) -> None:
        """Start the streams, then pull what is due until told to stop."""
        for name, error in self.city.wrong.items():
            LOG.error("The source %s is set aside. %s", name, error)
        for name, declaration in self.city.declarations.items():
            try:
                manner = find_kind(declaration.kind)(declaration).manner
                schedule = read_schedule(declaration)
            except LandbridgeError as error:
                LOG.error("The source %s is set aside. %s", name, error)
                continue
            if manner == "stream":
                self.start_stream(name)
            elif schedule is not None:
                self.schedules[name] = schedule
                self.plan(name)
        while not self.stop.is_set():
            self.wake.wait(min(self.seconds_to_next(), 0.25))
            self.wake.clear()
            self.start_due()
        self.finish()

    def plan(self, name: str) -> None:
        """Put the source's next pull into the plan."""
        runs = self.city.pool.runs(LOOP, name, 20)
        good = any(record.state in ("done", "unchanged") for record in runs)
        failures = next((at for at, record in enumerate(runs) if record.state in ("done", "unchanged")), len(runs))
        last = datetime.fromtimestamp(runs[0].started / 1e6, UTC) if runs else None
        due = self.schedules[name].due(last, good, failures)
        if due is not None:
            with self.lock:
                heapq.heappush(self.dues, (due.timestamp(), name))

    def seconds_to_next(self) -> float:
        with self.lock:
            return max(0.0, self.dues[0][0] - time.time()) if self.dues else 3600.0

    def start_due(self) -> None:
        """Start every pull whose time has come; one source is never pulled twice at a time."""
        due = self.derived.due()
        with self.lock:
            while self.dues and self.dues[0][0] <= time.time():
                due.append(heapq.heappop(self.dues)[1])
        for name in due:
            if name in self.busy:
                self.derived_again(name)
                continue
            self.busy.add(name)
            self.pulls.submit(self.pull, name)

    def derived_again(self, name: str) -> None:
        """What a commit asks for while it is under way is done once more afterwards."""
        now = time.monotonic()
        with self.derived.lock:
            self.derived.waiting.setdefault(name, (now, now))

    def pull(self, name: str) -> None:
        """One pull of a schedule or a derived source; what goes wrong is in its record."""
        try:
            if not self.stop.is_set():
                self.told(self.pulled(name))
        except Exception:
            LOG.exception("The pull of %s cannot even be written down.", name)
            self.stop.wait(FIRST_PAUSE)
        finally:
            self.busy.discard(name)
            if name in self.schedules and not self.stop.is_set():
                self.plan(name)
            self.wake.set()

    def pulled(self, name: str) -> RunRecord:
        """Pull a source, its commits told to those that derive from it."""
        return self.city.pull(name, stop=self.stop, committed=self.derived.committed, opened=self.opened)

    def opened(self, name: str, source: Source) -> None:
        """Keep hold of a source that rows are pushed to."""
        if isinstance(source, PushSource):
            self.pushed[name] = source

    def told(self, record: RunRecord) -> None:
        """Log how a run went, and let the serving process know."""
        if record.state == "failed":
            LOG.warning("%s, run %d: %s", record.source, record.run, record.reason)
        else:
            LOG.info("%s, run %d: %s, %d rows read.", record.source, record.run, record.state, record.rows)
        self.say({"news": "run", "source": record.source, "state": record.state})

    def start_stream(self, name: str) -> None:
        thread = threading.Thread(target=self.stream, args=(name,), name=f"stream-{name}", daemon=True)
        self.streams.append(thread)
        thread.start()

    def stream(self, name: str) -> None:
        """Run a stream until told to stop, beginning anew with growing pauses where it fails."""
        pause = FIRST_PAUSE
        while not self.stop.is_set():
            began = time.monotonic()
            try:
                self.told(self.pulled(name))
            except Exception:
                LOG.exception("The stream %s cannot even be written down.", name)
            pause = FIRST_PAUSE if time.monotonic() - began > LONGEST_PAUSE else min(2 * pause, LONGEST_PAUSE)
            self.stop.wait(pause)

    def finish(self) -> None:
        """End what is under way, so that nothing is left half said."""
        for thread in self.streams:
            thread.join(timeout=20)
        self.pulls.shutdown(wait=True, cancel_futures=True)
        self.asked.shutdown(wait=True, cancel_futures=True)

    # -- what the serving process asks for

    def order(self, line: str) -> None:
        """Take one order; its answer comes when it is done."""
        order = json.loads(line)
        self.asked.submit(self.obey, order)

    def obey(self, order: dict[str, Any]) -> None:
        try:
            said = self.answer(order)
        except LandbridgeError as error:
            self.say({"answer": order["id"], "error": type(error).__name__, **told(error)})
        except Exception:
            LOG.exception("An order cannot be carried out: %s", order.get("do"))
            self.say({"answer": order["id"], "error": "Failed", "message": "The worker meets an unexpected error."})
        else:
            self.say({"answer": order["id"], "said": said})

    def answer(self, order: dict[str, Any]) -> Any:
        if order["do"] == "replay":
            return self.city.replay(order["source"], order["reason"])
        if order["do"] == "pull":
            record = self.pulled(order["source"])
            self.told(record)
            return record.state
        if order["do"] == "push":
            return self.push(order)
        raise ValueError(order["do"])

    def push(self, order: dict[str, Any]) -> dict[str, Any]:
        """Give pushed rows to their source and wait for the commit; raises what the source says."""
        name = order["source"]
        declaration = self.city.declaration(name)
        if declaration.kind != "push":
            raise Missing(f"The source '{name}' takes no rows from outside.", hint='Its kind is not "push".')
        source = self.pushed.get(name)
        if source is None:
            raise Failed(f"The source '{name}' is not running yet.", hint="Send it again in a moment.")
        done = source.offer(base64.b64decode(order["body"]), order["type"], key=order["key"], request=order["request"])
        try:
            return done.result(PUSHED_SECONDS).document()
        except TimeoutError:
            raise Failed(
                "The rows wait too long for their commit.", where=name, hint="Send them again under the same key."
            ) from None


def told(error: LandbridgeError) -> dict[str, Any]:
    return {"message": error.message, "where": error.where, "hint": error.hint}


def read_orders(worker: Worker, orders: TextIO) -> None:
    """Hand on what the parent asks for; when it is gone, end."""
    for line in orders:
        worker.order(line)
    worker.stop.set()
    worker.wake.set()


def main(folder: str) -> None:
    """Work for the city in this folder until the parent is gone or says TERM."""
    operator = read_operator()
    logging.basicConfig(level=operator.log_level.upper(), format="%(levelname)s %(name)s: %(message)s")
    out, lock = sys.stdout, threading.Lock()

    def say(message: dict[str, Any]) -> None:
        with lock:
            try:
                print(json.dumps(message), file=out, flush=True)
            except OSError:
                worker.stop.set()  # nobody listens any more

    with open_city(folder, operator=operator) as city:
        worker = Worker(city, say)

        def leave(number: int, frame: object) -> None:
            worker.stop.set()
            worker.wake.set()

        signal.signal(signal.SIGTERM, leave)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to pass on
        # a file of its own: at its end Python waits for nobody who still reads, but breaks off over its standard input
        orders = open(sys.stdin.fileno(), encoding="utf-8", closefd=False)  # noqa: SIM115 - it stays open till the end
        threading.Thread(target=read_orders, args=(worker, orders), name="orders", daemon=True).start()
        say({"news": "ready"})
        worker.run()


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except LandbridgeError as error:
        print(json.dumps({"news": "wrong", "error": type(error).__name__, **told(error)}), flush=True)
        sys.exit(1)
