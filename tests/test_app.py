"""The serving process as it is started: its doors, its guard, its worker, and its end."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from landbridge.app.entrance import open_pool
from landbridge.app.live import Live
from landbridge.app.serve import is_loopback, listening, refuse_accidents, serve
from landbridge.app.site import ASKING_THREADS
from landbridge.errors import Failed, InvalidSettings, Missing, Refused
from landbridge.pool.token import create_token
from landbridge.settings import read_settings
from made_source import MAPPING, OPERATOR, folder_of, things

DAY = "2024-03-30T00:00:00Z"
START = """
import sys
from landbridge.app.serve import serve
serve(sys.argv[1], port=0, ready=lambda at: print(at, flush=True))
"""
ENTITIES = "/ngsi-ld/v1/entities"


def a_city(folder: Path) -> Path:
    """A city with a file that is pulled at the start, a door for rows, and what is derived of both."""
    (folder / "landbridge.toml").write_text('name = "Here"\n')
    sources = folder / "sources"
    folder_of(sources, "things", things(f"a,1,{DAY}", f"b,much,{DAY}"), schedule="once")
    pushed = folder_of(sources, "pushed", "", MAPPING.replace("Thing", "Sent"))
    (pushed / "source.toml").write_text('kind = "push"\n')
    total = folder_of(
        sources, "total", "",
        "select 'urn:ngsi-ld:Total:1' as id, 'Total' as type, sum(value) as size from source",
    )  # fmt: skip
    (total / "source.toml").write_text('kind = "derived"\ntype = "Sent"\nattributes = ["size"]\nafter = ["pushed"]\n')
    return folder


@dataclass
class Served:
    """A city that is being served by a process of its own."""

    process: subprocess.Popen[str]
    address: str
    folder: Path

    def get(self, path: str, **headers: str) -> httpx.Response:
        return httpx.get(self.address.rstrip("/") + path, headers=headers, timeout=60)

    def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return httpx.post(self.address.rstrip("/") + path, json=body, headers=headers, timeout=120)

    def until(self, ready: Callable[[], Any], seconds: float = 120) -> Any:
        """Ask until the answer is something."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := ready():
                return found
            time.sleep(0.2)
        raise AssertionError("it does not come about")

    def entity(self, id_: str) -> Any:
        found = self.get(f"{ENTITIES}/urn:ngsi-ld:{id_}?options=keyValues")
        return found.json() if found.status_code == 200 else None

    def worker(self) -> psutil.Process:
        return self.until(
            lambda: next(
                (one for one in psutil.Process(self.process.pid).children() if "worker" in " ".join(one.cmdline())),
                None,
            )
        )

    def ready(self) -> bool:
        return bool(self.get("/health").json()["worker"] == "ready")


