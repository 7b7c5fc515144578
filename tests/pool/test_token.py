"""Bearer tokens: kept as hashes, with roles and an end."""

from collections.abc import Iterator

import pytest

from feeding import City, micro
from landbridge.errors import Exists, Invalid, Missing
from landbridge.governance.policy import Actor, Role
from landbridge.pool.pool import Pool
from landbridge.pool.token import actor_for, create_token, list_tokens, revoke_token


@pytest.fixture
def city() -> Iterator[City]:
    city = City()
    yield city
    city.close()


def test_a_token_speaks_for_its_actor_until_it_is_revoked(city: City) -> None:
    text = create_token(city.store, "maria", "steward")
    assert actor_for(city.store, text) == Actor("maria", Role.STEWARD)
    assert actor_for(city.store, text + "x") is None
    assert actor_for(city.store, "") is None
    revoke_token(city.store, "maria")
    assert actor_for(city.store, text) is None
    with pytest.raises(Missing):
        revoke_token(city.store, "maria")


def test_only_a_hash_is_kept(city: City) -> None:
    text = create_token(city.store, "push", Role.SOURCE, "footfall")
    assert len(text) > 40
    assert text != create_token(city.store, "other", "reader")
    with city.store.reader() as connection:
        rows = list(connection.execute("SELECT * FROM token"))
    assert text not in repr(rows)
    assert text.removeprefix("lb_") not in repr(rows)
    assert [(row.name, row.role, row.source) for row in list_tokens(city.store)] == [
        ("other", "reader", None),
        ("push", "source", "footfall"),
    ]


def test_a_token_ends(city: City) -> None:
    end = micro("2026-01-02T00:00Z")
    text = create_token(city.store, "guest", "reader", expires=end)
    assert actor_for(city.store, text) is not None
    city.time = end
    assert actor_for(city.store, text) is None


@pytest.mark.parametrize(
    ("name", "role", "source"),
    [("", "reader", None), ("a\nb", "reader", None), ("x", "public", None), ("x", "king", None), ("x", "source", None),
     ("x", "reader", "one")],
)  # fmt: skip
def test_a_wrong_token_is_refused(city: City, name: str, role: str, source: str | None) -> None:
    with pytest.raises(Invalid):
        create_token(city.store, name, role, source)
    assert list_tokens(city.store) == []


def test_names_are_taken_once_and_making_and_revoking_is_on_record(city: City) -> None:
    create_token(city.store, "maria", "steward")
    with pytest.raises(Exists):
        create_token(city.store, "maria", "reader")
    revoke_token(city.store, "maria", by="boss")
    acts = Pool(city.store).audited(Actor("boss", Role.OPERATOR))
    assert [(act.actor, act.action, act.target) for act in acts] == [
        ("boss", "revoke token", "maria"),
        ("operator", "create token", "maria"),
    ]
