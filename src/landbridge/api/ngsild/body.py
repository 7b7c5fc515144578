"""The body of a writing request: JSON, with its @context in the body or in the Link header (NGSI-LD 6.3.4, 6.3.5)."""

from typing import Any

import orjson

from landbridge.api.http.problem import WrongMedia
from landbridge.api.http.resource import Call
from landbridge.api.ngsild.fault import InvalidRequest
from landbridge.api.ngsild.parameter import JSON, JSON_LD, link_context
from landbridge.errors import InvalidEntity
from landbridge.model.terms import Contexts, Terms


def read_body(call: Call, contexts: Contexts) -> tuple[dict[str, Any], Terms]:
    """The JSON object of a body without its @context, and the terms to read it with."""
    media = call.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in (JSON, JSON_LD):
        raise WrongMedia(f"The body is {media or 'of no stated type'}.", hint=f"Send {JSON} or {JSON_LD}.")
    try:
        body = orjson.loads(call.body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"The body is no JSON: {error}.") from None
    if not isinstance(body, dict):
        raise InvalidRequest("The body is no JSON object.")
    linked = link_context(call.request)
    inside = body.pop("@context", None)
    if media == JSON_LD and (inside is None or linked is not None):
        raise InvalidEntity(
            "An application/ld+json body carries its @context, and the Link header none.", where="@context"
        )
    if media == JSON and inside is not None:
        raise InvalidEntity(
            "An application/json body has no @context.", where="@context", hint="Send application/ld+json, or a Link."
        )
    return body, contexts.terms(linked if media == JSON else inside)
