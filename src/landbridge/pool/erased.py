"""What was erased and must not come back: known by keyed hashes alone, asked for by whoever writes.

The key lies in the pool's folder and nowhere else, so that nobody can find out by guessing names who was erased. Where
nothing was erased, one look at a number in the store is all that this costs. Nothing heavy is imported here: the
serving process asks too. Bulk rows are judged by the same sketches, a column at a time (see `pool.left_out`).
"""

import hashlib
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw

from landbridge.errors import Damaged, Refused
from landbridge.model.erasure import MARK
from landbridge.model.instant import parse_instant
from landbridge.store import erased as kept
from landbridge.store.erased import Entry
from landbridge.store.sync import sync

KEY = "erasure.key"
SIZE = 16  # bytes of a hash
ENTITY, ATTRIBUTE, SOURCE, CELL = "entity", "attribute", "source", "cell"  # scopes of entries
WORD = 8
MASK = (1 << 64) - 1
FACTOR = 0x9E3779B97F4A7C15
SKETCH_BITS = 20


def read_key(folder: Path) -> bytes | None:
    """The secret of a pool's folder; None where nothing was ever erased. Raises Damaged where it cannot be read."""
    try:
        found = (folder / KEY).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Damaged(f"The key of erasures cannot be read: {error.strerror}.", where=str(folder / KEY)) from error
    if len(found) != 32:
        raise Damaged(
            "The key of erasures is not whole.", where=str(folder / KEY), hint="Take it from a backup of the city."
        )
    return found


def make_key(folder: Path) -> bytes:
    """The secret of a pool's folder, made where there is none; on disk when this returns."""
    found = read_key(folder)
    if found is not None:
        return found
    made = secrets.token_bytes(32)
    beside = folder / f"{KEY}.new"
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(made)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(folder / KEY)
        sync(folder)
    except OSError as error:
        raise Damaged(f"The key of erasures cannot be written: {error.strerror}.", where=str(folder)) from error
    return made


def hashed(key: bytes, *parts: str) -> bytes:
    """The hash of a name; only who has the key can make it."""
    return hashlib.blake2b("\x1f".join(parts).encode(), key=key, digest_size=SIZE).digest()


def words(key: bytes) -> tuple[int, int]:
    """Two secret numbers for sketches."""
    made = hashlib.blake2b(b"sketch", key=key, digest_size=2 * WORD).digest()
    return int.from_bytes(made[:WORD], "little"), int.from_bytes(made[WORD:], "little")


def sketch(key: bytes, text: str) -> int:
    """20 bits of a text's length and last 16 bytes: what a whole column is compared by before any hash is made."""
    data = text.encode()
    tail = (bytes(2 * WORD) + data)[-2 * WORD :]
    first, second = words(key)
    state = ((int.from_bytes(tail[WORD:], "little") ^ first) * FACTOR) & MASK
    state ^= state >> 32
    state = ((state ^ int.from_bytes(tail[:WORD], "little") ^ second ^ len(data)) * FACTOR) & MASK
    return state >> (64 - SKETCH_BITS)


def entity_hash(key: bytes, tenant: str, id_: str) -> bytes:
    return hashed(key, ENTITY, tenant, id_)


def attribute_hash(key: bytes, tenant: str, id_: str, attribute: str) -> bytes:
    return hashed(key, ATTRIBUTE, tenant, id_, attribute)


def source_hash(key: bytes, name: str) -> bytes:
    return hashed(key, SOURCE, name)


def cell_hash(key: bytes, source: str, column: str, value: str) -> bytes:
    return hashed(key, CELL, source, column, value)


def mark_of(hash_: bytes) -> str:
    """What stands where others named the subject."""
    return MARK + hash_.hex()


