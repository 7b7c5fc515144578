"""What every store promises of a question's meaning: the edges of NGSI-LD 4.9, 4.10, 4.17, 4.19 and 4.23."""

from typing import Any

import pytest

from landbridge.errors import InvalidQuery
from landbridge.model.query import (
    And,
    Between,
    Compare,
    Exists,
    Has,
    Near,
    Node,
    OneOf,
    Or,
    Order,
    Path,
    Query,
    Scope,
    Spatial,
)
from landbridge.store.contract import Store
from store.writing import add, entity, pages, prop

A, B, CITY = Path("a"), Path("b"), Path("a", keys=("city",))
LANGUAGES = {"type": "LanguageProperty", "languageMap": {"en": "red", "zh": ["红", "赤"]}}
ONE_OF_EACH: dict[str, Any] = {
    "number": prop(10),
    "fraction": prop(10.5),
    "numeral": prop("10"),
    "text": prop("red"),
    "long": prop("red" + "x" * 400),
    "true": prop(True),
    "one": prop(1),
    "list": prop(["blue", "red", 10]),
    "nested": prop({"city": "Berlin", "air": {"pm": 40}, "red": "red"}),
    "typed": prop({"@type": "DateTime", "@value": "2020-04-02T00:00:00Z"}),
    "zoned": prop("2020-04-02T08:00:00+08:00"),
    "link": {"type": "Relationship", "object": "urn:x:red"},
    "links": {"type": "Relationship", "object": ["urn:x:red", "urn:x:blue"]},
    "vocab": {"type": "VocabProperty", "vocab": "https://example.org/red"},
    "json": {"type": "JsonProperty", "json": {"city": "Berlin"}},
    "values": {"type": "ListProperty", "valueList": ["red", 10]},
    "objects": {"type": "ListRelationship", "objectList": [{"object": "urn:x:red"}]},
    "languages": LANGUAGES,
    "several": [prop("blue"), prop("red", datasetId="urn:d:1")],
}
WORDS = "text long true nested typed zoned link links vocab json objects languages several"
AFTER = "text long list typed zoned vocab values languages several"
QUESTIONS: list[tuple[str, Node, str]] = [
    ("equal text", Compare(A, "==", "red"), "text list values languages several"),
    ("a word", Compare(A, "==", "https://example.org/red"), "vocab"),
    ("equal number", Compare(A, "==", 10), "number list values"),
    ("equal number as text", Compare(A, "==", "10"), "numeral"),
    ("equal true", Compare(A, "==", True), "true"),
    ("equal one", Compare(A, "==", 1), "one"),
    ("equal uri", Compare(A, "==", "urn:x:red"), "link links objects"),
    ("unequal uri", And((Compare(A, "!=", "urn:x:red"), Exists(CITY))), "nested json"),
    (
        "unequal",
        Compare(A, "!=", "red"),
        "number fraction numeral long true one nested typed zoned link links vocab json objects several",
    ),
    ("above", Compare(A, ">", 9), "number fraction list values"),
    ("at least", Compare(A, ">=", 10.5), "fraction"),
    ("below", Compare(A, "<", 10), "one"),
    ("text above", Compare(A, ">", "re"), "text long list values languages several"),
    ("text below", Compare(A, "<", "2"), "numeral"),
    ("text at most", Compare(A, "<=", "blue"), "numeral list typed zoned several"),
    ("pattern", Compare(A, "~=", "^red$"), "text list values languages several"),
    ("no pattern", Compare(A, "!~=", "^red"), "numeral typed zoned vocab several"),
    ("range", Between(A, 10, 11), "number fraction list values"),
    ("text range", Between(A, "r", "s"), "text long list values languages several"),
    ("outside", Between(A, 0, 10, negated=True), f"fraction numeral {WORDS}"),
    ("mixed range", Between(A, 0, "z"), ""),
    ("one of", OneOf(A, ("none", 10, True)), "number true list values"),
    ("one of ranges", OneOf(A, ((0, 5), "10")), "numeral one"),
    ("none of", And((OneOf(A, ("red", "10"), negated=True), Compare(A, "~=", "."))), "long typed zoned vocab several"),
    ("instant", Compare(A, "==", "2020-04-02T00:00:00.000Z"), "typed zoned"),
    ("instant above", Compare(A, ">", "2020-04-01T23:59:59Z"), AFTER),
    ("member", Compare(CITY, "==", "Berlin"), "nested json"),
    ("deep member", Compare(Path("a", keys=("air", "pm")), ">", 39), "nested"),
    ("unequal member", Compare(CITY, "!=", "Rome"), "nested json"),
    ("a language", Compare(Path("a", keys=("zh",)), "==", "赤"), "languages"),
    ("another language", Compare(Path("a", keys=("en",)), "==", "赤"), ""),
    ("any language", Compare(Path("a", keys=("*",)), "==", "赤"), "languages"),
    ("present", Exists(A), " ".join(ONE_OF_EACH)),
    ("absent", Exists(B), ""),
    ("unequal to absent", Compare(B, "!=", 1), ""),
    ("type inside", And((Has("Thing"), Compare(A, "==", 1))), "one"),
    ("nothing of nothing", Or(()), ""),
]  # fmt: skip


