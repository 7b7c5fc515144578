"""From changes to what is to be told: one notification for a subscription and a group of changes of one commit.

Groups are cut by the ranks of changes alone, so that a notification has the same content and the same id whenever it
is made. NGSI-LD 5.8.6.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from landbridge.model.subscription import Change, Moved, Subscription, fires
from landbridge.pool.match import Bench, matches_pattern
from landbridge.publish.index import Key
from landbridge.publish.roster import Roster
from landbridge.publish.select import selects
from landbridge.publish.view import View, view_of

LOG = logging.getLogger("landbridge.publish")
GROUP_BITS = 8  # changes of one commit that one notification may tell


class Told(NamedTuple):
    """What one notification tells: `rank` of its first change."""

    subscription: Subscription
    rank: int
    views: list[View]


class Matching:
    """Finds the subscriptions that changes are about. `in_time`: whether throttling lets a change through."""

    def __init__(self, roster: Roster, bench: Bench, in_time: Callable[[Subscription, Change], bool]) -> None:
        self.roster = roster
        self.bench = bench
        self.in_time = in_time

    def match(self, changes: Sequence[Change]) -> Iterator[Told]:
        """What is to be told of these changes, each subscription's in order."""
        groups: dict[tuple[Key, int], list[View]] = {}
        known: dict[Key, Subscription] = {}
        for change in changes:
            moved = change.moved()
            touched = dict.fromkeys(one.attribute for one in moved)
            for key in self.roster.index.candidates(change.tenant, types_of(change), change.document, touched):
                made = self.judged(key, change, moved)
                if made is not None:
                    known[key] = made
                    groups.setdefault((key, group_of(change.rank)), []).append(view_of(made, change, moved))
        for (key, _), views in groups.items():
            for part in apart(views):
                yield Told(known[key], part[0].rank, part)

    def judged(self, key: Key, change: Change, moved: Sequence[Moved]) -> Subscription | None:
        """The subscription, if it is to be told; one that cannot be judged is logged, and stands in no other's way."""
        try:
            return self.about(key, change, moved)
        except Exception:
            LOG.exception("Whether the subscription %s is about %s cannot be found out.", key[1], change.id)
            return None

    def about(self, key: Key, change: Change, moved: Sequence[Moved]) -> Subscription | None:
        """The subscription, if it is to be told of the change."""
        found = self.roster.get(key)
        if found is None:
            return None
        made, asked = found
        if change.commit <= made.since or made.interval is not None or made.status(change.recorded) != "active":
            return None
        if not selects(made.selectors, change, self.matches) or not fires(made, change, moved):
            return None
        if not asked.nothing and not self.bench.meets(change, asked):
            return None
        return made if self.in_time(made, change) else None

    def matches(self, pattern: str, text: str) -> bool:
        return matches_pattern(self.bench, pattern, text)


def group_of(rank: int) -> int:
    return rank >> GROUP_BITS


def whole_groups(changes: list[Change], more: bool) -> list[Change]:
    """Changes up to the end of a group, so that notifications are the same whenever they are made."""
    if not more:
        return changes
    last = group_of(changes[-1].rank)
    return [change for change in changes if group_of(change.rank) != last] or changes


def types_of(change: Change) -> dict[str, None]:
    """The types that an entity has or had."""
    found = dict.fromkeys(change.types)
    return found | dict.fromkeys(change.before["type"]) if change.before else found


def apart(views: Sequence[View]) -> list[list[View]]:
    """Views in parts of which none tells of one entity twice, in order."""
    parts: list[list[View]] = [[]]
    seen: set[str] = set()
    for view in views:
        id_ = view.document["id"]
        if id_ in seen:
            parts.append([])
            seen.clear()
        seen.add(id_)
        parts[-1].append(view)
    return parts
