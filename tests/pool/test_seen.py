"""The memory of what a source sent: unchanged, repeated and contradicting rows, across runs and kills."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from landbridge.pool import pairs, seen
from landbridge.pool.seen import Recent, Seen, Sifted, pack


def numbers(*values: int) -> seen.Numbers:
    return np.array(values, np.uint64)


def sift(memory: Seen | Recent, keys: list[int], hashes: list[int], strict: bool = True) -> Sifted:
    return memory.sift(numbers(*keys), numbers(*hashes), strict=strict)


def test_a_second_pull_is_unchanged_and_a_changed_row_is_not() -> None:
    memory = Seen(2, [pack(1, numbers(3, 1, 2), numbers(30, 10, 20))])
    found = sift(memory, [1, 2, 3, 4], [10, 21, 30, 40])
    assert found.keep.tolist() == [False, True, False, True]
    assert (found.unchanged, found.repeated, len(found.differing)) == (2, 0, 0)


def test_repeats_are_told_from_contradictions_within_and_across_deliveries() -> None:
    memory = Seen(1)
    assert sift(memory, [1, 1, 1], [10, 10, 11]).keep.tolist() == [True, False, True]
    found = sift(memory, [1, 1, 2], [11, 10, 20])
    assert found.keep.tolist() == [False, True, True]
    assert (found.repeated, found.differing.tolist()) == (1, [1])


def test_contradicting_rows_are_unchanged_at_the_second_pull() -> None:
    memory = Seen(2, [pack(1, numbers(1, 1), numbers(10, 11))])
    assert sift(memory, [1, 1], [10, 11]).keep.tolist() == [False, False]


def test_a_killed_run_stands_over_the_pull_before_it() -> None:
    parts = [pack(1, numbers(1, 2), numbers(10, 20)), pack(2, numbers(1), numbers(11))]
    assert sift(Seen(3, parts), [1, 2], [10, 20]).keep.tolist() == [True, False]


def test_compacting_keeps_this_pull_alone() -> None:
    memory = Seen(2, [pack(1, numbers(1, 2), numbers(10, 20))])
    sift(memory, [1, 3], [10, 30])
    parts = list(memory.compacted() or ())
    again = Seen(3, parts)
    assert sift(again, [1, 2, 3], [10, 20, 30]).keep.tolist() == [False, True, False]
    assert memory.gone()
    assert Seen(3, parts).gone()


def test_nothing_is_rewritten_where_nothing_changed() -> None:
    memory = Seen(2, [pack(1, numbers(1, 2), numbers(10, 20))])
    sift(memory, [2, 1], [20, 10])
    assert memory.compacted() is None
    assert not memory.gone()


@contextmanager
def bounds(small: bool) -> Iterator[None]:
    """With `small`, let everything be merged, put into files and looked up in pieces at once."""
    names = ("RUNS", "HELD", "FILES", "CHUNK", "LOOKED_UP")
    before = {name: getattr(pairs, name) for name in names}
    try:
        for name in names if small else ():
            setattr(pairs, name, {"RUNS": 1, "HELD": 4, "FILES": 1, "CHUNK": 2, "LOOKED_UP": 2}[name])
        yield
    finally:
        for name, value in before.items():
            setattr(pairs, name, value)


DELIVERIES = st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), max_size=30), max_size=12)


@given(DELIVERIES, st.booleans())
def test_sifting_is_what_a_dictionary_says(pulls: list[list[tuple[int, int]]], small: bool) -> None:
    """Each inner list is a delivery; the first half of them is the pull before."""
    with bounds(small):
        check_sifting(pulls)


def check_sifting(pulls: list[list[tuple[int, int]]]) -> None:
    before = [pair for delivery in pulls[: len(pulls) // 2] for pair in delivery]
    body = pack(1, numbers(*(key for key, _ in before)), numbers(*(hash_ for _, hash_ in before)))
    memory = Seen(2, [body])
    met: dict[int, int] = {}
    for delivery in pulls[len(pulls) // 2 :]:
        found = sift(memory, [key for key, _ in delivery], [hash_ for _, hash_ in delivery])
        keep, differing = [], []
        for place, (key, hash_) in enumerate(delivery):
            repeated = met.get(key) == hash_
            if key in met and not repeated:
                differing.append(place)
            keep.append(not repeated and (key, hash_) not in before)
            met[key] = hash_
        assert found.keep.tolist() == keep
        assert found.differing.tolist() == differing
    now = [pair for delivery in pulls[len(pulls) // 2 :] for pair in delivery]
    assert memory.gone() == bool({key for key, _ in before} - {key for key, _ in now})
    kept = memory.compacted()
    if kept is not None:
        listed = [
            pair for body in kept for pair in zip(*(part.tolist() for part in seen.unpack(body)[1:]), strict=True)
        ]
        assert sorted(listed) == sorted(set(now))
    elif before:
        assert set(before) == set(now)


def test_a_hundred_thousand_pairs_in_files_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "HELD", 10_000)
    chance = np.random.default_rng(1)
    memory = Seen(1)
    keys = chance.integers(0, 1 << 63, 100_000).astype(np.uint64)
    for part in np.array_split(keys, 40):
        assert memory.sift(part, part, strict=True).keep.all()
    assert memory.now.files
    assert memory.sift(keys, keys, strict=True).repeated == 100_000
    assert len(memory.sift(keys, keys + np.uint64(1), strict=True).differing) == 100_000
    assert sum(len(some) for some, _ in memory.now.stream()) == memory.now.count == 200_000


def test_a_stream_knows_its_last_commits_only() -> None:
    memory = Recent(1)
    kept: dict[int, bytes] = {}
    for number in range(seen.RING + 2):
        keys, hashes = numbers(number), numbers(number + 1000)
        assert memory.sift(keys, hashes, strict=True).keep.all()
        place, body = memory.part(keys, hashes)
        kept[place] = body
        memory.committed(keys, hashes)
    again = Recent.of(2, kept.values())
    for remembered in (memory, again):
        assert sift(remembered, [0, 1, 2], [1000, 1001, 1002]).keep.tolist() == [True, True, False]


def test_a_stream_that_says_a_value_again_after_another_says_something_new() -> None:
    memory = Recent(1)
    assert sift(memory, [1, 1, 1, 1], [10, 10, 11, 10], strict=False).keep.tolist() == [True, False, True, True]
    assert sift(memory, [1, 1], [10, 11], strict=True).differing.tolist() == [1]
