"""A city with a lake, whose sources may be backfilled, and its history as plain values to compare."""

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from feeding import ACTOR, City, delivery, when
from landbridge.history.backfill import standing
from landbridge.history.lake import Lake
from landbridge.history.rows import instance_in, pending
from landbridge.model.claim import Claims
from landbridge.model.feed import SourceFacts
from landbridge.pool.ingest import Ingest, open_ingest

DAYS = [f"2020-01-{day:02}T00:00:00Z" for day in range(1, 10)]


class Filled(City):
    """A city with a lake, where sources may be backfilled."""

    def __init__(self, folder: Path, claims: Claims | None = None) -> None:
        folder.mkdir(exist_ok=True, parents=True)
        super().__init__(folder / "pool.db", claims)
        self.lake = Lake(str(folder / "history"))

    def begun(self, source: str = "one", back: bool = True, **facts: Any) -> Ingest:
        told = SourceFacts(source, backfill=back, **facts)
        return open_ingest(self.store, self.claims, told, actor=ACTOR, fingerprint="f", history=self.lake)

    def fill(self, *parts: Sequence[dict[str, Any]], source: str = "one", back: bool = True, **facts: Any) -> Any:
        """One whole pull that brings these parts one after the other."""
        run, first = self.begun(source, back, **facts), 0
        for part in parts:
            run.hand_over([delivery(part, first=first, types={"n": pa.float64(), "w": pa.string()})])
            first += len(part)
        run.settle()
        return run.finish()

    def lines(self) -> list[dict[str, Any]]:
        """All lines of history, from the lake and from what is not drained, in the order of commits."""
        found: list[pa.Table] = []
        with self.store.reader() as connection:
            for kind, type_ in list(connection.execute("SELECT num, type FROM kind")):
                table, position = self.lake.table(type_), 0
                if table is not None:
                    snapshot, _ = standing(connection, table)
                    position = snapshot.position
                    found += [table.read(file) for file in snapshot.files]
                found += list(pending(connection, [kind], position))
        lines = [line for part in found for line in plain(part)]
        return sorted(lines, key=lambda line: (line["commit"], line["ordinal"]))

    def history(self) -> list[tuple[Any, ...]]:
        """What history says, whatever the commit: entity, attribute, observed, source, row, instance; sorted."""
        return sorted(
            (
                (line["entity"], line["attribute"], line["time"] if line["timed"] else None, line["source"],
                 line["row"], line["unit"], instance_in(line))
                for line in self.lines()
            ),
            key=repr,
        )  # fmt: skip


def plain(table: pa.Table) -> list[dict[str, Any]]:
    for name in ("time", "recorded", "until"):
        table = table.set_column(table.column_names.index(name), name, table.column(name).cast(pa.int64()))
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def row(entity: str, day: str | None, n: float | None, w: str | None = "x") -> dict[str, Any]:
    return {
        "id": f"urn:x:{entity}", "type": "T", "n": n, "n.unitCode": "GQ", "w": w,
        "observedAt": when(day) if day else None,
    }  # fmt: skip


def dying(what: Callable[..., Any], count: int, before: bool) -> Callable[..., Any]:
    """The same, but the process is killed before or after it is done for the n-th time."""
    left = [count]

    def done(*arguments: Any, **named: Any) -> Any:
        left[0] -= 1
        if left[0] == 0 and before:
            os.kill(os.getpid(), signal.SIGKILL)
        found = what(*arguments, **named)
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    return done
