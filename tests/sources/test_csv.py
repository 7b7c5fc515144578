"""CSV and TSV files as sources: real ones with their quirks, and bad ones."""

import csv as python_csv
import io
import itertools
import resource
import string
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from landbridge.errors import Invalid, InvalidSettings, LandbridgeError, TooMuch
from landbridge.sources.contract import Batch, Declaration
from landbridge.sources.csv import OPTIONS, open_source
from landbridge.sources.file import FileSource
from landbridge.sources.header import column_names, letter

AIR = Path(__file__).parents[1] / "data/air_quality/pm25in_tianjin_2020-03-26_2020-04-02.csv"


def source(path: Path, **options: Any) -> FileSource:
    return open_source(Declaration("register", "csv", path.parent, {"location": path.name} | options))


def read(
    folder: Path, content: str | bytes, name: str = "a.csv", **options: Any
) -> tuple[list[dict[str, Any]], list[Batch], list[str]]:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    made = source(path, **options)
    batches = list(made.batches(None))
    return [row for batch in batches for row in batch.rows.to_pylist()], batches, made.notes


def rejected(batches: list[Batch]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(reject.place, reject.reason, dict(reject.row)) for batch in batches for reject in batch.rejects]


def test_real_file_with_newlines_in_cells() -> None:
    made = source(AIR)
    batches = list(made.batches(None))
    assert sum(batch.rows.num_rows for batch in batches) == 2627
    assert not rejected(batches)
    assert batches[-1].cursor is not None
    lines = [number for batch in batches for number in batch.numbers.to_pylist()]  # type: ignore[union-attr]
    text = AIR.read_text("utf-8").split("\n")
    stations = [name for batch in batches for name in batch.rows.column("WatchPoint").to_pylist()]
    assert len(lines) == len(stations)
    for line, station in zip(lines, stations, strict=True):
        assert f",{station}," in text[line - 1]
    assert any(after - before > 1 for before, after in itertools.pairwise(lines))  # of several lines


