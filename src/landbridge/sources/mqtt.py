"""MQTT 3.1.1 and 5 topics as a stream (kind `mqtt`): micro-batches, acknowledged only after they are stored.

The broker keeps what is not acknowledged, so a kill loses nothing. What was stored but not yet acknowledged comes
again with the DUP flag; the cursor, saved in the commit of the data, names those messages, so nothing is doubled.
One thread does it all: what is not asked for stays in the socket, then in the broker, so memory is bounded.
"""

import base64
import contextlib
import select
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson
import paho.mqtt.client as paho
import pyarrow as pa
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from landbridge.errors import Invalid, LandbridgeError, Unreachable
from landbridge.sources import senml, things_stack
from landbridge.sources.contract import Batch, Cursor, Declaration, Reject, Source
from landbridge.sources.mqtt_option import OPTIONS, Wanted, read_options
from landbridge.sources.record_path import records_at
from landbridge.sources.record_table import RecordTable

__all__ = ["OPTIONS", "MqttSource", "open_source"]  # OPTIONS is read by name: see kind.options_of

HELD_SECONDS = 10.0  # how long an acknowledgement may be under way before its message is forgotten
KEPT_PAYLOAD = 65_536  # bytes of a rejected payload
KEY = 8  # bytes
AT_ONCE = 256  # packets read before time and count are looked at again
STAMP = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it came; `key` names it among those not yet acknowledged, None with QoS 0."""

    topic: str
    payload: bytes
    mid: int
    key: bytes | None
    received: float


def open_source(declaration: Declaration) -> Source:
    """Open a broker's topics; raises InvalidSettings. Nothing is connected yet."""
    return MqttSource(read_options(declaration))