def started(folder: Path) -> Served:
    process = subprocess.Popen([sys.executable, "-c", START, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return Served(process, process.stdout.readline().strip(), folder)


def ended(served: Served, number: int = signal.SIGTERM) -> int:
    served.process.send_signal(number)
    try:
        return served.process.wait(60)
    finally:
        served.process.kill()
        served.process.wait()
        assert served.process.stdout is not None
        served.process.stdout.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    city = started(a_city(tmp_path_factory.mktemp("city")))
    yield city
    ended(city)


def test_it_answers_before_the_engines_are_loaded(served: Served) -> None:
    assert served.get("/health").json()["status"] == "ok"
    assert served.get("/").status_code == 200


def test_what_is_scheduled_once_is_pulled_at_the_start(served: Served) -> None:
    found = served.until(lambda: served.entity("Thing:a"))
    assert found["size"] == 1
    trace = served.get("/provenance/urn:ngsi-ld:Thing:a/size").json()["attributes"]["size"][0]
    assert trace["place"] == "things.csv line 2"


def test_rows_that_are_pushed_are_in_the_pool_when_the_answer_comes_and_what_derives_from_them_follows(
    served: Served,
) -> None:
    served.until(served.ready)
    rows = [{"code": "x", "size": "2", "at": DAY}, {"code": "y", "size": "much", "at": DAY}]

    def sent() -> Any:
        answer = served.post("/sources/pushed/rows", rows, **{"Idempotency-Key": "one"})
        return answer if answer.status_code == 200 else None

    receipt = served.until(sent).json()
    assert (receipt["rows"], [reject["row"] for reject in receipt["rejected"]]) == (2, [2])
    assert served.entity("Sent:x")["size"] == 2
    assert served.post("/sources/pushed/rows", rows, **{"Idempotency-Key": "one"}).json()["repeated"] is True
    assert served.until(lambda: served.entity("Total:1"))["size"] == 2


def test_pushes_that_wait_leave_room_for_whoever_reads(served: Served) -> None:
    """While the worker stands still, so many pushes wait; the others are sent away at once, and reads go on."""
    served.until(served.ready)
    served.until(lambda: served.post("/sources/pushed/rows", []).status_code == 200 or None)
    (worker,) = [child for child in psutil.Process(served.process.pid).children() if "worker" in str(child.cmdline())]
    with ThreadPoolExecutor(3 * ASKING_THREADS) as senders:
        worker.suspend()
        try:
            rows = [[{"code": f"p{n}", "size": str(n), "at": DAY}] for n in range(3 * ASKING_THREADS)]
            sent = [senders.submit(served.post, "/sources/pushed/rows", row) for row in rows]
            away = [one.result() for one in islice(as_completed(sent), 2 * ASKING_THREADS)]
            assert {(one.status_code, one.headers.get("retry-after")) for one in away} == {(503, "2")}
            assert served.get(ENTITIES + "?type=Thing").status_code == 200
            assert not all(one.done() for one in sent)
        finally:
            worker.resume()
        codes = [one.result().status_code for one in sent]
    assert sorted(codes) == [200] * ASKING_THREADS + [503] * 2 * ASKING_THREADS


def test_rows_for_a_source_that_takes_none_are_refused(served: Served) -> None:
    served.until(served.ready)
    assert served.post("/sources/things/rows", []).status_code == 404
    assert served.post("/sources/absent/rows", []).status_code == 404


def test_only_the_token_of_a_source_opens_its_door(served: Served) -> None:
    served.until(served.ready)
    pool = open_pool(read_settings(served.folder))
    mine = create_token(pool.store, "gauge", "source", "pushed")
    other = create_token(pool.store, "other", "source", "things")
    pool.close()

    def sent(token: str) -> int:
        return served.post("/sources/pushed/rows", [], Authorization=f"Bearer {token}").status_code

    assert sent(mine) == 200
    assert (sent(other), sent("lb_wrong")) == (403, 401)
    assert served.get(f"{ENTITIES}?type=Thing", Authorization=f"Bearer {mine}").status_code == 403


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Host": "evil.example"}])
def test_a_page_from_elsewhere_can_neither_read_nor_write(served: Served, headers: dict[str, str]) -> None:
    assert served.get(f"{ENTITIES}?type=Thing", **headers).status_code == 403
    assert served.post("/sources/pushed/rows", [], **headers).status_code == 403
    assert served.get("/", **headers).status_code in (303, 403)


def test_an_address_that_is_not_there_is_said_by_each_door(served: Served) -> None:
    assert served.get("/nowhere").status_code == 404
    answer = served.get("/ngsi-ld/v1/nowhere")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")


def test_changes_reach_an_open_page(served: Served) -> None:
    served.until(served.ready)
    with httpx.stream("GET", served.address + "console/live", timeout=60) as events:
        assert events.status_code == 200
        lines = events.iter_lines()
        next(lines)
        served.post(ENTITIES, {"id": "urn:ngsi-ld:Note:1", "type": "Note"})
        told = next(line for line in lines if line.startswith("data: "))
    assert json.loads(told.removeprefix("data: "))["entities"] == ["urn:ngsi-ld:Note:1"]


def test_a_worker_that_dies_is_started_again(served: Served) -> None:
    served.until(served.ready)
    first = served.worker()
    first.kill()
    served.until(lambda: not first.is_running() and served.worker().pid != first.pid and served.ready())


def test_replay_is_asked_of_the_worker_and_answers_with_a_sentence(served: Served) -> None:
    served.until(served.ready)
    pool = open_pool(read_settings(served.folder))
    (group,) = pool.rejects(OPERATOR, "things")
    pool.close()
    (served.folder / "sources/things/mapping.sql").write_text(
        MAPPING.replace("cast(size as double)", "coalesce(try_cast(size as double), 0)")
    )
    with httpx.Client(base_url=served.address, timeout=120, follow_redirects=False) as browser:
        page = browser.get("/rejects")
        field = page.text.split('name="csrf" value="')[1].split('"')[0] if 'name="csrf"' in page.text else ""
        answer = browser.post("/rejects/replay", data={"csrf": field, "source": "things", "reason": group.reason})
        assert answer.status_code in (200, 303), answer.text
        assert browser.post("/rejects/replay", data={"source": "things", "reason": group.reason}).status_code == 403
    assert served.until(lambda: served.entity("Thing:b"))["id"] == "urn:ngsi-ld:Thing:b"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly_with_its_worker_even_while_a_page_listens(tmp_path: Path, number: int) -> None:
    served = started(a_city(tmp_path))
    served.until(served.ready)
    worker = served.worker()
    with httpx.stream("GET", served.address + "console/live", timeout=60) as events:
        next(events.iter_lines())
        code = ended(served, number)
    assert code in (0, -number)
    assert not worker.is_running()


def test_a_worker_ends_with_its_parent(tmp_path: Path) -> None:
    served = started(a_city(tmp_path))
    served.until(served.ready)
    worker = served.worker()
    ended(served, signal.SIGKILL)
    worker.wait(60)
    again = started(tmp_path)
    assert again.until(lambda: again.entity("Thing:a"))["size"] == 1
    ended(again)


# -- what is refused before anything is served


def test_it_does_not_listen_beyond_this_machine_by_accident(tmp_path: Path) -> None:
    city = a_city(tmp_path)
    with pytest.raises(Refused, match="--open"):
        serve(city, host="0.0.0.0", port=0)
    pool = open_pool(read_settings(city))
    refuse_accidents(pool, "127.0.0.1", open_to_all=False)
    refuse_accidents(pool, "0.0.0.0", open_to_all=True)
    create_token(pool.store, "me", "operator")
    refuse_accidents(pool, "0.0.0.0", open_to_all=False)
    pool.close()


@pytest.mark.parametrize(
    ("host", "near"),
    [
        ("127.0.0.1", True),
        ("localhost", True),
        ("::1", True),
        ("127.8.8.8", True),
        ("0.0.0.0", False),
        ("city.example", False),
    ],
)
def test_which_addresses_are_this_machine_alone(host: str, near: bool) -> None:
    assert is_loopback(host) is near


def test_a_port_in_use_is_said_with_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(Failed, match="is in use") as caught:
            serve(a_city(tmp_path), port=taken.getsockname()[1])
    assert "--port" in (caught.value.hint or "")


def test_an_address_that_is_none_is_said() -> None:
    with pytest.raises(InvalidSettings), listening("no.such.host.invalid", 0):
        pass
    with pytest.raises(InvalidSettings, match="no address of this machine"), listening("192.0.2.1", 0):
        pass


def test_a_folder_that_is_no_city_is_said(tmp_path: Path) -> None:
    with pytest.raises(Missing, match="landbridge init"):
        serve(tmp_path, port=0)


def test_a_listener_that_falls_behind_is_sent_away_and_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "landbridge.toml").write_text("")
    pool = open_pool(read_settings(tmp_path))

    async def listen() -> tuple[int, int]:
        live = Live(pool)
        slow, quick = live.changes(0), live.changes(0)
        for number in range(3):
            pool.create(OPERATOR, {"id": f"urn:ngsi-ld:N:{number}", "type": ["N"], "attrs": {}})
        first = [await anext(slow), await anext(quick)]
        for listener in live.listeners:
            assert listener.empty()
        live.end()
        rest = [one async for one in quick]
        return first[0].commit, len(rest)

    assert asyncio.run(listen()) == (1, 2)
    pool.close()
