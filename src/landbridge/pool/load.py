"""A slice of a bulk delivery on its way into the store: documents and journal lines made a column at a time.

New entities' documents are rendered as columns of text; of many rows about one entity the newest of each attribute is
found as columns too and the others go to the journal alone. Entities that are there already are met in `pool.meet`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import polars as pl
import pyarrow as pa

from landbridge.model.feed import ROW
from landbridge.model.slot import LOOK, where_of
from landbridge.model.temporal import ENTITY
from landbridge.pool import disagree
from landbridge.pool.absorb import Absorber, Standing
from landbridge.pool.meet import Meeting, Voice
from landbridge.pool.phrase import AttributePlan, scope_of
from landbridge.pool.render import Columns, Rendered, json_text, slots
from landbridge.pool.sheet import Sheet
from landbridge.pool.single import LOCATION, JournalRow, opened, record_lines
from landbridge.pool.told import ANNOUNCED, Told
from landbridge.store.cell import cell, cells
from landbridge.store.contract import Kind
from landbridge.store.document import CHOSEN
from landbridge.store.segment import cut_rows
from landbridge.store.transaction import SqliteTransaction

Ints = np.ndarray[Any, np.dtype[np.int64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]
Order = tuple[Ints, Ints, Flags | None, Flags]


@dataclass(frozen=True)
class Lines:
    """One attribute's lines, those of an entity together, the newest last. `newest` marks what stands.

    `group` numbers the entities of the part, `at` its rows; `stands` are the rows of what stands.
    """

    rendered: Rendered
    group: Ints
    at: Ints
    untimed: Flags | None
    newest: Flags
    stands: Rendered


class Part:
    """The rows of some entities of one type, in order and made into text as far as that goes without the store.

    `group` numbers the entity of each row, from 0.
    """

    def __init__(self, rows: pa.RecordBatch, group: Ints, plans: tuple[AttributePlan, ...]) -> None:
        self.group = group
        self.columns = Columns(rows)
        self.rows = self.columns.column(ROW)
        self.scopes = self.columns.column("scope").to_list() if "scope" in rows.schema.names else None
        first = np.ones(len(group), bool)
        first[1:] = group[1:] != group[:-1]
        self.ids = self.columns.texts("id").filter(pl.Series(first))
        self.single = len(self.ids) == rows.num_rows
        self.ordered: dict[str | None, Order] = {}
        self.attributes = [self.lines(self.columns.attribute(plan)) for plan in plans]

    def lines(self, rendered: Rendered) -> Lines:
        """Bring an attribute's lines into order and find what stands of each entity."""
        group, at, untimed, newest = self.ordered_lines(rendered)
        stands = rendered.some(at if newest.all() else at[newest])
        stands.head  # noqa: B018 - made now, as the commit will need it
        return Lines(rendered, group, at, untimed, newest, stands)

    def ordered_lines(self, rendered: Rendered) -> Order:
        spoken = rendered.values.is_not_null().to_numpy()
        if not spoken.all():
            return self.order(np.flatnonzero(spoken), rendered.observed)
        time = rendered.plan.observed
        if time not in self.ordered:
            # attributes that share their time, and are said in each row, share their order
            self.ordered[time] = self.order(np.arange(len(spoken)), rendered.observed)
        return self.ordered[time]

    def said_by(self, some: list[Lines]) -> tuple[Ints, Ints]:
        """The rows that say any of these attributes (which share their time), by entity and time."""
        longest = max(some, key=lambda lines: len(lines.at))
        group, at = longest.group, longest.at
        if len(at) < len(self.group):
            every = np.unique(np.concatenate([lines.at for lines in some]))
            if len(every) > len(at):
                group, at, *_ = self.order(every, longest.rendered.observed)
        return group, at

    def order(self, at: Ints, times: pl.Series | None) -> Order:
        """The order of these rows by entity and time."""
        group = self.group[at]
        observed = untimed = None
        if times is not None:
            taken = times.gather(at)
            untimed = taken.is_null().to_numpy()
            observed = taken.fill_null(np.iinfo(np.int64).min).to_numpy()
        sequence = in_sequence(group, observed, self.single)
        if sequence is not None:
            at, group = at[sequence], group[sequence]
            untimed = None if untimed is None else untimed[sequence]
        return group, at, untimed, standing_lines(group, at, untimed)


