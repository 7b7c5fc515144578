"""A first mapping.sql and source.toml, written from what a sample's columns seem to be, each guess with its reason."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from landbridge.cli.profile import GLUED, IN_BRACKETS, SUFFIX, Column, Key, clocks, find_key, unit_in
from landbridge.model.column import ROW_COLUMNS
from landbridge.sources.mapping.normal import literal, quoted

RESERVED = ROW_COLUMNS | {
    "createdAt",
    "modifiedAt",
    "deletedAt",
    "datasetId",
    "unitCode",
    "location",
    "value",
    "object",
}
OTHER_WORD = {"id": "code", "type": "category", "scope": "area", "row": "line", "location": "place", "value": "reading"}


@dataclass
class Draft:
    """A mapping under construction. `lines`: (SQL, name, comment) of each column of the SELECT."""

    type: str
    lines: list[tuple[str, str, str]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    never_store: list[str] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    key: Column | None = None

    def add(self, sql: str, name: str, comment: str = "") -> None:
        self.lines.append((sql, name, comment))

    def sql(self, head: Sequence[str] = ()) -> str:
        """The text of mapping.sql."""
        wide = min(max(len(sql) for sql, *_ in self.lines), 70)
        last = len(self.lines) - 1
        made = [f"-- {line}".rstrip() for line in [*head, *self.left_out]]
        for place, (sql, name, comment) in enumerate(self.lines):
            lead = "select " if place == 0 else "       "
            named = name if re.fullmatch(r"[a-z][A-Za-z0-9_]*", name) else quoted(name)
            end = "" if place == last else ","
            remark = f"  -- {comment}" if comment else ""
            made.append(f"{lead}{sql.ljust(wide)} as {named}{end}{remark}")
        return "\n".join([*made, "from source", ""])


def draft_mapping(columns: Sequence[Column], type_: str, rows: int, plain: frozenset[str] = frozenset()) -> Draft:
    """Write a mapping of these columns. `plain`: columns that are taken as text, since their guess did not hold."""
    draft = Draft(type_)
    found = find_key(columns, rows)
    key, time = found.column, found.time
    draft.key = key
    draft.add(id_sql(type_, found, columns), "id", f"key guessed: {found.why}")
    draft.add(literal(type_), "type", "what each row is about")
    draft.taken |= RESERVED
    done = {key.name} if key else set()
    done |= add_place(draft, columns, plain)
    done |= add_time(draft, columns, time, plain)
    if key is not None and key.kind != "urn":
        draft.add(f"cast({quoted(key.name)} as varchar)", attribute_name(key.name, draft.taken), "the key itself")
    for column in columns:
        if column.name not in done:
            add_column(draft, column, plain)
    return draft


def id_sql(type_: str, found: Key, columns: Sequence[Column]) -> str:
    """The SQL of the id: a URI in each case."""
    start, key = f"urn:ngsi-ld:{type_}:", found.column
    if found.single:
        return literal(f"{start}1")
    if key is None:
        cells = ", ".join(f"cast({quoted(column.name)} as varchar)" for column in columns if column.kind != "bytes")
        return f"{literal(start)} || md5(concat_ws('|', {cells}))"
    name = quoted(key.name)
    if key.kind == "urn":
        return f"trim({name})"
    if key.kind == "integer":
        return f"{literal(start)} || {name}"
    return f"{literal(start)} || url_encode(trim(cast({name} as varchar)))"


def add_place(draft: Draft, columns: Sequence[Column], plain: frozenset[str]) -> set[str]:
    """A location, where the columns hold one; answers the columns that it takes."""
    longitude = next((column for column in columns if column.role == "longitude"), None)
    latitude = next((column for column in columns if column.role == "latitude"), None)
    if longitude and latitude:
        pair = f"{degrees(longitude)}, {degrees(latitude)}"
        draft.add(f"point({pair})", "location.point", "WGS 84 assumed; from GCJ-02: wgs84_from_gcj02(lon, lat)")
        return {longitude.name, latitude.name}
    for column in columns:
        if column.kind == "geojson" and column.name in plain:
            draft.add(
                f"mend({quoted(column.name)})", "location.geojson", "mended, since some cross or touch themselves"
            )
            return {column.name}
        if column.kind in ("geojson", "wkt"):
            draft.add(quoted(column.name), f"location.{column.kind}", "WGS 84 assumed")
            return {column.name}
    return set()


def degrees(column: Column) -> str:
    """The SQL of a longitude or latitude; a decimal comma becomes a point."""
    name = quoted(column.name)
    return f"replace({name}, ',', '.')" if column.kind == "number" else name


def add_time(draft: Draft, columns: Sequence[Column], time: Column | None, plain: frozenset[str]) -> set[str]:
    """`observedAt` of the row, where a column tells it; answers the columns that it takes."""
    if time is None or time.name in plain:
        return set()
    clock = next(iter(clocks(columns)), None) if time.kind == "day" else None
    if clock is not None and clock.name not in plain:
        pair = f"{quoted(time.name)} || ' ' || {quoted(clock.name)}"
        both = (
            f"local_time({pair})" if clock.kind == "clock" else f"local_time({quoted(time.name)}, {quoted(clock.name)})"
        )
        draft.add(both, "observedAt", "in the source's time zone")
        return {time.name, clock.name}
    draft.add(value_sql(time, time.kind)[0], "observedAt", "in the source's time zone, where it names none")
    return {time.name}


def add_column(draft: Draft, column: Column, plain: frozenset[str]) -> None:
    """One more attribute, or a word about why there is none."""
    if column.role == "person":
        draft.never_store.append(column.name)
        draft.left_out.append(f"left out, and never stored, since it may be about persons: {column.name}")
        return
    if column.kind in ("empty", "bytes"):
        what = "no value in the sample" if column.kind == "empty" else "bytes"
        draft.left_out.append(f"left out, {what}: {column.name}")
        return
    name = attribute_name(column.name, draft.taken)
    kind = "text" if column.name in plain else column.kind
    sql, suffix = value_sql(column, kind)
    said = "" if kind == column.kind else f"not all are of the kind {column.kind}; "
    remark = f"{said}{column.distinct:,} distinct, e.g. {column.example}"
    draft.add(sql, name + suffix, " ".join(remark.split()))
    if column.unit and kind != "text":
        draft.add(literal(column.unit), f"{name}.unitCode", f"unit guessed: {column.unit_reason}")


def value_sql(column: Column, kind: str) -> tuple[str, str]:
    """The SQL of a value, and the suffix of its column."""
    name = quoted(column.name)
    made = {
        "integer": f"cast({name} as bigint)",
        "double": f"cast({name} as double)",
        "number": f"number({name})",
        "boolean": f"cast({name} as boolean)",
        "day": f"local_time({name})",
        "moment": f"local_time({name})",
        "strptime": f"local_time(strptime({name}, {literal(column.form)}))",
        "seconds": f"to_timestamp(cast({name} as bigint))",
        "milliseconds": f"to_timestamp(cast({name} as bigint) / 1000.0)",
    }
    if kind in ("geojson", "wkt"):
        return name, f".{kind}"
    if kind == "urn":
        return f"trim({name})", ".object"
    return made.get(kind, name), ""


def attribute_name(name: str, taken: set[str]) -> str:
    """A column's name as an attribute's: `Station Code` is stationCode; letters of any script stay."""
    bare = IN_BRACKETS.sub("", name)
    if unit_in(bare):
        bare = GLUED.sub("", SUFFIX.sub("", bare)) or bare
    bare = re.sub(r"pm2\.5", "pm25", bare, flags=re.I)
    if bare.isupper():
        bare = bare.lower()
    parts = [part for part in re.split(r"[\W_]+", bare) if part]
    first, rest = (parts[0], parts[1:]) if parts else ("column", [])
    first = first.lower() if first.isupper() else first[:1].lower() + first[1:]
    made = first + "".join(part[:1].upper() + part[1:] for part in rest)
    made = OTHER_WORD.get(made, made if made[0].isalpha() else f"n{made}")
    found, number = made, 2
    while found in taken:
        found, number = f"{made}{number}", number + 1
    taken.add(found)
    return found


def type_name(name: str) -> str:
    """An entity type from a source's name: `street-trees` is StreetTree."""
    parts = [part for part in re.split(r"[\W_]+", name) if part]
    made = "".join(part[:1].upper() + part[1:] for part in parts) or "Thing"
    made = made if made[0].isalpha() else f"Thing{made}"
    if made.endswith("ies") and len(made) > 5:
        return f"{made[:-3]}y"
    return made[:-1] if made.endswith("s") and not made.endswith(("ss", "us", "is")) else made
