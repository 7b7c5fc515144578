"""The pool and what other brokers hold beside it: what the doors ask in place of the pool alone."""

from landbridge.federation.registry import Registry
from landbridge.governance.egress import Egress
from landbridge.pool.pool import Pool


class Reach:
    """One pool, the sources registered with it, and the way to them."""

    def __init__(self, pool: Pool, egress: Egress | None = None) -> None:
        self.pool = pool
        self.egress = egress or Egress()
        self.registry = Registry(pool, self.egress.check)
