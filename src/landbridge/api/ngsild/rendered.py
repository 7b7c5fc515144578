"""Entities as the bytes that are sent: each rendered once for each form and context, and kept while there is room.

What is kept goes by the entity's mark, which changes with every change of it; so nothing is ever stale.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any
from weakref import WeakSet

import orjson

from landbridge.model.answer import Held
from landbridge.model.renderer import Rendering, render, render_feature

ROOM = 24 * 1024 * 1024  # bytes of JSON
OVERHEAD = 400  # bytes that an entry takes besides
LARGEST = 256 * 1024  # bytes of JSON of one entity that are worth keeping
MOST_FORMS = 200  # forms and contexts that are told apart; those before are forgotten together
EMPTY = b"{}"
Key = tuple[int, int, int]  # an entity's mark, and the number of the form


EVERY: "WeakSet[Rendered]" = WeakSet()


def forget() -> None:
    """Forget all that was rendered, whoever keeps it: something was erased."""
    for one in list(EVERY):
        one.clear()


class Rendered:
    """Entities rendered lately, the least lately used go first; for one pool."""

    def __init__(self, room: int = ROOM) -> None:
        self.room = room
        self.used = 0
        self.kept: OrderedDict[Key, bytes] = OrderedDict()
        self.forms: dict[Any, int] = {}
        self.last = 0  # the number of the newest form
        self.lock = threading.Lock()
        EVERY.add(self)

    def clear(self) -> None:
        """Forget all of them."""
        with self.lock:
            self.kept.clear()
            self.used = 0

    def entities(self, held: Sequence[Held], how: Rendering, *, feature: bool = False) -> list[bytes]:
        """The JSON of entities in one form: that of the entity, or its GeoJSON Feature."""
        form = self.form(how, feature)
        keys = [(*one.mark, form) if one.mark is not None else None for one in held]
        with self.lock:
            found = [self.look_up(key) for key in keys]
        return [
            self.made(one, how, feature, key) if text is None else text
            for one, key, text in zip(held, keys, found, strict=True)
        ]

    def missing(self, held: Sequence[Held], how: Rendering) -> int:
        """How many characters of stored documents have to be read to render what is not kept of these."""
        form = self.form(how, False)
        with self.lock:
            return sum(one.size for one in held if one.mark is None or (*one.mark, form) not in self.kept)

    def form(self, how: Rendering, feature: bool) -> int:
        """The number of a form."""
        signature = (how.signature, feature)
        with self.lock:
            number = self.forms.get(signature)
            if number is None:
                if len(self.forms) >= MOST_FORMS:
                    self.forms.clear()
                self.last += 1
                number = self.forms[signature] = self.last
        return number

    def look_up(self, key: Key | None) -> bytes | None:
        found = self.kept.get(key) if key is not None else None
        if found is not None and key is not None:
            self.kept.move_to_end(key)
        return found

    def made(self, held: Held, how: Rendering, feature: bool, key: Key | None) -> bytes:
        """Render an entity, and keep it where it has a mark and is not huge."""
        text = orjson.dumps(render_feature(held.document, how) if feature else render(held.document, how))
        if key is not None and len(text) <= LARGEST:
            with self.lock:
                self.used += (len(text) + OVERHEAD) if key not in self.kept else 0
                self.kept[key] = text
                while self.used > self.room:
                    _, gone = self.kept.popitem(last=False)
                    self.used -= len(gone) + OVERHEAD
        return text
