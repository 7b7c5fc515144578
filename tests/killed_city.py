"""A city for the crash tests, and what a pool holds in the end: one that was killed must hold what another one does."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import orjson
import psutil

from landbridge.app.city import City, open_city
from landbridge.governance.policy import Actor, Role
from landbridge.model.query import Query
from landbridge.settings import Operator
from landbridge.store.segment import iterate, unpack

OPERATOR = Actor("tests", Role.OPERATOR)
ROUNDS = int(os.environ.get("LANDBRIDGE_ROUNDS", "2"))
RIVALS = ("health", "newsroom", "police")
PARTS = 4
SETTINGS = """name = "Killed"
[claims.Place]
rule = "priority"
order = ["police", "health", "newsroom"]
tolerance = 1
"""
MAPPING = """select 'urn:ngsi-ld:Place:' || code as id, 'Place' as type, number(visitors) as visitors,
       cast(level as double) as level, point(lon, 39.0) as "location.point", local_time("at") as "observedAt"
from source where cast(part as integer) = {part}
"""


def make_city(folder: Path, rows: int = 600) -> Path:
    """Three sources that feed the same attributes, each with several mappings, so that each makes several commits."""
    (folder / "landbridge.toml").parent.mkdir(parents=True)
    (folder / "landbridge.toml").write_text(SETTINGS)
    for number, name in enumerate(RIVALS):
        source = folder / "sources" / name
        (source / "mapping").mkdir(parents=True)
        (source / "source.toml").write_text('kind = "csv"\nlocation = "rows.csv"\nholds = "PT6H"\ngone = "end"\n')
        for part in range(PARTS):
            (source / "mapping" / f"part-{part}.sql").write_text(MAPPING.format(part=part))
        (source / "rows.csv").write_text("".join(lines(rows, number)))
    return folder


def lines(rows: int, seed: int) -> Iterator[str]:
    """Readings of places by the hour: mostly what the others say, sometimes not, and now and then no number."""
    chance = random.Random(seed)
    yield "part,code,visitors,level,lon,at\n"
    for number in range(rows):
        code, hour = number % 24, number // 24
        visitors = "many" if chance.random() < 0.01 else str(100 + hour + chance.choice([0, 0, 0, 5]))
        yield (
            f"{code % PARTS},{code},{visitors},{hour / 4},{117 + code / 100},"
            f"2024-03-{1 + hour // 24:02}T{hour % 24:02}:00:00Z\n"
        )


@dataclass(frozen=True)
class Outcome:
    """What a pool holds, without commit numbers, run numbers and recorded times."""

    documents: dict[str, Any]
    journal: Counter[str]
    disagreements: list[Any]
    rejects: Counter[str]
    unexplained: list[str]


def outcome(folder: Path) -> Outcome:
    """Read everything from the pool of a city."""
    with open_city(folder, operator=Operator(), tell_pool=False) as city:
        documents, unexplained = {}, []
        for document in everything(city):
            unexplained += unknown(city, document["id"])
            documents[document["id"]] = bare(document)
        found = city.pool.disagreements(OPERATOR, limit=100_000)
        rejects = Counter({f"{one.source}: {one.reason}": one.count for one in city.pool.rejects(OPERATOR)})
        return Outcome(documents, journal(folder), list(getattr(found, "found", found)), rejects, unexplained)


def everything(city: City) -> Iterator[Any]:
    after = None
    while True:
        page = city.pool.query(OPERATOR, Query(limit=1000, after=after))
        yield from page.documents
        after = page.next
        if after is None:
            return


def bare(document: Any) -> Any:
    """A document with owner and row of each instance alone as provenance."""
    return {
        "id": document["id"],
        "type": document["type"],
        "attrs": {
            name: [{**one, "@": [one["@"][0], one["@"][5]]} for one in instances]
            for name, instances in sorted(document["attrs"].items())
        },
    }


def unknown(city: City, id_: str) -> list[str]:
    """The instances of an entity whose source row cannot be shown."""
    return [
        f"{id_} {trace.attribute} {trace.dataset_id}"
        for trace in city.pool.explain(OPERATOR, id_)
        if not trace.raw or trace.place is None
    ]


@contextmanager
def looking(folder: Path) -> Iterator[apsw.Connection]:
    """The pool's file, to look into while others write."""
    connection = apsw.Connection(str(folder / ".landbridge" / "pool.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        connection.setbusytimeout(5_000)
        yield connection
    finally:
        connection.close()


def journal(folder: Path) -> Counter[str]:
    """How often each recorded instance is in the journal."""
    found: Counter[str] = Counter()
    with looking(folder) as connection:
        names = dict(connection.execute("SELECT key, id FROM name"))
        rows: list[Any] = list(
            connection.execute("SELECT key, attribute, dataset, observed, owner, operation, instance FROM journal")
        )
        for source, body in list(connection.execute("SELECT source, body FROM segment ORDER BY seq")):
            rows += [
                (row.key, row.attribute, row.dataset, row.observed, source, row.operation, row.instance)
                for row in iterate(unpack(body))
            ]
    for key, attribute, dataset, observed, owner, operation, text in rows:
        instance = orjson.loads(text) if text else {}
        instance.pop("@", None)
        found[
            repr((names.get(key, key), attribute, dataset, observed, owner, operation, sorted(instance.items())))
        ] += 1
    return found


def commits(folder: Path) -> int:
    """How many commits the pool has had; 0 where there is no pool yet."""
    return counted(folder, "SELECT coalesce(max(number), 0) FROM commits")


def recorded(folder: Path) -> int:
    """How many instances the journal has; 0 where there is no pool yet."""
    return counted(folder, "SELECT (SELECT coalesce(sum(rows), 0) FROM segment) + (SELECT count(*) FROM journal)")


def counted(folder: Path, question: str) -> int:
    try:
        with looking(folder) as connection:
            return int(connection.execute(question).fetchall()[0][0])
    except apsw.Error:
        return 0


def started(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    """A `landbridge` command under way."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LANDBRIDGE_")}
    quiet = subprocess.DEVNULL
    return subprocess.Popen(
        [sys.executable, "-m", "landbridge", words[0], str(folder), *words[1:]],
        env=environment, stdin=quiet, stdout=quiet, stderr=quiet,
    )  # fmt: skip


def reached(ready: Callable[[], bool], process: subprocess.Popen[bytes] | None = None, seconds: float = 120) -> bool:
    """Wait until something is so; False where the process ends before."""
    end = time.monotonic() + seconds
    while not ready():
        if process is not None and process.poll() is not None:
            return False
        assert time.monotonic() < end, "what was waited for does not come"
        time.sleep(0.002)
    return True


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL, and see that no child is left behind."""
    try:
        children = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        children = []
    process.send_signal(signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(children, timeout=30)
    for child in alive:
        child.kill()
    assert not alive, f"a killed process leaves {len(alive)} children behind"
