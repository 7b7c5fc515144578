"""Pairs of numbers by key, few or a hundred million of them, in bounded memory.

They come in sorted runs. Small runs wait in memory and are merged now and then; what grows beyond a bound goes to
temporary files, which are mapped, looked into in the order of the keys, and let go of again after each stretch.
"""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Numbers = np.ndarray[Any, np.dtype[np.uint64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]

NUMBER = np.dtype(np.uint64)
EMPTY: Numbers = np.empty(0, NUMBER)
CHUNK = 65_536  # pairs that are handled together
RUNS = 8  # runs that wait before they are merged
HELD = 750_000  # pairs in memory from which a merged run goes to a file
FILES = 4  # files before they are merged
LOOKED_UP = 512  # keys looked up in a file before its pages are let go of


@dataclass(frozen=True)
class Run:
    """Sorted keys with what belongs to each. `files`: the maps behind them, where they lie in files."""

    keys: Numbers
    values: Numbers
    files: tuple[mmap.mmap, ...] = ()

    def stretches(self, count: int) -> Iterator[slice]:
        """Parts of `count` sorted keys to be looked up one after the other."""
        if not self.files:
            yield slice(0, count)
            return
        for at in range(0, count, LOOKED_UP):
            yield slice(at, at + LOOKED_UP)
            self.let_go()

    def let_go(self) -> None:
        """Give the pages back that were looked at; the file keeps them."""
        for file in self.files:
            file.madvise(mmap.MADV_DONTNEED)


def filed(chunks: Iterable[tuple[Numbers, Numbers]]) -> Run:
    """A run in two temporary files, which go with it."""
    with tempfile.TemporaryFile() as keys, tempfile.TemporaryFile() as values:
        for some_keys, some_values in chunks:
            keys.write(some_keys.tobytes())
            values.write(some_values.tobytes())
        maps = []
        for file in (keys, values):
            file.flush()
            maps.append(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ))
    first, second = (np.frombuffer(one, NUMBER) for one in maps)
    return Run(first, second, tuple(maps))


class Pairs:
    """Keys and values in the order of the keys, those added first first."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.files: list[Run] = []

    @property
    def count(self) -> int:
        return sum(len(run.keys) for run in self.all)

    @property
    def all(self) -> list[Run]:
        return [*self.files, *self.runs]

    def add(self, keys: Numbers, values: Numbers) -> None:
        """Add pairs sorted by key."""
        if len(keys):
            self.runs.append(Run(keys, values))
        if len(self.runs) > RUNS:
            self.runs = [Run(*sorted_pairs([run.keys for run in self.runs], [run.values for run in self.runs]))]
            self.spill()

    def spill(self) -> None:
        """Put what has grown large into a file."""
        (run,) = self.runs
        if len(run.keys) < HELD:
            return
        self.files.append(filed([(run.keys, run.values)]))
        self.runs = []
        if len(self.files) > FILES:
            self.files = [filed(stream(self.files))]

    def stream(self) -> Iterator[tuple[Numbers, Numbers]]:
        """All pairs in order, some at a time; a key's pairs come together."""
        return stream(self.all)

    def latest(self, keys: Numbers) -> tuple[Flags, Numbers]:
        """For each of these sorted keys whether it is known, and the value added last."""
        known, found = np.zeros(len(keys), bool), np.zeros(len(keys), NUMBER)
        for run in self.all:
            for part in run.stretches(len(keys)):
                at = np.searchsorted(run.keys, keys[part], "right") - 1
                hit = (at >= 0) & (run.keys[np.maximum(at, 0)] == keys[part])
                known[part] |= hit
                found[part] = np.where(hit, run.values[np.maximum(at, 0)], found[part])
        return known, found

    def holds(self, keys: Numbers, values: Numbers) -> Flags:
        """For each pair (sorted by key) whether it is there."""
        found = np.zeros(len(keys), bool)
        for run in self.all:
            for part in run.stretches(len(keys)):
                found[part] |= within(run, keys[part], values[part])
        return found


def within(run: Run, keys: Numbers, values: Numbers) -> Flags:
    """Whether a run holds these pairs; a key may stand in it several times."""
    found = np.zeros(len(keys), bool)
    at = np.searchsorted(run.keys, keys, "left")
    last = len(run.keys) - 1
    going = np.arange(len(keys))
    while len(going):
        place = np.minimum(at[going], last)
        same = (run.keys[place] == keys[going]) & (at[going] <= last)
        going, place = going[same], place[same]
        found[going] |= run.values[place] == values[going]
        at[going] += 1
        going = going[~found[going]]
    return found


def stream(runs: Sequence[Run]) -> Iterator[tuple[Numbers, Numbers]]:
    """The pairs of several runs in one order, cut between keys; of one key those of the earlier run first."""
    if not runs:
        return
    longest = max(runs, key=lambda run: len(run.keys))
    cuts = np.unique(longest.keys[CHUNK::CHUNK])
    edges = [np.concatenate(([0], np.searchsorted(run.keys, cuts, "left"), [len(run.keys)])) for run in runs]
    for number in range(len(cuts) + 1):
        parts = [slice(int(edge[number]), int(edge[number + 1])) for edge in edges]
        keys = [np.array(run.keys[part]) for run, part in zip(runs, parts, strict=True)]
        values = [np.array(run.values[part]) for run, part in zip(runs, parts, strict=True)]
        for run in runs:
            run.let_go()
        yield sorted_pairs(keys, values)


def sorted_pairs(keys: Sequence[Numbers], values: Sequence[Numbers]) -> tuple[Numbers, Numbers]:
    """Several parts as one, sorted by key; equal keys keep their order."""
    if len(keys) == 1:
        return keys[0], values[0]
    joined = np.concatenate(keys)
    order = np.argsort(joined, kind="stable")
    return joined[order], np.concatenate(values)[order]


def distinct(keys: Numbers, values: Numbers) -> tuple[Numbers, Numbers]:
    """Sorted pairs, each once."""
    if not len(keys):
        return keys, values
    order = np.lexsort((values, keys))
    keys, values = keys[order], values[order]
    new = np.ones(len(keys), bool)
    new[1:] = (keys[1:] != keys[:-1]) | (values[1:] != values[:-1])
    return keys[new], values[new]
