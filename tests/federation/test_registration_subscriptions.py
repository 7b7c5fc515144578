"""Being told of registrations: in the commit that changes them, in order, only what concerns (NGSI-LD 5.11)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from landbridge.api.ngsild.routes import open_herald
from landbridge.federation.herald import SHELF
from landbridge.federation.reach import Reach
from landbridge.model.terms import Contexts
from landbridge.pool import delivery
from landbridge.pool.delivery import Lane
from made_api import ROOT, Api

SUBSCRIPTIONS, REGISTRATIONS = f"{ROOT}/csourceSubscriptions", f"{ROOT}/csourceRegistrations"
ID, OTHER = "urn:ngsi-ld:Subscription:1", "urn:ngsi-ld:ContextSourceRegistration:1"
BASE: dict[str, Any] = {
    "id": ID,
    "type": "Subscription",
    "entities": [{"type": "Lamp"}],
    "notification": {"endpoint": {"uri": "https://receiver.example/told"}},
}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    made = Api(tmp_path)
    yield made
    made.close()


def subscribe(api: Api, **members: Any) -> None:
    body = {name: value for name, value in {**BASE, **members}.items() if value is not None}
    answer = api.post(SUBSCRIPTIONS, body)
    assert answer.status_code == 201, answer.text


def register(api: Api, *types: str, **members: Any) -> None:
    information = [{"entities": [{"type": type_}]} for type_ in types]
    body = {"id": OTHER, "type": "ContextSourceRegistration", "information": information,
            "endpoint": "https://source.example", **members}  # fmt: skip
    answer = api.post(REGISTRATIONS, body)
    assert answer.status_code == 201, answer.text


def told(api: Api) -> list[tuple[str, list[str]]]:
    """What waits for the subscriber: each reason, and the registrations."""
    waiting = delivery.waiting(api.pool.store, Lane(SHELF, "", ID), -1, 100)
    bodies = [orjson.loads(one.body) for one in waiting]
    assert all(one["type"] == "ContextSourceNotification" and one["subscriptionId"] == ID for one in bodies)
    return [(one["triggerReason"], [each["id"] for each in one["data"]]) for one in bodies]


def test_a_registration_is_told_from_its_first_to_its_last(api: Api) -> None:
    subscribe(api)
    assert told(api) == []
    register(api, "Lamp")
    assert api.patch(f"{REGISTRATIONS}/{OTHER}", {"description": "new"}).status_code == 204
    pole = {"information": [{"entities": [{"type": "Pole"}]}]}
    assert api.patch(f"{REGISTRATIONS}/{OTHER}", pole).status_code == 204
    assert api.patch(f"{REGISTRATIONS}/{OTHER}", {"description": "newer"}).status_code == 204
    lamp = {"information": [{"entities": [{"type": "Lamp"}]}]}
    assert api.patch(f"{REGISTRATIONS}/{OTHER}", lamp).status_code == 204
    assert api.delete(f"{REGISTRATIONS}/{OTHER}").status_code == 204
    reasons = ["newlyMatching", "updated", "noLongerMatching", "newlyMatching", "noLongerMatching"]
    assert told(api) == [(reason, [OTHER]) for reason in reasons]


def test_what_is_there_already_is_told_at_once_and_again_when_the_subscription_changes(api: Api) -> None:
    register(api, "Lamp", "Pole")
    subscribe(api)
    assert told(api) == [("newlyMatching", [OTHER])]
    assert api.patch(f"{SUBSCRIPTIONS}/{ID}", {"entities": [{"type": "Pole"}]}).status_code == 204
    assert told(api) == [("newlyMatching", [OTHER])] * 2
    waiting = delivery.waiting(api.pool.store, Lane(SHELF, "", ID), -1, 100)
    (one,) = orjson.loads(waiting[1].body)["data"]
    assert one["information"] == [{"entities": [{"type": "Pole"}]}]  # the part that concerns


@pytest.mark.parametrize(
    ("members", "matches"),
    [
        ({"entities": [{"type": "Pole"}]}, False), ({"watchedAttributes": ["power"]}, True),
        ({"watchedAttributes": ["height"]}, False), ({"entities": None, "watchedAttributes": ["power"]}, True),
        ({"csf": 'owner=="district"'}, True), ({"csf": 'owner=="other"'}, False),
        ({"geoQ": {"georel": "near;maxDistance==10", "geometry": "Point", "coordinates": [8, 49]}}, True),
        ({"geoQ": {"georel": "near;maxDistance==10", "geometry": "Point", "coordinates": [9, 49]}}, False),
        ({"scopeQ": "/Madrid/#"}, True), ({"scopeQ": "/Berlin"}, False), ({"isActive": False}, False),
        ({"temporalQ": {"timerel": "after", "timeAt": "2020-01-01T00:00:00Z"}}, False),
        ({"entities": [{"type": "Lamp", "id": "urn:x:Lamp:7"}]}, True),
        ({"entities": [{"type": "Lamp", "idPattern": "^urn:x"}]}, True), ({"timeInterval": 1000}, False),
    ],
)  # fmt: skip
def test_only_what_concerns_is_told(api: Api, members: dict[str, Any], matches: bool) -> None:
    subscribe(api, **members)
    information = [{"entities": [{"type": "Lamp"}], "propertyNames": ["power"]}]
    register(api, information=information, owner="district", scope="/Madrid/Centro",
             location={"type": "Point", "coordinates": [8, 49]})  # fmt: skip
    assert told(api) == ([("newlyMatching", [OTHER])] if matches else [])


def test_by_the_clock_it_is_told_each_time(tmp_path: Path) -> None:
    api = Api(tmp_path)
    herald = open_herald(api.pool, Contexts(), Reach(api.pool))
    register(api, "Lamp")
    subscribe(api, timeInterval=60)
    assert len(told(api)) == 1  # at first at once
    for now in (0.0, 59.0, 60.0, 100.0, 120.0, 121.0):
        herald.tick(now)
    assert told(api) == [("newlyMatching", [OTHER])] * 3
    api.close()


def test_nothing_waits_for_a_subscription_that_is_gone(api: Api) -> None:
    subscribe(api)
    register(api, "Lamp")
    assert api.delete(f"{SUBSCRIPTIONS}/{ID}").status_code == 204
    assert told(api) == []
    assert api.get(f"{SUBSCRIPTIONS}/{ID}").status_code == 404
    assert api.get(SUBSCRIPTIONS).json() == []


@pytest.mark.parametrize(
    "members",
    [{"notification": None}, {"type": "Lamp"}, {"entities": None}, {"temporalQ": {"timerel": "after"}},
     {"temporalQ": {"timerel": "soon", "timeAt": "2020-01-01T00:00:00Z"}}, {"csf": "(a"}],
)  # fmt: skip
def test_what_is_wrong_is_refused(api: Api, members: dict[str, Any]) -> None:
    body = {name: value for name, value in {**BASE, **members}.items() if value is not None}
    assert api.post(SUBSCRIPTIONS, body).status_code == 400
    assert api.get(SUBSCRIPTIONS).json() == []


def test_a_subscription_is_shown_as_it_was_given(api: Api) -> None:
    temporal = {"timerel": "after", "timeAt": "2020-01-01T00:00:00Z", "timeproperty": "observedAt"}
    subscribe(api, temporalQ=temporal, watchedAttributes=["power"])
    shown = api.get(f"{SUBSCRIPTIONS}/{ID}").json()
    assert shown["temporalQ"] == temporal and shown["watchedAttributes"] == ["power"] and shown["status"] == "active"
    assert [one["id"] for one in api.get(f"{SUBSCRIPTIONS}?limit=1").json()] == [ID]
