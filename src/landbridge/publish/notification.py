"""The notification as the receiver reads it: JSON, JSON-LD or GeoJSON, with the entities in the form asked for.

NGSI-LD 5.3.1 (Notification), 5.8.6, 6.3.9 (headers of an HTTP notification), 4.5.23 (linked entities), 7.2 (MQTT).
"""

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import orjson

from landbridge.model.answer import Document, Held
from landbridge.model.instant import format_instant
from landbridge.model.renderer import Links, Rendering, objects_of, render, render_feature
from landbridge.model.subscription import Endpoint, Subscription
from landbridge.model.terms import Terms
from landbridge.model.version import amended
from landbridge.publish.view import View, decorate

JSON, JSON_LD, GEOJSON = "application/json", "application/ld+json", "application/geo+json"
CONTEXT_REL = "http://www.w3.org/ns/json-ld#context"
NAMES = uuid.UUID("b1d8a0c5-4f5e-5c7b-9a57-6d1f0a7c3e11")
MOST_LINKED = 500  # linked entities of one notification

Find = Callable[[str, Sequence[str]], dict[str, Document]]  # tenant, ids -> the entities that there are
Rendered = dict[Any, bytes]  # how it is seen -> JSON


def notification_id(tenant: str, subscription: str, since: int, rank: int) -> str:
    """The id of a notification: always the same for the same subscription and change, however often it is sent."""
    return f"urn:ngsi-ld:Notification:{uuid.uuid5(NAMES, f'{tenant} {subscription} {since} {rank}')}"


def write_notification(
    subscription: Subscription,
    id_: str,
    views: Sequence[View],
    terms: Terms,
    notified: int,
    find: Find,
    known: Rendered | None = None,
) -> bytes:
    """The body of a notification about these entities. `known`: what others see of the same changes, to be shared."""
    accept = subscription.endpoint.accept
    body: dict[str, Any] = {
        "id": id_,
        "type": "Notification",
        "subscriptionId": subscription.id,
        "notifiedAt": format_instant(notified),
        "data": orjson.Fragment(data_of(subscription, views, terms, find, {} if known is None else known)),
    }
    return orjson.dumps(body | ({"@context": terms.address()} if accept == JSON_LD else {}))


def data_of(subscription: Subscription, views: Sequence[View], terms: Terms, find: Find, known: Rendered) -> bytes:
    """The entities as JSON, rendered once for all who see the same changes in the same way."""
    accept, shape = subscription.endpoint.accept, subscription.shape
    seen = tuple((view.rank, tuple(sorted(view.deleted, key=str))) for view in views)
    key = (subscription.tenant, accept, shape, seen)
    data = known.get(key)
    if data is None:
        shown: Any = show(subscription, views, terms, find, accept == GEOJSON)
        if accept == JSON_LD:
            for one in shown:
                one["@context"] = terms.address()
        data = known[key] = orjson.dumps(
            {"type": "FeatureCollection", "features": shown} if accept == GEOJSON else shown
        )
    return data


def show(
    subscription: Subscription, views: Sequence[View], terms: Terms, find: Find, geojson: bool
) -> list[dict[str, Any]]:
    """The entities, and where they are wanted flat, those linked to them behind them (NGSI-LD 4.5.23)."""
    shape = subscription.shape
    how = Rendering(
        terms=terms, form=shape.form, attrs=shape.attributes, system=shape.system, language=shape.languages,
        pick=shape.pick, omit=shape.omit, datasets=shape.datasets,
    )  # fmt: skip
    write = render_feature if geojson else render
    linked = linked_to(subscription, views, find) if shape.join in ("flat", "inline") else {}
    links = Links(linked, shape.join_level) if shape.join == "inline" else None
    shown = []
    for view in views:
        one = write(view.document, how, links)
        decorate(one["properties"] if geojson else one, view, how)
        shown.append(one)
    if shape.join == "flat":
        there = {view.document["id"] for view in views}
        plain = replace(how, attrs=None, pick=None, omit=None)
        shown += [write(held.document, plain, None) for id_, held in linked.items() if id_ not in there]
    return shown if shape.version is None else [amended(one, shape.version) for one in shown]


def linked_to(subscription: Subscription, views: Sequence[View], find: Find) -> dict[str, Held]:
    """What these entities point at, and so on, as many levels deep as asked."""
    known: dict[str, Held] = {}
    documents = [view.document for view in views]
    for _ in range(subscription.shape.join_level):
        ids = dict.fromkeys(id_ for document in documents for id_ in targets(document) if id_ not in known)
        wanted = list(ids)[: MOST_LINKED - len(known)]
        found = find(subscription.tenant, wanted) if wanted else {}
        known |= {id_: Held(document) for id_, document in found.items()}
        documents = list(found.values())
    return known


def targets(document: Document) -> Iterator[str]:
    """The ids that an entity's relationships point at."""
    for instances in document["attrs"].values():
        for one in instances:
            yield from objects_of(one)


# -- on the wire


def headers_of(endpoint: Endpoint, tenant: str, context: str) -> dict[str, str]:
    """The headers of a notification; `receiverInfo` stands over ours."""
    found = {"Content-Type": endpoint.accept}
    if endpoint.accept != JSON_LD:
        found["Link"] = f'<{context}>; rel="{CONTEXT_REL}"; type="{JSON_LD}"'
    if tenant:
        found["NGSILD-Tenant"] = tenant
    return found | dict(endpoint.receiver)


def as_message(headers: dict[str, str], body: bytes) -> bytes:
    """A notification as an MQTT message has it (NGSI-LD 7.2)."""
    return orjson.dumps({"metadata": headers, "body": orjson.Fragment(body)})
