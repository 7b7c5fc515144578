"""The memory of what a source has sent keeps the order of its parts however these are merged."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from landbridge.pool import seen

rows = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), min_size=1, max_size=6)


@given(parts=st.lists(rows, max_size=30), settled=st.integers(1, 20))
def test_pairs_know_what_a_list_knows(parts: list[list[tuple[int, int]]], settled: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seen, "SETTLED", settled)
        patch.setattr(seen, "RUNS", 2)
        pairs, told = seen.Pairs(), []
        for part in parts:
            told += sorted(part, key=lambda pair: pair[0])
            ordered = sorted(part, key=lambda pair: pair[0])
            pairs.add(*(np.array(column, np.uint64) for column in zip(*ordered, strict=True)))
    keys = np.arange(10, dtype=np.uint64)
    known, latest = pairs.latest(keys)
    last = dict(told)
    assert known.tolist() == [key in last for key in range(10)]
    assert [int(one) for one, there in zip(latest, known, strict=True) if there] == [last[k] for k in sorted(last)]
    for hash_ in range(4):
        held = pairs.holds(keys, np.full(10, hash_, np.uint64))
        assert held.tolist() == [(key, hash_) in told for key in range(10)]
    assert len(pairs.merged()[0]) == len(told)
