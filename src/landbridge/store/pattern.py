"""Patterns in queries: regular expressions that are matched in time linear in the text, whatever they say.

The engine is SQLite's own `regexp`, an automaton without backtracking, so a pattern from outside cannot hold up the
pool. A pattern matches anywhere in the text unless it says `^` and `$`; letters count as they are written.
"""

import re
from functools import lru_cache

import apsw
import apsw.sqlite_extra

from landbridge.errors import InvalidQuery

LONGEST = 1000  # characters
OUTSIDE = re.compile(r"\\.|\[\^?\]?[^\]]*\]", re.DOTALL)  # escaped characters and brackets: no repetitions
TWICE = re.compile(r"[*+?}][*+]")  # undefined by IEEE 1003.2
SPECIAL = frozenset(r"\.*+?()[]{}|^$")


def add_patterns(connection: apsw.Connection) -> None:
    """Give a connection the function `regexp(pattern, text)`."""
    apsw.sqlite_extra.load(connection, "regexp")


@lru_cache(maxsize=1)
def bench() -> apsw.Connection:
    connection = apsw.Connection(":memory:")
    add_patterns(connection)
    return connection


@lru_cache(maxsize=256)
def check_pattern(pattern: str) -> str:
    """Return the pattern. Raises InvalidQuery for one that is too long or cannot be read."""
    if len(pattern) > LONGEST:
        raise InvalidQuery(f"The pattern is longer than {LONGEST} characters.", hint="Ask for less at once.")
    if TWICE.search(OUTSIDE.sub("", pattern)):
        raise InvalidQuery(
            f"The pattern '{pattern[:60]}' repeats a repetition.", hint="Put what is repeated in parentheses."
        )
    try:
        bench().execute("SELECT regexp(?, '')", (pattern,)).fetchall()
    except apsw.SQLError as error:
        raise InvalidQuery(
            f"The pattern '{pattern[:60]}' cannot be read: {error}.",
            hint="Use characters, . * + ? {n,m} | ( ) [ ] ^ $ and \\d \\w \\s.",
        ) from None
    return pattern


def escaped(text: str) -> str:
    """A pattern that matches this text and nothing else."""
    return "".join("\\" + character if character in SPECIAL else character for character in text)
