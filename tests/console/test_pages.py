"""Every page over a real pool: what it says, to whom, in which language, and what never gets out as markup."""

import csv
import html
import io
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import orjson
import pytest

from console.made_city import HOSTILE, HOUR, NOW, Clock, fill, open_city, run_body
from console.made_console import console_app, nobody, public
from console.visitor import Visitor
from landbridge.pool.pool import Pool
from landbridge.pool.token import create_token, revoke_token
from landbridge.store.transaction import SqliteTransaction

STATION = "urn:ngsi-ld:AirQualityObserved:1023A"
SITUATION = "urn:ngsi-ld:EpidemicSituation:120116"
PAGES = (
    "/",
    f"/?entity={STATION}&colour=AirQualityObserved|pm25",
    "/?type=AirQualityObserved",
    f"/entity/{STATION}",
    f"/entity/{SITUATION}",
    "/entity/urn:ngsi-ld:AdministrativeArea:120116",
    "/entity/urn:ngsi-ld:PointOfInterest:odd",
    f"/series?entity={STATION}&attribute=pm25",
    f"/series?entity={STATION}&entity=urn:ngsi-ld:AirQualityObserved:1024A&attribute=pm25&from=2020-04-01T00:00",
    f"/compare?entity={SITUATION}&one=2020-02-10T08:00",
    "/compare?type=AirQualityObserved&attribute=pm25",
    "/types",
    "/types/AirQualityObserved",
    "/types/PointOfInterest",
    "/sources",
    "/sources/air-quality",
    "/sources/newsroom",
    "/sources/register",
    "/disagreements",
    "/disagreements?open=1&attribute=confirmedCases",
    "/rejects",
    "/rejects?source=air-quality",
    "/rejects?source=newsroom&reason=not+a+date",
    "/search?q=Binhai",
    "/search?q=script",
    "/search",
    "/sign-in",
    f"/console/card?id={STATION}",
    "/console/card?id=urn:ngsi-ld:PointOfInterest:odd",
)
CHINESE = re.compile(r"[一-鿿]")


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    made = open_city(tmp_path_factory.mktemp("city") / "pool.db")
    fill(made)
    yield made
    made.close()


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    made = open_city(tmp_path_factory.mktemp("city") / "pool.db")
    yield made
    made.close()


def said(text: str) -> str:
    """What a page says, without its markup."""
    return " ".join(Reader(text).texts)


def visitor(pool: Pool, **told: str) -> Visitor:
    return Visitor(console_app(pool), **told)


