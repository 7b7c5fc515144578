"""Who asks: a bearer token's holder, whoever sits at this machine, or the public; and pages from elsewhere kept out.

Without a token a caller from a loopback address is the operator only when `Host` is a loopback name and `Origin` is
absent or ours, so that a web page in a visitor's browser can neither read nor write through it (a foreign page sends
its Origin; a name that was bent to 127.0.0.1 sends its Host). Where the city lets everyone read, such a page may read
as the public does, whoever sits at the browser, and nothing else. DESIGN 4.16.
"""

import ipaddress
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from starlette.requests import Request

from landbridge.errors import LandbridgeError, Refused, Unauthenticated
from landbridge.pool.pool import Actor

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
BROKER = re.compile(r"\S+ landbridge-[0-9a-f]{16}\Z")  # what another pool adds to Via, and no proxy does
REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}\Z")
BEARER = "bearer "
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def no_count(door: str, error: LandbridgeError) -> None:
    """Stand in where nobody counts who is turned away."""


@dataclass(frozen=True)
class Callers:
    """Who may be asking.

    `by_token`: whom a token speaks for, None where it is unknown. `operator`: who sits at this machine (None: nobody
    is taken for that). `public`: who comes without a token where the city lets everyone read. `hosts`: names of this
    service beside the loopback ones. `turned_away` is told the door and the reason, for the counts of the audit.
    """

    by_token: Callable[[str], Actor | None]
    operator: Actor | None = None
    public: Actor | None = None
    hosts: frozenset[str] = field(default_factory=frozenset)
    turned_away: Callable[[str, LandbridgeError], None] = no_count


def actor_of(request: Request, callers: Callers, door: str, *, reads_abroad: bool = False) -> Actor:
    """Who asks. Raises Unauthenticated where nobody is known, Refused for a page or a name from elsewhere.

    `reads_abroad`: a page of another origin may read here as the public, where there is one.
    """
    try:
        if reads_abroad and callers.public is not None and request.method in SAFE and is_foreign(request, callers):
            found = callers.public
            require_known_host(request, callers)
        else:
            require_own_page(request, callers)
            found = by_token(request, callers) or without_token(request, callers)
    except LandbridgeError as error:
        callers.turned_away(door, error)
        raise
    return replace(found, request=request_id(request), door=door)


def by_token(request: Request, callers: Callers) -> Actor | None:
    """The holder of the bearer token, None where there is no token."""
    given = request.headers.get("authorization")
    if given is None:
        return None
    token = given[len(BEARER) :].strip() if given.lower().startswith(BEARER) else ""
    actor = callers.by_token(token) if token else None
    if actor is None:
        raise Unauthenticated("The token is not known, or its time is over.", hint="Ask the operator for a new one.")
    return actor


def without_token(request: Request, callers: Callers) -> Actor:
    """The operator at this machine, or the public. A page that is not this host's own is kept from both."""
    host = require_known_host(request, callers)
    if callers.operator is not None and host in LOOPBACK_NAMES and is_near(request):
        return callers.operator
    if callers.public is not None:
        return callers.public
    raise Unauthenticated("Nobody known is asking.", hint="Send the header  Authorization: Bearer TOKEN.")


def require_known_host(request: Request, callers: Callers) -> str:
    """The name by which this service is called; raises Refused where it is not one of its own."""
    host = host_name(request.headers.get("host", ""))
    if host not in LOOPBACK_NAMES | callers.hosts:
        raise Refused(
            f"This service does not answer to the name '{host[:100]}' without a token.",
            hint="Add it to hosts under [access] in landbridge.toml, or bring a token.",
        )
    return host


def is_foreign(request: Request, callers: Callers) -> bool:
    """Whether a page of another origin makes a browser send this."""
    try:
        require_own_page(request, callers)
    except Refused:
        return True
    return False


def require_own_page(request: Request, callers: Callers) -> None:
    """Refuse what a page of another origin makes a browser send, reading as well as writing."""
    origin = request.headers.get("origin")
    if origin is not None and not is_own(origin, request, callers):
        raise Refused(f"A page of '{origin[:100]}' may not use this service.", hint="Open the city's own pages.")
    if request.headers.get("sec-fetch-site") == "cross-site" and request.headers.get("sec-fetch-mode") != "navigate":
        raise Refused("A page from elsewhere may not use this service.", hint="Open the city's own pages.")


def is_own(origin: str, request: Request, callers: Callers) -> bool:
    """Whether an Origin is this very host under one of its names."""
    try:
        given = urlsplit(origin)
    except ValueError:  # it is no address
        return False
    host = request.headers.get("host", "")
    ours = LOOPBACK_NAMES | callers.hosts
    return given.scheme in ("http", "https") and given.netloc == host and host_name(host) in ours


def host_name(host: str) -> str:
    """The name in a Host header, without its port."""
    name, _, port = host.rpartition(":")
    return (name if name and port.isdigit() else host).lower().rstrip(".")


def is_near(request: Request) -> bool:
    """Whether the caller sits at this machine, and no proxy speaks for someone else."""
    if request.client is None or any(name in request.headers for name in FORWARDED):
        return False
    if not all(BROKER.match(part.strip()) for header in request.headers.getlist("via") for part in header.split(",")):
        return False
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False


def request_id(request: Request) -> str:
    """The number of the request: the caller's own where it is harmless, else a fresh one; the same all along."""
    known = getattr(request.state, "request_id", None)
    if known is None:
        given = request.headers.get("x-request-id", "")
        known = request.state.request_id = given if REQUEST_ID.match(given) else secrets.token_hex(8)
    return str(known)
