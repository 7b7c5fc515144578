"""Many entities in one commit: each alone succeeds or fails as a whole, in their order (NGSI-LD 5.6.7-10, 5.6.20).

They go over the desk in parts, so that the memory of a batch is that of its text and of one part.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from landbridge.errors import Exists, LandbridgeError
from landbridge.governance.policy import Actor
from landbridge.model.answer import Document
from landbridge.model.claim import Claims
from landbridge.model.merge import Merging
from landbridge.pool.alter import Fragment, Outcome, append, delete, fill, merge, replace
from landbridge.pool.desk import Desk
from landbridge.store.sqlite import SqliteStore
from landbridge.store.transaction import SqliteTransaction

PART = 500  # entities that lie open at once


@dataclass(frozen=True)
class Order:
    """What a batch is to do with one entity: a whole document, a fragment of one, or nothing but its id.

    `how` is what a merge says besides its fragment.
    """

    id: str
    document: Document = field(default_factory=dict)
    how: Merging | None = None

    @property
    def fragment(self) -> Fragment:
        given = self.document
        return Fragment(given["attrs"], given.get("type", ()), given.get("scope"), given.get("expiresAt"))


@dataclass(frozen=True)
class Result:
    """What became of one order. `error` may stand beside a change that was made only in part (noOverwrite)."""

    id: str
    created: bool = False
    error: LandbridgeError | None = None


@dataclass(frozen=True)
class Batch:
    """What became of all orders, in their order. `expiring`: something that was written expires."""

    commit: int
    results: tuple[Result, ...]
    expiring: bool = False


Perform = Callable[[Desk, Order], Result]


def perform(
    store: SqliteStore, claims: Claims, actor: Actor, orders: Sequence[Order], tenant: str, one: Perform
) -> Batch:
    """Do all orders in one commit, each on what the ones before it left."""

    def job(transaction: SqliteTransaction) -> Batch:
        desk = Desk(transaction, tenant, claims)
        results: list[Result] = []
        for start in range(0, len(orders), PART):
            part = orders[start : start + PART]
            desk.fetch([order.id for order in part])
            results += [attempt(desk, order, one) for order in part]
            desk.save()
        desk.announce()
        return Batch(transaction.number, tuple(results), desk.expiring)

    return store.write(job, tenant=tenant, actor=actor.name, request=actor.request)


def attempt(desk: Desk, order: Order, one: Perform) -> Result:
    """Do one order; where it fails, the entity is as it was before."""
    edit = desk.open.get(order.id)
    mark = edit.mark() if edit is not None else None
    try:
        return one(desk, order)
    except LandbridgeError as error:
        if edit is not None and mark is not None:
            edit.back_to(mark)
        elif order.id in desk.open:
            desk.drop(desk.open[order.id])
        return Result(order.id, error=error)


def create(desk: Desk, order: Order) -> Result:
    """NGSI-LD 5.6.7: make an entity."""
    fill(desk.new(order.id, order.document["type"]), order.document)
    return Result(order.id, created=True)


def upsert(*, update: bool) -> Perform:
    """NGSI-LD 5.6.8: make an entity, or replace or update the one that is there."""

    def one(desk: Desk, order: Order) -> Result:
        if order.id not in desk.open:
            return create(desk, order)
        edit = desk.entity(order.id)
        if update:
            append(edit, order.fragment)
        else:
            replace(edit, order.document)
        return Result(order.id)

    return one


def update(*, overwrite: bool) -> Perform:
    """NGSI-LD 5.6.9: add attributes to an entity, and replace those that are there or leave them."""

    def one(desk: Desk, order: Order) -> Result:
        outcome = append(desk.entity(order.id), order.fragment, overwrite=overwrite)
        return Result(order.id, error=left(order.id, outcome))

    return one


def left(id_: str, outcome: Outcome) -> Exists | None:
    """What a batch says of attributes that it left alone."""
    if not outcome.left:
        return None
    said = "; ".join(f"'{name}': {reason}" for name, reason in outcome.left[:20])
    return Exists(f"Not all attributes are written. {said}", where=id_)


def remove(desk: Desk, order: Order) -> Result:
    """NGSI-LD 5.6.10: delete an entity."""
    delete(desk, desk.entity(order.id))
    return Result(order.id)


def merge_one(desk: Desk, order: Order) -> Result:
    """NGSI-LD 5.6.20: merge a fragment into an entity."""
    assert order.how is not None
    merge(desk.entity(order.id), order.fragment, order.how)
    return Result(order.id)
