"""The functions that a mapping has besides DuckDB's own: SQL macros over a few vectorised ones.

`local_time`, `number`, `point`, `wgs84_from_gcj02`, `reject`: docs/mapping.md says what each means. A function that
can fail has a twin `__NAME_problem` that gives the reason, so that the failing row becomes a reject with it.
"""

from collections.abc import Callable
from typing import Any

import duckdb
from duckdb.func import FunctionNullHandling, PythonUDFType

from landbridge.sources.mapping.clock import LocalClock
from landbridge.sources.mapping.geometry import (
    gcj02_geojson,
    gcj02_points,
    mended_geojson,
    normal_geometry,
    normal_wkt,
)

FUNCTIONS = ("local_time", "number", "point", "wgs84_from_gcj02", "reject")
# functions whose failures have a reason, and the twin that gives it from the same arguments
EXPLAINED = {"local_time": "__local_time_problem", "number": "__number_problem", "point": "__point_problem"}
NOTHING = ("", "nan", "na", "n/a", "null", "none", "-", "--", "–", "—")  # texts that say that there is no value
WIDE, NARROW = "０１２３４５６７８９．，－＋", "0123456789.,-+"


def install(connection: duckdb.DuckDBPyConnection, time_zone: str, ambiguous: str) -> None:
    """Define the mapping's functions for a source in this time zone."""
    clock = LocalClock(time_zone, ambiguous)
    for name, function, arguments, result in (
        ("__geojson", normal_geometry, ["VARCHAR"], "VARCHAR"),
        ("__wkt", normal_wkt, ["VARCHAR"], "VARCHAR"),
        ("__mended_geojson", mended_geojson, ["VARCHAR"], "VARCHAR"),
        ("__gcj02_geojson", gcj02_geojson, ["VARCHAR"], "VARCHAR"),
        ("__gcj02_point", gcj02_points, ["DOUBLE", "DOUBLE"], "DOUBLE[]"),
        ("__local_instant", clock.instants, ["TIMESTAMP"], "TIMESTAMP WITH TIME ZONE"),
        ("__plain_instant", clock.plain, ["VARCHAR"], "TIMESTAMP WITH TIME ZONE"),
        ("__local_state", clock.states, ["TIMESTAMP"], "TINYINT"),
    ):
        define(connection, name, function, arguments, result)
    connection.execute("create macro __blank(x) as x is null or trim(cast(x as varchar)) = ''")
    nothing = ", ".join(f"'{text}'" for text in NOTHING)
    connection.execute(f"create macro __nothing(x) as x is null or lower(trim(cast(x as varchar))) in ({nothing})")
    for macro in (*time_macros(time_zone.replace("'", "")), *NUMBER_MACROS, *PLACE_MACROS):
        connection.execute(f"create macro {macro}")


def define(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    function: Callable[..., Any],
    arguments: list[Any],
    result: str,
    *,
    side_effects: bool = False,
) -> None:
    """Make a function over Arrow columns known to DuckDB; it sees NULLs as they are."""
    connection.create_function(
        name,
        function,
        arguments,
        result,
        type=PythonUDFType.ARROW,
        null_handling=FunctionNullHandling.SPECIAL,
        side_effects=side_effects,
    )


