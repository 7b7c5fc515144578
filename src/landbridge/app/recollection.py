"""What the serving process knows of history: what lies near, it reads itself; the rest it asks of the historian.

Near is an entity of which the store has all lines, and few. So a retrieval right after a write needs nobody else, and
the serving process loads no engine.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import apsw
import orjson

from landbridge.app.passage import read_answer, read_points, write_question
from landbridge.history.recent import Recent
from landbridge.model.answer import Point
from landbridge.model.temporal import Evolution, Evolutions, TemporalQuery
from landbridge.store import census, drained
from landbridge.store.schema import KIND_BITS
from landbridge.store.sqlite import SqliteStore

FEW_ROWS, FEW_SEGMENTS = 500, 2  # of one entity, that are read here
Ask = Callable[[Mapping[str, Any]], Any]


class Recollection:
    """Answers about history in the serving process. `ask` the historian, if it is `ready`."""

    def __init__(self, store: SqliteStore, ask: Ask, ready: Callable[[], bool]) -> None:
        self.store = store
        self.recent = Recent(store)
        self.ask = ask
        self.ready = ready

    def evolution(self, id_: str, asked: TemporalQuery) -> Evolution:
        if self.is_near(id_, asked) or (not self.ready() and self.is_whole()):
            return self.recent.evolution(id_, asked)
        return read_answer(self.ask({"do": "evolution", "id": id_, "asked": write_question(asked)})).found[0]

    def evolutions(self, asked: TemporalQuery) -> Evolutions:
        together = asked.aggregate is not None and asked.aggregate.together
        if not self.ready() and not together and self.is_whole():
            return self.recent.evolutions(asked)
        return read_answer(self.ask({"do": "evolutions", "asked": write_question(asked)}))

    def past(self, tenant: str, moment: int) -> Path:
        """The file that holds a tenant's pool as of a moment."""
        return Path(orjson.loads(self.ask({"do": "as_of", "tenant": tenant, "moment": moment})))

    def earlier(
        self,
        uptos: Mapping[str, int],
        tenant: str,
        id_: str,
        attribute: str,
        limit: int,
        since: int | None,
        created: int,
    ) -> Sequence[Point]:
        """The newest points of a series that the lake alone has (see `pool.series`)."""
        with self.store.reader() as connection:
            if not any(uptos.values()) and not has_backfills(connection):
                return []
        return read_points(
            self.ask({"do": "points", "uptos": dict(uptos), "of": [tenant, id_, attribute, limit, since, created]})
        )

    def is_near(self, id_: str, asked: TemporalQuery) -> bool:
        """Whether the store has all of an entity's lines, and they are few."""
        with self.store.reader() as connection:
            tenant = asked.query.tenant
            keys = [
                row[1] for row in (*census.past(connection, tenant, [id_]), *census.present(connection, tenant, [id_]))
            ]
            if has_backfills(connection) or any(drained.trimmed(connection, key >> KIND_BITS) for key in keys):
                return False
            return all(is_small(connection, key) for key in keys)

    def is_whole(self) -> bool:
        """Whether the store still has all of history."""
        with self.store.reader() as connection:
            gone = connection.execute("SELECT 1 FROM drained WHERE trimmed > 0 LIMIT 1").get
            return gone is None and not has_backfills(connection)


def has_backfills(connection: apsw.Connection) -> bool:
    return connection.execute("SELECT 1 FROM manifest LIMIT 1").get is not None


def is_small(connection: apsw.Connection, key: int) -> bool:
    rows = connection.execute("SELECT count(*) FROM (SELECT 1 FROM journal WHERE key=? LIMIT ?)", (key, FEW_ROWS + 1))
    segments = connection.execute(
        "SELECT count(*) FROM (SELECT 1 FROM segment WHERE kind=?1 AND min_key<=?2 AND max_key>=?2 LIMIT ?3)",
        (key >> KIND_BITS, key, FEW_SEGMENTS + 1),
    )
    return int(rows.get or 0) <= FEW_ROWS and int(segments.get or 0) <= FEW_SEGMENTS
