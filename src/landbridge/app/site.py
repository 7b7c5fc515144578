"""Everything that the serving process answers: APIs, push door, console and health, over one pool, with live changes.

Nothing heavy is imported here, so the process starts at once and stays small; what needs an engine is asked of the
worker beside it.
"""

import asyncio
import contextlib
import logging
import secrets
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from anyio.to_thread import current_default_thread_limiter
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from landbridge.api.http.caller import Callers, actor_of
from landbridge.api.ngsild import rendered
from landbridge.api.ngsild import routes as ngsild
from landbridge.api.ngsild.express import Express
from landbridge.api.ngsild.subscription import Telling
from landbridge.api.ngsild.subscription_sense import understand
from landbridge.app import download, push
from landbridge.app.beside import Beside
from landbridge.app.entrance import OWNER, contexts_of, kept_contexts
from landbridge.app.forgetting import Forgetting
from landbridge.app.live import Live
from landbridge.app.recollection import Recollection
from landbridge.console import outline
from landbridge.console.needs import City, Doors
from landbridge.console.routes import console_routes, missing_page, open_console
from landbridge.errors import LandbridgeError, TooMuch
from landbridge.federation.herald import SHELF as HERALDED
from landbridge.federation.herald import Herald
from landbridge.federation.reach import Reach
from landbridge.governance.egress import Egress
from landbridge.governance.policy import Actor, Role
from landbridge.model.address import read_allowed
from landbridge.model.terms import Contexts
from landbridge.pool.dead_letter import DeadLetters
from landbridge.pool.delivery import Lane
from landbridge.pool.pool import Pool
from landbridge.pool.subscription import subscriptions_of
from landbridge.pool.then import OpenedPasts
from landbridge.pool.token import actor_for
from landbridge.pool.untold import tellable
from landbridge.publish.call import Caller, Target, check_endpoint
from landbridge.publish.publisher import Publisher
from landbridge.settings import Operator, Settings

LOG = logging.getLogger("landbridge.serve")
PUBLIC = Actor("public", Role.PUBLIC)
SECRET = "console.key"  # noqa: S105  (a file's name)
ASKED_SECONDS = 600.0
READING_THREADS = 16
HERALD_PAUSE = 15.0  # seconds before a notification about registrations is tried again
ASKING_THREADS = 6  # of them that may wait for a process beside, so that reads never stand behind those


@dataclass
class Site:
    """The serving process: its application, and what runs beside the requests."""

    application: Starlette
    live: Live
    beside: Beside
    historian: Beside
    express: Express


def open_site(settings: Settings, operator: Operator, pool: Pool) -> Site:
    """Put the doors together; the worker starts with the application. Raises InvalidSettings."""
    egress = Egress(read_allowed(operator.allow_egress), authorities=operator.ca_file)
    kept = kept_contexts(pool, egress, operator)
    contexts = contexts_of(settings, kept)
    caller = Caller(egress)
    reach = Reach(pool, egress, contexts)
    herald = ngsild.open_herald(pool, contexts, reach)
    publisher = open_publisher(pool, contexts, caller, herald)
    herald.hurry = publisher.look_around
    live = Live(pool)
    beside = Beside(settings.folder, "landbridge.app.worker", "worker", lambda news: None)
    asking = Asking(beside, "the sources")
    historian = Beside(settings.folder, "landbridge.app.historian", "historian", lambda news: None)
    remembering = Asking(historian, "history")
    recollection = Recollection(pool.store, remembering.ask, lambda: historian.ready)
    pool.history, pool.earlier = recollection, recollection.earlier
    pool.then = then = OpenedPasts(recollection.past, pool.policy)
    body_limit = operator.max_body_megabytes << 20
    callers = callers_of(settings, pool)
    doors = Doors(
        actor_of=lambda request: actor_of(request, callers, "console"),
        sign_in=partial(signed_in, pool),
        live=live.changes,
        replay=asking.replay,
        letters=DeadLetters(pool),
        policy=pool.policy,
    )
    city = City(settings.name, settings.time_zone, settings.tenant)
    console = open_console(pool, doors, city, secret_of(settings.store.parent / SECRET))
    addresses, express = ngsild.open_api(
        pool,
        ngsild.Doors(
            callers,
            contexts,
            reach,
            kept,
            telling_of(publisher, egress),
            herald,
            heralding_of(publisher, egress),
            body_limit,
            operator.history_page,
        ),
    )
    routes = [
        *addresses,
        *push.routes(pool, callers, asking.ask, body_limit),
        *download.routes(pool, callers, contexts, remembering.ask),
        Route("/health", partial(health, pool, beside, historian), methods=["GET"]),
        *console_routes(console),
    ]

    async def missing(request: Request, error: Exception) -> Response:
        path = request.scope["path"]
        if path.startswith("/ngsi-ld/"):
            detail = f"There is nothing at {path[:200]}."
            body = {"type": "about:blank", "title": "Nothing here", "status": 404, "detail": detail}
            return JSONResponse(body, 404, media_type="application/problem+json")
        return await run_in_threadpool(missing_page, console, request)

    application = Starlette(
        routes=routes,
        lifespan=partial(
            lifespan,
            live,
            Forgetting(
                pool.store,
                (rendered.forget, outline.thinned.cache_clear, reach.lines.forget, express.plans.clear, then.forget),
            ),
            (asking, remembering),
            Outward(egress, caller, publisher, herald, reach),
        ),
        exception_handlers={404: missing},
    )
    return Site(application, live, beside, historian, express)


