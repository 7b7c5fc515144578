"""Entities in and out: real examples against PyLD, every kind in every form, and exact round trips."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyld import jsonld

from landbridge.errors import InvalidEntity
from landbridge.model.entity import KINDS
from landbridge.model.parser import parse_attributes, parse_entity
from landbridge.model.renderer import Rendering, render, render_feature
from landbridge.model.terms import CORE_FILES, CORE_URL, Terms, core_document, full_name

DATA = Path(__file__).parents[1] / "data" / "smart_data_models"
MODELS = {"AirQualityObserved": "Environment", "OffStreetParking": "Parking", "Alert": "Alert", "Building": "Building"}
CORE = Terms()
POINT = {"type": "Point", "coordinates": [117.7, 39.0]}

EVERY_KIND: dict[str, Any] = {
    "id": "urn:ngsi-ld:Thing:1",
    "type": ["Thing", "https://example.com/Other"],
    "scope": ["/a/b", "/c"],
    "pm25": {"type": "Property", "value": 12.5, "unitCode": "GQ", "observedAt": "2020-04-02T00:00:00Z",
             "accuracy": {"type": "Property", "value": 0.1,
                          "by": {"type": "Relationship", "object": "urn:ngsi-ld:Lab:1"}},
             "seenBy": [{"type": "Relationship", "object": "urn:x:1"},
                        {"type": "Relationship", "object": "urn:x:2", "datasetId": "urn:d:2"}]},
    "speed": [{"type": "Property", "value": 1}, {"type": "Property", "value": 2, "datasetId": "urn:d:2"}],
    "location": {"type": "GeoProperty", "value": POINT},
    "refArea": {"type": "Relationship", "object": "urn:ngsi-ld:Area:1", "objectType": "Area"},
    "refMany": {"type": "Relationship", "object": ["urn:a:1", "urn:a:2"]},
    "name": {"type": "LanguageProperty", "languageMap": {"zh": "滨海新区", "en": "Binhai", "@none": ["a", "b"]}},
    "category": {"type": "VocabProperty", "vocab": ["commercial", "https://example.com/office"]},
    "raw": {"type": "JsonProperty", "json": {"@id": None, "type": "Property", "value": [1, None]}},
    "steps": {"type": "ListProperty", "valueList": [1, "a", {"b": True}, [POINT]]},
    "route": {"type": "ListRelationship", "objectList": [{"object": "urn:s:1"}, {"object": "urn:s:2"}]},
    "address": {"type": "Property", "value": {"type": "PostalAddress", "street": "解放路"}},
    "shape": {"type": "Property", "value": POINT},
    "tricky": {"type": "Property", "value": {"value": 1}},
    "parts": {"type": "Property", "value": [{"type": "Property", "value": 1}]},
}  # fmt: skip


def loader(url: str, _: object) -> dict[str, object]:
    subject = url.partition("dataModel.")[2].partition("/")[0]
    if subject:
        context = json.loads((DATA / f"{subject}.context.jsonld").read_text())["@context"]
    else:
        version = "1.9" if url.endswith("core-context.jsonld") else CORE_FILES.get(url)
        context = core_document(version) if version else {}
    return {"contentType": "application/ld+json", "contextUrl": None, "documentUrl": url,
            "document": {"@context": context}}  # fmt: skip


def example(model: str) -> tuple[dict[str, Any], Terms]:
    """A model's normalized example without its context, and the terms of that context."""
    body = json.loads((DATA / f"{model}.normalized.jsonld").read_text())
    body.pop("@context")
    context = json.loads((DATA / f"{MODELS[model]}.context.jsonld").read_text())["@context"]
    return body, Terms([context])


@pytest.mark.parametrize("model", MODELS)
def test_a_real_entity_means_the_same_after_the_round(model: str) -> None:
    """PyLD expands what went in and what came out to one and the same graph."""
    body, terms = example(model)
    shown = render(parse_entity(body, terms), Rendering(terms, context=True))
    options = {"documentLoader": loader}
    assert jsonld.normalize(shown, options) == jsonld.normalize(
        {**body, "@context": [*terms.contexts, CORE_URL]}, options
    )


