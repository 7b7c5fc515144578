"""Retention: what is older than the rules allow goes for good, and what is left of it aggregates as it did."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from feeding import micro, when
from filling import Filled, row
from landbridge.errors import InvalidSettings
from landbridge.history.lake import LakeTable
from landbridge.history.read import Question, Reader
from landbridge.history.retention import Retention, RetentionRule, length
from landbridge.model.query import Has, Query
from landbridge.model.temporal import Aggregate, Period, Span, TemporalQuery
from landbridge.store import ledger

NOW = "2020-03-01T00:00:00Z"
DAY, HOUR = 86_400_000_000, 3_600_000_000
HOURS = [f"2020-01-01T{hour:02}:{minute:02}:00Z" for hour in range(2) for minute in (0, 20, 40)]
RULE = RetentionRule("T", "n", 30 * DAY, HOUR)


def timed(entity: str, time: str, n: float | None, w: str | None = "x") -> dict[str, Any]:
    return row(entity, None, n, w) | {"observedAt": when(time)}


ROWS = [timed("a", time, float(at)) for at, time in enumerate(HOURS)]
ROWS += [timed("a", NOW, 99.0), timed("b", HOURS[0], 7.0)]


@pytest.fixture
def city(tmp_path: Path) -> Any:
    made = Filled(tmp_path)
    made.time = micro(NOW)
    yield made
    made.close()


def kept(city: Filled, *rules: RetentionRule) -> Any:
    return Retention(city.store, city.lake, rules).keep()


def numbers(city: Filled) -> list[tuple[str, float, Any]]:
    """Each number with its entity and what its mark says."""
    found = [line for line in city.lines() if line["attribute"] == "n"]
    marks = [orjson.loads(line["rest"])["rollup"]["json"] if line["rest"] else None for line in found]
    return sorted(
        ((line["entity"][-1], line["number"], mark) for line, mark in zip(found, marks, strict=True)), key=repr
    )


def mark(count: int, least: float, greatest: float, squares: float, until: str) -> dict[str, Any]:
    return {"method": "mean", "count": count, "min": least, "max": greatest, "sumsq": squares, "until": until}


FIRST, SECOND = "2020-01-01T01:00:00Z", "2020-01-01T02:00:00Z"
MEANS = [
    ("a", 1.0, mark(3, 0.0, 2.0, 5.0, FIRST)),
    ("a", 4.0, mark(3, 3.0, 5.0, 50.0, SECOND)),
    ("a", 99.0, None),
    ("b", 7.0, mark(1, 7.0, 7.0, 49.0, FIRST)),
]


def test_old_values_become_means_and_say_so(city: Filled) -> None:
    city.fill(ROWS)
    files = files_of(city)
    plan = Retention(city.store, city.lake, [RULE]).planned()
    (told,) = plan
    assert (told.type, told.attribute, told.rows, told.means) == ("T", "n", 7, 3)
    assert (told.oldest, told.newest) == (micro(HOURS[0]), micro(HOURS[-1]))
    assert told.bytes > 0
    assert len(city.lines()) == 16
    assert kept(city, RULE) == plan
    assert numbers(city) == sorted(MEANS, key=repr)
    assert len(city.lines()) == 4 + 8
    assert not files & files_of(city)
    assert kept(city, RULE) == []


def files_of(city: Filled) -> set[str]:
    return {path.name for path in Path(city.lake.root).rglob("*.parquet")}


def test_it_is_on_record_before_and_after(city: Filled) -> None:
    city.fill(ROWS)
    kept(city, RULE)
    with city.store.reader() as connection:
        acts = [(one[1], one[3], one[4], one[5], one[6]) for one in ledger.audit(connection, 10)]
    said = "7 lines, 2020-01-01T00:00:00Z to 2020-01-01T01:40:00Z; 3 means"
    assert acts == [("retention", "retention", "T/n", outcome, said) for outcome in ("done", "begun")]


def test_values_that_come_late_are_weighed_in(city: Filled) -> None:
    city.fill(ROWS)
    kept(city, RULE)
    city.fill([*ROWS, timed("a", "2020-01-01T00:50:00Z", 9.0)])
    assert kept(city, RULE)[0].rows == 1
    assert numbers(city)[0] == ("a", 3.0, mark(4, 0.0, 9.0, 86.0, FIRST))
    assert len(numbers(city)) == 4


def test_means_go_too_in_their_time_and_what_has_none_with_them(city: Filled) -> None:
    city.fill(ROWS)
    rule = RetentionRule("T", "*", 30 * DAY, HOUR, 365 * DAY)
    kept(city, rule)
    assert {line["attribute"] for line in city.lines()} == {"n", "w"}
    assert len(city.lines()) == 4 + 8
    city.time += 330 * DAY  # of the first hours of the year nothing is left, of the first of March the values are means
    kept(city, rule)
    assert {(line["attribute"], line["number"], line["text"]) for line in city.lines()} == {
        ("n", 99.0, None),
        ("w", None, "x"),
    }
    city.time += 40 * DAY
    kept(city, rule)
    assert city.lines() == []


METHODS = ("totalCount", "sum", "avg", "min", "max", "stddev", "sumsq")


def aggregates(city: Filled, sift: bool, period: Period) -> Any:
    """What history makes of all methods, by entity and method."""
    asked = TemporalQuery(
        Query(types=Has("T"), limit=10), Span("after", micro(HOURS[0])), ("n",),
        aggregate=Aggregate(METHODS, period),
    )  # fmt: skip
    reader = Reader(city.store, city.lake)
    with city.store.reader() as connection:
        question = Question(reader, connection, asked)
        if sift:
            question.sift()
            page = question.page()
        else:
            page = reader.evolutions(asked)
    return {one.id: one.buckets["n"] for one in page.found}


@pytest.mark.parametrize("sift", [True, False])
@pytest.mark.parametrize("period", [Period(), Period(micros=2 * HOUR), Period(days=1)])
def test_aggregates_are_the_same_of_means_as_of_values(city: Filled, sift: bool, period: Period) -> None:
    city.fill(ROWS)
    before = aggregates(city, sift, period)
    assert kept(city, RULE)
    after = aggregates(city, sift, period)
    assert before.keys() == after.keys()
    for entity, methods in before.items():
        assert methods.keys() == after[entity].keys()
        for method, buckets in methods.items():
            now = after[entity][method]
            assert [one.value for one in now] == pytest.approx([one.value for one in buckets])
            if not period.whole:
                assert [one[1:] for one in now] == [one[1:] for one in buckets]


def test_without_means_nothing_is_left_and_the_more_special_rule_counts(city: Filled) -> None:
    city.fill(ROWS)
    gone = kept(city, RetentionRule("T", "*", 30 * DAY), RetentionRule("T", "n", 400 * DAY))
    assert [(one.attribute, one.rows, one.means) for one in gone] == [("w", 7, 0)]
    assert len(numbers(city)) == 8


def test_lines_that_the_store_has_besides_wait(city: Filled) -> None:
    city.fill(ROWS, back=False)
    assert kept(city, RULE) == []
    assert len(city.lines()) == 16


def test_corrected_values_are_not_averaged(city: Filled) -> None:
    city.fill(ROWS)
    city.fill([timed("a", HOURS[0], 3.0), *ROWS[1:]])
    kept(city, RULE)
    assert numbers(city)[0] == ("a", 2.0, mark(3, 1.0, 3.0, 14.0, FIRST))


def test_a_table_that_changes_meanwhile_is_left_alone(city: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    city.fill(ROWS)
    monkeypatch.setattr(LakeTable, "commit", lambda *given, **named: None)
    with pytest.raises(Exception, match="meanwhile"):
        kept(city, RULE)


def test_lengths_are_read() -> None:
    assert length("P90D", "x") == 90 * DAY
    assert length("P5Y", "x") == 5 * 365 * DAY
    assert length("P1M2W3DT4H5M", "x") == (30 + 14 + 3) * DAY + 4 * HOUR + 5 * 60_000_000
    for text in ("", "P", "PT", "90D", "P0D", "P1DT", "P-1D"):
        with pytest.raises(InvalidSettings):
            length(text, "x")
