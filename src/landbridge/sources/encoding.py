"""Finds out how the bytes of a text file are written, where its declaration does not say."""

import codecs
from collections.abc import Iterator
from pathlib import Path

from charset_normalizer import from_bytes

from landbridge.errors import Invalid, InvalidSettings

MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
OTHERS = ("gb18030", "big5", "cp932", "euc_jp", "euc_kr", "cp1252", "cp1251", "cp1250", "cp1253")
PIECE = 1_048_576
LOOKED_AT = 64 * PIECE  # how far a search for the first byte beyond ASCII goes
SAMPLE = 65_536


def known_encoding(name: str, where: str) -> str:
    """The declared encoding's own name; GBK and GB2312 become their superset. Raises InvalidSettings."""
    try:
        found = codecs.lookup(name)
        b"".decode(found.name)
    except LookupError:
        raise InvalidSettings(
            f"`encoding` is '{name[:40]}', which is no known one.",
            where=where,
            hint="Use one such as utf-8, gb18030, big5, cp932 or cp1252.",
        ) from None
    return "gb18030" if found.name in ("gbk", "gb2312") else found.name


def detect_encoding(path: Path) -> str:
    """The encoding that the file's bytes speak for: by its byte-order mark, UTF-8, else the likeliest of OTHERS."""
    with path.open("rb") as file:
        head = file.read(4)
        for mark, name in MARKS:
            if head.startswith(mark):
                return name
        file.seek(0)
        sample = b""
        for _ in range(LOOKED_AT // PIECE):
            piece = file.read(PIECE)
            if not piece.isascii() or not piece or b"\0" in piece:
                sample = piece
                break
    return guessed(sample)


def guessed(sample: bytes) -> str:
    """The likeliest encoding of some bytes without a byte-order mark."""
    zeros = sample.count(0)
    if zeros * 4 > len(sample):  # every other byte of Latin text in UTF-16
        return "utf-16-le" if sample[1::2].count(0) * 2 > zeros else "utf-16-be"
    if is_utf8(sample):
        return "utf-8"
    first = next(place for place, byte in enumerate(sample) if byte > 127)
    start = max(sample.rfind(b"\n", 0, first), 0)
    piece = sample[start : start + SAMPLE]
    end = piece.rfind(b"\n")
    best = from_bytes(piece[: end if end > 0 else None], cp_isolation=list(OTHERS)).best()
    return known_encoding(best.encoding, "") if best is not None else "cp1252"


def is_utf8(sample: bytes) -> bool:
    """Whether the bytes are UTF-8, perhaps cut within a character."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def utf8_pieces(path: Path, encoding: str, name: str, declared: bool, size: int = PIECE) -> Iterator[bytes]:
    """The file as UTF-8 in pieces of about `size` bytes, without a byte-order mark.

    Raises Invalid with the line where the bytes do not fit the encoding.
    """
    decoder = codecs.getincrementaldecoder("utf-8-sig" if encoding == "utf-8" else encoding)()
    line, begun = 1, False
    with path.open("rb") as file:
        while True:
            piece = file.read(size)
            if begun and piece and encoding == "utf-8" and piece.isascii() and not decoder.getstate()[0]:
                yield piece  # most pieces of most files: there is nothing to read or to write anew
                line += piece.count(b"\n")
                continue
            begun = True
            try:
                text = decoder.decode(piece, final=not piece)
            except UnicodeDecodeError as error:
                raise misfit(error, name, encoding, declared, line) from error
            if text:
                yield text.encode("utf-8", "replace")
            if not piece:
                return
            line += piece.count(b"\n")


def misfit(error: UnicodeDecodeError, name: str, encoding: str, declared: bool, line: int) -> Invalid:
    """What to say of bytes that the encoding cannot read."""
    line += error.object[: error.start].count(b"\n")
    return Invalid(
        f"The bytes {error.object[error.start : error.start + 4].hex(' ')} are not {encoding}.",
        where=f"{name} line {line}",
        hint="Correct `encoding` in source.toml"
        + (", or leave it out to have it detected." if declared else ": the detected one is wrong."),
    )
