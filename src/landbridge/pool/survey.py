"""What there is of a subject that is to be forgotten: its keys, the source rows behind it, the values that tell it.

Found before anything is taken away, and kept with the intention until the end, so that an erasure that was killed knows
what it was after even when half of it is gone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import apsw
import orjson

from landbridge.history.erase import HIDING, Past
from landbridge.history.lake import Lake
from landbridge.model.block import unpack as unpack_block
from landbridge.model.entity import KINDS, PROVENANCE, provenance
from landbridge.model.erasure import Naming, Subject
from landbridge.model.instant import parse_instant
from landbridge.store import reading, wipe
from landbridge.store.document import unfold
from landbridge.store.schema import KIND_BITS
from landbridge.store.segment import iterate, rows_of, unpack

MOST_TELLING = 5_000  # texts that are looked for in free text
LONGEST = 1_000  # characters of such a text
Refs = dict[str, dict[int, set[int]]]  # source -> run -> rows


class History(Protocol):
    """The files of history, as far as an erasure needs them; handed in by whoever has the engines."""

    lake: Lake

    def survey(self, subject: Subject) -> Past: ...
    def erase(self, subject: Subject, naming: Naming) -> Mapping[str, int]: ...


@dataclass
class Survey:
    """What was found. `named`: source rows behind others' lines that name the subject; `cells`: (source, column, value)
    by which a source names it alone.
    """

    keys: list[int] = field(default_factory=list)
    rows: Refs = field(default_factory=dict)
    named: Refs = field(default_factory=dict)
    telling: set[str] = field(default_factory=set)
    cells: set[tuple[str, str, str]] = field(default_factory=set)
    times: set[int] = field(default_factory=set)  # observed times of its lines
    counts: dict[str, int] = field(default_factory=dict)

    def count(self, what: str, number: int = 1) -> None:
        if number:
            self.counts[what] = self.counts.get(what, 0) + number

    def row(self, source: str, run: int | None, row: int | None) -> None:
        add_row(self.rows, source, run, row)

    def gone(self, source: str, run: int) -> set[int]:
        """The source rows of a run that go."""
        return self.rows.get(source, {}).get(run, set()) | self.named.get(source, {}).get(run, set())

    def tell(self, value: Any) -> None:
        """Take in the texts and numbers of a value."""
        for text in texts_in(value):
            if len(self.telling) < MOST_TELLING and 1 < len(text) <= LONGEST:
                self.telling.add(text)

    def to_json(self) -> dict[str, Any]:
        return {
            "keys": self.keys,
            "rows": listed(self.rows),
            "named": listed(self.named),
            "telling": sorted(self.telling),
            "cells": sorted(self.cells),
            "times": sorted(self.times),
            "counts": self.counts,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Survey":
        cells = {(source, column, value) for source, column, value in data["cells"]}
        return cls(
            data["keys"], refs(data["rows"]), refs(data["named"]), set(data["telling"]), cells, set(data["times"]),
            dict(data["counts"]),
        )  # fmt: skip


def add_row(into: Refs, source: str, run: int | None, row: int | None) -> None:
    if run is not None and row is not None:
        into.setdefault(source, {}).setdefault(run, set()).add(row)


def listed(rows: Refs) -> dict[str, dict[str, list[int]]]:
    return {source: {str(run): sorted(some) for run, some in runs.items()} for source, runs in rows.items()}


def refs(data: Mapping[str, Any]) -> Refs:
    return {source: {int(run): set(some) for run, some in runs.items()} for source, runs in data.items()}


def texts_in(value: Any) -> Iterator[str]:
    """The texts within a JSON value, and its longer numbers as texts."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, bool) or value is None:
        return
    elif isinstance(value, int | float):
        yield orjson.dumps(value).decode()
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from texts_in(one)
    elif isinstance(value, Sequence):
        for one in value:
            yield from texts_in(one)


def survey(connection: apsw.Connection, subject: Subject, history: History | None, mentions: Sequence[str]) -> Survey:
    """Find what there is of a subject. Of a whole source only the counts, since all that names it goes."""
    found = Survey(telling=set(mentions))
    if subject.entity is not None:
        found.keys = wipe.keys_of(connection, subject.tenant, subject.entity)
        look_at_state(connection, subject, found)
        look_at_journal(connection, subject, found)
        look_at_segments(connection, subject, found)
        if subject.whole:
            look_at_others(connection, subject, found)
    else:
        look_at_source(connection, subject, found)
    if history is not None:
        past = history.survey(subject)
        found.count("lines of history's files", past.lines)
        if subject.entity is not None or subject.timed:
            for source, run, row in past.rows:
                found.row(source, run, row)
        for source, run, row in past.named:
            add_row(found.named, source, run, row)
        found.times |= past.times
        for text in past.texts:
            found.tell(text)
    look_at_raw(connection, subject, found)
    return found


