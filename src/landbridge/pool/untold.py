"""What must not be told any more: notifications that were made before something was erased, on their way from memory.

The store's own lose what was erased with everything else; the publisher may hold others that are tried again for an
hour, so each is looked at once more before it is sent or kept. Where nothing was erased, that is one look at a number.
"""

from collections.abc import Callable
from typing import Any

import apsw
import orjson

from landbridge.model.erasure import walked
from landbridge.pool.erased import Erased, erased_of
from landbridge.store.sqlite import SqliteStore


def tellable(store: SqliteStore, tenant: str, body: bytes) -> bytes | None:
    """A notification without what was erased; None where it was about nothing else."""
    with store.reader() as connection:
        return without_erased(connection, tenant, body)


def without_erased(connection: apsw.Connection, tenant: str, body: bytes) -> bytes | None:
    """The same, within a read or a commit under way."""
    erased = erased_of(connection)
    if not erased:
        return body
    told = orjson.loads(body)
    clean = walked(told, marking(erased, tenant), lambda text: ":" in text and erased.whole(tenant, text) is not None)
    return body if clean == told else None if is_about_nothing(clean) else orjson.dumps(clean)


def marking(erased: Erased, tenant: str) -> Callable[[str], str]:
    """Puts marks in place of ids."""
    return lambda text: (erased.whole(tenant, text) or text) if ":" in text else text


def is_about_nothing(notification: Any) -> bool:
    """Whether nothing is left of what a notification was about."""
    data = notification.get("data") if isinstance(notification, dict) else None
    return (data.get("features") if isinstance(data, dict) else data) == []
