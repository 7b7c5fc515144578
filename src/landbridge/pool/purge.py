"""Deleting all entities that a query finds, or attributes of theirs, in one commit (NGSI-LD 5.6.21).

Page by page within the transaction, so that memory is bounded whatever the number of entities. What a source keeps is
refused entity by entity, and told.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from landbridge.errors import LandbridgeError
from landbridge.governance.policy import Actor
from landbridge.model.claim import Claims
from landbridge.model.query import Query
from landbridge.pool.alter import SCOPE, delete
from landbridge.pool.batch import PART, Result
from landbridge.pool.desk import Desk
from landbridge.pool.edit import Edit
from landbridge.store import reading
from landbridge.store.sqlite import SqliteStore
from landbridge.store.transaction import SqliteTransaction

MOST_TOLD = 1000  # failures that are named; their number is told in any case


@dataclass(frozen=True)
class Doomed:
    """What goes: whole entities, or of each only some attributes (`drop`), or all but some (`keep`). Stored names."""

    keep: Collection[str] | None = None
    drop: Collection[str] | None = None

    @property
    def whole(self) -> bool:
        return self.keep is None and self.drop is None

    def names(self, edit: Edit) -> list[str]:
        """The attributes of an entity that go."""
        there = list(edit.document["attrs"])
        if self.keep is not None:
            return [name for name in there if name not in self.keep]
        return [name for name in there if self.drop is not None and name in self.drop]


@dataclass(frozen=True)
class Purge:
    """How a purge went: how many entities it changed, and the failures of the others."""

    commit: int
    done: tuple[str, ...]
    failed: tuple[Result, ...]
    count: int


def purge(store: SqliteStore, claims: Claims, actor: Actor, query: Query, doomed: Doomed) -> Purge:
    """Delete what the query finds. Entities or attributes that a source keeps stay, and are named."""

    def job(transaction: SqliteTransaction) -> Purge:
        desk = Desk(transaction, query.tenant, claims)
        done, failed, count = list[str](), list[Result](), 0
        page = reading.query(transaction.connection, replace(query, limit=PART, count=False))
        while True:
            ids = [document["id"] for document in page.documents]
            desk.fetch(ids)
            for id_ in ids:
                result = take(desk, id_, doomed)
                count += result.error is None
                if result.error is None and len(done) < MOST_TOLD:
                    done.append(id_)
                elif result.error is not None and len(failed) < MOST_TOLD:
                    failed.append(result)
            desk.save()
            if page.next is None:
                break
            page = reading.query(transaction.connection, replace(query, limit=PART, count=False, after=page.next))
        desk.announce()
        return Purge(transaction.number, tuple(done), tuple(failed), count)

    return store.write(job, tenant=query.tenant, actor=actor.name, request=actor.request)


def take(desk: Desk, id_: str, doomed: Doomed) -> Result:
    """Delete one entity or some attributes of it; where a source keeps them, nothing of it."""
    edit = desk.entity(id_)
    mark = edit.mark()
    try:
        if doomed.whole:
            delete(desk, edit)
        else:
            for name in doomed.names(edit):
                take_attribute(edit, name)
            if doomed.drop is not None and SCOPE in doomed.drop:
                edit.describe(SCOPE, None)
    except LandbridgeError as error:
        edit.back_to(mark)
        return Result(id_, error=error)
    return Result(id_)


def take_attribute(edit: Edit, name: str) -> None:
    """Delete all instances of an attribute. Raises Refused where one is a source's."""
    datasets = [one.get("datasetId") for one in edit.instances(name)]
    for dataset in sorted(datasets, key=lambda dataset: (dataset is None, dataset or "")):
        edit.remove(name, dataset)
