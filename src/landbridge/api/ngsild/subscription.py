"""Subscriptions: create, query, retrieve, update, delete. Each is three calls: parse, pool, render.

NGSI-LD 5.8, 6.10 (`subscriptions`), 6.11 (`subscriptions/{subscriptionId}`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from landbridge.api.ngsild.answer import done
from landbridge.api.ngsild.body import read_body
from landbridge.api.ngsild.kept import (
    dressed,
    given_id,
    read_window,
    render_created,
    render_one,
    render_page,
    require_uri,
)
from landbridge.api.ngsild.operation import ROOT, Ask, Operation, Served
from landbridge.api.ngsild.parameter import (
    COUNT,
    JSON,
    JSON_LD,
    LIMIT,
    OFFSET,
    OPTIONS,
    SYS_ATTRS,
    Wanted,
    named_tenant,
    read_tenant,
    read_wanted,
)
from landbridge.api.ngsild.subscription_body import changed_body, new_body
from landbridge.api.ngsild.subscription_sense import Json, endpoint_of
from landbridge.api.ngsild.subscription_shown import show_subscription
from landbridge.model.subscription import Endpoint
from landbridge.model.terms import Contexts
from landbridge.pool.cabinet import Kept
from landbridge.pool.pool import Pool
from landbridge.pool.subscription import subscriptions_of

SUBSCRIPTIONS = ROOT + "/subscriptions"

CREATE = Operation(
    "createSubscription", "6.10.3.1", "POST", "/subscriptions", "Create a subscription.",
    body="Subscription", answers={201: ""},
)  # fmt: skip
QUERY = Operation(
    "querySubscription", "6.10.3.2", "GET", "/subscriptions", "Query subscriptions.",
    (OPTIONS, SYS_ATTRS, LIMIT, OFFSET, COUNT), answers={200: "SubscriptionList"},
)  # fmt: skip
RETRIEVE = Operation(
    "retrieveSubscription", "6.11.3.1", "GET", "/subscriptions/{subscriptionId}", "Retrieve a subscription.",
    (OPTIONS, SYS_ATTRS), answers={200: "Subscription"},
)  # fmt: skip
UPDATE = Operation(
    "updateSubscription", "6.11.3.2", "PATCH", "/subscriptions/{subscriptionId}", "Update a subscription.",
    body="SubscriptionFragment", answers={204: ""},
)  # fmt: skip
DELETE = Operation(
    "deleteSubscription", "6.11.3.3", "DELETE", "/subscriptions/{subscriptionId}", "Delete a subscription.",
    answers={204: ""},
)  # fmt: skip


@dataclass(frozen=True)
class Telling:
    """What the publisher does for those who subscribe; handed in by `app`.

    `check`: whether an endpoint may be notified (raises Invalid, Refused). `hurry`: something is new. `forget`: send
    nothing more for a subscription (tenant, id, commit of its end). `standing`: how its deliveries went.
    """

    check: Callable[[Endpoint], None]
    hurry: Callable[[], None]
    forget: Callable[[str, str, int], None]
    standing: Callable[[str, str], Mapping[str, Any]]


#: where nobody notifies: subscriptions are kept all the same
SILENT = Telling(lambda endpoint: None, lambda: None, lambda tenant, id_, commit: None, lambda tenant, id_: {})


class SubscriptionServer:
    """The operations on subscriptions, over one pool."""

    def __init__(self, pool: Pool, contexts: Contexts, telling: Telling) -> None:
        self.pool = pool
        self.contexts = contexts
        self.telling = telling
        self.subscriptions = subscriptions_of(pool)

    def served(self) -> tuple[Served, ...]:
        return (
            Served(CREATE, self.create),
            Served(QUERY, self.query),
            Served(RETRIEVE, self.retrieve),
            Served(UPDATE, self.update),
            Served(DELETE, self.delete),
        )

    def create(self, ask: Ask) -> Response:
        """NGSI-LD 6.10.3.1, create a subscription."""
        body, terms = read_body(ask, self.contexts)
        tenant, id_ = named_tenant(ask.request), given_id(body, "Subscription")
        kept = new_body(body, terms, self.contexts, tenant, id_)
        self.check(kept)
        self.subscriptions.create(ask.actor, tenant, id_, kept)
        self.telling.hurry()
        return render_created(SUBSCRIPTIONS, tenant, id_)

    def query(self, ask: Ask) -> Response:
        """NGSI-LD 6.10.3.2, query subscriptions."""
        wanted = read_wanted(ask, self.contexts, self.pool, JSON, JSON_LD)
        window = read_window(ask.given)
        found, count = self.subscriptions.page(ask.actor, wanted.tenant, window.limit, window.offset)
        return render_page(wanted, SUBSCRIPTIONS, window, [self.show(ask, wanted, one) for one in found], count)

    def retrieve(self, ask: Ask) -> Response:
        """NGSI-LD 6.11.3.1, retrieve a subscription."""
        wanted = read_wanted(ask, self.contexts, self.pool, JSON, JSON_LD)
        found = self.subscriptions.get(ask.actor, wanted.tenant, require_uri(ask.path["subscriptionId"]))
        return render_one(wanted, self.show(ask, wanted, found))

    def update(self, ask: Ask) -> Response:
        """NGSI-LD 6.11.3.2, update a subscription."""
        id_ = require_uri(ask.path["subscriptionId"])
        body, terms = read_body(ask, self.contexts)
        tenant = read_tenant(ask.request, self.pool)

        def edit(before: Json) -> Json:
            found = changed_body(before, body, terms, self.contexts, tenant, id_)
            self.check(found)
            return found

        self.subscriptions.change(ask.actor, tenant, id_, edit)
        self.telling.hurry()
        return done(tenant)

    def delete(self, ask: Ask) -> Response:
        """NGSI-LD 6.11.3.3, delete a subscription; when this is answered, nothing is sent for it any more."""
        tenant, id_ = read_tenant(ask.request, self.pool), require_uri(ask.path["subscriptionId"])
        commit = self.subscriptions.remove(ask.actor, tenant, id_)
        self.telling.forget(tenant, id_, commit)
        return done(tenant)

    def check(self, kept: Json) -> None:
        self.telling.check(endpoint_of(kept["given"]["notification"]["endpoint"]))

    def show(self, ask: Ask, wanted: Wanted, one: Kept) -> Json:
        secrets = self.pool.policy.allows(ask.actor, "write")
        standing = self.telling.standing(wanted.tenant, one.id)
        shown = show_subscription(one.body, wanted.terms, self.contexts, wanted.tenant, standing, secrets=secrets)
        return dressed(wanted, one, shown)
