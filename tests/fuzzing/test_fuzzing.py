"""What fuzzing found stays mended, a short search with a fixed seed finds nothing, and a fault would be found."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from fuzzing import asked, body, text
from fuzzing.mutation import blind, mutate
from fuzzing.target import DATA, Target, attempt, signature, smallest
from landbridge.errors import InvalidQuery, LandbridgeError

ROOT = Path(__file__).parents[2]
TARGETS = {target.name: target for target in (*text.TARGETS, *body.TARGETS, *asked.TARGETS)}
FOUND = sorted(DATA.iterdir())
INPUTS = 400  # of one target


@pytest.mark.parametrize("path", FOUND, ids=[path.name for path in FOUND])
def test_what_was_found_once_is_mended(path: Path) -> None:
    error = attempt(TARGETS[path.name.rpartition("-")[0]], path.read_bytes())
    if error is not None:
        raise error


@pytest.mark.parametrize("name", TARGETS)
def test_a_short_search_finds_nothing(name: str) -> None:
    """The same inputs each time, made of the seeds and of each other; no coverage guides them."""
    target, chance = TARGETS[name], Random(f"landbridge {name}")
    change, known = blind(chance), list(target.seeds)
    for data in target.seeds:
        assert attempt(target, data) is None, data
    for _ in range(INPUTS):
        data = mutate(target, chance.choice(known), chance, change)
        error = attempt(target, data)
        if error is not None:
            raise AssertionError(data) from error
        known += [data] if chance.random() < 0.3 else []


@pytest.mark.parametrize("name", TARGETS)
def test_a_seed_is_read_through(name: str) -> None:
    """Some seed of each target is nothing that is refused at once, so that the search begins deep inside."""
    read = 0
    for data in TARGETS[name].seeds:
        try:
            TARGETS[name].run(data)
            read += 1
        except LandbridgeError:
            pass
    assert read


@pytest.mark.skipif(not importlib.util.find_spec("atheris"), reason="atheris is made for Linux on x86-64")
def test_a_short_search_by_coverage_finds_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "scripts/fuzz.py", "--runs", "200", "--seed", "1", "--keep", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": "0"})
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert not list(tmp_path.iterdir())
    told = {line.split("|")[1].strip(): line.split("|") for line in done.stdout.splitlines() if line.startswith("|")}
    assert set(told) == set(TARGETS)
    assert all(int(columns[4].replace(",", "")) > 10 for columns in told.values()), done.stdout  # coverage


def broken(data: bytes) -> None:
    if b"!!" in data:
        raise KeyError("it is")
    if data.startswith(b"refused"):
        raise InvalidQuery("It is refused.")


def test_a_fault_is_found_made_small_and_told_apart() -> None:
    target = Target("broken", broken, words=("!",), own=(b"refused", b"fine ! "))
    chance = Random(1)
    assert all(attempt(target, data) is None for data in target.seeds)
    tried = (mutate(target, data, chance, blind(chance)) for _ in range(5_000) for data in target.seeds)
    found = next(data for data in tried if attempt(target, data) is not None)
    told = signature(attempt(target, found))
    assert told == "KeyError test_fuzzing.py:broken"
    assert smallest(target, found, told) == b"!!"
