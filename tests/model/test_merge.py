"""Partial updates and merges: the standard's examples, each kind, Nulls at each depth, JSON merge patch (RFC 7396)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landbridge.errors import InvalidEntity
from landbridge.model.attribute import parse_part
from landbridge.model.entity import NULL, Instance
from landbridge.model.merge import Merging, merged, patched, updated
from landbridge.model.parser import parse_attributes, parse_fragment
from landbridge.model.terms import Terms
from landbridge.model.value import Reading

CORE = Terms()
PLAIN = Merging(CORE)
POINT, LINE = {"type": "Point", "coordinates": [1, 2]}, {"type": "LineString", "coordinates": [[1, 2], [3, 4]]}


def instance(given: Any) -> Instance:
    (found,) = parse_attributes({"a": given}, CORE)["a"]
    return found


def merge(old: Any, part: Any, how: Merging = PLAIN, *, simplified: bool = False) -> Instance | None:
    """What a merge of `{"a": part}` makes of the attribute `old` (None: there is none)."""
    (read,) = parse_fragment({"a": part}, CORE, simplified=simplified, nulls=True, partial=True)["attrs"]["a"]
    return merged(None if old is None else instance(old), read, how, "a")


def update(old: Any, part: Any) -> Instance | None:
    return updated(instance(old), parse_part(part, Reading(CORE, nulls=True), "a"), "a")


FULL = {"type": "Property", "value": 25, "unitCode": "CEL", "observedAt": "2022-03-14T01:59:26.535Z",
        "accuracy": {"type": "Property", "value": 1, "by": {"type": "Relationship", "object": "urn:x:1"}}}  # fmt: skip


# -- partial update, 5.5.8


@pytest.mark.parametrize(
    ("part", "changed"),
    [
        ({"type": "Property", "value": 100, "observedAt": "2022-03-14T13:00:00.000Z"},
         {"value": 100, "observedAt": "2022-03-14T13:00:00.000Z"}),
        ({"value": 5}, {"value": 5}),
        ({"unitCode": "FAH"}, {"unitCode": "FAH"}),
        ({"unitCode": NULL}, {"unitCode": None}),
        ({"observedAt": NULL, "value": 3}, {"observedAt": None, "value": 3}),
        ({"accuracy": {"type": "Property", "value": 2}}, {"accuracy": {"type": "Property", "value": 2}}),
        ({"accuracy": NULL}, {"accuracy": None}),
        ({"accuracy": {"type": "Property", "value": NULL}}, {"accuracy": None}),
        ({"more": 7}, {"more": {"type": "Property", "value": 7}}),
        ({"value": {"b": 1}}, {"value": {"b": 1}}),
    ],
)  # fmt: skip
def test_a_partial_update_replaces_members_and_leaves_the_others(part: Any, changed: dict[str, Any]) -> None:
    wanted = {name: member for name, member in (FULL | changed).items() if member is not None}
    assert update(FULL, part) == wanted


@pytest.mark.parametrize(
    ("old", "part"),
    [
        (FULL, {"value": NULL}), (FULL, {"type": "Property", "value": NULL}),
        ({"object": "urn:x:1"}, {"type": "Relationship", "object": NULL}),
        ({"languageMap": {"en": "a"}}, {"languageMap": {"@none": NULL}}),
        ({"type": "GeoProperty", "value": POINT}, {"type": "GeoProperty", "value": NULL}),
        ({"vocab": "a"}, {"vocab": NULL}), ({"json": {}}, {"json": NULL}), ({"valueList": []}, {"valueList": NULL}),
        ({"objectList": []}, {"objectList": NULL}),
    ],
)  # fmt: skip
def test_a_null_value_deletes_the_instance(old: Any, part: Any) -> None:
    assert update(old, part) is None
    assert merge(old, part) is None


@pytest.mark.parametrize(
    ("old", "part"),
    [
        (FULL, {"type": "Relationship", "object": "urn:x:1"}), (FULL, {"object": "urn:x:1"}),
        ({"object": "urn:x:1"}, {"value": 1}), (FULL, {}), (FULL, {"datasetId": NULL}),
        (FULL, {"value": {"b": NULL}}), ({"type": "GeoProperty", "value": POINT}, {"value": 5}),
        ({"object": "urn:x:1"}, {"object": "no uri"}), (FULL, {"type": "Prperty"}), (FULL, {"createdAt2": None}),
    ],
)  # fmt: skip
def test_what_a_partial_update_refuses(old: Any, part: Any) -> None:
    with pytest.raises(InvalidEntity):
        update(old, part)


# -- merge, 5.5.12


@pytest.mark.parametrize(
    ("old", "part", "wanted"),
    [
        (FULL, {"value": 5}, FULL | {"value": 5}),
        (FULL, {"type": "Property", "unitCode": "FAH"}, FULL | {"unitCode": "FAH"}),
        (FULL, {"unitCode": NULL}, {name: FULL[name] for name in FULL if name != "unitCode"}),
        (FULL, {"accuracy": {"value": 2}}, FULL | {"accuracy": FULL["accuracy"] | {"value": 2}}),
        (FULL, {"accuracy": {"type": "Property", "by": NULL}}, FULL | {"accuracy": {"type": "Property", "value": 1}}),
        (FULL, {"type": "Property", "accuracy": NULL}, {name: FULL[name] for name in FULL if name != "accuracy"}),
        ({"value": {"accuracy": 1, "b": 2}}, {"accuracy": NULL}, {"value": {"b": 2}}),
        (FULL, 7, FULL | {"value": 7}),
        ({"value": {"b": 1, "c": {"d": 2, "e": 3}}}, {"value": {"b": NULL, "c": {"d": 4}}},
         {"value": {"c": {"d": 4, "e": 3}}}),
        ({"value": {"b": 1}}, {"value": [1]}, {"value": [1]}),
        ({"value": 1}, {"value": {"b": {"c": NULL, "d": 1}}}, {"value": {"b": {"d": 1}}}),
        ({"json": {"b": 1, "c": 2}}, {"json": {"b": NULL, "d": None}}, {"json": {"c": 2, "d": None}}),
        ({"languageMap": {"en": "a", "fr": "b"}}, {"languageMap": {"fr": NULL, "zh": "c"}},
         {"languageMap": {"en": "a", "zh": "c"}}),
        ({"languageMap": {"en": "a"}}, {"languageMap": {"en": NULL}}, None),
        ({"type": "GeoProperty", "value": POINT}, {"value": LINE}, {"type": "GeoProperty", "value": LINE}),
        ({"object": "urn:x:1"}, {"object": ["urn:x:2"]}, {"object": ["urn:x:2"]}),
        ({"value": 1, "unitCode": "CEL"}, {"type": "Relationship", "object": "urn:x:1"}, {"object": "urn:x:1"}),
        ({"value": 1, "unitCode": "CEL"}, {"object": "urn:x:1"}, {"object": "urn:x:1"}),
        (None, {"value": {"b": NULL, "c": 1}, "unitCode": NULL, "sub": NULL}, {"value": {"c": 1}}),
        (None, {"value": 1, "sub": {"value": 2, "unitCode": "X"}}, {"value": 1, "sub": {"value": 2, "unitCode": "X"}}),
        (None, NULL, None), (FULL, NULL, None),
    ],
)  # fmt: skip
def test_a_merge_goes_down_to_the_members_of_values(old: Any, part: Any, wanted: Any) -> None:
    assert merge(old, part) == (None if wanted is None else instance(wanted))


def test_instances_of_sub_attributes_are_merged_each_with_its_own() -> None:
    old = {"value": 1, "sub": [{"value": 1}, {"value": 2, "datasetId": "urn:d:1"}]}
    part = {"sub": [{"value": 5, "datasetId": "urn:d:1"}, {"value": 6, "datasetId": "urn:d:2"}]}
    (read,) = parse_fragment({"a": part}, CORE, nulls=True, partial=True)["attrs"]["a"]
    new = merged(instance(old), read, PLAIN, "a")
    assert new is not None
    assert {one.get("datasetId"): one["value"] for one in new["sub"]} == {None: 1, "urn:d:1": 5, "urn:d:2": 6}


@pytest.mark.parametrize(
    ("old", "part", "where"),
    [
        (None, {"unitCode": "CEL"}, "a"), (None, {"type": "Property"}, "a"),
        (FULL, {"type": "Relationship", "unitCode": "CEL"}, "a.unitCode"),
        ({"type": "GeoProperty", "value": POINT}, {"value": 5}, "a"),
        (FULL, {"type": "Property", "object": "urn:x:1"}, "a"),
        (FULL, {"type": "Property", "new": {"unitCode": "CEL"}}, "a.new"),
    ],
)  # fmt: skip
def test_what_a_merge_refuses(old: Any, part: Any, where: str) -> None:
    with pytest.raises(InvalidEntity) as refused:
        merge(old, part)
    assert refused.value.where == where


def test_the_observed_time_of_a_merge_goes_to_what_had_one() -> None:
    how = Merging(CORE, "2030-01-01T00:00:00Z")
    assert merge(FULL, {"value": 1}, how) == FULL | {"value": 1, "observedAt": "2030-01-01T00:00:00Z"}
    own = {"value": 1, "observedAt": "2029-01-01T00:00:00Z"}
    assert merge(FULL, own, how) == FULL | own
    assert merge({"value": 1}, {"value": 2}, how) == instance(2)


@pytest.mark.parametrize(
    ("old", "part", "wanted"),
    [
        ({"object": "urn:x:1"}, "urn:x:2", {"object": "urn:x:2"}),
        ({"languageMap": {"en": "a", "fr": "b"}}, "c", {"languageMap": {"en": "a", "fr": "c"}}),
        ({"vocab": "a"}, "b", {"vocab": "b"}), ({"json": {"a": 1}}, {"b": 2}, {"json": {"a": 1, "b": 2}}),
        ({"valueList": [1]}, [2], {"valueList": [2]}),
        ({"objectList": ["urn:x:1"]}, ["urn:x:2"], {"objectList": ["urn:x:2"]}),
        ({"type": "GeoProperty", "value": POINT}, LINE, {"type": "GeoProperty", "value": LINE}),
        ({"value": 1, "unitCode": "CEL"}, 2, {"value": 2, "unitCode": "CEL"}),
        (None, "urn:x:2", {"value": "urn:x:2"}), (None, {"vocab": "b"}, {"vocab": "b"}),
    ],
)  # fmt: skip
def test_a_simplified_value_has_the_kind_of_what_is_there(old: Any, part: Any, wanted: Any) -> None:
    new = merge(old, part, Merging(CORE, language="fr"), simplified=True)
    assert new is not None
    assert {name: member for name, member in new.items() if name != "@simple"} == instance(wanted)


def test_a_simplified_value_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InvalidEntity):
        merge({"object": "urn:x:1"}, "no uri", simplified=True)


def plain_patch(target: Any, patch: Any) -> Any:
    """RFC 7396's own program, with the NGSI-LD Null for null."""
    if not isinstance(patch, dict):
        return patch
    if not isinstance(target, dict):
        target = {}
    for name, value in patch.items():
        if value == NULL:
            if name in target:
                del target[name]
        else:
            target[name] = plain_patch(target.get(name), value)
    return target


names = st.sampled_from("abc")
values = st.recursive(
    st.integers(0, 3) | st.text("xy", max_size=2),
    lambda one: st.lists(one, max_size=2) | st.dictionaries(names, one, max_size=3),
    max_leaves=8,
)
patches = st.recursive(
    st.integers(0, 3) | st.just(NULL), lambda one: st.dictionaries(names, one, max_size=3), max_leaves=8
)


@given(values, patches.filter(lambda patch: patch != NULL))
def test_values_are_merged_as_rfc_7396_says_and_what_was_there_stays_untouched(old: Any, patch: Any) -> None:
    before = repr(old)
    new = patched(old, patch)
    assert repr(old) == before
    assert new == plain_patch(old, patch)
