"""Finding again what is known by its hash alone: all that a pool names is hashed and compared.

For whoever checks a certificate, and for a backup of before an erasure, which still names its subject.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import apsw

from landbridge.model.erasure import Subject
from landbridge.pool.certificate import Certificate
from landbridge.pool.erased import ATTRIBUTE, ENTITY, SOURCE, attribute_hash, entity_hash, source_hash
from landbridge.store.erased import Entry
from landbridge.store.segment import iterate, unpack
from landbridge.store.sqlite import SqliteStore
from landbridge.store.wipe import blob

NAME = re.compile(r'[A-Za-z][A-Za-z0-9+.-]*:[^\s"\\<>{}|^`]+')
TEXTS = (
    ("entity", "doc"), ("journal", "instance"), ("outbox", "body"), ("shelf", "body"), ("change", "before"),
    ("change", "after"), ("delivered", "body"), ("reject", "row"), ("reject", "reason"), ("run", "body"),
    ("audit", "target"), ("audit", "reason"), ("commits", "request"), ("interest", "id"),
)  # fmt: skip
OF_SOURCES = (
    ("journal", "owner"), ("segment", "source"), ("raw", "source"), ("reject", "source"), ("run", "source"),
    ("source", "name"),
)  # fmt: skip
RECORDS = ("table source", "table run")  # of a source whose folder stays: it is pulled, and all is left out
Names = Iterable[tuple[str, str, str, str]]  # tenant, entity, attribute, source


@dataclass(frozen=True)
class Verdict:
    """What checking a certificate found: the places where its subject is, none where all is well."""

    certificate: Certificate
    found: tuple[str, ...] = ()

    @property
    def right(self) -> bool:
        return not self.found


class Named:
    """All that a pool names. `history` gives what history's files have."""

    def __init__(self, connection: apsw.Connection, history: Callable[[], Names]) -> None:
        self.connection = connection
        self.history = history
        rows = connection.execute("SELECT DISTINCT tenant FROM kind")
        self.tenants = sorted({"", *(tenant.partition("/")[0] for (tenant,) in rows)})

    def entities(self) -> Iterator[tuple[str, str, str]]:
        """Place, tenant and id of whatever may be an entity's name; each once."""
        known: set[tuple[str, str]] = set()
        for place, tenant, name in self.texts():
            for of in self.tenants if tenant is None else [tenant]:
                if (of, name) not in known:
                    known.add((of, name))
                    yield place, of, name

    def texts(self) -> Iterator[tuple[str, str | None, str]]:
        """Place, tenant (None: any) and text."""
        for table in ("name", "past"):
            for tenant, id_ in self.connection.execute(f"SELECT tenant, id FROM {table}"):  # noqa: S608  (names above)
                yield f"table {table}", tenant.partition("/")[0], id_
        for table, column in TEXTS:
            query = f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL"  # noqa: S608  (names above)
            for (text,) in self.connection.execute(query):
                yield from ((f"table {table}", None, name) for name in NAME.findall(text))
        for (seq,) in list(self.connection.execute("SELECT seq FROM segment")):
            for line in iterate(unpack(blob(self.connection, "segment", seq) or b"")):
                yield from (("table segment", None, name) for name in NAME.findall(line.instance or ""))
        yield from (("history's files", tenant, id_) for tenant, id_, _, _ in self.history())

    def attributes(self) -> Iterator[tuple[str, str, str, str]]:
        """Place, tenant, id and attribute of whatever has values."""
        rows = self.connection.execute(
            "SELECT DISTINCT n.tenant, n.id, a.key FROM name n JOIN entity e USING (key), json_each(e.doc, '$.attrs') a"
            " UNION SELECT DISTINCT n.tenant, n.id, j.attribute FROM name n JOIN journal j USING (key)"
        )
        yield from (("table entity or journal", tenant, id_, attribute) for tenant, id_, attribute in rows)
        yield from (("history's files", tenant, id_, attribute) for tenant, id_, attribute, _ in self.history())

    def sources(self) -> Iterator[tuple[str, str]]:
        """Place and name of whatever may be a source."""
        for table, column in OF_SOURCES:
            for (name,) in self.connection.execute(f"SELECT DISTINCT {column} FROM {table}"):  # noqa: S608  (names above)
                yield f"table {table}", name
        yield from (("history's files", source) for source in {source for *_, source in self.history()})


def inspect(store: SqliteStore, certificate: Certificate, key: bytes, history: Callable[[], Names]) -> Verdict:
    """Look for a certificate's subject in the whole pool; of a stretch of time there is no name to look for."""
    wanted, found = certificate.subject, dict[str, None]()
    if certificate.since is not None or certificate.until is not None:
        return Verdict(certificate)
    with store.reader() as connection:
        named = Named(connection, history)
        if certificate.scope == SOURCE:
            places = (place for place, name in named.sources()
                      if place not in RECORDS and source_hash(key, name).hex() == wanted)  # fmt: skip
        elif certificate.scope == ATTRIBUTE:
            places = (p for p, tenant, id_, name in named.attributes()
                      if attribute_hash(key, tenant, id_, name).hex() == wanted)  # fmt: skip
        else:
            places = (p for p, tenant, id_ in named.entities() if entity_hash(key, tenant, id_).hex() == wanted)
        for place in places:
            found[place] = None
    return Verdict(certificate, tuple(found))


def subjects(
    store: SqliteStore, entries: Iterable[Entry], key: bytes, history: Callable[[], Names]
) -> list[tuple[Subject, str]]:
    """What a pool has of what was erased: each subject with its certificate's name."""
    by_hash: dict[bytes, list[Entry]] = {}
    for entry in entries:
        if entry.scope in (ENTITY, ATTRIBUTE, SOURCE):
            by_hash.setdefault(entry.of, []).append(entry)
    if not by_hash:
        return []
    found: dict[tuple[Subject, str], None] = {}
    with store.reader() as connection:
        named = Named(connection, history)
        ids = {(tenant, id_) for _, tenant, id_ in named.entities() if entity_hash(key, tenant, id_) in by_hash}
        for tenant, id_ in sorted(ids):
            for one in by_hash[entity_hash(key, tenant, id_)]:
                if one.scope == ENTITY:
                    found[Subject(tenant, id_, since=one.since, until=one.until), one.certificate] = None
        for _, tenant, id_, attribute in named.attributes():
            for one in by_hash.get(entity_hash(key, tenant, id_), ()) if (tenant, id_) in ids else ():
                if one.part == attribute_hash(key, tenant, id_, attribute):
                    found[Subject(tenant, id_, attribute, since=one.since, until=one.until), one.certificate] = None
        for name in {name for _, name in named.sources()}:
            for one in by_hash.get(source_hash(key, name), ()):
                for tenant in named.tenants:
                    subject = Subject(tenant, source=name, since=one.since, until=one.until)
                    found[subject, one.certificate] = None
    return list(found)
