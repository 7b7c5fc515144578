"""The XML parts of a workbook's zip, read as events within bounds: no file is unpacked, no tree is built.

A workbook comes from outside. Refused before anything is parsed: a zip that would unpack to more than is sensible; and
before anything is expanded: a part with a document type, since entities can only be declared there.
"""

import posixpath
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any
from xml.parsers import expat  # no tree, no expansion: a document type is refused at its first character

from landbridge.errors import Invalid, Refused, TooMuch

PIECE = 65_536
MOST_PARTS = 10_000
MOST_DEPTH = 200
MOST_TOKEN = 16_777_216  # bytes of one tag
SUSPECT_SIZE, SUSPECT_RATIO = 67_108_864, 250  # deflate reaches 1,032; the dullest real sheet seen 60
Start = Callable[[str, dict[str, str]], None]
End = Callable[[str], None]
Text = Callable[[str], None]


class Archive:
    """An opened zip of XML parts. Use it as a context manager."""

    def __init__(self, path: Path, name: str, most_bytes: int) -> None:
        self.name = name
        try:
            self.zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, zlib.error, ValueError, OSError, NotImplementedError, UnicodeError) as error:
            raise damaged(name, error) from error
        self.sizes = {posixpath.normpath(part.filename): part for part in self.zip.infolist()}
        try:
            self.refuse_bomb(most_bytes)
        except BaseException:
            self.zip.close()
            raise

    def refuse_bomb(self, most_bytes: int) -> None:
        """Raise TooMuch for a zip that unpacks to too much, by what it declares; more than that is never read."""
        parts = self.zip.infolist()
        total = sum(part.file_size for part in parts)
        if total > most_bytes or len(parts) > MOST_PARTS:
            raise TooMuch(
                f"The workbook unpacks to {total / 1_048_576:,.0f} MB in {len(parts):,} parts.",
                where=self.name,
                hint="If it should be that large, raise `max_unpacked_megabytes` in source.toml.",
            )
        for part in parts:
            if part.file_size > SUSPECT_SIZE and part.file_size > SUSPECT_RATIO * max(part.compress_size, 1):
                raise Refused(
                    f"The part {part.filename[:80]} of the workbook unpacks to {part.file_size // part.compress_size:,}"
                    " times its size, as a zip bomb does.",
                    where=self.name,
                    hint="Save the workbook anew, or ask its sender.",
                )

    def has(self, part: str) -> bool:
        return part in self.sizes

    def events(self, part: str, start: Start, end: End | None = None, text: Text | None = None) -> Iterator[None]:
        """Parse a part, calling the handlers with local names; yields now and then.

        Raises Invalid, Refused or TooMuch.
        """
        if part not in self.sizes:
            raise Invalid(f"The workbook lacks its part {part[:80]}.", where=self.name, hint="Save it anew.")
        parser = self.parser(part, start, end, text)
        fed = 0
        try:
            with self.zip.open(self.sizes[part]) as stream:
                while piece := stream.read(PIECE):
                    parser.Parse(piece, False)
                    fed += len(piece)
                    if fed - parser.CurrentByteIndex > MOST_TOKEN:
                        raise TooMuch(f"The part {part} has a tag of more than 16 MiB.", where=self.name)
                    yield
                parser.Parse(b"", True)
        except (expat.ExpatError, LookupError, ValueError) as error:  # the latter two: an unknown encoding
            raise Invalid(
                f"The part {part} is no XML: {error}.", where=self.name, hint="Is the file complete? Save it anew."
            ) from error
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError) as error:
            raise damaged(self.name, error) from error
        yield

    def parser(self, part: str, start: Start, end: End | None, text: Text | None) -> Any:
        """An expat parser that calls the handlers with names without their namespace."""
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        local: dict[str, str] = {}
        depth = 0

        def name_of(name: str) -> str:
            found = local.get(name)
            if found is None:
                found = name.rpartition(" ")[2]
                if len(local) < 10_000:
                    local[name] = found
            return found

        def opened(name: str, attributes: dict[str, str]) -> None:
            nonlocal depth
            depth += 1
            if depth > MOST_DEPTH:
                raise TooMuch(f"The part {part} nests more than {MOST_DEPTH} levels.", where=self.name)
            start(name_of(name), attributes)

        def closed(name: str) -> None:
            nonlocal depth
            depth -= 1
            if end is not None:
                end(name_of(name))

        def typed(*_: Any) -> None:
            raise Refused(
                f"The part {part} of the workbook has a document type, which may declare entities without end.",
                where=self.name,
                hint="No spreadsheet program writes one: ask the file's sender.",
            )

        parser.StartElementHandler, parser.EndElementHandler = opened, closed
        parser.StartDoctypeDeclHandler = typed
        if text is not None:
            parser.CharacterDataHandler = text
        return parser

    def __enter__(self) -> "Archive":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.zip.close()


def finish(events: Iterator[None]) -> None:
    """Parse a part to its end."""
    for _ in events:
        pass


def attribute(attributes: dict[str, str], name: str) -> str | None:
    """An attribute by its local name, whatever its namespace."""
    found = attributes.get(name)
    if found is not None:
        return found
    return next((value for key, value in attributes.items() if key.rpartition(" ")[2] == name), None)


def damaged(name: str, error: Exception) -> Invalid:
    return Invalid(
        f"The workbook's zip is damaged or cut off: {str(error).rstrip('.')[:200]}.",
        where=name,
        hint="Fetch or save it anew.",
    )
