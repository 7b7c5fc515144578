"""What no receiver took: notifications that were given up, and the choice to send them again or to drop them."""

from urllib.parse import quote, unquote

import orjson
from starlette.responses import RedirectResponse, Response

from landbridge.console.download import table, wanted
from landbridge.console.page import HEADERS, Visit
from landbridge.console.session import SAID, keep_cookie
from landbridge.errors import InvalidQuery, Missing
from landbridge.model.instant import format_instant

ROWS = 50
COLUMNS = ("tenant", "subscription", "notification", "made", "givenUp", "reason", "body")


def letters(visit: Visit) -> Response:
    """GET /notifications: those that were given up, with their reason."""
    visit.console.doors.policy.require(visit.actor, "raw", "see notifications that were given up")
    kept = visit.console.doors.letters
    offset = visit.number("offset")
    found, count = kept.listed(visit.actor, 10_000 if wanted(visit) else ROWS, offset) if kept else ((), 0)
    if wanted(visit):
        rows = (
            (
                *one[:3],
                format_instant(one.made),
                format_instant(one.given_up),
                one.reason,
                orjson.dumps(one.body).decode(),
            )
            for one in found
        )
        return table(visit, "notifications", COLUMNS, rows)
    message = unquote(visit.request.cookies.get(SAID, ""))
    page = visit.page(
        "notifications.html.j2",
        letters=found,
        count=count,
        further=offset + ROWS if offset + ROWS < count else None,
        message=message,
        screen="notifications",
    )
    if message:
        page.delete_cookie(SAID, path="/")  # said once
    return page


def decide(visit: Visit) -> Response:
    """POST /notifications/decide: send one again, or all of a subscription's, or drop it."""
    kept, act = visit.console.doors.letters, visit.form.get("act", "")
    subscription, notification = (visit.form.get(name) or None for name in ("subscription", "notification"))
    if act not in ("replay", "drop") or not (subscription or notification):
        raise InvalidQuery("The form does not say what to do with what.", hint="Use the buttons beside a notification.")
    if kept is None:
        raise Missing("There are no notifications here.")
    words = visit.language
    if act == "replay":
        count = kept.replay(visit.actor, subscription, notification)
        message = words.ngettext("%(count)s is sent again.", "%(count)s are sent again.", count) % {"count": count}
    else:
        count = kept.drop(visit.actor, subscription, notification)
        message = words.ngettext("%(count)s is dropped.", "%(count)s are dropped.", count) % {"count": count}
    response = RedirectResponse("/notifications", 303, HEADERS)
    keep_cookie(response, visit.request, SAID, quote(message))
    return response
