"""What a source.toml asks of an MQTT broker, read and checked."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa

from landbridge.errors import InvalidSettings
from landbridge.sources.contract import Declaration
from landbridge.sources.record_table import declared_columns
from landbridge.sources.secret import PLACE, fill

OPTIONS: dict[str, str] = {
    "address": "the broker, such as `mqtt://host:1883` or `mqtts://host`; `${NAME}` stands for a variable (needed)",
    "topics": 'the topics that are subscribed to, such as `["air/+/hourly"]` (needed)',
    "username": "who comes; default: what the address says",
    "password": "its password: `${NAME}` stands for a variable of the environment",
    "client_id": "the name of the session that the broker keeps; default: made of machine, folder and source",
    "version": "'5' (default) or '3.1.1'",
    "qos": "1 (default): the broker keeps what is not in the pool yet; 0: what comes while nobody listens is lost",
    "format": "json (default), senml, senml+cbor, things-stack or text (one column `value`)",
    "records": "where the records are in a JSON message, such as `data.readings`; default: the message",
    "columns": "columns whose kind is fixed: name to text, double, integer, boolean or json",
    "batch_messages": "messages of one commit at most; default 5000",
    "batch_seconds": "how long a commit waits for further messages; default 0.1",
    "inflight": "messages that the broker may send ahead of their acknowledgement; default 10000",
    "session_seconds": "how long the broker keeps the session of who is away; default 7 days",
    "keepalive": "seconds of silence after which the connection is tested; default 60",
    "connect_seconds": "how long connecting may take; default 10",
    "patience_seconds": "how long it tries to connect again before the run counts as failed; default 300",
    "max_message_bytes": "size that a message may have; default 1048576",
    "ca_file": "with mqtts: the certificates that are trusted, a file in the source's folder",
}
FORMATS = ("json", "senml", "senml+cbor", "things-stack", "text")


@dataclass(frozen=True)
class Wanted:
    """The options, read; times in seconds."""

    where: str
    place: str
    host: str
    port: int
    tls: bool
    ca_file: str | None
    username: str | None
    password: str | None
    client_id: str
    topics: tuple[str, ...]
    version: str
    qos: int
    format: str
    records: str
    columns: dict[str, pa.DataType]
    batch_messages: int
    batch_seconds: float
    inflight: int
    session_seconds: int
    keepalive: int
    connect_seconds: float
    patience_seconds: float
    max_message_bytes: int


def read_options(declaration: Declaration) -> Wanted:
    """Read the options of the kind; raises InvalidSettings."""
    options, where = declaration.options, f"{declaration.name}/source.toml"
    text = options.get("address")
    if isinstance(text, str) and PLACE.fullmatch(text):  # the whole address comes from the environment
        text = fill(text, where=where)
    url = urlsplit(text) if isinstance(text, str) else urlsplit("")
    if url.scheme not in ("mqtt", "mqtts") or not url.hostname:
        raise InvalidSettings("The broker has no `address`.", where=where, hint='Write one like "mqtt://host:1883".')
    topics = options.get("topics")
    if not isinstance(topics, list) or not topics or not all(isinstance(topic, str) and topic for topic in topics):
        raise InvalidSettings("The broker has no `topics`.", where=where, hint='Write a list like ["air/+/hourly"].')
    user, password = options.get("username", unquoted(url.username)), options.get("password", unquoted(url.password))
    ca_file = options.get("ca_file")
    tls = url.scheme == "mqtts"
    port = port_of(url.netloc, 8883 if tls else 1883, where)
    host = fill(url.hostname, where=where)
    return Wanted(
        where=where,
        place=f"{url.scheme}://{host}:{port}",
        host=host,
        port=port,
        tls=tls,
        ca_file=str(declaration.folder / ca_file) if ca_file else None,
        username=None if user is None else fill(user, where=where),
        password=None if password is None else fill(password, where=where),
        client_id=options.get("client_id") or derived_id(declaration),
        topics=tuple(topics),
        version=choice(options, "version", ("5", "3.1.1"), where),
        qos=number(options, "qos", 1, 0, 1, where),
        format=choice(options, "format", FORMATS, where),
        records=options.get("records", ""),
        columns=declared_columns(options.get("columns", {}), where),
        batch_messages=number(options, "batch_messages", 5_000, 1, 100_000, where),
        batch_seconds=real(options, "batch_seconds", 0.1, where),
        inflight=number(options, "inflight", 10_000, 1, 65_535, where),
        session_seconds=number(options, "session_seconds", 7 * 86_400, 0, 4_294_967_295, where),
        keepalive=number(options, "keepalive", 60, 5, 65_535, where),
        connect_seconds=real(options, "connect_seconds", 10.0, where),
        patience_seconds=real(options, "patience_seconds", 300.0, where),
        max_message_bytes=number(options, "max_message_bytes", 1_048_576, 1, 268_435_455, where),
    )


def unquoted(text: str | None) -> str | None:
    return None if text is None else unquote(text)


def port_of(netloc: str, otherwise: int, where: str) -> int:
    """The port of an address; raises InvalidSettings. (A variable such as ${P:Q} cannot be part of it.)"""
    tail = netloc.rsplit("@", 1)[-1].rsplit("]", 1)[-1].partition(":")[2]
    if not tail:
        return otherwise
    if not tail.isdigit() or not 0 < int(tail) < 65_536:
        raise InvalidSettings(f"`address` has the port '{tail[:20]}'.", where=where)
    return int(tail)


def derived_id(declaration: Declaration) -> str:
    """A client id that stays the same for this folder on this machine, so that its session is found again."""
    mark = f"{socket.gethostname()}\0{declaration.folder.resolve()}\0{declaration.tenant}\0{declaration.name}"
    return f"landbridge-{blake2b(mark.encode(), digest_size=6).hexdigest()}"


def choice(options: Mapping[str, Any], name: str, allowed: tuple[str, ...], where: str) -> str:
    """One of some words, the first where none is given; raises InvalidSettings."""
    value = str(options.get(name, allowed[0]))
    if value not in allowed:
        raise InvalidSettings(f"`{name}` is '{value[:40]}'.", where=where, hint=f"Use one of {', '.join(allowed)}.")
    return value


def number(options: Mapping[str, Any], name: str, otherwise: int, least: int, most: int, where: str) -> int:
    """A whole number within bounds; raises InvalidSettings."""
    value = options.get(name, otherwise)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InvalidSettings(f"`{name}` is no whole number from {least} to {most}.", where=where)
    return value


def real(options: Mapping[str, Any], name: str, otherwise: float, where: str) -> float:
    """A number that is not negative; raises InvalidSettings."""
    value = options.get(name, otherwise)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise InvalidSettings(f"`{name}` is no number of seconds.", where=where)
    return float(value)
