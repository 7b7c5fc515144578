"""The keeping of history, killed at random moments: drain, join, fold, trim. Every line is there once afterwards."""

from pathlib import Path

import pytest

from killed_city import ROUNDS
from killed_history import kill_keepers

pytestmark = [pytest.mark.crash, pytest.mark.timeout(3600)]
KILLS = 10  # in each round


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_killed_upkeep_loses_and_doubles_nothing(tmp_path: Path, number: int) -> None:
    assert kill_keepers(tmp_path, 100 + number, KILLS) > 0