def test_pulled_again_yields_nothing_until_the_file_changes(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id\n1\n")
    cursor = list(source(path).batches(None))[-1].cursor
    assert list(source(path).batches(cursor)) == []
    path.write_text("id\n1\n2\n")
    assert [batch.rows.to_pylist() for batch in source(path).batches(cursor)] == [[{"id": "1"}, {"id": "2"}]]


def test_a_header_that_another_file_renames_is_noted(tmp_path: Path) -> None:
    (tmp_path / "2020.csv").write_text("id,pm25,no2\n1,2,3\n")
    (tmp_path / "2021.csv").write_text("id,PM2.5,no2\n1,2,3\n")
    made = open_source(Declaration("r", "csv", tmp_path, {"location": "*.csv"}))
    rows = [row for batch in made.batches(None) for row in batch.rows.to_pylist()]
    assert [row["pm25"] for row in rows] == ["2", None]
    assert made.notes == ["2021.csv lacks columns that 2020.csv has: pm25."]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030", "big5", "cp932", "euc_kr", "cp1252"])
def test_declared_encoding(tmp_path: Path, encoding: str) -> None:
    words = {"big5": "滨海新區", "gb18030": "滨海新区", "cp932": "高松市", "euc_kr": "부산", "cp1252": "Höhe"}
    word = words.get(encoding, "滨海 高松 Höhe").replace("滨", "濱" if encoding == "big5" else "滨")
    rows, _, notes = read(tmp_path, f"名,b\n{word},1\n".replace("名", "n").encode(encoding), encoding=encoding)
    assert rows == [{"n": word, "b": "1"}]
    assert notes == []


def test_detected_encoding_is_noted(tmp_path: Path) -> None:
    text = "报道时间,省份,城市\n" + "2020年1月31日,天津,滨海新区\n" * 30
    rows, _, notes = read(tmp_path, text.encode("gbk"))
    assert rows[0] == {"报道时间": "2020年1月31日", "省份": "天津", "城市": "滨海新区"}
    assert notes == ["a.csv: encoding detected: gb18030."]
    _, _, notes = read(tmp_path, "a,b\nx,y\n".encode("utf-16-le"))
    assert notes == ["a.csv: encoding detected: utf-16-le."]


def test_wrong_encoding_says_what_where_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as error:
        read(tmp_path, b"name\nplain\n" + "滨海新区\n".encode("gb18030"), encoding="utf-8")
    assert str(error.value).startswith("a.csv line 3: The bytes b1 f5")
    assert "are not utf-8" in str(error.value)
    assert "`encoding`" in str(error.value)


@pytest.mark.parametrize(("delimiter", "named"), [(";", ";"), ("\t", "tab"), ("|", "|")])
def test_delimiter_is_detected_and_noted(tmp_path: Path, delimiter: str, named: str) -> None:
    text = "\n".join(delimiter.join(row) for row in [["id", "height", "depth"], *[["1", "1,5", "2,25"]] * 50]) + "\n"
    rows, _, notes = read(tmp_path, text)
    assert rows[0] == {"id": "1", "height": "1,5", "depth": "2,25"}
    assert notes == [f"a.csv: delimiter detected: {named}."]


def test_tsv_has_tabs_though_commas_are_more(tmp_path: Path) -> None:
    rows, _, notes = read(tmp_path, "a\tb\n1,2,3\t4,5\n", name="a.tsv")
    assert rows == [{"a": "1,2,3", "b": "4,5"}]
    assert notes == []


def test_preamble_is_found_and_noted(tmp_path: Path) -> None:
    text = (
        "国家,中国,,\n时区,GMT+08:00,,\n,,,\n日期,时间,气温℃,湿度%\n2022-03-01,00:00,-1.4,72\n2022-03-01,01:00,-2,75\n"
    )
    rows, batches, notes = read(tmp_path, text)
    assert rows[0] == {"日期": "2022-03-01", "时间": "00:00", "气温℃": "-1.4", "湿度%": "72"}
    assert notes == ["a.csv: 3 lines before the header left out."]
    assert batches[0].numbers.to_pylist() == [5, 6]  # type: ignore[union-attr]


def test_preamble_declared_by_count_or_by_a_column(tmp_path: Path) -> None:
    text = 'A "quoted title\nid,name\nunit,m\n1,a\n'
    for options in ({"skip": 1, "below": 1}, {"header": "name", "below": 1}):
        rows, batches, _ = read(tmp_path, text, **options)  # type: ignore[arg-type]
        assert rows == [{"id": "1", "name": "a"}]
        assert batches[0].numbers.to_pylist() == [4]  # type: ignore[union-attr]
    with pytest.raises(Invalid, match="has a cell 'nome'"):
        read(tmp_path, text, header="nome")


def test_without_header_columns_have_letters_or_given_names(tmp_path: Path) -> None:
    rows, batches, _ = read(tmp_path, "1,a\n2,b\n", header=False)
    assert rows == [{"A": "1", "B": "a"}, {"A": "2", "B": "b"}]
    assert batches[0].numbers.to_pylist() == [1, 2]  # type: ignore[union-attr]
    rows, _, _ = read(tmp_path, "1,a\n2,b\n", header=False, names=["id", "name"])
    assert rows[1] == {"id": "2", "name": "b"}
    with pytest.raises(Invalid, match="`names` has 1 names and the header 2 cells"):
        read(tmp_path, "x,y\n1,a\n", names=["id"])


def test_blank_and_repeated_headers_get_names_of_their_own() -> None:
    names = column_names(["id", "", " name ", "NAME", "name", "two\nlines", "_row", "telephone　number"], "a.csv")
    assert names == ["id", "B", "name", "NAME_2", "name_3", "two lines", "_row_2", "telephone　number"]
    assert [letter(place) for place in (0, 25, 26, 701, 702)] == ["A", "Z", "AA", "ZZ", "AAA"]


def test_ragged_rows_are_rejects_with_place_and_content(tmp_path: Path) -> None:
    rows, batches, _ = read(tmp_path, 'id,name\n1,a\n2\n\n"3\n3",c,d\n4,d\n')
    assert rows == [{"id": "1", "name": "a"}, {"id": "4", "name": "d"}]
    assert batches[0].numbers.to_pylist() == [2, 7]  # type: ignore[union-attr]
    assert rejected(batches) == [
        ("a.csv line 3", "the row has 1 cells and the header 2", {"text": "2"}),
        ("a.csv line 5", "the row has 3 cells and the header 2", {"text": '"3\n3",c,d'}),
    ]


def test_a_ragged_row_keeps_nothing_where_a_column_is_never_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,telephone\n1,087-839-2611,x\n")
    made = open_source(Declaration("r", "csv", tmp_path, {"location": "a.csv"}, never_store=("telephone",)))
    (batch,) = made.batches(None)
    assert [dict(reject.row) for reject in batch.rejects] == [{}]


def test_nul_is_a_reject(tmp_path: Path) -> None:
    rows, batches, _ = read(tmp_path, "id,name\n1,a\n2,b\0c\n3,d\n")
    assert [row["id"] for row in rows] == ["1", "3"]
    assert rejected(batches) == [("a.csv line 3", "a cell holds a NUL character", {"id": "2", "name": "b␀c"})]


def test_empty_cells_and_declared_texts_are_null(tmp_path: Path) -> None:
    rows, _, _ = read(tmp_path, 'a,b,c,d\n,"",NaN,—\n', null=["NaN", "—"])
    assert rows == [{"a": None, "b": None, "c": None, "d": None}]


def test_quote_that_is_never_closed(tmp_path: Path) -> None:
    rows, batches, _ = read(tmp_path, 'id,name\n1,a\n2,"b')
    assert rows == [{"id": "1", "name": "a"}]
    assert rejected(batches) == [("a.csv line 3", "a quote that opens in this row is never closed", {"text": '2,"b'})]
    with pytest.raises(Invalid) as error:
        read(tmp_path, 'id,name\n1,a\n2,"b\n3,c\n4,d\n')
    assert str(error.value).startswith("a.csv line 3: A quote that opens in this row is never closed, so 2 more lines")
    rows, _, _ = read(tmp_path, 'id,name\n2,"b\n3,c"x\n', quotes=False)
    assert rows == [{"id": "2", "name": '"b'}, {"id": "3", "name": 'c"x'}]


def test_empty_and_foreign_files(tmp_path: Path) -> None:
    for content in (b"", b"\n\n"):
        with pytest.raises(Invalid, match="The file is empty"):
            read(tmp_path, content)
    with pytest.raises(Invalid, match="is a zip archive"):
        read(tmp_path, b"PK\x03\x04 and more")
    with pytest.raises(Invalid, match="has no header"):
        read(tmp_path, "a,b\n", skip=5)


def test_a_header_alone_yields_its_columns_and_no_row(tmp_path: Path) -> None:
    rows, batches, _ = read(tmp_path, "id,name\n")
    assert rows == []
    assert [batch.rows.schema.names for batch in batches] == [["id", "name"]]


def test_too_many_columns(tmp_path: Path) -> None:
    with pytest.raises(TooMuch, match="20,000 cells"):
        read(tmp_path, ",".join(f"c{n}" for n in range(20_000)) + "\n")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"delimiter": ";;"}, "`delimiter` is ';;'"),
        ({"encoding": "klingon"}, "`encoding` is 'klingon'"),
        ({"skip": -1}, "`skip` is -1"),
        ({"header": 3}, "`header` is 3"),
        ({"names": ["a", "A"]}, "`names` has a name twice"),
        ({"quotes": "no"}, "`quotes` is 'no'"),
    ],
)
def test_wrong_options(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidSettings) as error:
        read(tmp_path, "a\n1\n", **options)
    assert said in str(error.value)
    assert set(options) <= set(OPTIONS)


