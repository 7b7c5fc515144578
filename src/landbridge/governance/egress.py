"""The one door for calls to addresses that came from outside: notifications, @contexts, registered sources.

A name is resolved once and the connection goes to the very number that was judged, so neither a redirect nor a name
that changes its mind, nor another notation of a number, leads to loopback, link-local or private machines. What the
operator allows by network or name is let through. Size, time and redirects are bounded; connections are kept.
"""

import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urljoin, urlsplit

import httpcore

from landbridge.errors import Invalid, Refused, TooMuch, Unreachable
from landbridge.governance.trust import distrust, require_authorities, trusting
from landbridge.model.address import Allowed

PORTS = {"http": 80, "https": 443}
LONGEST_ADDRESS = 8_000
LARGEST = 64 * 1024 * 1024
HOPS = 5
CONNECTIONS, KEPT, KEPT_SECONDS = 512, 256, 30.0
CONNECT_SECONDS = 10.0
MOST_ADDRESSES = 4  # of one name, tried one after the other
SAFE = "/:@!$&'()*+,;=~-._?%"  # what stays as it is in a path and a query
OURS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade", "expect",
     "accept-encoding", "proxy-authorization", "proxy-connection"}
)  # fmt: skip
WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
AGENT = "landbridge"
ABROAD = frozenset({"accept", "accept-language", "user-agent"})  # what a redirect to another machine still carries

Resolve = Callable[[str, int], Sequence[str]]


@dataclass(frozen=True)
class Answer:
    """What the other side says. Header names are lower case; `url` is where the answer came from at last."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


class Target(NamedTuple):
    """An http(s) address in its parts; `host` in ASCII, without brackets; `path` with its query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def read_address(url: str) -> Target:
    """The parts of an http(s) address. Raises Invalid for anything else, and for a name or password within."""
    if len(url) > LONGEST_ADDRESS or any(ord(letter) <= 32 or letter in '\\"<>^`{|}\x7f' for letter in url):
        raise Invalid("The address has characters that none has, or is too long.", where=url[:200])
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").encode("idna" if not (parts.hostname or "").isascii() else "ascii").decode()
    except (ValueError, UnicodeError):
        raise Invalid("The address is malformed.", where=url[:200]) from None
    if parts.scheme not in PORTS or not host or port == 0 or "%" in host:
        raise Invalid("The address is none of http or https.", where=url[:200])
    if "@" in parts.netloc:
        raise Invalid("The address carries a user name.", where=url[:200], hint="Send it in a header.")
    path = quote(parts.path or "/", safe=SAFE) + (f"?{quote(parts.query, safe=SAFE)}" if parts.query else "")
    return Target(parts.scheme, host.lower().removesuffix("."), port or PORTS[parts.scheme], path)


def resolve(host: str, port: int, flags: int = 0) -> list[str]:
    """The numbers of a machine's name, as the system says; it bounds the time that takes."""
    if is_this_machine(host):
        return ["127.0.0.1"]
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_this_machine(host: str) -> bool:
    """Whether a name is one of those that always mean this machine (RFC 6761, 6.3)."""
    return host == "localhost" or host.endswith(".localhost")


def refused(host: str) -> Refused:
    return Refused(
        f"{host} is a loopback or private machine, or its name leads to one.",
        hint=f"The operator allows it with  landbridge serve --allow-egress {host}.",
    )


class Clock(threading.local):
    """When the request of this thread must be over, on the monotonic clock."""

    ends = float("inf")

    def left(self, timeout: float | None = None) -> float:
        """The seconds that a step may take. Raises httpcore.TimeoutException where none are left."""
        left = self.ends - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the time is over")
        return left if timeout is None else min(timeout, left)


