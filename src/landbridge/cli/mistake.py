"""Likely mistakes of a source, found in its texts and its first rows, each with what to do.

None of them stops a pull: the rows are what they are. But a person wants to hear of them before the map shows it.
"""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import shapely
from shapely.geometry.base import BaseGeometry

from landbridge.cli.preview import MappedRows, Preview, unset_variables
from landbridge.cli.unit_code import resembling, units
from landbridge.errors import InvalidSettings, LandbridgeError
from landbridge.model.column import ValueColumn
from landbridge.model.instant import EPOCH, MICROSECOND, format_instant
from landbridge.settings import Settings
from landbridge.sources.contract import Declaration
from landbridge.sources.kind import find_kind

DAY = 86_400_000_000
NEAR = 0.02  # degrees around the district within which a point is no mistake: gates, piers, coarse outlines
LOCAL_TIME = re.compile(r"\blocal_time\s*\(|\bas\s+timestamp\b(?!\s+with)|::\s*timestamp\b(?!\s+with)", re.I)
COMMENT = re.compile(r"--[^\n]*")


@dataclass(frozen=True)
class Finding:
    """Something to look at. `level` is `error` (a pull would fail) or `warning` (likely a mistake)."""

    level: str
    source: str
    message: str
    where: str = ""
    hint: str = ""


def likely_mistakes(
    settings: Settings,
    declaration: Declaration,
    preview: Preview,
    texts: Mapping[str, str],
    outline: BaseGeometry | None,
) -> list[Finding]:
    """All findings of one source; `texts` are its mappings by name."""
    found = [*unset(declaration), *forgotten_zone(settings, declaration, texts), *rejected(declaration, preview)]
    found += backfilled(declaration, preview)
    for part in preview.mapped:
        found += [*wrong_units(declaration, part), *future_times(declaration, part)]
        found += [*empty_attributes(declaration, part, preview), *misplaced(declaration, part, outline)]
    return found


def unset(declaration: Declaration) -> Iterator[Finding]:
    """Variables of the environment that source.toml names and this shell does not have."""
    for name in unset_variables(declaration):
        yield Finding(
            "warning",
            declaration.name,
            f"The environment variable {name} is not set here, so no row is read.",
            f"{declaration.name}/source.toml",
            f"Set {name} to try the source, too.",
        )


def backfilled(declaration: Declaration, preview: Preview) -> Iterator[Finding]:
    """A backfill of what is no past, or of what cannot take that way."""
    if not declaration.backfill:
        return
    where = f"{declaration.name}/source.toml"
    manner = manner_of(declaration)
    if manner == "stream" or (manner == "incremental" and declaration.window != "all"):
        text = "`backfill` is true, and the source brings only what is new."
        yield Finding("error", declaration.name, text, where, "Leave it out.")
    if declaration.null_remove:
        text = "`backfill` is true, and so is `null_remove` for some attributes: these rows take the slower way."
        yield Finding("warning", declaration.name, text, where, "Leave one of them out.")
    for part in preview.mapped:
        plan = part.plan
        if not plan.observed_at and not any(attribute.observed_at for attribute in plan.attributes):
            text = "`backfill` is true, and the mapping tells no observedAt: all that it says is of now."
            yield Finding("warning", declaration.name, text, part.mapping, "Add  ... as observedAt  to the SELECT.")
        elif any(attribute.dataset_id for attribute in plan.attributes):
            text = "`backfill` is true, and the mapping sets datasetIds: its rows take the slower way."
            yield Finding("warning", declaration.name, text, part.mapping, "Leave `backfill` out.")


def manner_of(declaration: Declaration) -> str:
    """How the source's rows come; "" where it cannot be opened, which is said elsewhere."""
    try:
        return find_kind(declaration.kind)(declaration).manner
    except LandbridgeError:
        return ""


def forgotten_zone(settings: Settings, declaration: Declaration, texts: Mapping[str, str]) -> Iterator[Finding]:
    """A local time is read as UTC although the city lies elsewhere."""
    path = declaration.folder / "source.toml"
    said = re.search(r"^\s*time_zone\s*=", path.read_text(encoding="utf-8-sig"), re.M) if path.exists() else None
    if said or settings.time_zone == "UTC":
        return
    for name, text in texts.items():
        if LOCAL_TIME.search(COMMENT.sub("", text)):
            yield Finding(
                "warning",
                declaration.name,
                "The mapping reads local times and source.toml gives no time zone, so they count as UTC.",
                name,
                f'Add  time_zone = "{settings.time_zone}"  to source.toml, or "UTC" if that is right.',
            )
            return


def rejected(declaration: Declaration, preview: Preview) -> Iterator[Finding]:
    """The commonest reasons for rejected rows, values left out so that like reasons count together."""
    kinds: dict[str, tuple[int, str]] = {}
    for reason, count in preview.rejects.items():
        key = re.sub(r"'[^']*'|\[[^\]]*\]|\d+(\.\d+)?", "…", reason)
        before, example = kinds.get(key, (0, reason))
        kinds[key] = (before + count, example)
    for count, example in sorted(kinds.values(), reverse=True)[:8]:
        yield Finding(
            "warning",
            declaration.name,
            f"{count:,} rows are rejected: {example}.".replace("..", "."),
            hint=advice(example),
        )


