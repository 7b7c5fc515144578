"""A row that cannot be mapped is a reject with its reason; the others are mapped all the same."""

from pathlib import Path

import pytest

from landbridge.errors import InvalidMapping
from made_mapping import mapped, one


def test_a_cast_names_column_and_value(tmp_path: Path) -> None:
    outcome = mapped(tmp_path, one("cast(x as double)"), {"x": ["1.5", "many", None, "3"]}, size=2)
    assert outcome.column("v") == [1.5, None, 3.0]
    assert outcome.rejects == [(1, "column x: 'many' is no DOUBLE")]


def test_many_failing_rows_each_get_their_reason(tmp_path: Path) -> None:
    values = [str(n) if n % 3 else f"bad {n}" for n in range(3_000)]
    outcome = mapped(tmp_path, one("cast(x as bigint)"), {"x": values})
    assert len(outcome.rows) == 2_000
    assert sorted(outcome.rejects) == [(n, f"column x: 'bad {n}' is no BIGINT") for n in range(0, 3_000, 3)]


def test_a_branch_that_is_not_taken_does_not_fail(tmp_path: Path) -> None:
    text = one("case when x like 'n%' then null else cast(x as int) end")
    assert mapped(tmp_path, text, {"x": ["none", "7"]}).column("v") == [None, 7]


def test_reject_gives_its_own_reason(tmp_path: Path) -> None:
    text = one("case when x = 'b' then reject('unknown station ' || x) else x end")
    outcome = mapped(tmp_path, text, {"x": ["a", "b"]})
    assert (outcome.column("v"), outcome.rejects) == (["a"], [(1, "unknown station b")])


def test_a_date_that_never_was(tmp_path: Path) -> None:
    rows = {"x": ["2021-02-28", "2021-02-29", "2020-02-29"]}
    outcome = mapped(tmp_path, one("local_time(x)", "observedAt"), rows, time_zone="Asia/Shanghai")
    assert [row["id"] for row in outcome.rows] == ["urn:x:0", "urn:x:2"]
    assert outcome.rejects == [(1, "'2021-02-29' is no date and time")]
    outcome = mapped(tmp_path, one("cast(x as date)"), rows)
    assert outcome.rejects == [(1, "column x: '2021-02-29' is no DATE")]
    outcome = mapped(tmp_path, one("strptime(x, '%Y-%m-%d')"), rows)
    assert outcome.rejects == [(1, "'2021-02-29' is no %Y-%m-%d")]


def test_what_has_no_twin_is_found_by_halving(tmp_path: Path) -> None:
    """`decode` of bad bytes fails without a word of the row; the mapping is run over ever smaller parts."""
    rows = {"x": [b"fine", b"\xff\xfe", b"also"]}
    outcome = mapped(tmp_path, one("decode(x)"), rows)
    assert outcome.column("v") == ["fine", "also"]
    ((row, reason),) = outcome.rejects
    assert row == 1
    assert reason


@pytest.mark.parametrize(
    ("identifier", "reason"),
    [("null", "no id"), ("''", "no id"), ("'x y'", "id 'x y' is no URI"), ("'station'", "id 'station' is no URI"),
     ("'urn:a<b'", "id 'urn:a<b' is no URI"), ("'http://滨海/1'", None), ("'urn:ngsi-ld:A:滨海 1'", "is no URI")],
)  # fmt: skip
def test_an_id_is_a_uri(tmp_path: Path, identifier: str, reason: str | None) -> None:
    outcome = mapped(tmp_path, f"select {identifier} as id, 'Thing' as type, x as v from source", {"x": ["a"]})
    assert [found for _, found in outcome.rejects] == (
        [] if reason is None else outcome_reason(outcome.rejects, reason)
    )
    assert len(outcome.rows) == (reason is None)


def outcome_reason(rejects: list[tuple[int, str]], wanted: str) -> list[str]:
    """The one reason, if it says what is wanted."""
    return [reason for _, reason in rejects if wanted in reason][:1] or [wanted]


def test_relationships_and_dataset_ids_are_uris(tmp_path: Path) -> None:
    rows = {"x": ["urn:a:1", "room 5", None]}
    outcome = mapped(tmp_path, one("x", "refRoom.object"), rows)
    assert outcome.column("refRoom.object") == ["urn:a:1", None]
    assert outcome.rejects == [(1, "refRoom.object 'room 5' is no URI")]
    text = "select 'urn:x:1' as id, 'Thing' as type, 1 as v, x as \"v.datasetId\" from source"
    assert mapped(tmp_path, text, rows).rejects == [(1, "v.datasetId 'room 5' is no URI")]


def test_numbers_that_are_none(tmp_path: Path) -> None:
    rows = {"x": [1.5, float("nan"), float("inf"), None]}
    outcome = mapped(tmp_path, one("x"), rows)
    assert outcome.column("v") == [1.5, None]
    assert [row for row, _ in outcome.rejects] == [1, 2]
    assert all(reason.startswith("column v: ") and reason.endswith(" is no number") for _, reason in outcome.rejects)
    assert mapped(tmp_path, one("x::hugeint * 10"), {"x": [10**18]}).rejects == [
        (0, "column v: 10000000000000000000 has more than 64 bits")
    ]


def test_json_that_is_none(tmp_path: Path) -> None:
    rows = {"x": ['{"zh": "滨海", "en": null}', "[1]", "{", None, ""]}
    outcome = mapped(tmp_path, one("x", "name.languageMap"), rows)
    assert outcome.column("name.languageMap") == ['{"zh":"滨海"}', None, None]
    assert outcome.rejects == [
        (1, "column name.languageMap: is no JSON object"), (2, "column name.languageMap: '{' is no JSON"),
    ]  # fmt: skip
    assert mapped(tmp_path, one("x", "v.valueList"), {"x": ["[1, 2]", "5"]}).rejects == [
        (1, "column v.valueList: is no JSON array")
    ]


def test_a_mapping_that_always_fails_rejects_every_row(tmp_path: Path) -> None:
    outcome = mapped(tmp_path, one("cast('x' as int)"), {"x": ["a", "b"]})
    assert outcome.rows == []
    assert len(outcome.rejects) == 2


def test_a_failure_that_is_no_rows_fault_has_its_place(tmp_path: Path) -> None:
    text = "select 'urn:x' as id, 'T' as type,\n  sum(cast(x as int)) as v from source group by 'a'"
    outcome_or_error: object
    try:
        outcome_or_error = mapped(tmp_path, text, {"x": ["1", "zwei", "3"]})
    except InvalidMapping as error:
        assert error.where is not None
        assert error.where.startswith("register/mapping.sql")
        return
    assert outcome_or_error.column("v") == [4]  # type: ignore[attr-defined]
    assert outcome_or_error.rejects == [(1, "column x: 'zwei' is no INTEGER")]  # type: ignore[attr-defined]