@dataclass(frozen=True)
class Erased:
    """All that must not come back, as it was at one number of erasures. Empty where nothing was ever erased."""

    number: int
    key: bytes = b""
    entries: tuple[Entry, ...] = ()
    by_hash: dict[bytes, list[Entry]] = field(init=False)
    sketches: frozenset[int] = field(init=False)

    def __post_init__(self) -> None:
        found: dict[bytes, list[Entry]] = {}
        for entry in self.entries:
            found.setdefault(entry.part if entry.scope == CELL else entry.of, []).append(entry)
        object.__setattr__(self, "by_hash", found)
        object.__setattr__(
            self, "sketches", frozenset(one.sketch for one in self.entries if one.scope in (ENTITY, ATTRIBUTE))
        )

    def __bool__(self) -> bool:
        return bool(self.entries)

    def entity(self, tenant: str, id_: str) -> list[Entry]:
        """What was erased of an entity."""
        if sketch(self.key, id_) not in self.sketches:
            return []
        return self.by_hash.get(entity_hash(self.key, tenant, id_), [])

    def source(self, name: str) -> list[Entry]:
        """What was erased of a source."""
        return self.by_hash.get(source_hash(self.key, name), [])

    def cell(self, source: str, column: str, value: str) -> bool:
        """Whether a source's cell names an entity that was erased."""
        return cell_hash(self.key, source, column, value) in self.by_hash

    def whole(self, tenant: str, id_: str) -> str | None:
        """The mark of an entity of which nothing may come back; None where it may."""
        if not self:
            return None
        found = next((one for one in self.entity(tenant, id_) if is_whole(one)), None)
        return None if found is None else mark_of(found.of)

    def require(self, tenant: str, id_: str) -> None:
        """Refuse an entity of which nothing may come back; the refusal names its mark alone, for the audit keeps it."""
        mark = self.whole(tenant, id_)
        if mark is not None:
            raise Refused("What this id named was erased, and stays so.", where=mark, hint=ALLOW)

    def require_instance(self, tenant: str, id_: str, attribute: str, instance: Mapping[str, Any], now: int) -> None:
        """Refuse an instance of an attribute that was erased, or of a time of which it was; `now` where it tells none.

        In microseconds since 1970.
        """
        if not self:
            return
        observed = instance.get("observedAt")
        time = parse_instant(observed) if isinstance(observed, str) else now
        for one in self.entity(tenant, id_):
            if not within(one, time):
                continue
            if one.scope == ENTITY or one.part == attribute_hash(self.key, tenant, id_, attribute):
                raise Refused("This attribute was erased, and stays so.", where=attribute, hint=ALLOW)


ALLOW = "An operator can allow it again: landbridge erase --allow."
NOTHING = Erased(0)
KNOWN: dict[str, Erased] = {}  # by the file of the pool: what was found last


def is_whole(entry: Entry) -> bool:
    """Whether nothing of an entity may come back."""
    return entry.scope == ENTITY and entry.since is None and entry.until is None


def within(entry: Entry, time: int | None) -> bool:
    """Whether a moment lies in the stretch of time that was erased."""
    if entry.since is None and entry.until is None:
        return True
    return (
        time is not None
        and (entry.since is None or time >= entry.since)
        and (entry.until is None or time < entry.until)
    )


def erased_of(connection: apsw.Connection) -> Erased:
    """What was erased of the pool that a connection has open. Raises Damaged where the key is lost."""
    number = kept.number(connection)
    if number == 0:
        return NOTHING
    path = connection.filename
    found = KNOWN.get(path)
    if found is None or found.number != number:
        entries = tuple(kept.entries(connection))
        key = read_key(Path(path).parent) if entries else b""
        if key is None:
            raise Damaged(
                "The key of erasures is lost, so nobody knows what must not come back.",
                where=str(Path(path).parent / KEY),
                hint="Take it from a backup of the city.",
            )
        found = KNOWN[path] = Erased(number, key, entries)
    return found


def erased_number(connection: apsw.Connection) -> int:
    """A number that grows whenever something is erased; whoever keeps anything in memory compares it."""
    return kept.number(connection)
