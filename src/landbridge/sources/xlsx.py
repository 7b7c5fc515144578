"""Office Open XML workbooks (XLSX, XLSM) as streams of rows. ECMA-376 part 1, SpreadsheetML.

A formula cell gives the value that the program stored beside it; one without is counted. Phonetic guides of Japanese
text are no part of it.
"""

import datetime
import math
import posixpath
import re
from collections.abc import Iterator

from landbridge.errors import Invalid, TooMuch
from landbridge.sources.header import letter
from landbridge.sources.sheet import Faults, Merge, Row, Value, check_place, check_text, number
from landbridge.sources.xml_part import Archive, attribute, finish

PLACE = re.compile(r"\$?([A-Za-z]{1,3})\$?(\d{1,7})")
ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
MOST_SHARED = 134_217_728  # characters of all shared texts together
MOST_MERGES = 200_000
DATES = {*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)}  # 18.8.30, with those of Chinese and Japanese
TIMES = {18, 19, 20, 21, 32, 33, 45, 46, 47, 55, 56}
BOTH = {22}
QUOTED = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!h+\]|m+\]|s+\])[^\]]*\]', re.IGNORECASE)
DAY, CLOCK, MOMENT, SPAN = "day", "clock", "moment", "span"


def column_of(letters: str) -> int:
    """`A` is 0, `AA` 26."""
    found = 0
    for sign in letters.upper():
        found = found * 26 + ord(sign) - 64
    return found - 1


def format_kind(code: str) -> str | None:
    """What a number format shows: a day, a clock's time, both, a span of time, or none of them (None)."""
    plain = QUOTED.sub("", code.split(";")[0]).lower()
    if plain == "general" or not re.search(r"[ymdhsge]", plain) or re.search(r"[0#?]e[+-]|general", plain):
        return None
    if re.search(r"\[(h+|m+|s+)\]", plain):
        return SPAN
    clock = bool(re.search(r"[hs]", plain))
    day = bool(re.search(r"[yd]", plain)) or ("m" in plain and not clock)
    if day:
        return MOMENT if clock else DAY
    return CLOCK if clock else None


