"""Changing inputs at random: JSON as a tree, so that what comes out is mostly JSON again, and texts by pieces."""

import random
from collections.abc import Callable
from typing import Any

import orjson

from fuzzing.target import Target

SCALARS: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**53, -(2**63), 1e308, 0.1, "", " ", "@", "@id", "@none", "@vocab", "@type", "@value",
    "@context", "urn:ngsi-ld:null", "urn:x:1", "a", "*", "a:b", ":", "é", "\u0000", "\ud7ff", "𝄞", "{", "x" * 300,
    "2020-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "P1Y", "PT" + "9" * 400 + "S",
    [], {}, [[]], [None], [0, 0], {"type": "Point", "coordinates": [1, 2]}, "https://example.com/a#",
)  # fmt: skip
MOST = 20_000  # bytes of an input
Change = Callable[[bytes], bytes]  # of a text, or of an input that is no JSON


def mutate(target: Target, data: bytes, chance: random.Random, change: Change) -> bytes:
    """An input made of another. `change` does what a text needs."""
    if target.json and chance.random() < 0.9:
        try:
            tree = orjson.loads(data)
        except orjson.JSONDecodeError:
            return chance.choice(target.seeds)
        for _ in range(chance.choice((1, 1, 2, 4))):
            tree = changed(tree, target, chance, change)
        try:
            made = orjson.dumps(tree)
        except TypeError:  # an integer beyond 64 bits, or deeper than orjson writes
            return data
        return made if len(made) <= MOST else chance.choice(target.seeds)
    if target.words and chance.random() < 0.4:
        word, at = chance.choice(target.words).encode(), chance.randint(0, len(data))
        return (data[:at] + word + data[at + chance.choice((0, 0, 1, len(word))) :])[:MOST]
    return change(data)[:MOST]


def changed(tree: Any, target: Target, chance: random.Random, change: Change) -> Any:
    """The tree with one of its places changed."""
    if isinstance(tree, dict | list) and tree and chance.random() < 0.85:
        copy = dict(tree) if isinstance(tree, dict) else list(tree)
        place = chance.choice(list(copy) if isinstance(copy, dict) else range(len(copy)))
        act = chance.random()
        if act < 0.65:
            copy[place] = changed(copy[place], target, chance, change)
        elif act < 0.75:
            del copy[place]
        elif act < 0.88:
            put(copy, name(target, chance), piece(tree, target, chance))
        else:
            put(copy, name(target, chance), copy[place])
        return copy
    return other(tree, target, chance, change)


def put(into: Any, key: str, value: Any) -> None:
    if isinstance(into, dict):
        into[key] = value
    else:
        into.append(value)


def name(target: Target, chance: random.Random) -> str:
    return chance.choice(target.words) if target.words else "a"


def piece(tree: Any, target: Target, chance: random.Random) -> Any:
    """Something to put into a tree: a part of it or of a seed, a word, or what is often trouble."""
    act = chance.random()
    if act < 0.5:
        return chance.choice(SCALARS)
    if act < 0.7:
        return name(target, chance)
    found = tree if act < 0.85 else orjson.loads(chance.choice(target.seeds))
    while isinstance(found, dict | list) and found and chance.random() < 0.7:
        found = chance.choice(list(found.values()) if isinstance(found, dict) else found)
    return found


def other(tree: Any, target: Target, chance: random.Random, change: Change) -> Any:
    """Something else in place of a leaf, or of a branch."""
    act = chance.random()
    if isinstance(tree, str) and act < 0.55:
        if target.words and chance.random() < 0.4:
            at = chance.randint(0, len(tree))
            return tree[:at] + name(target, chance) + tree[at:]
        return change(tree.encode())[:2000].decode("utf-8", "replace")
    if isinstance(tree, int | float) and not isinstance(tree, bool) and act < 0.5:
        return chance.choice((-tree, tree + 1, tree * 10, tree / 3))
    if act < 0.93:
        return piece(tree, target, chance)
    deep = tree
    for _ in range(chance.choice((2, 12, 40, 300))):
        deep = [deep] if chance.random() < 0.5 else {name(target, chance): deep}
    return deep


def blind(chance: random.Random) -> Change:
    """A change of bytes that knows nothing of what they do."""

    def change(data: bytes) -> bytes:
        changed = bytearray(data or b"a")
        for _ in range(chance.choice((1, 1, 2, 5))):
            at = chance.randrange(len(changed) + 1)
            act = chance.random()
            if act < 0.3:
                changed[at:at] = bytes(chance.randrange(256) for _ in range(chance.choice((1, 1, 4))))
            elif act < 0.6:
                del changed[at : at + chance.choice((1, 2, 8))]
            elif act < 0.8 and at < len(changed):
                changed[at] ^= 1 << chance.randrange(8)
            else:
                start = chance.randrange(len(changed) + 1)
                changed[at:at] = changed[start : start + chance.choice((1, 4, 16))]
        return bytes(changed)

    return change
