"""An operation of the standard as data: its address, its clause, what a request may carry and what it may be answered.

From this table come the refusal of unknown parameters (400), of methods (405, `Allow`), and the OpenAPI description.
An operation itself is three calls: parse, pool, render.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from landbridge.api.http.resource import Call, Method
from landbridge.api.ngsild.fault import InvalidRequest
from landbridge.api.ngsild.path import segments
from landbridge.errors import InvalidQuery, Missing

ROOT = "/ngsi-ld/v1"
MOST_PARAMETERS = 100

Verb = Literal["GET", "POST", "PATCH", "PUT", "DELETE"]
Schema = Mapping[str, Any]
TEXT: Schema = MappingProxyType({"type": "string", "minLength": 1})


@dataclass(frozen=True)
class Parameter:
    """A query parameter: its name, a sentence for people, and its JSON Schema."""

    name: str
    about: str
    schema: Schema = field(default_factory=lambda: TEXT, hash=False)


@dataclass(frozen=True)
class Operation:
    """One operation: `path` below ROOT with `{names}` in braces; `body` and `answers` name schemas of the description.

    `answers` maps a status to the schema of its body ("" where it has none); the faults that any operation may give
    (401, 403, 405, 500) are understood.
    """

    name: str
    clause: str
    verb: Verb
    path: str
    about: str
    parameters: tuple[Parameter, ...] = ()
    body: str | None = None
    answers: Mapping[int, str] = field(default_factory=dict, hash=False)

    @property
    def template(self) -> tuple[str, ...]:
        return tuple(self.path.strip("/").split("/"))

    @property
    def known(self) -> frozenset[str]:
        return frozenset(parameter.name for parameter in self.parameters)


@dataclass(frozen=True)
class Ask(Call):
    """A request to an operation: its query parameters, each known and given once, and the parts of its path."""

    given: Mapping[str, str] = field(default_factory=dict)
    path: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Served:
    """An operation and the function that performs it."""

    operation: Operation
    perform: Callable[[Ask], Response]


class Table:
    """All operations by their address, and the methods that a request's address has."""

    def __init__(self, served: Sequence[Served]) -> None:
        self.served = tuple(served)
        self.addresses: dict[tuple[str, ...], dict[str, Served]] = {}
        for one in served:
            self.addresses.setdefault(one.operation.template, {})[one.operation.verb] = one
        self.by_length: dict[int, list[tuple[str, ...]]] = {}
        for template in sorted(self.addresses, key=lambda template: [part.startswith("{") for part in template]):
            self.by_length.setdefault(len(template), []).append(template)

    def methods(self, request: Request) -> Mapping[str, Method]:
        """The methods of the request's address. Raises Missing where there is nothing."""
        parts = segments(request, ROOT)
        for template in self.by_length.get(len(parts), ()):
            if all(own == part or own.startswith("{") for own, part in zip(template, parts, strict=True)):
                names = {own[1:-1]: part for own, part in zip(template, parts, strict=True) if own.startswith("{")}
                return Methods(self.addresses[template], names)
        raise Missing("There is nothing at this address.", where=request.scope["path"][:200])


class Methods(Mapping[str, Method]):
    """The methods of an address, each made when it is asked for."""

    def __init__(self, served: Mapping[str, Served], names: Mapping[str, str]) -> None:
        self.served = served
        self.names = names

    def __getitem__(self, verb: str) -> Method:
        return bound(self.served[verb], self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.served)

    def __len__(self) -> int:
        return len(self.served)

    def __contains__(self, verb: object) -> bool:
        return verb in self.served


def bound(served: Served, names: Mapping[str, str]) -> Method:
    """The operation as a method of an address: its parameters are read first."""

    def method(call: Call) -> Response:
        given = read_parameters(call.request, served.operation.known)
        return served.perform(Ask(call.request, call.actor, call.body, given, names))

    return method


def read_parameters(request: Request, known: frozenset[str]) -> dict[str, str]:
    """The query parameters; each known, once, and with a value (NGSI-LD 6.3.1, 6.3.2)."""
    found: dict[str, str] = {}
    try:
        text = request.scope["query_string"].decode("utf-8", "replace")  # bytes that are no ASCII come as they are
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_PARAMETERS)
    except ValueError:
        raise InvalidRequest(f"There are more than {MOST_PARAMETERS} parameters.") from None
    for name, value in pairs:
        if name not in known:
            raise InvalidRequest(
                f"There is no parameter '{name[:60]}' here.",
                hint=f"Known: {', '.join(sorted(known))}." if known else "There are none.",
            )
        if name in found:
            raise InvalidRequest("The parameter is there twice.", where=name, hint="Give it once.")
        if not value:
            raise InvalidQuery("The parameter is empty.", where=name, hint="Give it a value or leave it out.")
        found[name] = value
    return found
