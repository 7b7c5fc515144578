"""An entity is rendered once for each form and state, and what is kept stays within its room."""

from typing import Any

import orjson

from landbridge.api.ngsild.rendered import LARGEST, OVERHEAD, Rendered
from landbridge.model.answer import Held
from landbridge.model.projection import Projection
from landbridge.model.renderer import Rendering
from landbridge.model.terms import Terms

CORE = Terms()


class Counted:
    """Stands for an entity's row, and counts how often its document is read."""

    def __init__(self) -> None:
        self.reads = 0

    def held(self, key: int, version: int, value: object = 1) -> Held:
        return Held.stored((key, f"urn:x:{key}", orjson.dumps(value).decode(), 0, version, version), self.read)

    def read(self, text: str, created: int, modified: int) -> dict[str, Any]:
        self.reads += 1
        attrs = {"a": [{"type": "Property", "value": orjson.loads(text)}]}
        return {"id": "urn:x:1", "type": ["T"], "createdAt": created, "modifiedAt": modified, "attrs": attrs}


def test_what_was_rendered_is_used_again_until_the_entity_changes() -> None:
    rendered, row = Rendered(), Counted()
    plain, simple = Rendering(CORE), Rendering(CORE, "simplified")
    assert rendered.entities([row.held(1, 1)], plain) == rendered.entities([row.held(1, 1)], Rendering(CORE))
    assert row.reads == 1
    (changed,) = rendered.entities([row.held(1, 2, "new")], plain)
    assert orjson.loads(changed)["a"]["value"] == "new"
    assert rendered.entities([row.held(1, 1)], simple) == [b'{"id":"urn:x:1","type":"T","a":1}']
    assert rendered.entities([row.held(1, 1)], simple, feature=True)[0].startswith(b'{"id":"urn:x:1","type":"Feature"')
    assert row.reads == 4


def test_forms_are_told_apart() -> None:
    rendered, row = Rendered(), Counted()
    forms = [
        Rendering(CORE), Rendering(CORE, context=True), Rendering(CORE, system=True), Rendering(CORE, attrs=("b",)),
        Rendering(CORE, pick=Projection((("id", None),))), Rendering(CORE, omit=Projection((("id", None),))),
        Rendering(CORE, datasets=("urn:d:1",)), Rendering(Terms([{"b": "https://uri.etsi.org/ngsi-ld/default-context/a"}])),
    ]  # fmt: skip
    shown = [rendered.entities([row.held(1, 1)], form)[0] for form in forms]
    assert [rendered.entities([row.held(1, 1)], form)[0] for form in forms] == shown
    assert row.reads == len(forms)
    assert len(set(shown)) == len(forms) - 1  # the attribute is left out by its name or by its instance: the same


def test_no_more_is_kept_than_there_is_room_for() -> None:
    rendered, row = Rendered(room=3 * (OVERHEAD + 100)), Counted()
    for number in (*range(4), 0, *range(4, 40)):
        rendered.entities([row.held(number, 1)], Rendering(CORE))
        assert rendered.used == sum(len(text) + OVERHEAD for text in rendered.kept.values()) <= rendered.room
    assert {key[0] for key in rendered.kept} == {37, 38, 39}
    rendered.entities([row.held(50, 1, "x" * LARGEST)], Rendering(CORE))
    assert 50 not in {key[0] for key in rendered.kept}


def test_an_entity_put_together_for_one_answer_is_not_kept() -> None:
    rendered, row = Rendered(), Counted()
    rendered.entities([Held(row.read("1", 0, 0))], Rendering(CORE))
    assert not rendered.kept
