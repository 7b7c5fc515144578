"""Workbooks as sources: real ones, ones that openpyxl wrote, and ones that no program would write."""

import datetime
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from landbridge.errors import Invalid, InvalidSettings, LandbridgeError, Missing, Refused, TooMuch
from landbridge.sources.contract import Batch, Declaration
from landbridge.sources.spreadsheet import OPTIONS, open_source
from landbridge.sources.xlsx import format_kind
from made_workbook import ods_parts, texts, write_zip, xlsx_parts

REAL = Path(__file__).parents[1] / "data/workbooks"


def read(path: Path, **options: Any) -> tuple[list[dict[str, Any]], list[Batch], list[str]]:
    source = open_source(Declaration("register", "spreadsheet", path.parent, {"location": path.name} | options))
    batches = list(source.batches(None))
    return [row for batch in batches for row in batch.rows.to_pylist()], batches, source.notes


def written(
    folder: Path, *rows: list[Any], name: str = "a.xlsx", sheet: str = "S", merges: tuple[str, ...] = ()
) -> Path:
    book = openpyxl.Workbook()
    page = book.active
    page.title = sheet
    for row in rows:
        page.append(row)
    for merge in merges:
        page.merge_cells(merge)
    book.save(folder / name)
    return folder / name


def numbers(batches: list[Batch]) -> list[int]:
    return [number for batch in batches for number in batch.numbers.to_pylist()]  # type: ignore[union-attr]


def test_real_register() -> None:
    rows, batches, notes = read(REAL / "takamatsu_fire_stations.xlsx")
    assert len(rows) == 13
    assert rows[0]["name"] == "高松市消防局"
    assert numbers(batches) == list(range(2, 15))
    assert {batch.origin for batch in batches} == {"takamatsu_fire_stations.xlsx"}
    assert notes == []


def test_real_two_level_header_with_merged_cells() -> None:
    rows, batches, _ = read(REAL / "vaccinations.xlsx", header=[2, 3])
    assert rows[0]["Names"] == "Alabama"
    assert rows[0]["All kindergartners 2009-10"] == "94.0"
    assert len(rows) == 53
    assert batches[0].origin == "vaccinations.xlsx [SVV Coverage Trend Data]"


def test_real_title_above_the_header_is_left_out_and_noted() -> None:
    rows, _, notes = read(REAL / "toronto_transit.xlsx")
    assert rows[1]["FARE MEDIA"] == "     TOKENS"
    assert "2017" in rows[0]
    assert notes == ["toronto_transit.xlsx: 3 rows before the header left out."]


def test_cells_have_types(tmp_path: Path) -> None:
    day, moment = datetime.date(2021, 2, 28), datetime.datetime(2021, 3, 1, 8, 30)
    path = written(
        tmp_path,
        ["code", "height", "day", "moment", "clock", "open", "mixed", "telephone　number"],
        [120116, 12.5, day, moment, datetime.time(8, 30), True, 1, "087"],
        [120117, 3, day, day, datetime.time(23, 59, 59), False, "eins", None],
    )
    rows, batches, _ = read(path)
    assert [str(kind) for kind in batches[0].rows.schema.types] == [
        "int64", "double", "date32[day]", "timestamp[us]", "time64[us]", "bool", "string", "string",
    ]  # fmt: skip
    assert rows == [
        {"code": 120116, "height": 12.5, "day": day, "moment": moment, "clock": datetime.time(8, 30), "open": True,
         "mixed": "1", "telephone　number": "087"},
        {"code": 120117, "height": 3.0, "day": day, "moment": datetime.datetime(2021, 2, 28),
         "clock": datetime.time(23, 59, 59), "open": False, "mixed": "eins", "telephone　number": None},
    ]  # fmt: skip


def test_declared_kinds_hold_and_misfits_are_rejects(tmp_path: Path) -> None:
    path = written(tmp_path, ["code", "beds"], [1, "12"], [2, "a dozen"])
    rows, batches, _ = read(path, columns={"code": "text", "beds": "integer"})
    assert rows == [{"code": "1", "beds": 12}]
    (reject,) = batches[0].rejects
    assert (reject.place, reject.reason, dict(reject.row)) == (
        "a.xlsx row 3", "beds is 'a dozen', not integer", {"code": "2", "beds": "a dozen"},
    )  # fmt: skip
    with pytest.raises(Invalid, match="no column 'bed'; its columns: code, beds"):
        read(path, columns={"bed": "integer"})


def test_merged_cells_are_filled_or_not(tmp_path: Path) -> None:
    rows = [["ward", "name"], ["east", "a"], [None, "b"], ["west", "c"]]
    path = written(tmp_path, *rows, merges=("A2:A3",))
    assert [row["ward"] for row in read(path)[0]] == ["east", "east", "west"]
    assert [row["ward"] for row in read(path, merged="first")[0]] == ["east", None, "west"]


