"""Files at an address: unchanged ones are not read again, redirects lead nowhere private, bounds hold."""

import itertools
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from landbridge.errors import Invalid, LandbridgeError, Refused, TooMuch, Unreachable
from landbridge.sources.contract import Batch, Cursor, Declaration
from landbridge.sources.csv import open_source
from web_origin import Reply, Request, WebOrigin, web_origin

CSV = {"Content-Type": "text/csv"}


@pytest.fixture
def web() -> Iterator[WebOrigin]:
    with web_origin() as origin:
        yield origin


def read(location: str | list[str], cursor: Cursor | None = None, **options: Any) -> list[Batch]:
    given = {"location": location, "stall_seconds": 2, **options}
    return list(open_source(Declaration("files", "csv", Path(), given)).batches(cursor))


def rows(batches: list[Batch]) -> list[dict[str, Any]]:
    return [row for batch in batches for row in batch.rows.to_pylist()]


def test_an_unchanged_file_is_not_read_again(web: WebOrigin) -> None:
    def answer(request: Request) -> Reply:
        if request.headers.get("if-none-match") == '"1"':
            return Reply(status=304, headers={})
        return Reply(b"a\n1\n", headers=CSV | {"ETag": '"1"'})

    address, other = web.on("/a.csv", answer), web.on("/b.csv", lambda _: Reply(b"a\n2\n", headers=CSV))
    batches = read(address)
    assert rows(batches) == [{"a": "1"}] and batches[0].origin == "a.csv"
    assert read(address, batches[-1].cursor) == []
    both = read([address, other])
    web.on("/b.csv", lambda _: Reply(b"a\n22\n", headers=CSV))
    assert rows(read([address, other], both[-1].cursor)) == [{"a": "1"}, {"a": "22"}]  # a whole pull needs both


def test_a_redirect_is_followed_at_the_declared_host_and_to_nothing_private(web: WebOrigin) -> None:
    web.on("/there.csv", lambda _: Reply(b"a\n1\n", headers=CSV))
    assert rows(read(web.on("/here.csv", lambda _: Reply(status=301, headers={"Location": "/there.csv"})))) == [
        {"a": "1"}
    ]
    with web_origin() as inner:
        away = web.on("/away.csv", lambda _: Reply(status=302, headers={"Location": inner.address + "/x"}))
        with pytest.raises(Refused, match="loopback or private"):
            read(away)
        assert inner.seen == []
    bad = web.on("/bad.csv", lambda _: Reply(status=302, headers={"Location": "http://[nowhere"}))
    with pytest.raises(LandbridgeError):
        read(bad)


def test_bounds_of_a_download(web: WebOrigin) -> None:
    flood = web.on("/flood.csv", lambda _: Reply(headers=CSV, pieces=itertools.repeat(b"1\n" * 10_000)))
    with pytest.raises(TooMuch, match="larger than 2 MB"):
        read(flood, max_megabytes=2)
    going = threading.Event()

    def stalled() -> Iterator[bytes]:
        yield b"a\n1\n"
        going.wait(10)

    with pytest.raises(Unreachable, match="says nothing for"):
        read(web.on("/stall.csv", lambda _: Reply(headers=CSV, pieces=stalled())), stall_seconds=0.3)
    going.set()
    page = web.on("/page.csv", lambda _: Reply(b"<!doctype html><p>Log in", headers=CSV))
    with pytest.raises(Unreachable, match="answers 200 with a web page"):
        read(page)
    with pytest.raises(Unreachable, match="answers 404"):
        read(web.address + "/none.csv")


def test_places_that_are_none() -> None:
    with pytest.raises(Invalid, match="begins with 'ftp://'"):
        read("ftp://x/y.csv")
    with pytest.raises(LandbridgeError):
        read("http://[nowhere/x.csv")
