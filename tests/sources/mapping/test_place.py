"""A mistake in a mapping is reported with file, line, column and the source row that shows it."""

from pathlib import Path

import pytest

from landbridge.errors import InvalidMapping, InvalidSettings
from landbridge.sources.mapping.mapper import open_mapper, read_mappings
from made_mapping import declare, mapped

ROWS = {"id": ["1", "2"], "x": ["a", "b"]}


def test_a_column_that_is_gone(tmp_path: Path) -> None:
    text = "-- 说明\nselect 'urn:x:' || id as id,\n       'Thing' as type,\n       '滨海' || pm25 as v\nfrom source"
    with pytest.raises(InvalidMapping) as error:
        mapped(tmp_path, text, ROWS)
    assert error.value.where == "register/mapping.sql:4:16"
    assert "pm25" in error.value.message
    assert error.value.row == {"id": "1", "x": "a", "_row": 0}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("select 'a' as id,\n 'T' as type\n frm source", "3:2"),
        ("select 'a' as id,\n 'T' as type, x + \n from source", None),
        ("select 'a' as id, 'T' as type,\n substr(x, 1, 2, 3, 4) as v from source", "2:2"),
        ("select 'a' as id, 'T' as type,\n nosuch(x) as v from source", "2:2"),
        ("select 'a' as id, 'T' as type,\n 1 as v from nowhere", None),
        ("select 'a' as id, 'T' as type,\n * from source", "2:2"),
        ("select 'a' as id, 'T' as type,\n x || 'a' from source", "2:2"),
        ("select 'a' as id, 'T' as type,\n read_blob(x) as v from source", "2:2"),
    ],
)
def test_places(tmp_path: Path, text: str, place: str | None) -> None:
    with pytest.raises(InvalidMapping) as error:
        mapped(tmp_path, text, ROWS)
    assert error.value.where is not None
    assert error.value.where.startswith(f"register/mapping.sql{':' + place if place else ''}")


def test_columns_that_are_missing_or_make_no_sense(tmp_path: Path) -> None:
    for text, said in (
        ("select 'T' as type, x as v from source", "The SELECT has no column 'id'."),
        ("select 'a' as id, x as v from source", "The SELECT has no column 'type'."),
        ("select 'a' as id, 'T' as type, x as v, x as v from source", "Column 'v' is there twice."),
        ("select 'a' as id, 'T' as type, 'GQ' as \"v.unitCode\" from source", "needs one value column and has none"),
        ("select 'a' as id, x as type, 1 as v from source", "The column 'type' is computed"),
        ("select 'a' as id, 'T' as type, 5 as \"observedAt\" from source", "is a INTEGER and no time"),
        ("select 'a' as id, 'T' as type, encode(x) as v from source", "holds bytes"),
        ("select 'a' as id, 'T' as type, 5 as \"location.point\" from source", "no point"),
    ):
        with pytest.raises(InvalidMapping) as error:
            mapped(tmp_path, text, ROWS)
        assert said in str(error.value), text
    (tmp_path / "mapping.sql").unlink()
    with pytest.raises(InvalidMapping, match="There is no mapping"):
        open_mapper(declare(tmp_path, {}))


def test_a_file_that_is_not_utf8_and_two_ways_to_map(tmp_path: Path) -> None:
    declaration = declare(tmp_path, "select 1")
    (tmp_path / "mapping.sql").write_bytes("select '滨'".encode("gbk"))
    with pytest.raises(InvalidMapping, match="not in UTF-8"):
        open_mapper(declaration)
    (tmp_path / "mapping").mkdir()
    (tmp_path / "mapping" / "a.sql").write_text("select 1")
    with pytest.raises(InvalidMapping, match=r"both mapping.sql and mapping/"):
        open_mapper(declaration)


def test_what_a_mapping_says_before_a_row_is_read(tmp_path: Path) -> None:
    text = """select 'a' as id, case when x = 'a' then 'Hospital' else 'Clinic' end as type,
              x as name, 'GQ' as "pm25.unitCode", 1 as pm25 from source"""
    (file,) = read_mappings(declare(tmp_path, text))
    assert (file.path, file.types, file.attributes) == (
        "register/mapping.sql",
        ("Hospital", "Clinic"),
        ("name", "pm25"),
    )
    assert (file.rowwise, file.tables) == (True, ("source",))


@pytest.mark.parametrize(
    ("query", "rowwise"),
    [
        ("from source", True),
        ("from source r join names n on n.x = r.x", True),
        ("from source r left join names n using (x) where r.x <> 'b'", True),
        ("from (select * from source where x = 'a') s", True),
        ("from source group by id, x", False),
        ("from source order by x", False),
        ("from source limit 1", False),
        ("from source qualify row_number() over (partition by id) = 1", False),
        ("from source a join source b on a.id = b.id", False),
        ("from source where x = (select max(x) from source)", False),
        ("from (select distinct id, x from source) s", False),
        ("from names n left join source r on r.x = n.x", False),
    ],
)
def test_which_mappings_look_over_several_rows(tmp_path: Path, query: str, rowwise: bool) -> None:
    (tmp_path / "names.csv").write_text("x,name\na,eins\n")
    start = "select 'urn:x:' || " + ("a.id" if "source a" in query else "r.id" if " r " in query else "id")
    text = f"{start} as id, 'T' as type, 1 as v {query}"
    (file,) = read_mappings(declare(tmp_path, text, tables={"names": "names.csv"}))
    assert file.rowwise is rowwise
    if not rowwise:
        with pytest.raises(InvalidMapping, match="looks over several rows, and this source comes in small batches"):
            open_mapper(declare(tmp_path, text, tables={"names": "names.csv"}), whole=False)
        open_mapper(declare(tmp_path, text, tables={"names": "names.csv"}, window="all"), whole=False).close()


def test_reference_tables_that_are_not_there(tmp_path: Path) -> None:
    text = "select 'a' as id, 'T' as type, n.x as v from source join names n using (x)"
    with pytest.raises(InvalidSettings, match="The reference table 'names' is not there"):
        open_mapper(declare(tmp_path, text, tables={"names": "names.csv"}))
    with pytest.raises(InvalidSettings, match="names a database and no table"):
        open_mapper(declare(tmp_path, text, tables={"names": "sqlite:///x.db"}))


@pytest.mark.parametrize("reads", ["name as name, upper(name) as big", "name as title"])
def test_a_renamed_column_is_said_with_what_there_is(tmp_path: Path, reads: str) -> None:
    text = f"select 'urn:ngsi-ld:A:' || code as id, 'A' as type,\n       {reads}\nfrom source"
    with pytest.raises(InvalidMapping) as error:
        mapped(tmp_path, text, {"code": ["1"], "names": ["x"]})
    assert (error.value.message, error.value.where) == ('The source has no column "name".', "register/mapping.sql:2:8")
    assert error.value.hint == 'Did you mean "names"? It has: "code", "names".'
    assert error.value.row == {"code": "1", "names": "x", "_row": 0}
