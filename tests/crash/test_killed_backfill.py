"""A backfill that is killed at any step counts wholly or not at all; the next pull leaves what a calm one leaves."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from feeding import bare
from filling import DAYS, Filled, dying, row
from killed_city import ROUNDS
from landbridge.history import backfill as files
from landbridge.history.lake import LakeTable
from landbridge.pool.backfill import Backfill
from landbridge.store import manifest
from landbridge.store.sqlite import SqliteStore

PARTS = [[row(name, day, float(at)) for day in DAYS for name in "abcd"] for at in range(3)]  # each corrects the former
STEPS: dict[str, tuple[Any, str]] = {
    "a file written": (LakeTable, "write"),
    "something kept": (SqliteStore, "tend"),
    "the commit made": (Backfill, "turn"),
    "after the commit": (Backfill, "publish"),
    "the table's commit": (LakeTable, "put"),
    "publishing": (files, "take_in"),
    "published": (manifest, "publish"),
}


def killed(folder: Path, *words: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    return subprocess.Popen([sys.executable, __file__, str(folder), *words], env=environment, text=True)


def fill(city: Filled) -> Any:
    city.time += 1_000_000_000  # a process that starts later has a later clock
    return city.fill(*PARTS)


def seen(city: Filled) -> Any:
    return city.history(), [bare(city.document(f"urn:x:{name}")) for name in "abcd"]


def whole_or_nothing(city: Filled, calm: Any) -> None:
    """State and history agree: both have all of it, or none."""
    history, states = seen(city)
    assert (history, states) in (([], [None] * 4), calm)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Any:
    city = Filled(tmp_path_factory.mktemp("calm"))
    fill(city)
    found = seen(city)
    city.close()
    return found


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("step", STEPS)
def test_killed_at_a_step(tmp_path: Path, calm: Any, step: str, before: bool) -> None:
    for count in ("2", "1") if step in ("a file written", "something kept") else ("1",):
        with killed(tmp_path, step, count, str(before)) as child:
            child.wait()
        assert child.returncode == -signal.SIGKILL
        city = Filled(tmp_path)
        whole_or_nothing(city, calm)
        city.close()
    ended_well(tmp_path, calm)


def ended_well(folder: Path, calm: Any) -> None:
    city = Filled(folder)
    fill(city)
    assert seen(city) == calm
    lines = [(line["commit"], line["ordinal"]) for line in city.lines()]
    assert len(lines) == len(set(lines))
    assert fill(city).instances == 0
    with city.store.reader() as connection:
        assert not manifest.under_way(connection, "one")
        assert not manifest.unpublished(connection)
    city.close()


@pytest.mark.crash
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_killed_at_any_moment(tmp_path: Path, calm: Any, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(2):
        with killed(tmp_path) as child:
            while not (tmp_path / "begun").exists() and child.poll() is None:
                time.sleep(0.005)
            time.sleep(chance.uniform(0, 0.2))
            child.kill()
        (tmp_path / "begun").unlink(missing_ok=True)
        city = Filled(tmp_path)
        whole_or_nothing(city, calm)
        city.close()
    ended_well(tmp_path, calm)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        owner, name = STEPS[sys.argv[2]]
        setattr(owner, name, dying(getattr(owner, name), int(sys.argv[3]), sys.argv[4] == "True"))
    (Path(sys.argv[1]) / "begun").touch()
    fill(Filled(Path(sys.argv[1])))
