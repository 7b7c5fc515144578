"""Contexts: add, list, serve, delete, reload (NGSI-LD 5.13, 6.29, 6.30). Each is three calls: parse, pool, render."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import orjson
from starlette.responses import Response

from landbridge.api.http.accept import choose
from landbridge.api.http.problem import WrongMedia
from landbridge.api.ngsild.answer import done
from landbridge.api.ngsild.fault import InvalidRequest, NotSupported
from landbridge.api.ngsild.operation import Ask, Operation, Parameter, Served
from landbridge.api.ngsild.parameter import FLAG, JSON, JSON_LD, named_tenant
from landbridge.api.ngsild.path import root_of
from landbridge.errors import InvalidEntity, InvalidQuery
from landbridge.model.instant import format_instant
from landbridge.model.terms import HOSTED, Contexts
from landbridge.pool.context import KINDS, ContextRecord, KeptContexts

DETAILS = Parameter("details", "With kind, times and use of each, in place of the address or the content alone.", FLAG)
KIND = Parameter("kind", "Only contexts of this kind.", {"type": "string", "enum": list(KINDS)})
RELOAD = Parameter("reload", "Fetch the copy anew in place of forgetting it.", FLAG)

ADD = Operation(
    "createContext", "6.29.3.1", "POST", "/jsonldContexts", "Keep an @context for everyone to use.",
    body="ContextDocument", answers={201: ""},
)  # fmt: skip
LIST = Operation(
    "listContexts", "6.29.3.2", "GET", "/jsonldContexts", "List the @contexts that are kept.", (DETAILS, KIND),
    answers={200: "ContextList"},
)  # fmt: skip
SERVE = Operation(
    "retrieveContext", "6.30.3.1", "GET", "/jsonldContexts/{contextId}", "Serve an @context.", (DETAILS,),
    answers={200: "ContextAnswer", 422: "ProblemDetails"},
)  # fmt: skip
DELETE = Operation(
    "deleteContext", "6.30.3.2", "DELETE", "/jsonldContexts/{contextId}", "Delete an @context, or fetch it anew.",
    (RELOAD,), answers={204: ""},
)  # fmt: skip


class ContextServer:
    """The operations on contexts, over those that a pool keeps; `contexts` reads what is added."""

    def __init__(self, kept: KeptContexts, contexts: Contexts) -> None:
        self.kept = kept
        self.contexts = contexts

    def served(self) -> tuple[Served, ...]:
        return (
            Served(ADD, self.add),
            Served(LIST, self.list),
            Served(SERVE, self.serve),
            Served(DELETE, self.delete),
        )

    def add(self, ask: Ask) -> Response:
        """NGSI-LD 6.29.3.1, add an @context: it is read first, so what it names is fetched now or refused."""
        tenant = named_tenant(ask.request)
        context = read_context(ask)
        self.contexts.terms(context, tenant)
        id_ = self.kept.add(ask.actor, tenant, context)
        return done(tenant, 201, {"Location": HOSTED + quote(id_)})

    def list(self, ask: Ask) -> Response:
        """NGSI-LD 6.29.3.2, list the @contexts."""
        tenant = named_tenant(ask.request)
        media = choose(ask.request.headers.get("accept"), (JSON, JSON_LD))
        kind, details = one_of(ask, "kind", KINDS), flag(ask, "details")
        found = self.kept.listed(ask.actor, tenant, kind)
        root = self.kept.said or root_of(ask.request)
        shown = [described(record, root) if details else address_of(record, root) for record in found]
        return render(shown, tenant, media)

    def serve(self, ask: Ask) -> Response:
        """NGSI-LD 6.30.3.1, serve an @context, or with `details=true` what is known of it."""
        tenant = named_tenant(ask.request)
        details = flag(ask, "details")
        media = choose(ask.request.headers.get("accept"), (JSON, JSON_LD))
        record, document = self.kept.one(ask.actor, tenant, ask.path["contextId"])
        if details:
            return render(described(record, self.kept.said or root_of(ask.request)), tenant, media)
        if record.kind == "Cached":
            raise NotSupported("A cached @context is not served.", where=record.url, hint="It is at its own address.")
        return render(document, tenant, media)

    def delete(self, ask: Ask) -> Response:
        """NGSI-LD 6.30.3.2, delete an @context; with `reload=true` fetch the copy anew."""
        tenant = named_tenant(ask.request)
        act = self.kept.reload if flag(ask, "reload") else self.kept.delete
        act(ask.actor, tenant, ask.path["contextId"])
        return done(tenant)


def read_context(ask: Ask) -> Any:
    """What the body holds under @context (NGSI-LD 5.13.2.4, 5.5.4)."""
    media = ask.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in (JSON, JSON_LD):
        raise WrongMedia(f"The body is {media or 'of no stated type'}.", hint=f"Send {JSON} or {JSON_LD}.")
    try:
        body = orjson.loads(ask.body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"The body is no JSON: {error}.") from None
    if not isinstance(body, dict) or "@context" not in body:
        raise InvalidRequest("The body is no JSON object with a member @context.")
    context = body["@context"]
    if not isinstance(context, str | dict | list):
        raise InvalidEntity("A context is an address, an object or a list of them.", where="@context")
    return context


def flag(ask: Ask, name: str) -> bool:
    return one_of(ask, name, ("true", "false")) == "true"


def one_of(ask: Ask, name: str, choices: tuple[str, ...]) -> str | None:
    """A parameter that is one of a few words; raises InvalidQuery."""
    given = ask.given.get(name)
    if given is not None and given not in choices:
        raise InvalidQuery(f"'{given[:40]}' is none of its values.", where=name, hint=f"Use {', '.join(choices)}.")
    return given


def address_of(record: ContextRecord, root: str) -> str:
    return record.url or root + HOSTED + quote(record.id)


def described(record: ContextRecord, root: str) -> dict[str, Any]:
    """What is known of a context (NGSI-LD 5.13.3.5)."""
    found: dict[str, Any] = {
        "URL": address_of(record, root),
        "localId": record.id,
        "kind": record.kind,
        "createdAt": format_instant(record.created),
    }
    if record.used is not None:
        found["lastUsage"] = format_instant(record.used)
    return found | {"numberOfHits": record.hits}


def render(shown: Any, tenant: str, media: str = JSON) -> Response:
    headers: Mapping[str, str] = {"NGSILD-Tenant": tenant} if tenant else {}
    return Response(orjson.dumps(shown), 200, headers, media)
