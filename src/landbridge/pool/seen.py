"""What a source has sent before, as hashes: so that a second pull changes nothing, and a repeat is counted, not kept.

Each row has a key (id, observedAt, datasetIds) and a hash of all it says, made by the mapping. A whole pull remembers
both of every row until the next; a stream remembers those of its last commits, for messages that come twice.
The memory is sorted numbers, 16 bytes a row (see `pool.pairs`), saved in the commits of the rows themselves.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from landbridge.pool.pairs import EMPTY, NUMBER, Flags, Numbers, Pairs, distinct, sorted_pairs

Places = np.ndarray[Any, np.dtype[np.int64]]

RING = 64  # commits that a stream remembers
RECENT_ROWS = 2_048  # rows of each of them


@dataclass(frozen=True)
class Sifted:
    """Which rows of a delivery are to be written, and how many are not, and why. `differing`: rows by place."""

    keep: Flags
    unchanged: int
    repeated: int
    differing: Places


def pack(run: int, keys: Numbers, hashes: Numbers) -> bytes:
    """One part of the memory: the run's number, then keys, then hashes."""
    return np.array([run], NUMBER).tobytes() + keys.tobytes() + hashes.tobytes()


def unpack(body: bytes) -> tuple[int, Numbers, Numbers]:
    numbers = np.frombuffer(body, NUMBER)
    half = (len(numbers) - 1) // 2
    return int(numbers[0]), numbers[1 : 1 + half], numbers[1 + half :]


class Seen:
    """The memory of whole pulls: the pairs of the pull before, and those of this one as they come.

    `before` has the pairs of each run that left some, the newest first: what a killed run said of a key stands for
    what the pull before it said.
    """

    def __init__(self, run: int, parts: Iterable[bytes] = ()) -> None:
        self.run = run
        self.parts = 0  # as many as are stored
        self.before = self.recalled(parts)
        self.now = Pairs()
        self.fresh = False  # whether this pull has brought anything

    def recalled(self, parts: Iterable[bytes]) -> list[Pairs]:
        by_run: dict[int, Pairs] = {}
        for run, keys, hashes in map(unpack, parts):
            self.parts += 1
            by_run.setdefault(run, Pairs()).add(*sorted_pairs([keys, EMPTY], [hashes, EMPTY]))
        return [by_run[run] for run in sorted(by_run, reverse=True)]

    def sift(self, keys: Numbers, hashes: Numbers, *, strict: bool = True) -> Sifted:
        """Judge a delivery's rows in their order; they are remembered as met."""
        order = np.argsort(keys, kind="stable")
        key, hash_ = keys[order], hashes[order]
        first = np.ones(len(key), bool)
        first[1:] = key[1:] != key[:-1]
        known, previous = self.now.latest(key)
        previous[1:] = np.where(first[1:], previous[1:], hash_[:-1])
        known |= ~first
        repeated = known & (previous == hash_)
        unchanged = ~repeated & self.sent_before(key, hash_)
        self.now.add(key[~repeated], hash_[~repeated])
        keep = np.zeros(len(key), bool)
        keep[order] = ~repeated & ~unchanged
        self.fresh |= bool(keep.any())
        differing = np.sort(order[known & ~repeated])
        return Sifted(keep, int(unchanged.sum()), int(repeated.sum()), differing)

    def sent_before(self, keys: Numbers, hashes: Numbers) -> Flags:
        """Whether the pull before said just this of a key."""
        found, open_ = np.zeros(len(keys), bool), np.ones(len(keys), bool)
        for pairs in self.before:
            found |= open_ & pairs.holds(keys, hashes)
            if pairs is not self.before[-1]:
                open_ &= ~pairs.latest(keys)[0]
        return found

    def compacted(self) -> Iterator[bytes] | None:
        """The parts that should be kept from now on; None where what is stored says it already."""
        if not self.before:
            return None
        if not self.fresh and len(self.before) == 1:
            met = sum(len(distinct(*chunk)[0]) for chunk in self.now.stream())
            if met == sum(len(distinct(*chunk)[0]) for chunk in self.before[0].stream()):
                return None
        return (pack(self.run, *distinct(*chunk)) for chunk in self.now.stream())

    def gone(self) -> bool:
        """Whether any key of the pull before has not come again."""
        return any(not self.now.latest(keys)[0].all() for pairs in self.before for keys, _ in pairs.stream())


@dataclass
class Recent:
    """The memory of streams and increments: the rows of the last commits, for those that come twice."""

    run: int
    latest: dict[int, tuple[int, int]] = field(default_factory=dict)  # key -> hash, commit's place
    commits: deque[tuple[int, list[int]]] = field(default_factory=deque)
    place: int = 0

    @classmethod
    def of(cls, run: int, parts: Iterable[bytes]) -> "Recent":
        """Recall the commits that parts hold; their order is in their first number."""
        recent = cls(run)
        for place, keys, hashes in sorted(map(unpack, parts), key=lambda part: part[0]):
            recent.place = place
            recent.remember(keys[-RECENT_ROWS:].tolist(), hashes[-RECENT_ROWS:].tolist())
        return recent

    def sift(self, keys: Numbers, hashes: Numbers, *, strict: bool) -> Sifted:
        """Judge a delivery's rows; a key met with another hash is differing where `strict`."""
        keep, differing = np.ones(len(keys), bool), []
        fresh: dict[int, int] = {}
        for at, (key, hash_) in enumerate(zip(keys.tolist(), hashes.tolist(), strict=True)):
            met = fresh.get(key)
            if met is None and (known := self.latest.get(key)) is not None:
                met = known[0]
            if met == hash_:
                keep[at] = False
            elif met is not None and strict:
                differing.append(at)
            fresh[key] = hash_
        return Sifted(keep, 0, len(keys) - int(keep.sum()), np.array(differing, np.int64))

    def part(self, keys: Numbers, hashes: Numbers) -> tuple[int, bytes]:
        """Where the next commit's rows are saved, and as what; a ring of parts, each with its place in front."""
        place = self.place + 1
        return place % RING, pack(place, keys[-RECENT_ROWS:], hashes[-RECENT_ROWS:])

    def committed(self, keys: Numbers, hashes: Numbers) -> None:
        """Take in a commit that is durable."""
        self.place += 1
        self.remember(keys[-RECENT_ROWS:].tolist(), hashes[-RECENT_ROWS:].tolist())

    def remember(self, keys: list[int], hashes: list[int]) -> None:
        """Take in a commit's rows, and forget those of the oldest."""
        self.latest.update((key, (hash_, self.place)) for key, hash_ in zip(keys, hashes, strict=True))
        self.commits.append((self.place, keys))
        while len(self.commits) > RING:
            place, old = self.commits.popleft()
            for key in old:
                if self.latest.get(key, (0, -1))[1] == place:
                    del self.latest[key]
