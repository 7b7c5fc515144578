"""A pool in a real file with NGSI-LD over it, and a caller without a network."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette

from landbridge.api.http.caller import Callers
from landbridge.api.ngsild.routes import Doors, routes
from landbridge.api.ngsild.temporal_question import USUAL_PAGE
from landbridge.governance.policy import Actor, Role
from landbridge.model.claim import Claims
from landbridge.model.terms import Contexts
from landbridge.pool.pool import Pool
from landbridge.store.sqlite import open_store, wall_clock

ROOT = "/ngsi-ld/v1"
ENTITIES = f"{ROOT}/entities"
OPERATIONS = f"{ROOT}/entityOperations"
OPERATOR = Actor("operator", Role.OPERATOR)
LD = {"Content-Type": "application/ld+json"}


class Api:
    """A caller of a pool's NGSI-LD; `known` are contexts by address. `clock` may be set: microseconds since 1970."""

    def __init__(
        self,
        folder: Path,
        known: Mapping[str, Any] | None = None,
        claims: Claims | None = None,
        *,
        history_page: int = USUAL_PAGE,
    ) -> None:
        self.now: int | None = None
        self.pool = Pool(open_store(folder / "pool.db", self.clock), claims=claims)
        callers = Callers(lambda token: None, OPERATOR)
        application = Starlette(
            routes=routes(self.pool, Doors(callers, Contexts(known or {}), history_page=history_page))
        )
        self.transport = httpx.ASGITransport(application, client=("127.0.0.1", 4711))

    def clock(self) -> int:
        return wall_clock() if self.now is None else self.now

    def close(self) -> None:
        self.pool.close()

    def ask(self, method: str, path: str, **told: Any) -> httpx.Response:
        return asyncio.run(self.asked(method, path, told))

    async def asked(self, method: str, path: str, told: dict[str, Any]) -> httpx.Response:
        async with httpx.AsyncClient(transport=self.transport, base_url="http://localhost:8080") as client:
            return await client.request(method, path, **told)

    def get(self, path: str, **told: Any) -> httpx.Response:
        return self.ask("GET", path, **told)

    def post(self, path: str, body: Any, **told: Any) -> httpx.Response:
        return self.ask("POST", path, json=body, **told)

    def put(self, path: str, body: Any, **told: Any) -> httpx.Response:
        return self.ask("PUT", path, json=body, **told)

    def patch(self, path: str, body: Any, **told: Any) -> httpx.Response:
        return self.ask("PATCH", path, json=body, **told)

    def delete(self, path: str, **told: Any) -> httpx.Response:
        return self.ask("DELETE", path, **told)

    def made(self, body: Mapping[str, Any], **told: Any) -> str:
        """Make an entity; its address."""
        answer = self.post(ENTITIES, body, **told)
        assert answer.status_code == 201, answer.text
        return answer.headers["location"]

    def shown(self, path: str, **parameters: str) -> dict[str, Any]:
        """An entity as it is now, in the simplified form where nothing else is asked."""
        answer = self.get(path, params={"options": "keyValues"} | parameters)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found
