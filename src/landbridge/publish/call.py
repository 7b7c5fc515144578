"""One notification on its way out: an HTTP request, or a message to an MQTT broker, through the guarded door.

NGSI-LD 6.3.9 (HTTP binding), 7.2 and 5.8.6 (MQTT binding). A call that does not come through raises; whoever calls
decides what then.
"""

from typing import NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

from landbridge.errors import Invalid, Unreachable
from landbridge.governance.egress import Egress
from landbridge.model.subscription import Endpoint
from landbridge.publish.mqtt import DEFAULT_PORTS, Broker, Brokers, Message
from landbridge.publish.notification import as_message, headers_of

LARGEST_ANSWER = 64 * 1024  # nobody reads a receiver's answer
HTTP = ("http", "https")


class Target(NamedTuple):
    """Where a lane's notifications go: the endpoint, the tenant and the address of the @context."""

    endpoint: Endpoint
    tenant: str
    context: str


class Call(Protocol):
    """Send one body to a target. Raises Refused or Invalid for good, Unreachable or TooMuch where it may come right."""

    def __call__(self, target: Target, body: bytes) -> None: ...


def receiver_of(uri: str) -> str:
    """The machine that an address leads to, as one key: what is slow there is slow for all of its addresses."""
    return uri.partition("://")[2].partition("/")[0].rpartition("@")[2].lower()


def read_broker(endpoint: Endpoint) -> tuple[Broker, Message]:
    """The broker and topic of an mqtt(s) address. Raises Invalid for what cannot be."""
    try:
        parts = urlsplit(endpoint.uri)
    except ValueError:
        raise Invalid("The address is malformed.", where=endpoint.uri[:200], hint="mqtt://host/topic") from None
    notifier = dict(endpoint.notifier)
    quality, version = notifier.get("MQTT-QoS", "0"), notifier.get("MQTT-Version", "mqtt5.0")
    if quality not in ("0", "1", "2"):
        raise Invalid(f"'{quality[:20]}' is no quality of service.", where="MQTT-QoS", hint="Use 0, 1 or 2.")
    if version not in ("mqtt3.1.1", "mqtt5.0"):
        raise Invalid(
            f"'{version[:20]}' is no version of MQTT.", where="MQTT-Version", hint="Use mqtt3.1.1 or mqtt5.0."
        )
    topic = unquote(parts.path.lstrip("/"))
    try:
        host, port = parts.hostname or "", parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
    except ValueError:
        raise Invalid("The address has a port that none has.", where=endpoint.uri[:200]) from None
    if not (host and port and topic) or parts.query or "#" in endpoint.uri or any(mark in topic for mark in "+#\x00"):
        raise Invalid("The address names no machine or no topic.", where=endpoint.uri[:200], hint="mqtt://host/topic")
    user = None if parts.username is None else unquote(parts.username)
    password = None if parts.password is None else unquote(parts.password)
    broker = Broker(host, port, parts.scheme == "mqtts", version == "mqtt5.0", user, password)
    return broker, Message(topic, int(quality))


def check_endpoint(endpoint: Endpoint, egress: Egress) -> None:
    """Judge an endpoint when it is registered. Raises Invalid for what is none, Refused where it may not lead."""
    scheme = endpoint.uri.partition(":")[0].lower()
    if scheme in HTTP:
        egress.check(endpoint.uri)
    elif scheme in DEFAULT_PORTS:
        broker, _ = read_broker(endpoint)
        egress.check_host(broker.host, broker.port)
    else:
        raise Invalid(
            "The endpoint is none of http, https, mqtt or mqtts.", where="notification.endpoint.uri",
            hint="Write it like https://receiver.example/notify.",
        )  # fmt: skip


class Caller:
    """Sends notifications over HTTP and MQTT. Any thread may use it."""

    def __init__(self, egress: Egress) -> None:
        self.egress = egress
        self.brokers = Brokers(egress.connectable, egress.trusting)

    def __call__(self, target: Target, body: bytes) -> None:
        endpoint = target.endpoint
        headers = headers_of(endpoint, target.tenant, target.context)
        if endpoint.uri.partition(":")[0].lower() not in HTTP:
            broker, message = read_broker(endpoint)
            self.brokers.publish(broker, message, as_message(headers, body), endpoint.timeout)
            return
        answer = self.egress.request("POST", endpoint.uri, headers, body, endpoint.timeout, largest=LARGEST_ANSWER)
        if not 200 <= answer.status < 300:
            raise Unreachable(f"The receiver answers {answer.status}.", where=endpoint.uri[:200])

    def close(self) -> None:
        self.brokers.close()
