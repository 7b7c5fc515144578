"""Expectations of a source: what its rows should be like, checked by SQL over the pull.

Kinds (DESIGN: sources, expectations): not-null, range, one-of, unique, fresh, not-frozen, given, rows. Each gives one
result that is kept with the run; what failed is also a table `failed` that the mapping may read.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Expectation = Mapping[str, Any]


@dataclass(frozen=True)
class Checks:
    """The declared expectations of one source."""

    expectations: tuple[Expectation, ...]

    @property
    def leave_out(self) -> bool:
        return any(expectation.get("leave_out") for expectation in self.expectations)

    def evaluate(self, engine: Any, rows: int) -> tuple[list[dict[str, Any]], Any, list[str]]:
        raise NotImplementedError

    def left_out(self, engine: Any, view: str) -> list[tuple[int, str]]:
        raise NotImplementedError
