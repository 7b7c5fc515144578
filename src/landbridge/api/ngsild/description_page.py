"""The description as a page that a person reads: server-rendered, without script, nothing loaded from elsewhere."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import orjson
from jinja2 import Environment, PackageLoader, Template
from starlette.responses import HTMLResponse, Response

from landbridge.api.http.resource import Call
from landbridge.api.ngsild.description import JSON, describe
from landbridge.api.ngsild.operation import Table
from landbridge.api.ngsild.path import root_of


class Description:
    """The description of a table of operations, as a document and as a page."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def document(self, call: Call) -> Response:
        """GET /ngsi-ld/v1/openapi.json, for programs."""
        return Response(orjson.dumps(describe(self.table)), 200, None, JSON)

    def page(self, call: Call) -> Response:
        """GET /ngsi-ld/v1/openapi.html, for people."""
        headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"}
        return HTMLResponse(render_description(describe(self.table, root_of(call.request))), 200, headers)


@cache
def template() -> Template:
    loader = PackageLoader("landbridge.api.ngsild", ".")
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["short"] = short
    environment.filters["pretty"] = lambda value: json.dumps(value, indent=2, ensure_ascii=False)
    return environment.get_template("description.html.j2")


def render_description(document: Mapping[str, Any]) -> str:
    """The page of an OpenAPI description."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, verbs in document["paths"].items():
        for verb, operation in verbs.items():
            groups.setdefault(operation["tags"][0], []).append(
                {
                    "verb": verb.upper(),
                    "path": path,
                    "body": body_of(operation),
                    "names": sorted(set(references(operation))),
                    "call": call(document, path, verb.upper(), operation),
                    **operation,
                }
            )
    return template().render(document=document, groups=groups, schemas=document["components"]["schemas"])


def references(value: Any) -> Iterator[str]:
    """The names of the schemas that something leads to."""
    if isinstance(value, Mapping):
        if "$ref" in value:
            yield value["$ref"].rpartition("/")[2]
        for part in value.values():
            yield from references(part)
    elif isinstance(value, list):
        for part in value:
            yield from references(part)


def body_of(operation: Mapping[str, Any]) -> list[str]:
    return list(operation.get("requestBody", {}).get("content", ()))


def example_of(operation: Mapping[str, Any]) -> Any:
    """A body that the operation takes, where it takes one."""
    content = operation.get("requestBody", {}).get("content", {}).get(JSON, {})
    return content.get("example")


def call(document: Mapping[str, Any], path: str, verb: str, operation: Mapping[str, Any]) -> str:
    """The operation as a line for a terminal."""
    shown = path.replace("{entityId}", "urn:ngsi-ld:Lamp:1").replace("{attrId}", "power").replace("{type}", "Lamp")
    known = {one["name"] for one in operation["parameters"]}
    if "{" not in path and "type" in known:
        shown += "?type=Lamp" + ("&timerel=after&timeAt=2020-04-01T00:00:00Z" if "timerel" in known else "")
    example = example_of(operation)
    parts = ["curl", *(["-X", verb] if verb != "GET" else []), f"'{document['servers'][0]['url']}{shown}'"]
    if example is not None:
        body = json.dumps(example, ensure_ascii=False).replace("'", "'\\''")
        parts += ["\\\n ", f"-H 'Content-Type: {JSON}'", "\\\n ", f"-d '{body}'"]
    return " ".join(parts)


def short(schema: Mapping[str, Any]) -> str:
    """What a value may be, in a few words."""
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(short(one) for one in schema["anyOf"]))
    kind = str(schema.get("type", "any"))
    bounds = [f"from {schema['minimum']}"] if "minimum" in schema else []
    bounds += [f"to {schema['maximum']}"] if "maximum" in schema else []
    return " ".join([{"string": "text", "integer": "whole number"}.get(kind, kind), *bounds])
