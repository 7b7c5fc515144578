"""The SQL that query trees become, in files that a reviewer can read.

Set LANDBRIDGE_WRITE_GOLDEN=1 to write them anew after a wanted change, and look at the difference.
"""

import os
from pathlib import Path

import pytest

from landbridge.model.query import (
    And,
    Between,
    Compare,
    Exists,
    Has,
    Linked,
    Near,
    OneOf,
    Or,
    Order,
    Query,
    Scope,
    Selector,
    Spatial,
)
from landbridge.model.query import Path as Attribute
from landbridge.store.compile import Compiled, Layout, compile_query
from landbridge.store.contract import Kind
from landbridge.store.cursor import next_cursor
from landbridge.store.target import WHOLE

FOLDER = Path(__file__).parent / "golden"
LAYOUT = Layout(
    (
        Kind(1, "", "Lamp", {"level": 0, "colour": 1, "refArea": 2, "location": 3}, entities=100, located=True),
        Kind(2, "", "Area", {"name": 0, "location": 1}, entities=16, located=True),
        Kind(3, "", "Station", {"level": 5}, entities=7, shared=True),
        Kind(4, "", "Crowded", {f"n{number}": number for number in range(32)}, entities=3),
        Kind(5, "", "Empty", {"level": 0}),
    )
)
LEVEL, COLOUR, NAME = Attribute("level"), Attribute("colour"), Attribute("name")
POINT = {"type": "Point", "coordinates": [117.7, 39.0]}
BOX = {"type": "Polygon", "coordinates": [[[117, 38], [118, 38], [118, 39], [117, 39], [117, 38]]]}
LAMP = Has("Lamp")
MIDNIGHT = "2020-04-02T00:00:00Z"
ROW = [(1 << 40) + 7, "", "", 0, 0, 0]
BY_LEVEL = (Order(LEVEL, True), Order(Attribute("id")))

