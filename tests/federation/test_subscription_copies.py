"""Subscriptions at other brokers: copied, changed and deleted there, and what they notify told here (NGSI-LD 5.8)."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from landbridge.pool import delivery
from landbridge.pool.delivery import Lane
from made_brokers import Broker, brokers, lamp

ID = "urn:ngsi-ld:Subscription:mine"
PATIENCE = 20.0
BASE: dict[str, Any] = {
    "id": ID,
    "type": "Subscription",
    "entities": [{"type": "Lamp"}, {"type": "Pole"}],
    "q": "power>2",
    "notification": {"endpoint": {"uri": "https://receiver.example/told"}},
}


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Broker, Broker]]:
    with brokers(tmp_path, 2) as (one, other):
        yield one, other


def soon(look: Callable[[], Any], expected: Any) -> None:
    """What is looked at becomes as expected, before patience ends."""
    until = time.monotonic() + PATIENCE
    while (found := look()) != expected and time.monotonic() < until:
        time.sleep(0.01)
    assert found == expected


def copies(broker: Broker) -> list[dict[str, Any]]:
    return list(broker.get("/subscriptions").json())


def subscribe(broker: Broker, **members: Any) -> None:
    body = {name: one for name, one in {**BASE, **members}.items() if one is not None}
    answer = broker.client.post("/subscriptions", json=body)
    assert answer.status_code == 201, answer.text


def notify(here: Broker, id_: str, *entities: dict[str, Any]) -> int:
    address = f"{here.address}/ngsi-ld/ex/remote-notify"
    body = {"id": "urn:x:n", "type": "Notification", "subscriptionId": id_, "data": list(entities)}
    return here.client.post(address, json=body).status_code


def told(here: Broker) -> list[list[dict[str, Any]]]:
    waiting = delivery.waiting(here.pool.store, Lane("subscription", "", ID), -1, 100)
    return [orjson.loads(one.body)["data"] for one in waiting]


def test_a_copy_is_reduced_to_what_the_source_offers_and_follows_the_subscription(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    here.register(there.address)
    subscribe(here)
    soon(lambda: len(copies(there)), 1)
    (copy,) = copies(there)
    assert copy["entities"] == [{"type": "Lamp"}] and copy["q"] == "power>2"
    assert copy["notification"]["endpoint"]["uri"] == f"{here.address}/ngsi-ld/ex/remote-notify"
    (watch,) = here.get("/csourceSubscriptions").json()
    assert watch["entities"] == [{"type": "Lamp"}]
    assert here.client.patch(f"/subscriptions/{ID}", json={"q": "power>3"}).status_code == 204
    soon(lambda: [one["q"] for one in copies(there)], ["power>3"])
    assert here.client.delete(f"/subscriptions/{ID}").status_code == 204
    soon(lambda: copies(there), [])
    assert here.get("/csourceSubscriptions").json() == []


def test_copies_come_and_go_with_registrations(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    subscribe(here)
    assert copies(there) == []
    id_ = here.register(there.address)
    soon(lambda: len(copies(there)), 1)
    assert here.client.delete(f"/csourceRegistrations/{id_}").status_code == 204
    soon(lambda: copies(there), [])


def test_nothing_is_copied_that_is_for_here_alone_or_is_a_copy_itself(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    here.register(there.address)
    there.register(here.address)
    subscribe(here, localOnly=True)
    subscribe(here, id="urn:ngsi-ld:Subscription:other")
    soon(lambda: len(copies(there)), 1)
    assert len(copies(here)) == 2


def test_what_a_copy_notifies_is_told_under_the_subscribers_own(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    here.register(there.address)
    subscribe(here)
    soon(lambda: len(copies(there)), 1)
    id_ = copies(there)[0]["id"]
    assert notify(here, id_, lamp(1, power={"type": "Property", "value": 9}), {"id": "urn:x:1", "type": "Car"}) == 200
    assert told(here) == [[lamp(1, power={"type": "Property", "value": 9})]]
    assert notify(here, "urn:ngsi-ld:Subscription:distsub-guessed", lamp(1, power=9)) == 404
    assert here.client.patch(f"/subscriptions/{ID}", json={"isActive": False}).status_code == 204
    assert notify(here, id_, lamp(1, power=9)) == 200
    assert len(told(here)) == 1


def test_parts_are_put_together_before_they_are_judged(pair: tuple[Broker, Broker]) -> None:
    here, there = pair
    here.register(there.address)
    subscribe(here, splitEntities=True, q='power>50;colour=="red"')
    soon(lambda: len(copies(there)), 1)
    assert "q" not in copies(there)[0]
    id_ = copies(there)[0]["id"]
    here.make(lamp(1, colour="red"), lamp(2, colour="blue"))
    for number, power in ((1, 99), (1, 10), (2, 99)):
        assert notify(here, id_, lamp(number, power={"type": "Property", "value": power})) == 200
    ((one,),) = told(here)
    assert (one["id"], one["power"]["value"], one["colour"]["value"]) == (lamp(1)["id"], 99, "red")


def test_an_id_stands_over_a_pattern_also_of_what_a_copy_notifies(pair: tuple[Broker, Broker]) -> None:
    """NGSI-LD 5.2.33."""
    here, there = pair
    here.register(there.address)
    subscribe(here, entities=[{"type": "Lamp", "id": lamp(1)["id"], "idPattern": "2$"}], q=None)
    soon(lambda: len(copies(there)), 1)
    (copy,) = copies(there)
    assert notify(here, copy["id"], lamp(2, power=1)) == 200
    assert notify(here, copy["id"], lamp(1, power=1)) == 200
    assert [[one["id"] for one in data] for data in told(here)] == [[lamp(1)["id"]]]
