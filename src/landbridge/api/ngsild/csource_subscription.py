"""Subscriptions to registrations of context sources: create, query, retrieve, update, delete.

NGSI-LD 5.11, 6.12 (`csourceSubscriptions`), 6.13 (`csourceSubscriptions/{subscriptionId}`). They are subscriptions as
any other (5.2.12), but for `temporalQ`, and for what they are told of.
"""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from starlette.responses import Response

from landbridge.api.ngsild.answer import done
from landbridge.api.ngsild.body import read_body
from landbridge.api.ngsild.filter import parse_q
from landbridge.api.ngsild.kept import (
    context,
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
from landbridge.api.ngsild.subscription import Telling
from landbridge.api.ngsild.subscription_body import changed_body, mapping, new_body, text, wrong
from landbridge.api.ngsild.subscription_sense import CONTEXTS, Json, endpoint_of, understand
from landbridge.api.ngsild.subscription_shown import show_subscription
from landbridge.federation.herald import Herald, Watch
from landbridge.federation.judge import Moments, read_moments
from landbridge.model.entity import NULL
from landbridge.model.terms import Contexts
from landbridge.pool.cabinet import Kept, Transaction
from landbridge.pool.pool import Pool

SUBSCRIPTIONS = ROOT + "/csourceSubscriptions"
TEMPORAL = "temporalQ"
UNSAID = ("jsonldContext", "notificationTrigger")  # shown only where the client said them
TEMPORAL_MEMBERS = ("timerel", "timeAt", "endTimeAt", "timeproperty")

CREATE = Operation(
    "createCSRSubscription", "6.12.3.1", "POST", "/csourceSubscriptions", "Subscribe to registrations.",
    body="Subscription", answers={201: ""},
)  # fmt: skip
QUERY = Operation(
    "queryCSRSubscription", "6.12.3.2", "GET", "/csourceSubscriptions", "Query subscriptions to registrations.",
    (OPTIONS, SYS_ATTRS, LIMIT, OFFSET, COUNT), answers={200: "SubscriptionList"},
)  # fmt: skip
RETRIEVE = Operation(
    "retrieveCSRSubscription", "6.13.3.1", "GET", "/csourceSubscriptions/{subscriptionId}",
    "Retrieve a subscription to registrations.", (OPTIONS, SYS_ATTRS), answers={200: "Subscription"},
)  # fmt: skip
UPDATE = Operation(
    "updateCSRSubscription", "6.13.3.2", "PATCH", "/csourceSubscriptions/{subscriptionId}",
    "Update a subscription to registrations.", body="SubscriptionFragment", answers={204: ""},
)  # fmt: skip
DELETE = Operation(
    "deleteCSRSubscription", "6.13.3.3", "DELETE", "/csourceSubscriptions/{subscriptionId}",
    "Delete a subscription to registrations.", answers={204: ""},
)  # fmt: skip


class CsourceSubscriptions:
    """The operations on subscriptions to registrations, over one pool and its herald.

    `own` gives what the pool itself watches registrations for, for a tenant.
    """

    def __init__(
        self, pool: Pool, contexts: Contexts, herald: Herald, telling: Telling, own: Callable[[str], list[Json]]
    ) -> None:
        self.pool = pool
        self.contexts = contexts
        self.herald = herald
        self.telling = telling
        self.own = own
        self.cabinet = herald.cabinet
        self.cabinet.noted = self.noted

    def served(self) -> tuple[Served, ...]:
        return (
            Served(CREATE, self.create),
            Served(QUERY, self.query),
            Served(RETRIEVE, self.retrieve),
            Served(UPDATE, self.update),
            Served(DELETE, self.delete),
        )

    def create(self, ask: Ask) -> Response:
        """NGSI-LD 6.12.3.1, create a subscription to registrations."""
        body, terms = read_body(ask, self.contexts)
        tenant, id_ = named_tenant(ask.request), given_id(body, "Subscription")
        kept = with_times(new_body(body, terms, self.contexts, tenant, id_), body)
        self.telling.check(endpoint_of(kept["given"]["notification"]["endpoint"]))
        self.cabinet.create(ask.actor, tenant, id_, kept)
        self.telling.hurry()
        return render_created(SUBSCRIPTIONS, tenant, id_)

    def query(self, ask: Ask) -> Response:
        """NGSI-LD 6.12.3.2, query subscriptions to registrations."""
        wanted = read_wanted(ask, self.contexts, self.pool, JSON, JSON_LD)
        found = [self.show(ask, wanted, one) for one in self.cabinet.listed(ask.actor, wanted.tenant)]
        found += [one | context(wanted) for one in self.own(wanted.tenant)]
        window = read_window(ask.given)
        return render_page(
            wanted, SUBSCRIPTIONS, window, found[window.offset : window.offset + window.limit], len(found)
        )

    def retrieve(self, ask: Ask) -> Response:
        """NGSI-LD 6.13.3.1, retrieve a subscription to registrations."""
        wanted = read_wanted(ask, self.contexts, self.pool, JSON, JSON_LD)
        found = self.cabinet.get(ask.actor, wanted.tenant, require_uri(ask.path["subscriptionId"]))
        return render_one(wanted, self.show(ask, wanted, found))

    def update(self, ask: Ask) -> Response:
        """NGSI-LD 6.13.3.2, update a subscription to registrations."""
        id_ = require_uri(ask.path["subscriptionId"])
        body, terms = read_body(ask, self.contexts)
        tenant = read_tenant(ask.request, self.pool)

        def edit(before: Json) -> Json:
            found = with_times(changed_body(before, body, terms, self.contexts, tenant, id_), body, before)
            self.telling.check(endpoint_of(found["given"]["notification"]["endpoint"]))
            return found

        self.cabinet.change(ask.actor, tenant, id_, edit)
        self.telling.forget(tenant, id_, 0)  # what waits is read anew, for where it goes now
        self.telling.hurry()
        return done(tenant)

    def delete(self, ask: Ask) -> Response:
        """NGSI-LD 6.13.3.3, delete a subscription to registrations."""
        tenant, id_ = read_tenant(ask.request, self.pool), require_uri(ask.path["subscriptionId"])
        self.cabinet.remove(ask.actor, tenant, id_)
        self.telling.forget(tenant, id_, 0)
        return done(tenant)

    def noted(self, transaction: Transaction, tenant: str, id_: str, before: Json | None, after: Json | None) -> None:
        """Tell a subscription that is new or changed what there is for it, in the commit that makes it so."""
        if after is None:
            self.herald.subscription_gone(transaction, tenant, id_)
            return
        kept = Kept(tenant, id_, after, transaction.recorded, transaction.recorded)
        self.herald.subscription_changed(transaction, kept, self.herald.registrations_in(transaction, tenant))

    def show(self, ask: Ask, wanted: Wanted, one: Kept) -> Json:
        secrets = self.pool.policy.allows(ask.actor, "write")
        standing = self.telling.standing(wanted.tenant, one.id)
        shown = show_subscription(one.body, wanted.terms, self.contexts, wanted.tenant, standing, secrets=secrets)
        unsaid = [name for name in UNSAID if name not in one.body["given"]]
        return dressed(wanted, one, {name: value for name, value in shown.items() if name not in unsaid})


def with_times(kept: Json, body: Json, before: Json | None = None) -> Json:
    """What is kept, with the temporal query of the body, or the one before (5.2.12, `temporalQ`)."""
    given = body.get(TEMPORAL, (before or {}).get("given", {}).get(TEMPORAL))
    if given is None or given == NULL:
        return kept
    members = mapping(given, TEMPORAL)
    if set(members) - {*TEMPORAL_MEMBERS, "type"}:
        raise wrong("It has no such member.", TEMPORAL, f"Known: {', '.join(TEMPORAL_MEMBERS)}.")
    found = {name: text(members[name], f"{TEMPORAL}.{name}") for name in TEMPORAL_MEMBERS if name in members}
    moments_of(found)
    return {**kept, "given": {**kept["given"], TEMPORAL: found}}


def moments_of(given: Mapping[str, Any]) -> Moments:
    for name in ("timerel", "timeAt"):
        if name not in given:
            raise wrong(f"A temporal query has a {name}.", TEMPORAL)
    return read_moments(
        given["timerel"], given["timeAt"], given.get("endTimeAt"), given.get("timeproperty", "observedAt")
    )


def watch_of(tenant: str, id_: str, body: Json, contexts: Contexts) -> Watch:
    """A kept subscription as the herald needs it. Raises what its contexts raise."""
    given = body["given"]
    csf = None
    if "csf" in given:
        csf = parse_q(unquote(given["csf"]), contexts.terms(body[CONTEXTS]["csf"] or None, tenant))
    moments = moments_of(given[TEMPORAL]) if TEMPORAL in given else None
    terms = contexts.terms(body["context"], tenant)
    return Watch(understand(tenant, id_, body, contexts), terms, csf, moments)
