"""Erasure: what was forgotten is nowhere, what was not is as it was, and nothing of it comes back."""

from pathlib import Path

import pytest

from landbridge.app.erase import eraser_of
from landbridge.errors import Refused
from landbridge.model.erasure import MARK, Subject
from landbridge.pool.erase import Order
from remembering import CODE, ID, NAME, ODD, OPERATOR, OTHER, PRIZE, TOLD, fragment, make_city, opened, prop, remember
from seeking import traces

ORDER = Order(Subject("", entity=ID), "The keeper asked for it.", "maria")


def places(found: list[str]) -> set[str]:
    """The places of traces, without files' numbers."""
    return {" ".join(line.split(": ")[1].split()[:2]) for line in found}


@pytest.fixture(scope="module")
def remembered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_city(tmp_path_factory.mktemp("gardens") / "city")
    remember(folder)
    return folder


def test_every_kind_of_trace_is_there_before(remembered: Path) -> None:
    pool = remembered / ".landbridge"
    found = places(traces(pool, TOLD))
    tables = ("entity", "name", "journal", "segment", "raw", "reject", "outbox", "change", "delivery", "delivered",
              "shelf", "interest", "audit")  # fmt: skip
    assert {f"table {name}" for name in tables} <= found
    assert "column entity" in found and "bytes packed" in found


def test_nothing_is_left_and_the_rest_is_as_it_was(remembered: Path) -> None:
    pool = remembered / ".landbridge"
    with opened(remembered) as city:
        before = city.pool.entity(OPERATOR, OTHER)
        lines = len(city.pool.series(OPERATOR, OTHER, city.contexts.own.expand("prize")))
        assert lines
        seen = eraser_of(city).look(ORDER)
        certificate = eraser_of(city).erase(ORDER)
        assert seen.counts["entities"] == 2 and certificate.removed["entities"] == 2  # with the snapshot's
        assert {"source rows", "rejected rows", "lines of the journal", "lines of history's files"} <= {
            what for what, number in certificate.removed.items() if number
        }
        assert traces(pool, TOLD) == []
        assert city.pool.entity(OPERATOR, OTHER) == before
        assert lines == len(city.pool.series(OPERATOR, OTHER, city.contexts.own.expand("prize")))
    assert traces(pool, TOLD) == []
    assert traces(remembered / "sources", [CODE, NAME])  # the operator's own files are not touched


def test_others_keep_a_mark_in_its_place(remembered: Path) -> None:
    with opened(remembered) as city:
        visit = city.pool.entity(OPERATOR, "urn:ngsi-ld:Visit:7")
        (reference,) = visit["attrs"][city.contexts.own.expand("refGarden")]
        assert reference["object"].startswith(MARK)
        audited = [act.target + act.reason for act in city.pool.audited(OPERATOR)]
        assert any(text.startswith(MARK) and OTHER in text for text in audited)


def test_the_next_pulls_leave_it_out(remembered: Path) -> None:
    with opened(remembered) as city:
        for name, erased in (("register", 2), ("survey", 2), ("visits", 0)):
            record = city.pull(name, again=True)
            assert (record.state, record.erased) == ("done", erased), record
    rows = remembered / "sources" / "visits" / "rows.csv"
    rows.write_text(rows.read_text().replace(f"{CODE},7", f"{CODE},8"))
    with opened(remembered) as city:
        assert city.pull("visits").instances
        assert traces(remembered / ".landbridge", TOLD) == []


def test_a_client_cannot_bring_it_back(remembered: Path) -> None:
    with opened(remembered) as city:
        document = {"id": ID, "type": ["Garden"], "attrs": fragment(city, {"name": prop(NAME)})}
        with pytest.raises(Refused, match="was erased"):
            city.pool.create(OPERATOR, document)
        assert city.pool.audited(OPERATOR)[0].target.startswith(MARK)
    assert traces(remembered / ".landbridge", TOLD) == []


def test_the_search_for_traces_can_fail(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"x": "\\u00e4bc-4711"}')
    assert traces(tmp_path, ["äbc-4711"]) and not traces(tmp_path, ["abc-4711"])
    assert ODD and PRIZE
