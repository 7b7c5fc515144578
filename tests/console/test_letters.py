"""The page of notifications that no receiver took: seen by operators, sent again or dropped by its buttons."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.made_city import OPERATOR
from console.made_console import console_app, public
from console.visitor import Visitor
from landbridge.pool.dead_letter import DeadLetters
from landbridge.pool.delivery import dead_letters
from landbridge.pool.pool import Pool
from made_publisher import reached, receiver, telling_city, vehicle

TOKEN = re.compile(r'name="csrf" value="([^"]+)"')


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    with receiver(lambda got: 500) as sink, telling_city(tmp_path, patience=0.0, first_retry=0.01) as city:
        city.subscribe(sink.url)
        for number in range(2):
            city.done("POST", "/entities", vehicle(f"urn:v:{number}", speed=number))
        reached(lambda: dead_letters(city.store)[1] == 2)
        city.publisher.close()
        yield city.pool


def decide(client: Visitor, **form: str) -> str:
    token = TOKEN.search(client.get("/notifications").text)
    assert token
    return client.post(
        "/notifications/decide", data={"csrf": token[1], **form}, headers={"origin": "http://testserver"}
    ).text


def test_what_no_receiver_took_is_shown_with_its_reason_and_sent_again(pool: Pool) -> None:
    client = Visitor(console_app(pool))
    page = client.get("/notifications").text
    assert "2 notifications given up" in page
    assert "The receiver answers 500." in page
    first, second = DeadLetters(pool).listed(OPERATOR)[0]
    assert "1 is dropped." in decide(client, act="drop", notification=first.notification)
    assert "1 is sent again." in decide(client, act="replay", subscription=second.subscription)
    assert "No notification has been given up." in client.get("/notifications").text
    assert [one.action for one in pool.audited(OPERATOR, 2)] == ["replay notifications", "drop notifications"]


def test_a_form_that_does_not_say_what_to_do_does_nothing(pool: Pool) -> None:
    client = Visitor(console_app(pool))
    assert "does not say what to do" in decide(client, act="burn", notification="urn:n:1")
    assert "does not say what to do" in decide(client, act="drop")
    assert dead_letters(pool.store)[1] == 2


def test_the_public_sees_none_of_it(pool: Pool) -> None:
    answer = Visitor(console_app(pool, public)).get("/notifications", follow_redirects=False)
    assert answer.status_code in (303, 401, 403)
    assert "urn:s:1" not in answer.text


def test_they_are_there_as_a_file(pool: Pool) -> None:
    text = Visitor(console_app(pool)).get("/notifications?format=csv").text
    assert text.count("urn:s:1") >= 2
