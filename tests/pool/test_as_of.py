"""The pool as it was known then: after each of many changes a copy is kept, and what history tells of then is equal."""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from feeding import City, rivals
from landbridge.errors import InvalidQuery, LandbridgeError, TooMuch
from landbridge.governance.policy import Actor, Policy, Role
from landbridge.history import as_of
from landbridge.history.as_of import lines
from landbridge.history.drain import Drain
from landbridge.history.lake import Lake
from landbridge.model.answer import Document
from landbridge.model.claim import Claims
from landbridge.model.entity import PROVENANCE
from landbridge.model.instant import format_instant
from landbridge.model.query import Query
from landbridge.pool.alter import Fragment
from landbridge.pool.as_of import claims_at, commit_at, documents
from landbridge.pool.past_pool import PastPools
from landbridge.pool.pool import Pool
from landbridge.pool.then import OpenedPasts
from landbridge.store import erased

CLERK = Actor("clerk", Role.OPERATOR)
IDS = ("urn:x:1", "urn:x:2", "urn:x:3")
HOUR = 3_600_000_000
Step = tuple[Any, ...]


def plain(document: Document) -> dict[str, Any]:
    """A document as it is compared: who wrote each instance, and when, but no commit's number."""
    attrs = {
        name: [{**one, PROVENANCE: [one[PROVENANCE][0], *one[PROVENANCE][3:]]} for one in instances]
        for name, instances in document["attrs"].items()
    }
    return {
        "id": document["id"], "type": sorted(document["type"]), "scope": document.get("scope"),
        "expiresAt": document.get("expiresAt"), "attrs": attrs,
    }  # fmt: skip


def now(pool: Pool) -> list[dict[str, Any]]:
    page = pool.query(CLERK, Query(limit=100))
    return sorted((plain(one) for one in page.documents), key=lambda one: str(one["id"]))


def then(city: City, number: int, lake: Lake | None = None, claims: Claims | None = None) -> list[dict[str, Any]]:
    with city.store.reader() as connection:
        found = documents(lines(connection, lake, "", number), claims or claims_at(connection, number), "")
    return [plain(one) for one in found]


moments = some.none() | some.integers(0, 5).map(lambda hour: format_instant(hour * HOUR))
times = some.none() | some.integers(0, 5).map(lambda hour: datetime.fromtimestamp(hour * 3600, UTC))
values = some.integers(0, 9)
rows = some.builds(
    lambda id_, n, m, at, scope: {"id": id_, "type": "T"}
    | {name: value for name, value in (("n", n), ("m", m), ("observedAt", at), ("scope", scope)) if value is not None},
    some.sampled_from(IDS), values | some.none(), values | some.none(), times, some.sampled_from([None, None, "/a"]),
)  # fmt: skip
pulls = some.tuples(
    some.just("pull"), some.sampled_from("ab"),
    some.lists(rows.filter(lambda row: "n" in row or "m" in row), min_size=1, max_size=4),
    some.sampled_from(["keep", "keep", "end"]),
)  # fmt: skip
instances = some.builds(
    lambda value, at: {"type": "Property", "value": value} | ({} if at is None else {"observedAt": at}), values, moments
)
clients = some.one_of(
    some.tuples(some.just("create"), some.sampled_from(IDS), some.sampled_from(["T", "U"]), instances | some.none()),
    some.tuples(some.just("patch"), some.sampled_from(IDS), some.sampled_from(["n", "k"]), instances),
    some.tuples(some.just("patch"), some.sampled_from(IDS), some.just("n"), instances),
    some.tuples(some.just("take"), some.sampled_from(IDS), some.sampled_from(["n", "m", "k"])),
    some.tuples(some.just("delete"), some.sampled_from(IDS)),
    some.tuples(some.just("type"), some.sampled_from(IDS), some.sampled_from(["U", "V"])),
)


