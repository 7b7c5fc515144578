"""Evolutions on their way in: every form of an attribute over time, and what is refused with the member's name."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landbridge.errors import InvalidEntity
from landbridge.model.chapter import parse_single, parse_temporal, parse_temporal_fragment
from landbridge.model.instant import parse_instant
from landbridge.model.terms import Contexts

TERMS = Contexts().core
SPEED = TERMS.expand("speed")
NULL = "urn:ngsi-ld:null"
T0, T1 = "2020-08-01T12:03:00Z", "2020-08-01T12:05:00Z"


def body(**members: Any) -> dict[str, Any]:
    return {"id": "urn:x:1", "type": "Vehicle"} | members


def speeds(given: Any) -> list[dict[str, Any]]:
    return list(parse_temporal(body(speed=given), TERMS).attrs[SPEED])


def test_instances_of_one_dataset_may_be_many() -> None:
    told = [{"type": "Property", "value": value, "observedAt": time} for value, time in ((120, T0), (80, T1), (80, T1))]
    assert speeds(told) == told


def test_one_instance_stands_alone_and_concise() -> None:
    assert speeds({"value": 120, "observedAt": T0}) == [{"type": "Property", "value": 120, "observedAt": T0}]
    assert speeds(120) == [{"type": "Property", "value": 120}]


def test_what_the_pool_says_of_an_instance_is_not_taken() -> None:
    told = {"type": "Property", "value": 1, "observedAt": T0}
    own = {"instanceId": "urn:i:1", "createdAt": T0, "modifiedAt": T0, "deletedAt": T0}
    assert speeds([told | own]) == [told]


@pytest.mark.parametrize(
    ("instance", "kind"),
    [
        ({"type": "Property", "value": NULL}, "Property"),
        ({"type": "Relationship", "object": NULL}, "Relationship"),
        ({"type": "LanguageProperty", "languageMap": {"@none": NULL}}, "LanguageProperty"),
    ],
)
def test_a_null_says_that_it_was_deleted_then(instance: dict[str, Any], kind: str) -> None:
    assert speeds([instance | {"observedAt": T0}]) == [{"type": kind, "value": NULL, "observedAt": T0}]


def test_pairs_of_values_and_times() -> None:
    assert speeds({"type": "Property", "values": [[120, T0], [80, T1]], "datasetId": "urn:d:1"}) == [
        {"type": "Property", "value": 120, "observedAt": T0, "datasetId": "urn:d:1"},
        {"type": "Property", "value": 80, "observedAt": T1, "datasetId": "urn:d:1"},
    ]
    assert speeds({"type": "ListRelationship", "objectLists": [[["urn:a:1"], T0]]}) == [
        {"type": "ListRelationship", "objectList": [{"object": "urn:a:1"}], "observedAt": T0}
    ]
    assert speeds({"type": "LanguageProperty", "languageMaps": [[{"languageMap": {"en": "a"}}, T0]]}) == [
        {"type": "LanguageProperty", "languageMap": {"en": "a"}, "observedAt": T0}
    ]


def test_the_scope_plain_and_over_time() -> None:
    assert parse_temporal(body(scope=["/A", "/B"]), TERMS).scopes == ((None, ["/A", "/B"]),)
    told = [
        {"type": "Property", "value": "/A", "observedAt": T0},
        {"type": "Property", "value": NULL, "observedAt": T1},
    ]
    expected = ((parse_instant(T0), ["/A"]), (parse_instant(T1), []))
    assert parse_temporal(body(scope=told), TERMS).scopes == expected
    assert parse_temporal(body(scope={"type": "Property", "values": [["/A", T0], [[], T1]]}), TERMS).scopes == expected


@pytest.mark.parametrize(
    ("members", "where"),
    [
        ({"speed": []}, "speed"),
        ({"speed": [{"type": "Property"}]}, "speed"),
        ({"speed": [{"type": "Speed", "value": 1}]}, "speed.type"),
        ({"speed": [{"type": "Property", "value": 1, "observedAt": "2026-03-01T02:00:00+03:00"}]}, "speed.observedAt"),
        ({"speed": {"type": "Property", "values": [[1]]}}, "speed.values"),
        ({"speed": {"type": "Property", "values": [[1, "now"]]}}, "speed.observedAt"),
        ({"speed": {"type": "Property", "objects": [["urn:a:1", T0]]}}, "speed"),
        ({"location": [{"type": "Property", "value": 1}]}, "location"),
        ({"expiresAt": NULL}, "expiresAt"),
        ({"scope": [{"type": "Relationship", "object": "urn:a:1"}]}, "scope"),
        ({"observedAt": T0}, "observedAt"),
        ({"id": "x"}, "id"),
        ({"type": None}, "type"),
    ],
)
def test_what_is_refused_is_named(members: dict[str, Any], where: str) -> None:
    with pytest.raises(InvalidEntity) as caught:
        parse_temporal(body(**members), TERMS)
    assert caught.value.where == where


def test_a_fragment_has_something_to_add() -> None:
    assert parse_temporal_fragment("urn:x:1", {"speed": [{"value": 1}]}, TERMS).attrs[SPEED]
    assert parse_temporal_fragment("urn:x:1", {"type": ["Vehicle", "Truck"]}, TERMS).types
    with pytest.raises(InvalidEntity):
        parse_temporal_fragment("urn:x:1", {}, TERMS)


@pytest.mark.parametrize(
    "wrap", [lambda one: one, lambda one: [one], lambda one: {"speed": [one]}, lambda one: {"speed": one}]
)
def test_the_instance_of_a_change_stands_alone_or_under_its_name(wrap: Any) -> None:
    told = {"type": "Property", "value": 129, "observedAt": T0}
    assert parse_single(wrap(told), TERMS, "speed") == told


@pytest.mark.parametrize(
    "given", [[], [{"value": 1}, {"value": 2}], {"speed": []}, {"type": "Property", "value": NULL}]
)
def test_a_change_is_of_one_instance(given: Any) -> None:
    with pytest.raises(InvalidEntity):
        parse_single(given, TERMS, "speed")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.sampled_from([NULL, T0, "Property", "/A"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "value", "values", "object", "observedAt", "scope", "a"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["id", "type", "scope", "speed", "expiresAt", "@type"]), JSON))
def test_any_json_is_read_or_refused(given: dict[str, Any]) -> None:
    try:
        chapter = parse_temporal(given, TERMS)
    except InvalidEntity:
        return
    assert chapter.id and chapter.types
