"""Who is at the console: the session cookie, and the token that a form carries against forgery.

The session cookie holds the bearer token itself (HttpOnly, SameSite=Lax), which is checked at each request, so a
token that is withdrawn ends its sessions. A form's token is an HMAC over a fresh nonce, the visitor's own cookie and
the session: a page from elsewhere can read neither cookie, and a compressed page shows a different token each time.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from landbridge.errors import Refused

SESSION, VISITOR, LANGUAGE, SCHEME = "landbridge_session", "landbridge_visitor", "landbridge_lang", "landbridge_scheme"
SAID = "landbridge_said"  # what the last form led to, for the next page
FORM_FIELD = "csrf"
DAYS = 86400


@dataclass(frozen=True)
class Keys:
    """The key that signs forms. One for all processes of an installation, or a fresh one per process."""

    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def form_token(self, request: Request, visitor: str) -> str:
        """A token for the forms of one page, good for this visitor and session only."""
        nonce = secrets.token_hex(8)
        return f"{nonce}.{self.sign(nonce, request, visitor)}"

    def sign(self, nonce: str, request: Request, visitor: str) -> str:
        session = hashlib.sha256(request.cookies.get(SESSION, "").encode()).hexdigest()
        return hmac.new(self.secret, f"{nonce} {visitor} {session}".encode(), hashlib.sha256).hexdigest()

    def require_own_form(self, request: Request, given: str) -> None:
        """Raise Refused unless the form came from a page that this console gave to this visitor."""
        nonce, _, signature = given.partition(".")
        visitor = request.cookies.get(VISITOR, "")
        signed = bool(visitor) and hmac.compare_digest(signature.encode(), self.sign(nonce, request, visitor).encode())
        if not (signed and from_here(request)):
            raise Refused(
                "The form does not carry a valid token.", hint="Reload the page and send the form again from there."
            )


def from_here(request: Request) -> bool:
    """Whether Origin, where the browser sends it, is this very host."""
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def visitor_of(request: Request) -> str:
    """The visitor's own random cookie, made when there is none."""
    return request.cookies.get(VISITOR) or secrets.token_urlsafe(18)


def keep_cookie(response: Response, request: Request, name: str, value: str, days: int | None = None) -> None:
    """Set a cookie that scripts never see; with no days, until the browser closes.

    Lax, so that an address sent to a colleague opens in their session; forms of other sites carry it no more than
    with Strict, and each of ours carries a token besides.
    """
    response.set_cookie(
        name,
        value,
        max_age=None if days is None else days * DAYS,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
        path="/",
    )


def own_path(target: str) -> str:
    """A path of this console to go on to, or the start page where it points elsewhere."""
    harmless = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if harmless else "/"
