"""The @contexts that are kept here: hosted for clients, made from what stood inline, and cached copies of others'.

Hosted and implicitly created ones belong to a tenant; cached ones are copies of what anybody may read and serve all
(NGSI-LD 5.13). How often one was used is counted since the process began. Times are microseconds since 1970.
"""

import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

import orjson

from landbridge.errors import Damaged, InvalidEntity, Missing, TooMuch, Unreachable
from landbridge.governance.policy import Actor
from landbridge.model.core_context import CORE_URL, core_of, is_core
from landbridge.model.terms import HOSTED
from landbridge.pool.pool import Pool
from landbridge.store import shelf
from landbridge.store.shelf import Kept
from landbridge.store.transaction import SqliteTransaction

Kind = Literal["Hosted", "ImplicitlyCreated", "Cached"]
KINDS: tuple[Kind, ...] = ("Hosted", "ImplicitlyCreated", "Cached")
SHELVES: dict[Kind, str] = {
    "Hosted": "context", "ImplicitlyCreated": "implicit-context", "Cached": "cached-context",
}  # fmt: skip
MOST_CACHED = 250  # copies; whoever may read can cause them
MOST_IMPLICIT, LARGEST_IMPLICIT = 2_000, 262_144  # contexts of a tenant made from inline ones, and bytes of one
MOST_COUNTED = 10_000
FRESH = 24 * 3_600_000_000  # after this a cached context is fetched again, and kept where that fails
SLOW_SECONDS = 0.5  # an address that took longer to fail is not asked again at once, for each time holds a thread
FAILED_SECONDS = 5.0
FETCHING = 6  # requests that may wait for a context at a time, so that a slow server of contexts stops nobody else
PATIENCE = 2.0  # seconds that others wait for their turn
Fetch = Callable[[str], Any]


@dataclass(frozen=True)
class ContextRecord:
    """A context as it is listed. `id` is its local name; `url` its own address where it is a copy, else ""."""

    id: str
    kind: Kind
    created: int
    url: str = ""
    used: int | None = None
    hits: int = 0


def local_id(address: str) -> str:
    """The local name of a cached context."""
    return hashlib.sha256(address.encode()).hexdigest()[:32]


def hosted_id(address: str) -> str | None:
    """The local name in the address of a context that is kept here, or might be."""
    path = urlsplit(address).path if "://" in address else address
    return unquote(path.removeprefix(HOSTED)) if path.startswith(HOSTED) else None


