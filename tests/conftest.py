"""What all tests share: the real services."""

from services import mariadb, mosquitto, postgresql

__all__ = ["mariadb", "mosquitto", "postgresql"]
