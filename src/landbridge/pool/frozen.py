"""Copies of entities that stay as they are: the content of a snapshot, kept like a tenant of its own.

So every query that the pool answers, it answers of a snapshot too. A copy has the times of what it is copied from, is
in no history, and tells no subscription.
"""

from collections.abc import Sequence
from dataclasses import replace

from landbridge.model.answer import Document
from landbridge.model.entity import PROVENANCE
from landbridge.model.query import Has, Query
from landbridge.pool.erased import erased_of
from landbridge.pool.pool import Pool
from landbridge.pool.row import row_of
from landbridge.store import tenant as tenants
from landbridge.store.transaction import SqliteTransaction

BATCH = 1000
MARK = "/"  # no client's tenant has it in its name


def room(tenant: str, snapshot: str) -> str:
    """The tenant that holds a snapshot's entities; no client can name it."""
    return f"{tenant}{MARK}{snapshot}"


def freeze(pool: Pool, room_: str, documents: Sequence[Document]) -> None:
    """Copy entities into a room; those that are there already stay."""

    def job(transaction: SqliteTransaction) -> None:
        known = transaction.locate(room_, [document["id"] for document in documents])
        erased, tenant = erased_of(transaction.connection), room_.partition(MARK)[0]
        fresh = {
            document["id"]: document
            for document in documents
            if document["id"] not in known and erased.whole(tenant, document["id"]) is None
        }
        by_type: dict[str, list[Document]] = {}
        for document in fresh.values():
            by_type.setdefault(document["type"][0], []).append(document)
        for type_, some in by_type.items():
            write(transaction, room_, type_, some)

    if documents:
        pool.store.write(job, tenant=room_, actor="snapshot")


def write(transaction: SqliteTransaction, room_: str, type_: str, documents: Sequence[Document]) -> None:
    names = {name for document in documents for name in document["attrs"]}
    kind = transaction.kind(room_, type_, names)
    rows = []
    for key, document in zip(transaction.take_keys(kind, len(documents)), documents, strict=True):
        further = [transaction.kind(room_, other, document["attrs"]) for other in document["type"][1:]]
        created = int(document.get("createdAt") or transaction.recorded)
        modified = int(document.get("modifiedAt") or created)
        whole = marked(document, created, modified)
        rows.append(row_of(key, whole, [kind, *further], created, modified, transaction.number))
    transaction.put_new(room_, rows)


def marked(document: Document, created: int, modified: int) -> Document:
    """The document with a provenance for each instance that has none, as those of other brokers."""
    own = ["snapshot", 0, created, modified, None, None]
    attrs = {
        name: [one if PROVENANCE in one else {**one, PROVENANCE: own} for one in instances]
        for name, instances in document["attrs"].items()
    }
    return {**document, "attrs": attrs}


def copy(pool: Pool, source: str, target: str) -> None:
    """Copy all entities of one room into another."""
    for kind in pool.store.kinds(source):
        query = Query(tenant=source, types=Has(kind.type), limit=BATCH)
        while True:
            page = pool.store.query(query)
            freeze(pool, target, page.documents)
            if page.next is None:
                break
            query = replace(query, after=page.next)


def melt(pool: Pool, room_: str) -> None:
    """Forget a room."""
    pool.store.write(lambda transaction: tenants.drop(transaction.connection, room_), actor="snapshot")
