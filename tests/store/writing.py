"""Write entities into a store as the pool does, for tests of reading."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from landbridge.model.slot import slot_of, where_of
from landbridge.store.contract import Row, Store


def entity(id_: str, types: Sequence[str], attrs: Mapping[str, Any], scope: Sequence[str] = ()) -> dict[str, Any]:
    """A document. Attributes may be given as one instance or a list of them."""
    document: dict[str, Any] = {"id": id_, "type": list(types)}
    if scope:
        document["scope"] = list(scope)
    document["attrs"] = {
        name: [dict(part) for part in (given if isinstance(given, list) else [given])] for name, given in attrs.items()
    }
    return document


def prop(value: object, **members: object) -> dict[str, Any]:
    return {"type": "Property", "value": value, **members}


def add(store: Store, documents: Iterable[Mapping[str, Any]], tenant: str = "") -> int:
    """Insert new entities in one commit; return its number."""
    documents = list(documents)

    def job(transaction: Any) -> int:
        for document in documents:
            first, *others = document["type"]
            kind = transaction.kind(tenant, first, document["attrs"])
            extra = tuple(transaction.kind(tenant, name).num for name in others)
            place, box = where_of(document["attrs"].get("location", ()))
            slots = {
                kind.slots[name]: slot_of(value) for name, value in document["attrs"].items() if name in kind.slots
            }
            now = transaction.recorded
            row = Row(
                transaction.take_keys(kind, 1)[0], document["id"], orjson.dumps(document).decode(),
                now, now, transaction.number, slots, place, box, extra,
            )  # fmt: skip
            transaction.insert(tenant, [row])
        return int(transaction.number)

    return store.write(job, tenant=tenant, actor="test")


def pages(store: Store, query: Any) -> list[str]:
    """The ids of all pages of a query, each page asked for by the cursor of the one before."""
    found: list[str] = []
    while True:
        page = store.query(query)
        found += [document["id"] for document in page.documents]
        if page.next is None:
            return found
        assert len(page.documents) == query.limit
        query = replace(query, after=page.next, offset=0)


def pages_back(store: Store, query: Any) -> list[str]:
    """The ids of all pages, read from the last page to the first by the cursors of the pages before."""
    last = query
    while (page := store.query(last)).next is not None:
        last = replace(last, after=page.next, offset=0)
    found = [document["id"] for document in page.documents]
    reached = query.offset > 0
    while page.previous is not None and not (reached and page.held[0].id == store.query(query).held[0].id):
        page = store.query(replace(query, before=page.previous, after=None, offset=0))
        found = [document["id"] for document in page.documents] + found
        assert page.next is not None
    if reached:  # what lies before the offset was met on the way back
        start = store.query(query).held
        return found[found.index(start[0].id) :] if start else []
    return found
