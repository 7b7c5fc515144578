"""`GET /provenance/{entity}[/{attribute}]`: where values come from. Raw rows only for whoever may see them."""

from dataclasses import asdict
from typing import Any

from starlette.responses import Response

from landbridge.api.http.resource import Call
from landbridge.api.ngsild.answer import answer
from landbridge.api.ngsild.operation import Ask, read_parameters
from landbridge.api.ngsild.parameter import JSON, read_wanted
from landbridge.api.ngsild.path import segments
from landbridge.errors import Missing
from landbridge.model.answer import Trace
from landbridge.model.instant import format_instant
from landbridge.model.terms import Contexts
from landbridge.pool.pool import Pool

PROVENANCE = "/provenance"
TIMES = ("recorded", "observed_at", "holds_until")
NAMES = {"dataset_id": "datasetId", "observed_at": "observedAt", "holds_until": "holdsUntil", "unit": "unitCode"}


class Origins:
    """Provenance, over one pool."""

    def __init__(self, pool: Pool, contexts: Contexts) -> None:
        self.pool = pool
        self.contexts = contexts

    def explain(self, call: Call) -> Response:
        """The traces of an entity's instances, by attribute as the client's context names it."""
        ask = Ask(call.request, call.actor, call.body, read_parameters(call.request, frozenset()))
        wanted = read_wanted(ask, self.contexts, self.pool, JSON)
        parts = segments(call.request, PROVENANCE)
        if len(parts) > 2:
            raise Missing("There is nothing at this address.")
        attribute = wanted.terms.expand(parts[1]) if len(parts) == 2 else None
        traces = self.pool.explain(call.actor, parts[0], attribute, tenant=wanted.tenant)
        shown: dict[str, list[dict[str, Any]]] = {}
        for trace in traces:
            shown.setdefault(wanted.terms.compact(trace.attribute), []).append(render_trace(trace))
        return answer(wanted, {"entity": parts[0], "attributes": shown})


def render_trace(trace: Trace) -> dict[str, Any]:
    """A trace without what is unknown or not to be seen; times as text."""
    told = {name: value for name, value in asdict(trace).items() if value is not None}
    del told["entity"], told["attribute"]
    for name in TIMES:
        if name in told:
            told[name] = format_instant(told[name])
    return {NAMES.get(name, name): value for name, value in told.items()}
