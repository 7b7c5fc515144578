"""Subscriptions over HTTP (NGSI-LD 5.8, 6.10, 6.11): what is taken, what is refused and why, what is shown."""

from collections.abc import Iterator
from typing import Any

import pytest

from landbridge.api.ngsild.subscription_body import new_body
from landbridge.api.ngsild.subscription_shown import show_subscription
from landbridge.model.terms import Contexts
from made_publisher import City, telling_city

CITY = "https://city.example/context.jsonld"
CONTEXTS = Contexts({CITY: {"@context": {"Car": "https://city.example/Car", "pace": "https://city.example/pace"}}})
LINK = f'<{CITY}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'
NOTIFICATION: dict[str, Any] = {"endpoint": {"uri": "http://receiver.example/notify"}}
ID = "urn:ngsi-ld:Subscription:1"


def subscription(**members: Any) -> dict[str, Any]:
    body = {
        "id": ID,
        "type": "Subscription",
        "entities": [{"type": "Vehicle"}],
        "notification": NOTIFICATION,
        **members,
    }
    return {name: one for name, one in body.items() if one is not None}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    with telling_city(tmp_path_factory.mktemp("city"), CONTEXTS) as made:
        yield made


@pytest.fixture
def city(shared: City) -> Iterator[City]:
    yield shared
    for one in shared.ask("GET", "/subscriptions?limit=1000").json():
        shared.done("DELETE", f"/subscriptions/{one['id']}")


def test_a_subscription_is_shown_as_it_was_given_with_its_state(city: City) -> None:
    given = subscription(
        subscriptionName="fast",
        description="fast ones",
        watchedAttributes=["speed"],
        q='speed>50;name=="a b"',
        scopeQ="/a/#",
        geoQ={"georel": "near;maxDistance==10", "geometry": "Point", "coordinates": [1, 2], "geoproperty": "place"},
        csf="x==1",
        lang="en",
        datasetId=["urn:d:1", "@none"],
        throttling=5,
        expiresAt="2999-01-01T00:00:00Z",
        isActive=True,
        localOnly=True,
        splitEntities=False,
        notificationTrigger=["entityDeleted"],
        notification={
            "format": "concise",
            "pick": ["id", "owner{name}"],
            "omit": ["type"],
            "showChanges": True,
            "sysAttrs": True,
            "join": "inline",
            "joinLevel": 2,
            "onlyChangedAttributes": True,
            "endpoint": {
                "uri": "mqtts://user@broker.example/topic",
                "accept": "application/ld+json",
                "timeout": 500,
                "cooldown": 1000,
                "receiverInfo": [{"key": "A", "value": "b"}],
                "notifierInfo": [{"key": "MQTT-QoS", "value": "1"}],
            },
        },
    )
    answer = city.done("POST", "/subscriptions", given)
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/ngsi-ld/v1/subscriptions/{ID}"
    shown = city.done("GET", f"/subscriptions/{ID}").json()
    assert shown.pop("status") == "active"
    assert shown.pop("jsonldContext").startswith("https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context")
    assert shown == given


def test_names_are_shown_in_the_readers_context(city: City) -> None:
    given = subscription(
        entities=[{"type": "Car|Bike"}],
        watchedAttributes=["pace"],
        q="pace>5",
        notification=NOTIFICATION | {"attributes": ["pace", "speed"]},
    )
    city.done("POST", "/subscriptions", given, Link=LINK)
    own = city.done("GET", f"/subscriptions/{ID}", Link=LINK).json()
    assert (own["entities"], own["watchedAttributes"], own["q"]) == ([{"type": "Car|Bike"}], ["pace"], "pace>5")
    assert own["notification"]["attributes"] == ["pace", "speed"]
    assert own["jsonldContext"] == CITY
    other = city.done("GET", f"/subscriptions/{ID}").json()
    assert other["entities"] == [{"type": "https://city.example/Car|Bike"}]
    assert other["watchedAttributes"] == ["https://city.example/pace"]
    assert other["q"] == "https://city.example/pace>5"
    linked_data = city.done("GET", f"/subscriptions/{ID}", Accept="application/ld+json", Link=LINK).json()
    assert linked_data["@context"] == [CITY]