class Load:
    """A part on its way into the store, in one commit: `keys` of its entities, and which of them are new."""

    def __init__(
        self,
        transaction: SqliteTransaction,
        absorber: Absorber,
        told: Told,
        touched: disagree.Touched,
        kind: Kind,
        part: Part,
        keys: Ints,
        fresh: Flags,
    ) -> None:
        self.transaction, self.absorber, self.told, self.touched = transaction, absorber, told, touched
        self.kind, self.keys, self.fresh = kind, keys, fresh
        self.type, self.part = kind.type, part
        self.group, self.rows, self.scopes, self.ids = part.group, part.rows, part.scopes, part.ids
        self.attributes = part.attributes
        self.names = [lines.rendered.name for lines in part.attributes]
        self.standings = [absorber.standing((self.type,), name) for name in self.names]
        self.befallen: list[tuple[int, str, str]] = []

    # -- the whole

    def write(self, journal: bool = True) -> None:
        """State, then journal (unless history has the lines already)."""
        if self.fresh.any():
            self.insert(self.fresh, self.ids.to_list())
        if not self.fresh.all():
            self.merge(np.flatnonzero(~self.fresh))
        if journal:
            self.journal()
        self.record_befallen()
        self.touch()

    # -- entities that are new

    def insert(self, fresh: Any, ids: Sequence[str]) -> None:
        """Render and insert the new entities' rows."""
        count = len(ids)
        frame: dict[str, Any] = {}
        members = []
        for lines, standing in zip(self.attributes, self.standings, strict=True):
            head, tail, row = (self.spread(column, lines, count) for column in self.texts(lines))
            members.append(self.member(lines.rendered.name, standing, head, tail, row))
            slot = self.kind.slots.get(lines.rendered.name)
            if slot is not None:
                frame[f"s{slot}"] = chosen(self.slots(lines, standing, count), fresh)
            if lines.rendered.name == LOCATION and len(lines.at):
                frame |= self.whereabouts(lines, standing, count, fresh)
        opening = pl.concat_str(
            pl.lit('{"id":'), json_text(self.ids), pl.lit(f',"type":[{orjson.dumps(self.type).decode()}]'),
            *self.scope_members(count), pl.lit(',"attrs":{'),
        )  # fmt: skip
        docs = pl.select(
            pl.concat_str(opening, pl.concat_str(members, separator=",", ignore_nulls=True), pl.lit("}}"))
        ).to_series()
        new = ids if fresh.all() else chosen(ids, fresh)
        columns = {"key": self.keys[fresh].tolist(), "id": new, "doc": chosen(docs.to_list(), fresh), **frame}
        self.transaction.insert_columns(self.absorber.tenant, self.kind, columns)
        self.told.entities += len(new)
        self.told.touch_all(new[:ANNOUNCED], [self.type], len(new))

    def texts(self, lines: Lines) -> tuple[pl.Series, pl.Series | None, pl.Series]:
        """Head, tail and source row of what stands."""
        places, said = lines.at[lines.newest], lines.stands
        return said.head, said.tail, self.rows.gather(places).cast(pl.String).fill_null("null")

    def spread(self, column: pl.Series | None, lines: Lines, count: int) -> pl.Series | None:
        """A column of what stands as one of all entities, null where the attribute is not said."""
        if column is None or len(column) == count:
            return column
        index = np.full(count, -1, np.int64)
        index[lines.group[lines.newest]] = np.arange(len(column))
        places = pl.Series(index)
        return column.gather(places.set(places < 0, None))

    def member(
        self, name: str, standing: Standing, head: pl.Series | None, tail: pl.Series | None, row: pl.Series | None
    ) -> pl.Expr:
        """`"name":[...]` of each new entity, null where it is not said."""
        absorber = self.absorber
        stamp = f"{absorber.before}{absorber.recorded},{absorber.recorded},{absorber.run},"
        tails = [] if tail is None else [tail]
        opening = pl.lit(f"{orjson.dumps(name).decode()}:[")
        mark = f',"{CHOSEN}"' if standing.rivals else ""  # a first claim is chosen, whatever the rule
        return pl.concat_str(opening, head, *tails, pl.lit(stamp), row, pl.lit(f"{mark}]}}]"))

    def scope_members(self, count: int) -> list[pl.Series]:
        """`,"scope":[...]` of each entity that is to have one; those that are new are told of as made with it."""
        if self.scopes is None:
            return []
        found = [""] * count
        made: dict[int, dict[str, Any]] = {}
        for group, scope in zip(self.group.tolist(), map(scope_of, self.scopes), strict=True):
            if group >= 0 and scope is not None:
                found[group] = f',"scope":{orjson.dumps(scope).decode()}'
                if self.fresh[group]:
                    made[int(self.keys[group])] = {"type": [self.type], "scope": scope}
        self.befell("create", made)
        return [pl.Series(found)]

    def slots(self, lines: Lines, standing: Standing, count: int) -> list[Any]:
        """The narrow column of an attribute, for all entities."""
        places = lines.at[lines.newest]
        rendered = lines.rendered
        if standing.rivals:
            values: list[Any] = [LOOK] * len(places)
        else:
            values = slots(rendered, places)
        if len(values) == count:
            return values
        found: list[Any] = [None] * count
        for group, value in zip(lines.group[lines.newest].tolist(), values, strict=True):
            found[group] = value
        return found

    def whereabouts(self, lines: Lines, standing: Standing, count: int, fresh: Any) -> dict[str, list[Any]]:
        """The columns that say where new entities lie."""
        position = lines.stands.position
        if position is not None and not standing.rivals:
            lon, lat = position
            found = pl.DataFrame({"lon": lon, "lat": lat, "cell": cells(lon.to_numpy(), lat.to_numpy())})
            return {
                name: chosen(spread_.to_list(), fresh)
                for name in found.columns
                if (spread_ := self.spread(found[name], lines, count)) is not None
            }
        return self.shapes(lines, standing, count, fresh)

    def shapes(self, lines: Lines, standing: Standing, count: int, fresh: Any) -> dict[str, list[Any]]:
        """The same for shapes, and for points that several claim."""
        found: dict[str, list[Any]] = {name: [None] * count for name in ("lon", "lat", "box")}
        for group, head in zip(lines.group[lines.newest].tolist(), lines.stands.head.to_list(), strict=True):
            instance = orjson.loads(head + "}")
            place, box = where_of([instance, instance] if standing.rivals else [instance])
            found["box"][group] = box
            if place:
                found["lon"][group], found["lat"][group] = place
        found["cell"] = [
            None if lon is None else cell(lon, lat) for lon, lat in zip(found["lon"], found["lat"], strict=True)
        ]
        return {name: chosen(values, fresh) for name, values in found.items()}

    # -- entities that are there

    def merge(self, groups: Ints) -> None:
        """Bring what stands into the documents of entities that are there."""
        groups = groups[np.argsort(self.keys[groups], kind="stable")]
        voices = [self.voice(*one, groups) for one in zip(self.attributes, self.standings, strict=True)]
        ids, scopes = self.ids.gather(pl.Series(groups)), self.scopes_of(groups)
        meeting = Meeting(self.transaction, self.told, self.kind, self.keys[groups], ids, voices, scopes)
        meeting.write()
        self.befell("describe", meeting.rescoped)

    def voice(self, lines: Lines, standing: Standing, groups: Ints) -> Voice:
        """What stands of one attribute, for these entities."""
        index = np.full(len(self.ids), -1, np.int64)
        index[lines.group[lines.newest]] = np.arange(int(lines.newest.sum()))
        anew = None
        if lines.untimed is not None and lines.untimed.any() and not lines.untimed.all():
            anew = np.isin(groups, lines.group[lines.untimed])
        rows = self.rows.gather(lines.at[lines.newest])
        return Voice(self.absorber, standing, lines.stands, index[groups], rows, anew, (self.type,))

    def scopes_of(self, groups: Ints) -> list[list[str] | None] | None:
        """The scope that the last row of each of these entities says."""
        if self.scopes is None:
            return None
        found: dict[int, list[str]] = {}
        for group, scope in zip(self.group.tolist(), map(scope_of, self.scopes), strict=True):
            if scope is not None:
                found[group] = scope
        return [found.get(group) for group in groups.tolist()]

    # -- the journal

    def befell(self, operation: str, told: Mapping[int, Mapping[str, Any]]) -> None:
        """Note what befell entities themselves, by key."""
        self.befallen += [(key, operation, opened(about)) for key, about in told.items()]

    def record_befallen(self) -> None:
        """Put it into the journal, after the lines of attributes."""
        lines: list[JournalRow] = []
        for key, operation, text in self.befallen:
            lines.append((key, ENTITY, None, None, self.told.ordinal, None, operation, text))
            self.told.befell += 1
        record_lines(self.transaction, self.absorber, lines)

    def journal(self) -> None:
        """Put every line into segments, with a row each for attributes that share their time."""
        by_time: dict[str | None, list[int]] = {}
        for number in sorted(range(len(self.names)), key=self.names.__getitem__):
            lines = self.attributes[number]
            if not len(lines.at):
                continue
            by_time.setdefault(lines.rendered.plan.observed, []).append(number)
            self.told.past += len(lines.at) - int(lines.newest.sum())
        for numbers in by_time.values():
            self.add_segments(numbers)

    def add_segments(self, numbers: list[int]) -> None:
        """Cut the lines of some attributes into segments, and add them."""
        absorber, some = self.absorber, [self.attributes[number] for number in numbers]
        group, at = self.in_key_order(some)
        sheet = Sheet(self.part.columns, at)
        for number, lines in zip(numbers, some, strict=True):
            standing = self.standings[number]
            sheet.add(lines.rendered, standing.claim if standing.rivals else None)
        for segment in cut_rows(
            sheet.table(self.keys[group], some[0].rendered.observed), sheet.said, self.told.ordinal,
            number=absorber.number, tenant=absorber.tenant, kind=self.kind.num, source=absorber.owner, run=absorber.run,
        ):  # fmt: skip
            self.transaction.add_segment(segment)
        self.told.instances += sum(len(lines.at) for lines in some)

    def in_key_order(self, some: list[Lines]) -> tuple[Ints, Ints]:
        """The rows that say any of these, by the keys of their entities and by time."""
        group, at = self.part.said_by(some)
        keys = self.keys[group]
        if (keys[1:] < keys[:-1]).any():
            order = np.argsort(keys, kind="stable")
            group, at = group[order], at[order]
        return group, at

    def touch(self) -> None:
        """Note whose claims changed; attributes that are said together share their keys."""
        together: dict[int, list[int]] = {}
        for number, standing in enumerate(self.standings):
            if standing.rivals and len(self.attributes[number].at):
                together.setdefault(id(self.attributes[number].group), []).append(number)
        by = disagree.named(self.absorber.owner, self.absorber.run)
        for numbers in together.values():
            lines, names = self.attributes[numbers[0]], sorted(self.names[number] for number in numbers)
            self.touched.add(by, self.kind.num, tuple(names), self.keys[lines.group[lines.newest]])


