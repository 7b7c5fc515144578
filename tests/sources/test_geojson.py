"""GeoJSON files as a source, and the cutting of JSON documents into records that it rests on."""

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landbridge.errors import Invalid, InvalidSettings, LandbridgeError, TooMuch
from landbridge.sources.contract import Batch, Declaration
from landbridge.sources.file import FileSource
from landbridge.sources.geojson import open_source
from landbridge.sources.json_scanner import DEEPEST, Scanner

DATA = Path(__file__).parents[1] / "data" / "geojson"
POINT = {"type": "Point", "coordinates": [117.5, 39.0]}


def opened(folder: Path, location: str, **options: Any) -> FileSource:
    source = open_source(Declaration("shapes", "geojson", folder, {"location": location, **options}))
    assert isinstance(source, FileSource)
    return source


def read(folder: Path, content: str | bytes, **options: Any) -> list[Batch]:
    (folder / "x.geojson").write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(opened(folder, "x.geojson", **options).batches(None))


def rows(batches: list[Batch]) -> list[dict[str, Any]]:
    return [row for batch in batches for row in batch.rows.to_pylist()]


def feature(properties: Any = None, geometry: Any = POINT, **more: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": properties, "geometry": geometry, **more}


def collection(*features: Any, **more: Any) -> str:
    return json.dumps({"type": "FeatureCollection", **more, "features": features})


def test_a_real_register() -> None:
    source = opened(DATA, "charlotte_hospitals.geojson")
    (batch,) = source.batches(None)
    assert batch.rows.num_rows == 7
    first = batch.rows.to_pylist()[0]
    assert first["name"] == "Presbyterian Hospital" and first["zipcode"] == 28204 and first["_id"] is None
    assert json.loads(first["geometry"]) == {"type": "Point", "coordinates": [-80.824491, 35.211834]}
    assert (batch.unit, batch.numbers.to_pylist() if batch.numbers else None) == ("feature", [*range(1, 8)])
    assert list(source.batches(batch.cursor)) == []  # nothing changed
    assert sum(one.rows.num_rows for one in opened(DATA, "charlotte_*.geojson").batches(None)) == 67


@pytest.mark.parametrize(
    "content",
    [
        collection(feature({"a": 1}), feature({"a": 2})),
        json.dumps({"features": [feature({"a": 1}), feature({"a": 2})], "bbox": [1, 2], "type": "FeatureCollection"}),
        "\n".join(json.dumps(feature({"a": n})) for n in (1, 2)),
        "".join("\x1e" + json.dumps(feature({"a": n})) + "\n" for n in (1, 2)),
        "\ufeff" + json.dumps(feature({"a": 1}), indent=2) + json.dumps(feature({"a": 2})),
    ],
)  # fmt: skip
def test_features_in_every_form(tmp_path: Path, content: str) -> None:
    assert [row["a"] for row in rows(read(tmp_path, content))] == [1, 2]


def test_a_bare_geometry_is_a_feature_without_properties(tmp_path: Path) -> None:
    (row,) = rows(read(tmp_path, json.dumps(POINT)))
    assert json.loads(row["geometry"]) == POINT


def test_columns_hold_what_all_features_have(tmp_path: Path) -> None:
    features = [feature({"n": n, "only": "x"} if n == 7 else {"n": n}) for n in range(25_000)]
    features.append(feature({"n": 0.5, "late": [1, {"b": None}]}))
    batches = read(tmp_path, collection(*features))
    assert len(batches) > 1
    assert {tuple(batch.rows.schema.names) for batch in batches} == {("geometry", "_id", "n", "only", "late")}
    assert {str(batch.rows.schema.field("n").type) for batch in batches} == {"double"}
    assert rows(batches)[-1]["late"] == '[1,{"b":null}]'


def test_properties_whose_names_are_taken(tmp_path: Path) -> None:
    (row,) = rows(
        read(tmp_path, collection(feature({"geometry": "g", "_id": 3, "Name": 1, "name": 2, "_row": 4}, id=9)))
    )
    assert json.loads(row.pop("geometry")) == POINT
    assert row == {"properties.geometry": "g", "properties._id": 3, "Name": 1, "name_2": 2, "_row_2": 4, "_id": "9"}


def test_broken_features_are_rejects(tmp_path: Path) -> None:
    esri = {"attributes": {}, "geometry": {}}
    broken = [
        "7",
        '{"type": "Feature" "x": 1}',
        json.dumps(esri),
        json.dumps(feature([1])),
        json.dumps(feature({}, {})),
    ]
    text = '{"type": "FeatureCollection", "features": [' + ",".join([json.dumps(feature({"a": 1})), *broken]) + "]}"
    (batch,) = read(tmp_path, text)
    assert [(reject.place, reject.reason) for reject in batch.rejects] == [
        ("x.geojson feature 2", "The feature is no object."),
        ("x.geojson feature 3", "The feature is no JSON: unexpected character, expected ',' or '}'."),
        ("x.geojson feature 4", "The object is no Feature (Esri's JSON, not GeoJSON)."),
        ("x.geojson feature 5", "The feature's properties are no object."),
        ("x.geojson feature 6", "The feature's geometry is none of GeoJSON's."),
    ]
    assert batch.rows.num_rows == 1 and "Feature" in str(batch.rejects[1].row["feature"])


def test_a_declared_kind_that_does_not_fit_is_a_reject(tmp_path: Path) -> None:
    (batch,) = read(tmp_path, collection(feature({"n": "12"}), feature({"n": "x"})), columns={"n": "integer"})
    assert batch.rows.column("n").to_pylist() == [12]
    assert batch.rejects[0].reason == "n is 'x', not integer"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "begins with nothing"),
        ("[]", r"begins with '\['"),
        ("<html>", "begins with '<'"),
        ('{"type": "Topology", "objects": {}}', "has the type 'Topology'"),
        ('{"a": 1, "b": [2]}', "has the members a, b"),
        ('{"type": "FeatureCollection"}', "has no features"),
        (collection(feature({"a": 1}), feature())[:-20], "ends too early"),
        (collection(feature({"a": 1}))[:-1], "ends too early"),
        (collection(feature({"a": 1})) + "x", "in place of the end of the file"),
        ('{"type": "FeatureCollection", "features": {}}', None),
        ('{"type": "FeatureCollection", "features": 3}', "in place of a list of records"),
        ('{"type": "FeatureCollection", "features": [1,,2]}', "comma too many"),
        (json.dumps(feature({"a": 1}))[:-9], "ends too early"),
    ],
)
def test_what_is_no_geojson_is_told(tmp_path: Path, content: str, said: str | None) -> None:
    if said is None:
        (batch,) = read(tmp_path, content)
        assert batch.rows.num_rows == 0 and len(batch.rejects) == 1
        return
    with pytest.raises(Invalid, match=said):
        read(tmp_path, content)


