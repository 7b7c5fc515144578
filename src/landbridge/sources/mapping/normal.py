"""Around the mapping's SELECT: a second SELECT that gives each column its normal type and each row its key and hash.

Whatever types a mapping's SQL came to, the pool sees few: text, double, int64, boolean, instants in UTC, JSON text and
GeoJSON text. What cannot be so is a reason in `_reason`, never an error of the query.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from landbridge.errors import InvalidMapping
from landbridge.model.column import AttributeColumns, RowPlan, ValueColumn, plan_columns

ROW, KEY, HASH, REASON = "_row", "_key", "_hash", "_reason"
INTEGERS = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"})
LARGE = frozenset({"UBIGINT", "HUGEINT", "UHUGEINT", "BIGNUM", "VARINT"})
# a scheme, then no space, control character or one of those that no IRI has
URI = r"^[A-Za-z][A-Za-z0-9+.-]*:[^\s\x00-\x1f<>\"{}|\\^`]+$"


@dataclass(frozen=True)
class Normal:
    """One output column: its SQL over the mapping's columns, and the (condition, reason) pairs that refuse a row."""

    name: str
    sql: str
    checks: tuple[tuple[str, str], ...] = ()
    json: bool = False  # a plain column that turned out to hold JSON
    uri: bool = False  # what it holds has to be a URI


def quoted(name: str) -> str:
    """An identifier in SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text in SQL."""
    return "'" + text.replace("'", "''") + "'"


@dataclass(frozen=True)
class Wrapped:
    """The SQL to run and the columns' plan. `quick` is the SQL without the look at each of the columns `uris`."""

    sql: str
    quick: str
    plan: RowPlan
    uris: tuple[str, ...]


def normalise(sql: str, names: Sequence[str], types: Sequence[str], where: str) -> Wrapped:
    """Wrap the mapping's SQL; `names` and `types` are what it gives."""
    kinds = dict(zip(names, types, strict=True))
    plan = plan_columns([name for name in names if name != ROW], where)
    columns = row_columns(plan, kinds, where)
    values = [
        *plan_values(plan),
    ]
    made = {column.name: column for column in columns}
    for value in values:
        made[value.column] = normal_value(value, kinds[value.column], where)
        if value.unit_code:
            made[value.unit_code] = text_column(value.unit_code, kinds[value.unit_code])
    ordered = [made[name] for name in names if name in made]
    plan = as_read(plan, frozenset(column.name for column in ordered if column.json))
    row = f"try_cast({quoted('row')} as bigint)" if plan.row else (quoted(ROW) if ROW in kinds else "null::bigint")
    selected = ", ".join(f"{column.sql} as {quoted(column.name)}" for column in ordered)
    full, quick = (
        f"select {selected}, {row} as {ROW}, {reason(ordered, uris)} as {REASON} from ({sql}) as m"
        for uris in (True, False)
    )
    return Wrapped(full, quick, plan, tuple(column.name for column in ordered if column.uri))


def reason(columns: Sequence[Normal], uris: bool) -> str:
    """The first reason that there is against a row; with a look at its URIs or without."""
    checks = [
        check
        for column in columns
        for check in (*column.checks, *([uri_check(column.name, column.sql)] if uris and column.uri else []))
    ]
    return "case " + " ".join(f"when {test} then {why}" for test, why in checks) + " end"


def plan_values(plan: RowPlan) -> list[ValueColumn]:
    return [value for attribute in plan.attributes for value in (attribute.value, *attribute.subs)]


def as_read(plan: RowPlan, json: frozenset[str]) -> RowPlan:
    """The plan with `json` as the reading of plain columns that hold lists or objects."""

    def value(column: ValueColumn) -> ValueColumn:
        return replace(column, reading="json") if column.column in json else column

    def attribute(columns: AttributeColumns) -> AttributeColumns:
        return replace(columns, value=value(columns.value), subs=tuple(map(value, columns.subs)))

    return replace(plan, attributes=tuple(map(attribute, plan.attributes)))


