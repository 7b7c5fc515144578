"""The benchmarks run and print; how fast they are is no matter here."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from services import needs

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"
PROGRAMS = {"postgresql": "postgres", "history": "postgres", "mqtt": "mosquitto"}
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in ("run", "process"))
pytestmark = pytest.mark.timeout(900)


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_runs_and_prints_a_table(name: str) -> None:
    if name in PROGRAMS:
        needs(PROGRAMS[name])
    done = subprocess.run(
        [sys.executable, str(FOLDER / "run.py"), "--quick", name], capture_output=True, text=True, timeout=800
    )
    assert done.returncode == 0, done.stdout + done.stderr
    title, _, figures = done.stdout.partition("\n")
    assert title.startswith("== ")
    assert re.search(r"^\S.* \d[\d,.]*( |$)", figures, re.MULTILINE), done.stdout


def test_an_unknown_benchmark_is_named() -> None:
    done = subprocess.run([sys.executable, str(FOLDER / "run.py"), "speed"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "there is no benchmark speed" in done.stderr
