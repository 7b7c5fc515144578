"""A process that is killed in the middle of a load, started again: the same state, and no line of the journal twice."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from feeding import City, bare, delivery, rivals

CLAIMS = rivals("a", "b")
COMMITS, ROWS = 6, 300


def rows(part: int, source: str) -> list[dict[str, Any]]:
    return [
        {"id": f"urn:x:{number:05}", "type": "T", "n": float(number % 7 + (source == "b") * (number % 3 == 0))}
        for number in range(part * ROWS, part * ROWS + ROWS + 20)  # 20 rows come again in the next commit
    ]


def load(city: City, source: str, say: bool = False) -> None:
    """One whole pull in several commits; says after each that it is there."""
    run = city.open(source)
    for part in range(COMMITS):
        run.write([delivery(rows(part, source), first=part * ROWS)])
        if say:
            print(part, flush=True)
    run.finish()


def killed(folder: Path, source: str, after: int) -> None:
    """Start a load in a process of its own, and kill it after its n-th commit, whatever it is doing then."""
    path = Path(__file__).parent
    command = [sys.executable, __file__, str(folder / "pool.db"), source]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(path.parent)}) as child:
        assert child.stdout is not None
        for _ in range(after):
            assert child.stdout.readline()
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL


def end(city: City) -> Any:
    ids = [f"urn:x:{number:05}" for number in range(0, COMMITS * ROWS + 20, 37)]
    found = [(one.entity, one.values[0].value, one.values[1].value) for one in city.disagreements()]
    return [bare(city.document(id_)) for id_ in ids], city.journal(), found


def test_a_killed_load_goes_on_where_it_was(tmp_path: Path) -> None:
    (tmp_path / "calm").mkdir()
    calm = City(tmp_path / "calm" / "pool.db", CLAIMS)
    for source in ("a", "b"):
        load(calm, source)
    for source, after in (("a", 2), ("a", 4), ("b", 3)):
        killed(tmp_path, source, after)
    city = City(tmp_path / "pool.db", CLAIMS, start="2027-01-01T00:00Z")
    with city.store.reader() as connection:
        assert connection.execute("SELECT count(*) FROM segment").fetchone() > (0,)
    for source in ("a", "b"):
        load(city, source)
    assert end(city) == end(calm)
    assert len(calm.disagreements()) > 100
    again = city.open("a")
    assert again.write([delivery(rows(0, "a"))]).instances == 0
    city.close()
    calm.close()


if __name__ == "__main__":
    load(City(sys.argv[1], CLAIMS), sys.argv[2], say=True)