@pytest.mark.parametrize("model", MODELS)
def test_stored_names_are_those_that_pyld_expands_to(model: str) -> None:
    body, terms = example(model)
    document = parse_entity(body, terms)
    (expanded,) = jsonld.expand({**body, "@context": [*terms.contexts, CORE_URL]}, {"documentLoader": loader})
    assert {full_name(name) for name in document["attrs"]} == set(expanded) - {"@id", "@type"}
    assert [full_name(name) for name in document["type"]] == expanded["@type"]


@pytest.mark.parametrize("model", MODELS)
def test_the_simplified_examples_can_be_read_and_given_back(model: str) -> None:
    body = json.loads((DATA / f"{model}.jsonld").read_text())
    body.pop("@context")
    _, terms = example(model)
    shown = render(parse_entity(body, terms, simplified=True), Rendering(terms, "simplified"))
    assert shown == body


@pytest.mark.parametrize("form", ["normalized", "concise"])
def test_every_kind_comes_back_exactly(form: Any) -> None:
    document = parse_entity(EVERY_KIND, CORE)
    shown = render(document, Rendering(CORE, form))
    assert parse_entity(json.loads(json.dumps(shown)), CORE) == document
    if form == "normalized":
        assert shown == EVERY_KIND


def test_the_concise_form_leaves_out_what_is_understood() -> None:
    shown = render(parse_entity(EVERY_KIND, CORE), Rendering(CORE, "concise"))
    assert shown["pm25"]["value"] == 12.5
    assert "type" not in shown["pm25"]
    assert shown["pm25"]["accuracy"] == {"value": 0.1, "by": {"object": "urn:ngsi-ld:Lab:1"}}
    assert shown["location"] == POINT
    assert shown["name"] == {"languageMap": EVERY_KIND["name"]["languageMap"]}
    assert shown["speed"] == [{"value": 1}, {"value": 2, "datasetId": "urn:d:2"}]
    assert shown["shape"] == {"type": "Property", "value": POINT}


def test_the_simplified_form() -> None:
    shown = render(parse_entity(EVERY_KIND, CORE), Rendering(CORE, "simplified"))
    assert shown["pm25"] == 12.5
    assert shown["speed"] == {"dataset": {"@none": 1, "urn:d:2": 2}}
    assert shown["refArea"] == "urn:ngsi-ld:Area:1"
    assert shown["name"] == {"languageMap": EVERY_KIND["name"]["languageMap"]}
    assert shown["category"] == {"vocab": ["commercial", "https://example.com/office"]}
    assert shown["route"] == ["urn:s:1", "urn:s:2"]
    assert shown["location"] == POINT


def test_a_language_is_chosen() -> None:
    document = parse_entity(EVERY_KIND, CORE)
    assert render(document, Rendering(CORE, language=("zh-CN", "zh")))["name"] == {
        "type": "Property", "value": "滨海新区", "lang": "zh"}  # fmt: skip
    assert render(document, Rendering(CORE, "simplified", language=("fr", "en")))["name"] == "Binhai"
    assert render(document, Rendering(CORE, "simplified", language=("fr",)))["name"] == ["a", "b"]


def test_geojson() -> None:
    document = parse_entity(EVERY_KIND, CORE)
    feature = render_feature(document, Rendering(CORE, "simplified", attrs=("pm25",), context=True))
    assert feature == {
        "id": "urn:ngsi-ld:Thing:1",
        "type": "Feature",
        "geometry": POINT,
        "properties": {"type": EVERY_KIND["type"], "scope": ["/a/b", "/c"], "pm25": 12.5},
        "@context": CORE_URL,
    }
    assert render_feature(document, Rendering(CORE, geometry="refArea"))["geometry"] is None


