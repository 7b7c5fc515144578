"""Reads that take microseconds, answered at once where they come in: retrieve and query, asked as they were before.

What a request says beside the entity's id (its head, its parameters) is understood once, by the functions of the
ordinary road, and kept as a plan while its terms are the same. Each request then asks the policy, the registry of
sources and the store as any other does. Whatever is not plain (an error, something that expired, sources beside the
pool, a page that takes long) is left to the ordinary road, which answers it from the beginning.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import unquote
from zlib import crc32

from starlette.requests import Request

from landbridge.api.http.express import (
    CLOCK,
    END,
    LATER,
    LINE_END,
    MORE,
    Head,
    Heads,
    Numbers,
    Returns,
    as_bytes,
    lines,
)
from landbridge.api.http.packing import SMALLEST, pack, packing_of
from landbridge.api.http.resource import Resource
from landbridge.api.ngsild.entity import ENTITIES, MEDIA, QUERY, RETRIEVE, Entities, around, chosen
from landbridge.api.ngsild.listing import Listing, page_links
from landbridge.api.ngsild.operation import Ask, read_parameters
from landbridge.api.ngsild.parameter import GEOJSON, Wanted, link_context, named_tenant, read_wanted
from landbridge.api.ngsild.question import read_join, read_query
from landbridge.api.ngsild.rendered import EMPTY
from landbridge.errors import LandbridgeError, TakesLonger
from landbridge.model.answer import Held
from landbridge.model.query import Query
from landbridge.model.value import URI
from landbridge.pool.pool import Actor

GET = b"GET " + ENTITIES.encode()
PATH = re.compile(rb"(/[^/?#\x00-\x20\x7f-\xff]+)?(?:\?([^#\x00-\x20\x7f-\xff]*))?\Z")  # behind the address of entities
WRITE = re.compile(
    rb"(?:(?P<method>POST|PATCH|PUT)|(?P<bare>DELETE)) (?P<path>/ngsi-ld/v1/(?:"
    rb"entities(?:(?<=POST .{20})|/[^/?#\x00-\x20\x7f-\xff]+(?:/attrs(?:/[^/?#\x00-\x20\x7f-\xff]+)?)?)"
    rb"|entityOperations/(?:create|upsert|update|merge|delete)))"
    rb"(?:\?(?P<query>[^#\x00-\x20\x7f-\xff]*))? HTTP/1\.1\r\n"
)
LARGEST_BODY = 65_536  # bytes of a write that shares its commit: all of a group are answered together
LONGEST, MOST = 2_000, 2_000  # bytes of parameters; plans that are kept
PATIENCE = 0.003  # seconds that a read may take here, where others wait behind it
LARGEST_PAGE, LARGEST_MISS = 200, 65_536  # entities of a page; bytes of documents that are rendered here
APART = frozenset(
    {"join", "joinLevel", "containedBy", "entityMap", "entityMapLifetime", "csf", "splitEntities", "asOf"}
)
VARYING = frozenset({b"content-length", b"x-request-id"})
Later = Callable[[bytes | None], None]
Address = tuple[Head, bool, bytes]  # a head, whether one entity is asked for, the parameters


def nothing_linked(ids: Sequence[str]) -> Iterable[Held]:
    """Stand in where no linked entities are shown."""
    return ()


@dataclass(frozen=True, eq=False)
class Plan:
    """What a request says, all but the entity's id. `query` is None where one entity is asked for."""

    wanted: Wanted
    given: Mapping[str, str]
    query: Query | None
    listing: Listing
    context: str | None
    local: bool
    narrow: bool  # the entity has to be of a type or to have an attribute
    packing: str
    told: bytes  # the headers that every answer has


