"""Source rows as they were, kept for whoever asks where a value comes from: blocks of rows (`model.block`).

Where several mapping files may read one row, a block also tells what its own mapping made of each: which entities and
which attributes, so that a value leads to the mapping that it is from.
"""

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from landbridge.model.block import IDS, NUMBER, ORIGIN, ROW, ROWS, Block, pack, unpack


class Made(NamedTuple):
    """What a mapping made of rows: the attributes' stored names, and for each row the ids of its entities."""

    attributes: Sequence[str]
    ids: pa.Array


class RawRow(NamedTuple):
    """A kept row: where it stands (`admin.csv line 12`), by which mapping it was read, what it holds."""

    place: str
    mapping: str
    raw: dict[str, object]
    attributes: tuple[str, ...] | None = None  # that the mapping makes; None where that is not kept
    ids: tuple[str, ...] | None = None  # of the entities that it made of this row

    def makes(self, id_: str, attribute: str) -> bool:
        """Whether the mapping made this attribute of this entity of the row, as far as that is kept."""
        return (self.attributes is None or attribute in self.attributes) and (self.ids is None or id_ in self.ids)


def blocks(
    rows: pa.RecordBatch,
    numbers: Sequence[int],
    origins: Sequence[str],
    unit: str,
    counted: Sequence[int],
    mapping: str,
    made: Made | None = None,
) -> Iterator[Block]:
    """Pack rows whose `numbers` ascend; `origins` and `counted` say where people find each row."""
    told = {"unit": unit, "mapping": mapping}
    if made is not None:
        told["attributes"] = json.dumps(list(made.attributes))
    for start in range(0, len(numbers), ROWS):
        part = slice(start, start + ROWS)
        body = pack(
            rows.slice(start, ROWS),
            pa.array(numbers[part], pa.int64()),
            pa.array(origins[part], pa.string()).dictionary_encode(),
            pa.array(counted[part], pa.int64()),
            told,
            None if made is None else made.ids.slice(start, ROWS),
        )
        yield Block(numbers[start], numbers[min(start + ROWS, len(numbers)) - 1], body)


def find_row(body: bytes, row: int) -> RawRow | None:
    """The row of this number in a block, None where it is not there."""
    table = unpack(body)
    at = table.column(ROW).index(row).as_py()
    if at < 0:
        return None
    found = table.slice(at, 1).to_pylist()[0]
    told = {name.decode(): text.decode() for name, text in (table.schema.metadata or {}).items()}
    found.pop(ROW)
    parts = (found.pop(ORIGIN), told.get("unit"), found.pop(NUMBER))
    place = " ".join(str(part) for part in parts if part not in (None, ""))
    mapping = told.get("mapping", "")
    if "attributes" not in told:
        return RawRow(place, mapping, found)
    ids = tuple(found.pop(IDS) or ())
    return RawRow(place, mapping, found, tuple(json.loads(told["attributes"])), ids)


def ids_by_row(rows: pa.RecordBatch) -> pa.Array:
    """The ids of the entities that mapped rows make of each source row, in the order of the source rows' numbers."""
    table = pa.table({ROW: rows.column(ROW), "id": rows.column("id")}).filter(pc.field(ROW).is_valid())
    return table.group_by(ROW).aggregate([("id", "distinct")]).sort_by(ROW).column("id_distinct").combine_chunks()
