"""A visitor who asks an application without a network: requests one after another, cookies kept between them."""

import asyncio
from typing import Any

import httpx
from starlette.applications import Starlette


class Visitor:
    """Asks the application as a browser would; follows redirects unless told not to."""

    def __init__(self, app: Starlette, **headers: str) -> None:
        told = {"accept": "text/html"} | {name.replace("_", "-"): value for name, value in headers.items()}
        self.app, self.headers = app, told
        self.cookies = httpx.Cookies()

    def get(self, path: str, **told: Any) -> httpx.Response:
        return self.ask("GET", path, **told)

    def post(self, path: str, **told: Any) -> httpx.Response:
        return self.ask("POST", path, **told)

    def ask(self, method: str, path: str, *, follow_redirects: bool = True, **told: Any) -> httpx.Response:
        return asyncio.run(self.asked(method, path, follow_redirects, told))

    async def asked(self, method: str, path: str, follow: bool, told: dict[str, Any]) -> httpx.Response:
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://testserver", headers=self.headers, cookies=self.cookies
        ) as client:
            answer = await client.request(method, path, follow_redirects=follow, **told)
            self.cookies = client.cookies
            return answer
