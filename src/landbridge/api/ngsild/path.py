"""The parts of a path, each decoded by itself: an entity's id may hold encoded slashes."""

from collections.abc import Mapping
from urllib.parse import unquote

from starlette.requests import Request

from landbridge.errors import InvalidEntity, Missing
from landbridge.model.value import URI

CONTEXTS = "jsonldContexts"


def segments(request: Request, prefix: str) -> list[str]:
    """The decoded segments after a prefix of the path; at least one."""
    raw = request.scope.get("raw_path") or request.scope["path"].encode()
    path = raw.decode("ascii", "replace").partition("?")[0]
    _, found, rest = path.partition(prefix + "/")
    head, _, whole = rest.partition("/")
    if head == CONTEXTS and "://" in whole:  # the address of a context as it is, as many clients send it
        return [head, unquote(whole)]
    parts = [unquote(part) for part in rest.rstrip("/").split("/")] if found else []
    if not parts or parts == [""]:
        raise Missing("There is nothing at this address.")
    if not all(parts):
        raise InvalidEntity("A part of the address is empty.", where="id", hint="Name what is meant.")
    return parts


def entity_id(path: Mapping[str, str]) -> str:
    """The id of the entity that the address names. Raises InvalidEntity where it is no URI (NGSI-LD 4.5.1)."""
    id_ = path["entityId"]
    if not URI.match(id_):
        raise InvalidEntity(f"'{id_[:80]}' is no URI.", where="id")
    return id_


def root_of(request: Request) -> str:
    """This host as the caller names it."""
    return f"{request.scope['scheme']}://{request.headers.get('host', '')}"
