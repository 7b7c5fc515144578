"""Finds the records inside JSON text as it streams by, holding one record at a time and no more."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import ijson
import orjson
from ijson.common import JSONError
from ijson.utils import sendable_list

from landbridge.errors import Invalid, TooMuch
from landbridge.sources.location import File
from landbridge.sources.record_path import records_at

WHOLE = 67_108_864  # bytes of a document that may be read at once: for its exact place of error, or a numbered path
KEYS = 20


@dataclass(frozen=True)
class Found:
    """A record, or why there is none: its number (of record or line, from 1) and about how many bytes it took."""

    number: int
    record: Any = None
    size: int = 0
    problem: str | None = None
    text: str = ""


def line_records(pieces: Iterator[bytes], path: str, name: str, most_bytes: int) -> Iterator[Found]:
    """The records of JSON Lines; a line that is no JSON is a problem of its own. Raises TooMuch."""
    for number, line in enumerate(lines_of(pieces, name, most_bytes), 1):
        if not line.strip():
            continue
        try:
            document = orjson.loads(line)
            records = records_at(document, path) if path else [document]
        except orjson.JSONDecodeError as error:
            yield Found(number, None, len(line), f"the line is no JSON: {said(error)}", line.decode("utf-8", "replace"))
            continue
        except Invalid as error:
            reason = error.message[0].lower() + error.message[1:].rstrip(".")
            yield Found(number, None, len(line), reason, line.decode("utf-8", "replace"))
            continue
        for record in records:
            yield Found(number, record, len(line) // len(records), None, as_line(record))


def lines_of(pieces: Iterator[bytes], name: str, most_bytes: int) -> Iterator[bytes]:
    rest = b""
    number = 1
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines
        number += len(lines)
        if len(rest) > most_bytes:
            raise too_large(f"{name} line {number}", most_bytes)
    if rest:
        yield rest


def stream_records(pieces: Iterator[bytes], path: str, file: File, most_bytes: int) -> Iterator[Found]:
    """The records at `path` of one JSON document; raises Invalid with the place, or TooMuch."""
    if any(part.isdigit() for part in path.split(".")):
        for number, record in enumerate(records_at(whole_document(pieces, file.name), path, where=file.name), 1):
            yield Found(number, record, 0, None, as_line(record))
        return
    keyed = path == "*" or path.endswith(".*")
    place = path[:-1].rstrip(".") if keyed else path
    first: list[bytes] = []
    kind = kind_at(remembered(pieces, first), place, file, most_bytes)
    again = itertools.chain(first, pieces)
    if keyed:
        yield from keyed_records(again, place, kind, file, most_bytes)
        return
    if kind not in ("start_array", "start_map"):
        raise Invalid(f"At '{path or 'the top'}' there is no list of records.", where=file.name, hint=PATH_HINT)
    prefix = ".".join(filter(None, (place, "item"))) if kind == "start_array" else place
    found = sendable_list()
    coroutine = ijson.items_coro(found, prefix, use_float=True)
    for number, (record, size) in enumerate(pushed(again, coroutine, found, file, most_bytes), 1):
        yield Found(number, record, size, None, as_line(record))


PATH_HINT = "Correct `path`, where the records are."


def keyed_records(pieces: Iterator[bytes], place: str, kind: str, file: File, most_bytes: int) -> Iterator[Found]:
    """The members of an object as records with their key as `_key`."""
    if kind != "start_map":
        raise Invalid(f"At '{place or 'the top'}' there is no object with records.", where=file.name, hint=PATH_HINT)
    found = sendable_list()
    coroutine = ijson.kvitems_coro(found, place, use_float=True)
    for number, ((key, record), size) in enumerate(pushed(pieces, coroutine, found, file, most_bytes), 1):
        yield Found(number, {"_key": key, **record} if isinstance(record, dict) else record, size, None, str(key))


def kind_at(pieces: Iterator[bytes], place: str, file: File, most_bytes: int) -> str:
    """What begins at a place: the name of ijson's event. Raises Invalid, naming what is there instead."""
    found = sendable_list()
    coroutine = ijson.parse_coro(found, use_float=True)
    keys: dict[str, list[str]] = {}
    for (prefix, event, value), _ in pushed(pieces, coroutine, found, file, WHOLE * 64):
        if prefix == place and event != "map_key":
            return str(event)
        if event == "map_key" and (place.startswith(f"{prefix}.") or not prefix):
            listed = keys.setdefault(prefix, [])
            if len(listed) < KEYS and value not in listed:
                listed.append(value)
    reached = max(keys, key=len, default="")
    there = ", ".join(keys.get(reached, ["nothing"]))[:300]
    raise Invalid(
        f"There is no '{place}'; at {reached or 'the top'} there is: {there}.", where=file.name, hint=PATH_HINT
    )