class KeptContexts:
    """The contexts of a pool, and the way to those that are elsewhere.

    `home` is this service's own address, which begins those of the contexts that are kept here; `said` is it where the
    operator says it, else each caller sees the address that it uses. `changed` is called when a context is no longer
    what it was.
    """

    def __init__(self, pool: Pool, fetch: Fetch, home: str = "", said: str = "") -> None:
        self.pool = pool
        self.fetch = fetch
        self.home = home
        self.said = said
        self.changed: Callable[[], None] = lambda: None
        self.lock = threading.Lock()
        self.counted: dict[tuple[str, str], tuple[int, int]] = {}  # tenant and id -> hits, last use
        self.failed: dict[str, tuple[float, Unreachable]] = {}
        self.fetching: dict[str, threading.Lock] = {}
        self.room = threading.BoundedSemaphore(FETCHING)
        self.began = pool.store.clock()

    # -- for requests that name a context

    def find(self, address: str, tenant: str) -> Any:
        """What a named context holds. Raises InvalidEntity for no address, Unreachable where it cannot be had."""
        own = hosted_id(address)
        if own is not None and (found := self.own(own, tenant)) is not None:
            return found[1].body["@context"]
        if urlsplit(address).scheme not in ("http", "https"):
            raise InvalidEntity(
                "A context is named by its whole address.", where=address[:300], hint="It begins with http or https."
            )
        kept = self.cached(address)
        if kept is not None and self.pool.store.clock() - kept.modified < FRESH:
            return kept.body["@context"]
        with self.alone(address):  # many may have waited for the same one
            kept = self.cached(address)
            if kept is not None and self.pool.store.clock() - kept.modified < FRESH:
                return kept.body["@context"]
            try:
                return self.fresh(address)
            except (Unreachable, InvalidEntity):
                if kept is None:
                    raise
                return kept.body["@context"]  # the copy of yesterday, before nothing

    def name(self, contexts: Sequence[Any], tenant: str) -> str:
        """The address of contexts that stood inline; the same for the same ones (5.13.1). Raises TooMuch."""
        context = contexts[0] if len(contexts) == 1 else list(contexts)
        text = orjson.dumps(context)
        id_ = hashlib.sha256(tenant.encode() + b"\0" + text).hexdigest()[:32]
        if self.own(id_, tenant) is None:
            self.require_room(tenant, len(text))
            self.put("ImplicitlyCreated", tenant, id_, context, "contexts")
        return self.home + HOSTED + id_

    def require_room(self, tenant: str, size: int) -> None:
        """Refuse to keep inline contexts without end, for a query may bring one, too. Raises TooMuch."""
        with self.pool.store.reader() as connection:
            kept = shelf.count(connection, SHELVES["ImplicitlyCreated"], tenant)
        if size > LARGEST_IMPLICIT or kept >= MOST_IMPLICIT:
            raise TooMuch(
                f"The inline @context has {size} bytes, and {kept} like it are kept; {LARGEST_IMPLICIT} bytes and"
                f" {MOST_IMPLICIT} are the bounds.",
                where="@context",
                hint="Host it (POST /jsonldContexts) and name its address.",
            )

    def used(self, addresses: Iterable[str], tenant: str) -> None:
        """Count a request's use of contexts."""
        now = self.pool.store.clock()
        with self.lock:
            for address in addresses:
                own = hosted_id(address)
                key = ("", local_id(address)) if own is None else (tenant, own)
                if key in self.counted or len(self.counted) < MOST_COUNTED:
                    self.counted[key] = (self.counted.get(key, (0, 0))[0] + 1, now)

    # -- the operations of clause 5.13

    def add(self, actor: Actor, tenant: str, context: Any) -> str:
        """Keep a context for a client; its local name (5.13.2). The caller has read it, so it is known to be one."""
        id_ = secrets.token_hex(16)
        with self.pool.asked(actor, "write", "keep contexts", id_):
            self.put("Hosted", tenant, id_, context, actor.name, actor.request)
        return id_

    def listed(self, actor: Actor, tenant: str, kind: str | None = None) -> list[ContextRecord]:
        """The contexts that a tenant can use, of one kind or all (5.13.3)."""
        found = []
        with self.pool.asked(actor, "read", "read contexts"), self.pool.store.reader() as connection:
            for one in KINDS:
                if kind not in (None, one):
                    continue
                for id_, created, _ in shelf.heads(connection, SHELVES[one], "" if one == "Cached" else tenant):
                    found.append(self.record(one, tenant, id_, created))
        if kind in (None, "Cached"):
            found.append(self.record("Cached", "", CORE_URL, self.began))
        return found

    def one(self, actor: Actor, tenant: str, id_: str) -> tuple[ContextRecord, Any]:
        """A context by its local name, or by its address where it is a copy; and its document (5.13.4). Missing."""
        with self.pool.asked(actor, "read", "read contexts", id_):
            kind, kept = self.located(tenant, id_)
        record = self.record(kind, tenant, kept.id, kept.created)
        self.used([record.url or HOSTED + record.id], tenant)
        return record, kept.body

    def delete(self, actor: Actor, tenant: str, id_: str) -> None:
        """Forget a context (5.13.5). Raises Missing; InvalidEntity for a core context, which always stands."""
        with self.pool.asked(actor, "write", "delete contexts", id_):
            if is_core(id_):
                raise InvalidEntity("A core context is always there.", where=id_)
            kind, kept = self.located(tenant, id_)
            home = "" if kind == "Cached" else tenant
            self.pool.store.write(
                lambda transaction: shelf.remove(transaction, SHELVES[kind], home, kept.id),
                tenant=home, actor=actor.name, request=actor.request,
            )  # fmt: skip
        with self.lock:
            self.counted.pop((home, local_id(kept.id) if kind == "Cached" else kept.id), None)
        self.changed()

    def reload(self, actor: Actor, tenant: str, id_: str) -> None:
        """Fetch a copy anew; the old one stays where that fails (5.13.5). Raises InvalidEntity, Unreachable."""
        with self.pool.asked(actor, "write", "reload contexts", id_):
            if is_core(id_):
                return  # it is as it ships
            try:
                kind, kept = self.located(tenant, id_)
            except Missing as error:
                raise InvalidEntity("There is no copy of such a context.", where=id_[:300]) from error
            if kind != "Cached":
                raise InvalidEntity(f"A context that is {kind} is no copy of another.", where=id_[:300])
            with self.alone(kept.id):
                self.failed.pop(kept.id, None)
                self.fresh(kept.id)
        self.changed()

    # -- within

    def located(self, tenant: str, id_: str) -> tuple[Kind, Kept]:
        """A context of a tenant or a copy, by its local name or address. Raises Missing."""
        if is_core(id_):
            return "Cached", Kept("", id_, {"@context": core_of(id_)}, self.began, self.began)
        found = self.own(hosted_id(id_) or id_, tenant)
        if found is not None:
            return found
        kept = self.cached(id_)
        if kept is None:
            with self.pool.store.reader() as connection:
                urls = (url for url, _, _ in shelf.heads(connection, SHELVES["Cached"], ""))
                url = next((url for url in urls if local_id(url) == id_), None)
            kept = self.cached(url) if url is not None else None
        if kept is None:
            raise Missing("There is no such context.", where=id_[:300])
        return "Cached", kept

    def own(self, id_: str, tenant: str) -> tuple[Kind, Kept] | None:
        """A hosted or implicitly created context of a tenant."""
        with self.pool.store.reader() as connection:
            for kind in KINDS[:2]:
                found = shelf.get(connection, SHELVES[kind], tenant, id_)
                if found is not None:
                    return kind, found
        return None

    def cached(self, address: str) -> Kept | None:
        with self.pool.store.reader() as connection:
            return shelf.get(connection, SHELVES["Cached"], "", address)

    def record(self, kind: Kind, tenant: str, id_: str, created: int) -> ContextRecord:
        url = id_ if kind == "Cached" else ""
        name = local_id(id_) if kind == "Cached" else id_
        hits, used = self.counted.get(("" if kind == "Cached" else tenant, name), (0, 0))
        return ContextRecord(name, kind, created, url, used or None, hits)

    def fresh(self, address: str) -> Any:
        """Fetch a context and keep the copy. Raises Unreachable, at once where it failed slowly a moment ago."""
        until, error = self.failed.get(address, (0.0, None))
        if error is not None and time.monotonic() < until:
            raise error
        began = time.monotonic()
        try:
            context = self.fetch(address)
        except Unreachable as failure:
            if time.monotonic() - began > SLOW_SECONDS:
                self.remember(address, failure)
            raise
        self.failed.pop(address, None)
        with suppress(Damaged):  # it serves this request all the same
            self.put("Cached", "", address, context, "contexts")
        return context

    def remember(self, address: str, failure: Unreachable) -> None:
        with self.lock:
            if len(self.failed) >= MOST_COUNTED:
                self.failed.clear()
            self.failed[address] = (time.monotonic() + FAILED_SECONDS, failure)

    def put(self, kind: Kind, tenant: str, id_: str, context: Any, actor: str, request: str = "") -> None:
        def job(transaction: SqliteTransaction) -> None:
            shelf.put(transaction, SHELVES[kind], tenant, id_, {"@context": context})
            if kind == "Cached":
                shelf.keep_newest(transaction, SHELVES[kind], tenant, MOST_CACHED)

        self.pool.store.write(job, tenant=tenant, actor=actor, request=request)

    @contextmanager
    def alone(self, address: str) -> Iterator[None]:
        """One thread at a time for an address, and few at all. Raises Unreachable where too many wait."""
        if not self.room.acquire(timeout=PATIENCE):
            raise Unreachable("Many contexts are being fetched.", where=address[:300], hint="Try again in a moment.")
        with self.lock:
            mine = self.fetching.setdefault(address, threading.Lock())
        try:
            with mine:
                yield
        finally:
            with self.lock:
                if not mine.locked():
                    self.fetching.pop(address, None)
            self.room.release()
