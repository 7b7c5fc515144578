"""Mappings over a whole pull, several tables and files, reference tables, keys and hashes."""

import datetime
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landbridge.errors import InvalidMapping
from landbridge.model.column import META_SUFFIXES, VALUE_SUFFIXES, plan_columns
from landbridge.sources.mapping.mapper import open_mapper
from made_mapping import Outcome, declare, mapped, numbered, one


def test_an_aggregate_sees_every_batch(tmp_path: Path) -> None:
    text = "select 'urn:x:' || s as id, 'Thing' as type, sum(cast(x as int)) as v from source group by s order by s"
    outcome = mapped(tmp_path, text, {"s": ["a", "b", "a", "b", "a"], "x": list("12345")}, size=2)
    assert outcome.column("v") == [9, 6]
    assert outcome.column("_row") == [4, 3]  # the last row of each group stands for it
    assert [part.batch for part in outcome.parts] == [None]


def test_a_window_accumulates_daily_increments(tmp_path: Path) -> None:
    text = (
        "select 'urn:x:' || s as id, 'Thing' as type, cast(d as date) as \"observedAt\","
        " sum(cast(x as int)) over (partition by s order by d) as v from source"
    )
    rows = {"s": list("abab"), "d": ["2020-01-01", "2020-01-01", "2020-01-02", "2020-01-03"], "x": list("1234")}
    outcome = mapped(tmp_path, text, rows, size=1)
    assert sorted(zip(outcome.column("id"), outcome.column("v"), strict=True)) == [
        ("urn:x:a", 1), ("urn:x:a", 4), ("urn:x:b", 2), ("urn:x:b", 6),
    ]  # fmt: skip


def test_rows_that_fail_in_a_mapping_over_the_whole_pull(tmp_path: Path) -> None:
    text = (
        "select 'urn:x:' || id as id, 'Thing' as type, cast(x as int) as v,"
        " row_number() over (order by id) as place from source"
    )
    outcome = mapped(tmp_path, text, {"id": list("abc"), "x": ["1", "zwei", "3"]}, size=1)
    assert outcome.column("id") == ["urn:x:a", "urn:x:c"]
    assert outcome.rejects == [(1, "column x: 'zwei' is no INTEGER")]


def test_several_tables_and_several_files(tmp_path: Path) -> None:
    texts = {
        "routes": "select 'urn:r:' || id as id, 'Route' as type, name from routes",
        "stops": "select 'urn:s:' || s.id as id, 'Stop' as type, r.name as v"
        " from stops s join routes r on r.id = s.route",
    }
    outcome = Outcome()
    with open_mapper(declare(tmp_path, texts)) as mapper:
        assert [(file.path, file.types) for file in mapper.files] == [
            ("register/mapping/routes.sql", ("Route",)), ("register/mapping/stops.sql", ("Stop",)),
        ]  # fmt: skip
        tables = {"stops": {"id": ["1", "2"], "route": ["b", "c"]}, "routes": {"id": ["b"], "name": ["Bus 5"]}}
        for first, (name, columns) in zip((0, 2), tables.items(), strict=True):
            outcome.take(mapper.feed(name, numbered(columns, first).to_batches()[0]))
        outcome.take(mapper.finish())
        assert {(part.file.path, part.rows.num_rows) for part in outcome.parts if part.rows.num_rows} == {
            ("register/mapping/routes.sql", 1), ("register/mapping/stops.sql", 1),
        }  # fmt: skip
    assert sorted(row["id"] for row in outcome.rows) == ["urn:r:b", "urn:s:1"]


def test_a_table_that_the_source_does_not_have(tmp_path: Path) -> None:
    with pytest.raises(InvalidMapping) as error:
        mapped(tmp_path, "select 'urn:x' as id, 'T' as type, x as v from sorce", {"x": ["a"]})
    assert str(error.value) == (
        "register/mapping.sql: The mapping reads the table 'sorce', which the source does not have."
        " Did you mean 'source'? Its tables: source."
    )


