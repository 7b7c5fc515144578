"""Snapshots: what queries find at one moment, here and at other sources, kept as it is (NGSI-LD 5.16, 5.2.41, 5.2.42).

A snapshot is filled behind the request that makes it. Its entities lie in a room of their own (see `pool.frozen`), so
it is asked like a tenant. One that is left half filled by the end of the process is a failure.
"""

import logging
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import orjson

from landbridge.errors import LandbridgeError, TooMuch
from landbridge.federation.judge import holds
from landbridge.federation.trip import Trip
from landbridge.model.answer import Page
from landbridge.model.instant import format_instant
from landbridge.model.query import Node, Query
from landbridge.pool.cabinet import Cabinet, Kept
from landbridge.pool.frozen import copy, freeze, melt, room
from landbridge.pool.pool import Actor, Pool

LOG = logging.getLogger("landbridge.federation")
SHELF = "snapshot"
USUAL_PRIORITY = 5
USUAL_LIFE = 24 * 3600 * 1_000_000  # microseconds
MOST = 100_000  # entities of one snapshot
PAGE = 1000
THREADS = 2
PREPARING, SUCCESS, PARTIAL, EMPTY, FAILURE = "preparing", "success", "partial", "empty", "failure"

Body = dict[str, Any]
Find = Callable[[Actor, Query, Trip], Page]
Post = Callable[[str, Mapping[str, str], bytes], None]


@dataclass(frozen=True)
class Question:
    """One query of a snapshot, with what goes along to other sources."""

    query: Query
    trip: Trip


