"""Keeps a pool's history until there is nothing to do, over and over, for tests that kill it: `keep_history.py FOLDER`.

It works in small pieces, so that it is somewhere else each time. It says "begun" once it begins, and "idle" whenever
there is nothing left to do.
"""

import sys
from pathlib import Path

from landbridge.history import compact, drain, trim, upkeep
from landbridge.history.lake import Lake
from landbridge.history.trim import Window
from landbridge.history.upkeep import Upkeep
from landbridge.store.sqlite import open_store


def main(folder: Path) -> None:
    drain.LINES, compact.PART, upkeep.EVERY = 300, 500, 5
    trim.ROWS_AT_ONCE, trim.SEGMENTS_AT_ONCE = 20, 1
    store = open_store(folder / "pool.db")
    keeping = Upkeep(store, Lake(str(folder / "history")), Window(0, 0), grace=0)
    print("begun", flush=True)
    while True:
        done = keeping.step()
        tended = keeping.tend()
        for trouble in (*done.troubles.values(), *tended.troubles.values()):
            raise trouble
        if not done.more and tended.idle:
            print("idle", flush=True)
            if sys.stdin.readline() == "":
                return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
