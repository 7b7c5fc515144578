"""The memory of what a source sent: unchanged, repeated and contradicting rows, across runs and kills."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from landbridge.pool import seen
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
    parts = memory.compacted()
    assert parts is not None
    again = Seen(3, parts)
    assert sift(again, [1, 2, 3], [10, 20, 30]).keep.tolist() == [False, True, False]
    assert memory.gone()
    assert Seen(3, parts).gone()


def test_nothing_is_rewritten_where_nothing_changed() -> None:
    memory = Seen(2, [pack(1, numbers(1, 2), numbers(10, 20))])
    sift(memory, [2, 1], [20, 10])
    assert memory.compacted() is None
    assert not memory.gone()


@given(st.lists(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2)), max_size=30), max_size=12), st.booleans())
def test_sifting_is_what_a_dictionary_says(pulls: list[list[tuple[int, int]]], merged: bool) -> None:
    """Each inner list is a delivery; the first half of them is the pull before."""
    before = [pair for delivery in pulls[: len(pulls) // 2] for pair in delivery]
    body = pack(1, numbers(*(key for key, _ in before)), numbers(*(hash_ for _, hash_ in before)))
    memory = Seen(2, [body])
    met: dict[int, int] = {}
    for delivery in pulls[len(pulls) // 2 :]:
        if merged and memory.now.runs:
            memory.now.runs = [memory.now.merged()]
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
