"""Cuts CSV text into stretches of whole records, and says in which line of the file each record begins.

The fast road is arithmetic over arrays: a line end inside a quoted cell has an odd number of quotes before it.
Where quotes stand inside an unquoted cell that does not hold, and a scan of the records takes its place.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from landbridge.errors import TooMuch

MOST = 16_777_216  # bytes that one record may have
QUOTE, LF, CR = 34, 10, 13
Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Stretch:
    """Whole records as UTF-8, and the line in the file of each that is not an empty line."""

    text: bytes
    lines: Array
    tail: bytes = b""  # what follows: a last record whose last cell has an opening quote and no closing one
    tail_line: int = 0


def stretches(pieces: Iterator[bytes], delimiter: str, quoting: bool, name: str, line: int = 1) -> Iterator[Stretch]:
    """Cut pieces of text into stretches of whole records.

    Raises TooMuch, with the line, for a record above 16 MiB.
    """
    rest = b""
    for piece in pieces:
        text = rest + piece
        ends, more = record_ends(text, delimiter, quoting, last=False)
        if ends.size:
            cut = int(ends[-1][1])
            yield stretch(text, ends, line)
            line += int(more)
            rest = text[cut:]
        else:
            rest = text
        if len(rest) > MOST:
            raise TooMuch(
                f"The row that begins here is longer than {MOST // 1_048_576} MiB.",
                where=f"{name} line {line}",
                hint="A quote that is never closed is the usual reason; a cell this large cannot be read.",
            )
    if rest:
        yield last_stretch(rest, delimiter, quoting, line)


def last_stretch(rest: bytes, delimiter: str, quoting: bool, line: int) -> Stretch:
    """What is left at the end of the file: records of which the last may lack its line end."""
    text = rest if rest.endswith((b"\n", b"\r")) else rest + b"\n"
    ends, _ = record_ends(text, delimiter, quoting, last=True)
    cut = int(ends[-1][1]) if ends.size else 0
    whole = stretch(text, ends, line) if cut else Stretch(b"", np.empty(0, np.int64))
    if cut == len(text):
        return whole
    lines_before = int(ends[-1][2]) + 1 if cut else 0
    return Stretch(whole.text, whole.lines, text[cut:], line + lines_before)


def stretch(text: bytes, ends: Array, line: int) -> Stretch:
    """The records up to the last end; `ends` has (where the content ends, where the next begins, line end's index)."""
    starts = np.concatenate(([0], ends[:-1, 1]))
    lines = np.concatenate(([0], ends[:-1, 2] + 1)) + line
    filled = ends[:, 0] > starts
    return Stretch(text[: int(ends[-1][1])], lines[filled])


def record_ends(text: bytes, delimiter: str, quoting: bool, last: bool) -> tuple[Array, int]:
    """Where records end in the text, and the number of lines up to the last of these ends."""
    data = np.frombuffer(text, np.uint8)
    line_ends = all_line_ends(data)
    if not last and line_ends.size and line_ends[-1] == len(data) - 1 and data[-1] == CR:
        line_ends = line_ends[:-1]  # the LF of this CR may be in the next piece
    if not line_ends.size:
        return np.empty((0, 3), np.int64), 0
    if not quoting or text.find(b'"') < 0:
        index = np.arange(len(line_ends))
    else:
        quotes = np.flatnonzero(data == QUOTE)
        if regular(data, quotes, ord(delimiter)):
            index = np.flatnonzero(np.searchsorted(quotes, line_ends) % 2 == 0)
        else:
            index = scanned(text, delimiter, line_ends)
    if not index.size:
        return np.empty((0, 3), np.int64), 0
    chosen = line_ends[index]
    two = (data[chosen] == LF) & (data[np.maximum(chosen - 1, 0)] == CR) & (chosen > 0)
    return np.column_stack((chosen - two, chosen + 1, index)), int(index[-1]) + 1


def all_line_ends(data: Array) -> Array:
    """The last byte of every line end: LF, CR LF or CR."""
    feeds = np.flatnonzero(data == LF)
    returns = np.flatnonzero(data == CR)
    if not returns.size:
        return feeds
    after = np.minimum(returns + 1, len(data) - 1)
    alone = returns[(data[after] != LF) | (returns == len(data) - 1)]
    return np.sort(np.concatenate((feeds, alone))) if alone.size else feeds


def regular(data: Array, quotes: Array, delimiter: int) -> bool:
    """Whether every quote opens or closes a cell or is doubled, so that counting quotes tells inside from outside."""
    opening, closing = quotes[0::2], quotes[1::2]
    before = data[np.maximum(opening - 1, 0)]
    opens = (opening == 0) | (before == delimiter) | (before == LF) | (before == CR) | (before == QUOTE)
    # a quote before an opening one must itself close a cell, else it is a doubled quote outside of quotes
    after = data[np.minimum(closing + 1, len(data) - 1)]
    closes = (closing == len(data) - 1) | (after == delimiter) | (after == LF) | (after == CR) | (after == QUOTE)
    return bool(opens.all() and closes.all())


@cache
def record_pattern(delimiter: str) -> re.Pattern[bytes]:
    """One cell and what ends it, as Python's and Arrow's readers see it; a doubled quote never counts as two."""
    end = re.escape(delimiter.encode())
    return re.compile(
        rb'(?:"[^"]*+(?:""[^"]*+)*+"[^' + end + rb'\r\n]*|(?!")[^' + end + rb"\r\n]*)(\r\n|\r|\n|" + end + rb")"
    )


def scanned(text: bytes, delimiter: str, line_ends: Array) -> Array:
    """The indices of those line ends that end a record, found cell by cell."""
    pattern, place, ends = record_pattern(delimiter), 0, []
    limit = int(line_ends[-1]) + 1
    while place < limit and (found := pattern.match(text, place, limit)):
        place = found.end()
        if found.group(1) in (b"\r\n", b"\n", b"\r"):
            ends.append(place - 1)
    return np.searchsorted(line_ends, np.array(ends, np.int64))
