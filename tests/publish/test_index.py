"""The index finds every subscription that is about a change, whatever they are; and matching is the plain filter."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from landbridge.model.query import And, Compare, Has, Near, Or, Path, Query, Selector, Spatial
from landbridge.model.subscription import TRIGGERS, Change, Endpoint, Subscription, fires
from landbridge.pool.match import Bench, compile_asked, matches_pattern
from landbridge.publish.index import Index, anchors, interests
from landbridge.publish.select import selects
from landbridge.store.sqlite import open_store
from store.plain_filter import matches
from store.test_query_property import NAMES, entities, geos, scope_queries, selectors, trees, types

ENDPOINT = Endpoint("http://receiver.example")
often = st.builds(
    Compare, st.builds(Path, st.sampled_from(NAMES)), st.sampled_from(("==", ">", "<=")), st.integers(0, 10)
)
conditions = st.none() | trees | often | st.builds(lambda *parts: And(parts), often, trees)


@st.composite
def subscriptions(draw: Any) -> Subscription:
    return Subscription(
        tenant="",
        id=f"urn:s:{draw(st.integers(0, 10**9))}",
        endpoint=ENDPOINT,
        selectors=tuple(draw(st.lists(selectors, max_size=2))),
        watched=frozenset(draw(st.just([]) | st.lists(st.sampled_from(NAMES), max_size=2))),
        triggers=frozenset(
            draw(st.just(["entityCreated"]) | st.lists(st.sampled_from(TRIGGERS), min_size=1, max_size=6))
        ),
        where=draw(conditions),
        geo=draw(st.none() | geos),
        scope=draw(st.none() | scope_queries),
        active=draw(st.integers(0, 9)) > 0,
    )


def plainly(made: Subscription, change: Change, city: dict[str, dict[str, Any]]) -> bool:
    """Whether a subscription is about a change, by nothing but the meaning of its members."""
    document = change.document
    query = Query(selectors=made.selectors, where=made.where, geo=made.geo, scope=made.scope)
    return fires(made, change, change.moved()) and matches(query, document, city)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(entities(), st.lists(subscriptions(), max_size=12, unique_by=lambda made: made.id), st.data())
def test_the_index_and_the_bench_find_what_a_plain_look_at_all_subscriptions_finds(
    documents: list[dict[str, Any]], asked: list[Subscription], data: Any
) -> None:
    index = Index()
    for made in asked:
        index.put(("", made.id), anchors(made))
    store = open_store(":memory:")
    bench = Bench(store)
    try:
        for rank, document in enumerate(documents):
            before = data.draw(st.none() | st.sampled_from(documents))
            change = Change(rank, "", document["id"], 1, 1, 1, before and {**before, "id": document["id"]}, document)
            wanted = {made.id for made in asked if plainly(made, change, {}) and not further(made.where)}
            touched = {one.attribute for one in change.moved()}
            candidates = {id_ for _, id_ in index.candidates("", document["type"], document, touched)}
            assert wanted <= candidates
            found = set()
            for made in asked:
                if made.id not in candidates or further(made.where) or not fires(made, change, change.moved()):
                    continue
                if not selects(made.selectors, change, lambda pattern, text: matches_pattern(bench, pattern, text)):
                    continue
                if bench.meets(change, compile_asked(made.where, made.geo, made.scope)):
                    found.add(made.id)
            assert found == wanted
        for made in asked:
            index.drop(("", made.id))
        assert index.candidates("", ["Road", "Lamp"], documents[0], NAMES) == []
    finally:
        bench.close()
        store.close()


def further(node: Any) -> bool:
    """Whether a condition looks at other entities: these are asked of the pool, not of one document."""
    return compile_asked(node, None, None).linked is not None


@given(
    st.lists(types, min_size=1, max_size=3), st.lists(st.sampled_from(("Road", "Lamp", "Area", "Unknown")), min_size=1)
)
def test_an_entity_that_is_selected_has_one_of_the_types_hung_on(wanted: list[Any], own: list[str]) -> None:
    made = Subscription("", "urn:s", ENDPOINT, tuple(Selector(one) for one in wanted))
    document = {"id": "urn:e", "type": own, "attrs": {}}
    if matches(Query(selectors=made.selectors), document, {}):
        assert {one["type"] for one in anchors(made)} & set(own)


def test_anchors_are_the_narrowest_that_must_hold() -> None:
    def hung(**members: Any) -> list[dict[str, Any]]:
        return anchors(Subscription("", "urn:s", ENDPOINT, **members))

    road = (Selector(Has("Road")),)
    equal, above = Compare(Path("a"), "==", 5), Compare(Path("b"), ">", 1.5)
    near = Near({"type": "Point", "coordinates": [117.0, 39.0]}, at_most=100.0)
    assert hung() == [{"type": ""}]
    assert hung(selectors=(Selector(Or((Has("A"), Has("B"))), ("urn:1",)),)) == [
        {"type": "A", "ids": ["urn:1"]}, {"type": "B", "ids": ["urn:1"]},
    ]  # fmt: skip
    assert hung(selectors=road, where=And((above, equal)), watched=frozenset("x")) == [
        {"type": "Road", "equal": ["a", 5]}
    ]
    assert hung(selectors=road, where=And((above,))) == [{"type": "Road", "from": ["b", 1.5]}]
    assert hung(selectors=road, where=Or((equal, above)), watched=frozenset("x")) == [
        {"type": "Road", "watched": ["x"]}
    ]
    assert hung(selectors=road, where=above, geo=near) == [
        {"type": "Road", "cells": [[2339, 779], [2339, 780], [2340, 779], [2340, 780]]}
    ]
    assert hung(selectors=road, geo=Spatial("disjoint", near.geometry)) == [{"type": "Road"}]
    made = Subscription("", "urn:s", ENDPOINT, road, frozenset("xy"))
    assert interests(made, anchors(made)) == [["Road", "", "x"], ["Road", "", "y"]]


def test_a_hundred_thousand_subscriptions_have_few_candidates() -> None:
    index = Index()
    for number in range(100_000):
        made = Subscription(
            "", f"urn:s:{number}", ENDPOINT, (Selector(Has("Road")),), where=Compare(Path("a"), "==", number // 10)
        )
        index.put(("", made.id), anchors(made))
    document = {"id": "urn:e", "type": ["Road"], "attrs": {"a": [{"type": "Property", "value": 77}]}}
    found = index.candidates("", ["Road"], document, ["a"])
    assert [id_ for _, id_ in found] == [f"urn:s:{number}" for number in range(770, 780)]
