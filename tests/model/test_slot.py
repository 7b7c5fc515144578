"""What a slot and the place columns hold of an attribute."""

import pytest

from landbridge.model.slot import FALSE, LOOK, TRUE, Slot, slot_of, slot_value, where_of


def value(given: object) -> dict[str, object]:
    return {"type": "Property", "value": given}


@pytest.mark.parametrize(
    ("instance", "expected"),
    [
        (value(3), 3),
        (value(2.5), 2.5),
        (value("Binhai"), "Binhai"),
        (value(""), ""),
        (value(True), TRUE),
        (value(False), FALSE),
        (value(1 << 70), float(1 << 70)),
        (value("x" * 257), LOOK),
        (value([1]), LOOK),
        (value({"a": 1}), LOOK),
        ({"type": "Relationship", "object": "urn:x:1"}, "urn:x:1"),
        ({"type": "Relationship", "object": ["urn:x:1", "urn:x:2"]}, LOOK),
        ({"type": "VocabProperty", "vocab": "v"}, LOOK),
        ({"type": "JsonProperty", "json": None}, LOOK),
        ({"type": "LanguageProperty", "languageMap": {"en": "a"}}, LOOK),
        ({"type": "ListProperty", "valueList": [1]}, LOOK),
        ({"type": "ListRelationship", "objectList": []}, LOOK),
        ({"type": "GeoProperty", "value": {"type": "Point", "coordinates": [1, 2]}}, LOOK),
    ],
)
def test_a_slot_is_the_value_or_says_look(instance: dict[str, object], expected: Slot) -> None:
    assert slot_value(instance) == expected
    assert type(slot_value(instance)) is type(expected)
    assert slot_of([instance]) == expected
    assert slot_of([instance, {**instance, "datasetId": "urn:d:1"}]) == LOOK


def test_an_absent_attribute_has_no_slot() -> None:
    assert slot_of([]) is None


def geo(kind: str, coordinates: object) -> dict[str, object]:
    return {"type": "GeoProperty", "value": {"type": kind, "coordinates": coordinates}}


def test_one_point_is_a_place_and_all_else_a_box() -> None:
    assert where_of([]) == (None, None)
    assert where_of([value("somewhere")]) == (None, None)
    assert where_of([geo("Point", [117, 39, 4])]) == ((117.0, 39.0), None)
    assert where_of([geo("LineString", [[1, 2], [3, -4]])]) == (None, (1, -4, 3, 2))
    assert where_of([geo("Point", [1, 2]), geo("Point", [5, 0])]) == (None, (1, 0, 5, 2))