def look_at_state(connection: apsw.Connection, subject: Subject, found: Survey) -> None:
    for stored in reading.by_keys(connection, found.keys) if found.keys else ():
        found.count("entities")
        for name, instances in unfold(stored.doc)["attrs"].items():
            for one in instances:
                if covers(subject, name, one):
                    take_in(one, found)


def covers(subject: Subject, attribute: str, instance: Mapping[str, Any]) -> bool:
    """Whether an instance of a document is meant."""
    origin, observed = provenance(instance), instance.get("observedAt")
    time = parse_instant(observed) if isinstance(observed, str) else origin.modified
    return subject.covers(attribute, origin.owner, time)


def take_in(instance: Mapping[str, Any], found: Survey) -> None:
    found.count("values")
    origin, observed = instance.get(PROVENANCE), instance.get("observedAt")
    if origin is not None:
        found.row(origin[0], origin[4], origin[5])
    if isinstance(observed, str):
        found.times.add(parse_instant(observed))
    tell_instance(instance, found)


def tell_instance(instance: Mapping[str, Any], found: Survey) -> None:
    """Take in what an instance and its sub-attributes say."""
    for name, member in instance.items():
        if name in KINDS.values():
            found.tell(member)
        elif isinstance(member, dict) and "type" in member:
            tell_instance(member, found)


def journal_lines(connection: apsw.Connection, subject: Subject, keys: Sequence[int]) -> Iterator[Any]:
    """The lines of the journal that are meant: key, attribute, number, ordinal, owner, observed, instance, time,
    operation, and whether it takes another line's place.
    """
    columns = (
        "SELECT j.key, j.attribute, j.number, j.ordinal, j.owner, j.observed, j.instance,"
        " coalesce(j.observed, c.recorded), j.operation, j.replaces_number IS NOT NULL"
        " FROM journal j JOIN commits c USING (number)"
    )
    if subject.source is not None:
        rows = connection.execute(
            f"{columns} JOIN kind k ON k.num = j.key >> {KIND_BITS} WHERE j.owner=?2 AND {wipe.WITHIN}".replace(
                "(tenant=?1 OR substr(tenant,", "(k.tenant=?1 OR substr(k.tenant,"
            ),
            (subject.tenant, subject.source),
        )
        yield from (row for row in rows if is_meant(subject, row))
        return
    for key in keys:
        yield from (row for row in connection.execute(f"{columns} WHERE j.key=?", (key,)) if is_meant(subject, row))


def is_meant(subject: Subject, row: Any) -> bool:
    if row[1] == "@entity" and subject.entity is not None and not subject.whole:
        return False  # the entity itself stays
    if subject.timed and row[8] in HIDING:
        return False  # it says nothing, and what it hides stays hidden
    return subject.covers(row[1], row[4], row[7])


def look_at_journal(connection: apsw.Connection, subject: Subject, found: Survey) -> None:
    for _, _, _, _, owner, observed, instance, *_ in journal_lines(connection, subject, found.keys):
        found.count("lines of the journal")
        if observed is not None:
            found.times.add(observed)
        if instance is None:
            continue
        told = orjson.loads(instance)
        if not isinstance(told, dict):
            continue
        tell_instance(told, found)
        origin = told.get(PROVENANCE)
        if origin is not None:
            found.row(owner, origin[4], origin[5])


def look_at_segments(connection: apsw.Connection, subject: Subject, found: Survey) -> None:
    kinds = sorted({key >> KIND_BITS for key in found.keys})
    for seq, _, number, source, run, low, high in wipe.segment_heads(connection, kinds):
        for key in [key for key in found.keys if low <= key <= high]:
            body = wipe.blob(connection, "segment", seq)
            recorded = reading.recorded(connection, number)
            for row in rows_of(body or b"", key, subject.attribute):
                time = recorded if row.observed is None else row.observed
                if subject.covers(row.attribute, source, time):
                    found.count("lines of the journal")
                    found.row(source, run, row.row)
                    if row.observed is not None:
                        found.times.add(row.observed)
                    if row.instance:
                        tell_instance(orjson.loads(row.instance), found)