def row_columns(plan: RowPlan, kinds: dict[str, str], where: str) -> list[Normal]:
    """id, type, scope, and every column that is a time or a datasetId."""
    columns = [id_column(kinds["id"]), required_text("type", kinds["type"])]
    if plan.scope:
        columns.append(scope_column(kinds["scope"]))
    times = (["observedAt"] if plan.observed_at else []) + [a.observed_at for a in plan.attributes if a.observed_at]
    columns += [time_column(name, kinds[name], where) for name in times]
    for attribute in plan.attributes:
        if attribute.dataset_id:
            text = text_column(attribute.dataset_id, kinds[attribute.dataset_id])
            columns.append(replace(text, uri=True))
    return columns


def id_column(kind: str) -> Normal:
    sql = text_column("id", kind).sql
    return Normal("id", sql, ((f"{sql} is null or {sql} = ''", "'no id'"),), uri=True)


def uri_check(name: str, sql: str) -> tuple[str, str]:
    return (f"not regexp_matches({sql}, {literal(URI)})", f"{literal(name + ' ')} || '''' || {sql} || ''' is no URI'")


def required_text(name: str, kind: str) -> Normal:
    sql = text_column(name, kind).sql
    return Normal(name, sql, ((f"{sql} is null or {sql} = ''", literal(f"no {name}")),))


def text_column(name: str, kind: str) -> Normal:
    return Normal(name, quoted(name) if kind == "VARCHAR" else f"cast({quoted(name)} as varchar)")


def scope_column(kind: str) -> Normal:
    if kind.endswith("[]"):
        return Normal("scope", f"cast({quoted('scope')} as varchar[])")
    return text_column("scope", kind)


def time_column(name: str, kind: str, where: str) -> Normal:
    """An instant. A time without zone, in text or not, is the source's local time."""
    column = quoted(name)
    if kind.startswith("TIMESTAMP WITH TIME ZONE"):
        finite = (f"not isfinite({column})", literal(f"column {name}: no finite time"))
        return Normal(name, column, (finite,))
    if not kind.startswith(("VARCHAR", "DATE", "TIMESTAMP", '"NULL"', "NULL")):
        raise InvalidMapping(
            f"Column '{name}' is a {kind} and no time.",
            where=where,
            hint="Use local_time(...), or to_timestamp(...) for seconds since 1970.",
        )
    problem = literal(f"column {name}: ") + f" || __local_time_problem({column})"
    checks = ((f"__local_time_problem({column}) is not null", problem),)
    return Normal(name, f"__moment({column})", checks)


def normal_value(value: ValueColumn, kind: str, where: str) -> Normal:
    """A value's column by the way it is read."""
    if value.reading == "plain":
        return plain_value(value, kind, where)
    if value.reading == "point":
        return point_value(value, kind, where)
    if value.reading in ("geojson", "wkt"):
        return geometry_value(value, kind)
    return json_value(value, kind)


def plain_value(value: ValueColumn, kind: str, where: str) -> Normal:
    name, column = value.column, quoted(value.column)
    if value.kind == "Relationship" and not kind.endswith("]") and kind != "JSON":
        text = text_column(name, kind)
        return replace(text, uri=True)
    if kind in ("VARCHAR", "BOOLEAN"):
        return Normal(name, column)
    if kind in INTEGERS:
        return Normal(name, column if kind == "BIGINT" else f"cast({column} as bigint)")
    if kind in LARGE:
        whole = f"try_cast({column} as bigint)"
        return Normal(name, whole, ((f"{column} is not null and {whole} is null", too_large(name, column)),))
    if kind in ("DOUBLE", "FLOAT") or kind.startswith("DECIMAL"):
        sql = column if kind == "DOUBLE" else f"cast({column} as double)"
        return Normal(
            name, sql, ((f"not isfinite({sql})", f"{literal(f'column {name}: ')} || {sql} || ' is no number'"),)
        )
    if kind == "JSON" or kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION")):
        return replace(json_value(value, kind), json=True)
    if kind == "BLOB":
        raise InvalidMapping(
            f"Column '{name}' holds bytes.", where=where, hint="Decode them: decode(...) or base64(...)."
        )
    return Normal(name, written_time(column, kind))


def too_large(name: str, column: str) -> str:
    return f"{literal(f'column {name}: ')} || cast({column} as varchar) || ' has more than 64 bits'"


