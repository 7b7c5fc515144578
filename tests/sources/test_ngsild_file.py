"""Files of NGSI-LD entities as a source: each form, each kind of attribute, and the mapping that passes them on."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landbridge.errors import Invalid, LandbridgeError
from landbridge.model.column import plan_columns
from landbridge.sources.contract import ROW, Batch, Declaration
from landbridge.sources.file import FileSource
from landbridge.sources.mapping.mapper import open_mapper
from landbridge.sources.ngsild_file import open_source

DATA = Path(__file__).parents[1] / "data" / "smart_data_models"
SHAPE = {"type": "Point", "coordinates": [117.5, 39.0]}
NORMALIZED: dict[str, Any] = {
    "id": "urn:ngsi-ld:A:1", "type": "A", "scope": ["/a/b"], "@context": "https://example.org/c.jsonld",
    "createdAt": "2024-01-01T00:00:00Z",
    "pm25": {"type": "Property", "value": 12, "unitCode": "GQ", "observedAt": "2024-01-01T00:00:00Z",
             "accuracy": {"type": "Property", "value": 0.5, "unitCode": "P1"},
             "providedBy": {"type": "Relationship", "object": "urn:ngsi-ld:D:1"},
             "json": {"type": "Property", "value": "a sub-attribute called json"}},
    "refArea": {"type": "Relationship", "object": "urn:ngsi-ld:R:1"},
    "name": {"type": "LanguageProperty", "languageMap": {"zh": "滨海新区", "en": "Binhai"}},
    "category": {"type": "VocabProperty", "vocab": "sensor"},
    "raw": {"type": "JsonProperty", "json": {"a": [1]}},
    "list": {"type": "ListProperty", "valueList": [1, 2]},
    "refs": {"type": "ListRelationship", "objectList": [{"object": "urn:ngsi-ld:R:1"}]},
    "location": {"type": "GeoProperty", "value": SHAPE},
    "address": {"type": "Property", "value": {"city": "Tianjin", "type": "PostalAddress"}},
}  # fmt: skip


def opened(folder: Path, location: str = "x.json", **options: Any) -> FileSource:
    source = open_source(Declaration("entities", "ngsild", folder, {"location": location, **options}))
    assert isinstance(source, FileSource)
    return source


def read(folder: Path, document: Any, **options: Any) -> list[Batch]:
    text = document if isinstance(document, str) else json.dumps(document)
    (folder / "x.json").write_text(text, "utf-8")
    return list(opened(folder, **options).batches(None))


def rows(batches: list[Batch]) -> list[dict[str, Any]]:
    """The rows without what they do not say."""
    found = [row for batch in batches for row in batch.rows.to_pylist()]
    return [{name: value for name, value in row.items() if value is not None} for row in found]


def test_every_kind_of_attribute_has_its_column(tmp_path: Path) -> None:
    (batch,) = read(tmp_path, NORMALIZED)
    assert rows([batch]) == [{
        "id": "urn:ngsi-ld:A:1", "type": "A", "scope": ["/a/b"],
        "pm25": 12, "pm25.unitCode": "GQ", "pm25.observedAt": "2024-01-01T00:00:00Z",
        "pm25.accuracy": 0.5, "pm25.accuracy.unitCode": "P1", "pm25.providedBy.object": "urn:ngsi-ld:D:1",
        "pm25.sub(json)": "a sub-attribute called json",
        "refArea.object": "urn:ngsi-ld:R:1", "name.languageMap": '{"zh":"滨海新区","en":"Binhai"}',
        "category.vocab": "sensor", "raw.json": '{"a":[1]}', "list.valueList": "[1,2]",
        "refs.objectList": '[{"object":"urn:ngsi-ld:R:1"}]',
        "location.geojson": '{"type":"Point","coordinates":[117.5,39.0]}',
        "address": '{"city":"Tianjin","type":"PostalAddress"}',
    }]  # fmt: skip
    plan = plan_columns(batch.rows.schema.names)
    assert len(plan.attributes) == 9 and plan.scope


def test_concise_and_simplified_entities_are_the_same_rows(tmp_path: Path) -> None:
    expected = rows(read(tmp_path, [NORMALIZED]))
    concise = {
        **NORMALIZED,
        **{name: {part: inner for part, inner in value.items() if part != "type"}
           for name, value in NORMALIZED.items() if isinstance(value, dict)},
        "pm25": {"value": 12, "unitCode": "GQ", "observedAt": "2024-01-01T00:00:00Z",
                 "accuracy": {"value": 0.5, "unitCode": "P1"}, "providedBy": {"object": "urn:ngsi-ld:D:1"},
                 "json": "a sub-attribute called json"},
        "location": SHAPE,
    }  # fmt: skip
    assert rows(read(tmp_path, concise)) == expected
    simplified = {
        "id": "urn:ngsi-ld:A:1", "type": "A", "pm25": 12, "refArea": "urn:ngsi-ld:R:1", "location": SHAPE,
        "name": {"languageMap": {"zh": "滨海新区"}}, "address": {"city": "Tianjin", "type": "PostalAddress"},
    }  # fmt: skip
    (row,) = rows(read(tmp_path, simplified, relationships=["refArea"]))
    assert row["refArea.object"] == "urn:ngsi-ld:R:1" and row["pm25"] == 12
    assert json.loads(row["location.geojson"]) == SHAPE and json.loads(row["address"])["city"] == "Tianjin"


def test_the_models_examples() -> None:
    (normalized,) = rows(list(opened(DATA, "AirQualityObserved.normalized.jsonld").batches(None)))
    (simplified,) = rows(list(opened(DATA, "AirQualityObserved.jsonld").batches(None)))
    assert normalized["co"] == 500 and normalized["co.unitCode"] == "GP" and "location.geojson" in normalized
    assert simplified["id"] == normalized["id"] and simplified["co"] == normalized["co"]
    assert sum(batch.rows.num_rows for batch in opened(DATA, "*.normalized.jsonld").batches(None)) >= 4


def test_further_instances_are_further_rows(tmp_path: Path) -> None:
    entity = {"id": "urn:x:1", "type": "A", "only": 1, "speed": [
        {"type": "Property", "value": 55}, {"type": "Property", "value": 54.5, "datasetId": "urn:gps"},
    ]}  # fmt: skip
    (batch,) = read(tmp_path, [entity, {"id": "urn:x:2", "type": "A", "only": [1, {"a": 2}]}])
    assert rows([batch]) == [
        {"id": "urn:x:1", "type": "A", "only": "1", "speed": 55.0},
        {"id": "urn:x:1", "type": "A", "speed": 54.5, "speed.datasetId": "urn:gps"},
        {"id": "urn:x:2", "type": "A", "only": '[1,{"a":2}]'},
    ]
    assert batch.numbers is not None and batch.numbers.to_pylist() == [1, 1, 2]


def test_a_mapping_passes_entities_on(tmp_path: Path) -> None:
    (batch,) = read(tmp_path, [NORMALIZED, {"id": "urn:ngsi-ld:A:2", "type": "A", "address": "text"}])
    names = [name for name in batch.rows.schema.names if name != "type"]
    columns = ", ".join('"' + name + '"' for name in names)
    (tmp_path / "mapping.sql").write_text(f"select 'A' as type, {columns} from source")
    with open_mapper(Declaration("entities", "ngsild", tmp_path, {})) as mapper:
        numbered = batch.rows.append_column(ROW, pa.array(range(batch.rows.num_rows), pa.int64()))
        found = [*mapper.feed("source", numbered), *mapper.flush(), *mapper.finish()]
    assert [reject for mapped in found for reject in mapped.rejects] == []
    made = [row for mapped in found for row in mapped.rows.to_pylist()]
    assert [row["id"] for row in made] == ["urn:ngsi-ld:A:1", "urn:ngsi-ld:A:2"]
    assert (made[0]["pm25"], json.loads(made[0]["address"])["city"], json.loads(made[1]["address"])) == (
        12,
        "Tianjin",
        "text",
    )
    readings = {attribute.name: attribute.value.reading for attribute in found[0].plan.attributes}
    assert readings["address"] == "json" and readings["pm25"] == "plain"


def test_where_the_entities_are(tmp_path: Path) -> None:
    one = {"id": "urn:x:1", "type": "A", "a": 1}
    for document, options in (
        ([one], {}),
        (json.dumps(one) + "\n" + json.dumps(one), {}),
        ({"type": "Notification", "data": [one]}, {"path": "data"}),
        ({"@context": [], "@graph": [{"@id": "urn:x:1", "@type": "A", "a": 1}]}, {"path": "@graph"}),
        ({"features": [
            {"id": "urn:x:1", "type": "Feature", "geometry": SHAPE, "properties": {"type": "A", "a": {"value": 1}}},
        ]}, {"path": "features"}),
    ):  # fmt: skip
        assert rows(read(tmp_path, document, **options))[0] == one


def test_columns_can_be_declared(tmp_path: Path) -> None:
    (batch,) = read(tmp_path, [{"id": "urn:x:1", "type": "A"}], attributes=["pm25", "pm25.unitCode"])
    assert batch.rows.schema.names == ["id", "type", "pm25", "pm25.unitCode"]
    (empty,) = read(tmp_path, [])
    assert empty.rows.num_rows == 0 and empty.cursor is not None


def test_entities_that_are_none_or_differ_are_rejects(tmp_path: Path) -> None:
    prop, link = {"type": "Property", "value": 1}, {"type": "Relationship", "object": "urn:y:1"}
    (batch,) = read(tmp_path, [
        {"id": "urn:x:1", "type": "A", "r": link}, {"id": "urn:x:2", "type": "A", "r": link},
        {"id": "urn:x:3", "type": "A", "r": prop}, {"type": "A"}, {"id": "urn:x:4"}, 7,
    ])  # fmt: skip
    assert batch.rows.num_rows == 2
    assert [(reject.place, reject.reason.split(";")[0]) for reject in batch.rejects] == [
        ("x.json entity 3", "r is written as 'r' here and as 'r.object' in most entities"),
        ("x.json entity 4", "The entity has no id."),
        ("x.json entity 5", "The entity has no type."),
        ("x.json entity 6", "The entity is no object."),
    ]


def test_what_a_row_cannot_say_is_noted(tmp_path: Path) -> None:
    deep = {
        "type": "Property",
        "value": 1,
        "sub": {"type": "Property", "value": 2, "observedAt": "2024-01-01T00:00:00Z"},
    }
    entity = {"id": "urn:x:1", "type": ["A", "B"], "https://x.y/z": 1, "Type": 3, "a": deep, "b": "urn:ngsi-ld:null"}
    source = opened(tmp_path)
    (tmp_path / "x.json").write_text(json.dumps([entity, entity]))
    list(source.batches(None))
    assert source.notes == [
        "x.json: an entity's further types are left out: B (2 times).",
        "x.json: the attribute 'https://x.y/z' is left out: a mapping has no column of that name (2 times).",
        "x.json: the attribute 'Type' is left out: a mapping has no column of that name (2 times).",
        "x.json: 'observedAt' of the sub-attribute 'a.sub' is left out: a mapping has one level (2 times).",
    ]


def test_names_that_sql_cannot_tell_apart_are_told(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="'co' and 'CO' differ in capitals alone"):
        read(tmp_path, [{"id": "urn:x:1", "type": "A", "co": 1, "CO": 2}])


MEMBERS = ["value", "object", "json", "vocab", "valueList", "languageMap", "unitCode", "observedAt", "datasetId"]
NAMES = st.sampled_from([*MEMBERS, "type", "a", "sub", "id", "coordinates", "scope", "@type", "@id", ""])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from(["urn:x:1", "Property"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=25,
)
ENTITY = st.fixed_dictionaries({"id": st.just("urn:x:1"), "type": st.just("A"), "p": VALUES, "q": VALUES})


@given(st.one_of(VALUES, st.lists(ENTITY, max_size=4)))
@settings(max_examples=300, deadline=None)
def test_whatever_the_entities_say_only_our_errors_come_out(
    tmp_path_factory: pytest.TempPathFactory, document: Any
) -> None:
    try:
        batches = read(tmp_path_factory.mktemp("fuzz"), document)
    except LandbridgeError as error:
        assert str(error)
        return
    for batch in batches:
        if batch.rows.num_rows:
            plan_columns(batch.rows.schema.names)
