"""Outgoing calls to addresses from outside: no trick leads to a machine that the operator did not allow."""

import gzip
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from landbridge.errors import Invalid, Refused, TooMuch, Unreachable
from landbridge.governance.egress import Egress, read_address
from landbridge.model.address import read_allowed
from receiver import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as state:
        yield state


@pytest.fixture
def open_egress() -> Iterator[Egress]:
    egress = Egress(read_allowed(["127.0.0.0/8"]))
    yield egress
    egress.close()


@pytest.fixture
def closed() -> Iterator[Egress]:
    egress = Egress()
    yield egress
    egress.close()


# -- where a call may not go


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001", "0", "0.0.0.0",
     "localhost", "LOCALHOST.", "api.localhost", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
     "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "10.0.0.1", "192.168.0.1", "172.31.255.255",
     "169.254.169.254", "[fe80::1]", "[fd00::1]", "100.100.100.200", "224.0.0.1", "①②⑦.⓪.⓪.①", "127。0。0。1"],
)  # fmt: skip
def test_no_notation_of_a_special_number_gets_through(host: str, closed: Egress, receiver: Receiver) -> None:
    for act in (closed.check, lambda url: closed.request("GET", url, timeout=5)):
        with pytest.raises(Refused, match="loopback or private"):
            act(receiver.url(host=host))
    assert receiver.asked == []


@pytest.mark.parametrize(
    "url",
    ["http://user@127.0.0.1/", "http://example.com@127.0.0.1/", "http://127.0.0.1\\@example.com/", "ftp://example.com/",
     "http:///x", "file:///etc/passwd", "gopher://127.0.0.1/", "//example.com/", "example.com", "http://exa mple.com/",
     "http://example.com:0/", "http://example.com:99999/", "http://example.com\r\nHost: x/", "http://[::1/",
     "http://[fe80::1%25eth0]/", "unix:///run/x.sock", "http://" + "a" * 9000],
)  # fmt: skip
def test_what_is_no_plain_address_is_refused(url: str, open_egress: Egress) -> None:
    for act in (open_egress.check, lambda url: open_egress.request("GET", url)):
        with pytest.raises(Invalid):
            act(url)


