"""What clients write to one entity: each call is one commit of state, journal and announcement.

Many calls at once share a commit's way to the disk (see `store.sqlite`). What each operation does is in `pool.alter`;
many entities at once are `pool.batch`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from landbridge.governance.policy import Actor
from landbridge.model.answer import Document
from landbridge.model.claim import Claims
from landbridge.pool.alter import Outcome, fill
from landbridge.pool.desk import Desk
from landbridge.pool.edit import Edit
from landbridge.pool.target import Target
from landbridge.store.sqlite import SqliteStore
from landbridge.store.transaction import SqliteTransaction

Make = Callable[[Desk, Edit], Outcome]


@dataclass(frozen=True)
class Written:
    """What a write did: its commit, the attributes it wrote, and those it left alone with the reason.

    `expiring`: something that was written expires.
    """

    commit: int
    updated: tuple[str, ...] = ()
    not_updated: tuple[tuple[str, str], ...] = ()
    expiring: bool = False


def create(store: SqliteStore, claims: Claims, actor: Actor, document: Document, tenant: str) -> Written:
    """Make an entity (NGSI-LD 5.6.1). Raises Exists where its id is taken."""

    def job(transaction: SqliteTransaction) -> Written:
        desk = Desk(transaction, tenant, claims)
        desk.fetch([document["id"]])
        edit = desk.new(document["id"], document["type"])
        return finished(desk, fill(edit, document))

    return commit(store, actor, tenant, job)


def change(store: SqliteStore, claims: Claims, actor: Actor, target: Target, tenant: str, make: Make) -> Written:
    """Make an entity that exists. Raises Missing, Outdated, and what the change raises."""

    def job(transaction: SqliteTransaction) -> Written:
        desk = Desk(transaction, tenant, claims)
        desk.fetch([target.id])
        edit = desk.entity(target.id)
        target.check(edit)
        return finished(desk, make(desk, edit))

    return commit(store, actor, tenant, job)


def finished(desk: Desk, outcome: Outcome) -> Written:
    desk.save()
    desk.announce()
    return Written(desk.transaction.number, tuple(outcome.updated), tuple(outcome.left), desk.expiring)


def commit(store: SqliteStore, actor: Actor, tenant: str, job: Callable[[SqliteTransaction], Written]) -> Written:
    return store.write(job, tenant=tenant, actor=actor.name, request=actor.request)
