"""Live changes to open pages, as server-sent events: which types and entities a commit changed.

An event says only what changed; the page fetches what it shows through the pool again, so policy holds.
"""

import asyncio
from collections.abc import AsyncIterator

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from landbridge.console.page import HEADERS, Console, actor_behind
from landbridge.errors import LandbridgeError
from landbridge.model.answer import Change

SILENCE = 15.0  # seconds after which a comment keeps the line open


async def live(console: Console, request: Request) -> Response:
    """GET /console/live?since=: changes after a commit number (or the Last-Event-ID), as they come."""
    try:
        actor = await run_in_threadpool(actor_behind, console, request)
        await run_in_threadpool(console.doors.policy.require, actor, "read", "follow changes")
    except LandbridgeError as error:
        return PlainTextResponse(str(error), 403, HEADERS)
    asked = request.headers.get("last-event-id") or request.query_params.get("since", "")
    since = int(asked) if asked.isdecimal() and len(asked) < 19 else console.reading.version()
    headers = HEADERS | {"X-Accel-Buffering": "no"}
    changes = console.doors.live(since)
    return StreamingResponse(events(changes, console.city.tenant), 200, headers, media_type="text/event-stream")


async def events(changes: AsyncIterator[Change], tenant: str) -> AsyncIterator[bytes]:
    """Write changes as events; a comment where nothing happens for a while."""
    yield b"retry: 3000\n\n"
    coming: asyncio.Task[Change] = asyncio.ensure_future(anext(changes))
    try:
        while True:
            done, _ = await asyncio.wait({coming}, timeout=SILENCE)
            if not done:
                yield b": still here\n\n"
                continue
            try:
                change = coming.result()
            except StopAsyncIteration:
                return
            coming = asyncio.ensure_future(anext(changes))
            if change.tenant == tenant:
                yield event(change)
    finally:
        coming.cancel()


def event(change: Change) -> bytes:
    told = {"types": change.types, "entities": change.entities, "more": change.more}
    return b"id: %d\nevent: change\ndata: %s\n\n" % (change.commit, orjson.dumps(told))
