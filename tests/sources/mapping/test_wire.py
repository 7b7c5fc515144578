"""Rows go over the pipe as they are, whatever their types."""

import datetime

import pyarrow as pa
import pytest

from landbridge.sources.mapping.wire import pack, unpack

WORDS = pa.array(["a", None, "b", "a"]).dictionary_encode()
COLUMNS = {
    "texts": pa.array(["x" * 1_000, "", None, "é"]),
    "numbers": pa.array([1.5, None, 0.0, -1.0]),
    "truths": pa.array([True, None, False, True]),
    "times": pa.array([datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)] * 4, pa.timestamp("us", tz="UTC")),
    "words": WORDS,
    "lists of words": pa.ListArray.from_arrays(pa.array([0, 1, 1, 2, 4]), WORDS),
    "structs": pa.StructArray.from_arrays([WORDS, pa.array([1, 2, 3, 4])], names=["word", "number"]),
    "nothing": pa.nulls(4),
}


@pytest.mark.parametrize("names", [[name] for name in COLUMNS] + [list(COLUMNS), []])
@pytest.mark.parametrize("start", [0, 1, 4])
def test_what_is_packed_comes_back(names: list[str], start: int) -> None:
    rows = pa.table({name: COLUMNS[name] for name in names}).slice(start)
    assert unpack(pack(rows)).to_pydict() == rows.to_pydict()
    several = pa.concat_tables([rows, rows])
    assert unpack(pack(several)).to_pydict() == several.to_pydict()
    for batch in rows.to_batches():
        assert unpack(pack(batch)).to_pydict() == batch.to_pydict()
