"""GTFS feeds as a source: two real ones, and zips that are cut off, made to harm, or lack tables."""

import io
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landbridge.errors import Invalid, InvalidSettings, LandbridgeError, Missing, TooMuch
from landbridge.sources.contract import Batch, Declaration
from landbridge.sources.file import FileSource
from landbridge.sources.gtfs import open_source

ROOT = Path(__file__).parents[2]
RABA = ROOT / "examples/redding/sources/stops-routes"
BULLRUNNER = ROOT / "tests/data/gtfs"
SMALL = {
    "agency.txt": "agency_id\nA\n",
    "stops.txt": "stop_id,stop_name\nS1,One\nS2,Two\n",
    "routes.txt": "route_id\nR\n",
    "trips.txt": "trip_id,route_id\nT,R\n",
    "stop_times.txt": "trip_id,stop_id,arrival_time\nT,S1,25:10:00\nT,S2,007\n",
    "calendar.txt": "service_id\nX\n",
}


def opened(folder: Path, location: str = "feed.zip", **options: Any) -> FileSource:
    source = open_source(Declaration("feed", "gtfs", folder, {"location": location, **options}))
    assert isinstance(source, FileSource)
    return source


def zipped(folder: Path, files: dict[str, str | bytes], kind: int = zipfile.ZIP_DEFLATED) -> None:
    with zipfile.ZipFile(folder / "feed.zip", "w", kind) as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def read(folder: Path, files: dict[str, str | bytes], **options: Any) -> list[Batch]:
    zipped(folder, files)
    return list(opened(folder, **options).batches(None))


def counts(batches: list[Batch]) -> Counter[str]:
    found: Counter[str] = Counter()
    for batch in batches:
        found[batch.table] += batch.rows.num_rows
    return found


def test_a_real_feed() -> None:
    source = opened(RABA, "gtfs_raba_redding_2025.zip")
    batches = list(source.batches(None))
    found = counts(batches)
    assert (found["source"], found["routes"], found["trips"], found["stop_times"], found["shapes"]) == (
        375,
        13,
        282,
        7346,
        10597,
    )
    stop = batches[0].rows.to_pylist()[0]
    assert batches[0].origin == "gtfs_raba_redding_2025.zip/stops.txt" and batches[0].unit == "line"
    assert all(value is None or isinstance(value, str) for value in stop.values())
    assert list(source.batches(batches[-1].cursor)) == []


def test_a_feed_of_frequencies() -> None:
    batches = list(opened(BULLRUNNER, "gtfs_usf_bullrunner.zip", main="frequencies").batches(None))
    found = counts(batches)
    assert (found["source"], found["routes"], found["stops"]) == (15, 6, 125)
    assert batches[0].rows.to_pylist()[0]["headway_secs"]


def test_times_and_ids_stay_text_and_names_are_stripped(tmp_path: Path) -> None:
    times = "\ufefftrip_id , stop_id,arrival_time\nT,S1,25:10:00\nT,S2,007\n"
    batches = read(tmp_path, {**SMALL, "stop_times.txt": times}, main="stop_times")
    assert batches[0].rows.to_pylist() == [
        {"trip_id": "T", "stop_id": "S1", "arrival_time": "25:10:00"},
        {"trip_id": "T", "stop_id": "S2", "arrival_time": "007"},
    ]


def test_tables_can_be_chosen(tmp_path: Path) -> None:
    assert counts(read(tmp_path, dict(SMALL), only=["stops", "routes.txt"])) == {"source": 2, "routes": 1}
    with pytest.raises(InvalidSettings, match="`only` leaves out 'stops'"):
        opened(tmp_path, only=["routes"])


def test_a_folder_of_tables(tmp_path: Path) -> None:
    (tmp_path / "feed").mkdir()
    for name, content in SMALL.items():
        (tmp_path / "feed" / name).write_text(content)
    (tmp_path / "feed" / "notes.md").write_text("x")
    batches = list(opened(tmp_path, "feed").batches(None))
    assert counts(batches)["source"] == 2 and counts(batches)["stop_times"] == 2
    with pytest.raises(Missing):
        list(opened(tmp_path, "nowhere").batches(None))


def test_a_feed_within_a_folder_of_the_zip_is_read_and_noted(tmp_path: Path) -> None:
    zipped(tmp_path, {f"feed/{name}": content for name, content in SMALL.items()} | {"__MACOSX/stops.txt": "x"})
    source = opened(tmp_path)
    assert counts(list(source.batches(None)))["source"] == 2
    assert source.notes == ["feed.zip: the tables are in the folder 'feed'."]


def test_what_is_no_table_is_noted(tmp_path: Path) -> None:
    files = {name: text for name, text in SMALL.items() if name != "calendar.txt"}
    zipped(tmp_path, {**files, "locations.geojson": "{}", "fare_rules.txt": ""})
    source = opened(tmp_path)
    list(source.batches(None))
    assert source.notes == [
        "feed.zip: 'locations.geojson' is no GTFS table and left out.",
        "feed.zip: the feed has neither calendar.txt nor calendar_dates.txt.",
        "feed.zip/fare_rules.txt: the file is empty.",
    ]


