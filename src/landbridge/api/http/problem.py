"""From an error's kind to an answer: one table per standard, and one way to write it (RFC 9457's members).

An unknown exception is logged with its traceback under the request's number; the caller sees only that number.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson
from starlette.responses import Response

from landbridge.errors import LandbridgeError, TooMuch

LOG = logging.getLogger(__name__)


class TooLarge(TooMuch):
    """A request's body or head is larger than is taken."""


class NotAllowed(LandbridgeError):
    """The resource has no such method; `methods` are those it has."""

    def __init__(self, method: str, methods: Sequence[str]) -> None:
        super().__init__(f"{method} is not possible here.", hint=f"Use {', '.join(methods)}.")
        self.methods = methods


class LengthRequired(LandbridgeError):
    """The request does not say how long its body is."""


class NotAcceptable(LandbridgeError):
    """None of the forms that the caller takes can be given."""


class WrongMedia(LandbridgeError):
    """The body comes in a form that is not read."""


@dataclass(frozen=True)
class Fault:
    """How a standard answers one kind of error."""

    kind: type[BaseException]
    status: int
    type: str
    title: str


@dataclass(frozen=True)
class Faults:
    """A standard's table, most special kinds first, and the media type of its answers."""

    table: Sequence[Fault]
    media_type: str = "application/problem+json"
    headers: dict[str, str] = field(default_factory=dict)

    def answer(self, error: LandbridgeError, number: str) -> Response:
        """Say a known error."""
        fault = next(fault for fault in self.table if isinstance(error, fault.kind))
        headers = {**self.headers, **error.told}
        if isinstance(error, NotAllowed):
            headers["Allow"] = ", ".join(error.methods)
        if fault.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        if fault.status >= 500:
            LOG.log(logging.ERROR if fault.status == 500 else logging.INFO, "request %s: %s", number, error)
        if fault.status == 411:
            return Response(None, 411, headers)  # its sender reads no answer
        return self.write(fault.status, fault.type, fault.title, str(error), number, headers)

    def unknown(self, error: Exception, number: str) -> Response:
        """Say an error that nobody foresaw: a number to quote and nothing else."""
        LOG.error("request %s failed", number, exc_info=error)
        detail = f"Something went wrong inside. Quote the number {number} to the operator."
        fault = self.table[-1]
        return self.write(500, fault.type, fault.title, detail, number, dict(self.headers))

    def write(self, status: int, type_: str, title: str, detail: str, number: str, headers: dict[str, str]) -> Response:
        body = {"type": type_, "title": title, "status": status, "detail": detail, "instance": f"urn:request:{number}"}
        return Response(orjson.dumps(body), status, headers, self.media_type)
