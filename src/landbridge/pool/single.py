"""Rows written one by one, in their order: small deliveries of streams, and what columns cannot say at once.

Every document that a commit touches is read once, changed in memory, and written once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import pyarrow as pa

from landbridge.model.feed import ROW, Delivery
from landbridge.model.slot import slot_of, where_of
from landbridge.model.temporal import ENTITY
from landbridge.pool.absorb import Absorber, Item
from landbridge.pool.edit import about_of
from landbridge.pool.phrase import AttributePlan, items, scope_of
from landbridge.pool.told import Told
from landbridge.store.contract import Entry, Kind, Stored
from landbridge.store.contract import Row as StoredRow
from landbridge.store.document import fold, unfold
from landbridge.store.schema import KIND_BITS
from landbridge.store.segment import SCHEMA, cut
from landbridge.store.transaction import SqliteTransaction

LOCATION = "location"
FEW = 512  # entries that are cheaper as rows of the journal than as a segment
JournalRow = tuple[int, str, str | None, int | None, int, int | None, str, str | None]


@dataclass(frozen=True, slots=True)
class Spoken:
    """A row with what it says."""

    id: str
    type: str
    scope: list[str] | None
    items: tuple[Item, ...]


@dataclass
class Draft:
    """An entity on its way to its next state."""

    document: dict[str, Any]
    stored: Stored | None = None
    key: int = 0
    changed: bool = False
    moved: bool = False
    reshaped: bool = False  # it has another type or scope
    was: dict[str, Any] = field(default_factory=dict)  # what the entity itself was before

    @property
    def simple(self) -> bool:
        """Whether its row changes in nothing but the document and the slots of what was said."""
        return not self.moved and not self.reshaped and len(self.document["type"]) == 1

    @property
    def types(self) -> tuple[str, ...]:
        return tuple(self.document["type"])


def spoken_rows(delivery: Delivery, rows: pa.RecordBatch, plans: tuple[AttributePlan, ...]) -> Iterator[Spoken]:
    """The rows of a delivery, read."""
    names = rows.schema.names
    columns = [plain(rows.column(name)) for name in names]
    for values in zip(*columns, strict=True):
        row = dict(zip(names, values, strict=True))
        said = tuple(items(row, plans, row.get(ROW)))
        if not said:
            continue
        yield Spoken(row["id"], delivery.expand(row["type"]), scope_of(row.get("scope")), said)


def plain(column: pa.Array) -> list[Any]:
    """A column's values; times as microseconds."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64())
    values: list[Any] = column.to_pylist()
    return values


