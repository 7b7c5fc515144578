"""Databases as sources, against real PostgreSQL, MariaDB and SQLite."""

import json
import sqlite3
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from landbridge.errors import Invalid, InvalidSettings, Unreachable
from landbridge.sources import database
from landbridge.sources import postgresql as road
from landbridge.sources.contract import Batch, Declaration
from landbridge.sources.database import open_source
from services import Database


def declare(folder: Path, **options: Any) -> Declaration:
    return Declaration("register", "sql", folder, options)


def whole(batches: Iterator[Batch]) -> list[dict[str, Any]]:
    return [row for batch in batches for row in batch.rows.to_pylist()]


@pytest.fixture
def stations(tmp_path: Path) -> Path:
    with sqlite3.connect(tmp_path / "stations.db") as connection:
        connection.execute('create table station (id integer, name text, height, "group" text)')
        connection.executemany(
            "insert into station values (?, ?, ?, ?)",
            [(1, "永明路", 12.5, "a"), (2, "第四大街", 3, "b"), (3, "汉北路", "unknown", None)],
        )
    connection.close()
    return tmp_path


def test_sqlite_table_is_read_whole(stations: Path) -> None:
    batches = list(open_source(declare(stations, address="sqlite:///stations.db", table="station")).batches(None))
    assert [batch.origin for batch in batches] == ["station"]
    assert batches[0].rows.column("name").to_pylist() == ["永明路", "第四大街", "汉北路"]
    assert batches[0].rows.column("height").to_pylist() == ["12.5", "3", "unknown"]
    assert batches[0].cursor is None


def test_sqlite_query_grows_and_a_second_pull_yields_nothing(stations: Path) -> None:
    source = open_source(
        declare(stations, address="sqlite:///stations.db", query="select id, name from station where name like '%路';",
                grows="id", batch_rows=1)
    )  # fmt: skip
    batches = list(source.batches(None))
    assert [batch.cursor for batch in batches] == [{"after": 1, "closed": False}, {"after": 3, "closed": True}]
    assert source.manner == "incremental"
    assert list(source.batches(batches[-1].cursor)) == []
    assert [row["id"] for row in whole(source.batches(batches[0].cursor))] == [1, 3]


def test_overlap_reads_back_for_late_commits(stations: Path) -> None:
    source = open_source(declare(stations, address="sqlite:///stations.db", table="station", grows="id", overlap=1))
    assert [row["id"] for row in whole(source.batches({"after": 3, "closed": True}))] == [2, 3]


def test_sqlite_is_never_written(stations: Path) -> None:
    with pytest.raises(Unreachable, match=r"gone\.db"):
        list(open_source(declare(stations, address="sqlite:///gone.db", table="t")).batches(None))
    assert not (stations / "gone.db").exists()
    wanted = database.read_options(declare(stations, address="sqlite:///stations.db", table="station"))
    with database.engine(wanted).connect() as connection, pytest.raises(Exception, match="readonly"):
        connection.exec_driver_sql("delete from station")


def test_missing_table_says_so(stations: Path) -> None:
    with pytest.raises(Invalid, match="no such table: bench"):
        list(open_source(declare(stations, address="sqlite:///stations.db", table="bench")).batches(None))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"address": "sqlite:///a.db"}, "either `table` or `query`"),
        ({"address": "sqlite:///a.db", "table": "t", "query": "q"}, "either `table` or `query`"),
        ({"table": "t"}, "no `address`"),
        ({"address": "nonsense", "table": "t"}, "no database address"),
        ({"address": "postgresql://u:${LANDBRIDGE_NOT_SET}@h/d", "table": "t"}, "LANDBRIDGE_NOT_SET is not set"),
        ({"address": "oddbase://h/d", "table": "t"}, "driver of 'oddbase'"),
        ({"address": "sqlite://a.db", "table": "t"}, "'sqlite://a.db' is no address of an SQLite file.*sqlite:///"),
        ({"address": "sqlite://", "table": "t"}, "no address of an SQLite file"),
        ({"address": "sqlite:///a.db", "table": "t", "overlap": 3}, "needs `grows`"),
        ({"address": "sqlite:///a.db", "table": "t", "numerics": "cents"}, "neither double nor text"),
        ({"address": "sqlite:///a.db", "table": "t", "batch_rows": 0}, "whole number"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidSettings, match=said):
        open_source(declare(tmp_path, **options))


