"""What the store itself has of an entity's history: rows that were written one by one, and segments of bulk loads.

It needs no engine, so the serving process can answer from it what lies in the recent window.
"""

from array import array
from collections.abc import Iterator, Sequence
from typing import Any

import apsw

from landbridge.history.line import Line
from landbridge.model.temporal import ENTITY
from landbridge.store.schema import KIND_BITS
from landbridge.store.segment import rows_of
from landbridge.store.timeline import body

ROWS = (
    "SELECT j.attribute, j.dataset, j.observed, c.recorded, j.number, j.ordinal, j.owner, j.operation, j.instance,"
    " j.replaces_number, j.replaces_ordinal"
    " FROM journal j JOIN commits c USING (number) WHERE j.key IN (SELECT value FROM carray(?1)) AND j.number > ?2"
)
OF_ATTRIBUTES = " AND j.attribute IN (SELECT value FROM carray(?3))"
PIECES = (
    "SELECT s.seq, s.number, c.recorded, s.source FROM segment s JOIN commits c USING (number)"
    " WHERE s.kind=?1 AND s.min_key<=?2 AND s.max_key>=?2 AND s.number > ?3 ORDER BY s.seq"
)


def lines_of(
    connection: apsw.Connection, keys: Sequence[int], attributes: Sequence[str] = (), after: int = 0
) -> Iterator[Line]:
    """The lines of one entity's keys, of commits after one; of these attributes, and what is said of the entity."""
    wanted = (*attributes, ENTITY) if attributes else ()
    asked = (apsw.carray(array("q", keys)), after, *((apsw.carray(wanted),) if wanted else ()))
    rows: Iterator[tuple[Any, ...]] = connection.execute(ROWS + (OF_ATTRIBUTES if wanted else ""), asked)
    for row in rows:
        *said, number, ordinal = row
        yield Line._make((*said, None if number is None else (number, ordinal), None))
    for key in keys:
        pieces: list[tuple[Any, ...]] = connection.execute(PIECES, (key >> KIND_BITS, key, after)).fetchall()
        for seq, number, recorded, source in pieces:
            for row in rows_of(body(connection, seq), key):
                if not wanted or row.attribute in wanted:
                    yield Line(
                        row.attribute, row.dataset, row.observed, recorded, number, row.ordinal, source,
                        row.operation, row.instance,
                    )  # fmt: skip