@dataclass
class Writing:
    """One commit's rows on their way into the store."""

    transaction: SqliteTransaction
    absorber: Absorber
    told: Told
    drafts: dict[str, Draft] = field(default_factory=dict)
    journal: list[JournalRow] = field(default_factory=list)
    standing: set[tuple[int, str, str | None]] = field(default_factory=set)  # instances of which a new one stands

    def write(self, rows: Sequence[Spoken], attributes: Iterable[str]) -> None:
        """Bring these rows into state and journal."""
        names = tuple(attributes)
        kinds = {type_: self.kind(type_, names) for type_ in dict.fromkeys(row.type for row in rows)}
        self.open(rows, kinds)
        for row in rows:
            draft = self.drafts.get(row.id)
            if draft is not None:
                self.take(draft, row)
        self.save(names)

    def kind(self, type_: str, names: tuple[str, ...] = ()) -> Kind:
        return self.transaction.kind(self.absorber.tenant, type_, names)

    def open(self, rows: Sequence[Spoken], kinds: dict[str, Kind]) -> None:
        """Load the entities that exist, give keys to those that do not and about which something is said."""
        ids = list(dict.fromkeys(row.id for row in rows))
        located = self.transaction.locate(self.absorber.tenant, ids)
        for stored in self.transaction.load(sorted(located.values())):
            document = unfold(stored.doc)
            self.drafts[stored.id] = Draft(document, stored, stored.key, was=about_of(document))
        fresh: dict[str, dict[str, None]] = {}
        known = set(self.drafts)
        for row in rows:
            if row.id not in known and any(item.head is not None for item in row.items):
                known.add(row.id)
                fresh.setdefault(row.type, {})[row.id] = None
        for type_, new in fresh.items():
            for id_, key in zip(sorted(new), self.transaction.take_keys(kinds[type_], len(new)), strict=True):
                self.drafts[id_] = Draft({"id": id_, "type": [type_], "attrs": {}}, None, key)

    def take(self, draft: Draft, row: Spoken) -> None:
        """Bring one row into its entity's draft."""
        document = draft.document
        if row.type not in document["type"]:
            document["type"].append(row.type)
            draft.changed = draft.reshaped = True
        if row.scope is not None and document.get("scope") != row.scope:
            draft.document = {"id": document["id"], "type": document["type"], "scope": row.scope}
            draft.document["attrs"] = document["attrs"]
            draft.changed = draft.reshaped = True
        for item in row.items:
            self.say(draft, item)

    def say(self, draft: Draft, item: Item) -> None:
        """Bring one item into state, where it is not of the past, and into the journal."""
        attrs = draft.document["attrs"]
        instances = attrs.get(item.attribute, [])
        placed = self.absorber.place(draft.types, instances, item)
        if placed is not None and item.head is None and len(placed) == len(instances):
            return  # nothing of this source's was there to take away
        if placed is not None:
            self.standing.add((draft.key, item.attribute, item.dataset))
            draft.changed = True
            draft.moved |= item.attribute == LOCATION
            if placed:
                attrs[item.attribute] = orjson.loads(orjson.dumps(placed))
            else:
                del attrs[item.attribute]
        self.note(draft, item)

    def note(self, draft: Draft, item: Item) -> None:
        """Write a line of the journal."""
        absorber = self.absorber
        rivals = absorber.standing(draft.types, item.attribute).rivals
        dataset = absorber.standing(draft.types, item.attribute).claim if rivals else item.dataset
        text = None
        if item.head is not None:
            mark = f',"datasetId":{orjson.dumps(dataset).decode()}' if dataset else ""
            text = item.head + mark + item.tail
        operation = "set" if text is not None else "delete"
        ordinal = self.told.ordinal
        self.told.instances += 1
        self.journal.append((draft.key, item.attribute, dataset, item.observed, ordinal, item.row, operation, text))

    def save(self, names: tuple[str, ...]) -> None:
        """Write the drafts that changed, and the journal."""
        changed = [draft for draft in self.drafts.values() if draft.changed]
        kinds = {type_: self.kind(type_, names) for type_ in dict.fromkeys(t for draft in changed for t in draft.types)}
        for draft in changed:
            self.told.touch(draft.document["id"], draft.types)
        for draft in changed:
            self.tell_about(draft)
        gone = [draft.stored for draft in changed if draft.stored is not None and not draft.document["attrs"]]
        staying = [draft for draft in changed if draft.document["attrs"]]
        fresh = [stored_row(draft, kinds, self.transaction) for draft in staying if draft.stored is None]
        others = [stored_row(draft, kinds, self.transaction) for draft in staying if draft.stored and not draft.simple]
        self.transaction.insert(self.absorber.tenant, fresh)
        self.transaction.update(others)
        self.update([draft for draft in staying if draft.stored and draft.simple], kinds)
        self.transaction.delete(self.absorber.tenant, gone)
        self.told.entities += len(fresh)
        said = sum(line[1] != ENTITY for line in self.journal)
        self.told.past += said - len(self.standing)
        self.record()

    def tell_about(self, draft: Draft) -> None:
        """Write a line of the journal about the entity itself, where those of its attributes do not say it all."""
        document = draft.document
        if not document["attrs"]:
            operation = None if draft.stored is None else "delete"
        elif draft.stored is None:
            operation = "create" if len(document["type"]) > 1 or document.get("scope") else None
        else:
            operation = "describe" if draft.reshaped and about_of(document) != draft.was else None
        if operation is not None:
            text = None if operation == "delete" else opened(about_of(document))
            self.journal.append((draft.key, ENTITY, None, None, self.told.ordinal, None, operation, text))
            self.told.befell += 1

    def update(self, drafts: list[Draft], kinds: dict[str, Kind]) -> None:
        """Write documents of which nothing but attributes changed, with the slots of all that was said."""
        spoken = dict.fromkeys(line[1] for line in self.journal)
        by_type: dict[str, list[Draft]] = {}
        for draft in drafts:
            by_type.setdefault(draft.types[0], []).append(draft)
        for type_, some in by_type.items():
            slots = {
                number: [slot_of(draft.document["attrs"].get(name, ())) for draft in some]
                for name, number in kinds[type_].slots.items()
                if name in spoken
            }
            docs = [fold(draft.document) for draft in some]
            self.transaction.update_columns([draft.key for draft in some], docs, slots)

    def record(self) -> None:
        """Put what was said into the journal."""
        record_lines(self.transaction, self.absorber, self.journal)


