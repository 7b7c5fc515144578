"""A mapping's column names, read as NGSI-LD: what each column of the SELECT means.

`pm25` is a Property, `refArea.object` a Relationship, `pm25.unitCode` adds to pm25, `observedAt` alone is the
row's default. The grammar of a name:

    column    = "id" | "type" | "scope" | "observedAt" | "row" | attribute ["." member]
    member    = value | meta | sub
    value     = "object" | "languageMap" | "vocab" | "json" | "valueList" | "objectList"
              | "point" | "geojson" | "wkt"
    meta      = "unitCode" | "observedAt" | "datasetId"
    sub       = NAME ["." subvalue] | "sub(" NAME ")" ["." subvalue]        a sub-attribute of the attribute
    subvalue  = value | "unitCode"                                         one level of them

A reserved word always means the NGSI-LD member; a sub-attribute of such a name is written `name.sub(object)`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from landbridge.errors import InvalidMapping

ROW_COLUMNS = frozenset({"id", "type", "scope", "observedAt", "row"})
# suffix -> (kind of attribute, how the cell is read)
VALUE_SUFFIXES = {
    "object": ("Relationship", "plain"),
    "languageMap": ("LanguageProperty", "json"),
    "vocab": ("VocabProperty", "plain"),
    "json": ("JsonProperty", "json"),
    "valueList": ("ListProperty", "json"),
    "objectList": ("ListRelationship", "json"),
    "point": ("GeoProperty", "point"),
    "geojson": ("GeoProperty", "geojson"),
    "wkt": ("GeoProperty", "wkt"),
}
META_SUFFIXES = ("unitCode", "observedAt", "datasetId")
SUB_CALL = re.compile(r"sub\((.+)\)\Z")


@dataclass(frozen=True)
class ValueColumn:
    """One value of the row: an attribute's or a sub-attribute's.

    `name` is the attribute as the mapping writes it; `kind` its NGSI-LD type; `reading` how the cell is
    read: `plain` (as it is), `json` (text or nested value), `point` (lon, lat), `geojson`, `wkt`.
    """

    name: str
    column: str
    kind: str
    reading: str
    unit_code: str | None = None  # the column that holds it


@dataclass(frozen=True)
class AttributeColumns:
    """All columns of one attribute."""

    value: ValueColumn
    observed_at: str | None = None
    dataset_id: str | None = None
    subs: tuple[ValueColumn, ...] = ()

    @property
    def name(self) -> str:
        return self.value.name


@dataclass(frozen=True)
class RowPlan:
    """What the columns of a mapping mean. `attributes` are in the SELECT's order."""

    attributes: tuple[AttributeColumns, ...]
    observed_at: bool
    scope: bool
    row: bool


def plan_columns(names: Sequence[str], where: str = "mapping.sql") -> RowPlan:
    """Read the SELECT's column names. Raises InvalidMapping that names the column and what to write."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InvalidMapping(f"Column '{name}' is there twice.", where=where, hint="Give each column its own name.")
        seen.add(name)
    for needed in ("id", "type"):
        if needed not in seen:
            raise InvalidMapping(
                f"The SELECT has no column '{needed}'.", where=where, hint=f"Add  ... as {needed}  to it."
            )
    groups: dict[str, dict[str, str]] = {}
    for name in names:
        if name not in ROW_COLUMNS:
            attribute, _, rest = name.partition(".")
            groups.setdefault(attribute, {})[rest] = name
    attributes = tuple(plan_attribute(attribute, parts, where) for attribute, parts in groups.items())
    return RowPlan(attributes, "observedAt" in seen, "scope" in seen, "row" in seen)


def plan_attribute(name: str, parts: dict[str, str], where: str) -> AttributeColumns:
    """Read one attribute's columns, keyed by what follows the first dot."""
    if not name:
        raise InvalidMapping(f"Column '{next(iter(parts.values()))}' has no name before its dot.", where=where)
    parts = dict(parts)
    observed_at, dataset_id = parts.pop("observedAt", None), parts.pop("datasetId", None)
    subs: dict[str, dict[str, str]] = {}
    for rest in [rest for rest in parts if rest not in VALUE_SUFFIXES and rest not in ("", "unitCode")]:
        sub, member = split_sub(rest)
        subs.setdefault(sub, {})[member] = parts.pop(rest)
    value = plan_value(name, parts, where)
    return AttributeColumns(
        value, observed_at, dataset_id, tuple(plan_value(sub, members, where) for sub, members in subs.items())
    )


def split_sub(rest: str) -> tuple[str, str]:
    """Split `accuracy.unitCode` into the sub-attribute and its member; `sub(object)` names `object`."""
    head, member = rest, ""
    for suffix in (*VALUE_SUFFIXES, "unitCode"):
        if rest.endswith("." + suffix):
            head, member = rest[: -len(suffix) - 1], suffix
            break
    called = SUB_CALL.match(head)
    return (called.group(1) if called else head), member


def plan_value(name: str, members: dict[str, str], where: str) -> ValueColumn:
    """Choose the one value column among an attribute's members ('' is the plain Property)."""
    values = [member for member in members if member != "unitCode"]
    if len(values) != 1:
        said = ", ".join(repr(members[member]) for member in values) or "none"
        raise InvalidMapping(
            f"Attribute '{name}' needs one value column and has {said}.",
            where=where,
            hint=f"Keep one of  {name}, {name}.object, {name}.point ...",
        )
    member = values[0]
    kind, reading = VALUE_SUFFIXES[member] if member else ("Property", "plain")
    return ValueColumn(name, members[member], kind, reading, members.get("unitCode"))
