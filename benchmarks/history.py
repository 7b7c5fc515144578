"""How fast history answers, beside PostgreSQL with the same rows and the indexes that a user would give it.

    python benchmarks/history.py                        10,000,000 instances
    python benchmarks/history.py --rows 100000000       at most 12 times as long is the aim
    python benchmarks/history.py --quick

The instances are real: the hourly air quality of Tianjin's stations, its weeks repeated one after the other for a
thousand sensors, each with a small seeded jitter; and one sensor with a whole year. They lie in a lake as a compaction
leaves it. PostgreSQL has a row for each hour of a sensor, with eight columns, a B-tree over sensor and time and a BRIN
over time. Each question is asked five times; the best is told, in wall time and in processor time, because a machine
may have other work. PostgreSQL's processor time is not known here.
"""

import argparse
import math
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import history_drain
import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.csv

from landbridge.governance.policy import Actor, Role
from landbridge.history.drain import Drain
from landbridge.history.lake import SCHEMA, Lake
from landbridge.history.read import Reader
from landbridge.model.instant import format_instant
from landbridge.model.query import Has, Near, Query
from landbridge.model.temporal import Aggregate, Evolution, Period, Span, TemporalQuery
from landbridge.pool.pool import Pool
from landbridge.store.sqlite import SqliteStore, open_store

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import services  # noqa: E402 - beside the tests that it is shared with

TYPE = "AirQualityObserved"
NAMES = sorted(history_drain.VALUES)
HOUR, DAY, START = history_drain.HOUR, 24 * history_drain.HOUR, history_drain.START
SENSORS, YEAR = 1_000, 8_760
FILE = 4_000_000  # lines
CENTRE = (117.7, 39.0)
TIMES = 5


def id_of(sensor: int) -> str:
    return f"urn:ngsi-ld:AirQualityObserved:{1000 + sensor}A"


