"""Entities as other brokers tell them, read into documents within the same bounds as a client's (NGSI-LD 6.3.17).

What cannot be read is left out and told as a warning; nothing of it is taken on trust.
"""

from collections.abc import Mapping
from typing import Any

from landbridge.errors import Invalid, LandbridgeError
from landbridge.federation.line import WRONG, Reply
from landbridge.federation.trip import Trip
from landbridge.model.answer import Document
from landbridge.model.entity import Instance
from landbridge.model.instant import parse_instant
from landbridge.model.parser import parse_entity
from landbridge.model.terms import Contexts, Terms

MOST = 1000  # entities of one answer


def documents(reply: Reply, trip: Trip, own: Terms, contexts: Contexts) -> list[Document]:
    """The entities of an answer. `own`: the terms that the source was asked with."""
    trip.heard(reply.headers.get("ngsild-warning", ""))
    if reply.code:
        trip.warn(reply.code, reply.text)
    if not reply.fine or reply.body is None:
        return []
    given = reply.body if isinstance(reply.body, list) else [reply.body]
    found = []
    try:
        if len(given) > MOST:
            raise Invalid(f"The answer has more than {MOST} entities.")
        for one in given:
            found.append(parse_foreign(one, reply.offer.id, own, contexts))
    except (LandbridgeError, RecursionError) as error:
        said = error.message if isinstance(error, LandbridgeError) else "It is too deep."
        trip.warn(WRONG, f"{reply.offer.id} answers with what is no entity: {said}")
        return []
    return found


def parse_foreign(given: Any, source: str, own: Terms, contexts: Contexts) -> Document:
    """One entity with the times that its source gives it. Raises InvalidEntity."""
    if not isinstance(given, Mapping):
        raise Invalid("It is no JSON object.")
    body = dict(given)
    inside = body.pop("@context", None)
    terms = own if inside is None or inside in (own.document(), list(own.contexts)) else contexts.terms(inside)
    document = parse_entity(body, terms)
    for name in ("createdAt", "modifiedAt"):
        if (moment := moment_of(body.get(name))) is not None:
            document[name] = moment
    for name, value in body.items():
        stored = terms.expanded.get(name)
        if stored in document["attrs"]:
            instances = document["attrs"][stored]
            for instance, said in zip(instances, in_their_order(value, len(instances)), strict=False):
                mark(instance, said, source)
    return document


def in_their_order(value: Any, count: int) -> list[Any]:
    """The members of an attribute in the order in which the document has them: by datasetId, none first."""
    given = value if isinstance(value, list) and count > 1 else [value]
    return sorted(given, key=lambda one: str(one.get("datasetId", "")) if isinstance(one, Mapping) else "")


def mark(instance: Instance, said: Any, source: str) -> None:
    """Note whose an instance is, and when that source made it."""
    told = said if isinstance(said, Mapping) else {}
    modified = moment_of(told.get("modifiedAt"))
    if modified is not None:
        instance["@"] = [source, 0, moment_of(told.get("createdAt")) or modified, modified, None, None]


def moment_of(value: Any) -> int | None:
    if not isinstance(value, str):
        return None
    try:
        return parse_instant(value)
    except Invalid:
        return None
