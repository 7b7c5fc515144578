"""Content negotiation: which of the forms that can be given the caller likes best (RFC 9110, 12.5.1)."""

import re
from collections.abc import Sequence

from landbridge.api.http.problem import NotAcceptable

MOST_RANGES = 50
WEIGHT = re.compile(r"(0(\.\d{0,3})?|1(\.0{0,3})?)\Z", re.ASCII)


def choose(accept: str | None, offered: Sequence[str]) -> str:
    """The offered media type that suits best; the first where all are equal. Raises NotAcceptable."""
    if not accept or not accept.strip():
        return offered[0]
    ranges = [read_range(part) for part in accept.split(",")[:MOST_RANGES]]
    ranked = [(weight(offer, ranges), -place, offer) for place, offer in enumerate(offered)]
    best = max(ranked)
    if best[0] <= 0:
        raise NotAcceptable("None of the wanted forms can be given.", where="Accept", hint=f"Use {', '.join(offered)}.")
    return best[2]


def read_range(part: str) -> tuple[str, float]:
    """A media range and its weight."""
    media, *parameters = (piece.strip().lower() for piece in part.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            return media, float(value) if WEIGHT.match(value.strip()) else 1.0  # what is no weight says nothing
    return media, 1.0


def weight(offer: str, ranges: Sequence[tuple[str, float]]) -> float:
    """How much an offer is liked: the weight of the most special range that covers it."""
    kind = offer.partition("/")[0]
    for wanted in (offer, f"{kind}/*", "*/*"):
        weights = [given for media, given in ranges if media == wanted]
        if weights:
            return max(weights)
    return 0.0
