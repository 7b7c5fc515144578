"""A pool whose history is kept by a process that is killed at random moments, and whether any line was lost by that."""

import random
import subprocess
import sys
import time
from pathlib import Path

from landbridge.history.compact import sweep
from landbridge.history.drain import Drain
from landbridge.history.upkeep import Upkeep
from made_lake import Lines, Remembering, all_lines, drain_all, drained_lines, journalled, lively, write_more

KEEPER = Path(__file__).with_name("keep_history.py")
LONGEST = 0.7  # seconds that a keeper works before it is killed


def keeper(folder: Path) -> subprocess.Popen[str]:
    """A process that keeps history, at work already."""
    process = subprocess.Popen(
        [sys.executable, str(KEEPER), str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    return process


def kill_keepers(folder: Path, seed: int, kills: int) -> int:
    """Write, kill whoever keeps the history of it, look for every line; the number of keepers that were at work."""
    chance = random.Random(seed)
    city = lively(folder / "pool.db", small=True)
    wanted: Lines = {}
    busy = 0
    try:
        for round_ in range(kills):
            write_more(city, chance.choice([7, 8, 9]), small=True)
            wanted |= journalled(city.store)
            process = keeper(folder)
            time.sleep(chance.uniform(0, LONGEST))
            process.kill()
            said = process.communicate()[0]
            busy += "idle" not in said
            if round_ % 3 == 2 or round_ + 1 == kills:
                check(city, wanted)
        finish(city, wanted)
    finally:
        city.close()
    return busy


def check(city: Remembering, wanted: Lines) -> None:
    """Every line is there once, in the lake or in the store."""
    for type_ in city.lake.types():
        city.lake.mend(type_)
    found = all_lines(city.store, city.lake)
    assert found.keys() == wanted.keys(), f"{len(wanted.keys() - found.keys())} lines are lost"
    assert found == wanted


def finish(city: Remembering, wanted: Lines) -> None:
    """Whoever comes next does the rest, and leaves nothing behind that is not needed."""
    drain_all(Drain(city.store, city.lake))
    assert drained_lines(city.lake) == wanted
    upkeep = Upkeep(city.store, city.lake, grace=0)
    while not (done := upkeep.tend()).idle:
        assert not done.troubles
    assert drained_lines(city.lake) == wanted
    for type_ in city.lake.types():
        table = city.lake.table(type_)
        assert table is not None
        sweep(table, (), 1 << 62, 0, True)
        names = {file.name for file in table.snapshot().files}
        assert {path.name for path in Path(table.address).glob("*.parquet")} == names
