"""Which numbers are public, in whatever notation, and what an operator may allow."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landbridge.errors import InvalidSettings
from landbridge.model.address import Allowed, is_public, read_allowed

PUBLIC = ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::1"]
SPECIAL = [
    "127.0.0.1", "127.255.0.3", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
    "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "fec0::1", "ff02::1", "2001:db8::1",
    "::ffff:127.0.0.1", "::127.0.0.1", "::ffff:0:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_public_machines_may_be_called(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", SPECIAL)
def test_special_machines_may_not(address: str) -> None:
    assert not is_public(address)


@given(st.ip_addresses(v=4), st.sampled_from(["::ffff:", "::ffff:0:", "64:ff9b::"]))
def test_a_number_within_another_is_judged_by_itself(number: ipaddress.IPv4Address, prefix: str) -> None:
    assert is_public(f"{prefix}{number}") == is_public(str(number))


def test_what_the_operator_allows_is_let_through_and_nothing_else() -> None:
    allowed = read_allowed(["127.0.0.0/8", "fd00::/8", "10.0.0.7", "[::1]", "Broker.City.example."])
    assert allowed.allows("x", "127.9.9.9") and allowed.allows("x", "::ffff:127.0.0.1")
    assert allowed.allows("x", "fd00::5") and allowed.allows("x", "10.0.0.7") and allowed.allows("x", "::1")
    assert allowed.allows("broker.city.example", "192.168.0.9") and allowed.allows("BROKER.city.example.", "10.9.9.9")
    assert not allowed.allows("x", "10.0.0.8")
    assert not allowed.allows("other.city.example", "192.168.0.9")
    assert not Allowed().allows("localhost", "127.0.0.1")


@pytest.mark.parametrize("text", ["", "10.0.0.0/40", "http://x", "a b", "1.2.3.4.5", "999.1.1.1", "x/8"])
def test_what_is_neither_network_nor_name_is_refused(text: str) -> None:
    with pytest.raises(InvalidSettings, match="neither a network nor a name"):
        read_allowed([text])
