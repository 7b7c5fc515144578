"""What a source has sent before, as hashes: so that a second pull changes nothing, and a repeat is counted, not kept.

Each row has a key (id, observedAt, datasetIds) and a hash of all it says, made by the mapping. A whole pull remembers
both of every row until the next; a stream remembers those of its last commits, for messages that come twice.
The memory is a few sorted arrays of numbers, 16 bytes a row, saved in the commits of the rows themselves.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

import numpy as np

Numbers = np.ndarray[Any, np.dtype[np.uint64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]
Places = np.ndarray[Any, np.dtype[np.int64]]

PAIR = np.dtype(np.uint64)
PART_ROWS = 65_536
RUNS = 8  # sorted runs that wait before they are merged
SETTLED = 2_000_000  # pairs of a run that is merged no more, so that merging needs little beside what it merges
RING = 64  # commits that a stream remembers
RECENT_ROWS = 2_048  # rows of each of them
EMPTY: Numbers = np.empty(0, PAIR)


@dataclass(frozen=True)
class Sifted:
    """Which rows of a delivery are to be written, and how many are not, and why. `differing`: rows by place."""

    keep: Flags
    unchanged: int
    repeated: int
    differing: Places


def pack(run: int, keys: Numbers, hashes: Numbers) -> bytes:
    """One part of the memory: the run's number, then keys, then hashes."""
    return np.array([run], PAIR).tobytes() + keys.tobytes() + hashes.tobytes()


def unpack(body: bytes) -> tuple[int, Numbers, Numbers]:
    numbers = np.frombuffer(body, PAIR)
    half = (len(numbers) - 1) // 2
    return int(numbers[0]), numbers[1 : 1 + half], numbers[1 + half :]


class Pairs:
    """Keys and hashes in the order of the keys, those added first first; grows by runs that are merged now and then."""

    def __init__(self) -> None:
        self.runs: list[tuple[Numbers, Numbers]] = []

    def add(self, keys: Numbers, hashes: Numbers) -> None:
        """Add pairs sorted by key."""
        if len(keys):
            self.runs.append((keys, hashes))
        waiting = list(takewhile(lambda run: len(run[0]) < SETTLED, reversed(self.runs)))[::-1]
        if len(waiting) > RUNS:
            self.runs = [*self.runs[: len(self.runs) - len(waiting)], merged(waiting)]

    def merged(self) -> tuple[Numbers, Numbers]:
        return merged(self.runs)

    def latest(self, keys: Numbers) -> tuple[Flags, Numbers]:
        """For each key whether it is known, and the hash added last."""
        known, found = np.zeros(len(keys), bool), np.zeros(len(keys), PAIR)
        for sorted_keys, hashes in self.runs:
            at = np.searchsorted(sorted_keys, keys, "right") - 1
            hit = (at >= 0) & (sorted_keys[np.maximum(at, 0)] == keys)
            known |= hit
            found[hit] = hashes[at[hit]]
        return known, found

    def holds(self, keys: Numbers, hashes: Numbers) -> Flags:
        """For each pair whether it is there."""
        found = np.zeros(len(keys), bool)
        for sorted_keys, sorted_hashes in self.runs:
            at = np.searchsorted(sorted_keys, keys, "left")
            last = len(sorted_keys) - 1
            going = np.arange(len(keys))
            while len(going):
                place = np.minimum(at[going], last)
                same = (sorted_keys[place] == keys[going]) & (at[going] <= last)
                going, place = going[same], place[same]
                found[going] |= sorted_hashes[place] == hashes[going]
                at[going] += 1
                going = going[~found[going]]
        return found


def merged(runs: Sequence[tuple[Numbers, Numbers]]) -> tuple[Numbers, Numbers]:
    """The pairs of several sorted runs as one, those of earlier runs first where keys are equal."""
    if not runs:
        return EMPTY, EMPTY
    if len(runs) == 1:
        return runs[0]
    keys = np.concatenate([keys for keys, _ in runs])
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    return keys, np.concatenate([hashes for _, hashes in runs])[order]


class Seen:
    """The memory of whole pulls: the pairs of the pull before, and those of this one as they come."""

    def __init__(self, run: int, parts: Iterable[bytes] = ()) -> None:
        self.run = run
        self.before = recalled(parts)
        self.now = Pairs()
        self.parts = 0
        self.fresh = False  # whether this pull has brought anything

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
        unchanged = ~repeated & self.before.holds(key, hash_)
        self.now.add(key[~repeated], hash_[~repeated])
        keep = np.zeros(len(key), bool)
        keep[order] = ~repeated & ~unchanged
        self.fresh |= bool(keep.any())
        differing = np.sort(order[known & ~repeated])
        return Sifted(keep, int(unchanged.sum()), int(repeated.sum()), differing)

    def compacted(self) -> list[bytes] | None:
        """The parts that should be kept from now on; None where what is stored says it already."""
        before, _ = self.before.merged()
        if not len(before):
            return None
        keys, hashes = distinct(*self.now.merged())
        if not self.fresh and len(keys) == len(before):
            return None
        return [
            pack(self.run, keys[at : at + PART_ROWS], hashes[at : at + PART_ROWS])
            for at in range(0, len(keys), PART_ROWS)
        ]

    def gone(self) -> bool:
        """Whether any key of the pull before has not come again."""
        before, _ = self.before.merged()
        now, _ = self.now.merged()
        return len(before) > 0 and not bool(np.isin(before, now).all())


def recalled(parts: Iterable[bytes]) -> Pairs:
    """The pairs that parts hold; what a later run said of a key stands for what an earlier one said."""
    by_run: dict[int, list[tuple[Numbers, Numbers]]] = {}
    for run, keys, hashes in map(unpack, parts):
        by_run.setdefault(run, []).append((keys, hashes))
    pairs = Pairs()
    found: tuple[Numbers, Numbers] = (EMPTY, EMPTY)
    for run in sorted(by_run):
        keys = np.concatenate([keys for keys, _ in by_run[run]])
        hashes = np.concatenate([hashes for _, hashes in by_run[run]])
        stays = ~np.isin(found[0], keys) if len(found[0]) else np.zeros(0, bool)
        keys, hashes = np.concatenate([found[0][stays], keys]), np.concatenate([found[1][stays], hashes])
        order = np.argsort(keys, kind="stable")
        found = keys[order], hashes[order]
    pairs.add(*found)
    return pairs


def distinct(keys: Numbers, hashes: Numbers) -> tuple[Numbers, Numbers]:
    """Sorted pairs, each once."""
    if not len(keys):
        return keys, hashes
    order = np.lexsort((hashes, keys))
    keys, hashes = keys[order], hashes[order]
    new = np.ones(len(keys), bool)
    new[1:] = (keys[1:] != keys[:-1]) | (hashes[1:] != hashes[:-1])
    return keys[new], hashes[new]


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
            recent.remember(keys.tolist(), hashes.tolist())
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
