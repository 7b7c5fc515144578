"""One polite request at a time: saves the answer to disk within bounds, waits where it is asked to, follows redirects.

The declared address, and the hosts that `hosts` names, may be anywhere, private networks too. A redirect elsewhere
is followed to public addresses only, and without the headers: a token is for whom it was given for.
"""

import datetime
import email.utils
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from landbridge.errors import Refused, TooMuch, Unreachable
from landbridge.sources.http_body import Body
from landbridge.sources.location import HOPS, MEGABYTE, refuse_private, refuse_private_peer, web_page

BUSY = frozenset({429, 500, 502, 503, 504})
SEE_OTHER = frozenset({301, 302, 303})  # redirects after which a POST goes on as a GET
HINTS = {
    401: "The token is missing or wrong: see `headers`.",
    403: "The token does not allow it, or the address is closed to machines.",
    404: "Correct `address`.",
    429: "Pull less often, or raise `wait_seconds`.",
}


@dataclass(frozen=True)
class Bounds:
    """What one pull may take."""

    max_bytes: int
    max_seconds: float
    stall_seconds: float
    tries: int
    wait_seconds: float


@dataclass(frozen=True)
class Answer:
    """One answer; its body lies in `path`. `unchanged`: the address says 304 to the conditions sent."""

    url: httpx.URL
    headers: httpx.Headers
    path: Path
    unchanged: bool = False


