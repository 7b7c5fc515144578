"""`type`, `scopeQ`, `pick`, `omit`, `orderBy`: what they mean, what is read back as it was written, what is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landbridge.api.ngsild.ordering import parse_ordering, read_ordering, render_ordering
from landbridge.api.ngsild.projection import parse_projection, render_projection, require_apart
from landbridge.api.ngsild.query_body import read_members
from landbridge.api.ngsild.question import read_lifetime
from landbridge.api.ngsild.selection import parse_scopes, parse_types, render_scopes, render_types
from landbridge.errors import InvalidQuery
from landbridge.model.projection import Projection
from landbridge.model.query import And, Has, Or, Order, Path, Scope, Selector
from landbridge.model.terms import Terms

OWN = Terms([{"ex": "https://example.com/", "speed": "ex:speed"}])
SPEED = "https://example.com/speed"
HERE = {"type": "Point", "coordinates": [8, 40]}

names = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,5}", fullmatch=True).filter(
    lambda name: name not in ("id", "type", "scope", "observedAt", "unitCode", "datasetId", "createdAt", "modifiedAt",
                              "ex")
)  # fmt: skip
stored = names.map(OWN.expand)


def test_a_projection_means() -> None:
    read = parse_projection("id,speed|locatedAt{id,name,isIn{ex:a}}", OWN, "pick")
    inner = Projection((("id", None), ("name", None), ("isIn", Projection((("https://example.com/a", None),)))))
    assert read == Projection((("id", None), (SPEED, None), ("locatedAt", inner)))
    assert (read.depth, read.whole, read.below("locatedAt")) == (2, {"id", SPEED}, inner)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", 1), ("id;name", 3), ("id,a{name", 10), ("id,a{{name}", 6), ("id,,name", 4), ("id,a{,name}", 6),
        ("id,a{}", 6), ("a,a", 4), ("a}", 2), ("@id", 1), ("a b", 2), ("a{b}c", 5), ("a{" * 21, 43),
    ],
)  # fmt: skip
def test_a_wrong_projection_says_where(text: str, place: int) -> None:
    with pytest.raises(InvalidQuery) as refused:
        parse_projection(text, OWN, "omit")
    assert refused.value.where == f"omit, character {place}"


def test_a_member_is_not_both_picked_and_omitted() -> None:
    pick = parse_projection("name,locatedAt{name}", OWN, "pick")
    require_apart(pick, parse_projection("locatedAt", OWN, "omit"))  # picked are members of what it links
    with pytest.raises(InvalidQuery, match="'name' is picked and omitted"):
        require_apart(pick, parse_projection("name", OWN, "omit"))


projections = st.recursive(
    st.none(),
    lambda inner: st.dictionaries(st.sampled_from(["id", "type", "scope"]) | stored, inner, min_size=1, max_size=3).map(
        lambda members: Projection(tuple(members.items()))
    ),
    max_leaves=6,
).filter(lambda found: found is not None)


@given(projections)
def test_a_projection_is_read_back(projection: Projection) -> None:
    assert parse_projection(render_projection(projection, OWN), OWN, "pick") == projection


def test_an_ordering_means() -> None:
    assert parse_ordering("type,name.observedAt;desc,address[city];asc,location;dist-desc", OWN, HERE) == (
        Order(Path("type")), Order(Path("name", ("observedAt",)), True), Order(Path("address", (), ("city",))),
        Order(Path("location"), True, HERE),
    )  # fmt: skip
    assert parse_ordering("idle,scope;desc", OWN, None) == (Order(Path("idle")), Order(Path("scope"), True))


@pytest.mark.parametrize(
    "text", ["", "a;", "a;up", "a,,b", "a;descending", "location;dist-asc", "a b", "a;asc;desc", ","]
)
def test_a_wrong_ordering_is_refused(text: str) -> None:
    with pytest.raises(InvalidQuery):
        parse_ordering(text, OWN, None)


@pytest.mark.parametrize(
    "given_",
    [
        {"collation": "und"}, {"orderFrom": "[8,40]"}, {"orderBy": "a", "collation": "sv"},
        {"orderBy": "a", "orderFrom": "8,40"}, {"orderBy": "a;dist-asc", "orderFrom": "[[8,40],[9,41]]"},
        {"orderBy": "a;dist-asc", "orderFrom": "[8,40]", "orderGeometry": "Circle"},
    ],
)  # fmt: skip
def test_an_order_that_cannot_be_kept_is_refused(given_: dict[str, str]) -> None:
    with pytest.raises(InvalidQuery):
        read_ordering(given_, OWN)


orders = st.builds(
    Order,
    st.builds(Path, stored, st.lists(st.just("observedAt") | stored, max_size=2).map(tuple), st.just(()))
    | st.sampled_from([Path("id"), Path("type"), Path("scope")]),
    st.booleans(),
    st.sampled_from([None, HERE]),
)


@given(st.lists(orders, min_size=1, max_size=4).map(tuple))
def test_an_ordering_is_read_back(order: tuple[Order, ...]) -> None:
    assert parse_ordering(render_ordering(order, OWN), OWN, HERE) == order


def nested(kind: type[And] | type[Or], parts: list[Has | And | Or]) -> Has | And | Or:
    return parts[0] if len(parts) == 1 else kind(tuple(parts))


types = st.recursive(
    stored.map(Has),
    lambda one: st.builds(nested, st.sampled_from([And, Or]), st.lists(one, min_size=1, max_size=3)),
    max_leaves=6,
)


@given(types)
def test_types_are_read_back(tree: Has | And | Or) -> None:
    assert parse_types(render_types(tree, OWN), OWN) == tree


levels = st.sampled_from(["+", "a", "Binhai", "滨海", "a_1"])
patterns = st.just("/#") | st.builds(
    lambda parts, below: "/" + "/".join(parts) + ("/#" if below else ""),
    st.lists(levels, min_size=1, max_size=3),
    st.booleans(),
)


@given(st.lists(st.lists(patterns, min_size=1, max_size=3).map(tuple), min_size=1, max_size=3).map(tuple))
def test_scopes_are_read_back(alternatives: tuple[tuple[str, ...], ...]) -> None:
    assert parse_scopes(render_scopes(Scope(alternatives))) == Scope(alternatives)


@settings(max_examples=300)
@given(st.text("abi,;|(){}[].@/#+ dest-", max_size=30))
def test_nothing_but_invalid_query_comes_out(text: str) -> None:
    for parse in (
        lambda: parse_projection(text, OWN, "pick"),
        lambda: parse_ordering(text, OWN, HERE),
        lambda: parse_scopes(text),
        lambda: parse_types(text, OWN),
        lambda: read_lifetime({"entityMapLifetime": text}),
    ):
        try:
            parse()
        except InvalidQuery:
            continue


def test_a_lifetime_is_a_duration() -> None:
    assert read_lifetime({"entityMapLifetime": "P1DT1H0.5S"}) == (25 * 3600 + 0.5) * 1_000_000
    for wrong in ("1hour", "P", "PT", "-PT1H", "PT1", "P1H"):
        with pytest.raises(InvalidQuery):
            read_lifetime({"entityMapLifetime": wrong})


# -- the Query of a body


def test_a_body_says_what_the_parameters_say() -> None:
    taken, selectors = read_members(
        {
            "type": "Query", "q": "a>1", "pick": ["id", "speed"], "attrs": ["b"], "joinLevel": 2, "entityMap": True,
            "entities": [{"type": "A|B", "idPattern": "x"}, {"type": "C", "id": "urn:x:1", "idPattern": "y"}],
            "geoQ": {"type": "GeoQuery", "georel": "within", "geometry": "Point", "coordinates": [8, 40]},
            "ordering": {"orderBy": ["a;desc", "b"], "collation": "und", "coordinates": [8, 40], "geometry": "Point"},
        },
        OWN,
    )  # fmt: skip
    assert taken == {
        "q": "a>1", "pick": "id,speed", "attrs": "b", "joinLevel": "2", "entityMap": "true", "georel": "within",
        "geometry": "Point", "coordinates": "[8,40]", "orderBy": "a;desc,b", "collation": "und", "orderFrom": "[8,40]",
        "orderGeometry": "Point",
    }  # fmt: skip
    assert selectors == (Selector(Or((Has("A"), Has("B"))), (), "x"), Selector(Has("C"), ("urn:x:1",)))
    assert read_members({"type": "Query", "entities": [{"type": "*"}]}, OWN) == ({"type": "*"}, (Selector(),))


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, "type"), ({"type": "Ask"}, "type"), ({"type": "Query", "entities": []}, "entities"),
        ({"type": "Query", "entities": [{"id": "urn:x:1"}]}, "entities.type"),
        ({"type": "Query", "entities": [{"type": "A", "id": "no uri"}]}, "entities.id"),
        ({"type": "Query", "entities": [{"type": "A", "id": ["urn:x:1", 5]}]}, "entities.id"),
        ({"type": "Query", "attrs": []}, "attrs"), ({"type": "Query", "pick": []}, "pick"),
        ({"type": "Query", "q": 5}, "q"), ({"type": "Query", "joinLevel": 0}, "joinLevel"),
        ({"type": "Query", "joinLevel": True}, "joinLevel"), ({"type": "Query", "entityMap": "yes"}, "entityMap"),
        ({"type": "Query", "temporalQ": {}}, "temporalQ"), ({"type": "Query", "colour": 1}, "colour"),
        ({"type": "Query", "ordering": {"orderBy": ["a"], "coordinates": "8,40"}}, "ordering.coordinates"),
        ({"type": "Query", "ordering": {"orderBy": ["a"], "geometry": 5}}, "ordering.geometry"),
        ({"type": "Query", "geoQ": "near"}, "geoQ"), ({"type": "Query", "geoQ": {"near": 1}}, "geoQ"),
    ],
)  # fmt: skip
def test_a_wrong_body_says_where(body: dict[str, object], where: str) -> None:
    with pytest.raises(InvalidQuery) as refused:
        read_members(body, OWN)
    assert refused.value.where == where
