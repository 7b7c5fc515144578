"""What is asked of one source, in its own words: address, headers, names (NGSI-LD 4.3.6.5, 4.3.6.6, 6.3.18)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlencode

import orjson

from landbridge.errors import LandbridgeError
from landbridge.federation.offer import Offer
from landbridge.federation.trip import Trip
from landbridge.model.entity import KINDS, NOT_SUBS, VALUE_MEMBERS
from landbridge.model.terms import Contexts, Terms

ROOT = "/ngsi-ld/v1"
JSON, JSON_LD = "application/json", "application/ld+json"
CONTEXT_REL = "http://www.w3.org/ns/json-ld#context"
REQUEST = "urn:ngsi-ld:request"  # a value that is taken from the client's request (4.3.6.5)
SAFE = ":,/@"  # what stays as it is in a parameter
OURS = frozenset(  # binding-specific, and the tenant: never taken from a registration (4.3.6.5)
    {"via", "host", "content-length", "content-type", "transfer-encoding", "connection", "ngsild-tenant", "link",
     "accept", "keep-alive", "te", "upgrade", "expect", "trailer"}
)  # fmt: skip
PROCESSED = frozenset({"jsonldContext", "contentType", "accept"})  # tell how to ask, and are no headers (4.3.6.6)
ENTITY = frozenset({"id", "@id", "type", "@type", "scope", "@context"})


@dataclass(frozen=True)
class Asked:
    """A request below `/ngsi-ld/v1`.

    The names in `params` and `path` are told by `words`; the `body` is the client's own (`attribute`: of one attribute,
    not of an entity), and gets the source's words on its way.
    """

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    attribute: bool = False


class Sent(NamedTuple):
    """A request as it goes out."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes


def words(offer: Offer, trip: Trip, contexts: Contexts) -> Terms:
    """The names that a source is asked with: of the context it is registered with, else of the client's.

    A client's context that has no address of its own cannot be told in a header; then names are IRIs in full.
    """
    wanted = offer.pairs.get("jsonldContext")
    if wanted:
        try:
            return contexts.terms(wanted)
        except LandbridgeError as error:
            trip.warn(199, f"{offer.id}: {error.message}")
            return contexts.core
    return trip.terms if address_of(trip.terms) or not trip.terms.contexts else contexts.core


def address_of(terms: Terms) -> str | None:
    """The address of the one context that these terms are of."""
    contexts = terms.contexts
    return contexts[0] if len(contexts) == 1 and isinstance(contexts[0], str) else None


def sent(offer: Offer, trip: Trip, asked: Asked, contexts: Contexts, alias: str) -> Sent:
    """The request for one source. `alias` is our own name, for the Via header."""
    own = words(offer, trip, contexts)
    params = {**asked.params, "local": "true"} if offer.local_only else dict(asked.params)
    query = f"?{urlencode(params, safe=SAFE)}" if params else ""
    headers = {"Accept": offer.pairs.get("accept", JSON)}
    body = b""
    if asked.body is not None:
        inline = offer.pairs.get("contentType") == JSON_LD and "jsonldContext" not in offer.pairs
        headers["Content-Type"] = JSON_LD if inline else JSON
        rename = renamed_attribute if asked.attribute else renamed
        told = asked.body if own is trip.terms else rename(asked.body, trip.terms, own)
        body = orjson.dumps(with_context(told, own.document()) if inline else told)
    address = offer.pairs.get("jsonldContext") or address_of(own)
    if headers.get("Content-Type") != JSON_LD and address:
        headers["Link"] = f'<{address}>; rel="{CONTEXT_REL}"; type="{JSON_LD}"'
    headers["Via"] = ", ".join(filter(None, (trip.headers.get("via"), f"1.1 {alias}")))
    if offer.remote_tenant:
        headers["NGSILD-Tenant"] = offer.remote_tenant
    return Sent(asked.method, base(offer) + asked.path + query, headers | conveyed(offer, trip), body)


def base(offer: Offer) -> str:
    return offer.endpoint if offer.endpoint.endswith(ROOT) else offer.endpoint + ROOT


def conveyed(offer: Offer, trip: Trip) -> dict[str, str]:
    """The headers that the registration asks for, some with what the client's request says (4.3.6.5)."""
    found = {}
    for key, value in offer.pairs.items():
        if key in PROCESSED or key.lower() in OURS:
            continue
        said = trip.headers.get(key.lower()) if value == REQUEST else value
        if said is not None:
            found[key] = said
    return found


def with_context(body: Any, context: Any) -> Any:
    if isinstance(body, list):
        return [with_context(one, context) for one in body]
    return {**body, "@context": context} if isinstance(body, Mapping) else body


# -- from one context's names to another's


def renamed(body: Any, old: Terms, new: Terms) -> Any:
    """An entity, a part of one, or a list of them, with the names of another context."""
    if isinstance(body, list):
        return [renamed(one, old, new) for one in body]
    if not isinstance(body, Mapping):
        return body
    found = {}
    for name, value in body.items():
        if name in ("type", "@type"):
            found[name] = words_of(value, old, new)
        elif name in ENTITY:
            found[name] = value
        else:
            found[new.compact(old.expand(name))] = renamed_attribute(value, old, new)
    return found


def renamed_attribute(value: Any, old: Terms, new: Terms) -> Any:
    if isinstance(value, list):
        return [renamed_attribute(one, old, new) for one in value]
    if not is_instance(value):
        return value
    found = {}
    for name, member in value.items():
        if name in ("vocab", "objectType", "valueType"):
            found[name] = words_of(member, old, new)
        elif name in NOT_SUBS or name in VALUE_MEMBERS or name.startswith("@"):
            found[name] = member
        else:
            found[new.compact(old.expand(name))] = renamed_attribute(member, old, new)
    return found


def is_instance(value: Any) -> bool:
    return isinstance(value, Mapping) and (value.get("type") in KINDS or any(one in value for one in VALUE_MEMBERS))


def words_of(value: Any, old: Terms, new: Terms) -> Any:
    if isinstance(value, list):
        return [words_of(one, old, new) for one in value]
    return new.compact(old.expand(value)) if isinstance(value, str) and not value.startswith("@") else value
