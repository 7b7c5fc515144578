"""Readers of texts: the query language and its sisters, times, headers, addresses. What is read is read back."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from fuzzing.target import Target
from landbridge.api.http.accept import choose
from landbridge.api.http.caller import Callers, actor_of, request_id
from landbridge.api.http.condition import seen_states, tagged
from landbridge.api.http.packing import packing_of, unpacked
from landbridge.api.ngsild.filter import parse_q, render_q
from landbridge.api.ngsild.operation import read_parameters
from landbridge.api.ngsild.ordering import parse_ordering, render_ordering
from landbridge.api.ngsild.parameter import languages, link_context, named_tenant
from landbridge.api.ngsild.path import root_of, segments
from landbridge.api.ngsild.projection import parse_projection, render_projection
from landbridge.api.ngsild.question import read_lifetime
from landbridge.api.ngsild.selection import parse_geo, parse_scopes, parse_types, render_scopes, render_types
from landbridge.errors import LandbridgeError
from landbridge.federation.trip import Trip, passed
from landbridge.governance.egress import Egress, read_address
from landbridge.governance.policy import Actor, Role
from landbridge.model.address import number_of, read_allowed
from landbridge.model.collation import parse_collation
from landbridge.model.geometry import bounds, widened
from landbridge.model.instant import format_instant, parse_duration, parse_instant
from landbridge.model.subscription import Endpoint
from landbridge.model.terms import Terms
from landbridge.model.version import preferred_version
from landbridge.pool.match import readable_pattern
from landbridge.publish.call import check_endpoint

OWN = Terms([{"ex": "https://example.com/", "speed": "ex:speed", "owner": {"@id": "ex:owner", "@type": "@vocab"}}])
HERE = {"type": "Point", "coordinates": [8, 40]}
CALLERS = Callers(
    by_token=lambda token: None,
    operator=Actor("operator", Role.OPERATOR),
    public=Actor("public", Role.PUBLIC),
)
GUARD = Egress(read_allowed(["127.0.0.0/8", "broker.example"]))
KNOWN = frozenset({"q", "type", "limit", "offset", "options"})


def told(data: bytes) -> str:
    """A text as a request brings it: never half a letter."""
    return data.decode("utf-8", "replace")


def back(parse: Callable[[str], Any], render: Callable[[Any], str]) -> Callable[[bytes], None]:
    """Read a text, write it, read that: the same must come of it."""

    def run(data: bytes) -> None:
        tree = parse(told(data))
        again = render(tree)
        try:
            other = parse(again)
        except LandbridgeError as error:
            if "longer than" in error.message:
                return
            raise AssertionError(f"{again!r} cannot be read: {error}") from error
        assert other == tree, f"{again!r} is something else"

    return run


def read_q(data: bytes) -> None:
    text = told(data)
    back(lambda one: parse_q(one, OWN), lambda tree: render_q(tree, OWN))(data)
    parse_q(text, OWN, frozenset({"https://example.com/owner"}))


def read_geo(data: bytes) -> None:
    georel, _, rest = told(data).partition("|")
    geometry, _, coordinates = rest.partition("|")
    found = parse_geo(georel, geometry, coordinates, "location")
    widened(bounds(found.geometry), getattr(found, "at_most", None) or 1.0)


def read_moment(data: bytes) -> None:
    instant = parse_instant(told(data))
    text = format_instant(instant)
    assert parse_instant(text) == instant, text


def read_length(data: bytes) -> None:
    text = told(data)
    for read in (parse_duration, lambda one: read_lifetime({"entityMapLifetime": one})):
        with suppress(LandbridgeError):
            read(text)


def read_words(data: bytes) -> None:
    text = told(data)
    languages(text)
    preferred_version(text)
    for read in (parse_collation, readable_pattern):
        with suppress(LandbridgeError):
            read(text)


def request_of(data: bytes) -> Request:
    """A request whose first line is its address with parameters, and the others its headers."""
    first, *lines = data.split(b"\n")
    path, _, query = first.partition(b"?")
    headers = [(name.strip().lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
    return Request(
        {
            "type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "server": ("127.0.0.1", 80),
            "client": ("127.0.0.1", 4711), "path": path.decode("utf-8", "replace"), "raw_path": path,
            "query_string": query, "headers": headers, "state": {},
        }
    )  # fmt: skip


def read_head(data: bytes) -> None:
    """Everything that is read of a request before its body."""
    request = request_of(data)
    body = data[-40:]
    readers: tuple[Callable[[], Any], ...] = (
        lambda: link_context(request),
        lambda: named_tenant(request),
        lambda: choose(request.headers.get("accept"), ("application/json", "application/ld+json")),
        lambda: seen_states(request),
        lambda: tagged(request, Response(b"{}"), 7),
        lambda: packing_of(request),
        lambda: unpacked(request, body, 1000),
        lambda: request_id(request),
        lambda: actor_of(request, CALLERS, "api", reads_abroad=True),
        lambda: segments(request, "/ngsi-ld/v1"),
        lambda: root_of(request),
        lambda: read_parameters(request, KNOWN),
        lambda: passed(request.headers.get("via", "")),
        lambda: Trip(OWN).heard(request.headers.get("ngsild-warning", "")),
    )
    for read in readers:
        with suppress(LandbridgeError):
            read()


def read_endpoint(data: bytes) -> None:
    """An address that a client gives: of a receiver over HTTP or MQTT, and as a number of a machine."""
    uri, _, rest = told(data).partition("\n")
    pairs = tuple(tuple(line.partition("=")[::2]) for line in rest.split("\n") if line)
    endpoint = Endpoint(uri, notifier=pairs)  # type: ignore[arg-type] # texts in twos
    for read in (lambda: read_address(uri), lambda: check_endpoint(endpoint, GUARD)):
        with suppress(LandbridgeError):
            read()
    with suppress(ValueError):  # what it says for what is no number
        number_of(uri)


MARKS = ("==", "!=", ">=", "<=", "~=", "!~=", "..", ",", ";", "|", "(", ")", "{", "}", "[", "]", '"', "\\", ".", ":",
         "true", "1e9", "2020-01-01T00:00:00Z", "12:00:00", "urn:x:1", "https://example.com/a", "speed", "ex:a",
         "observedAt")  # fmt: skip
HEAD = ("accept: ", "link: ", "if-match: ", "if-none-match: ", "ngsild-tenant: ", "content-encoding: gzip",
        "accept-encoding: ", "via: 1.1 a", "host: localhost", "origin: http://[", "x-request-id: ", "authorization: ",
        "ngsild-warning: ", ";q=0.5", "*/*", "application/ld+json", "rel=", "\n", "<", ">", '"', "W/", "%2F", "%",
        "content-range: items 0-4/100", "forwarded: for=", "[::1]", "\u00e9")  # fmt: skip

TARGETS = (
    Target("q", read_q, words=MARKS),
    Target("types", back(lambda text: parse_types(text, OWN), lambda tree: render_types(tree, OWN)), words=MARKS),
    Target("scopes", back(parse_scopes, render_scopes), words=("/", "#", "+", ";", "|", ",", "(", ")")),
    Target(
        "projection",
        back(lambda text: parse_projection(text, OWN, "pick"), lambda one: render_projection(one, OWN)),
        words=MARKS,
    ),
    Target(
        "ordering",
        back(lambda text: parse_ordering(text, OWN, HERE), lambda one: render_ordering(one, OWN)),
        words=(*MARKS, "desc", "dist-asc"),
    ),
    Target("geo", read_geo, words=("|", "[", "]", ",", "180", "-90", "1e308", "Polygon", "near;")),
    Target("moment", read_moment, words=("T", "Z", "+", ":", "-", ".", "24:00:00", "23:59:60")),
    Target("duration", read_length, words=("P", "T", "Y", "S", "99999999999999999999", ".")),
    Target(
        "words",
        read_words,
        words=("-u-", "-x-icu", ";q=", "(", ")", "[", "]", "{1,9}", "\\", "*", "(?i)"),
    ),
    Target("head", read_head, words=HEAD),
    Target(
        "endpoint",
        read_endpoint,
        words=("@", ":", "[", "]", "%", "//", "#", "?", "ü", "mqtt://", "0177", "99999", "\n", "=", "::ffff:"),
    ),
)
