"""How fast history leaves as a table: `landbridge export --history` of 10,000,000 instances, in each form.

    python benchmarks/export.py
    python benchmarks/export.py --rows 1000000

One attribute of 1,000 stations, hourly, brought in by a backfill. Rows/s count the whole command, from start to end,
its start (about a second) included; peak is its resident memory.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

import backfill
import process

ROWS, QUICK = 10_000_000, 20_000
MAPPING = """select 'urn:ngsi-ld:AirQualityObserved:' || station as id, 'AirQualityObserved' as type,
  cast(pm25 as double) as pm25, 'GQ' as "pm25.unitCode", local_time(time) as observedAt
from source
"""
FORMS = {"parquet": "10 s", "geoparquet": "", "arrow": "", "csv": "", "jsonl": ""}


def measure(folder: Path, rows: int) -> None:
    """Make a city with so many instances, and take them away in each form."""
    city = folder / "city"
    source = city / "sources" / "air"
    source.mkdir(parents=True)
    (city / "landbridge.toml").write_text('name = "Bench"\n')
    (source / "source.toml").write_text(backfill.SOURCE)
    (source / "mapping.sql").write_text(MAPPING)
    backfill.write_file(source / "data.csv", rows)
    process.run([*process.LANDBRIDGE, "pull", city, "--json"])
    (source / "data.csv").unlink()
    print(process.TITLE)
    for form, limit in FORMS.items():
        out = folder / f"out.{form}"
        words = ["export", city, "--history", "--type", "AirQualityObserved", "--format", form, "-o", out]
        took = process.run([*process.LANDBRIDGE, *words])
        print(took.line(f"export, {form} ({out.stat().st_size / 1e6:,.0f} MB)", rows, limit), flush=True)
        out.unlink()


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
