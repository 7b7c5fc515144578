"""Which machines an address from outside may lead to: public ones, and those that the operator allows.

Pure: whoever connects resolves a name once, asks here about each number, and connects to that very number. Numbers
that hide another one (IPv4 within IPv6, in any of its notations) are judged by the one within.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from landbridge.errors import InvalidSettings

Number = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
#: networks whose last 32 bits are an IPv4 address: compatible, mapped, translated, NAT64
HIDING = tuple(ipaddress.IPv6Network(text) for text in ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96"))
UNSPOKEN = frozenset({0, 1})  # :: and ::1 are no IPv4 within IPv6
NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_][a-z0-9_-]{0,62})*\.?\Z")


def number_of(address: str) -> Number:
    """The address as a number, out of whatever hides it. Raises ValueError."""
    number = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(number, ipaddress.IPv4Address):
        return number
    if any(number in network for network in HIDING) and int(number) not in UNSPOKEN:
        return ipaddress.IPv4Address(int(number) & 0xFFFFFFFF)
    return number.sixtofour or number


def is_public(address: str) -> bool:
    """Whether an IP address is neither loopback, private, link-local nor otherwise special."""
    number = number_of(address)
    if isinstance(number, ipaddress.IPv6Address) and number not in GLOBAL_UNICAST:
        return False
    return number.is_global and not number.is_multicast


@dataclass(frozen=True)
class Allowed:
    """What the operator allows beside the public network: networks, and host names wherever they lead."""

    networks: tuple[Network, ...] = ()
    names: frozenset[str] = field(default_factory=frozenset)

    def allows(self, host: str, address: str) -> bool:
        """Whether a call to `host` may connect to `address`, an IP address."""
        if is_public(address) or host.lower().rstrip(".") in self.names:
            return True
        number = number_of(address)
        return any(number in network for network in self.networks if network.version == number.version)


def read_allowed(texts: Iterable[str], where: str = "--allow-egress") -> Allowed:
    """Read networks (`10.0.0.0/8`, `fd00::/8`), addresses and names. Raises InvalidSettings."""
    networks: list[Network] = []
    names: set[str] = set()
    for text in texts:
        try:
            networks.append(ipaddress.ip_network(text.strip("[]"), strict=False))
        except ValueError:
            name = text.lower().rstrip(".")
            if not NAME.match(name) or not name.strip("0123456789."):
                raise InvalidSettings(
                    f"'{text[:100]}' is neither a network nor a name.",
                    where=where,
                    hint="Write one like 10.1.0.0/16, 127.0.0.1 or broker.city.example.",
                ) from None
            names.add(name)
    return Allowed(tuple(networks), frozenset(names))
