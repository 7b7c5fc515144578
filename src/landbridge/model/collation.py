"""Collation: in which order people expect texts, as an ICU collation says (RFC 6067, NGSI-LD 4.23.3).

The order is the Unicode Collation Algorithm's over its default table (`und`); languages that change that table are
refused rather than put in a wrong order, but for German's phone book, which is the default table over other letters.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from pyuca.collator import Collator

from landbridge.errors import InvalidQuery

TAG = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*\Z", re.ASCII)
LONGEST = 100
# languages whose order CLDR leaves as the default table has it
UNCHANGED = frozenset(
    ("und", "root", "en", "de", "fr", "it", "nl", "pt", "ga", "gd", "id", "ms", "sw", "lb", "eu", "oc", "rm", "fy")
)
LEVELS = {"level1": 1, "level2": 2, "level3": 3, "level4": 3, "identic": 4}
PHONE_BOOK = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"})
PLAIN = {"kn": "false", "kb": "false", "kc": "false", "kf": "false", "ka": "noignore", "kk": "false"}


@dataclass(frozen=True)
class Collation:
    """How texts are compared: on how many levels (base letters, accents, case, code points), and in whose order."""

    levels: int = 3
    phone_book: bool = False

    def key(self, text: str) -> str:
        """A text that sorts by code point as the given one does by this collation."""
        folded = text.translate(PHONE_BOOK) if self.phone_book else text
        kept = []
        level = 1
        for weight in table()(folded):
            level += weight == 0
            if level > self.levels:
                break
            kept.append(f"{weight:05x}")
        return "".join(kept) + ("\x00" + text if self.levels > 3 else "")


@cache
def table() -> Callable[[str], tuple[int, ...]]:
    """The default table's sort key; read when it is first needed (a tenth of a second)."""
    collator: Any = Collator
    found: Callable[[str], tuple[int, ...]] = collator().sort_key
    return found


@lru_cache(maxsize=64)
def parse_collation(tag: str) -> Collation:
    """Read a tag such as `und`, `de-u-co-phonebk`, `und-u-ks-level1`.

    Raises InvalidQuery for what is no tag, and for an order that cannot be honoured.
    """
    if len(tag) > LONGEST or not TAG.match(tag):
        raise InvalidQuery(
            f"'{tag[:40]}' is no language tag.", where="collation", hint="Write it like und or de-u-co-phonebk."
        )
    main, _, extension = tag.lower().removesuffix("-x-icu").partition("-u-")
    language = main.partition("-")[0]
    levels, phone_book = 3, False
    for keyword, value in keywords(extension):
        if keyword == "ks" and value in LEVELS:
            levels = LEVELS[value]
        elif (keyword, value, language) == ("co", "phonebk", "de"):
            phone_book = True
        elif (keyword, value) != ("co", "standard") and PLAIN.get(keyword) != value:
            raise unknown(tag)
    if language not in UNCHANGED or main == "fr-ca":
        raise unknown(tag)
    return Collation(levels, phone_book)


def keywords(extension: str) -> Iterator[tuple[str, str]]:
    """The keywords of a Unicode extension with their values; one without a value is true."""
    keyword, values = "", list[str]()
    for part in extension.split("-") if extension else ():
        if len(part) == 2:
            if keyword:
                yield keyword, "-".join(values) or "true"
            keyword, values = part, []
        else:
            values.append(part)
    if keyword:
        yield keyword, "-".join(values) or "true"


def unknown(tag: str) -> InvalidQuery:
    return InvalidQuery(
        f"Texts cannot be put in the order of '{tag[:40]}'.",
        where="collation",
        hint="Use und, de-u-co-phonebk, or a language whose order is the Unicode default; ks for its strength.",
    )