MEASURE = """
import sys
from pathlib import Path
from peak import peak_kilobytes
from landbridge.errors import TooMuch
from landbridge.sources.contract import Declaration
from landbridge.sources.csv import open_source
rows = 0
try:
    declaration = Declaration("r", "csv", Path(sys.argv[1]).parent, {"location": sys.argv[1]})
    for batch in open_source(declaration).batches(None):
        rows += batch.rows.num_rows
        del batch
except TooMuch as error:
    print(error, file=sys.stderr)
print(rows, peak_kilobytes())
"""


def measured(path: Path) -> tuple[int, int, str]:
    """Rows and peak memory (MiB) of reading a file in a process of its own, and its error."""
    command = [sys.executable, "-c", MEASURE, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    rows, peak = done.stdout.split()
    return int(rows), int(peak) // 1024, done.stderr


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    peaks = []
    for name, count in (("small.csv", 40_000), ("large.csv", 1_200_000)):
        with (tmp_path / name).open("w") as file:
            file.write("id,station,value,text\n")
            line = 'station {n},12.5,"some text, quoted"\n'
            for n in range(0, count, 1000):
                file.writelines(f"{m}," + line.format(n=m % 7) for m in range(n, n + 1000))
        rows, peak, _ = measured(tmp_path / name)
        assert rows == count
        peaks.append(peak)
    assert peaks[1] < peaks[0] + 60, peaks


def test_a_cell_of_100_megabytes_is_an_error_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with path.open("w") as file:
        file.write('id,text\n1,a\n2,"')
        for _ in range(100):
            file.write("x" * 1_048_576)
        file.write('"\n3,b\n')
    rows, peak, said = measured(path)
    assert rows <= 1
    assert said.startswith("a.csv line 3: The row that begins here is longer than 16 MiB.")
    assert peak < 400, peak


def test_a_million_rows_take_less_than_two_seconds_of_cpu(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    line = ",2020-04-02 08:00:00,12.5,3,abc,117.2,39.1,x,y,z\n"
    with path.open("w") as file:
        file.write("a,b,c,d,e,f,g,h,i,j\n")
        for n in range(0, 1_000_000, 10_000):
            file.writelines(f"{m}{line}" for m in range(n, n + 10_000))
    before = resource.getrusage(resource.RUSAGE_SELF)
    assert sum(batch.rows.num_rows for batch in source(path).batches(None)) == 1_000_000
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2


cells = st.text(st.sampled_from("ab1,;\"'\n\t é滨"), max_size=8)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.lists(cells, min_size=3, max_size=3), min_size=1, max_size=8),
    quoting=st.sampled_from([python_csv.QUOTE_ALL, python_csv.QUOTE_MINIMAL]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_what_python_writes_is_read_the_same(tmp_path: Path, rows: list[list[str]], quoting: Any, end: str) -> None:
    text = io.StringIO()
    python_csv.writer(text, quoting=quoting, lineterminator=end).writerows([["a", "b", "c"], *rows])
    found, batches, _ = read(tmp_path, text.getvalue(), delimiter=",", skip=0)
    assert [[row[name] or "" for name in "abc"] for row in found] == rows
    assert not rejected(batches)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=300) | st.text(st.sampled_from(string.printable + "滨\0"), max_size=200).map(str.encode)
)
def test_whatever_the_bytes_are_only_our_errors_come_out(tmp_path: Path, content: bytes) -> None:
    try:
        _, batches, _ = read(tmp_path, content)
    except LandbridgeError as error:
        assert error.where
        return
    assert all(batch.numbers is not None and len(batch.numbers) == batch.rows.num_rows for batch in batches)
