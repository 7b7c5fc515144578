"""The OpenAPI 3.1 description of what is served, made from the table of operations and the schemas they name.

Nothing is written twice: what an operation declares is what is checked, what is described, and what its page shows.
"""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from landbridge.api.ngsild.operation import ROOT, Operation, Parameter, Table
from landbridge.api.ngsild.schema import SCHEMAS
from landbridge.api.ngsild.shape import Schema, listed, ref

JSON, JSON_LD, GEOJSON, MERGE = (
    "application/json", "application/ld+json", "application/geo+json", "application/merge-patch+json",
)  # fmt: skip
#: schema that an operation names -> its media types and their schemas, where they are not JSON and JSON-LD of that name
ANSWERS: Mapping[str, Mapping[str, Schema]] = {
    "Entity": {JSON: ref("EntityAnswer"), JSON_LD: ref("EntityAnswer"), GEOJSON: ref("Feature")},
    "EntityList": {
        JSON: ref("EntityAnswerList"), JSON_LD: ref("EntityAnswerList"), GEOJSON: ref("FeatureCollection"),
    },
} | {
    name: {JSON: ref(name)}
    for name in ("IdList", "UpdateResult", "BatchOperationResult", "ProblemDetails")
}  # fmt: skip
WITHOUT_CONTEXT = frozenset({"ContextDocument", "IdList"})  # bodies that are read without an @context of their own
FAULTS: Mapping[int, str] = {
    400: "The request, a parameter or the body is wrong.",
    401: "Nobody known is asking.",
    403: "A policy says no, or a bound is reached.",
    404: "There is no such thing, or no such tenant.",
    406: "None of the wanted forms can be given.",
    409: "It is there already, or belongs to another source.",
    411: "The request does not say how long its body is.",
    412: "It is no longer as the caller saw it.",
    413: "The body is too large.",
    415: "The body comes in a form that is not read.",
    422: "The operation exists, and not for this.",
    500: "Something went wrong inside.",
    502: "A registered source answers with what makes no sense.",
    504: "An @context or a registered source cannot be had.",
    508: "The request has been here before.",
}
TITLES: Mapping[int, str] = {
    200: "Here it is.", 201: "It is made.", 203: "Here it is, changed on its way.", 204: "Done.",
    206: "Here is a part of its instances; Content-Range says from when to when.",
    207: "Some went through, some did not.", 304: "It is as the caller has it.",
}  # fmt: skip
HEADERS: Sequence[Mapping[str, Any]] = (
    {"name": "NGSILD-Tenant", "in": "header", "description": "The tenant (NGSI-LD 6.3.14).",
     "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,100}$"}},
    {"name": "Link", "in": "header", "description": "The @context by which names are read (NGSI-LD 6.3.5).",
     "schema": {"type": "string"}},
)  # fmt: skip
ABOUT_PATH: Mapping[str, str] = {
    "attrId": "The name of the attribute.", "type": "The name of the type.", "instanceId": "The instanceId.",
}  # fmt: skip
ABOUT = """What a district's departments know, joined, as NGSI-LD 1.9.1 (ETSI GS CIM 009). Names are short by the
@context of the request: in the body of application/ld+json, else in the Link header, else the core context alone."""


def describe(table: Table, address: str = "") -> dict[str, Any]:
    """The description of a table of operations; `address` is where the service is found, else where it itself is."""
    paths: dict[str, dict[str, Any]] = {}
    for served in table.served:
        operation = served.operation
        paths.setdefault(operation.path, {})[operation.verb.lower()] = described(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Landbridge: NGSI-LD", "version": version("landbridge"), "description": " ".join(ABOUT.split()),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": address + ROOT}],
        "security": [{}, {"token": []}],
        "paths": paths,
        "components": {
            "schemas": {name: plain(schema) for name, schema in SCHEMAS.items()},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }  # fmt: skip


def described(operation: Operation) -> dict[str, Any]:
    """One operation."""
    found: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.about,
        "description": f"NGSI-LD {operation.clause}.",
        "tags": [operation.template[0]],
        "parameters": [
            *(in_path(part[1:-1]) for part in operation.template if part.startswith("{")),
            *map(in_query, operation.parameters),
            *HEADERS,
        ],
        "responses": responses(operation),
    }
    if operation.body:
        found["requestBody"] = {"required": True, "content": content_of_body(operation)}
    return dict(plain(found))


def in_path(name: str) -> Schema:
    about = ABOUT_PATH.get(name, "The id.")
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": about,
        "schema": {"type": "string", "minLength": 1},
    }


def in_query(parameter: Parameter) -> Schema:
    return {"name": parameter.name, "in": "query", "description": parameter.about, "schema": parameter.schema}


def content_of_body(operation: Operation) -> dict[str, Any]:
    """The body's forms; as JSON-LD with its @context, as JSON without (NGSI-LD 6.3.5)."""
    assert operation.body is not None
    name = operation.body
    examples = SCHEMAS[name].get("examples", ())
    shown = {"example": examples[0]} if examples else {}
    if name in WITHOUT_CONTEXT:
        return {media: {"schema": ref(name), **shown} for media in (JSON, JSON_LD)}
    whole: dict[str, Any] = {"allOf": [ref(name), {"required": ["@context"]}]}
    if SCHEMAS[name].get("type") == "array":
        whole = {"allOf": [ref(name), listed({"required": ["@context"]})]}
    forms: dict[str, Any] = {JSON: {"schema": ref(name), **shown}, JSON_LD: {"schema": whole}}
    return forms | ({MERGE: {"schema": ref(name)}} if operation.verb == "PATCH" else {})


def responses(operation: Operation) -> dict[str, Any]:
    """What it may be answered: what it declares, and what its method and place bring along."""
    found: dict[str, Any] = {}
    for status in sorted(possible(operation)):
        name = operation.answers.get(status)
        about = TITLES.get(status) or FAULTS[status]
        if name is None:
            name = "" if status == 411 else "ProblemDetails"
        media = ANSWERS.get(name, {JSON: ref(name), JSON_LD: ref(name)}) if name else {}
        found[str(status)] = {"description": about}
        if media:
            found[str(status)]["content"] = {form: {"schema": schema} for form, schema in media.items()}
    return found


def possible(operation: Operation) -> frozenset[int]:
    """The statuses of an operation (NGSI-LD 6.3.2, and those of its answers)."""
    found = {*operation.answers, 400, 401, 403, 404, 500, 504}
    if operation.verb == "GET":
        found.add(406)
    else:
        found |= {409, 412}
    if operation.body:
        found |= {406, 411, 413, 415}
    if operation.path.startswith(("/entities", "/entityOperations", "/types", "/attributes", "/temporal")):
        found |= {422, 502, 508}  # what registered sources bring along
    return frozenset(found)


def plain(schema: Any) -> Any:
    """The same as ordinary dictionaries and lists."""
    if isinstance(schema, Mapping):
        return {key: plain(value) for key, value in schema.items()}
    if isinstance(schema, list | tuple):
        return [plain(value) for value in schema]
    return schema
