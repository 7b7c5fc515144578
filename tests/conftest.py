"""What all tests share: the real services, and the account of what was not tested."""

from hypothesis import HealthCheck, settings

from services import mariadb, mosquitto, postgresql
from untested import pytest_terminal_summary

__all__ = ["mariadb", "mosquitto", "postgresql", "pytest_terminal_summary"]

# No test depends on how quick the machine is; what a test's own @settings say stands over this.
settings.register_profile("landbridge", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("landbridge")
