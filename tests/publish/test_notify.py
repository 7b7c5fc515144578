"""What is notified, when, and how it looks (NGSI-LD 5.8.6): over a real pool, to real receivers."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from landbridge.model.terms import Contexts
from made_publisher import City, Receiver, reached, receiver, telling_city, vehicle

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    with telling_city(tmp_path) as made:
        yield made


@pytest.fixture
def sink() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


def quiet(city: City, sink: Receiver) -> int:
    """What came before a last change that certainly is told; so nothing else was on its way."""
    city.subscribe(sink.url + "/marker", "urn:s:marker", entities=[{"type": "Marker"}])
    city.done("POST", "/entities", {"id": "urn:marker", "type": "Marker", "n": {"type": "Property", "value": 1}})
    reached(lambda: any(one.path.endswith("/marker") for one in sink.got))
    return len([one for one in sink.got if one.entities[0]["type"] != "Marker"])


def test_a_change_is_told_once_with_what_the_entity_is_now(city: City, sink: Receiver) -> None:
    city.subscribe(sink.url)
    city.done("POST", "/entities", vehicle(speed=60))
    (first,) = sink.wait(1)
    assert first.body["type"] == "Notification"
    assert first.body["subscriptionId"] == "urn:s:1"
    assert first.body["id"].startswith("urn:ngsi-ld:Notification:")
    assert first.entities == [{"id": "urn:v:1", "type": "Vehicle", "speed": {"type": "Property", "value": 60}}]
    assert 'rel="http://www.w3.org/ns/json-ld#context"' in first.headers["Link"]
    city.done("PATCH", "/entities/urn:v:1/attrs", {"speed": {"type": "Property", "value": 61}})
    second = sink.wait(2)[1]
    assert second.entities[0]["speed"]["value"] == 61
    assert second.body["id"] != first.body["id"]
    assert quiet(city, sink) == 2


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"q": "speed>50"}, [60]),
        ({"q": 'name=="Eiffel%20Tower"'}, [40]),
        ({"q": "speed==40,70"}, [40]),
        ({"entities": [{"type": "Vehicle", "id": "urn:v:60"}]}, [60]),
        ({"entities": [{"type": "Vehicle", "idPattern": "^urn:v:4"}]}, [40]),
        ({"entities": [{"type": "(Truck|Vehicle)"}]}, [40, 60]),
        ({"entities": [{"type": "Truck"}, {"type": "Vehicle", "id": ["urn:v:40", "urn:v:60"]}]}, [40, 60]),
        ({"entities": [{"type": "Truck;Vehicle"}]}, []),
        ({"entities": [{"type": "*"}]}, [40, 60]),
        ({"entities": None, "watchedAttributes": ["name"]}, [40]),
        ({"watchedAttributes": ["name"]}, [40]),
        ({"scopeQ": "/Binhai/#"}, [60]),
        ({"geoQ": {"georel": "near;maxDistance==1000", "geometry": "Point", "coordinates": [117.7, 39.0]}}, [60]),
        ({"geoQ": {"georel": "within", "geometry": "Polygon",
                   "coordinates": "[[[10,10],[20,10],[20,20],[10,20],[10,10]]]"}}, [40]),
        ({"notificationTrigger": ["entityCreated"]}, [40, 60]),
        ({"notificationTrigger": ["attributeDeleted", "entityDeleted", "attributeUpdated"]}, []),
        ({"isActive": False}, []),
        ({"q": "speed>50;scopeQ==1"}, []),
    ],
    ids=lambda value: json.dumps(value)[:60],
)  # fmt: skip
def test_only_what_is_subscribed_to_is_told(
    city: City, sink: Receiver, members: dict[str, Any], told: list[int]
) -> None:
    city.subscribe(sink.url, **members)
    slow = vehicle("urn:v:40", speed=40, name="Eiffel Tower")
    slow["location"] = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [15, 15]}}
    fast = vehicle("urn:v:60", speed=60) | {"scope": ["/Binhai/Hebei"]}
    fast["location"] = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [117.701, 39.0]}}
    for one in (slow, fast):
        city.done("POST", "/entities", one)
    sink.wait(len(told))
    assert quiet(city, sink) == len(told)
    assert [one["speed"]["value"] for got in sink.got[: len(told)] for one in got.entities] == told


@pytest.mark.parametrize(
    ("triggers", "told"),
    [
        (["entityCreated"], ["created"]),
        (["entityUpdated"], ["created", "added", "updated", "removed", "deleted"]),  # the attribute triggers, 5.2.12
        (
            ["attributeCreated", "attributeUpdated", "attributeDeleted"],
            ["created", "added", "updated", "removed", "deleted"],
        ),
        (["entityDeleted"], ["deleted"]),
        (["attributeCreated"], ["created", "added"]),
        (["attributeUpdated"], ["updated"]),
        (["attributeDeleted"], ["removed", "deleted"]),
        (None, ["created", "added", "updated"]),
    ],
)
def test_triggers_say_which_changes_count(
    city: City, sink: Receiver, triggers: list[str] | None, told: list[str]
) -> None:
    city.subscribe(sink.url, notificationTrigger=triggers)
    steps = [
        ("created", "POST", "/entities", vehicle(speed=1)),
        ("added", "POST", "/entities/urn:v:1/attrs", {"name": {"type": "Property", "value": "a"}}),
        ("updated", "PATCH", "/entities/urn:v:1/attrs", {"name": {"type": "Property", "value": "b"}}),
        ("removed", "DELETE", "/entities/urn:v:1/attrs/name", None),
        ("deleted", "DELETE", "/entities/urn:v:1", None),
    ]
    seen = []
    for name, method, path, body in steps:
        before = len(sink.got)
        city.done(method, path, body)
        if name in told:
            sink.wait(before + 1)
            seen.append(name)
    assert seen == told
    assert quiet(city, sink) == len(told)


LOOKS: list[tuple[str, dict[str, Any]]] = [
    ("normalized", {}),
    ("concise", {"notification": {"format": "concise"}}),
    ("simplified", {"notification": {"format": "keyValues"}}),
    ("attributes", {"notification": {"attributes": ["speed"]}}),
    ("pick", {"notification": {"pick": ["id", "name"]}}),
    ("omit", {"notification": {"omit": ["type", "name"]}}),
    ("json-ld", {"endpoint": {"accept": "application/ld+json"}}),
    ("geojson", {"endpoint": {"accept": "application/geo+json"}}),
    ("dataset", {"datasetId": ["urn:d:fr"]}),
    ("language", {"lang": "de,en"}),
    ("flat", {"notification": {"join": "flat", "joinLevel": 2, "attributes": ["owner"]}}),
    ("inline", {"notification": {"join": "inline", "joinLevel": 2, "attributes": ["owner"]}}),
    ("inline-simplified", {"notification": {"join": "inline", "attributes": ["owner"], "format": "simplified"}}),
    ("changes", {"notification": {"showChanges": True}}),
    ("changes-concise", {"notification": {"showChanges": True, "format": "concise"}}),
    ("changed-only", {"notification": {"onlyChangedAttributes": True}}),
    ("deleted-attributes", {"notificationTrigger": ["attributeDeleted"], "notification": {"showChanges": True}}),
    ("deleted-simplified", {"notificationTrigger": ["attributeDeleted"], "notification": {"format": "simplified"}}),
    ("deleted-entity", {"notificationTrigger": ["entityDeleted"]}),
    ("deleted-entity-attributes", {"notificationTrigger": ["entityUpdated"], "watchedAttributes": ["owner"]}),
    ("deleted-both", {"notificationTrigger": ["entityDeleted", "attributeDeleted"], "watchedAttributes": ["owner"]}),
    ("deleted-entity-changes", {"notificationTrigger": ["entityDeleted"], "notification": {"showChanges": True}}),
    ("context", {"jsonldContext": "https://city.example/context.jsonld"}),
]


@pytest.mark.parametrize(
    ("first", "write"),
    [
        (vehicle(speed=1), {"speed": {"type": "Property", "value": 1}}),
        (vehicle(speed={"a": [1, 2]}), {"speed": {"type": "Property", "value": {"a": [1, 2]}}}),
        (
            {"id": "urn:v:1", "type": "Vehicle", "speed": {"value": 1, "unitCode": "KMH", "accuracy": {"value": 2}}},
            {
                "speed": {
                    "type": "Property",
                    "value": 1,
                    "unitCode": "KMH",
                    "accuracy": {"type": "Property", "value": 2},
                }
            },
        ),
    ],
)
def test_a_value_that_is_written_again_is_no_change(
    city: City, sink: Receiver, first: dict[str, Any], write: dict[str, Any]
) -> None:
    """NGSI-LD 5.8.6: an attribute changes when some member of it is updated with a value different than before."""
    city.done("POST", "/entities", first)
    city.subscribe(sink.url, notificationTrigger=["entityUpdated"])
    city.done("PATCH", "/entities/urn:v:1/attrs", write)
    city.done("POST", "/entityOperations/upsert", [{**first}])
    assert quiet(city, sink) == 0
    for changed in ({"value": 2}, {"observedAt": "2020-01-01T00:00:00Z"}, {"accuracy": {"value": 3}}):
        before = len(sink.got)
        city.done("PATCH", "/entities/urn:v:1/attrs/speed", changed)
        sink.wait(before + 1)


def test_a_scope_that_changes_is_told_to_who_waits_for_the_entity(city: City, sink: Receiver) -> None:
    city.done("POST", "/entities", vehicle(speed=1))
    city.subscribe(sink.url + "/entity", "urn:s:1", notificationTrigger=["entityUpdated"])
    city.subscribe(sink.url + "/attribute", "urn:s:2")
    city.done("PATCH", "/entities/urn:v:1", {"scope": "/a"})
    sink.wait(1)
    assert quiet(city, sink) == 1
    assert sink.got[0].path.endswith("/entity")


def test_what_is_local_needs_no_entities(city: City, sink: Receiver) -> None:
    """Table 5.2.12-1: entities or watchedAttributes, unless localOnly is true."""
    city.subscribe(sink.url, entities=None, localOnly=True)
    city.done("POST", "/entities", {"id": "urn:t:1", "type": "Tree", "size": {"value": 1}})
    assert sink.wait(1)[0].entities[0]["id"] == "urn:t:1"
    body = {"type": "Subscription", "notification": {"endpoint": {"uri": sink.url}}}
    assert city.ask("POST", "/subscriptions", body).status_code == 400
    assert city.ask("POST", "/subscriptions", {**body, "localOnly": False}).status_code == 400


def test_words_of_a_vocabulary_are_asked_for_by_their_terms(city: City, sink: Receiver) -> None:
    """Table 5.2.12-1, expandValues and jsonKeys."""
    city.subscribe(sink.url + "/expanded", "urn:s:1", q='kind=="fast"', expandValues="kind,other")
    city.subscribe(sink.url + "/plain", "urn:s:2", q='kind=="fast"')
    city.subscribe(sink.url + "/keys", "urn:s:3", q='kind=="fast"', expandValues="kind", jsonKeys="kind")
    city.done("POST", "/entities", {"id": "urn:v:1", "type": "Vehicle", "kind": {"vocab": "fast"}})
    sink.wait(1)
    assert quiet(city, sink) == 1
    assert sink.got[0].path.endswith("/expanded")
    shown = city.done("GET", "/subscriptions/urn:s:3").json()
    assert (shown["expandValues"], shown["jsonKeys"]) == ("kind", "kind")
    city.done("PATCH", "/subscriptions/urn:s:1", {"expandValues": None})
    assert "expandValues" not in city.done("GET", "/subscriptions/urn:s:1").json()


def test_a_receiver_of_an_earlier_version_is_told_in_its_words(city: City, sink: Receiver) -> None:
    """Table 5.2.12-1, ngsildConformance, and clause 4.3.6.8."""
    city.subscribe(sink.url, ngsildConformance="1.3", notification={"showChanges": True, "sysAttrs": True})
    title = {"type": "LanguageProperty", "languageMap": {"en": "red"}}
    city.done("POST", "/entities", {**vehicle(speed=1), "scope": "/a", "title": title})
    city.done("PATCH", "/entities/urn:v:1/attrs", {"title": {**title, "languageMap": {"en": "blue"}}})
    made, changed = (got.entities[0] for got in sink.wait(2))
    assert "scope" not in made
    assert (made["title"]["type"], made["title"]["value"]) == ("Property", {"en": "red"})
    assert changed["title"]["previousLanguageMap"] == {"en": "red"}
    assert city.done("GET", "/subscriptions/urn:s:1").json()["ngsildConformance"] == "1.3"
    for wrong in ("2.0", "new", "", 1.3):
        assert city.ask("PATCH", "/subscriptions/urn:s:1", {"ngsildConformance": wrong}).status_code == 400


def test_notifications_look_as_the_golden_files_say(tmp_path: Path, sink: Receiver) -> None:
    contexts = Contexts(
        {
            "https://city.example/context.jsonld": {
                "@context": {"pace": "https://uri.etsi.org/ngsi-ld/default-context/speed"}
            }
        }
    )
    with telling_city(tmp_path, contexts) as city:
        for name, members in LOOKS:
            city.subscribe(f"{sink.url}/{name}", f"urn:s:{name}", **dict(members))
        play(city)
        wanted = {path.stem: json.loads(path.read_text()) for path in GOLDEN.glob("*.json")}
        assert wanted.keys() == {name for name, _ in LOOKS}
        sink.wait(sum(len(one) for one in wanted.values()))
    found: dict[str, list[Any]] = {name: [] for name, _ in LOOKS}
    for got in sink.got:
        found[got.path.rpartition("/")[2]].append(
            {name: got.body[name] for name in ("data", "@context") if name in got.body}
        )
    for name in found:
        assert timeless(found[name]) == wanted[name], name


def play(city: City) -> None:
    """A car and its owner: made, changed, robbed of attributes, deleted."""
    person = {"id": "urn:p:1", "type": "Person", "name": {"type": "Property", "value": "An"},
              "home": {"type": "Relationship", "object": "urn:h:1"}}  # fmt: skip
    city.done("POST", "/entities", {"id": "urn:h:1", "type": "House", "floors": {"type": "Property", "value": 2}})
    city.done("POST", "/entities", person)
    car = vehicle(speed=60) | {
        "name": [{"type": "Property", "value": "car"}, {"type": "Property", "value": "auto", "datasetId": "urn:d:fr"}],
        "owner": {"type": "Relationship", "object": "urn:p:1"},
        "title": {"type": "LanguageProperty", "languageMap": {"en": "red", "fr": "rouge"}},
        "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [117.7, 39.0]}},
    }
    city.done("POST", "/entities", car)
    city.done("PATCH", "/entities/urn:v:1/attrs", {"speed": {"type": "Property", "value": 61, "unitCode": "KMH"}})
    city.done("DELETE", "/entities/urn:v:1/attrs/name?datasetId=urn:d:fr")
    city.done("DELETE", "/entities/urn:v:1/attrs/title")
    city.done("DELETE", "/entities/urn:v:1")


def timeless(given: Any) -> Any:
    """The same with the moments of this run blotted out."""
    if isinstance(given, dict):
        return {
            name: "NOW" if name in ("deletedAt", "createdAt", "modifiedAt") else timeless(one)
            for name, one in given.items()
        }
    return [timeless(one) for one in given] if isinstance(given, list) else given


def test_system_times_are_shown_where_they_are_asked_for(city: City, sink: Receiver) -> None:
    city.subscribe(sink.url, notification={"sysAttrs": True}, notificationTrigger=["entityCreated", "entityDeleted"])
    city.done("POST", "/entities", vehicle(speed=1))
    city.done("DELETE", "/entities/urn:v:1")
    made, gone = sink.wait(2)
    assert made.entities[0].keys() >= {"createdAt", "modifiedAt"}
    assert made.entities[0]["speed"].keys() >= {"createdAt", "modifiedAt"}
    assert gone.entities[0].keys() == {"id", "type", "createdAt", "modifiedAt", "deletedAt"}


def test_headers_for_the_receiver_are_sent_and_shown_to_writers_alone(city: City, sink: Receiver) -> None:
    city.subscribe(sink.url, endpoint={"receiverInfo": [{"key": "X-Key", "value": "secret"}]})
    city.done("POST", "/entities", vehicle(speed=1), NGSILD_Tenant="")
    assert sink.wait(1)[0].headers["X-Key"] == "secret"
    assert "secret" in city.done("GET", "/subscriptions/urn:s:1").text


def test_tenants_hear_nothing_of_each_other(city: City, sink: Receiver) -> None:
    for tenant in ("one", "two"):
        body = {"id": "urn:s:1", "type": "Subscription", "entities": [{"type": "Vehicle"}],
                "notification": {"endpoint": {"uri": f"{sink.url}/{tenant}"}}}  # fmt: skip
        city.done("POST", "/subscriptions", body, NGSILD_Tenant=tenant)
    city.done("POST", "/entities", vehicle(speed=1), NGSILD_Tenant="one")
    (got,) = sink.wait(1)
    assert got.path.endswith("/one")
    assert got.headers["NGSILD-Tenant"] == "one"
    assert quiet(city, sink) == 1


def test_what_was_changed_before_is_not_told(city: City, sink: Receiver) -> None:
    city.done("POST", "/entities", vehicle(speed=1))
    city.subscribe(sink.url)
    assert quiet(city, sink) == 0


def test_throttling_holds_notifications_back(city: City, sink: Receiver) -> None:
    city.subscribe(sink.url, throttling=3600)
    city.done("POST", "/entities", vehicle(speed=1))
    sink.wait(1)
    city.done("PATCH", "/entities/urn:v:1/attrs", {"speed": {"type": "Property", "value": 2}})
    assert quiet(city, sink) == 1


def test_an_interval_tells_what_there_is_whether_it_changes_or_not(city: City, sink: Receiver) -> None:
    for number in range(3):
        city.done("POST", "/entities", vehicle(f"urn:v:{number}", speed=number))
    city.subscribe(sink.url, timeInterval=0.2, q="speed>0")
    first, second = sink.wait(2)[:2]
    assert [one["id"] for one in first.entities] == ["urn:v:1", "urn:v:2"]
    assert first.entities == second.entities
    assert first.body["id"] != second.body["id"]
    city.done("DELETE", "/subscriptions/urn:s:1")


def test_a_condition_on_a_linked_entity_is_asked_of_the_pool(city: City, sink: Receiver) -> None:
    city.subscribe(sink.url, q="device{battery}<0.5")
    for name, battery in (("full", 0.9), ("low", 0.3)):
        city.done(
            "POST",
            "/entities",
            {"id": f"urn:d:{name}", "type": "Device", "battery": {"type": "Property", "value": battery}},
        )
        car = {"id": f"urn:v:{name}", "type": "Vehicle", "device": {"type": "Relationship", "object": f"urn:d:{name}"}}
        city.done("POST", "/entities", car)
    assert sink.wait(1)[0].entities[0]["id"] == "urn:v:low"
    assert quiet(city, sink) == 1


def test_a_batch_is_told_together_in_its_order(city: City, sink: Receiver) -> None:
    city.subscribe(sink.url)
    many = [vehicle(f"urn:v:{number:04}", speed=number) for number in range(600)]
    city.done("POST", "/entityOperations/create", many)
    reached(lambda: sum(len(got.entities) for got in sink.got) == 600)
    assert [one["id"] for got in sink.got for one in got.entities] == [one["id"] for one in many]
    assert len(sink.got) < 10