class XlsxWorkbook:
    """An XLSX workbook in an opened archive."""

    def __init__(self, archive: Archive, book: str) -> None:
        self.archive = archive
        self.names: list[str] = []
        self.parts: list[str] = []
        self.from_1904 = False
        self.formats: list[str | None] = []  # of each cell style
        self.shared: list[str] | None = None
        self.shared_part: str | None = None
        self.read_book(book)

    @property
    def where(self) -> str:
        return self.archive.name

    # --- what stands beside the sheets ---------------------------------------------------------------------------

    def read_book(self, book: str) -> None:
        folder = posixpath.dirname(book)
        targets, kinds = relations(self.archive, book)
        listed: list[tuple[str, str]] = []

        def start(name: str, attributes: dict[str, str]) -> None:
            if name == "sheet":
                listed.append((attributes.get("name", ""), attribute(attributes, "id") or ""))
            elif name == "workbookPr":
                self.from_1904 = attributes.get("date1904") in ("1", "true", "on")

        finish(self.archive.events(book, start))
        for name, relation in listed:
            target = targets.get(relation)
            if target is not None and "chartsheet" not in target:
                self.names.append(name)
                self.parts.append(target)
        self.shared_part = kinds.get("sharedStrings") or posixpath.join(folder, "sharedStrings.xml")
        styles = kinds.get("styles") or posixpath.join(folder, "styles.xml")
        if self.archive.has(styles):
            self.read_styles(styles)

    def read_styles(self, part: str) -> None:
        codes: dict[int, str] = {}
        inside = False

        def start(name: str, attributes: dict[str, str]) -> None:
            nonlocal inside
            if name == "numFmt":
                codes[whole(attributes.get("numFmtId"))] = attributes.get("formatCode", "")[:1000]
            elif name == "cellXfs":
                inside = True
            elif name == "xf" and inside and len(self.formats) < 100_000:
                self.formats.append(self.style(whole(attributes.get("numFmtId")), codes))

        def end(name: str) -> None:
            nonlocal inside
            if name == "cellXfs":
                inside = False

        finish(self.archive.events(part, start, end))

    @staticmethod
    def style(identifier: int, codes: dict[int, str]) -> str | None:
        if identifier in codes:
            return format_kind(codes[identifier])
        if identifier == 46:
            return SPAN
        if identifier in BOTH:
            return MOMENT
        if identifier in TIMES:
            return CLOCK
        return DAY if identifier in DATES else None

    def shared_texts(self) -> list[str]:
        """The texts that cells share, read once; raises TooMuch."""
        if self.shared is not None:
            return self.shared
        texts: list[str] = []
        if self.shared_part is None or not self.archive.has(self.shared_part):
            self.shared = texts
            return texts
        parts: list[str] = []
        length = total = 0
        reading, guide = False, 0

        def start(name: str, attributes: dict[str, str]) -> None:
            nonlocal reading, guide, length
            if name == "si":
                parts.clear()
                length = 0
            elif name == "rPh":
                guide += 1
            reading = name == "t" and not guide

        def end(name: str) -> None:
            nonlocal reading, guide
            reading = False
            if name == "si":
                texts.append(unescaped("".join(parts)))
            elif name == "rPh":
                guide -= 1

        def text(piece: str) -> None:
            nonlocal length, total
            if reading:
                length, total = length + len(piece), total + len(piece)
                check_text(length, 0, 0, f"{self.where}, shared text {len(texts)}")
                if total > MOST_SHARED:
                    raise TooMuch("The workbook's texts are larger than 128 MiB.", where=self.where, hint="Split it.")
                parts.append(piece)

        finish(self.archive.events(self.shared_part, start, end, text))
        self.shared = texts
        return texts

    # --- the sheets ----------------------------------------------------------------------------------------------

    def merged(self, sheet: int) -> list[Merge]:
        found: list[Merge] = []

        def start(name: str, attributes: dict[str, str]) -> None:
            if name == "mergeCell":
                first, _, last = attributes.get("ref", "").partition(":")
                corners = PLACE.fullmatch(first), PLACE.fullmatch(last or first)
                if corners[0] and corners[1] and len(found) < MOST_MERGES:
                    (left, top), (right, bottom) = corners[0].groups(), corners[1].groups()
                    found.append(Merge(int(top), column_of(left), int(bottom), min(column_of(right), 16_383)))

        finish(self.archive.events(self.parts[sheet], start))
        return found

    def rows(self, sheet: int, faults: Faults) -> Iterator[Row]:
        reader = SheetReader(self, f"{self.where} [{self.names[sheet]}]", faults)
        for _ in self.archive.events(self.parts[sheet], reader.start, reader.end, reader.text):
            yield from reader.done
            reader.done.clear()

    def moment(self, serial: float, kind: str) -> Value:
        """A number of days as the date or time that its format shows; out of the calendar's reach it stays a number."""
        if kind == SPAN:
            seconds = round(serial * 86_400)
            return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        base = datetime.datetime(1904, 1, 1) if self.from_1904 else datetime.datetime(1899, 12, 30)
        if not self.from_1904 and serial < 60:  # the program counts 29 February 1900, which never was
            base += datetime.timedelta(days=1)
        try:
            found = base + datetime.timedelta(milliseconds=round(serial * 86_400_000))
        except OverflowError:
            return serial
        if kind == CLOCK and 0 <= serial < 1:
            return found.time()
        if kind == DAY and found.time() == datetime.time():
            return found.date()
        return found


