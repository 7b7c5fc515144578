"""From a document to the row that the store keeps: its text, its queryable values, where it lies."""

from collections.abc import Sequence

from landbridge.model.answer import Document
from landbridge.model.slot import Slot, slot_of, where_of
from landbridge.store.contract import Kind, Row
from landbridge.store.document import fold

LOCATION = "location"


def row_of(key: int, document: Document, kinds: Sequence[Kind], created: int, modified: int, version: int) -> Row:
    """The row of an entity whose first type is `kinds[0]`; further kinds find it too."""
    place, box = where_of(document["attrs"].get(LOCATION, ()))
    return Row(
        key,
        document["id"],
        fold(document),
        created,
        modified,
        version,
        slots_of(document, kinds[0]),
        place,
        box,
        tuple(kind.num for kind in kinds[1:]),
    )


def slots_of(document: Document, kind: Kind) -> dict[int, Slot]:
    """The attributes' slots, by number."""
    attributes = document["attrs"]
    return {number: slot_of(attributes[name]) for name, number in kind.slots.items() if name in attributes}