def record_lines(transaction: SqliteTransaction, absorber: Absorber, lines: list[JournalRow]) -> None:
    """Put lines into the journal: few as rows, many as segments."""
    if len(lines) <= FEW:
        transaction.record([entry_of(absorber, line) for line in lines])
        return
    by_kind: dict[int, list[JournalRow]] = {}
    for line in lines:
        by_kind.setdefault(line[0] >> KIND_BITS, []).append(line)
    for kind, some in by_kind.items():
        for segment in cut(
            journal_table(some), number=absorber.number, tenant=absorber.tenant, kind=kind, source=absorber.owner,
            run=absorber.run,
        ):  # fmt: skip
            transaction.add_segment(segment)


def entry_of(absorber: Absorber, line: JournalRow) -> Entry:
    """A line as a row of its own; its instance names run and row, which a segment has beside it."""
    key, attribute, dataset, observed, ordinal, row, operation, text = line
    if text is not None:
        stamp = f"{absorber.recorded},{absorber.recorded},{absorber.run},{'null' if row is None else row}"
        text += f"{absorber.before}{stamp}]}}"
    return Entry(key, attribute, ordinal, dataset, absorber.owner, observed, operation, text)


def opened(told: Mapping[str, Any]) -> str:
    """JSON of an object without its closing brace, as lines of the journal are kept until they are written."""
    return orjson.dumps(told).decode()[:-1]


def journal_table(lines: list[JournalRow]) -> pa.Table:
    """Lines of the journal as a segment's columns, in its order."""
    lines.sort(key=lambda line: (line[0], line[1], line[3] is not None, line[3] or 0, line[4]))
    keys, attributes, datasets, observed, ordinals, rows, operations, texts = zip(*lines, strict=True)
    closed = [None if text is None else text + "}" for text in texts]
    arrays = (keys, attributes, datasets, observed, ordinals, rows, operations, closed)
    return pa.Table.from_arrays(
        [
            pa.array(values, pa.string()).dictionary_encode()
            if pa.types.is_dictionary(of.type)
            else pa.array(values, of.type)
            for values, of in zip(arrays, SCHEMA, strict=True)
        ],
        names=SCHEMA.names,
    )


def stored_row(draft: Draft, kinds: dict[str, Kind], transaction: SqliteTransaction) -> StoredRow:
    """A draft as the store keeps it."""
    document, stored = draft.document, draft.stored
    attrs = document["attrs"]
    first, *further = (kinds[type_] for type_ in draft.types)
    place, box = where_of(attrs.get(LOCATION, ()))
    slots = {number: slot_of(attrs[name]) for name, number in first.slots.items() if name in attrs}
    created = stored.created if stored is not None else transaction.recorded
    return StoredRow(
        draft.key, document["id"], fold(document), created, transaction.recorded,
        transaction.number, slots, place, box, tuple(kind.num for kind in further),
        draft.moved or stored is None,
    )  # fmt: skip
