"""The entities that one commit changes: fetched together, changed in memory, saved together.

A batch of thousands goes over the desk in parts, all within the one transaction: each part is one look for its ids,
one read of their documents, and one write of rows, journal and announcement. This is the one place where a client's
change becomes state.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from landbridge.errors import Exists, Missing
from landbridge.model.answer import Document
from landbridge.model.claim import Claims
from landbridge.model.entity import API, Instances, provenance, subs_of
from landbridge.model.instant import parse_instant
from landbridge.model.slot import slot_of
from landbridge.pool.edit import Edit
from landbridge.pool.erased import erased_of
from landbridge.pool.row import LOCATION, row_of
from landbridge.pool.told import Told
from landbridge.store import expiry
from landbridge.store.contract import Kind, Row, Stored, Touched
from landbridge.store.document import fold, unfold
from landbridge.store.schema import KIND_BITS
from landbridge.store.transaction import SqliteTransaction

EXPIRES = '"expiresAt":'


class Desk:
    """What lies open while a commit is made. `save` may be called several times, after each part of a batch.

    `expiring` says whether anything that was saved expires.
    """

    def __init__(self, transaction: SqliteTransaction, tenant: str, claims: Claims) -> None:
        self.transaction = transaction
        self.tenant = tenant
        self.claims = claims
        self.edits: list[Edit] = []
        self.open: dict[str, Edit] = {}
        self.were: dict[str, tuple[Sequence[str], Instances | None]] = {}  # types and location, as they are stored
        self.told = Told()
        self.ordinal = 0
        self.expiring = False
        self.erased = erased_of(transaction.connection)

    # -- taking up

    def fetch(self, ids: Sequence[str]) -> None:
        """Take up those of the entities that exist."""
        self.take(self.transaction.find(self.tenant, list(dict.fromkeys(ids))))

    def take(self, rows: Iterator[Stored]) -> None:
        for stored in rows:
            document = unfold(stored.doc)
            edit = self.edit(document, stored)
            self.were[edit.id] = document["type"], document["attrs"].get(LOCATION)

    def edit(self, document: Document, stored: Stored | None = None) -> Edit:
        transaction = self.transaction
        edit = Edit(self.tenant, self.claims, transaction.number, transaction.recorded, document, stored)
        edit.erased = self.erased
        self.edits.append(edit)
        self.open[edit.id] = edit
        return edit

    def entity(self, id_: str) -> Edit:
        """An entity as it is now, ready to be changed. Raises Missing where there is none."""
        found = self.open.get(id_)
        if found is None:
            raise Missing("There is no such entity.", where=id_)
        return found

    def new(self, id_: str, types: Sequence[str]) -> Edit:
        """An entity that is to be made. Raises Exists where its id is taken, Refused where it was erased."""
        self.erased.require(self.tenant, id_)
        if id_ in self.open:
            raise Exists("The entity exists already.", where=id_, hint="Append to it, or delete it first.")
        edit = self.edit({"id": id_, "type": list(types), "attrs": {}})
        edit.changed = True
        return edit

    def drop(self, edit: Edit) -> None:
        """Let an entity go; its id is free at once."""
        edit.gone = True
        del self.open[edit.id]

    # -- putting down

    def save(self) -> None:
        """Write state, journal and announcement of all that has changed, and clear the desk."""
        changed = [edit for edit in self.edits if edit.changed and not (edit.gone and edit.stored is None)]
        kinds = self.kinds([edit for edit in changed if not edit.gone])
        plain = [edit for edit in changed if self.is_plain(edit)]
        others = [edit for edit in changed if not self.is_plain(edit)]
        keys = self.new_keys(others, kinds)
        rows = [(edit, self.row(edit, kinds, keys)) for edit in others if not edit.gone]
        if gone := [edit.stored for edit in others if edit.gone and edit.stored]:
            self.transaction.delete(self.tenant, gone)
        self.write_rows(rows)
        self.write_attributes(plain, kinds)
        self.record(changed, {id(edit): row.key for edit, row in rows})
        for edit, row in rows:
            self.note_expiry(edit, row.key, row.doc)
        for edit in changed:
            self.told.touch(edit.id, edit.types)
        self.edits, self.open, self.were = [], {}, {}

    def announce(self) -> None:
        """Leave word of all that was saved."""
        if (body := self.told.announcement()) is not None:
            self.transaction.announce(body)

    def kinds(self, edits: Sequence[Edit]) -> dict[str, Kind]:
        """The kinds of these entities' types, each with slots for all attributes that are about to be written."""
        wanted: dict[str, dict[str, None]] = {}
        for edit in edits:
            for type_ in edit.types:
                wanted.setdefault(type_, {}).update(dict.fromkeys(edit.document["attrs"]))
        return {type_: self.transaction.kind(self.tenant, type_, names) for type_, names in wanted.items()}

    def new_keys(self, edits: Sequence[Edit], kinds: Mapping[str, Kind]) -> dict[str, Iterator[int]]:
        """Keys for entities that are new, or no longer of the kind whose key they have: by first type."""
        counts: dict[str, int] = {}
        for edit in edits:
            if not edit.gone and home_of(edit, kinds) is None:
                counts[edit.types[0]] = counts.get(edit.types[0], 0) + 1
        return {type_: iter(self.transaction.take_keys(kinds[type_], count)) for type_, count in counts.items()}

    def row(self, edit: Edit, kinds: Mapping[str, Kind], keys: Mapping[str, Iterator[int]]) -> Row:
        """The row of an entity; the type whose kind has its key stands first."""
        home = home_of(edit, kinds)
        if home is not None:
            edit.document["type"] = [home, *(type_ for type_ in edit.types if type_ != home)]
        key = edit.stored.key if edit.stored and home is not None else next(keys[edit.types[0]])
        transaction = self.transaction
        created = edit.stored.created if edit.stored else transaction.recorded
        own = [kinds[type_] for type_ in edit.types]
        row = row_of(key, edit.document, own, created, transaction.recorded, transaction.number)
        moved = edit.stored is None or edit.document["attrs"].get(LOCATION) is not self.were[edit.id][1]
        return row if moved else replace(row, moved=False)

    def is_plain(self, edit: Edit) -> bool:
        """Whether an entity that is stored has changed in nothing but attributes, and not in where it lies."""
        if edit.stored is None or edit.gone:
            return False
        types, location = self.were[edit.id]
        return edit.document["type"] == types and edit.document["attrs"].get(LOCATION) is location

    def write_attributes(self, edits: Sequence[Edit], kinds: Mapping[str, Kind]) -> None:
        """Write the documents of entities that have changed plainly, and of their slots those of what was written."""
        written: dict[tuple[int, ...], list[Touched]] = {}
        for edit in edits:
            assert edit.stored is not None
            slots, attrs = kinds[edit.types[0]].slots, edit.document["attrs"]
            names = {slots[note.attribute]: note.attribute for note in edit.notes if note.attribute in slots}
            values = [slot_of(attrs[name]) if name in attrs else None for name in names.values()]
            doc = fold(edit.document)
            written.setdefault(tuple(names), []).append(Touched(edit.stored, doc, values))
            self.note_expiry(edit, edit.stored.key, doc)
        for numbers, some in written.items():
            self.transaction.touch(numbers, some)

    def write_rows(self, rows: Sequence[tuple[Edit, Row]]) -> None:
        if new := [row for edit, row in rows if edit.stored is None]:
            self.transaction.insert(self.tenant, new)
        there = [(edit.stored, row) for edit, row in rows if edit.stored]
        if same := [row for stored, row in there if row.key == stored.key]:
            self.transaction.update(same)
        for stored, row in there:
            if row.key != stored.key:
                self.transaction.move(self.tenant, stored, row)

    def record(self, edits: Sequence[Edit], keys: Mapping[int, int]) -> None:
        """Write the journal; a commit's lines are numbered through."""
        entries = []
        for edit in edits:
            key = keys.get(id(edit), edit.stored.key if edit.stored else 0)
            lines = edit.entries(key, self.ordinal)
            entries += lines
            self.ordinal += len(lines)
        self.transaction.record(entries)

    def note_expiry(self, edit: Edit, key: int, doc: str) -> None:
        """Keep when the first part of an entity expires, where anything of it does or did."""
        had = edit.stored is not None and EXPIRES in edit.stored.doc
        if had or EXPIRES in doc:
            expiry.keep(self.transaction, key, first_expiry(edit.document))
            self.expiring = True


def home_of(edit: Edit, kinds: Mapping[str, Kind]) -> str | None:
    """That of an entity's types whose kind has its key; None where it has no key yet, or has lost that type."""
    if edit.stored is None:
        return None
    number = edit.stored.key >> KIND_BITS
    return next((type_ for type_ in edit.types if kinds[type_].num == number), None)


def first_expiry(document: Document) -> int | None:
    """When the entity or the first of its clients' instances expires, in microseconds since 1970."""
    moments = [document["expiresAt"]] if "expiresAt" in document else []
    for instances in document["attrs"].values():
        for instance in instances:
            if provenance(instance).owner == API:
                moments += expiries(instance)
    return min(map(parse_instant, moments), default=None)


def expiries(instance: Mapping[str, Any]) -> Iterator[str]:
    """The moments at which an instance and its sub-attributes expire."""
    if isinstance(moment := instance.get("expiresAt"), str):
        yield moment
    for _, sub in subs_of(instance):
        for one in sub if isinstance(sub, list) else [sub]:
            yield from expiries(one)