class MqttSource:
    """The topics of one broker."""

    manner = "stream"

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.ended = threading.Event()
        self.table = RecordTable({**wanted.columns, "topic": pa.string()})
        self.read = reader(wanted)
        self.messages: list[Message] = []
        self.unsettled: dict[bytes, int] = {}  # key -> the connection that delivered it last
        self.settled: deque[tuple[float, bytes]] = deque(maxlen=wanted.inflight)
        self.done: set[bytes] = set()
        self.connection = 0
        self.problem: LandbridgeError | None = None
        self.ready = False

    def stop(self) -> None:
        """End `batches` within a moment; what is not settled stays with the broker."""
        self.ended.set()

    def batches(self, cursor: Cursor | None) -> Iterator[Batch]:
        """Yield micro-batches until `stop`; raises Unreachable when the broker stays away."""
        self.ended.clear()
        self.messages.clear()
        self.unsettled.clear()
        for key in keys((cursor or {}).get("stored", "")):
            self.remember(key)
        client = self.client()
        try:
            self.connect(client)
            while not self.ended.is_set():
                self.collect(client)
                if self.messages:
                    taken, self.messages = self.messages, []
                    yield self.batch(client, taken)
        finally:
            client.disconnect()

    def client(self) -> paho.Client:
        wanted = self.wanted
        five = wanted.version == "5"
        client = paho.Client(
            CallbackAPIVersion.VERSION2, wanted.client_id, clean_session=None if five else False,
            protocol=paho.MQTTv5 if five else paho.MQTTv311, manual_ack=True,
        )  # fmt: skip
        client.connect_timeout = wanted.connect_seconds
        if wanted.username is not None:
            client.username_pw_set(wanted.username, wanted.password)
        if wanted.tls:
            client.tls_set_context(ssl.create_default_context(cafile=wanted.ca_file))
        client.on_connect = self.on_connect
        client.on_subscribe = self.on_subscribe
        client.on_message = self.on_message
        return client

    def connect(self, client: paho.Client) -> None:
        """Connect, be subscribed, or raise Unreachable."""
        self.connection += 1
        self.ready, self.problem = False, None
        properties: Properties | None = None
        if self.wanted.version == "5":
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = self.wanted.session_seconds
            properties.ReceiveMaximum = self.wanted.inflight
        clean: Any = False if properties else paho.MQTT_CLEAN_START_FIRST_ONLY
        try:
            client.connect(self.wanted.host, self.wanted.port, self.wanted.keepalive, "", 0, clean, properties)
        except (OSError, ValueError) as error:
            raise self.away(str(error)) from None
        end = time.monotonic() + self.wanted.connect_seconds
        # A kept session may send a full batch before it answers; what is more waits in the socket.
        while not self.ready and not self.ended.is_set() and len(self.messages) < self.wanted.batch_messages:
            if self.problem:
                raise self.problem
            if client.socket() is None or time.monotonic() > end:
                raise self.away("it does not greet")
            self.pump(client, 0.1)

    def away(self, said: str) -> Unreachable:
        return Unreachable(
            f"The MQTT broker at {self.wanted.place} cannot be used: {said.rstrip('.')}.", where=self.wanted.where,
            hint="See that it runs and that address, user and password are right.",
        )  # fmt: skip

    def on_connect(self, client: paho.Client, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        if code.is_failure:
            self.problem = self.away(str(code))
            return
        qos = self.wanted.qos
        topics: list[Any] = [(topic, qos) for topic in self.wanted.topics]
        if self.wanted.version == "5":  # retained values once, not at each reconnection
            topics = [(topic, SubscribeOptions(qos=qos, retainHandling=1)) for topic in self.wanted.topics]
        client.subscribe(topics)

    def on_subscribe(self, _client: paho.Client, _data: Any, _mid: int, codes: Sequence[Any], _properties: Any) -> None:
        refused = [topic for topic, code in zip(self.wanted.topics, codes, strict=False) if code.is_failure]
        if refused:
            self.problem = Invalid(
                f"The broker refuses the topic {', '.join(refused)}.", where=self.wanted.where,
                hint="Ask who runs it for the right to read.",
            )  # fmt: skip
        self.ready = not refused

    def on_message(self, client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        topic, key = message.topic, None
        if message.qos:
            mark = message.mid.to_bytes(2, "big") + topic.encode() + b"\0" + message.payload
            key = blake2b(mark, digest_size=KEY).digest()
            if message.dup and key in self.done:
                client.ack(message.mid, message.qos)
                return
            again = message.dup and key in self.unsettled
            self.unsettled[key] = self.connection
            if again:
                return
        self.messages.append(Message(topic, bytes(message.payload), message.mid, key, time.time()))

    def pump(self, client: paho.Client, seconds: float) -> None:
        """Let the connection do what it can do now, waiting at most so long for something to read."""
        sock = client.socket()
        if sock is None:
            return
        try:
            readable, writable, _ = select.select([sock], [sock] if client.want_write() else [], [], seconds)
        except (OSError, ValueError):
            readable = writable = [sock]
        if writable:
            client.loop_write()
        room = min(AT_ONCE, max(1, self.wanted.batch_messages - len(self.messages)))
        for _ in range(room if readable else 0):
            before = len(self.messages)
            if client.loop_read() or len(self.messages) == before:
                break
        client.loop_misc()

    def collect(self, client: paho.Client) -> None:
        """Gather a batch: until it is full, or its first message has waited long enough."""
        end: float | None = None
        while len(self.messages) < self.wanted.batch_messages and not self.ended.is_set():
            if self.problem:
                raise self.problem
            if client.socket() is None:
                if self.messages:
                    return
                self.reconnect(client)
            left = 0.2 if end is None else end - time.monotonic()
            if left <= 0:
                return
            self.pump(client, left)
            if self.messages and end is None:
                end = time.monotonic() + self.wanted.batch_seconds

    def reconnect(self, client: paho.Client) -> None:
        """Come back with growing pauses; raise Unreachable after the declared patience."""
        pause, end = 0.25, time.monotonic() + self.wanted.patience_seconds
        while not self.ended.is_set():
            try:
                self.connect(client)
                return
            except Unreachable:
                if time.monotonic() > end:
                    raise
            self.ended.wait(pause)
            pause = min(2 * pause, 30.0)

    def batch(self, client: paho.Client, taken: list[Message]) -> Batch:
        """The messages as rows and rejects, with what acknowledges them."""
        records: list[dict[str, Any]] = []
        received: list[int] = []
        rejects: list[Reject] = []
        for message in taken:
            try:
                rows = self.read(message)
                for row in rows:
                    if self.table.declared and (reason := self.table.unfit(row)):
                        raise Invalid(reason)
            except Invalid as error:
                rejects.append(rejected(message, error))
                continue
            for row in rows:
                if "topic" in row:
                    row["payload_topic"] = row["topic"]
                row["topic"] = message.topic
            records += rows
            received += [int(message.received * 1_000_000)] * len(rows)
        arrow = self.table.rows(records).append_column("_received", pa.array(received, STAMP))
        named = [message.key for message in taken if message.key]
        return Batch(
            rows=arrow, origin=self.wanted.place, unit="message", rejects=tuple(rejects),
            settle=lambda: self.settle(client, taken), cursor={"stored": self.stored(named)},
        )  # fmt: skip

    def settle(self, client: paho.Client, taken: list[Message]) -> None:
        """Acknowledge a stored batch; what another connection delivered is acknowledged when it comes again."""
        for message in taken:
            if message.key is None:
                continue
            self.remember(message.key)
            if self.unsettled.pop(message.key, 0) == self.connection:
                client.ack(message.mid, 1)

    def remember(self, key: bytes) -> None:
        if len(self.settled) == self.settled.maxlen:
            self.done.discard(self.settled.popleft()[1])
        self.settled.append((time.monotonic(), key))
        self.done.add(key)

    def stored(self, named: list[bytes]) -> str:
        """The keys of this batch and of those before whose acknowledgement may still be under way."""
        oldest = time.monotonic() - HELD_SECONDS
        while self.settled and self.settled[0][0] < oldest:
            self.done.discard(self.settled.popleft()[1])
        waiting = dict.fromkeys(named)
        waiting.update(dict.fromkeys(key for _, key in self.settled))
        return base64.b64encode(b"".join(waiting)).decode()


def keys(text: str) -> list[bytes]:
    """The keys of a saved cursor."""
    with contextlib.suppress(ValueError):
        joined = base64.b64decode(text)
        return [joined[at : at + KEY] for at in range(0, len(joined), KEY)]
    return []


def rejected(message: Message, error: Invalid) -> Reject:
    payload = message.payload[:KEPT_PAYLOAD].decode("utf-8", "backslashreplace")
    return Reject(f"topic {message.topic}", error.message, {"topic": message.topic, "payload": payload})


def reader(wanted: Wanted) -> Callable[[Message], list[dict[str, Any]]]:
    """What turns a message's payload into rows, by the declared format."""
    readers: dict[str, Callable[[Message], list[dict[str, Any]]]] = {
        "json": lambda message: read_json(message.payload, wanted.records),
        "senml": lambda message: senml.read_json(message.payload, message.received),
        "senml+cbor": lambda message: senml.read_cbor(message.payload, message.received),
        "things-stack": lambda message: things_stack.read_uplink(message.payload),
        "text": lambda message: [{"value": message.payload.decode("utf-8", "replace")}],
    }
    read = readers[wanted.format]

    def bounded(message: Message) -> list[dict[str, Any]]:
        if len(message.payload) > wanted.max_message_bytes:
            raise Invalid(f"The message has {len(message.payload)} bytes; {wanted.max_message_bytes} are allowed.")
        return read(message)

    return bounded


def read_json(payload: bytes, path: str) -> list[dict[str, Any]]:
    """A JSON payload as rows: an object, a list of objects, or a bare value as `value`; raises Invalid."""
    try:
        document = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise Invalid(f"The payload is no JSON: {str(error).split(':')[0]}.") from None
    if not path and isinstance(document, dict):
        return [document]
    if not path and not isinstance(document, list):
        return [{"value": document}]
    rows = records_at(document, path)
    if not all(isinstance(row, dict) for row in rows):
        raise Invalid("The payload's list holds something that is no object.")
    return rows
