"""Pieces of SQL with the values bound in them: what the compiler of queries is made of.

Text from outside never enters the SQL: values are bound, and the few names that do enter go through `quoted`.
"""

from collections.abc import Iterable
from typing import NamedTuple

import orjson

Value = None | int | float | str | bytes


class Fragment(NamedTuple):
    """SQL text with a question mark for each binding, in order."""

    sql: str
    bindings: tuple[Value, ...] = ()


ALWAYS = Fragment("1")
NEVER = Fragment("0")


def put(text: str, *parts: "Fragment | Value") -> Fragment:
    """Fill each `{}` of a text: with another piece of SQL, or with `?` and the value bound."""
    texts, values = [], list[Value]()
    for part in parts:
        if isinstance(part, Fragment):
            texts.append(part.sql)
            values += part.bindings
        else:
            texts.append("?")
            values.append(part)
    return Fragment(text.format(*texts), tuple(values))


def every(parts: Iterable[Fragment]) -> Fragment:
    """All of the conditions; always true where there are none."""
    kept = [part for part in parts if part != ALWAYS]
    return NEVER if NEVER in kept else joined(kept, " AND ", ALWAYS)


def some(parts: Iterable[Fragment]) -> Fragment:
    """One of the conditions at least; never true where there are none."""
    kept = [part for part in parts if part != NEVER]
    return ALWAYS if ALWAYS in kept else joined(kept, " OR ", NEVER)


def joined(parts: list[Fragment], word: str, nothing: Fragment) -> Fragment:
    if len(parts) < 2:
        return parts[0] if parts else nothing
    return put("({})", separated(word, parts))


def listed(parts: Iterable["Fragment | Value"]) -> Fragment:
    """The parts with commas between."""
    return separated(", ", [part if isinstance(part, Fragment) else Fragment("?", (part,)) for part in parts])


def separated(word: str, parts: list[Fragment]) -> Fragment:
    """The parts with a word between."""
    return Fragment(
        word.join([part.sql for part in parts]), tuple([value for part in parts for value in part.bindings])
    )


def quoted(name: str) -> str:
    """An identifier in SQL."""
    return '"' + name.replace('"', '""') + '"'


def json_path(*members: str) -> str:
    """The JSON path of nested members: `$."attrs"."pm25"`."""
    return "$" + "".join("." + orjson.dumps(member).decode() for member in members)
