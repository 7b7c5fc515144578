"""Types and attributes, here and at registered sources, as one answer (NGSI-LD 5.7.5 to 5.7.10, 4.3.6)."""

from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

import orjson
from starlette.responses import Response

from landbridge.api.ngsild.operation import Ask, Served
from landbridge.api.ngsild.parameter import JSON, link_context, named_tenant
from landbridge.errors import Missing
from landbridge.federation.call import Asked, sent
from landbridge.federation.reach import Reach
from landbridge.federation.trip import Trip
from landbridge.model.terms import Contexts

WAYS: Mapping[str, tuple[str, str]] = {  # address -> the operation, and the one with details
    "/types": ("retrieveEntityTypes", "retrieveEntityTypeDetails"),
    "/types/{type}": ("retrieveEntityTypeInfo", "retrieveEntityTypeInfo"),
    "/attributes": ("retrieveAttrTypes", "retrieveAttrTypeDetails"),
    "/attributes/{attrId}": ("retrieveAttrTypeInfo", "retrieveAttrTypeInfo"),
}
SUMS = frozenset({"entityCount", "attributeCount"})


class SharedDiscovery:
    """Distributes discovery over one reach."""

    def __init__(self, reach: Reach, contexts: Contexts) -> None:
        self.reach = reach
        self.contexts = contexts

    def around(self, served: Served) -> Served:
        way = WAYS.get(served.operation.path) if served.operation.verb == "GET" else None
        return served if way is None else Served(served.operation, partial(self.perform, served, way))

    def perform(self, served: Served, way: tuple[str, str], ask: Ask) -> Response:
        tenant = named_tenant(ask.request)
        if ask.given.get("local") == "true" or not self.reach.registry.of(tenant):
            return served.perform(ask)
        trip = Trip(self.contexts.terms(link_context(ask.request), tenant), dict(ask.request.headers))
        operation = way[1] if ask.given.get("details") == "true" else way[0]
        came = set(trip.via)
        offers = [
            offer
            for offer in self.reach.registry.matching(tenant, None)
            if offer.may(operation) and offer.alias not in came and self.reach.alias(tenant) not in came
        ]
        if not offers:
            return served.perform(ask)
        try:
            response: Response | None = served.perform(ask)
            missing = None
        except Missing as error:
            response, missing = None, error
        path = served.operation.path.format(**{name: quote(part, safe=":") for name, part in ask.path.items()})
        asked = Asked("GET", path, {name: value for name, value in ask.given.items() if name != "local"})
        replies = self.reach.lines.gather(
            [(offer, sent(offer, trip, asked, self.contexts, self.reach.alias(tenant))) for offer in offers]
        )
        found = orjson.loads(response.body) if response is not None else None
        for reply in replies:
            if reply.code:
                trip.warn(reply.code, reply.text)
            elif reply.fine:
                found = merged(found, without_context(reply.body))
        return self.told(response, missing, found, trip)

    def told(self, response: Response | None, missing: Missing | None, found: Any, trip: Trip) -> Response:
        if found is None and missing is not None:
            missing.told = trip.told
            raise missing
        whole = Response(orjson.dumps(found), 200, None, response.media_type if response else JSON)
        for name, value in response.headers.items() if response else ():
            if name not in ("content-length", "content-type"):
                whole.headers.append(name, value)
        for name, value in trip.told.items():
            whole.headers[name] = value
        return whole


def without_context(body: Any) -> Any:
    if isinstance(body, list):
        return [without_context(one) for one in body]
    return {name: value for name, value in body.items() if name != "@context"} if isinstance(body, dict) else body


def merged(one: Any, other: Any) -> Any:
    """Two answers as one: lists of names once each, counts added, descriptions by their ids."""
    if one is None or isinstance(one, str | int | float):
        return other if one is None else one
    if isinstance(one, dict) and isinstance(other, dict):
        found = dict(one)
        for name, value in other.items():
            if name in SUMS and isinstance(value, int) and isinstance(one.get(name), int):
                found[name] = one[name] + value
            elif isinstance(value, list) or name not in found:
                found[name] = merged(found.get(name), value)
        return found
    if isinstance(one, list) and isinstance(other, list):
        return merged_lists(one, other)
    return one


def merged_lists(one: list[Any], other: list[Any]) -> list[Any]:
    if all(isinstance(part, str) for part in (*one, *other)):
        return sorted({*one, *other})
    known = {part.get("id"): part for part in one if isinstance(part, dict)}
    for part in other:
        if isinstance(part, dict):
            known[part.get("id")] = merged(known.get(part.get("id")), part)
    return list(known.values())
