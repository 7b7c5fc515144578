"""The pool and what other brokers hold beside it: what the doors ask in place of the pool alone."""

import logging
from collections.abc import Mapping

from landbridge.errors import LandbridgeError
from landbridge.federation.evolving import Evolving, History
from landbridge.federation.line import Lines
from landbridge.federation.reached import Reached
from landbridge.federation.registry import Registry
from landbridge.federation.snapshot import Snapshots
from landbridge.federation.standing import Standings
from landbridge.federation.trip import Trip
from landbridge.governance.egress import Egress
from landbridge.model.answer import Page
from landbridge.model.query import Query
from landbridge.model.terms import Contexts
from landbridge.pool.identity import alias_of, tenant_alias
from landbridge.pool.pool import Actor, Pool

LOG = logging.getLogger("landbridge.federation")
POST_SECONDS = 10.0


class Reach:
    """One pool, the sources registered with it, and the way to them."""

    def __init__(self, pool: Pool, egress: Egress | None = None, contexts: Contexts | None = None) -> None:
        self.pool = pool
        self.egress = egress or Egress()
        self.contexts = contexts or Contexts()
        self.standings = Standings(pool)
        self.registry = Registry(pool, self.egress.check, self.standings.forget)
        self.lines = Lines(self.egress, self.standings)
        self.own_alias: str | None = None
        self.snapshots = Snapshots(pool, self.find, self.post)

    def alias(self, tenant: str) -> str:
        """The name by which other brokers know a tenant of this one (NGSI-LD 5.2.40), and a Via header shows it."""
        if self.own_alias is None:
            self.own_alias = alias_of(self.pool)
        return tenant_alias(self.own_alias, tenant)

    def along(self, trip: Trip, tenant: str) -> Pool | Reached:
        """What answers a request: the pool, and where sources are registered for the tenant, they with it."""
        if trip.local or not self.registry.of(tenant):
            return self.pool
        return Reached(self, trip, tenant)

    def history(self, trip: Trip, tenant: str) -> History:
        """What answers a request about history: the pool, and where sources are registered, they with it."""
        if trip.local or not self.registry.of(tenant):
            return self.pool
        return Evolving(self, trip, tenant)

    def find(self, actor: Actor, query: Query, trip: Trip) -> Page:
        """A page of a query's answer, of the pool and of all sources."""
        return self.along(trip, query.tenant).query(actor, query)

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> None:
        """Tell an address something, once; that it does not answer is put on record and nothing more."""
        try:
            self.egress.request("POST", url, headers, body, POST_SECONDS, largest=64 * 1024)
        except LandbridgeError as error:
            LOG.warning("Nobody could be told: %s", error)

    def close(self) -> None:
        self.snapshots.close()
        self.lines.close()
