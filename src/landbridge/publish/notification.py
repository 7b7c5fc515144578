"""The notification as the receiver reads it: JSON, JSON-LD or GeoJSON, with the entities in the form asked for.

NGSI-LD 5.3.1 (Notification), 5.8.6, 6.3.9 (headers of an HTTP notification), 4.5.23 (linked entities), 7.2 (MQTT).
"""

import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson

from landbridge.model.answer import Document
from landbridge.model.entity import Instance
from landbridge.model.instant import format_instant
from landbridge.model.renderer import Rendering, render, render_feature
from landbridge.model.subscription import Endpoint, Shape, Subscription
from landbridge.model.terms import Terms
from landbridge.publish.view import View, chosen, decorate

JSON, JSON_LD, GEOJSON = "application/json", "application/ld+json", "application/geo+json"
CONTEXT_REL = "http://www.w3.org/ns/json-ld#context"
NAMES = uuid.UUID("b1d8a0c5-4f5e-5c7b-9a57-6d1f0a7c3e11")
MOST_LINKED = 500  # linked entities of one notification

Find = Callable[[str, Sequence[str]], dict[str, Document]]  # tenant, ids -> the entities that there are


def notification_id(tenant: str, subscription: str, since: int, rank: int) -> str:
    """The id of a notification: always the same for the same subscription and change, however often it is sent."""
    return f"urn:ngsi-ld:Notification:{uuid.uuid5(NAMES, f'{tenant} {subscription} {since} {rank}')}"


def write_notification(
    subscription: Subscription, id_: str, views: Sequence[View], terms: Terms, notified: int, find: Find
) -> bytes:
    """The body of a notification about these entities."""
    shape, geojson = subscription.shape, subscription.endpoint.accept == GEOJSON
    in_body = subscription.endpoint.accept == JSON_LD
    how = Rendering(terms=terms, form=shape.form, system=shape.system, language=shape.languages)
    shown = [show(view, how, shape, geojson) for view in views]
    if shape.join in ("flat", "inline"):
        shown += join(subscription, views, shown, how, find, geojson)
    if in_body:
        for one in shown:
            one["@context"] = terms.address()
    body: dict[str, Any] = {
        "id": id_,
        "type": "Notification",
        "subscriptionId": subscription.id,
        "notifiedAt": format_instant(notified),
        "data": {"type": "FeatureCollection", "features": shown} if geojson else shown,
    }
    return orjson.dumps(body | ({"@context": terms.address()} if in_body else {}))


def show(view: View, how: Rendering, shape: Shape, geojson: bool) -> dict[str, Any]:
    if geojson:
        feature = render_feature(view.document, how)
        decorate(feature["properties"], view, shape, how.terms)
        return feature
    shown = render(view.document, how)
    decorate(shown, view, shape, how.terms)
    return shown


# -- linked entities


def join(
    subscription: Subscription,
    views: Sequence[View],
    shown: list[dict[str, Any]],
    how: Rendering,
    find: Find,
    geojson: bool,
) -> list[dict[str, Any]]:
    """Add linked entities: within their relationships (inline), or as entities of their own, which are returned."""
    shape, known = subscription.shape, dict[str, Document]()
    for view, one in zip(views, shown, strict=True):
        members = one["properties"] if geojson else one
        if shape.join == "inline":
            inline(subscription.tenant, view.document, members, how, find, known, shape.join_level)
        else:
            follow(subscription.tenant, [view.document], find, known, shape.join_level)
    if shape.join == "inline":
        return []
    there = {view.document["id"] for view in views}
    return [
        (render_feature if geojson else render)(linked(document, shape), how)
        for id_, document in known.items()
        if id_ not in there
    ]


def linked(document: Document, shape: Shape) -> Document:
    """A linked entity: with the instances asked for, and all of its attributes."""
    return {**document, "attrs": chosen(document["attrs"], Shape(datasets=shape.datasets))}


def follow(tenant: str, documents: Iterable[Document], find: Find, known: dict[str, Document], levels: int) -> None:
    """Find what these entities point at, and so on, as many levels deep as asked."""
    if levels < 1:
        return
    ids = {id_ for document in documents for instances in document["attrs"].values() for id_ in targets(instances)}
    wanted = sorted(ids - known.keys())[: MOST_LINKED - len(known)]
    found = find(tenant, wanted) if wanted else {}
    known.update(found)
    follow(tenant, found.values(), find, known, levels - 1 if found else 0)


def targets(instances: Sequence[Instance]) -> list[str]:
    """The ids that relationships point at."""
    found: list[str] = []
    for one in instances:
        if one["type"] == "Relationship":
            found += one["object"] if isinstance(one["object"], list) else [one["object"]]
        elif one["type"] == "ListRelationship":
            found += [part["object"] for part in one["objectList"]]
    return found


def inline(
    tenant: str,
    document: Document,
    members: dict[str, Any],
    how: Rendering,
    find: Find,
    known: dict[str, Document],
    levels: int,
) -> None:
    """Put linked entities into the relationships that point at them."""
    if levels < 1:
        return
    follow(tenant, [document], find, known, 1)
    for name, instances in document["attrs"].items():
        compact = how.terms.compact(name)
        if compact not in members or not targets(instances):
            continue
        for place, one in enumerate(instances):
            inner = [whole(tenant, known[id_], how, find, known, levels - 1) for id_ in targets([one]) if id_ in known]
            if inner:
                insert(members, compact, place, len(instances), one, inner, how.form == "simplified")


def whole(
    tenant: str, document: Document, how: Rendering, find: Find, known: dict[str, Document], levels: int
) -> dict[str, Any]:
    shown = render(document, how)
    inline(tenant, document, shown, how, find, known, levels)
    return shown


def insert(
    members: dict[str, Any], name: str, place: int, count: int, one: Instance, inner: list[dict[str, Any]], bare: bool
) -> None:
    """Put entities into one rendered relationship (NGSI-LD 4.5.23.2)."""
    several = one["type"] == "ListRelationship" or isinstance(one.get("object"), list)
    value: Any = inner if several else inner[0]
    if bare:
        if count == 1:
            members[name] = value
        else:
            members[name]["dataset"][one.get("datasetId", "@none")] = value
        return
    target = members[name][place] if count > 1 else members[name]
    if isinstance(target, dict):
        target["entityList" if one["type"] == "ListRelationship" else "entity"] = value


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
