"""What a request to an API carries: nothing (GET), or a body that asks (POST), as many query APIs want it.

A body that is a table goes out as JSON, and what pages and `since_parameter` ask for stands in it: the loop over the
pages counts in the address, as with GET, and here the parameters move from there to where the API looks for them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from landbridge.errors import InvalidSettings
from landbridge.sources.declaration import Keys
from landbridge.sources.secret import fill

OPTIONS: dict[str, str] = {
    "method": "get (default) or post, for an API that is asked by a body",
    "body": "with post: a table, sent as JSON, or a text, sent as it is; `${NAME}` as above. In a table, paging and "
    "`since_parameter` set their member of it (`query.page` is one further in)",
}
JSON = "application/json"


@dataclass(frozen=True)
class Body:
    """How an API is asked. `inside`: parameters that stand in the body, and whether each is a number."""

    method: str = "GET"
    content: Mapping[str, Any] | str | None = None
    inside: Mapping[str, bool] | None = None

    def request(self, url: httpx.URL) -> tuple[str, httpx.URL, bytes | None, dict[str, str]]:
        """The method, the address, the body and its headers of the request that an address of the loop stands for."""
        if self.method == "GET" or self.content is None:
            return self.method, url, None, {}
        if isinstance(self.content, str):
            return self.method, url, self.content.encode(), {"Content-Type": "text/plain; charset=utf-8"}
        document: Any = self.content
        for name, number in (self.inside or {}).items():
            if name in url.params:
                value = url.params[name]
                document = put(document, name.split("."), int(value) if number else value)
                url = url.copy_remove_param(name)
        return self.method, url, orjson.dumps(document), {"Content-Type": JSON}


def put(document: Any, path: list[str], value: Any) -> dict[str, Any]:
    """A copy of a document in which the member at `path` has this value."""
    made = dict(document) if isinstance(document, Mapping) else {}
    made[path[0]] = put(made.get(path[0]), path[1:], value) if path[1:] else value
    return made


def read_body(keys: Keys, inside: Mapping[str, bool]) -> Body:
    """The declared method and body; raises InvalidSettings."""
    method = keys.choice("method", ("get", "post")).upper()
    content = keys.of("body", None, lambda value: isinstance(value, Mapping | str), "a table or a text")
    if content is not None and method == "GET":
        raise InvalidSettings("`body` is given, and a GET has none.", where=keys.where, hint='Write method = "post".')
    return Body(method, filled(content, keys.where), inside)


def filled(value: Any, where: str) -> Any:
    """A body with the environment's secrets in its texts."""
    if isinstance(value, str):
        return fill(value, where=where)
    if isinstance(value, Mapping):
        return {name: filled(one, where) for name, one in value.items()}
    return [filled(one, where) for one in value] if isinstance(value, list) else value
