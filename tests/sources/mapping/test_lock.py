"""What a mapping cannot do, whatever its SQL says: nothing outside its tables, nothing without end."""

import os
import signal
import time
from pathlib import Path

import pytest

from landbridge.errors import Failed, InvalidMapping, LandbridgeError, TooMuch
from landbridge.sources.mapping.mapper import open_mapper
from made_mapping import declare, mapped, numbered

ROWS = {"id": ["1", "2"], "x": ["a", "b"]}
START = "select 'urn:x:' || id as id, 'Thing' as type, "


@pytest.mark.parametrize(
    "text",
    [
        "create table t as select 1",
        "insert into source values (1)",
        "attach 'x.db'",
        "copy source to 'x.csv'",
        "install httpfs",
        "load httpfs",
        "set memory_limit = '10GB'",
        "pragma database_list",
        "drop table source",
        "update source set id = 2",
        "call pragma_version()",
        "export database 'x'",
        "begin",
        "describe source",
        "show tables",
        "vacuum",
        "explain select 1",
    ],
)
def test_only_a_select_is_a_mapping(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidMapping, match=r"A mapping is one SELECT and this (is another statement|describes one)"):
        open_mapper(declare(tmp_path, text))


@pytest.mark.parametrize(
    "text", [f"{START} x from source; {START} x from source", f"{START} x from source; drop table source"]
)
def test_two_statements_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidMapping):
        open_mapper(declare(tmp_path, text))
    assert (
        open_mapper(declare(tmp_path, f"{START} x as v from source;")).close() is None
    )  # one with its semicolon is fine


@pytest.mark.parametrize(
    "expression",
    [
        "x as v from read_csv('/etc/passwd')",
        "x as v from read_text('/etc/hostname')",
        "x as v from '/etc/passwd'",
        'x as v from "https://example.org/a.parquet"',
        "x as v from glob('/*')",
        "x as v from source, duckdb_settings()",
        "x as v from information_schema.tables",
        "x as v from sqlite_master",
        "x as v from parquet_scan('x')",
        "x as v from sqlite_scan('x', 'y')",
        "x as v from query('select 1')",
        "x as v from query_table('source')",
        "(select content from read_text('/etc/hostname')) as v from source",
        "getenv('HOME') as v from source",
        "current_setting('memory_limit') as v from source",
        "now() as v from source",
        "random() as v from source",
        "uuid() as v from source",
        "current_timestamp as v from source",
        "current_date as v from source",
        "__note('x', 1) as v from source",
        "nextval('s') as v from source",
        "x as v from (describe source)",
        "x as v from other.source",
    ],
)
def test_what_is_out_of_reach(tmp_path: Path, expression: str) -> None:
    """Refused by its text, or failing to find what the locked engine does not have; never an answer."""
    with pytest.raises(InvalidMapping) as error:
        mapped(tmp_path, START + expression, ROWS)
    assert error.value.where
    assert error.value.where.startswith("register/mapping.sql")


def test_a_python_variable_is_no_table(tmp_path: Path) -> None:
    secret = numbered({"x": ["secret"]})
    with pytest.raises(InvalidMapping, match="secret"):
        mapped(tmp_path, f"{START} s.x as v from source, secret s", ROWS)
    assert secret.num_rows == 1


CROSS = (
    f"{START} count(*) as v from source" + "".join(f", range(1000000) t{n}(n{n})" for n in range(3)) + " group by id"
)


def test_a_join_of_ten_to_the_eighteenth_rows_is_stopped_by_time(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(TooMuch) as error:
        mapped(tmp_path, CROSS, ROWS, timeout=1.0)
    assert str(error.value).startswith("register/mapping.sql: The mapping of 'register' runs for more than 1 s.")
    assert time.monotonic() - started < 30


def test_a_join_without_a_key_is_stopped_by_its_rows(tmp_path: Path) -> None:
    text = f"{START} t.n as v from source, range(100000000) t(n)"
    with pytest.raises(TooMuch) as error:
        mapped(tmp_path, text, ROWS, memory=64)
    assert "Does a join lack its key?" in str(error.value) or "more memory" in str(error.value)


def test_memory_is_bounded(tmp_path: Path) -> None:
    text = f"{START} list(repeat('x', 1000) || n order by n) as \"v.json\" from source, range(2000000) t(n) group by id"
    with pytest.raises(TooMuch, match="more memory than `memory`"):
        mapped(tmp_path, text, ROWS, memory=64)


def test_a_killed_child_is_an_error_and_not_a_hang(tmp_path: Path) -> None:
    with open_mapper(declare(tmp_path, f"{START} x as v from source")) as mapper:
        os.kill(mapper.child.pid, signal.SIGKILL)
        with pytest.raises(Failed, match="process of 'register' ends early"):
            for _ in range(5):
                list(mapper.feed("source", numbered(ROWS).to_batches()[0]))
            list(mapper.finish())


def test_close_ends_a_child_in_the_middle_of_its_work(tmp_path: Path) -> None:
    mapper = open_mapper(declare(tmp_path, f"{START} x as v from source"))
    mapper.orders.put(({"kind": "feed", "table": "source", "batch": 0}, b""))
    mapper.close()
    assert mapper.child.poll() is not None
    assert not Path(mapper.folder.name).exists()


def test_what_the_parent_is_told_names_no_inner_table(tmp_path: Path) -> None:
    with pytest.raises(LandbridgeError) as error:
        mapped(tmp_path, f"{START} nowhere as v from source", ROWS)
    assert "__" not in str(error.value)