class Express:
    """The short way to answers, over the operations and the resource that answer by the ordinary road."""

    def __init__(self, entities: Entities, resource: Resource) -> None:
        self.entities = entities
        self.pool = entities.pool
        self.contexts = entities.contexts
        self.registry = entities.reach.registry
        self.resource = resource
        self.heads = Heads(resource.callers, resource.door)
        self.numbers = Numbers()
        self.returns = Returns()
        self.plans: dict[Address, Plan] = {}

    def answer(self, data: bytes, client: tuple[str, int], near: bool, later: Later) -> bytes | None:
        """The whole answer to what came in, if that is one such request; None: it takes the ordinary road.

        LATER, where the answer is given to `later` (in this thread), which gets None for the ordinary road. MORE, where
        the rest of the request is still to come and is worth waiting for: many clients send head and body apart.
        """
        if not data.startswith(GET):
            return self.take(data, client, near, later)
        if data.find(END) + len(END) != len(data):
            return None
        end = data.find(b"\r\n") + 2
        if not data.startswith(LINE_END, end - len(LINE_END)):
            return None
        asked = PATH.match(data[len(GET) : end - len(LINE_END)])
        if asked is None:
            return None
        head = self.heads.find(data[end:], client, near)
        if head is None or head.length:
            return None
        try:
            return self.read(head, asked[1], asked[2] or b"")
        except (LandbridgeError, TakesLonger):
            return None

    def take(self, data: bytes, client: tuple[str, int], near: bool, later: Later) -> bytes | None:
        """Take up a write: LATER, MORE, or None where it takes the ordinary road."""
        asked = WRITE.match(data)
        if asked is None:
            return None
        end = data.find(END) + len(END)
        head = self.heads.find(data[asked.end() : end], client, near) if end >= len(END) else None
        if head is None or (head.length is None and asked["bare"] is None):
            return None
        missing = (head.length or 0) + end - len(data)
        if missing:
            return MORE if missing > 0 and len(data) + missing <= LARGEST_BODY else None
        actor = self.heads.actor(head)
        if (
            actor is None
            or len(data) > LARGEST_BODY
            or not self.pool.is_ready(actor, "write")
            or self.registry.of(head.tenant)
        ):
            return None
        method = (asked["method"] or asked["bare"]).decode()
        raw = asked["path"]
        request = head.request(method, unquote(raw.decode()), raw, asked["query"] or b"")
        request.state.request_id = self.numbers.take()
        self.returns.open()
        self.pool.within(
            partial(self.write, request, replace(actor, request=request.state.request_id), data[end:]),
            partial(self.written, request, later),
        )
        return LATER

    def write(self, request: Request, actor: Actor, body: bytes) -> bytes:
        """Perform a write, in the writer's thread and inside its commit."""
        with self.contexts.only_known():
            return as_bytes(self.resource.at_once(request, actor, body))

    def written(self, request: Request, later: Later, answer: bytes | None, reason: BaseException | None) -> None:
        """Hand the answer back to the loop, now that what was written is on disk."""
        if isinstance(reason, Exception) and not isinstance(reason, TakesLonger):
            response = self.resource.fault(reason, request.state.request_id)
            self.resource.finish(request, response, request.state.request_id)
            answer = as_bytes(response)
        self.returns.put(partial(later, answer))

    def read(self, head: Head, path: bytes | None, parameters: bytes) -> bytes | None:
        actor = self.heads.actor(head)
        if actor is None:
            return None
        plan = self.plans.get((head, path is not None, parameters))
        if plan is not None:
            self.contexts.note_use(plan.wanted.terms, plan.wanted.tenant)
        else:
            plan = self.plan(head, path is not None, parameters, actor)
        if plan is None or not self.holds(plan, actor):
            return None
        if path is None:
            return self.query(plan, actor)
        id_ = unquote(path[1:].decode())
        return self.retrieve(plan, actor, id_) if URI.match(id_) else None

    def holds(self, plan: Plan, actor: Actor) -> bool:
        """Whether the plan still says what the request means, and the pool alone can answer it at once."""
        wanted = plan.wanted
        if plan.context is not None and self.contexts.at_hand(plan.context, wanted.tenant) is not wanted.terms:
            self.plans.clear()
            return False
        return (
            self.pool.is_ready(actor, "read")
            and (plan.local or not self.registry.of(wanted.tenant))
            and self.pool.has_tenant(wanted.tenant)
        )

    # -- understanding

    def plan(self, head: Head, single: bool, parameters: bytes, actor: Actor) -> Plan | None:
        """Understand a request; None where it is not for this way. Raises what the ordinary road would."""
        if len(parameters) > LONGEST:
            return None
        request = head.request("GET", ENTITIES, ENTITIES.encode(), parameters)
        given = read_parameters(request, (RETRIEVE if single else QUERY).known)
        context, tenant = link_context(request), named_tenant(request)
        if given.keys() & APART or (context is not None and self.contexts.at_hand(context, tenant) is None):
            return None
        ask = Ask(request, actor, b"", given)
        wanted = read_wanted(ask, self.contexts, self.pool, *MEDIA)
        query = None if single else read_query(wanted)
        if read_join(wanted, query.where if query else None) is not None or wanted.media == GEOJSON:
            return None
        if query is not None and (query.limit > LARGEST_PAGE or query.order):
            return None
        listing = Listing(wanted, self.entities.rendered, None, nothing_linked)
        sample = listing.answer(b"")
        self.resource.finish(request, sample, "")
        told = [(name, value) for name, value in sample.raw_headers if name.lower() not in VARYING]
        found = Plan(
            wanted, given, query, listing, context, given.get("local") == "true",
            wanted.rendering.attrs is not None or "type" in given, packing_of(request), lines(told),
        )  # fmt: skip
        if len(self.plans) >= MOST:
            self.plans.clear()
        self.plans[head, single, parameters] = found
        return found

    # -- answering

    def retrieve(self, plan: Plan, actor: Actor, id_: str) -> bytes | None:
        """NGSI-LD 6.5.3.1, retrieve an entity."""
        body = b""

        def check(held: Held) -> None:
            nonlocal body
            self.require_little((held,), plan)
            if plan.narrow:
                chosen(held, plan.wanted)
            if (body := plan.listing.one(held)) == EMPTY:
                raise TakesLonger

        held = self.pool.held(actor, id_, tenant=plan.wanted.tenant, check=check)
        tag = crc32(body, crc32(plan.packing.encode()) if plan.packing else 0)
        return self.whole(plan, body, b'etag: "%x-%08x"\r\n' % (held.modified, tag))

    def query(self, plan: Plan, actor: Actor) -> bytes | None:
        """NGSI-LD 6.4.3.2, query entities."""
        query = plan.query
        assert query is not None
        with self.pool.in_time(PATIENCE):
            page = self.pool.query(actor, query, lambda page: self.require_little(page.held, plan))
        body = plan.listing.many(page.held)
        links = page_links(ENTITIES, plan.given, around(page, query, "offset" in plan.given), plan.wanted.media)
        if page.count is not None:
            links.append(("NGSILD-Results-Count", str(page.count)))
        return self.whole(plan, body, lines([(name.encode(), value.encode()) for name, value in links]))

    def require_little(self, held: Sequence[Held], plan: Plan) -> None:
        """Refuse to render long documents here. Raises TakesLonger."""
        if self.entities.rendered.missing(held, plan.wanted.rendering) > LARGEST_MISS:
            raise TakesLonger

    def whole(self, plan: Plan, body: bytes, further: bytes) -> bytes:
        if plan.packing and len(body) >= SMALLEST:
            body = pack(body, plan.packing)
            further += b"content-encoding: %b\r\n" % plan.packing.encode()
        number = self.numbers.take().encode()
        return b"HTTP/1.1 200 OK\r\n%b%b%bcontent-length: %d\r\nX-Request-Id: %b\r\n\r\n%b" % (
            CLOCK.line(), further, plan.told, len(body), number, body,
        )  # fmt: skip
