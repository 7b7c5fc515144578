"""What the doors of documents beside the entities share: of subscriptions, registrations, snapshots.

Their ids are given by clients or made here; they are shown one or a page at a time, with the client's own contexts.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from landbridge.api.ngsild.answer import answer, done
from landbridge.api.ngsild.listing import page_links
from landbridge.api.ngsild.parameter import JSON_LD, Wanted, read_limit
from landbridge.api.ngsild.question import read_offset
from landbridge.errors import InvalidEntity
from landbridge.model.instant import format_instant
from landbridge.model.value import URI
from landbridge.pool.cabinet import Kept


@dataclass(frozen=True)
class Window:
    """Which documents a page has, and whether all are counted (NGSI-LD 5.5.9)."""

    limit: int
    offset: int
    counted: bool


def read_window(given: Mapping[str, str]) -> Window:
    counted = given.get("count") == "true" or "count" in given.get("options", "").split(",")
    return Window(read_limit(given.get("limit"), counted), read_offset(given.get("offset")), counted)


def given_id(body: Mapping[str, Any], kind: str) -> str:
    """The id that a new document says, or one that is made here. Raises InvalidEntity where it is no URI."""
    if "id" not in body and "@id" not in body:
        return f"urn:ngsi-ld:{kind}:{uuid.uuid4()}"
    return require_uri(body.get("id", body.get("@id")), f"Write it like urn:ngsi-ld:{kind}:1.")


def require_uri(id_: object, hint: str | None = None) -> str:
    """An id of a document, from a body, an address or a header. Raises InvalidEntity where it is no URI."""
    if not isinstance(id_, str) or not URI.match(id_):
        raise InvalidEntity(f"'{str(id_)[:80]}' is no URI.", where="id", hint=hint)
    return id_


def context(wanted: Wanted) -> dict[str, Any]:
    """The client's own contexts; that the core context is among them is understood (NGSI-LD 5.5.7)."""
    own = list(wanted.terms.contexts) or wanted.terms.document()
    return {"@context": own} if wanted.rendering.context else {}


def dressed(wanted: Wanted, kept: Kept, shown: Mapping[str, Any]) -> dict[str, Any]:
    """A document as it is shown, with its id in front, and the system's times and the context where they are wanted."""
    found = {"id": kept.id, **shown}
    if wanted.rendering.system:
        found |= {"createdAt": format_instant(kept.created), "modifiedAt": format_instant(kept.modified)}
    return found | context(wanted)


def render_created(address: str, tenant: str, id_: str) -> Response:
    """201 with the address of what was made (NGSI-LD 6.3.2)."""
    return done(tenant, 201, {"Location": f"{address}/{quote(id_, safe=':')}"})


def render_one(wanted: Wanted, shown: Mapping[str, Any]) -> Response:
    return answer(wanted, shown, preferred(wanted))


def render_page(wanted: Wanted, address: str, window: Window, shown: Sequence[Any], count: int) -> Response:
    """A page of documents with the addresses of its neighbours, and the count where asked for (NGSI-LD 6.3.10).

    Links name JSON-LD whatever this page is in, and have the parameters as they were given with the place behind: so
    the conformance suite of ETSI compares them (037_11, 041_03).
    """
    headers = preferred(wanted) | ({"NGSILD-Results-Count": str(count)} if window.counted else {})
    response = answer(wanted, shown, headers)
    starts = {}
    if window.limit and window.offset:
        starts["prev"] = max(0, window.offset - window.limit)
    if window.limit and window.offset + window.limit < count:
        starts["next"] = window.offset + window.limit
    around = {rel: {"limit": str(window.limit), "offset": str(start)} for rel, start in starts.items()}
    others = {name: value for name, value in wanted.parameters.items() if name != "limit"}
    for name, link in page_links(address, others, around, JSON_LD, in_order=False):
        response.headers.append(name, link)
    return response


def preferred(wanted: Wanted) -> dict[str, str]:
    """Say that the version asked for was heeded: these documents are the same in all of them (4.3.6.8, 6.3.6)."""
    if wanted.version is None:
        return {}
    return {"Preference-Applied": f"ngsi-ld={wanted.version[0]}.{wanted.version[1]}"}
