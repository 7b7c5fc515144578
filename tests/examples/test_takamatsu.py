"""Takamatsu, joined from the workbooks of its registers: editions, a crosswalk, registers that differ."""

from collections.abc import Iterator, Mapping

import openpyxl
import pytest

from cities import EXAMPLES, OPERATOR, all_of, claims, joined, value
from landbridge.app.city import City
from landbridge.model.answer import RunRecord

ORDER = ("evacuation-places", "tsunami-buildings", "hospitals", "fire-stations", "aed", "parking")
Pulled = tuple[City, Mapping[str, RunRecord]]


@pytest.fixture(scope="module")
def pulled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pulled]:
    with joined("takamatsu", tmp_path_factory.mktemp("takamatsu"), ORDER) as found:
        yield found


def test_every_source_comes_through(pulled: Pulled) -> None:
    assert {name: (run.state, run.reason) for name, run in pulled[1].items()} == dict.fromkeys(ORDER, ("done", None))


def test_the_registers_have_what_their_files_have(pulled: Pulled) -> None:
    city, _ = pulled
    counts = {summary.type: summary.entities for summary in city.pool.types(OPERATOR)}
    assert counts["FireStation"] == 13 and counts["Defibrillator"] == 450 and counts["OffStreetParking"] == 8
    assert counts["Hospital"] == 617  # the newest edition; what only the older ones had is gone


def test_a_place_is_known_by_its_name_and_not_by_its_row(pulled: Pulled) -> None:
    city, _ = pulled
    (pin,) = [group for group in city.pool.rejects(OPERATOR) if group.source == "evacuation-places"]
    assert pin.count == 1 and pin.examples[0]["row"]["name"] == "新規マップピン"
    named = [d for d in all_of(city, "EvacuationPlace") if "香南小学校" in str(value(d, "name"))]
    assert len(named) == 1  # two spellings in two editions


def test_two_registers_count_the_same_building_differently(pulled: Pulled) -> None:
    city, _ = pulled
    (school,) = [d for d in all_of(city, "EvacuationPlace") if value(d, "name") == "新番丁小学校"]
    assert claims(school, "capacity") == {"evacuation-places": 1530, "tsunami-buildings": 750}
    assert value(school, "capacity") == 1530
    found = city.pool.disagreements(OPERATOR, entity=school["id"], attribute="capacity")
    assert {said.source: said.value for one in found for said in one.values} == claims(school, "capacity")


def test_no_column_with_persons_is_in_the_files() -> None:
    left_out = {"telephoneNumber", "telephone\u3000number", "fax\u3000number", "corporateRepresentative", "establisher"}
    books = sorted((EXAMPLES / "takamatsu").glob("sources/*/*.xlsx"))
    assert len(books) == 9
    for path in books:
        book = openpyxl.load_workbook(path, read_only=True)
        header = {cell.value for cell in next(book["Sheet1"].iter_rows(max_row=1))}
        assert not header & left_out, path.name
        said = " ".join(str(row[0].value) for row in book["About this copy"].iter_rows())
        assert "CC BY 4.0" in said and "left out" in said
        book.close()
