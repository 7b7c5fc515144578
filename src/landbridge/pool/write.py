"""What clients write: each call is one commit of state, journal and announcement.

Clients own the instances they write. What a source owns by `datasetId` is refused with the reason; a client's
default instance over a source's is a pin (see `pool.pin`). NGSI-LD 5.6.1 (create), 5.6.2 (update attributes),
5.6.3 (append), 5.6.5 (delete attribute), 5.6.6 (delete).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from landbridge.errors import Exists, InvalidEntity, Missing, Refused
from landbridge.governance.policy import Actor
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
from landbridge.pool.pin import is_claim, is_pin, with_pin, without_pin
from landbridge.pool.row import row_of
from landbridge.store.contract import Entry, Stored
from landbridge.store.sqlite import SqliteStore
from landbridge.store.transaction import SqliteTransaction

Attributes = Mapping[str, Sequence[Instance]]


@dataclass(frozen=True)
class Written:
    """What a write did: its commit, the attributes it wrote, and those it left alone with the reason."""

    commit: int
    updated: tuple[str, ...] = ()
    not_updated: tuple[tuple[str, str], ...] = ()


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
        if dataset is None:
            rivals = self.claims.rivals(self.tenant, self.types, attribute)
            rule = self.claims.rule(self.types, attribute)
            after = without_pin(before, self.claims, rivals, rule, self.transaction.recorded)
        else:
            after = [one for one in before if one.get("datasetId") != dataset]
        self.keep(attribute, after)
        self.note(attribute, dataset, API, None)
        chosen = instance_of(after, None) if dataset is None else None
        if chosen is not None:
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


def announce(transaction: SqliteTransaction, types: Sequence[str], id_: str) -> None:
    transaction.announce({"types": list(types), "entities": [id_], "more": False})


def commit(store: SqliteStore, actor: Actor, tenant: str, job: Callable[[SqliteTransaction], Written]) -> Written:
    return store.write(job, tenant=tenant, actor=actor.name, request=actor.request)


def create(store: SqliteStore, claims: Claims, actor: Actor, document: Document, tenant: str) -> Written:
    """Make an entity. Raises Exists where its id is taken."""
    id_ = document["id"]

    def job(transaction: SqliteTransaction) -> Written:
        if transaction.locate(tenant, [id_]):
            raise Exists("The entity exists already.", where=id_, hint="Append to it, or delete it first.")
        kind = transaction.kind(tenant, document["type"][0], document["attrs"])
        fresh = {name: document[name] for name in ("id", "type", "scope") if name in document}
        edit = Edit(transaction, tenant, claims, {**fresh, "attrs": {}}, transaction.take_keys(kind, 1)[0])
        for attribute, instances in document["attrs"].items():
            require_own(edit, attribute, instances)
            for instance in instances:
                edit.put(attribute, instance)
        edit.save()
        return Written(transaction.number, tuple(document["attrs"]))

    return commit(store, actor, tenant, job)


@dataclass(frozen=True)
class Fragment:
    """A part of an entity: attributes, types that it has besides, and the scopes that replace its own."""

    attrs: Attributes
    types: Sequence[str] = ()
    scope: Sequence[str] | None = None

    def describe(self, document: Document) -> bool:
        """Put types and scopes into the document; whether that changed anything."""
        before = (list(document["type"]), document.get("scope"))
        document["type"] = list(dict.fromkeys([*document["type"], *self.types]))
        if self.scope is not None:
            document["scope"] = list(self.scope)
        return before != (document["type"], document.get("scope"))


def append(
    store: SqliteStore, claims: Claims, actor: Actor, id_: str, given: Fragment, overwrite: bool, tenant: str
) -> Written:
    """Add attribute instances to an entity; those that are there are replaced, or left where `overwrite` is False."""
    reason = "The instance exists, and is not to be overwritten."
    return merge(store, claims, actor, id_, given, tenant, lambda there: None if overwrite or not there else reason)


def patch(store: SqliteStore, claims: Claims, actor: Actor, id_: str, given: Fragment, tenant: str) -> Written:
    """Replace attribute instances that an entity has; others are left, and named in the answer."""
    reason = "The entity has no such instance."
    return merge(store, claims, actor, id_, given, tenant, lambda there: None if there else reason)


def merge(
    store: SqliteStore,
    claims: Claims,
    actor: Actor,
    id_: str,
    given: Fragment,
    tenant: str,
    reason_against: Callable[[bool], str | None],
) -> Written:
    """Put those of the instances against which there is no reason."""

    def job(transaction: SqliteTransaction) -> Written:
        edit = opened(transaction, claims, tenant, id_)
        described = given.describe(edit.document)
        updated: dict[str, None] = {}
        left: list[tuple[str, str]] = []
        for attribute, instances in given.attrs.items():
            require_own(edit, attribute, instances)
            for instance in instances:
                there = instance_of(edit.instances(attribute), instance.get("datasetId")) is not None
                if reason := reason_against(there):
                    left.append((attribute, reason))
                else:
                    edit.put(attribute, instance)
                    updated[attribute] = None
        if updated or described:
            edit.save()
        return Written(transaction.number, tuple(updated), tuple(left))

    return commit(store, actor, tenant, job)


def delete_attribute(
    store: SqliteStore,
    claims: Claims,
    actor: Actor,
    id_: str,
    attribute: str,
    dataset_id: str | None,
    all_: bool,
    tenant: str,
) -> Written:
    """Delete a client's instance of an attribute, or all of its instances; lifting a pin lets the rule apply again."""

    def job(transaction: SqliteTransaction) -> Written:
        edit = opened(transaction, claims, tenant, id_)
        before = edit.instances(attribute)
        wanted = [one.get("datasetId") for one in before if all_ or one.get("datasetId") == dataset_id]
        if not wanted:
            what = f"'{attribute}'" + (f" with datasetId {dataset_id}" if dataset_id else "")
            raise Missing(f"The entity has no attribute {what}.", where=id_)
        own = [dataset for dataset in wanted if provenance(find(before, dataset)).owner == API]
        if not own:
            owner = provenance(find(before, wanted[0])).owner
            raise refused(attribute, owner, id_, "Write a value over it instead; the source's is kept beside it.")
        for dataset in sorted(own, key=lambda dataset: dataset is None):
            edit.remove(attribute, dataset)
        edit.save()
        return Written(transaction.number, (attribute,))

    return commit(store, actor, tenant, job)


