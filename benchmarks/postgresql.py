"""How fast a database becomes the pool: a PostgreSQL table of a million rows of 10 columns, by `landbridge pull`.

    python benchmarks/postgresql.py
    python benchmarks/postgresql.py --rows 100000 --quick

Beside it, in the same run, what a user would pick: dlt with its defaults, from the same table into DuckDB, in a virtual
environment of its own. dlt copies rows; Landbridge also maps them to entities, keeps the raw row of each value, writes
history and syncs every commit to disk. The time is that of the whole command; the server's own work is not counted.
"""

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import process

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import services  # noqa: E402 - beside the tests that it is shared with

ROWS = 1_000_000
LIMIT = "80,000 rows/s"
TABLE = """create table reading as select n as id, 'S' || lpad(n::text, 7, '0') as code, 'station ' || n as name,
  n % 16 as district, timestamptz '2020-01-01' + n * interval '1 second' as observed,
  round((random() * 500)::numeric, 2)::double precision as level, n % 1000 as flow, 'good' as quality,
  117 + (n % 997) / 1000.0::double precision as lon, 39 + (n % 991) / 1000.0::double precision as lat
from generate_series(1, {rows}) n"""
MAPPING = """select 'urn:ngsi-ld:Sensor:' || code as id, 'Sensor' as type, name,
  level, 'GQ' as "level.unitCode", 'urn:ngsi-ld:District:' || district as "refArea.object", observed as "observedAt"
from source
"""
DLT = """import sys, dlt
from dlt.sources.sql_database import sql_database
address, folder = sys.argv[1:]
pipeline = dlt.pipeline("bench", destination=dlt.destinations.duckdb(folder + "/dlt.duckdb"), dataset_name="city",
                        pipelines_dir=folder + "/dlt")
pipeline.run(sql_database(address, table_names=["reading"]))
with pipeline.sql_client() as client:
    print(dlt.__version__, client.execute_sql("select count(*) from reading")[0][0])
"""


def dlt_python() -> Path:
    """The Python that has dlt, its virtual environment made where it is missing."""
    folder = ROOT / ".venv" / "dlt"
    python = folder / "bin" / "python"
    if not (folder / "made").exists():
        print("Making a virtual environment for dlt ...", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        wanted = ["dlt[duckdb]", "sqlalchemy>=2", "psycopg2-binary"]
        subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *wanted], check=True)
        (folder / "made").touch()
    return python


def city(folder: Path, address: str) -> Path:
    """A city with the table as its one source."""
    source = folder / "city" / "sources" / "readings"
    source.mkdir(parents=True)
    (folder / "city" / "landbridge.toml").write_text('name = "Bench"\n')
    (source / "source.toml").write_text(f'kind = "sql"\naddress = "{address}"\ntable = "reading"\n')
    (source / "mapping.sql").write_text(MAPPING)
    return folder / "city"


def main() -> None:
    """Measure both, one after the other."""
    given = process.options(__doc__, ROWS)
    rows = min(given.rows, 5_000) if given.quick else given.rows
    print(process.TITLE)
    with services.postgresql_server() as database, tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        database.execute("select setseed(0.5); " + TABLE.format(rows=rows))
        took = process.run([*process.LANDBRIDGE, "pull", city(folder, database.address), "--json"])
        print(took.line("landbridge pull, first", rows, LIMIT), flush=True)
        took = process.run([*process.LANDBRIDGE, "pull", folder / "city", "--json"])
        print(took.line("landbridge pull, unchanged", rows), flush=True)
        if given.quick:
            return
        script = folder / "into_duckdb.py"
        script.write_text(DLT)
        quiet = {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}
        took = process.run(
            [dlt_python(), script, database.address.replace("://", "+psycopg2://"), folder], quiet, cwd=folder
        )
        version, count = took.out.split()[-2:]
        assert int(count) == rows, took.out
        print(took.line(f"dlt {version} to DuckDB, defaults", rows), flush=True)


if __name__ == "__main__":
    main()
