"""Evolutions in each form, what has expired left out, and pages of instances with one end for all series."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landbridge.api.ngsild.temporal_page import cut, range_headers
from landbridge.api.ngsild.temporal_question import read_question, read_temporal
from landbridge.api.ngsild.temporal_shown import show, without_expired
from landbridge.model.chapter import parse_temporal
from landbridge.model.instant import format_instant, parse_instant
from landbridge.model.query import Query
from landbridge.model.temporal import Bucket, Evolution, Moment, Span, TemporalQuery
from landbridge.model.terms import Contexts

TERMS = Contexts().core
SECOND = 1_000_000
START = parse_instant("2020-08-01T12:00:00Z")


def at(second: int) -> str:
    return format_instant(START + second * SECOND)


def moment(second: int, instance: dict[str, Any] | None, dataset: str | None = None, **changed: Any) -> Moment:
    """An instance that was observed that many seconds after the start, and recorded a day later."""
    time = START + second * SECOND
    if instance is not None:
        instance = instance | {"observedAt": format_instant(time)}
    found = Moment(time, time, time + 86_400 * SECOND, 7, second, "api", dataset, instance)
    return found._replace(**changed)


def number(second: int, value: Any, **told: Any) -> Moment:
    return moment(second, {"type": "Property", "value": value}, **told)


def shown(evolution: Evolution, **given: str) -> dict[str, Any]:
    return show(evolution, read_temporal(given, TERMS, "", "application/json"))


def lamp(**attrs: list[Moment]) -> Evolution:
    return Evolution("urn:l:1", (TERMS.expand("Lamp"),), attrs={TERMS.expand(name): one for name, one in attrs.items()})


def test_normalized_instances_have_their_names() -> None:
    found = shown(lamp(power=[number(0, 40), number(1, 41)]))
    assert found == {
        "id": "urn:l:1",
        "type": "Lamp",
        "power": [
            {"type": "Property", "value": 40, "observedAt": at(0), "instanceId": "urn:ngsi-ld:Instance:7-0"},
            {"type": "Property", "value": 41, "observedAt": at(1), "instanceId": "urn:ngsi-ld:Instance:7-1"},
        ],
    }


def test_concise_instances_drop_what_is_understood() -> None:
    found = shown(
        lamp(power=[number(0, 40)], owner=[moment(0, {"type": "Relationship", "object": "urn:p:1"})]), format="concise"
    )
    assert found["power"] == [{"value": 40, "observedAt": at(0), "instanceId": "urn:ngsi-ld:Instance:7-0"}]
    assert found["owner"] == [{"object": "urn:p:1", "observedAt": at(0), "instanceId": "urn:ngsi-ld:Instance:7-0"}]


def test_system_times_are_those_of_the_pool_and_of_a_change() -> None:
    first = number(0, 40)
    changed = moment(
        0, {"type": "Property", "value": 39, "instanceId": first.name, "createdAt": format_instant(first.recorded)},
        number=9, ordinal=0, recorded=first.recorded + SECOND,
    )  # fmt: skip
    (one,) = shown(lamp(power=[changed]), options="sysAttrs")["power"]
    assert one["instanceId"] == "urn:ngsi-ld:Instance:7-0"
    assert one["createdAt"] == format_instant(first.recorded)
    assert one["modifiedAt"] == format_instant(first.recorded + SECOND)
    assert "createdAt" not in shown(lamp(power=[changed]))["power"][0]


@pytest.mark.parametrize(
    ("instance", "member", "value"),
    [
        ({"type": "Property", "value": {"a": 1}}, "values", {"a": 1}),
        (
            {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [1, 2]}},
            "values",
            {"type": "Point", "coordinates": [1, 2]},
        ),
        ({"type": "Relationship", "object": ["urn:a:1", "urn:a:2"]}, "objects", ["urn:a:1", "urn:a:2"]),
        ({"type": "LanguageProperty", "languageMap": {"en": "yes"}}, "languageMaps", {"languageMap": {"en": "yes"}}),
        ({"type": "VocabProperty", "vocab": "Male"}, "vocabs", {"vocab": "Male"}),
        ({"type": "JsonProperty", "json": [{"id": 1}]}, "jsons", {"json": [{"id": 1}]}),
        ({"type": "ListProperty", "valueList": [1, 2]}, "valueLists", [1, 2]),
        ({"type": "ListRelationship", "objectList": [{"object": "urn:a:1"}]}, "objectLists", ["urn:a:1"]),
    ],
)
def test_simplified_pairs_of_each_kind(instance: dict[str, Any], member: str, value: Any) -> None:
    found = shown(lamp(power=[moment(0, instance), moment(1, instance)]), options="temporalValues")
    assert found["power"] == {"type": instance["type"], member: [[value, at(0)], [value, at(1)]]}


def test_what_was_shown_simplified_can_be_given_so() -> None:
    chapter = parse_temporal(
        shown(
            lamp(
                power=[number(0, 40), number(1, 41)],
                name=[moment(0, {"type": "LanguageProperty", "languageMap": {"en": "a"}})],
            ),
            options="temporalValues",
        ),
        TERMS,
    )
    assert chapter.attrs[TERMS.expand("power")] == [
        {"type": "Property", "value": 40, "observedAt": at(0)},
        {"type": "Property", "value": 41, "observedAt": at(1)},
    ]
    assert chapter.attrs[TERMS.expand("name")][0]["languageMap"] == {"en": "a"}


def test_simplified_instances_of_several_datasets_stand_apart() -> None:
    found = shown(
        lamp(power=[number(0, 40), number(1, 41, dataset="urn:d:1"), number(2, 42)]), options="temporalValues"
    )
    assert found["power"] == [
        {"type": "Property", "values": [[40, at(0)], [42, at(2)]]},
        {"type": "Property", "datasetId": "urn:d:1", "values": [[41, at(1)]]},
    ]


def test_the_second_of_a_pair_is_the_time_that_is_asked_about() -> None:
    evolution = lamp(power=[number(0, 40)])
    day = format_instant(START + 86_400 * SECOND)
    for property_ in ("modifiedAt", "createdAt"):
        assert shown(evolution, options="temporalValues", timeproperty=property_)["power"]["values"] == [[40, day]]


@pytest.mark.parametrize(
    ("kind", "member", "null"),
    [
        ("Property", "value", "urn:ngsi-ld:null"),
        ("Relationship", "object", "urn:ngsi-ld:null"),
        ("LanguageProperty", "languageMap", {"@none": "urn:ngsi-ld:null"}),
    ],
)
def test_a_deletion_is_an_instance_of_nothing(kind: str, member: str, null: Any) -> None:
    gone = moment(5, None, observed=None, kind=kind)
    (one,) = shown(lamp(power=[gone]))["power"]
    assert one == {
        "type": kind, member: null, "deletedAt": format_instant(gone.recorded),
        "instanceId": "urn:ngsi-ld:Instance:7-5",
    }  # fmt: skip
    simple = shown(lamp(power=[gone]), options="temporalValues", timeproperty="deletedAt")["power"]
    (((value, time),),) = [pairs for name, pairs in simple.items() if name != "type"]
    assert time == format_instant(gone.recorded) and "urn:ngsi-ld:null" in str(value)


def test_aggregated_values_with_their_periods() -> None:
    evolution = lamp()
    power = TERMS.expand("power")
    evolution.buckets[power] = {"avg": [Bucket(41.5, START, START + 60 * SECOND)], "max": [Bucket(None, START, START)]}
    found = shown(evolution, format="aggregatedValues", aggrMethods="avg,max")
    assert found["power"] == {"type": "Property", "avg": [[41.5, at(0), at(60)]], "max": [[None, at(0), at(0)]]}
    evolution.kinds[power] = "Relationship"
    assert shown(evolution, format="aggregatedValues", aggrMethods="avg")["power"]["type"] == "Relationship"


def test_the_scope_is_a_property_over_time() -> None:
    evolution = lamp(power=[number(0, 40)])
    evolution.scopes = [
        moment(0, {"type": "Property", "value": ["/A"]}),
        moment(1, {"type": "Property", "value": ["/A/B", "/C"]}),
        moment(2, None),
    ]
    found = shown(evolution)["scope"]
    assert [one["value"] for one in found] == ["/A", ["/A/B", "/C"], []]
    assert found[0] == {"type": "Property", "value": "/A", "observedAt": at(0)} and "deletedAt" in found[2]
    assert shown(evolution, options="temporalValues")["scope"]["values"][1] == [["/A/B", "/C"], at(1)]
    assert "scope" not in shown(evolution, omit="scope")


def test_a_language_is_chosen() -> None:
    texts = [moment(0, {"type": "LanguageProperty", "languageMap": {"en": "yes", "fr": "oui"}})]
    assert shown(lamp(answer=texts), lang="fr")["answer"][0]["value"] == "oui"
    assert shown(lamp(answer=texts), lang="fr", options="temporalValues")["answer"] == {
        "type": "Property",
        "values": [["oui", at(0)]],
    }


def test_members_are_picked_and_omitted() -> None:
    evolution = lamp(power=[number(0, 40)], colour=[number(0, 1)])
    assert list(shown(evolution, pick="id,power")) == ["id", "power"]
    assert list(shown(evolution, omit="type,power")) == ["id", "colour"]
    assert shown(evolution, pick="height") == {}
    assert shown(lamp(power=[number(0, 40, dataset="urn:d:1")]), datasetId="@none").keys() == {"id", "type"}


def test_what_has_expired_goes_with_its_deletion() -> None:
    flash = {"type": "Property", "value": 10, "expiresAt": at(10)}
    evolution = lamp(
        flash=[moment(0, flash), moment(1, flash | {"value": 11}), moment(10, None)],
        steady=[number(0, 1), moment(3, None), number(4, 2)],
    )
    without_expired(evolution, START + 9 * SECOND)
    assert len(evolution.attrs[TERMS.expand("flash")]) == 3
    without_expired(evolution, START + 10 * SECOND)
    assert list(evolution.attrs) == [TERMS.expand("steady")] and len(evolution.attrs[TERMS.expand("steady")]) == 3


# -- pages of instances


def asked(last: int | None = None, span: Span | None = None) -> TemporalQuery:
    return TemporalQuery(Query(), span, last=last)


def seconds(evolution: Evolution) -> list[int]:
    return [(one.time - START) // SECOND for moments in evolution.attrs.values() for one in moments]


def test_a_page_that_holds_all_is_whole() -> None:
    assert cut([lamp(power=[number(0, 1)])], asked()) is None


def test_forwards_all_end_where_the_shortest_ends() -> None:
    one, other = (
        lamp(power=[number(second, 1) for second in (0, 1, 2)]),
        lamp(power=[number(second, 1) for second in (0, 5, 9)]),
    )
    one.cut, other.cut = (START, START + 2 * SECOND), (START, START + 9 * SECOND)
    late = lamp(power=[number(30, 1)])
    assert cut([late, one, other], asked()) == (START, START + 2 * SECOND)
    assert seconds(one) == [0, 1, 2] and seconds(other) == [0]
    assert shown(late)["power"] == []
    assert shown(late, options="temporalValues")["power"] == {"type": "Property", "values": []}


def test_backwards_all_begin_where_the_shortest_begins() -> None:
    one, other = (
        lamp(power=[number(second, 1) for second in (7, 8, 9)]),
        lamp(power=[number(second, 1) for second in (1, 9)]),
    )
    one.cut = (START + 7 * SECOND, START + 9 * SECOND)
    assert cut([one, other], asked(last=50)) == (START + 7 * SECOND, START + 9 * SECOND)
    assert seconds(other) == [9]


@given(
    st.lists(st.lists(st.integers(0, 60), min_size=1, max_size=20, unique=True), min_size=1, max_size=4),
    st.integers(1, 8),
    st.booleans(),
)
def test_pages_partition_the_instances(series: list[list[int]], most: int, backwards: bool) -> None:
    """Whoever follows the pages meets every instance of every series once."""
    met: list[list[int]] = [[] for _ in series]
    left = [sorted(one) for one in series]
    for _ in range(100):
        page = []
        for one in left:
            held = one[-most:] if backwards else one[:most]
            evolution = lamp(power=[number(second, 1) for second in held])
            if len(held) < len(one):
                evolution.cut = (START + held[0] * SECOND, START + held[-1] * SECOND)
            page.append(evolution)
        ends = cut(page, asked(last=1000 if backwards else None))
        for place, evolution in enumerate(page):
            met[place] += seconds(evolution)
        if ends is None:
            break
        first, last = ((one - START) // SECOND for one in ends)
        left = [[second for second in one if (second < first if backwards else second > last)] for one in left]
    assert [sorted(one) for one in met] == [sorted(one) for one in series]


@pytest.mark.parametrize(
    ("span", "last", "start", "end", "size"),
    [
        (None, None, 0, 9, "*"),
        (Span("after", START - SECOND), None, -1, 9, "*"),
        (Span("between", START - SECOND, START + 20 * SECOND), None, -1, 9, "*"),
        (Span("before", START + 20 * SECOND), None, 0, 9, "*"),
        (None, 5, 9, 0, "5"),
        (Span("after", START - SECOND), 5, 9, 0, "5"),
        (Span("between", START - SECOND, START + 20 * SECOND), 5, 20, 0, "5"),
        (Span("before", START + 20 * SECOND), 5, 20, 0, "5"),
    ],
)
def test_the_content_range_of_each_relation(
    span: Span | None, last: int | None, start: int, end: int, size: str
) -> None:
    given = {"timeAt": "x"} if span else {}
    headers = dict(range_headers((START, START + 9 * SECOND), asked(last, span), "/p", given, "application/json"))
    assert headers["Content-Range"] == f"date-time {at(start)}-{at(end)}/{size}"
    assert f'rel="{"intervalbefore" if last else "intervalafter"}"' in headers["Link"]
    assert f"{'instancesBefore' if last else 'instancesAfter'}={at(end)}" in headers["Link"]


def test_the_page_behind_is_asked_for_with_the_link() -> None:
    wanted = read_temporal(
        {"timerel": "after", "timeAt": at(0), "type": "Lamp", "instancesBefore": at(3)}, TERMS, "", "application/json"
    )
    assert read_question(wanted).before == START + 3 * SECOND