def perform(city: City, pool: Pool, step: Step) -> None:
    match step:
        case ("pull", source, given_rows, gone):
            city.pull(source, given_rows, gone=gone, gone_share=1.0)
        case ("create", id_, type_, instance):
            attrs = {} if instance is None else {"k": [instance]}
            pool.create(CLERK, {"id": id_, "type": [type_], "attrs": attrs})
        case ("patch", id_, name, instance):
            pool.patch(CLERK, id_, {name: [instance]})
        case ("take", id_, name):
            pool.delete_attribute(CLERK, id_, name)
        case ("delete", id_):
            pool.delete(CLERK, id_)
        case ("type", id_, type_):
            pool.append(CLERK, id_, Fragment({}, (type_,)))


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(some.lists(pulls | clients, min_size=1, max_size=12), some.booleans())
def test_what_was_known_then_is_what_the_pool_was_then(steps: list[Step], disputed: bool) -> None:
    city = City(claims=rivals("a", "b", attributes=["n"], rule="newest")) if disputed else City()
    pool = Pool(city.store, claims=city.claims)
    copies: list[tuple[int, list[dict[str, Any]]]] = []
    try:
        for step in steps:
            city.time += 1_000_000
            with suppress(LandbridgeError):
                perform(city, pool, step)
            copies.append((pool.version(), now(pool)))
        for number, copy in copies:
            assert then(city, number, claims=city.claims) == copy
    finally:
        city.close()


def test_lines_of_the_lake_and_of_the_store_make_one_state(tmp_path: Path) -> None:
    city = City(tmp_path / "pool.db")
    pool, lake = Pool(city.store), Lake(str(tmp_path / "lake"))
    row = {"id": IDS[0], "type": "T"}
    city.pull("a", [{**row, "n": 1, "observedAt": datetime(2020, 1, 1, tzinfo=UTC)}])
    pool.create(CLERK, {"id": IDS[1], "type": ["T"], "attrs": {}})
    first = pool.version(), now(pool)
    drain = Drain(city.store, lake)
    while drain.step().more:
        pass
    city.pull("a", [{**row, "n": 2, "observedAt": datetime(2020, 1, 2, tzinfo=UTC)}])
    pool.delete(CLERK, IDS[1])
    second = pool.version(), now(pool)
    for number, copy in (first, second):
        assert then(city, number, lake) == copy
    city.close()


def test_many_rows_at_once_are_known_as_they_came() -> None:
    city = City()
    pool = Pool(city.store)
    copies = []
    for turn in range(3):
        city.pull("a", [{"id": f"urn:x:{at:03}", "type": "T", "n": at + turn, "scope": "/a"} for at in range(200)])
        page = pool.query(CLERK, Query(limit=300))
        copies.append((pool.version(), sorted((plain(one) for one in page.documents), key=lambda one: str(one["id"]))))
    for number, copy in copies:
        assert then(city, number) == copy
    city.close()


def test_a_moment_finds_its_commit() -> None:
    city = City()
    for at in range(20):
        city.time += 1_000_000
        city.pull("a", [{"id": IDS[0], "type": "T", "n": at}])
    with city.store.reader() as connection:
        recorded = list(connection.execute("SELECT number, recorded FROM commits ORDER BY number"))
        for number, at in recorded:
            assert commit_at(connection, at) == number
            assert commit_at(connection, at + 500) >= number
        with pytest.raises(InvalidQuery):
            commit_at(connection, recorded[0][1] - 1)
    city.close()


def test_nothing_of_the_past_outlives_an_erasure(tmp_path: Path) -> None:
    city = City(tmp_path / "pool.db")
    city.pull("a", [{"id": IDS[0], "type": "T", "n": 1}])
    (folder := tmp_path / "past").mkdir()
    pasts = PastPools(city.store, None, folder)
    opened = OpenedPasts(pasts.path, Policy())
    moment = city.clock()
    assert opened("", moment).entity(CLERK, IDS[0])["id"] == IDS[0]
    assert opened("", moment) is opened("", moment)
    city.store.tend(erased.grow)
    pasts.look()
    opened.forget()
    assert list(folder.iterdir()) == []
    assert opened("", moment).entity(CLERK, IDS[0])["id"] == IDS[0]
    opened.forget()
    city.close()


def test_too_much_to_be_read_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    city = City()
    city.pull("a", [{"id": f"urn:x:{at}", "type": "T", "n": at} for at in range(20)])
    for bound in ("MOST", "MOST_READ"):
        with monkeypatch.context() as patched, pytest.raises(TooMuch, match="more than 10 lines"):
            patched.setattr(as_of, bound, 10)
            then(city, city.store.version())
    city.close()
