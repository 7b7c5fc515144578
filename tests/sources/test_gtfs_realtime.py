"""GTFS-Realtime feeds as a source: two captured ones, made ones for what they lack, and what is none."""

import datetime
import json
from pathlib import Path
from typing import Any

import pytest
from google.transit import gtfs_realtime_pb2 as pb
from hypothesis import given, settings
from hypothesis import strategies as st

from landbridge.errors import Invalid, InvalidSettings, LandbridgeError
from landbridge.sources.contract import Batch, Declaration
from landbridge.sources.file import FileSource
from landbridge.sources.gtfs_realtime import BATCH_ROWS, open_source

VEHICLES = Path(__file__).parents[2] / "examples/redding/sources/vehicles"
POSITIONS = "gtfsrt_raba_vehicle_positions_2025-06-08.pb"
UPDATES = "gtfsrt_raba_trip_updates_2025-06-08.pb"


def opened(folder: Path, location: str = "feed.pb", **options: Any) -> FileSource:
    source = open_source(Declaration("feed", "gtfs-realtime", folder, {"location": location, **options}))
    assert isinstance(source, FileSource)
    return source


def read(folder: Path, feed: Any, **options: Any) -> tuple[dict[str, list[Batch]], FileSource]:
    (folder / "feed.pb").write_bytes(feed if isinstance(feed, bytes) else feed.SerializeToString())
    source = opened(folder, **options)
    return by_table(source), source


def by_table(source: FileSource) -> dict[str, list[Batch]]:
    found: dict[str, list[Batch]] = {}
    for batch in source.batches(None):
        found.setdefault(batch.table, []).append(batch)
    return found


def feed(timestamp: int = 1_700_000_000) -> Any:
    made = pb.FeedMessage()
    made.header.gtfs_realtime_version = "2.0"
    made.header.timestamp = timestamp
    return made


def utc(*parts: int) -> datetime.datetime:
    return datetime.datetime(*parts, tzinfo=datetime.UTC)  # type: ignore[misc,arg-type]


def test_captured_vehicles() -> None:
    found = by_table(opened(VEHICLES, POSITIONS))
    rows = found["source"][0].rows.to_pylist()
    assert len(rows) == 22 and sum(row["trip_id"] is None for row in rows) == 21
    first = rows[0]
    assert (first["_id"], first["latitude"], first["longitude"]) == ("66", 40.56512, -122.386475)
    assert first["_timestamp"] == utc(2025, 6, 8, 21, 8, 26) and first["timestamp"] == utc(2025, 6, 8, 21, 8, 24)
    assert sorted(found) == ["alerts", "source", "trip_updates"]  # those without rows too, for mappings that join them
    assert [batch.rows.num_rows for name in ("alerts", "trip_updates") for batch in found[name]] == [0, 0]


def test_captured_trip_updates() -> None:
    source = opened(VEHICLES, UPDATES, main="trip_updates")
    found = by_table(source)
    rows = found["source"][0].rows.to_pylist()
    assert len(rows) == 41 and len({row["trip_id"] for row in rows}) == 9
    assert rows[0]["arrival_time"] == utc(2025, 6, 8, 21, 34, 1) and rows[0]["start_time"] == "13:50:00"
    assert {row["stop_schedule_relationship"] for row in rows} >= {"SCHEDULED", "SKIPPED"}
    last = [batch for batches in found.values() for batch in batches][-1]
    assert last.cursor is not None and list(source.batches(last.cursor)) == []


def test_a_cancelled_trip_is_a_row_without_a_stop(tmp_path: Path) -> None:
    made = feed()
    entity = made.entity.add(id="1")
    entity.trip_update.trip.trip_id = "T"
    entity.trip_update.trip.schedule_relationship = pb.TripDescriptor.CANCELED
    found, _ = read(tmp_path, made, main="trip_updates")
    (row,) = found["source"][0].rows.to_pylist()
    assert (row["trip_id"], row["schedule_relationship"], row["stop_id"]) == ("T", "CANCELED", None)


