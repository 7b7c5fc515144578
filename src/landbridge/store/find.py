"""Finding entities by what people know of them, and by what they point at, in SQLite.

Both look kind by kind at the narrow columns, and open a document only where a slot says so. What points at an entity
is asked on every page about one, so a large kind gets an index over the column the first time somebody asks.
"""

from collections.abc import Iterator

import apsw

from landbridge.model.slot import LOOK
from landbridge.store.contract import Kind, Stored
from landbridge.store.schema import KIND_BITS
from landbridge.store.target import WHOLE

NAMES = ("name", "title", "alternateName")  # the attributes that people know an entity by
LARGE = 20_000  # entities from which an index is worth its room
WALK = 500_000  # entities that one search looks at
OPENED = (
    "EXISTS (SELECT 1 FROM json_each(doc, '$.attrs.{0}') AS i, json_each(" + WHOLE.replace("{0}", "i.value") + ") AS v"
    " WHERE v.atom LIKE ?1 ESCAPE '\\')"
)
COLUMNS = "SELECT key, id, doc, created, modified, version FROM entity"


def bounds(kind: Kind) -> str:
    """The range of a kind's keys as SQL, the same text in the index and in what uses it."""
    return f"key >= {kind.num << KIND_BITS} AND key < {(kind.num + 1) << KIND_BITS}"


def search(connection: apsw.Connection, kinds: list[Kind], text: str, limit: int) -> Iterator[Stored]:
    """Entities of these kinds whose id or name (in any language) contains the text, from the first WALK of them."""
    wanted = "%" + text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    left = WALK
    for kind in sorted(kinds, key=lambda kind: kind.entities):
        conditions = ["id LIKE ?1 ESCAPE '\\'"]
        for name in NAMES:
            if name in kind.slots:
                column = f"s{int(kind.slots[name])}"
                conditions.append(f"typeof({column}) = 'text' AND {column} LIKE ?1 ESCAPE '\\'")
                conditions.append(f"{column} = ?2 AND {OPENED.format(name)}")
        walked = f"key IN (SELECT key FROM entity WHERE {bounds(kind)} ORDER BY key LIMIT {left})"
        sql = f"{COLUMNS} WHERE {walked} AND (({') OR ('.join(conditions)})) ORDER BY key LIMIT ?3"
        for row in connection.execute(sql, (wanted, LOOK, limit)):
            yield Stored(*row)
            limit -= 1
        left -= kind.entities
        if limit <= 0 or left <= 0:
            return


def count_shared(connection: apsw.Connection, kind: Kind) -> int:
    """How many entities of other kinds are of this type too."""
    return int(connection.execute("SELECT count(*) FROM extra_type WHERE kind=?", (kind.num,)).get)


def index_name(kind: Kind, slot: int) -> str:
    return f"entity_{kind.num}_s{slot}"


def wants_index(connection: apsw.Connection, kind: Kind, slot: int) -> bool:
    """Whether a kind is large and its column has no index yet."""
    if kind.entities < LARGE:
        return False
    found = connection.execute(
        "SELECT 1 FROM sqlite_master WHERE type='index' AND name=?", (index_name(kind, slot),)
    ).fetchone()
    return found is None


def add_index(connection: apsw.Connection, kind: Kind, slot: int) -> None:
    """Make the index over a kind's column; about a second for a million entities."""
    name = index_name(kind, slot)
    connection.execute(f"CREATE INDEX IF NOT EXISTS {name} ON entity (s{int(slot)}) WHERE {bounds(kind)}")


def pointing(connection: apsw.Connection, kind: Kind, slot: int, target: str) -> Iterator[Stored]:
    """Entities of a kind whose column holds the target, then those that must be opened and that name it somewhere."""
    whole = f"{COLUMNS} WHERE {bounds(kind)} AND s{int(slot)} = ?1"
    for row in connection.execute(f"{whole} ORDER BY key", (target,)):
        yield Stored(*row)
    for row in connection.execute(f"{whole} AND instr(doc, ?2) ORDER BY key", (LOOK, target)):
        yield Stored(*row)
