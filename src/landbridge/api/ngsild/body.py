"""The body of a writing request: JSON, with its @context in the body or in the Link header (NGSI-LD 6.3.4, 6.3.5)."""

from collections.abc import Mapping
from typing import Any

import orjson

from landbridge.api.http.problem import WrongMedia
from landbridge.api.http.resource import Call
from landbridge.api.ngsild.fault import InvalidRequest
from landbridge.api.ngsild.parameter import JSON, JSON_LD, link_context, named_tenant
from landbridge.errors import InvalidEntity, InvalidQuery, Unreachable
from landbridge.model.answer import Document
from landbridge.model.entity import NULL
from landbridge.model.parser import parse_entity
from landbridge.model.terms import Contexts, Terms

MERGE_PATCH = "application/merge-patch+json"
MOST_ENTITIES = 10_000  # of one batch


def read_body(call: Call, contexts: Contexts) -> tuple[dict[str, Any], Terms]:
    """The JSON object of a body without its @context, and the terms to read it with."""
    media, body = read_json(call)
    if not isinstance(body, dict):
        raise InvalidRequest("The body is no JSON object.")
    return body, read_context(call, contexts, media, body)


def read_entity(call: Call, contexts: Contexts, *, simplified: bool) -> Document:
    """The entity that a body is; one that is wrong whatever its names mean is refused for that, not for its context."""
    media, body = read_json(call)
    if not isinstance(body, dict):
        raise InvalidRequest("The body is no JSON object.")
    try:
        terms = read_context(call, contexts, media, body)
    except Unreachable:
        parse_entity(body, contexts.terms(None), simplified=simplified)
        raise
    return parse_entity(body, terms, simplified=simplified)


def read_json(call: Call) -> tuple[str, Any]:
    """The media type of a body and its JSON; of a merge patch (RFC 7396) with the NGSI-LD Null for null.

    A body that says nothing of its type is taken for JSON (RFC 9110, 8.3).
    """
    media = call.request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    taken = (JSON, JSON_LD, MERGE_PATCH) if call.request.method == "PATCH" else (JSON, JSON_LD)
    if media not in taken:
        raise WrongMedia(f"The body is {media or 'of no stated type'}.", hint=f"Send {' or '.join(taken)}.")
    try:
        body = orjson.loads(call.body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"The body is no JSON: {error}.") from None
    return media, with_nulls(body) if media == MERGE_PATCH else body


def with_nulls(value: Any) -> Any:
    """A merge patch with what it deletes said as NGSI-LD says it."""
    if value is None:
        return NULL
    if isinstance(value, dict):
        return {key: part if key == "@context" else with_nulls(part) for key, part in value.items()}
    return value


def read_context(call: Call, contexts: Contexts, media: str, body: dict[str, Any]) -> Terms:
    """The terms of a JSON object, whose @context is taken out of it (NGSI-LD 6.3.5)."""
    linked, inside = link_context(call.request), body.pop("@context", None)
    if media == JSON_LD and (inside is None or linked is not None):
        raise InvalidEntity(
            "An application/ld+json body carries its @context, and the Link header none.", where="@context"
        )
    if media != JSON_LD and inside is not None:
        raise InvalidEntity(
            f"An {media} body has no @context.", where="@context", hint="Send application/ld+json, or a Link."
        )
    require_whole(inside)
    return contexts.terms(inside if media == JSON_LD else linked, named_tenant(call.request))


def require_whole(context: Any) -> None:
    """Refuse a relative address in a body: it has no address of its own to begin from (JSON-LD 1.1, 4.1.3)."""
    for one in context if isinstance(context, list) else [context]:
        if isinstance(one, str) and one.startswith(("/", "./", "../")):
            raise InvalidEntity(
                f"The context '{one[:100]}' is no whole address.", where="@context", hint="Begin it with http://HOST."
            )


def read_list(call: Call) -> tuple[str, list[Any]]:
    """The media type and the members of the list that a batch is, none of them null (NGSI-LD 5.6.7.4, 5.5.4)."""
    media, body = read_json(call)
    if not isinstance(body, list):
        raise InvalidRequest("The body is no JSON list.")
    if not body or any(one is None for one in body):
        raise InvalidEntity("A batch is a list of one entity or more, and none is null.", where="body")
    if len(body) > MOST_ENTITIES:
        raise InvalidQuery(f"A batch has at most {MOST_ENTITIES} entities, not {len(body)}.", where="body")
    if media == JSON_LD and link_context(call.request) is not None:
        raise InvalidEntity("An application/ld+json body has no context in the Link header.", where="Link")
    return media, body


def id_in(body: object) -> str:
    """The id that a member of a batch gives, as an error names it; nothing where it gives none."""
    given = body.get("id", body.get("@id")) if isinstance(body, Mapping) else body
    return given[:2000] if isinstance(given, str) else ""