def advice(reason: str) -> str:
    if "is no URI" in reason:
        return "Begin it with a scheme, such as 'urn:ngsi-ld:Tree:' || code."
    if "swapped" in reason:
        return "Write point(longitude, latitude)."
    return ""


def wrong_units(declaration: Declaration, part: MappedRows) -> Iterator[Finding]:
    """Unit codes that UN/CEFACT does not have."""
    for column in unit_columns(part):
        codes = {row.get(column) for row in part.rows} - {None}
        for code in sorted(str(code) for code in codes if code not in units())[:5]:
            if ":" in code:  # a URI may stand for a unit, too
                continue
            hint = resembling(code) + "Codes are UN/CEFACT Recommendation 20, such as GQ for µg/m³."
            yield Finding(
                "warning",
                declaration.name,
                f"'{code}' is no UN/CEFACT unit code (column '{column}').",
                part.mapping,
                hint,
            )


def unit_columns(part: MappedRows) -> list[str]:
    values: list[ValueColumn] = [one for a in part.plan.attributes for one in (a.value, *a.subs)]
    return [value.unit_code for value in values if value.unit_code]


def future_times(declaration: Declaration, part: MappedRows) -> Iterator[Finding]:
    """Observations of the day after tomorrow: a wrong order of day and month, or a wrong zone."""
    columns = ["observedAt"] if part.plan.observed_at else []
    columns += [a.observed_at for a in part.plan.attributes if a.observed_at]
    limit = time.time_ns() // 1000 + DAY
    for column in columns:
        late = [moment for row in part.rows if (moment := instant(row.get(column))) is not None and moment > limit]
        if late:
            yield Finding(
                "warning",
                declaration.name,
                f"{len(late):,} times lie in the future, up to {format_instant(max(late))} (column '{column}').",
                part.mapping,
                "Are day and month swapped, or is the time zone wrong?",
            )


def instant(cell: Any) -> int | None:
    return None if cell is None else int((cell - EPOCH) // MICROSECOND)


def empty_attributes(declaration: Declaration, part: MappedRows, preview: Preview) -> Iterator[Finding]:
    """An attribute that no row gives a value."""
    for attribute in part.plan.attributes:
        if len(part.rows) >= 3 and all(row.get(attribute.value.column) is None for row in part.rows):
            yield Finding(
                "warning",
                declaration.name,
                f"No row gives '{attribute.name}' a value.",
                part.mapping,
                "" if preview.whole else "Only the first rows were read: see also  check --rows 0",
            )


def misplaced(declaration: Declaration, part: MappedRows, outline: BaseGeometry | None) -> Iterator[Finding]:
    """Points outside the district, and whether they would be inside with longitude and latitude swapped."""
    if outline is None:
        return
    for attribute in part.plan.attributes:
        if attribute.value.kind != "GeoProperty":
            continue
        column = attribute.value.column
        located = [(row["id"], shapely.from_geojson(row[column])) for row in part.rows if row.get(column)]
        outside = [(id_, shape) for id_, shape in located if not outline.intersects(shape)]
        if not outside:
            continue
        swapped = sum(outline.intersects(shapely.transform(shape, lambda xy: xy[:, ::-1])) for _, shape in outside)
        id_, shape = outside[0]
        centre = shape.centroid
        yield Finding(
            "warning",
            declaration.name,
            f"{len(outside):,} of {len(located):,} places lie outside the district, such as {id_} at"
            f" [{centre.x:.5f}, {centre.y:.5f}].",
            part.mapping,
            "They lie inside with longitude and latitude swapped: write point(longitude, latitude)."
            if swapped > len(outside) / 2
            else "Is it another coordinate system, or another city?",
        )


def district(path: Path | None) -> BaseGeometry | None:
    """The district's outline with some room around it; raises InvalidSettings where the file has none."""
    if path is None:
        return None
    try:
        document = orjson.loads(path.read_bytes())
        features: Sequence[Any] = document.get("features") or [document]
        shapes = shapely.from_geojson([orjson.dumps(f.get("geometry", f)) for f in features], on_invalid="ignore")
    except (ValueError, AttributeError) as error:
        raise no_outline(path, str(error)) from None
    if None in list(shapes):
        raise no_outline(path, "a geometry is not readable")
    outline: BaseGeometry = shapely.buffer(shapely.union_all(shapely.make_valid(shapes)), NEAR)
    return outline


def no_outline(path: Path, why: str) -> InvalidSettings:
    return InvalidSettings(
        f"`district` names a file that is no GeoJSON: {why}.", where=path.name, hint="Give the outline as GeoJSON."
    )
