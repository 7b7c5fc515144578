"""An export that is killed leaves no file under the name that was asked for, and the next one is whole."""

import signal
import subprocess
import sys
from pathlib import Path

import polars as pl

from command import landbridge, source

MAPPING = """select 'urn:x:' || code as id, 'Station' as type, cast(level as double) as level,
  time::timestamptz as observedAt from source
"""
KILLED = """
import os, signal, sys
from landbridge.cli import main
from landbridge.history import table_form
done = table_form.WRITERS["parquet"]
def dying(pieces, schema, file, shape):
    done(pieces, schema, file, shape)
    os.kill(os.getpid(), signal.SIGKILL)
table_form.WRITERS["parquet"] = dying
main(sys.argv[1:])
"""


def test_a_killed_export_is_no_file(tmp_path: Path) -> None:
    city, out = tmp_path / "city", tmp_path / "out.parquet"
    city.mkdir()
    (city / "landbridge.toml").write_text('name = "Here"\n')
    rows = "code,level,time\n" + "".join(f"a,{at},2020-01-01T00:00:{at:02}Z\n" for at in range(50))
    source(city, "stations", 'kind = "csv"\nlocation = "data.csv"\n', MAPPING, data=rows)
    assert landbridge("pull", city).code == 0
    words = ["export", str(city), "--history", "--type", "Station", "-o", str(out)]
    killed = subprocess.run([sys.executable, "-c", KILLED, *words], timeout=120)
    assert killed.returncode == -signal.SIGKILL
    assert not out.exists()
    assert landbridge(*words).code == 0
    assert pl.read_parquet(out).height == 50
    assert sorted(path.name for path in tmp_path.iterdir()) == ["city", "out.parquet"]
