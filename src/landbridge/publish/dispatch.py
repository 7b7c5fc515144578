"""Who sends what next: each subscription's notifications in order, one at a time, and no receiver in another's way.

Subscriptions of one receiver share a few threads at most, and receivers that fail or dawdle have threads apart from
those of the others; so whoever is slow or dead waits for himself alone.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from landbridge.errors import LandbridgeError
from landbridge.pool.delivery import Lane
from landbridge.publish.call import Call, Target, receiver_of
from landbridge.publish.hand import Hands

TURN = 16  # notifications of one queue before the next has its turn
EACH = 4  # threads for a receiver that answers; one that has not yet, or no longer does, has one
SOUND, AILING = 96, 32  # threads for receivers that answer, and for those that do not
SLOW = 1.0  # seconds after which a receiver counts as ailing
KNOWN = 1_000  # idle receivers of which it is remembered how they are


@dataclass(eq=False)
class Pending:
    """A notification in memory, made at a time in microseconds. `kept`: it is in the store, too."""

    rank: int
    id: str
    made: int
    body: bytes
    tries: int = 0
    kept: bool = False
    done: bool = False


@dataclass(eq=False)
class Queue:
    """The notifications of one subscription that are in memory, in order. `behind`: more wait in the store.

    `target` None: nothing is sent (it is paused). `halted`: the first one failed, and the publisher decides.
    """

    lane: Lane
    target: Target | None
    standing: dict[str, Any]
    waiting: deque[Pending] = field(default_factory=deque)
    behind: bool = False
    loaded: int = -1
    busy: bool = False
    halted: bool = False
    dropped: bool = False
    unsaved: bool = False
    heard: int = -1  # when the last change was taken, for throttling

    @property
    def idle(self) -> bool:
        return not (self.waiting or self.behind or self.busy or self.halted or self.unsaved)


@dataclass(eq=False)
class Receiver:
    """The queues that wait for a thread to send to one machine."""

    name: str
    ready: deque[Queue] = field(default_factory=deque)
    active: int = 0
    ailing: bool = False
    proven: bool = False  # it has answered


Heard = Callable[[Queue, Pending, LandbridgeError | None], None]


class Dispatch:
    """Sends what queues hold. `heard` is told how each call went, in the thread that made it."""

    def __init__(self, call: Call, heard: Heard) -> None:
        self.call = call
        self.heard = heard
        self.lock = threading.Lock()
        self.quiet = threading.Condition(self.lock)
        self.receivers: dict[str, Receiver] = {}
        self.sound = Hands("notify", SOUND)
        self.apart = Hands("notify-ailing", AILING)
        self.ending = False

    def offer(self, queue: Queue) -> None:
        """Have a queue sent, unless it is under way, halted or paused."""
        target = queue.target
        if target is None or not queue.waiting:
            return
        with self.lock:
            if queue.busy or queue.halted or queue.dropped or self.ending:
                return
            queue.busy = True
            name = receiver_of(target.endpoint.uri)
            receiver = self.receivers.setdefault(name, Receiver(name))
            receiver.ready.append(queue)
            self.help(receiver)

    def help(self, receiver: Receiver) -> None:
        """Give a receiver one more thread, if it may have one; the lock is held."""
        most = EACH if receiver.proven and not receiver.ailing else 1
        if receiver.active < most and not self.ending:
            receiver.active += 1
            (self.apart if receiver.ailing else self.sound).submit(partial(self.serve, receiver))

    def serve(self, receiver: Receiver) -> None:
        """Send for one receiver until nothing waits, or it has become another kind of receiver."""
        ailing = receiver.ailing
        while True:
            with self.lock:
                if not receiver.ready or self.ending or receiver.ailing != ailing:
                    receiver.active -= 1
                    self.quiet.notify_all()
                    if receiver.ready:
                        self.help(receiver)
                    elif not receiver.active and len(self.receivers) > KNOWN:
                        self.receivers.pop(receiver.name, None)
                    return
                queue = receiver.ready.popleft()
                if receiver.ready:
                    self.help(receiver)
            try:
                self.send(queue, receiver)
            finally:
                with self.lock:
                    queue.busy = False
                    self.quiet.notify_all()
            self.offer(queue)

    def send(self, queue: Queue, receiver: Receiver) -> None:
        """Send some of a queue; stop at the first that fails."""
        for _ in range(TURN):
            target = queue.target
            if not queue.waiting or target is None or queue.dropped or self.ending:
                return
            pending = queue.waiting[0]
            error = self.attempt(target, pending, receiver)
            if error is None:
                if queue.waiting and queue.waiting[0] is pending:  # or it was dropped meanwhile
                    queue.waiting.popleft()
                pending.done = True
            else:
                queue.halted = True
            self.heard(queue, pending, error)
            if error is not None:
                return

    def attempt(self, target: Target, pending: Pending, receiver: Receiver) -> LandbridgeError | None:
        """One call; what went wrong, if anything did."""
        began = time.monotonic()
        try:
            self.call(target, pending.body)
        except LandbridgeError as error:
            receiver.ailing = True
            return error
        receiver.ailing, receiver.proven = time.monotonic() - began > SLOW, True
        return None

    def drop(self, queue: Queue, seconds: float) -> None:
        """Send nothing more of a queue; wait so long at most until what is under way has ended."""
        with self.lock:
            queue.dropped = True
            queue.waiting.clear()
            self.quiet.wait_for(lambda: not queue.busy, seconds)

    def close(self, seconds: float) -> None:
        """Begin nothing new, and wait so long at most for what is under way."""
        with self.lock:
            self.ending = True
            self.quiet.wait_for(lambda: not any(one.active for one in self.receivers.values()), seconds)
        self.sound.close()
        self.apart.close()
