"""The push door: POST /sources/{name}/rows, answered once the rows are in the pool.

The serving process checks who asks and how much is sent; the worker, which runs the source, does the rest.
"""

import base64
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from starlette.responses import Response
from starlette.routing import Route

from landbridge.api.http.caller import Callers
from landbridge.api.http.problem import Fault, Faults, TooLarge
from landbridge.api.http.resource import Call, Resource
from landbridge.errors import (
    Damaged,
    Exists,
    Failed,
    Invalid,
    LandbridgeError,
    Missing,
    Refused,
    TooMuch,
    Unauthenticated,
    Unreachable,
)
from landbridge.pool.pool import Pool

DOOR = "push"
ABOUT = "about:blank"
FAULTS = Faults(
    (
        Fault(Unauthenticated, 401, ABOUT, "Nobody known is asking"),
        Fault(Refused, 403, ABOUT, "Not allowed"),
        Fault(Missing, 404, ABOUT, "No such source"),
        Fault(Exists, 409, ABOUT, "Already there"),
        Fault(TooLarge, 413, ABOUT, "Too large"),
        Fault(Invalid, 400, ABOUT, "Not understood"),
        Fault(TooMuch, 413, ABOUT, "Too much"),
        Fault(Failed, 503, ABOUT, "Not now"),
        Fault(Unreachable, 503, ABOUT, "Not now"),
        Fault(Damaged, 500, ABOUT, "The store cannot do that"),
        Fault(LandbridgeError, 500, ABOUT, "That did not work"),
    )
)
Ask = Callable[[Mapping[str, Any]], Any]


def routes(pool: Pool, callers: Callers, ask: Ask, limit: int) -> list[Route]:
    """The push door's one address. `ask` has the worker do something; `limit` in bytes."""

    def push(call: Call) -> Response:
        name = call.request.path_params["name"]
        with pool.asked(call.actor, "push", "send rows", name):
            if call.actor.source is not None and call.actor.source != name:
                raise Refused(
                    f"This token speaks for the source '{call.actor.source}'.",
                    hint="Use the token of the source that you send to.",
                )
        order = {
            "do": "push",
            "source": name,
            "body": base64.b64encode(call.body).decode(),
            "type": call.request.headers.get("content-type", "application/json"),
            "key": call.request.headers.get("idempotency-key"),
            "request": call.actor.request,
        }
        try:
            receipt = ask(order)
        except TooMuch as error:
            if error.where == "busy":
                return busy(error, call.actor.request)
            raise
        return Response(orjson.dumps(receipt), 200, media_type="application/json")

    return [Route("/sources/{name}/rows", Resource({"POST": push}, callers, FAULTS, DOOR, limit), methods=["POST"])]


def busy(error: TooMuch, number: str) -> Response:
    """Too much waits: come back in a moment."""
    return FAULTS.write(503, ABOUT, "Not now", str(error), number, {"Retry-After": "2"})
