"""Contexts that are kept: hosted and implicit ones by tenant, copies of others within bounds, and what is none."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from landbridge.errors import InvalidEntity, Missing, Refused, TooMuch, Unreachable
from landbridge.governance.egress import Egress
from landbridge.governance.policy import Actor, Role
from landbridge.model.address import read_allowed
from landbridge.model.core_context import CORE_URL
from landbridge.model.terms import HOSTED
from landbridge.pool import context
from landbridge.pool.context import KeptContexts, hosted_id
from landbridge.pool.context_fetch import LARGEST, ContextFetch
from landbridge.pool.pool import Pool
from landbridge.store.sqlite import open_store, wall_clock
from receiver import Receiver, receiving

STEWARD, READER = Actor("her", Role.STEWARD), Actor("him", Role.READER)
ADDRESS = "https://contexts.example/a.jsonld"


class Elsewhere:
    """What is at addresses elsewhere, and how often it was asked for."""

    def __init__(self) -> None:
        self.there: dict[str, Any] = {ADDRESS: {"a": "https://a.example/a"}}
        self.asked: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, address: str) -> Any:
        self.asked.append(address)
        self.gate.wait(10)
        if address not in self.there:
            raise Unreachable("It is not there.", where=address)
        return self.there[address]


class City:
    def __init__(self, folder: Path) -> None:
        self.late = 0
        self.pool = Pool(open_store(folder / "pool.db", lambda: wall_clock() + self.late))
        self.elsewhere = Elsewhere()
        self.kept = KeptContexts(self.pool, self.elsewhere, "https://city.example")
        self.changes = 0
        self.kept.changed = self.note

    def note(self) -> None:
        self.changes += 1


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    found = City(tmp_path)
    yield found
    found.pool.close()


def kinds(city: City, tenant: str = "") -> dict[str, str]:
    return {one.url or one.id: one.kind for one in city.kept.listed(READER, tenant)}


def test_a_hosted_context_is_its_tenants(city: City) -> None:
    id_ = city.kept.add(STEWARD, "one", {"a": "https://a.example/a"})
    assert city.kept.find(f"https://city.example{HOSTED}{id_}", "one") == {"a": "https://a.example/a"}
    assert city.kept.find(HOSTED + id_, "one") == {"a": "https://a.example/a"}
    assert kinds(city, "one") == {id_: "Hosted", CORE_URL: "Cached"}
    assert kinds(city) == {CORE_URL: "Cached"}
    with pytest.raises(Missing):
        city.kept.one(READER, "", id_)
    with pytest.raises(Missing):
        city.kept.delete(STEWARD, "two", id_)
    with pytest.raises(Refused):
        city.kept.add(READER, "one", {})
    city.kept.delete(STEWARD, "one", id_)
    assert city.changes == 1
    with pytest.raises(Missing):
        city.kept.one(READER, "one", id_)


def test_inline_contexts_have_one_address_each(city: City) -> None:
    inline = [ADDRESS, {"b": "https://b.example/b"}]
    address = city.kept.name(inline, "one")
    assert address.startswith(f"https://city.example{HOSTED}")
    assert city.kept.name(inline, "one") == address != city.kept.name(inline, "two")
    assert city.kept.find(address, "one") == inline
    assert list(kinds(city, "one").values()) == ["ImplicitlyCreated", "Cached"]
    with pytest.raises(InvalidEntity, match="no copy"):
        city.kept.reload(STEWARD, "one", hosted_id(address) or "")


def test_inline_contexts_are_bounded(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "MOST_IMPLICIT", 2)
    first = city.kept.name([{"a": "https://a.example/1"}], "")
    city.kept.name([{"a": "https://a.example/2"}], "")
    with pytest.raises(TooMuch, match="Host it"):
        city.kept.name([{"a": "https://a.example/3"}], "")
    assert city.kept.name([{"a": "https://a.example/1"}], "") == first
    with pytest.raises(TooMuch):
        city.kept.name([{"a": "https://a.example/" + "x" * context.LARGEST_IMPLICIT}], "other")


def test_a_context_elsewhere_is_fetched_once_and_serves_all(city: City) -> None:
    for tenant in ("one", "two", ""):
        assert city.kept.find(ADDRESS, tenant) == {"a": "https://a.example/a"}
    assert city.elsewhere.asked == [ADDRESS]
    record, document = city.kept.one(READER, "two", ADDRESS)
    assert (record.kind, record.url, document) == ("Cached", ADDRESS, {"@context": {"a": "https://a.example/a"}})
    assert city.kept.one(READER, "", record.id)[0].url == ADDRESS
    city.kept.delete(STEWARD, "", ADDRESS)
    with pytest.raises(Missing):
        city.kept.one(READER, "", ADDRESS)


def test_many_who_wait_for_a_context_ask_for_it_once(city: City) -> None:
    city.elsewhere.gate.clear()
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(city.kept.find(ADDRESS, ""))) for _ in range(8)]
    for thread in threads:
        thread.start()
    city.elsewhere.gate.set()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and city.elsewhere.asked == [ADDRESS]
    assert city.kept.fetching == {}


def test_a_copy_is_fetched_anew_after_a_day_and_stays_where_that_fails(city: City) -> None:
    city.kept.find(ADDRESS, "")
    city.elsewhere.there[ADDRESS] = {"a": "https://b.example/a"}
    city.late = context.FRESH
    assert city.kept.find(ADDRESS, "") == {"a": "https://b.example/a"}
    city.elsewhere.there.clear()
    city.late = 3 * context.FRESH
    assert city.kept.find(ADDRESS, "") == {"a": "https://b.example/a"}
    assert len(city.elsewhere.asked) == 3


def test_a_reload_that_fails_leaves_the_copy(city: City) -> None:
    city.kept.find(ADDRESS, "")
    kept = city.elsewhere.there.pop(ADDRESS)
    with pytest.raises(Unreachable):
        city.kept.reload(STEWARD, "", ADDRESS)
    assert city.kept.find(ADDRESS, "") == kept
    city.elsewhere.there[ADDRESS] = {}
    city.kept.reload(STEWARD, "", ADDRESS)
    assert city.kept.find(ADDRESS, "") == {} and city.changes == 1
    with pytest.raises(InvalidEntity):
        city.kept.reload(STEWARD, "", "https://never.example/")


def test_copies_are_bounded(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "MOST_CACHED", 3)
    addresses = [f"https://contexts.example/{number}" for number in range(5)]
    for address in addresses:
        city.elsewhere.there[address] = {}
        city.kept.find(address, "")
    assert set(kinds(city)) == {*addresses[2:], CORE_URL}


def test_a_slow_failure_is_not_asked_for_again_at_once(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "SLOW_SECONDS", -1.0)
    for _ in range(3):
        with pytest.raises(Unreachable):
            city.kept.find("https://gone.example/", "")
    assert city.elsewhere.asked == ["https://gone.example/"]
    assert city.kept.fetching == {}


def test_a_slow_server_of_contexts_stops_only_so_many(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "PATIENCE", 0.0)
    city.elsewhere.gate.clear()
    slow = [
        threading.Thread(target=city.kept.find, args=(f"{ADDRESS}?{n}", "")) for n in range(1, context.FETCHING + 1)
    ]
    city.elsewhere.there |= {f"{ADDRESS}?{n}": {} for n in range(1, context.FETCHING + 1)}
    for thread in slow:
        thread.start()
    while len(city.elsewhere.asked) < context.FETCHING:
        time.sleep(0.01)
    with pytest.raises(Unreachable, match="Many contexts"):
        city.kept.find(ADDRESS, "")
    city.elsewhere.gate.set()
    for thread in slow:
        thread.join()
    assert city.kept.find(ADDRESS, "") == {"a": "https://a.example/a"}


def test_the_core_is_always_there(city: City) -> None:
    assert city.kept.one(READER, "", CORE_URL)[0].kind == "Cached"
    with pytest.raises(InvalidEntity, match="always there"):
        city.kept.delete(STEWARD, "", CORE_URL)
    city.kept.reload(STEWARD, "", CORE_URL)


@pytest.mark.parametrize("address", ["a.jsonld", "file:///etc/passwd", "urn:a:b", "", "/elsewhere"])
def test_a_context_is_named_by_its_whole_address(address: str, city: City) -> None:
    with pytest.raises(InvalidEntity, match="whole address"):
        city.kept.find(address, "")


def test_uses_are_counted(city: City) -> None:
    id_ = city.kept.add(STEWARD, "", {})
    assert city.kept.one(READER, "", id_)[0].hits == 0  # before it was looked at
    city.kept.used([f"https://city.example{HOSTED}{id_}", ADDRESS], "")
    record = city.kept.one(READER, "", id_)[0]
    assert record.hits == 2 and record.used is not None


# -- fetching


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as state:
        yield state


@pytest.fixture
def fetch() -> Iterator[ContextFetch]:
    egress = Egress(read_allowed(["127.0.0.1"]))
    yield ContextFetch(egress)
    egress.close()


def test_a_page_that_names_its_context_leads_there(receiver: Receiver, fetch: ContextFetch) -> None:
    link = '</other>; rel="next", </docs/context.jsonld>; rel="alternate"; type="application/ld+json"'
    receiver.answers["/"] = (200, {"Content-Type": "text/html", "Link": link}, b"<html>")
    receiver.answers["/docs/context.jsonld"] = (200, {}, b'\xef\xbb\xbf{"@context":{"a":"https://a/a"}}')
    assert fetch(receiver.url("/")) == {"a": "https://a/a"}
    assert receiver.asked[0][2]["Accept"].startswith("application/ld+json")
    receiver.answers["/"] = (200, {"Content-Type": "application/json", "Link": link}, b'{"@context":{}}')
    assert fetch(receiver.url("/")) == {}


@pytest.mark.parametrize("body", [b"no json", b'{"note": 1}', b"[]", b'"text"', b"<html>", b"", b"[" * 100_000])
def test_what_is_there_and_no_context_is_invalid(body: bytes, receiver: Receiver, fetch: ContextFetch) -> None:
    receiver.answers["/"] = (200, {}, body)
    with pytest.raises(InvalidEntity, match="address of the @context"):
        fetch(receiver.url("/"))


def test_what_is_not_there_cannot_be_had(receiver: Receiver, fetch: ContextFetch) -> None:
    receiver.answers["/"] = (404, {}, b"{}")
    receiver.answers["/large"] = (200, {}, b"[" + b" " * LARGEST + b"]")
    with pytest.raises(Unreachable, match="answers 404"):
        fetch(receiver.url("/"))
    with pytest.raises(Unreachable, match="larger than"):
        fetch(receiver.url("/large"))
    with pytest.raises(Unreachable, match=r"private.*--allow-egress"):
        ContextFetch(Egress())(receiver.url("/"))
    with pytest.raises(Unreachable, match="nothing is fetched"):
        ContextFetch()(receiver.url("/"))


def test_a_mapped_file_stands_over_its_address(tmp_path: Path, receiver: Receiver) -> None:
    file = tmp_path / "a.jsonld"
    file.write_text(json.dumps({"@context": {"a": "https://a/a"}}))
    fetch = ContextFetch(None, {receiver.url("/"): file})
    assert fetch(receiver.url("/")) == {"a": "https://a/a"}
    assert receiver.asked == []
    file.unlink()
    with pytest.raises(Unreachable, match="its file cannot be read"):
        fetch(receiver.url("/"))
