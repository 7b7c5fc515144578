"""Which subscriptions may be about a changed entity: found by type, id, value, place or attribute, never by asking all.

Each subscription hangs on one *anchor* for each of its types: the narrowest thing that must be so for it to match. A
change looks at the anchors that its entity touches, so a hundred thousand subscriptions of which ten can match cost
as ten. What an anchor finds is a candidate; whether it matches is decided afterwards. NGSI-LD 5.8.6.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from landbridge.model.entity import KINDS, Instance
from landbridge.model.geometry import Box, bounds, widened
from landbridge.model.instant import DATE_TIME
from landbridge.model.query import And, Compare, Has, Near, Node, Or, Path, Selector, Spatial
from landbridge.model.subscription import Subscription

Key = tuple[str, str]  # tenant, subscription
Json = Mapping[str, Any]
ANY = ""
CELL = 0.05  # degrees
MOST_CELLS = 64
SCALAR_KINDS = frozenset({"Property", "Relationship"})  # words of a vocabulary are asked for by their IRIs


# -- anchors: what a subscription hangs on, as plain JSON, so that it is found out once and kept with it


def anchors(subscription: Subscription) -> list[dict[str, Any]]:
    """The anchors of a subscription: {type, and one of ids, equal, from, upto, cells, watched, or nothing}."""
    found: list[dict[str, Any]] = []
    for selector in subscription.selectors or (Selector(),):
        narrow = narrowest(subscription, selector)
        found += [{"type": type_, **narrow} for type_ in needed_types(selector.types)]
    return [one for place, one in enumerate(found) if one not in found[:place]]


def needed_types(types: Has | And | Or | None) -> list[str]:
    """Types of which an entity has at least one if it is selected; '' is any."""
    match types:
        case Has(name):
            return [name]
        case Or(parts):
            return list(dict.fromkeys(name for part in parts for name in needed_types(part)))  # type: ignore[arg-type] # a tree of types
        case And(parts):
            return min((needed_types(part) for part in parts), key=len)  # type: ignore[arg-type] # as above
    return [ANY]


def narrowest(subscription: Subscription, selector: Selector) -> dict[str, Any]:
    if selector.ids:
        return {"ids": list(selector.ids)}
    bounds_ = list(needed(subscription.where))
    for one in bounds_:
        if one.operator == "==":
            return {"equal": [one.path.attribute, one.value]}
    cells = cells_of(subscription.geo)
    if cells:
        return {"cells": cells}
    for one in bounds_:
        return {"from" if one.operator in (">", ">=") else "upto": [one.path.attribute, one.value]}
    if subscription.watched:
        return {"watched": sorted(subscription.watched)}
    return {}


def needed(node: Node | None) -> Iterator[Compare]:
    """Comparisons of a whole attribute with a value that can be looked up, each of which must be true."""
    if isinstance(node, And):
        for part in node.parts:
            yield from needed(part)
    elif isinstance(node, Compare) and node.path == Path(node.path.attribute) and can_be_looked_up(node):
        yield node


def can_be_looked_up(node: Compare) -> bool:
    if isinstance(node.value, bool):
        return node.operator == "=="
    if isinstance(node.value, str):
        return node.operator == "==" and not DATE_TIME.match(node.value)
    return node.operator in ("==", "<", "<=", ">", ">=")


def cells_of(geo: Near | Spatial | None) -> list[list[int]]:
    """The cells of a coarse grid in which every matching place has a part; none where these are too many."""
    box = around(geo)
    if box is None:
        return []
    return [list(cell) for cell in grid(box)]


def around(geo: Near | Spatial | None) -> Box | None:
    if geo is None or geo.geoproperty != "location":
        return None
    if isinstance(geo, Spatial):
        return bounds(geo.geometry) if geo.relation != "disjoint" else None
    return None if geo.at_most is None else widened(bounds(geo.geometry), geo.at_most)


def grid(box: Box) -> list[tuple[int, int]]:
    """The cells that a box touches; none where these are too many, or it goes round the world."""
    west, south, east, north = box
    if west > east or west < -180 or east > 180:
        return []
    columns, rows = (range(int(low // CELL), int(high // CELL) + 1) for low, high in ((west, east), (south, north)))
    if len(columns) * len(rows) > MOST_CELLS:
        return []
    return [(column, row) for column in columns for row in rows]


def interests(subscription: Subscription, found: Iterable[Json]) -> list[list[str]]:
    """What the pool is to keep records of for these anchors: [type, id, attribute], '' for any."""
    attributes = sorted(subscription.watched) or [ANY]
    rows = {(one["type"], id_, name) for one in found for id_ in one.get("ids", (ANY,)) for name in attributes}
    return [list(row) for row in sorted(rows)]


# -- the index


@dataclass
class Bucket:
    """The subscriptions that hang on one tenant and type."""

    every: dict[Key, None] = field(default_factory=dict)
    ids: dict[str, dict[Key, None]] = field(default_factory=dict)
    watched: dict[str, dict[Key, None]] = field(default_factory=dict)
    equal: dict[str, dict[tuple[bool, Any], dict[Key, None]]] = field(default_factory=dict)
    lower: dict[str, list[tuple[float, Key]]] = field(default_factory=dict)
    upper: dict[str, list[tuple[float, Key]]] = field(default_factory=dict)
    cells: dict[tuple[int, int], dict[Key, None]] = field(default_factory=dict)

    def places(self, anchor: Json) -> Iterator[tuple[dict[Any, Any], Any]]:
        """The tables in which an anchor hangs, and the keys there."""
        if "ids" in anchor:
            yield from ((self.ids, id_) for id_ in anchor["ids"])
        elif "equal" in anchor:
            name, value = anchor["equal"]
            yield self.equal.setdefault(name, {}), told_apart(value)
        elif "cells" in anchor:
            yield from ((self.cells, tuple(cell)) for cell in anchor["cells"])
        elif "watched" in anchor:
            yield from ((self.watched, name) for name in anchor["watched"])

    def put(self, key: Key, anchor: Json) -> None:
        for side, table in (("from", self.lower), ("upto", self.upper)):
            if side in anchor:
                name, value = anchor[side]
                insort(table.setdefault(name, []), (value, key))
                return
        hung = False
        for table_, place in self.places(anchor):
            table_.setdefault(place, {})[key] = None
            hung = True
        if not hung:
            self.every[key] = None

    def drop(self, key: Key, anchor: Json) -> None:
        for side, table in (("from", self.lower), ("upto", self.upper)):
            if side in anchor:
                name, value = anchor[side]
                rows = table[name]
                del rows[bisect_left(rows, (value, key))]
                return
        for table_, place in self.places(anchor):
            hung = table_.get(place, {})
            hung.pop(key, None)
            if not hung:
                table_.pop(place, None)
        self.every.pop(key, None)

    def candidates(self, document: Json, touched: Iterable[str]) -> Iterator[Iterable[Key]]:
        """What hangs on the things that a changed entity has; `touched` are the attributes that changed."""
        attributes = document["attrs"]
        yield self.every
        yield self.ids.get(document["id"], ())
        for name in touched:
            yield self.watched.get(name, ())
        for name, table in self.equal.items():
            if name in attributes:
                yield from equals(table, attributes[name])
        for name, rows in self.lower.items():
            yield from ranges(rows, attributes.get(name, ()), below=True)
        for name, rows in self.upper.items():
            yield from ranges(rows, attributes.get(name, ()), below=False)
        if self.cells:
            yield from self.around(attributes.get("location", ()))

    def around(self, instances: Sequence[Instance]) -> Iterator[Iterable[Key]]:
        for one in instances:
            if one["type"] != "GeoProperty":
                continue
            cells = grid(bounds(one["value"]))
            if not cells:  # a large shape: all of them
                yield from self.cells.values()
            yield from (self.cells[cell] for cell in cells if cell in self.cells)


def told_apart(value: Any) -> tuple[bool, Any]:
    """A value as a key: True is not 1."""
    return isinstance(value, bool), value


def plain_values(instances: Sequence[Instance]) -> list[Any] | None:
    """The values of an attribute's instances; None where one is not simply a value or a list of values."""
    found: list[Any] = []
    for one in instances:
        value = one[KINDS[one["type"]]] if one["type"] in SCALAR_KINDS else {}
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, dict | list):
                return None
            found.append(part)
    return found


