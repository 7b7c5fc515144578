"""Commits prepared while the one before is on its way: the same end, and a failure is told and loses nothing."""

from pathlib import Path
from typing import Any

import pytest

from feeding import City, delivery, rivals
from landbridge.errors import Damaged, InvalidMapping

MANY = 300  # rows: enough for the bulk road


def rows(number: int, count: int = MANY) -> list[dict[str, Any]]:
    return [{"id": f"urn:x:{at % 50:03}", "type": "T", "n": at + number * 1_000} for at in range(count)]


def test_what_is_handed_over_is_what_is_written(tmp_path: Path) -> None:
    written, handed = City(tmp_path / "a.db"), City(tmp_path / "b.db")
    run = written.open("a")
    waited = [run.write([delivery(rows(number), first=number * MANY)]) for number in range(4)]
    record = run.finish()
    run = handed.open("a")
    told = [run.hand_over([delivery(rows(number), first=number * MANY)]) for number in range(4)]
    assert told[0] is None
    assert [one.instances for one in told if one] == [one.instances for one in waited[:-1]]
    last = run.settle()
    assert last is not None and last.instances == waited[-1].instances
    assert run.settle() is None
    other = run.finish()
    assert (other.rows, other.mapped, other.entities, other.instances, other.conflicting) == (
        record.rows, record.mapped, record.entities, record.instances, record.conflicting,
    )  # fmt: skip
    assert handed.journal() == written.journal()
    assert handed.values("urn:x:001", "n") == written.values("urn:x:001", "n")
    assert handed.pull("a", [one for number in range(4) for one in rows(number)]).instances == 0  # all are known
    written.close()
    handed.close()


def test_the_end_of_a_run_waits_for_its_last_commit() -> None:
    city = City()
    run = city.open("a")
    run.hand_over([delivery(rows(0))])
    record = run.finish()
    assert (record.state, record.instances, record.entities) == ("done", MANY, 50)
    city.close()


def test_a_commit_that_fails_is_told_by_the_next_call_and_what_came_before_stays() -> None:
    city = City(claims=rivals("a", "b"))
    run = city.open("a")
    good, bad = rows(0), [{**one, "n.datasetId": "urn:d:2"} for one in rows(1)]
    run.hand_over([delivery(good)])
    run.hand_over([delivery(bad, first=MANY)])
    with pytest.raises(InvalidMapping, match=r"sets 'n.datasetId'"):
        run.hand_over([delivery(rows(2), first=2 * MANY)])
    record = run.finish(state="failed", reason="as told")
    assert (record.state, record.instances) == ("failed", MANY)
    assert len(city.journal()) == MANY
    assert city.pull("a", good).instances == 0
    city.close()


def test_a_failure_while_preparing_waits_for_what_is_under_way() -> None:
    city = City()
    run = city.open("a")
    run.hand_over([delivery(rows(0))])

    def broken(numbers: object) -> Any:
        raise Damaged("The spool cannot be read.")

    given = delivery(rows(1), first=MANY)
    assert given.raw is not None
    object.__setattr__(given.raw, "take", broken)
    with pytest.raises(Damaged, match="spool"):
        run.hand_over([given])
    assert run.settle() is None
    assert len(city.journal()) == MANY
    assert run.finish(state="failed", reason="as told").instances == MANY
    city.close()
