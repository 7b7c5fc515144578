"""How each source fares: the counters that its registration shows, kept over restarts (NGSI-LD 5.2.9, table 5.2.9-2).

They change with every request to a source, so they are counted in memory and laid into the store within some seconds;
a kill loses what was counted since.
"""

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from landbridge.errors import LandbridgeError
from landbridge.model.instant import format_instant, parse_instant
from landbridge.pool import delivery
from landbridge.pool.delivery import Lane, Outcome
from landbridge.pool.pool import Pool

LOG = logging.getLogger("landbridge.federation")
SHELF = "registration"
MOST = 20_000  # sources that are counted in memory
SECONDS = 2.0  # until what was counted is kept

Key = tuple[str, str]  # tenant and id of a registration


@dataclass
class Standing:
    """How a source fares. Times: `until` it is left alone, on the monotonic clock; the others in microseconds."""

    until: float = 0.0
    sent: int = 0
    failed: int = 0
    last_success: int | None = None
    last_failure: int | None = None

    def members(self) -> dict[str, Any]:
        """As members of a registration; nothing where it was never asked."""
        if not self.sent:
            return {}
        failing = (self.last_failure or 0) > (self.last_success or 0)
        told: dict[str, Any] = {"status": "failed" if failing else "ok", "timesSent": self.sent}
        if self.failed:
            told["timesFailed"] = self.failed
        for name, moment in (("lastSuccess", self.last_success), ("lastFailure", self.last_failure)):
            if moment is not None:
                told[name] = format_instant(moment)
        return told


def read_standing(members: Mapping[str, Any]) -> Standing:
    """What was kept of a source."""
    moments = (parse_instant(members[name]) if name in members else None for name in ("lastSuccess", "lastFailure"))
    return Standing(0.0, members.get("timesSent", 0), members.get("timesFailed", 0), *moments)


class Standings:
    """The standings of all sources of a pool. Any thread may use them at any time."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.lock = threading.Lock()
        self.known: dict[Key, Standing] = {}
        self.unsaved: set[Key] = set()
        self.timer: threading.Timer | None = None
        self.closed = False

    def of(self, tenant: str, id_: str) -> Standing:
        """The standing of a source, as it is counted on."""
        key = (tenant, id_)
        with self.lock:
            found = self.known.get(key)
            full = len(self.known) >= MOST
        if found is not None:
            return found
        if full:  # most of them are long gone, and what is not is read again
            self.save()
        read = read_standing(delivery.standing(self.pool.store, Lane(SHELF, *key)))
        with self.lock:
            if len(self.known) >= MOST and not self.unsaved:
                self.known.clear()
            return self.known.setdefault(key, read)

    def members(self, tenant: str, id_: str) -> dict[str, Any]:
        """How a source fares, as members of its registration."""
        return self.of(tenant, id_).members()

    def heard(self, tenant: str, id_: str, failed: bool, cooldown: float) -> None:
        """Count how a request went; a source that failed is left alone for its cooldown."""
        standing, now = self.of(tenant, id_), time.time_ns() // 1000
        with self.lock:
            standing.sent += 1
            if failed:
                standing.failed, standing.last_failure = standing.failed + 1, now
                standing.until = time.monotonic() + cooldown
            else:
                standing.last_success, standing.until = now, 0.0
            self.unsaved.add((tenant, id_))
            if self.timer is None and not self.closed:
                self.timer = threading.Timer(SECONDS, self.save)
                self.timer.daemon = True
                self.timer.start()

    def forget(self, tenant: str, id_: str) -> None:
        """Begin anew with a source: its registration is gone, or new."""
        with self.lock:
            self.known.pop((tenant, id_), None)
            self.unsaved.discard((tenant, id_))
        delivery.begin_anew(self.pool.store, Lane(SHELF, tenant, id_))

    def save(self) -> None:
        """Keep what was counted; what cannot be kept now is tried with the next."""
        with self.lock:
            self.timer = None
            found: dict[Lane, Mapping[str, Any]] = {
                Lane(SHELF, *key): self.known[key].members() for key in self.unsaved if key in self.known
            }
            self.unsaved.clear()
        if not found:
            return
        try:
            delivery.settle(self.pool.store, Outcome(standings=found))
        except LandbridgeError as error:
            LOG.warning("How sources fare cannot be kept: %s", error)
            with self.lock:
                self.unsaved |= {(lane.tenant, lane.subscription) for lane in found}

    def close(self) -> None:
        """Keep what was counted, and count no more."""
        with self.lock:
            self.closed = True
            if self.timer is not None:
                self.timer.cancel()
        self.save()