def equals(table: dict[tuple[bool, Any], dict[Key, None]], instances: Sequence[Instance]) -> Iterator[Iterable[Key]]:
    values = plain_values(instances)
    if values is None:
        yield from table.values()
        return
    for value in values:
        yield table.get(told_apart(value), ())


def ranges(rows: list[tuple[float, Key]], instances: Sequence[Instance], *, below: bool) -> Iterator[Iterable[Key]]:
    """The subscriptions whose bound is at or below the highest value, or at or above the lowest."""
    if not instances or not rows:
        return
    values = plain_values(instances)
    if values is None:
        yield (key for _, key in rows)
        return
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if numbers and below:
        yield (key for _, key in rows[: bisect_right(rows, max(numbers), key=first)])
    elif numbers:
        yield (key for _, key in rows[bisect_left(rows, min(numbers), key=first) :])


def first(row: tuple[float, Key]) -> float:
    return row[0]


class Index:
    """All subscriptions that may fire on a change."""

    def __init__(self) -> None:
        self.buckets: dict[tuple[str, str], Bucket] = {}
        self.known: dict[Key, Sequence[Json]] = {}

    def __len__(self) -> int:
        return len(self.known)

    def put(self, key: Key, found: Sequence[Json]) -> None:
        """Hang a subscription on its anchors, in place of those before."""
        self.drop(key)
        self.known[key] = found
        for anchor in found:
            self.buckets.setdefault((key[0], anchor["type"]), Bucket()).put(key, anchor)

    def drop(self, key: Key) -> None:
        for anchor in self.known.pop(key, ()):
            self.buckets[key[0], anchor["type"]].drop(key, anchor)

    def candidates(self, tenant: str, types: Iterable[str], document: Json, touched: Iterable[str]) -> list[Key]:
        """The subscriptions that may be about a changed entity, each once."""
        found: dict[Key, None] = {}
        touched = list(touched)
        for type_ in (*types, ANY):
            bucket = self.buckets.get((tenant, type_))
            if bucket is not None:
                for keys in bucket.candidates(document, touched):
                    found.update(dict.fromkeys(keys))
        return list(found)