class SheetReader:
    """Turns a sheet part's events into rows."""

    def __init__(self, book: XlsxWorkbook, where: str, faults: Faults) -> None:
        self.book, self.where, self.faults = book, where, faults
        self.done: list[Row] = []
        self.row = 0
        self.column = -1
        self.cells: dict[int, Value] = {}
        self.kind = "n"
        self.style: str | None = None
        self.parts: list[str] = []
        self.length = 0
        self.reading = self.inline = self.formula = False
        self.guide = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "c":
            self.start_cell(attributes)
        elif name == "v" or (name == "t" and self.inline and not self.guide):
            self.reading = True
        elif name == "row":
            self.row = whole(attributes.get("r"), self.row + 1)
            self.column, self.cells = -1, {}
        elif name == "f":
            self.formula = True
        elif name == "is":
            self.inline = True
        elif name == "rPh":
            self.guide += 1

    def start_cell(self, attributes: dict[str, str]) -> None:
        place = PLACE.fullmatch(attributes.get("r", ""))
        self.column = column_of(place.group(1)) if place else self.column + 1
        self.kind = attributes.get("t", "n")
        style = attributes.get("s")
        formats = self.book.formats
        self.style = formats[int(style)] if style and style.isdecimal() and int(style) < len(formats) else None
        self.parts, self.length, self.formula = [], 0, False

    def end(self, name: str) -> None:
        if name == "c":
            self.end_cell()
        elif name in ("v", "t"):
            self.reading = False
        elif name == "row":
            check_place(self.row, max(self.column, 0), self.where)
            if self.cells:
                self.done.append(Row(self.row, self.cells))
        elif name == "is":
            self.inline = False
        elif name == "rPh":
            self.guide -= 1

    def text(self, piece: str) -> None:
        if self.reading:
            self.length += len(piece)
            check_text(self.length, self.row, self.column, self.where)
            self.parts.append(piece)

    def end_cell(self) -> None:
        written = "".join(self.parts)
        if not written:
            if self.formula and self.kind != "str":
                self.faults.missing += 1
                if len(self.faults.uncounted) < 3:
                    self.faults.uncounted.append(f"{letter(max(self.column, 0))}{self.row}")
            return
        value = self.value(written)
        if value is not None and value != "":
            self.cells[self.column] = value

    def value(self, written: str) -> Value | None:
        if self.kind == "s":
            shared = self.book.shared_texts()
            place = int(written) if written.strip().isdecimal() and len(written) < 12 else len(shared)
            if place >= len(shared):
                raise Invalid(
                    f"The cell {letter(self.column)}{self.row} names a shared text that is not there.",
                    where=self.where,
                    hint="The workbook is damaged: save it anew.",
                )
            return shared[place]
        if self.kind == "e":
            self.faults.errors += 1
            return None
        if self.kind == "b":
            return written.strip() in ("1", "true")
        if self.kind == "d":
            return iso_moment(written)
        if self.kind in ("str", "inlineStr"):
            return unescaped(written)
        found = number(written.strip())
        if self.style and isinstance(found, int | float) and math.isfinite(found):
            return self.book.moment(found, self.style)
        return found


def iso_moment(text: str) -> Value:
    """A date in ISO 8601 as one; other text as it is."""
    try:
        found = datetime.datetime.fromisoformat(text.strip())
    except ValueError:
        return text
    found = found.replace(tzinfo=None) if found.tzinfo is None else found.astimezone(datetime.UTC).replace(tzinfo=None)
    return found if "T" in text or ":" in text else found.date()


def unescaped(text: str) -> str:
    """Text with `_x000D_` and its like as the characters they stand for (22.9.2.19)."""
    if "_x" not in text:
        return text
    return (
        ESCAPED.sub(lambda found: chr(int(found.group(1), 16)), text)
        .encode("utf-16", "surrogatepass")
        .decode("utf-16", "replace")
    )


def whole(text: str | None, otherwise: int = 0) -> int:
    return int(text) if text and len(text) < 10 and text.isdecimal() else otherwise


def relations(archive: Archive, part: str) -> tuple[dict[str, str], dict[str, str]]:
    """The parts that a part refers to, by identifier and by kind."""
    folder, name = posixpath.split(part)
    listed: dict[str, str] = {}
    kinds: dict[str, str] = {}

    def start(tag: str, attributes: dict[str, str]) -> None:
        if tag == "Relationship" and attributes.get("TargetMode") != "External":
            target = attributes.get("Target", "")
            path = target.lstrip("/") if target.startswith("/") else posixpath.join(folder, target)
            path = posixpath.normpath(path)
            listed[attributes.get("Id", "")] = path
            kinds.setdefault(attributes.get("Type", "").rpartition("/")[2], path)

    written = posixpath.join(folder, "_rels", f"{name}.rels")
    if archive.has(written):
        finish(archive.events(written, start))
    return listed, kinds
