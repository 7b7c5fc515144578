"""What clients write: each call is one commit of state, journal and announcement.

Clients own the instances they write. What a source owns by `datasetId` is refused with the reason; a client's
default instance over a source's is a pin (see `pool.pin`). NGSI-LD 5.6.1 (create), 5.6.2 (update attributes),
5.6.3 (append), 5.6.5 (delete attribute), 5.6.6 (delete).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from landbridge.errors import Exists, Missing
from landbridge.governance.policy import Actor
from landbridge.model.answer import Document
from landbridge.model.claim import Claims
from landbridge.model.entity import (
    API,
    Instance,
    Instances,
    instance_of,
    provenance,
)
from landbridge.pool.edit import Edit, announce, opened, refused, require_own
from landbridge.store.sqlite import SqliteStore
from landbridge.store.transaction import SqliteTransaction

Attributes = Mapping[str, Sequence[Instance]]


@dataclass(frozen=True)
class Written:
    """What a write did: its commit, the attributes it wrote, and those it left alone with the reason."""

    commit: int
    updated: tuple[str, ...] = ()
    not_updated: tuple[tuple[str, str], ...] = ()


def commit(store: SqliteStore, actor: Actor, tenant: str, job: Callable[[SqliteTransaction], Written]) -> Written:
    return store.write(job, tenant=tenant, actor=actor.name, request=actor.request)


def create(store: SqliteStore, claims: Claims, actor: Actor, document: Document, tenant: str) -> Written:
    """Make an entity. Raises Exists where its id is taken."""
    id_ = document["id"]

    def job(transaction: SqliteTransaction) -> Written:
        if transaction.locate(tenant, [id_]):
            raise Exists("The entity exists already.", where=id_, hint="Append to it, or delete it first.")
        kind = transaction.kind(tenant, document["type"][0], document["attrs"])
        fresh: Document = {name: document[name] for name in ("id", "type", "scope") if name in document}
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


def find(instances: Instances, dataset: str | None) -> Instance:
    return next(one for one in instances if one.get("datasetId") == dataset)
