"""One entity's lines from store and lake together, without seam or double, and no more of them than are needed.

A type's table has all lines of commits up to its position, and of backfills; the store has the later ones. So whatever
is drained, trimmed or joined meanwhile, each line is read once. A series is read from its newest or its oldest end only
as far as a page goes; lines that hide others are read wherever they lie.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import apsw
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from landbridge.errors import TooMuch
from landbridge.history.backfill import standing
from landbridge.history.block import Block, Blocks, Ints
from landbridge.history.candidate import Subject
from landbridge.history.lake import File, Lake, LakeTable, Snapshot
from landbridge.history.line import Line
from landbridge.history.line import standing as counting
from landbridge.history.rows import in_order, pending
from landbridge.model.temporal import ENTITY, Span, TemporalQuery
from landbridge.store import drained
from landbridge.store.schema import KIND_BITS

MOST_LINES = 500_000  # of one entity, made into instances for one answer
MARGIN = 8  # lines that are read beyond what a page needs, as some may be hidden
Key = tuple[str, int]  # attribute, and its datasetId's place among those met
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class View:
    """A type's table as one question sees it, and since when the backfills in it count, by their commits."""

    type: str
    kinds: tuple[int, ...]
    table: LakeTable | None = None
    snapshot: Snapshot = field(default_factory=lambda: Snapshot(0, 0, ()))
    since: dict[int, int] = field(default_factory=dict)


class Views:
    """The tables that one question reads, each opened once, inside one read transaction of the store."""

    def __init__(self, connection: apsw.Connection, lake: Lake | None, blocks: Blocks) -> None:
        self.connection = connection
        self.lake = lake
        self.blocks = blocks
        self.numbers = drained.kinds(connection)
        self.by_kind = {number: type_ for type_, numbers in self.numbers.items() for number in numbers}
        self.opened: dict[str, View] = {}

    @property
    def now(self) -> int:
        """When the last commit was recorded."""
        found = self.connection.execute("SELECT recorded FROM commits ORDER BY number DESC LIMIT 1").get
        return int(found or 0)

    def of(self, type_: str) -> View:
        found = self.opened.get(type_)
        if found is None:
            found = self.opened[type_] = self.open(type_)
        return found

    def open(self, type_: str) -> View:
        kinds = tuple(self.numbers.get(type_, ()))
        table = None if self.lake is None else self.lake.table(type_)
        if table is None:
            return View(type_, kinds)
        snapshot, manifests = standing(self.connection, table)
        self.blocks.forget([file.path for file in snapshot.files], table.address)
        return View(type_, kinds, table, snapshot, {one.number: one.recorded for one in manifests})

    def of_keys(self, keys: Iterable[int]) -> list[View]:
        """The tables where lines under these keys are."""
        kinds = dict.fromkeys(key >> KIND_BITS for key in keys)
        return [self.of(type_) for type_ in dict.fromkeys(self.by_kind[kind] for kind in kinds if kind in self.by_kind)]

    def waiting(self, subjects: Sequence[Subject]) -> Block | None:
        """What the store has of these entities that the lake has not."""
        keys = [key for one in subjects for key in one.keys]
        parts: list[pa.Table] = []
        for view in self.of_keys(keys):
            mine = sorted(key for key in keys if self.by_kind.get(key >> KIND_BITS) == view.type)
            parts += pending(self.connection, view.kinds, view.snapshot.position, None, mine)
        return Block.of(in_order(pa.concat_tables(parts))) if parts else None


@dataclass(frozen=True)
class Stretch:
    """Some lines of one series in one block, in the order of times. `hidden`: those that hide others, wherever."""

    block: Block
    at: Ints
    hides: Ints


class Spread:
    """Reads entities' lines for one question. `waiting`: what the store has of them alone."""

    def __init__(self, views: Views, tenant: str, waiting: Block | None) -> None:
        self.views = views
        self.tenant = tenant
        self.waiting = waiting

    def blocks(
        self, subject: Subject, attributes: Sequence[str], span: Span | None
    ) -> Iterator[tuple[Block, str, int, int]]:
        """Where lines of an entity are: block, attribute, start and end."""
        wanted = (*attributes, ENTITY) if attributes else ()
        for view in self.views.of_keys(subject.keys):
            for file in view.snapshot.files:
                yield from self.in_file(view, file, subject.id, wanted, may_hold(file, span))
        if self.waiting is not None:
            for attribute, start, end in self.waiting.runs.of(self.tenant, subject.id, wanted):
                yield self.waiting, attribute, start, end

    def in_file(
        self, view: View, file: File, id_: str, wanted: Sequence[str], timely: bool
    ) -> Iterator[tuple[Block, str, int, int]]:
        assert view.table is not None
        asked = wanted if timely or file.corrects else (ENTITY,)
        for group in self.views.blocks.groups(view.table, file):
            if any(group.may_have(self.tenant, name, id_) for name in asked or (None,)):
                block = self.views.blocks.block(view.table, file, group)
                for attribute, start, end in block.runs.of(self.tenant, id_, asked):
                    yield block, attribute, start, end

    def lines(self, subject: Subject, attributes: Sequence[str], asked: TemporalQuery, most: int | None) -> list[Line]:
        """An entity's lines as far as they matter: of each series `most` that count (None: all), and what hides others.

        Raises TooMuch where that is more than memory is given for.
        """
        series: dict[Key, list[Stretch]] = {}
        always: list[Line] = []
        places: dict[str | None, int] = {}
        for block, attribute, start, end in self.blocks(subject, attributes, asked.span):
            if attribute == ENTITY:
                always += block.lines(np.arange(start, end))
                continue
            at, hides = chosen(block, start, end, asked)
            always += block.lines(hides)
            for dataset, part in by_dataset(block, at):
                place = places.setdefault(dataset, len(places))
                series.setdefault((attribute, place), []).append(Stretch(block, part, hides))
        found = always
        for stretches in series.values():
            found += taken(stretches, always, asked, most, MOST_LINES - len(found))
        return self.dated(subject, found)

    def dated(self, subject: Subject, lines: list[Line]) -> list[Line]:
        """Lines of backfills count since their backfill does."""
        since: dict[int, int] = {}
        for view in self.views.of_keys(subject.keys):
            since |= view.since
        if not since:
            return lines
        return [
            line._replace(recorded=max(line.recorded, since[line.number])) if line.number in since else line
            for line in lines
        ]


