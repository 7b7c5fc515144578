"""Bodies packed for the way: answers as gzip or zstd where the caller takes them, requests unpacked within a bound.

Small answers go as they are, for packing would cost more than it spares (RFC 9110, 8.4 and 12.5.3).
"""

import gzip
import sys
import zlib

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from landbridge.api.http.accept import read_range
from landbridge.api.http.problem import TooLarge, WrongMedia
from landbridge.errors import Invalid

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SMALLEST = 1_000  # bytes of an answer that is packed
GZIP_LEVEL, ZSTD_LEVEL = 5, 3
PACKINGS = ("zstd", "gzip")  # the better one first
MOST_NAMED = 20


def packing_of(request: Request) -> str:
    """How the caller likes its answer packed: zstd, gzip or "" for not at all."""
    given = request.headers.get("accept-encoding", "")
    wishes = dict(read_range(part) for part in given.split(",")[:MOST_NAMED]) if given else {}
    best = max(PACKINGS, key=lambda name: wishes.get(name, 0.0))
    return best if wishes.get(best, 0.0) > 0 else ""


def packed(request: Request, answer: Response) -> Response:
    """The answer, packed where that is wished and worth it; what is sent as it is read stays as it is."""
    packing = packing_of(request)
    if not packing or isinstance(answer, StreamingResponse):
        return answer
    if len(answer.body) < SMALLEST or "content-encoding" in answer.headers:
        return answer
    answer.body = pack(bytes(answer.body), packing)
    answer.headers["Content-Encoding"] = packing
    answer.headers["Content-Length"] = str(len(answer.body))
    return answer


def pack(body: bytes, packing: str) -> bytes:
    """A body, packed as zstd or gzip."""
    return zstd.compress(body, ZSTD_LEVEL) if packing == "zstd" else gzip.compress(body, GZIP_LEVEL, mtime=0)


def unpacked(request: Request, body: bytes, limit: int) -> bytes:
    """A request's body as it was before it was packed. Raises WrongMedia, Invalid, TooLarge beyond `limit` bytes."""
    packing = request.headers.get("content-encoding", "identity").strip().lower()
    if packing in ("", "identity"):
        return body
    if packing not in PACKINGS:
        raise WrongMedia(f"The body is packed as {packing[:40]}.", hint=f"Use {' or '.join(PACKINGS)}, or none.")
    unpacker = zstd.ZstdDecompressor() if packing == "zstd" else zlib.decompressobj(wbits=31)
    try:
        found = unpacker.decompress(body, limit + 1)
    except (zlib.error, zstd.ZstdError):
        raise Invalid(f"The body is not packed as {packing}.", where="Content-Encoding") from None
    if len(found) > limit:
        raise TooLarge(f"The body has more than {limit} bytes when it is unpacked.")
    if not unpacker.eof:
        raise Invalid(f"The body ends before its {packing} does.", where="Content-Encoding")
    return found
