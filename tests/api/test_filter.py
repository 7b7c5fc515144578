"""`q`, `type`, `scopeQ`, `georel`: what they mean, round trips, and that nothing but InvalidQuery comes out."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landbridge.api.ngsild.filter import parse_q, render_q
from landbridge.api.ngsild.selection import parse_geo, parse_scopes, parse_types
from landbridge.errors import InvalidQuery
from landbridge.model.query import (
    And,
    Between,
    Compare,
    Exists,
    Has,
    Linked,
    Near,
    Node,
    OneOf,
    Or,
    Path,
    Scope,
    Spatial,
)
from landbridge.model.terms import DEFAULT, Terms

CORE = Terms()
OWN = Terms([{"ex": "https://example.com/", "speed": "ex:speed"}])

CASES: list[tuple[str, Node]] = [
    ("pm25", Exists(Path("pm25"))),
    ("pm25>12.5", Compare(Path("pm25"), ">", 12.5)),
    ("pm25<=-3", Compare(Path("pm25"), "<=", -3)),
    ("pm25==1e3", Compare(Path("pm25"), "==", 1000.0)),
    ('name=="滨海 \\"新区\\""', Compare(Path("name"), "==", '滨海 "新区"')),
    ("open==true", Compare(Path("open"), "==", True)),
    ("open!=false", Compare(Path("open"), "!=", False)),
    ("pm25==10..20", Between(Path("pm25"), 10, 20)),
    ("pm25!=10.5..20.5", Between(Path("pm25"), 10.5, 20.5, True)),
    ('color=="red","blue"', OneOf(Path("color"), ("red", "blue"))),
    ("n!=1,3..5,true", OneOf(Path("n"), (1, (3, 5), True), True)),
    ("when>2020-04-02", Compare(Path("when"), ">", "2020-04-02")),
    ("when==2020-04-02T00:00:00Z..2020-04-03T08:00:00+08:00",
     Between(Path("when"), "2020-04-02T00:00:00Z", "2020-04-03T08:00:00+08:00")),
    ("at<12:30:00", Compare(Path("at"), "<", "12:30:00")),
    ("refArea==urn:ngsi-ld:Area:120116", Compare(Path("refArea"), "==", "urn:ngsi-ld:Area:120116")),
    ("ref==https://a.example/b?c=1,urn:x:2", OneOf(Path("ref"), ("https://a.example/b?c=1", "urn:x:2"))),
    ('name~="^Bin.*(a|b);\\d$"', Compare(Path("name"), "~=", "^Bin.*(a|b);\\d$")),
    ("name!~=^Bin.*", Compare(Path("name"), "!~=", "^Bin.*")),
    ("pm25.accuracy.by==urn:x:1", Compare(Path("pm25", ("accuracy", "by")), "==", "urn:x:1")),
    ("pm25.observedAt>2020-04-02T00:00:00Z", Compare(Path("pm25", ("observedAt",)), ">", "2020-04-02T00:00:00Z")),
    ('pm25.unitCode=="GQ"', Compare(Path("pm25", ("unitCode",)), "==", "GQ")),
    ("modifiedAt>2020-04-02T00:00:00Z", Compare(Path("modifiedAt"), ">", "2020-04-02T00:00:00Z")),
    ('address[city]=="Tianjin"', Compare(Path("address", (), ("city",)), "==", "Tianjin")),
    ("s.raw[air.pm]==40", Compare(Path("s", ("raw",), ("air", "pm")), "==", 40)),
    ('name[*]=="x"', Compare(Path("name", (), ("*",)), "==", "x")),
    ("a;b|c", Or((And((Exists(Path("a")), Exists(Path("b")))), Exists(Path("c"))))),
    ("a;(b|c)", And((Exists(Path("a")), Or((Exists(Path("b")), Exists(Path("c"))))))),
    ("((a))", Exists(Path("a"))),
    ("温度>1", Compare(Path("温度"), ">", 1)),
    ("gender==Male", Compare(Path("gender"), "==", "Male")),
    ("sensor{humidity}==40", Linked("sensor", (), Compare(Path("humidity"), "==", 40))),
    ("sensor{Device,Meter:humidity.accuracy}",
     Linked("sensor", ("Device", "Meter"), Exists(Path("humidity", ("accuracy",))))),
    ("a{b{C:d[e]}}!=1..2",
     Linked("a", (), Linked("b", ("C",), Between(Path("d", (), ("e",)), 1, 2, True)))),
    ("a{b}~=^x;c", And((Linked("a", (), Compare(Path("b"), "~=", "^x")), Exists(Path("c"))))),
]  # fmt: skip


@pytest.mark.parametrize(("text", "tree"), CASES, ids=[text for text, _ in CASES])
def test_a_query_means(text: str, tree: Node) -> None:
    assert parse_q(text, CORE) == tree


@pytest.mark.parametrize("name", ["speed", "ex:speed", "https://example.com/speed"])
def test_names_are_expanded(name: str) -> None:
    assert parse_q(f"{name}>5", OWN) == Compare(Path("https://example.com/speed"), ">", 5)


def test_a_prefix_in_braces_is_no_hint() -> None:
    assert parse_q("a{ex:speed}", OWN) == Linked("a", (), Exists(Path("https://example.com/speed")))
    assert parse_q("a{Device:speed}", OWN) == Linked("a", ("Device",), Exists(Path("https://example.com/speed")))


def test_vocabulary_values_are_expanded_where_asked() -> None:
    query = parse_q('kind=="speed","other";kind.x=="speed"', OWN, frozenset({"kind"}))
    one, two = (
        OneOf(Path("kind"), ("https://example.com/speed", DEFAULT + "other")),
        Compare(Path("kind", ("x",)), "==", "speed"),
    )
    assert query == And((one, two))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", 1), ("a>", 3), ("a==", 4), ("a>open", 3), ("a;", 3), ("a|", 3), ("(a", 3), ("a)", 2), ("a==1.", 5),
        ('a=="x', 4), ("a..b", 3), ("a.", 3), ("a[", 3), ("a[b", 4), ("a>1..2", 4), ("a>1,2", 4), ("a==1..true", 11),
        ("a b", 2), ("@id==1", 1), ("a==1 2", 5), ('a=="\\q"', 4), ("a=1", 2), ("a~=", 4), ("a~=b\\", 6),
        ("(" * 21 + "a", 22), ("a==1..b", 7), ("a{b", 4), ("a{}", 3), ("a{b}}", 5), ("a{b:}", 5), ("a.b{c}", 4),
        ("a=='x'", 4), ("a==1;;b", 6), ("a>1e999", 8), ("a==2020-04-02T00:00", 4),
        ("x" * 8001, None), ("a;" * 301 + "a", None),
    ],
)  # fmt: skip
def test_a_wrong_query_says_where(text: str, place: int | None) -> None:
    with pytest.raises(InvalidQuery) as refused:
        parse_q(text, CORE)
    if place is not None:
        assert refused.value.where == f"q, character {place}"


marks = st.sampled_from(
    ["(", ")", ";", "|", ",", ".", "..", "[", "]", "==", "!=", ">", "<=", "~=", "!~=", '"', "\\", "a", "b.c", "1",
     "-2.5", "1e999", "2020-04-02", "T00:00:00Z", "true", "urn:x:1", " ", "%", "\x00", "é", "observedAt", "@", "*", "'"]
)  # fmt: skip


@settings(max_examples=500)
@given(st.text(max_size=60) | st.lists(marks, max_size=25).map("".join))
def test_nothing_but_invalid_query_comes_out(text: str) -> None:
    try:
        tree = parse_q(text, OWN)
    except InvalidQuery:
        return
    assert parse_q(render_q(tree, OWN), OWN) == tree


@settings(max_examples=300)
@given(st.text(max_size=40) | st.lists(st.sampled_from([*"(),;|/#+ab:", "A", "near", "maxDistance==1"])).map("".join))
def test_the_other_parameters_raise_nothing_else_either(text: str) -> None:
    for parse in (
        lambda: parse_types(text, OWN),
        lambda: parse_scopes(text),
        lambda: parse_geo(text, "Point", "[1,2]", "location"),
        lambda: parse_geo("within", "Polygon", text, "location"),
        lambda: parse_geo("within", text, "[1,2]", "location"),
    ):
        try:
            parse()
        except InvalidQuery:
            continue


names = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_-]{0,6}", fullmatch=True).filter(
    lambda name: name not in ("id", "type", "observedAt", "unitCode", "datasetId", "createdAt", "modifiedAt")
)
paths = st.builds(
    Path,
    names.map(OWN.expand),
    st.lists(st.just("observedAt") | names.map(OWN.expand), max_size=2).map(tuple),
    st.lists(st.from_regex(r"[a-z]{1,4}", fullmatch=True), max_size=2).map(tuple),
)
numbers = st.integers(-(10**12), 10**12) | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(blacklist_categories=("Cs",)), max_size=10)
scalars = numbers | texts | st.booleans()
spans = st.tuples(numbers, numbers) | st.tuples(texts, texts)
leaves = (
    st.builds(Exists, paths)
    | st.builds(Compare, paths, st.sampled_from(["==", "!=", ">", ">=", "<", "<="]), scalars)
    | st.builds(Compare, paths, st.sampled_from(["~=", "!~="]), st.text('ab.*^$[]|;()" é', min_size=1, max_size=8))
    | st.builds(lambda path, span, negated: Between(path, *span, negated), paths, spans, st.booleans())
    | st.builds(OneOf, paths, st.lists(scalars | spans, min_size=2, max_size=4).map(tuple), st.booleans())
)


kinds = st.lists(st.from_regex(r"[A-Z][a-z]{0,4}", fullmatch=True).filter(lambda name: name not in ("Ex",)), max_size=2)
leaves = st.recursive(
    leaves,
    lambda one: st.builds(Linked, names.map(OWN.expand), kinds.map(tuple), one),
    max_leaves=1,
)


def joined(kind: type[And] | type[Or], parts: list[Node]) -> Node:
    """A tree as the parser makes it."""
    return parts[0] if len(parts) == 1 else kind(tuple(parts))


trees = st.recursive(
    leaves,
    lambda one: st.builds(joined, st.sampled_from([And, Or]), st.lists(one, min_size=2, max_size=3)),
    max_leaves=8,
)


@settings(max_examples=300)
@given(trees)
def test_what_is_rendered_is_read_as_the_same(tree: Node) -> None:
    assert parse_q(render_q(tree, OWN), OWN) == tree


def test_types() -> None:
    assert parse_types("A", CORE) == Has("A")
    assert parse_types("A,B", CORE) == Or((Has("A"), Has("B")))
    assert parse_types("A|B;(C,speed)", OWN) == Or(
        (Has("A"), And((Has("B"), Or((Has("C"), Has("https://example.com/speed"))))))
    )
    for text in ("", "A|", "(A", "A)", "@type", "A B"):
        with pytest.raises(InvalidQuery):
            parse_types(text, CORE)


def test_scopes() -> None:
    assert parse_scopes("/a/b") == Scope((("/a/b",),))
    assert parse_scopes("/a/+;/c|/d/#,/#") == Scope((("/a/+", "/c"), ("/d/#",), ("/#",)))
    for text in ("", "a", "/a//b", "/a/#/b", "/a;"):
        with pytest.raises(InvalidQuery):
            parse_scopes(text)


def test_geo_queries() -> None:
    point = {"type": "Point", "coordinates": [117.7, 39.0]}
    assert parse_geo("near;maxDistance==2000", "Point", "[117.7,39.0]", "location") == Near(point, 2000.0)
    assert parse_geo("near;minDistance==5.5e1", "Point", "[117.7,39.0]", "x") == Near(point, None, 55.0, "x")
    assert parse_geo("within", "Point", "[117.7,39.0]", "location") == Spatial("within", point)
    for wrong in (
        ("near;minDistance==5;maxDistance==10", "Point", "[1,2]"), ("near;maxDistance==0", "Point", "[1,2]"),
        ("near;maxDistance==-1", "Point", "[1,2]"), ("near;maxDistance==1e400", "Point", "[1,2]"),
        ("near", "Point", "[1,2]"), ("near;maxDistance=5", "Point", "[1,2]"), ("beside", "Point", "[1,2]"),
        ("within", "Circle", "[1,2]"), ("within", "Point", "[1"), ("within", "Point", "[200,2]"),
        ("within", "Polygon", "[[[0,0],[1,1]]]"), ("within;maxDistance==1", "Point", "[1,2]"),
    ):  # fmt: skip
        with pytest.raises(InvalidQuery):
            parse_geo(*wrong, "location")
