"""The console's parts, each alone: charts, outlines, addresses, assets, live events, and what it must not load."""

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from console.made_city import HOUR, NOW
from landbridge.console.asset import load_assets, serve_asset
from landbridge.console.chart import draw, time_ticks, value_ticks
from landbridge.console.download import cell, csv_lines, json_lines
from landbridge.console.figure import number_text, short_id
from landbridge.console.outline import drawn, middle, thinned
from landbridge.console.session import own_path
from landbridge.console.stream import events
from landbridge.model.answer import Change, Point

SHANGHAI = ZoneInfo("Asia/Shanghai")


def points(*values: tuple[int, float | None], owner: str = "a") -> list[Point]:
    return [Point(NOW + hour * HOUR, NOW, value, owner, None, deleted=value is None) for hour, value in values]


def test_a_pause_and_a_withdrawal_are_gaps() -> None:
    steady = points(*((hour, hour) for hour in range(6)))
    assert [len(line.runs) for line in draw(steady, SHANGHAI).lines] == [1]  # type: ignore[union-attr]
    paused = steady + points((20, 3.0), (21, 4.0))
    assert [len(line.runs) for line in draw(paused, SHANGHAI).lines] == [2]  # type: ignore[union-attr]
    withdrawn = points((0, 1.0), (1, 2.0), (2, None), (3, 2.0), (4, 1.0))
    assert [len(line.runs) for line in draw(withdrawn, SHANGHAI).lines] == [2]  # type: ignore[union-attr]


def test_each_source_has_its_own_line_and_one_value_is_no_chart() -> None:
    both = points((0, 1.0), (1, 2.0)) + points((0, 3.0), (2, 5.0), owner="b")
    chart = draw(both, SHANGHAI)
    assert chart is not None
    assert [line.owner for line in chart.lines] == ["a", "b"]
    assert (chart.low, chart.high, chart.count) == (1.0, 5.0, 4)
    assert draw(points((0, 1.0)), SHANGHAI) is None


@given(st.floats(-1e9, 1e9), st.floats(0, 1e9), st.booleans())
def test_ticks_hold_the_values_between_them(low: float, span: float, whole: bool) -> None:
    high = low + span
    if whole:
        low, high = float(round(low)), float(round(high))
    ticks = value_ticks(low, high, whole)
    assert 2 <= len(ticks) <= 12
    assert ticks == sorted(set(ticks))
    slack = max(abs(low), abs(high)) * 1e-6
    assert ticks[0] <= low + slack
    assert ticks[-1] >= high - slack


def test_ticks_of_counts_have_no_fractions() -> None:
    assert value_ticks(2, 3, whole=True) == [2, 3]
    assert 2.5 in value_ticks(2, 3)


@given(st.integers(0, 10**6), st.integers(1, 10**6))
def test_time_ticks_lie_within_and_are_few(start: int, length: int) -> None:
    first, last = NOW + start * 1_000_000, NOW + (start + length * 60) * 1_000_000
    ticks = time_ticks(first, last, SHANGHAI)
    assert len(ticks) <= 12
    assert all(first <= at <= last for at, _ in ticks)


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (1234567, "1,234,567"), (0.44, "0.44"), (31.0, "31"), (-1.5, "-1.5"), (1e-9, "1e-09"), (2.50, "2.5")],
)
def test_numbers_have_the_digits_they_have(number: float, text: str) -> None:
    assert number_text(number) == text


def test_short_ids_keep_what_tells_apart() -> None:
    assert short_id("urn:ngsi-ld:AirQualityObserved:1023A") == "1023A"
    assert short_id("urn:ngsi-ld:Stop:a:b") == "a:b"
    assert short_id("https://example.org/x") == "https://example.org/x"


def test_a_middle_lies_in_the_largest_part() -> None:
    square = [[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0], [0.0, 0.0]]
    small = [[9.0, 9.0], [9.1, 9.0], [9.1, 9.1], [9.0, 9.0]]
    assert middle({"type": "MultiPolygon", "coordinates": [[small], [square]]}) == (1.0, 1.0)
    assert middle({"type": "Point", "coordinates": [5, 6]}) == (5, 6)
    assert middle({"type": "Polygon", "coordinates": []}) is None
    assert middle({"type": "Polygon", "coordinates": [[[1, 1], [1, 1], [1, 1]]]}) == (1, 1)


