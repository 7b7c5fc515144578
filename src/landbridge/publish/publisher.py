"""Telling the world: from the change records of commits to notifications at their receivers.

One thread looks for changes (woken by this process's commits, and looking by itself for those of others), finds the
subscriptions that each is about, and hands notifications to the dispatch. What it finds out is settled in the store in
short steps: a change record goes when all of its notifications are through or kept in the store by themselves. So a
kill loses nothing, and what is sent again is what was not settled yet, under the same id. NGSI-LD 5.8.6.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from landbridge.errors import Invalid, LandbridgeError, Refused
from landbridge.model.instant import format_instant
from landbridge.model.subscription import Change, Subscription
from landbridge.pool import delivery
from landbridge.pool.cabinet import Cabinet
from landbridge.pool.delivery import Lane, Notice, Outcome
from landbridge.pool.match import Bench, entities, selected
from landbridge.pool.subscription import SHELF, expire
from landbridge.publish.call import Call, Target
from landbridge.publish.dispatch import Dispatch, Pending, Queue
from landbridge.publish.matching import Matching, whole_groups
from landbridge.publish.notification import Rendered, notification_id, write_notification
from landbridge.publish.periodic import question
from landbridge.publish.roster import Roster, TermsFor, Understand
from landbridge.publish.view import View

LOG = logging.getLogger("landbridge.publish")
PAGE = 512  # changes read together
MOST_WAITING = 64  # notifications of one subscription in memory
LINGER = 0.01  # seconds in which calls may end before their notifications are kept
TOGETHER = 0.004  # seconds in which what is found out is collected, to be settled at once
PAUSE, LOOK, SWEEP = 0.002, 0.25, 2.0  # seconds between steps, looks without a signal, looks at all lanes
MOST_QUEUES = 4096  # idle ones beyond this are forgotten
FIRST_RETRY, LONGEST_RETRY = 1.0, 300.0
PATIENCE = 3600.0  # seconds after which a notification is given up
LEAVING = 1.0  # seconds that a call under way may last when its subscription is deleted, or the process ends
MICRO = 1_000_000


class Publisher:
    """Matches changes and delivers notifications, in the one process that serves."""

    def __init__(
        self,
        subscriptions: Cabinet,
        understand: Understand,
        terms: TermsFor,
        call: Call,
        others: Mapping[str, Callable[[Lane], Target | None]] | None = None,
        *,
        patience: float = PATIENCE,
        first_retry: float = FIRST_RETRY,
    ) -> None:
        self.subscriptions = subscriptions
        self.pool = subscriptions.pool
        self.store = self.pool.store
        self.others = others or {}  # shelf -> where its lanes' notifications go, for those that notify by other rules
        self.patience, self.first_retry = patience, first_retry
        self.roster = Roster(subscriptions, understand, terms)
        self.bench = Bench(self.store)
        self.matching = Matching(self.roster, self.bench, self.in_time)
        self.dispatch = Dispatch(call, self.heard)
        self.queues: dict[Lane, Queue] = {}
        self.leaving: dict[Lane, Queue] = {}  # of deleted subscriptions, with a call still under way
        self.retries: list[tuple[float, int, Queue]] = []
        self.fresh: list[tuple[Queue, Pending]] = []  # handed out, neither through nor kept
        self.began = 0.0  # when the first of these was
        self.known_since = 0.0  # when the first of what is not settled yet was found out
        self.rendered: Rendered = {}  # what subscriptions that see a change in one way share
        self.outcome = Outcome()
        self.reports: deque[tuple[Queue, Pending, LandbridgeError | None, int]] = deque()
        self.read = -1  # the rank of the last change that was matched
        self.swept = 0.0
        self.signal = threading.Event()
        self.stopping = threading.Event()
        self.lock = threading.Lock()  # between the publisher's thread and those that ask for a subscription's end
        self.thread = threading.Thread(target=self.run, name="publisher", daemon=True)

    # -- from other threads

    def start(self) -> None:
        self.store.told = self.committed
        self.thread.start()

    def committed(self) -> None:
        """A commit of this process: worth a look where somebody subscribes."""
        if len(self.roster.index) or self.queues:
            self.signal.set()

    def hurry(self) -> None:
        """Look at once: a subscription is new or changed, or others left notifications in its lane."""
        self.swept = 0.0
        self.signal.set()

    def look_around(self) -> None:
        """Look at once at what others put behind those that wait."""
        self.swept = 0.0
        self.signal.set()

    def forget(self, tenant: str, id_: str, commit: int, shelf: str = SHELF) -> None:
        """Send nothing more for a subscription that is deleted, nor what is in memory for a document of a shelf."""
        with self.lock:
            if shelf == SHELF:
                self.roster.buried[tenant, id_] = commit
            lane = Lane(shelf, tenant, id_)
            queue = self.queues.pop(lane, None) or self.leaving.pop(lane, None)
            self.outcome.queued = [one for one in self.outcome.queued if one.lane != lane]
        if queue is not None:
            self.dispatch.drop(queue, LEAVING)
        self.signal.set()

    def standing(self, tenant: str, id_: str, shelf: str = SHELF) -> Mapping[str, Any]:
        """How deliveries went, up to now, as members of NotificationParams (5.2.14)."""
        lane = Lane(shelf, tenant, id_)
        queue = self.queues.get(lane)
        return dict(queue.standing) if queue is not None else delivery.standing(self.store, lane)

    def close(self) -> None:
        """End: nothing new is begun, what is under way is waited for, and what is known is settled."""
        self.stopping.set()
        self.signal.set()
        if self.thread.is_alive():
            self.thread.join()
        self.dispatch.close(LEAVING)
        self.store.told = None
        self.take_reports()
        self.settle()
        self.bench.close()

    def heard(self, queue: Queue, pending: Pending, error: LandbridgeError | None) -> None:
        """Take note of how a call went, in the thread that made it."""
        now = self.store.clock()
        note(queue.standing, pending.tries, error, now)
        self.reports.append((queue, pending, error, now))
        self.signal.set()

    # -- the thread

    def run(self) -> None:
        """Step until told to stop; what goes wrong is logged and tried again."""
        while not self.stopping.is_set():
            try:
                self.signal.wait(self.seconds())
                self.signal.clear()
                self.step()
                self.stopping.wait(PAUSE)
            except Exception:
                LOG.exception("Notifications are held up; they are tried again.")
                self.stopping.wait(1.0)

    def seconds(self) -> float:
        """How long nothing needs to be done, without a signal."""
        if self.fresh or not self.outcome.empty:
            return TOGETHER
        due = [LOOK, self.roster.periodic.seconds(), *(one[0] - time.monotonic() for one in self.retries[:1])]
        return max(0.0, min(due))

    def step(self) -> None:
        """Everything that can be done now."""
        self.take_reports()
        with self.lock:
            found = delivery.look(self.store, self.roster.version, self.roster.moment, self.read, PAGE)
            self.learn(found)
            self.tell(whole_groups(found.changes, found.more))
        if found.more:
            self.signal.set()
        self.take_periodic()
        self.retry()
        self.take_reports()
        if self.must_settle():
            self.settle()
        self.sweep()

    # -- subscriptions

    def learn(self, found: delivery.Look) -> None:
        """Take in which subscriptions are new, changed or gone."""
        put, gone = self.roster.learn(found)
        for key in gone:
            queue = self.queues.pop(Lane(SHELF, *key), None)
            if queue is not None:
                self.dispatch.drop(queue, 0)
                self.leaving = {lane: one for lane, one in self.leaving.items() if one.busy} | {queue.lane: queue}
        for key in put:
            queue = self.queues.get(Lane(SHELF, *key))
            if queue is not None:
                queue.target = self.target(queue.lane)
                self.dispatch.offer(queue)

    def target(self, lane: Lane) -> Target | None:
        """Where a lane's notifications go now; None where they are held back."""
        if lane.shelf != SHELF:
            return self.others[lane.shelf](lane) if lane.shelf in self.others else None
        made = self.roster.active((lane.tenant, lane.subscription), self.store.clock())
        return None if made is None else Target(made.endpoint, made.tenant, self.roster.terms_of(made).address())

    def queue(self, lane: Lane) -> Queue:
        found = self.queues.get(lane)
        if found is None:
            standing = delivery.standing(self.store, lane)
            found = Queue(lane, self.target(lane), standing, heard=standing.get("heard", -1))
            found.behind = bool(delivery.waiting(self.store, lane, -1, 1))  # from before: they come first
            self.queues[lane] = found
        return found

    # -- changes

    def tell(self, changes: Sequence[Change]) -> None:
        """Match changes, and hand out what is to be told of them."""
        self.rendered.clear()
        for told in self.matching.match(changes):
            self.hand_out(*told)
        if changes:
            self.read = changes[-1].rank
            self.outcome.matched += [change.rank for change in changes]

    def in_time(self, made: Subscription, change: Change) -> bool:
        """Whether enough time has passed since the change that was told before (5.2.12, throttling)."""
        if not made.throttling:
            return True
        queue = self.queue(Lane(SHELF, made.tenant, made.id))
        if queue.heard >= 0 and 0 < change.recorded - queue.heard < made.throttling * MICRO:
            return False
        queue.heard = queue.standing["heard"] = change.recorded
        return True

    def hand_out(self, made: Subscription, rank: int, views: list[View]) -> None:
        """Put a notification behind those of its subscription."""
        now = self.store.clock()
        id_ = notification_id(made.tenant, made.id, made.since, rank)
        try:
            known = self.rendered if views[0].rank >= 0 else None
            body = write_notification(made, id_, views, self.roster.terms_of(made), now, self.find, known)
        except Exception:
            LOG.exception("The notification %s of %s cannot be written.", id_, made.id)
            return
        pending, queue = Pending(rank, id_, now, body), self.queue(Lane(SHELF, made.tenant, made.id))
        if queue.behind or len(queue.waiting) >= MOST_WAITING:
            queue.behind = True
            self.keep(queue, pending)
            return
        if not self.fresh:
            self.began = time.monotonic()
        queue.loaded = rank
        queue.waiting.append(pending)
        self.fresh.append((queue, pending))
        self.dispatch.offer(queue)

    def find(self, tenant: str, ids: Sequence[str]) -> dict[str, Any]:
        return entities(self.store, tenant, ids)

    def keep(self, queue: Queue, pending: Pending, due: int = 0, dead: int = 0, reason: str = "") -> None:
        """Have a notification kept in the store, to be sent from there, or again."""
        pending.kept = True
        self.outcome.queued.append(
            Notice(queue.lane, pending.rank, pending.id, pending.made, pending.body, pending.tries, due, dead, reason)
        )

    # -- what became of them

    def take_reports(self) -> None:
        """See how calls went since the last time."""
        while self.reports:
            queue, pending, error, now = self.reports.popleft()
            if queue.dropped:
                continue
            queue.unsaved = True
            self.outcome.standings[queue.lane] = queue.standing
            if error is None:
                if pending.kept:
                    self.outcome.done.append((queue.lane, pending.rank))
                continue
            self.failed(queue, pending, error, now)

    def failed(self, queue: Queue, pending: Pending, error: LandbridgeError, now: int) -> None:
        """Try again later, or give up: at once where trying cannot help, else after so long."""
        pending.tries += 1
        hopeless = isinstance(error, Refused | Invalid)
        cooldown = queue.target.endpoint.cooldown if queue.target else 0.0
        pause = max(cooldown, min(self.first_retry * 2.0 ** min(pending.tries - 1, 20), LONGEST_RETRY))
        if hopeless or now - pending.made > self.patience * MICRO:
            LOG.warning("A notification of %s is given up: %s", queue.lane.subscription, error)
            self.keep(queue, pending, dead=now, reason=str(error)[:500])
            if queue.waiting and queue.waiting[0] is pending:
                queue.waiting.popleft()
            pause = cooldown
        else:
            self.keep(queue, pending, due=now + int(pause * MICRO), reason=str(error)[:500])
        self.retries.append((time.monotonic() + pause, id(queue), queue))
        self.retries.sort(key=lambda one: one[0])

    def retry(self) -> None:
        """Send again what has waited long enough."""
        now = time.monotonic()
        while self.retries and self.retries[0][0] <= now:
            _, _, queue = self.retries.pop(0)
            queue.halted = False
            self.dispatch.offer(queue)

    def take_periodic(self) -> None:
        """Notify by the clock, and stop wanting what has expired."""
        for key in self.roster.periodic.expired():
            expire(self.subscriptions, *key)
            self.roster.periodic.drop(key)
            self.roster.forget_ready(key)
            queue = self.queues.get(Lane(SHELF, *key))
            if queue is not None:
                queue.target = None
        for key in self.roster.periodic.due():
            made = self.roster.active(key, self.store.clock())
            if made is None:
                continue
            queue = self.queue(Lane(SHELF, *key))
            if queue.waiting or queue.behind:
                continue  # the one before is not through yet: another would say the same
            views = [View(one) for one in selected(self.store, question(made))]
            if views:
                rank = max((self.store.version() << 24) + (1 << 23), queue.loaded + 1)
                self.hand_out(made, rank, views)

    # -- the store

    def must_settle(self) -> bool:
        self.fresh = [(queue, pending) for queue, pending in self.fresh if not pending.done]
        if self.outcome.empty and not self.fresh:
            self.known_since = 0.0
            return False
        now = time.monotonic()
        self.known_since = self.known_since or now
        if len(self.outcome.matched) > 4 * PAGE:
            return True
        return now - (self.began if self.fresh else self.known_since) > (LINGER if self.fresh else TOGETHER)

    def settle(self) -> None:
        """Make durable what is known; what is still under way is kept in the store first."""
        with self.lock:
            for queue, pending in self.fresh:
                if not (pending.done or pending.kept or queue.dropped):
                    self.keep(queue, pending)
            outcome, self.outcome, self.fresh = self.outcome, Outcome(), []
        self.known_since = 0.0
        saved = [queue for queue in self.queues.values() if queue.unsaved]
        for queue in saved:
            queue.unsaved = False
        try:
            if not outcome.empty:
                delivery.settle(self.store, outcome)
        except LandbridgeError:
            self.outcome = outcome.joined(self.outcome)  # nothing of it is written: it is tried again
            raise
        self.refill()

    def refill(self) -> None:
        """Read on where more waits in the store than in memory."""
        for queue in [
            queue for queue in self.queues.values() if queue.behind and len(queue.waiting) < MOST_WAITING // 4
        ]:
            rows = delivery.waiting(self.store, queue.lane, queue.loaded, MOST_WAITING)
            for row in rows:
                queue.waiting.append(Pending(row.rank, row.notification, row.made, row.body, row.tries, kept=True))
                queue.loaded = row.rank
            queue.behind = len(rows) == MOST_WAITING
            self.dispatch.offer(queue)

    def sweep(self) -> None:
        """Now and then: see to lanes that others filled or an operator replays, forget queues that are idle."""
        now = time.monotonic()
        if now - self.swept < SWEEP or self.fresh or not self.outcome.empty or self.reports:
            return
        self.swept = now
        for lane in delivery.lanes(self.store):
            queue = self.queue(lane)
            if queue.target is None:
                queue.target = self.target(lane)
            if queue.idle and not any(one[0] is queue for one in self.reports):
                queue.behind, queue.loaded = True, -1
        self.refill()
        if len(self.queues) > MOST_QUEUES:
            with self.lock:
                self.queues = {lane: queue for lane, queue in self.queues.items() if not queue.idle}


def note(standing: dict[str, Any], tries: int, error: LandbridgeError | None, now: int) -> None:
    """Count a call (5.2.14, read-only members)."""
    told = format_instant(now)
    if tries == 0:
        standing["timesSent"] = standing.get("timesSent", 0) + 1
    standing["lastNotification"] = told
    standing["status"] = "ok" if error is None else "failed"
    standing["lastSuccess" if error is None else "lastFailure"] = told
    if error is not None:
        standing["timesFailed"] = standing.get("timesFailed", 0) + 1
