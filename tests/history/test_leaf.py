"""Source rows as lines of the lake say just what the same rows say as a segment of the journal."""

from typing import Any

import orjson
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from landbridge.history.leaf import EXACT, Leaf, Stamped
from landbridge.model.entity import KINDS
from landbridge.model.instant import format_instant
from landbridge.store.segment import Form, Said, spelled

IDS = ["urn:x:a", "urn:x:b", "urn:x:ß"]
STAMPED = Stamped("t", 7, 1_700_000_000_000_000, "s", 3)
TIMES = st.integers(-(2**50), 2**50)
VALUES = {
    pa.float64(): st.floats(allow_nan=False, allow_infinity=False),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.bool_(): st.booleans(),
    pa.string(): st.text(max_size=8),
}
TAILS = [
    "",
    ',"accuracy":{"type":"Property","value":0.5}',
    ',"a":{"type":"Property","value":"ü"},"b":{"type":"Property","value":1}',
]


@st.composite
def leaves(draw: Any) -> Leaf:
    count = draw(st.integers(0, 12))
    columns: dict[str, pa.Array] = {
        "key": pa.array(sorted(draw(st.lists(st.integers(0, 2), min_size=count, max_size=count))), pa.int64()),
        "observed": pa.array(draw(st.lists(st.none() | TIMES, min_size=count, max_size=count)), pa.int64()),
        "row": pa.array(range(count), pa.int64()),
    }
    said = []
    for number, type_ in enumerate(draw(st.lists(st.sampled_from(list(VALUES)), min_size=1, max_size=3))):
        values = draw(st.lists(st.none() | VALUES[type_], min_size=count, max_size=count))
        columns[f"value {number}"] = pa.array(values, type_)
        columns[f"unit {number}"] = pa.array(
            draw(st.lists(st.none() | st.sampled_from(["GQ", "CEL"]), min_size=count, max_size=count)), pa.string()
        ).dictionary_encode()
        columns[f"tail {number}"] = pa.array(
            draw(st.lists(st.sampled_from(TAILS), min_size=count, max_size=count)), pa.string()
        )
        opening = '{"type":"Property","value":'
        dataset = draw(st.none() | st.just("urn:ngsi-ld:Dataset:s"))
        said.append(Said(f"n{number}", opening, f"value {number}", True, f"unit {number}", f"tail {number}", dataset))
    return Leaf(pa.table(columns), Form(tuple(said), 5), IDS)


def shown(line: dict[str, Any]) -> tuple[Any, ...]:
    """A line of the lake as the instance that it says, with what stands beside it."""
    value = {
        "number": line["number"],
        "integer": None if line["number"] is None else int(line["number"]),
        "boolean": None if line["number"] is None else bool(line["number"]),
        "text": line["text"],
        "json": orjson.loads(line["json"]) if line["json"] is not None else None,
    }[line["form"]]
    made: dict[str, Any] = {"type": line["kind"], KINDS[line["kind"]]: value}
    if line["unit"] is not None:
        made["unitCode"] = line["unit"]
    if line["timed"]:
        made["observedAt"] = format_instant(line["time"])
    if line["dataset"]:
        made["datasetId"] = line["dataset"]
    made |= orjson.loads(line["rest"] or "{}")
    return line["entity"], line["attribute"], line["dataset"], line["ordinal"], line["row"], made


def micros(table: pa.Table) -> list[dict[str, Any]]:
    table = table.set_column(table.column_names.index("time"), "time", table.column("time").cast(pa.int64()))
    return table.drop_columns(["recorded", "day", "until"]).to_pylist()


@given(leaves())
def test_a_leaf_says_what_its_segment_says(leaf: Leaf) -> None:
    lines = [line for _, table in leaf.lines(STAMPED) for line in micros(table)]
    expected = sorted(
        (IDS[row.key], row.attribute, row.dataset, row.ordinal, row.row, orjson.loads(row.instance or ""))
        for row in spelled(leaf.rows, leaf.form)
    ) if leaf.rows.num_rows else []  # fmt: skip
    found = [shown(line) for line in lines]
    assert sorted(found, key=lambda one: one[3]) == sorted(expected, key=lambda one: one[3])
    assert all((line["commit"], line["source"], line["run"], line["operation"]) == (7, "s", 3, "set") for line in lines)


def test_points_and_large_numbers_are_kept_whole() -> None:
    point = '{"type":"Point","coordinates":[117.5,-39.25]}'
    line = '{"type":"LineString","coordinates":[[1,2],[3,4]]}'
    rows = pa.table(
        {
            "key": [0, 1],
            "observed": pa.array([None, 1], pa.int64()),
            "row": [0, 1],
            "place": [point, line],
            "large": [EXACT + 1, EXACT],
        }
    )
    said = (
        Said("location", '{"type":"GeoProperty","value":', "place", False),
        Said("n", '{"type":"Property","value":', "large", True),
    )
    places, numbers = (table.to_pylist() for _, table in Leaf(rows, Form(said, 0), IDS).lines(STAMPED))
    assert [(one["lon"], one["lat"], one["json"]) for one in places] == [(117.5, -39.25, point), (None, None, line)]
    assert [(one["form"], one["number"], one["json"]) for one in numbers] == [
        ("json", None, str(EXACT + 1)),
        ("integer", float(EXACT), None),
    ]
    assert [(one["timed"], one["day"].isoformat()) for one in places] == [(False, "2023-11-14"), (True, "1970-01-01")]
