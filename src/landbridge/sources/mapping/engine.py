"""The locked DuckDB that runs one source's mappings, in the child process.

No file, network, extension or setting is within its reach; memory and threads are bounded, and the parent bounds time.
A failing row becomes a reject; a failing mapping an InvalidMapping with file, line, column and a source row.
"""

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa

from landbridge.errors import InvalidMapping, InvalidSettings, TooMuch
from landbridge.model.column import RowPlan
from landbridge.sources.expectation import FAILED_SCHEMA
from landbridge.sources.mapping.function import define, install
from landbridge.sources.mapping.normal import REASON, Wrapped, literal, normalise, quoted
from landbridge.sources.mapping.reject import Notebook, Notes, Noting, halve
from landbridge.sources.mapping.rewrite import Carrying, render, with_rows
from landbridge.sources.mapping.rowhash import plain_uris, with_hashes
from landbridge.sources.mapping.statement import (
    FAILED,
    Node,
    Statement,
    analyse,
    at,
    check_functions,
    parse,
    position,
    walk,
)

ROWS = 65_536  # rows of one batch that goes back
ABSENT = re.compile(r'(?:Referenced column|Column) "([^"]+)" (?:not found in FROM|referenced that exists)')
FACTOR, FLOOR = 1_000, 1_000_000  # how many rows a mapping may make of those it reads
QUIET = {"local_time": "__time_or_null", "strptime": "try_strptime"}
Out = tuple[pa.Table, list[tuple[int, str]]]


@dataclass
class Job:
    """One mapping file, ready to run."""

    path: str
    text: str
    statement: Statement
    sql: str  # the SELECT with `_row` carried
    wrapped: dict[str, Wrapped] = field(default_factory=dict)  # by the tables' columns