@pytest.mark.parametrize(("node", "expected"), [question[1:] for question in QUESTIONS], ids=[q[0] for q in QUESTIONS])
def test_each_kind_of_value_meets_each_condition_as_the_standard_says(store: Store, node: Node, expected: str) -> None:
    add(store, [entity(name, ["Thing"], {"a": value}) for name, value in ONE_OF_EACH.items()])
    assert pages(store, Query(where=node, limit=4)) == expected.split()


def test_the_answer_is_the_same_where_there_are_no_slots_left(store: Store) -> None:
    crowd = {f"n{number}": prop(number) for number in range(40)}
    add(store, [entity("crowd", ["Thing"], crowd)])
    add(store, [entity(name, ["Thing"], {"a": value}) for name, value in ONE_OF_EACH.items()])
    for name, node, expected in QUESTIONS:
        assert pages(store, Query(where=node, limit=7)) == expected.split(), name


MIDNIGHT = "2020-04-02T00:00:00Z"


def observed(at: str, **members: object) -> dict[str, Any]:
    return prop(1, observedAt=at, **members)


def test_metadata_and_sub_attributes_are_reached_by_their_path(store: Store) -> None:
    stamp = ["api", 1, 1_585_785_600_000_000, 1_585_872_000_000_000, None, None]  # 2020-04-02 and -03
    accuracy = [prop(0.5, unitCode="P1"), prop(0.9, datasetId="urn:d:2")]
    add(
        store,
        [
            entity("early", ["T"], {"a": observed("2020-04-02T00:00:00.500Z", unitCode="GQ", accuracy=accuracy)}),
            entity(
                "late",
                ["T"],
                {
                    "a": [
                        observed("2020-04-02T00:00:01Z", accuracy=prop(0.1)),
                        observed("2020-04-02T00:00:00Z", datasetId="urn:d:1"),
                    ]
                },
            ),
            entity("stamped", ["T"], {"a": {**prop(1), "@": stamp}}),
        ],
    )

    def ids(node: Node) -> list[str]:
        return pages(store, Query(where=node))

    def at(operator: Any, text: str) -> list[str]:
        return ids(Compare(Path("a", ("observedAt",)), operator, text))

    assert at(">", "2020-04-02T00:00:00Z") == ["early", "late"]
    assert at(">", "2020-04-02T08:00:00.5+08:00") == ["late"]
    assert at("==", "2020-04-02T00:00:00.5Z") == ["early"]
    assert at("<", "2020-04-02T00:00:00.4Z") == ["late"]
    assert at(">", "never") == []
    assert ids(Compare(Path("a", ("unitCode",)), "==", "GQ")) == ["early"]
    assert ids(Compare(Path("a", ("datasetId",)), "==", "urn:d:1")) == ["late"]
    assert ids(Exists(Path("a", ("datasetId",)))) == ["late"]
    assert ids(Exists(Path("a", ("accuracy",)))) == ["early", "late"]
    assert ids(Compare(Path("a", ("accuracy",)), ">", 0.8)) == ["early"]
    assert ids(Compare(Path("a", ("accuracy",)), "<", 0.2)) == ["late"]
    assert ids(Compare(Path("a", ("accuracy", "unitCode")), "==", "P1")) == ["early"]
    assert ids(Compare(Path("a", ("createdAt",)), "<=", "2020-04-02T00:00:00Z")) == ["stamped"]
    assert ids(Compare(Path("a", ("modifiedAt",)), "<", "2020-04-02T12:00:00Z")) == []
    assert ids(Compare(Path("modifiedAt"), "<", "2020-04-02T12:00:00Z")) == ["early", "late", "stamped"]
    assert ids(Compare(Path("createdAt"), ">", "2020-04-02T12:00:00Z")) == []


