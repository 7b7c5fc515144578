"""What changes state carries a form's own token and comes from here; everything else is refused and does nothing."""

import re
from collections.abc import Iterator

import pytest

from console.made_city import fill, open_city
from console.made_console import Replayed, console_app, public
from console.visitor import Visitor
from landbridge.pool.pool import Pool

GROUP = {"source": "air-quality", "reason": "unknown station"}
FORM = re.compile(r'name="csrf" value="([^"]+)"')


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    made = open_city(tmp_path_factory.mktemp("city") / "pool.db", public=True)
    fill(made)
    yield made
    made.close()


def opened(pool: Pool, replayed: Replayed) -> tuple[Visitor, str]:
    """A visitor who has the page of rejects before them, and the token of its forms."""
    client = Visitor(console_app(pool, replay=replayed))
    form = FORM.search(client.get("/rejects").text)
    assert form
    return client, form[1]


def test_rejects_are_replayed_by_their_button(pool: Pool) -> None:
    replayed = Replayed()
    client, token = opened(pool, replayed)
    answer = client.post("/rejects/replay", data=GROUP | {"csrf": token}, headers={"origin": "http://testserver"})
    assert replayed.asked == [("air-quality", "unknown station")]
    assert "3 rows of air-quality are mapped." in answer.text
    assert "are mapped" not in client.get("/rejects").text


@pytest.mark.parametrize("given", [{}, {"csrf": ""}, {"csrf": "abc"}, {"csrf": "abc.def"}, {"csrf": "é.ü"}])
def test_a_form_without_a_valid_token_is_refused(pool: Pool, given: dict[str, str]) -> None:
    replayed = Replayed()
    client, _ = opened(pool, replayed)
    answer = client.post("/rejects/replay", data=GROUP | given)
    assert answer.status_code == 403
    assert "Reload the page" in answer.text
    assert replayed.asked == []


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://testserver.evil.example", "https://testserver:444"]
)
def test_a_form_from_elsewhere_is_refused(pool: Pool, origin: str) -> None:
    replayed = Replayed()
    client, token = opened(pool, replayed)
    answer = client.post("/rejects/replay", data=GROUP | {"csrf": token}, headers={"origin": origin})
    assert answer.status_code == 403
    assert replayed.asked == []


def test_another_visitors_token_is_refused(pool: Pool) -> None:
    replayed = Replayed()
    client, _ = opened(pool, replayed)
    _, token = opened(pool, replayed)
    assert client.post("/rejects/replay", data=GROUP | {"csrf": token}).status_code == 403
    assert replayed.asked == []


def test_the_public_replays_nothing(pool: Pool) -> None:
    replayed = Replayed()
    client = Visitor(console_app(pool, public, replay=replayed))
    form = FORM.search(client.get("/sources").text)
    assert form
    answer = client.post("/rejects/replay", data=GROUP | {"csrf": form[1]})
    assert answer.status_code == 403
    assert replayed.asked == []


def test_a_form_that_names_nothing_is_not_understood(pool: Pool) -> None:
    client, token = opened(pool, Replayed())
    assert client.post("/rejects/replay", data={"csrf": token}).status_code == 400


def test_a_form_without_end_is_cut(pool: Pool) -> None:
    client, token = opened(pool, Replayed())
    assert client.post("/rejects/replay", data=GROUP | {"csrf": token, "x": "y" * 70_000}).status_code == 413


def test_language_and_colours_are_kept(pool: Pool) -> None:
    client, token = opened(pool, Replayed())
    answer = client.post(
        "/console/preference", data={"csrf": token, "language": "zh", "scheme": "dark", "next": "/sources?x=1"}
    )
    assert (answer.url.path, answer.url.query) == ("/sources", b"x=1")
    assert '<html lang="zh" data-scheme="dark">' in answer.text


def test_cookies_are_out_of_reach_of_scripts_and_other_sites(pool: Pool) -> None:
    client = Visitor(console_app(pool))
    cookie = client.get("/").headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie


def test_what_only_reads_takes_no_post(pool: Pool) -> None:
    client, token = opened(pool, Replayed())
    assert client.post("/sources", data={"csrf": token}).status_code == 405
    assert client.get("/rejects/replay").status_code == 405
