"""What became of an operation in several places, told as one answer (NGSI-LD 6.3.17, 5.2.16 to 5.2.19)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.responses import Response

from landbridge.api.ngsild.answer import done
from landbridge.api.ngsild.fault import BLANK, TYPES, problem
from landbridge.api.ngsild.parameter import JSON
from landbridge.errors import LandbridgeError
from landbridge.federation.line import Reply
from landbridge.federation.offer import Offer
from landbridge.federation.share import Share

MULTI, LOOP = 207, 508
GATEWAY = {502: "Bad gateway", 504: "Gateway timeout", 508: "Loop detected"}


@dataclass(frozen=True)
class Outcome:
    """What became of it in one place: here (`offer` None) or at a source.

    `detail` are the problem details of what failed; `names` the IRIs of the attributes that it was about; `body` what
    the place answered.
    """

    status: int
    offer: Offer | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    names: Sequence[str] = ()
    body: Any = None
    response: Response | None = None
    error: LandbridgeError | None = None

    @property
    def fine(self) -> bool:
        return 200 <= self.status < 300 and self.status != MULTI


def from_here(response: Response, names: Sequence[str]) -> Outcome:
    body = orjson.loads(response.body) if response.body else None
    return Outcome(response.status_code, names=names, body=body, response=response)


def from_error(error: LandbridgeError, names: Sequence[str]) -> Outcome:
    detail = problem(error)
    return Outcome(detail["status"], detail=detail, names=names, error=error)


def from_reply(reply: Reply, names: Sequence[str]) -> Outcome:
    """What a source answered: an answer that never came is 504, one that makes no sense 502."""
    if reply.fine:
        return Outcome(reply.status, reply.offer, names=names, body=reply.body)
    status = 504 if not reply.status else 502 if reply.status >= 500 and reply.status != LOOP else reply.status
    said = reply.body if isinstance(reply.body, dict) and "title" in reply.body else {}
    title = GATEWAY.get(status, f"The context source answers {status}")
    own = {"type": BLANK, "title": title, "status": status, "detail": reply.text or f"{reply.offer.id} says {status}."}
    kept = {name: said[name] for name in ("type", "title", "detail") if isinstance(said.get(name), str)}
    return Outcome(status, reply.offer, own | (kept if status < 500 else {}), names, reply.body)


def from_share(share: Share, names: Sequence[str]) -> Outcome:
    """A source that holds it and is not asked: it lacks the operation, or the request has come from there."""
    if share.looping:
        detail = {"type": BLANK, "title": GATEWAY[508], "status": 508, "detail": "The request has been here before."}
    else:
        detail = {
            "type": TYPES + "Conflict",
            "title": "Conflict",
            "status": 409,
            "detail": f"The source of {share.offer.id} holds this, and does not offer the operation.",
        }
    return Outcome(detail["status"], share.offer, detail, names)  # type: ignore[arg-type] # the status is a number


# -- as one answer


def answered(body: Any, status: int, tenant: str) -> Response:
    return Response(orjson.dumps(body), status, {"NGSILD-Tenant": tenant} if tenant else None, JSON)


def single(outcome: Outcome, tenant: str) -> Response:
    """The only outcome there is, as it is."""
    if outcome.error is not None:
        raise outcome.error
    if outcome.response is not None:
        return outcome.response
    if outcome.status == MULTI:
        return answered(update_result([outcome]), MULTI, tenant)
    return answered(outcome.detail, outcome.status, tenant)


def update_result(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """An UpdateResult of all places (NGSI-LD 5.2.18, 5.2.19)."""
    updated: dict[str, None] = {}
    left: list[dict[str, str]] = []
    for outcome in outcomes:
        told = outcome.body if outcome.status == MULTI and isinstance(outcome.body, dict) else None
        if outcome.fine:
            updated |= dict.fromkeys(outcome.names)
        elif told is not None and isinstance(told.get("notUpdated"), list):
            updated |= dict.fromkeys(name for name in told.get("updated", ()) if isinstance(name, str))
            left += [not_updated(one, outcome) for one in told["notUpdated"] if isinstance(one, dict)]
        else:
            reason = outcome.detail.get("detail") or "Not everything was updated."
            left += [not_updated({"attributeName": name, "reason": reason}, outcome) for name in outcome.names]
    gone = {one["attributeName"] for one in left}
    return {"updated": [name for name in updated if name not in gone], "notUpdated": left}


def not_updated(one: Mapping[str, Any], outcome: Outcome) -> dict[str, str]:
    found = {"attributeName": str(one.get("attributeName", "")), "reason": str(one.get("reason", ""))}
    return found | ({"registrationId": outcome.offer.id} if outcome.offer else {})


def batch_error(id_: str, outcome: Outcome) -> dict[str, Any]:
    """A BatchEntityError (NGSI-LD 5.2.17)."""
    named = {"registrationId": outcome.offer.id} if outcome.offer else {}
    return {"entityId": id_, **named, "error": dict(outcome.detail)}


def batch_result(id_: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """A BatchOperationResult of one entity (NGSI-LD 5.2.16)."""
    errors = [batch_error(id_, one) for one in outcomes if not one.fine]
    return {"success": [id_] if any(one.fine for one in outcomes) else [], "errors": errors}


def empty(status: int, tenant: str, location: str | None = None) -> Response:
    return done(tenant, status, {"Location": location} if location else None)
