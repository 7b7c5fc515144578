"""One entity on its way to its next state: client instances put and taken, sources' own kept from clients' hands."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson

from landbridge.errors import InvalidEntity, Missing, Refused
from landbridge.model.answer import Document
from landbridge.model.claim import DATASET, Claims
from landbridge.model.entity import (
    API,
    PROVENANCE,
    Instance,
    Instances,
    in_order,
    in_shape,
    instance_of,
    provenance,
    without_provenance,
)
from landbridge.model.instant import parse_instant
from landbridge.pool.pin import with_pin, without_pin
from landbridge.pool.row import row_of
from landbridge.store.contract import Entry, Stored
from landbridge.store.document import unfold
from landbridge.store.transaction import SqliteTransaction


@dataclass
class Edit:
    """One entity on its way to its next state, with what the journal will say of it."""

    transaction: SqliteTransaction
    tenant: str
    claims: Claims
    document: Document
    key: int
    stored: Stored | None = None
    entries: list[Entry] = field(default_factory=list)

    @property
    def types(self) -> list[str]:
        found: list[str] = self.document["type"]
        return found

    def instances(self, attribute: str) -> Instances:
        found: Instances = self.document["attrs"].get(attribute, [])
        return found

    def keep(self, attribute: str, instances: Instances) -> None:
        if instances:
            self.document["attrs"][attribute] = instances
        else:
            self.document["attrs"].pop(attribute, None)

    def note(self, attribute: str, dataset: str | None, owner: str, instance: Instance | None) -> None:
        """Add a line to the journal: an instance that is set, or None for one that is gone."""
        observed = instance.get("observedAt") if instance else None
        text = orjson.dumps(without_provenance(instance)).decode() if instance else None
        self.entries.append(
            Entry(
                self.key, attribute, len(self.entries), dataset, owner,
                parse_instant(observed) if observed else None, "set" if instance else "delete", text,
            )
        )  # fmt: skip

    def put(self, attribute: str, given: Instance) -> None:
        """Write a client's instance in place of the one with its datasetId."""
        dataset = given.get("datasetId")
        before = self.instances(attribute)
        old = instance_of(before, dataset)
        now = self.transaction.recorded
        created = provenance(old).created if old else now
        stamped = in_shape({**given, PROVENANCE: [API, self.transaction.number, created, now, None, None]})
        if dataset is None:
            self.keep(attribute, with_pin(before, stamped))
        else:
            self.keep(attribute, in_order([*(one for one in before if one is not old), stamped]))
        self.note(attribute, dataset, API, stamped)

    def remove(self, attribute: str, dataset: str | None) -> None:
        """Take a client's instance away; under a pin the rule applies again."""
        before = self.instances(attribute)
        self.note(attribute, dataset, API, None)
        if dataset is not None:
            self.keep(attribute, [one for one in before if one.get("datasetId") != dataset])
            return
        rivals = self.claims.rivals(self.tenant, self.types, attribute)
        rule = self.claims.rule(self.types, attribute)
        after = without_pin(before, self.claims, rivals, rule, self.transaction.recorded)
        self.keep(attribute, after)
        chosen = instance_of(after, None)
        if chosen is not None and not rivals:  # the rule's choice is no entry of its own: it follows from the claims
            self.note(attribute, None, provenance(chosen).owner, chosen)

    def save(self) -> None:
        """Write state, journal and announcement."""
        transaction, document = self.transaction, self.document
        kinds = [transaction.kind(self.tenant, type_, document["attrs"]) for type_ in self.types]
        created = self.stored.created if self.stored else transaction.recorded
        row = row_of(self.key, document, kinds, created, transaction.recorded, transaction.number)
        if self.stored:
            transaction.update([row])
        else:
            transaction.insert(self.tenant, [row])
        transaction.record(self.entries)
        announce(transaction, self.types, document["id"])


def opened(transaction: SqliteTransaction, claims: Claims, tenant: str, id_: str) -> Edit:
    """An entity as it is, ready to be changed. Raises Missing where there is none."""
    key = transaction.locate(tenant, [id_]).get(id_)
    stored = next(iter(transaction.load([key])), None) if key is not None else None
    if stored is None:
        raise Missing("There is no such entity.", where=id_)
    return Edit(transaction, tenant, claims, unfold(stored.doc), stored.key, stored)


def announce(transaction: SqliteTransaction, types: Sequence[str], id_: str) -> None:
    transaction.announce({"types": list(types), "entities": [id_], "more": False})


def require_own(edit: Edit, attribute: str, given: Sequence[Instance]) -> None:
    """Refuse instances that a source owns by datasetId, and one datasetId given twice."""
    seen: set[str | None] = set()
    for instance in given:
        dataset = instance.get("datasetId")
        if dataset in seen:
            raise InvalidEntity(
                f"Attribute '{attribute}' has two instances with " + (f"datasetId {dataset}." if dataset else "none."),
                where=edit.document["id"],
                hint="Give each its own datasetId.",
            )
        seen.add(dataset)
        if dataset is not None and (owner := owner_of(edit, attribute, dataset)):
            raise refused(
                attribute,
                owner,
                edit.document["id"],
                "Write the instance without datasetId; it stands over the source's.",
            )


def owner_of(edit: Edit, attribute: str, dataset: str) -> str | None:
    """The source to which an instance belongs, by what is stored or by the city's folder."""
    there = instance_of(edit.instances(attribute), dataset)
    if there is not None and provenance(there).owner != API:
        return provenance(there).owner
    source = dataset.removeprefix(DATASET)
    feeds = (edit.claims.feeds.get((edit.tenant, type_, attribute), ()) for type_ in edit.types)
    return source if dataset.startswith(DATASET) and any(source in sources for sources in feeds) else None


def refused(attribute: str, owner: str, id_: str, hint: str) -> Refused:
    return Refused(f"This instance of '{attribute}' belongs to the source '{owner}'.", where=id_, hint=hint)
