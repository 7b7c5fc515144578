"""What the pool tells: values and where they come from, series, links, disagreements, sources, and to whom."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
import pyarrow as pa
import pytest

from feeding import City, delivery, micro, rivals, when
from landbridge.errors import InvalidQuery, Missing, Refused
from landbridge.governance.audit import MINUTE
from landbridge.governance.policy import Actor, Policy, Role, Rule, default_rules
from landbridge.model.answer import Point, RunRecord
from landbridge.model.claim import Claims
from landbridge.model.feed import RejectedRow
from landbridge.model.parser import parse_attributes, parse_entity
from landbridge.model.query import Has, Query
from landbridge.model.terms import Terms
from landbridge.pool.declare import declare
from landbridge.pool.pool import Pool
from landbridge.store import find, reading
from landbridge.store.transaction import RUNS_KEPT, SqliteTransaction

BOSS = Actor("boss", Role.OPERATOR)
READER = Actor("guest", Role.READER)
PUBLIC = Actor("public", Role.PUBLIC, door="ngsild")
CORE = Terms()
HOURS = [f"2020-04-02T{hour:02d}:00+00:00" for hour in range(24)]


@pytest.fixture
def city() -> Iterator[City]:
    city = City()
    yield city
    city.close()


def readings(*values: float, id_: str = "urn:x:1", start: int = 0) -> list[dict[str, Any]]:
    return [
        {"id": id_, "type": "T", "n": value, "observedAt": when(HOURS[start + place])}
        for place, value in enumerate(values)
    ]


# -- where values come from


def test_a_value_leads_to_its_row_and_only_stewards_see_it(city: City) -> None:
    pool = Pool(city.store)
    run = city.pull(
        "one", [{"id": "urn:x:1", "type": "T", "n": 1, "n.unitCode": "GQ"}, {"id": "urn:x:2", "type": "T", "n": 2}]
    )
    (trace,) = pool.explain(BOSS, "urn:x:2", "n")
    assert (trace.owner, trace.run, trace.row, trace.place) == ("one", run.run, 1, "file.csv line 3")
    assert (trace.mapping, trace.value, trace.standing) == ("mapping.sql", 2, "value")
    assert trace.raw == {"id": "urn:x:2", "type": "T", "n": "2", "n.unitCode": None}
    (seen,) = pool.explain(READER, "urn:x:2", "n")
    assert seen == replace(trace, raw=None)
    assert pool.explain(BOSS, "urn:x:1")[0].unit == "GQ"


def test_who_wrote_is_told_to_stewards_only(city: City) -> None:
    pool = Pool(city.store)
    pool.create(replace(BOSS, request="r-9"), parse_entity({"id": "urn:x:1", "type": "T", "n": 1}, CORE))
    assert [(t.actor, t.request) for t in pool.explain(BOSS, "urn:x:1")] == [("boss", "r-9")]
    assert [(t.actor, t.request) for t in pool.explain(READER, "urn:x:1")] == [(None, None)]


def test_each_instance_says_what_it_stands_for(city: City) -> None:
    city.claims = rivals("one", "two")
    pool = Pool(city.store, claims=city.claims)
    city.pull("two", [{"id": "urn:x:1", "type": "T", "n": 2}])
    city.pull("one", [{"id": "urn:x:1", "type": "T", "n": 1}])
    pool.append(BOSS, "urn:x:1", parse_attributes({"n": {"value": 5, "datasetId": "urn:d:1"}, "m": 1}, CORE))
    told = {(t.attribute, t.dataset_id): (t.standing, t.owner, t.value) for t in pool.explain(BOSS, "urn:x:1")}
    assert told == {
        ("n", None): ("chosen", "one", 1),
        ("n", "urn:ngsi-ld:Dataset:one"): ("claim", "one", 1),
        ("n", "urn:ngsi-ld:Dataset:two"): ("claim", "two", 2),
        ("n", "urn:d:1"): ("instance", "api", 5),
        ("m", None): ("value", "api", 1),
    }


def test_what_is_not_there_is_missing(city: City) -> None:
    pool = Pool(city.store)
    city.pull("one", [{"id": "urn:x:1", "type": "T", "n": 1}])
    for ask in (
        lambda: pool.entity(BOSS, "urn:x:9"),
        lambda: pool.explain(BOSS, "urn:x:9"),
        lambda: pool.explain(BOSS, "urn:x:1", "m"),
        lambda: pool.series(BOSS, "urn:x:9", "n"),
        lambda: pool.disagreements(BOSS, entity="urn:x:9"),
        lambda: pool.entity(BOSS, "urn:x:1", tenant="other"),
    ):
        with pytest.raises(Missing):
            ask()
    with pytest.raises(InvalidQuery):
        pool.query(BOSS, Query(types=Has("T"), limit=1001))


# -- series


def test_a_series_is_merged_by_time_from_bulk_and_single_writes(city: City) -> None:
    pool = Pool(city.store)
    city.pull("one", readings(*range(10), start=10))
    city.pull("late", readings(100, 101, start=2))
    pool.append(BOSS, "urn:x:1", parse_attributes({"n": {"value": 55, "observedAt": "2020-04-02T05:30:00Z"}}, CORE))
    points = pool.series(BOSS, "urn:x:1", "n", limit=100)
    assert [point.value for point in points] == [100, 101, 55, *range(10)]
    assert [point.time for point in points] == sorted(point.time for point in points)
    assert points[-1] == Point(micro(HOURS[19]), points[-1].recorded, 9, "one", None)
    assert [point.value for point in pool.series(BOSS, "urn:x:1", "n", limit=3)] == [7, 8, 9]
    since = pool.series(BOSS, "urn:x:1", "n", since=micro(HOURS[5]))
    assert [point.value for point in since] == [55, *range(10)]
    assert pool.series(BOSS, "urn:x:1", "m") == []
    assert pool.series(BOSS, "urn:x:1", "n", limit=0) == []


def test_the_newest_of_many_segments(city: City) -> None:
    """Deliveries that are not in the order of time, large enough to be kept as columns, of many entities."""
    pool = Pool(city.store)
    run = city.open("one", manner="incremental")
    for start in (6, 0, 12):
        rows = [
            row for at in range(200) for row in readings(*(start + n for n in range(6)), id_=f"urn:x:{at}", start=start)
        ]
        run.write([delivery(rows)])
    run.finish()
    assert [point.value for point in pool.series(BOSS, "urn:x:77", "n", limit=8)] == list(range(10, 18))
    assert [point.value for point in pool.series(BOSS, "urn:x:77", "n", limit=50)] == list(range(18))


# -- types, links, search


def test_types_links_and_search(city: City) -> None:
    pool = Pool(city.store)
    for document in (
        {"id": "urn:area:1", "type": "Area", "name": {"languageMap": {"zh": "滨海新区", "en": "Binhai"}}},
        {"id": "urn:s:1", "type": "Station", "refArea": {"object": "urn:area:1"},
         "near": {"object": ["urn:area:1", "urn:x:2"]}},
        {"id": "urn:s:2", "type": "Station", "refArea": {"object": "urn:area:2"}, "name": "100%_real"},
    ):  # fmt: skip
        pool.create(BOSS, parse_entity(document, CORE))
    types = {one.type: (one.entities, one.attributes, one.located) for one in pool.types(READER)}
    assert types == {"Area": (1, ("name",), False), "Station": (2, ("refArea", "near", "name"), False)}
    links = pool.links(READER, "urn:area:1")
    assert [(link.entity, link.type, link.attribute) for link in links] == [
        ("urn:s:1", "Station", "near"), ("urn:s:1", "Station", "refArea")]  # fmt: skip
    assert len(pool.links(READER, "urn:area:1", limit=1)) == 1
    assert pool.links(READER, "urn:area:9") == []
    assert [one["id"] for one in pool.search(READER, "滨海")] == ["urn:area:1"]
    assert [one["id"] for one in pool.search(READER, "0%_r")] == ["urn:s:2"]
    assert [one["id"] for one in pool.search(READER, "urn:s")] == ["urn:s:1", "urn:s:2"]


def test_links_of_a_large_kind_are_found_by_an_index_that_is_made_once(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(find, "LARGE", 100)
    pool = Pool(city.store)
    pool.create(BOSS, parse_entity({"id": "urn:x:first", "type": "T", "ref": {"object": ["urn:a:1", "urn:a:7"]}}, CORE))
    city.pull("one", [{"id": f"urn:x:{at:03d}", "type": "T", "ref.object": f"urn:a:{at % 50}"} for at in range(300)])
    wanted = {"urn:x:first", *(f"urn:x:{at:03d}" for at in range(7, 300, 50))}
    assert {link.entity for link in pool.links(READER, "urn:a:7")} == wanted
    version = pool.version()
    assert {link.entity for link in pool.links(READER, "urn:a:7")} == wanted
    assert pool.version() == version
    with city.store.reader() as connection:
        (kind,) = reading.kinds(connection, "")
        plan = connection.execute(
            f"EXPLAIN QUERY PLAN SELECT id FROM entity WHERE {find.bounds(kind)} AND s{kind.slots['ref']} = 'urn:a:7'"
        ).fetchone()
    assert find.index_name(kind, kind.slots["ref"]) in plan[3]
    assert len(pool.links(READER, "urn:a:7", limit=3)) == 3


def test_a_type_with_more_attributes_than_slots_names_them_all(city: City) -> None:
    pool = Pool(city.store)
    many = {f"a{number:02d}": number for number in range(40)}
    pool.create(BOSS, parse_entity({"id": "urn:x:1", "type": "T", **many}, CORE))
    (summary,) = pool.types(READER)
    assert sorted(summary.attributes) == sorted(many)


# -- disagreements, sources, rejects


def test_disagreements_are_told(city: City) -> None:
    city.claims = rivals("one", "two")
    pool = Pool(city.store, claims=city.claims)
    city.pull("one", readings(1, 1))
    city.pull("two", readings(1, 2))
    (found,) = pool.disagreements(READER, entity="urn:x:1", attribute="n")
    assert (found.entity, found.attribute, found.since, found.until) == ("urn:x:1", "n", micro(HOURS[1]), None)
    assert sorted((said.source, said.value, said.observed_at) for said in found.values) == [
        ("one", 1, micro(HOURS[1])), ("two", 2, micro(HOURS[1]))]  # fmt: skip
    assert pool.disagreements(READER, attribute="m") == []
    assert pool.disagreements(READER, tenant="other") == []


def test_sources_runs_and_rejects(city: City) -> None:
    pool = Pool(city.store)
    told = {"kind": "csv", "title": {"en": "One"}, "owner": "Bureau", "licence": "CC0", "schedule": "P1D",
            "types": ["T"], "attributes": ["n"]}  # fmt: skip
    declare(city.store, BOSS, Claims(), {"one": told, "old": {"kind": "json"}})
    run = city.open("one")
    bad = tuple(RejectedRow(f"file.csv line {at}", "no number", {"n": "x"}) for at in range(5))
    run.write([delivery([{"id": "urn:x:1", "type": "T", "n": 1}], rejects=(*bad, RejectedRow("line 9", "no id", {})))])
    run.finish()
    run = city.open("one")
    run.finish(state="failed", reason="The file is gone.")
    states = {state.name: state for state in pool.sources(READER)}
    one = states["one"]
    assert (one.kind, one.title, one.owner, one.rejects, one.types) == ("csv", {"en": "One"}, "Bureau", 6, ("T",))
    assert one.last and one.last_good
    assert (one.last.run, one.last.state, one.last.reason) == (2, "failed", "The file is gone.")
    assert (one.last_good.run, one.last_good.state, one.last_good.instances) == (1, "done", 1)
    assert states["old"].last is None
    assert [record.run for record in pool.runs(READER, "one")] == [2, 1]
    groups = {group.reason: group for group in pool.rejects(BOSS, "one", examples=2)}
    assert {reason: (group.count, len(group.examples)) for reason, group in groups.items()} == {
        "no number": (5, 2), "no id": (1, 1)}  # fmt: skip
    rows = pool.reject_rows(BOSS, "one", "no number", limit=2, offset=3)
    assert [row["place"] for row in rows] == ["file.csv line 3", "file.csv line 4"]
    assert rows[0]["row"] == {"n": "x"}
    for actor in (READER, PUBLIC):
        with pytest.raises(Refused):
            pool.rejects(actor)
        with pytest.raises(Refused):
            pool.reject_rows(actor, "one", "no number")


def test_a_source_that_left_the_folder_is_no_longer_shown_and_its_values_stay(city: City) -> None:
    pool = Pool(city.store)
    declare(city.store, BOSS, Claims(), {"one": {"kind": "csv"}, "two": {"kind": "csv"}})
    city.pull("one", [{"id": "urn:x:1", "type": "T", "n": 1}])
    version = pool.version()
    declare(city.store, BOSS, Claims(), {"one": {"kind": "csv"}, "two": {"kind": "csv"}})
    assert pool.version() == version  # nothing changed, nothing written
    declare(city.store, BOSS, Claims(), {}, {"two"})
    assert [state.name for state in pool.sources(READER)] == ["two"]
    assert pool.explain(READER, "urn:x:1")[0].owner == "one"
    declare(city.store, BOSS, Claims(), {"one": {"kind": "csv"}}, {"two"})
    assert [state.name for state in pool.sources(READER)] == ["one", "two"]


def test_claims_are_those_that_the_folder_last_declared(city: City) -> None:
    pool = Pool(city.store)
    assert pool.claims == Claims()
    claims = rivals("one", "two", holds={"one": 5})
    declare(city.store, BOSS, claims, {"one": {}, "two": {}})
    assert pool.claims == claims
    assert pool.claims is pool.claims
    kept = declare(city.store, BOSS, Claims(), {}, {"one", "two"})
    assert kept.feeds == claims.feeds
    assert kept.holds == {"one": 5}


# -- who may


def test_the_public_reads_where_the_city_says_so_and_is_counted_by_the_minute(city: City) -> None:
    with pytest.raises(Refused):
        Pool(city.store).query(PUBLIC, Query(types=Has("T")))
    rules = default_rules() | {Role.PUBLIC: Rule(read=True)}
    pool = Pool(city.store, Policy(rules))
    city.time = 1000 * MINUTE
    for _ in range(3):
        pool.query(PUBLIC, Query(types=Has("T")))
    pool.types(PUBLIC)
    pool.create(BOSS, parse_entity({"id": "urn:x:2", "type": "U"}, CORE))
    pool.entity(PUBLIC, "urn:x:2")
    with pytest.raises(Refused):
        pool.create(PUBLIC, parse_entity({"id": "urn:x:1", "type": "T"}, CORE))
    assert pool.audited(BOSS) == []  # counts are written when their minute is over
    city.time = 1001 * MINUTE
    pool.query(PUBLIC, Query(types=Has("T")))
    lines = {(act.at, act.action, act.target, act.reason, act.request) for act in pool.audited(BOSS)}
    assert lines == {
        (1000 * MINUTE, "read", "T", "3", "ngsild"),
        (1000 * MINUTE, "read", "U", "1", "ngsild"),
        (1000 * MINUTE, "read", "read types", "1", "ngsild"),
        (1000 * MINUTE, "denied", "write entities", "1", "ngsild"),
    }


def test_changes_come_in_the_order_of_their_commits(city: City) -> None:
    pool = Pool(city.store)
    city.pull("one", [{"id": f"urn:x:{at}", "type": "T", "n": at} for at in range(300)])
    pool.create(BOSS, parse_entity({"id": "urn:y:1", "type": "U", "n": 1}, CORE))
    changes = pool.changes(0)
    assert [change.commit for change in changes] == sorted(change.commit for change in changes)
    assert changes[0].types == ("T",)
    assert changes[0].more
    assert changes[-1].entities == ("urn:y:1",)
    assert pool.changes(changes[-1].commit) == []
    assert pool.changes(0, limit=1) == changes[:1]


def test_raw_columns_that_are_never_stored_are_nowhere(city: City) -> None:
    """Whatever hands them over leaves them out of the raw rows; the pool shows what it was given and no more."""
    pool = Pool(city.store)
    run = city.open("one", never_store=frozenset({"phone"}))
    row = {"id": "urn:x:1", "type": "T", "n": 1}
    raw = replace(delivery([row]).raw, take=lambda numbers: pa.RecordBatch.from_pylist([{"n": "1", "phone": "123"}]))  # type: ignore[type-var]
    run.write([delivery([row], raw=raw)])
    run.finish()
    (trace,) = pool.explain(BOSS, "urn:x:1")
    assert trace.raw is not None
    assert "phone" not in json.dumps(dict(trace.raw))


def test_run_records_are_bounded_but_for_rows_that_are_kept_and_the_last_good_run(city: City) -> None:
    pool = Pool(city.store)

    def record(state: str) -> None:
        def job(transaction: SqliteTransaction) -> None:
            number = transaction.next_run("busy")
            body = RunRecord("busy", number, number, number, state, None, 0, 0, 0, 0, 0, 0, 0, 0, 0)
            transaction.save_run("busy", number, orjson.dumps(body).decode())
            if number == 3:
                transaction.add_raw("busy", number, 0, 0, b"rows")

        city.store.write(job)

    for state in ["done", "done", "done", "unchanged", "failed"] + ["failed"] * (RUNS_KEPT + 20):
        record(state)
    kept = pool.runs(BOSS, "busy", 10_000)
    assert [run.run for run in kept[RUNS_KEPT:]] == [4, 3]  # the last good one, and one whose rows are kept
    (state,) = pool.sources(BOSS)
    assert state.last is not None
    assert (state.last.state, state.last_good and state.last_good.run) == ("failed", 4)