def remembered(pieces: Iterator[bytes], kept: list[bytes]) -> Iterator[bytes]:
    """The pieces, each also put into `kept`; raises TooMuch rather than keep more than 64 MiB."""
    size = 0
    for piece in pieces:
        kept.append(piece)
        size += len(piece)
        if size > WHOLE:
            raise TooMuch("The records begin after more than 64 MiB of other things.", hint="Give the file in parts.")
        yield piece


def pushed(
    pieces: Iterator[bytes], coroutine: Any, found: list[Any], file: File, most_bytes: int
) -> Iterator[tuple[Any, int]]:
    """Push the text through one of ijson's coroutines; yields what it found, with about the bytes each took."""
    waiting, line = 0, 1
    try:
        for piece in pieces:
            coroutine.send(piece)
            waiting += len(piece)
            if found:
                share = waiting // len(found)
                yield from ((one, share) for one in found)
                found.clear()
                waiting = 0
            elif waiting > most_bytes:
                raise too_large(f"{file.name}, after line {line}", most_bytes)
            line += piece.count(b"\n")
        coroutine.close()
        yield from ((one, waiting) for one in found)
    except (JSONError, UnicodeDecodeError, ValueError) as error:
        raise misread(error, file, line) from None


def too_large(where: str, most_bytes: int) -> TooMuch:
    return TooMuch(
        f"A record is larger than {most_bytes / 1_048_576:g} MiB.",
        where=where,
        hint="Give `path` the records below it, or raise `max_record_megabytes`.",
    )


def misread(error: Exception, file: File, line: int) -> Invalid:
    """Where the text is no JSON: exactly for a document that fits, else about."""
    where, reason = f"{file.name}, after line {line}", str(error).splitlines()[0][:200]
    if file.path.stat().st_size <= WHOLE:
        try:
            orjson.loads(file.path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
        except orjson.JSONDecodeError as exact:
            where, reason = f"{file.name} line {exact.lineno} column {exact.colno}", exact.msg.partition(":")[0]
            if numeral := not_finite(exact):
                reason = f"{numeral} is no JSON number"
    hint = "Correct the file there; a file with a document in each line needs  lines = true."
    return Invalid(f"The file is no JSON: {reason}.", where=where, hint=hint)


def not_finite(error: orjson.JSONDecodeError) -> str:
    """`NaN` or `Infinity` where that is what stands at the error."""
    near = error.doc[max(error.pos - 1, 0) : error.pos + 9]
    return next((word for word in ("NaN", "-Infinity", "Infinity") if word in near), "")


def said(error: orjson.JSONDecodeError) -> str:
    numeral = not_finite(error)
    return f"{numeral} is no JSON number" if numeral else f"{error.msg.partition(':')[0]} at column {error.colno}"


def whole_document(pieces: Iterator[bytes], name: str) -> Any:
    """A document read at once; raises Invalid, or TooMuch above 64 MiB."""
    text = b""
    for piece in pieces:
        text += piece
        if len(text) > WHOLE:
            raise TooMuch("A path with a number needs the whole file, and it is larger than 64 MiB.", where=name)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Invalid(f"The file is no JSON: {said(error)}.", where=f"{name} line {error.lineno}") from None


def as_line(record: Any) -> str:
    """What a record that is no object looks like, for its reject."""
    return "" if isinstance(record, dict) else str(record)[:1000]
