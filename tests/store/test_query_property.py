"""The store answers as a plain filter over the same entities does, whatever the entities and the question."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from landbridge.model.query import (
    And,
    Between,
    Compare,
    Exists,
    Has,
    Linked,
    Near,
    OneOf,
    Or,
    Order,
    Path,
    Query,
    Scope,
    Selector,
    Spatial,
)
from landbridge.store import road
from landbridge.store.sqlite import open_store
from store.plain_filter import answer
from store.writing import add, pages, pages_back

NAMES = ("a", "a", "a", "b", "c", 'odd "name"\\', "https://example.org/x.y")
TYPES = ("Road", "Lamp", "Area")
TEXTS = (
    "",
    "a",
    "ab",
    "滨海",
    "10",
    "true",
    "2020-04-02T00:00:00Z",
    "2020-04-02T08:00:00+08:00",
    "2020-04-02T00:00:00.5Z",
)
TIMES = ("2020-04-02T00:00:00Z", "2020-04-02T00:00:00.500Z", "2020-04-02T00:00:00.000001Z", "2021-01-01T00:00:00Z")
NUMBERS = (0, 1, -1, 10, 1.0, 2.5, 1e300, 1 << 53)
KEYS = ("city", "k", "en", "zh", 'q"')

texts = st.sampled_from(TEXTS)
scalars = st.one_of(st.sampled_from(NUMBERS), texts, st.booleans())
values = st.one_of(
    scalars,
    st.lists(scalars, max_size=3),
    st.dictionaries(
        st.sampled_from(KEYS),
        st.one_of(scalars, st.dictionaries(st.sampled_from(KEYS), scalars, max_size=2)),
        max_size=3,
    ),
    st.builds(lambda text: {"@type": "DateTime", "@value": text}, texts),
)
IDS = [f"urn:ngsi-ld:{type_}:{number:02}" for type_ in TYPES for number in range(3)]
objects = st.sampled_from(("urn:x:1", "urn:x:2", "ab", *IDS))
coordinate = st.integers(-20, 20).map(lambda number: number / 1000)


def box_of(x: float, y: float, side: int) -> dict[str, Any]:
    d = side / 1000
    return {"type": "Polygon", "coordinates": [[[x, y], [x + d, y], [x + d, y + d], [x, y + d], [x, y]]]}


points = st.builds(lambda x, y: {"type": "Point", "coordinates": [x, y]}, coordinate, coordinate)
boxes = st.builds(box_of, coordinate, coordinate, st.integers(1, 15))
shapes = st.one_of(points, boxes)
languages = st.dictionaries(
    st.sampled_from(("en", "zh", "@none")), st.one_of(texts, st.lists(texts, max_size=2)), min_size=1, max_size=3
)


def members(sub: Any) -> Any:
    """The members of an instance apart from its type and value."""
    optional = {"observedAt": st.sampled_from(TIMES), "unitCode": st.sampled_from(("GQ", "GP")), **sub}
    return st.fixed_dictionaries({}, optional=optional)


kinds = st.one_of(
    st.builds(lambda value: {"type": "Property", "value": value}, values),
    st.builds(
        lambda value: {"type": "Relationship", "object": value},
        st.one_of(objects, st.lists(objects, min_size=1, max_size=2)),
    ),
    st.builds(lambda value: {"type": "LanguageProperty", "languageMap": value}, languages),
    st.builds(lambda value: {"type": "VocabProperty", "vocab": value}, st.one_of(texts, st.lists(texts, max_size=2))),
    st.builds(lambda value: {"type": "JsonProperty", "json": value}, st.one_of(st.none(), values)),
    st.builds(lambda value: {"type": "ListProperty", "valueList": value}, st.lists(scalars, max_size=3)),
    st.builds(
        lambda value: {"type": "ListRelationship", "objectList": [{"object": one} for one in value]},
        st.lists(objects, max_size=2),
    ),
)
subs = st.builds(lambda kind, more: {**kind, **more}, kinds, members({}))
instances = st.builds(
    lambda kind, more: {**kind, **more}, kinds, members({"b": subs, "c": st.lists(subs, min_size=1, max_size=2)})
)


def numbered(found: list[dict[str, Any]], default: bool) -> list[dict[str, Any]]:
    """Give all instances but (if `default`) the first a datasetId."""
    for number, instance in enumerate(found):
        if number or not default:
            instance["datasetId"] = f"urn:d:{number}"
    return found


attributes = st.builds(numbered, st.lists(instances, min_size=1, max_size=3), st.booleans())
locations = st.builds(
    numbered,
    st.lists(st.builds(lambda shape: {"type": "GeoProperty", "value": shape}, shapes), min_size=1, max_size=2),
    st.booleans(),
)
scopes = st.lists(st.sampled_from(("/a", "/a/b", "/a/b/c", "/x/b", "/a.b", "/axb")), max_size=2, unique=True)


@st.composite
def entities(draw: Any) -> list[dict[str, Any]]:
    found = []
    for number in range(draw(st.integers(1, 12))):
        attrs = draw(st.dictionaries(st.sampled_from(NAMES), attributes, max_size=4))
        for name in ("location", "observationSpace"):
            if draw(st.booleans()):
                attrs[name] = draw(locations)
        types = draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=2, unique=True))
        document = {"id": f"urn:ngsi-ld:{types[0]}:{number:02}", "type": types, "attrs": attrs}
        scope = draw(scopes)
        if scope:
            document["scope"] = scope
        found.append(document)
    return found


paths = st.builds(
    Path,
    st.sampled_from(NAMES),
    st.sampled_from(((), (), (), ("b",), ("c",), ("observedAt",), ("unitCode",), ("datasetId",), ("b", "observedAt"))),
    st.just(()),
) | st.builds(
    Path,
    st.sampled_from(NAMES),
    st.sampled_from(((), ("b",))),
    st.sampled_from((("city",), ("k", "en"), ("en",), ("*",), ('q"',))),
)
probes = st.one_of(scalars, st.sampled_from(TIMES), st.sampled_from(("urn:x:1", "urn:d:1", "GQ", "ab")))
patterns = st.sampled_from(("a", "^a", "b$", "^$", "[0-9]+", "滨.", "a|1", "urn:x:[12]", "^.b"))
leaves = st.one_of(
    st.builds(Exists, paths),
    st.builds(Compare, paths, st.sampled_from(("==", "!=", "<", "<=", ">", ">=")), probes),
    st.builds(Compare, paths, st.sampled_from(("~=", "!~=")), patterns),
    st.builds(Between, paths, probes, probes, st.booleans()),
    st.builds(
        OneOf,
        paths,
        st.lists(st.one_of(probes, st.tuples(probes, probes)), min_size=1, max_size=4).map(tuple),
        st.booleans(),
    ),
)
links = st.recursive(
    leaves,
    lambda inner: st.builds(
        Linked,
        st.sampled_from(NAMES),
        st.sampled_from(((), (), ("Road",), ("Lamp", "Area"), ("Unknown",), ("Unknown", "Area"))),
        inner,
    ),
    max_leaves=1,
)
trees = st.recursive(
    leaves | links,
    lambda inner: (
        st.builds(And, st.lists(inner, min_size=1, max_size=3).map(tuple))
        | st.builds(Or, st.lists(inner, min_size=1, max_size=3).map(tuple))
    ),
    max_leaves=5,
)
types = st.recursive(
    st.builds(Has, st.sampled_from((*TYPES, "Unknown"))),
    lambda inner: (
        st.builds(And, st.lists(inner, min_size=1, max_size=2).map(tuple))
        | st.builds(Or, st.lists(inner, min_size=1, max_size=3).map(tuple))
    ),
    max_leaves=3,
)
geoproperties = st.sampled_from(("location", "location", "observationSpace"))
geos = st.one_of(
    st.builds(
        Spatial,
        st.sampled_from(("within", "contains", "intersects", "overlaps", "disjoint", "equals")),
        shapes,
        geoproperties,
    ),
    st.builds(
        Near,
        points,
        st.none() | st.integers(1, 4000).map(lambda number: number + 0.137),
        st.none() | st.integers(1, 4000).map(lambda number: number + 0.511),
        geoproperties,
    ),
)
SCOPE_PATTERNS = ("/a", "/a/b", "/a/+", "/a/#", "/#", "/+/b", "/a/+/c", "/a.b", "/+/#")
scope_queries = st.builds(
    Scope,
    st.lists(st.lists(st.sampled_from(SCOPE_PATTERNS), min_size=1, max_size=2).map(tuple), min_size=1, max_size=2).map(
        tuple
    ),
)
sorted_by = st.builds(Order, paths | st.sampled_from((Path("id"), Path("type"))), st.booleans())
distances = st.builds(Order, st.sampled_from((Path("location"), Path("observationSpace"))), st.booleans(), points)
orders = st.lists(sorted_by | distances, min_size=1, max_size=2).map(tuple)
selectors = st.builds(
    Selector,
    st.none() | types,
    st.lists(st.sampled_from(IDS), max_size=3).map(tuple),
    st.none() | st.sampled_from(("Road", "0[13]$", "^urn")),
)
CRITERIA: dict[str, Any] = {
    "types": types,
    "ids": st.lists(st.sampled_from([f"urn:ngsi-ld:Road:{n:02}" for n in range(12)]), min_size=1, max_size=6).map(
        tuple
    ),
    "id_pattern": st.sampled_from(("Road", "0[13]$", "^urn")),
    "attrs": st.lists(st.sampled_from(NAMES), min_size=1, max_size=2).map(tuple),
    "where": trees,
    "geo": geos,
    "scope": scope_queries,
    "order": orders,
    "selectors": st.lists(selectors, min_size=1, max_size=3).map(tuple),
    "collation": st.sampled_from(("und", "und-u-ks-level1", "de-u-co-phonebk", "und-u-ks-identic")),
    "offset": st.integers(0, 6),
}


@st.composite
def queries(draw: Any) -> Query:
    """A question with few criteria, so that its answer is seldom empty."""
    often = ("where", "where", "where", "geo", "order")
    asked = draw(st.lists(st.sampled_from((*CRITERIA, *often)), max_size=3, unique=True))
    return Query(limit=draw(st.integers(1, 5)), count=True, **{name: draw(CRITERIA[name]) for name in asked})


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(entities(), st.lists(queries(), min_size=4, max_size=20))
def test_the_store_answers_as_a_plain_filter(found: list[dict[str, Any]], asked: list[Query]) -> None:
    store = open_store(":memory:")
    try:
        add(store, found)
        in_key_order = sorted(found, key=lambda document: store.get("", document["id"]).key)  # type: ignore[union-attr]
        for query in asked:
            expected = answer(query, in_key_order)
            assert pages(store, query) == expected, query
            assert store.query(query).count == len(expected) if not query.offset else True
            assert pages_back(store, query) == expected, query
    finally:
        store.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(entities(), st.lists(queries(), min_size=4, max_size=20))
def test_the_answer_is_the_same_by_every_road(found: list[dict[str, Any]], asked: list[Query]) -> None:
    """With indexes made for all that is asked, and three rows counting as few."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(road, "LARGE", 0)
        patch.setattr(road, "FEW", 3)
        patch.setattr(road, "FEW_ROOTS", 0)
        store = open_store(":memory:")
        try:
            add(store, found)
            before = [pages(store, query) for query in asked]
            store.write(lambda _: None)  # by then the indexes wished for are there
            assert [pages(store, query) for query in asked] == before
        finally:
            store.close()
