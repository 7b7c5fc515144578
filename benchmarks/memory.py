"""Whether a large file needs more memory than a small one: CSVs of 50 MB and of 5 GB, by `landbridge pull`.

    python benchmarks/memory.py
    python benchmarks/memory.py --megabytes 1000

Each is the file of 1,000 sensors: the entities stay as many, the history grows. Peak is that of `landbridge pull` and
the mapping's process together. Nothing held in memory should grow with the rows; what a pull has seen is in files. The
data goes to a temporary folder that needs about four times the larger size: the file, what waits to be judged, and the
pool.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import process

SMALL, LARGE = 50, 5_000  # megabytes
SENSORS = 1_000
MAPPING = """select 'urn:ngsi-ld:Sensor:' || code as id, 'Sensor' as type,
  cast(level as double) as level, 'GQ' as "level.unitCode", cast(flow as integer) as flow,
  local_time(time) as observedAt
from source
"""
HEADER = "code,time,level,flow,quality,firmware,site,remark,checked,operator\n"
REMARK = "read by the station and sent over the district's own network without a correction by hand " * 4


def write_file(path: Path, megabytes: float) -> int:
    """Write about so many megabytes of readings; how many rows they are."""
    rows, size, minute = 0, 0, 0
    with path.open("w") as file:
        file.write(HEADER)
        while size < megabytes * 1_000_000:
            day, left = divmod(minute, 1440)
            moment = f"{2000 + day // 336}-{1 + day // 28 % 12:02}-{1 + day % 28:02} {left // 60:02}:{left % 60:02}"
            block = "".join(
                f"S{code:04},{moment},{(code * 7 + minute * 13) % 5000 / 10},{(code + minute) % 997},good,"
                f"{minute % 17}.{code % 5},site {code % 97},{REMARK}{minute},yes,station {code}\n"
                for code in range(SENSORS)
            )
            size += file.write(block)
            rows += SENSORS
            minute += 1
    return rows


def measure(folder: Path, megabytes: float) -> tuple[process.Took, int]:
    """Pull a file of this size into a new pool, and throw both away."""
    city = folder / "city"
    source = city / "sources" / "readings"
    source.mkdir(parents=True)
    (city / "landbridge.toml").write_text('name = "Bench"\n')
    (source / "source.toml").write_text('kind = "csv"\nlocation = "data.csv"\n')
    (source / "mapping.sql").write_text(MAPPING)
    try:
        rows = write_file(source / "data.csv", megabytes)
        return process.run([*process.LANDBRIDGE, "pull", city, "--json"]), rows
    finally:
        shutil.rmtree(city)


def main() -> None:
    """Measure both sizes and say what grew."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=LARGE, help="size of the large file")
    parser.add_argument("--folder", type=Path, help="where to work; default: the folder for temporary files")
    parser.add_argument("--quick", action="store_true", help="a small load that only shows that the benchmark runs")
    given = parser.parse_args()
    small, large = (1.0, 3.0) if given.quick else (SMALL, given.megabytes)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=given.folder) as name:
        free = shutil.disk_usage(name).free / 1e6
        if free < 4 * large + 2_000:
            sys.exit(f"The folder for temporary files has {free:,.0f} MB free; {4 * large + 2_000:,.0f} are needed.")
        print(process.TITLE)
        took, rows = measure(Path(name), small)
        print(took.line(f"file of {small:,.0f} MB", rows), flush=True)
        more, many = measure(Path(name), large)
        print(more.line(f"file of {large:,.0f} MB", many, "no more memory"), flush=True)
    print(f"{large / small:,.0f} times the size takes {more.peak - took.peak:+,.0f} MB at the peak.")


if __name__ == "__main__":
    main()
