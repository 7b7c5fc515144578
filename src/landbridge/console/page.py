"""One request of the console: who asks, in which language and scheme, and the page that goes back.

A view is a function from a Visit to a Response; `reading` and `posting` make endpoints of it. Every answer carries a
strict content policy: no inline script, no outside host. Errors of the domain get their status in one table.
"""

import gzip
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode
from zoneinfo import ZoneInfo

from jinja2 import Environment
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from landbridge.console.asset import Assets
from landbridge.console.language import Language, choose_language, mark
from landbridge.console.needs import City, Doors, Reading
from landbridge.console.session import (
    FORM_FIELD,
    LANGUAGE,
    SCHEME,
    SESSION,
    VISITOR,
    Keys,
    keep_cookie,
    visitor_of,
)
from landbridge.errors import (
    Damaged,
    Exists,
    Invalid,
    LandbridgeError,
    Missing,
    Refused,
    TooMuch,
    Unauthenticated,
    Unreachable,
)
from landbridge.governance.policy import Actor, Role

LOG = logging.getLogger(__name__)
FORM_LIMIT = 64 * 1024  # bytes of a form
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "worker-src blob:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
STATUS: tuple[tuple[type[LandbridgeError], int, str], ...] = (
    (Unauthenticated, 401, mark("Please sign in")),
    (Refused, 403, mark("Not allowed")),
    (Missing, 404, mark("Nothing here")),
    (Exists, 409, mark("Already there")),
    (Invalid, 400, mark("Not understood")),
    (TooMuch, 422, mark("Too much at once")),
    (Unreachable, 502, mark("No answer from outside")),
    (Damaged, 500, mark("The store cannot be read")),
    (LandbridgeError, 500, mark("That did not work")),
)


@dataclass(frozen=True)
class Console:
    """What all pages share."""

    reading: Reading
    city: City
    doors: Doors
    keys: Keys
    languages: Mapping[str, Language]
    environments: Mapping[str, Environment]  # by language tag
    assets: Assets
    zone: ZoneInfo


@dataclass(frozen=True)
class Visit:
    """One request to the console."""

    console: Console
    request: Request
    actor: Actor
    language: Language
    visitor: str
    form: Mapping[str, str]

    @property
    def reading(self) -> Reading:
        return self.console.reading

    @property
    def tenant(self) -> str:
        return self.console.city.tenant

    def asked(self, name: str, otherwise: str = "") -> str:
        """A query parameter."""
        return self.request.query_params.get(name, otherwise)

    def number(self, name: str) -> int:
        """A query parameter that is a whole number; 0 where it is none."""
        asked = self.asked(name)
        return int(asked) if asked.isdecimal() and len(asked) < 10 else 0

    def may(self, right: str) -> bool:
        return self.console.doors.policy.allows(self.actor, right)

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """Render a template as a page with the console's frame."""
        text = self.fragment(template, **values)
        response = packed(self.request, text, status)
        if VISITOR not in self.request.cookies:
            keep_cookie(response, self.request, VISITOR, self.visitor)
        return response

    def fragment(self, template: str, **values: Any) -> str:
        """Render a template to text, with what all templates know."""
        console = self.console
        return (
            console.environments[self.language.tag]
            .get_template(template)
            .render(
                visit=self,
                actor=self.actor,
                signed_in=SESSION in self.request.cookies,
                city=self.language.of(console.city.name),
                language=self.language,
                languages=console.languages,
                scheme=scheme_of(self.request),
                assets=console.assets,
                csrf=console.keys.form_token(self.request, self.visitor),
                here=here(self.request),
                **values,
            )
        )


def scheme_of(request: Request) -> str:
    chosen = request.cookies.get(SCHEME, "")
    return chosen if chosen in ("light", "dark") else "system"


def here(request: Request) -> str:
    """The address of this page, to come back to."""
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def with_parameters(request: Request, **changes: str | None) -> str:
    """This page's address with some parameters changed; None takes one away."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name not in changes]
    kept += [(name, value) for name, value in changes.items() if value is not None]
    return f"{request.url.path}?{urlencode(kept)}" if kept else request.url.path


def address(kind: str, name: str) -> str:
    """The path of an entity, a type or a source."""
    return f"/{kind}/{quote(name, safe=':')}"


def packed(request: Request, text: str, status: int = 200, media_type: str = "text/html") -> Response:
    """An answer with the console's headers, compressed where the browser takes it."""
    body = text.encode()
    headers = dict(HEADERS) | {"Vary": "Accept-Encoding, Accept-Language, Cookie"}
    if len(body) > 1000 and "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, 5, mtime=0)
        headers["Content-Encoding"] = "gzip"
    kind = HTMLResponse if media_type == "text/html" else Response
    return kind(body, status, headers, media_type=media_type)


View = Callable[[Visit], Response]
Endpoint = Callable[[Request], Any]


def actor_behind(console: Console, request: Request) -> Actor:
    """Who asks: the session's actor, else whom the city's own rule knows."""
    token = request.cookies.get(SESSION)
    actor = console.doors.sign_in(token) if token else None
    return actor or console.doors.actor_of(request)


def visit_of(console: Console, request: Request, actor: Actor, form: Mapping[str, str]) -> Visit:
    language = choose_language(
        console.languages, request.cookies.get(LANGUAGE), request.headers.get("accept-language", "")
    )
    return Visit(console, request, actor, language, visitor_of(request), form)


NOBODY = Actor("public", Role.PUBLIC)


def reading(console: Console, view: View, *, open_to_all: bool = False) -> Endpoint:
    """An endpoint that only reads."""

    def endpoint(request: Request) -> Response:
        return answer(console, view, request, {}, open_to_all)

    return endpoint


def posting(console: Console, view: View, *, open_to_all: bool = False) -> Endpoint:
    """An endpoint that changes something: the form must carry this console's token."""

    def checked(visit: Visit) -> Response:
        console.keys.require_own_form(visit.request, visit.form.get(FORM_FIELD, ""))
        return view(visit)

    async def endpoint(request: Request) -> Response:
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > FORM_LIMIT:
                return Response("The form is too large.", 413, HEADERS, media_type="text/plain")
        form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        return await run_in_threadpool(answer, console, checked, request, form, open_to_all)

    return endpoint


def answer(
    console: Console, view: View, request: Request, form: Mapping[str, str], open_to_all: bool = False
) -> Response:
    """Run a view for whoever asks, and turn what goes wrong into a page."""
    visit = visit_of(console, request, NOBODY, form)
    try:
        actor = NOBODY if open_to_all else actor_behind(console, request)
        visit = visit_of(console, request, actor, form)
        return view(visit)
    except LandbridgeError as error:
        return refusal(visit, error)
    except Exception:
        number = secrets.token_hex(4)
        LOG.exception("The console fails at %s (error %s).", request.url.path, number)
        return visit.page("error.html.j2", status=500, title=visit.language.gettext("That did not work"), number=number)


def refusal(visit: Visit, error: LandbridgeError) -> Response:
    """The page for an error of the domain; who is not known is asked to sign in."""
    unknown = isinstance(error, Unauthenticated) or (isinstance(error, Refused) and visit.actor.role == Role.PUBLIC)
    if unknown and visit.request.method == "GET" and "text/html" in visit.request.headers.get("accept", ""):
        return RedirectResponse(f"/sign-in?{urlencode({'next': here(visit.request)})}", 303, HEADERS)
    status, title = next((status, title) for kind, status, title in STATUS if isinstance(error, kind))
    return visit.page("error.html.j2", status=status, title=visit.language.gettext(title), error=error)
