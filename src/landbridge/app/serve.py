"""The one command that keeps a city running: the serving process, with a worker beside it.

It answers as soon as its port is open; the heavy engines load in the worker. As started it listens on this machine
only; on any other address it wants tokens, or to be told that the city is open to everyone.
"""

import contextlib
import errno
import ipaddress
import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import uvicorn
import uvloop

from landbridge.app.connection import Connection, allow_connections
from landbridge.app.entrance import open_pool
from landbridge.app.site import Site, open_site
from landbridge.errors import Failed, InvalidSettings, LandbridgeError, Refused
from landbridge.pool.pool import Pool
from landbridge.pool.token import list_tokens
from landbridge.settings import read_operator, read_settings

LOG = logging.getLogger("landbridge.serve")
LEAVING = 3  # seconds that open requests have to end
BACKLOG = 512


def nobody(address: str) -> None:
    """Stand in where nobody waits for the address."""


def serve(
    folder: Path | str,
    *,
    host: str | None = None,
    port: int | None = None,
    open_to_all: bool = False,
    allow_egress: Sequence[str] = (),
    contexts_map: Path | None = None,
    ca_file: Path | None = None,
    ready: Callable[[str], None] = nobody,
) -> None:
    """Serve a city until TERM or Ctrl-C: console, APIs, push door, and its schedules and streams.

    `host`, `port`, `contexts_map` and `ca_file` stand over their variables (LANDBRIDGE_HOST, ...); port 0 takes a free
    one. `open_to_all`: listen beyond this machine although nobody needs a token. `allow_egress`: networks
    and names beside those of LANDBRIDGE_ALLOW_EGRESS. `ready` is told the address as soon as it answers.

    Raises Missing or InvalidSettings for a wrong folder, Refused where it would be open to everyone by accident,
    Failed where the port is taken, Damaged where the pool cannot be opened.
    """
    settings, operator = read_settings(folder), read_operator()
    host, port = host or operator.host, operator.port if port is None else port
    operator = replace(
        operator,
        allow_egress=(*operator.allow_egress, *allow_egress),
        contexts_map=contexts_map or operator.contexts_map,
        ca_file=ca_file or operator.ca_file,
    )
    logging.basicConfig(level=operator.log_level.upper(), format="%(levelname)s %(name)s: %(message)s")
    allow_connections()
    pool = open_pool(settings)
    try:
        refuse_accidents(pool, host, open_to_all)
        with listening(host, port) as door:
            address = address_of(door)
            operator = replace(operator, listening=address.rstrip("/"))
            site = open_site(settings, operator, pool)
            uvloop.run(run(site, door, operator.log_level, lambda: ready(address)))
    finally:
        pool.close()


def refuse_accidents(pool: Pool, host: str, open_to_all: bool) -> None:
    """Refuse to listen beyond this machine without tokens, unless told so; raises Refused."""
    if is_loopback(host) or open_to_all or list_tokens(pool.store):
        return
    raise Refused(
        f"On {host} the city would be open to everyone who reaches it.",
        hint="Make a token first (landbridge token create ...), or say --open if that is meant.",
    )


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@contextlib.contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens at the address; raises Failed or InvalidSettings with what to do."""
    try:
        family, kind, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except socket.gaierror:
        raise InvalidSettings(f"'{host}' is no address of a machine.", hint="Give one like 127.0.0.1.") from None
    with socket.socket(family, kind) as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # an answer's head and body go out at once: else the body waits 40 ms for the head to be acknowledged
        door.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            door.bind(place)
        except OSError as error:
            raise refusal(error, host, port) from None
        door.listen(BACKLOG)
        yield door


def refusal(error: OSError, host: str, port: int) -> LandbridgeError:
    """Why a port cannot be had, and what to do."""
    if error.errno == errno.EADDRINUSE:
        return Failed(f"The port {port} is in use.", hint="End what uses it, or choose another: --port N (0: any).")
    if error.errno == errno.EACCES:
        return Failed(f"This user may not listen on port {port}.", hint="Choose one from 1024 up: --port N.")
    if error.errno == errno.EADDRNOTAVAIL:
        return InvalidSettings(f"{host} is no address of this machine.", hint="Give one that it has, or 127.0.0.1.")
    return Failed(f"{host} port {port} cannot be listened on: {error.strerror}.")


def address_of(door: socket.socket) -> str:
    """Where a browser finds the socket."""
    host, port = door.getsockname()[:2]
    shown = "localhost" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host  # noqa: S104  (compared)
    return f"http://{shown}:{port}/"


class Server(uvicorn.Server):
    """uvicorn, told to send the listeners of live pages away before it waits for their requests to end."""

    def __init__(self, config: uvicorn.Config, site: Site, started: Callable[[], None]) -> None:
        super().__init__(config)
        self.site = site
        self.when_started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.when_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.site.live.end()
        await super().shutdown(sockets)


async def run(site: Site, door: socket.socket, log_level: str, started: Callable[[], None]) -> None:
    """Answer requests until a signal says that it is enough."""
    config = uvicorn.Config(
        site.application,
        http=partial(Connection, site.express.answer),  # type: ignore[arg-type] # uvicorn calls it, and asks no more
        log_level="warning" if log_level == "info" else log_level,
        access_log=log_level == "debug",
        lifespan="on",
        timeout_graceful_shutdown=LEAVING,
        server_header=False,
        proxy_headers=False,
        ws="none",
    )
    await Server(config, site, started).serve(sockets=[door])