def test_provenance_is_shown_as_times_only_and_only_where_asked() -> None:
    document = parse_entity({"id": "urn:x:1", "type": "T", "a": 1}, CORE)
    document["attrs"]["a"][0]["@"] = ["dxy", 7, 0, 1_000_000, 3, 12]
    document |= {"createdAt": 0, "modifiedAt": 1_000_000}
    assert render(document, Rendering(CORE)) == {"id": "urn:x:1", "type": "T", "a": {"type": "Property", "value": 1}}
    times = {"createdAt": "1970-01-01T00:00:00Z", "modifiedAt": "1970-01-01T00:00:01Z"}
    shown = render(document, Rendering(CORE, system=True))
    assert shown == {"id": "urn:x:1", "type": "T", **times, "a": {"type": "Property", "value": 1, **times}}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("2020-04-02T00:00:00Z", "2020-04-02T00:00:00Z"), ("2020-04-02T00:00:00.000Z", "2020-04-02T00:00:00.000Z"),
        ("2020-04-02T00:00:00,5Z", "2020-04-02T00:00:00.500Z"),
        ("2020-04-02T00:00:00.123456789Z", "2020-04-02T00:00:00.123456Z"),
    ],
)  # fmt: skip
def test_times_keep_their_digits(given: str, kept: str) -> None:
    """What is finer than a microsecond, or not written as NGSI-LD 4.6.3 says, is written anew."""
    assert parse_attributes({"a": {"value": 1, "observedAt": given}}, CORE)["a"][0]["observedAt"] == kept


def deep(levels: int) -> dict[str, Any]:
    return {"value": 1} | ({"sub": deep(levels - 1)} if levels else {})


@pytest.mark.parametrize(
    ("attribute", "where"),
    [
        (None, "a"),
        ({"type": "Property"}, "a"),
        ({"type": "Property", "value": None}, "a.value"),
        ({"type": "Property", "value": 1, "object": "urn:x:1"}, "a"),
        ({"value": 1, "object": "urn:x:1"}, "a"),
        ({"type": "Prperty", "value": 1}, "a.type"),
        ({"type": "Relationship", "object": "no uri"}, "a.object"),
        ({"type": "Relationship", "object": []}, "a.object"),
        ({"type": "GeoProperty", "value": {"type": "Point", "coordinates": [200, 0]}}, "a.value"),
        ({"type": "Point", "coordinates": [0]}, "a"),
        ({"value": 1, "observedAt": "2021-02-29T00:00:00Z"}, "a.observedAt"),
        ({"value": 1, "observedAt": "2020-04-02T08:00:00+08:00"}, "a.observedAt"),
        ({"value": 1, "observedAt": {"type": "Property", "value": "2020-04-02T08:00:00Z"}}, "a.observedAt"),
        ({"value": 1, "expiresAt": "tomorrow"}, "a.expiresAt"),
        ("urn:ngsi-ld:null", "a"),
        ({"value": "urn:ngsi-ld:null"}, "a.value"),
        ({"value": {"b": ["urn:ngsi-ld:null"]}}, "a.value"),
        ({"object": "urn:ngsi-ld:null"}, "a.object"),
        ({"languageMap": {"@none": "urn:ngsi-ld:null"}}, "a.languageMap"),
        ({"languageMap": {"en": "urn:ngsi-ld:null"}}, "a.languageMap"),
        ({"languageMap": {"": "x"}}, "a.languageMap"),
        ({"languageMap": {"en": "x"}, "valueType": "xsd:string"}, "a.valueType"),
        ({"value": 1, "sub": {"value": "urn:ngsi-ld:null"}}, "a.sub.value"),
        ({"value": 1, "previousValue": 0}, "a.previousValue"),
        ({"value": 1, "entityIdSealed": "urn:x:1"}, "a.entityIdSealed"),
        ({"value": 1, "@context": {}}, "a.@context"),
        ({"json": 5}, "a.json"),
        ({"json": {}, "unitCode": "GQ"}, "a.unitCode"),
        ({"type": "GeoProperty", "value": "no geometry"}, "a.value"),
        ([{"value": 1}, {"value": 2, "datasetId": "@none"}], "a"),
        ({"value": 1, "unitCode": 5}, "a.unitCode"),
        ({"object": "urn:x:1", "unitCode": "GQ"}, "a.unitCode"),
        ({"value": 1, "datasetId": "x"}, "a.datasetId"),
        ({"value": 1, "@sub": 2}, "a.@sub"),
        ({"languageMap": {"en": 5}}, "a.languageMap"),
        ({"vocab": 5}, "a.vocab"),
        ({"valueList": 5}, "a.valueList"),
        ({"objectList": ["x"]}, "a.objectList"),
        ({"value": float("nan")}, "a.value"),
        ([{"type": "Property", "value": 1}, {"type": "Property", "value": 2}], "a"),
        (deep(6), "a.sub.sub.sub.sub.sub.sub"),
        ({"value": 1, "b": {"value": 2, "unitCode": 3}}, "a.b.unitCode"),
    ],
)
def test_what_is_wrong_is_refused_by_name(attribute: object, where: str) -> None:
    with pytest.raises(InvalidEntity) as refused:
        parse_entity({"id": "urn:x:1", "type": "T", "a": attribute}, CORE)
    assert refused.value.where == where


