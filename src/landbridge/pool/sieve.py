"""Which of some documents meet a query's conditions, by the store's own rules: they pass through a store in memory.

For entities that were put together from several sources, so that no condition means one thing here and another there.
"""

from collections.abc import Sequence
from dataclasses import replace

from landbridge.governance.policy import Actor, Role
from landbridge.model.answer import Document
from landbridge.model.claim import Claims
from landbridge.model.query import Query
from landbridge.pool import read, write
from landbridge.store.sqlite import SqliteStore

SIEVE = Actor("sieve", Role.OPERATOR)
LARGEST_PAGE = 1000


def sift(documents: Sequence[Document], query: Query) -> list[Document]:
    """The documents that meet the conditions of a query, in the order in which they are given."""
    store = SqliteStore(":memory:")
    try:
        for document in documents:
            write.create(store, Claims(), SIEVE, document, query.tenant)
        asked = replace(query, offset=0, after=None, before=None, order=(), limit=LARGEST_PAGE, count=False)
        found: set[str] = set()
        while True:
            page = read.query(store, asked)
            found |= {one.id for one in page.held}
            if page.next is None:
                break
            asked = replace(asked, after=page.next)
    finally:
        store.close()
    return [document for document in documents if document["id"] in found]