def test_cursor_values_are_quoted() -> None:
    assert database.literal("o'brien'; drop table x --") == "'o''brien''; drop table x --'"
    with pytest.raises(Invalid):
        database.literal("back\\slash")


def test_postgresql_types_arrive_ready_for_the_mapping(postgresql: Database, tmp_path: Path) -> None:
    postgresql.execute("drop table if exists place; create type mood as enum ('calm')")
    postgresql.execute(
        """create table place (id bigint, code numeric(12,2), at timestamptz, day date, ok boolean, tags text[],
           extra jsonb, key uuid, m mood, shape geometry(Point, 4326), plan geometry(Point, 3857), "Odd ""name" text)"""
    )
    postgresql.execute(
        """insert into place values (1, 12.50, '2020-06-30T08:00:00+08', '2020-06-30', true, '{a,b}', '{"a": 1}',
           '00000000-0000-0000-0000-000000000001', 'calm', st_setsrid(st_point(117.7, 39.02), 4326),
           st_transform(st_setsrid(st_point(117.7, 39.02), 4326), 3857), 'x%x')"""
    )
    source = open_source(declare(tmp_path, address=postgresql.address, table="public.place"))
    (row,) = whole(source.batches(None))
    assert row["code"] == 12.5
    assert row["at"].isoformat() == "2020-06-30T00:00:00+00:00"
    assert row["day"].isoformat() == "2020-06-30"
    assert json.loads(row["tags"]) == ["a", "b"]
    assert json.loads(row["extra"]) == {"a": 1}
    assert (row["m"], row["ok"], row['Odd "name']) == ("calm", True, "x%x")
    assert row["key"] == "00000000-0000-0000-0000-000000000001"
    assert json.loads(row["shape"])["coordinates"] == [117.7, 39.02]
    assert json.loads(row["plan"])["coordinates"] == pytest.approx([117.7, 39.02])
    text = open_source(declare(tmp_path, address=postgresql.address, table="place", numerics="text", geometry="wkt"))
    (row,) = whole(text.batches(None))
    assert (row["code"], row["shape"]) == ("12.50", "POINT(117.7 39.02)")
    postgresql.execute("drop table place; drop type mood")


def test_postgresql_grows_by_time(postgresql: Database, tmp_path: Path) -> None:
    postgresql.execute("drop table if exists reading; create table reading (at timestamptz, v float)")
    postgresql.execute(
        "insert into reading select timestamptz '2020-04-02T00:00Z' + n * interval '1 hour', n"
        " from generate_series(1, 50) n"
    )
    source = open_source(declare(tmp_path, address=postgresql.address, table="reading", grows="at", batch_rows=20))
    batches = list(source.batches(None))
    assert [batch.rows.num_rows for batch in batches] == [20, 20, 10]
    assert list(source.batches(batches[-1].cursor)) == []
    postgresql.execute("insert into reading values ('2020-04-04T02:00:00.000001Z', 51)")
    assert [row["v"] for row in whole(source.batches(batches[-1].cursor))] == [51]
    again = open_source(declare(tmp_path, address=postgresql.address, table="reading", grows="at", overlap="PT2H"))
    assert [row["v"] for row in whole(again.batches(batches[-1].cursor))] == [48, 49, 50, 51]
    postgresql.execute("drop table reading")


def test_postgresql_reading_cannot_write(postgresql: Database, tmp_path: Path) -> None:
    postgresql.execute("drop table if exists kept; create table kept as select 1 as id")
    postgresql.execute(
        "create or replace function sly() returns int as 'delete from kept; select 1' language sql volatile"
    )
    with pytest.raises(Invalid, match="read-only transaction"):
        list(open_source(declare(tmp_path, address=postgresql.address, query="select sly() as n")).batches(None))
    assert postgresql.execute("select count(*) from kept") == [(1,)]


