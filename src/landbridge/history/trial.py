"""Whether an entity's instances meet `q` and `geoQ`: asked of the query compiler itself (NGSI-LD 5.7.4, 4.9, 4.10).

What an entity had within a stretch of time is laid into a store of its own in memory, as one entity with all those
instances. So a temporal query and a query can never disagree about what matches: one instance that does is enough.
"""

from collections.abc import Iterable, Mapping, Sequence

import apsw
import orjson

from landbridge.errors import InvalidQuery
from landbridge.history.line import Line
from landbridge.model.entity import PROVENANCE
from landbridge.model.query import And, Linked, Near, Node, Or, Query, Spatial
from landbridge.model.temporal import ENTITY
from landbridge.store.condition import Ground, check_size, condition, scoped
from landbridge.store.fragment import ALWAYS, Fragment, every
from landbridge.store.function import FUNCTIONS
from landbridge.store.pattern import add_patterns
from landbridge.store.place import located

STATEMENTS = 64


def compile_asked(where: Node | None, geo: Near | Spatial | None) -> Fragment:
    """What must be true of an entity. Raises InvalidQuery for what cannot be asked of the past."""
    terms: list[Fragment] = []
    if where is not None:
        check_size(where)
        refuse_links(where)
        terms.append(condition(where, Ground(None, {})))
    if geo is not None:
        terms.append(located(geo, False))
    return every(terms)


def refuse_links(node: Node) -> None:
    """Raises InvalidQuery where a condition looks at other entities."""
    if isinstance(node, And | Or):
        for part in node.parts:
            refuse_links(part)
    elif isinstance(node, Linked):
        raise InvalidQuery(
            "A condition on the past cannot follow a relationship.", where="q", hint="Ask about each type by itself."
        )


class Trial:
    """One entity at a time. For one thread."""

    def __init__(self, query: Query) -> None:
        self.asked = compile_asked(query.where, query.geo)
        self.scope = ALWAYS if query.scope is None else scoped(query.scope)
        self.connection: apsw.Connection | None = None

    @property
    def nothing(self) -> bool:
        """Whether everything passes."""
        return self.asked == ALWAYS

    def opened(self) -> apsw.Connection:
        if self.connection is None:
            self.connection = apsw.Connection(":memory:", statementcachesize=STATEMENTS)
            for name, function in FUNCTIONS.items():
                self.connection.create_scalar_function(name, function, deterministic=True)
            add_patterns(self.connection)
            self.connection.execute(
                "CREATE TABLE entity (key INTEGER PRIMARY KEY, id TEXT, doc TEXT, created INTEGER, modified INTEGER,"
                " lon REAL, lat REAL, cell INTEGER)"
            )
        return self.connection

    def passes(self, id_: str, lines: Iterable[Line], created: int | None, modified: int | None) -> bool:
        """Whether these instances meet what is asked."""
        if self.nothing:
            return True
        connection = self.opened()
        document = orjson.dumps({"id": id_, "attrs": instances(lines)}).decode()
        connection.execute(
            "INSERT OR REPLACE INTO entity (key, id, doc, created, modified) VALUES (1, ?, ?, ?, ?)",
            (id_, document, created, modified),
        )
        found = connection.execute(
            f"SELECT 1 FROM entity WHERE key = 1 AND {self.asked.sql}",  # noqa: S608  (compiled, its values bound)
            self.asked.bindings,
        )
        return found.get is not None

    def in_scope(self, scopes: Sequence[str]) -> bool:
        """Whether an entity with these scopes is in one that is asked for."""
        document = orjson.dumps({"scope": list(scopes)}).decode()
        sql = f"SELECT 1 FROM (SELECT ? AS doc) WHERE {self.scope.sql}"  # noqa: S608  (compiled, its values bound)
        return self.opened().execute(sql, (document, *self.scope.bindings)).get is not None


def instances(lines: Iterable[Line]) -> dict[str, list[Mapping[str, object]]]:
    """The instances by attribute, as documents have them."""
    found: dict[str, list[Mapping[str, object]]] = {}
    for line in lines:
        instance = line.instance
        if instance is not None and line.attribute != ENTITY:
            stamp = [line.owner, line.number, line.created, line.recorded, None, None]
            found.setdefault(line.attribute, []).append({**instance, PROVENANCE: stamp})
    return found
