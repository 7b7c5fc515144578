"""Pages: each entity that stays is shown exactly once, whatever comes and goes; links can be followed; counts hold."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from made_api import ENTITIES, ROOT, Api
from store.writing import add, entity, prop

MANY = 60_000
STAYING = 20


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    found = Api(tmp_path)
    yield found
    found.close()


def lamps(api: Api, numbers: Any, prefix: str = "stays") -> None:
    origin = ["api", 1, 1, 1, None, None]
    documents = (entity(f"urn:x:{prefix}:{n:05}", ["Lamp"], {"power": {**prop(n % 7), "@": origin}}) for n in numbers)
    add(api.pool.store, documents)


def follow(api: Api, address: str, rel: str = "next", between: Any = None, **told: Any) -> list[list[str]]:
    """The ids of each page, from one link to the next."""
    pages = []
    while address:
        answer = api.get(address, **told)
        assert answer.status_code in (200, 201), answer.text
        pages.append([one["id"] for one in answer.json()])
        if between is not None:
            between(pages[-1])
        address = answer.links.get(rel, {}).get("url", "")
    return pages


# what happens between two pages: an entity comes, or one of those that do not stay goes
changes = st.lists(st.lists(st.sampled_from(["come", "go", "change"]), max_size=4), min_size=1, max_size=12)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes, st.sampled_from(["", "&orderBy=id;desc", "&orderBy=power,id"]), st.integers(1, 9))
def test_what_stays_is_shown_once(tmp_path_factory: Any, happens: list[list[str]], order: str, limit: int) -> None:
    api = Api(tmp_path_factory.mktemp("paged"))
    try:
        lamps(api, range(STAYING))
        lamps(api, range(10), "goes")
        turns = iter(range(1000))
        gone = iter(range(10))

        def between(_: list[str]) -> None:
            number = next(turns)
            for change in happens[number % len(happens)]:
                if change == "come":
                    lamps(api, [next(turns)] if number < 60 else [], "came")
                elif change == "change":
                    api.patch(f"{ENTITIES}/urn:x:stays:{number % STAYING:05}/attrs", {"other": prop(number)})
                else:
                    api.delete(f"{ENTITIES}/urn:x:goes:{next(gone, 0):05}")

        shown = [
            id_ for page in follow(api, f"{ENTITIES}?type=Lamp&limit={limit}{order}", between=between) for id_ in page
        ]
        stays = [id_ for id_ in shown if "stays" in id_]
        assert len(stays) == len(set(stays)) == STAYING
    finally:
        api.close()


def test_pages_lead_back_to_the_first(api: Api) -> None:
    lamps(api, range(STAYING))
    for order in ("", "&orderBy=power;desc"):
        start = f"{ENTITIES}?type=Lamp&limit=7{order}"
        first = api.get(start)
        assert "prev" not in first.links
        forward = follow(api, start)
        last = start
        while (answer := api.get(last)).links.get("next"):
            last = answer.links["next"]["url"]
        back = follow(api, last, "prev")
        assert sorted(id_ for page in back for id_ in page) == sorted(id_ for page in forward for id_ in page)
        assert list(reversed(back))[-1] == forward[-1]
        assert api.get(last).links.keys() & {"next", "prev"} == {"prev"}


def test_who_counts_off_gets_offsets(api: Api) -> None:
    lamps(api, range(5))
    answer = api.get(f"{ENTITIES}?type=Lamp&limit=2&offset=2&count=true&idPattern=urn:x:.*")
    base = f"{ENTITIES}?count=true&idPattern=urn:x:.*&limit=2"
    assert answer.links["next"]["url"] == f"{base}&offset=4&type=Lamp"
    assert answer.links["prev"]["url"] == f"{base}&offset=0&type=Lamp"
    assert follow(api, f"{ENTITIES}?type=Lamp&limit=2&offset=0") == [
        ["urn:x:stays:00000", "urn:x:stays:00001"], ["urn:x:stays:00002", "urn:x:stays:00003"], ["urn:x:stays:00004"],
    ]  # fmt: skip


def test_a_link_can_be_followed_as_it_stands(api: Api) -> None:
    texts = ['a "b" & c=d', "滨海;新区|é", "https://e.example/a,b?c=d#e", "1.5,2", "%41+ \\"]
    for number, text in enumerate(texts):
        for half in (0, 1):
            api.made({"id": f"urn:x:{number}:{half}", "type": "Sign", "text": {"type": "Property", "value": text}})
    for number, text in enumerate(texts):
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        first = api.get(ENTITIES, params={"type": "Sign,Lamp", "q": f'text=="{quoted}"', "limit": "1"})
        assert [one["id"] for one in first.json()] == [f"urn:x:{number}:0"]
        link = first.links["next"]["url"]
        assert not set(link) & set('"<>\\^`{|} ') and link.isascii()
        assert [one["id"] for one in api.get(link).json()] == [f"urn:x:{number}:1"]


def test_a_count_is_right_beyond_fifty_thousand(api: Api) -> None:
    lamps(api, range(MANY))
    for asked, count in (({}, MANY), ({"q": "power==3"}, len(range(3, MANY, 7))), ({"idPattern": "5$"}, MANY // 10)):
        answer = api.get(ENTITIES, params={"type": "Lamp", "limit": "0", "count": "true"} | asked)
        assert (answer.json(), answer.headers["ngsild-results-count"]) == ([], str(count))
        assert "next" not in answer.links
    deep = api.get(f"{ENTITIES}?type=Lamp&limit=1&offset={MANY - 1}")
    assert [one["id"] for one in deep.json()] == [f"urn:x:stays:{MANY - 1:05}"]
    assert "next" not in deep.links


# -- entity maps


def test_a_map_holds_the_entities_of_all_pages(api: Api) -> None:
    lamps(api, range(6))
    first = api.get(f"{ENTITIES}?type=Lamp&limit=2&entityMap=true")
    assert first.status_code == 201
    used = {"NGSILD-EntityMap": first.headers["ngsild-entitymap"]}
    lamps(api, range(3), "came")
    api.delete(f"{ENTITIES}/urn:x:stays:00002")
    api.patch(f"{ENTITIES}/urn:x:stays:00004/attrs", {"power": prop(99)})
    pages = follow(api, f"{ENTITIES}?type=Lamp&limit=2&q=power<90", headers=used)
    assert [[id_[-1] for id_ in page] for page in pages] == [["0", "1"], ["3", "5"]]
    known = api.get(first.headers["ngsild-entitymap"]).json()
    assert sorted(id_[-1] for id_ in known["entityMap"]) == ["0", "1", "3", "5"]
    assert set(map(tuple, known["entityMap"].values())) == {("@none",)}
    counted = api.get(f"{ENTITIES}?type=Lamp&limit=1&count=true", headers=used)
    assert (counted.status_code, counted.headers["ngsild-results-count"]) == (200, "4")
    assert counted.headers["ngsild-entitymap"] == used["NGSILD-EntityMap"]


def test_a_map_lives_and_ends(api: Api) -> None:
    lamps(api, range(2))
    api.now = 1_700_000_000_000_000
    made = api.get(f"{ROOT}/entityMaps", params={"type": "Lamp", "entityMapLifetime": "PT10M"})
    address, hour = made.headers["ngsild-entitymap"], 3600 * 1_000_000
    assert (made.status_code, made.json()["expiresAt"]) == (201, "2023-11-14T22:23:20Z")
    assert (
        api.patch(address, {"expiresAt": "2099-01-01T00:00:00Z", "entityMap": {"urn:x:more": ["@none"]}}).status_code
        == 204
    )
    shown = api.get(address).json()
    assert (shown["expiresAt"], len(shown["entityMap"])) == ("2023-11-15T22:13:20Z", 2)
    assert api.patch(address, {"expiresAt": "tomorrow"}).status_code == 400
    api.now += 25 * hour
    assert api.get(address).status_code == api.delete(address).status_code == 404
    renewed = api.get(f"{ENTITIES}?type=Lamp", headers={"NGSILD-EntityMap": address})
    assert renewed.status_code == 201
    assert renewed.headers["ngsild-entitymap"] not in ("", address)
    assert api.delete(renewed.headers["ngsild-entitymap"]).status_code == 204
    assert api.get(f"{ROOT}/entityMaps/not a uri").status_code == 400
    assert api.get(f"{ROOT}/entityMaps", params={"id": "urn:x:1"}).status_code == 400
    posted = api.post(f"{ROOT}/entityMaps", {"type": "Query", "entities": [{"type": "Lamp"}], "q": "power==1"})
    assert (posted.status_code, list(posted.json()["entityMap"])) == (201, ["urn:x:stays:00001"])
    one = api.get(f"{ENTITIES}/urn:x:stays:00000", params={"entityMap": "true"})
    assert list(api.get(one.headers["ngsild-entitymap"]).json()["entityMap"]) == ["urn:x:stays:00000"]
