"""GTFS-Realtime feeds: vehicles, trip updates and alerts as three tables, each with the feed's own `_timestamp`.

`vehicle_positions` has a row per vehicle, `trip_updates` one per stop time update (one without a stop where a trip has
none), `alerts` one per alert. The table named by `main` is `source`. What a feed does not say is null.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pyarrow as pa
from google.protobuf.message import DecodeError
from google.transit.gtfs_realtime_pb2 import FeedMessage

from landbridge.errors import Invalid, TooMuch
from landbridge.sources import location
from landbridge.sources.contract import Batch, Declaration, Reject, Source
from landbridge.sources.declaration import Keys
from landbridge.sources.file import file_source
from landbridge.sources.gtfs_realtime_row import ALERT, TRIP_UPDATE, VEHICLE, alert_rows, trip_rows, vehicle_rows
from landbridge.sources.location import File

OPTIONS: dict[str, str] = {
    **location.OPTIONS,
    "main": "the table that is `source`: vehicle_positions (default), trip_updates or alerts",
}
MOST = 67_108_864  # bytes of one feed
BATCH_ROWS = 10_000
Rows = Callable[[Any, Any], Iterator[dict[str, Any]]]
TABLES: dict[str, tuple[str, pa.Schema, Rows]] = {  # table -> the entity's member, columns, rows of one entity
    "vehicle_positions": ("vehicle", VEHICLE, vehicle_rows),
    "trip_updates": ("trip_update", TRIP_UPDATE, trip_rows),
    "alerts": ("alert", ALERT, alert_rows),
}


def open_source(declaration: Declaration) -> Source:
    """Open GTFS-Realtime feeds; raises InvalidSettings."""
    main = Keys(declaration.options, f"{declaration.name}/source.toml").choice("main", tuple(TABLES))

    def read(file: File, notes: list[str]) -> Iterator[Batch]:
        feed = parsed(file)
        note_others(feed, file, notes)
        for table in TABLES:
            yield from batches(feed, file, table, "source" if table == main else table)

    return file_source(declaration, read)


def parsed(file: File) -> Any:
    """The feed's message; raises Invalid for what is none, TooMuch above 64 MiB."""
    with file.path.open("rb") as opened:
        content = opened.read(MOST + 1)
    if len(content) > MOST:
        raise TooMuch(f"The feed has more than {MOST >> 20} MiB.", where=file.name, hint="Is it GTFS-Realtime?")
    feed: Any = FeedMessage()
    try:
        feed.ParseFromString(content)
        if not feed.IsInitialized() or not feed.header.gtfs_realtime_version[:1].isdigit():
            raise DecodeError("it lacks the header" if content else "it is empty")
    except (DecodeError, UnicodeDecodeError) as error:
        raise Invalid(
            f"The file is no whole GTFS-Realtime feed ({len(content)} bytes): {str(error)[:120]}.",
            where=file.name,
            hint="A feed that was cut off is read at the next pull; a web page or JSON needs another address.",
        ) from None
    return feed


def note_others(feed: Any, file: File, notes: list[str]) -> None:
    """Say what the feed has that is no row of a table."""
    deleted = sum(entity.is_deleted for entity in feed.entity)
    known = [member for member, _, _ in TABLES.values()]
    others = sum(not any(entity.HasField(member) for member in known) for entity in feed.entity) - deleted
    if deleted:
        notes.append(f"{file.name}: {deleted} entities are marked as deleted and left out.")
    if others > 0:
        notes.append(f"{file.name}: {others} entities are neither vehicle, trip update nor alert and left out.")


def batches(feed: Any, file: File, table: str, name: str) -> Iterator[Batch]:
    """One table of the feed; a table without rows is one batch without rows, so that mappings find its columns."""
    member, schema, rows_of = TABLES[table]
    rejects: list[Reject] = []
    found = records(feed, file, member, rows_of, rejects)
    first = True
    while (part := list(islice(found, BATCH_ROWS))) or rejects or first:
        numbers = pa.array([number for number, _ in part], pa.int64())
        rows = pa.RecordBatch.from_pylist([record for _, record in part], schema=schema)
        yield Batch(rows, name, file.name, "entity", numbers, tuple(rejects))
        rejects.clear()
        first = False


def records(
    feed: Any, file: File, member: str, rows_of: Rows, rejects: list[Reject]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each row with its entity's number; entities that cannot be read are added to `rejects`."""
    for number, entity in enumerate(feed.entity, start=1):
        if entity.is_deleted or not entity.HasField(member):
            continue
        try:
            yield from [(number, row) for row in rows_of(feed.header, entity)]
        except Invalid as error:
            row = {"_id": str(entity.id), member: str(getattr(entity, member))[:4096]}
            rejects.append(Reject(f"{file.name} entity {number}", error.message, row))
