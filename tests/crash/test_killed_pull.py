"""Pulls that are killed at random moments: after the next pull everything is as if nothing had happened."""

import random
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from command import landbridge
from killed_city import RIVALS, ROUNDS, Outcome, commits, kill, make_city, outcome, reached, started
from landbridge.app.city import open_city
from landbridge.settings import Operator

pytestmark = [pytest.mark.crash, pytest.mark.timeout(3600)]


@dataclass(frozen=True)
class Unkilled:
    """A pull that nobody killed: what it left, its commits and its seconds."""

    outcome: Outcome
    commits: int
    seconds: float


@pytest.fixture(scope="module")
def unkilled(tmp_path_factory: pytest.TempPathFactory) -> Unkilled:
    folder = make_city(tmp_path_factory.mktemp("unkilled") / "city")
    start = time.monotonic()
    done = landbridge("pull", folder, seconds=300)
    assert done.code == 0, done.err
    seconds = time.monotonic() - start
    return Unkilled(outcome(folder), commits(folder), seconds)


def test_the_city_has_something_to_lose(unkilled: Unkilled) -> None:
    left = unkilled.outcome
    assert len(left.documents) == 24
    assert left.journal.total() > 4_000 and left.disagreements and left.rejects
    assert left.unexplained == []
    assert unkilled.commits > 4 * len(RIVALS)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_killed_pull_loses_and_doubles_nothing(tmp_path: Path, unkilled: Unkilled, number: int) -> None:
    folder, chance = make_city(tmp_path / "city"), random.Random(number)
    for _ in range(chance.choice([1, 1, 2, 3])):
        process = started(folder, "pull")
        if chance.random() < 0.25:  # while it starts, reads or maps
            time.sleep(chance.uniform(0.2, 1.0) * unkilled.seconds)
        else:  # around a commit
            goal = chance.randrange(1, unkilled.commits)
            reached(lambda goal=goal: commits(folder) >= goal, process)  # type: ignore[misc]
            time.sleep(chance.uniform(0, 0.02))
        kill(process)
    done = landbridge("pull", folder, seconds=300)
    assert done.code == 0, done.err
    assert outcome(folder) == unkilled.outcome
    with open_city(folder, operator=Operator()) as city:
        assert [city.pull(name).state for name in RIVALS] == ["unchanged"] * len(RIVALS)
    spool = folder / ".landbridge" / "spool"
    assert not [path for path in spool.glob("*/*") if path.is_dir()]
    shutil.rmtree(folder)
