"""Binhai New Area, joined from its real files: facts that anyone can check in them."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import mean

import pytest
import shapely

from cities import OPERATOR, all_of, claims, joined, value
from landbridge.app.city import City
from landbridge.model.answer import RunRecord
from landbridge.model.instant import parse_instant
from landbridge.model.query import Query

ORDER = ("register", "outlines", "newsroom", "health-commission", "dxy", "stations", "air-quality", "district-air")
BINHAI = "urn:ngsi-ld:EpidemicSituation:120116"
AREA = "urn:ngsi-ld:AdministrativeArea:120116"
Pulled = tuple[City, Mapping[str, RunRecord]]


@pytest.fixture(scope="module")
def pulled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pulled]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEMO_BROKER", "mqtt://127.0.0.1:1")
        with joined("binhai", tmp_path_factory.mktemp("binhai"), ORDER) as found:
            yield found


def test_every_source_comes_through(pulled: Pulled) -> None:
    assert {name: (run.state, run.reason) for name, run in pulled[1].items()} == dict.fromkeys(ORDER, ("done", None))


def test_the_districts_have_names_in_two_languages_and_outlines(pulled: Pulled) -> None:
    city, _ = pulled
    areas = {document["id"]: document for document in all_of(city, "AdministrativeArea")}
    districts = {id_: d for id_, d in areas.items() if len(id_.rpartition(":")[2]) == 6 and not id_.endswith("0000")}
    assert len(districts) == 16
    assert value(areas[AREA], "name") == {"en": "Binhai New Area", "zh": "滨海新区"}
    assert all(set(value(d, "name")) == {"en", "zh"} for d in districts.values())  # type: ignore[call-overload]
    ours = {
        id_.rpartition(":")[2]
        for id_, d in districts.items()
        if d["attrs"]["name"][0]["englishGivenBy"]["value"] == "Landbridge"
    }
    assert ours == {"120118", "120119"}
    shape = shapely.from_geojson(json.dumps(value(areas[AREA], "location")))
    assert shape.geom_type == "Polygon" and shape.is_valid
    west, south, east, north = (
        shape.bounds
    )  # moved by some hundred metres from the file's 117.135 38.556 118.066 39.335
    assert 117.12 < west < 117.135 and 38.54 < south < 38.56 and 118.05 < east < 118.066 and 39.32 < north < 39.336
    assert len([id_ for id_ in areas if len(id_.rpartition(":")[2]) == 9]) == 299
    assert value(areas["urn:ngsi-ld:AdministrativeArea:120116001"], "isPartOf") == AREA


def test_three_departments_count_the_cases_of_binhai(pulled: Pulled) -> None:
    city, _ = pulled
    document = city.pool.entity(OPERATOR, BINHAI)
    assert claims(document, "confirmedCases") == {"health-commission": 3, "newsroom": 12, "dxy": 3}
    assert value(document, "refArea") == AREA
    chosen = document["attrs"]["confirmedCases"][0]
    assert chosen["observedAt"] and chosen["@"][0] in claims(document, "confirmedCases")


def test_the_health_commission_tells_what_its_file_says(pulled: Pulled) -> None:
    city, _ = pulled
    points = city.pool.series(OPERATOR, BINHAI, "confirmedCases", limit=10_000)
    said = sorted((p.time, p.value) for p in points if (p.dataset_id or "").endswith(":health-commission"))
    steps = [(when, count) for place, (when, count) in enumerate(said) if not place or said[place - 1][1] != count]
    assert steps == [
        (parse_instant("2020-01-25T00:00:00+08:00"), 1),
        (parse_instant("2020-01-30T00:00:00+08:00"), 2),
        (parse_instant("2020-02-06T00:00:00+08:00"), 3),
    ]
    whole = city.pool.series(OPERATOR, "urn:ngsi-ld:EpidemicSituation:120000", "confirmedCases", limit=10_000)
    spring = parse_instant("2020-04-15T00:00:00+08:00")
    assert {p.value for p in whole if p.time == spring and p.owner == "health-commission"} == {185}


def test_tianjin_alone_and_its_pseudo_districts(pulled: Pulled) -> None:
    city, _ = pulled
    documents = {document["id"]: document for document in all_of(city, "EpidemicSituation")}
    assert len(documents) == 17
    whole = documents["urn:ngsi-ld:EpidemicSituation:120000"]
    assert claims(whole, "importedCases")["health-commission"] == 61
    assert claims(whole, "nonResidentCases") == {"health-commission": 6, "newsroom": 6, "dxy": 6}
    assert claims(whole, "unlocatedCases")["health-commission"] == 0
    assert not [d for d in documents.values() if d is not whole and "importedCases" in d["attrs"]]


def test_what_is_out_of_scope_is_counted(pulled: Pulled) -> None:
    city, _ = pulled
    found = {(group.source, group.reason): group.count for group in city.pool.rejects(OPERATOR)}
    assert found["health-commission", "out of scope: another province"] == 13_224 - 2_891
    assert found["newsroom", "out of scope: another province"] == 689 + 427
    assert found["newsroom", "no province: a note between the rows"] == 1
    assert sum(count for (source, _), count in found.items() if source == "dxy") == 3_658 - 1_323 + 240


def test_the_departments_disagree_over_binhai_in_june_and_not_in_december(pulled: Pulled) -> None:
    city, _ = pulled
    found = city.pool.disagreements(OPERATOR, entity=BINHAI, attribute="confirmedCases")
    june = parse_instant("2020-06-30T12:00:00+08:00")
    (there,) = [one for one in found if one.since <= june < (one.until or june + 1)]
    assert {said.source: said.value for said in there.values} == {"health-commission": 3, "newsroom": 2}
    assert not [one for one in found for said in one.values if said.value == 12]
    assert all(one.until is not None and one.until < parse_instant("2020-07-03T00:00:00Z") for one in found)


def test_no_ghost_station_becomes_an_entity(pulled: Pulled) -> None:
    city, runs = pulled
    observed = {document["id"].rpartition(":")[2] for document in all_of(city, "AirQualityObserved")}
    assert observed == {
        "1015A", "1017A", "1018A", "1019A", "1021A", "1023A", "1024A", "1026A", "1027A", "3020A", "3051A",
    }  # fmt: skip
    results = {result["name"]: result for result in runs["air-quality"].expectations}
    assert results["frozen series"]["failed"] == 10
    assert results["empty series"]["failed"] == 12
    unknown = Counter(
        row["row"]["WatchPoint"]
        for row in city.pool.reject_rows(OPERATOR, "air-quality", "unknown station", limit=10_000)
    )
    assert set(unknown) == {"河西一经路", "津沽路", "宾水西道", "大理道"}


def test_readings_have_units_and_equal_repeats_are_counted(pulled: Pulled) -> None:
    city, runs = pulled
    attrs = city.pool.entity(OPERATOR, "urn:ngsi-ld:AirQualityObserved:1023A")["attrs"]
    assert {name: attrs[name][0]["unitCode"] for name in ("pm25", "pm10", "no2", "so2", "o3", "co")} == {
        **dict.fromkeys(("pm25", "pm10", "no2", "so2", "o3"), "GQ"), "co": "GP",
    }  # fmt: skip
    assert value(city.pool.entity(OPERATOR, "urn:ngsi-ld:AirQualityObserved:1023A"), "refArea") == AREA
    assert runs["air-quality"].repeated == 10 * 11  # ten hours stand twice in the file, for every station
    assert runs["air-quality"].conflicting == 0
    (once,) = [one for one in runs["air-quality"].expectations if one["name"] == "a station reports an hour once"]
    assert "370" in str(once) or "740" in str(once)


def test_the_district_has_the_mean_of_its_three_stations(pulled: Pulled) -> None:
    city, _ = pulled
    stations = [f"urn:ngsi-ld:AirQualityObserved:{code}" for code in ("1023A", "1024A", "1026A")]
    series = [
        {p.time: p.value for p in city.pool.series(OPERATOR, id_, "pm25", limit=200) if not p.deleted}
        for id_ in stations
    ]
    newest = max(set(series[0]) & set(series[1]) & set(series[2]))
    document = city.pool.entity(OPERATOR, AREA)
    assert parse_instant(document["attrs"]["pm25"][0]["observedAt"]) == newest
    assert value(document, "pm25") == round(mean(float(str(one[newest])) for one in series), 1)


def test_a_value_leads_to_its_row(pulled: Pulled) -> None:
    city, _ = pulled
    traces = city.pool.explain(OPERATOR, BINHAI, "confirmedCases")
    (trace,) = [one for one in traces if (one.dataset_id or "").endswith(":health-commission")]
    assert trace.place and trace.place.startswith("wuhan-2019-ncov_jingjinji_2020H1.csv line ")
    line = int(trace.place.rpartition(" ")[2])
    text = (city.settings.folder / "sources/health-commission/wuhan-2019-ncov_jingjinji_2020H1.csv").read_text()
    assert text.splitlines()[line - 1].startswith("2020-06-30,中国,CN,天津市,120000,滨海新区,120116,3,")
    assert trace.raw and trace.raw["city"] == "滨海新区" and trace.raw["date"] == "2020-06-30"


def test_a_second_pull_changes_nothing(pulled: Pulled) -> None:
    city, _ = pulled
    before = city.pool.query(OPERATOR, Query(limit=500)).documents
    for name in ORDER:
        again = city.pull(name, again=True)
        assert again.state in ("done", "unchanged") and again.instances == 0, (name, again)
    assert city.pool.query(OPERATOR, Query(limit=500)).documents == before


def test_the_order_of_pulls_makes_no_difference(pulled: Pulled, tmp_path: Path) -> None:
    city, _ = pulled
    other_order = ("dxy", "health-commission", "newsroom")
    with joined("binhai", tmp_path, other_order) as (other, _):
        for document in all_of(city, "EpidemicSituation"):
            twin = other.pool.entity(OPERATOR, document["id"])
            assert facts(twin) == facts(document)
            assert other.pool.disagreements(OPERATOR, entity=document["id"]) == city.pool.disagreements(
                OPERATOR, entity=document["id"]
            )


def facts(document: dict[str, object]) -> object:
    """A document without what says when and by which commit it was recorded."""
    attrs = document["attrs"]
    assert isinstance(attrs, dict)
    return {
        name: [{key: part for key, part in instance.items() if key != "@"} for instance in instances]
        for name, instances in attrs.items()
    }
