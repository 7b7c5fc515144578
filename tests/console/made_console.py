"""The console over a made city, as an application that a test can ask, or that a browser can open."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from console.made_city import OPERATOR, Clock
from landbridge.console.needs import City, Doors
from landbridge.console.routes import console_routes, missing_page, open_console
from landbridge.errors import Unauthenticated
from landbridge.governance.policy import Actor, Role
from landbridge.model.answer import Change
from landbridge.pool.dead_letter import DeadLetters
from landbridge.pool.pool import Pool
from landbridge.pool.token import actor_for
from services import free_port

CITY = City({"en": "Binhai New Area", "zh": "滨海新区"}, "Asia/Shanghai")


@dataclass
class Replayed:
    """What the replay door was asked for."""

    asked: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, source: str, reason: str) -> str:
        self.asked.append((source, reason))
        return f"3 rows of {source} are mapped."


async def changes(pool: Pool, since: int) -> AsyncIterator[Change]:
    """New commits as they come, looked for ten times a second."""
    while True:
        for change in pool.changes(since):
            since = change.commit
            yield change
        await asyncio.sleep(0.1)


def nobody(request: Request) -> Actor:
    raise Unauthenticated("Nobody known is asking.", hint="Sign in with a token.")


def public(request: Request) -> Actor:
    return Actor("public", Role.PUBLIC, door="console")


def operator(request: Request) -> Actor:
    return OPERATOR


def console_app(
    pool: Pool,
    actor_of: Callable[[Request], Actor] = operator,
    *,
    clock: Clock | None = None,
    city: City = CITY,
    replay: Callable[[str, str], object] | None = None,
) -> Starlette:
    doors = Doors(
        actor_of=actor_of,
        sign_in=lambda token: actor_for(pool.store, token),
        live=lambda since: changes(pool, since),
        replay=replay or Replayed(),
        letters=DeadLetters(pool),
        policy=pool.policy,
        clock=(clock or Clock()).seconds,
    )
    console = open_console(pool, doors, city)

    def absent(request: Request, error: Exception) -> Response:
        return missing_page(console, request)

    return Starlette(routes=console_routes(console), exception_handlers={404: absent})


@contextmanager
def served(app: Starlette, port: int | None = None) -> Iterator[str]:
    """Serve an application on a free port of this machine; gives its address."""
    port = port or free_port()
    config = uvicorn.Config(app, "127.0.0.1", port, log_level="error", lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise RuntimeError("The server has ended.")
        threading.Event().wait(0.02)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)
