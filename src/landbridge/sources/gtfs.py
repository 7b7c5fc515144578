"""GTFS feeds: a zip of CSV tables, or a folder of them. Each file is a table called as it is (`routes`, `stop_times`).

The table named by `main`, `stops` unless declared, is `source`. Cells stay text: `25:10:00` is a time of the day
before, `007` an id. Nothing is unpacked to disk; each file streams out of the zip within bounds.
"""

import codecs
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import IO

from landbridge.errors import Invalid, InvalidSettings, LandbridgeError, TooMuch
from landbridge.sources import csv, location
from landbridge.sources.contract import Batch, Declaration, Source
from landbridge.sources.csv_layout import Form, Layout
from landbridge.sources.csv_record import stretches
from landbridge.sources.declaration import Keys
from landbridge.sources.encoding import misfit
from landbridge.sources.file import FileSource, file_source
from landbridge.sources.location import MEGABYTE, File

OPTIONS: dict[str, str] = {
    **location.OPTIONS,
    "main": "the file that is the table `source`; default stops; the others have their own names",
    "only": 'the files that are read, such as ["stops", "routes"]; default: all',
    "max_unpacked_megabytes": "size that the files may have when they are unpacked; default 16384",
}
NEEDED = ("agency", "routes", "trips", "stop_times")
PIECE = 1_048_576
MOST_ENTRIES = 10_000
RATIO, BEYOND = 300, 16 * MEGABYTE  # no timetable packs better than 1 to 300
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
BROKEN = (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError,
          ValueError, KeyError)  # fmt: skip
HINT = "Fetch it again: it may have been cut off on its way, or be no zip."


@dataclass(frozen=True)
class Wanted:
    """What a source.toml asks of a feed."""

    main: str
    only: tuple[str, ...]
    max_bytes: int
    keeps: bool


def open_source(declaration: Declaration) -> Source:
    """Open GTFS feeds; raises InvalidSettings."""
    where = f"{declaration.name}/source.toml"
    keys = Keys(declaration.options, where)
    wanted = Wanted(
        keys.text("main", "stops").removesuffix(".txt"),
        tuple(name.removesuffix(".txt") for name in keys.texts("only")),
        int(keys.number("max_unpacked_megabytes", 16_384, 0.001, 1_048_576) * MEGABYTE),
        keeps=not declaration.never_store,
    )
    if wanted.only and wanted.main not in wanted.only:
        raise InvalidSettings(
            f"`only` leaves out '{wanted.main}', which is the main table.", where=where, hint="Add it, or name `main`."
        )

    def read(file: File, notes: list[str]) -> Iterator[Batch]:
        return Feed(file, notes, wanted).rows()

    return in_folder(file_source(declaration, read), declaration)


def in_folder(source: FileSource, declaration: Declaration) -> FileSource:
    """The source with a folder that is declared as its location read as the files in it."""
    if source.location is None:
        return source
    places = tuple(
        f"{place.rstrip('/')}/*.txt" if (declaration.folder / place).is_dir() else place
        for place in source.location.places
    )
    source.location = replace(source.location, places=places)
    return source


