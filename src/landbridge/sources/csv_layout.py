"""Finds out how a CSV file is laid out, where its declaration does not say: delimiter, preamble, header.

It looks at the first stretch of the text only, and says in the run's notes what it found.
"""

import csv
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from landbridge.errors import Invalid, InvalidSettings
from landbridge.sources.contract import Declaration
from landbridge.sources.declaration import Keys
from landbridge.sources.encoding import known_encoding

OPTIONS: dict[str, str] = {
    "encoding": "how the text is written, such as `utf-8`, `gb18030`, `cp932`; default: detected, and noted",
    "delimiter": "the character between cells; default: detected among `,` `;` tab and `|`",
    "quotes": "whether `\"` opens a cell that may hold delimiters and newlines; default true",
    "skip": "lines before the header that are left out; default: those before the first row that fills its columns",
    "header": "false where there is none (columns are A, B, C, ...), or a column's name to find the header's line by",
    "below": "rows between the header and the data that are left out, such as units; default 0",
    "names": "a list of column names, in place of the header's",
    "null": "texts that mean no value beside the empty cell, such as `[\"NA\", \"—\"]`",
}  # fmt: skip
DELIMITERS = (",", ";", "\t", "|")
LOOKED_AT = 131_072  # characters of the file that are looked at
PREAMBLE = 100  # lines that a preamble may have and be found


@dataclass(frozen=True)
class Form:
    """What source.toml says of a CSV's layout; None: find out."""

    encoding: str | None = None
    delimiter: str | None = None
    quotes: bool = True
    skip: int | None = None
    header: bool | str = True
    below: int = 0
    names: tuple[str, ...] = ()
    null: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """How one file is laid out."""

    delimiter: str
    skip: int
    width: int  # cells of most rows


def read_form(declaration: Declaration) -> Form:
    """The declared layout; raises InvalidSettings."""
    where = f"{declaration.name}/source.toml"
    read = Keys(declaration.options, where)
    encoding, delimiter = read.text("encoding", ""), read.text("delimiter", "")
    header: Any = read.of(
        "header", True, lambda value: isinstance(value, bool | str) and value != "", "false or a name"
    )
    if delimiter and (len(delimiter) > 1 or not delimiter.isascii() or delimiter in '"\r\n\0'):
        raise InvalidSettings(f"`delimiter` is {delimiter!r}.", where=where, hint="Give one character, such as ';'.")
    names = read.texts("names")
    if len({name.lower() for name in names}) < len(names) or "" in names:
        raise InvalidSettings("`names` has a name twice, or an empty one.", where=where, hint="Give each its own.")
    return Form(
        known_encoding(encoding, where) if encoding else None,
        delimiter or None,
        read.flag("quotes", True),
        read.whole("skip", None, 0, 1_000_000),
        header,
        read.whole("below", 0, 0, 1_000) or 0,
        names,
        read.texts("null"),
    )


def find_layout(text: str, form: Form, name: str, tabs: bool) -> tuple[Layout, list[str]]:
    """The layout of a file that begins with `text`, and notes of what was found; raises Invalid.

    `tabs`: the file's name says that it has tabs.
    """
    notes: list[str] = []
    lines = re.split(r"\r\n|\r|\n", text[:LOOKED_AT])
    if len(text) >= LOOKED_AT and len(lines) > 2:
        lines.pop()  # perhaps cut
    delimiter = form.delimiter
    if delimiter is None:
        delimiter = "\t" if tabs else likeliest_delimiter(lines[form.skip or 0 :], form.quotes)
        if delimiter != "," and not tabs:
            notes.append(f"{name}: delimiter detected: {'tab' if delimiter == chr(9) else delimiter}.")
    width = usual_width(records(lines[form.skip or 0 :], delimiter, form.quotes))[0]
    skip = form.skip if form.skip is not None else preamble(lines, delimiter, form, width, name)
    if skip and form.skip is None:
        notes.append(f"{name}: {skip} line{'s' * (skip > 1)} before the header left out.")
    return Layout(delimiter, skip, width), notes


def records(lines: Sequence[str], delimiter: str, quotes: bool, most: int = 500) -> list[list[str]]:
    """The first records of some lines, without empty ones."""
    found: list[list[str]] = []
    read = csv.reader((line + "\n" for line in lines), **reading(delimiter, quotes))
    try:
        for record in read:
            if record:
                found.append(record)
            if len(found) >= most:
                break
    except csv.Error:
        pass  # a cell too large to look at: what was found so far will do
    return found


def reading(delimiter: str, quotes: bool) -> dict[str, Any]:
    """How Python's own reader is told the same."""
    return {"delimiter": delimiter, "quoting": csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE}


def usual_width(found: Sequence[Sequence[str]]) -> tuple[int, float]:
    """How many cells most records have, and what share of them."""
    if not found:
        return 1, 0.0
    (width, count), *_ = sorted(Counter(map(len, found)).items(), key=lambda pair: (-pair[1], -pair[0]))
    return width, count / len(found)


def likeliest_delimiter(lines: Sequence[str], quotes: bool) -> str:
    """The delimiter that cuts the rows most evenly into most cells; a comma where none cuts them."""

    def score(delimiter: str) -> float:
        found = records(lines, delimiter, quotes)
        width, share = usual_width(found)
        headed = 2 if found and len(found[0]) == width else 1  # `a;b` over `1,5;2,5`: the header must be cut too
        return share**2 * math.log2(width) * headed

    return max(DELIMITERS, key=score)


def preamble(lines: Sequence[str], delimiter: str, form: Form, width: int, name: str) -> int:
    """How many lines stand before the header; raises Invalid where the declared column is in none of them."""
    for place in range(min(len(lines), PREAMBLE + 1)):
        cells = [cell.strip() for cell in next(iter(records(lines[place:], delimiter, form.quotes, 1)), [])]
        if isinstance(form.header, str):
            if form.header in cells:
                return place
        elif 2 * sum(map(bool, cells)) > width and lines[place].strip():
            return place
    if isinstance(form.header, str):
        raise Invalid(
            f"No line of the first {PREAMBLE} has a cell '{form.header}'.",
            where=name,
            hint="Correct `header` in source.toml, or give `skip`: the number of lines before the header.",
        )
    return 0
