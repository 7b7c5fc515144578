"""Checks what is expected of a source's rows, by SQL over the pull, in the mapping's child process.

Each expectation gives one result, kept with the run: how many rows or series passed and failed, and a sentence. What
failed is also the table `failed` that the mapping may read, and what is left out never reaches the mapping.

An empty cell and a text such as NaN, NA or — say that there is no value. A series that never has a value (`given`), or
that an expectation above leaves out, is not judged by `fresh` and `not-frozen`: what is empty is not frozen too.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from landbridge.errors import InvalidSettings
from landbridge.sources.expected import ALONE, WHERE, Expected, read_expected
from landbridge.sources.kind import resembling

Expectation = Mapping[str, Any]
FAILED_SCHEMA = pa.schema([("name", pa.string()), ("series", pa.string()), ("row", pa.int64())])
NAMED = 12  # failing series that a detail names
SHOWN = 60  # characters of a value
SECOND = 1_000_000
JOIN = "' · '"  # between the columns of a series' name


@dataclass(frozen=True)
class Checks:
    """The declared expectations of one source."""

    expectations: tuple[Expectation, ...]

    @property
    def expected(self) -> tuple[Expected, ...]:
        """The expectations, read; raises InvalidSettings."""
        return read_expected(self.expectations)

    @property
    def leave_out(self) -> bool:
        return any(expectation.get("leave_out") for expectation in self.expectations)

    def about(self, table: str) -> "Checks":
        """Those that are about one table."""
        return Checks(tuple(one for one in self.expectations if one.get("table", "source") == table))

    def refuse_gathering(self) -> None:
        """Raise InvalidSettings for what can only be judged over a whole pull."""
        for one in self.expected:
            if one.kind not in ALONE:
                raise InvalidSettings(
                    f"The expectation '{one.name}' looks over several rows, and this source comes in small batches.",
                    where=WHERE,
                    hint=f'Only {", ".join(sorted(ALONE))} can be checked then; or declare  window = "all".',
                )

    def evaluate(
        self, engine: Any, rows: int, now: float | None = None
    ) -> tuple[list[dict[str, Any]], pa.Table, list[str]]:
        """Check all expectations over the engine's tables, which hold a whole pull of `rows` rows.

        Gives the results in the order declared, the table `failed`, and the names of tables from which rows are to be
        left out. `now`: seconds since 1970, for `fresh`. Raises InvalidSettings for a column that is not there.
        """
        engine.do("create or replace temp table __failing (place int, row bigint, series varchar, reason varchar)")
        engine.do("create or replace temp table __aside (row bigint)")
        engine.do("create or replace temp table __left_out (row bigint, reason varchar, tbl varchar)")
        expected = self.expected
        results: dict[int, dict[str, Any]] = {}
        for place in sorted(range(len(expected)), key=lambda place: expected[place].kind != "given"):
            check = Check(engine, expected[place], place, time.time() if now is None else now)
            results[place] = check.result()
            check.put_aside()
        names = "case place " + " ".join(f"when {n} then {text(one.name)}" for n, one in enumerate(expected)) + " end"
        failed = engine.connection.sql(
            f"select distinct {names} as name, series, case when series is null then row end as row from __failing"
        ).to_arrow_table()
        views = [row[0] for row in engine.do("select distinct tbl from __left_out order by 1")]
        return [results[place] for place in range(len(expected))], failed.cast(FAILED_SCHEMA), views

    def left_out(self, engine: Any, view: str) -> list[tuple[int, str]]:
        """The rows of a table that are left out, with the reason of each."""
        found: list[tuple[int, str]] = engine.do(
            f"select row, min(reason) from __left_out where tbl = {text(view)} group by row order by row"
        )
        return found


class Check:
    """One expectation against the engine's tables."""

    def __init__(self, engine: Any, expected: Expected, place: int, now: float) -> None:
        self.engine, self.expected, self.place, self.now = engine, expected, place, now
        if expected.table not in engine.tables:
            there = [name for name in engine.tables if name != "failed"]
            raise InvalidSettings(
                f"The expectation '{expected.name}' is about the table '{expected.table}', which the source lacks.",
                where=WHERE,
                hint=f"{resembling(expected.table, there)}Its tables: {', '.join(there)}.",
            )
        self.names = [name for name in engine.tables[expected.table].schema.names if name != "_row"]
        for name in (*expected.columns, *expected.series):
            self.check_column(name)

    def check_column(self, name: str) -> None:
        if name.lower() not in map(str.lower, self.names):
            raise InvalidSettings(
                f"The expectation '{self.expected.name}' names '{name}', no column of '{self.expected.table}'.",
                where=WHERE,
                hint=f"{resembling(name, self.names)}Its columns: {', '.join(self.names)[:400]}.",
            )

    def result(self) -> dict[str, Any]:
        """Find what fails, and say it."""
        expected = self.expected
        checks: dict[str, Callable[[], None]] = {
            "not-null": self.not_null,
            "range": self.range,
            "one-of": self.one_of,
            "unique": self.unique,
            "fresh": self.fresh,
            "not-frozen": self.not_frozen,
            "given": self.given,
            "rows": self.rows,
        }
        checks[expected.kind]()
        unit = "series" if expected.series else "pull" if expected.kind in ("rows", "fresh") else "rows"
        counted = {"series": f"distinct {self.series}", "pull": "1", "rows": "*"}[unit]
        total = 1 if unit == "pull" else int(self.one(f"select count({counted}) from {self.looked_at}"))
        failing = {"series": "distinct series", "pull": "distinct place", "rows": "distinct row"}[unit]
        failed = int(self.one(f"select count({failing}) from __failing where place = {self.place}"))
        return {
            "name": expected.name,
            "kind": expected.kind,
            "column": ", ".join(expected.columns),
            "passed": max(total - failed, 0),
            "failed": failed,
            "unit": unit,
            "leave_out": expected.leave_out,
            "must": expected.must,
            "detail": self.detail(failed, total, unit),
        }

    def detail(self, failed: int, total: int, unit: str) -> str:
        """A sentence of what failed, with the first cases."""
        if not failed:
            return f"holds for {total:,} {unit}" if unit != "pull" else "holds"
        reason = self.one(f"select reason from __failing where place = {self.place} order by row limit 1")
        if unit == "series":
            found = self.engine.do(
                f"select series from __failing where place = {self.place} group by 1 order by min(row) limit {NAMED}"
            )
            named = ", ".join(str(row[0])[:SHOWN] for row in found) + (", ..." if failed > NAMED else "")
            return f"{failed:,} of {total:,} series: {named} ({reason})"
        return f"{failed:,} of {total:,} rows, such as: {reason}" if unit == "rows" else str(reason)

    def put_aside(self) -> None:
        """Keep what fails `given`, or is left out, from the expectations that follow."""
        expected = self.expected
        if expected.leave_out or expected.kind == "given":
            self.engine.do(f"insert into __aside select distinct row from __failing where place = {self.place}")
        if expected.leave_out:
            reason = f"{text(expected.name + ': ')} || reason"
            self.engine.do(
                f"insert into __left_out select row, {reason}, {text(expected.table)} from __failing"
                f" where place = {self.place} and row is not null"
            )

    # --- the SQL ---------------------------------------------------------------------------------------------------

    @property
    def table(self) -> str:
        return quoted(self.expected.table)

    @property
    def looked_at(self) -> str:
        """The rows to judge: series that an earlier expectation put aside are neither stale nor frozen."""
        if self.expected.kind not in ("fresh", "not-frozen"):
            return self.table
        return f"(select * from {self.table} where _row not in (select row from __aside))"

    @property
    def series(self) -> str:
        parts = ", ".join(f"coalesce(cast({quoted(name)} as varchar), '')" for name in self.expected.series)
        return f"concat_ws({JOIN}, {parts})"

    @property
    def column(self) -> str:
        return quoted(self.expected.columns[0])

    def one(self, sql: str) -> Any:
        return self.engine.do(sql)[0][0]

    def fail(self, sql: str) -> None:
        """Note what a query of (row, series, reason) finds."""
        self.engine.do(f"insert into __failing select {self.place}, * from ({sql})")

    def not_null(self) -> None:
        for name in self.expected.columns:
            reason = text(f"column {name} is missing")
            self.fail(f"select _row, null, {reason} from {self.looked_at} where __nothing({quoted(name)})")

    def range(self) -> None:
        """What is no number is left to the mapping, whose cast says so."""
        low, high = self.expected.low, self.expected.high
        number, said = "__number(__decimal(__clean(v)))", text(f"column {self.expected.columns[0]}: ") + " || v || "
        for bound, sign, word in ((low, "<", "below"), (high, ">", "above")):
            if bound is not None:
                self.fail(
                    f"select _row, null, {said} {text(f' is {word} {bound:g}')} from (select _row,"
                    f" cast({self.column} as varchar) as v from {self.looked_at}) where {number} {sign} {bound!r}"
                )

    def one_of(self) -> None:
        allowed = ", ".join(map(text, self.expected.values))
        said = f"{text(f'column {self.expected.columns[0]}: ')} || '''' || left(v, {SHOWN}) || ''' is not allowed'"
        self.fail(
            f"select _row, null, {said} from (select _row, cast({self.column} as varchar) as v from {self.looked_at})"
            f" where not __nothing(v) and v not in ({allowed})"
        )

    def unique(self) -> None:
        """A row that repeats an earlier one; NULLs repeat nothing."""
        keys = ", ".join(map(quoted, self.expected.columns))
        given = " and ".join(f"{quoted(name)} is not null" for name in self.expected.columns)
        value = f"left(concat_ws({JOIN}, {keys}), {SHOWN})"
        said = f"{text(', '.join(self.expected.columns) + ' ')} || '''' || v || ''' is there again'"
        self.fail(
            f"select _row, null, {said} from (select _row, {value} as v, row_number() over (partition by {keys}"
            f" order by _row) as n from {self.looked_at} where {given}) where n > 1"
        )

    def given(self) -> None:
        """Series of which none of the columns ever has a value; all of their rows fail."""
        names = self.expected.columns
        blank = " and ".join(f"__nothing({quoted(name)})" for name in names)
        reason = text(f"{', '.join(names)} never given")
        self.fail(
            f"select _row, s, {reason} from (select _row, {self.series} as s,"
            f" bool_and({blank}) over (partition by {self.series}) as never from {self.looked_at}) where never"
        )

    def fresh(self) -> None:
        """How old the newest time is: of the pull, or of each series."""
        expected, span = self.expected, self.expected.span
        end = f"make_timestamptz({int(self.now * SECOND)})" if expected.of == "now" else "max(max(t)) over ()"
        said = "'the newest is of ' || strftime(timezone('UTC', newest), '%Y-%m-%dT%H:%M:%SZ')"
        late = f"newest is null or newest + to_microseconds({span}) < until"
        series = self.series if expected.series else "null"
        grouped = f"select s, max(t) as newest, {end} as until from {self.timed(series)} group by s"
        stale = f"select s, coalesce({said}, 'there is no time') as reason from ({grouped}) where {late}"
        if expected.series:
            rows = f"(select _row, {series} as s from {self.looked_at})"
            self.fail(f"select _row, s, reason from {rows} join ({stale}) using (s)")
        else:
            self.fail(f"select null, null, reason from ({stale})")
            if not self.one(f"select count(*) from {self.looked_at}"):
                self.fail("select null, null, 'there is no row'")

    def not_frozen(self) -> None:
        """Stretches of a series over which all columns together stay as they are; rows without any are no readings."""
        expected = self.expected
        parts = [
            f"case when not __nothing({quoted(n)}) then cast({quoted(n)} as varchar) end" for n in expected.columns
        ]
        values = f"[{', '.join(parts)}]"
        given = " or ".join(f"not __nothing({quoted(name)})" for name in expected.columns)
        over = "partition by s order by t, _row"
        reason = (
            f"{text(', '.join(expected.columns))} || ' the same from ' || {stamp('first')} || ' to ' || {stamp('last')}"
        )
        timed = self.timed(self.series, f"{values} as v", where=given)
        self.fail(
            f"with steps as (select _row, s, t, v is distinct from lag(v) over ({over}) as new from {timed}"
            " where t is not null),"
            f" runs as (select *, count(*) filter (where new) over ({over}) as run from steps),"
            " spans as (select s, run, min(t) as first, max(t) as last, count(distinct t) as n"
            " from runs group by s, run)"
            f" select _row, s, {reason} from runs join spans using (s, run)"
            f" where n >= {expected.readings} and last - first >= to_microseconds({expected.span})"
        )

    def rows(self) -> None:
        count = int(self.one(f"select count(*) from {self.looked_at}"))
        low, high = self.expected.low, self.expected.high
        if low is not None and count < low:
            self.fail(f"select null, null, {text(f'{count:,} rows, and at least {low:,.0f} are expected')}")
        if high is not None and count > high:
            self.fail(f"select null, null, {text(f'{count:,} rows, and at most {high:,.0f} are expected')}")

    def timed(self, series: str, *more: str, where: str = "true") -> str:
        """The rows with their series `s` and their time `t`."""
        shown = ", ".join(["_row", f"{series} as s", f"{self.moment()} as t", *more])
        return f"(select {shown} from {self.looked_at} where {where})"

    def moment(self) -> str:
        """The declared time as SQL that gives NULL where it cannot be read; raises InvalidSettings."""
        if self.expected.time.lower() in map(str.lower, self.names):
            return f"__moment({quoted(self.expected.time)})"
        found: str = self.engine.quiet_time(self.expected.time, WHERE, self.expected.table)
        return found


def stamp(name: str) -> str:
    return f"strftime(timezone('UTC', {name}), '%Y-%m-%dT%H:%MZ')"


def quoted(name: str) -> str:
    """An identifier in SQL."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """A text in SQL."""
    return "'" + value.replace("'", "''") + "'"
