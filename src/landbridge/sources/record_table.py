"""Records of a feed or a database as Arrow columns that stay the same from batch to batch.

JSON has no columns: a key comes and goes, a number turns into text. Mappings need columns to rely on, so a
table remembers every column it has met and each column's kind only widens: integer, double, text. Objects and
lists are JSON text. A declared kind never widens; a record that does not fit it is handed back as a reject.
"""

import contextlib
import datetime
import decimal
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
import pyarrow as pa

from landbridge.errors import InvalidSettings
from landbridge.sources.header import column_names

KINDS: dict[str, pa.DataType] = {
    "text": pa.string(),
    "double": pa.float64(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
    "json": pa.string(),
}
NUMBERS = (pa.int64(), pa.float64())
TEXT = pa.string()
KEPT = (pa.bool_(), pa.int64(), pa.float64(), pa.string(), pa.date32(), pa.binary())
FITS = range(-(2**63), 2**63).__contains__
MOST_COLUMNS = 2_000  # a feed whose keys are values would grow without end


def declared_columns(columns: object, where: str) -> dict[str, pa.DataType]:
    """Read the option `columns = {name = "double"}`; raises InvalidSettings."""
    if not isinstance(columns, Mapping):
        raise InvalidSettings("`columns` is no table of names and kinds.", where=where)
    for name, kind in columns.items():
        if kind not in KINDS:
            raise InvalidSettings(
                f"`columns` gives {name} the kind '{kind}'.", where=where, hint=f"Use one of {', '.join(KINDS)}."
            )
    return {name: KINDS[kind] for name, kind in columns.items()}


def as_text(value: Any) -> str | None:
    """A value as text: text as it is, anything else as JSON writes it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, decimal.Decimal | datetime.timedelta | uuid.UUID):
        return str(value)
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    try:
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS, default=str).decode()
    except TypeError:  # an integer beyond 64 bits
        return str(value)


class RecordTable:
    """The columns met so far; `arrays` and `rows` turn records into batches of them."""

    def __init__(self, declared: Mapping[str, pa.DataType] | None = None, numerics: str = "double") -> None:
        self.declared = dict(declared or {})
        self.kinds: dict[str, pa.DataType | None] = dict(self.declared)
        self.numerics = numerics

    def learn(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Settle every column's kind beforehand, by a first look at all records: a whole pull's columns never change.

        Raises InvalidSettings above 2,000 columns.
        """
        seen: dict[str, set[type]] = {}
        for record in records:
            for name, value in record.items():
                seen.setdefault(name, set()).add(type(value) if type(value) is not int or FITS(value) else str)
            if len(seen) > MOST_COLUMNS:
                raise too_many_columns()
        for name, types in seen.items():
            if name not in self.declared:
                self.kinds[name] = widest(self.kinds.get(name), learnt(types - {type(None)}))

    def rows(self, records: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
        """One batch of all columns met so far, absent keys as null; raises InvalidSettings above 2,000 columns."""
        for record in records:
            if record.keys() - self.kinds.keys():
                for name in record:
                    self.kinds.setdefault(name, None)
        if len(self.kinds) > MOST_COLUMNS:
            raise too_many_columns()
        names = list(self.kinds)
        arrays = [self.array(name, [record.get(name) for record in records]) for name in names]
        # SQL sees no difference between `Name` and `name`, JSON does
        return pa.RecordBatch.from_arrays(arrays, names=column_names(names, "the records"))

    def array(self, name: str, values: list[Any]) -> pa.Array:
        """One column; its kind is remembered, and widened where it must be."""
        known = self.kinds.get(name)
        if name in self.declared and known is not None:
            return declared_array(values, known)
        found = self.inferred(values)
        if found is None:
            self.kinds[name] = TEXT
            return pa.array([as_text(value) for value in values], TEXT)
        kind = widest(known, found.type)
        self.kinds[name] = kind
        if kind is None:
            return found.cast(TEXT)
        if kind == found.type:
            return found
        if kind == TEXT and found.type != pa.null():
            return pa.array([as_text(value) for value in values], TEXT)
        return found.cast(kind)

    def inferred(self, values: list[Any]) -> pa.Array | None:
        """The values as Arrow sees them, or None where only text can hold them all."""
        try:
            found = pa.array(values)
        except (pa.ArrowException, OverflowError, TypeError, ValueError):
            return None
        if pa.types.is_decimal(found.type):
            if self.numerics == "text":
                return pa.array([as_text(value) for value in values], TEXT)
            return pa.array([None if value is None else float(value) for value in values], pa.float64())
        if found.type in KEPT or found.type == pa.null() or pa.types.is_timestamp(found.type):
            return found
        return None

    def unfit(self, record: Mapping[str, Any]) -> str | None:
        """Why a record does not fit the declared kinds, or None."""
        for name, kind in self.declared.items():
            value = record.get(name)
            if value is None or kind == TEXT:
                continue
            if fitted(value, kind) is None:
                return f"{name} is {as_text(value)!r:.60}, not {kind_name(kind)}"
        return None


def too_many_columns() -> InvalidSettings:
    return InvalidSettings(
        f"The records have more than {MOST_COLUMNS} different keys.", hint="Use a path to the records below."
    )


def learnt(types: set[type]) -> pa.DataType:
    """The kind that holds values of all these types of JSON."""
    for kind, fitting in ((pa.bool_(), {bool}), (pa.int64(), {int}), (pa.float64(), {int, float})):
        if types and types <= fitting:
            return kind
    return TEXT if types else pa.null()


def declared_array(values: list[Any], kind: pa.DataType) -> pa.Array:
    if kind == TEXT:
        return pa.array([as_text(value) for value in values], TEXT)
    return pa.array([fitted(value, kind) for value in values], kind)


def fitted(value: Any, kind: pa.DataType) -> Any:
    """A value as a declared kind, or None where it is none; texts such as "12.5" count as numbers."""
    if kind == pa.bool_():
        return value if isinstance(value, bool) else None
    if isinstance(value, bool) or not isinstance(value, int | float | str | decimal.Decimal):
        return None
    with contextlib.suppress(ValueError, OverflowError):
        number = float(value)
        if kind == pa.float64():
            return number
        whole = int(value) if not isinstance(value, float) or number.is_integer() else None
        return whole if whole is not None and -(2**63) <= whole < 2**63 else None
    return None


def kind_name(kind: pa.DataType) -> str:
    return next(name for name, known in KINDS.items() if known == kind)


def widest(known: pa.DataType | None, found: pa.DataType) -> pa.DataType | None:
    """The kind that holds both; None where nothing is known yet."""
    if found == pa.null():
        return known
    if known is None or known == found:
        return found
    if known in NUMBERS and found in NUMBERS:
        return pa.float64()
    if pa.types.is_timestamp(known) and pa.types.is_timestamp(found) and known.tz == found.tz:
        return known
    return TEXT
