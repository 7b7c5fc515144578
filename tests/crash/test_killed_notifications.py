"""`landbridge serve` is killed under load, again and again: no notification is lost, and one that was under way at a
kill may come twice, under its own id. `make crash` does it many times."""

import json
import random
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from killed_city import ROUNDS, kill, started
from made_publisher import Got, Receiver, reached, receiver
from services import free_port

KILLS = ROUNDS if ROUNDS < 10 else 2 * ROUNDS  # `make crash`: a hundred
WRITERS = 4
UNDER_WAY = 128  # notifications of a subscription that may be through at a kill without that being on disk


@dataclass
class Load:
    """Clients that write values one after the other, each to its own entity, and remember what was acknowledged."""

    base: str
    acknowledged: dict[tuple[int, int], None] = field(default_factory=dict)
    sent: dict[int, int] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        threads = [threading.Thread(target=self.write, args=(number,)) for number in range(WRITERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def write(self, number: int) -> None:
        while not self.stop.is_set():
            value = self.sent[number] = self.sent.get(number, 0) + 1
            patch = {"speed": {"type": "Property", "value": value}}
            if ask("PATCH", f"{self.base}/entities/urn:v:{number}/attrs", patch) == 204:
                self.acknowledged[number, value] = None


def ask(method: str, url: str, body: Any = None) -> int:
    """The status of a request; 0 where nobody answers."""
    request = urllib.request.Request(
        url, None if body is None else json.dumps(body).encode(), {"Content-Type": "application/json"}, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def arrivals(sink: Receiver) -> Iterator[tuple[str, int, int, str]]:
    """What came: path, entity, value, notification."""
    for got in list(sink.got):
        for one in got.entities:
            yield got.path, int(one["id"].rpartition(":")[2]), one["speed"]["value"], got.body["id"]


@pytest.mark.timeout(60 + 60 * KILLS)
def test_no_notification_is_lost_by_a_kill_and_none_doubled_but_those_under_way(tmp_path: Path) -> None:
    city = tmp_path / "city"
    (city / "sources").mkdir(parents=True)
    (city / "landbridge.toml").write_text('name = "Killed"\n')
    chance, port, kills = random.Random(ROUNDS), free_port(), list[float]()

    def answer(got: Got) -> int:
        return 503 if chance.random() < 0.02 else 200  # now and then, so that what waits is under way, too

    base = f"http://127.0.0.1:{port}/ngsi-ld/v1"
    load = Load(base)
    with receiver(answer) as sink:
        for number in range(KILLS + 1):
            process = started(city, "serve", "--port", str(port), "--allow-egress", "127.0.0.0/8")
            try:
                reached(lambda: ask("GET", f"http://127.0.0.1:{port}/health") == 200, 60)
                if number == 0:
                    prepare(base, sink)
                if number < KILLS:
                    one_round(load, chance, process, kills)
                else:
                    reached(lambda: missing(load, sink) == set(), 300)
                    assert ask("DELETE", f"{base}/subscriptions/urn:s:all") == 204
            finally:
                if process.poll() is None:
                    kill(process)
    judge(sink, kills)
    taken = [got.body["id"] + got.path for got in sink.got if got.status == 200]
    print(
        f"\n{len(kills)} kills; {len(load.acknowledged)} writes acknowledged, {len(set(taken))} notifications taken,"
        f" {len(taken) - len(set(taken))} of them twice, {len(missing(load, sink))} lost"
    )


def prepare(base: str, sink: Receiver) -> None:
    """An entity for each writer, a subscription to all of them and one to the first."""
    for number in range(WRITERS):
        entity = {"id": f"urn:v:{number}", "type": "Vehicle", "speed": {"type": "Property", "value": 0}}
        assert ask("POST", f"{base}/entities", entity) == 201
    for name, selector in (("all", {}), ("first", {"id": "urn:v:0"})):
        body = {"id": f"urn:s:{name}", "type": "Subscription", "entities": [{"type": "Vehicle", **selector}],
                "notification": {"endpoint": {"uri": f"{sink.url}/{name}", "timeout": 60_000}}}  # fmt: skip
        assert ask("POST", f"{base}/subscriptions", body) == 201


def one_round(load: Load, chance: random.Random, process: Any, kills: list[float]) -> None:
    """Write for a moment, then kill the serving process and its worker."""
    load.stop.clear()
    writing = threading.Thread(target=load.run)
    writing.start()
    before = len(load.acknowledged)
    reached(lambda: len(load.acknowledged) > before + 5)
    time.sleep(chance.uniform(0, 0.6))
    kills.append(time.monotonic())
    psutil.Process(process.pid).suspend()  # so that nothing is told after the moment that is noted
    kill(process)
    load.stop.set()
    writing.join()


def missing(load: Load, sink: Receiver) -> set[tuple[str, int, int]]:
    wanted = {("all", *one) for one in load.acknowledged} | {
        ("first", *one) for one in load.acknowledged if one[0] == 0
    }
    return wanted - {(path.rpartition("/")[2], number, value) for path, number, value, _ in arrivals(sink)}


def judge(sink: Receiver, kills: list[float]) -> None:
    """Each value under one id; each entity's values in order; what was taken comes again only after a kill."""
    ids: dict[tuple[str, int, int], set[str]] = {}
    order: dict[tuple[str, int], list[int]] = {}
    for path, number, value, id_ in arrivals(sink):
        values = order.setdefault((path, number), [])
        if (path, number, value) not in ids:
            values.append(value)
        ids.setdefault((path, number, value), set()).add(id_)
    assert all(len(found) == 1 for found in ids.values())
    assert all(values == sorted(values) for values in order.values())
    taken: dict[str, float] = {}
    lanes: dict[str, list[float]] = {}
    for got in sink.got:
        name = got.body["id"] + got.path
        if name in taken:
            require_under_way(taken[name], got.at, kills, lanes[got.path])
        elif got.status == 200:
            taken[name] = got.at
            lanes.setdefault(got.path, []).append(got.at)


def require_under_way(first: float, again: float, kills: list[float], lane: list[float]) -> None:
    """A notification that was taken twice was among the last of its subscription before a kill."""
    kill = next((moment for moment in kills if first - 0.1 < moment < again + 0.1), None)
    assert kill is not None, f"taken again after {again - first:.1f} s without a kill"
    behind = sum(first < at < kill for at in lane)
    assert behind < UNDER_WAY, f"{behind} others were through, {kill - first:.1f} s before the kill"
