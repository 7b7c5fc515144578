"""`landbridge notifications` and the console's page: what no receiver took is seen, sent again, dropped."""

import json
from pathlib import Path

import pytest

from command import landbridge
from landbridge.cli.exit_code import CODE_OF
from landbridge.errors import InvalidSettings, Missing
from landbridge.pool import delivery
from made_publisher import City, reached, receiver, telling_city, vehicle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A city's folder with two dead letters in its pool."""
    (tmp_path / "landbridge.toml").write_text('name = "Letters"\n')
    (tmp_path / "sources").mkdir()
    with (
        receiver(lambda got: 500) as sink,
        telling_city(tmp_path / ".landbridge", patience=0.0, first_retry=0.01) as city,
    ):
        city.subscribe(sink.url)
        two_letters(city)
    return tmp_path


def two_letters(city: City) -> None:
    for number in range(2):
        city.done("POST", "/entities", vehicle(f"urn:v:{number}", speed=number))
    reached(lambda: delivery.dead_letters(city.store)[1] == 2)


def said(folder: Path, *words: str, code: int = 0) -> str:
    ended = landbridge("notifications", folder, *words)
    assert ended.code == code, ended.err
    return " ".join((ended.out + ended.err).split())


def test_what_was_given_up_is_listed_sent_again_and_dropped(folder: Path) -> None:
    assert "2 notifications were given up" in said(folder)
    listed = json.loads(said(folder, "--json"))
    assert "answers 500" in listed[0]["reason"]
    assert [one["body"]["data"][0]["id"] for one in listed] == ["urn:v:0", "urn:v:1"]
    assert "1 notification is forgotten" in said(folder, "--drop", "--notification", listed[0]["notification"])
    assert "1 notification is sent again" in said(folder, "--replay", "--subscription", "urn:s:1")
    assert "has come through, or is still being tried" in said(folder)
    assert json.loads(said(folder, "--json")) == []
    assert "no such dead letters" in said(folder, "--replay", code=CODE_OF[Missing])


def test_replay_and_drop_exclude_each_other(folder: Path) -> None:
    assert "exclude each other" in said(folder, "--replay", "--drop", code=CODE_OF[InvalidSettings])
