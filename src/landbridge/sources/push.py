"""Rows that others send (kind `push`): a POST to the source's own address, answered once the rows are in the pool.

What is pushed takes the road of every stream: micro-batch, mapping, one commit, then `settle`. The sender's answer
waits for that, so "stored" means durable; there is no spool between, which would have to be guarded like the pool.

How it is wired. The run of the source (`run.pull`, for as long as the worker lives) opens it and reads `batches`. The
worker hands the opened source to whoever takes requests; the door, in the serving process, checks token, role and size
and passes the body on to the worker, which calls `offer`. The future that it gives is done when the commit is, with a
`Receipt` for the answer, or fails:

    Invalid      the body is wrong; nothing is stored (400)
    TooMuch      the body is too large (413), or `busy`: too much waits, come back later (503 with Retry-After)
    Failed       the source is not running, or stopped before the commit (503): send it again

A body is one commit, all of it or nothing; bodies that wait together share one. A row that the mapping rejects is kept
with its reason as with any source, and told to the sender by its number. Where the sender gives an Idempotency-Key,
the same body sent again under it is answered and not stored again, also after a kill: the newest keys are in the
cursor, so they are saved in the very commit of their rows. Without a key a body that is sent twice is stored twice, as
far as its rows do not have the same key (id, observedAt, datasetId).
"""

import base64
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import pyarrow as pa

from landbridge.errors import Failed, Invalid, TooMuch
from landbridge.sources.contract import Batch, Cursor, Declaration, Source
from landbridge.sources.declaration import Keys
from landbridge.sources.location import MEGABYTE
from landbridge.sources.push_body import Body, read_body
from landbridge.sources.record_table import RecordTable, declared_columns

OPTIONS: dict[str, str] = {
    "path": "where the rows are in a JSON body, such as `data.rows`; default: the body",
    "columns": "columns whose kind is fixed: name to text, double, integer, boolean or json",
    "max_megabytes": "size that a body may have; default 16",
    "max_rows": "rows that a body may have; default 100000",
}
BATCH_ROWS = 20_000  # rows from which no further body joins a commit
WAITING = 4  # how many times `max_megabytes` may wait
KEYS = 256  # newest idempotency keys that are remembered
MARK = 8  # bytes of a key's digest, and of a body's
STAMP = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class Receipt:
    """What a sender is told. `rejected`: rows by number from 1 (None: not known which), with the reason."""

    rows: int
    rejected: tuple[tuple[int | None, str], ...] = ()
    repeated: bool = False

    def document(self) -> dict[str, Any]:
        """The receipt as JSON."""
        told = [{"row": row, "reason": reason} for row, reason in self.rejected]
        return {"rows": self.rows, "rejected": told, "repeated": self.repeated}


@dataclass
class Offer:
    """A body on its way to its commit."""

    body: Body
    request: str
    received: int
    key: bytes | None
    mark: bytes
    size: int
    done: "Future[Receipt]" = field(default_factory=Future)
    mapped: list[tuple[int | None, str]] = field(default_factory=list)  # rows that the mapping rejected

    def __post_init__(self) -> None:
        self.done.set_running_or_notify_cancel()  # a sender that goes away takes nothing back

    def receipt(self) -> Receipt:
        found = [(number, reject.reason) for number, reject in self.body.rejects] + self.mapped
        ordered = sorted(found, key=lambda pair: pair[0] or 0)
        return Receipt(len(self.body.records) + len(self.body.rejects), tuple(ordered))


def open_source(declaration: Declaration) -> Source:
    """Open a source that waits for rows; raises InvalidSettings."""
    return PushSource(declaration)


