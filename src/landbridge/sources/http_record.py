"""The records of a page of an HTTP API, read a piece at a time, and the newest of the values that pulls go on from."""

import datetime
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from landbridge.errors import Invalid
from landbridge.sources.contract import Reject
from landbridge.sources.json_scanner import Scanner
from landbridge.sources.record_path import step_to
from landbridge.sources.record_table import RecordTable

BATCH_ROWS, BATCH_BYTES = 10_000, 4_194_304
KEPT = 4_096  # characters of a broken record that go with its reject
PIECE = 1_048_576
MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Page:
    """One page on disk."""

    file: Path
    origin: str
    lines: bool  # JSON Lines
    path: tuple[str, ...]

    def texts(self) -> Iterator[bytes]:
        """The records, each as its text; none of an empty page (204 No Content). Raises Invalid or TooMuch."""
        with self.file.open("rb") as opened:
            if opened.read(len(MARK)) != MARK:
                opened.seek(0)
            scanner = Scanner(iter(lambda: opened.read(PIECE), b""), self.origin)
            if not scanner.peek():
                return
            if self.lines:
                yield from scanner.sequence()
            else:
                yield from scanner.records(list(self.path))
                scanner.end()

    def parts(self, table: RecordTable) -> Iterator["Part"]:
        """The records in parts of some megabytes."""
        found = Part()
        for number, text in enumerate(self.texts(), start=1):
            found.add(number, text, self.origin, table)
            if len(found.numbers) + len(found.rejects) >= BATCH_ROWS or found.size >= BATCH_BYTES:
                yield found
                found = Part()
        if found.size:
            yield found


@dataclass
class Part:
    """Some records with their numbers on the page, and those that are none."""

    records: list[dict[str, Any]] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    size: int = 0

    def add(self, number: int, text: bytes, origin: str, table: RecordTable) -> None:
        """Take a record, or its reject."""
        self.size += len(text)
        try:
            record = orjson.loads(text)
            reason = "The record is no object." if not isinstance(record, dict) else table.unfit(record)
        except orjson.JSONDecodeError as error:
            reason = f"The record is no JSON: {str(error).split(': line')[0]}."
        if reason:
            kept = {"record": text[:KEPT].decode("utf-8", "replace")}
            self.rejects.append(Reject(f"{origin} record {number}", reason, kept))
        else:
            self.records.append(record)
            self.numbers.append(number)


@dataclass
class Newest:
    """The greatest value of `since_field` that was seen: a number, an instant, else a text."""

    since: tuple[str, str, Any] | None
    value: Any = None

    def see(self, records: list[dict[str, Any]]) -> None:
        for record in records if self.since else ():
            try:
                self.take(step_to(record, self.since[1]))  # type: ignore[index]
            except Invalid:
                continue  # a record without it does not move the cursor

    def see_column(self, rows: pa.RecordBatch) -> None:
        if self.since and self.since[1] in rows.schema.names:
            for value in rows.column(self.since[1]).to_pylist():
                self.take(value)

    def take(self, value: Any) -> None:
        if isinstance(value, int | float | str) and not isinstance(value, bool) and value != "":
            self.value = value if self.value is None or rank(value) > rank(self.value) else self.value


def rank(value: Any) -> tuple[int, float, str]:
    """An order over numbers, instants and texts."""
    if isinstance(value, int | float):
        return (0, float(value), "")
    try:
        moment = datetime.datetime.fromisoformat(value)
        zoned = moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
        return (1, zoned.timestamp(), value)
    except (ValueError, OverflowError):
        return (2, 0.0, value)


def page_digest(path: Path) -> bytes:
    digest = blake2b(digest_size=16)
    with path.open("rb") as opened:
        for piece in iter(lambda: opened.read(PIECE), b""):
            digest.update(piece)
    return digest.digest()
