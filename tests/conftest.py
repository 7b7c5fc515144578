"""What all tests share: the real services, and the account of what was not tested."""

from services import mariadb, mosquitto, postgresql
from untested import pytest_terminal_summary

__all__ = ["mariadb", "mosquitto", "postgresql", "pytest_terminal_summary"]