def look_at_others(connection: apsw.Connection, subject: Subject, found: Survey) -> None:
    """Find the source rows behind what others say of the subject: they name it in whatever words the source has."""
    id_ = str(subject.entity)
    naming, own = Naming({id_: ""}), set(found.keys)
    for number, _, _ in wipe.kinds_of(connection, subject.tenant):
        low, high = wipe.kind_span(number)
        rows = connection.execute(
            "SELECT key, doc FROM entity WHERE key BETWEEN ? AND ? AND instr(doc, ?)", (low, high, id_)
        )
        for key, doc in rows:
            for instances in unfold(doc)["attrs"].values() if key not in own else ():
                for one in instances:
                    if naming.names(orjson.dumps(one).decode()):
                        add_row(found.named, *provenance_of(one))
        lines = connection.execute(
            "SELECT key, instance FROM journal WHERE key BETWEEN ? AND ? AND instr(instance, ?)", (low, high, id_)
        )
        for key, instance in lines:
            told = orjson.loads(instance)
            if key not in own and isinstance(told, dict) and naming.names(instance):
                add_row(found.named, *provenance_of(told))
        for seq, _, _, source, run, *_ in wipe.segment_heads(connection, [number]):
            table = unpack(wipe.blob(connection, "segment", seq) or b"")
            if any(wipe.names(column, naming) for column in table.columns):
                for line in iterate(table):
                    if line.key not in own and line.instance and naming.names(line.instance):
                        add_row(found.named, source, run, line.row)


def provenance_of(instance: Mapping[str, Any]) -> tuple[str, int | None, int | None]:
    origin = instance.get(PROVENANCE) or ["", 0, 0, 0, None, None]
    return origin[0], origin[4], origin[5]


def look_at_source(connection: apsw.Connection, subject: Subject, found: Survey) -> None:
    """Count what a source said; within a stretch of time also find the rows behind it."""
    for row in journal_lines(connection, subject, ()):
        found.count("lines of the journal")
        if subject.timed and row[6] is not None:
            origin = orjson.loads(row[6]).get(PROVENANCE)
            found.row(row[4], *(origin[4:6] if origin else (None, None)))
    kinds = [number for number, _, _ in wipe.kinds_of(connection, subject.tenant)]
    for seq, _, number, source, run, _, _ in wipe.segment_heads(connection, kinds):
        if source != subject.source:
            continue
        recorded = reading.recorded(connection, number)
        for line in iterate(unpack(wipe.blob(connection, "segment", seq) or b"")):
            if subject.at(recorded if line.observed is None else line.observed):
                found.count("lines of the journal")
                if subject.timed:
                    found.row(source, run, line.row)


def look_at_raw(connection: apsw.Connection, subject: Subject, found: Survey) -> None:
    """Read the source rows behind the subject: what they tell, and by which cells a source names it alone."""
    if subject.source is not None and not subject.timed:
        count = connection.execute("SELECT count(*) FROM raw WHERE source=?", (subject.source,)).get
        found.count("blocks of source rows", int(count))
        return
    for source, runs in found.rows.items():
        mine: list[set[tuple[str, str]]] = []
        for row in raw_rows(connection, source, runs):
            found.count("source rows")
            cells = set(wipe.cells(row))
            mine.append(cells)
            if subject.entity is not None:
                for _, text in cells:
                    found.tell(text)
        if subject.whole and mine:
            named = {(column, text) for column, text in set.intersection(*mine) if names(subject, text)}
            found.cells |= {(source, column, text) for column, text in alone(connection, source, runs, named)}


def names(subject: Subject, text: str) -> bool:
    """Whether a cell is the subject's id, or its end after a colon or slash."""
    id_ = subject.entity or ""
    return bool(text) and (id_ == text or id_.endswith((f":{text}", f"/{text}")))


def raw_rows(connection: apsw.Connection, source: str, runs: Mapping[int, set[int]]) -> Iterator[dict[str, Any]]:
    """The kept source rows of some runs by number."""
    for run, wanted in runs.items():
        blocks = connection.execute(
            "SELECT seq FROM raw WHERE source=? AND run=? AND first<=? AND last>=?",
            (source, run, max(wanted), min(wanted)),
        )
        for (seq,) in list(blocks):
            table = unpack_block(wipe.blob(connection, "raw", seq) or b"")
            numbers = table.column("_row").to_pylist()
            for place, number in enumerate(numbers):
                if number in wanted:
                    yield table.slice(place, 1).to_pylist()[0]


def alone(
    connection: apsw.Connection, source: str, runs: Mapping[int, set[int]], cells: set[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Those of some cells that no other source row has."""
    left = set(cells)
    if not left:
        return left
    for seq, run in list(connection.execute("SELECT seq, run FROM raw WHERE source=?", (source,))):
        table = unpack_block(wipe.blob(connection, "raw", seq) or b"")
        numbers = table.column("_row").to_pylist()
        for column, text in list(left):
            if column in table.column_names:
                values = table.column(column).to_pylist()
                same = (place for place, value in enumerate(values) if value is not None and as_cell(value) == text)
                if any(numbers[place] not in runs.get(run, ()) for place in same):
                    left.discard((column, text))
    return left


def as_cell(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
