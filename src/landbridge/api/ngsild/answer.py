"""What every operation answers with: JSON in the wanted form, or nothing but a status; the tenant is named back."""

from typing import Any

import orjson
from starlette.responses import Response

from landbridge.api.ngsild.parameter import Wanted, context_link


def answer(wanted: Wanted, shown: Any, headers: dict[str, str] | None = None) -> Response:
    """JSON in the wanted form; where the body does not say its context, the Link header does."""
    found = Response(orjson.dumps(shown), 200, headers, wanted.media)
    if not wanted.rendering.context:
        found.headers.append("Link", context_link(wanted.terms))
    if wanted.tenant:
        found.headers["NGSILD-Tenant"] = wanted.tenant
    return found


def done(tenant: str, status: int = 204, headers: dict[str, str] | None = None) -> Response:
    """No body; names of headers are spelt as the standard spells them, for clients that take them by the letter."""
    told = (headers or {}) | ({"NGSILD-Tenant": tenant} if tenant else {})
    found = Response(None, status)
    found.raw_headers += [(name.encode(), value.encode()) for name, value in told.items()]
    return found