def delete(store: SqliteStore, actor: Actor, id_: str, tenant: str) -> Written:
    """Delete an entity that clients made; its history stays. Refused while a source keeps instances in it."""

    def job(transaction: SqliteTransaction) -> Written:
        edit = opened(transaction, Claims(), tenant, id_)
        for attribute, instances in edit.document["attrs"].items():
            for one in instances:
                if (owner := provenance(one).owner) != API:
                    raise refused(attribute, owner, id_, "It goes when the source withdraws its row.")
                edit.note(attribute, one.get("datasetId"), API, None)
        transaction.record(edit.entries)
        if edit.stored:
            transaction.delete(tenant, [edit.stored])
        announce(transaction, edit.types, id_)
        return Written(transaction.number, tuple(edit.document["attrs"]))

    return commit(store, actor, tenant, job)


def opened(transaction: SqliteTransaction, claims: Claims, tenant: str, id_: str) -> Edit:
    """An entity as it is, ready to be changed. Raises Missing where there is none."""
    key = transaction.locate(tenant, [id_]).get(id_)
    stored = next(iter(transaction.load([key])), None) if key is not None else None
    if stored is None:
        raise Missing("There is no such entity.", where=id_)
    return Edit(transaction, tenant, claims, orjson.loads(stored.doc), stored.key, stored)


def find(instances: Instances, dataset: str | None) -> Instance:
    return next(one for one in instances if one.get("datasetId") == dataset)


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


def pinned(document: Document, attribute: str) -> bool:
    """Whether a client's value stands over what sources say of the attribute."""
    instances: Any = document["attrs"].get(attribute, ())
    return is_pin(instances) and any(is_claim(one) for one in instances)
