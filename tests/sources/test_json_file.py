"""JSON and JSON Lines files as sources: real ones, and bad ones."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from landbridge.errors import Invalid, InvalidSettings, LandbridgeError, TooMuch
from landbridge.sources.contract import Batch, Declaration
from landbridge.sources.json_file import OPTIONS, open_source


def read(
    folder: Path, content: str | bytes, name: str = "a.json", **options: Any
) -> tuple[list[dict[str, Any]], list[Batch], list[str]]:
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    source = open_source(Declaration("feed", "json", folder, {"location": name} | options))
    batches = list(source.batches(None))
    return [row for batch in batches for row in batch.rows.to_pylist()], batches, source.notes


def rejected(batches: list[Batch]) -> list[tuple[str, str]]:
    return [(reject.place, reject.reason) for batch in batches for reject in batch.rejects]


def kinds(batches: list[Batch]) -> dict[str, str]:
    return {field.name: str(field.type) for field in batches[0].rows.schema}


def test_records_at_a_path(tmp_path: Path) -> None:
    document = {"results": {"areas": [{"id": 1, "name": "滨海新区"}, {"id": 2}]}, "success": True}
    rows, batches, _ = read(tmp_path, json.dumps(document), path="results.areas")
    assert rows == [{"id": 1, "name": "滨海新区"}, {"id": 2, "name": None}]
    assert kinds(batches) == {"id": "int64", "name": "string"}
    assert batches[0].unit == "record"
    assert read(tmp_path, json.dumps(document["results"]["areas"]))[0] == rows  # type: ignore[index]


def test_an_object_is_one_record_and_its_members_may_be(tmp_path: Path) -> None:
    text = '{"p": {"a": 1}, "q": {"a": 2}}'
    assert read(tmp_path, text)[0] == [{"p": '{"a":1}', "q": '{"a":2}'}]
    assert read(tmp_path, text, path="*")[0] == [{"_key": "p", "a": 1}, {"_key": "q", "a": 2}]
    assert read(tmp_path, '{"x":' + text + "}", path="x.*")[0] == [{"_key": "p", "a": 1}, {"_key": "q", "a": 2}]
    assert read(tmp_path, '{"x": [[{"a": 1}], [{"a": 2}]]}', path="x.1")[0] == [{"a": 2}]


def test_a_path_that_leads_nowhere_names_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as error:
        read(tmp_path, '{"data": {"stations": [], "count": 0}}', path="data.station")
    assert str(error.value) == (
        "a.json: There is no 'data.station'; at data there is: stations, count. Correct `path`, where the records are."
    )
    with pytest.raises(Invalid, match="there is no list of records"):
        read(tmp_path, '{"data": 5}', path="data")


def test_a_column_has_one_kind_from_the_first_row_to_the_last(tmp_path: Path) -> None:
    records = [{"i": 1, "f": 1, "t": 1, "b": True, "n": None, "j": [1]} for _ in range(40_000)]
    records.append({"i": 2, "f": 2.5, "t": "zwei", "b": False, "n": None, "j": {"a": "滨"}})
    rows, batches, _ = read(tmp_path, json.dumps(records))
    assert len(batches) > 1
    assert {str(batch.rows.schema) for batch in batches} == {str(batches[0].rows.schema)}
    assert kinds(batches) == {"i": "int64", "f": "double", "t": "string", "b": "bool", "n": "string", "j": "string"}
    assert rows[0] == {"i": 1, "f": 1.0, "t": "1", "b": True, "n": None, "j": "[1]"}
    assert rows[-1] == {"i": 2, "f": 2.5, "t": "zwei", "b": False, "n": None, "j": '{"a":"滨"}'}


def test_declared_kinds_hold_and_misfits_are_rejects(tmp_path: Path) -> None:
    text = '[{"code": 7, "n": "12"}, {"code": 8, "n": "many"}]'
    rows, batches, _ = read(tmp_path, text, columns={"code": "text", "n": "integer"})
    assert rows == [{"code": "7", "n": 12}]
    assert rejected(batches) == [("a.json record 2", "n is 'many', not integer")]


def test_json_lines_with_bad_lines(tmp_path: Path) -> None:
    text = '{"a": 1}\n\n{"a": NaN}\n[2]\n{"a": 2} x\n{"a": 3}\r\n{"a": Infinity}'
    rows, batches, notes = read(tmp_path, text, lines=True)
    assert rows == [{"a": 1}, {"a": 3}]
    assert batches[0].numbers.to_pylist() == [1, 6]  # type: ignore[union-attr]
    assert rejected(batches) == [
        ("a.json line 3", "the line is no JSON: NaN is no JSON number"),
        ("a.json line 4", "the record is no object"),
        ("a.json line 5", "the line is no JSON: unexpected content after document at column 10"),
        ("a.json line 7", "the line is no JSON: Infinity is no JSON number"),
    ]
    assert notes == []


def test_json_lines_are_detected_and_noted(tmp_path: Path) -> None:
    text = '{"d": {"x": [{"a": 1}, {"a": 2}]}}\n{"d": {"x": [{"a": 3}]}}\n{"d": {}}\n'
    rows, batches, notes = read(tmp_path, text, path="d.x")
    assert [row["a"] for row in rows] == [1, 2, 3]
    assert batches[0].numbers.to_pylist() == [1, 1, 2]  # type: ignore[union-attr]
    assert rejected(batches) == [("a.json line 3", "there is no 'x' at d; there is: ")]
    assert notes == ["a.json: read as JSON Lines, a document in each line."]
    assert read(tmp_path, '{"a": 1}\n', name="a.jsonl")[0] == [{"a": 1}]


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ('[{"a": 1},\n {"a": NaN}]', "a.json line 2 column 8", "NaN is no JSON number"),
        ('[{"a": 1},\n {"a": -Infinity}]', "a.json line 2", "Infinity is no JSON number"),
        ('[{"a": 1}', "a.json line 1 column 10", "unexpected end of data"),
        ('[{"a": 1}]\n[]', "a.json line 2 column 1", "unexpected content after document"),
        ("<html>", "a.json line 1 column 1", "The file is no JSON"),
        ("", "a.json line 1 column 1", "The file is no JSON"),
        ('[{"a": 1e999}]', "a.json line 1", "number is infinity"),
    ],
)
def test_a_document_that_is_no_json(tmp_path: Path, text: str, place: str, said: str) -> None:
    with pytest.raises(Invalid) as error:
        read(tmp_path, text)
    assert str(error.value).startswith(place)
    assert said in str(error.value)
    assert "lines = true" in str(error.value)


def test_records_that_cannot_be_rows_are_rejects(tmp_path: Path) -> None:
    deep = "[" * 80 + "]" * 80
    text = f'[1, {{}}, {{"a": "x\\u0000y"}}, {{"a": {deep}}}, {{"a": "b"}}]'
    rows, batches, _ = read(tmp_path, text)
    assert rows == [{"a": "b"}]
    assert rejected(batches) == [
        ("a.json record 1", "the record is no object"),
        ("a.json record 2", "the record is empty"),
        ("a.json record 3", "a holds a NUL character"),
        ("a.json record 4", "the record nests more than 64 levels"),
    ]


def test_names_that_the_loop_needs_are_given_another(tmp_path: Path) -> None:
    assert read(tmp_path, '[{"_row": 1, "": 2}]')[0] == [{"_row_2": 1, "_": 2}]


def test_other_encodings(tmp_path: Path) -> None:
    text = json.dumps([{"name": "滨海新区数据平台"}] * 20, ensure_ascii=False)
    rows, _, notes = read(tmp_path, text.encode("gb18030"))
    assert rows[0] == {"name": "滨海新区数据平台"}
    assert notes == ["a.json: encoding detected: gb18030."]
    assert read(tmp_path, text.encode("utf-16"), encoding="utf-16")[0] == rows
    assert read(tmp_path, text.encode("utf-8-sig"))[0] == rows


def test_a_record_beyond_the_bound_and_too_many_keys(tmp_path: Path) -> None:
    with pytest.raises(TooMuch, match="A record is larger than 1 MiB"):
        read(tmp_path, '[{"a": "' + "x" * 3_000_000 + '"}]', max_record_megabytes=1)
    with pytest.raises(TooMuch, match="A record is larger than 1 MiB"):
        read(tmp_path, '{"a": "' + "x" * 3_000_000 + '"}\n', lines=True, max_record_megabytes=1)
    with pytest.raises(TooMuch, match="more than 2,000 different keys"):
        read(tmp_path, json.dumps({f"k{n}": n for n in range(2_001)}))


def test_an_empty_list_yields_one_batch_without_rows(tmp_path: Path) -> None:
    rows, batches, _ = read(tmp_path, "[]")
    assert (rows, len(batches)) == ([], 1)


def test_wrong_options(tmp_path: Path) -> None:
    for options in ({"lines": "yes"}, {"columns": {"a": "date"}}, {"encoding": "klingon"}, {"max_record_megabytes": 0}):
        with pytest.raises(InvalidSettings):
            read(tmp_path, "[]", **options)  # type: ignore[arg-type]
        assert set(options) <= set(OPTIONS)


MEASURE = """
import sys
from pathlib import Path
from peak import peak_kilobytes
from landbridge.sources.contract import Declaration
from landbridge.sources.json_file import open_source
source = open_source(Declaration("f", "json", Path("/"), {"location": sys.argv[1]}))
print(sum(batch.rows.num_rows for batch in source.batches(None)), peak_kilobytes())
"""


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    peaks = []
    for count in (10_000, 120_000):
        with (tmp_path / "a.json").open("w") as file:
            file.write("[")
            for number in range(count):
                file.write(f'{"," if number else ""}{{"id": {number}, "name": "station", "at": {{"lat": 1.5}}}}\n')
            file.write("]")
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, str(tmp_path / "a.json")],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[1],
        )
        rows, peak = map(int, done.stdout.split())
        assert rows == count
        peaks.append(peak // 1024)
    assert peaks[1] < peaks[0] + 60, peaks


scalars = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    scalars | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
)
records = st.lists(st.dictionaries(st.text("abc_", min_size=1, max_size=3), values, max_size=4), max_size=8)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(documents=records, lines=st.booleans())
def test_what_json_writes_is_read_the_same(tmp_path: Path, documents: list[dict[str, Any]], lines: bool) -> None:
    documents = [
        one for one in documents if one and not any("\0" in value for value in one.values() if isinstance(value, str))
    ]
    text = "".join(json.dumps(one) + "\n" for one in documents) if lines else json.dumps(documents)
    try:
        text.encode().decode("utf-8")
        json.dumps(documents, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return
    rows, batches, _ = read(tmp_path, text, lines=lines)
    assert not rejected(batches)
    assert len(rows) == len(documents)
    for row, document in zip(rows, documents, strict=True):
        for name, value in document.items():
            assert same(row[name], value), (row, document)
        assert all(row[name] is None for name in row.keys() - document.keys())


def same(found: Any, given: Any) -> bool:
    """Whether a cell says what the document said, perhaps as text or as a double."""
    if isinstance(given, dict | list):
        return bool(json.loads(found) == given)
    if isinstance(found, str) and not isinstance(given, str):
        return bool(json.loads(found) == given)
    if isinstance(found, float):
        return math.isclose(found, given)
    return bool(found == given)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=100)
    | st.text(st.sampled_from('[]{}",:0123NaInfitrue\\u\n x'), max_size=120).map(str.encode),
    options=st.sampled_from([{}, {"path": "a"}, {"path": "*"}, {"path": "a.*"}, {"path": "a.0"}, {"lines": True}]),
)
def test_whatever_the_bytes_are_only_our_errors_come_out(
    tmp_path: Path, content: bytes, options: dict[str, Any]
) -> None:
    try:
        read(tmp_path, content, **options)
    except LandbridgeError as error:
        assert error.where
