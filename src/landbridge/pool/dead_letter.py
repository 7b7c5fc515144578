"""Dead letters: notifications that were given up, for an operator or steward to see, try again or drop.

Each act is audited. A replay keeps the notification's id, so a receiver that had it after all can tell.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from landbridge.governance.policy import Actor
from landbridge.pool import delivery
from landbridge.pool.pool import Pool

WHAT = "see notifications that were given up"


class DeadLetter(NamedTuple):
    """A notification that was given up. Times in microseconds since 1970."""

    tenant: str
    subscription: str
    notification: str
    made: int
    given_up: int
    reason: str
    body: Any


class DeadLetters:
    """The dead letters of a pool."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    def listed(self, actor: Actor, limit: int = 100, offset: int = 0) -> tuple[Sequence[DeadLetter], int]:
        """Some of them, those given up first first, and how many there are. Raises Refused."""
        with self.pool.asked(actor, "raw", WHAT):
            found, count = delivery.dead_letters(self.pool.store, limit, offset)
        return [
            DeadLetter(
                one.lane.tenant, one.lane.subscription, one.notification, one.made, one.dead, one.reason,
                orjson.loads(one.body),
            )
            for one in found
        ], count  # fmt: skip

    def replay(self, actor: Actor, subscription: str | None = None, notification: str | None = None) -> int:
        """Have them tried again: all, those of a subscription, or one; how many. Raises Missing, Refused."""
        with self.pool.asked(actor, "raw", "replay notifications", notification or subscription or ""):
            count = delivery.replay(self.pool.store, subscription, notification)
        self.pool.audit(actor, "replay notifications", notification or subscription or "(all)", "done", str(count))
        return count

    def drop(self, actor: Actor, subscription: str | None = None, notification: str | None = None) -> int:
        """Forget them: all, those of a subscription, or one; how many. Raises Missing, Refused."""
        with self.pool.asked(actor, "raw", "drop notifications", notification or subscription or ""):
            count = delivery.forget(self.pool.store, subscription, notification)
        self.pool.audit(actor, "drop notifications", notification or subscription or "(all)", "done", str(count))
        return count