class Stream(httpcore.NetworkStream):
    """A connection of which no single step outlives the request's time."""

    def __init__(self, inner: httpcore.NetworkStream, clock: Clock) -> None:
        self.inner = inner
        self.clock = clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self.inner.read(max_bytes, self.clock.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.inner.write(buffer, self.clock.left(timeout))

    def close(self) -> None:
        self.inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return Stream(self.inner.start_tls(ssl_context, server_hostname, self.clock.left(timeout)), self.clock)

    def get_extra_info(self, info: str) -> Any:
        return self.inner.get_extra_info(info)


class Network(httpcore.NetworkBackend):
    """Connects to the numbers that were judged, never to a name."""

    def __init__(self, connectable: Callable[[str, int], Sequence[str]], clock: Clock) -> None:
        self.connectable = connectable
        self.clock = clock
        self.plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        last: Exception = httpcore.ConnectError("no address")
        for address in self.connectable(host, port):
            try:
                step = self.clock.left(timeout)
                return Stream(self.plain.connect_tcp(address, port, step, local_address, socket_options), self.clock)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
        raise last


class Egress:
    """Calls to addresses that came from outside. One for a process; any thread may use it at any time.

    `allowed` is what the operator lets through beside public machines, `authorities` a file of certificates that are
    trusted beside the public ones (raises InvalidSettings where it holds none); `resolver` names the system's by
    default.
    """

    def __init__(
        self, allowed: Allowed | None = None, resolver: Resolve = resolve, authorities: Path | None = None
    ) -> None:
        self.allowed = allowed or Allowed()
        self.resolver = resolver
        self.authorities = authorities
        if authorities is not None:
            require_authorities(authorities)
        self.clock = Clock()
        self.lock = threading.Lock()
        self.open = self.pool(None)
        self.secure: httpcore.ConnectionPool | None = None

    def pool(self, tls: ssl.SSLContext | None) -> httpcore.ConnectionPool:
        return httpcore.ConnectionPool(
            tls,
            max_connections=CONNECTIONS,
            max_keepalive_connections=KEPT,
            keepalive_expiry=KEPT_SECONDS,
            network_backend=Network(self.addresses, self.clock),
        )

    def pool_for(self, scheme: str) -> httpcore.ConnectionPool:
        """The connections of a scheme; certificates are read when the first secure one is made."""
        if scheme == "http":
            return self.open
        with self.lock:
            if self.secure is None:
                self.secure = self.pool(self.trusting())
            return self.secure

    def trusting(self) -> ssl.SSLContext:
        """A new context that believes whom the operator believes, for calls that are no HTTP."""
        return trusting(self.authorities)

    def close(self) -> None:
        """Close the connections that are kept."""
        self.open.close()
        if self.secure is not None:
            self.secure.close()

    # -- where a call may go

    def check(self, url: str) -> None:
        """Judge an http(s) address when it is registered, without asking for its name's number.

        Raises Invalid for what is no address, Refused for a number (in any notation) or loopback name not allowed.
        """
        target = read_address(url)
        self.check_host(target.host, target.port)

    def check_host(self, host: str, port: int) -> None:
        """The same of a host alone, such as an MQTT broker's."""
        host = host.lower().rstrip(".")
        try:
            numbers = resolve(host, port, socket.AI_NUMERICHOST)
        except (OSError, UnicodeError):
            return  # a name: it is judged when it is called
        if not any(self.allowed.allows(host, number) for number in numbers):
            raise refused(host)

    def connectable(self, host: str, port: int) -> str:
        """A number that may be connected to for this host. Raises Refused or Unreachable."""
        return self.addresses(host, port)[0]

    def addresses(self, host: str, port: int) -> list[str]:
        """The numbers of a host that may be connected to, resolved once. Raises Refused or Unreachable."""
        try:
            found = self.resolver(host, port)
        except (OSError, UnicodeError):
            raise Unreachable(f"The name {host[:200]} cannot be found.", hint="Is it spelt right?") from None
        fine = [address for address in found if self.allowed.allows(host, address)]
        if found and not fine:
            raise refused(host)
        if not fine:
            raise Unreachable(f"The name {host[:200]} has no address.")
        return fine[:MOST_ADDRESSES]

    # -- calls

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        timeout: float = 10.0,
        *,
        largest: int = LARGEST,
        hops: int = HOPS,
    ) -> Answer:
        """Call an address and read the whole answer, whatever its status.

        `timeout` seconds bound the whole call; `largest` bytes the body. Redirects are followed for GET and HEAD,
        `hops` at most, and without the caller's own headers to another machine. Raises Invalid for a bad address or
        header, Refused where it may not go, TooMuch for a bound, Unreachable where nobody answers as agreed.
        """
        sent = {name: value for name, value in (headers or {}).items() if name.lower() not in OURS}
        if not any(name.lower() == "user-agent" for name in sent):
            sent["User-Agent"] = AGENT
        self.clock.ends = time.monotonic() + timeout
        target = read_address(url)
        for _ in range(hops + 1):
            answer = self.once(method, target, sent, body, timeout, largest)
            onward = answer.headers.get("location") if 300 <= answer.status < 400 and answer.status != 304 else None
            if onward is None or method not in ("GET", "HEAD"):
                return answer
            following = read_address(urljoin(answer.url, onward))
            if following.origin != target.origin:
                sent = {name: value for name, value in sent.items() if name.lower() in ABROAD}
            target = following
        raise Unreachable(f"The address redirects more than {hops} times.", where=url[:200])

    def once(
        self, method: str, target: Target, headers: Mapping[str, str], body: bytes, timeout: float, largest: int
    ) -> Answer:
        """One request and its answer; raises Invalid, Refused, TooMuch or Unreachable."""
        where = f"{target.scheme}://{target.authority}{target.path}"
        lines = [("Host", target.authority), ("Accept-Encoding", "gzip"), *headers.items()]
        steps = {"connect": min(CONNECT_SECONDS, timeout), "read": timeout, "write": timeout, "pool": timeout}
        address = httpcore.URL(
            scheme=target.scheme.encode(), host=target.host.encode(), port=target.port, target=target.path.encode()
        )
        try:
            with self.pool_for(target.scheme).stream(
                method,
                address,
                headers=[(name.encode("ascii"), value.encode()) for name, value in lines],
                content=body if body or method in WITH_BODY else None,
                extensions={"timeout": steps},
            ) as answer:
                found = read_headers(answer.headers)
                return Answer(answer.status, found, read_body(answer, found, largest, where), where)
        except httpcore.TimeoutException:
            raise Unreachable(f"The address does not answer within {timeout:g} s.", where=where[:200]) from None
        except (httpcore.LocalProtocolError, UnicodeEncodeError) as error:
            raise Invalid(f"The request cannot be sent: {error}.", where=where[:200]) from None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol, OSError) as error:
            distrusted = distrust(error, target.host)
            if distrusted is not None:
                raise distrusted from None
            said = str(error).rstrip(".") or type(error).__name__
            raise Unreachable(f"The address cannot be reached: {said}.", where=where[:200]) from None


def read_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by their lower-case names; several of one name in one line (RFC 9110, 5.3)."""
    found: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def read_body(answer: httpcore.Response, headers: Mapping[str, str], largest: int, where: str) -> bytes:
    """The body, unpacked where it is packed; raises TooMuch beyond `largest` bytes, before they are in memory."""
    packed = headers.get("content-encoding", "identity").strip().lower()
    if packed not in ("", "identity", "gzip", "x-gzip"):
        raise Unreachable(f"The address answers in {packed[:40]}, which was not asked for.", where=where[:200])
    unpack = zlib.decompressobj(wbits=31) if packed.endswith("gzip") else None
    parts: list[bytes] = []
    size = 0
    for piece in answer.iter_stream():
        part = piece if unpack is None else unpacked(unpack, piece, largest + 1 - size, where)
        size += len(part)
        if size > largest:
            raise TooMuch(f"The answer is larger than {largest} bytes.", where=where[:200])
        parts.append(part)
    return b"".join(parts)


def unpacked(unpack: Any, piece: bytes, most: int, where: str) -> bytes:
    try:
        return bytes(unpack.decompress(piece, most))
    except zlib.error:
        raise Unreachable("The answer says it is gzip and is not.", where=where[:200]) from None