def in_sequence(group: Ints, observed: Ints | None, single: bool) -> Ints | None:
    """The order by entity, time and row; None where the lines stand in it already."""
    ordered = len(group) < 2 or bool((group[1:] >= group[:-1]).all())
    if single or observed is None:
        return None if ordered else np.argsort(group, kind="stable")
    same = group[1:] == group[:-1]
    if ordered and not bool((same & (observed[1:] < observed[:-1])).any()):
        return None
    return np.lexsort((observed, group))


def standing_lines(group: Ints, at: Ints, untimed: Any) -> Any:
    """Which line stands of each entity: the last one, in the order of time and then of rows.

    A line without time stands over all rows before it, so where both kinds meet only the rows after it compete.
    """
    newest = np.ones(len(group), bool)
    newest[:-1] = group[1:] != group[:-1]
    if untimed is None or not untimed.any() or untimed.all():
        return newest
    frame = pl.DataFrame({"group": group, "at": at, "untimed": untimed, "place": np.arange(len(group))})
    since = pl.col("at").filter(pl.col("untimed")).max().over("group").fill_null(-1)
    places = frame.filter(pl.col("at") >= since).group_by("group").agg(pl.col("place").max())["place"]
    newest = np.zeros(len(group), bool)
    newest[places.to_numpy()] = True
    return newest


def chosen(values: Sequence[Any], wanted: Any) -> list[Any]:
    """The values at the wanted places."""
    if wanted.all():
        return values if isinstance(values, list) else list(values)
    return [value for value, want in zip(values, wanted.tolist(), strict=True) if want]