def written_time(column: str, kind: str) -> str:
    """A date or time as the value itself: ISO 8601 text."""
    if kind.startswith("TIMESTAMP WITH TIME ZONE"):
        return f"strftime(timezone('UTC', {column}), '%Y-%m-%dT%H:%M:%SZ')"
    if kind.startswith("TIMESTAMP"):
        return f"strftime({column}, '%Y-%m-%dT%H:%M:%S')"
    return f"cast({column} as varchar)"


def json_value(value: ValueColumn, kind: str) -> Normal:
    """JSON text, checked to be what its suffix promises."""
    name, column = value.column, quoted(value.column)
    sql = (
        f"nullif(cast({column} as varchar), '')"
        if kind in ("VARCHAR", "JSON")
        else f"cast(to_json({column}) as varchar)"
    )
    if kind not in ("VARCHAR", "JSON"):
        sql = f"case when {column} is not null then {sql} end"
    valid = f"json_valid({sql})"
    checks = [(f"not {valid}", f"{literal(f'column {name}: ')} || '''' || left({sql}, 40) || ''' is no JSON'")]
    wanted = {"languageMap": "OBJECT", "valueList": "ARRAY", "objectList": "ARRAY"}.get(name.rpartition(".")[2])
    if wanted:
        reason = literal(f"column {name}: is no JSON {wanted.lower()}")
        checks.append((f"{valid} and json_type({sql}) <> '{wanted}'", reason))
    if name.endswith(".languageMap"):  # a language without text says nothing
        sql = f"case when {valid} then cast(json_merge_patch('{{}}', {sql}) as varchar) end"
    if name.endswith(".json"):
        return Normal(name, sql, tuple(checks))
    return Normal(name, f"case when {valid} and json_type({sql}) <> 'NULL' then {sql} end", tuple(checks))


def point_value(value: ValueColumn, kind: str, where: str) -> Normal:
    """A Point from a list or a struct of longitude and latitude, or from text such as `117.2, 39.1`."""
    name, column = value.column, quoted(value.column)
    if kind.startswith("STRUCT"):
        lon, lat = f"try_cast({column}.lon as double)", f"try_cast({column}.lat as double)"
    elif kind.endswith("]"):
        lon, lat = f"try_cast({column}[1] as double)", f"try_cast({column}[2] as double)"
    elif kind in ("VARCHAR", "JSON", '"NULL"', "NULL"):
        numbers = f"regexp_extract_all(cast({column} as varchar), '[+-]?[0-9]+(?:\\.[0-9]+)?(?:[eE][+-]?[0-9]+)?')"
        lon, lat = f"try_cast({numbers}[1] as double)", f"try_cast({numbers}[2] as double)"
    else:
        raise InvalidMapping(f"Column '{name}' is a {kind} and no point.", where=where, hint="Write point(lon, lat).")
    text = f"'{{\"type\":\"Point\",\"coordinates\":[' || {lon} || ',' || {lat} || ']}}'"
    start = literal(f"column {name}: ")
    given = f"{column} is not null and trim(cast({column} as varchar)) <> ''"
    if kind.startswith("STRUCT"):
        given = f"{column}.lon is not null and {column}.lat is not null"
    elif kind.endswith("]"):  # as with point(lon, lat): a half of a position is none
        given = f"(len({column}) < 2 or ({column}[1] is not null and {column}[2] is not null))"
    outside = f"(abs({lon}) > 180 or abs({lat}) > 90 or not isfinite({lon}) or not isfinite({lat}))"
    swapped = (
        f"case when abs({lat}) <= 180 and abs({lon}) <= 90 then '; are longitude and latitude swapped?' else '' end"
    )
    world = f"{start} || 'the position [' || {lon} || ', ' || {lat} || '] is outside the world' || {swapped}"
    unread = f"{start} || '''' || cast({column} as varchar) || ''' is no longitude and latitude'"
    return Normal(name, text, ((f"{given} and ({lon} is null or {lat} is null)", unread), (outside, world)))


def geometry_value(value: ValueColumn, kind: str) -> Normal:
    name, column = value.column, quoted(value.column)
    nested = kind.startswith(("STRUCT", "MAP"))
    text = f"cast({f'to_json({column})' if nested else column} as varchar)"
    sql = f"__{value.reading}({text})"
    reason = f"{literal(f'column {name}: ')} || substr({sql}, 2)"
    return Normal(name, sql, ((f"starts_with({sql}, '!')", reason),))
