"""What the desk writes of an entity that changes a little is what it would write of the whole."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from landbridge.governance.policy import Actor, Role
from landbridge.model.parser import parse_attributes, parse_entity
from landbridge.model.slot import slot_of
from landbridge.model.terms import Terms
from landbridge.pool.pool import Pool
from landbridge.store import reading
from landbridge.store.sqlite import open_store

CORE = Terms()
CLERK = Actor("clerk", Role.STEWARD)
NAMES = ("a", "b", "c", "d")
VALUES = st.one_of(
    st.integers(-5, 5), st.text(max_size=3), st.booleans(), st.lists(st.integers(0, 3), min_size=1, max_size=2),
    st.just({"type": "Point", "coordinates": [117.7, 39.0]}),
)  # fmt: skip
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("patch"), st.dictionaries(st.sampled_from((*NAMES, "location")), VALUES, min_size=1)),
        st.tuples(st.just("delete"), st.sampled_from(NAMES)),
        st.tuples(st.just("type"), st.sampled_from(("T", "U"))),
    ),
    max_size=6,
)


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    found = Pool(open_store(tmp_path / "pool.db"))
    yield found
    found.store.close()


def given_of(values: dict[str, Any]) -> dict[str, Any]:
    """Attributes of these values; a place that is none is a property like any other under another name."""
    return {
        name: {"type": "GeoProperty" if isinstance(value, dict) else "Property", "value": value}
        for name, value in values.items()
        if name != "location" or isinstance(value, dict)
    }


@given(STEPS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_slot_says_what_the_document_says(pool: Pool, steps: list[tuple[str, Any]]) -> None:
    id_ = f"urn:x:{pool.version()}"
    pool.create(CLERK, parse_entity({"id": id_, "type": "T", **given_of({"a": 1, "b": "x"})}, CORE))
    for what, told in steps:
        held = pool.entity(CLERK, id_)["attrs"]
        if what == "patch" and (attrs := given_of(told)):
            pool.patch(CLERK, id_, parse_attributes(attrs, CORE))
        elif what == "delete" and told in held:
            pool.delete_attribute(CLERK, id_, told)
        elif what == "type":
            pool.replace(CLERK, id_, {"id": id_, "type": [told], "attrs": held})
    with pool.store.reader() as connection:
        key = connection.execute("SELECT key FROM name WHERE id=?", (id_,)).get
        columns = ", ".join(f"s{number}" for number in range(32))
        row = connection.execute(f"SELECT {columns}, doc, lon, version FROM entity WHERE key=?", (key,)).fetchone()
        (kind,) = (one for one in reading.kinds(connection, "") if one.num == key >> 40)
    assert row is not None
    attrs = orjson.loads(row[32])["attrs"]
    for name, number in kind.slots.items():
        assert row[number] == (slot_of(attrs[name]) if name in attrs else None), name
    assert (row[33] is not None) == ("location" in attrs)
