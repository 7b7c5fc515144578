"""Entities as the bytes that are sent: each rendered once for each form and context, and kept while there is room.

What is kept goes by the entity's mark, which changes with every change of it; so nothing is ever stale.
"""

import threading
from collections import OrderedDict
from typing import Any

import orjson

from landbridge.model.answer import Held
from landbridge.model.renderer import Rendering, render, render_feature

ROOM = 24 * 1024 * 1024  # bytes of JSON
OVERHEAD = 400  # bytes that an entry takes besides
LARGEST = 256 * 1024  # bytes of JSON of one entity that are worth keeping
EMPTY = b"{}"
Key = tuple[tuple[int, int], Any]


class Rendered:
    """Entities rendered lately, the least lately used go first; for one pool."""

    def __init__(self, room: int = ROOM) -> None:
        self.room = room
        self.used = 0
        self.kept: OrderedDict[Key, bytes] = OrderedDict()
        self.lock = threading.Lock()

    def entity(self, held: Held, how: Rendering) -> bytes:
        """The entity's JSON in the wanted form."""
        return self.of(held, how, feature=False)

    def feature(self, held: Held, how: Rendering) -> bytes:
        """The entity as a GeoJSON Feature."""
        return self.of(held, how, feature=True)

    def of(self, held: Held, how: Rendering, feature: bool) -> bytes:
        if held.mark is None:
            return made(held, how, feature)
        key = (held.mark, (how.signature, feature))
        with self.lock:
            found = self.kept.get(key)
            if found is not None:
                self.kept.move_to_end(key)
                return found
        text = made(held, how, feature)
        if len(text) <= LARGEST:
            self.keep(key, text)
        return text

    def keep(self, key: Key, text: bytes) -> None:
        with self.lock:
            if key in self.kept:
                return
            self.kept[key] = text
            self.used += len(text) + OVERHEAD
            while self.used > self.room:
                _, gone = self.kept.popitem(last=False)
                self.used -= len(gone) + OVERHEAD


def made(held: Held, how: Rendering, feature: bool) -> bytes:
    return orjson.dumps(render_feature(held.document, how) if feature else render(held.document, how))