def test_reference_tables_of_files_and_databases(tmp_path: Path) -> None:
    (tmp_path / "names.csv").write_text("\ufeffold;new\n继电器厂;勤俭道\n", encoding="utf-8")
    (tmp_path / "codes.tsv").write_text("name\tcode\n勤俭道\t1015A\n", encoding="utf-8")
    with sqlite3.connect(tmp_path / "stations.db") as connection:
        connection.execute("create table station (code text, lon real)")
        connection.execute("insert into station values ('1015A', 117.145)")
    connection.close()
    text = (
        "select 'urn:x:' || c.code as id, 'Thing' as type, s.lon as v from source r join names n on n.old = r.x"
        " join codes c on c.name = n.new join stations s on s.code = c.code"
    )
    tables = {"names": "names.csv", "codes": "codes.tsv", "stations": "sqlite:///stations.db#station"}
    outcome = mapped(tmp_path, text, {"x": ["继电器厂", "unknown"]}, tables=tables)
    assert [(row["id"], row["v"], row["_row"]) for row in outcome.rows] == [("urn:x:1015A", 117.145, 0)]


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("from source", [0, 1, 2]),
        ("from (select * from source where x <> 'b') s", [0, 2]),
        ("from source where x in (select x from source where x > 'a')", [1, 2]),
        ("from (select x from source union all select x from source) s", [0, 0, 1, 1, 2, 2]),
        ("from (select distinct x from source) s", [None, None, None]),
    ],
)
def test_each_row_knows_its_source_row(tmp_path: Path, query: str, rows: list[int | None]) -> None:
    outcome = mapped(tmp_path, f"select 'urn:x:' || x as id, 'Thing' as type, x as v {query}", {"x": list("abc")})
    assert sorted(outcome.column("_row"), key=lambda row: -1 if row is None else row) == rows


def test_a_mapping_may_name_the_row_itself(tmp_path: Path) -> None:
    text = "select 'urn:x:' || x as id, 'Thing' as type, 1 as v, min(_row) as row from source group by x"
    outcome = mapped(tmp_path, text, {"x": list("aab")})
    assert sorted(outcome.column("_row")) == [0, 2]


def test_keys_and_hashes(tmp_path: Path) -> None:
    text = 'select x as id, \'Thing\' as type, t as "observedAt", v, d as "v.datasetId" from source'
    time = datetime.datetime(2020, 4, 2, tzinfo=datetime.UTC)
    rows = {
        "x": ["urn:a", "urn:a", "urn:a", "urn:b", "urn:a", "urn:a"],
        "t": [time, time, time + datetime.timedelta(hours=1), time, time, time],
        "v": ["1", "1", "1", "1", "2", None],
        "d": [None, None, None, None, None, "urn:d"],
    }
    outcome = mapped(tmp_path, text, rows, size=2)
    keys, hashes = outcome.column("_key"), outcome.column("_hash")
    assert keys[0] == keys[1] == keys[4]
    assert len({keys[0], keys[2], keys[3], keys[5]}) == 4
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 5
    assert mapped(tmp_path, text, rows, size=6).column("_hash") == hashes  # whatever the batches, and each time
    part = next(part for part in outcome.parts if part.rows.num_rows)
    assert {str(part.rows.schema.field(name).type) for name in ("_key", "_hash")} == {"uint64"}


def test_an_empty_text_and_a_missing_one_have_different_hashes(tmp_path: Path) -> None:
    text = "select 'urn:a' as id, 'Thing' as type, x as v from source"
    outcome = mapped(tmp_path, text, {"x": ["", None]})
    assert len(set(outcome.column("_hash"))) == 2


def test_normal_types(tmp_path: Path) -> None:
    text = """select 'urn:x' as id, 'Thing' as type, 1::tinyint as a, 1.5::decimal(5,2) as b, true as c,
        date '2020-02-29' as d, timestamptz '2020-02-29 08:00+08' as e, [1, 2] as f, {'p': 1} as g, null as h,
        '/a/b' as scope, 'GQ' as "a.unitCode", 0.5 as "a.accuracy", 'P1' as "a.accuracy.unitCode" from source"""
    (row,) = mapped(tmp_path, text, {"x": ["a"]}).rows
    assert {name: row[name] for name in "abcdefgh"} == {
        "a": 1, "b": 1.5, "c": True, "d": "2020-02-29", "e": "2020-02-29T00:00:00Z", "f": "[1,2]", "g": '{"p":1}',
        "h": None,
    }  # fmt: skip
    assert (row["scope"], row["a.unitCode"], row["a.accuracy"], row["a.accuracy.unitCode"]) == ("/a/b", "GQ", 0.5, "P1")


