"""Change records: what a commit does to entities that somebody subscribes to, written within that very commit.

So no notification is lost, whoever writes and whatever happens next: a client's request, a bulk pull in the worker,
a withdrawal. The table `interest` says what is wanted, as subscriptions have it at that moment; where it is empty,
one look for each commit is all that this costs. A record holds the entity's text before and after; what that means
for which subscription is found later, outside the commit.
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import apsw
import orjson

from landbridge.store.contract import Kind, Row, Stored, Touched
from landbridge.store.schema import KIND_BITS

ANY = ""
RANK_BITS = 24  # changes of one commit
Text = str | None


@dataclass(frozen=True)
class Interest:
    """What is wanted of a kind's entities: all of them, some attributes of all, or some by their ids."""

    everything: bool
    attributes: frozenset[str]
    by_id: bool

    @property
    def none(self) -> bool:
        return not (self.everything or self.attributes or self.by_id)


class Watch:
    """Watches what one commit does. The texts are those that the store keeps (see `store.document`)."""

    def __init__(self, connection: apsw.Connection, number: int, recorded: int) -> None:
        self.connection = connection
        self.number = number
        self.recorded = recorded
        self.ordinal = 0
        self.idle: bool | None = None
        self.kinds: dict[int, tuple[str, str]] = {}
        self.known: dict[tuple[str, tuple[str, ...]], Interest] = {}

    @property
    def quiet(self) -> bool:
        """Whether nobody subscribes to anything."""
        if self.idle is None:
            self.idle = self.connection.execute("SELECT 1 FROM interest LIMIT 1").get is None
        return self.idle

    # -- what the transaction tells

    def inserted(self, tenant: str, rows: Sequence[Row]) -> None:
        """Entities that are new."""
        if self.quiet:
            return
        for row in rows:
            self.note(tenant, self.types(row.key, row.extra), row.id, row.created, self.recorded, None, row.doc)

    def inserted_columns(self, tenant: str, kind: Kind, columns: Mapping[str, Sequence[Any]]) -> None:
        """Entities of one kind that are new, as columns."""
        if self.quiet or self.interest(tenant, (kind.type,)).none:
            return
        wanted = self.wanted_ids(tenant, (kind.type,), columns["id"])
        for id_, doc in zip(columns["id"], columns["doc"], strict=True):
            if wanted is None or id_ in wanted:
                self.note(tenant, (kind.type,), id_, self.recorded, self.recorded, None, doc)

    def updating(self, rows: Sequence[Row]) -> None:
        """Entities whose rows are about to be written anew."""
        if self.quiet:
            return
        before = self.stored([row.key for row in rows if not self.ignored(row.key, row.extra)])
        for row in rows:
            if row.key in before:
                tenant, _ = self.kind(row.key)
                old = before[row.key]
                types = dict.fromkeys([*self.types(row.key, row.extra), *types_of(old.doc)])
                self.note(tenant, tuple(types), row.id, old.created, self.recorded, old.doc, row.doc)

    def touching(self, rows: Sequence[Touched]) -> None:
        """Entities of which attributes change."""
        if self.quiet:
            return
        for row in rows:
            old = row.before
            tenant, type_ = self.kind(old.key)
            if self.ignored(old.key, ()):
                continue
            types = dict.fromkeys([type_, *types_of(old.doc)])
            self.note(tenant, tuple(types), old.id, old.created, self.recorded, old.doc, row.doc)

    def updating_columns(self, keys: Sequence[int], docs: Sequence[str]) -> None:
        """Entities of one type each whose documents are about to be written anew."""
        if self.quiet:
            return
        before = self.stored([key for key in keys if not self.ignored(key, ())])
        for key, doc in zip(keys, docs, strict=True):
            old = before.get(key)
            if old is not None:
                tenant, type_ = self.kind(key)
                self.note(tenant, (type_,), old.id, old.created, self.recorded, old.doc, doc)

    def moving(self, tenant: str, old: Stored, row: Row) -> None:
        """An entity that gets a row of another kind."""
        if self.quiet:
            return
        types = dict.fromkeys([*self.types(row.key, row.extra), *types_of(old.doc)])
        self.note(tenant, tuple(types), row.id, old.created, self.recorded, old.doc, row.doc)

    def deleted(self, tenant: str, stored: Iterable[Stored]) -> None:
        """Entities that are removed."""
        if self.quiet:
            return
        for old in stored:
            self.note(tenant, types_of(old.doc), old.id, old.created, old.modified, old.doc, None)

    # -- what is wanted

    def kind(self, key: int) -> tuple[str, str]:
        """Tenant and type of a key."""
        return self.numbered(key >> KIND_BITS)

    def numbered(self, number: int) -> tuple[str, str]:
        found = self.kinds.get(number)
        if found is None:
            row = self.connection.execute("SELECT tenant, type FROM kind WHERE num=?", (number,)).fetchone()
            found = self.kinds[number] = row or (ANY, ANY)
        return found

    def types(self, key: int, extra: Sequence[int]) -> tuple[str, ...]:
        return tuple(self.numbered(number)[1] for number in (key >> KIND_BITS, *extra))

    def ignored(self, key: int, extra: Sequence[int]) -> bool:
        """Whether nobody wants anything of an entity of these types; one with further types is looked at itself."""
        return not extra and self.interest(self.kind(key)[0], (self.kind(key)[1],)).none and not self.several(key)

    def several(self, key: int) -> bool:
        return self.connection.execute("SELECT 1 FROM extra_type WHERE key=? LIMIT 1", (key,)).get is not None

    def interest(self, tenant: str, types: tuple[str, ...]) -> Interest:
        """What is wanted of entities of these types."""
        found = self.known.get((tenant, types))
        if found is None:
            asked = (tenant, apsw.carray((*types, ANY)))
            attributes = frozenset(
                name
                for (name,) in self.connection.execute(
                    "SELECT DISTINCT attribute FROM interest WHERE tenant=? AND id='' AND type IN carray(?)", asked
                )
            )
            by_id = self.connection.execute(
                "SELECT 1 FROM interest WHERE tenant=? AND id>'' AND type IN carray(?) LIMIT 1", asked
            ).get
            found = Interest(ANY in attributes, attributes - {ANY}, by_id is not None)
            self.known[tenant, types] = found
        return found

    def wanted_ids(self, tenant: str, types: tuple[str, ...], ids: Sequence[str]) -> set[str] | None:
        """Those of the ids that are wanted by name; None where all may be."""
        interest = self.interest(tenant, types)
        if interest.everything or interest.attributes:
            return None
        rows = self.connection.execute(
            "SELECT DISTINCT id FROM interest WHERE tenant=? AND type IN carray(?) AND id IN carray(?)",
            (tenant, apsw.carray((*types, ANY)), apsw.carray(tuple(ids))),
        )
        return {id_ for (id_,) in rows}

    def stored(self, keys: Sequence[int]) -> dict[int, Stored]:
        """The rows as they are before this commit's change."""
        if not keys:
            return {}
        rows = self.connection.execute(
            "SELECT key, id, doc, created, modified, version FROM entity WHERE key IN carray(?)",
            (apsw.carray(array("q", keys)),),
        )
        return {row[0]: Stored(*row) for row in rows}

    def note(
        self, tenant: str, types: tuple[str, ...], id_: str, created: int, modified: int, before: Text, after: Text
    ) -> None:
        """Keep a change, if somebody wants it."""
        interest = self.interest(tenant, types)
        if not interest.everything and not self.hits(tenant, types, id_, interest, before, after):
            return
        self.connection.execute(
            "INSERT INTO change VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (self.number << RANK_BITS) + self.ordinal,
                *(tenant, id_, self.recorded, created, modified, before, after),
            ),
        )
        self.ordinal += 1

    def hits(
        self, tenant: str, types: tuple[str, ...], id_: str, interest: Interest, before: Text, after: Text
    ) -> bool:
        """Whether the change is of an attribute that is wanted, or of an entity that is wanted by its id."""
        attributes = set(interest.attributes)
        if interest.by_id:
            attributes |= {
                name
                for (name,) in self.connection.execute(
                    "SELECT attribute FROM interest WHERE tenant=? AND id=? AND type IN carray(?)",
                    (tenant, id_, apsw.carray((*types, ANY))),
                )
            }
        if ANY in attributes:
            return True
        if not attributes:
            return False
        old, new = (attributes_of(text) for text in (before, after))
        return any(old.get(name) != new.get(name) for name in attributes)


def attributes_of(text: Text) -> Mapping[str, Any]:
    found: Mapping[str, Any] = {} if text is None else orjson.loads(text)["attrs"]
    return found


def types_of(text: str) -> tuple[str, ...]:
    return tuple(orjson.loads(text)["type"])