def test_no_features_are_a_batch_without_rows(tmp_path: Path) -> None:
    (batch,) = read(tmp_path, collection())
    assert (batch.rows.num_rows, batch.rows.schema.names) == (0, ["geometry", "_id"]) and batch.cursor


def test_depth_is_bounded(tmp_path: Path) -> None:
    with pytest.raises(TooMuch, match=f"deeper than {DEEPEST} levels"):
        read(tmp_path, collection(feature({"a": 1})).replace("117.5", "[" * 200_000 + "]" * 200_000))


def test_other_encodings_and_systems_are_noted(tmp_path: Path) -> None:
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::3857"}}
    text = json.dumps(
        {"type": "FeatureCollection", "crs": crs, "features": [feature({"名": "滨海新区"})] * 9}, ensure_ascii=False
    )
    (tmp_path / "g.geojson").write_bytes(text.encode("gb18030"))
    source = opened(tmp_path, "g.geojson")
    assert rows(list(source.batches(None)))[0]["名"] == "滨海新区"
    assert any("gb18030" in note for note in source.notes)
    assert sum("EPSG::3857" in note for note in source.notes) == 1
    with pytest.raises(InvalidSettings, match="no known one"):
        opened(tmp_path, "g.geojson", encoding="utf-99")


def test_a_large_file_is_read_in_bounded_memory(tmp_path: Path) -> None:
    one = json.dumps(feature({"name": "x" * 2_000, "n": 1}))
    with (tmp_path / "big.geojson").open("w") as file:
        file.write('{"type": "FeatureCollection", "features": [')
        for _ in range(15_000):
            file.write(one + ",")
        file.write(one + "]}")
    tracemalloc.start()
    count = sum(batch.rows.num_rows for batch in opened(tmp_path, "big.geojson").batches(None))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 15_001 and peak < 16_000_000 < (tmp_path / "big.geojson").stat().st_size / 1.9


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8) | st.sampled_from(['"', "\\", '\\"', "[{,", "]}"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4), max_leaves=15,
)  # fmt: skip


def cut(text: bytes, size: int) -> Iterator[bytes]:
    return iter([text[at : at + size] for at in range(0, len(text), size)])


@given(
    values=st.lists(JSON_VALUES, max_size=6),
    size=st.integers(1, 40),
    beside=st.dictionaries(st.text(max_size=3), JSON_VALUES, max_size=2),
    indent=st.sampled_from([None, 1]),
    plain=st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_cutting_a_document_is_the_same_as_parsing_it(
    values: list[Any], size: int, beside: dict[str, Any], indent: int | None, plain: bool
) -> None:
    document = {**{f"b{name}": value for name, value in beside.items()}, "r": {"x": [0, values]}, "z": beside}
    text = json.dumps(document, indent=indent, ensure_ascii=plain).encode()
    scanner = Scanner(cut(text, size), "f")
    assert [json.loads(one) for one in scanner.records(["r", "x", "1"])] == values
    scanner.end()
    objects = [{"v": value} for value in values]
    lines = "\n".join(json.dumps(one) for one in objects).encode()
    assert [json.loads(one) for one in Scanner(cut(lines, size), "f").sequence()] == objects


@given(
    st.binary(max_size=200) | st.text(alphabet='{}[]",:\\ 1ntefasypro', max_size=200).map(str.encode), st.integers(0, 3)
)
@settings(max_examples=400, deadline=None)
def test_whatever_is_in_the_file_only_our_errors_come_out(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, how: int
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    starts = [b"", b'{"type":"FeatureCollection","features":[', b'{"type":"Feature","properties":', b'{"features":']
    try:
        read(folder, starts[how] + content)
    except LandbridgeError as error:
        assert str(error)