def test_a_name_that_leads_inside_is_refused_and_one_that_is_allowed_is_called(receiver: Receiver) -> None:
    asked: list[str] = []

    def resolver(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    with pytest.raises(Refused, match=r"inner\.example"):
        Egress(resolver=resolver).request("GET", receiver.url(host="inner.example"))
    egress = Egress(read_allowed(["inner.example"]), resolver)
    assert egress.request("GET", receiver.url(host="INNER.example")).status == 200
    assert receiver.asked[0][2]["Host"] == f"inner.example:{receiver.port}"
    with pytest.raises(Refused):
        egress.request("GET", receiver.url(host="other.example"))
    assert asked == ["inner.example", "inner.example", "other.example"]
    egress.close()


def test_a_name_that_changes_its_mind_is_connected_to_where_it_was_judged(receiver: Receiver) -> None:
    answers = iter([["127.0.0.3"], ["127.0.0.1"], ["127.0.0.1"]])  # nobody listens at the first
    egress = Egress(read_allowed(["127.0.0.3"]), lambda host, port: next(answers))
    with pytest.raises(Unreachable):
        egress.request("GET", receiver.url(host="rebind.example"))
    assert len(list(answers)) == 2  # its number was asked for once
    mixed = Egress(resolver=lambda host, port: ["127.0.0.1", "1.1.1.1"])
    assert mixed.connectable("rebind.example", 80) == "1.1.1.1"
    assert receiver.asked == []


@pytest.mark.parametrize(
    "target",
    ["http://127.0.0.2:{port}/secret", "http://[::ffff:127.0.0.2]:{port}/secret", "//2130706434:{port}/secret"],
)
def test_a_redirect_is_judged_like_an_address(target: str, receiver: Receiver) -> None:
    egress = Egress(read_allowed(["127.0.0.1"]))
    receiver.answers["/go"] = (302, {"Location": target.format(port=receiver.port)}, b"")
    with pytest.raises(Refused):
        egress.request("GET", receiver.url("/go"))
    assert [path for _, path, _, _ in receiver.asked] == ["/go"]
    egress.close()


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://1.1.1.1/", "http://a@127.0.0.1/"])
def test_a_redirect_out_of_http_is_refused(target: str, receiver: Receiver, open_egress: Egress) -> None:
    receiver.answers["/go"] = (301, {"Location": target}, b"")
    with pytest.raises(Invalid):
        open_egress.request("GET", receiver.url("/go"))


def test_a_redirect_to_another_machine_takes_no_token_along(receiver: Receiver, open_egress: Egress) -> None:
    receiver.answers["/go"] = (307, {"Location": receiver.url("/there", host="127.0.0.2")}, b"")
    receiver.answers["/stay"] = (307, {"Location": "/here"}, b"")
    headers = {"Authorization": "Bearer secret", "X-Key": "secret", "Accept": "application/json"}
    with pytest.raises(Unreachable):  # nobody listens on 127.0.0.2, so nobody hears it
        open_egress.request("GET", receiver.url("/go"), headers)
    egress = Egress(read_allowed(["elsewhere.example", "127.0.0.1"]), lambda host, port: ["127.0.0.1"])
    receiver.answers["/go"] = (307, {"Location": receiver.url("/there", host="elsewhere.example")}, b"")
    assert egress.request("GET", receiver.url("/go"), headers).url == receiver.url("/there", host="elsewhere.example")
    assert "X-Key" not in receiver.asked[-1][2] and "Authorization" not in receiver.asked[-1][2]
    assert receiver.asked[-1][2]["Accept"] == "application/json"
    egress.request("GET", receiver.url("/stay"), headers)
    assert receiver.asked[-1][2]["X-Key"] == "secret"
    egress.close()


# -- bounds


def test_redirects_are_bounded_and_a_post_is_not_sent_on(receiver: Receiver, open_egress: Egress) -> None:
    receiver.answers["/round"] = (302, {"Location": "/round"}, b"")
    with pytest.raises(Unreachable, match="more than 3 times"):
        open_egress.request("GET", receiver.url("/round"), hops=3)
    assert len(receiver.asked) == 4
    assert open_egress.request("POST", receiver.url("/round"), body=b"x").status == 302
    assert len(receiver.asked) == 5


def test_a_large_answer_is_refused_also_where_it_is_packed_small(receiver: Receiver, open_egress: Egress) -> None:
    receiver.answers["/large"] = (200, {}, b"x" * 100_001)
    receiver.answers["/bomb"] = (200, {"Content-Encoding": "gzip"}, gzip.compress(b"x" * 50_000_000))
    receiver.answers["/packed"] = (200, {"Content-Encoding": "gzip"}, gzip.compress(b"y" * 100_000))
    receiver.answers["/lie"] = (200, {"Content-Encoding": "gzip"}, b"no gzip")
    for path in ("/large", "/bomb"):
        with pytest.raises(TooMuch, match="larger than 100000 bytes"):
            open_egress.request("GET", receiver.url(path), largest=100_000)
    assert open_egress.request("GET", receiver.url("/packed"), largest=100_000).body == b"y" * 100_000
    with pytest.raises(Unreachable, match="is not"):
        open_egress.request("GET", receiver.url("/lie"))


def test_silence_is_given_up(receiver: Receiver, open_egress: Egress) -> None:
    with pytest.raises(Unreachable, match=r"within 0\.2 s"):
        open_egress.request("GET", receiver.url("/silent"), timeout=0.2)


def test_an_answer_that_trickles_is_given_up_as_a_whole(open_egress: Egress) -> None:
    """Each byte comes in time, and never the end: the bound is on the call, not on its steps."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        over = threading.Event()

        def trickle() -> None:
            peer, _ = door.accept()
            with peer:
                peer.recv(1000)
                while not over.wait(0.05):
                    try:
                        peer.sendall(b"H")
                    except OSError:
                        return

        thread = threading.Thread(target=trickle)
        thread.start()
        with pytest.raises(Unreachable):
            open_egress.request("GET", f"http://127.0.0.1:{door.getsockname()[1]}/", timeout=0.5)
        over.set()
        thread.join()


def test_nobody_there_is_unreachable(open_egress: Egress) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    with pytest.raises(Unreachable, match="cannot be reached"):
        open_egress.request("GET", f"http://127.0.0.1:{port}/")

    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror("no such name")

    with pytest.raises(Unreachable, match="cannot be found"):
        Egress(resolver=unknown).request("GET", "http://nobody.example/")


# -- calls


def test_a_call_brings_method_headers_and_body_and_keeps_its_connection(
    receiver: Receiver, open_egress: Egress
) -> None:
    for _ in range(20):
        answer = open_egress.request(
            "POST", receiver.url("/n?a=1&b=é"), {"Content-Type": "application/json", "Host": "evil.example"}, b'{"a":1}'
        )
    assert (answer.status, answer.body) == (200, b"fine")
    method, path, headers, body = receiver.asked[-1]
    assert (method, path, body) == ("POST", "/n?a=1&b=%C3%A9", b'{"a":1}')
    assert headers["Host"] == f"127.0.0.1:{receiver.port}" and headers["Content-Type"] == "application/json"
    assert len(receiver.connections) == 1


def test_many_threads_call_at_once(receiver: Receiver, open_egress: Egress) -> None:
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda n: open_egress.request("GET", receiver.url(f"/{n}")).status, range(100)))
    assert found == [200] * 100
    assert sorted(path for _, path, _, _ in receiver.asked) == sorted(f"/{n}" for n in range(100))


@pytest.mark.parametrize("headers", [{"X-A": "one\r\nX-B: two"}, {"X A": "1"}, {"X-é": "1"}])
def test_a_header_that_smuggles_another_is_refused(
    headers: dict[str, str], receiver: Receiver, open_egress: Egress
) -> None:
    with pytest.raises(Invalid, match="cannot be sent"):
        open_egress.request("GET", receiver.url(), headers)
    assert receiver.asked == []


def test_the_parts_of_an_address() -> None:
    target = read_address("https://[2606:4700::1111]/a b?x".replace(" ", "%20"))
    assert (target.host, target.port, target.path, target.authority) == (
        "2606:4700::1111", 443, "/a%20b?x", "[2606:4700::1111]"
    )  # fmt: skip
    assert read_address("http://Bücher.example:8080").authority == "xn--bcher-kva.example:8080"
