"""Cursors: where a page ended, as opaque text that the next question hands back.

A cursor holds the order values and the key of the page's last row, so a page costs the same however deep it lies
and nothing is shown twice or missed because rows came or went before it.
"""

import binascii
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from landbridge.errors import InvalidQuery
from landbridge.model.query import Order, Query
from landbridge.store.fragment import Value

VERSION = 1
LONGEST = 8192


@dataclass(frozen=True)
class Cursor:
    """The last row's order values and key."""

    values: tuple[Value, ...]
    key: int
    backward: bool = False


def next_cursor(query: Query, row: Sequence[Any]) -> str:
    """The cursor at a row of the compiled query: its six columns of an entity, then its order values."""
    values = [{"b": value.hex()} if isinstance(value, bytes) else value for value in row[6:]]
    return urlsafe_b64encode(orjson.dumps([VERSION, seal(query), row[0], *values])).rstrip(b"=").decode()


def read_cursor(query: Query) -> Cursor | None:
    """What the query's `after` or `before` says.

    Raises InvalidQuery for text that is no cursor of this order of this tenant, and for two places to begin at.
    """
    text = query.before if query.after is None else query.after
    if text is None:
        return None
    if query.offset or (query.after is not None and query.before is not None):
        raise InvalidQuery("A page begins at one place.", hint="Use one of after, before and offset.")
    wrong = InvalidQuery("The cursor does not belong to this query.", hint="Begin again without it.")
    if len(text) > LONGEST:
        raise wrong
    try:
        found = orjson.loads(urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4)))
    except (binascii.Error, ValueError):
        raise wrong from None
    width = 3 + len(sort_keys(query.order))
    if not isinstance(found, list) or len(found) != width or found[:2] != [VERSION, seal(query)]:
        raise wrong
    key, values = found[2], found[3:]
    if not isinstance(key, int) or isinstance(key, bool) or not 0 <= key < 1 << 63:
        raise wrong
    try:
        return Cursor(tuple(read_value(value) for value in values), key, query.after is None)
    except ValueError:
        raise wrong from None


def read_value(value: object) -> Value:
    if isinstance(value, dict):
        return bytes.fromhex(str(value.get("b")))
    if isinstance(value, bool) or not isinstance(value, None | int | float | str):
        raise ValueError
    return value


def sort_keys(order: Sequence[Order]) -> tuple[Order, ...]:
    """The columns that an order sorts by: an order by distance is one by metres, then one by value for the others."""
    found: list[Order] = []
    for term in order:
        found += [term] if term.origin is None else [term, Order(term.path)]
    return tuple(found)


def seal(query: Query) -> int:
    """A number for the tenant and the order that a cursor is good for."""
    return zlib.crc32(repr((query.tenant, query.order, query.collation)).encode())