def test_types_are_selected_by_all_that_an_entity_is(store: Store) -> None:
    add(
        store,
        [
            entity("road", ["Road"], {"a": prop(1)}),
            entity("both", ["Road", "Way"], {"a": prop(2)}),
            entity("way", ["Way"], {"a": prop(3)}),
            entity("turned", ["Way", "Road"], {"a": prop(4)}),
        ],
    )

    def ids(tree: Any, where: Node | None = None) -> list[str]:
        page = store.query(Query(types=tree, where=where, count=True))
        assert page.count == len(page.documents)
        return sorted(document["id"] for document in page.documents)

    assert ids(Has("Road")) == ["both", "road", "turned"]
    assert ids(And((Has("Road"), Has("Way")))) == ["both", "turned"]
    assert ids(Or((Has("Road"), Has("Way")))) == ["both", "road", "turned", "way"]
    assert ids(Has("River")) == []
    assert ids(And((Has("Road"), Has("River")))) == []
    assert ids(Has("Road"), Compare(A, ">", 1)) == ["both", "turned"]


def test_an_answer_over_many_types_is_one_walk(store: Store) -> None:
    add(store, [entity(f"urn:{number:02}", [f"T{number:02}"], {"a": prop(number)}) for number in range(40)])
    assert pages(store, Query(limit=7)) == [f"urn:{number:02}" for number in range(40)]
    assert pages(store, Query(where=Compare(A, ">=", 3), limit=5)) == [f"urn:{number:02}" for number in range(3, 40)]
    assert store.query(Query(where=Compare(A, "<", 3), count=True, limit=0)).count == 3


def test_scopes_match_level_by_level(store: Store) -> None:
    for name, scopes in {"none": [], "a": ["/a"], "ab": ["/a/b"], "abc": ["/a/b/c"], "two": ["/x/b", "/ab"]}.items():
        add(store, [entity(name, ["T"], {"a": prop(1)}, scopes)])

    def ids(*alternatives: tuple[str, ...]) -> list[str]:
        return pages(store, Query(scope=Scope(alternatives)))

    assert ids(("/a",)) == ["a"]
    assert ids(("/a/#",)) == ["a", "ab", "abc"]
    assert ids(("/+/b",)) == ["ab", "two"]
    assert ids(("/a/+/c",)) == ["abc"]
    assert ids(("/#",)) == ["a", "ab", "abc", "two"]
    assert ids(("/+/b", "/ab")) == ["two"]
    assert ids(("/+/b", "/ab"), ("/a",)) == ["a", "two"]


SQUARE = {"type": "Polygon", "coordinates": [[[117, 38], [118, 38], [118, 39], [117, 39], [117, 38]]]}
HALF = {"type": "Polygon", "coordinates": [[[117.5, 38], [119, 38], [119, 39], [117.5, 39], [117.5, 38]]]}
SMALL = {"type": "Polygon", "coordinates": [[[117.1, 38.1], [117.2, 38.1], [117.2, 38.2], [117.1, 38.1]]]}


def geo(value: dict[str, Any], **members: object) -> dict[str, Any]:
    return {"type": "GeoProperty", "value": value, **members}


def point(lon: float, lat: float) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [lon, lat]}


@pytest.fixture
def placed(store: Store) -> Store:
    places = {
        "inside": {"location": geo(point(117.5, 38.5))},
        "corner": {"location": geo(point(117, 38))},
        "away": {"location": geo(point(121, 31))},
        "fiji": {"location": geo(point(179.99, -17))},
        "square": {"location": geo(SQUARE)},
        "half": {"location": geo(HALF)},
        "small": {"location": geo(SMALL)},
        "seen": {"observationSpace": geo(point(117.5, 38.5))},
        "either": {"location": [geo(point(121, 31)), geo(point(117.5, 38.5), datasetId="urn:d:1")]},
        "nowhere": {"a": prop(1)},
    }
    add(store, [entity(name, ["T"], attrs) for name, attrs in places.items()])
    return store


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (Spatial("within", SQUARE), "inside square small either"),
        (Spatial("intersects", SQUARE), "inside corner square half small either"),
        (Spatial("overlaps", SQUARE), "half"),
        (Spatial("contains", SMALL), "square small"),
        (Spatial("contains", point(117.5, 38.5)), "inside square either"),
        (Spatial("equals", point(117.5, 38.5)), "inside either"),
        (Spatial("disjoint", SQUARE), "away fiji either"),
        (Spatial("within", SQUARE, "observationSpace"), "seen"),
        (Near(point(117.5, 38.5), at_most=1000), "inside square half either"),
        (Near(point(117.5, 38.5), at_least=100_000), "away fiji either"),
        (Near(point(118.5, 38.5), at_most=90_000, at_least=50_000), "inside either"),
        (Near(point(-179.99, -17), at_most=3000), "fiji"),
        (Near(SMALL, at_most=1), "square small"),
    ],
)  # fmt: skip
def test_places_lie_to_a_geometry_as_the_relation_says(placed: Store, asked: Any, expected: str) -> None:
    assert pages(placed, Query(geo=asked, limit=2)) == expected.split()
    assert placed.query(Query(geo=asked, count=True)).count == len(expected.split())


