"""A subscription as a client sends it becomes what is kept of it: each member checked, what cannot be together refused.

NGSI-LD 5.2.12 (Subscription), 5.2.14 (NotificationParams), 5.2.15 (Endpoint), 5.2.22 (KeyValuePair), 5.2.33
(EntitySelector), 5.2.13 (GeoQuery), 5.8.1, 5.8.2. Kept is what the client gave, its names as the core context alone has
them, so that each reader sees them through his own; queries stay as they are, beside the context they are in.
"""

import re
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from landbridge.api.ngsild.filter import parse_q
from landbridge.api.ngsild.parameter import FORMS
from landbridge.api.ngsild.parameter import names as read_names
from landbridge.api.ngsild.projection import parse_projection, render_projection, require_apart
from landbridge.api.ngsild.selection import parse_scopes, parse_types, render_types
from landbridge.api.ngsild.subscription_sense import CONTEXTS, EVERY_TYPE, MEDIA, Json, read_geo, understand
from landbridge.errors import Invalid, InvalidEntity
from landbridge.model.entity import NULL
from landbridge.model.instant import parse_instant
from landbridge.model.subscription import TRIGGERS
from landbridge.model.terms import Contexts, Terms
from landbridge.model.value import URI
from landbridge.model.version import parse_version
from landbridge.pool.match import readable_pattern
from landbridge.publish.index import anchors, interests

SCHEMES = ("http", "https", "mqtt", "mqtts")
JOINS = ("flat", "inline", "@none")
MOST_SELECTORS, MOST_NAMES, MOST_PAIRS, DEEPEST_JOIN = 200, 500, 100, 10
LONGEST_SECONDS = 10 * 365 * 86400
HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}\Z")


def wrong(message: str, where: str, hint: str | None = None) -> InvalidEntity:
    return InvalidEntity(message, where=where, hint=hint)


# -- parts


def text(given: object, where: str) -> str:
    if not isinstance(given, str) or not given or len(given) > 10_000:
        raise wrong("A text is expected.", where)
    return given


def uri(given: object, where: str) -> str:
    found = text(given, where)
    if not URI.match(found):
        raise wrong(f"'{found[:80]}' is no URI.", where)
    return found


def flag(given: object, where: str) -> bool:
    if not isinstance(given, bool):
        raise wrong("true or false is expected.", where)
    return given


def seconds(given: object, where: str) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given <= LONGEST_SECONDS:
        raise wrong("A number greater than 0 is expected.", where)
    return given


def several(given: object, where: str, most: int = MOST_NAMES) -> list[Any]:
    """A list that is not empty."""
    if not isinstance(given, list) or not 1 <= len(given) <= most:
        raise wrong(f"A list of 1 to {most} is expected.", where)
    return given


def one_of(given: object, where: str, *known: str) -> str:
    if given not in known:
        raise wrong(f"'{str(given)[:40]}' is none of {', '.join(known)}.", where)
    return str(given)


def mapping(given: object, where: str) -> Json:
    if not isinstance(given, dict):
        raise wrong("An object is expected.", where)
    return given


def names(given: object, where: str, terms: Terms, core: Terms) -> list[str]:
    return [core.compact(terms.expand(text(one, where))) for one in several(given, where)]


def version(given: object) -> str:
    """A version of NGSI-LD that notifications are to conform to (5.2.12, 4.3.6.8)."""
    found = text(given, "ngsildConformance")
    try:
        parse_version(found)
    except Invalid as error:
        raise wrong(error.message, "ngsildConformance", error.hint) from None
    return found


def moment(given: object, where: str) -> str:
    found = text(given, where)
    try:
        parse_instant(found)
    except Invalid as error:
        raise wrong(error.message, where) from None
    return found


# -- what is kept


