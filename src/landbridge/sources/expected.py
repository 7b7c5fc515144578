"""What a source's rows are expected to be like, as `[[expectations]]` of its source.toml declares it.

Each kind has its own keys; a mistake in one is an error that names the nearest right key. `expectation` checks them.
Over a whole pull every kind is checked. A source that comes in small batches (a stream, an incremental pull) is never
seen whole: there only the kinds that judge each row alone are allowed, and are checked batch by batch.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from landbridge.errors import Invalid, InvalidSettings
from landbridge.model.instant import parse_duration
from landbridge.sources.kind import resembling

EXPECTATIONS: dict[str, str] = {
    "not-null": "every row has the columns `columns` (or `column`)",
    "range": "the number in `column` is at least `min` and at most `max`",
    "one-of": "`column` is one of `values`",
    "unique": "no two rows have the same `columns`",
    "fresh": "the newest `time` is within `within` of now, or of the newest series' where `of` is \"newest\"",
    "not-frozen": "no series keeps all `columns` unchanged for `for` or longer, and over at least `readings` readings",
    "given": "every series has a value of `columns` somewhere; one that has none is neither stale nor frozen",
    "rows": "there are at least `min` and at most `max` rows",
}  # fmt: skip
KEYS: dict[str, str] = {
    "kind": "what is expected (needed)",
    "name": "how it is called in results; default: made of the other keys",
    "table": "the source's table it is about; default `source`",
    "column": "the column it is about",
    "columns": "the columns it is about, together",
    "series": "the columns whose values name a series, such as [\"station\"]",
    "time": "when a row was observed: a column, or an SQL expression such as `local_time(Date, Hour)`",
    "min": "the least number allowed",
    "max": "the greatest number allowed",
    "values": "the texts or numbers allowed",
    "within": "a duration, such as `PT6H`",
    "of": "\"now\" or \"newest\"",
    "for": "a duration, such as `PT48H`",
    "readings": "how many readings in a row; default 2",
    "leave_out": "true: rows or series that fail are rejects and do not reach the mapping; default false",
    "must": "true: the run fails where the expectation does; default false",
}  # fmt: skip
ALWAYS = frozenset({"kind", "name", "table", "leave_out", "must"})
# kind: (keys it needs, keys it may have)
FORMS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "not-null": (frozenset({"columns"}), frozenset()),
    "range": (frozenset({"columns"}), frozenset({"min", "max"})),
    "one-of": (frozenset({"columns", "values"}), frozenset()),
    "unique": (frozenset({"columns"}), frozenset()),
    "fresh": (frozenset({"time", "within"}), frozenset({"series", "of"})),
    "not-frozen": (frozenset({"columns", "series", "time", "for"}), frozenset({"readings"})),
    "given": (frozenset({"columns", "series"}), frozenset()),
    "rows": (frozenset(), frozenset({"min", "max"})),
}
ALONE = frozenset({"not-null", "range", "one-of"})  # what judges each row on its own
WHERE = "source.toml [[expectations]]"


@dataclass(frozen=True)
class Expected:
    """One declared expectation. Durations in microseconds."""

    kind: str
    name: str
    table: str = "source"
    columns: tuple[str, ...] = ()
    series: tuple[str, ...] = ()
    time: str = ""
    low: float | None = None
    high: float | None = None
    values: tuple[str, ...] = ()
    span: int = 0
    of: str = "now"
    readings: int = 2
    leave_out: bool = False
    must: bool = False


def read_expected(declared: Sequence[Mapping[str, Any]], where: str = WHERE) -> tuple[Expected, ...]:
    """Read the declared expectations; raises InvalidSettings that names the key and the nearest right one."""
    read = tuple(read_one(one, where) for one in declared)
    names = [one.name for one in read]
    for name in names:
        if names.count(name) > 1:
            raise InvalidSettings(f"Two expectations are called '{name}'.", where=where, hint="Give each a `name`.")
    return read


def read_one(declared: Mapping[str, Any], where: str) -> Expected:
    """Read one expectation; raises InvalidSettings."""
    keys = dict(declared)
    kind = keys.get("kind")
    if not isinstance(kind, str) or kind not in EXPECTATIONS:
        hint = f"{resembling(str(kind), EXPECTATIONS)}The kinds: {', '.join(EXPECTATIONS)}."
        raise InvalidSettings(f"There is no kind of expectation {kind!r:.60}.", where=where, hint=hint)
    place = f"{where}, kind {kind}"
    if "column" in keys:
        if "columns" in keys:
            raise InvalidSettings("`column` and `columns` are both given.", where=place, hint="Keep one of them.")
        keys["columns"] = [keys.pop("column")]
    check_keys(keys, kind, place)
    read = Read(keys, place)
    needed = FORMS[kind][0]
    made = Expected(
        kind,
        read.text("name", ""),
        read.text("table", "source"),
        read.texts("columns", "columns" in needed),
        read.texts("series", "series" in needed),
        read.time(),
        read.number("min"),
        read.number("max"),
        read.values(),
        read.duration("for" if kind == "not-frozen" else "within"),
        read.choice("of", ("now", "newest")),
        int(read.number("readings") or 2),
        read.flag("leave_out"),
        read.flag("must"),
    )
    check_sense(made, place)
    return made if made.name else replace_name(made)


def check_keys(keys: Mapping[str, Any], kind: str, where: str) -> None:
    """Refuse a key that the kind does not have, and one that is missing."""
    needed, allowed = FORMS[kind]
    known = needed | allowed | ALWAYS
    for key in keys:
        if key not in known:
            listed = sorted((known | ({"column"} if "columns" in known else set())) - {"kind"})
            hint = f"{resembling(key, listed)}Its keys: {', '.join(listed)}."
            raise InvalidSettings(f"`{key}` is no key of the expectation '{kind}'.", where=where, hint=hint)
    for key in sorted(needed):
        if key not in keys:
            raise InvalidSettings(f"The expectation '{kind}' lacks `{key}`.", where=where, hint=f"{key}: {KEYS[key]}.")


def check_sense(made: Expected, where: str) -> None:
    """Refuse what can never hold, or means nothing."""
    if made.kind in ("range", "rows"):
        if made.low is None and made.high is None:
            raise InvalidSettings("Neither `min` nor `max` is given.", where=where, hint="Give one or both.")
        if made.low is not None and made.high is not None and made.low > made.high:
            raise InvalidSettings(f"`min` {made.low:g} is above `max` {made.high:g}.", where=where, hint="Swap them.")
    if made.kind in ("range", "one-of") and len(made.columns) != 1:
        raise InvalidSettings("The expectation is about one column.", where=where, hint="Write one for each column.")
    if made.kind == "fresh" and made.of == "newest" and not made.series:
        raise InvalidSettings('`of = "newest"` compares series.', where=where, hint='Give `series`, or of = "now".')
    if made.leave_out and (made.kind == "rows" or (made.kind == "fresh" and not made.series)):
        raise InvalidSettings(
            "What is expected of the whole pull leaves no single row out.", where=where, hint="Write must = true."
        )
    if made.readings < 2:
        raise InvalidSettings("`readings` is below 2.", where=where, hint="One reading alone is not frozen.")


def replace_name(made: Expected) -> Expected:
    """Name an expectation by what it says."""
    about = ", ".join(made.columns or made.series)
    name = f"{made.kind} {about}".strip() + ("" if made.table == "source" else f" of {made.table}")
    return Expected(**{**made.__dict__, "name": name})


@dataclass(frozen=True)
class Read:
    """Typed access to the keys of one expectation."""

    keys: Mapping[str, Any]
    where: str

    def of(self, key: str, otherwise: Any, fits: Callable[[Any], bool], wanted: str) -> Any:
        if key in self.keys and not fits(self.keys[key]):
            raise InvalidSettings(f"`{key}` is {self.keys[key]!r:.80}.", where=self.where, hint=f"Give {wanted}.")
        return self.keys.get(key, otherwise)

    def text(self, key: str, otherwise: str) -> str:
        return str(self.of(key, otherwise, lambda value: isinstance(value, str) and value != "", "a text in quotes"))

    def flag(self, key: str) -> bool:
        return bool(self.of(key, False, lambda value: isinstance(value, bool), "true or false"))

    def choice(self, key: str, allowed: tuple[str, ...]) -> str:
        return str(self.of(key, allowed[0], lambda value: value in allowed, f"one of {', '.join(allowed)}"))

    def texts(self, key: str, needed: bool) -> tuple[str, ...]:
        def fits(value: Any) -> bool:
            return isinstance(value, list) and all(isinstance(one, str) and one for one in value) and value != []

        found = self.of(key, [], fits, "a list of columns" if needed else "a list of columns, or leave it out")
        return tuple(found)

    def number(self, key: str) -> float | None:
        def fits(value: Any) -> bool:
            return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)

        found = self.of(key, None, fits, "a number")
        return None if found is None else float(found)

    def values(self) -> tuple[str, ...]:
        def fits(value: Any) -> bool:
            return isinstance(value, list) and value != [] and all(isinstance(one, str | int | float) for one in value)

        found = self.of("values", [], fits, "a list of texts or numbers")
        return tuple(str(one).lower() if isinstance(one, bool) else str(one) for one in found)

    def time(self) -> str:
        """An expression: a text as it is, a list of columns as local_time of them."""
        value = self.keys.get("time", "")
        if isinstance(value, list) and 1 <= len(value) <= 3 and all(isinstance(one, str) and one for one in value):
            return "local_time(" + ", ".join('"' + one.replace('"', '""') + '"' for one in value) + ")"
        return self.text("time", "")

    def duration(self, key: str) -> int:
        if key not in self.keys:
            return 0
        value = self.keys[key]
        try:
            found = parse_duration(value if isinstance(value, str) else "")
        except Invalid:
            found = 0
        if found <= 0:
            raise InvalidSettings(
                f"`{key}` is {value!r:.40}, which is no duration.", where=self.where, hint="Write one like 'PT48H'."
            )
        return found
