"""Whoever keeps history is killed at random moments: every line is there once afterwards (`make crash` kills more)."""

from pathlib import Path

import pytest

from killed_history import kill_keepers


@pytest.mark.parametrize("seed", [1, 2])
def test_a_killed_upkeep_loses_and_doubles_nothing(tmp_path: Path, seed: int) -> None:
    kill_keepers(tmp_path, seed, kills=3)