class Reader(HTMLParser):
    """Reads a page as a browser would, for its texts, its elements and what is not well formed."""

    VOID = frozenset({"meta", "link", "input", "br", "wbr", "img", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> ends {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(" ".join(data.split()))


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_well_formed_in_both_languages(pool: Pool, path: str) -> None:
    for language in ("en", "zh"):
        answer = visitor(pool, accept_language=language).get(path)
        assert answer.status_code == 200, answer.text[:500]
        page = Reader(answer.text)
        assert page.open == []
        ids = [told["id"] for _, told in page.elements if "id" in told]
        assert len(ids) == len(set(ids))


@pytest.mark.parametrize("path", PAGES)
def test_nothing_from_outside_becomes_markup(pool: Pool, path: str) -> None:
    text = visitor(pool).get(path).text
    assert HOSTILE not in text
    for tag, told in Reader(text).elements:
        assert tag != "b"
        assert not [name for name in told if name.startswith("on") or name == "style"]
        assert tag != "script" or (told.get("src") or "").startswith("/console/static/")


@pytest.mark.parametrize("path", [path for path in PAGES if not path.startswith("/console/")])
def test_a_page_in_chinese_says_no_english(pool: Pool, path: str) -> None:
    answer = visitor(pool, accept_language="zh-CN").get(path)
    page = Reader(answer.text)
    assert ("html", {"lang": "zh", "data-scheme": "system"}) in page.elements
    reason = "The file has no column 确诊."  # told by a run, not by the console
    sentences = [text for text in page.texts if re.search(r"(?:\b[A-Za-z']+ ){3,}[a-z]", text) and text != reason]
    assert sentences == []
    assert CHINESE.search(" ".join(page.texts))


def test_a_page_says_who_may_do_what_with_it(pool: Pool) -> None:
    answer = visitor(pool).get("/")
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


def test_a_value_shows_unit_time_and_origin(pool: Pool) -> None:
    text = said(visitor(pool).get(f"/entity/{STATION}").text)
    for told in (
        "PM2.5",
        "31",
        "µg/m³",
        "2020-04-08 11:00",
        "1 hour ago",
        "air-quality",
        "tianjin.csv line 2",
        "mapping.sql",
    ):
        assert told in text
    assert "The source row as it was 第四大街" not in text
    assert "station 第四大街 PM2.5 31.0" in text


def test_claims_stand_side_by_side_with_the_chosen_one_marked(pool: Pool) -> None:
    text = said(visitor(pool).get(f"/entity/{SITUATION}").text)
    for told in (
        "health-commission",
        "newsroom",
        "chosen by the rule",
        "sources differ",
        "stale",
        "Claims side by side",
    ):
        assert told in text
    assert "Sources disagree about this entity in 1 stretch of time." in text


def test_one_claim_alone_has_nothing_to_stand_beside(pool: Pool) -> None:
    page = visitor(pool).get(f"/entity/{SITUATION}").text
    assert page.count('class="claims"') == 1
    rows = page[page.index('class="claims"') :].split("</tbody>")[0].count("<tr")
    assert rows == 3  # the heading, and one for each source


def test_a_series_is_drawn_with_its_gap_and_told_in_words(pool: Pool) -> None:
    page = visitor(pool).get(f"/entity/{STATION}?series=pm25").text
    chart = page[page.index('class="chart"') : page.index("</figure>")]
    assert chart.count('<path d="M') >= 2 + chart.count('<path d="M5')
    assert 'aria-label="PM2.5 from' in page
    assert "50 values" in page
    assert len(re.findall(r"<tr><td><time", page)) == 50


def test_links_lead_both_ways(pool: Pool) -> None:
    there = visitor(pool).get(f"/entity/{STATION}").text
    assert 'href="/entity/urn:ngsi-ld:AdministrativeArea:120116"' in there
    back = visitor(pool).get("/entity/urn:ngsi-ld:AdministrativeArea:120116").text
    assert f'href="/entity/{STATION}"' in back
    assert "Air quality Area · 4" in said(back)


def test_raw_rows_are_for_stewards(tmp_path: Path) -> None:
    pool = open_city(tmp_path / "pool.db", public=True)
    fill(pool)
    client = Visitor(console_app(pool, public))
    text = client.get(f"/entity/{STATION}").text
    assert "tianjin.csv line 2" in text
    assert "Raw rows are shown to operators and stewards." in text
    assert 'class="raw"' not in text
    assert 'href="/rejects"' not in text
    assert client.get("/rejects", follow_redirects=False).headers["location"] == "/sign-in?next=%2Frejects"
    assert "The role 'public' may not" in said(client.get("/rejects", headers={"accept": "*/*"}).text)
    pool.close()


def test_a_source_says_how_it_is(pool: Pool) -> None:
    text = said(visitor(pool).get("/sources/newsroom").text)
    for told in (
        "The last run failed.",
        "The file has no column 确诊.",
        "The data of the run before stays as it was:",
        "CC BY 4.0",
        "Newsroom",
    ):
        assert told in text
    told = said(visitor(pool).get("/sources/air-quality").text)
    for word in (
        "not_frozen",
        "10 series unchanged for 48 h",
        "not met",
        "unknown station",
        "2,627",
        "4 seconds",
        "every 10 minutes",
    ):
        assert word in told


def test_an_unchanged_run_leaves_on_the_page_what_the_last_rows_were_judged_to_be(tmp_path: Path) -> None:
    pool = open_city(tmp_path / "pool.db")
    fill(pool)

    def job(transaction: SqliteTransaction) -> None:
        number = 9  # later than the run that read rows
        transaction.save_run("air-quality", number, run_body("air-quality", number, "unchanged", rows=0))

    pool.store.write(job, actor="test")
    told = said(visitor(pool).get("/sources/air-quality").text)
    assert "unchanged" in told
    assert "10 series unchanged for 48 h" in told
    assert "2,627" in told
    assert "None declared" not in told
    assert "not met" in said(visitor(pool).get("/sources").text)
    pool.close()


def test_failed_sources_come_first(pool: Pool) -> None:
    names = re.findall(r'href="/sources/([\w-]+)">', visitor(pool).get("/sources").text)
    assert names[0] == "newsroom"
    assert set(names) == {"newsroom", "air-quality", "health-commission", "register", "stations"}


def test_disagreements_can_be_filtered(pool: Pool) -> None:
    client = visitor(pool)
    assert client.get("/disagreements").text.count('class="sides"') == 2
    assert client.get("/disagreements?open=1").text.count('class="sides"') == 1
    assert client.get("/disagreements?attribute=deaths").text.count('class="sides"') == 0
    assert "still stands" in client.get("/disagreements?open=1").text


def test_many_disagreements_come_page_by_page(tmp_path: Path) -> None:
    pool = open_city(tmp_path / "pool.db")
    fill(pool)
    values = orjson.dumps([{"source": one, "value": 1, "observedAt": "2020-06-30T00:00:00Z"} for one in "ab"]).decode()

    def job(transaction: SqliteTransaction) -> None:
        key = transaction.locate("", [SITUATION])[SITUATION]
        rows = [(key, NOW - hour * HOUR, NOW - hour * HOUR + 1, values) for hour in range(1, 121)]
        transaction.set_disagreements([key], "deaths", rows)

    pool.store.write(job, actor="test")
    client, path, shown, pages = visitor(pool), "/disagreements?attribute=deaths", 0, 0
    while path:
        text = client.get(path).text
        shown, pages = shown + text.count('class="sides"'), pages + 1
        following = re.search(r'rel="next" href="([^"]+)"', text)
        path = html.unescape(following[1]) if following else ""
    assert (shown, pages) == (120, 3)
    assert "here 101 to 120" in said(text)
    assert client.get("/disagreements?offset=50&attribute=deaths").text.count('rel="prev"') == 1
    for odd in ("²", "9" * 5_000, "-1", "x"):
        assert client.get("/disagreements", params={"offset": odd}).status_code == 200
        assert client.get("/rejects", params={"offset": odd}).status_code == 200
    pool.close()


def test_sources_differ_where_they_do_so_now(pool: Pool) -> None:
    """Not where values of different times differ: that one source has fallen silent is no disagreement."""
    client = visitor(pool)
    assert "sources differ" in client.get(f"/entity/{SITUATION}").text
    other = client.get("/entity/urn:ngsi-ld:EpidemicSituation:120113").text
    assert "Sources disagree about this entity in 1 stretch" in other
    assert "sources differ" not in other


def test_search_finds_either_language_and_ids(pool: Pool) -> None:
    client = visitor(pool)
    for text in ("Binhai", "滨海", "AdministrativeArea:120116"):
        assert 'href="/entity/urn:ngsi-ld:AdministrativeArea:120116"' in client.get("/search", params={"q": text}).text
    assert "Nothing is called that." in client.get("/search?q=nowhere").text


def test_types_are_paged_and_sorted(pool: Pool) -> None:
    client = visitor(pool)
    found = re.findall(
        r'<th scope="row"><a href="/entity/([^"]+)"', client.get("/types/AirQualityObserved?sort=pm25&dir=desc").text
    )
    assert [id.rsplit(":", 1)[1] for id in found] == ["1019A", "1021A", "1024A", "1023A"]
    assert client.get("/types/Nothing").status_code == 404


def test_downloads_hold_what_the_page_shows(pool: Pool) -> None:
    client = visitor(pool)
    rows = list(
        csv.DictReader(io.StringIO(client.get("/types/AirQualityObserved?format=csv").content.decode("utf-8-sig")))
    )
    assert sorted(row["pm25"] for row in rows) == ["31.0", "42.0", "55.0", "78.0"]
    assert {row["pm25.unitCode"] for row in rows} == {"GQ"}
    assert len(client.get(f"/entity/{STATION}?series=pm25&format=json").json()) == 50
    for path in ("/sources", "/sources/air-quality", "/disagreements", "/types", "/rejects"):
        assert client.get(f"{path}?format=json").json()
    told = client.get("/rejects?source=air-quality&reason=unknown+station&format=json").json()
    assert [row["row"]["hour"] for row in told] == ["0", "1", "2"]


def test_a_download_holds_no_formula(pool: Pool) -> None:
    text = visitor(pool).get("/types/PointOfInterest?format=csv").content.decode("utf-8-sig")
    assert "'=cmd|" in text
    assert ",=cmd|" not in text


def test_an_empty_city_says_what_to_do_first(empty: Pool) -> None:
    client = visitor(empty)
    assert "landbridge new-source NAME --from FILE_OR_ADDRESS" in client.get("/").text
    assert "landbridge new-source" in client.get("/sources").text
    assert "The sources agree." in client.get("/disagreements").text
    assert "No row has been rejected." in client.get("/rejects").text
    assert "Nothing has been pooled yet." in client.get("/types").text


def test_an_address_without_a_page_says_so(pool: Pool) -> None:
    for path in ("/entity/urn:ngsi-ld:Nothing:1", "/sources/nothing", "/nothing/here", "/console/card?id=urn:x:1"):
        answer = visitor(pool).get(path)
        assert answer.status_code == 404
        assert "To the map" in answer.text


def test_the_maps_features_carry_name_value_unit_and_time(pool: Pool) -> None:
    told = visitor(pool).get("/console/map.geojson?type=AirQualityObserved&value=pm25").json()
    facts = {one["properties"]["id"]: one["properties"] for one in told["features"]}[STATION]
    assert (facts["name"], facts["value"], facts["unit"], facts["time"]) == (
        "第四大街",
        31.0,
        "µg/m³",
        "2020-04-08 11:00",
    )
    assert told["version"] == pool.version()


def test_who_has_no_place_stands_in_its_area(pool: Pool) -> None:
    told = visitor(pool).get(f"/console/map.geojson?id={SITUATION}").json()["features"][0]
    assert told["properties"]["area"] == "urn:ngsi-ld:AdministrativeArea:120116"
    assert 117.6 < told["geometry"]["coordinates"][0] < 117.85


def test_the_map_can_be_asked_for_a_box(pool: Pool) -> None:
    client = visitor(pool)
    told = client.get("/console/map.geojson?type=AirQualityObserved&bbox=117.6,39,117.8,39.1").json()
    assert [one["properties"]["id"] for one in told["features"]] == [STATION]
    for wrong in ("1,2,3", "a,b,c,d", "10,10,5,20", "0,0,999,10"):
        assert client.get(f"/console/map.geojson?type=AirQualityObserved&bbox={wrong}").status_code == 400
    assert client.get("/console/map.geojson").status_code == 400


def test_times_are_seen_from_the_citys_clock(tmp_path: Path) -> None:
    clock = Clock(NOW + 26 * 3_600_000_000)
    pool = open_city(tmp_path / "pool.db", clock=clock)
    fill(pool)
    client = Visitor(console_app(pool, clock=clock))
    assert "1 day ago" in client.get(f"/entity/{STATION}").text
    pool.close()


def test_a_token_signs_in_and_its_end_signs_out(tmp_path: Path) -> None:
    pool = open_city(tmp_path / "pool.db")
    fill(pool)
    token = create_token(pool.store, "clerk", "reader")
    client = Visitor(console_app(pool, nobody))
    asked = client.get("/sources", follow_redirects=False)
    assert (asked.status_code, asked.headers["location"]) == (303, "/sign-in?next=%2Fsources")
    form = re.search(r'name="csrf" value="([^"]+)"', client.get("/sign-in").text)
    assert form
    wrong = client.post("/sign-in", data={"csrf": form[1], "token": "lb_wrong", "next": "/sources"})
    assert wrong.status_code == 401
    assert "This token is not known here." in wrong.text
    right = client.post(
        "/sign-in", data={"csrf": form[1], "token": token, "next": "//evil.example/"}, follow_redirects=False
    )
    assert right.headers["location"] == "/"
    assert client.get("/sources").status_code == 200
    assert client.get("/rejects").status_code == 403
    revoke_token(pool.store, "clerk")
    assert client.get("/sources", follow_redirects=False).status_code == 303
    pool.close()