@given(st.lists(st.tuples(st.floats(-10, 10), st.floats(-10, 10)), min_size=2, max_size=60))
def test_thinning_keeps_the_ends_and_adds_nothing(line: list[tuple[float, float]]) -> None:
    kept = thinned(tuple(line), 0.5)
    assert (kept[0], kept[-1]) == (line[0], line[-1])
    assert set(kept) <= set(line)
    assert thinned(tuple(line), 0.0) != () and len(thinned(tuple(line), 1e9)) == 2


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil.example", "", "/a\r\nSet-Cookie: x"]
)
def test_a_form_leads_nowhere_else(target: str) -> None:
    assert own_path(target) == "/"


def test_own_addresses_are_kept() -> None:
    assert own_path("/sources?x=1") == "/sources?x=1"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert cell(text) == "'" + text
    assert cell(-1) == -1


def test_tables_are_the_same_in_both_forms() -> None:
    rows: list[list[object]] = [["滨海", 3, None], ["a,b", {"x": 1}, "y"]]
    assert b"".join(csv_lines("nvz", rows)).decode("utf-8-sig") == 'n,v,z\r\n滨海,3,\r\n"a,b","{""x"":1}",y\r\n'
    assert b"".join(json_lines("nvz", rows)).decode() == '[{"n":"滨海","v":3},\n{"n":"a,b","v":{"x":1},"z":"y"}]\n'
    assert b"".join(json_lines("n", [])) == b"[]\n"


def asked(name: str, encoding: str = "") -> Request:
    headers = [(b"accept-encoding", encoding.encode())] if encoding else []
    return Request({"type": "http", "method": "GET", "headers": headers, "path_params": {"name": name}})


def test_only_built_files_are_served(tmp_path: Path) -> None:
    (tmp_path / "secret.py").write_text("x = 1")
    folder = tmp_path / "static"
    folder.mkdir()
    (folder / "page-AbCd1234.js").write_text("0")
    (folder / "page-AbCd1234.js.gz").write_bytes(b"packed")
    (folder / "mark.svg").write_text("<svg/>")
    (folder / "notes.py").write_text("x = 1")
    assets = load_assets(folder)
    for name in ("../secret.py", "notes.py", "nothing.js", "", "..", "/etc/passwd", "page-AbCd1234.js.gz"):
        assert serve_asset(assets, asked(name)).status_code == 404
    packed = serve_asset(assets, asked("page-AbCd1234.js", "gzip, br"))
    assert packed.headers["content-encoding"] == "gzip"
    assert "immutable" in packed.headers["cache-control"]
    plain = serve_asset(assets, asked("mark.svg"))
    assert "content-encoding" not in plain.headers
    assert "immutable" not in plain.headers["cache-control"]
    assert assets.script("page") is None and assets.styles("page") == []


async def told(*changes: Change) -> AsyncIterator[Change]:
    for change in changes:
        yield change


def test_live_events_are_those_of_the_citys_tenant() -> None:
    ours = Change(7, NOW, "", ("Stop",), ("urn:a",), False)
    theirs = Change(8, NOW, "other", ("Stop",), ("urn:b",), False)

    async def heard() -> bytes:
        return b"".join([piece async for piece in events(told(theirs, ours), "")])

    text = asyncio.run(heard()).decode()
    assert re.findall(r"id: (\d+)", text) == ["7"]
    assert 'data: {"types":["Stop"],"entities":["urn:a"],"more":false}\n\n' in text
    assert "urn:b" not in text


def test_the_console_loads_no_heavy_engine() -> None:
    heavy = ("pyarrow", "polars", "duckdb", "sqlalchemy", "deltalake", "pandas", "shapely")
    code = f"import sys, landbridge.console.routes; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_two_weeks_have_more_than_one_mark() -> None:
    day = 86_400_000_000
    for days in range(2, 60):
        assert len(time_ticks(0, days * day, SHANGHAI)) >= 2, days


def test_a_line_is_drawn_over_the_ground_or_alone() -> None:
    line = ((117.0, 39.0), (117.5, 39.2), (118.0, 39.0))
    alone = drawn([], [], width=320.0, over=[line])
    assert alone is not None
    assert alone.paths == ()
    assert alone.lines[0].startswith("M")
    assert not alone.lines[0].endswith("Z")
    assert 0 < alone.height < alone.width
    assert drawn([], []) is None
