"""The pool and what other brokers hold beside it: what the doors ask in place of the pool alone."""

from landbridge.federation.registry import Registry
from landbridge.governance.egress import Egress
from landbridge.pool.identity import alias_of, tenant_alias
from landbridge.pool.pool import Pool


class Reach:
    """One pool, the sources registered with it, and the way to them."""

    def __init__(self, pool: Pool, egress: Egress | None = None) -> None:
        self.pool = pool
        self.egress = egress or Egress()
        self.registry = Registry(pool, self.egress.check)
        self.own_alias: str | None = None

    def alias(self, tenant: str) -> str:
        """The name by which other brokers know a tenant of this one (NGSI-LD 5.2.40), and a Via header shows it."""
        if self.own_alias is None:
            self.own_alias = alias_of(self.pool)
        return tenant_alias(self.own_alias, tenant)
