"""The parts of a path, each decoded by itself: an entity's id may hold encoded slashes."""

from urllib.parse import unquote

from starlette.requests import Request

from landbridge.errors import Missing


def segments(request: Request, prefix: str) -> list[str]:
    """The decoded segments after a prefix of the path; at least one."""
    raw = request.scope.get("raw_path") or request.scope["path"].encode()
    path = raw.decode("ascii", "replace").partition("?")[0]
    _, found, rest = path.partition(prefix + "/")
    parts = [unquote(part) for part in rest.rstrip("/").split("/")] if found else []
    if not parts or not all(parts):
        raise Missing("There is nothing at this address.")
    return parts