class Taking:
    """Reads a client's subscription, or a fragment of one, into what is kept of it."""

    def __init__(self, terms: Terms, contexts: Contexts, tenant: str) -> None:
        self.terms, self.contexts, self.tenant = terms, contexts, tenant
        self.core = contexts.core
        self.members: Mapping[str, Callable[[Any], Any]] = {
            "subscriptionName": lambda given: text(given, "subscriptionName"),
            "description": lambda given: text(given, "description"),
            "entities": self.entities,
            "watchedAttributes": lambda given: names(given, "watchedAttributes", terms, self.core),
            "notificationTrigger": lambda given: [
                one_of(one, "notificationTrigger", *TRIGGERS) for one in several(given, "notificationTrigger")
            ],
            "timeInterval": lambda given: seconds(given, "timeInterval"),
            "throttling": lambda given: seconds(given, "throttling"),
            "q": self.query,
            "csf": self.csf,
            "geoQ": self.geo,
            "scopeQ": self.scope,
            "isActive": lambda given: flag(given, "isActive"),
            "expiresAt": self.expiry,
            "lang": lambda given: text(given, "lang"),
            "expandValues": lambda given: self.listed(given, "expandValues"),
            "jsonKeys": lambda given: self.listed(given, "jsonKeys"),
            "ngsildConformance": version,
            "datasetId": self.datasets,
            "jsonldContext": self.context,
            "localOnly": lambda given: flag(given, "localOnly"),
            "splitEntities": lambda given: flag(given, "splitEntities"),
            "notification": self.notification,
        }

    def take(self, body: Json) -> Json:
        """The members that are given, each checked; what is nobody's member is left out (5.5.4, 5.2.12)."""
        found: Json = {}
        for name, given in body.items():
            if name in self.members:
                found[name] = None if given is None or given == NULL else self.members[name](given)
        return found

    def entities(self, given: object) -> list[Json]:
        return [
            self.selector(one, f"entities[{at}]") for at, one in enumerate(several(given, "entities", MOST_SELECTORS))
        ]

    def selector(self, given: object, where: str) -> Json:
        one = mapping(given, where)
        if "type" not in one:
            raise wrong("The selector names no type.", where, 'Write it like {"type": "Building"}.')
        type_ = text(one["type"], f"{where}.type")
        found: Json = {}
        if "id" in one:
            ids = one["id"] if isinstance(one["id"], list) else [one["id"]]
            found["id"] = [uri(id_, f"{where}.id") for id_ in several(ids, f"{where}.id")]
            found["id"] = found["id"] if isinstance(one["id"], list) else found["id"][0]
        if "idPattern" in one:
            found["idPattern"] = readable_pattern(text(one["idPattern"], f"{where}.idPattern"))
        found["type"] = type_ if type_ == EVERY_TYPE else render_types(parse_types(type_, self.terms), self.core)
        return found

    def query(self, given: object) -> str:
        found = text(given, "q")
        parse_q(unquote(found), self.terms)
        return found

    def listed(self, given: object, where: str) -> str:
        """Names of attributes with commas between them, as the core context alone has them."""
        return ",".join(self.core.compact(name) for name in read_names(text(given, where), self.terms, where))

    def csf(self, given: object) -> str:
        found = text(given, "csf")
        parse_q(unquote(found), self.terms)
        return found

    def scope(self, given: object) -> str:
        found = text(given, "scopeQ")
        parse_scopes(unquote(found))
        return found

    def geo(self, given: object) -> Json:
        one = mapping(given, "geoQ")
        found: Json = {name: one[name] for name in ("georel", "geometry", "coordinates") if name in one}
        if "geoproperty" in one:
            found["geoproperty"] = self.core.compact(self.terms.expand(text(one["geoproperty"], "geoQ.geoproperty")))
        read_geo(found, self.core)
        return found

    def expiry(self, given: object) -> str:
        found = moment(given, "expiresAt")
        if parse_instant(found) <= time.time_ns() // 1000:
            raise wrong(f"{found} is over already.", "expiresAt", "Give a moment that is to come, or leave it out.")
        return found

    def datasets(self, given: object) -> list[str]:
        listed = several(given if isinstance(given, list) else [given], "datasetId")
        return [one if one == "@none" else uri(one, "datasetId") for one in listed]

    def context(self, given: object) -> str:
        found = uri(given, "jsonldContext")
        self.contexts.terms(found, self.tenant)
        return found

    def notification(self, given: object) -> Json:
        one = mapping(given, "notification")
        where = "notification"
        if one.get("endpoint") is None or one["endpoint"] == NULL:
            raise wrong("The notification has no endpoint.", where, 'Give {"endpoint": {"uri": "https://..."}}.')
        found: Json = {}
        for name in one:
            if name == "attributes":
                found[name] = names(one[name], f"{where}.{name}", self.terms, self.core)
            elif name in ("pick", "omit"):
                found[name] = self.projection(one[name], f"{where}.{name}")
            elif name == "format":
                found[name] = one_of(one[name], f"{where}.{name}", *FORMS)
            elif name in ("showChanges", "sysAttrs", "onlyChangedAttributes"):
                found[name] = flag(one[name], f"{where}.{name}")
            elif name == "join":
                found[name] = one_of(one[name], f"{where}.{name}", *JOINS)
            elif name == "joinLevel":
                found[name] = self.level(one[name], f"{where}.{name}")
            elif name == "endpoint":
                found[name] = self.endpoint(one[name], f"{where}.{name}")
        self.require_fit(found)
        return found

    def projection(self, given: object, where: str) -> list[str]:
        listed = [text(name, where) for name in several(given, where)]
        return [render_projection(parse_projection(name, self.terms, where), self.core) for name in listed]

    def level(self, given: object, where: str) -> int:
        if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= DEEPEST_JOIN:
            raise wrong(f"A number from 1 to {DEEPEST_JOIN} is expected.", where)
        return given

    def require_fit(self, found: Json) -> None:
        """What excludes each other (table 5.2.14.1-1)."""
        for name in ("pick", "omit"):
            if name in found and "attributes" in found:
                raise wrong(f"'{name}' and 'attributes' exclude each other.", "notification", "Use pick alone.")
        if "pick" in found and "omit" in found:
            require_apart(*(parse_projection(",".join(found[name]), self.core, name) for name in ("pick", "omit")))
        if found.get("showChanges") and FORMS[found.get("format", "normalized")] == "simplified":
            raise wrong("Changes cannot be shown in the simplified form.", "notification.showChanges")

    def endpoint(self, given: object, where: str) -> Json:
        one = mapping(given, where)
        found: Json = {"uri": uri(one.get("uri"), f"{where}.uri")}
        if found["uri"].partition(":")[0].lower() not in SCHEMES:
            raise wrong(f"The address is none of {', '.join(SCHEMES)}.", f"{where}.uri")
        if "accept" in one:
            found["accept"] = one_of(one["accept"], f"{where}.accept", *MEDIA)
        for name in ("timeout", "cooldown"):
            if name in one:
                found[name] = seconds(one[name], f"{where}.{name}")
        for name in ("receiverInfo", "notifierInfo"):
            if name in one:
                found[name] = [
                    pair(each, f"{where}.{name}") for each in several(one[name], f"{where}.{name}", MOST_PAIRS)
                ]
        return found


