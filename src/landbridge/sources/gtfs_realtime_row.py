"""The rows of GTFS-Realtime's entities: which columns each table has, and what is in them."""

import datetime
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from landbridge.errors import Invalid

STAMP = pa.timestamp("us", tz="UTC")
LAST = 253_402_300_799  # the end of the year 9999
Row = dict[str, Any]


def columns(**kinds: str) -> pa.Schema:
    """A table's columns, each kind with the names that have it."""
    types = {"text": pa.string(), "whole": pa.int64(), "number": pa.float64(), "time": STAMP}
    pairs = [(name, types[kind]) for kind, names in kinds.items() for name in names.split()]
    return pa.schema([("_id", pa.string()), ("_timestamp", STAMP), *pairs])


TRIP = "trip_id route_id start_time start_date schedule_relationship"
VEHICLE = columns(
    text=f"{TRIP} vehicle_id vehicle_label license_plate stop_id current_status congestion_level occupancy_status",
    whole="direction_id current_stop_sequence occupancy_percentage",
    number="latitude longitude bearing odometer speed",
    time="timestamp",
)
TRIP_UPDATE = columns(
    text=f"{TRIP} vehicle_id vehicle_label stop_id stop_schedule_relationship",
    whole="direction_id delay stop_sequence arrival_delay arrival_uncertainty departure_delay departure_uncertainty",
    time="timestamp arrival_time departure_time",
)
ALERT = columns(
    text="cause effect severity_level header_text description_text url active_periods informed_entities",
    time="active_from active_until",
)


def vehicle_rows(header: Any, entity: Any) -> Iterator[Row]:
    """The one row of a vehicle position."""
    vehicle = entity.vehicle
    row = {"_id": text(entity, "id"), "_timestamp": moment(header, "timestamp"), **trip_cells(vehicle.trip)}
    row |= vehicle_cells(vehicle.vehicle) | {"license_plate": text(vehicle.vehicle, "license_plate")}
    for name in ("latitude", "longitude", "bearing", "odometer", "speed"):
        row[name] = number(vehicle.position, name)
    for name in ("current_stop_sequence", "occupancy_percentage"):
        row[name] = value(vehicle, name)
    for name in ("current_status", "congestion_level", "occupancy_status"):
        row[name] = word(vehicle, name)
    yield row | {"stop_id": text(vehicle, "stop_id"), "timestamp": moment(vehicle, "timestamp")}


def trip_rows(header: Any, entity: Any) -> Iterator[Row]:
    """A row for each stop time update; one without a stop where there is none (a cancelled trip)."""
    update = entity.trip_update
    trip = {"_id": text(entity, "id"), "_timestamp": moment(header, "timestamp"), **trip_cells(update.trip)}
    trip |= vehicle_cells(update.vehicle) | {
        "timestamp": moment(update, "timestamp"),
        "delay": value(update, "delay"),
    }
    for stop in update.stop_time_update:
        row = trip | {"stop_id": text(stop, "stop_id"), "stop_sequence": value(stop, "stop_sequence")}
        row["stop_schedule_relationship"] = word(stop, "schedule_relationship")
        for name in ("arrival", "departure"):
            event = getattr(stop, name)
            row |= {f"{name}_{part}": value(event, part) for part in ("delay", "uncertainty")}
            row[f"{name}_time"] = moment(event, "time")
        yield row
    if not update.stop_time_update:
        yield trip


def alert_rows(header: Any, entity: Any) -> Iterator[Row]:
    """The one row of an alert: texts as language maps, periods and informed entities as JSON."""
    alert = entity.alert
    row = {"_id": text(entity, "id"), "_timestamp": moment(header, "timestamp")}
    row |= {name: word(alert, name) for name in ("cause", "effect", "severity_level")}
    row |= {name: languages(getattr(alert, name)) for name in ("header_text", "description_text", "url")}
    periods = [{name: moment(period, name) for name in ("start", "end")} for period in alert.active_period]
    told = [{name: end.isoformat() for name, end in period.items() if end} for period in periods]
    row["active_periods"] = orjson.dumps(told).decode() if told else None
    starts = [start for period in periods if (start := period["start"])]
    ends = [end for period in periods if (end := period["end"])]
    row["active_from"] = min(starts) if periods and len(starts) == len(periods) else None
    row["active_until"] = max(ends) if periods and len(ends) == len(periods) else None
    informed = [informed_cells(one) for one in alert.informed_entity]
    yield row | {"informed_entities": orjson.dumps(informed).decode() if informed else None}


def informed_cells(one: Any) -> Row:
    """What an alert is about, without what it does not say."""
    cells = {name: value(one, name) for name in ("agency_id", "route_id", "route_type", "direction_id", "stop_id")}
    cells["trip_id"] = text(one.trip, "trip_id")
    return {name: cell for name, cell in cells.items() if cell is not None}


def trip_cells(trip: Any) -> Row:
    cells: Row = {name: text(trip, name) for name in ("trip_id", "route_id", "start_time", "start_date")}
    return cells | {
        "schedule_relationship": word(trip, "schedule_relationship"),
        "direction_id": value(trip, "direction_id"),
    }


def vehicle_cells(vehicle: Any) -> Row:
    return {"vehicle_id": text(vehicle, "id"), "vehicle_label": text(vehicle, "label")}


def value(message: Any, name: str) -> Any:
    """A field's value, or None where the feed does not say it."""
    if not message.HasField(name):
        return None
    found = getattr(message, name)
    return text(message, name) if isinstance(found, bytes) else found


def text(message: Any, name: str) -> str | None:
    """A text; an empty one says nothing. Raises Invalid for bytes that are none."""
    found = getattr(message, name)
    if isinstance(found, bytes):
        raise Invalid(f"{name} is no text in UTF-8.")
    return str(found) or None


def number(message: Any, name: str) -> float | None:
    """A number; one of 32 bits with the digits it has, 40.58723 and not 40.58723068237305."""
    if not message.HasField(name):
        return None
    found = getattr(message, name)
    return float(str(np.float32(found))) if name != "odometer" else float(found)


def word(message: Any, name: str) -> str | None:
    """An enumeration's word, as GTFS-Realtime writes it; its number where this version does not know the word."""
    if not message.HasField(name):
        return None
    found = message.DESCRIPTOR.fields_by_name[name].enum_type.values_by_number.get(getattr(message, name))
    return str(found.name) if found else str(getattr(message, name))


def moment(message: Any, name: str) -> datetime.datetime | None:
    """A POSIX time as an instant; raises Invalid for one that no clock shows."""
    seconds = int(getattr(message, name)) if message.HasField(name) else 0
    if seconds == 0:
        return None
    if not 0 < seconds <= LAST:
        raise Invalid(f"{name} is {seconds}, which are no seconds since 1970.")
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


def languages(translated: Any) -> str | None:
    """A translated text as a language map; a text without a language is under `@none`."""
    texts = {text(one, "language") or "@none": text(one, "text") for one in translated.translation}
    return orjson.dumps(texts).decode() if texts else None
