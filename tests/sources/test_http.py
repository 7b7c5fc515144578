"""HTTP APIs as a source, against a real server: pages, what is new, and everything a server can do wrong."""

import datetime
import email.utils
import itertools
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landbridge.errors import Invalid, InvalidSettings, LandbridgeError, Refused, TooMuch, Unreachable
from landbridge.sources.contract import Batch, Cursor, Declaration, Source
from landbridge.sources.http import open_source
from landbridge.sources.http_fetch import retry_after
from landbridge.sources.http_page import linked
from web_origin import JSON, Reply, Request, WebOrigin, web_origin

STATIONS = [{"id": n, "name": f"s{n}", "at": f"2024-01-0{n}T00:00:00Z"} for n in range(1, 8)]


@pytest.fixture
def web() -> Iterator[WebOrigin]:
    with web_origin() as origin:
        yield origin


def opened(address: str, **more: Any) -> Source:
    options = {"address": address, "stall_seconds": 1, "tries": 2, "wait_seconds": 2, **more}
    return open_source(Declaration("api", "http", Path(), options))


def pulled(source: Source, cursor: Cursor | None = None) -> list[Batch]:
    return list(source.batches(cursor))


def rows(batches: list[Batch]) -> list[dict[str, Any]]:
    return [row for batch in batches for row in batch.rows.to_pylist()]


def document(value: Any, **headers: str) -> Reply:
    return Reply(json.dumps(value).encode(), headers=JSON | headers)


def test_records_at_a_path_become_rows(web: WebOrigin) -> None:
    address = web.on("/a", lambda _: document({"data": {"list": [{"a": 1}, {"a": 2.5, "b": [1]}, 7]}, "n": 3}))
    (batch,) = pulled(opened(address, path="data.list"))
    assert batch.rows.to_pylist() == [{"a": 1.0, "b": None}, {"a": 2.5, "b": "[1]"}]
    assert (batch.origin, batch.unit, batch.numbers.to_pylist() if batch.numbers else []) == (address, "record", [1, 2])
    assert [(reject.place, reject.reason) for reject in batch.rejects] == [
        (f"{address} record 3", "The record is no object.")
    ]
    with pytest.raises(Invalid, match="There is no 'rows'; there is: data, n"):
        pulled(opened(address, path="rows"))


def test_json_lines_and_csv(web: WebOrigin) -> None:
    lines = web.on("/l", lambda _: Reply(b'{"a": 1}\n{"a": 2}\n'))
    table = web.on("/c", lambda _: Reply("name,n\nÄ,1\nb,2\n".encode(), headers={"Content-Type": "text/csv"}))
    assert rows(pulled(opened(lines, format="jsonl"))) == [{"a": 1}, {"a": 2}]
    assert rows(pulled(opened(table, format="csv"))) == [{"name": "Ä", "n": "1"}, {"name": "b", "n": "2"}]


def test_columns_keep_their_kind_over_all_pages(web: WebOrigin) -> None:
    pages = [[{"x": 1}], [{"x": "n/a", "y": True}], []]
    address = web.on("/p", lambda request: document(pages[int(request.query["page"]) - 1]))
    batches = pulled(opened(address, paging="page"))
    assert {batch.rows.schema.to_string() for batch in batches} == {"x: string\ny: bool"}
    assert rows(batches) == [{"x": "1", "y": None}, {"x": "n/a", "y": True}]
    assert [batch.origin for batch in batches] == [f"{address} page 1", f"{address} page 2"]
    assert [batch.cursor is None for batch in batches] == [True, False]


def paged(web: WebOrigin, kind: str) -> tuple[str, dict[str, Any]]:
    """An API of seven stations, three to a page, in each of the ways to page."""
    chunks = [STATIONS[:3], STATIONS[3:6], STATIONS[6:]]

    def answer(request: Request) -> Reply:
        query = request.query
        number = {"page": int(query.get("page", 1)) - 1, "offset": int(query.get("start", 0)) // 3}.get(
            kind, int(query.get("token", 0))
        )
        more = number + 1 < len(chunks)
        body: dict[str, Any] = {"data": chunks[number] if number < len(chunks) else []}
        headers = {}
        if kind == "link" and more:
            headers["Link"] = f'</x>; rel="first", <{request.path}?token={number + 1}>; title="a, b"; rel="next"'
        if kind == "links":
            body["links"] = [{"rel": "self", "href": "x"}] + [{"rel": "next", "href": f"?token={number + 1}"}] * more
        if kind == "next":
            body["meta"] = {"next": f"{web.address}{request.path}?token={number + 1}" if more else None}
        if kind == "cursor" and more:
            body["meta"] = {"after": number + 1}
        return document(body, **headers)

    options: dict[str, dict[str, Any]] = {
        "page": {"page_size": 3, "size_parameter": "limit"},
        "offset": {"page_size": 3, "page_parameter": "start"},
        "next": {"next_path": "meta.next"},
        "cursor": {"next_path": "meta.after", "page_parameter": "token"},
    }
    return web.on("/stations", answer), {"path": "data", "paging": kind, **options.get(kind, {})}