def informed(uri: str, member: str, key: str, value: str) -> dict[str, Any]:
    return {"notification": {"endpoint": {"uri": uri, member: [{"key": key, "value": value}]}}}


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("type", {"type": "Subscribtion"}),
    ("id", {"id": "no uri"}),
    ("id", {"id": ""}),
    ("nothing", {"entities": None}),
    ("entities", {"entities": []}),
    ("entities", {"entities": [{"id": "urn:e:1"}]}),
    ("entities", {"entities": [{"type": "A", "id": "x"}]}),
    ("entities", {"entities": [{"type": "A("}]}),
    ("entities", {"entities": [{"type": "A", "idPattern": "("}]}),
    ("entities", {"entities": {"type": "A"}}),
    ("watched", {"watchedAttributes": []}),
    ("watched", {"watchedAttributes": [7]}),
    ("trigger", {"notificationTrigger": ["entityChanged"]}),
    ("trigger", {"notificationTrigger": []}),
    ("interval", {"timeInterval": 0}),
    ("interval", {"timeInterval": "5"}),
    ("interval", {"timeInterval": 5, "throttling": 5}),
    ("interval", {"timeInterval": 5, "watchedAttributes": ["a"]}),
    ("throttling", {"throttling": -1}),
    ("throttling", {"throttling": True}),
    ("q", {"q": "a=="}),
    ("q", {"q": 7}),
    ("csf", {"csf": "(("}),
    ("scopeQ", {"scopeQ": "a b"}),
    ("geoQ", {"geoQ": {"georel": "near;maxDistance==5", "geometry": "Point"}}),
    ("geoQ", {"geoQ": {"georel": "beside", "geometry": "Point", "coordinates": [1, 2]}}),
    ("geoQ", {"geoQ": {"georel": "within", "geometry": "Point", "coordinates": "[1,"}}),
    ("expiresAt", {"expiresAt": "2000-01-01T00:00:00Z"}),
    ("expiresAt", {"expiresAt": "tomorrow"}),
    ("isActive", {"isActive": "true"}),
    ("datasetId", {"datasetId": ["x"]}),
    ("context", {"jsonldContext": "no uri"}),
    ("notification", {"notification": None}),
    ("notification", {"notification": {}}),
    ("endpoint", {"notification": {"endpoint": {}}}),
    ("endpoint", {"notification": {"endpoint": {"uri": "ftp://receiver.example"}}}),
    ("endpoint", {"notification": {"endpoint": {"uri": "mqtt://broker.example"}}}),
    ("accept", {"notification": {"endpoint": {"uri": "http://a.example", "accept": "text/html"}}}),
    ("timeout", {"notification": {"endpoint": {"uri": "http://a.example", "timeout": 0}}}),
    ("info", {"notification": {"endpoint": {"uri": "http://a.example", "receiverInfo": [{"key": "K"}]}}}),
    (
        "info",
        {
            "notification": {
                "endpoint": {"uri": "http://a.example", "receiverInfo": [{"key": "K", "value": "a\r\nB: c"}]}
            }
        },
    ),
    (
        "info",
        {
            "notification": {
                "endpoint": {"uri": "mqtt://a.example/t", "notifierInfo": [{"key": "MQTT-QoS", "value": "9"}]}
            }
        },
    ),
    ("format", {"notification": NOTIFICATION | {"format": "xml"}}),
    ("attributes", {"notification": NOTIFICATION | {"attributes": []}}),
    ("pick", {"notification": NOTIFICATION | {"pick": ["a"], "attributes": ["a"]}}),
    ("pick", {"notification": NOTIFICATION | {"pick": ["a"], "omit": ["a"]}}),
    ("omit", {"notification": NOTIFICATION | {"omit": ["a{"]}}),
    ("changes", {"notification": NOTIFICATION | {"format": "keyValues", "showChanges": True}}),
    ("join", {"notification": NOTIFICATION | {"join": "sideways"}}),
    ("join", {"notification": NOTIFICATION | {"join": "flat", "joinLevel": 0}}),
]


@pytest.mark.parametrize(("name", "members"), WRONG, ids=lambda value: str(value)[:60])
def test_what_cannot_be_is_refused_with_its_reason(city: City, name: str, members: dict[str, Any]) -> None:
    answer = city.ask("POST", "/subscriptions", subscription(**members))
    assert answer.status_code == 400, answer.text
    told = answer.json()
    assert told["type"] == "https://uri.etsi.org/ngsi-ld/errors/BadRequestData"
    assert told["title"] and told["detail"]
    assert city.done("GET", "/subscriptions").json() == []
    city.done("POST", "/subscriptions", subscription())
    fragment = {key: one for key, one in members.items() if key not in ("id", "type") and one is not None}
    if fragment and name != "nothing":
        assert city.ask("PATCH", f"/subscriptions/{ID}", fragment).status_code == 400


def test_a_body_that_is_no_json_and_one_twice_are_refused(city: City) -> None:
    told = city.ask("POST", "/subscriptions", b'{"id":,}')
    assert (told.status_code, told.json()["type"].rpartition("/")[2]) == (400, "InvalidRequest")
    city.done("POST", "/subscriptions", subscription())
    assert city.ask("POST", "/subscriptions", subscription()).status_code == 409
    assert city.ask("GET", "/subscriptions/urn:none").status_code == 404
    assert city.ask("GET", "/subscriptions/none").status_code == 400
    assert city.ask("PUT", f"/subscriptions/{ID}", {}).status_code == 405
    assert city.ask("GET", "/subscriptions?colour=red").status_code == 400
    unknown = subscription(id="urn:s:2", jsonldContext="https://nowhere.example/context.jsonld")
    assert city.ask("POST", "/subscriptions", unknown).status_code == 504


