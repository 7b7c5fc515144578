"""How fast years of values go straight to history: a CSV of hourly readings by `landbridge pull`, `backfill = true`.

    python benchmarks/backfill.py
    python benchmarks/backfill.py --rows 1000000

1,000 stations, three attributes with a unit each; the rows stand in the order of time, as such files do. Rows/s count
the whole command, from start to end; peak is that of `landbridge pull` and the mapping's process together. The second
line is the pull of the unchanged file, the third that of the file with one row of every thousand corrected.
"""

import argparse
import datetime
import random
import shutil
import tempfile
from pathlib import Path

import process

ROWS, QUICK = 10_000_000, 20_000
STATIONS = 1_000
MAPPING = """select 'urn:ngsi-ld:AirQualityObserved:' || station as id, 'AirQualityObserved' as type,
  cast(pm25 as double) as pm25, 'GQ' as "pm25.unitCode", cast(pm10 as double) as pm10, 'GQ' as "pm10.unitCode",
  cast(no2 as double) as no2, 'GQ' as "no2.unitCode", local_time(time) as observedAt
from source
"""
SOURCE = 'kind = "csv"\nlocation = "data.csv"\ntime_zone = "Asia/Shanghai"\nbackfill = true\n'
START = datetime.datetime(2014, 1, 1)


def write_file(path: Path, rows: int, corrected: int = 0) -> None:
    """Write hourly readings of all stations; of so many rows one is another than without `corrected`."""
    chance, written, hour = random.Random(7), 0, 0
    with path.open("w") as file:
        file.write("station,time,pm25,pm10,no2\n")
        while written < rows:
            time = (START + datetime.timedelta(hours=hour)).strftime("%Y-%m-%d %H:%M")
            for station in range(min(STATIONS, rows - written)):
                extra = 1000 if corrected and (written + station) % corrected == 0 else 0
                pm25, pm10, no2 = chance.randrange(5, 200) + extra, chance.randrange(5, 300), chance.randrange(200) / 2
                file.write(f"S{station:04},{time},{pm25},{pm10},{no2}\n")
            written += STATIONS
            hour += 1


def measure(folder: Path, rows: int) -> None:
    """Make a city, pull it three times, and print what each took."""
    source = folder / "city" / "sources" / "air"
    source.mkdir(parents=True)
    (folder / "city" / "landbridge.toml").write_text('name = "Bench"\n')
    (source / "source.toml").write_text(SOURCE)
    (source / "mapping.sql").write_text(MAPPING)
    command = [*process.LANDBRIDGE, "pull", folder / "city", "--json"]
    print(process.TITLE)
    write_file(source / "data.csv", rows)
    print(process.run(command).line("backfill, first", rows, "200,000 rows/s, 1,000 MB"), flush=True)
    print(process.run(command).line("backfill, unchanged", rows), flush=True)
    write_file(source / "data.csv", rows, corrected=1_000)
    print(process.run(command).line("backfill, 1 in 1,000 corrected", rows), flush=True)
    kept = folder / "city" / ".landbridge"
    lake = sum(path.stat().st_size for path in (kept / "history").rglob("*.parquet"))
    print(f"history: {lake / 1e6:,.0f} MB, {lake / rows / 3:.2f} bytes an instance; ", end="")
    print(f"the pool's file, with the source rows: {(kept / 'pool.db').stat().st_size / 1e6:,.0f} MB")


def main() -> None:
    """Measure in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--folder", type=Path, help="where to work; default: the folder for temporary files")
    parser.add_argument("--quick", action="store_true", help="a small load that only shows that the benchmark runs")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=given.folder))
    try:
        measure(folder, QUICK if given.quick else given.rows)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
