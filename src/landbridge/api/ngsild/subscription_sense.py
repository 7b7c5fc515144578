"""What a kept subscription means: the closed shape that matching and delivery work on.

NGSI-LD 5.2.12 to 5.2.15. Texts of the query language are read in the context that they came with.
"""

from typing import Any
from urllib.parse import unquote

import orjson

from landbridge.api.ngsild.filter import parse_q
from landbridge.api.ngsild.parameter import FORMS, expanded, languages
from landbridge.api.ngsild.projection import parse_projection
from landbridge.api.ngsild.selection import parse_geo, parse_scopes, parse_types
from landbridge.errors import InvalidEntity
from landbridge.model.query import Near, Selector, Spatial
from landbridge.model.subscription import USUAL_TRIGGERS, Endpoint, Shape, Subscription
from landbridge.model.terms import Contexts, Terms
from landbridge.model.version import parse_version

Json = dict[str, Any]
MEDIA = ("application/json", "application/ld+json", "application/geo+json")
EVERY_TYPE = "*"
CONTEXTS = "contexts"  # of the query texts, by member


def understand(tenant: str, id_: str, body: Json, contexts: Contexts) -> Subscription:
    """A kept subscription as matching and delivery need it. Raises what its contexts raise."""
    given, core = body["given"], contexts.core
    where = None
    if "q" in given:
        where = parse_q(unquote(given["q"]), contexts.terms(body[CONTEXTS]["q"] or None, tenant), expanded(given, core))
    return Subscription(
        tenant=tenant,
        id=id_,
        endpoint=endpoint_of(given["notification"]["endpoint"]),
        selectors=tuple(selector_of(one, core) for one in given.get("entities", ())),
        watched=frozenset(core.expand(name) for name in given.get("watchedAttributes", ())),
        triggers=frozenset(given.get("notificationTrigger", USUAL_TRIGGERS)),
        where=where,
        geo=read_geo(given["geoQ"], core) if "geoQ" in given else None,
        scope=parse_scopes(unquote(given["scopeQ"])) if "scopeQ" in given else None,
        shape=shape_of(body, core),
        interval=given.get("timeInterval"),
        throttling=given.get("throttling", 0.0),
        expires=body["expires"],
        active=not body["paused"],
        since=body.get("since", 0),
    )


def selector_of(given: Json, core: Terms) -> Selector:
    ids = given.get("id", [])
    return Selector(
        None if given["type"] == EVERY_TYPE else parse_types(given["type"], core),
        (ids,) if isinstance(ids, str) else tuple(ids),
        given.get("idPattern"),
    )


def endpoint_of(given: Json) -> Endpoint:
    """Times of an endpoint are milliseconds (5.2.15)."""
    pairs = {
        name: tuple((one["key"], one["value"]) for one in given.get(name, ()))
        for name in ("receiverInfo", "notifierInfo")
    }
    timeout = {"timeout": given["timeout"] / 1000} if "timeout" in given else {}
    return Endpoint(
        given["uri"], given.get("accept", MEDIA[0]), pairs["receiverInfo"], pairs["notifierInfo"],
        cooldown=given.get("cooldown", 0) / 1000, **timeout,
    )  # fmt: skip


def shape_of(body: Json, core: Terms) -> Shape:
    given = body["given"]
    told = given["notification"]
    pick, omit = (
        parse_projection(",".join(told[name]), core, name) if name in told else None for name in ("pick", "omit")
    )
    return Shape(
        form=FORMS[told.get("format", "normalized")],
        attributes=tuple(core.expand(name) for name in told["attributes"]) if "attributes" in told else None,
        pick=pick,
        omit=omit,
        datasets=tuple(given["datasetId"]) if "datasetId" in given else None,
        languages=languages(given.get("lang", "")),
        system=told.get("sysAttrs", False),
        changes=told.get("showChanges", False),
        changed_only=told.get("onlyChangedAttributes", False),
        join=told.get("join"),
        join_level=told.get("joinLevel", 1),
        context=body["context"],
        version=parse_version(given["ngsildConformance"]) if "ngsildConformance" in given else None,
    )


def read_geo(given: Json, terms: Terms) -> Near | Spatial:
    """A geo-query as a subscription has it: the coordinates as an array, or as the text of one."""
    for name in ("georel", "geometry", "coordinates"):
        if name not in given:
            raise InvalidEntity(f"The geo-query has no {name}.", where="geoQ")
    coordinates = given["coordinates"]
    told = coordinates if isinstance(coordinates, str) else orjson.dumps(coordinates).decode()
    return parse_geo(
        str(given["georel"]), str(given["geometry"]), told, terms.expand(given.get("geoproperty", "location"))
    )
