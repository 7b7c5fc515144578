"""Runs all benchmarks, one after the other, and writes what they print to docs/measured/benchmarks.md.

    make bench
    python benchmarks/run.py --quick            small loads that only show that each runs; nothing is written
    python benchmarks/run.py bulk postgresql    only these; nothing is written

Each is also run alone: see its own docstring. A figure counts only on a machine that does nothing else: the load at the
start of each is printed beside it.
"""

import argparse
import datetime
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import process

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "measured" / "benchmarks.md"
BENCHMARKS: dict[str, tuple[str, tuple[str, ...]]] = {  # name -> title, arguments of --quick
    "bulk": ("CSV of 1,000,000 rows of 10 columns into the pool", ("--rows", "2000", "ordered", "again")),
    "postgresql": ("PostgreSQL table of 1,000,000 rows of 10 columns into the pool", ("--quick",)),
    "history": ("Questions to history beside PostgreSQL: 10,000,000 instances of air quality", ("--quick",)),
    "history_drain": ("The journal into the lake: 2,000,000 instances of air quality", ("--instances", "20000")),
    "backfill": ("CSV of 10,000,000 hourly readings straight to history", ("--quick",)),
    "export": ("10,000,000 instances of history as a table", ("--quick",)),
    "mqtt": ("MQTT messages from the broker into the pool", ("--quick",)),
    "serve": ("The serving process: cold start and idle memory", ("--quick",)),
    "query": ("Questions to a pool of 100,000 entities", ("2000",)),
    "ngsild": ("NGSI-LD over HTTP", ("--quick",)),
    "subscriptions": ("What subscriptions cost", ("200",)),
    "memory": ("Memory of a large file and a small one", ("--quick",)),
    "demo": ("Joining the first example", ("--quick",)),
}


def there() -> list[str]:
    """The benchmarks that this folder has, in their order."""
    return [name for name in BENCHMARKS if (HERE / f"{name}.py").exists()]


def measure(name: str, quick: bool) -> tuple[bool, str]:
    """Run one benchmark, its output as it comes; whether it ended well, and what it printed."""
    title, small = BENCHMARKS[name]
    print(f"== {title} ==", flush=True)
    command = [sys.executable, str(HERE / f"{name}.py"), *(small if quick else ())]
    said = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        for line in child.stdout or ():
            print(line, end="", flush=True)
            said.append(line)
    print(flush=True)
    return child.returncode == 0, "".join(said)


def page(parts: Sequence[tuple[str, str, str]]) -> str:
    """The Markdown page: when, on what, and each benchmark's output with the machine's state at its start."""
    today = datetime.datetime.now(datetime.UTC).date()
    made = [f"# Benchmarks\n\nLast `make bench`: {today}. Rows/s count the whole command, from start to end.\n"]
    for name, machine, said in parts:
        made.append(f"## {BENCHMARKS[name][0]}\n\n`python benchmarks/{name}.py` on {machine}.\n\n```text\n{said}```\n")
    return "\n".join(made)


def main() -> int:
    """Run what is asked for; 1 where one fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(there())}; default: all")
    parser.add_argument("--quick", action="store_true", help="small loads that only show that each runs")
    given = parser.parse_args()
    if unknown := set(given.names) - set(there()):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    parts, failed = [], []
    for name in given.names or there():
        machine = process.machine()
        good, said = measure(name, given.quick)
        parts.append((name, machine, said))
        if not good:
            failed.append(name)
    if failed:
        print(f"Failed: {', '.join(failed)}")
    elif not given.quick and not given.names:
        PAGE.write_text(page(parts))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
