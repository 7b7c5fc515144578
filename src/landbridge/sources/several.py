"""A source of several parts (kind `several`): files, databases or addresses of different kinds that one owner gives.

Each `[[parts]]` is an ordinary declaration with a `table`: what its kind yields stands under that name in the mapping.
One source is one voice: a register in two formats, or a history and its newest state, make one claim and not two.
"""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from landbridge.errors import InvalidSettings
from landbridge.sources.contract import Batch, Cursor, Declaration, Source
from landbridge.sources.declaration import Keys, known_options
from landbridge.sources.kind import find_kind

OPTIONS: dict[str, str] = {
    "parts": "a list of `[[parts]]`, each with `table` (its name in the mapping), `kind` and the options of that kind",
}
MOST = 50


@dataclass
class SeveralSource:
    """The parts, read one after the other as one whole pull."""

    parts: tuple[tuple[str, Source], ...]
    manner: str = "whole"
    notes: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def batches(self, cursor: Cursor | None) -> Iterator[Batch]:
        """Yield every part's rows under its table; nothing where no part changed."""
        self.notes.clear()
        seen = dict((cursor or {}).get("parts", {}))
        opened = [(table, source, self.first(source, seen.get(table))) for table, source in self.parts]
        if cursor is not None and all(batch is None for _, _, (batch, _) in opened):
            return
        held: Batch | None = None
        for table, source, (first, rest) in opened:
            if first is None and seen.get(table) is not None:  # unchanged, and a whole pull needs it too
                first, rest = self.first(source, None)
            for batch in chained(first, rest):
                if held is not None:
                    yield held
                seen[table] = batch.cursor or seen.get(table)
                held = replace(batch, table=table, cursor=None)
                if self.ended.is_set():
                    return
            self.notes.extend(getattr(source, "notes", ()))
        if held is not None:
            yield replace(held, cursor={"parts": seen})

    def first(self, source: Source, cursor: Any) -> tuple[Batch | None, Iterator[Batch]]:
        """A part's first batch, None where it has none, and the rest."""
        rest = source.batches(cursor)
        return next(rest, None), rest

    def stop(self) -> None:
        """End `batches` at the next batch."""
        self.ended.set()
        for _, source in self.parts:
            source.stop()


def chained(first: Batch | None, rest: Iterator[Batch]) -> Iterator[Batch]:
    if first is not None:
        yield first
    yield from rest


def open_source(declaration: Declaration) -> SeveralSource:
    """Open each part's kind; raises InvalidSettings. Nothing is read yet."""
    where = f"{declaration.name}/source.toml"
    declared = declaration.options.get("parts")
    if not isinstance(declared, list) or not declared or len(declared) > MOST:
        raise InvalidSettings(
            f"`parts` is no list of one to {MOST} tables.", where=where, hint="Write [[parts]] with `table` and `kind`."
        )
    parts = tuple(part(declaration, options, where) for options in declared)
    tables = [table for table, _ in parts]
    if len(set(tables)) != len(tables):
        raise InvalidSettings("Two parts have the same `table`.", where=where, hint="Give each its own name.")
    return SeveralSource(parts)


def part(declaration: Declaration, options: Any, where: str) -> tuple[str, Source]:
    """One part: its table and its opened source."""
    if not isinstance(options, Mapping):
        raise InvalidSettings("A part is no table.", where=where, hint="Write [[parts]] on a line of its own.")
    read = Keys(options, where)
    table, kind = read.text("table", ""), read.text("kind", "")
    if not table or not kind:
        raise InvalidSettings("A part needs `table` and `kind`.", where=where)
    own = {name: value for name, value in options.items() if name not in ("table", "kind")}
    known_options(kind, own, where)
    source = find_kind(kind)(replace(declaration, kind=kind, options=own))
    if source.manner != "whole":
        raise InvalidSettings(
            f"The part '{table}' is of kind '{kind}', which has no end.", where=where, hint="Make it its own source."
        )
    return table, source
