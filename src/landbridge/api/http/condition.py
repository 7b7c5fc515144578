"""Conditional requests: the tag of what is answered, and the conditions that a caller puts on it (RFC 9110, 13).

A tag names the state of the resource and the very bytes that were sent: `"5e2c1f3a9b7d0-1c291ca3"`. So two forms of
one state, also as packed or not, have two tags, and a change may be made on condition of any of them, for the state
stands in front.
"""

import re
from zlib import crc32

from starlette.requests import Request
from starlette.responses import Response

from landbridge.api.http.packing import packing_of

TAG = re.compile(r'(W/)?"([!#-~]*)"')
STATE = re.compile(r"([0-9a-f]{1,16})-[0-9a-f]{8}\Z")
HEADERS = frozenset({b"etag", b"cache-control", b"vary", b"link", b"ngsild-tenant"})


def tagged(request: Request, answer: Response, state: int) -> Response:
    """The answer with its tag, or 304 with nothing where the caller has it already (If-None-Match)."""
    tag = f'"{state:x}-{crc32(answer.body, crc32(packing_of(request).encode())):08x}"'
    answer.headers["ETag"] = tag
    known = request.headers.get("if-none-match")
    if known is None or not (known.strip() == "*" or tag in (f'"{text}"' for _, text in TAG.findall(known))):
        return answer
    unchanged = Response(None, 304)
    unchanged.raw_headers += [(name, value) for name, value in answer.raw_headers if name in HEADERS]
    return unchanged


def seen_states(request: Request) -> frozenset[int] | None:
    """The states that the caller takes as a condition (If-Match); None: there is no condition, or any state will do.

    Weak tags and tags that are not ours match nothing, as RFC 9110 13.1.1 asks.
    """
    given = request.headers.get("if-match")
    if given is None or given.strip() == "*":
        return None
    found = (STATE.match(text) for weak, text in TAG.findall(given) if not weak)
    return frozenset(int(match[1], 16) for match in found if match)