def test_what_only_the_system_says_is_ignored_when_a_client_says_it(city: City) -> None:
    city.done(
        "POST",
        "/subscriptions",
        subscription(status="expired", __context="x", notification=NOTIFICATION | {"timesSent": 42}),
    )
    shown = city.done("GET", f"/subscriptions/{ID}").json()
    assert shown["status"] == "active"
    assert shown["notification"] == NOTIFICATION
    assert "__context" not in shown


def test_members_are_replaced_and_taken_away(city: City) -> None:
    city.done("POST", "/subscriptions", subscription(q="speed>50", description="a", isActive=False))
    assert city.done("GET", f"/subscriptions/{ID}").json()["status"] == "paused"
    city.done(
        "PATCH", f"/subscriptions/{ID}", {"q": None, "description": "urn:ngsi-ld:null", "isActive": True, "lang": "en"}
    )
    shown = city.done("GET", f"/subscriptions/{ID}").json()
    assert shown["status"] == "active"
    assert {"q", "description"} & shown.keys() == set()
    assert shown["lang"] == "en"
    for gone in ({"entities": None}, {"notification": None}, {"notification": {"format": "concise"}}):
        assert city.ask("PATCH", f"/subscriptions/{ID}", gone).status_code == 400
    assert city.done("GET", f"/subscriptions/{ID}").json() == shown
    assert city.ask("PATCH", "/subscriptions/urn:none", {"lang": "en"}).status_code == 404


def test_a_fragment_is_read_in_its_own_context(city: City) -> None:
    city.done("POST", "/subscriptions", subscription(q="speed>1"))
    city.done("PATCH", f"/subscriptions/{ID}", {"watchedAttributes": ["pace"], "q": "pace>1"}, Link=LINK)
    shown = city.done("GET", f"/subscriptions/{ID}", Link=LINK).json()
    assert (shown["watchedAttributes"], shown["q"]) == (["pace"], "pace>1")
    plain = city.done("GET", f"/subscriptions/{ID}").json()
    assert plain["watchedAttributes"] == ["https://city.example/pace"]


def test_pages_have_links_and_a_count(city: City) -> None:
    for number in range(5):
        city.done("POST", "/subscriptions", subscription(id=f"urn:s:{number}"))
    answer = city.done("GET", "/subscriptions?limit=2&offset=2&count=true", Accept="application/ld+json")
    assert [one["id"] for one in answer.json()] == ["urn:s:2", "urn:s:3"]
    assert answer.headers["NGSILD-Results-Count"] == "5"
    assert (
        '</ngsi-ld/v1/subscriptions?count=true&limit=2&offset=0>; rel="prev"; type="application/ld+json"'
        in answer.headers["Link"]
    )
    assert 'offset=4>; rel="next"' in answer.headers["Link"]
    assert "rel=" not in city.done("GET", "/subscriptions", Accept="application/ld+json").headers.get("Link", "")


def test_each_tenant_has_its_own(city: City) -> None:
    city.done("POST", "/subscriptions", subscription(), NGSILD_Tenant="one")
    assert city.done("GET", "/subscriptions", NGSILD_Tenant="one").json()[0]["id"] == ID
    assert city.done("GET", "/subscriptions").json() == []
    assert city.ask("GET", "/subscriptions", NGSILD_Tenant="two").status_code == 404
    city.done("DELETE", f"/subscriptions/{ID}", NGSILD_Tenant="one")


def test_an_id_is_made_where_none_is_given(city: City) -> None:
    place = city.done("POST", "/subscriptions", subscription(id=None)).headers["Location"]
    assert city.done("GET", place.removeprefix("/ngsi-ld/v1")).json()["id"].startswith("urn:ngsi-ld:Subscription:")


@pytest.mark.parametrize("prefer", ["ngsi-ld=1.0", "NGSI-LD=1.0", 'ngsi-ld="1.0"', "respond-async, ngsi-ld=1.0;q=0.1"])
def test_an_earlier_version_is_heeded_and_changes_nothing(city: City, prefer: str) -> None:
    city.done("POST", "/subscriptions", subscription())
    answer = city.done("GET", f"/subscriptions/{ID}", Prefer=prefer)
    assert answer.status_code == 200
    assert answer.headers["Preference-Applied"] == "ngsi-ld=1.0"
    assert answer.json() == city.done("GET", f"/subscriptions/{ID}").json()


def test_what_lets_in_at_the_receiver_is_shown_to_writers_alone() -> None:
    endpoint = {
        "uri": "mqtt://user:secret@broker.example/topic",
        "receiverInfo": [{"key": "Authorization", "value": "Bearer secret"}],
    }
    body = new_body(subscription(notification={"endpoint": endpoint}), CONTEXTS.core, CONTEXTS, "", ID)
    shown, hidden = (
        show_subscription(body, CONTEXTS.core, CONTEXTS, "", {}, secrets=secrets)["notification"]["endpoint"]
        for secrets in (True, False)
    )
    assert shown == endpoint
    assert hidden == {"uri": "mqtt://broker.example/topic"}
