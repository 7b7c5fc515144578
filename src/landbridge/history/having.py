"""Which entities have instances that meet a query, found in all files at once instead of entity by entity.

Each condition gives a set of ids: those of which one instance within the stretch of time meets it (NGSI-LD 5.7.4.4).
What a column can tell is asked of the column; all else is laid out and asked of the query compiler, each value once.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import polars as pl

from landbridge.errors import InvalidQuery, TooMuch
from landbridge.history.scan import Scan
from landbridge.history.trial import Trial, refuse_links
from landbridge.model.query import And, Between, Compare, Exists, Near, Node, OneOf, Or, Query, Spatial
from landbridge.store.condition import check_size
from landbridge.store.function import instant

VALUES = ("kind", "form", "number", "text", "json")
WHOLE = (*VALUES, "unit", "rest", "dataset", "time", "timed", "recorded", "commit", "ordinal", "source")
MOST_VALUES = 1_000_000  # that are laid out one by one
SIGNS: Mapping[str, Callable[[pl.Expr, Any], pl.Expr]] = {
    "==": lambda column, value: column == value, "!=": lambda column, value: column != value,
    "<": lambda column, value: column < value, "<=": lambda column, value: column <= value,
    ">": lambda column, value: column > value, ">=": lambda column, value: column >= value,
}  # fmt: skip
PLAIN = pl.col("form").is_in(["integer", "number", "boolean", "text"])
NUMBER = pl.col("form").is_in(["integer", "number"])
TEXT = pl.col("form") == "text"
Ids = set[str]


class Having:
    """Finds ids for one question."""

    def __init__(self, scan: Scan) -> None:
        self.scan = scan

    def ids(self, query: Query, attributes: Iterable[str]) -> Ids:
        """The ids that have an instance of one of the attributes (all: of any) and meet `attrs`, `q` and `geoQ`."""
        wanted = tuple(attributes)
        found = self.with_any(wanted)
        if query.attrs and set(query.attrs) != set(wanted):
            found &= self.with_any(query.attrs)
        if query.where is not None and found:
            check_size(query.where)
            refuse_links(query.where)
            found &= self.meeting(query.where)
        if query.geo is not None and found:
            found &= self.lying(query.geo)
        return found

    def with_any(self, attributes: Iterable[str]) -> Ids:
        lines = self.scan.lines(tuple(attributes), ())
        return set(self.scan.collect(lines.select("entity").unique())["entity"].to_list())

    def meeting(self, node: Node) -> Ids:
        match node:
            case And(parts):
                return set.intersection(*(self.meeting(part) for part in parts))
            case Or(parts):
                return set().union(*(self.meeting(part) for part in parts))
            case Exists() | Compare() | Between() | OneOf():
                return self.of_leaf(node)
        raise InvalidQuery("The past cannot be asked about that.", where="q")

    def of_leaf(self, leaf: Exists | Compare | Between | OneOf) -> Ids:
        path = leaf.path
        if path.attribute in ("createdAt", "modifiedAt") and not path.subs:
            raise InvalidQuery(
                f"A condition on {path.attribute} of the entity cannot be met by an instance.", where="q",
                hint=f"Use timeproperty={path.attribute}.",
            )  # fmt: skip
        if isinstance(leaf, Exists) and not path.subs and not path.keys:
            return self.with_any((path.attribute,))
        quick = None if path.subs or path.keys or isinstance(leaf, Exists) else expression(leaf)
        lines = self.scan.lines((path.attribute,), WHOLE if path.subs else VALUES)
        found: Ids = set()
        if quick is not None:
            asked = lines.filter(PLAIN & (pl.col("kind") == "Property") & quick).select("entity").unique()
            found |= set(self.scan.collect(asked)["entity"].to_list())
            lines = lines.filter(~(PLAIN & (pl.col("kind") == "Property")))
        return found | self.tried(lines, leaf.path.attribute, Query(where=leaf), whole=bool(path.subs))

    def lying(self, geo: Near | Spatial) -> Ids:
        lines = self.scan.lines((geo.geoproperty,), VALUES).filter(pl.col("kind") == "GeoProperty")
        return self.tried(lines, geo.geoproperty, Query(geo=geo))

    def tried(self, lines: pl.LazyFrame, attribute: str, query: Query, *, whole: bool = False) -> Ids:
        """The ids of lines whose instances pass, each distinct value tried once."""
        values = WHOLE if whole else VALUES
        rows = self.scan.collect(lines.select("entity", *values).unique().head(MOST_VALUES + 1))
        if rows.height > MOST_VALUES:
            raise TooMuch(
                f"The condition on '{attribute}' must look at more than {MOST_VALUES:,} values one by one.",
                where="q", hint="Ask for a shorter stretch of time, or compare with numbers or plain texts.",
            )  # fmt: skip
        trial = Trial(query)
        found: Ids = set()
        for key, part in rows.group_by(values, maintain_order=True):
            line = self.scan.line(attribute, dict(zip(values, key, strict=True)))
            if trial.passes("", [line], None, None):
                found.update(part["entity"].to_list())
        return found


def expression(leaf: Compare | Between | OneOf) -> pl.Expr | None:
    """What must be true of a plain Property's columns; None where only the query compiler can tell."""
    if isinstance(leaf, Compare):
        return one(leaf.operator, leaf.value) if leaf.operator in SIGNS else None
    if isinstance(leaf, Between):
        found = between(leaf.low, leaf.high)
    else:
        parts = [between(*value) if isinstance(value, tuple) else one("==", value) for value in leaf.values]
        known = [part for part in parts if part is not None]
        found = pl.any_horizontal(known) if len(known) == len(parts) and known else None
    return negation(found) if found is not None and leaf.negated else found


def one(operator: str, value: Any) -> pl.Expr | None:
    """A comparison with one value: types never mix, and what is of another type is unequal."""
    if operator == "!=":
        same = one("==", value)
        return None if same is None else negation(same)
    sign = SIGNS[operator]
    if isinstance(value, bool):
        return (pl.col("form") == "boolean") & (pl.col("number") == float(value)) if operator == "==" else pl.lit(False)
    if isinstance(value, int | float):
        return NUMBER & sign(pl.col("number"), float(value)) if abs(value) <= 1 << 53 else None
    return TEXT & sign(pl.col("text"), value) if instant(value) is None else None


def between(low: Any, high: Any) -> pl.Expr | None:
    first, last = one(">=", low), one("<=", high)
    if first is None or last is None or isinstance(low, bool) or isinstance(high, bool):
        return None
    return first & last


def negation(found: pl.Expr) -> pl.Expr:
    return ~found.fill_null(False)