def test_order_is_by_kind_of_value_then_value_with_the_absent_last(store: Store) -> None:
    given = {
        "t": prop("b"),
        "n": prop(2),
        "m": prop(1.5),
        "yes": prop(True),
        "no": prop(False),
        "l": prop([1]),
        "o": prop({}),
        "u": prop("a"),
    }
    add(store, [entity(name, ["T"], {"a": value}) for name, value in given.items()])
    add(store, [entity("none", ["T"], {"b": prop(1)}), entity("n2", ["T"], {"a": prop(2), "b": prop(1)})])
    rising = ["m", "n", "n2", "u", "t", "o", "l", "no", "yes", "none"]
    for limit in (1, 3, 20):
        assert pages(store, Query(order=(Order(A),), limit=limit)) == rising
        assert pages(store, Query(order=(Order(A, True),), limit=limit)) == [
            "yes",
            "no",
            "l",
            "o",
            "t",
            "u",
            "n",
            "n2",
            "m",
            "none",
        ]
    assert pages(store, Query(order=(Order(B), Order(A, True)), limit=2))[:2] == ["n2", "none"]
    assert pages(store, Query(order=(Order(Path("id"), True),), limit=4)) == sorted(rising, reverse=True)


def test_a_page_goes_on_after_its_last_entity_though_others_come_and_go(store: Store) -> None:
    add(store, [entity(f"urn:{number}", ["T"], {"a": prop(number)}) for number in range(6)])
    first = store.query(Query(types=Has("T"), limit=3))
    for id_ in ("urn:1", "urn:2"):
        found = store.get("", id_)
        store.write(lambda transaction, found=found: transaction.delete("", [found]))
    add(store, [entity("urn:9", ["T"], {"a": prop(9)})])
    rest = store.query(Query(types=Has("T"), limit=9, after=first.next))
    assert [document["id"] for document in rest.documents] == ["urn:3", "urn:4", "urn:5", "urn:9"]
    assert rest.next is None


@pytest.mark.parametrize("cursor", ["", "x", "!!!", "AAAA", "W10", "WzEsMiwzXQ", "é", "WzEsMCwxXQ" * 2000])
def test_a_cursor_of_another_hand_is_refused(store: Store, cursor: str) -> None:
    with pytest.raises(InvalidQuery, match="cursor"):
        store.query(Query(after=cursor))


def test_a_cursor_of_another_order_or_tenant_is_refused(store: Store) -> None:
    add(store, [entity(f"urn:{number}", ["T"], {"a": prop(number)}) for number in range(3)])
    cursor = store.query(Query(limit=1)).next
    for query in (Query(after=cursor, order=(Order(A),)), Query(after=cursor, tenant="other")):
        with pytest.raises(InvalidQuery, match="cursor"):
            store.query(query)


def deep(levels: int) -> Node:
    node: Node = Exists(A)
    for _ in range(levels):
        node = And((node,))
    return node


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (Query(where=Compare(A, "~=", "(")), "pattern"),
        (Query(where=Compare(A, "~=", "a" * 2000)), "longer than 1000"),
        (Query(id_pattern="[a"), "pattern"),
        (Query(scope=Scope((("a",),))), "no scope"),
        (Query(scope=Scope((("/a/#/b",),))), "no scope"),
        (Query(limit=-1), "limit"),
        (Query(where=deep(100)), "levels"),
        (Query(where=Or(tuple(Compare(A, "==", n) for n in range(1000)))), "terms"),
        (Query(where=OneOf(A, tuple(range(5000)))), "1000 values"),
        (Query(geo=Spatial("within", {"type": "Point", "coordinates": [200, 0]})), "outside the world"),
        (Query(geo=Spatial("within", {"type": "GeometryCollection", "geometries": []})), "GeometryCollection"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_the_reason(store: Store, query: Query, said: str) -> None:
    add(store, [entity("urn:1", ["T"], {"a": prop(1)})])
    with pytest.raises(InvalidQuery, match=said):
        store.query(query)


def test_text_from_outside_stays_a_value(store: Store) -> None:
    names = ["' OR 1=1 --", '"', "a'b\"c\\", "$.x", "a.b[0]", "{}", "%", "\u2028"]
    add(store, [entity(f"urn:{number}", [name], {name: prop(name)}) for number, name in enumerate(names)])
    for number, name in enumerate(names):
        for query in (Query(types=Has(name)), Query(attrs=(name,)), Query(where=Compare(Path(name), "==", name))):
            assert pages(store, query) == [f"urn:{number}"], name
        assert pages(store, Query(where=Compare(Path(name, (name,), (name,)), "==", name))) == []
    assert pages(store, Query(ids=("' OR 1=1 --",))) == []
