"""Entities as columns: one row an entity, for Arrow and polars.

An attribute `pm25` becomes the column `pm25`, what is known beside the value `pm25.observedAt` and `pm25.unitCode`;
a geometry is GeoJSON text. Of several instances the default one counts.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
import polars
import pyarrow as pa

from landbridge.model.answer import Document
from landbridge.model.entity import is_geometry, value_of

Name = Callable[[str], str]
STAMP = pa.timestamp("us", tz="UTC")


def arrow(documents: Sequence[Document], name: Name) -> pa.Table:
    """Entities as an Arrow table; `name` turns a stored name into the one to show."""
    columns: dict[str, list[Any]] = {"id": [], "type": []}
    for place, document in enumerate(documents):
        columns["id"].append(document["id"])
        columns["type"].append(",".join(name(type_) for type_ in document["type"]))
        for attribute, instances in document["attrs"].items():
            for column, cell in cells(name(attribute), instances[0]):
                known = columns.setdefault(column, [])
                known.extend([None] * (place - len(known)))
                known.append(cell)
    for cells_ in columns.values():
        cells_.extend([None] * (len(documents) - len(cells_)))
    return pa.table({column: array(column, found) for column, found in columns.items()})


def cells(attribute: str, instance: dict[str, Any]) -> list[tuple[str, Any]]:
    """The columns of one instance with their cells."""
    found = [(attribute, plain(value_of(instance)))]
    if "observedAt" in instance:
        found.append((f"{attribute}.observedAt", datetime.fromisoformat(instance["observedAt"]).astimezone(UTC)))
    if "unitCode" in instance:
        found.append((f"{attribute}.unitCode", instance["unitCode"]))
    return found


def plain(value: Any) -> Any:
    """A value as a cell: what is no number, text or truth value is JSON text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS if not is_geometry(value) else None).decode()


def array(column: str, found: list[Any]) -> pa.Array:
    """Cells as a column; where they differ in kind, as text."""
    if column.endswith(".observedAt"):
        return pa.array(found, STAMP)
    if all(cell is None or (isinstance(cell, int | float) and not isinstance(cell, bool)) for cell in found):
        whole = all(cell is None or (isinstance(cell, int) and abs(cell) < 2**63) for cell in found)
        return pa.array(found, pa.int64() if whole else pa.float64())
    try:
        return pa.array(found)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if cell is None else cell if isinstance(cell, str) else str(cell) for cell in found])


def polars_frame(documents: Sequence[Document], name: Name) -> polars.DataFrame:
    """Entities as a polars frame."""
    found = polars.from_arrow(arrow(documents, name))
    assert isinstance(found, polars.DataFrame)
    return found