class Engine:
    """Runs mappings. `memory` in MiB; `spill` is a folder for what does not fit."""

    def __init__(self, *, memory: int, spill: str, time_zone: str, ambiguous: str) -> None:
        self.connection = duckdb.connect(":memory:")
        for setting in (
            "threads = 1",
            f"memory_limit = '{int(memory)}MiB'",
            f"temp_directory = {literal(spill)}",
            "TimeZone = 'UTC'",
            "errors_as_json = true",
            "python_enable_replacements = false",
            "autoinstall_known_extensions = false",
            "autoload_known_extensions = false",
            "preserve_insertion_order = true",
        ):
            self.do(f"set {setting}")
        install(self.connection, time_zone, ambiguous)
        self.notebook = Notebook()
        define(self.connection, "__note", self.notebook.note, ["VARCHAR", "BIGINT"], "BOOLEAN", side_effects=True)
        found = self.do("select function_name from duckdb_functions() where function_type = 'aggregate'")
        self.aggregates = frozenset(str(row[0]).lower() for row in found)
        self.do("set enable_external_access = false")
        self.do("set lock_configuration = true")
        self.references: frozenset[str] = frozenset({FAILED})
        self.tables: dict[str, pa.Table] = {}
        self.hiding: dict[str, str] = {}  # by table, the condition on rows that are not left out
        self.register(FAILED, FAILED_SCHEMA.empty_table())

    def register(self, name: str, table: pa.Table) -> None:
        """Make a table readable by its name, as often as a mapping wants."""
        self.tables[name] = table
        self.connection.register(name, table)

    def hide(self, names: Sequence[str], left_out: str) -> None:
        """Keep rows that `left_out`, a query of row numbers, names from the mappings that read these tables."""
        self.hiding = dict.fromkeys(names, f"_row not in ({left_out})")
        for name in names:
            self.show(name)

    def show(self, name: str, keep: str = "true") -> None:
        """Let mappings see the rows of a table that `keep`, a condition, admits and that are not hidden."""
        table = self.tables[name]
        self.do(f"drop view if exists {quoted(name)}")
        self.connection.unregister(name)
        if name not in self.hiding and keep == "true":
            self.connection.register(name, table)
            return
        self.connection.register(f"__held {name}", table)
        condition = f"{keep} and {self.hiding.get(name, 'true')}"
        self.do(f"create temp view {quoted(name)} as select * from {quoted(f'__held {name}')} where {condition}")

    def forget(self, names: Sequence[str]) -> None:
        """Let go of tables, and of what was hidden in them."""
        self.hiding = {}
        for name in names:
            self.do(f"drop view if exists {quoted(name)}")
            for held in (name, f"__held {name}"):
                self.connection.unregister(held)
            del self.tables[name]

    def do(self, sql: str) -> list[tuple[Any, ...]]:
        """Run one statement to its end."""
        rows: list[tuple[Any, ...]] = self.connection.execute(sql).fetchall()
        return rows

    def job(self, path: str, text: str, references: Sequence[str]) -> Job:
        """Check one mapping file. Raises InvalidMapping."""
        self.references = frozenset(references) | {FAILED}
        statement = analyse(self.connection, text, path, self.references, self.aggregates)
        return Job(
            path, text, statement, render(self.connection, with_rows(statement, self.references, self.aggregates))
        )

    def quiet_time(self, expression: str, where: str, table: str) -> str:
        """An expression of an expectation's `time` as SQL that is NULL where it fails; raises InvalidSettings."""
        try:
            tree = parse(self.connection, f"select {expression}\nfrom {quoted(table)}", where)
            check_functions(tree, expression, where)
            if tree["type"] != "SELECT_NODE" or len(tree["select_list"]) != 1:
                raise InvalidMapping("The time is no single expression.")
            made = parse(self.connection, "select __moment(1)", where)
            made["select_list"][0]["arguments"][0]["expression"] = quiet(tree["select_list"][0])
            sql = render(self.connection, made).removeprefix("SELECT ")
            self.do(f"explain select {sql} from {quoted(table)}")
        except (InvalidMapping, duckdb.Error) as error:
            reason = error.message if isinstance(error, InvalidMapping) else explained(error)[0]
            hint = "Name a column, or write an expression such as  local_time(Date, Hour)."
            raise InvalidSettings(f"`time` is '{expression[:80]}': {reason}", where=where, hint=hint) from None
        return sql

    def run(self, job: Job, read: int) -> Iterator[tuple[RowPlan, pa.Table, list[tuple[int, str]]]]:
        """Run a mapping over the registered tables of `read` rows; yield its rows and rejects in parts."""
        wrapped = self.wrap(job, job.sql)
        try:
            out = self.quickly(wrapped, job, read) or list(self.collect(wrapped.sql, job, read))
        except duckdb.Error as error:
            out = self.recover(job, read, error)
        for table, rejects in out:
            yield wrapped.plan, with_hashes(table, wrapped.plan), rejects

    def quickly(self, wrapped: Wrapped, job: Job, read: int) -> list[Out]:
        """Map rows one by one without a look at each URI; nothing where one of them has to be looked at."""
        if not job.statement.rowwise or job.statement.multiplies:
            return []
        out = list(self.collect(wrapped.quick, job, read))
        good = all(plain_uris(table.column(name)) for table, _ in out for name in wrapped.uris)
        return out if good else []

    def wrap(self, job: Job, sql: str) -> Wrapped:
        """The SQL with its normalising SELECT, made once for the columns that the tables have."""
        schema = sql + repr(
            [(name, self.tables[name].schema.names) for name in job.statement.tables if name in self.tables]
        )
        if schema not in job.wrapped:
            self.bind(job)
            relation = self.connection.sql(sql)
            names, types = relation.columns, [str(kind) for kind in relation.types]
            job.wrapped = {**job.wrapped, schema: normalise(sql, names, types, job.path)}
        return job.wrapped[schema]

    def bind(self, job: Job) -> None:
        """Check names and types in the text as its author wrote it, so that places are those of the file."""
        prefix = "explain "
        try:
            self.do(prefix + job.text)
        except duckdb.Error as error:
            raise self.mistake(job, error, len(prefix)) from None

    def mistake(self, job: Job, error: duckdb.Error, shift: int) -> InvalidMapping:
        """A DuckDB error as a person reads it: file, line, column, a source row."""
        message, byte = explained(error)
        where = f"{job.path}:{position(job.text, byte - shift)}" if byte is not None and byte >= shift else job.path
        if absent := ABSENT.search(message):
            return self.absent_column(job, absent[1], where)
        return InvalidMapping(message, where=where, hint="Mend the SQL there.", row=self.sample(job))

    def absent_column(self, job: Job, name: str, where: str) -> InvalidMapping:
        """A column that the mapping reads and no table has: misspelt, or the source's header has changed."""
        known = [
            column
            for table in job.statement.tables
            if table in self.tables
            for column in self.tables[table].schema.names
            if not column.startswith("_")
        ]
        if where == job.path:  # where the SELECT has an alias of this name, DuckDB names no place
            reads = (n for n in walk(job.statement.tree) if (n.get("column_names") or [None])[-1] == name)
            where = at(job.path, job.text, next(reads, None))
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
        guess = f'Did you mean "{near[0]}"? ' if near else ""
        listed = ", ".join(f'"{column}"' for column in known[:20]) + (" ..." if len(known) > 20 else "")
        return InvalidMapping(
            f'The source has no column "{name}".', where=where, hint=f"{guess}It has: {listed}.", row=self.sample(job)
        )

    def sample(self, job: Job) -> dict[str, object] | None:
        for name in job.statement.tables:
            if name in self.tables and self.tables[name].num_rows:
                row: dict[str, object] = self.tables[name].slice(0, 1).to_pylist()[0]
                return row
        return None

    def collect(self, sql: str, job: Job, read: int) -> Iterator[Out]:
        """Run to the end, so that a failure comes before the first row leaves; spills what is large."""
        bound = FACTOR * read + FLOOR
        if job.statement.rowwise and not job.statement.multiplies:
            yield split(self.connection.sql(sql).to_arrow_table())
            return
        self.do("drop table if exists __out")
        self.do(f"create temp table __out as select * from ({sql}) limit {bound + 1}")
        counted = self.do("select count(*) from __out")
        if counted[0][0] > bound:
            raise TooMuch(
                f"The mapping makes more than {bound:,} rows of {read:,}.",
                where=job.path,
                hint="Does a join lack its key?",
            )
        reader = self.connection.sql("select * from __out").to_arrow_reader(ROWS)
        empty = True
        for batch in reader:
            empty = False
            yield split(pa.Table.from_batches([batch]))
        if empty:
            yield split(reader.schema.empty_table())

    def recover(self, job: Job, read: int, error: duckdb.Error) -> list[Out]:
        """Find the rows that fail, set them aside and map the others."""
        if isinstance(error, duckdb.OutOfMemoryException):
            raise out_of_memory(job.path) from None
        if not is_data_error(error):
            raise self.mistake(job, error, 10**9)
        names = [name for name in job.statement.tables if name in self.tables]
        held = {name: self.tables[name] for name in names}
        notes = self.noted(job, read)
        try:
            for _ in range(3):
                self.only(held, bad=list(notes))
                try:
                    out = list(self.collect(self.wrap(job, job.sql).sql, job, read))
                    return [*out, (out[0][0].slice(0, 0), sorted(notes.items()))]
                except duckdb.Error as again:
                    error = again
                    if not self.halved(job, held, notes):
                        break
            raise self.located(job, held, notes, error)
        finally:
            for name in held:
                self.show(name)

    def noted(self, job: Job, read: int) -> Notes:
        """Run the mapping with noting casts; the rows that noted a failure, with their reasons."""
        carrying = Carrying(self.references, self.aggregates)
        noting = Noting(carrying, self.parsed)
        self.notebook.take()
        try:
            tree = noting.rewrite(with_rows(job.statement, self.references, self.aggregates))
            sql = render(self.connection, tree)
            bound = FACTOR * read + FLOOR
            for _ in self.connection.sql(f"select * from ({sql}) limit {bound}").to_arrow_reader(ROWS):
                pass
        except duckdb.Error:
            pass  # what it noted before it failed counts; the rest is found by halving
        return self.notebook.take()

    def parsed(self, text: str) -> Node:
        return parse(self.connection, text, "template")

    def only(self, held: dict[str, pa.Table], bad: list[int] | None = None, part: list[int] | None = None) -> None:
        """Show the mapping only some rows of its tables: all but `bad`, or `part`."""
        keep = "not in" if part is None else "in"
        self.connection.register("__rows", pa.table({"row": pa.array(bad if part is None else part, pa.int64())}))
        for name in held:
            self.show(name, f"_row {keep} (select row from __rows)")

    def halved(self, job: Job, held: dict[str, pa.Table], notes: Notes) -> bool:
        """Find failing rows by running the mapping over ever smaller parts; whether any more was found."""
        rows = [row for table in held.values() for row in table.column("_row").to_pylist() if row not in notes]
        found: Notes = {}

        def fails(part: list[int]) -> str | None:
            self.only(held, part=part)
            try:
                for _ in self.collect(self.wrap(job, job.sql).sql, job, len(part)):
                    pass
            except duckdb.Error as error:
                return explained(error)[0]
            return None

        complete = halve(rows, fails, found)
        notes.update(found)
        return complete and bool(found)

    def located(self, job: Job, held: dict[str, pa.Table], notes: Notes, error: duckdb.Error) -> InvalidMapping:
        """The failure of a whole mapping, with its place in the file."""
        self.only(held, bad=list(notes))
        prefix = "create temp table __probe as "
        try:
            self.do(prefix + job.text)
            self.do("drop table __probe")
        except duckdb.Error as again:
            return self.mistake(job, again, len(prefix))
        return self.mistake(job, error, 10**9)