class Feed:
    """One zip, or one table's file."""

    def __init__(self, file: File, notes: list[str], wanted: Wanted) -> None:
        self.file = file
        self.notes = notes
        self.wanted = wanted
        self.unpacked = 0

    def rows(self) -> Iterator[Batch]:
        """Yield each table's rows; raises Invalid or TooMuch."""
        table = table_of(self.file.name)
        if self.file.name.lower().endswith(".txt") and table is not None and not zipfile.is_zipfile(self.file.path):
            if not self.wanted.only or table in self.wanted.only:
                with self.file.path.open("rb") as stream:
                    yield from self.table(table, self.file.name, stream, self.file.path.stat().st_size)
            return
        try:
            with zipfile.ZipFile(self.file.path) as archive:
                yield from self.tables(archive)
        except LandbridgeError:
            raise
        except BROKEN as error:
            said = " ".join(str(error).split())[:120] or type(error).__name__
            raise Invalid(f"The zip cannot be read: {said}.", where=self.file.name, hint=HINT) from None

    def tables(self, archive: zipfile.ZipFile) -> Iterator[Batch]:
        """The tables of a zip, the main one first."""
        entries = self.entries(archive)
        self.check_tables(entries)
        for table in sorted(entries, key=lambda name: (name != self.wanted.main, name)):
            entry = entries[table]
            if entry.flag_bits & 1:
                raise Invalid(f"'{entry.filename}' is encrypted.", where=self.file.name, hint="Ask for an open zip.")
            with archive.open(entry) as stream:
                yield from self.table(table, f"{self.file.name}/{table}.txt", stream, entry.compress_size)

    def entries(self, archive: zipfile.ZipFile) -> Mapping[str, zipfile.ZipInfo]:
        """The zip's tables by name: those at its top, or all in one folder."""
        listed = archive.infolist()
        if len(listed) > MOST_ENTRIES:
            raise TooMuch(f"The zip has {len(listed)} entries.", where=self.file.name, hint="No GTFS feed has so many.")
        found: dict[str, dict[str, zipfile.ZipInfo]] = {}
        for entry in listed:
            path = PurePosixPath(entry.filename.replace("\\", "/"))
            if path.is_absolute() or ".." in path.parts or ":" in entry.filename:
                raise Invalid(
                    f"The zip's entry '{entry.filename[:80]}' points out of the zip.", where=self.file.name,
                    hint="Such a zip is refused as a whole: it was made to do harm, or by a broken program.",
                )  # fmt: skip
            if not path.parts or entry.filename.endswith("/") or path.parts[0] == "__MACOSX":
                continue
            table = table_of(path.name)
            if table is None:
                self.notes.append(f"{self.file.name}: '{entry.filename[:80]}' is no GTFS table and left out.")
            elif not self.wanted.only or table in self.wanted.only:
                found.setdefault(str(path.parent), {})[table] = entry
        best = "." if found.get(".") else max(found, key=lambda folder: len(found[folder]), default=".")
        if best != ".":
            self.notes.append(f"{self.file.name}: the tables are in the folder '{best}'.")
        return found.get(best, {})

    def check_tables(self, entries: Mapping[str, zipfile.ZipInfo]) -> None:
        """Raise Invalid where a needed table is missing; note a feed without a calendar."""
        needed = [self.wanted.main, *(name for name in NEEDED if not self.wanted.only), *self.wanted.only]
        missing = [f"{name}.txt" for name in dict.fromkeys(needed) if name not in entries]
        if missing:
            there = ", ".join(f"{name}.txt" for name in sorted(entries)) or "no table"
            raise Invalid(
                f"The feed lacks {', '.join(missing)}.", where=self.file.name,
                hint=f"It has {there[:300]}. Is it a whole GTFS feed? Tables that are wanted can be named by `only`.",
            )  # fmt: skip
        if not self.wanted.only and not {"calendar", "calendar_dates"} & set(entries):
            self.notes.append(f"{self.file.name}: the feed has neither calendar.txt nor calendar_dates.txt.")

    def table(self, table: str, name: str, stream: IO[bytes], packed: int) -> Iterator[Batch]:
        """One table's rows, each cell as text."""
        pieces = self.pieces(stream, name, packed)
        first = next(pieces, b"")
        if not first.strip():
            self.notes.append(f"{name}: the file is empty.")
            return
        reader = csv.Reader(Form("utf-8", ","), self.wanted.keeps)
        cut = stretches(chained(first, pieces), ",", True, name)
        for batch in reader.table(File(self.file.path, name), cut, Layout(",", 0, 0)):
            yield replace(batch, table="source" if table == self.wanted.main else table)

    def pieces(self, stream: IO[bytes], name: str, packed: int) -> Iterator[bytes]:
        """The text in pieces, checked to be UTF-8, within the bounds on what is unpacked."""
        decoder, line, size = codecs.getincrementaldecoder("utf-8-sig")(), 1, 0
        while True:
            piece = stream.read(PIECE)
            size, self.unpacked = size + len(piece), self.unpacked + len(piece)
            if self.unpacked > self.wanted.max_bytes or (size > BEYOND and size > RATIO * packed):
                raise TooMuch(
                    f"The file unpacks to more than {size // MEGABYTE} MB, from {packed} bytes.", where=name,
                    hint="Is it a zip bomb? Or raise `max_unpacked_megabytes`.",
                )  # fmt: skip
            try:
                text = decoder.decode(piece, final=not piece)
            except UnicodeDecodeError as error:
                raise misfit(error, name, "utf-8", True, line) from None
            if text:
                yield text.encode()
            if not piece:
                return
            line += piece.count(b"\n")


def chained(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def table_of(name: str) -> str | None:
    """The table that a file is, or None."""
    stem = name.lower().removesuffix(".txt")
    return stem if name.lower().endswith(".txt") and NAME.fullmatch(stem) else None