@dataclass
class Fetcher:
    """Fetches for one pull; the bounds count for all its requests together."""

    where: str  # the address as declared, without what `${NAME}` stands for
    home: httpx.URL
    hosts: frozenset[str]
    headers: Mapping[str, str]
    bounds: Bounds
    stopped: threading.Event
    body: Body
    client: httpx.Client = field(init=False)
    ends: float = field(init=False)
    size: int = 0

    def __post_init__(self) -> None:
        self.client = httpx.Client(timeout=self.bounds.stall_seconds, follow_redirects=False, trust_env=False)
        self.ends = time.monotonic() + self.bounds.max_seconds

    def get(self, url: httpx.URL, path: Path, conditions: Mapping[str, str] | None = None) -> Answer:
        """Fetch an address into a file; raises Unreachable, TooMuch or Refused."""
        for tried in range(self.bounds.tries):
            try:
                answer = self.follow(url, path, conditions or {})
            except httpx.TimeoutException:
                raise Unreachable(
                    f"The address says nothing for {self.bounds.stall_seconds:g} s.", where=self.where,
                    hint="Try again later, or raise `stall_seconds`.",
                ) from None  # fmt: skip
            except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
                said = type(error).__name__ if str(url) in str(error) else str(error) or type(error).__name__
                raise Unreachable(f"The address cannot be reached: {said.rstrip('.')}.", where=self.where) from None
            if isinstance(answer, Answer):
                return answer
            self.wait(answer, tried)
        raise AssertionError("the last try returns or raises")

    def wait(self, answer: httpx.Response, tried: int) -> None:
        """Wait as long as a busy address asks for, or longer each time; raises Unreachable where that is too long."""
        asked = retry_after(answer.headers.get("retry-after", ""))
        pause = float(2**tried) if asked is None else asked
        left = self.ends - time.monotonic()
        if tried + 1 == self.bounds.tries or pause > self.bounds.wait_seconds or pause > left or self.stopped.is_set():
            wish = f" and asks to wait for {asked:.0f} s" if asked else f", {tried + 1} times"
            raise Unreachable(
                f"The address answers {answer.status_code} {answer.reason_phrase}{wish}.", where=self.where,
                hint=HINTS.get(answer.status_code, "It is busy or broken: the next pull tries again."),
            )  # fmt: skip
        self.stopped.wait(pause)

    def follow(self, url: httpx.URL, path: Path, conditions: Mapping[str, str]) -> Answer | httpx.Response:
        """Follow redirects to an answer and save it; a busy address's answer is given back as it is."""
        method, url, content, of_content = self.body.request(url)
        for _ in range(HOPS):
            ours = self.is_ours(url)
            if not ours:
                refuse_private(url, self.where)
            if content is not None and not ours:
                raise Refused(f"The address redirects to {url.host}, which is not told what the body asks.",
                              where=self.where, hint=f'If that is right, declare  hosts = ["{url.host}"].')  # fmt: skip
            sent = {**of_content, **(self.headers if ours else {}), **conditions}
            with self.client.stream(method, url, headers=sent, content=content) as answer:
                if answer.has_redirect_location:
                    if answer.status_code in SEE_OTHER:
                        method, content, of_content = "GET", None, {}
                    url = url.join(answer.headers["location"])
                    if url.scheme not in ("http", "https"):
                        raise Refused(f"The address redirects to {url.scheme}:, which is not followed.",
                                      where=self.where)  # fmt: skip
                    continue
                if not ours:
                    refuse_private_peer(answer, url, self.where)
                if answer.status_code in BUSY:
                    return answer
                if answer.status_code == httpx.codes.NOT_MODIFIED and conditions:
                    return Answer(url, answer.headers, path, unchanged=True)
                self.check(answer)
                self.save(answer, path)
                return Answer(url, answer.headers, path)
        raise Unreachable(f"The address redirects more than {HOPS} times.", where=self.where)

    def is_ours(self, url: httpx.URL) -> bool:
        """Whether an address is the declared one's host, or one that `hosts` names; never less safe than declared."""
        if self.home.scheme == "https" and url.scheme != "https":
            return False
        same = (url.host, port_of(url)) == (self.home.host, port_of(self.home))
        upgraded = url.host == self.home.host and url.scheme == "https" and url.port is None
        return same or upgraded or url.host in self.hosts or f"{url.host}:{port_of(url)}" in self.hosts

    def check(self, answer: httpx.Response) -> None:
        """Raise Unreachable for an answer that is no data."""
        if answer.status_code not in (httpx.codes.OK, httpx.codes.NO_CONTENT):
            raise Unreachable(
                f"The address answers {answer.status_code} {answer.reason_phrase}.", where=self.where,
                hint=HINTS.get(answer.status_code, "Check the address and, where it needs one, the token."),
            )  # fmt: skip
        if "text/html" in answer.headers.get("content-type", ""):
            raise web_page(self.where)

    def save(self, answer: httpx.Response, path: Path) -> None:
        """Write the body to disk within the bounds of the pull."""
        with path.open("wb") as spool:
            for piece in answer.iter_bytes():
                self.size += len(piece)
                if self.size > self.bounds.max_bytes:
                    raise TooMuch(
                        f"The answers are larger than {self.bounds.max_bytes / MEGABYTE:g} MB.", where=self.where,
                        hint="Raise `max_megabytes` if they should be.",
                    )  # fmt: skip
                if time.monotonic() > self.ends:
                    raise TooMuch(
                        f"The pull takes longer than {self.bounds.max_seconds:g} s; {self.size} bytes came.",
                        where=self.where, hint="Raise `max_seconds`.",
                    )  # fmt: skip
                if self.stopped.is_set():
                    raise Unreachable("The pull is stopped before its end.", where=self.where)
                spool.write(piece)
        with path.open("rb") as spool:
            if spool.read(256).lstrip()[:14].lower().startswith((b"<!doctype html", b"<html")):
                raise web_page(self.where)

    def check_next(self, url: httpx.URL) -> None:
        """Raise Refused for a next page that is neither at the declared host nor at one that `hosts` names."""
        if not self.is_ours(url):
            raise Refused(
                f"The next page is at {url.scheme}://{url.host}, and the declared address is not.", where=self.where,
                hint=f'If that is right, declare  hosts = ["{url.host}"].',
            )  # fmt: skip


def port_of(url: httpx.URL) -> int | None:
    return url.port or {"http": 80, "https": 443}.get(url.scheme)


def retry_after(text: str) -> float | None:
    """The seconds that `Retry-After` asks for, in either of its two forms."""
    if text.strip().isdigit():
        return float(text.strip()[:9])
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return max(0.0, moment.timestamp() - time.time())