class PushSource:
    """The rows that are pushed to one source. `offer` may be called from any thread."""

    manner = "stream"

    def __init__(self, declaration: Declaration) -> None:
        where = f"{declaration.name}/source.toml"
        keys = Keys(declaration.options, where)
        self.name = declaration.name
        self.path = keys.text("path", "")
        self.max_bytes = int(keys.number("max_megabytes", 16, 0.001, 1024) * MEGABYTE)
        self.max_rows = keys.whole("max_rows", 100_000, 1, 10_000_000) or 1
        self.table = RecordTable(
            {**declared_columns(declaration.options.get("columns", {}), where), "_request": pa.string()}
        )
        self.changed = threading.Condition()
        self.ended = False
        self.running = False
        self.waiting: deque[Offer] = deque()
        self.under_way: list[Offer] = []
        self.known: OrderedDict[bytes, bytes] = OrderedDict()  # key -> the body's mark

    # --- the sender's side -----------------------------------------------------------------------------------

    def offer(
        self, content: bytes, content_type: str = "application/json", *, key: str | None = None, request: str = ""
    ) -> "Future[Receipt]":
        """Take a body; the future is done once its rows are in the pool. Raises Invalid, TooMuch or Failed.

        `key` is the sender's Idempotency-Key, `request` a name for people: it stands in `_request` and in rejects.
        """
        if len(content) > self.max_bytes:
            raise TooMuch(
                f"The body has {len(content)} bytes; {self.max_bytes} are allowed.", where=self.name,
                hint="Send it in parts, or raise `max_megabytes` in source.toml.",
            )  # fmt: skip
        mark = digest(content)
        named = None if key is None else digest(key.encode("utf-8", "surrogatepass"))
        if (known := self.same(named, mark)) is not None:
            return known
        body = read_body(content, content_type, self.path, self.max_rows, self.table, request)
        offer = Offer(body, request, time.time_ns() // 1000, named, mark, len(content))
        if not body.records and not body.rejects:
            offer.done.set_result(Receipt(0))
            return offer.done
        return self.queued(offer)

    def queued(self, offer: Offer) -> "Future[Receipt]":
        with self.changed:
            if (known := self.same(offer.key, offer.mark)) is not None:
                return known
            if not self.running:
                raise Failed(f"The source '{self.name}' is not running.", hint="Send it again in a moment.")
            if sum(other.size for other in self.waiting) + offer.size > WAITING * self.max_bytes:
                raise TooMuch(f"Too much waits for the source '{self.name}'.", where="busy",
                              hint="Send it again in a moment, and less at a time.")  # fmt: skip
            self.waiting.append(offer)
            self.changed.notify_all()
        return offer.done

    def same(self, key: bytes | None, mark: bytes) -> "Future[Receipt] | None":
        """The answer to a body that came before under this key; raises Invalid where that was another body."""
        if key is None:
            return None
        with self.changed:
            under_way = next((offer for offer in (*self.under_way, *self.waiting) if offer.key == key), None)
            before = under_way.mark if under_way else self.known.get(key)
            if before is None:
                return None
            if before != mark:
                raise Invalid("The Idempotency-Key was used for another body.", where=self.name,
                              hint="Give each body a key of its own.")  # fmt: skip
            if under_way:
                return under_way.done
        done: Future[Receipt] = Future()
        done.set_result(Receipt(0, repeated=True))
        return done

    # --- the run's side --------------------------------------------------------------------------------------

    def stop(self) -> None:
        """End `batches` soon; what waits is refused."""
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def batches(self, cursor: Cursor | None) -> Iterator[Batch]:
        """Yield what is pushed, until `stop`."""
        with self.changed:
            self.ended, self.running = False, True
            self.known = OrderedDict(remembered(str((cursor or {}).get("keys", ""))))
        try:
            while taken := self.taken():
                yield self.batch(taken)
        finally:
            self.give_up()

    def taken(self) -> list[Offer]:
        """Wait for bodies; those that share the next commit. None of them after `stop`."""
        with self.changed:
            self.under_way = []
            while not self.waiting and not self.ended:
                self.changed.wait()
            rows = 0
            while self.waiting and rows < BATCH_ROWS and not self.ended:
                offer = self.waiting.popleft()
                rows += len(offer.body.records)
                self.under_way.append(offer)
            return list(self.under_way)

    def batch(self, taken: list[Offer]) -> Batch:
        records = [record | {"_request": offer.request} for offer in taken for record in offer.body.records]
        received = [offer.received for offer in taken for _ in offer.body.records]
        rows = self.table.rows(records).append_column("_received", pa.array(received, STAMP))
        rejects = tuple(reject for offer in taken for _, reject in offer.body.rejects)
        return Batch(
            rows, origin="push", rejects=rejects, report=lambda found: report(taken, found),
            settle=lambda: self.settle(taken), cursor={"keys": self.kept(taken)},
        )  # fmt: skip

    def kept(self, taken: list[Offer]) -> str:
        """The newest keys, with those of these bodies, as the cursor keeps them."""
        keys = OrderedDict(self.known)
        keys.update((offer.key, offer.mark) for offer in taken if offer.key is not None)
        newest = list(keys.items())[-KEYS:]
        return base64.b64encode(b"".join(key + mark for key, mark in newest)).decode()

    def settle(self, taken: list[Offer]) -> None:
        """The commit is made: answer the senders."""
        with self.changed:
            self.under_way = []
            for offer in taken:
                if offer.key is not None:
                    self.known[offer.key] = offer.mark
            while len(self.known) > KEYS:
                self.known.popitem(last=False)
        for offer in taken:
            offer.done.set_result(offer.receipt())

    def give_up(self) -> None:
        """Answer everyone who waits when the run ends."""
        with self.changed:
            self.running = False
            unknown, unstored = self.under_way, list(self.waiting)
            self.under_way = []
            self.waiting.clear()
        for offer in unknown:
            offer.done.set_exception(Failed(
                "The source stops while the rows are on their way: they may be stored or not.", where=self.name,
                hint="Send them again; with the same Idempotency-Key they are not stored twice.",
            ))  # fmt: skip
        for offer in unstored:
            offer.done.set_exception(Failed("The source stops; the rows are not stored.", where=self.name,
                                            hint="Send them again in a moment."))  # fmt: skip


def report(taken: Sequence[Offer], found: Sequence[tuple[int, str]]) -> None:
    """Tell each body which of its rows the mapping rejected; `found` counts through all of them."""
    owners = [(offer, number) for offer in taken for number in offer.body.numbers]
    for place, reason in found:
        if 0 <= place < len(owners):
            offer, number = owners[place]
            offer.mapped.append((number, reason))
        else:
            for offer in taken:
                offer.mapped.append((None, reason))


def remembered(text: str) -> list[tuple[bytes, bytes]]:
    """The keys and marks of a saved cursor, oldest first."""
    try:
        joined = base64.b64decode(text, validate=True)
    except ValueError:
        return []
    return [(joined[at : at + MARK], joined[at + MARK : at + 2 * MARK]) for at in range(0, len(joined), 2 * MARK)]


def digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=MARK).digest()