def test_postgresql_that_drops_the_connection_half_way(
    postgresql: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(road, "BATCH_BYTES", 10_000)
    query = "select n, repeat('x', 500) as filler from generate_series(1, 400000) n"
    batches = open_source(declare(tmp_path, address=postgresql.address, query=query, batch_rows=100)).batches(None)
    next(batches)
    assert postgresql.execute("select pg_terminate_backend(pid) from pg_stat_activity where query like '%filler%'"
                              " and pid <> pg_backend_pid()")  # fmt: skip
    with pytest.raises(Unreachable, match=r"stops half-way.*after [0-9]+ rows"):
        list(batches)


def test_postgresql_nobody_there(tmp_path: Path) -> None:
    source = open_source(declare(tmp_path, address="postgresql://u:hidden@127.0.0.1:9/none", table="t"))
    with pytest.raises(Unreachable, match="does not answer") as caught:
        list(source.batches(None))
    assert "hidden" not in str(caught.value)


def test_postgresql_refuses_a_wrong_query(postgresql: Database, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="no_such_table"):
        list(open_source(declare(tmp_path, address=postgresql.address, table="no_such_table")).batches(None))


@pytest.fixture
def mariadb_reader(mariadb: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    monkeypatch.setenv("CITY_PASSWORD", "se:cret")
    return mariadb


def test_mariadb_table(mariadb_reader: Database, tmp_path: Path) -> None:
    mariadb_reader.execute(
        "create or replace table city.stop (id int, name varchar(50), fare decimal(8,2), at datetime(3))"
    )
    mariadb_reader.execute(
        "insert into city.stop values (1, '塘沽', 2.50, '2020-06-30 08:00:00'), (2, 'x', null, null)"
    )
    source = open_source(declare(tmp_path, address=mariadb_reader.address, table="stop", grows="id", batch_rows=1))
    batches = list(source.batches(None))
    assert [batch.rows.num_rows for batch in batches] == [1, 1]
    first = batches[0].rows.to_pylist()[0]
    assert (first["name"], first["fare"], first["at"].isoformat()) == ("塘沽", 2.5, "2020-06-30T08:00:00")
    assert batches[1].rows.schema.field("fare").type == pa.float64()
    assert list(source.batches(batches[-1].cursor)) == []
    like = open_source(
        declare(tmp_path, address=mariadb_reader.address, query="select id from stop where name like '塘%'")
    )
    assert whole(like.batches(None)) == [{"id": 1}]


def test_mariadb_that_drops_the_connection_half_way(mariadb_reader: Database, tmp_path: Path) -> None:
    query = "select seq, repeat('x', 1000) as filler from seq_1_to_200000"
    batches = open_source(declare(tmp_path, address=mariadb_reader.address, query=query, batch_rows=50)).batches(None)
    next(batches)
    (process,) = mariadb_reader.execute("select id from information_schema.processlist where user = 'city'")
    mariadb_reader.execute(f"kill {process[0]}")
    with pytest.raises(Unreachable, match=r"after [0-9]+ rows"):
        list(batches)


def test_mariadb_refuses_a_wrong_password(mariadb: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITY_PASSWORD", "wr:ong")
    with pytest.raises(Unreachable, match="Access denied") as caught:
        list(open_source(declare(tmp_path, address=mariadb.address, table="stop")).batches(None))
    assert "wr:ong" not in str(caught.value)


def test_memory_is_bounded_on_the_slow_road(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "big.db") as connection:
        connection.execute("create table t (id integer, filler text)")
        connection.execute(
            "with recursive n(i) as (select 1 union all select i + 1 from n where i < 100000)"
            " insert into t select i, printf('%0500d', i) from n"
        )
    connection.close()
    source = open_source(declare(tmp_path, address="sqlite:///big.db", table="t", batch_rows=1000))
    tracemalloc.start()
    count = sum(batch.rows.num_rows for batch in source.batches(None))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 100_000
    assert peak < 8_000_000  # the table is 50 MB
