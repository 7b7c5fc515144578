"""Binhai's second file through a real broker, and its stations out of a real PostgreSQL."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cities import EXAMPLES, OPERATOR, all_of, joined, value
from landbridge.app.city import City, open_city
from landbridge.cli.replay import Replay, Replaying, read_replay
from landbridge.model.answer import RunRecord
from landbridge.model.instant import parse_instant
from landbridge.sources.broker import DemoBroker
from services import Database

HISTORY, LIVE = "urn:ngsi-ld:Dataset:air-quality", "urn:ngsi-ld:Dataset:air-quality-live"
LISTED = {
    "勤俭道",
    "大直沽八号路",
    "前进道",
    "淮河道",
    "跃进路",
    "第四大街",
    "永明路",
    "汉北路",
    "团泊洼(对照点)",
    "中山北路",
    "西四道",
}


def until(ready: Callable[[], object], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, "nothing came of it in time"
        time.sleep(0.05)


def streamed(city: City, replay: Replay, port: int, rows: int) -> RunRecord:
    """Replay everything while the stream is pulled; the record of its run."""
    opened: list[Any] = []
    records: list[RunRecord] = []
    stop = threading.Event()

    def pull() -> None:
        records.append(city.pull("air-quality-live", stop=stop, opened=lambda _, source: opened.append(source)))

    puller = threading.Thread(target=pull)
    puller.start()
    try:
        until(lambda: opened and opened[0].ready)
        with Replaying(replay, port) as replaying:
            until(lambda: replaying.sent == rows)
            until(lambda: sum(run.rows for run in city.pool.runs(OPERATOR, "air-quality-live")) >= rows)
    finally:
        stop.set()
        puller.join(60)
    return records[-1]


def test_the_second_file_comes_live_through_a_real_broker(
    mosquitto: DemoBroker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DEMO_BROKER", mosquitto.address)
    said = read_replay(EXAMPLES / "binhai")
    assert said is not None
    replay = Replay(said.file, said.encoding, said.topic, said.hour, 0)
    rows = [row for hour in replay.hours() for row in hour]
    with joined("binhai", tmp_path, ("register", "stations", "air-quality", "district-air")) as (city, _):
        streamed(city, replay, mosquitto.port, len(rows))
        observed = all_of(city, "AirQualityObserved")
        assert len(observed) == 11  # no ghost came to life
        for document in observed:
            chosen, *claims = document["attrs"]["no2"]
            assert {one["datasetId"] for one in claims} == {HISTORY, LIVE}
            (live,) = [one for one in claims if one["datasetId"] == LIVE]
            newest = max(hours_of(rows, str(value(document, "name")), "NO2"))
            assert parse_instant(chosen["observedAt"]) == parse_instant(live["observedAt"]) == newest
        unknown = {row["row"]["WatchPoint"] for row in rejected(city)}
        assert unknown == {row["WatchPoint"] for row in rows} - LISTED
        points = city.pool.series(OPERATOR, "urn:ngsi-ld:AirQualityObserved:1023A", "pm25", limit=1_000)
        mine = [point for point in points if point.dataset_id == LIVE]
        assert {point.time for point in mine} == hours_of(rows, "第四大街", "PM2.5")
        assert len(mine) == len({point.time for point in mine})  # what stands twice in the file is there once
        before = city.pool.entity(OPERATOR, "urn:ngsi-ld:AdministrativeArea:120116")
        city.pull("district-air")
        after = city.pool.entity(OPERATOR, "urn:ngsi-ld:AdministrativeArea:120116")
        assert parse_instant(after["attrs"]["pm25"][0]["observedAt"]) > parse_instant(
            before["attrs"]["pm25"][0]["observedAt"]
        )


def rejected(city: City) -> list[Any]:
    return list(city.pool.reject_rows(OPERATOR, "air-quality-live", "unknown station", limit=10_000))


def hours_of(rows: list[dict[str, str]], station: str, column: str) -> set[int]:
    """The hours at which a station gives a number."""
    return {
        parse_instant(f"{r['Date'][:4]}-{r['Date'][4:6]}-{r['Date'][6:]}T{int(r['Hour']):02}:00:00+08:00")
        for r in rows
        if r["WatchPoint"] == station and r[column] not in ("NaN", "—", "")
    }


def test_the_stations_may_stand_in_postgresql(
    postgresql: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DEMO_BROKER", "mqtt://127.0.0.1:1")
    with joined("binhai", tmp_path / "sqlite", ("stations",)) as (city, _):
        expected = {document["id"]: value(document, "location") for document in all_of(city, "Device")}
        stations = [
            (point["id"].rpartition(":")[2], value(point, "name"), value(point, "location"))
            for point in all_of(city, "Device")
        ]
    postgresql.execute("drop table if exists station")
    postgresql.execute(
        "create table station (code text primary key, name text, name_en text, lon float8, lat float8, origin text)"
    )
    for code, name, place in stations:
        lon, lat = place["coordinates"]  # type: ignore[index]
        postgresql.execute(
            f"insert into station values ('{code}', '{name['zh']}', '{name['en']}', {lon}, {lat}, 'a test')"  # type: ignore[index]
        )
    folder = tmp_path / "postgresql"
    with joined("binhai", folder, ()) as (city, _):
        toml = city.settings.folder / "sources/stations/source.toml"
        toml.write_text(toml.read_text().replace("sqlite:///stations.db", postgresql.address))
        air = city.settings.folder / "sources/air-quality/source.toml"
        air.write_text(air.read_text().replace("sqlite:///../stations/stations.db", postgresql.address))
    with open_city(folder / "binhai") as city:
        assert city.pull("stations").state == "done"
        assert city.pull("air-quality").state == "done"
        assert {document["id"]: value(document, "location") for document in all_of(city, "Device")} == expected
        assert len(all_of(city, "AirQualityObserved")) == 11
