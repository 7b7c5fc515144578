"""Signing in with a token, signing out, and a visitor's preferences."""

from starlette.responses import RedirectResponse, Response

from landbridge.console.page import HEADERS, Visit
from landbridge.console.session import LANGUAGE, SCHEME, SESSION, keep_cookie, own_path

YEAR = 365


def sign_in_page(visit: Visit) -> Response:
    """GET /sign-in."""
    return visit.page("sign-in.html.j2", next=own_path(visit.asked("next", "/")), wrong=False, screen="sign-in")


def sign_in(visit: Visit) -> Response:
    """POST /sign-in: keep the token as a session where it is known."""
    token, target = visit.form.get("token", "").strip(), own_path(visit.form.get("next", "/"))
    if not token or visit.console.doors.sign_in(token) is None:
        return visit.page("sign-in.html.j2", status=401, next=target, wrong=True, screen="sign-in")
    response = RedirectResponse(target, 303, HEADERS)
    keep_cookie(response, visit.request, SESSION, token)
    return response


def sign_out(visit: Visit) -> Response:
    """POST /sign-out."""
    response = RedirectResponse("/sign-in", 303, HEADERS)
    response.delete_cookie(SESSION, path="/")
    return response


def prefer(visit: Visit) -> Response:
    """POST /console/preference: language, or light and dark."""
    response = RedirectResponse(own_path(visit.form.get("next", "/")), 303, HEADERS)
    language, scheme = visit.form.get("language"), visit.form.get("scheme")
    if language in visit.console.languages:
        keep_cookie(response, visit.request, LANGUAGE, str(language), YEAR)
    if scheme in ("light", "dark", "system"):
        keep_cookie(response, visit.request, SCHEME, str(scheme), YEAR)
    return response
