"""What all tests share: the real services, how much property tests try, and the account of what was not tested."""

from hypothesis import HealthCheck, settings

from services import mariadb, mosquitto, postgresql
from untested import pytest_terminal_summary

__all__ = ["mariadb", "mosquitto", "postgresql", "pytest_terminal_summary"]

# The same examples each time, so that no change fails for what another one did; none depends on how quick the machine
# is. With --hypothesis-profile=fuzz they are new ones each time. What a test's own @settings say stands over these.
settings.register_profile(
    "landbridge", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "fuzz", deadline=None, max_examples=2_000, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "fuzz", deadline=None, max_examples=20_000, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)  # `make fuzz`: for tests that do not say themselves how many examples they take
settings.load_profile("landbridge")
