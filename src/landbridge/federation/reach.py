"""The pool and what other brokers hold beside it: what the doors ask in place of the pool alone."""

from landbridge.federation.line import Lines
from landbridge.federation.reached import Reached
from landbridge.federation.registry import Registry
from landbridge.federation.trip import Trip
from landbridge.governance.egress import Egress
from landbridge.model.terms import Contexts
from landbridge.pool.identity import alias_of, tenant_alias
from landbridge.pool.pool import Pool


class Reach:
    """One pool, the sources registered with it, and the way to them."""

    def __init__(self, pool: Pool, egress: Egress | None = None, contexts: Contexts | None = None) -> None:
        self.pool = pool
        self.egress = egress or Egress()
        self.contexts = contexts or Contexts()
        self.registry = Registry(pool, self.egress.check)
        self.lines = Lines(self.egress)
        self.own_alias: str | None = None

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

    def close(self) -> None:
        self.lines.close()
