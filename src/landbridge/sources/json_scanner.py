"""Cuts a JSON document of any size into its records, so that only one piece of it is in memory at a time.

The cutting is arithmetic over arrays (where strings begin and end, how deep each bracket is); each record found is
then parsed by itself. So a broken record is one reject, and a file that ends too early is told from one that is done.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from landbridge.errors import Invalid, TooMuch

MOST = 67_108_864  # bytes that one record may have
DEEPEST = 100  # brackets within brackets in one record
BLANK = b" \t\r\n\x1e"  # with the record separator of RFC 8142
QUOTE, BACKSLASH, COMMA = 34, 92, 44
STEPS = np.zeros(256, np.int8)
STEPS[[ord("{"), ord("[")]], STEPS[[ord("}"), ord("]")]], STEPS[COMMA] = 1, -1, 2
STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
SCALAR = re.compile(rb"[-+.\w]+")
Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Shape:
    """Where the brackets and commas outside of strings are, and how deep it is after each."""

    places: Array
    steps: Array
    depths: Array


def shape(text: bytes) -> Shape:
    """The structure of a text that begins outside of a string."""
    data = np.frombuffer(text, np.uint8)
    quotes = np.flatnonzero(data == QUOTE)
    if b"\\" in text:
        quotes = quotes[~np.isin(quotes, escapes(data) + 1)]
    places = np.flatnonzero(STEPS[data])
    places = places[np.searchsorted(quotes, places) % 2 == 0]
    steps = STEPS[data[places]]
    return Shape(places, steps, np.cumsum(np.where(steps == 2, 0, steps), dtype=np.int32))


def escapes(data: Array) -> Array:
    """The last backslash of each run of an odd number of them: what follows it is escaped."""
    slashes = np.flatnonzero(data == BACKSLASH)
    first = np.concatenate(([True], np.diff(slashes) != 1))
    starts = slashes[first]
    ends: Array = slashes[np.concatenate((first[1:], [True]))]
    odd: Array = ends[(ends - starts) % 2 == 0]
    return odd


class Scanner:
    """Walks through a document that comes in pieces. Raises Invalid where it is no JSON, or ends too early."""

    def __init__(self, pieces: Iterator[bytes], where: str) -> None:
        self.pieces = pieces
        self.where = where
        self.text = b""
        self.done = False
        self.passed = 0  # bytes before the text at hand

    def more(self) -> bool:
        """Take the next piece behind the text at hand; False at the end of the document."""
        wanted, taken = max(len(self.text), 1), []
        while not self.done and wanted > 0:
            piece = next(self.pieces, None)
            if piece is None:
                self.done = True
                break
            taken.append(piece)
            wanted -= len(piece)
        if taken:
            self.text = b"".join((self.text, *taken))
        return bool(taken)

    def drop(self, size: int) -> None:
        self.passed += size
        self.text = self.text[size:]

    def peek(self) -> bytes:
        """The next byte that is not blank; b"" at the end of the document."""
        while True:
            size = len(self.text)
            left = self.text.lstrip(BLANK)
            if len(left) != size:
                self.passed += size - len(left)
                self.text = left
            if self.text or not self.more():
                return self.text[:1]

    def take(self, wanted: bytes) -> None:
        """Pass over one expected byte."""
        found = self.peek()
        if found != wanted:
            raise self.wrong(wanted.decode(), found)
        self.drop(1)

    def wrong(self, wanted: str, found: bytes) -> Invalid:
        if not found:
            return self.early()
        there = self.text[:40].decode("utf-8", "replace").split("\n")[0]
        return Invalid(f"At byte {self.passed} there is '{there}' in place of {wanted}.", where=self.where,
                       hint="The file is no JSON of the kind declared.")  # fmt: skip

    def early(self) -> Invalid:
        return Invalid(f"The file ends too early, after {self.passed + len(self.text)} bytes.", where=self.where,
                       hint="It was cut off on its way: fetch it again.")  # fmt: skip

    def text_here(self) -> bytes:
        """The string that begins here, with its quotes."""
        found = self.peek()
        if found != b'"':
            raise self.wrong("a text in quotes", found)
        while (match := STRING.match(self.text)) is None:
            if len(self.text) > MOST:
                raise self.too_large()
            if not self.more():
                raise self.early()
        self.drop(match.end())
        return match.group()

    def too_large(self) -> TooMuch:
        return TooMuch(f"The record that begins at byte {self.passed} is larger than {MOST >> 20} MiB.",
                       where=self.where, hint="Is the path to the records right?")  # fmt: skip

    def check_depth(self, found: Shape) -> None:
        if found.depths.size and int(found.depths.max()) > DEEPEST:
            raise TooMuch(f"The record that begins at byte {self.passed} is nested deeper than {DEEPEST} levels.",
                          where=self.where, hint="Such a file is refused: it can exhaust what reads it.")  # fmt: skip

    def parts(self) -> Iterator[bytes]:
        """The parts between the commas of the array or object that was just entered, through its closing bracket."""
        first = True
        while True:
            found = shape(self.text)
            closing = np.flatnonzero(found.depths < 0)
            end = int(closing[0]) if closing.size else len(found.places)
            commas = found.places[:end][(found.steps[:end] == 2) & (found.depths[:end] == 0)]
            self.check_depth(Shape(found.places[:end], found.steps[:end], found.depths[:end]))
            text, start = self.text, 0
            for comma in commas.tolist():
                yield self.part(text[start:comma])
                start, first = comma + 1, False
            self.drop(start)
            if closing.size:
                last = int(found.places[end]) - start
                if not first or self.text[:last].strip(BLANK):
                    yield self.part(self.text[:last])
                self.drop(last + 1)
                return
            if len(self.text) > MOST:
                raise self.too_large()
            if not self.more():
                raise self.early()

    def part(self, text: bytes) -> bytes:
        text = text.strip(BLANK)
        if not text:
            raise Invalid(f"A comma too many is near byte {self.passed}.", where=self.where)
        return text

    def sequence(self) -> Iterator[bytes]:
        """The objects that follow each other to the end of the document, in lines or not."""
        while self.peek():
            if self.text[:1] != b"{":
                raise self.wrong("an object", self.text[:1])
            found = shape(self.text)
            self.check_depth(found)
            ends = found.places[(found.steps == -1) & (found.depths == 0)]
            text, start = self.text, 0
            for end in ends.tolist():
                one = text[start : end + 1].strip(BLANK)
                if not one.startswith(b"{"):
                    self.drop(start)
                    raise self.wrong("an object", one[:1])
                yield one
                start = end + 1
            self.drop(start)
            if not start and len(self.text) > MOST:
                raise self.too_large()
            if not start and not self.more():
                raise self.early()

    def skip(self) -> None:
        """Pass over the value that begins here, however large."""
        first = self.peek()
        if first in (b"{", b"["):
            self.drop(1)
            for _ in self.parts():
                pass
        elif first == b'"':
            self.text_here()
        else:
            while (match := SCALAR.match(self.text)) is not None and match.end() == len(self.text):
                if len(self.text) > MOST or not self.more():
                    raise self.early()
            if match is None:
                raise self.wrong("a value", first)
            self.drop(match.end())

    def members(self) -> Iterator[str]:
        """Enter an object: yield each name, whose value the caller may take; what it leaves is passed over."""
        self.take(b"{")
        if self.peek() == b"}":
            self.drop(1)
            return
        while True:
            name = self.text_here()
            self.take(b":")
            self.peek()
            before = self.passed
            yield named(name)
            if self.passed == before:
                self.skip()
            if self.peek() != b",":
                self.take(b"}")
                return
            self.drop(1)

    def records(self, path: list[str]) -> Iterator[bytes]:
        """The elements of the array at `path` (an object there is one); the rest of the document is read to its end."""
        if not path:
            yield from self.here()
            return
        names: list[str] = []
        found = False
        if self.peek() == b"[" and path[0].isdigit():
            yield from self.within(int(path[0]), path[1:])
            return
        if self.peek() != b"{":
            raise self.wrong(f"an object with '{path[0]}'", self.peek())
        for name in self.members():
            names.append(name)
            if name == path[0] and not found:
                found = True
                yield from self.records(path[1:])
        if not found:
            raise Invalid(f"There is no '{path[0]}'; there is: {', '.join(names[:8])[:200]}.", where=self.where,
                          hint="Correct the path to the records.")  # fmt: skip

    def within(self, wanted: int, path: list[str]) -> Iterator[bytes]:
        """The records in one element of the array that begins here."""
        self.drop(1)
        count = 0
        for count, part in enumerate(self.parts(), start=1):
            if count == wanted + 1:
                yield from Scanner(iter([part]), self.where).records(path)
        if count <= wanted:
            raise Invalid(f"There is no '{wanted}'; the list has {count} elements.", where=self.where,
                          hint="Correct the path to the records.")  # fmt: skip

    def here(self) -> Iterator[bytes]:
        first = self.peek()
        if first == b"[":
            self.drop(1)
            yield from self.parts()
        elif first == b"{":
            self.drop(1)
            yield b"{" + b",".join(self.parts()) + b"}"
        else:
            raise self.wrong("a list of records", first)

    def end(self) -> None:
        """Raise Invalid where something follows the document."""
        if self.peek():
            raise self.wrong("the end of the file", self.text[:1])


def named(text: bytes) -> str:
    """A member's name as text."""
    try:
        return str(orjson.loads(text))
    except orjson.JSONDecodeError:
        return text[1:-1].decode("utf-8", "replace")
