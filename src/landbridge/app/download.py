"""The door for tables: GET /export/entities and /export/temporal/entities, in a form that the caller chooses.

The parameters are those of NGSI-LD's queries. The serving process reads the request, says what is wrong with it, and
sends the file; the table itself is made beside it, by a process that has the engines.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import orjson
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from landbridge.api.http.accept import choose
from landbridge.api.http.caller import Callers
from landbridge.api.http.problem import Fault, Faults, NotAcceptable
from landbridge.api.http.resource import Call, Resource
from landbridge.api.ngsild.operation import read_parameters
from landbridge.api.ngsild.parameter import ASKED, ATTRS, DATASET_ID, JSON, link_context, read_tenant, wanted_of
from landbridge.api.ngsild.question import read_query
from landbridge.api.ngsild.temporal_question import (
    AS_OF,
    END_TIME_AT,
    TIME_AT,
    TIMEPROPERTY,
    TIMEREL,
    question_of,
    read_temporal,
)
from landbridge.errors import (
    Damaged,
    Failed,
    Invalid,
    InvalidQuery,
    LandbridgeError,
    Missing,
    Refused,
    TooMuch,
    Unauthenticated,
    Unreachable,
)
from landbridge.governance.policy import Actor, Role
from landbridge.model.terms import Contexts, Terms
from landbridge.pool.pool import Pool

DOOR = "export"
ABOUT = "about:blank"
PART = 1 << 18  # bytes that are sent together
FORMS = {
    "parquet": ("application/vnd.apache.parquet", "parquet"),
    "csv": ("text/csv; charset=utf-8", "csv"),
    "jsonl": ("application/jsonl", "jsonl"),
    "arrow": ("application/vnd.apache.arrow.stream", "arrows"),
    "geoparquet": ("application/vnd.apache.parquet", "parquet"),
}  # media type and the ending of a file's name
MEDIA = {media.partition(";")[0]: form for form, (media, _) in reversed(FORMS.items()) if form != "geoparquet"}
OWN = frozenset({"format", "provenance"})
SELECTING = frozenset(parameter.name for parameter in (*ASKED, ATTRS)) - {"csf", "splitEntities"}
TEMPORAL = frozenset(one.name for one in (TIMEREL, TIME_AT, END_TIME_AT, TIMEPROPERTY, AS_OF, DATASET_ID))
FAULTS = Faults(
    (
        Fault(Unauthenticated, 401, ABOUT, "Nobody known is asking"),
        Fault(Refused, 403, ABOUT, "Not allowed"),
        Fault(Missing, 404, ABOUT, "Nothing here"),
        Fault(NotAcceptable, 406, ABOUT, "No such form"),
        Fault(Invalid, 400, ABOUT, "Not understood"),
        Fault(TooMuch, 503, ABOUT, "Not now"),
        Fault(Failed, 503, ABOUT, "Not now"),
        Fault(Unreachable, 503, ABOUT, "Not now"),
        Fault(Damaged, 500, ABOUT, "The store cannot do that"),
        Fault(LandbridgeError, 500, ABOUT, "That did not work"),
    )
)
Ask = Callable[[Mapping[str, Any]], Any]


@dataclass(frozen=True)
class Order:
    """What is to be taken away, and in which form. `context`: the address of the names' @context; None: the city's."""

    history: bool
    form: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    tenant: str = ""
    provenance: bool = False
    context: str | None = None

    def terms(self, contexts: Contexts) -> Terms:
        """The names that the columns and the rows have."""
        return contexts.own if self.context is None else contexts.terms(self.context, self.tenant)


def routes(pool: Pool, callers: Callers, contexts: Contexts, ask: Ask) -> list[Route]:
    """The two addresses. `ask` has the historian make a file: {path, rows}, as JSON."""

    def door(history: bool) -> Callable[[Call], Response]:
        def get(call: Call) -> Response:
            with pool.asked(call.actor, "read", "take tables away"):
                order = read_order(call, contexts, pool, history)
            made = orjson.loads(ask({"do": "export", "order": asdict(order), "actor": asdict(call.actor)}))
            return sent(Path(made["path"]), order)

        return get

    return [
        Route(f"/export/{path}", Resource({"GET": door(history)}, callers, FAULTS, DOOR), methods=["GET"])
        for path, history in (("entities", False), ("temporal/entities", True))
    ]


def read_order(call: Call, contexts: Contexts, pool: Pool, history: bool) -> Order:
    """Read a request; raises what is wrong with it, so that the process beside gets none that it cannot serve."""
    request = call.request
    given = read_parameters(request, OWN | SELECTING | (TEMPORAL if history else frozenset()))
    form, provenance = given.pop("format", None), given.pop("provenance", "false")
    if form is None:
        form = MEDIA[choose(request.headers.get("accept"), list(MEDIA))]
    if form not in FORMS:
        raise InvalidQuery(f"'{form[:40]}' is no format.", where="format", hint=f"Use {', '.join(FORMS)}.")
    if provenance not in ("true", "false"):
        raise InvalidQuery(f"'{provenance[:40]}' is neither.", where="provenance", hint="Use true or false.")
    order = Order(history, form, given, read_tenant(request, pool), provenance == "true", link_context(request))
    terms = order.terms(contexts)
    local = {**given, "local": "true"}
    if history:
        wanted = read_temporal(local, terms, order.tenant, JSON)
        question_of(wanted, read_query(wanted.entity), 1)
    else:
        read_query(wanted_of(local, terms, order.tenant, JSON))
    return order


def sent(path: Path, order: Order) -> Response:
    """The file as an answer. It has no name any more from here on, so nothing is left whatever happens."""
    media, ending = FORMS[order.form]
    name = "history" if order.history else "entities"
    file = path.open("rb")
    path.unlink()
    headers = {
        "Content-Disposition": f'attachment; filename="{name}.{ending}"',
        "Content-Length": str(os.fstat(file.fileno()).st_size),
        "Cache-Control": "no-store",
        "Vary": "Accept, Authorization, Link",
    }
    return StreamingResponse(parts(file), 200, headers, media_type=media)


def parts(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while part := file.read(PART):
            yield part


def actor_in(told: Mapping[str, Any]) -> Actor:
    """An actor as an order has it."""
    return Actor(told["name"], Role(told["role"]), told["source"], told["request"], told["door"])
