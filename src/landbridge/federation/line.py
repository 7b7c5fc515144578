"""The lines to the sources: what goes out, within bounds of time, and how each source has fared.

A source that fails is left alone for its cooldown; what may be kept is kept for its cache duration (NGSI-LD 5.2.34).
Nothing that comes back is trusted: it is bounded, and what is no JSON is a failure.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass, field
from typing import Any

import orjson

from landbridge.errors import LandbridgeError, TooMuch
from landbridge.federation.call import Sent
from landbridge.federation.offer import Offer
from landbridge.federation.standing import Standings
from landbridge.governance.egress import Egress

THREADS = 64  # requests to sources at once
WAITING = 8  # clients' requests that wait for sources at once; more of them would keep others from being answered
PATIENCE = 2.0  # seconds that another one waits for its turn
LARGEST = 16 * 1024 * 1024  # bytes of an answer
KEPT_ANSWERS, KEPT_BYTES = 1000, 64 * 1024 * 1024
NOT_NOW, WRONG, SAID_NO = 199, 111, 299  # the warnings of table 6.3.17-1


@dataclass(frozen=True)
class Reply:
    """What came of one request. `status` 0: nothing came; `code` and `text`: the warning that it is worth."""

    offer: Offer
    status: int
    body: Any = None
    code: int = 0
    text: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def fine(self) -> bool:
        return 200 <= self.status < 300 and not self.code


class Lines:
    """Requests to sources, from any thread."""

    def __init__(self, egress: Egress, standings: Standings) -> None:
        self.egress = egress
        self.standings = standings
        self.lock = threading.Lock()
        self.threads: ThreadPoolExecutor | None = None
        self.turns = threading.BoundedSemaphore(WAITING)
        self.kept: OrderedDict[tuple[object, ...], tuple[float, int, Reply]] = OrderedDict()
        self.size = 0

    def forget(self) -> None:
        """Let go of the answers that are kept: something was erased."""
        with self.lock:
            self.kept.clear()
            self.size = 0

    def close(self) -> None:
        if self.threads is not None:
            self.threads.shutdown(wait=False, cancel_futures=True)
        self.standings.close()

    def gather(self, requests: Sequence[tuple[Offer, Sent]]) -> list[Reply]:
        """Ask all at once, and wait for each no longer than its own time. In the order of the requests."""
        if not requests:
            return []
        if not self.turns.acquire(timeout=PATIENCE):
            return [Reply(offer, 0, code=NOT_NOW, text="Too many requests wait for sources.") for offer, _ in requests]
        try:
            begun = time.monotonic()
            under_way = [(offer, self.ask(offer, request)) for offer, request in requests]
            return [awaited(offer, future, begun) for offer, future in under_way]
        finally:
            self.turns.release()

    def ask(self, offer: Offer, request: Sent) -> "Future[Reply]":
        """Ask one source; the answer comes later, or is there already."""
        found = self.remembered(offer, request)
        if found is None and self.standings.of(offer.tenant, offer.id).until > time.monotonic():
            found = Reply(offer, 0, code=NOT_NOW, text=f"{offer.id} failed a moment ago and is left alone for a while.")
        if found is not None:
            done: Future[Reply] = Future()
            done.set_result(found)
            return done
        with self.lock:
            if self.threads is None:
                self.threads = ThreadPoolExecutor(THREADS, "source")
        return self.threads.submit(self.call, offer, request)

    def call(self, offer: Offer, request: Sent) -> Reply:
        reply = self.called(offer, request)
        self.standings.heard(offer.tenant, offer.id, reply.code != 0 or reply.status >= 500, offer.cooldown)
        if reply.fine and offer.cache and request.method == "GET":
            self.remember(offer, request, reply)
        return reply

    def called(self, offer: Offer, request: Sent) -> Reply:
        try:
            answer = self.egress.request(
                request.method, request.url, request.headers, request.body, offer.timeout, largest=LARGEST, hops=0
            )
        except TooMuch as error:
            return Reply(offer, 502, code=WRONG, text=f"{offer.id}: {error.message}")
        except LandbridgeError as error:
            return Reply(offer, 0, code=NOT_NOW, text=f"{offer.id}: {error.message}")
        return read_reply(offer, answer.status, dict(answer.headers), answer.body)

    # -- what is kept

    def remembered(self, offer: Offer, request: Sent) -> Reply | None:
        with self.lock:
            found = self.kept.get(key_of(offer, request))
        return found[2] if found and found[0] > time.monotonic() else None

    def remember(self, offer: Offer, request: Sent, reply: Reply) -> None:
        size = len(orjson.dumps(reply.body))
        with self.lock:
            before = self.kept.pop(key_of(offer, request), None)
            self.size += size - (before[1] if before else 0)
            self.kept[key_of(offer, request)] = (time.monotonic() + offer.cache, size, reply)
            while self.kept and (len(self.kept) > KEPT_ANSWERS or self.size > KEPT_BYTES):
                self.size -= self.kept.popitem(last=False)[1][1]


def key_of(offer: Offer, request: Sent) -> tuple[object, ...]:
    """What two requests with one answer have in common."""
    headers = {name: value for name, value in request.headers.items() if name != "Via"}
    return offer.tenant, offer.id, request.method, request.url, tuple(sorted(headers.items())), request.body


def awaited(offer: Offer, future: "Future[Reply]", begun: float) -> Reply:
    """The answer, or that it did not come in time."""
    left = begun + offer.timeout + 0.5 - time.monotonic()
    try:
        return future.result(max(0.01, left))
    except TooLate:
        future.cancel()
        return Reply(offer, 0, code=NOT_NOW, text=f"{offer.id} does not answer within {offer.timeout:g} s.")


def read_reply(offer: Offer, status: int, headers: dict[str, str], body: bytes) -> Reply:
    """Judge an answer: what a source says is no is a warning, and so is what is no JSON."""
    document: Any = None
    if body:
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError:
            if 200 <= status < 300:
                return Reply(offer, 502, code=WRONG, text=f"{offer.id} answers with what is no JSON.", headers=headers)
    code, text = 0, ""
    if not 200 <= status < 300:
        code, text = (0 if status == 404 else SAID_NO), f"{offer.id} answers {status}."
    return Reply(offer, status, document, code, text, headers)