class Snapshots:
    """The snapshots over one pool. `find` answers a query everywhere; `post` calls an address that wants to know."""

    def __init__(self, pool: Pool, find: Find, post: Post = lambda url, headers, body: None) -> None:
        self.pool = pool
        self.find = find
        self.post = post
        self.cabinet = Cabinet(pool, SHELF, "snapshots")
        self.threads: ThreadPoolExecutor | None = None
        self.lock = threading.Lock()
        self.busy: set[tuple[str, str]] = set()
        self.used: dict[tuple[str, str], int] = {}

    def close(self) -> None:
        if self.threads is not None:
            self.threads.shutdown(wait=False, cancel_futures=True)

    # -- making

    def create(self, actor: Actor, tenant: str, id_: str, body: Body, questions: Sequence[Question]) -> None:
        """Make a snapshot of what queries find. Raises Exists, Refused (NGSI-LD 5.16.1)."""
        self.begin(actor, tenant, id_, body, lambda: self.fill(actor, tenant, id_, questions))

    def clone(self, actor: Actor, tenant: str, source: Kept, id_: str, body: Body) -> None:
        """Make a snapshot of a snapshot. Raises Exists, Refused (NGSI-LD 5.16.2)."""
        kept: Body = {name: source.body[name] for name in ("snapshotQueries", "details") if name in source.body}

        def job() -> None:
            copy(self.pool, room(tenant, source.id), room(tenant, id_))
            self.finish(actor, tenant, id_, source.body["snapshotStatus"], source.body.get("details", []))

        self.begin(actor, tenant, id_, {**kept, **body}, job)

    def begin(self, actor: Actor, tenant: str, id_: str, body: Body, job: Callable[[], None]) -> None:
        now = self.pool.store.clock()
        whole = {"snapshotPriority": USUAL_PRIORITY, **body, "snapshotStatus": PREPARING, "made": now}
        self.cabinet.create(actor, tenant, id_, whole)
        with self.lock:
            self.busy.add((tenant, id_))
            self.used[tenant, id_] = now
            if self.threads is None:
                self.threads = ThreadPoolExecutor(THREADS, "snapshot")
        self.threads.submit(self.run, actor, tenant, id_, job)

    def run(self, actor: Actor, tenant: str, id_: str, job: Callable[[], None]) -> None:
        """Do it, and say how it went."""
        try:
            job()
        except Exception as error:
            LOG.exception("The snapshot %s cannot be filled.", id_)
            self.finish(actor, tenant, id_, FAILURE, [detail(FAILURE, error)])
        finally:
            with self.lock:
                self.busy.discard((tenant, id_))

    def fill(self, actor: Actor, tenant: str, id_: str, questions: Sequence[Question]) -> None:
        """Ask every query, and keep what it finds."""
        details: list[Body] = []
        count = 0
        for question in questions:
            try:
                found = self.collect(actor, room(tenant, id_), question, MOST - count)
                status = PARTIAL if question.trip.warnings else SUCCESS if found else EMPTY
                details.append(detail(status))
                count += found
            except LandbridgeError as error:
                details.append(detail(FAILURE, error))
        self.finish(actor, tenant, id_, together([one["resultStatus"] for one in details]), details)

    def collect(self, actor: Actor, room_: str, question: Question, most: int) -> int:
        """Keep what one query finds; how many there are. Raises TooMuch."""
        asked = replace(question.query, limit=PAGE, offset=0, count=False)
        count = 0
        while True:
            page = self.find(actor, asked, question.trip)
            count += len(page.held)
            if count > most:
                raise TooMuch(f"A snapshot has at most {MOST} entities.", hint="Ask for fewer.")
            freeze(self.pool, room_, page.documents)
            if page.next is None:
                return count
            asked = replace(asked, after=page.next)

    def finish(self, actor: Actor, tenant: str, id_: str, status: str, details: Sequence[Body]) -> None:
        try:
            ready = self.cabinet.change(
                actor, tenant, id_, lambda body: {**body, "snapshotStatus": status, "details": list(details)}
            )
        except LandbridgeError:  # it was deleted meanwhile
            melt(self.pool, room(tenant, id_))
            return
        if "endpoint" in ready:
            self.tell(Kept(tenant, id_, ready, 0, 0))

    def tell(self, kept: Kept) -> None:
        """Tell the address that a snapshot names how it is (NGSI-LD 5.16.6, 5.3.4)."""
        shown = self.show(kept)
        names = ("snapshotStatus", "snapshotPriority", "snapshotQueriesDetails", "expiresAt")
        body = {
            "id": f"urn:ngsi-ld:Notification:{secrets.token_hex(12)}",
            "type": "SnapshotNotification",
            "notifiedAt": format_instant(self.pool.store.clock()),
            "snapshotId": kept.id,
            **{name: shown[name] for name in names},
        }
        headers = {pair["key"]: pair["value"] for pair in kept.body.get("receiverInfo", ())}
        told = {**headers, "Content-Type": "application/json"} | ({"NGSILD-Tenant": kept.tenant} if kept.tenant else {})
        self.post(kept.body["endpoint"]["uri"], told, orjson.dumps(body))

    # -- asking

    def get(self, actor: Actor, tenant: str, id_: str) -> Kept:
        """A snapshot. Raises Missing, also where its time is over."""
        found = self.cabinet.get(actor, tenant, id_)
        if expires(found.body) <= self.pool.store.clock():
            self.forget(actor, tenant, id_)
            raise self.cabinet.missing(id_)
        return found

    def enter(self, actor: Actor, tenant: str, id_: str) -> str:
        """The room of a snapshot, to ask in. Raises Missing."""
        self.get(actor, tenant, id_)
        self.used[tenant, id_] = self.pool.store.clock()
        return room(tenant, id_)

    def show(self, kept: Kept) -> Body:
        """A snapshot as NGSI-LD 5.2.41 has it."""
        body, key = kept.body, (kept.tenant, kept.id)
        hidden = ("made", "details", "life", "receiverInfo")
        shown = {name: value for name, value in body.items() if name not in hidden}
        shown["snapshotQueriesDetails"] = body.get("details", [])
        if body["snapshotStatus"] == PREPARING and key not in self.busy:
            shown["snapshotStatus"] = FAILURE  # the process that filled it has ended
        shown["createdAt"] = format_instant(body["made"])
        shown["expiresAt"] = format_instant(expires(body))
        shown["lastUsedAt"] = format_instant(self.used.get(key, body["made"]))
        return {"id": kept.id, "type": "Snapshot", **shown}

    def update(self, actor: Actor, tenant: str, id_: str, members: Body) -> Kept:
        """Change priority, lifetime or endpoint; what is None goes. Raises Missing (NGSI-LD 5.16.4)."""

        def edit(body: Body) -> Body:
            return {name: value for name, value in {**body, **members}.items() if value is not None}

        self.get(actor, tenant, id_)
        self.cabinet.change(actor, tenant, id_, edit)
        return self.get(actor, tenant, id_)

    def delete(self, actor: Actor, tenant: str, id_: str) -> None:
        """Forget a snapshot with its entities. Raises Missing (NGSI-LD 5.16.5)."""
        self.get(actor, tenant, id_)
        self.forget(actor, tenant, id_)

    def forget(self, actor: Actor, tenant: str, id_: str) -> None:
        self.cabinet.remove(actor, tenant, id_)
        self.used.pop((tenant, id_), None)
        melt(self.pool, room(tenant, id_))

    def purge(self, actor: Actor, tenant: str, condition: Node | None) -> None:
        """Forget all snapshots of which a condition is true (NGSI-LD 5.16.7)."""
        for kept in self.cabinet.listed(actor, tenant):
            if condition is None or holds(condition, self.show(kept)):
                self.forget(actor, tenant, kept.id)


def expires(body: Mapping[str, Any]) -> int:
    """When a snapshot is over, in microseconds since 1970."""
    return int(body["made"] + body.get("life", USUAL_LIFE))


def detail(status: str, error: Exception | None = None) -> Body:
    """An ExecutionResultDetails (NGSI-LD 5.2.42)."""
    if error is None:
        return {"resultStatus": status}
    said = str(error) if isinstance(error, LandbridgeError) else "Something went wrong inside."
    return {"resultStatus": status, "problemDetails": {"type": "about:blank", "title": "Failed", "detail": said}}


def together(statuses: Sequence[str]) -> str:
    """The status of the whole, from those of its queries (NGSI-LD 5.16.1.4)."""
    if all(status == FAILURE for status in statuses):
        return FAILURE
    if any(status in (FAILURE, PARTIAL) for status in statuses):
        return PARTIAL
    return EMPTY if all(status == EMPTY for status in statuses) else SUCCESS