def time_macros(zone: str) -> tuple[str, ...]:
    """Times: text in the usual spellings, dates, and dates with an hour and a minute beside them."""
    day = r"regexp_replace(trim(replace(translate(cast(x as varchar), '年月/', '---'), '日', ' '))"
    state = (
        "case __local_state(t) when 1 then said || ' does not exist in {0}'"
        " when 2 then said || ' is there twice in {0}' end"
    )
    return (
        # 20200326, 2020/3/26, 2020.3.26 and 2020年3月26日 become ISO text
        (
            rf"__iso(x) as regexp_replace({day}, '^(\d{{4}})\.(\d\d?)\.(\d\d?)', '\1-\2-\3'),"
            r" '^(\d{4})(\d\d)(\d\d)(\D|$)', '\1-\2-\3\4')"
        ),
        r"__zoned(x) as regexp_matches(x, ':\d\d(\.\d+)?\s*(Z|[+-]\d\d(:?\d\d)?)$')",
        (
            "__at(d, h, m) as case when try_cast(h as bigint) between 0 and 24"
            " and try_cast(m as bigint) between 0 and 59 then try_cast(__iso(d) as timestamp)"
            " + to_hours(try_cast(h as bigint)) + to_minutes(try_cast(m as bigint)) end"
        ),
        f"__state(t, said) as {state.format(zone)}",
        (
            "__time_problem(t, said) as case when t is null then '''' || said || ''' is no date and time'"
            " else __state(t, said) end"
        ),
        "__said(d, h, m) as cast(d as varchar) || ' ' || cast(h as varchar) || ':' || cast(m as varchar)",
        # most times are written plainly and read at once; only the others go through the ways of writing above
        "__odd(x) as case when __plain_instant(cast(x as varchar)) is null then x end",
        (
            "__written(x) as case when __zoned(__iso(x)) then try_cast(__iso(x) as timestamptz)"
            " else __local_instant(try_cast(__iso(x) as timestamp)) end"
        ),
        "__moment(x) as coalesce(__plain_instant(cast(x as varchar)), __written(__odd(x)))",
        (
            "__local_time_problem(x) as case when __blank(x) or __moment(x) is not null then null"
            " else __time_problem(try_cast(__iso(__odd(x)) as timestamp), cast(x as varchar)) end,"
            " (d, h) as case when __local_instant(__at(d, h, 0)) is null"
            " then __time_problem(__at(d, h, 0), __said(d, h, '00')) end,"
            " (d, h, m) as case when __local_instant(__at(d, h, m)) is null"
            " then __time_problem(__at(d, h, m), __said(d, h, m)) end"
        ),
        (
            "__time_or_null(x) as __moment(x), (d, h) as __local_instant(__at(d, h, 0)),"
            " (d, h, m) as __local_instant(__at(d, h, m))"
        ),
        (
            "local_time(x) as coalesce(__moment(x), error(__local_time_problem(x))),"
            " (d, h) as coalesce(__local_instant(__at(d, h, 0)), error(__local_time_problem(d, h))),"
            " (d, h, m) as coalesce(__local_instant(__at(d, h, m)), error(__local_time_problem(d, h, m)))"
        ),
    )


NUMBER_MACROS = (
    (
        rf"__clean(x) as regexp_replace(translate(cast(x as varchar), '{WIDE}', '{NARROW}'),"
        r" '[\s\x{00a0}\x{3000}''_]', '', 'g')"
    ),
    (
        r"__decimal(c) as case when regexp_matches(c, '^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$') then replace(c, ',', '')"
        r" when regexp_matches(c, '^[+-]?\d{1,3}((\.\d{3})+,\d+|(\.\d{3}){2,})$')"
        r" then replace(replace(c, '.', ''), ',', '.')"
        r" when regexp_matches(c, '^[+-]?\d+,\d+$') then replace(c, ',', '.') else c end"
    ),
    (
        r"__number(c) as case when regexp_matches(c, '^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$')"
        r" then try_cast(c as double) end"
    ),
    (
        "__number_problem(x) as case when not __blank(x) and __number(__decimal(__clean(x))) is null"
        " then '''' || cast(x as varchar) || ''' is no number' end"
    ),
    "number(x) as coalesce(__number(__decimal(__clean(x))), error(__number_problem(x)))",
    "reject(reason) as error(reason)",
)

PLACE_MACROS = (
    "__pair(lon, lat) as case when lon is not null and lat is not null then [lon, lat] end",
    (
        "__point_problem(lon, lat) as case when not __blank(lon) and try_cast(lon as double) is null"
        " then '''' || cast(lon as varchar) || ''' is no longitude' when not __blank(lat)"
        " and try_cast(lat as double) is null then '''' || cast(lat as varchar) || ''' is no latitude' end"
    ),
    (
        "point(lon, lat) as coalesce(__pair(try_cast(lon as double), try_cast(lat as double)),"
        " error(__point_problem(lon, lat)))"
    ),
    "mend(geometry) as __mended_geojson(cast(geometry as varchar))",
    (
        "wgs84_from_gcj02(geometry) as __gcj02_geojson(cast(geometry as varchar)),"
        " (lon, lat) as __gcj02_point(cast(lon as double), cast(lat as double))"
    ),
)
