"""Who did what, and what was refused: the shapes of the audit, and the counting of what the public reads.

Writes are audited by their commit, denials one by one before the answer. What the public reads is counted per
minute, type and door, and nothing else of the reader is kept.
"""

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from landbridge.governance.policy import Actor

MINUTE = 60_000_000  # microseconds
KEPT = 1_000  # different (type, door) in one minute; more are counted together
OTHERS = "(others)"


@dataclass(frozen=True)
class Act:
    """One line of the audit. `at` in microseconds since 1970; `outcome` is done, denied or counted.

    A counted line stands for all public reads of a minute: `reason` is their number, `request` the door.
    """

    at: int
    actor: str
    role: str
    action: str
    target: str
    outcome: str
    reason: str = ""
    request: str = ""


def act(at: int, actor: Actor, action: str, target: str, outcome: str, reason: str = "") -> Act:
    """The line that says what an actor did or was denied."""
    return Act(at, actor.name, actor.role.value, action, target[:500], outcome, reason[:500], actor.request)


class ReadCounter:
    """Counts public reads, and hands a finished minute's counts to `later` as lines of the audit.

    Whoever reads does not wait for that; `save`, with which the last counts are kept, is through when it returns.
    """

    def __init__(
        self,
        clock: Callable[[], int],
        save: Callable[[list[Act]], None],
        later: Callable[[list[Act]], None] | None = None,
    ) -> None:
        self.clock = clock
        self.save = save
        self.later = later or save
        self.lock = threading.Lock()
        self.minute = 0
        self.counts: Counter[tuple[str, str, str]] = Counter()

    def count(self, what: str, door: str, outcome: str = "read") -> None:
        """Count one read of a type (or one denial) through a door."""
        minute = self.clock() // MINUTE
        with self.lock:
            finished, counts = self.minute, self.counts
            if minute != finished:
                self.minute, self.counts = minute, Counter()
            key = (what, door, outcome)
            self.counts[key if key in self.counts or len(self.counts) < KEPT else (OTHERS, door, outcome)] += 1
        if minute != finished and counts:
            self.later(lines(finished, counts))

    def flush(self) -> None:
        """Hand over what is counted so far."""
        with self.lock:
            minute, counts = self.minute, self.counts
            self.counts = Counter()
        if counts:
            self.save(lines(minute, counts))


def lines(minute: int, counts: Mapping[tuple[str, str, str], int]) -> list[Act]:
    return [
        Act(minute * MINUTE, "public", "public", outcome, what, "counted", str(number), door)
        for (what, door, outcome), number in sorted(counts.items())
    ]