@dataclass(frozen=True)
class Outward:
    """What calls others: closed in this order."""

    egress: Egress
    caller: Caller
    publisher: Publisher
    herald: Herald
    reach: Reach

    def start(self) -> None:
        self.publisher.start()
        self.herald.start()

    def close(self) -> None:
        self.herald.close()
        self.publisher.close()
        self.reach.close()
        self.caller.close()
        self.egress.close()


def open_publisher(pool: Pool, contexts: Contexts, caller: Caller, herald: Herald) -> Publisher:
    """What notifies subscribers; it begins when it is started."""

    def heralded(lane: Lane) -> Target | None:
        found = herald.endpoint(lane.tenant, lane.subscription)
        if found is None:
            return None
        endpoint, context = found
        return Target(replace(endpoint, cooldown=max(endpoint.cooldown, HERALD_PAUSE)), lane.tenant, context)

    def told(target: Target, body: bytes) -> None:
        left = tellable(pool.store, target.tenant, body)
        if left is not None:
            caller(target, left)

    return Publisher(
        subscriptions_of(pool),
        lambda tenant, id_, body: understand(tenant, id_, body, contexts),
        contexts.terms,
        told,
        {HERALDED: heralded},
    )


def telling_of(publisher: Publisher, egress: Egress) -> Telling:
    """What the doors may ask of the publisher."""
    return Telling(
        check=partial(check_endpoint, egress=egress),
        hurry=publisher.hurry,
        forget=publisher.forget,
        standing=publisher.standing,
    )


def heralding_of(publisher: Publisher, egress: Egress) -> Telling:
    """The same for those who subscribe to registrations."""
    return Telling(
        check=partial(check_endpoint, egress=egress),
        hurry=publisher.look_around,
        forget=partial(publisher.forget, shelf=HERALDED),
        standing=partial(publisher.standing, shelf=HERALDED),
    )


@contextlib.asynccontextmanager
async def lifespan(
    live: Live, forgetting: Forgetting, asked: Sequence["Asking"], outward: Outward, _: Starlette
) -> AsyncIterator[None]:
    """Run the watch for changes, the worker and the historian as long as requests are answered."""
    for one in asked:
        one.loop = asyncio.get_running_loop()
    # each thread that reads keeps a connection with its own cache, and two cores have no use for more
    current_default_thread_limiter().total_tokens = READING_THREADS
    outward.start()
    tasks = [asyncio.create_task(one) for one in (live.run(), forgetting.run(), *(one.beside.run() for one in asked))]
    try:
        yield
    finally:
        live.end()
        await asyncio.gather(*(one.beside.close() for one in asked))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await run_in_threadpool(outward.close)


class Asking:
    """Lets threads that answer requests ask a process beside and wait for its answer, so many of them at a time.

    `what` they wait for, for people.
    """

    def __init__(self, beside: Beside, what: str) -> None:
        self.beside = beside
        self.what = what
        self.loop: asyncio.AbstractEventLoop | None = None
        self.room = threading.BoundedSemaphore(ASKING_THREADS)

    def ask(self, order: Mapping[str, Any]) -> Any:
        """Its answer; raises what it raises, TooMuch (`where` "busy") where many wait already."""
        assert self.loop is not None
        if not self.room.acquire(blocking=False):
            raise TooMuch(
                f"{ASKING_THREADS} requests wait for {self.what} already.",
                where="busy",
                hint="Send it again in a moment.",
            )
        try:
            return asyncio.run_coroutine_threadsafe(self.beside.ask(order, ASKED_SECONDS), self.loop).result()
        finally:
            self.room.release()

    def replay(self, source: str, reason: str) -> object:
        """The console's replay: a sentence for people; raises what went wrong, for the console's page of errors."""
        return self.ask({"do": "replay", "source": source, "reason": reason})


def callers_of(settings: Settings, pool: Pool) -> Callers:
    """Who may be asking this city."""
    return Callers(
        by_token=partial(actor_for, pool.store),
        operator=replace(OWNER, door=""),
        public=PUBLIC if settings.public else None,
        hosts=frozenset(host.lower() for host in settings.hosts),
        turned_away=lambda door, error: pool.reads.count("door", door, "denied"),
    )


def signed_in(pool: Pool, token: str) -> Actor | None:
    actor = actor_for(pool.store, token)
    return None if actor is None else replace(actor, door="console")


def health(pool: Pool, beside: Beside, historian: Beside, request: Request) -> Response:
    """GET /health: whether the store answers, and the state of the worker and the historian."""
    try:
        version = pool.version()
    except LandbridgeError as error:
        return JSONResponse({"status": "failing", "detail": error.message}, 503)
    states = {"worker": state(beside), "historian": state(historian)}
    return JSONResponse({"status": "ok", "commit": version, **states})


def state(beside: Beside) -> str:
    return "ready" if beside.ready else "starting" if beside.trouble is None else "failing"


def secret_of(path: Path) -> bytes:
    """What signs the console's forms, the same after a restart; made with rights for its owner alone."""
    try:
        found = path.read_bytes()
        if len(found) >= 32:
            return found
    except OSError:
        pass
    made = secrets.token_bytes(32)
    with contextlib.suppress(OSError):
        path.touch(mode=0o600)
        path.write_bytes(made)
    return made
