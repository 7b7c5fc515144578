"""Patterns of ids in registrations: matched in time linear in the text, whatever they say.

The engine is SQLite's `regexp`, an automaton without backtracking, as in the store; so a pattern means the same here
and there: it matches anywhere in the text unless it says `^` and `$`.
"""

import threading

import apsw
import apsw.sqlite_extra

from landbridge.errors import InvalidEntity

LONGEST = 1000  # characters


class Engine(threading.local):
    """A connection to nowhere that has the function, one for each thread."""

    def __init__(self) -> None:
        self.connection = apsw.Connection(":memory:")
        apsw.sqlite_extra.load(self.connection, "regexp")

    def matches(self, pattern: str, text: str) -> bool:
        return bool(self.connection.execute("SELECT regexp(?, ?)", (pattern, text)).get)


ENGINE = Engine()


def matches(pattern: str, text: str) -> bool:
    """Whether a pattern that `check_pattern` let through matches somewhere in the text."""
    return ENGINE.matches(pattern, text)


def check_pattern(pattern: str, where: str) -> str:
    """Return the pattern. Raises InvalidEntity for one that is too long or cannot be read."""
    if len(pattern) > LONGEST:
        raise InvalidEntity(f"The pattern is longer than {LONGEST} characters.", where=where)
    try:
        ENGINE.matches(pattern, "")
    except apsw.SQLError as error:
        raise InvalidEntity(f"The pattern '{pattern[:60]}' cannot be read: {error}.", where=where) from None
    return pattern
