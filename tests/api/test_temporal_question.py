"""From parameters to the question that history is asked: bounds, forms, periods, and what is wrong with the others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landbridge.api.ngsild.fault import InvalidRequest
from landbridge.api.ngsild.query_body import read_members
from landbridge.api.ngsild.temporal_question import (
    BEGINNING,
    METHODS,
    parse_period,
    read_aggregate,
    read_form,
    read_question,
    read_retrieval,
    read_span,
    read_temporal,
)
from landbridge.errors import Invalid, InvalidQuery
from landbridge.model.instant import format_instant, parse_instant
from landbridge.model.temporal import Aggregate, Period, Span, TemporalQuery
from landbridge.model.terms import Contexts

TERMS = Contexts().core
NOON = parse_instant("2020-08-01T12:00:00Z")
WINDOW = {"timerel": "after", "timeAt": "2020-08-01T12:00:00Z"}


def question(**given: str) -> TemporalQuery:
    return read_question(read_temporal(WINDOW | {"type": "Lamp"} | given, TERMS, "", "application/json"))


def test_the_bounds_of_each_relation() -> None:
    assert read_span(WINDOW) == Span("after", NOON)
    assert read_span(WINDOW | {"timerel": "before"}) == Span("before", NOON)
    between = WINDOW | {"timerel": "between", "endTimeAt": "2020-08-01T14:00:00+02:00", "timeproperty": "modifiedAt"}
    assert read_span(between) == Span("between", NOON, NOON, "modifiedAt")
    assert read_span({}) is None
    assert read_span({"timeproperty": "deletedAt"}) == Span("after", BEGINNING, property="deletedAt")


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({"timerel": "during", "timeAt": "2020-08-01T12:00:00Z"}, "timerel"),
        ({"timerel": "after"}, "timerel"),
        ({"timeAt": "2020-08-01T12:00:00Z"}, "timeAt"),
        ({"endTimeAt": "2020-08-01T12:00:00Z"}, "endTimeAt"),
        ({"timerel": "between", "timeAt": "2020-08-01T12:00:00Z"}, "timerel"),
        (WINDOW | {"endTimeAt": "2020-08-02T12:00:00Z"}, "endTimeAt"),
        (WINDOW | {"timerel": "between", "endTimeAt": "2020-07-01T12:00:00Z"}, "endTimeAt"),
        (WINDOW | {"timeAt": "2020-08-01"}, "timeAt"),
        (WINDOW | {"timeproperty": "expiresAt"}, "timeproperty"),
    ],
)
def test_a_span_that_is_none_is_named(given: dict[str, str], where: str) -> None:
    with pytest.raises(InvalidQuery) as caught:
        read_span(given)
    assert caught.value.where == where


@pytest.mark.parametrize(
    ("given", "form"),
    [
        ({}, "normalized"),
        ({"options": "sysAttrs,count"}, "normalized"),
        ({"options": "temporalValues"}, "temporalValues"),
        ({"options": "temporalValues,sysAttrs"}, "temporalValues"),
        ({"options": "simplified"}, "temporalValues"),
        ({"format": "concise", "options": "aggregatedValues"}, "concise"),
        ({"format": "temporalValues", "options": "aggregatedValues,temporalValues"}, "temporalValues"),
    ],
)
def test_the_format_stands_over_the_options(given: dict[str, str], form: str) -> None:
    assert read_form(given) == form


@pytest.mark.parametrize("given", [{"format": "xml"}, {"options": "xml"}, {"format": "concise", "options": "xml"}])
def test_a_word_that_is_no_form_is_an_invalid_request(given: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest):
        read_form(given)


def test_two_forms_at_once_exclude_each_other() -> None:
    with pytest.raises(InvalidQuery, match="temporalValues and aggregatedValues"):
        read_form({"options": "temporalValues,aggregatedValues"})


@pytest.mark.parametrize(
    ("text", "period"),
    [
        ("PT0S", Period()),
        ("P0D", Period()),
        ("PT4M", Period(micros=240_000_000)),
        ("PT1.5S", Period(micros=1_500_000)),
        ("P1D", Period(days=1)),
        ("P2W", Period(days=14)),
        ("P1M", Period(months=1)),
        ("P3Y6M4DT12H30M5S", Period(42, 4, ((12 * 60 + 30) * 60 + 5) * 1_000_000)),
    ],
)
def test_periods_as_the_clause_writes_them(text: str, period: Period) -> None:
    assert parse_period(text) == period


@pytest.mark.parametrize("text", ["", "P", "PT", "1H", "P1H", "PT1D", "P1W2D", "P-1D", "bogus", "P1DT", "2020-01-01"])
def test_what_is_no_period(text: str) -> None:
    with pytest.raises(InvalidQuery) as caught:
        parse_period(text)
    assert caught.value.where == "aggrPeriodDuration"


@given(st.text(alphabet="PTYMWDHS0123456789.-", max_size=30))
def test_a_period_is_read_or_refused(text: str) -> None:
    try:
        found = parse_period(text)
    except InvalidQuery:
        return
    assert found.months >= 0 and found.days >= 0 and found.micros >= 0


def test_aggregates_need_methods_that_there_are() -> None:
    assert read_aggregate({"aggrMethods": "avg,max,avg"}) == Aggregate(("avg", "max"))
    zoned = {"aggrMethods": ",".join(METHODS), "aggrPeriodDuration": "P1D", "aggrZone": "Asia/Shanghai"}
    assert read_aggregate(zoned) == Aggregate(METHODS, Period(days=1), "Asia/Shanghai")
    for wrong, where in (
        ({}, "aggrMethods"),
        ({"aggrMethods": "median"}, "aggrMethods"),
        ({"aggrMethods": "avg", "aggrZone": "Mars/Olympus"}, "aggrZone"),
        ({"aggrMethods": "avg", "aggrZone": "../../etc/passwd"}, "aggrZone"),
    ):
        with pytest.raises(InvalidQuery) as caught:
            read_aggregate(wrong)
        assert caught.value.where == where


def test_a_whole_question() -> None:
    asked = question(
        attrs="power", lastN="3", datasetId="urn:d:1,@none", asOf="2021-01-01T00:00:00Z", format="aggregatedValues",
        aggrMethods="avg", instancesAfter="2020-08-02T00:00:00Z",
    )  # fmt: skip
    power = TERMS.expand("power")
    assert asked.attributes == asked.query.attrs == (power,)
    assert asked.last == 3 and asked.datasets == ("urn:d:1", "")
    assert asked.as_of == parse_instant("2021-01-01T00:00:00Z")
    assert asked.aggregate == Aggregate(("avg",))
    assert asked.since == parse_instant("2020-08-02T00:00:00Z") + 1 and asked.before is None


def test_what_is_picked_is_what_is_read() -> None:
    assert question(pick="id,power").attributes == (TERMS.expand("power"),)
    assert question(pick="id").attributes == ()
    assert question(omit="power").attributes == ()


def test_a_page_of_many_entities_has_fewer_instances_of_each() -> None:
    assert question(limit="20").most == 1_000
    assert question(limit="1000").most == 100


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({"lastN": "0"}, "lastN"),
        ({"lastN": "2.5"}, "lastN"),
        ({"lastN": "-1"}, "lastN"),
        ({"orderBy": "power"}, "orderBy"),
        ({"orderBy": "id,power"}, "orderBy"),
        ({"orderBy": "createdAt"}, "orderBy"),
        ({"pick": "owner{name}"}, "pick"),
        ({"q": 'owner{name}=="x"'}, "q"),
        ({"id": "not a uri"}, "id"),
        ({"asOf": "yesterday"}, "asOf"),
        ({"pick": "power", "attrs": "power"}, "pick"),
    ],
)
def test_what_a_temporal_query_refuses(given: dict[str, str], where: str) -> None:
    with pytest.raises(InvalidQuery) as caught:
        question(**given)
    assert caught.value.where == where


def test_a_query_without_a_time_or_too_wide_is_refused() -> None:
    for wrong in (
        {"type": "Lamp"},
        {"type": "Lamp", "timeproperty": "createdAt"},
        WINDOW,
        WINDOW | {"attrs": "createdAt"},
    ):
        with pytest.raises(Invalid):
            read_question(read_temporal(wrong, TERMS, "", "application/json"))


def test_a_retrieval_needs_no_time() -> None:
    asked = read_retrieval(read_temporal({"lastN": "4"}, TERMS, "t", "application/json"), "urn:x:1", page=7)
    assert asked.span is None and asked.last == 4 and asked.most == 7
    assert asked.query.ids == ("urn:x:1",) and asked.query.tenant == "t"


def test_the_query_of_a_post_becomes_the_same_parameters() -> None:
    body = {
        "type": "Query",
        "entities": [{"type": "Lamp"}],
        "temporalQ": WINDOW | {"lastN": 2, "aggrMethods": ["avg", "max"]},
        "aggrParams": {"aggrPeriodDuration": "PT1H"},
    }
    taken, selectors = read_members(body, TERMS, temporal=True)
    assert taken == WINDOW | {"lastN": "2", "aggrMethods": "avg,max", "aggrPeriodDuration": "PT1H"}
    assert len(selectors) == 1
    for wrong in (
        {"temporalQ": []},
        {"temporalQ": {"lastN": 2.5}},
        {"temporalQ": {"at": "x"}},
        {"aggrParams": {"x": 1}},
    ):
        with pytest.raises(InvalidQuery):
            read_members({"type": "Query"} | wrong, TERMS, temporal=True)
    with pytest.raises(InvalidQuery):
        read_members(body, TERMS)


@given(st.integers(BEGINNING, parse_instant("9999-12-31T23:59:59Z")))
def test_a_moment_comes_back_as_it_went(instant: int) -> None:
    assert read_span({"timerel": "after", "timeAt": format_instant(instant)}) == Span("after", instant)
