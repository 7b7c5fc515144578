"""Runs a command to its end and says what it took: the one way in which all benchmarks measure.

Wall seconds from start to end, CPU seconds of the command and of all its children, and the greatest sum of their
resident memory, looked at 50 times a second. Memory that two processes share counts twice.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

LANDBRIDGE = [sys.executable, "-m", "landbridge"]
TITLE = f"{'case':<34}{'rows':>11}{'s':>8}{'rows/s':>10}{'CPU s':>8}{'peak MB':>9}   limit"


@dataclass(frozen=True)
class Took:
    """What a command took. `peak` in MB; `out` what it printed."""

    seconds: float
    cpu: float
    peak: float
    out: str

    def line(self, case: str, rows: int, limit: str = "") -> str:
        """One line of a table under TITLE."""
        return (
            f"{case:<34}{rows:>11,}{self.seconds:>8.1f}{rows / self.seconds:>10,.0f}{self.cpu:>8.1f}"
            f"{self.peak:>9,.0f}   {limit}"
        ).rstrip()


def run(
    command: Sequence[str | Path], environment: Mapping[str, str] | None = None, *, cwd: Path | None = None
) -> Took:
    """Run a command; ends the benchmark with its last words where it fails."""
    with tempfile.TemporaryFile("w+") as out:
        start = time.perf_counter()
        child = subprocess.Popen(
            [str(part) for part in command], stdout=out, cwd=cwd, stdin=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
        )  # fmt: skip
        watched, peak = psutil.Process(child.pid), 0
        cpu: dict[int, float] = {}
        while child.poll() is None:
            peak = max(peak, look(watched, cpu))
            time.sleep(0.02)
        seconds = time.perf_counter() - start
        out.seek(0)
        said = out.read()
    if child.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} ends with {child.returncode}: {said[-2000:]}")
    return Took(seconds, sum(cpu.values()), peak / 1e6, said)


def look(process: psutil.Process, cpu: dict[int, float]) -> int:
    """The memory of a process and its children now; their CPU seconds so far go to `cpu` by process."""
    total = 0
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return 0
    for one in family:
        try:
            times = one.cpu_times()
            total += one.memory_info().rss
        except psutil.Error:
            continue
        cpu[one.pid] = times.user + times.system
    return total


def options(description: str | None, rows: int) -> argparse.Namespace:
    """The options that all benchmarks have."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=rows)
    parser.add_argument("--quick", action="store_true", help="a small load that only shows that the benchmark runs")
    return parser.parse_args()


def machine() -> str:
    """The machine in a line: cores, memory and what others do on it; no names."""
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), {psutil.virtual_memory().total / 1e9:.0f} GB memory,"
        f" {platform.system()}, Python {platform.python_version()}; load average {load:.1f} at the start"
    )
