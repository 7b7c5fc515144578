"""Documents put together as columns of text are those that looking at each one makes, to the last character."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feeding import ACTOR, City, bare, delivery
from landbridge.model.claim import ClaimRule, Claims
from landbridge.model.parser import parse_attributes
from landbridge.model.terms import Terms
from landbridge.pool import bulk, ingest, meet, weave
from landbridge.pool.pool import Pool
from landbridge.pool.weave import Saying
from landbridge.store.cell import cell
from landbridge.store.document import fold

START = datetime(2020, 1, 1, tzinfo=UTC)
IDS = [f"urn:x:{number}" for number in range(1, 7)]
TYPES = {
    "n": pa.float64(), "n.unitCode": pa.string(), "text": pa.string(), "text.accuracy": pa.float64(),
    "own": pa.int64(), "own.observedAt": pa.timestamp("us", tz="UTC"), "where.point": pa.string(),
    "names.languageMap": pa.string(), "any.json": pa.string(), "scope": pa.string(), "location.point": pa.string(),
    "observedAt": pa.timestamp("us", tz="UTC"), "id": pa.string(), "type": pa.string(),
}  # fmt: skip
TIMES = st.sampled_from(
    [None, START, START + timedelta(hours=1), START + timedelta(milliseconds=1500), START + timedelta(microseconds=7)]
)
FAKES = (  # values that look like what documents are made of
    '{"@":["a",1,2,3,4,5,""]}', '[{"@":["a",1,2,3,4,5,"*"]},{"@":["b",1,2,3,4,5,""]}]', '["@"]', '"{["', "3",
    '{"x":[{"@":["a",1,2,3,4,5,""]}],"n":[{"@":["a",1,2,3,4,5,"*"]}]}', '[[{"@":["a",1,2,3,4,5,""]}],1]',
)  # fmt: skip
TEXTS = st.sampled_from([None, "", "plain", 'a"@":["b', '"]},{"', "{", "[]}", "海\\", '"*"]}'])
COLUMNS: dict[str, st.SearchStrategy[Any]] = {
    "observedAt": TIMES,
    "n": st.sampled_from([None, 1.0, 2.5, 3.0, -4e-7, 9007199254740994.0]),
    "n.unitCode": st.sampled_from([None, "GQ"]),
    "text": TEXTS,
    "text.accuracy": st.sampled_from([None, None, 1.0]),
    "own": st.sampled_from([None, 1, 2]),
    "own.observedAt": TIMES,
    "where.point": st.sampled_from([None, '{"type":"Point","coordinates":[1.5,2.5]}']),
    "names.languageMap": st.sampled_from([None, '{"en":"Sea","zh":"海"}', '{"@none":"["}']),
    "any.json": st.sampled_from([None, *FAKES]),
    "location.point": st.sampled_from(
        [None, *(f'{{"type":"Point","coordinates":[{lon},2.5]}}' for lon in (1.5, -7.0))]
    ),
    "scope": st.sampled_from([None, "/a"]),
}
NEEDED = {"n.unitCode": "n", "text.accuracy": "text", "own.observedAt": "own"}
FEEDS = {
    "n": ("a", "b", "c"), "text": ("a", "b"), "where": ("b", "c"), "names": ("a", "b", "c"), "any": ("a", "c"),
}  # fmt: skip
COMMON = ["n", "text", "observedAt", "location.point"]  # most deliveries have few and simple columns
Step = tuple[str, list[dict[str, Any]]]


@st.composite
def steps(draw: st.DrawFn) -> list[Step]:
    """What sources say, one after the other; now and then a client pins a value ("api")."""
    found: list[Step] = []
    for source in draw(st.lists(st.sampled_from(["a", "b", "c", "a", "b", "c", "api"]), min_size=2, max_size=6)):
        if source == "api":
            found.append((source, [{"id": draw(st.sampled_from(IDS))}]))
            continue
        chosen = draw(st.lists(st.sampled_from([*COMMON, *COMMON, *COLUMNS]), min_size=1, max_size=5, unique=True))
        names = {*chosen, *(NEEDED[name] for name in chosen if name in NEEDED)}
        names |= {"n"} if names <= {"observedAt", "scope"} else set()
        row = st.fixed_dictionaries(
            {"id": st.sampled_from(IDS), "type": st.just("T")}
            | {name: COLUMNS[name] for name in COLUMNS if name in names}
        )
        found.append((source, draw(st.lists(row, min_size=1, max_size=8))))
    return found


@contextmanager
def road(*, few: int = -1, most: int = weave.MOST) -> Iterator[None]:
    """Bulk loads in small parts, documents of each layout woven however few they are; `most` 0: none."""
    before = ingest.FEW, bulk.SLICE, meet.MET, weave.FEW, weave.MOST
    ingest.FEW, bulk.SLICE, meet.MET, weave.FEW, weave.MOST = few, 5, 3, 1, most
    try:
        yield
    finally:
        ingest.FEW, bulk.SLICE, meet.MET, weave.FEW, weave.MOST = before


def fed(given: list[Step], claims: Claims) -> City:
    city = City(claims=claims)
    pool = Pool(city.store, claims=claims)
    for source, rows in given:
        if source != "api":
            run = city.open(source, manner="increment")
            run.write([delivery(rows, types=TYPES)])
            run.finish()
        elif city.document(rows[0]["id"]) is not None:
            pool.append(ACTOR, rows[0]["id"], parse_attributes({"n": {"type": "Property", "value": 9}}, Terms()))
    return city


def rows_of(city: City) -> list[Any]:
    with city.store.reader() as connection:
        found = list(connection.execute("SELECT * FROM entity ORDER BY key"))
        found += list(connection.execute("SELECT * FROM shape ORDER BY key"))
    found += [(kind.type, kind.entities, kind.located) for kind in city.store.kinds("")]
    told = [{**body, "entities": sorted(body["entities"])} for body in city.announced()]
    return [*found, city.journal(), sorted(city.disagreements(), key=repr), told]


RULES = st.builds(
    ClaimRule,
    st.sampled_from(["priority", "priority", "newest", "newest", "highest", "lowest", "median"]),
    st.one_of(st.permutations(["a", "b", "c"]).map(tuple), st.just(("b",)), st.just(())),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps(), RULES, st.sampled_from([{}, {}, {"a": 3_600_000_000}]), st.booleans())
def test_both_ways_of_meeting_agree(
    given: list[Step], rule: ClaimRule, holds: Mapping[str, int], places_disputed: bool
) -> None:
    fed_by = FEEDS | ({"location": ("a", "b")} if places_disputed else {})
    claims = Claims({("", "T", name): sources for name, sources in fed_by.items()}, {("T", "*"): rule}, holds)
    with road():
        woven = fed(given, claims)
    with road(most=0):
        looked_at = fed(given, claims)
    with road(few=10_000):
        single = fed(given, claims)
    try:
        assert rows_of(woven) == rows_of(looked_at)
        assert [bare(woven.document(id_)) for id_ in IDS] == [bare(single.document(id_)) for id_ in IDS]
        assert woven.journal() == single.journal()
    finally:
        for city in (woven, looked_at, single):
            city.close()


# -- which documents are woven


def instance(owner: str, value: Any, dataset: bool = True, **more: Any) -> dict[str, Any]:
    name = {"datasetId": f"urn:ngsi-ld:Dataset:{owner}"} if dataset else {}
    return {"type": "Property", "value": value, **name, **more, "@": [owner, 1, 2, 3, 4, 5]}


def document(**attrs: list[dict[str, Any]]) -> str:
    return fold({"id": "urn:x", "type": ["T"], "attrs": attrs})


def claims_of(*owners: str, value: Any = 1, **more: Any) -> list[dict[str, Any]]:
    """The claims of these owners, the first one chosen."""
    made = [instance(owner, value, **more) for owner in owners]
    chosen = {name: member for name, member in made[0].items() if name != "datasetId"}
    return [chosen, *sorted(made, key=lambda one: str(one["datasetId"]))]


def said(name: str = "n", owner: str = "b", ranks: Sequence[str] = ("a", "b", "c"), count: int = 1) -> Saying:
    front = pl.Series([f'{{"type":"Property","value":7,"@":["{owner}",9,'] * count)
    places = {source: rank for rank, source in enumerate(ranks)}
    return Saying(name, owner, front, pl.Series([",99,8,6"] * count), pl.Series([5] * count), places)


@pytest.fixture(autouse=True)
def one_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weave, "FEW", 1)


def scored(rule: str, score: float, owner: str = "b") -> Saying:
    kind = pl.Int64 if rule == "newest" else pl.Float64
    return replace(said(owner=owner), rule=rule, score=pl.Series([score], dtype=kind), observed=None)


def made(text: str, *sayings: Saying) -> str | None:
    found = weave.weave([text], sayings, 99)
    return found.docs[0] if found.docs else None


MINE = '{"type":"Property","value":7,"@":["b",9,99,99,8,6,"%s"]}'


def test_a_first_claim_stands_by_its_name_or_in_front() -> None:
    there = document(n=claims_of("a", "c"))
    assert made(there, said()) == there.replace(
        ',{"type":"Property","value":1,"@":["c"', f',{MINE % ""},{{"type":"Property","value":1,"@":["c"'
    )
    first = made(there, said(ranks=("b", "a", "c")))
    assert first is not None
    assert [one["@"][::6] for one in orjson.loads(first)["attrs"]["n"]] == [["b", "*"], ["a", ""], ["c", ""]]


def test_a_claim_replaces_the_sources_own_and_keeps_since_when_it_is_there() -> None:
    text = made(document(n=claims_of("a", "b", "c")), said())
    assert text is not None
    assert [one["@"][:4] for one in orjson.loads(text)["attrs"]["n"]] == [
        ["a", 1, 2, 3],
        ["b", 9, 2, 99],
        ["c", 1, 2, 3],
    ]


NEW_YEAR = 1_577_836_800_000_000
OF_NEW_YEAR = {"observedAt": "2020-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("there", "saying", "chosen"),
    [
        (claims_of("a", **OF_NEW_YEAR), scored("newest", NEW_YEAR + 1), "b"),
        (claims_of("a", **OF_NEW_YEAR), scored("newest", NEW_YEAR), "a"),  # at one time the ranks decide
        (claims_of("c", **OF_NEW_YEAR), scored("newest", NEW_YEAR), "b"),
        (claims_of("a"), scored("newest", 4), "b"),  # without a time a claim holds since it was recorded, at 3
        (claims_of("c", "a", "b", **OF_NEW_YEAR), scored("newest", NEW_YEAR - 1), "c"),
        (claims_of("b", "a", **OF_NEW_YEAR), scored("newest", NEW_YEAR + 1), "b"),
        (claims_of("b", "a", **OF_NEW_YEAR), scored("newest", NEW_YEAR - 1), None),  # who is chosen now?
        (claims_of("a", value=2.5), scored("highest", 2.75), "b"),
        (claims_of("a", value=2.5), scored("highest", 2.25), "a"),
        (claims_of("c", "a", value=-4e-7), scored("lowest", -3e-7), "c"),
        (claims_of("b", "a", value=2), scored("lowest", 1.0), "b"),
        (claims_of("b", "a", value=2), scored("lowest", 3.0), None),
        (claims_of("a", value="text"), scored("highest", 1.0), None),  # then the ranks decide
        (claims_of("a", value=2**60), scored("highest", 1.0), None),
    ],
)
def test_a_rule_compares_with_the_claim_that_was_chosen(
    there: list[dict[str, Any]], saying: Saying, chosen: str | None
) -> None:
    text = made(document(n=there), saying)
    first = None if text is None else orjson.loads(text)["attrs"]["n"][0]["@"]
    assert (first and first[::6]) == (chosen and [chosen, "*"])


def test_points_and_languages_beside_are_no_hindrance() -> None:
    point = instance("a", {"type": "Point", "coordinates": [1, 2]}, dataset=False)
    names = {"type": "LanguageProperty", "languageMap": {"en": "x"}, "@": ["a", 1, 2, 3, 4, 5]}
    assert made(document(where=[point], names=[names], n=claims_of("a")), said()) is not None


@pytest.mark.parametrize(
    "there",
    [
        document(n=claims_of("a", value={"x": 1})),
        document(n=claims_of("a", value=[1])),
        document(n=claims_of("a", value="{")),
        document(n=claims_of("a", accuracy={"type": "Property", "value": 1})),
        document(n=[instance("api", 1, dataset=False), instance("a", 1)]),  # a pin
        document(n=[instance("a", 1, dataset=False)]),  # from before there were rivals
        document(n=[instance("a", 1)]),  # nothing chosen
        document(n=claims_of("c", "a")),  # not the one that the ranks choose
        document(n=claims_of("z")),  # of a source that is no rival any more
        document(n=claims_of("a", "b", observedAt="2020-01-01T00:00:00Z")),  # said of a later time
        document(n=claims_of("a"), any=[instance("a", [[{"@": ["a", 1, 2, 3, 4, 5, ""]}], 1], dataset=False)]),
    ],
)
def test_what_needs_more_than_the_ranks_is_looked_at(there: str) -> None:
    assert made(there, said()) is None


def test_a_single_value_is_replaced_where_it_is_a_sources() -> None:
    alone = said(ranks=())
    text = made(document(n=[instance("a", 1, dataset=False)]), alone)
    assert text is not None
    assert orjson.loads(text)["attrs"]["n"] == [{"type": "Property", "value": 7, "@": ["b", 9, 2, 99, 8, 6]}]
    assert made(document(n=[instance("api", 1, dataset=False)]), alone) is None
    assert made(document(n=[instance("b", 1)]), alone) is None


def test_a_point_moves_with_its_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meet.Meeting, "look_at", lambda *_: pytest.fail("a document is looked at by itself"))
    city = City()
    with road():
        city.pull("a", [{"id": "urn:x:1", "type": "T", "n": 1}])
        for lon in (1.5, -7.0):
            point = f'{{"type":"Point","coordinates":[{lon},2.5]}}'
            city.pull("a", [{"id": "urn:x:1", "type": "T", "location.point": point}])
            with city.store.reader() as connection:
                assert list(connection.execute("SELECT lon, lat, cell FROM entity")) == [(lon, 2.5, cell(lon, 2.5))]
            assert city.store.kinds("")[0].located
    city.close()


def test_most_of_a_million_rows_would_be_woven() -> None:
    """Three sources on the same entities, as the benchmark has them: nothing is looked at by itself."""
    count = 50
    texts = [document(n=claims_of("a"), m=claims_of("a")) for _ in range(count)]
    found = weave.weave(texts, [said("n", count=count), said("m", count=count)], 99)
    assert (len(found.docs), found.news.tolist(), found.rest(count).tolist()) == (count, [0] * count, [])
