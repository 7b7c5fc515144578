"""Erasing while pulls are under way, and what a run leaves out: by id, attribute and time, and by names of others."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeding import ACTOR, City, delivery, micro, when
from landbridge.api.ngsild.rendered import Rendered, forget
from landbridge.app.forgetting import Forgetting
from landbridge.errors import Failed
from landbridge.model.erasure import MARK, Subject
from landbridge.model.feed import RejectedRow
from landbridge.model.query import Has, Query
from landbridge.model.renderer import Rendering
from landbridge.model.terms import Contexts
from landbridge.pool import delivery as delivery_of
from landbridge.pool.delivery import Lane, Notice, Outcome
from landbridge.pool.erase import Eraser, Order
from landbridge.pool.erased import sketch
from landbridge.pool.left_out import sketches
from landbridge.pool.untold import tellable
from landbridge.store import shelf

GONE, OTHER = "urn:x:gone", "urn:x:other"
DAY = "2024-05-01T00:00:00Z"


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    made = City(tmp_path / "pool.db")
    yield made
    made.close()


def erase(city: City, **subject: Any) -> None:
    Eraser(city.store, city.claims, ACTOR).erase(Order(Subject("", **subject), "asked for", "maria"))


def rows(*ids: str, **more: Any) -> list[dict[str, Any]]:
    return [{"id": id_, "type": "T", "n": number, **more} for number, id_ in enumerate(ids)]


def test_a_whole_pull_ends_where_something_is_erased_meanwhile(city: City) -> None:
    run = city.open()
    run.write([delivery(rows(GONE, OTHER))])
    erase(city, entity=GONE)
    with pytest.raises(Failed, match="erased while"):
        run.write([delivery(rows(GONE, "urn:x:3"))])
    assert run.finish(state="failed", reason="as it said").state == "failed"
    assert city.document(GONE) is None and city.document("urn:x:3") is None
    assert city.pull("one", rows(GONE, OTHER)).erased == 1
    assert city.document(GONE) is None


def test_a_whole_pull_ends_also_where_its_commit_is_on_its_way(city: City) -> None:
    run = city.open()
    given = run.without_erased([delivery(rows(GONE))])
    prepared, sifted = run.sift(given)
    erase(city, entity=GONE)
    run.underway = run.commit(given, prepared, [], run.counts(given, sifted), None)
    with pytest.raises(Failed, match="erased while"):
        run.settle()
    assert city.document(GONE) is None


def test_a_stream_goes_on_without_it(city: City) -> None:
    run = city.open(manner="stream")
    run.write([delivery(rows(GONE, OTHER))], cursor={"at": 1})
    erase(city, entity=GONE)
    run.write([delivery([{**row, "n": 7} for row in rows(GONE, OTHER)])], cursor={"at": 2})
    assert city.document(GONE) is None
    assert city.values(OTHER, "n") == [(None, 7, None)]
    assert run.finish().erased == 1


@pytest.mark.parametrize("many", [1, 400])
def test_rows_and_cells_are_left_out_in_bulk_and_singly(city: City, many: int) -> None:
    others = [f"urn:x:{number}" for number in range(many)]
    erase(city, entity=GONE)
    erase(city, entity=OTHER, attribute="name")
    erase(city, entity="urn:x:timed", until=micro(DAY))
    early, late = when("2024-04-01T00:00:00Z"), when("2024-06-01T00:00:00Z")
    brought = [
        {**row, "name": f"name of {row['id']}", "to.object": GONE if row["id"] == OTHER else OTHER, "observedAt": at}
        for at in (early, late)
        for row in rows(*others, GONE, OTHER, "urn:x:timed")
    ]
    record = city.pull("one", brought)
    assert record.erased == 2 + 2 + 1  # the entity's rows, the attribute's cells, the early row
    assert city.document(GONE) is None
    assert city.values(OTHER, "name") == [] and len(city.values(OTHER, "n")) == 1
    document = city.document(OTHER)
    assert document is not None and document["attrs"]["to"][0]["object"].startswith(MARK)
    assert {row[3] for row in city.journal() if row[0] == "urn:x:timed"} == {micro("2024-06-01T00:00:00Z")}
    assert city.values("urn:x:0", "name") == [(None, "name of urn:x:0", "2024-06-01T00:00:00Z")]


def test_the_rows_behind_are_not_kept(city: City) -> None:
    erase(city, entity=GONE)
    both = [{**row, "to.object": GONE} for row in rows(OTHER)] + rows("urn:x:3", GONE)
    city.pull("one", both)
    with city.store.reader() as connection:
        assert [tuple(row) for row in connection.execute("SELECT first, last FROM raw")] == [(1, 1)]


def test_rejected_rows_that_name_it_are_left_out(city: City) -> None:
    city.pull("one", [{"id": "urn:x:17", "type": "T", "n": 1, "code": "17"}])
    city.pull("one", [{"id": f"urn:x:{n}", "type": "T", "n": 1, "code": str(n)} for n in (17, 18)])
    erase(city, entity="urn:x:17")
    run = city.open()
    rejects = tuple(RejectedRow(f"line {n}", "bad", {"code": str(n), "n": "x"}) for n in (17, 18, 19))
    run.write([delivery(rows(OTHER), rejects=rejects)])
    assert run.finish().erased == 1
    with city.store.reader() as connection:
        assert sorted(place for (place,) in connection.execute("SELECT place FROM reject")) == ["line 18", "line 19"]


def test_what_is_kept_in_memory_is_dropped(city: City) -> None:
    city.pull("one", rows(GONE, OTHER))
    rendered, how = Rendered(), Rendering(Contexts({}, []).own, "simplified", None)
    held = city.store.query(Query(tenant="", types=Has("T"))).held
    assert GONE.encode() in b"".join(rendered.entities(held, how))
    watching = Forgetting(city.store, [forget])
    assert not watching.look() and rendered.kept
    erase(city, entity=GONE)
    assert watching.look() and not rendered.kept and not city.store.idle
    assert not watching.look()


def test_a_notification_that_waits_in_memory_is_not_kept_again(city: City) -> None:
    lane = Lane("s", "", "urn:sub:1")
    city.store.write(lambda transaction: shelf.put(transaction, "s", "", "urn:sub:1", {}))
    erase(city, entity=GONE)
    alone, both = (orjson.dumps({"data": [{"id": id_, "type": "T"} for id_ in ids]}) for ids in ([GONE], [GONE, OTHER]))
    delivery_of.settle(
        city.store, Outcome(queued=[Notice(lane, rank, "urn:n", 1, body) for rank, body in enumerate((alone, both))])
    )
    (left,) = delivery_of.waiting(city.store, lane, -1, 10)
    assert [one["id"] for one in orjson.loads(left.body)["data"]] == [OTHER]
    assert tellable(city.store, "", alone) is None and tellable(city.store, "", b'{"data":[]}') == b'{"data":[]}'


@settings(max_examples=200)
@given(st.lists(st.none() | st.text(max_size=40), max_size=20), st.integers(0, 20), st.binary(min_size=32, max_size=32))
def test_a_columns_sketches_are_those_of_its_texts(texts: list[str | None], cut: int, key: bytes) -> None:
    column = pa.array(texts, pa.string()).slice(cut)
    assert sketches(key, column).tolist() == [sketch(key, text or "") for text in texts[cut:]]
