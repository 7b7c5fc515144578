"""By the clock: subscriptions with a time interval, and those whose time is over (NGSI-LD 5.2.12, 5.8.6)."""

import heapq
from collections.abc import Callable, Iterator

from landbridge.model.query import Query
from landbridge.model.subscription import Subscription
from landbridge.publish.index import Key

MICRO = 1_000_000
MOST = 1_000  # entities of one periodic notification
NEVER = 3600.0
Due = tuple[int, int, Key]  # when, which entry of the key, key


class Clockwork:
    """What is due when, each key once: a later entry stands in place of those before."""

    def __init__(self) -> None:
        self.heap: list[Due] = []
        self.current: dict[Key, int] = {}
        self.count = 0

    def put(self, key: Key, when: int) -> None:
        self.count += 1
        self.current[key] = self.count
        heapq.heappush(self.heap, (when, self.count, key))

    def drop(self, key: Key) -> None:
        self.current.pop(key, None)

    def first(self) -> int | None:
        """When the first is due."""
        while self.heap and self.current.get(self.heap[0][2]) != self.heap[0][1]:
            heapq.heappop(self.heap)
        return self.heap[0][0] if self.heap else None

    def take(self, now: int) -> Iterator[Key]:
        """Those that are due, no longer kept."""
        while (when := self.first()) is not None and when <= now:
            key = heapq.heappop(self.heap)[2]
            del self.current[key]
            yield key


class Periodic:
    """Which subscriptions are to be notified next by their interval, and which expire next."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self.clock = clock
        self.intervals: dict[Key, float] = {}
        self.notifying = Clockwork()
        self.expiring = Clockwork()

    def put(self, key: Key, interval: float | None, expires: int | None, paused: bool) -> None:
        """Take up a subscription as it is now. `interval` in seconds, `expires` in microseconds since 1970."""
        wanted = None if paused else interval
        if wanted is None:
            self.intervals.pop(key, None)
            self.notifying.drop(key)
        elif self.intervals.get(key) != wanted:
            self.intervals[key] = wanted
            self.notifying.put(key, self.clock() + int(wanted * MICRO))
        if expires is None:
            self.expiring.drop(key)
        else:
            self.expiring.put(key, expires)

    def drop(self, key: Key) -> None:
        self.put(key, None, None, True)

    def seconds(self) -> float:
        """Until something is due."""
        firsts = [first for first in (self.notifying.first(), self.expiring.first()) if first is not None]
        return max(0.0, (min(firsts) - self.clock()) / MICRO) if firsts else NEVER

    def expired(self) -> list[Key]:
        return list(self.expiring.take(self.clock()))

    def due(self) -> list[Key]:
        """The subscriptions whose interval is over; the next one begins."""
        now = self.clock()
        found = list(self.notifying.take(now))
        for key in found:
            self.notifying.put(key, now + int(self.intervals[key] * MICRO))
        return found


def question(made: Subscription) -> Query:
    """The entities that a periodic notification tells of."""
    return Query(
        tenant=made.tenant,
        selectors=made.selectors,
        where=made.where,
        geo=made.geo,
        scope=made.scope,
        limit=MOST,
    )
