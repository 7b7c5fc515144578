"""What is written to history alone: lines of the journal under the right keys, and nothing of what is now."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from landbridge.errors import Missing, Refused
from landbridge.governance.policy import Actor, Policy, Role, Rule, default_rules
from landbridge.model.chapter import Chapter, parse_temporal
from landbridge.model.entity import HISTORY
from landbridge.model.temporal import ENTITY, Moment
from landbridge.model.terms import Contexts
from landbridge.pool import chronicle
from landbridge.pool.pool import Pool
from landbridge.store import past
from landbridge.store.schema import KIND_BITS
from landbridge.store.sqlite import open_store

TERMS = Contexts().core
ALICE = Actor("alice", Role.OPERATOR, request="urn:r:1")
GUEST = Actor("guest", Role.PUBLIC)
T0, T1 = "2020-08-01T12:00:00Z", "2020-08-01T13:00:00Z"
SPEED = TERMS.expand("speed")
CAR: dict[str, Any] = {"id": "urn:c:1", "type": "Car", "speed": [{"type": "Property", "value": 1, "observedAt": T0}]}


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    policy = Policy(default_rules() | {Role.PUBLIC: Rule(read=True)})
    pool = Pool(open_store(tmp_path / "pool.db"), policy)
    yield pool
    pool.close()


def chapter(**changed: Any) -> Chapter:
    return parse_temporal(CAR | changed, TERMS)


def lines(pool: Pool) -> list[tuple[Any, ...]]:
    """Every row of the journal: attribute, dataset, owner, observed, operation, the value, what it replaces."""
    with pool.store.reader() as connection:
        rows = connection.execute(
            "SELECT attribute, dataset, owner, operation, instance, replaces_number, replaces_ordinal"
            " FROM journal ORDER BY number, ordinal"
        ).fetchall()
    return [
        (*row[:4], orjson.loads(row[4]) if row[4] else None, tuple(row[5:]) if row[5] is not None else None)
        for row in rows
    ]


def keys(pool: Pool, id_: str = "urn:c:1", tenant: str = "") -> past.Keys:
    with pool.store.reader() as connection:
        return past.keys(connection, tenant, id_)


def moment(pool: Pool, **changed: Any) -> Moment:
    """The first line of the journal as it is read."""
    with pool.store.reader() as connection:
        number, ordinal, recorded = connection.execute(
            "SELECT number, ordinal, recorded FROM journal JOIN commits USING (number) ORDER BY number, ordinal"
        ).fetchone()
    found = Moment(0, 0, recorded, number, ordinal, HISTORY, None, {"type": "Property", "value": 1})
    return found._replace(**changed)


def test_an_evolution_begins_without_an_entity(pool: Pool) -> None:
    done = pool.write_evolution(ALICE, chapter())
    assert done.made and keys(pool).known and keys(pool).current is None
    assert lines(pool) == [(SPEED, None, HISTORY, "set", {"type": "Property", "value": 1, "observedAt": T0}, None)]
    with pytest.raises(Missing):
        pool.entity(ALICE, "urn:c:1")
    assert pool.types(ALICE) == [] and pool.has_tenant("")
    with pool.store.reader() as connection:
        assert connection.execute("SELECT count(*) FROM entity").get == 0
        assert connection.execute("SELECT entities FROM kind").get == 0
        assert connection.execute("SELECT count(*) FROM outbox").get == 0


def test_it_goes_on_under_its_key_and_gains_types(pool: Pool) -> None:
    pool.write_evolution(ALICE, chapter())
    assert not pool.write_evolution(ALICE, chapter(type=["Car", "Taxi"])).made
    pool.extend_evolution(ALICE, chapter())
    (former,) = keys(pool).former
    assert former.types == (TERMS.expand("Car"), TERMS.expand("Taxi")) and former.ended is None
    assert [line[3] for line in lines(pool)] == ["set", "describe", "set", "set"]


def test_what_is_now_is_not_changed(pool: Pool) -> None:
    document = {"id": "urn:c:1", "type": [TERMS.expand("Car")], "attrs": {SPEED: [{"type": "Property", "value": 9}]}}
    pool.create(ALICE, document)
    before = pool.entity(ALICE, "urn:c:1")
    assert not pool.write_evolution(ALICE, chapter()).made
    pool.delete_evolution(ALICE, "urn:c:1")
    assert pool.entity(ALICE, "urn:c:1") == before
    assert {key >> KIND_BITS for key in keys(pool).all} == {1}


def test_an_entity_that_is_made_later_has_a_key_of_its_own(pool: Pool) -> None:
    pool.write_evolution(ALICE, chapter())
    pool.create(ALICE, {"id": "urn:c:1", "type": [TERMS.expand("Car")], "attrs": {}})
    found = keys(pool)
    assert found.current is not None and len(found.all) == 2 and found.newest == found.current


def test_a_deletion_of_the_past_is_a_line_too(pool: Pool) -> None:
    gone = [{"type": "Property", "value": "urn:ngsi-ld:null", "observedAt": T1, "datasetId": "urn:d:1"}]
    pool.write_evolution(ALICE, chapter(speed=gone))
    assert lines(pool) == [(SPEED, "urn:d:1", HISTORY, "delete", None, None)]


def test_scopes_are_described_at_their_times(pool: Pool) -> None:
    scopes = [
        {"type": "Property", "value": "/A", "observedAt": T0},
        {"type": "Property", "value": [], "observedAt": T1},
    ]
    pool.write_evolution(ALICE, chapter(scope=scopes))
    car = [TERMS.expand("Car")]
    told = [(line[3], line[4]) for line in lines(pool) if line[0] == ENTITY]
    assert told == [("describe", {"type": car, "scope": ["/A"]}), ("describe", {"type": car})]


def test_a_change_keeps_the_name_and_the_creation(pool: Pool) -> None:
    pool.write_evolution(ALICE, chapter())
    first = moment(pool)
    new = {"type": "Property", "value": 2, "observedAt": T1}
    chronicle.change(pool.store, ALICE, "", "urn:c:1", SPEED, first, new)
    *_, (attribute, _, owner, operation, instance, replaces) = lines(pool)
    assert (attribute, owner, operation, replaces) == (SPEED, HISTORY, "set", (first.number, first.ordinal))
    assert instance["value"] == 2 and instance["instanceId"] == first.name
    again = moment(pool, number=first.number + 1, ordinal=0, instance=instance, recorded=first.recorded + 5)
    assert again.name == first.name and again.created == first.recorded


def test_an_instance_is_retracted_where_its_line_lies(pool: Pool) -> None:
    pool.write_evolution(ALICE, chapter())
    pool.create(ALICE, {"id": "urn:c:1", "type": [TERMS.expand("Taxi")], "attrs": {}})
    first = moment(pool)
    chronicle.retract(pool.store, ALICE, "", "urn:c:1", SPEED, first)
    with pool.store.reader() as connection:
        rows = connection.execute("SELECT DISTINCT key FROM journal WHERE attribute=?", (SPEED,)).fetchall()
    assert len(rows) == 1, "the line that takes it away is of the same type's table"
    unknown = moment(pool, number=first.number + 99)
    chronicle.retract(pool.store, ALICE, "", "urn:c:1", SPEED, unknown)
    with pool.store.reader() as connection:
        kinds = {
            key >> KIND_BITS
            for (key,) in connection.execute("SELECT key FROM journal WHERE replaces_number=?", (unknown.number,))
        }
    assert len(kinds) == 2, "a line that only the lake has may be of any type that the entity had"


def test_a_cleared_evolution_is_gone_until_it_begins_anew(pool: Pool) -> None:
    pool.write_evolution(ALICE, chapter())
    pool.delete_evolution(ALICE, "urn:c:1")
    assert not keys(pool).known and lines(pool)[-1][:4] == (ENTITY, None, HISTORY, "clear")
    for write in (pool.delete_evolution, lambda actor, id_: pool.extend_evolution(actor, chapter())):
        with pytest.raises(Missing):
            write(ALICE, "urn:c:1")
    assert pool.write_evolution(ALICE, chapter(type="Taxi")).made
    (former,) = keys(pool).former
    assert former.types == (TERMS.expand("Taxi"),)


def test_every_key_of_an_id_is_cleared(pool: Pool) -> None:
    pool.create(ALICE, {"id": "urn:c:1", "type": [TERMS.expand("Car")], "attrs": {}})
    pool.delete(ALICE, "urn:c:1")
    pool.create(ALICE, {"id": "urn:c:1", "type": [TERMS.expand("Taxi")], "attrs": {}})
    pool.delete_evolution(ALICE, "urn:c:1")
    cleared = [line for line in lines(pool) if line[3] == "clear"]
    assert len(cleared) == 2


def test_the_past_of_a_deleted_entity_is_an_evolution(pool: Pool) -> None:
    pool.create(ALICE, {"id": "urn:c:1", "type": [TERMS.expand("Car")], "attrs": {}})
    pool.delete(ALICE, "urn:c:1")
    assert not pool.write_evolution(ALICE, chapter()).made
    assert len(keys(pool).all) == 1


def test_tenants_are_apart(pool: Pool) -> None:
    pool.write_evolution(ALICE, chapter(), tenant="one")
    assert keys(pool, tenant="one").known and not keys(pool).known
    with pytest.raises(Missing):
        pool.delete_evolution(ALICE, "urn:c:1")


def test_who_may_not_write_is_on_record(pool: Pool) -> None:
    steward = Actor("carol", Role.READER)
    for write in (
        lambda: pool.write_evolution(steward, chapter()),
        lambda: pool.extend_evolution(steward, chapter()),
        lambda: pool.delete_evolution(steward, "urn:c:1"),
        lambda: pool.delete_series(steward, "urn:c:1", SPEED, None),
        lambda: pool.delete_instance(steward, "urn:c:1", SPEED, (1, 0)),
        lambda: pool.change_instance(steward, "urn:c:1", SPEED, (1, 0), {"type": "Property", "value": 1}),
    ):
        with pytest.raises(Refused):
            write()
    denied = [act for act in pool.audited(ALICE) if act.outcome == "denied"]
    assert len(denied) == 6 and {act.target for act in denied} == {"urn:c:1"}
    assert lines(pool) == []


def test_one_commit_with_its_actor(pool: Pool) -> None:
    before = pool.version()
    done = pool.write_evolution(ALICE, chapter(speed=[{"value": n, "observedAt": T0} for n in range(50)]))
    assert done.commit == pool.version() == before + 1
    with pool.store.reader() as connection:
        commit = connection.execute("SELECT actor, request FROM commits WHERE number=?", (done.commit,)).fetchone()
    assert commit == ("alice", "urn:r:1")
