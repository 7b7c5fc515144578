"""What is expected of a source's rows: each kind, what is left out, and mistakes in declaring it."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from landbridge.errors import InvalidSettings
from landbridge.sources.contract import Declaration
from landbridge.sources.csv import open_source
from landbridge.sources.expectation import Checks
from landbridge.sources.expected import EXPECTATIONS, FORMS, KEYS, read_expected
from landbridge.sources.mapping.engine import Engine
from landbridge.sources.mapping.mapper import Mapped, Mapper, open_mapper

AIR = Path(__file__).parents[1] / "data/air_quality"
PLAIN = "select 'urn:x:' || id as id, 'Thing' as type, v as value from source"


def pull(folder: Path, rows: dict[str, list[Any]], *expectations: dict[str, Any], mapping: str = PLAIN) -> Any:
    """Map rows in batches of two; gives the mapper, ids and rejects."""
    (folder / "mapping.sql").write_text(mapping)
    declaration = Declaration(
        "s", "csv", folder, {}, expectations=expectations, time_zone="Asia/Shanghai", types=("T",)
    )
    table = pa.table({**rows, "_row": pa.array(range(len(next(iter(rows.values())))), pa.int64())})
    mapped: list[Mapped] = []
    with open_mapper(declaration) as mapper:
        for batch in table.to_batches(max_chunksize=2):
            mapped += mapper.feed("source", batch)
        mapped += mapper.finish()
        return mapper, made(mapped), [(one.row, one.reason) for one in mapper.dropped]


def made(mapped: list[Mapped]) -> list[str]:
    return [name for part in mapped for name in part.rows.column("id").to_pylist()]


def result(mapper: Mapper) -> dict[str, Any]:
    (found,) = mapper.results
    return found


def test_real_ghost_stations(tmp_path: Path) -> None:
    """Of 37 series 10 are frozen and 12 empty, in whatever order the two are declared."""
    frozen = {"kind": "not-frozen", "series": ["WatchPoint"], "time": "local_time(Date, Hour)", "for": "PT48H",
              "columns": ["AQI", "PM2.5", "PM10", "CO", "NO2", "O3_1h", "O3_8h", "SO2"], "readings": 12,
              "name": "frozen", "leave_out": True}  # fmt: skip
    empty = {
        "kind": "given",
        "series": ["WatchPoint"],
        "columns": ["AQI", "PM2.5", "PM10"],
        "name": "empty",
        "leave_out": True,
    }
    twice = {"kind": "unique", "columns": ["Date", "Hour", "WatchPoint"], "name": "twice"}
    (tmp_path / "mapping.sql").write_text(
        "select 'urn:x:' || \"WatchPoint\" as id, 'Thing' as type, 1 as v from source"
    )
    for expectations in ((frozen, empty, twice), (empty, twice, frozen)):
        options = {"location": str(AIR / "pm25in_tianjin_2020-03-26_2020-04-02.csv")}
        declaration = Declaration("air", "csv", tmp_path, options, expectations=expectations, time_zone="Asia/Shanghai")
        mapped: list[Mapped] = []
        with open_mapper(declaration) as mapper:
            first = 0
            for batch in open_source(declaration).batches(None):
                numbers = pa.array(range(first, first := first + batch.rows.num_rows), pa.int64())
                mapped += mapper.feed("source", batch.rows.append_column("_row", numbers))
            mapped += mapper.finish()
            results = {one["name"]: one for one in mapper.results}
        assert [one["name"] for one in mapper.results] == [one["name"] for one in expectations]
        assert (results["frozen"]["failed"], results["frozen"]["passed"]) == (10, 15)
        assert (results["empty"]["failed"], results["empty"]["passed"]) == (12, 25)
        assert results["twice"]["failed"] == 370
        assert "前进路" in results["frozen"]["detail"]
        assert len(set(made(mapped))) == 15
        assert len(made(mapped)) + len(mapper.dropped) == 2627
        assert mapper.failed is not None
        assert mapper.failed.filter(pa.compute.equal(mapper.failed["name"], "frozen")).num_rows == 10


def test_not_null_leaves_rows_out_with_the_reason(tmp_path: Path) -> None:
    rows = {"id": ["1", "2", "3", "4"], "v": ["x", None, " ", "NaN"]}
    mapper, ids, dropped = pull(tmp_path, rows, {"kind": "not-null", "column": "v", "leave_out": True, "must": True})
    assert ids == ["urn:x:1"]
    assert dropped == [(row, "not-null v: column v is missing") for row in (1, 2, 3)]
    assert result(mapper) == {
        "name": "not-null v", "kind": "not-null", "column": "v", "passed": 1, "failed": 3, "unit": "rows",
        "leave_out": True, "must": True, "detail": "3 of 4 rows, such as: column v is missing",
    }  # fmt: skip


def test_range_reads_numbers_as_the_mapping_does(tmp_path: Path) -> None:
    rows = {"id": list("123456"), "v": ["5", "-1", "1.000,5", "０", "n/a", None]}
    mapper, ids, _ = pull(tmp_path, rows, {"kind": "range", "column": "v", "min": 0, "max": 1000})
    assert len(ids) == 6  # nothing is left out
    assert (result(mapper)["passed"], result(mapper)["failed"]) == (4, 2)
    assert result(mapper)["detail"] == "2 of 6 rows, such as: column v: -1 is below 0"


def test_one_of_and_unique(tmp_path: Path) -> None:
    rows = {"id": list("1234"), "v": ["a", "b", "a", None]}
    mapper, _, dropped = pull(
        tmp_path, rows, {"kind": "one-of", "column": "v", "values": ["a", 7], "leave_out": True},
        {"kind": "unique", "columns": ["v"], "leave_out": True},
    )  # fmt: skip
    assert [one["failed"] for one in mapper.results] == [1, 1]
    assert dropped == [(1, "one-of v: column v: 'b' is not allowed"), (2, "unique v: v 'a' is there again")]


def test_rows_are_counted(tmp_path: Path) -> None:
    rows = {"id": list("123"), "v": list("abc")}
    for low, high, failed in ((3, 3, 0), (4, None, 1), (None, 2, 1)):
        limits = {key: value for key, value in (("min", low), ("max", high)) if value is not None}
        mapper, _, _ = pull(tmp_path, rows, {"kind": "rows", **limits})
        assert result(mapper)["failed"] == failed
    assert result(mapper)["detail"] == "3 rows, and at most 2 are expected"


HOURS = [f"2020-04-0{1 + n // 24} {n % 24:02}:00" for n in range(72)]


def test_frozen_is_a_stretch_that_is_long_and_has_readings(tmp_path: Path) -> None:
    """Only the stretch that stands still is left out: what came before it is good."""
    values = ["1", "2", "3", *["9"] * 69]
    rows = {"id": list(map(str, range(72))), "v": values, "t": HOURS, "s": ["a"] * 72}
    frozen = {"kind": "not-frozen", "series": ["s"], "columns": ["v"], "time": "t", "leave_out": True}
    _, ids, _ = pull(tmp_path, rows, {**frozen, "for": "PT48H", "readings": 12})
    assert ids == ["urn:x:0", "urn:x:1", "urn:x:2"]
    for other in ({"for": "PT69H"}, {"for": "PT48H", "readings": 70}):
        mapper, ids, _ = pull(tmp_path, rows, {**frozen, **other})
        assert (len(ids), result(mapper)["failed"]) == (72, 0)
    mapper, _, _ = pull(tmp_path, rows, {**frozen, "for": "PT68H", "readings": 69})  # exactly that long
    assert result(mapper)["failed"] == 1


def test_frozen_looks_at_all_columns_together_and_at_times_that_differ(tmp_path: Path) -> None:
    rows = {
        "id": list(map(str, range(72))),
        "v": ["9"] * 72,
        "w": [str(n % 2) for n in range(72)],
        "t": HOURS,
        "s": ["a"] * 72,
    }
    frozen = {"kind": "not-frozen", "series": ["s"], "columns": ["v", "w"], "time": "t", "for": "PT48H"}
    assert result(pull(tmp_path, rows, frozen)[0])["failed"] == 0
    repeated = {**rows, "t": ["2020-04-01 00:00"] * 71 + ["2020-04-30 00:00"], "w": ["1"] * 72}
    assert result(pull(tmp_path, repeated, {**frozen, "readings": 3})[0])["failed"] == 0
    assert result(pull(tmp_path, repeated, {**frozen, "readings": 2})[0])["failed"] == 1


def test_rows_without_a_time_or_a_value_are_no_readings(tmp_path: Path) -> None:
    rows = {"id": list("123"), "v": ["9", "NaN", "9"], "t": ["2020-04-01", "2020-04-03", "2021-02-29"], "s": ["a"] * 3}
    frozen = {"kind": "not-frozen", "series": ["s"], "columns": ["v"], "time": "t", "for": "PT1H"}
    assert result(pull(tmp_path, rows, frozen)[0])["failed"] == 0


def fresh(rows: dict[str, list[Any]], now: float, **keys: Any) -> dict[str, Any]:
    """Check one `fresh` in an engine of its own, at a moment of our choosing."""
    engine = Engine(memory=256, spill="", time_zone="Asia/Shanghai", ambiguous="reject")
    table = pa.table({**rows, "_row": pa.array(range(len(rows["t"])), pa.int64())})
    engine.register("source", table)
    results, _, _ = Checks(({"kind": "fresh", "time": "t", "within": "PT6H", **keys},)).evaluate(engine, 1, now)
    found: dict[str, Any] = results[0]
    return found


def test_fresh_within_a_duration_of_now_or_of_the_newest() -> None:
    noon = 1_585_713_600.0  # 2020-04-01 12:00 in Shanghai
    rows = {"t": ["2020-04-01 11:00", "2020-04-01 03:00", "2020-03-31 00:00"], "s": ["a", "b", "a"]}
    assert fresh(rows, noon)["failed"] == 0
    assert fresh(rows, noon + 5 * 3600)["failed"] == 0
    late = fresh(rows, noon + 6 * 3600)
    assert (late["failed"], late["passed"], late["detail"]) == (1, 0, "the newest is of 2020-04-01T03:00:00Z")
    by_series = fresh(rows, 9e9, series=["s"], of="newest")
    assert (by_series["failed"], by_series["passed"]) == (1, 1)
    assert by_series["detail"].startswith("1 of 2 series: b ")
    assert fresh({"t": ["never"], "s": ["a"]}, noon)["detail"] == "there is no time"
    assert fresh({"t": [], "s": []}, noon)["failed"] == 1


def test_the_table_failed_is_there_for_the_mapping(tmp_path: Path) -> None:
    mapping = (
        "select 'urn:x:' || id as id, 'Thing' as type, f.name is null as trusted from source"
        " left join failed f on f.series = source.s and f.name = 'empty'"
    )
    rows = {"id": list("123"), "v": ["1", None, "2"], "s": ["a", "b", "a"]}
    (tmp_path / "mapping.sql").write_text(mapping)
    empty = {"kind": "given", "series": ["s"], "columns": ["v"], "name": "empty"}
    declaration = Declaration("s", "csv", tmp_path, {}, expectations=(empty,))
    table = pa.table({**rows, "_row": pa.array(range(3), pa.int64())})
    with open_mapper(declaration) as mapper:
        mapped = [part for batch in table.to_batches() for part in mapper.feed("source", batch)]
        mapped += mapper.finish()
    trusted = {row["id"]: row["trusted"] for part in mapped for row in part.rows.to_pylist()}
    assert trusted == {"urn:x:1": True, "urn:x:2": False, "urn:x:3": True}


def test_a_failing_cast_beside_rows_left_out(tmp_path: Path) -> None:
    """Finding the rows whose cast fails must not bring back those that were left out."""
    mapping = "select 'urn:x:' || id as id, 'Thing' as type, cast(v as double) as value from source"
    rows = {"id": ["1", "2", "3", "4"], "v": ["1.5", "bad", None, "4"]}
    (tmp_path / "mapping.sql").write_text(mapping)
    declared = ({"kind": "not-null", "column": "v", "leave_out": True},)
    declaration = Declaration("s", "csv", tmp_path, {}, expectations=declared)
    table = pa.table({**rows, "_row": pa.array(range(4), pa.int64())})
    with open_mapper(declaration) as mapper:
        mapped = [part for batch in table.to_batches() for part in mapper.feed("source", batch)]
        mapped += mapper.finish()
    assert made(mapped) == ["urn:x:1", "urn:x:4"]
    assert [(one.row, one.reason) for part in mapped for one in part.rejects] == [(1, "column v: 'bad' is no DOUBLE")]
    assert [one.row for one in mapper.dropped] == [2]


def test_small_batches_are_checked_row_by_row(tmp_path: Path) -> None:
    (tmp_path / "mapping.sql").write_text(PLAIN)
    declared = ({"kind": "range", "column": "v", "max": 10, "leave_out": True}, {"kind": "not-null", "column": "id"})
    declaration = Declaration("s", "mqtt", tmp_path, {}, expectations=declared)
    ids: list[str] = []
    rejects: list[tuple[int, str]] = []
    with open_mapper(declaration, whole=False) as mapper:
        for first, values in ((0, ["1", "99"]), (2, ["5", "6"])):
            table = pa.table({"id": list("ab"), "v": values, "_row": pa.array([first, first + 1], pa.int64())})
            for part in [*mapper.feed("source", table.to_batches()[0]), *mapper.flush()]:
                ids += part.rows.column("id").to_pylist()
                rejects += [(one.row, one.reason) for one in part.rejects]
        assert ids == ["urn:x:a", "urn:x:a", "urn:x:b"]
        assert rejects == [(1, "range v: column v: 99 is above 10")]
        assert [(one["passed"], one["failed"]) for one in mapper.results] == [(3, 1), (4, 0)]


def test_small_batches_refuse_what_needs_the_whole(tmp_path: Path) -> None:
    (tmp_path / "mapping.sql").write_text(PLAIN)
    declaration = Declaration("s", "mqtt", tmp_path, {}, expectations=({"kind": "unique", "column": "v"},))
    with pytest.raises(InvalidSettings, match="looks over several rows, and this source comes in small batches"):
        open_mapper(declaration, whole=False)


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"kind": "notnull", "column": "v"}, "There is no kind of expectation 'notnull'. Did you mean 'not-null'?"),
        ({"column": "v"}, "There is no kind of expectation None."),
        (
            {"kind": "range", "column": "v", "minimum": 1},
            "`minimum` is no key of the expectation 'range'. Did you mean 'min'",
        ),
        ({"kind": "range", "column": "v"}, "Neither `min` nor `max` is given."),
        ({"kind": "range", "column": "v", "min": 2, "max": 1}, "`min` 2 is above `max` 1."),
        ({"kind": "range", "column": "v", "min": "2"}, "`min` is '2'."),
        ({"kind": "range", "columns": ["v", "w"], "min": 2}, "is about one column"),
        ({"kind": "one-of", "column": "v"}, "lacks `values`"),
        ({"kind": "unique"}, "lacks `columns`"),
        ({"kind": "unique", "column": "v", "columns": ["v"]}, "`column` and `columns` are both given."),
        (
            {"kind": "not-frozen", "columns": ["v"], "series": ["s"], "time": "t", "for": "2 days"},
            "which is no duration",
        ),
        (
            {"kind": "not-frozen", "columns": ["v"], "series": ["s"], "time": "t", "for": "PT1H", "readings": 1},
            "below 2",
        ),
        ({"kind": "fresh", "time": "t", "within": "PT1H", "of": "newest"}, "compares series"),
        ({"kind": "fresh", "time": "t", "within": "PT1H", "leave_out": True}, "leaves no single row out"),
        ({"kind": "rows", "min": 1, "leave_out": True}, "leaves no single row out"),
        ({"kind": "not-null", "column": 5}, "`columns` is [5]"),
        ({"kind": "not-null", "column": "v", "must": "yes"}, "`must` is 'yes'"),
    ],
)
def test_mistakes_in_declaring(declared: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidSettings) as error:
        read_expected([declared])
    assert said in str(error.value)


def test_every_kind_and_key_is_described() -> None:
    assert FORMS.keys() == EXPECTATIONS.keys()
    keys = {key for needed, allowed in FORMS.values() for key in needed | allowed}
    assert keys | {"column", "kind", "name", "table", "leave_out", "must"} == KEYS.keys()
    with pytest.raises(InvalidSettings, match="Two expectations are called 'unique v'"):
        read_expected([{"kind": "unique", "column": "v"}] * 2)


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"kind": "not-null", "column": "valeu"}, "names 'valeu', no column of 'source'. Did you mean 'value'?"),
        (
            {"kind": "not-null", "column": "v", "table": "sauce"},
            "the table 'sauce', which the source lacks. Did you mean",
        ),
        ({"kind": "fresh", "time": "read_text('/etc/passwd')", "within": "PT1H"}, "not within a mapping's reach"),
        ({"kind": "fresh", "time": "t; drop table source", "within": "PT1H"}, "`time` is 't; drop table source'"),
        ({"kind": "fresh", "time": "nowhere", "within": "PT1H"}, "`time` is 'nowhere'"),
        ({"kind": "fresh", "time": "v, v", "within": "PT1H"}, "no single expression"),
        ({"kind": "fresh", "time": "(select max(v) from other)", "within": "PT1H"}, "`time` is '(select max(v)"),
    ],
)
def test_mistakes_that_only_the_rows_show(tmp_path: Path, declared: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidSettings) as error:
        pull(tmp_path, {"id": ["1"], "v": ["2"], "value": ["3"]}, declared)
    assert said in str(error.value)
