"""Fetching an @context from where it is: a file of the operator's map, else its address, within bounds.

Every way in which it cannot be had is Unreachable (LdContextNotAvailable); what is had and is no context is
InvalidEntity (BadRequestData), as NGSI-LD 5.5.6 asks.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import orjson

from landbridge.errors import InvalidEntity, LandbridgeError, Unreachable
from landbridge.governance.egress import Answer, Egress
from landbridge.model.core_context import CORE_FILES, CORE_PREFIX

LARGEST = 4 * 1024 * 1024
SECONDS = 8.0
HOPS = 5
NOT_INSIDE = (
    f"Name {max(CORE_FILES)}, or have the operator name a file for yours: landbridge serve --contexts-map FILE."
)
HEADERS = {"Accept": "application/ld+json, application/json;q=0.8, */*;q=0.1"}
# <address>; rel="alternate"; type="application/ld+json" (JSON-LD 1.1 API, 9.4)
LINK = re.compile(r"<([^<>]+)>((?:\s*;\s*\w+\s*=\s*(?:\"[^\"]*\"|[^\s;,\"]+))*)")


class ContextFetch:
    """Gives the document at an address. `mapped`: address -> file, which stands over the address."""

    def __init__(self, egress: Egress | None = None, mapped: Mapping[str, Path] | None = None) -> None:
        self.egress = egress
        self.mapped = mapped or {}

    def __call__(self, address: str) -> Any:
        """What the address holds under @context. Raises Unreachable or InvalidEntity."""
        if address in self.mapped:
            return read_file(self.mapped[address], address)
        if address.startswith(CORE_PREFIX):  # the core never comes from outside
            raise unavailable(address, "this version of the core context is not inside", NOT_INSIDE)
        if self.egress is None:
            raise unavailable(address, "nothing is fetched here")
        return read_answer(self.follow(self.egress, address), address)

    def follow(self, egress: Egress, address: str) -> Answer:
        """The answer of the address, or of the one that a web page names in its place. Raises Unreachable."""
        try:
            answer = egress.request("GET", address, HEADERS, timeout=SECONDS, largest=LARGEST, hops=HOPS)
            other = alternate(answer)
            if other is not None:
                answer = egress.request(
                    "GET", urljoin(answer.url, other), HEADERS, timeout=SECONDS, largest=LARGEST, hops=HOPS
                )
        except LandbridgeError as error:
            raise unavailable(address, error.message.rstrip("."), error.hint) from None
        return answer


def unavailable(address: str, reason: str, hint: str | None = None) -> Unreachable:
    return Unreachable(
        f"The @context cannot be had: {reason}.",
        where=address[:300],
        hint=hint or "The operator can name a file for it: landbridge serve --contexts-map FILE.",
    )


def is_json(answer: Answer) -> bool:
    media = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    return media.endswith(("/json", "+json"))


def alternate(answer: Answer) -> str | None:
    """The address of the context that a web page names as its other form."""
    if is_json(answer):
        return None
    for address, parameters in LINK.findall(answer.headers.get("link", "")[:8000]):
        found = dict(
            part.strip().replace('"', "").partition("=")[::2] for part in parameters.split(";") if part.strip()
        )
        if found.get("rel") == "alternate" and found.get("type") == "application/ld+json":
            return str(address)
    return None


def read_answer(answer: Answer, address: str) -> Any:
    """The context in an answer, whatever it is called, for many servers send contexts as text."""
    if answer.status != 200:
        raise unavailable(address, f"the address answers {answer.status}")
    return read_json(answer.body, address)


def read_file(path: Path, address: str) -> Any:
    """The context in a mapped file. Raises Unreachable or InvalidEntity."""
    try:
        return read_json(path.read_bytes(), address)
    except OSError as error:
        raise unavailable(address, f"its file cannot be read ({error.strerror})", f"Mend {path.name}.") from None


def read_json(text: bytes, address: str) -> Any:
    """What a context document holds under @context. Raises InvalidEntity."""
    try:
        found = orjson.loads(text.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError:
        raise InvalidEntity("What is at the address of the @context is no JSON.", where=address[:300]) from None
    if not isinstance(found, dict) or "@context" not in found:
        raise InvalidEntity("What is at the address of the @context has no @context.", where=address[:300])
    return found["@context"]
