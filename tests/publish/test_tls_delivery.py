"""Receivers, sources and contexts behind TLS, with real servers: whose certificates hold, and what is said else."""

import contextlib
import datetime
import http.server
import json
import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
import trustme
from paho.mqtt.enums import CallbackAPIVersion

from landbridge.errors import InvalidSettings, Unreachable
from landbridge.governance.egress import Egress
from landbridge.model.address import read_allowed
from landbridge.pool import delivery
from landbridge.pool.context_fetch import ContextFetch
from made_brokers import Broker, lamp
from made_publisher import LOOPBACK, City, Receiver, reached, receiver, telling_city, vehicle
from services import free_port, needs, running, wait_until

NOW = datetime.datetime.now(datetime.UTC)
YESTERDAY, EARLIER = NOW - datetime.timedelta(days=1), NOW - datetime.timedelta(days=30)
USER, PASSWORD, TOPIC = "city", "se:cr/et", "city/vehicles"


class Authority:
    """A certificate authority, its file, and servers' certificates of it."""

    def __init__(self, folder: Path) -> None:
        self.ca = trustme.CA()
        self.folder = folder
        self.file = folder / "authority.pem"
        self.ca.cert_pem.write_to_path(self.file)

    def server(self, *names: str, **told: Any) -> ssl.SSLContext:
        """What a server needs that is known by these names."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(*names, **told).configure_cert(context)
        return context

    def files(self, *names: str) -> tuple[Path, Path]:
        """The same as files: certificate and key."""
        made, files = self.ca.issue_cert(*names), (self.folder / "server.pem", self.folder / "server.key")
        made.private_key_pem.write_to_path(files[1])
        files[0].write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
        return files


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that nobody here trusts."""
    return Authority(tmp_path_factory.mktemp("stranger"))


@pytest.fixture
def city(tmp_path: Path, authority: Authority) -> Iterator[City]:
    """A city whose operator names the authority, and that gives up at once."""
    with telling_city(tmp_path, authorities=authority.file, patience=0.0) as made:
        yield made


def given_up(city: City) -> str:
    """Why the notification was given up that is written now."""
    city.done("POST", "/entities", vehicle(speed=1))
    reached(lambda: delivery.dead_letters(city.store)[1] == 1)
    return delivery.dead_letters(city.store)[0][0].reason


# -- https


@contextlib.contextmanager
def secure(tls: ssl.SSLContext, host: str = "127.0.0.1") -> Iterator[Receiver]:
    with receiver(tls=tls) as sink:
        sink.url = sink.url.replace("127.0.0.1", host)
        yield sink


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_receiver_with_a_certificate_of_the_operators_authority_is_told(
    city: City, authority: Authority, host: str
) -> None:
    with secure(authority.server(host), host) as sink:
        city.subscribe(sink.url)
        city.done("POST", "/entities", vehicle(speed=1))
        assert sink.wait(1)[0].entities[0]["speed"]["value"] == 1
    assert delivery.dead_letters(city.store)[1] == 0


def test_a_certificate_of_an_unknown_authority_is_not_believed(city: City, stranger: Authority) -> None:
    with secure(stranger.server("127.0.0.1")) as sink:
        city.subscribe(sink.url)
        reason = given_up(city)
        assert not sink.got
    assert "127.0.0.1 is of no trusted authority" in reason
    assert "--ca-file" in reason


def test_without_a_file_the_operators_authority_is_unknown_too(tmp_path: Path, authority: Authority) -> None:
    with telling_city(tmp_path, patience=0.0) as city, secure(authority.server("127.0.0.1")) as sink:
        city.subscribe(sink.url)
        assert "no trusted authority" in given_up(city)
        assert not sink.got


def test_a_certificate_for_another_name_is_not_believed(city: City, authority: Authority) -> None:
    with secure(authority.server("receiver.example")) as sink:
        city.subscribe(sink.url)
        assert "The certificate of 127.0.0.1 is for another name" in given_up(city)
        assert not sink.got


def test_a_certificate_that_is_over_is_not_believed(city: City, authority: Authority) -> None:
    tls = authority.server("localhost", not_before=EARLIER, not_after=YESTERDAY)
    with secure(tls, "localhost") as sink:
        city.subscribe(sink.url)
        assert "The certificate of localhost is not valid today" in given_up(city)
        assert not sink.got


def test_a_receiver_that_speaks_no_tls_is_told_apart(city: City) -> None:
    with receiver() as sink:
        city.subscribe(sink.url.replace("http:", "https:"))
        assert "127.0.0.1 does not speak TLS as it should" in given_up(city)


def test_what_could_not_be_believed_comes_when_the_certificate_is_mended(
    tmp_path: Path, authority: Authority, stranger: Authority
) -> None:
    tls = stranger.server("127.0.0.1")
    with telling_city(tmp_path, authorities=authority.file, first_retry=0.02) as city, receiver(tls=tls) as sink:
        city.subscribe(sink.url)
        city.done("POST", "/entities", vehicle(speed=1))
        reached(lambda: city.publisher.standing("", "urn:s:1").get("timesFailed", 0) > 1)
        authority.ca.issue_cert("127.0.0.1").configure_cert(tls)
        assert sink.wait(1)


# -- mqtts


