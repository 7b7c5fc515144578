"""Delivery: in order, at least once, nobody in another's way, and what is given up is kept for an operator."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from landbridge.errors import Missing
from landbridge.pool import delivery
from made_publisher import City, Got, reached, receiver, telling_city, vehicle

QUICK = {"first_retry": 0.01}


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    with telling_city(tmp_path, **QUICK) as made:
        yield made


def drive(city: City, values: range, id_: str = "urn:v:1") -> None:
    for value in values:
        if value == values.start:
            city.done("POST", "/entities", vehicle(id_, speed=value))
        else:
            city.done("PATCH", f"/entities/{id_}/attrs", {"speed": {"type": "Property", "value": value}})


def speeds(got: list[Got]) -> list[int]:
    return [one["speed"]["value"] for each in got for one in each.entities]


def test_a_receiver_that_fails_now_and_then_gets_everything_in_order_under_the_same_id(city: City) -> None:
    count = 0

    def moody(got: Got) -> int:
        nonlocal count
        count += 1
        return 503 if count % 3 == 0 else 200

    with receiver(moody) as sink:
        city.subscribe(sink.url)
        drive(city, range(40))
        reached(lambda: len({one.body["id"] for one in sink.got}) == 40 and len(sink.got) == 59)
    first: dict[str, Got] = {}
    for one in sink.got:
        assert first.setdefault(one.body["id"], one).body == one.body
    assert speeds(list(first.values())) == list(range(40))
    assert len(sink.got) == 59  # 40 through, 19 answered by 503: never sent again once it was taken


def test_counters_say_how_deliveries_went(city: City) -> None:
    answers = iter([200, 500, 200])
    with receiver(lambda got: next(answers)) as sink:
        city.subscribe(sink.url)
        drive(city, range(2))
        sink.wait(3)
        told = reached(lambda: (found := shown(city)).get("status") == "ok" and found["timesSent"] == 2 and found)
    assert told["timesSent"] == 2
    assert told["timesFailed"] == 1
    assert told["lastFailure"] < told["lastSuccess"] == told["lastNotification"]


def shown(city: City) -> dict[str, object]:
    found: dict[str, object] = city.done("GET", "/subscriptions/urn:s:1").json()["notification"]
    return found


def test_whoever_is_slow_or_dead_delays_nobody_else(city: City) -> None:
    hold = threading.Event()
    with receiver(lambda got: 200 if hold.wait(60) else 500) as slow, receiver() as quick:
        for number in range(60):
            city.subscribe(slow.url, f"urn:s:slow:{number}")
        for number in range(5):
            city.subscribe("http://127.0.0.1:9/nobody", f"urn:s:dead:{number}")
        city.subscribe(quick.url, "urn:s:quick")
        drive(city, range(30))
        assert speeds(quick.wait(30)) == list(range(30))
        assert slow.got == []
        hold.set()
        slow.wait(60 * 30)
        for number in range(5):
            city.done("DELETE", f"/subscriptions/urn:s:dead:{number}")


def test_many_receivers_that_never_answer_delay_nobody(city: City) -> None:
    with contextlib.ExitStack() as silent, receiver() as quick:
        for number in range(50):
            door = silent.enter_context(socket.create_server(("127.0.0.1", 0)))
            city.subscribe(f"http://127.0.0.1:{door.getsockname()[1]}/", f"urn:s:silent:{number}", {"timeout": 20_000})
        city.subscribe(quick.url, "urn:s:quick")
        drive(city, range(20))
        assert speeds(quick.wait(20, 15)) == list(range(20))


def test_a_deleted_subscription_never_fires_again(city: City) -> None:
    let = threading.Semaphore(0)

    def answer(got: Got) -> int:
        let.acquire(timeout=60)
        return 200

    with receiver(answer) as sink:
        city.subscribe(sink.url)
        drive(city, range(200))
        let.release(3)
        sink.wait(3)
        done = threading.Thread(target=lambda: city.done("DELETE", "/subscriptions/urn:s:1"))
        done.start()
        reached(lambda: city.ask("GET", "/subscriptions/urn:s:1").status_code == 404)
        let.release(1)
        done.join()
        came = len(sink.got)
        let.release(500)
        city.subscribe(sink.url, "urn:s:2")
        drive(city, range(1), "urn:v:2")
        reached(lambda: sink.got[-1].body["subscriptionId"] == "urn:s:2")
        assert came <= 4
        assert len(sink.got) == came + 1
        with city.store.reader() as connection:
            assert connection.execute("SELECT count(*) FROM delivery").get == 0
            assert reached(lambda: connection.execute("SELECT count(*) FROM interest").get == 1)


def test_a_subscription_made_again_under_its_id_begins_anew(city: City) -> None:
    with receiver(lambda got: 500 if got.path.endswith("/old") else 200) as sink:
        city.subscribe(sink.url + "/old")
        drive(city, range(3))
        sink.wait(1)
        city.done("DELETE", "/subscriptions/urn:s:1")
        city.subscribe(sink.url + "/new")
        drive(city, range(10, 12), "urn:v:2")
        reached(lambda: sum(one.path.endswith("/new") for one in sink.got) == 2)
        assert speeds([one for one in sink.got if one.path.endswith("/new")]) == [10, 11]


def test_what_is_not_through_goes_on_after_a_restart(tmp_path: Path) -> None:
    with receiver() as sink:
        with receiver(lambda got: 500) as broken, telling_city(tmp_path, first_retry=60) as city:
            city.subscribe(broken.url)
            drive(city, range(300))
            broken.wait(1)
        with telling_city(tmp_path) as city:
            body = {"notification": {"endpoint": {"uri": sink.url}}}
            city.done("PATCH", "/subscriptions/urn:s:1", body)
            assert speeds(sink.wait(300)) == list(range(300))
            assert sink.got[0].body["id"] == broken.got[0].body["id"]


def test_what_is_given_up_is_kept_until_an_operator_replays_it(tmp_path: Path) -> None:
    fine = threading.Event()
    with (
        receiver(lambda got: 200 if fine.is_set() else 410) as sink,
        telling_city(tmp_path, patience=0.0, first_retry=0.01) as city,
    ):
        city.subscribe(sink.url)
        drive(city, range(3))
        reached(lambda: delivery.dead_letters(city.store)[1] == 3)
        letters, _ = delivery.dead_letters(city.store)
        assert [one.lane.subscription for one in letters] == ["urn:s:1"] * 3
        assert "410" in letters[0].reason
        assert b'"speed"' in letters[0].body
        fine.set()
        before = len(sink.got)
        assert delivery.replay(city.store, "urn:s:1") == 3
        city.publisher.hurry()
        reached(lambda: len(sink.got) == before + 3)
        assert speeds(sink.got[before:]) == [0, 1, 2]
        assert [one.body["id"] for one in sink.got[before:]] == [one.notification for one in letters]
        with pytest.raises(Missing):
            reached(lambda: delivery.dead_letters(city.store)[1] == 0)
            delivery.replay(city.store)


def test_dead_letters_can_be_dropped(tmp_path: Path) -> None:
    with receiver(lambda got: 500) as sink, telling_city(tmp_path, patience=0.0, first_retry=0.01) as city:
        city.subscribe(sink.url)
        drive(city, range(2))
        reached(lambda: delivery.dead_letters(city.store)[1] == 2)
        first = delivery.dead_letters(city.store)[0][0]
        assert delivery.forget(city.store, notification=first.notification) == 1
        assert delivery.dead_letters(city.store)[1] == 1


def test_a_private_address_is_refused_at_once_and_at_delivery(tmp_path: Path) -> None:
    with receiver() as sink, telling_city(tmp_path, allowed=(), **QUICK) as city:
        endpoint = {"endpoint": {"uri": sink.url}}
        asked = {"type": "Subscription", "entities": [{"type": "Vehicle"}], "notification": endpoint}
        answer = city.ask("POST", "/subscriptions", asked)
        assert answer.status_code == 403, answer.text
        assert "--allow-egress" in answer.text
        mqtt = {"endpoint": {"uri": "mqtt://127.0.0.1/topic"}}
        body = {"type": "Subscription", "entities": [{"type": "Vehicle"}], "notification": mqtt}
        assert city.ask("POST", "/subscriptions", body).status_code == 403
        city.egress.resolver = lambda host, port: ["127.0.0.1"]  # a name that leads here, as an attacker's may
        port = sink.url.rpartition(":")[2]
        city.subscribe(f"http://receiver.example:{port}")
        drive(city, range(1))
        ((letter,), _) = reached(lambda: (found := delivery.dead_letters(city.store))[1] and found)
        assert "loopback or private" in letter.reason
        assert reached(lambda: shown(city).get("status") == "failed")
        assert sink.got == []


def test_a_paused_subscription_sends_nothing_until_it_is_resumed(city: City) -> None:
    with receiver() as sink:
        city.subscribe(sink.url)
        drive(city, range(1))
        sink.wait(1)
        city.done("PATCH", "/subscriptions/urn:s:1", {"isActive": False})
        assert city.done("GET", "/subscriptions/urn:s:1").json()["status"] == "paused"
        drive(city, range(5, 8), "urn:v:2")
        city.done("PATCH", "/subscriptions/urn:s:1", {"isActive": True})
        drive(city, range(9, 10), "urn:v:3")
        assert speeds(sink.wait(2)) == [0, 9]


def test_an_expired_subscription_wants_nothing_any_more(tmp_path: Path) -> None:
    with receiver() as sink, telling_city(tmp_path) as city:
        city.subscribe(sink.url, expiresAt="2999-01-01T00:00:00Z")
        ahead = city.store.clock
        reached(lambda: city.publisher.roster.periodic.expiring.first())
        city.store.clock = city.publisher.roster.periodic.clock = lambda: ahead() + 2**55
        reached(lambda: count(city, "interest") == 0)
        drive(city, range(1))
        assert count(city, "change") == 0
        assert sink.got == []


def test_one_that_expired_while_nobody_served_wants_nothing_any_more(tmp_path: Path) -> None:
    with telling_city(tmp_path) as city:
        city.subscribe("http://127.0.0.1:9/", expiresAt="2999-01-01T00:00:00Z")
        assert count(city, "interest") == 1

    def later(made: City) -> None:
        now = made.store.clock
        made.store.clock = made.publisher.roster.periodic.clock = lambda: now() + 2**55

    with telling_city(tmp_path, before=later) as city:
        reached(lambda: count(city, "interest") == 0)
        commits = city.store.version()
        city.publisher.hurry()
        reached(lambda: city.publisher.roster.periodic.expiring.first() is None)
        assert city.store.version() == commits


def count(city: City, table: str) -> int:
    with city.store.reader() as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").get)
