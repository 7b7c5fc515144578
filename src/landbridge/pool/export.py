"""Tables to take away, as the policy lets the actor have them: the entities of a query, or their history.

Both are read some at a time, so whoever writes them out needs no more memory for a million rows than for a thousand.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from landbridge.governance.policy import Actor
from landbridge.history import export
from landbridge.history.export import Asked, Name
from landbridge.history.lake import Lake
from landbridge.model.answer import Document
from landbridge.model.query import Has, Or, Query
from landbridge.model.temporal import TemporalQuery
from landbridge.pool.pool import Pool
from landbridge.store import drained, reading

PAGE = 500


@dataclass(frozen=True)
class Taken:
    """A table on its way out."""

    pieces: Iterator[pa.Table]
    schema: pa.Schema


def entities(pool: Pool, actor: Actor, query: Query) -> Iterator[Document]:
    """All entities of a query, page by page. Raises Refused."""
    query = replace(query, limit=PAGE, count=False)
    while True:
        page = pool.query(actor, query)
        yield from page.documents
        if page.next is None:
            return
        query = replace(query, after=page.next)


def history(
    pool: Pool, actor: Actor, lake: Lake, asked: TemporalQuery, name: Name, *, provenance: bool = False
) -> Taken:
    """All instances of a temporal question that stand, a row each (see `history.export.COLUMNS`).

    What is asked of the entities themselves (`q`, places, scopes, patterns) is asked of what they are now. Raises
    Refused, also for `provenance` where the actor may not see raw rows.
    """
    with pool.asked(actor, "raw" if provenance else "read", "take history away"):
        query = asked.query
        named = plain_types(query.types)
        with pool.store.reader() as connection:
            every = sorted(drained.kinds(connection))
            shared = {kind.type for kind in reading.kinds(connection, query.tenant) if kind.shared}
        ids = pa.array(query.ids, pa.string()) if query.ids else None
        types: Sequence[str] = every if named is None else [type_ for type_ in every if type_ in named]
        if conditions(query) or (named is not None and shared & set(named)):
            ids = pa.array([one["id"] for one in entities(pool, actor, replace(query, order=()))], pa.string())
            types = every
        wanted = Asked(query.tenant, asked.attributes, asked.datasets, asked.span, asked.as_of, ids, provenance)
    return Taken(export.pieces(pool.store, lake, types, wanted, name), wanted.schema)


def plain_types(types: object) -> set[str] | None:
    """The types of a selection that is no more than a list of them; None for all."""
    match types:
        case None:
            return None
        case Has(name):
            return {name}
        case Or(parts) if all(isinstance(part, Has) for part in parts):
            return {part.type for part in parts if isinstance(part, Has)}
    return set()


def conditions(query: Query) -> bool:
    """Whether more is asked of entities than their type and id."""
    types = plain_types(query.types) == set()
    return bool(types or query.where or query.geo or query.scope or query.id_pattern or query.selectors)