def place_of(sensor: int) -> tuple[float, float]:
    return CENTRE[0] + (sensor % 40 - 20) / 100, CENTRE[1] + (sensor // 40 - 12) / 100


class Rows:
    """Hours of sensors: real ones, from another place for each sensor."""

    def __init__(self) -> None:
        self.hours = history_drain.real_hours()
        self.order = [list(history_drain.VALUES).index(name) for name in NAMES]
        self.offsets = np.random.default_rng(7).integers(0, len(self.hours), SENSORS + 1)
        self.per_row = float((~np.isnan(self.hours)).sum()) / len(self.hours)

    def parts(self, instances: int) -> Iterator[tuple[Any, Any, Any]]:
        """Sensors, hours and values (a column for each of NAMES), a file's at a time."""
        hours = max(1, int(instances / self.per_row / SENSORS))
        step = max(1, int(FILE / self.per_row / SENSORS))
        for first in range(0, hours, step):
            at = np.arange(first, min(first + step, hours))
            yield self.part(np.repeat(np.arange(SENSORS), len(at)), np.tile(at, SENSORS))
        year = np.arange(YEAR)
        yield self.part(np.full(YEAR, SENSORS), year)

    def part(self, sensor: Any, hour: Any) -> tuple[Any, Any, Any]:
        values = self.hours[(self.offsets[sensor] + hour) % len(self.hours)][:, self.order]
        chance = np.random.default_rng(int(hour[0]) + 1)
        jitter = chance.integers(-1, 2, values.shape) * np.where(np.array(NAMES) == "co", 0.001, 1)
        return sensor, hour, np.round(np.maximum(values + jitter, 0), 3)


def lines_of(sensor: Any, hour: Any, values: Any, commit: int, recorded: int) -> pa.Table:
    """A file's lines as the lake has them."""
    parts = []
    for place, name in enumerate(NAMES):
        there = ~np.isnan(values[:, place])
        count = int(there.sum())
        time_ = pa.array(START + hour[there] * HOUR)
        entity = pa.DictionaryArray.from_arrays(
            pa.array(sensor[there].astype(np.int32)), pa.array([id_of(n) for n in range(SENSORS + 1)])
        )
        columns: dict[str, Any] = {field.name: pa.nulls(count, field.type) for field in SCHEMA}
        same = {"tenant": "", "attribute": name, "source": "air-quality", "operation": "set", "kind": "Property",
                "form": "number"}  # fmt: skip
        columns |= {key: pa.repeat(pa.scalar(text), count).dictionary_encode() for key, text in same.items()}
        columns |= {
            "entity": entity, "time": time_.cast(pa.timestamp("us", "UTC")), "timed": pa.repeat(True, count),
            "day": pa.array((START + hour[there] * HOUR) // DAY).cast(pa.int32()).cast(pa.date32()),
            "recorded": pa.repeat(recorded, count).cast(pa.timestamp("us", "UTC")),
            "commit": pa.repeat(commit, count), "number": pa.array(values[there, place]),
            "ordinal": pa.array(np.flatnonzero(there).astype(np.int32)), "run": pa.repeat(1, count),
            "row": pa.array(np.flatnonzero(there).astype(np.int64)),
        }  # fmt: skip
        parts.append(pa.table([columns[field.name] for field in SCHEMA], names=SCHEMA.names))
    return pa.concat_tables(parts)


def fill(folder: Path, instances: int) -> int:
    """A pool with the sensors and their places, and a lake with all hours; how many instances that is."""
    store = open_store(folder / "pool.db")
    pool, lake = Pool(store), Lake(str(folder / "history"))
    actor = Actor("benchmark", Role.OPERATOR)
    for sensor in range(SENSORS + 1):
        point = {"type": "Point", "coordinates": list(place_of(sensor))}
        location = {"type": "GeoProperty", "value": point, "observedAt": format_instant(START)}
        pool.create(actor, {"id": id_of(sensor), "type": [TYPE], "attrs": {"location": [location]}})
    drain = Drain(store, lake)
    while (done := drain.step()).count or done.more:
        pass
    table = lake.table(TYPE)
    assert table is not None
    commit, recorded, count = store.version(), store.clock(), 0
    for part in Rows().parts(instances):
        lines = lines_of(*part, commit, recorded)
        table.commit([table.write(lines, corrects=False)])
        count += lines.num_rows
    pool.close()
    return count


# -- the questions


def best(ask: Callable[[], Any], many: int = 1) -> tuple[float, float]:
    """The best wall and processor time of a question, in seconds."""
    walls, used = [], []
    for _ in range(TIMES):
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(many):
            ask()
        walls.append((time.perf_counter() - wall) / many)
        used.append((time.process_time() - cpu) / many)
    return min(walls), min(used)


class Landbridge:
    """The questions to history."""

    def __init__(self, store: SqliteStore, lake: Lake) -> None:
        self.reader = Reader(store, lake)
        self.chance = random.Random(3)

    def asked(self, limit: int = SENSORS + 1, **more: Any) -> TemporalQuery:
        query = Query(types=Has(TYPE), limit=limit, geo=more.pop("geo", None))
        return TemporalQuery(query, more.pop("span", Span("after", START)), ("pm25",), **more)

    def hourly(self) -> Any:
        how = Aggregate(("avg",), Period(micros=HOUR), together=True)
        return self.reader.evolutions(self.asked(aggregate=how))

    def daily(self) -> Any:
        return self.reader.evolutions(self.asked(aggregate=Aggregate(("max",), Period(days=1), "Asia/Shanghai")))

    def year(self) -> Evolution:
        how = Aggregate(("avg",), Period(micros=HOUR))
        return self.reader.evolution(id_of(SENSORS), self.asked(aggregate=how))

    def last(self) -> Evolution:
        asked = self.asked(span=None, last=100, most=100)
        return self.reader.evolution(id_of(self.chance.randrange(SENSORS)), asked)

    def page(self) -> Evolution:
        at = START + self.chance.randrange(10) * DAY
        return self.reader.evolution(
            id_of(self.chance.randrange(SENSORS)), self.asked(span=Span("after", at), most=200)
        )

    def near(self) -> Any:
        geo = Near({"type": "Point", "coordinates": list(CENTRE)}, at_most=8_000.0)
        how = Aggregate(("avg",), Period(micros=HOUR), together=True)
        return self.reader.evolutions(self.asked(aggregate=how, geo=geo))


SQL = {
    "hourly": "select date_trunc('hour', time), avg(pm25) from reading group by 1",
    "daily": "select sensor, date_trunc('day', time, 'Asia/Shanghai'), max(pm25) from reading group by 1, 2",
    "year": f"select date_trunc('hour', time), avg(pm25) from reading where sensor = {SENSORS} group by 1",
    "last": "select time, pm25 from reading where sensor = (select (random() * 999)::int) order by time desc limit 100",
    "page": "select time, pm25 from reading where sensor = (select (random() * 999)::int) and time >= '2010-01-05'"
    " order by time limit 200",
    "near": "select date_trunc('hour', time), avg(pm25) from reading join sensor on id = sensor"
    f" where 6371000 * acos(least(1, sin(radians({CENTRE[1]})) * sin(radians(lat)) + cos(radians({CENTRE[1]})) *"
    f" cos(radians(lat)) * cos(radians(lon - {CENTRE[0]})))) <= 8000 group by 1",
}
QUESTIONS = {  # name -> what it is, its limit in seconds, how often it is asked at a time
    "hourly": ("hourly mean of one attribute over all", 0.3, 1),
    "daily": ("daily max per sensor over all", 0.3, 1),
    "year": ("one sensor's year as hourly means", 0.02, 1),
    "last": ("last 100 of one series", 0.0005, 200),
    "page": ("a page of 200 raw instances", 0.01, 50),
    "near": ("hourly mean within 8 km", 0.5, 1),
}


def copied(database: Any, instances: int) -> None:
    """The same rows in PostgreSQL."""
    columns = ", ".join(f'"{name}" double precision' for name in NAMES)
    database.execute("create table sensor (id int primary key, lon double precision, lat double precision)")
    for sensor in range(SENSORS + 1):
        database.execute("insert into sensor values ({}, {}, {})".format(sensor, *place_of(sensor)))
    database.execute(f"create table reading (sensor int, time timestamptz, {columns})")
    with psycopg.connect(database.address) as connection, connection.cursor() as cursor:
        for sensor, hour, values in Rows().parts(instances):
            table = pa.table(
                [pa.array(sensor), pa.array(START + hour * HOUR).cast(pa.timestamp("us", "UTC"))]
                + [pa.array(values[:, place], from_pandas=True) for place in range(len(NAMES))],
                names=["sensor", "time", *NAMES],
            )
            sink = pa.BufferOutputStream()
            pa.csv.write_csv(table, sink, pa.csv.WriteOptions(include_header=False))
            with cursor.copy("copy reading from stdin with (format csv)") as copy:
                copy.write(sink.getvalue().to_pybytes())
    database.execute("create index on reading (sensor, time)")
    database.execute("create index on reading using brin (time)")
    database.execute("vacuum analyze reading")


def asked_of_postgresql(instances: int) -> dict[str, float]:
    """How long each question takes there, in seconds; nothing where there is no PostgreSQL."""
    found = {}
    with services.postgresql_server() as database:
        copied(database, instances)
        with psycopg.connect(database.address, autocommit=True) as connection:
            connection.execute("set jit = off")
            for name, (_, _, many) in QUESTIONS.items():
                found[name] = best(lambda name=name: connection.execute(SQL[name]).fetchall(), many)[0]  # type: ignore[misc]
    return found


def ask(folder: Path) -> None:
    """Ask our own questions, in a process that does nothing else, and print how long they took."""
    store = open_store(folder / "pool.db")
    questions = Landbridge(store, Lake(str(folder / "history")))
    for name, (_, _, many) in QUESTIONS.items():
        question = getattr(questions, name)
        for _ in range(max(many, 1)):
            question()
        print(name, *best(question, many))
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000, 0)
    store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--alone", action="store_true", help="without PostgreSQL")
    parser.add_argument("--ask", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.ask is not None:
        ask(given.ask)
        return
    rows = min(given.rows, 100_000) if given.quick else given.rows
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        count = fill(Path(name), rows)
        done = subprocess.run([sys.executable, __file__, "--ask", name], check=True, capture_output=True, text=True)
    ours = {line.split()[0]: tuple(map(float, line.split()[1:])) for line in done.stdout.splitlines()}
    theirs = {} if given.alone else asked_of_postgresql(rows)
    print(f"{count:,} instances of {SENSORS + 1:,} sensors; wall time, processor time, PostgreSQL's wall time in ms")
    for key, (title, limit, _) in QUESTIONS.items():
        wall, used = ours[key]
        other = f"{theirs[key] * 1000:10,.2f}" if key in theirs else "         -"
        print(f"{title:40} {wall * 1000:10,.2f} {used * 1000:10,.2f} {other}   (limit: {limit * 1000:,.1f})")
    print(f"{'peak memory':40} {math.ceil(ours['peak'][0]):10,} MB (limit: 1,000)")


if __name__ == "__main__":
    main()
