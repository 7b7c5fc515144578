"""From an error's kind to NGSI-LD's answer (NGSI-LD 5.5.2, 6.3.2); its media type is plain JSON, as 5.5.3 says."""

from typing import Any

from landbridge.api.http.problem import (
    Fault,
    Faults,
    LengthRequired,
    NotAcceptable,
    NotAllowed,
    TooLarge,
    WrongMedia,
)
from landbridge.errors import (
    Conflicting,
    Damaged,
    Exists,
    Invalid,
    InvalidEntity,
    InvalidQuery,
    LandbridgeError,
    Missing,
    Outdated,
    Refused,
    TooMuch,
    Unauthenticated,
    Unreachable,
)

TYPES = "https://uri.etsi.org/ngsi-ld/errors/"
BLANK = "about:blank"


class InvalidRequest(Invalid):
    """The request itself is malformed: no JSON, a parameter that does not exist or does not fit."""


class NotSupported(Invalid):
    """The operation exists, and not for what is asked here."""


class NoTenant(Missing):
    """Nothing was ever written for this tenant."""


FAULTS = Faults(
    (
        Fault(Unauthenticated, 401, BLANK, "Unauthorized"),
        Fault(Refused, 403, BLANK, "Forbidden"),
        Fault(NoTenant, 404, TYPES + "NonexistentTenant", "Nonexistent tenant"),
        Fault(Missing, 404, TYPES + "ResourceNotFound", "Resource not found"),
        Fault(NotAllowed, 405, BLANK, "Method not allowed"),
        Fault(NotAcceptable, 406, BLANK, "Not acceptable"),
        Fault(Conflicting, 409, TYPES + "Conflict", "Conflict"),
        Fault(Outdated, 412, BLANK, "Precondition failed"),
        Fault(Exists, 409, TYPES + "AlreadyExists", "Already exists"),
        Fault(LengthRequired, 411, BLANK, "Length required"),
        Fault(TooLarge, 413, BLANK, "Content too large"),
        Fault(WrongMedia, 415, BLANK, "Unsupported media type"),
        Fault(TooMuch, 403, TYPES + "TooComplexQuery", "Too complex query"),
        Fault(NotSupported, 422, TYPES + "OperationNotSupported", "Operation not supported"),
        Fault(InvalidRequest, 400, TYPES + "InvalidRequest", "Invalid request"),
        Fault(InvalidQuery, 400, TYPES + "BadRequestData", "Bad request data"),
        Fault(InvalidEntity, 400, TYPES + "BadRequestData", "Bad request data"),
        Fault(Invalid, 400, TYPES + "BadRequestData", "Bad request data"),
        Fault(Unreachable, 504, TYPES + "LdContextNotAvailable", "@context not available"),
        Fault(Damaged, 500, TYPES + "InternalError", "Internal error"),
        Fault(LandbridgeError, 500, TYPES + "InternalError", "Internal error"),
    ),
    "application/json",
)


def problem(error: LandbridgeError) -> dict[str, Any]:
    """An error of one entity among many, as problem details (NGSI-LD 5.2.17, RFC 9457)."""
    fault = next(fault for fault in FAULTS.table if isinstance(error, fault.kind))
    return {"type": fault.type, "title": fault.title, "status": fault.status, "detail": str(error)}
