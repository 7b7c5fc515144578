"""Purging: the parameters that say which entities go, or what of them, and how the outcome is told (NGSI-LD 5.6.21)."""

from dataclasses import replace

from starlette.responses import Response

from landbridge.api.ngsild.answer import done
from landbridge.api.ngsild.fault import problem
from landbridge.api.ngsild.operation import Ask, Parameter
from landbridge.api.ngsild.parameter import (
    ATTRS,
    COORDINATES,
    EXPAND_VALUES,
    GEOMETRY,
    GEOPROPERTY,
    GEOREL,
    ID,
    ID_PATTERN,
    JSON,
    JSON_KEYS,
    SCOPE_Q,
    TYPE,
    Q,
    names,
    read_wanted,
)
from landbridge.api.ngsild.question import read_query
from landbridge.api.ngsild.writing import LOCAL, told
from landbridge.errors import InvalidQuery
from landbridge.model.query import And, Linked, Node, Or, Query
from landbridge.model.terms import Contexts
from landbridge.pool.pool import Pool
from landbridge.pool.purge import Doomed, Purge

KEEP = Parameter("keep", "Attributes that stay, comma-separated: the entities stay too, and lose all others.")
DROP = Parameter("drop", "Attributes that go, comma-separated: the entities stay.")
FILTERS = (
    TYPE, ID, ID_PATTERN, ATTRS, Q, EXPAND_VALUES, JSON_KEYS, GEOREL, GEOMETRY, COORDINATES, GEOPROPERTY, SCOPE_Q,
    KEEP, DROP, LOCAL,
)  # fmt: skip


def read_purge(ask: Ask, contexts: Contexts, pool: Pool) -> tuple[Query, Doomed]:
    """Which entities go, and what of them. Raises InvalidQuery, also where nothing narrows it (NGSI-LD 5.6.21.4)."""
    given = ask.given
    if "keep" in given and "drop" in given:
        raise InvalidQuery("A purge keeps some attributes or drops some.", where="keep", hint="Give one of the two.")
    if any("{" in given.get(name, "") for name in ("attrs", "keep", "drop")):
        raise InvalidQuery("A purge does not look at linked entities.", where="attrs")
    wanted = read_wanted(ask, contexts, pool, JSON)
    listed = {name: names(given[name], wanted.terms, name) for name in ("keep", "drop") if name in given}
    query = read_query(wanted)
    if query.where is not None and is_linked(query.where):
        raise InvalidQuery("A purge does not look at linked entities.", where="q")
    return replace(query, count=False), Doomed(listed.get("keep"), listed.get("drop"))


def is_linked(node: Node) -> bool:
    """Whether a condition looks at the entities that relationships point at."""
    if isinstance(node, And | Or):
        return any(is_linked(part) for part in node.parts)
    return isinstance(node, Linked)


def render_purge(purged: Purge, tenant: str) -> Response:
    """204 where all of it went, else 207 with what did and what did not (NGSI-LD 5.2.16)."""
    if not purged.failed:
        return done(tenant)
    errors = [{"entityId": one.id, "error": problem(one.error)} for one in purged.failed if one.error]
    return told(207, {"success": list(purged.done), "errors": errors}, tenant)
