"""What there is to ask about: a tenant's types and attributes, as NGSI-LD 5.7.5 to 5.7.10 tell them."""

from collections.abc import Iterator

import apsw

from landbridge.errors import Missing
from landbridge.model.answer import AttributeSummary, TypeDetail
from landbridge.store import discovery, find, reading
from landbridge.store.contract import Kind
from landbridge.store.sqlite import SqliteStore


def types(store: SqliteStore, tenant: str) -> list[TypeDetail]:
    """The types that have entities, by name, with the names of their attributes."""
    with store.reader() as connection:
        return [
            TypeDetail(kind.type, count, tuple(map(AttributeSummary, discovery.attributes(connection, kind))))
            for kind, count in peopled(connection, tenant)
        ]


def type_(store: SqliteStore, tenant: str, name: str) -> TypeDetail:
    """A type with its attributes and the kinds they are of. Raises Missing where no entity has it."""
    with store.reader() as connection:
        for kind, count in peopled(connection, tenant, name):
            found = tuple(
                AttributeSummary(one, (name,), tuple(discovery.kinds_of(connection, kind, one)))
                for one in discovery.attributes(connection, kind)
            )
            return TypeDetail(name, count, found)
    raise Missing("No entity is of this type.", where=name)


def attributes(store: SqliteStore, tenant: str) -> list[AttributeSummary]:
    """The attributes that entities have, by name, with the types of those entities."""
    found: dict[str, list[str]] = {}
    with store.reader() as connection:
        for kind, _ in peopled(connection, tenant):
            for name in discovery.attributes(connection, kind):
                found.setdefault(name, []).append(kind.type)
    return [AttributeSummary(name, tuple(types)) for name, types in sorted(found.items())]


def attribute(store: SqliteStore, tenant: str, name: str) -> AttributeSummary:
    """An attribute with the types of entities that have it, its kinds and how many. Raises Missing."""
    types_: list[str] = []
    kinds: set[str] = set()
    count = 0
    with store.reader() as connection:
        for kind, _ in peopled(connection, tenant):
            of = discovery.kinds_of(connection, kind, name)
            if of:
                types_.append(kind.type)
                kinds |= set(of)
                count += discovery.count(connection, kind, name)
    if not types_:
        raise Missing("No entity has this attribute.", where=name)
    return AttributeSummary(name, tuple(types_), tuple(sorted(kinds)), count)


def peopled(connection: apsw.Connection, tenant: str, only: str | None = None) -> Iterator[tuple[Kind, int]]:
    """The kinds that have entities, and how many; an entity counts for each of its types."""
    for kind in reading.kinds(connection, tenant):
        if only is None or kind.type == only:
            count = kind.entities + (find.count_shared(connection, kind) if kind.shared else 0)
            if count:
                yield kind, count
