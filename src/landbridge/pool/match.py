"""Whether a changed entity meets a subscription's `q`, `geoQ` and `scopeQ`: asked of the query compiler itself.

A changed entity is laid into a store of its own in memory, as it was right after its commit, and the same conditions
run over it that would run over the pool. So a subscription and a query can never disagree about what matches.
A condition on linked entities looks at them as they are in the pool now. NGSI-LD 5.8.6, 4.9, 4.10, 4.19.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import apsw

from landbridge.model.answer import Document
from landbridge.model.query import And, Linked, Near, Node, Or, Query, Scope, Spatial
from landbridge.model.subscription import Change
from landbridge.store import reading
from landbridge.store.condition import Ground, condition, scoped
from landbridge.store.document import fold
from landbridge.store.fragment import ALWAYS, Fragment, every
from landbridge.store.function import FUNCTIONS
from landbridge.store.pattern import add_patterns, check_pattern
from landbridge.store.place import located
from landbridge.store.sqlite import SqliteStore

STATEMENTS = 1_000  # compiled conditions kept ready


@dataclass(frozen=True)
class Asked:
    """What must be true of an entity, compiled. `linked`: it looks at other entities too."""

    found: Fragment
    linked: Node | None

    @property
    def nothing(self) -> bool:
        return self.found == ALWAYS and self.linked is None


def compile_asked(where: Node | None, geo: Near | Spatial | None, scope: Scope | None) -> Asked:
    """Compile a subscription's conditions. Raises InvalidQuery for what cannot be asked."""
    linked = where if where is not None and looks_further(where) else None
    terms: list[Fragment] = []
    if where is not None and linked is None:
        terms.append(condition(where, Ground(None, {})))
    if scope is not None:
        terms.append(scoped(scope))
    if geo is not None:
        terms.append(located(geo, False))
    return Asked(every(terms), linked)


def looks_further(node: Node) -> bool:
    """Whether a condition follows a relationship."""
    if isinstance(node, And | Or):
        return any(looks_further(part) for part in node.parts)
    return isinstance(node, Linked)


class Bench:
    """One changed entity at a time, to ask about. For one thread."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.connection = apsw.Connection(":memory:", statementcachesize=STATEMENTS)
        for name, function in FUNCTIONS.items():
            self.connection.create_scalar_function(name, function, deterministic=True)
        add_patterns(self.connection)
        self.connection.execute(
            "CREATE TABLE entity (key INTEGER PRIMARY KEY, id TEXT, doc TEXT, created INTEGER, modified INTEGER,"
            " lon REAL, lat REAL, cell INTEGER)"
        )
        self.laid: int | None = None

    def close(self) -> None:
        self.connection.close()

    def lay(self, change: Change) -> None:
        """Lay a changed entity on the bench: as it is after the change, or as it was last."""
        if self.laid == change.rank:
            return
        self.connection.execute(
            "INSERT OR REPLACE INTO entity (key, id, doc, created, modified) VALUES (1, ?, ?, ?, ?)",
            (change.id, fold(change.document), change.created, change.modified),
        )
        self.laid = change.rank

    def meets(self, change: Change, asked: Asked) -> bool:
        """Whether the changed entity meets the conditions."""
        if asked.found != ALWAYS:
            self.lay(change)
            sql, bindings = asked.found.sql, asked.found.bindings
            if self.connection.execute(f"SELECT 1 FROM entity WHERE key = 1 AND {sql}", bindings).get is None:  # noqa: S608
                return False
        return asked.linked is None or self.meets_linked(change, asked.linked)

    def meets_linked(self, change: Change, where: Node) -> bool:
        with self.store.reader() as connection:
            question = Query(tenant=change.tenant, ids=(change.id,), where=where, limit=1)
            return bool(reading.query(connection, question).documents)


def matches_pattern(bench: Bench, pattern: str, text: str) -> bool:
    """Whether a regular expression matches, in time linear in the text."""
    return bool(bench.connection.execute("SELECT regexp(?, ?)", (pattern, text)).get)


def readable_pattern(pattern: str) -> str:
    """The pattern. Raises InvalidQuery for one that cannot be read, or is too long."""
    return check_pattern(pattern)


def entities(store: SqliteStore, tenant: str, ids: Sequence[str]) -> dict[str, Document]:
    """Those of these entities that there are, as they are now."""
    found: dict[str, Document] = {}
    with store.reader() as connection:
        for id_ in ids:
            stored = reading.get(connection, tenant, id_)
            if stored is not None:
                found[id_] = reading.document(stored)
    return found


def selected(store: SqliteStore, query: Query) -> Sequence[Document]:
    """The entities that a periodic subscription asks for, as they are now."""
    with store.reader() as connection:
        return reading.query(connection, query).documents
