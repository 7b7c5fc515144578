"""GeoJSON files: a FeatureCollection, a Feature, or features one after the other in lines (RFC 7946, RFC 8142).

Each property is a column; `geometry` is the geometry as GeoJSON text, for `geometry as "location.geojson"`; `_id` is
the feature's own id. A file is read twice, a piece at a time: once for the columns that its features have between
them, once for the rows. A property that is called `geometry` or `_id` is the column `properties.geometry`, ...
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from landbridge.errors import Invalid, LandbridgeError
from landbridge.sources import location
from landbridge.sources.contract import Batch, Declaration, Reject, Source
from landbridge.sources.encoding import detect_encoding, known_encoding, utf8_pieces
from landbridge.sources.file import file_source
from landbridge.sources.json_scanner import Scanner
from landbridge.sources.location import File
from landbridge.sources.record_table import RecordTable, declared_columns

OPTIONS: dict[str, str] = {
    **location.OPTIONS,
    "encoding": "how the text is written; default: detected, usually utf-8",
    "columns": "columns whose kind is fixed: name to text, double, integer, boolean or json",
}
OWN = ("geometry", "_id")
SHAPES = ("Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection")
BATCH_ROWS, BATCH_BYTES = 10_000, 4_194_304
KEPT = 4_096  # characters of a broken feature that go with its reject


def open_source(declaration: Declaration) -> Source:
    """Open GeoJSON files; raises InvalidSettings."""
    where = f"{declaration.name}/source.toml"
    declared = declared_columns(declaration.options.get("columns", {}), where)
    encoding = declaration.options.get("encoding")
    known = known_encoding(str(encoding), where) if encoding is not None else None

    def read(file: File, notes: list[str]) -> Iterator[Batch]:
        return GeoJson(
            file, notes, known, RecordTable({**declared, "geometry": pa.string(), "_id": pa.string()})
        ).rows()

    return file_source(declaration, read)


@dataclass
class Features:
    """Some features as records, each with its number in the file, and those that are none."""

    records: list[dict[str, Any]] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    size: int = 0


class GeoJson:
    """One file."""

    def __init__(self, file: File, notes: list[str], encoding: str | None, table: RecordTable) -> None:
        self.file = file
        self.notes = notes
        self.table = table
        self.declared = encoding is not None
        self.encoding = encoding or detect_encoding(file.path)
        if not self.declared and self.encoding != "utf-8":
            self.notes.append(f"{file.name}: encoding detected: {self.encoding}")

    def rows(self) -> Iterator[Batch]:
        """Yield the features as batches; those that are broken as rejects."""
        empty = True
        for features in self.stretches():
            self.table.learn(features.records)
            empty = False
        for features in [Features()] if empty else self.stretches():
            yield Batch(
                self.table.rows(features.records),
                origin=self.file.name,
                unit="feature",
                numbers=pa.array(features.numbers, pa.int64()),
                rejects=tuple(features.rejects),
            )

    def stretches(self) -> Iterator[Features]:
        """The features of the file, some megabytes at a time."""
        found = Features()
        for number, text in enumerate(self.texts(), start=1):
            self.add(found, number, text)
            if len(found.records) + len(found.rejects) >= BATCH_ROWS or found.size >= BATCH_BYTES:
                yield found
                found = Features()
        if found.records or found.rejects:
            yield found

    def add(self, found: Features, number: int, text: bytes) -> None:
        found.size += len(text)
        try:
            record = record_of(text)
            if reason := self.table.unfit(record):
                raise Invalid(reason)
        except Invalid as error:
            kept = {"feature": text[:KEPT].decode("utf-8", "replace")}
            found.rejects.append(Reject(f"{self.file.name} feature {number}", error.message, kept))
            return
        found.records.append(record)
        found.numbers.append(number)

    def scanner(self) -> Scanner:
        pieces = utf8_pieces(Path(self.file.path), self.encoding, self.file.name, self.declared)
        return Scanner(pieces, self.file.name)

    def texts(self) -> Iterator[bytes]:
        """Each feature's own text."""
        scanner = self.scanner()
        if not self.collected():
            yield from scanner.sequence()
            return
        names = []
        for name in scanner.members():
            names.append(name)
            if name == "features":
                yield from scanner.here()
            elif name == "crs" and scanner.peek() == b"{":
                self.note_system(b"".join(scanner.here()).decode("utf-8", "replace"))
        scanner.end()
        if "features" not in names:
            raise self.other("has no features")

    def note_system(self, crs: str) -> None:
        """Say that the positions may not be longitude and latitude, which RFC 7946 demands and older files do not."""
        note = f"{self.file.name}: the file declares another coordinate system, which is not applied: {crs[:200]}"
        if not any(name in crs for name in ("CRS84", "EPSG::4326", "EPSG:4326")) and note not in self.notes:
            self.notes.append(note)

    def collected(self) -> bool:
        """Whether the file is a FeatureCollection, told by its first members; raises Invalid for other JSON."""
        scanner = self.scanner()
        first = scanner.peek()
        if first != b"{":
            raise self.other("begins with " + (f"'{first.decode('utf-8', 'replace')}'" if first else "nothing"))
        names = []
        for name in scanner.members():
            names.append(name)
            if name in ("geometry", "properties"):
                return False
            if name == "features":
                return True
            if name == "type":
                kind = scanner.text_here().decode("utf-8", "replace").strip('"')
                if kind == "FeatureCollection":
                    return True
                if kind == "Feature" or kind in SHAPES:
                    return False
                raise self.other(f"has the type '{kind[:40]}'")
        raise self.other(f"has the members {', '.join(names)[:80] or 'none'}")

    def other(self, said: str) -> LandbridgeError:
        return Invalid(
            f"The file is no GeoJSON: it {said}.",
            where=self.file.name,
            hint="A FeatureCollection or features are needed; for other JSON use the kind `json`.",
        )


def record_of(text: bytes) -> dict[str, Any]:
    """A feature as a record; raises Invalid with the reason."""
    try:
        feature = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Invalid(f"The feature is no JSON: {str(error).split(': line')[0]}.") from None
    if not isinstance(feature, dict):
        raise Invalid("The feature is no object.")
    if feature.get("type") in SHAPES:
        feature = {"type": "Feature", "geometry": feature}
    if feature.get("type") != "Feature":
        esri = " (Esri's JSON, not GeoJSON)" if "attributes" in feature else ""
        raise Invalid(f"The object is no Feature{esri}.")
    properties, geometry = feature.get("properties"), feature.get("geometry")
    if not isinstance(properties, dict | None):
        raise Invalid("The feature's properties are no object.")
    if geometry is not None and not (isinstance(geometry, dict) and geometry.get("type") in SHAPES):
        raise Invalid("The feature's geometry is none of GeoJSON's.")
    record = {f"properties.{name}" if name in OWN else name: value for name, value in (properties or {}).items()}
    return record | {
        "geometry": None if geometry is None else orjson.dumps(geometry).decode(),
        "_id": None if feature.get("id") is None else str(feature["id"]),
    }