CASES: dict[str, Query] = {
    "all": Query(),
    "type": Query(types=LAMP),
    "type-unknown": Query(types=Has("River")),
    "type-shared": Query(types=Has("Station")),
    "types-and": Query(types=And((LAMP, Has("Station")))),
    "types-or": Query(types=Or((LAMP, Has("Area")))),
    "ids": Query(ids=("urn:x:1", "urn:x:2"), types=LAMP),
    "id-pattern": Query(types=LAMP, id_pattern="^urn:.*7$"),
    "attrs": Query(attrs=("level", "n3")),
    "where-number": Query(types=LAMP, where=Compare(LEVEL, ">", 0.5)),
    "where-text": Query(types=LAMP, where=Compare(COLOUR, "==", "red")),
    "where-text-order": Query(types=LAMP, where=Compare(COLOUR, ">=", "red")),
    "where-unequal": Query(types=LAMP, where=Compare(COLOUR, "!=", "red")),
    "where-boolean": Query(types=LAMP, where=Compare(COLOUR, "==", True)),
    "where-instant": Query(types=LAMP, where=Compare(COLOUR, ">", MIDNIGHT)),
    "where-pattern": Query(types=LAMP, where=Compare(COLOUR, "~=", "^re")),
    "where-no-pattern": Query(types=LAMP, where=Compare(COLOUR, "!~=", "^re")),
    "where-range": Query(types=LAMP, where=Between(LEVEL, 1, 2)),
    "where-list": Query(types=LAMP, where=OneOf(COLOUR, ("red", "blue", 3, (7, 9)), negated=True)),
    "where-without-slot": Query(types=Has("Crowded"), where=Compare(LEVEL, "==", 1)),
    "where-absent": Query(types=Has("Area"), where=Or((Compare(LEVEL, ">", 1), Exists(NAME)))),
    "where-and-or": Query(types=LAMP, where=And((Exists(COLOUR), Or((Compare(LEVEL, "<", 1), Exists(NAME)))))),
    "where-sub-attribute": Query(types=LAMP, where=Compare(Attribute("level", ("accuracy",)), "<", 0.1)),
    "where-observed-at": Query(types=LAMP, where=Compare(Attribute("level", ("observedAt",)), ">=", MIDNIGHT)),
    "where-created-at": Query(types=LAMP, where=Compare(Attribute("level", ("createdAt",)), ">=", MIDNIGHT)),
    "where-entity-time": Query(types=LAMP, where=Compare(Attribute("modifiedAt"), ">=", MIDNIGHT)),
    "where-member": Query(types=LAMP, where=Compare(Attribute("level", (), ("air", "pm25")), ">", 40)),
    "where-language": Query(types=Has("Area"), where=Compare(Attribute("name", (), ("zh",)), "==", "滨海新区")),
    "where-many-kinds": Query(where=Compare(LEVEL, ">", 0.5)),
    "near": Query(types=LAMP, geo=Near(POINT, at_most=500)),
    "near-beyond": Query(types=LAMP, geo=Near(POINT, at_least=500)),
    "within": Query(types=LAMP, geo=Spatial("within", BOX)),
    "disjoint": Query(types=LAMP, geo=Spatial("disjoint", BOX)),
    "another-place": Query(types=LAMP, geo=Spatial("intersects", BOX, "observationSpace")),
    "scope": Query(types=LAMP, scope=Scope((("/a/b", "/x/#"), ("/+/c",)))),
    "order": Query(types=Or((LAMP, Has("Area"))), order=BY_LEVEL),
    "after": Query(types=LAMP, after=next_cursor(Query(), ROW)),
    "after-many": Query(after=next_cursor(Query(), [(2 << 40) + 7, "", "", 0, 0, 0])),
    "after-order": Query(types=LAMP, order=BY_LEVEL, after=next_cursor(Query(order=BY_LEVEL), [*ROW, 0.5, "urn:x"])),
    "offset": Query(types=LAMP, offset=40),
    "before": Query(types=LAMP, before=next_cursor(Query(), ROW)),
    "before-order": Query(types=LAMP, order=BY_LEVEL, before=next_cursor(Query(order=BY_LEVEL), [*ROW, 0.5, "urn:x"])),
    "order-collation": Query(types=LAMP, order=(Order(COLOUR),), collation="de-u-co-phonebk"),
    "order-distance": Query(types=LAMP, order=(Order(Attribute("location"), True, POINT),)),
    "linked": Query(types=LAMP, where=Linked("refArea", (), Compare(NAME, "==", "Hebei"))),
    "linked-type": Query(types=LAMP, where=Linked("refArea", ("Area",), Compare(NAME, "==", "Hebei"))),
    "linked-twice": Query(types=LAMP, where=Linked("refArea", ("Area",), Linked("partOf", (), Exists(NAME)))),
    "linked-absent": Query(types=LAMP, where=Linked("refArea", ("River",), Exists(NAME))),
    "selectors": Query(selectors=(Selector(LAMP, id_pattern="7$"), Selector(Has("Area"), ("urn:x:1",)))),
    "selectors-ids": Query(selectors=(Selector(LAMP, ("urn:x:1",)), Selector(Has("Area"), ("urn:x:2", "urn:x:3")))),
    "count-type": Query(types=Or((LAMP, Has("Area")))),
    "count-where": Query(where=Compare(LEVEL, ">", 0.5)),
}  # fmt: skip


def written(compiled: Compiled) -> str:
    """The statement, then its bindings as comments. TARGET(x) stands for the text in target.sql."""
    sql = compiled.sql
    for alias in ("i0.value", "i1.value"):
        sql = sql.replace(WHOLE.format(alias), f"TARGET({alias})")
    bindings = "\n".join(f"-- {number}: {value!r}" for number, value in enumerate(compiled.bindings, 1))
    return f"{sql}\n{bindings}\n" if bindings else f"{sql}\n"


def compare_with_file(name: str, found: str) -> None:
    file = FOLDER / f"{name}.sql"
    if os.environ.get("LANDBRIDGE_WRITE_GOLDEN"):
        FOLDER.mkdir(exist_ok=True)
        file.write_text(found, encoding="utf-8")
    assert file.read_text(encoding="utf-8") == found


@pytest.mark.parametrize("name", CASES)
def test_a_tree_becomes_the_sql_in_its_file(name: str) -> None:
    compiled = compile_query(CASES[name], LAYOUT, counting=name.startswith("count-"))
    assert compiled.sql.count("?") == len(compiled.bindings)
    compare_with_file(name, written(compiled))


def test_the_target_of_an_instance_is_found_by_the_sql_in_its_file() -> None:
    compare_with_file("target", WHOLE.format("x").replace(", x ->", ",\n  x ->").replace(", iif", ",\n  iif") + "\n")


def test_each_file_belongs_to_a_tree() -> None:
    assert sorted(file.stem for file in FOLDER.glob("*.sql")) == sorted([*CASES, "target"])
