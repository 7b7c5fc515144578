"""Documents that clients leave beside the entities, under the same policy: one cabinet for each kind of document.

Subscriptions, registrations, subscriptions to these, snapshots and entity maps lie here. What is written is a commit
like any other. Times are microseconds since 1970.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from landbridge.errors import Exists, Missing
from landbridge.governance.policy import Actor
from landbridge.pool.pool import Pool
from landbridge.store import shelf
from landbridge.store.shelf import Kept
from landbridge.store.transaction import SqliteTransaction

__all__ = ["Cabinet", "Kept", "Transaction"]

Transaction = SqliteTransaction

Body = dict[str, Any]
T = TypeVar("T")
Noted = Callable[[SqliteTransaction, str, str, Body | None, Body | None], None]
Made = Callable[[SqliteTransaction, Body | None, Body], Body]
EVERYTHING = 1_000_000


def nobody(transaction: SqliteTransaction, tenant: str, id_: str, before: Body | None, after: Body | None) -> None:
    """Stand in where nobody listens."""


def as_given(transaction: SqliteTransaction, before: Body | None, body: Body) -> Body:
    """Stand in where a body is kept as it is."""
    return body


def nothing() -> None:
    """Stand in where nobody waits."""


class Cabinet:
    """The documents of one shelf. `what` names them in sentences, in the plural.

    `made` makes what is kept of a body, in its commit (given the body before). `noted` hears of each change in its very
    commit: the transaction, the tenant, the id, the body before and after; `written` when that is on disk.
    """

    def __init__(self, pool: Pool, name: str, what: str) -> None:
        self.pool = pool
        self.name = name
        self.what = what
        self.made: Made = as_given
        self.noted: Noted = nobody
        self.written: Callable[[], None] = nothing
        self.changed = 0  # grows with each change made here

    def create(
        self,
        actor: Actor,
        tenant: str,
        id_: str,
        body: Body,
        check: Callable[[Sequence[Kept]], None] | None = None,
    ) -> None:
        """Keep a new document. `check` may raise over those that are there. Raises Exists, Refused."""

        def job(transaction: SqliteTransaction) -> None:
            if shelf.get(transaction.connection, self.name, tenant, id_) is not None:
                raise Exists(f"There is one of the {self.what} with this id already.", where=id_)
            if check:
                check(self.all_of(transaction, tenant))
            self.put(transaction, tenant, id_, None, body)

        self.write(actor, tenant, id_, job)

    def change(
        self,
        actor: Actor,
        tenant: str,
        id_: str,
        edit: Callable[[Body], Body],
        check: Callable[[Body, Sequence[Kept]], None] | None = None,
    ) -> Body:
        """Replace a document by what `edit` makes of it; the new one. Raises Missing, Refused."""

        def job(transaction: SqliteTransaction) -> Body:
            found = shelf.get(transaction.connection, self.name, tenant, id_)
            if found is None:
                raise self.missing(id_)
            body = edit(found.body)
            if check:
                check(body, [one for one in self.all_of(transaction, tenant) if one.id != id_])
            return self.put(transaction, tenant, id_, found.body, body)

        return self.write(actor, tenant, id_, job)

    def remove(self, actor: Actor, tenant: str, id_: str) -> int:
        """Forget a document; the number of the commit. Raises Missing, Refused."""

        def job(transaction: SqliteTransaction) -> int:
            found = shelf.get(transaction.connection, self.name, tenant, id_)
            if found is None:
                raise self.missing(id_)
            shelf.remove(transaction, self.name, tenant, id_)
            self.noted(transaction, tenant, id_, found.body, None)
            return transaction.number

        return self.write(actor, tenant, id_, job)

    def get(self, actor: Actor, tenant: str, id_: str) -> Kept:
        """A document. Raises Missing, Refused."""
        with self.pool.asked(actor, "read", f"read {self.what}", id_), self.pool.store.reader() as connection:
            found = shelf.get(connection, self.name, tenant, id_)
        if found is None:
            raise self.missing(id_)
        return found

    def find(self, tenant: str, id_: str) -> Kept | None:
        """A document, for who serves with it; no actor is asked."""
        with self.pool.store.reader() as connection:
            return shelf.get(connection, self.name, tenant, id_)

    def listed(self, actor: Actor, tenant: str) -> list[Kept]:
        """All documents of a tenant, by id. Raises Refused."""
        with self.pool.asked(actor, "read", f"read {self.what}"):
            return self.within(tenant)

    def page(self, actor: Actor, tenant: str, limit: int, offset: int) -> tuple[list[Kept], int]:
        """Some of a tenant's documents in the order of their ids, and how many there are. Raises Refused."""
        with self.pool.asked(actor, "read", f"read {self.what}"), self.pool.store.reader() as connection:
            return shelf.page(connection, self.name, tenant, limit, offset), shelf.count(connection, self.name, tenant)

    def within(self, tenant: str) -> list[Kept]:
        """All documents of a tenant, for who serves with them; no actor is asked."""
        with self.pool.store.reader() as connection:
            return shelf.page(connection, self.name, tenant, EVERYTHING)

    def everything(self) -> list[Kept]:
        """All documents of all tenants, for who serves with them; no actor is asked."""
        with self.pool.store.reader() as connection:
            return list(shelf.everything(connection, self.name))

    def version(self) -> int:
        """A number that changes with every change, whichever process made it."""
        with self.pool.store.reader() as connection:
            return shelf.version(connection, self.name)

    # -- within

    def put(self, transaction: SqliteTransaction, tenant: str, id_: str, before: Body | None, body: Body) -> Body:
        """Keep a body in a commit under way; what is kept."""
        kept = self.made(transaction, before, body)
        shelf.put(transaction, self.name, tenant, id_, kept)
        self.noted(transaction, tenant, id_, before, kept)
        return kept

    def write(self, actor: Actor, tenant: str, id_: str, job: Callable[[SqliteTransaction], T]) -> T:
        with self.pool.asked(actor, "write", f"write {self.what}", id_):
            answer = self.pool.store.write(job, tenant=tenant, actor=actor.name, request=actor.request)
        self.changed += 1
        self.written()
        return answer

    def all_of(self, transaction: SqliteTransaction, tenant: str) -> list[Kept]:
        return shelf.page(transaction.connection, self.name, tenant, EVERYTHING)

    def missing(self, id_: str) -> Missing:
        return Missing(f"There is none of the {self.what} with this id.", where=id_)
