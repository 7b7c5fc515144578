"""How fast files become the pool: CSV of a million rows of 10 columns through the run loop as `landbridge pull` has it.

    python benchmarks/bulk.py                    all cases, 1,000,000 rows
    python benchmarks/bulk.py --rows 100000 random again

Each case runs in a process of its own (the mapping in its child), into a store on disk, every commit fsynced. Rows/s
is rows over the time from the call of `pull` to the run's record on disk; beside it rows over the CPU seconds of the
process itself, which a busy machine changes less. CPU seconds are of the process and of its child; peak is the largest
memory of both together (proportional set size: a page that both share counts once), looked at ten times a second. The
data is seeded.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

CASES = ("ordered", "random", "again", "changed", "observations", "three")
LIMITS = {
    "ordered": "100,000 rows/s, 500 MB",
    "random": "80,000 rows/s, 500 MB",
    "again": "under 2 s",
    "changed": "(none)",
    "observations": "300,000 rows/s",
    "three": "40,000 rows/s",
}
HEADER = "code,name,district,time,level,flow,quality,lon,lat,note"
ENTITIES = """select 'urn:ngsi-ld:Sensor:' || code as id, 'Sensor' as type, name,
  cast(level as double) as level, 'GQ' as "level.unitCode", 'urn:ngsi-ld:District:' || district as "refArea.object",
  local_time(time) as observedAt
from source
"""
SOURCE = 'kind = "csv"\nlocation = "data.csv"\ntime_zone = "Asia/Shanghai"\n'


@dataclass(frozen=True)
class Measured:
    """What a case took. `rows` of all its pulls together; peak in MB."""

    case: str
    rows: int
    seconds: float
    cpu_self: float
    cpu_child: float
    peak: float
    store: float

    def line(self) -> str:
        rate = f"{self.rows / self.seconds:>10,.0f}{self.rows / max(self.cpu_self, 0.001):>11,.0f}"
        return (
            f"{self.case:<14}{self.rows:>11,}{rate}{self.seconds:>8.1f}{self.cpu_self:>10.1f}{self.cpu_child:>10.1f}"
            f"{self.peak:>9.0f}{self.store:>9.0f}   {LIMITS[self.case]}"
        )


TITLE = (
    f"{'case':<14}{'rows':>11}{'rows/s':>10}{'/CPU s':>11}{'s':>8}{'CPU self':>10}{'child':>10}"
    f"{'peak MB':>9}{'disk MB':>9}   limit"
)


def lines(rows: int, case: str, seed: int = 7, changed: float = 0.0) -> Iterator[str]:
    """The file's lines. `changed`: the share of rows whose level is another than without it."""
    chance = random.Random(seed)
    order = list(range(rows))
    if case == "random":
        chance.shuffle(order)
    other = random.Random(seed + 1)
    for at, number in enumerate(order):
        code = number if case != "observations" else chance.randrange(1000)
        moment = f"2020-01-01 {at * 24 // rows:02}:00" if case != "observations" else observed(at, rows)
        level = round(chance.uniform(0, 500), 2) + (1000 if changed and other.random() < changed else 0)
        yield (
            f"{code:07},station {code} of the district,{code % 16:02},{moment},{level},{chance.randrange(1000)},good,"
            f"{117 + code % 997 / 1000},{39 + code % 991 / 1000},no remark\n"
        )


def observed(at: int, rows: int) -> str:
    minute = at * 500_000 // rows
    return f"2020-{1 + minute // 43_200:02}-{1 + minute // 1440 % 28:02} {minute // 60 % 24:02}:{minute % 60:02}"


def write_source(folder: Path, case: str, rows: int, *, changed: float = 0.0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "source.toml").write_text(SOURCE)
    (folder / "mapping.sql").write_text(ENTITIES)
    with (folder / "data.csv").open("w") as file:
        file.write(HEADER + "\n")
        file.writelines(lines(rows, case, changed=changed))


# -- in the measured process


def measure(case: str, folder: Path, rows: int) -> None:
    """Run one case and print what it took as JSON."""
    from landbridge.governance.policy import Actor, Role  # noqa: PLC0415 - only the measured process loads these
    from landbridge.model.claim import ClaimRule, Claims  # noqa: PLC0415 - as above
    from landbridge.pool.pool import Pool  # noqa: PLC0415 - as above
    from landbridge.sources.declaration import read_declaration  # noqa: PLC0415 - as above
    from landbridge.sources.run import pull  # noqa: PLC0415 - as above
    from landbridge.store.sqlite import open_store  # noqa: PLC0415 - as above

    names = ("first", "second", "third") if case == "three" else ("first",)
    feeds = {("", "Sensor", name): tuple(sorted(names)) for name in ("name", "level", "refArea")}
    claims = Claims(feeds, {("Sensor", "*"): ClaimRule("priority", names)})
    pool = Pool(open_store(folder / "pool.db"), claims=claims)
    actor = Actor("bench", Role.OPERATOR)
    if case in ("again", "changed"):
        pull(pool, actor, read_declaration(folder / "first"))
    if case == "changed":
        write_source(folder / "first", "ordered", rows, changed=0.01)
    times = psutil.Process().cpu_times()
    start = time.perf_counter()
    records = [pull(pool, actor, read_declaration(folder / name)) for name in names]
    seconds = time.perf_counter() - start
    after = psutil.Process().cpu_times()
    for record in records:
        assert record.state in ("done", "unchanged"), record
    pool.close()
    print(
        json.dumps(
            {
                "rows": sum(record.rows for record in records) or rows,
                "seconds": seconds,
                "cpu_self": after.user + after.system - times.user - times.system,
                "cpu_child": after.children_user + after.children_system - times.children_user - times.children_system,
            }
        )
    )


# -- in the process that looks on


def run(case: str, rows: int) -> Measured:
    """Make the data, run the case, watch its memory."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        for number, source in enumerate(("first", "second", "third") if case == "three" else ("first",)):
            data = case if case in ("random", "observations") else "ordered"
            write_source(folder / source, data, rows, changed=0.01 if number else 0.0)
        command = [sys.executable, __file__, "--measure", case, "--folder", name, "--rows", str(rows)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            peak = Peak(child.pid)
            answer, _ = child.communicate()
        if child.returncode:
            raise SystemExit(f"{case} fails with code {child.returncode}")
        store = sum(path.stat().st_size for path in folder.glob("pool.db*")) / 1e6
        return Measured(case=case, peak=peak.highest / 1e6, store=store, **json.loads(answer))


class Peak(threading.Thread):
    """Watches the memory of a process and its children until it ends."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.process = psutil.Process(pid)
        self.highest = 0
        self.start()

    def run(self) -> None:
        try:
            while self.process.is_running() and self.process.status() != psutil.STATUS_ZOMBIE:
                family = [self.process, *self.process.children(recursive=True)]
                self.highest = max(self.highest, sum(resident(one) for one in family))
                time.sleep(0.1)
        except psutil.Error:
            return


def resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0


def main() -> None:
    """Run the cases that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", help=f"of {', '.join(CASES)}; default: all")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        measure(given.measure, given.folder, given.rows)
        return
    print(TITLE)
    for case in given.cases or CASES:
        print(run(case, given.rows).line(), flush=True)


if __name__ == "__main__":
    main()
