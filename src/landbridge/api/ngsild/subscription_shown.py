"""A kept subscription as a client sees it: in the names of his own @context, with its state and its counters.

NGSI-LD 5.8.3, 5.8.4; the read-only members of 5.2.12 and 5.2.14.
"""

import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from landbridge.api.ngsild.filter import parse_q, render_q
from landbridge.api.ngsild.parameter import expanded
from landbridge.api.ngsild.projection import parse_projection, render_projection
from landbridge.api.ngsild.selection import parse_types, render_types
from landbridge.api.ngsild.subscription_sense import CONTEXTS, EVERY_TYPE, Json
from landbridge.errors import Invalid
from landbridge.model.subscription import USUAL_TRIGGERS
from landbridge.model.terms import Contexts, Terms

USER = re.compile(r"//[^/@]*@")  # who logs in to a broker, and with what
READ_ONLY = frozenset({"timesSent", "timesFailed", "lastNotification", "lastFailure", "lastSuccess", "status"})


def show_subscription(
    body: Json, terms: Terms, contexts: Contexts, tenant: str, standing: Mapping[str, Any], *, secrets: bool
) -> Json:
    """A subscription as a client sees it, with its state; headers for the receiver are for those who may write."""
    core, given = contexts.core, body["given"]

    def own(name: str) -> str:
        return terms.compact(core.expand(name))

    found: Json = {"type": "Subscription", **given}
    found["jsonldContext"] = body["context"]
    found["entities"] = [show_selector(one, terms, core) for one in given.get("entities", ())]
    if not found["entities"]:
        del found["entities"]
    if "watchedAttributes" in given:
        found["watchedAttributes"] = [own(name) for name in given["watchedAttributes"]]
    for name in ("expandValues", "jsonKeys"):
        if name in given:
            found[name] = ",".join(own(one) for one in given[name].split(","))
    for name in ("q", "csf"):
        if name in given:
            words = expanded(given, core) if name == "q" else frozenset()
            found[name] = show_query(given[name], body[CONTEXTS][name], terms, contexts, tenant, words)
    if "geoproperty" in given.get("geoQ", {}):
        found["geoQ"] = {**given["geoQ"], "geoproperty": own(given["geoQ"]["geoproperty"])}
    found.setdefault("notificationTrigger", list(USUAL_TRIGGERS))
    found["notification"] = show_notification(given["notification"], terms, core, secrets)
    found["notification"] |= {name: standing[name] for name in standing if name in READ_ONLY}
    expired = body["expires"] is not None and body["expires"] <= time.time_ns() // 1000
    found["status"] = "expired" if expired else "paused" if body["paused"] else "active"
    return found


def show_selector(given: Json, terms: Terms, core: Terms) -> Json:
    if given["type"] == EVERY_TYPE:
        return given
    return {**given, "type": render_types(parse_types(given["type"], core), terms)}


def show_query(told: str, context: Any, terms: Terms, contexts: Contexts, tenant: str, words: frozenset[str]) -> str:
    """A query's text; in the names of another reader's context where that is another one, `words` as whole IRIs."""
    if list(terms.contexts) == context:
        return told
    try:
        return render_q(parse_q(unquote(told), contexts.terms(context or None, tenant), words), terms)
    except Invalid:
        return told


def show_notification(given: Json, terms: Terms, core: Terms, secrets: bool) -> Json:
    found = {**given}
    if "attributes" in given:
        found["attributes"] = [terms.compact(core.expand(name)) for name in given["attributes"]]
    for name in ("pick", "omit"):
        if name in given:
            found[name] = [render_projection(parse_projection(one, core, name), terms) for one in given[name]]
    if not secrets:
        found["endpoint"] = {k: v for k, v in given["endpoint"].items() if k not in ("receiverInfo", "notifierInfo")}
        found["endpoint"]["uri"] = USER.sub("//", given["endpoint"]["uri"])
    return found