@pytest.mark.parametrize("kind", ["link", "links", "next", "cursor", "page", "offset"])
def test_pages(web: WebOrigin, kind: str) -> None:
    address, options = paged(web, kind)
    source = opened(address, **options)
    batches = pulled(source)
    assert rows(batches) == STATIONS
    assert len(web.seen) == 3
    assert source.notes == [f"{address}: 3 pages."]  # type: ignore[attr-defined]
    assert pulled(source, batches[-1].cursor) == []  # nothing changed


@pytest.mark.parametrize("kind", ["page", "offset", "cursor"])
def test_an_api_that_is_asked_by_a_body_is_paged_in_it(
    web: WebOrigin, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page and the size stand where the API looks for them, as numbers; nothing of it stands in the address."""
    monkeypatch.setenv("API_KEY", "secret")
    asked: list[Any] = []

    def answer(request: Request) -> Reply:
        asked.append(json.loads(request.body))
        here = asked[-1]["pages"].get("at", 0)
        number = int(here) if kind == "cursor" else here - 1 if kind == "page" else here // 3
        found: dict[str, Any] = {"data": STATIONS[3 * number : 3 * number + 3]}
        return document(found | ({"next": str(number + 1)} if kind == "cursor" and number < 2 else {}))

    body = {"query": "stations", "key": "${API_KEY}", "pages": {"size": 1}, "only": ["a", "${API_KEY}"]}
    options = {"page_parameter": "pages.at", "size_parameter": "pages.size", "page_size": 3, "next_path": "next"}
    address = web.on("/q", answer)
    source = opened(address, method="post", body=body, paging=kind, path="data", **options)
    batches = pulled(source)
    assert [row["id"] for row in rows(batches)] == [1, 2, 3, 4, 5, 6, 7]
    firsts = {"page": {"at": 1}, "offset": {"at": 0}, "cursor": {}}[kind]
    assert asked[0] == {**body, "key": "secret", "only": ["a", "secret"], "pages": {"size": 3, **firsts}}
    assert asked[1]["pages"]["at"] == {"page": 2, "offset": 3, "cursor": "1"}[kind]
    assert {(one.method, *one.query, one.headers["content-type"]) for one in web.seen} == {("POST", "application/json")}
    assert pulled(source, batches[-1].cursor) == []


def test_a_text_is_sent_as_it_is_and_what_is_new_is_asked_for_in_a_table(web: WebOrigin) -> None:
    address = web.on("/t", lambda request: document([{"said": request.body.decode(), "at": "2024-01-02"}]))
    kind = {"Content-Type": "application/sparql-query"}
    assert rows(pulled(opened(address, method="post", body="select *", headers=kind)))[0]["said"] == "select *"
    assert web.seen[-1].headers["content-type"] == kind["Content-Type"]
    new = opened(address, method="post", body={"q": 1}, since_parameter="filter.since", since_field="at")
    first = pulled(new)
    assert rows(first)[0]["said"] == '{"q":1}'
    assert rows(pulled(new, first[-1].cursor))[0]["said"] == '{"q":1,"filter":{"since":"2024-01-02"}}'


def test_a_body_goes_to_the_declared_host_alone(web: WebOrigin) -> None:
    with web_origin() as other:
        there = other.on("/there", lambda request: document([{"method": request.method, "body": len(request.body)}]))
        stays = web.on("/stays", lambda _: Reply(status=307, headers={"Location": there}))
        seen = web.on("/seen", lambda _: Reply(status=303, headers={"Location": "/after"}))
        web.on("/after", lambda request: document([{"method": request.method, "body": len(request.body)}]))
        with pytest.raises(Refused):
            pulled(opened(stays, method="post", body={"a": 1}))
        assert other.seen == []
        assert rows(pulled(opened(seen, method="post", body={"a": 1}))) == [{"method": "GET", "body": 0}]
        host = there.removeprefix("http://").removesuffix("/there")
        allowed = opened(stays, method="post", body={"a": 1}, hosts=[host])
        assert rows(pulled(allowed)) == [{"method": "POST", "body": 7}]


def test_a_page_that_repeats_or_leads_in_a_circle_is_told(web: WebOrigin) -> None:
    same = web.on("/same", lambda _: document([{"a": 1}]))
    with pytest.raises(Invalid, match="Page 2 is the same as the page before"):
        pulled(opened(same, paging="page"))
    count = itertools.count()
    circle = web.on("/circle", lambda _: document({"n": "/circle?x=1", "d": [{"a": next(count)}]}))
    with pytest.raises(Invalid, match="leads in a circle"):
        pulled(opened(circle, paging="next", next_path="n", path="d"))
    endless = web.on("/endless", lambda _: document({"n": f"?p={next(count)}", "d": [{"a": next(count)}]}))
    with pytest.raises(Invalid, match="more than 5 pages"):
        pulled(opened(endless, paging="next", next_path="n", path="d", max_pages=5))


def test_what_the_address_says_of_its_age_is_asked_with(web: WebOrigin) -> None:
    def answer(request: Request) -> Reply:
        if request.headers.get("if-none-match") == '"v1"':
            return Reply(status=304, headers={})
        return document([{"a": 1}], ETag='"v1"')

    source = opened(web.on("/a", answer))
    cursor = pulled(source)[-1].cursor
    assert cursor is not None and cursor["marks"] == {"etag": '"v1"'}
    assert pulled(source, cursor) == []
    assert web.seen[-1].headers["if-none-match"] == '"v1"'
    assert rows(pulled(source)) == [{"a": 1}]  # without a cursor everything is read again


def test_only_what_is_new_is_asked_for(web: WebOrigin) -> None:
    def answer(request: Request) -> Reply:
        return document([one for one in STATIONS if str(one["at"]) > request.query.get("since", "")])

    address = web.on("/new", answer)
    source = opened(address, since_parameter="since", since_field="at")
    assert source.manner == "incremental"
    batches = pulled(source)
    assert len(rows(batches)) == 7 and batches[-1].cursor == {"since": "2024-01-07T00:00:00Z"}
    STATIONS_LATER = {"since": "2024-01-05T00:00:00Z"}
    later = pulled(source, STATIONS_LATER)
    assert [row["id"] for row in rows(later)] == [6, 7]
    assert pulled(source, batches[-1].cursor) == []
    assert "since" not in web.seen[0].query
    started = pulled(opened(address, since_parameter="since", since_field="at", since_start="2024-01-06T00:00:00Z"))
    assert [row["id"] for row in rows(started)] == [7]


def test_numbers_and_instants_are_compared_as_such(web: WebOrigin) -> None:
    numbers = web.on("/n", lambda _: document([{"v": 9}, {"v": 10}, {"w": 1}]))
    assert pulled(opened(numbers, since_parameter="s", since_field="v"))[-1].cursor == {"since": 10}
    zones = [{"t": "2024-01-01T12:00:00+08:00"}, {"t": "2024-01-01T05:00:00Z"}]
    instants = web.on("/t", lambda _: document(zones))
    assert pulled(opened(instants, since_parameter="s", since_field="t"))[-1].cursor == {"since": zones[1]["t"]}


def test_secrets_come_from_the_environment_and_never_show(web: WebOrigin, monkeypatch: pytest.MonkeyPatch) -> None:
    address = web.on("/a", lambda _: document([{"a": 1}]))
    more = {"headers": {"Authorization": "Bearer ${CITY_TOKEN}"}, "parameters": {"key": "${CITY_KEY}"}}
    with pytest.raises(InvalidSettings, match="CITY_TOKEN is not set"):
        opened(address, **more)
    monkeypatch.setenv("CITY_TOKEN", "s3cret")
    monkeypatch.setenv("CITY_KEY", "k&y/=")
    (batch,) = pulled(opened(address + "?b=1", **more))
    assert web.seen[-1].headers["authorization"] == "Bearer s3cret"
    assert web.seen[-1].query == {"b": "1", "key": "k&y/="}
    web.on("/a", lambda _: Reply(b"", 401))
    with pytest.raises(Unreachable) as raised:
        pulled(opened(address + "?b=${CITY_KEY}", **more))
    assert "s3cret" not in str(raised.value) and "k&y" not in str(raised.value) and "token" in str(raised.value)
    assert "k&y" not in batch.origin


def test_a_busy_address_is_waited_for(web: WebOrigin) -> None:
    replies = iter([Reply(b"", 429, {"Retry-After": "1"}), document([{"a": 1}])])
    address = web.on("/busy", lambda _: next(replies))
    began = time.monotonic()
    assert rows(pulled(opened(address))) == [{"a": 1}]
    assert time.monotonic() - began >= 0.9


def test_a_busy_address_is_not_waited_for_too_long(web: WebOrigin) -> None:
    address = web.on("/busy", lambda _: Reply(b"", 503, {"Retry-After": "3600"}))
    began = time.monotonic()
    with pytest.raises(Unreachable, match="answers 503 Service Unavailable and asks to wait for 3600 s"):
        pulled(opened(address))
    assert len(web.seen) == 1 and time.monotonic() - began < 5
    web.on("/busy", lambda _: Reply(b"", 502))
    with pytest.raises(Unreachable, match="answers 502 Bad Gateway, 2 times"):
        pulled(opened(address))


def test_retry_after_has_two_forms() -> None:
    assert retry_after("7") == 7
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=100)
    assert 90 < (retry_after(email.utils.format_datetime(later, usegmt=True)) or 0) <= 101
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert retry_after("soon") is None and retry_after("") is None


def test_a_stalled_answer_is_given_up(web: WebOrigin) -> None:
    going = threading.Event()

    def pieces() -> Iterator[bytes]:
        yield b'[{"a": 1},'
        going.wait(10)

    address = web.on("/stall", lambda _: Reply(pieces=pieces()))
    with pytest.raises(Unreachable, match=r"says nothing for 0\.3 s"):
        pulled(opened(address, stall_seconds=0.3))
    going.set()


def test_an_endless_answer_is_cut_off_by_size_and_by_time(web: WebOrigin) -> None:
    address = web.on("/flood", lambda _: Reply(pieces=itertools.repeat(b'{"a": 1},' * 1000)))
    with pytest.raises(TooMuch, match="larger than 2 MB"):
        pulled(opened(address, max_megabytes=2))

    def trickle() -> Iterator[bytes]:
        while True:
            time.sleep(0.02)
            yield b" "

    slow = web.on("/trickle", lambda _: Reply(pieces=trickle()))
    with pytest.raises(TooMuch, match=r"longer than 0\.3 s"):
        pulled(opened(slow, max_seconds=0.3))


@pytest.mark.parametrize("headers", [{"Content-Type": "text/html"}, JSON])
def test_a_web_page_with_status_200_is_told(web: WebOrigin, headers: dict[str, str]) -> None:
    address = web.on("/page", lambda _: Reply(b"\n<!DOCTYPE html><html>Please log in</html>", headers=headers))
    with pytest.raises(Unreachable, match="answers 200 with a web page"):
        pulled(opened(address))


def test_an_answer_that_breaks_off_is_told(web: WebOrigin) -> None:
    cut = web.on("/cut", lambda _: Reply(pieces=iter([b'[{"a": 1}, {"a"'])))
    with pytest.raises(Invalid, match="ends too early, after 15 bytes"):
        pulled(opened(cut))
    headers = JSON | {"Transfer-Encoding": "chunked"}
    broken = web.on("/broken", lambda _: Reply(headers=headers, pieces=iter([b'5\r\n[{"a"'])))
    with pytest.raises(Unreachable, match="cannot be reached"):
        pulled(opened(broken))
    with pytest.raises(Unreachable, match="answers 404"):
        pulled(opened(web.address + "/nothing"))


def test_a_redirect_to_a_private_address_is_refused(web: WebOrigin) -> None:
    with web_origin() as inner:
        inner.on("/secret", lambda _: document([{"password": "x"}]))
        for target in (f"{inner.address}/secret", "http://169.254.169.254/", "http://[::1]/", "http://localhost:1/"):
            address = web.on("/away", lambda _, to=target: Reply(status=302, headers={"Location": to}))  # type: ignore[misc]
            with pytest.raises((Refused, Unreachable)) as raised:
                pulled(opened(address))
            assert "loopback or private" in str(raised.value) or "cannot be found" in str(raised.value)
        assert inner.seen == []
        allowed = opened(web.on("/away", lambda _: Reply(status=302, headers={"Location": f"{inner.address}/secret"})),
                         hosts=[inner.address.removeprefix("http://")], headers={"X-Token": "t"})  # fmt: skip
        assert rows(pulled(allowed)) == [{"password": "x"}]
        assert inner.seen[0].headers["x-token"] == "t"
    own = web.on("/own", lambda _: Reply(status=301, headers={"Location": "/there"}))
    web.on("/there", lambda _: document([{"a": 1}]))
    assert rows(pulled(opened(own))) == [{"a": 1}]  # the declared address is allowed by being declared
    loop = web.on("/loop", lambda _: Reply(status=302, headers={"Location": "/loop"}))
    with pytest.raises(Unreachable, match="redirects more than 5 times"):
        pulled(opened(loop))
    file = web.on("/file", lambda _: Reply(status=302, headers={"Location": "file:///etc/passwd"}))
    with pytest.raises(Refused, match="redirects to file:"):
        pulled(opened(file))


@pytest.mark.parametrize("target", ["http://other.example/p2", "http://127.0.0.1:9/p2", "http://10.0.0.1/"])
def test_a_next_page_elsewhere_is_refused(web: WebOrigin, target: str) -> None:
    address = web.on("/a", lambda _: document({"next": target, "d": [{"a": 1}]}))
    with pytest.raises(Refused, match=r"next page is at http://.* declare  hosts"):
        pulled(opened(address, paging="next", next_path="next", path="d"))
    linking = web.on("/b", lambda _: document([{"a": 1}], Link=f'<{target}>; rel="next"'))
    with pytest.raises(Refused, match="next page is at"):
        pulled(opened(linking, paging="link"))


def test_no_records_are_a_batch_without_rows(web: WebOrigin) -> None:
    (batch,) = pulled(opened(web.on("/none", lambda _: document([]))))
    assert batch.rows.num_rows == 0 and batch.cursor is not None
    (batch,) = pulled(opened(web.on("/204", lambda _: Reply(b"", 204, {}))))
    assert batch.rows.num_rows == 0


def test_stop_ends_a_pull(web: WebOrigin) -> None:
    source = opened(web.on("/a", lambda _: Reply(pieces=itertools.repeat(b" " * 1000))))
    timer = threading.Timer(0.2, source.stop)
    timer.start()
    with pytest.raises(Unreachable, match="stopped before its end"):
        pulled(source)
    timer.join()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"address": "ftp://x/"}, "no http"),
        ({"address": "http://"}, "names no host"),
        ({"format": "xml"}, "one of json, jsonl, csv"),
        ({"paging": "next"}, "needs `next_path`"),
        ({"paging": "offset"}, "needs `page_size`"),
        ({"since_parameter": "s"}, "need each other"),
        ({"headers": {"X": "a\nb"}}, "."),
        ({"tries": 0}, "whole number from 1"),
        ({"method": "put"}, "get, post"),
        ({"body": {"a": 1}}, "a GET has none"),
        ({"method": "post", "body": 7}, "a table or a text"),
    ],
)
def test_wrong_settings_are_told(options: dict[str, Any], said: str) -> None:
    if "headers" in options:
        with pytest.raises(LandbridgeError):
            pulled(opened("http://127.0.0.1:9/", **options))
        return
    with pytest.raises(InvalidSettings, match=said):
        opened(options.pop("address", "http://127.0.0.1/"), **options)


@given(st.text(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_link_header_is_read(text: str) -> None:
    headers = httpx.Headers([(b"link", text.encode())])
    assert linked(headers) is None or ">" in text


BODIES = st.one_of(
    st.binary(max_size=300),
    st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
                 lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
                 max_leaves=20).map(lambda value: json.dumps(value).encode()),
)  # fmt: skip


@pytest.fixture(scope="module")
def fuzzed() -> Iterator[WebOrigin]:
    with web_origin() as origin:
        yield origin


@given(body=BODIES, kind=st.sampled_from(["json", "jsonl", "csv"]), paging=st.sampled_from(["none", "next", "links"]))
@settings(max_examples=150, deadline=None)
def test_whatever_is_answered_only_our_errors_come_out(fuzzed: WebOrigin, body: bytes, kind: str, paging: str) -> None:
    fuzzed.answering["/f"] = lambda _: Reply(body)
    try:
        pulled(opened(fuzzed.address + "/f", format=kind, paging=paging, next_path="a"))
    except LandbridgeError as error:
        assert str(error)
