"""One client's request on its way to other sources: what goes along with it, and what is told back about the way."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from landbridge.model.terms import Terms

HOPS = 32  # brokers that a request may have passed
AGENT = "landbridge"
LONGEST, MOST = 4000, 20  # of another broker's warnings
WARNING = re.compile(r'\d{3} [\w.:-]{1,100} "[ !#-\[\]-~]{0,300}"', re.ASCII)


@dataclass
class Trip:
    """What a request brings for others.

    `headers` of the client's request, by lower-case names; `via` the names of the brokers that it passed (NGSI-LD
    6.3.18). `attrs`: the stored names of the attributes that are wanted of one entity (none: all); `datasets`: of the
    instances. `spelt` gives the conditions of a query as parameters, in the words of the terms it is handed. `local`:
    nobody else is to be asked; `without`: nor the sources of these registrations. `warnings` grow on the way (6.3.17).
    """

    terms: Terms
    headers: Mapping[str, str] = field(default_factory=dict)
    local: bool = False
    without: frozenset[str] = frozenset()
    attrs: Sequence[str] = ()
    datasets: frozenset[str] = frozenset()
    spelt: Callable[[Terms], Mapping[str, str]] = lambda terms: {}
    warnings: list[str] = field(default_factory=list)

    @property
    def via(self) -> tuple[str, ...]:
        return passed(self.headers.get("via", ""))

    def warn(self, code: int, text: str) -> None:
        """Tell the client of something abnormal, in the form of RFC 7234, 5.5."""
        plain = "".join(letter if 31 < ord(letter) < 127 and letter not in '"\\' else " " for letter in text)
        warning = f'{code} {AGENT} "{plain[:300]}"'
        if warning not in self.warnings:
            self.warnings.append(warning)

    def heard(self, warnings: str) -> None:
        """Pass on what another broker has warned of, as far as it is in the form."""
        for one in WARNING.findall(warnings[:LONGEST])[:MOST]:
            if one not in self.warnings:
                self.warnings.append(one)

    @property
    def told(self) -> dict[str, str]:
        """The headers of the answer."""
        return {"NGSILD-Warning": ", ".join(self.warnings)} if self.warnings else {}


def passed(via: str) -> tuple[str, ...]:
    """The names in a Via header, oldest first: `1.1 one, HTTP/1.1 two (comment)`."""
    found = []
    for part in via.split(",")[: HOPS + 1]:
        words = part.split()
        if len(words) >= 2:
            found.append(words[1])
    return tuple(found)
