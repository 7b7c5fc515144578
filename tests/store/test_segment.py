"""Segments and blocks of source rows: what goes in comes out, and one entity's stretch is found."""

from typing import Any

import pyarrow as pa

from landbridge.store import raw
from landbridge.store.segment import ROWS, SCHEMA, SegmentRow, cut, iterate, rows_of, unpack


def table(count: int) -> pa.Table:
    keys = [number // 3 for number in range(count)]
    columns = [
        keys,
        [("a", "b", "b")[number % 3] for number in range(count)],
        [None if number % 2 else "urn:d" for number in range(count)],
        [None if number == 5 else number for number in range(count)],
        list(range(count)),
        [None if number == 7 else number for number in range(count)],
        ["delete" if number == 9 else "set" for number in range(count)],
        [None if number == 9 else f'{{"value":{number}}}' for number in range(count)],
    ]
    arrays = [array(values, field.type) for values, field in zip(columns, SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, names=SCHEMA.names)


def array(values: list[Any], of: pa.DataType) -> pa.Array:
    return pa.array(values, pa.string()).dictionary_encode() if pa.types.is_dictionary(of) else pa.array(values, of)


def test_rows_come_back_as_they_went_in() -> None:
    (segment,) = cut(table(12), number=4, tenant="", kind=2, source="s", run=3)
    assert (segment.min_key, segment.max_key, segment.rows) == (0, 3, 12)
    assert (segment.min_time, segment.max_time) == (0, None)  # one has no time, so no reader may skip by time
    found = list(iterate(unpack(segment.body)))
    assert found[5] == SegmentRow(1, "b", None, None, 5, 5, "set", '{"value":5}')
    assert found[9] == SegmentRow(3, "a", None, 9, 9, 9, "delete", None)


def test_one_entity_and_attribute_is_found() -> None:
    (segment,) = cut(table(12), number=4, tenant="", kind=2, source="s", run=3)
    assert [row.ordinal for row in rows_of(segment.body, 2)] == [6, 7, 8]
    assert [row.ordinal for row in rows_of(segment.body, 2, "b")] == [7, 8]
    assert list(rows_of(segment.body, 2, "none")) == []
    assert list(rows_of(segment.body, 99)) == []


def test_many_rows_make_several_segments_in_the_order_of_keys() -> None:
    segments = list(cut(table(2 * ROWS + 3), number=1, tenant="t", kind=1, source="s", run=1))
    assert [segment.rows for segment in segments] == [ROWS, ROWS, 3]
    assert segments[0].max_key <= segments[1].min_key
    assert segments[1].max_time == 2 * ROWS - 1


def test_a_source_row_is_found_with_its_place() -> None:
    numbers = list(range(10, 10 + raw.ROWS + 1))
    rows = pa.RecordBatch.from_pydict({"code": [str(number) for number in numbers], "_row": numbers})
    blocks = list(raw.blocks(rows, numbers, ["a.csv"] * len(numbers), "line", [n + 1 for n in numbers], "m.sql"))
    assert [(first, last) for first, last, _ in blocks] == [(10, 9 + raw.ROWS), (10 + raw.ROWS, 10 + raw.ROWS)]
    assert raw.find_row(blocks[0][2], 12) == raw.RawRow("a.csv line 13", "m.sql", {"code": "12"})
    assert raw.find_row(blocks[0][2], 9) is None