def pair(given: object, where: str) -> Json:
    """A key and its value, both texts (5.2.22)."""
    one = mapping(given, where)
    key, value = one.get("key"), one.get("value")
    if not isinstance(key, str) or not isinstance(value, str):
        raise wrong("A pair has a key and a value, both texts.", where)
    if not HEADER.match(key) or any(ord(letter) < 32 for letter in value) or len(value) > 10_000:
        raise wrong(f"'{key[:60]}' and its value are no header.", where)
    return {"key": key, "value": value}


def new_body(body: Json, terms: Terms, contexts: Contexts, tenant: str, id_: str) -> Json:
    """What is kept of a new subscription. Raises InvalidEntity or InvalidQuery."""
    if body.get("type") != "Subscription":
        raise wrong("The type is 'Subscription'.", "type")
    taken = {name: one for name, one in Taking(terms, contexts, tenant).take(body).items() if one is not None}
    if "notification" not in taken:
        raise wrong("The subscription does not say where to notify.", "notification")
    return kept(
        taken, {name: context_of(terms) for name in ("q", "csf") if name in taken}, terms, contexts, tenant, id_
    )


def changed_body(before: Json, body: Json, terms: Terms, contexts: Contexts, tenant: str, id_: str) -> Json:
    """What is kept of a subscription after a fragment: members replaced, and taken away by null (5.8.2)."""
    if body.get("type", "Subscription") != "Subscription":
        raise wrong("The type is 'Subscription'.", "type")
    taken = Taking(terms, contexts, tenant).take(body)
    if taken.get("notification", True) is None:
        raise wrong("The notification cannot be taken away.", "notification")
    given = {name: one for name, one in {**before["given"], **taken}.items() if one is not None}
    own = {name: context_of(terms) for name in ("q", "csf") if taken.get(name) is not None}
    texts = {name: one for name, one in {**before[CONTEXTS], **own}.items() if name in given}
    found = kept(given, texts, terms, contexts, tenant, id_)
    return {**found, "context": before["context"]}


def context_of(terms: Terms) -> Any:
    """The client's contexts as they can be kept: one address where that says it all."""
    return list(terms.contexts)


def kept(given: Json, texts: Json, terms: Terms, contexts: Contexts, tenant: str, id_: str) -> Json:
    """The members with all that follows from them, so that nobody has to find it out again."""
    local = given.get("localOnly") is True
    if not (given.get("entities") or given.get("watchedAttributes") or local):
        raise wrong("Neither entities nor watchedAttributes are named.", "entities", "Or say that it is localOnly.")
    if "timeInterval" in given and ("throttling" in given or "watchedAttributes" in given):
        raise wrong("A time interval goes with neither throttling nor watchedAttributes.", "timeInterval")
    body: Json = {
        "given": given, CONTEXTS: texts, "context": given.get("jsonldContext") or terms.address(),
        "paused": given.get("isActive") is False, "interval": given.get("timeInterval"),
        "expires": parse_instant(given["expiresAt"]) if "expiresAt" in given else None,
    }  # fmt: skip
    made = understand(tenant, id_, body, contexts)
    body["anchors"] = anchors(made)
    active = made.active and made.interval is None and made.status(time.time_ns() // 1000) == "active"
    body["interest"] = interests(made, body["anchors"]) if active else []
    return body
