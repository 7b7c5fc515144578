"""Retention that is killed at any step has done all of it or nothing, and the next time all is as it should be."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from feeding import micro, when
from filling import Filled, dying, row
from landbridge.history import retention
from landbridge.history.lake import LakeTable
from landbridge.history.retention import Keeper, Retention, RetentionRule

NOW = "2020-03-01T00:00:00Z"
RULE = RetentionRule("T", "n", 30 * 86_400_000_000, 3_600_000_000)
ROWS = [
    row(name, None, float(at)) | {"observedAt": when(f"2020-01-01T{at // 4:02}:{at % 4 * 15:02}:00Z")}
    for name in "ab"
    for at in range(20)
]
STEPS: dict[str, tuple[Any, str]] = {
    "on record": (retention, "begin"),
    "a file of means": (LakeTable, "write"),
    "a file without": (LakeTable, "write_parts"),
    "the table's commit": (LakeTable, "put"),
    "the end": (retention, "record"),
    "forgetting": (Keeper, "forget"),
}


def opened(folder: Path) -> Filled:
    city = Filled(folder)
    city.time = micro(NOW)
    return city


def keep(city: Filled) -> Any:
    return Retention(city.store, city.lake, [RULE]).keep()


def values(city: Filled) -> list[tuple[Any, ...]]:
    found = [(line["entity"], line["attribute"], line["time"], line["number"], line["rest"]) for line in city.lines()]
    return sorted(found, key=repr)


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("step", STEPS)
def test_killed_at_a_step(tmp_path: Path, step: str, before: bool) -> None:
    city = opened(tmp_path)
    city.fill(ROWS)
    raw = values(city)
    city.close()
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parent.parent)]),
    }
    done = subprocess.run([sys.executable, __file__, str(tmp_path), step, str(before)], env=environment, timeout=120)
    assert done.returncode == -signal.SIGKILL
    city = opened(tmp_path)
    left = values(city)
    keep(city)
    means = values(city)
    assert left in (raw, means)
    assert len(means) == 10 + 40
    assert keep(city) == []
    table = city.lake.table("T")
    assert table is not None
    assert not {path.name for path in Path(table.address).glob("*.parquet")} & table.given_up(0)
    city.close()


if __name__ == "__main__":
    owner, name = STEPS[sys.argv[2]]
    setattr(owner, name, dying(getattr(owner, name), 1, sys.argv[3] == "True"))
    keep(opened(Path(sys.argv[1])))
