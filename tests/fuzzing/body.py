"""Readers of JSON bodies: entities and parts of them, contexts, queries, subscriptions, registrations.

What is read is written and read again: the same must come of it.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import orjson
from starlette.requests import Request

from fuzzing.target import Target
from fuzzing.text import OWN
from landbridge.api.http.resource import Call
from landbridge.api.ngsild.batch import Batches, order_of, whole
from landbridge.api.ngsild.body import read_body, read_entity
from landbridge.api.ngsild.csource_subscription import watch_of, with_times
from landbridge.api.ngsild.kept import given_id
from landbridge.api.ngsild.operation import Ask
from landbridge.api.ngsild.parameter import wanted_of
from landbridge.api.ngsild.query_body import read_members
from landbridge.api.ngsild.question import read_join, read_lifetime, read_query
from landbridge.api.ngsild.snapshot import SETTABLE
from landbridge.api.ngsild.subscription_body import changed_body, new_body
from landbridge.api.ngsild.subscription_sense import understand
from landbridge.api.ngsild.subscription_shown import show_subscription
from landbridge.errors import LandbridgeError
from landbridge.federation.foreign import parse_foreign
from landbridge.federation.judge import holds, in_scope, in_time, lies
from landbridge.federation.offer import offer_of
from landbridge.federation.registration import parse_registration, parse_update, show_registration
from landbridge.governance.policy import Actor, Role
from landbridge.model.attribute import parse_part
from landbridge.model.entity import instance_of
from landbridge.model.merge import Merging, merged, updated
from landbridge.model.parser import parse_attributes, parse_entity, parse_fragment
from landbridge.model.renderer import Rendering, render, render_feature
from landbridge.model.terms import CORE_URL, Contexts, Terms
from landbridge.model.value import Reading
from landbridge.model.version import amended
from landbridge.pool.context_fetch import read_json

OPERATOR = Actor("operator", Role.OPERATOR)
LIBRARY = {"https://example.com/c": {"@context": {"ex": "https://example.com/", "speed": "ex:speed", "Car": "ex:Car"}}}
CONTEXTS = Contexts(LIBRARY)
NOW = 1_600_000_000_000_000
NULL = "urn:ngsi-ld:null"


def json_of(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return None


def object_of(data: bytes) -> dict[str, Any]:
    found = json_of(data)
    return found if isinstance(found, dict) else {}


# -- entities


def read_whole(data: bytes) -> None:
    """An entity in each form; what is rendered is read back as the document that it was."""
    body = object_of(data)
    with suppress(LandbridgeError):
        simple = parse_entity(body, OWN, simplified=True)
        render(simple, Rendering(OWN, "simplified", language=("en", "*")))
    document = parse_entity(body, OWN)
    for form in ("normalized", "concise"):
        shown = render(document, Rendering(OWN, form, system=True))
        again = parse_entity(orjson.loads(orjson.dumps(shown)), OWN)
        assert again == document, f"{form}: {shown}"
    render(document, Rendering(OWN, "simplified", language=("en", "*"), datasets=("@none", "urn:x:1")))
    render_feature(document, Rendering(OWN, "concise", context=True))
    for version in ((1, 3), (1, 6)):
        amended(render(document, Rendering(OWN)), version)


def read_merge(data: bytes) -> None:
    """A merge and a partial update; what comes of them is an attribute that can be sent and read again."""
    given = object_of(data)
    old = parse_attributes({"a": given.get("old")}, OWN)["a"]
    how = Merging(OWN, "2020-01-01T00:00:00Z" if given.get("observed") else None, "en" if given.get("lang") else None)
    after = []
    for simplified in (False, True):
        with suppress(LandbridgeError):
            fragment = parse_fragment({"a": given.get("part")}, OWN, simplified=simplified, nulls=True, partial=True)
            for part in fragment["attrs"]["a"]:
                after.append(merged(instance_of(old, part.get("datasetId")), part, how, "a"))
    with suppress(LandbridgeError):
        after.append(updated(old[0], parse_part(given.get("part"), Reading(OWN, nulls=True), "a"), "a"))
    with suppress(LandbridgeError):
        parse_fragment(given, OWN, nulls=True)
    for one in after:
        if one is not None:
            shown = render({"id": "urn:x:1", "type": ["T"], "attrs": {"a": [one]}}, Rendering(OWN, system=True))
            assert parse_attributes({"a": shown["a"]}, OWN)["a"] == [one], shown


def call_of(data: bytes, media: str, link: str = "") -> Ask:
    headers = [(b"content-type", media.encode())] + ([(b"link", link.encode())] if link else [])
    scope = {"type": "http", "method": "PATCH", "path": "/", "query_string": b"", "headers": headers}
    return Ask(Request(scope), OPERATOR, data)


def read_bodies(data: bytes) -> None:
    """Bodies with their contexts, one entity and many, as each media type has them."""
    link = '<https://example.com/c>; rel="http://www.w3.org/ns/json-ld#context"'
    for media, header in (
        ("application/json", link),
        ("application/ld+json", ""),
        ("application/merge-patch+json", ""),
    ):
        call = call_of(data, media, header)
        with suppress(LandbridgeError):
            read_body(Call(call.request, OPERATOR, data), CONTEXTS)
        with suppress(LandbridgeError):
            read_entity(call, CONTEXTS, simplified=False)
        batches = Batches(None, CONTEXTS)  # type: ignore[arg-type] # reading needs no pool
        for one in (whole(True), whole(False), lambda body, terms: order_of(body, terms, simplified=False, nulls=True)):
            with suppress(LandbridgeError):
                batches.read(call, one)
    with suppress(LandbridgeError):
        parse_foreign(json_of(data), "urn:x:source", OWN, CONTEXTS)


# -- contexts


def read_context(data: bytes) -> None:
    """A context document: what a name means, and that the name given back means the same."""
    context = read_json(data, "https://example.com/own")
    terms = CONTEXTS.terms([context, CORE_URL])
    names = [name for name in terms.terms if name not in OWN.terms][:40]
    for name in [*names, "unknown", "ex:more", "https://example.com/z", "urn:x:y", *NAMES]:
        try:
            stored = terms.expand(name)
        except LandbridgeError:
            continue
        short = terms.compact(stored)
        assert terms.expand(short) == stored, (name, stored, short)
        assert terms.compact(terms.expand(short)) == short
    terms.document()
    CONTEXTS.forget()


NAMES = ("a", "a:b", "b", "b:c", "https:x", "type", "id", "location", "a/b", "_:a", "", ":", "@x")


# -- what stands beside entities


def read_question(data: bytes) -> None:
    """The Query of a POST request, down to the question that the pool is asked."""
    taken, selectors = read_members(object_of(data), OWN)
    wanted = wanted_of(taken, OWN, "", "application/json")
    query = read_query(wanted, selectors)
    read_lifetime(taken)
    read_join(wanted, query.where)


def read_subscription(data: bytes) -> None:
    """A subscription, a fragment that changes it, how both are shown; also as one to registrations."""
    given = object_of(data)
    given_id(given, "Subscription")
    kept = new_body(given, OWN, CONTEXTS, "", "urn:s:1")
    show(kept)
    timed = with_times(kept, given)
    watch_of("", "urn:s:1", timed, CONTEXTS)
    fragment = given.get("fragment", {"q": "a>1", "description": None})
    with suppress(LandbridgeError):
        if isinstance(fragment, Mapping):
            show(changed_body(kept, dict(fragment), Terms(), CONTEXTS, "", "urn:s:1"))


def show(kept: dict[str, Any]) -> None:
    again = orjson.loads(orjson.dumps(kept))  # as the store has it
    understand("", "urn:s:1", again, CONTEXTS)
    for secrets in (True, False):
        show_subscription(again, Terms(), CONTEXTS, "", {}, secrets=secrets)


def read_registration(data: bytes) -> None:
    """A registration, what it offers, and whether it is what somebody looks for."""
    given = object_of(data)
    with suppress(LandbridgeError):
        parse_update(given, OWN, NOW)
    kept = orjson.loads(orjson.dumps(parse_registration(given, OWN, NOW)))
    show_registration(kept, OWN, secrets=False)
    offer = offer_of("urn:r:1", "", kept)
    offer.names_of("urn:x:1", ["A"])
    offer.narrowed(None, ("urn:x:1",), None, ("a",))
    for where in (asked.where for asked in QUESTIONS):
        if where is not None:
            holds(where, kept)
    geo, scope = QUESTIONS[0].geo, QUESTIONS[0].scope
    assert geo is not None and scope is not None
    lies(geo, kept)
    in_scope(scope, kept)
    in_time(None, kept)


def read_snapshot(data: bytes) -> None:
    for name, value in object_of(data).items():
        with suppress(LandbridgeError):
            if name in SETTABLE:
                SETTABLE[name](value)


QUESTIONS = tuple(
    read_query(wanted_of(given, OWN, "", "application/json"))
    for given in (
        {"q": "a>1;b~=x.*|c==1..5", "georel": "near;maxDistance==2000", "geometry": "Point", "coordinates": "[8,40]",
         "scopeQ": "/a/#"},
        {"q": "a[b.c]!=\"x\",true;d.e<=2"},
    )
)  # fmt: skip
WORDS = (
    "id",
    "type",
    "value",
    "object",
    "languageMap",
    "vocab",
    "json",
    "valueList",
    "objectList",
    "datasetId",
    "unitCode",
    "@context",
    "@id",
    "@type",
    "@value",
    "@none",
    "scope",
    "expiresAt",
    "location",
    "dataset",
    "previousValue",
    "createdAt",
    "entities",
    "notification",
    "endpoint",
    "uri",
    "ngsildproof",
    "speed",
    "owner",
    "coordinates",
    "Property",
    "Relationship",
    "GeoProperty",
    "LanguageProperty",
    "VocabProperty",
    "ListProperty",
    "JsonProperty",
    "urn:ngsi-ld:null",
    "information",
    "geoQ",
    "q",
    "idPattern",
    "key",
    "@vocab",
    "@prefix",
    "@import",
    "Point",
    "Polygon",
    "old",
    "part",
)
TARGETS = tuple(
    Target(name, read, json=True, words=words)
    for name, read, words in (
        ("entity", read_whole, WORDS),
        ("merge", read_merge, WORDS),
        ("batch", read_bodies, WORDS),
        ("context", read_context, (*WORDS, "a", "b", "c", "a:b", "b:", ":", "/", "#", "_:", "https:", "//")),
        ("query", read_question, WORDS),
        ("subscription", read_subscription, WORDS),
        ("registration", read_registration, WORDS),
        ("snapshot", read_snapshot, WORDS),
    )
)