def may_hold(file: File, span: Span | None) -> bool:
    """Whether a file may have lines of a stretch of time."""
    if span is None or span.property != "observedAt":
        return True
    match span.relation:
        case "before":
            return file.first < span.at
        case "after":
            return file.last >= span.at
    return file.last >= span.at and (span.until is None or file.first < span.until)


def chosen(block: Block, start: int, end: int, asked: TemporalQuery) -> tuple[Ints, Ints]:
    """The places of lines of a run that lie within what is asked, in order; and of all that hide others."""
    times = block.time[start:end]
    first, last = start, end
    span = asked.span
    if span is not None and span.property == "observedAt":
        low = span.at if span.relation != "before" else None
        high = span.at if span.relation == "before" else span.until if span.relation == "between" else None
        first, last = cut(times, low, high, start, end)
    if asked.last is None and (span is None or span.property == "observedAt"):
        low, high = cut(times, asked.since, asked.before, start, end)
        first, last = max(first, low), min(last, high)
    at = np.arange(first, max(first, last))
    keep = mask(block, at, asked)
    at = at if keep is None else at[keep]
    return at, start + np.flatnonzero(block.hides[start:end])


def cut(times: Ints, low: int | None, high: int | None, start: int, end: int) -> tuple[int, int]:
    first = start if low is None else start + int(np.searchsorted(times, low, "left"))
    last = end if high is None else start + int(np.searchsorted(times, high, "left"))
    return first, last


def mask(block: Block, at: Ints, asked: TemporalQuery) -> Flags | None:
    """Which of some lines may count, as far as their columns tell; None: all."""
    keep: Flags | None = None

    def only(found: Flags) -> None:
        nonlocal keep
        keep = found if keep is None else keep & found

    span = asked.span
    if span is not None and span.property == "observedAt" and block.same.get("timed") is not True:
        only(block.flags("timed", at))
    elif span is not None and span.property in ("modifiedAt", "deletedAt"):
        only(np.asarray(in_stretch(block.recorded[at], span)))
    if "until" in block.columns:
        until = block.until[at]
        only((until == 0) | (until > asked.as_of) if asked.as_of is not None else until == 0)
    if asked.as_of is not None and asked.as_of < int(block.recorded.max(initial=0)):
        only(block.recorded[at] <= asked.as_of)
    return keep


def in_stretch(times: Ints, span: Span) -> Flags:
    if span.relation == "before":
        return times < span.at
    found = times >= span.at
    return found & (times < span.until) if span.relation == "between" and span.until is not None else found


def by_dataset(block: Block, at: Ints) -> Iterator[tuple[str | None, Ints]]:
    """Lines apart by datasetId."""
    if not len(at):
        return
    if block.datasets is None:
        yield block.same["dataset"], at
        return
    words, codes = block.codes("dataset")[0], block.datasets[at]
    for code in np.unique(codes).tolist():
        yield (None if code < 0 else words[code]), at[codes == code]


def taken(
    stretches: Sequence[Stretch], always: Sequence[Line], asked: TemporalQuery, most: int | None, room: int
) -> list[Line]:
    """Lines of one series: so many from its end as count, with all that have the time of the last of them."""
    total = sum(len(one.at) for one in stretches)
    count = total if most is None else min(total, most + MARGIN)
    while True:
        lines = ends(stretches, count, total, asked, room)
        enough = len(lines) >= (most or 0) and not always and len({line[:3] for line in lines}) == len(lines)
        if count >= total or enough or counted(lines, always, asked.as_of) >= (most or 0):
            return lines
        count = min(total, count * 4)


def counted(lines: Sequence[Line], always: Sequence[Line], as_of: int | None) -> int:
    """How many of some lines count."""
    places = {line.place for line in lines}
    return sum(line.place in places for line in counting([*always, *lines], as_of))


def ends(stretches: Sequence[Stretch], count: int, total: int, asked: TemporalQuery, room: int) -> list[Line]:
    """The lines at a series' end, `count` of them and those of the same time as the last."""
    if count > room:
        raise TooMuch(
            f"An answer has instances of more than {MOST_LINES:,} lines of one entity.",
            hint="Ask for a shorter stretch of time, for fewer attributes, for the newest (lastN), or for aggregates.",
        )
    if count < total:
        times = np.concatenate([one.block.time[one.at] for one in stretches])
        place = total - count if asked.last is not None else count - 1
        bound = int(np.partition(times, place)[place])
        parts: list[Any] = []
        for one in stretches:
            found = one.block.time[one.at]
            keep = found >= bound if asked.last is not None else found <= bound
            parts.append((one, one.at[keep]))
    else:
        parts = [(one, one.at) for one in stretches]
    lines = []
    for one, at in parts:
        lines += one.block.lines(np.setdiff1d(at, one.hides, assume_unique=True) if len(one.hides) else at)
    return lines
