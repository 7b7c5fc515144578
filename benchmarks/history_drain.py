"""How fast the journal goes to the lake, and how many bytes an instance takes there.

    python benchmarks/history_drain.py                       2,000,000 instances
    python benchmarks/history_drain.py --instances 10000000

The instances are real: the hourly air quality of Tianjin's stations (those of examples/binhai), its weeks repeated
one after the other for a thousand sensors, each with a small seeded jitter in its own last digit. They are written by
the pool's own bulk way. Lines/s is over wall time and over the CPU seconds of the draining process; bytes are those of
the table's data files right after the drain, and after files have been joined.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from landbridge.governance.policy import Actor, Role
from landbridge.history.compact import compact
from landbridge.history.drain import Drain
from landbridge.history.lake import Lake
from landbridge.model.claim import Claims
from landbridge.model.column import plan_columns
from landbridge.model.feed import Delivery, Raw, SourceFacts
from landbridge.pool.ingest import open_ingest
from landbridge.store.sqlite import SqliteStore, open_store

DATA = Path(__file__).resolve().parents[1] / "examples" / "binhai" / "sources"
FILES = (
    "air-quality/pm25in_tianjin_2020-03-26_2020-04-02.csv",
    "air-quality-live/replay/pm25in_tianjin_2020-04-02_2020-04-08.csv",
)
VALUES = {
    "airQualityIndex": "AQI", "pm25": "PM2.5", "pm10": "PM10", "co": "CO", "no2": "NO2", "o3": "O3_1h",
    "o3Mean8h": "O3_8h", "so2": "SO2",
}  # fmt: skip
SENSORS = 1_000
HOUR = 3_600_000_000
START = 1_262_304_000_000_000  # 2010-01-01
ROWS = 40_000  # a delivery's


def real_hours() -> np.ndarray:
    """The stations' hours one after the other: a row an hour, a column a value; NaN where nothing was measured."""
    frames = [pl.read_csv(DATA / name, infer_schema=False) for name in FILES]
    frame = pl.concat(frames).sort("WatchPoint", "Date", "Hour", maintain_order=True)
    values = frame.select(pl.col(column).cast(pl.Float64, strict=False) for column in VALUES.values())
    return values.filter(~pl.all_horizontal(pl.all().is_nan() | pl.all().is_null())).fill_null(np.nan).to_numpy()


def deliveries(instances: int) -> Iterator[Delivery]:
    """All rows in the order of their hours, as a mapping would hand them over."""
    hours = real_hours()
    names = ["id", "type", *VALUES, "observedAt"]
    plan = plan_columns(names)
    chance = np.random.default_rng(7)
    offsets = chance.integers(0, len(hours), SENSORS)
    per_row = float((~np.isnan(hours)).sum()) / len(hours)
    rows = int(instances / per_row)
    ids = np.array([f"urn:ngsi-ld:AirQualityObserved:{1000 + number}A" for number in range(SENSORS)])
    for first in range(0, rows, ROWS):
        number = np.arange(first, min(first + ROWS, rows))
        sensor, hour = number % SENSORS, number // SENSORS
        values = hours[(offsets[sensor] + hour) % len(hours)]
        jitter = chance.integers(-1, 2, values.shape)
        columns = [
            pa.array(
                np.round(np.maximum(values[:, at] + jitter[:, at] * (0.001 if name == "co" else 1), 0), 3),
                from_pandas=True,
            )
            for at, name in enumerate(VALUES)
        ]
        arrays = [
            pa.array(ids[sensor]), pa.array(["AirQualityObserved"] * len(number)), *columns,
            pa.array(START + hour * HOUR).cast(pa.timestamp("us", "UTC")), pa.array(number),
            pa.array(number, pa.uint64()), pa.array(number, pa.uint64()),
        ]  # fmt: skip
        batch = pa.RecordBatch.from_arrays(arrays, names=[*names, "_row", "_key", "_hash"])
        yield Delivery(plan, batch, no_raw(), read=len(number))


def no_raw() -> Raw:
    return Raw(
        lambda numbers: pa.RecordBatch.from_pydict({"n": [str(number) for number in numbers]}),
        lambda numbers: (["hours.csv"] * len(numbers), "line", [at + 2 for at in numbers]),
    )


def fill(store: SqliteStore, instances: int) -> None:
    actor = Actor("benchmark", Role.OPERATOR)
    run = open_ingest(store, Claims(), SourceFacts("air-quality"), actor=actor, fingerprint="f")
    for delivery in deliveries(instances):
        run.write([delivery])
    run.finish()


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.parquet"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instances", type=int, default=2_000_000)
    wanted = parser.parse_args().instances
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = open_store(folder / "pool.db")
        start = time.perf_counter()
        fill(store, wanted)
        print(f"written by the pool: {wanted / (time.perf_counter() - start):,.0f} instances/s", flush=True)
        lake = Lake(str(folder / "history"))
        drain, count, most = Drain(store, lake), 0, 0.0
        wall, used = time.perf_counter(), cpu()
        while (done := drain.step()).count or done.more:
            count += done.count
            most = max(most, time.perf_counter() - wall)
        wall, used = time.perf_counter() - wall, cpu() - used
        print(
            f"drained: {count:,} lines, {count / wall:,.0f}/s, {count / used:,.0f}/CPU s"
            f" (limit: 300,000/s), peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000:,.0f} MB"
        )
        print(f"bytes an instance: {size(folder / 'history') / count:.2f} (limit: 12)")
        (table,) = [lake.table(type_) for type_ in lake.types()]
        assert table is not None
        wall, used = time.perf_counter(), cpu()
        while compact(table, 0) is not None:
            pass
        wall, used = time.perf_counter() - wall, cpu() - used
        files = table.snapshot().files
        print(
            f"joined: {count / used:,.0f} lines/CPU s, {len(files)} files of at most"
            f" {max(f.rows for f in files):,} lines, {sum(f.size for f in files) / count:.2f} bytes an instance"
        )
        store.close()


if __name__ == "__main__":
    main()