def test_batches_of_a_source_whose_columns_differ(tmp_path: Path) -> None:
    outcome = Outcome()
    with open_mapper(declare(tmp_path, one("x"))) as mapper:
        outcome.take(mapper.feed("source", numbered({"x": ["a"], "y": [1]}).to_batches()[0]))
        outcome.take(mapper.feed("source", numbered({"x": ["b"]}, 1).to_batches()[0]))
        outcome.take(mapper.finish())
    assert outcome.column("v") == ["a", "b"]
    with open_mapper(declare(tmp_path, one("x"))) as mapper, pytest.raises(InvalidMapping, match='no column "x"'):
        for part in (numbered({"x": ["a"]}), numbered({"renamed": ["b"]}, 1)):
            list(mapper.feed("source", part.to_batches()[0]))
        list(mapper.finish())


# --- the grammar of column names -----------------------------------------------------------------------------------

RESERVED = {*VALUE_SUFFIXES, *META_SUFFIXES}
plain = st.text("abcXYZ滨", min_size=1, max_size=4).filter(lambda name: name not in RESERVED)
members = st.sampled_from(sorted(VALUE_SUFFIXES))


@settings(max_examples=300, deadline=None)
@given(
    attributes=st.dictionaries(
        plain,
        st.tuples(
            st.none() | members,
            st.sets(st.sampled_from(META_SUFFIXES)),
            st.dictionaries(plain | members, st.tuples(st.none() | members, st.booleans()), max_size=2),
        ),
        min_size=1,
        max_size=4,
    ),
    shuffled=st.randoms(use_true_random=False),
)
def test_names_that_are_written_are_read_the_same(attributes: dict, shuffled) -> None:  # type: ignore[no-untyped-def,type-arg]
    names = ["id", "type"]
    for attribute, (member, metas, subs) in attributes.items():
        names.append(attribute if member is None else f"{attribute}.{member}")
        names += [f"{attribute}.{meta}" for meta in metas]
        for sub, (value, unit) in subs.items():
            written = f"sub({sub})" if sub in RESERVED else sub
            names.append(f"{attribute}.{written}" + (f".{value}" if value else ""))
            names += [f"{attribute}.{written}.unitCode"] if unit else []
    shuffled.shuffle(names)
    plan = plan_columns(names)
    read = {
        one.name: (
            one.value.column.partition(".")[2] or None,
            {meta for meta, column in (("unitCode", one.value.unit_code), ("observedAt", one.observed_at),
                                       ("datasetId", one.dataset_id)) if column},
            {sub.name: (VALUES.get((sub.kind, sub.reading)), sub.unit_code is not None) for sub in one.subs},
        )
        for one in plan.attributes
    }  # fmt: skip
    wanted = {
        name: (member, metas, {sub: (VALUES.get(VALUE_SUFFIXES.get(value or "", ("Property", "plain"))), unit)
                               for sub, (value, unit) in subs.items()})
        for name, (member, metas, subs) in attributes.items()
    }  # fmt: skip
    assert read == wanted


VALUES = {meaning: suffix for suffix, meaning in VALUE_SUFFIXES.items()}


@settings(max_examples=300, deadline=None)
@given(names=st.lists(st.text("ab.()subobjectCd", max_size=12), max_size=5))
def test_whatever_the_names_are_a_plan_or_our_error_comes_out(names: list[str]) -> None:
    try:
        plan = plan_columns(["id", "type", *names])
    except InvalidMapping as error:
        assert error.where
        return
    columns = [value.column for one in plan.attributes for value in (one.value, *one.subs)]
    assert len(set(columns)) == len(columns)
