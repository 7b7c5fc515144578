"""An erasure that is killed at any moment is finished by whoever opens the city next."""

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import apsw
import pytest

from landbridge.app.erase import eraser_of
from landbridge.errors import Failed
from landbridge.store import erased as kept
from landbridge.store.sqlite import connect
from landbridge.store.wipe import sweep
from remembering import ID, TOLD, make_city, opened, remember
from seeking import traces

STEPS = ("look", "rows", "lines", "state", "texts", "seen", "history", "settle", "wait", "sweep")
SCRIPT = Path(__file__).parents[1] / "killing_erasure.py"


@pytest.fixture(scope="module")
def remembered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_city(tmp_path_factory.mktemp("gardens") / "city", many=60)
    remember(folder)
    return folder


def start(folder: Path, step: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, str(SCRIPT), str(folder), step])


def test_these_are_the_steps(remembered: Path) -> None:
    with opened(remembered) as city:
        assert [*(name for name, _ in eraser_of(city).steps()), "sweep"] == list(STEPS)


@pytest.mark.parametrize("step", STEPS)
def test_what_is_killed_after_a_step_is_finished(remembered: Path, tmp_path: Path, step: str) -> None:
    folder = shutil.copytree(remembered, tmp_path / "city")
    process = start(folder, step)
    assert process.wait(120) == -9
    if step == "look":
        assert traces(folder / ".landbridge", [ID])
    finished(folder)


@pytest.mark.parametrize("number", range(3))
def test_what_is_killed_at_some_moment_is_finished(remembered: Path, tmp_path: Path, number: int) -> None:
    folder, chance = shutil.copytree(remembered, tmp_path / "city"), random.Random(number)
    process = start(folder, "never")
    end = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < end:
        with opened_store(folder) as under:
            if under:
                break
    time.sleep(chance.uniform(0, 0.5))
    process.kill()
    process.wait()
    finished(folder)


class opened_store:
    """Whether an erasure is under way in a pool that others write to."""

    def __init__(self, folder: Path) -> None:
        self.connection = apsw.Connection(str(folder / ".landbridge" / "pool.db"), flags=apsw.SQLITE_OPEN_READONLY)
        self.connection.set_busy_timeout(5_000)

    def __enter__(self) -> bool:
        return bool(kept.under_way(self.connection))

    def __exit__(self, *_: object) -> None:
        self.connection.close()


def finished(folder: Path) -> None:
    """Open the city as a restart does, and see that nothing is left of the garden or of the erasure."""
    with opened(folder) as city:
        with city.pool.store.reader() as connection:
            assert kept.under_way(connection) == []
        (certificate,) = (folder / ".landbridge" / "erasures").glob("*.json")
        assert '"scope": "entity"' in certificate.read_text()
    assert traces(folder / ".landbridge", TOLD) == []


def test_a_reader_that_never_ends_holds_it_up_and_it_is_finished_later(remembered: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(remembered, tmp_path / "city")
    with opened(folder) as city:
        path = city.pool.store.path
        reader = connect(path, readonly=True)
        reader.execute("BEGIN; SELECT count(*) FROM entity")
        city.pool.store.write(lambda transaction: transaction.put_meta("later", "1"))
        with pytest.raises(Failed, match="all the time"):
            sweep(path, patience=0.2)
        reader.close()
        sweep(path, patience=30)
        assert Path(f"{path}-wal").stat().st_size == 0