def test_missing_tables_are_told(tmp_path: Path) -> None:
    files = {name: text for name, text in SMALL.items() if name not in ("trips.txt", "stops.txt")}
    with pytest.raises(Invalid, match=r"lacks stops\.txt, trips\.txt.*It has agency\.txt"):
        read(tmp_path, dict(files))
    with pytest.raises(Invalid, match=r"lacks .*no table"):
        read(tmp_path, {})


def test_rows_that_do_not_fit_are_rejects_with_their_line(tmp_path: Path) -> None:
    stops = 'stop_id,stop_name\nS1,"One\nmore"\nS2\nS3,Three\n'
    batches = read(tmp_path, {**SMALL, "stops.txt": stops})
    assert [row["stop_id"] for row in batches[0].rows.to_pylist()] == ["S1", "S3"]
    assert [reject.place for reject in batches[0].rejects] == ["feed.zip/stops.txt line 4"]
    assert batches[0].numbers is not None and batches[0].numbers.to_pylist() == [2, 5]


def test_a_zip_that_is_cut_off_or_none_is_told(tmp_path: Path) -> None:
    whole = (BULLRUNNER / "gtfs_usf_bullrunner.zip").read_bytes()
    for content in (whole[: len(whole) // 2], whole[:-30], b"", b"<html>no</html>"):
        (tmp_path / "feed.zip").write_bytes(content)
        with pytest.raises(Invalid, match="The zip cannot be read"):
            list(opened(tmp_path).batches(None))
    broken = bytearray(whole)
    broken[3000:3100] = bytes(100)
    (tmp_path / "feed.zip").write_bytes(bytes(broken))
    with pytest.raises(Invalid):
        list(opened(tmp_path).batches(None))


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    zipped(tmp_path, {**SMALL, "shapes.txt": "shape_id\n" + "0\n" * 15_000_000})
    assert (tmp_path / "feed.zip").stat().st_size < 100_000
    with pytest.raises(TooMuch, match=r"unpacks to more than 1[67] MB, from .* bytes"):
        list(opened(tmp_path).batches(None))
    with pytest.raises(TooMuch, match="max_unpacked_megabytes"):
        list(opened(BULLRUNNER, "gtfs_usf_bullrunner.zip", max_unpacked_megabytes=0.01).batches(None))


@pytest.mark.parametrize("name", ["../stops.txt", "/etc/stops.txt", "a\\..\\..\\stops.txt", "C:\\stops.txt"])
def test_a_name_that_points_out_of_the_zip_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Invalid, match="points out of the zip"):
        read(tmp_path, {**SMALL, name: "stop_id\nX\n"})


def test_an_entry_without_a_name_is_left_out(tmp_path: Path) -> None:
    whole = small_zip({**SMALL, "notes.txt": "x"})
    (tmp_path / "feed.zip").write_bytes(whole.replace(b"notes.txt", b"\0otes.txt"))
    assert {batch.table for batch in opened(tmp_path).batches(None)} >= {"stop_times", "trips"}


def test_other_text_than_utf8_is_told(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"are not utf-8") as raised:
        read(tmp_path, {**SMALL, "stops.txt": "stop_id,stop_name\nS1,One\nS2,Gen\xe8ve\n".encode("cp1252")})
    assert raised.value.where == "feed.zip/stops.txt line 3"


def test_an_encrypted_zip_is_told(tmp_path: Path) -> None:
    zipped(tmp_path, dict(SMALL))
    content = bytearray((tmp_path / "feed.zip").read_bytes())
    for mark, flag in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        at = content.find(mark)
        while at >= 0:
            content[at + flag] |= 1
            at = content.find(mark, at + 4)
    (tmp_path / "feed.zip").write_bytes(bytes(content))
    with pytest.raises(Invalid, match="encrypted"):
        list(opened(tmp_path).batches(None))


def small_zip(parts: Mapping[str, str | bytes] = SMALL) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content * 3)
    return made.getvalue()


@given(st.integers(0, 5_000), st.binary(min_size=1, max_size=6), st.integers(0, 200))
@settings(max_examples=200, deadline=None)
def test_whatever_is_in_the_zip_only_our_errors_come_out(
    tmp_path_factory: pytest.TempPathFactory, place: int, garbage: bytes, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    content = bytearray(small_zip())
    at = place % len(content)
    content[at : at + len(garbage)] = garbage
    (folder / "feed.zip").write_bytes(bytes(content[: len(content) - cut if cut % 4 == 0 else None]))
    try:
        list(opened(folder).batches(None))
    except LandbridgeError as error:
        assert str(error)


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_whatever_is_in_a_table_only_our_errors_come_out(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    try:
        read(folder, {**SMALL, "stops.txt": b"stop_id,stop_name\n" + content})
    except LandbridgeError as error:
        assert str(error)