@pytest.mark.parametrize(
    "entity",
    [
        [], {"type": "T"}, {"id": "x", "type": "T"}, {"id": "urn:x:1"}, {"id": "urn:x:1", "type": []},
        {"id": "urn:x:1", "type": "T", "scope": "a b"}, {"id": "urn:x:1", "type": "T", "b c": 1},
        {"id": "urn:x:1", "type": "9T"}, {"id": "urn:x:1", "type": "T", "9a": 1}, {"id": "urn:x:a\u200bb", "type": "T"},
        {"id": "urn:ngsi-ld:null", "type": "T"}, {"id": "urn:x:1", "type": "urn:ngsi-ld:null"},
        {"id": "urn:x:1", "type": "T", "datasetId": {"value": 1}}, {"id": "urn:x:1", "type": "T", "instanceId": 1},
        {"id": "urn:x:1", "type": "T", "location": 7},
        {"id": "urn:x:1", "type": "T", "expiresAt": "2026-13-45T00:00:00Z"},
        {"id": "urn:x:1", "type": "T", "scope": []}, {"id": "urn:x:1", "type": "T", "scope": "/a//b"},
        {"id": "urn:x:1", "type": "T", "scope": ["/a", "9"]},
        {"id": "urn:x:1", "type": "T", "scope": "urn:ngsi-ld:null"},
        {"id": "urn:x:1", "type": "T", "ngsildproof": {"value": "text"}},
        {"id": "urn:x:1", "type": "T", "ngsildproof": {"value": {}, "entityTypeSealed": 4}},
        {"id": "urn:x:1", "type": "T", "@graph": 1}, {"id": "urn:x:1", "type": "T", "": 1},
        {"id": "urn:x:1", "type": "T", "a": 1, "https://uri.etsi.org/ngsi-ld/default-context/a": 2},
        {"id": "urn:x:1", "type": "T", **{f"a{number}": 1 for number in range(1001)}},
    ],
)  # fmt: skip
def test_a_wrong_entity_is_refused(entity: object) -> None:
    with pytest.raises(InvalidEntity):
        parse_entity(entity, CORE)


# -- round trips over anything

names = st.from_regex(r"[a-zA-Z][a-zA-Z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: name not in ("id", "type", "scope", "value", "object", "json", "vocab", "dataset")
)
uris = st.from_regex(r"urn:[a-z]{1,5}:[a-zA-Z0-9]{1,8}", fullmatch=True)
scalars = st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text()
keys = st.text(max_size=5) | st.sampled_from(["type", "value", "object", "coordinates", "datasetId", "json"])
json_values = st.recursive(
    scalars | st.just("Property"),
    lambda one: st.lists(one, max_size=3) | st.dictionaries(keys, one, max_size=3),
    max_leaves=6,
)
geometries = st.builds(
    lambda lon, lat: {"type": "Point", "coordinates": [lon, lat]}, st.floats(-180, 180), st.floats(-90, 90)
)
words = st.from_regex(r"[A-Za-z]{1,8}", fullmatch=True).filter(lambda word: word not in ("id", "type"))
VALUES = {
    "Property": json_values | geometries,
    "GeoProperty": geometries,
    "Relationship": uris | st.lists(uris, min_size=1, max_size=3),
    "LanguageProperty": st.dictionaries(st.sampled_from(["en", "zh", "@none"]), st.text(), max_size=3),
    "VocabProperty": words | st.lists(words, min_size=1, max_size=3),
    "JsonProperty": json_values.filter(lambda one: isinstance(one, dict | list)),
    "ListProperty": st.lists(json_values, max_size=3),
    "ListRelationship": st.lists(uris.map(lambda uri: {"object": uri}), max_size=3),
}