def test_alerts(tmp_path: Path) -> None:
    made = feed()
    alert = made.entity.add(id="a").alert
    alert.cause, alert.effect = pb.Alert.STRIKE, pb.Alert.NO_SERVICE
    alert.header_text.translation.add(text="Strike")
    alert.header_text.translation.add(text="罢工", language="zh")
    alert.active_period.add(start=1_700_000_000, end=1_700_003_600)
    alert.active_period.add(start=1_700_010_000)
    alert.informed_entity.add(route_id="R")
    alert.informed_entity.add().trip.trip_id = "T"
    found, _ = read(tmp_path, made, main="alerts")
    (row,) = found["source"][0].rows.to_pylist()
    assert (row["cause"], row["effect"], json.loads(row["header_text"])) == (
        "STRIKE", "NO_SERVICE", {"@none": "Strike", "zh": "罢工"},
    )  # fmt: skip
    assert row["active_from"] == utc(2023, 11, 14, 22, 13, 20) and row["active_until"] is None
    assert len(json.loads(row["active_periods"])) == 2
    assert json.loads(row["informed_entities"]) == [{"route_id": "R"}, {"trip_id": "T"}]


def test_what_is_left_out_is_noted_and_odd_times_are_rejects(tmp_path: Path) -> None:
    made = feed()
    made.entity.add(id="gone", is_deleted=True)
    made.entity.add(id="odd")
    early, late = made.entity.add(id="v").vehicle, made.entity.add(id="w").vehicle
    early.timestamp, late.timestamp = 1_700_000_000, 1_700_000_000_000  # milliseconds, a common mistake
    found, source = read(tmp_path, made)
    assert [row["_id"] for row in found["source"][0].rows.to_pylist()] == ["v"]
    (reject,) = found["source"][0].rejects
    assert (reject.place, reject.reason) == (
        "feed.pb entity 4", "timestamp is 1700000000000, which are no seconds since 1970.",
    )  # fmt: skip
    assert source.notes == [
        "feed.pb: 1 entities are marked as deleted and left out.",
        "feed.pb: 1 entities are neither vehicle, trip update nor alert and left out.",
    ]


def test_a_large_feed_comes_in_batches(tmp_path: Path) -> None:
    made = feed()
    for number in range(BATCH_ROWS + 5):
        made.entity.add(id=str(number)).vehicle.vehicle.label = "x"
    found, _ = read(tmp_path, made)
    assert [batch.rows.num_rows for batch in found["source"]] == [BATCH_ROWS, 5]


def test_what_is_no_feed_is_told(tmp_path: Path) -> None:
    whole = (VEHICLES / POSITIONS).read_bytes()
    no_header = pb.FeedEntity(id="x").SerializeToString()
    for content in (b"", b"<html>busy</html>", whole[:-7], b"\x00\x01\x02", no_header, b'{"header": {}}'):
        with pytest.raises(Invalid, match="no whole GTFS-Realtime feed"):
            read(tmp_path, content)
    with pytest.raises(InvalidSettings, match="one of vehicle_positions"):
        opened(tmp_path, main="vehicles")


@given(st.integers(0, 2_000), st.binary(min_size=1, max_size=8), st.booleans())
@settings(max_examples=200, deadline=None)
def test_whatever_is_in_the_feed_only_our_errors_come_out(
    tmp_path_factory: pytest.TempPathFactory, place: int, garbage: bytes, updates: bool
) -> None:
    content = bytearray((VEHICLES / (UPDATES if updates else POSITIONS)).read_bytes())
    at = place % len(content)
    content[at : at + len(garbage)] = garbage
    try:
        read(tmp_path_factory.mktemp("fuzz"), bytes(content))
    except LandbridgeError as error:
        assert str(error)
