"""Segments and blocks of source rows: what goes in comes out, and one entity's stretch is found."""

from typing import Any

import orjson
import pyarrow as pa

from landbridge.store import raw
from landbridge.store.segment import ROWS, SCHEMA, Said, SegmentRow, cut, cut_rows, iterate, rows_of, unpack, values_of


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


OPENING = '{"type":"Property","value":'
SAID = (
    Said("level", OPENING, "a", True, unit="u"),
    Said("place", OPENING, "b", False, tail="t", dataset="urn:d"),
    Said("name", OPENING, "c", True),
)


def readings(count: int) -> pa.Table:
    """Three source rows for each entity; of `place` every second one says something."""
    numbers = range(count)
    return pa.table(
        {
            "key": pa.array([number // 3 for number in numbers], pa.int64()),
            "observed": pa.array([None if number == 5 else number * 1_000_000 for number in numbers], pa.int64()),
            "row": pa.array([None if number == 7 else number for number in numbers], pa.int64()),
            "a": pa.array([None if number == 4 else number / 2 for number in numbers], pa.float64()),
            "u": pa.array(["GQ" if number % 2 else None for number in numbers]).dictionary_encode(),
            "b": pa.array([f"[{number}]" if number % 2 else None for number in numbers]),
            "t": pa.array([f',"sub":{number}' if number % 3 else "" for number in numbers]),
            "c": pa.array(['say "hi"' if number == 3 else f"n{number}" for number in numbers]),
        }
    )


def test_source_rows_come_back_as_instances() -> None:
    (segment,) = cut_rows(readings(12), SAID, 40, number=4, tenant="", kind=2, source="s", run=3)
    assert (segment.min_key, segment.max_key, segment.rows) == (0, 3, 11 + 6 + 12)
    assert (segment.min_time, segment.max_time) == (0, None)  # one has no time, so no reader may skip by time
    found = list(iterate(unpack(segment.body)))
    assert [row.ordinal for row in found] == list(range(40, 40 + segment.rows))
    assert found[0] == SegmentRow(
        0, "level", None, 0, 40, 0, "set", OPENING + '0.0,"observedAt":"1970-01-01T00:00:00Z"}'
    )
    assert found[3] == SegmentRow(
        0, "place", "urn:d", 1_000_000, 43, 1, "set",
        OPENING + '[1],"observedAt":"1970-01-01T00:00:01Z","datasetId":"urn:d","sub":1}',
    )  # fmt: skip
    assert [row.instance for row in found if row.row == 5] == [
        OPENING + '2.5,"unitCode":"GQ"}',
        OPENING + '[5],"datasetId":"urn:d","sub":5}',
        OPENING + '"n5"}',
    ]
    assert [row.attribute for row in found if row.key == 1 and row.row == 4] == ["name"]  # the others say nothing there


def test_one_entity_of_source_rows_is_found() -> None:
    segments = list(cut_rows(readings(2 * ROWS + 3), SAID, 0, number=1, tenant="", kind=1, source="s", run=1))
    every = [row for segment in segments for row in iterate(unpack(segment.body))]
    assert [row.ordinal for row in every] == list(range(len(every)))
    middle = segments[1]
    for key in (middle.min_key, middle.max_key, 3_000, 99_999):
        for attribute in (None, "level", "place", "none"):
            found = [row for segment in segments for row in rows_of(segment.body, key, attribute)]
            assert found == [row for row in every if row.key == key and attribute in (None, row.attribute)]


def test_the_values_of_an_attribute_are_found_in_both_forms() -> None:
    forms = [
        next(cut_rows(readings(12), SAID, 7, number=1, tenant="", kind=1, source="s", run=1)),
        next(cut(table(12), number=1, tenant="", kind=1, source="s", run=1)),
    ]
    for segment, attributes in zip(forms, (("level", "place", "name", "none"), ("a", "b", "none")), strict=True):
        for attribute in attributes:
            every = [row for row in iterate(unpack(segment.body)) if row.attribute == attribute]
            keys = sorted({row.key for row in every})[::2]
            wanted = [row for row in every if row.key in keys]
            found = values_of(segment.body, attribute, keys).to_pylist()
            assert [(one["key"], one["observed"], one["ordinal"]) for one in found] == [
                (row.key, row.observed, row.ordinal) for row in wanted
            ]
            for one, row in zip(found, wanted, strict=True):
                whole = None if row.instance is None else orjson.loads(row.instance)
                said = None if one["instance"] is None else orjson.loads(one["instance"])
                assert (said and said["value"]) == (whole and whole["value"])


def test_a_source_row_is_found_with_its_place() -> None:
    numbers = list(range(10, 10 + raw.ROWS + 1))
    rows = pa.RecordBatch.from_pydict({"code": [str(number) for number in numbers], "_row": numbers})
    blocks = list(raw.blocks(rows, numbers, ["a.csv"] * len(numbers), "line", [n + 1 for n in numbers], "m.sql"))
    assert [(first, last) for first, last, _ in blocks] == [(10, 9 + raw.ROWS), (10 + raw.ROWS, 10 + raw.ROWS)]
    assert raw.find_row(blocks[0][2], 12) == raw.RawRow("a.csv line 13", "m.sql", {"code": "12"})
    assert raw.find_row(blocks[0][2], 9) is None
