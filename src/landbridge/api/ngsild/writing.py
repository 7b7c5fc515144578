"""What the writing operations share: their parameters, the entity that is meant, and how the outcome is told."""

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response

from landbridge.api.http.condition import seen_states
from landbridge.api.ngsild.answer import done
from landbridge.api.ngsild.fault import InvalidRequest
from landbridge.api.ngsild.operation import Ask, Parameter
from landbridge.api.ngsild.parameter import FLAG, FORMS, JSON, TYPE
from landbridge.api.ngsild.path import entity_id
from landbridge.api.ngsild.selection import parse_types
from landbridge.model.answer import Document
from landbridge.model.parser import parse_fragment
from landbridge.model.terms import Terms, full_name
from landbridge.pool.alter import Fragment
from landbridge.pool.target import Target
from landbridge.pool.write import Written

LOCAL = Parameter("local", "true: only what this pool holds itself is changed.", FLAG)
FORM_OPTIONS = Parameter("options", "The form of the body: normalized, concise, keyValues or simplified.")
FORM = Parameter("format", "The form of the body.", {"type": "string", "enum": list(FORMS)})
IF_TYPE = Parameter("type", TYPE.about + " The entity has to be of it.")
NO_OVERWRITE = "noOverwrite"


def read_options(given: Mapping[str, str], *further: str) -> frozenset[str]:
    """The options of a write, of which `further` are possible beside the forms. Raises InvalidRequest."""
    options = frozenset(option for option in given.get("options", "").split(",") if option)
    for option in options - set(further) - set(FORMS):
        known = ", ".join([*further, *FORMS])
        raise InvalidRequest(f"'{option[:40]}' is no option here.", where="options", hint=f"Use {known}.")
    form = given.get("format")
    if form is not None and form not in FORMS:
        raise InvalidRequest(f"'{form[:40]}' is no format.", where="format", hint=f"Use {', '.join(FORMS)}.")
    return options | {form} if form else options


def is_simplified(options: frozenset[str]) -> bool:
    return any(FORMS.get(option) == "simplified" for option in options)


def read_target(ask: Ask, terms: Terms) -> Target:
    """The entity that the address names, if it is of the type and in the state that the caller says."""
    types = parse_types(ask.given["type"], terms) if "type" in ask.given else None
    return Target(entity_id(ask.path), types, seen_states(ask.request))


def read_fragment(
    body: Mapping[str, Any], terms: Terms, *, simplified: bool = False, nulls: bool = False, partial: bool = False
) -> Fragment:
    """A fragment of an entity as the pool takes it."""
    return fragment_of(parse_fragment(body, terms, simplified=simplified, nulls=nulls, partial=partial))


def fragment_of(read: Document) -> Fragment:
    return Fragment(read["attrs"], read.get("type", ()), read.get("scope"), read.get("expiresAt"))


def render_written(written: Written, tenant: str) -> Response:
    """204 where everything was written, else 207 with what was and what was not (NGSI-LD 5.2.18, 5.2.19).

    Attributes are named by their IRIs, as the standard has it.
    """
    if not written.not_updated:
        return done(tenant)
    left = [{"attributeName": full_name(name), "reason": reason} for name, reason in written.not_updated]
    return told(207, {"updated": [full_name(name) for name in written.updated], "notUpdated": left}, tenant)


def told(status: int, body: Any, tenant: str) -> Response:
    """A JSON answer; the tenant is named back."""
    answer = Response(orjson.dumps(body), status, None, JSON)
    if tenant:
        answer.headers["NGSILD-Tenant"] = tenant
    return answer