def test_footnotes_are_cut(tmp_path: Path) -> None:
    rows = [["id", "n"], [1, 2], [2, 3], [None, None], ["Source: the city", None]]
    path = written(tmp_path, *rows)
    assert [row["id"] for row in read(path)[0]] == ["1", "2", "Source: the city"]
    assert [row["id"] for row in read(path, until="Source")[0]] == [1, 2]
    assert [row["id"] for row in read(path, until="")[0]] == [1, 2]


def test_header_by_number_by_name_or_none(tmp_path: Path) -> None:
    path = written(tmp_path, ["x", "y", "z"], ["id", "name", None], ["(code)", "(text)", None], [1, "a", None])
    assert read(path, header=2, below=1)[0] == [{"id": 1, "name": "a"}]
    assert read(path, header="name", below=1)[0] == [{"id": 1, "name": "a"}]
    assert read(path, header=False)[0][0] == {"A": "x", "B": "y", "C": "z"}
    with pytest.raises(Invalid, match="has a cell 'nome'"):
        read(path, header="nome")
    with pytest.raises(Invalid, match="row 9 is blank"):
        read(path, header=9)


def test_sheets_by_name_and_number_as_tables(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.title = "Wards"
    book.active.append(["id"])
    book.active.append([1])
    second = book.create_sheet("人口 (2020)")
    second.append(["n"])
    second.append([5])
    book.save(tmp_path / "a.xlsx")
    assert read(tmp_path / "a.xlsx", sheet=2)[0] == [{"n": 5}]
    assert read(tmp_path / "a.xlsx", sheet="人口 (2020)")[0] == [{"n": 5}]
    _, batches, _ = read(tmp_path / "a.xlsx", sheets=["Wards", "人口 (2020)"])
    assert [batch.table for batch in batches] == ["Wards", "人口 _2020_"]
    _, batches, _ = read(tmp_path / "a.xlsx", sheets={"people": 2, "source": "Wards"})
    assert [(batch.table, batch.origin) for batch in batches] == [
        ("people", "a.xlsx [人口 (2020)]"), ("source", "a.xlsx [Wards]"),
    ]  # fmt: skip


def test_missing_sheet_names_those_there_are(tmp_path: Path) -> None:
    path = written(tmp_path, ["id"], [1], sheet="Wards")
    with pytest.raises(Missing) as error:
        read(path, sheet="Warts")
    assert str(error.value) == "a.xlsx: The workbook has no sheet 'Warts'; its sheets: 'Wards'. Correct `sheet`."
    with pytest.raises(Missing, match="no sheet number 3"):
        read(path, sheet=3)


def test_formula_without_a_stored_value_and_errors_are_noted(tmp_path: Path) -> None:
    sheet = (
        '<sheetData><row r="1"><c r="A1" t="str"><v>n</v></c><c r="B1" t="str"><v>m</v></c></row>'
        '<row r="2"><c r="A2"><f>1+1</f><v>2</v></c><c r="B2"><f>A2*2</f></c></row>'
        '<row r="3"><c r="A3" t="e"><v>#N/A</v></c><c r="B3"><v>7</v></c></row></sheetData>'
    )
    rows, _, notes = read(write_zip(tmp_path / "a.xlsx", xlsx_parts(sheet)))
    assert rows == [{"n": 2, "m": None}, {"n": None, "m": 7}]
    assert notes[0].startswith("a.xlsx: 1 formula cell without a stored value (B2): empty here; open and save")
    assert notes[1:] == ["a.xlsx: 1 cell with an error such as #N/A: empty here."]


def test_shared_texts_without_phonetic_guides(tmp_path: Path) -> None:
    shared = (
        "<si><t>name</t></si><si><r><t>高</t></r><r><t>松</t></r><rPh sb='0' eb='2'><t>タカマツ</t></rPh></si>"
        "<si><t>a_x000D_b</t></si>"
    )
    cells = "".join(f'<row r="{row}"><c r="A{row}" t="s"><v>{row - 1}</v></c></row>' for row in (1, 2, 3))
    rows, _, _ = read(write_zip(tmp_path / "a.xlsx", xlsx_parts(f"<sheetData>{cells}</sheetData>", shared)))
    assert rows == [{"name": "高松"}, {"name": "a\rb"}]


def test_ods_with_merges_repeats_and_types(tmp_path: Path) -> None:
    def cell(kind: str, value: str, text: str, more: str = "") -> str:
        return f'<table:table-cell office:value-type="{kind}" {value} {more}><text:p>{text}</text:p></table:table-cell>'

    table = (
        f"<table:table-row>{cell('string', '', 'ward')}{cell('string', '', 'day')}{cell('string', '', 'n')}"
        "</table:table-row>"
        "<table:table-row>"
        + cell("string", "", "east<text:s text:c='2'/>1", 'table:number-rows-spanned="2"')
        + cell("date", 'office:date-value="2020-02-29"', "29.2.")
        + cell("float", 'office:value="1.5"', "1,5")
        + "</table:table-row><table:table-row><table:covered-table-cell/>"
        + cell("date", 'office:date-value="2020-03-01"', "1.3.")
        + cell("float", 'office:value="2"', "2")
        + '</table:table-row><table:table-row table:number-rows-repeated="1048573">'
        '<table:table-cell table:number-columns-repeated="16384"/></table:table-row>'
    )
    rows, batches, _ = read(write_zip(tmp_path / "a.ods", ods_parts(table)))
    assert rows == [
        {"ward": "east  1", "day": datetime.date(2020, 2, 29), "n": 1.5},
        {"ward": "east  1", "day": datetime.date(2020, 3, 1), "n": 2.0},
    ]
    assert numbers(batches) == [2, 3]


@pytest.mark.parametrize(
    ("code", "kind"),
    [("General", None), ("0.00", None), ("0.0E+00", None), ('"day "0', None), ("[Red]#,##0", None),
     ("yyyy-mm-dd", "day"), ("m/d/yy h:mm", "moment"), ("[$-411]ge.m.d", "day"),
     ("h:mm:ss", "clock"), ("[h]:mm", "span"), ("mmm", "day"),
     ('yyyy"年"m"月"d"日"', "day")],
)  # fmt: skip
def test_number_formats_that_show_dates(code: str, kind: str | None) -> None:
    assert format_kind(code) == kind


# --- what bad input gets -------------------------------------------------------------------------------------------


def test_truncated_zip(tmp_path: Path) -> None:
    whole = (REAL / "takamatsu_fire_stations.xlsx").read_bytes()
    for share in (0.1, 0.5, 0.99):
        (tmp_path / "a.xlsx").write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(Invalid) as error:
            read(tmp_path / "a.xlsx")
        assert str(error.value).startswith("a.xlsx: The workbook's zip is damaged or cut off:")


def test_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    bomb = write_zip(tmp_path / "a.xlsx", xlsx_parts(texts("id", "1")) | {"xl/media/x.bin": bytes(200 * 1_048_576)})
    with pytest.raises(Refused, match="as a zip bomb does"):
        read(bomb)
    with pytest.raises(TooMuch, match="unpacks to 200 MB in 5 parts"):
        read(bomb, max_unpacked_megabytes=100)


def test_a_part_that_lies_about_its_size(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.xlsx", xlsx_parts(texts("id", "1" * 100_000)))
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("xl/worksheets/sheet1.xml")
    for place in range(len(data) - 4):  # in its own header and in the list at the end
        if data[place : place + 4] == info.file_size.to_bytes(4, "little"):
            data[place : place + 4] = (500).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(Invalid):
        read(path)


@pytest.mark.parametrize("part", ["xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/sharedStrings.xml"])
def test_entity_bomb_is_refused(tmp_path: Path, part: str) -> None:
    shared = "<si><t>id</t></si>"
    parts = xlsx_parts('<sheetData><row r="1"><c t="s"><v>0</v></c></row></sheetData>', shared)
    laughs = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(9))
    parts[part] = f'<!DOCTYPE x [<!ENTITY l0 "ha">{laughs}]>' + parts[part].replace("id", "&l9;")
    with pytest.raises(Refused, match="has a document type, which may declare entities without end"):
        read(write_zip(tmp_path / "a.xlsx", parts))


def test_declared_sizes_that_would_exhaust_memory_are_not_believed(tmp_path: Path) -> None:
    sheet = (
        '<dimension ref="A1:XFD1048576"/><sheetData><row r="1"><c r="A1" t="s"><v>0</v></c></row>'
        '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
    )
    parts = xlsx_parts(sheet, "<si><t>id</t></si>")
    parts["xl/sharedStrings.xml"] = parts["xl/sharedStrings.xml"].replace("<sst ", '<sst count="4294967295" ')
    rows, batches, _ = read(write_zip(tmp_path / "a.xlsx", parts))
    assert rows == [{"id": None, "XFD": 1}]
    assert numbers(batches) == [1_048_576]


def test_repeats_that_unroll_without_end(tmp_path: Path) -> None:
    table = (
        '<table:table-row table:number-rows-repeated="1000000"><table:table-cell office:value-type="string"'
        ' table:number-columns-repeated="16384"><text:p>a</text:p></table:table-cell></table:table-row>'
    )
    with pytest.raises(TooMuch, match=r"a.ods \[S\]: The sheet has more than 20,000,000 cells"):
        read(write_zip(tmp_path / "a.ods", ods_parts(table)))


def test_a_cell_that_is_too_long(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.xlsx", xlsx_parts(texts("id|name", "1|" + "x" * 100_000_000)), zipfile.ZIP_STORED)
    with pytest.raises(TooMuch, match=r"The cell B2 is longer than 1,048,576 characters") as error:
        read(path)
    assert error.value.where == "a.xlsx [S]"


def test_files_that_are_no_workbooks(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    for content, said in (
        (b"", "The file is empty"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "an old workbook"),
        (b"<html>", "damaged or cut off"),
    ):
        path.write_bytes(content)
        with pytest.raises(Invalid, match=said):
            read(path)
    with pytest.raises(Invalid, match="is no XLSX or ODS workbook"):
        read(write_zip(path, {"a.txt": "b"}))
    with pytest.raises(Invalid, match="is no XML"):
        read(write_zip(path, xlsx_parts("<sheetData><row></sheetData>")))
    for encoding in ("klingon", "gb18030"):
        parts = xlsx_parts(texts("id", "1"))
        parts["xl/workbook.xml"] = f'<?xml version="1.0" encoding="{encoding}"?>' + parts["xl/workbook.xml"]
        with pytest.raises(Invalid, match="is no XML"):
            read(write_zip(path, parts))


def test_too_many_cells(tmp_path: Path) -> None:
    path = written(tmp_path, ["a", "b"], *[[1, 2]] * 10)
    with pytest.raises(TooMuch, match="has more than 20 cells"):
        read(path, max_cells=20)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sheet": 0}, "`sheet` is 0"),
        ({"sheet": 1, "sheets": [1]}, "`sheet` and `sheets` are both given"),
        ({"sheets": []}, "`sheets` is []"),
        ({"sheets": ["a(", "a)"]}, "make the same table"),
        ({"header": [3, 2]}, "`header` is [3, 2]"),
        ({"merged": "no"}, "`merged` is 'no'"),
        ({"columns": {"a": "date"}}, "gives a the kind 'date'"),
    ],
)
def test_wrong_options(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidSettings) as error:
        read(written(tmp_path, ["a"], [1]), **options)
    assert said in str(error.value)
    assert set(options) <= set(OPTIONS)


values = (
    st.none()
    | st.integers(-(10**12), 10**12)
    | st.booleans()
    | st.text("ab é滨", min_size=1, max_size=5)
    | st.dates(datetime.date(1901, 1, 1), datetime.date(2200, 1, 1))
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.lists(values, min_size=3, max_size=3), min_size=1, max_size=6))
def test_what_openpyxl_writes_is_read_the_same(tmp_path: Path, rows: list[list[Any]]) -> None:
    for column in range(3):  # one kind a column, so that nothing turns into text
        kinds = {type(row[column]) for row in rows if row[column] is not None}
        for row in rows:
            if len(kinds) > 1 and row[column] is not None:
                row[column] = str(row[column])
    path = written(tmp_path, ["a", "b", "c"], *rows)
    found, batches, _ = read(path)
    expected = {number: row for number, row in enumerate(rows, 2) if any(cell is not None for cell in row)}
    assert dict(zip(numbers(batches), [list(row.values()) for row in found], strict=True)) == expected


pieces = st.sampled_from(
    ["<row>", '<row r="2">', "</row>", '<c r="A1">', '<c t="s">', '<c t="d">', '<c r="ZZZ9">', "</c>", "<v>", "</v>",
     "1", "99999", "NaN", "1e400", "<f>", "</f>", "<is><t>", "</t></is>", '<mergeCell ref="A1:XFD1048576"/>',
     "&amp;", "-5"]
)  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sheet=st.lists(pieces, max_size=25).map("".join), options=st.sampled_from([{}, {"header": False}, {"header": 1}])
)
def test_whatever_the_sheet_says_only_our_errors_come_out(tmp_path: Path, sheet: str, options: dict[str, Any]) -> None:
    path = write_zip(tmp_path / "a.xlsx", xlsx_parts(sheet, "<si><t>x</t></si>"))
    try:
        read(path, **options)
    except LandbridgeError as error:
        assert error.where


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_workbooks_give_only_our_errors(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray((REAL / "takamatsu_fire_stations.xlsx").read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "a.xlsx").write_bytes(content)
    try:
        read(tmp_path / "a.xlsx")
    except LandbridgeError as error:
        assert error.where