def out_of_memory(where: str) -> TooMuch:
    return TooMuch(
        "The mapping needs more memory than `memory` in source.toml allows.", where=where, hint="Raise it or join less."
    )


def quiet(node: Any) -> Any:
    """An expression's tree in which what can fail for a row gives NULL instead."""
    if isinstance(node, list):
        return [quiet(part) for part in node]
    if not isinstance(node, dict):
        return node
    made = {key: quiet(value) for key, value in node.items()}
    if made.get("class") == "CAST":
        made["try_cast"] = True
    other = QUIET.get(str(made.get("function_name", "")).lower())
    return {**made, "function_name": other, "qualified_name": {"path": [other]}} if other else made


def is_data_error(error: duckdb.Error) -> bool:
    """Whether rows may be at fault, not the mapping or the bounds."""
    return isinstance(error, duckdb.ConversionException | duckdb.InvalidInputException | duckdb.OutOfRangeException)


def explained(error: duckdb.Error) -> tuple[str, int | None]:
    """The sentence and the byte that DuckDB's error names."""
    text = str(error)
    start = text.find("{")
    try:
        told: dict[str, Any] = json.loads(text[start:]) if start >= 0 else {}
    except json.JSONDecodeError:
        told = {}
    message = " ".join(str(told.get("exception_message") or text).split())
    message = re.sub(r"\s*LINE \d+:.*", "", message)
    place = told.get("position")
    return message.rstrip(".") + ".", int(place) if place is not None else None


def split(table: pa.Table) -> Out:
    """Part the rows from those with a reason against them."""
    reasons = table.column(REASON)
    rows = table.drop_columns([REASON])
    if reasons.null_count == len(reasons):
        return rows, []
    bad = reasons.is_valid()
    numbers = rows.column("_row").filter(bad).fill_null(-1).to_pylist()
    rejects = list(zip(numbers, reasons.filter(bad).to_pylist(), strict=True))
    return rows.filter(reasons.is_null()), rejects
