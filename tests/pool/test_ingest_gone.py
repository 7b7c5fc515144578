"""Rows gone: what a whole pull no longer has, under `gone = "keep"` and `gone = "end"`."""

from typing import Any

import pyarrow as pa
import pytest

from feeding import ACTOR, City, delivery, rivals
from landbridge.pool import ingest
from landbridge.pool.pool import Pool


def rows(*numbers: int, **more: Any) -> list[dict[str, Any]]:
    return [{"id": f"urn:x:{number}", "type": "T", "n": number, **more} for number in numbers]


@pytest.fixture(params=[-1, 256], ids=["columns", "rows"])
def road(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "FEW", request.param)


@pytest.mark.usefixtures("road")
def test_entities_go_with_their_last_instance_as_recorded_deletions() -> None:
    city = City()
    city.pull("a", rows(1, 2, 3), gone="end")
    city.pull("b", [{"id": "urn:x:3", "type": "T", "m": 1}])
    record = city.pull("a", rows(1), gone="end", gone_share=0.7)
    assert (record.state, record.gone) == ("done", 2)
    assert city.document("urn:x:2") is None
    assert (city.values("urn:x:3", "n"), city.values("urn:x:3", "m")) == ([], [(None, 1, None)])
    assert [line[1] for line in city.journal() if line[5] == "delete"] == ["@entity", "n", "n"]
    (kind,) = city.store.kinds("")
    assert kind.entities == 2
    city.close()


def test_what_went_may_come_back_as_it_was() -> None:
    city = City()
    for numbers in ((1, 2), (1,), (1, 2)):
        city.pull("a", rows(*numbers), gone="end")
    assert city.values("urn:x:2", "n") == [(None, 2, None)]
    city.close()


def test_kept_rows_stay() -> None:
    city = City()
    city.pull("a", rows(1, 2))
    assert city.pull("a", rows(1)).gone == 0
    assert city.document("urn:x:2") is not None
    city.close()


def test_too_large_a_drop_fails_the_run_and_withdraws_nothing() -> None:
    city = City()
    city.pull("a", rows(1, 2, 3, 4), gone="end")
    record = city.pull("a", rows(1), gone="end")
    assert (record.state, record.gone) == ("failed", 0)
    assert record.reason is not None
    assert record.reason.startswith("3 of the 4 entities of this source are gone from it, and 50% may be")
    assert city.document("urn:x:4") is not None
    again = city.pull("a", rows(1), gone="end", gone_share=0.9)  # the steward looked, and allows it
    assert (again.state, again.gone) == ("done", 3)
    city.close()


def test_a_run_that_breaks_an_expectation_withdraws_nothing() -> None:
    city = City()
    city.pull("a", rows(1, 2), gone="end")
    run = city.open("a", gone="end")
    run.write([delivery(rows(1))])
    record = run.finish(expectations=({"name": "few rows", "passed": 0, "failed": 1},))
    assert record.notes == ("Nothing that is gone is withdrawn: not all rows are as expected (few rows).",)
    assert city.document("urn:x:2") is not None
    city.close()


@pytest.mark.usefixtures("road")
def test_a_dataset_that_went_is_withdrawn_alone() -> None:
    city = City()

    def said(*datasets: str | None) -> list[dict[str, Any]]:
        return [{"id": "urn:x:1", "type": "T", "n": 1, "n.datasetId": dataset} for dataset in datasets]

    texts = {"n.datasetId": pa.string()}
    city.pull("a", said(None, "urn:d:2", "urn:d:3"), types=texts, gone="end")
    city.pull("a", said(None, "urn:d:3"), types=texts, gone="end")
    assert [one[0] for one in city.values("urn:x:1", "n")] == [None, "3"]
    city.close()


def test_a_claim_that_went_lets_the_rule_choose_anew() -> None:
    city = City(claims=rivals("a", "b"))
    city.pull("a", rows(1, 2), gone="end")
    city.pull("b", rows(1, 2))
    city.pull("a", rows(2), gone="end")
    assert city.values("urn:x:1", "n") == [(None, 1, None), ("b", 1, None)]
    city.close()


def test_a_clients_instance_keeps_the_entity() -> None:
    city = City()
    city.pull("a", rows(1, 2), gone="end")
    Pool(city.store).append(ACTOR, "urn:x:1", {"m": [{"type": "Property", "value": 5}]})
    city.pull("a", rows(2), gone="end")
    assert (city.values("urn:x:1", "n"), city.values("urn:x:1", "m")) == ([], [(None, 5, None)])
    city.close()
