"""Connections to the brokers that subscribers name: kept while they are used, each to the very number that was judged.

MQTT 3.1.1 and 5.0 (NGSI-LD 5.8.6, 7.2). A message counts as delivered when the broker has acknowledged it as its
quality of service says; quality 0 when it has left.
"""

import socket
import ssl
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from paho.mqtt.client import Client, ConnectFlags, MQTTMessageInfo, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from landbridge.errors import Unreachable
from landbridge.governance.trust import distrust

DEFAULT_PORTS: Mapping[str, int] = MappingProxyType({"mqtt": 1883, "mqtts": 8883})
KEPT = 64  # connections kept open
KEEPALIVE = 60

Connectable = Callable[[str, int], str]
Trusting = Callable[[], ssl.SSLContext]


class Broker(NamedTuple):
    """A broker, and how it is spoken to."""

    host: str
    port: int
    secure: bool
    fifth: bool  # MQTT 5.0
    user: str | None
    password: str | None


class Message(NamedTuple):
    topic: str
    quality: int


class Connection(Client):
    """A client that connects to a given number, while certificates are checked against the name."""

    def __init__(self, broker: Broker, connectable: Connectable, trusting: Trusting) -> None:
        super().__init__(CallbackAPIVersion.VERSION2, protocol=MQTTv5 if broker.fifth else MQTTv311)
        self.broker = broker
        self.connectable = connectable
        self.ready = threading.Event()
        self.trouble: str | None = None
        self.on_connect = self.connected
        self.on_disconnect = self.disconnected
        if broker.user is not None:
            self.username_pw_set(broker.user, broker.password)
        if broker.secure:
            self.tls_set_context(trusting())

    def _create_socket_connection(self) -> socket.socket:
        """Connect to the number that the guard gives for the name (paho's own would resolve it again)."""
        address = self.connectable(self.broker.host, self.broker.port)
        return socket.create_connection((address, self.broker.port), timeout=self.connect_timeout)

    def _ssl_wrap_socket(self, tcp_sock: socket.socket) -> ssl.SSLSocket:
        """Shake hands; where that fails nothing stays open (paho's own leaves the socket behind)."""
        assert self._ssl_context is not None
        secure = self._ssl_context.wrap_socket(
            tcp_sock, server_hostname=self.broker.host, do_handshake_on_connect=False
        )
        try:
            secure.settimeout(self.connect_timeout)
            secure.do_handshake()
        except BaseException:
            secure.close()
            raise
        return secure

    def connected(self, _: Any, __: Any, ___: ConnectFlags, reason: ReasonCode, ____: Any) -> None:
        self.trouble = str(reason) if reason.is_failure else None
        self.ready.set()

    def disconnected(self, *_: Any) -> None:
        self.ready.clear()

    def open(self, timeout: float) -> None:
        """Connect and wait until the broker agrees. Raises Unreachable, and what the guard raises."""
        self.connect_timeout = timeout
        try:
            self.connect(self.broker.host, self.broker.port, KEEPALIVE)
        except OSError as error:
            distrusted = distrust(error, self.broker.host)
            if distrusted is not None:
                raise distrusted from None
            raise Unreachable(f"The broker cannot be reached: {error}.", where=self.broker.host) from None
        self.loop_start()
        if not self.ready.wait(timeout) or self.trouble:
            said = self.trouble or f"no answer within {timeout:g} s"
            raise Unreachable(f"The broker does not take the connection: {said}.", where=self.broker.host)


class Brokers:
    """The connections that are open, those used least recently closed first.

    `connectable` gives the number to connect to for a name, `trusting` whose certificates are believed.
    """

    def __init__(self, connectable: Connectable, trusting: Trusting = ssl.create_default_context) -> None:
        self.connectable = connectable
        self.trusting = trusting
        self.lock = threading.Lock()
        self.open: OrderedDict[Broker, Connection] = OrderedDict()

    def publish(self, broker: Broker, message: Message, payload: bytes, timeout: float) -> None:
        """Publish, and wait until it counts as delivered. Raises Unreachable, and what the guard raises."""
        connection = self.connection(broker, timeout)
        told = connection.publish(message.topic, payload, message.quality)
        if not self.arrived(told, timeout):
            self.drop(broker, connection)
            raise Unreachable(f"The broker does not acknowledge within {timeout:g} s.", where=broker.host)

    def arrived(self, told: MQTTMessageInfo, timeout: float) -> bool:
        try:
            told.wait_for_publish(timeout)
            return told.is_published()
        except (RuntimeError, ValueError):
            return False

    def connection(self, broker: Broker, timeout: float) -> Connection:
        """An open connection; one that was lost is made anew."""
        with self.lock:
            found = self.open.get(broker)
            if found is not None:
                self.open.move_to_end(broker)
        if found is not None and found.ready.is_set():
            return found
        if found is not None:
            self.drop(broker, found)
        made = Connection(broker, self.connectable, self.trusting)
        try:
            made.open(timeout)
        except BaseException:
            end(made)
            raise
        return self.keep(broker, made)

    def keep(self, broker: Broker, made: Connection) -> Connection:
        over: list[Connection] = []
        with self.lock:
            there = self.open.get(broker)
            if there is not None and there.ready.is_set():
                over.append(made)
                made = there
            else:
                self.open[broker] = made
            while len(self.open) > KEPT:
                over.append(self.open.popitem(last=False)[1])
        for one in over:
            end(one)
        return made

    def drop(self, broker: Broker, connection: Connection) -> None:
        with self.lock:
            if self.open.get(broker) is connection:
                del self.open[broker]
        end(connection)

    def close(self) -> None:
        with self.lock:
            found = list(self.open.values())
            self.open.clear()
        for one in found:
            end(one)


def end(connection: Connection) -> None:
    """Say goodbye and end the connection's thread."""
    connection.disconnect()
    connection.loop_stop()
    left = connection.socket()  # of an attempt to connect again
    if left is not None:
        left.close()
