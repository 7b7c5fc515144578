"""Which attributes entities have, and of which kinds: small questions that stop at the first answer, or count.

An attribute that has a slot is found by its column; what has none is looked for in the documents of a sample. Of an
entity with several types every type has its attributes.
"""

from collections.abc import Iterator

import apsw

from landbridge.store.contract import Kind
from landbridge.store.find import bounds
from landbridge.store.fragment import json_path
from landbridge.store.schema import SLOTS

SAMPLE = 1000  # entities whose documents tell what has no slot, and which kinds an attribute is of
SHARED = 10_000  # entities of other kinds that are looked at


def attributes(connection: apsw.Connection, kind: Kind) -> list[str]:
    """The names of the attributes that entities of this type have."""
    found = dict.fromkeys(in_slots(connection, kind))
    if len(kind.slots) >= SLOTS:
        found |= dict.fromkeys(in_documents(connection, f"SELECT doc FROM entity WHERE {bounds(kind)} LIMIT {SAMPLE}"))
    if kind.shared:
        found |= dict.fromkeys(in_documents(connection, others(kind)))
    return list(found)


def in_slots(connection: apsw.Connection, kind: Kind) -> Iterator[str]:
    """The attributes with a slot that some entity has: a deleted attribute keeps its slot."""
    for name, slot in kind.slots.items():
        asked = f"SELECT EXISTS (SELECT 1 FROM entity WHERE {bounds(kind)} AND s{int(slot)} IS NOT NULL)"
        if connection.execute(asked).get:
            yield name


def in_documents(connection: apsw.Connection, rows: str) -> Iterator[str]:
    asked = f"SELECT DISTINCT a.key FROM ({rows}) AS e, json_each(e.doc, '$.attrs') AS a"
    return (str(name) for (name,) in connection.execute(asked))


def others(kind: Kind) -> str:
    """The SELECT of documents of entities of other kinds that have this type too."""
    listed = f"SELECT key FROM extra_type WHERE kind = {int(kind.num)} LIMIT {SHARED}"
    return f"SELECT doc FROM entity WHERE key IN ({listed})"


def kinds_of(connection: apsw.Connection, kind: Kind, attribute: str) -> list[str]:
    """The kinds of attribute (Property, ...) that an attribute is of, as a sample of the entities with it tells."""
    path = json_path("attrs", attribute)
    slot = kind.slots.get(attribute)
    has = f"s{int(slot)} IS NOT NULL" if slot is not None else "json_type(doc, ?1) IS NOT NULL"
    samples = [f"SELECT doc FROM (SELECT doc FROM entity WHERE {bounds(kind)} AND {has} LIMIT {SAMPLE})"]
    if kind.shared:
        samples.append(others(kind))
    rows = " UNION ALL ".join(samples)
    asked = f"SELECT DISTINCT i.value ->> '$.type' FROM ({rows}) AS e, json_each(e.doc, ?1) AS i ORDER BY 1"
    return [str(found) for (found,) in connection.execute(asked, (path,))]


def count(connection: apsw.Connection, kind: Kind, attribute: str) -> int:
    """How many entities of this kind (their first type) have the attribute."""
    slot = kind.slots.get(attribute)
    if slot is not None:
        return int(connection.execute(f"SELECT count(s{int(slot)}) FROM entity WHERE {bounds(kind)}").get)
    if len(kind.slots) < SLOTS:
        return 0
    asked = f"SELECT count(*) FROM entity WHERE {bounds(kind)} AND json_type(doc, ?) IS NOT NULL"
    return int(connection.execute(asked, (json_path("attrs", attribute),)).get)