@st.composite
def instances(draw: st.DrawFn, depth: int = 2) -> dict[str, Any]:
    kind = draw(st.sampled_from(sorted(KINDS)))
    instance: dict[str, Any] = {"type": kind, KINDS[kind]: draw(VALUES[kind])}
    if kind in ("Property", "ListProperty") and draw(st.booleans()):
        instance["unitCode"] = draw(st.sampled_from(["GQ", "CEL"]))
    if draw(st.booleans()):
        instance["observedAt"] = "2020-04-02T00:00:00Z"
    if depth:
        subs = draw(st.dictionaries(words.filter(lambda word: word not in MEMBERS), instances(depth - 1), max_size=2))
        instance |= subs
    return instance


MEMBERS = {*KINDS.values(), "type", "unitCode", "observedAt", "expiresAt", "datasetId", "objectType", "valueType"}


@st.composite
def attributes(draw: st.DrawFn) -> Any:
    first = draw(instances())
    others = [{**draw(instances(1)), "datasetId": uri} for uri in sorted(draw(st.sets(uris, max_size=2)))]
    return [first, *others] if others else first


@given(st.dictionaries(names, attributes(), max_size=3), st.sampled_from(["normalized", "concise"]))
def test_parse_and_render_are_exact(attrs: dict[str, Any], form: Any) -> None:
    body = {"id": "urn:x:1", "type": "T", **attrs}
    document = parse_entity(body, CORE)
    shown = render(document, Rendering(CORE, form))
    assert parse_entity(json.loads(json.dumps(shown)), CORE) == document
    if form == "normalized":
        assert json.loads(json.dumps(shown)) == json.loads(json.dumps(body))


members = st.sampled_from([*sorted(MEMBERS), "id", "scope", "@context", "@id", "@", "coordinates", "a", "createdAt"])
oddities = st.recursive(
    scalars | st.none() | st.sampled_from([*KINDS, "urn:x:1", "Point", "2020-04-02T00:00:00Z"]),
    lambda one: st.lists(one, max_size=3) | st.dictionaries(members, one, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(members, oddities, max_size=4), st.booleans())
def test_nothing_but_invalid_entity_comes_out(body: dict[str, Any], simplified: bool) -> None:
    try:
        document = parse_entity({"id": "urn:x:1", "type": "T"} | body, CORE, simplified=simplified)
    except InvalidEntity:
        return
    for form in ("normalized", "concise"):
        assert parse_entity(render(document, Rendering(CORE, form)), CORE) == document


def nested(levels: int, make: Any) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = make(value)
    return value


@pytest.mark.parametrize("make", [lambda one: [one], lambda one: {"value": one}, lambda one: {"a": one}])
@pytest.mark.parametrize("member", ["value", "object", "vocab", "json", "type", "observedAt", "sub", "coordinates"])
def test_what_is_too_deep_is_refused_and_breaks_nothing(make: Any, member: str) -> None:
    deep = nested(900, make)
    for attribute in (
        deep,
        {member: deep},
        {"type": "Property", "value": 1, member: deep},
        {"type": "Point", member: deep},
    ):
        with pytest.raises(InvalidEntity):
            parse_entity({"id": "urn:x:1", "type": "T", "a": attribute}, CORE)
    with pytest.raises(InvalidEntity):
        parse_entity({"id": deep, "type": deep, "scope": deep}, CORE)