@contextlib.contextmanager
def mosquitto_with_tls(authority: Authority, folder: Path, *names: str) -> Iterator[int]:
    """A real mosquitto that speaks TLS alone and asks who comes; its port."""
    program, port = needs("mosquitto"), free_port()
    certificate, key = authority.files(*names)
    passwords, settings, log = folder / "passwords", folder / "mosquitto.conf", folder / "log"
    subprocess.run([needs("mosquitto_passwd"), "-b", "-c", passwords, USER, PASSWORD], check=True, capture_output=True)
    settings.write_text(
        f"listener {port} 127.0.0.1\ncertfile {certificate}\nkeyfile {key}\nallow_anonymous false\n"
        f"password_file {passwords}\n" + ("user root\n" if os.geteuid() == 0 else "")
    )
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE

    with running([program, "-c", str(settings)], log, "root") as process:
        wait_until(lambda: ssl_knock(trust, port), process, log)
        yield port


def ssl_knock(trust: ssl.SSLContext, port: int) -> None:
    """Shake hands once: it runs."""
    with contextlib.closing(socket.create_connection(("127.0.0.1", port), 5)) as plain, trust.wrap_socket(plain):
        pass


@contextlib.contextmanager
def listening(port: int, authority: Authority) -> Iterator[list[dict[str, Any]]]:
    """What the topic brings, by a client that trusts the authority."""
    got: list[dict[str, Any]] = []
    ready = threading.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set(USER, PASSWORD)
    client.tls_set(str(authority.file))
    client.on_message = lambda client, data, message: got.append(json.loads(message.payload))
    client.on_subscribe = lambda *told: ready.set()
    client.connect("localhost", port)
    client.subscribe(TOPIC, 1)
    client.loop_start()
    assert ready.wait(20)
    try:
        yield got
    finally:
        client.disconnect()
        client.loop_stop()


@pytest.mark.parametrize("version", ["mqtt3.1.1", "mqtt5.0"])
def test_a_broker_with_tls_and_a_password_is_told(
    city: City, authority: Authority, tmp_path: Path, version: str
) -> None:
    told = [{"key": "MQTT-Version", "value": version}, {"key": "MQTT-QoS", "value": "1"}]
    with mosquitto_with_tls(authority, tmp_path, "localhost") as port, listening(port, authority) as got:
        city.subscribe(f"mqtts://{USER}:se%3Acr%2Fet@localhost:{port}/{TOPIC}", endpoint={"notifierInfo": told})
        city.done("POST", "/entities", vehicle(speed=7))
        reached(lambda: got)
    assert got[0]["body"]["data"][0]["speed"]["value"] == 7


@pytest.mark.parametrize(
    ("names", "user", "said"),
    [
        (("broker.example",), f"{USER}:se%3Acr%2Fet@", "The certificate of localhost is for another name"),
        (("localhost",), f"{USER}:wrong@", "Not authorized"),
        (("localhost",), "", "Not authorized"),
    ],
)
def test_a_broker_that_is_another_or_knows_nobody_is_given_up_with_the_reason(
    city: City, authority: Authority, tmp_path: Path, names: tuple[str, ...], user: str, said: str
) -> None:
    with mosquitto_with_tls(authority, tmp_path, *names) as port:
        city.subscribe(f"mqtts://{user}localhost:{port}/{TOPIC}")
        assert said in given_up(city)


def test_a_broker_of_an_unknown_authority_is_not_believed(city: City, stranger: Authority, tmp_path: Path) -> None:
    with mosquitto_with_tls(stranger, tmp_path, "localhost") as port:
        city.subscribe(f"mqtts://{USER}:se%3Acr%2Fet@localhost:{port}/{TOPIC}")
        assert "The certificate of localhost is of no trusted authority" in given_up(city)


# -- contexts and sources


@contextlib.contextmanager
def answering(tls: ssl.SSLContext, body: Any) -> Iterator[str]:
    """A server that answers every GET with this; its address."""

    class Door(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *told: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.02))
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_contexts_are_fetched_from_whom_the_operator_trusts(authority: Authority, stranger: Authority) -> None:
    document = {"@context": {"speed": "https://example.com/speed"}}
    fetch = ContextFetch(Egress(read_allowed(LOOPBACK), authorities=authority.file))
    with answering(authority.server("127.0.0.1"), document) as address:
        assert fetch(f"{address}/c.jsonld") == document["@context"]
    with answering(stranger.server("127.0.0.1"), document) as address, pytest.raises(Unreachable) as refused:
        fetch(f"{address}/c.jsonld")
    assert "no trusted authority" in str(refused.value)
    assert fetch.egress is not None
    fetch.egress.close()


def test_a_source_is_asked_only_where_its_certificate_holds(
    tmp_path: Path, authority: Authority, stranger: Authority
) -> None:
    here = Broker(tmp_path, "broker", authority.file)
    with contextlib.closing(here), answering(authority.server("127.0.0.1"), [lamp(1)]) as good:
        first = here.register(good)
        assert here.ids("/entities?type=Lamp") == [lamp(1)["id"]]
        here.client.delete(f"/csourceRegistrations/{first}").raise_for_status()
        with answering(stranger.server("127.0.0.1"), [lamp(2)]) as bad:
            here.register(bad)
            answer = here.get("/entities?type=Lamp")
    assert answer.json() == []
    assert "no trusted authority" in answer.headers["ngsild-warning"]


@pytest.mark.parametrize("text", ["", "no certificate", None])
def test_a_file_that_holds_no_authority_is_refused_at_the_start(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "authority.pem"
    if text is not None:
        file.write_text(text)
    with pytest.raises(InvalidSettings) as refused:
        Egress(authorities=file)
    assert refused.value.where == str(file)
