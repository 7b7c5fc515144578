"""A disk that is full: a real one of a few megabytes, in a mount namespace of its own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from made_source import folder_of, things

DAY = "2024-03-30T08:00:00Z"
CITY = """import contextlib, json, subprocess, sys
from pathlib import Path

folder, space = Path(sys.argv[1]), Path(sys.argv[2])

def landbridge(*words):
    return subprocess.run([sys.executable, "-m", "landbridge", *words], capture_output=True, text=True)

def pull():
    done = landbridge("pull", folder, "--json")
    explained = landbridge("explain", folder, "urn:ngsi-ld:Thing:a", "--json")
    records = json.loads(done.stdout) if done.stdout else []
    return {"code": done.returncode, "records": {r["source"]: r for r in records}, "err": done.stderr,
            "a": json.loads(explained.stdout)[0]["value"] if explained.stdout else explained.stderr}

said = [pull()]
large, small = (folder / "sources" / name / "things.csv" for name in ("large", "small"))
large.write_text(large.with_suffix(".next").read_text())
small.write_text(small.with_suffix(".next").read_text())
block = space / "block"
with contextlib.suppress(OSError), block.open("wb", buffering=0) as file:
    while True:
        file.write(bytes(4096))
size = block.stat().st_size
with block.open("r+b") as file:
    file.truncate(max(size - LEFT, 0))
said.append(pull())
block.unlink()
said.append(pull())
print(json.dumps(said))
"""


def own_disk(folder: Path, space: Path, left: int) -> list[dict[str, Any]]:
    """Pull with room, with `left` bytes of room and with room again, where `space` is a disk of 48 MB."""
    script = folder / "pulls.py"
    script.write_text(CITY.replace("LEFT", str(left)))
    inside = 'mount -t tmpfs -o size=48m tmpfs "$1" && exec "$2" "$3" "$4" "$1"'
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", inside, "sh", str(space), sys.executable, str(script), str(folder / "city")],
        capture_output=True, text=True, stdin=subprocess.DEVNULL,
        env={k: v for k, v in os.environ.items() if not k.startswith("LANDBRIDGE_")} | {"LANDBRIDGE_RETRIES": "0"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    said: list[dict[str, Any]] = json.loads(done.stdout)
    return said


@pytest.mark.timeout(900)
@pytest.mark.parametrize("left", [0, 300_000], ids=["nothing left", "a little left"])
def test_a_full_disk_is_told_and_nothing_known_is_lost(tmp_path: Path, left: int) -> None:
    if not shutil.which("unshare") or subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
        pytest.skip("no disk of its own can be mounted here, so a full one is not tested.")
    city = tmp_path / "city"
    space = city / ".landbridge"
    space.mkdir(parents=True)
    (city / "landbridge.toml").write_text('name = "Full"\n')
    small, large = (folder_of(city / "sources", name, things(f"a,1,{DAY}")) for name in ("small", "large"))
    for folder, type_ in ((small, "Thing"), (large, "Other")):
        text = (folder / "mapping.sql").read_text()
        (folder / "mapping.sql").write_text(text.replace("'Thing'", f"'{type_}'").replace(":Thing:", f":{type_}:"))
    (small / "things.next").write_text(things(f"a,2,{DAY.replace('08', '09')}"))
    (large / "things.next").write_text(things(*[f"n{n},{n * 7919 % 1_000_003},{DAY}" for n in range(20_000)]))
    good, full, again = own_disk(tmp_path, space, left)
    assert (good["code"], good["a"]) == (0, 1.0), good
    record = full["records"].get("large")
    if record is None:  # where nothing is left the pool cannot even be opened, and says so
        assert left == 0 and full["code"] == 12 and "full" in full["err"] and "is safe" in full["err"], full
    else:
        assert (full["code"], record["state"]) == (11, "failed"), full
        assert full["a"] in (1.0, 2.0), full
        assert "room on the disk" in record["reason"] or "may be full" in record["reason"], full
    assert (again["code"], again["a"]) == (0, 2.0), again
    assert {record["state"] for record in again["records"].values()} <= {"done", "unchanged"}
