"""Databases by SQLAlchemy address (kind `sql`): a table or a query, whole or from where the last pull stopped.

PostgreSQL is read over ADBC, which streams Arrow batches out of COPY; every other database through SQLAlchemy
with a cursor on the server, a bounded number of rows at a time. Nothing is ever written: SQLite is opened
read-only, and PostgreSQL and MariaDB in a read-only transaction.
"""

import contextlib
import datetime
import sqlite3
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy
from sqlalchemy.engine import URL, Connection, Dialect, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, NoSuchModuleError, OperationalError

from landbridge.errors import Invalid, InvalidSettings, LandbridgeError, Unreachable
from landbridge.model.instant import parse_duration
from landbridge.sources import postgresql
from landbridge.sources.contract import Batch, Cursor, Declaration, Source
from landbridge.sources.record_table import RecordTable, declared_columns
from landbridge.sources.secret import fill

BATCH_ROWS = 20_000
CONNECT_SECONDS = 10
SILENT_SECONDS = 300
OPTIONS: dict[str, str] = {
    "address": "the database's address as SQLAlchemy writes it, such as `postgresql://reader:${DB_PASSWORD}@host/city`",
    "table": "the table or view that is read, such as `permits` or `office.permits`",
    "query": "a SELECT in the database's own SQL, in place of `table`",
    "grows": "a column that only grows (a number or a time): each pull reads on from the greatest value of the last",
    "overlap": "with `grows`: how far before that value it reads again, a number or a duration such as `PT1H`",
    "batch_rows": "rows that are fetched at once; default 20000",
    "numerics": "what NUMERIC and DECIMAL become: double (default) or text, which keeps every digit",
    "geometry": "how a column of geometry is read: geojson (default) or wkt",
    "columns": "columns whose kind is fixed: name to text, double, integer, boolean or json",
    "timeout_seconds": "how long the database may work at the query; default: as long as it likes",
}
Bound = int | float | str
SQLITE = "Write sqlite:///permits.db beside source.toml, or with four slashes a full path: sqlite:////data/permits.db."


@dataclass(frozen=True)
class Wanted:
    """What a source.toml asks of a database."""

    where: str
    url: URL
    table: str | None
    query: str | None
    grows: str | None
    overlap: int | float | str | None
    batch_rows: int
    numerics: str
    geometry: str
    columns: dict[str, pa.DataType]
    timeout: float


def open_source(declaration: Declaration) -> Source:
    """Open a database's table or query; raises InvalidSettings. Nothing is connected yet."""
    return DatabaseSource(read_options(declaration))


def read_options(declaration: Declaration) -> Wanted:
    """Read the options of the kind; raises InvalidSettings."""
    options, where = declaration.options, f"{declaration.name}/source.toml"
    if bool(options.get("table")) == bool(options.get("query")):
        raise InvalidSettings("A database needs either `table` or `query`.", where=where)
    if not isinstance(options.get("address"), str):
        raise InvalidSettings(
            "The database has no `address`.", where=where,
            hint='Write one like "postgresql://reader:${DB_PASSWORD}@host/city".',
        )  # fmt: skip
    for name, allowed in (("numerics", ("double", "text")), ("geometry", ("geojson", "wkt"))):
        if options.get(name, allowed[0]) not in allowed:
            raise InvalidSettings(f"`{name}` is neither {' nor '.join(allowed)}.", where=where)
    if options.get("overlap") is not None and not options.get("grows"):
        raise InvalidSettings("`overlap` needs `grows`.", where=where)
    batch_rows = options.get("batch_rows", BATCH_ROWS)
    if not isinstance(batch_rows, int) or not 1 <= batch_rows <= 1_000_000:
        raise InvalidSettings("`batch_rows` is no whole number from 1 to 1000000.", where=where)
    return Wanted(
        where, address(options["address"], declaration.folder, where), options.get("table"), options.get("query"),
        options.get("grows"), options.get("overlap"), batch_rows, options.get("numerics", "double"),
        options.get("geometry", "geojson"), declared_columns(options.get("columns", {}), where),
        float(options.get("timeout_seconds", 0)),
    )  # fmt: skip


def address(text: str, folder: Path, where: str) -> URL:
    """The address with the environment's secrets; a SQLite file's path counts from the source's folder."""
    try:
        url = make_url(text)
    except ArgumentError:
        raise InvalidSettings(
            "`address` is no database address.", where=where,
            hint='Write one like "postgresql://reader:${DB_PASSWORD}@host/city" or "sqlite:///permits.db".',
        ) from None  # fmt: skip

    # Secrets are filled into the parsed parts, so that a password may hold '@', ':' or '/'.
    def filled(value: str | None) -> str | None:
        return value if value is None else fill(value, where=where)

    url = url.set(
        username=filled(url.username),
        password=filled(url.password),
        host=filled(url.host),
        database=filled(url.database),
    )
    if url.get_backend_name() == "sqlite":
        if url.host or not url.database:
            raise InvalidSettings(f"'{text[:80]}' is no address of an SQLite file.", where=where, hint=SQLITE)
        url = url.set(database=str((folder / url.database).resolve()))
    return url


class DatabaseSource:
    """One table or query of a database."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.manner = "incremental" if wanted.grows else "whole"
        self.stopped = threading.Event()
        try:
            self.dialect: Dialect = wanted.url.get_dialect()()
        except (NoSuchModuleError, ModuleNotFoundError) as error:
            raise InvalidSettings(
                f"The driver of '{wanted.url.drivername}' is not installed: {error}.", where=wanted.where
            ) from None

    def stop(self) -> None:
        """End `batches` after the batch at hand."""
        self.stopped.set()

    def batches(self, cursor: Cursor | None) -> Iterator[Batch]:
        """Yield the rows, or those past the cursor; see `Source.batches`."""
        self.stopped.clear()
        statement = self.statement(cursor)
        before: pa.RecordBatch | None = None
        place, done = self.wanted.table or "query", 0
        with contextlib.closing(self.record_batches(statement)) as found:
            try:
                for rows in found:
                    if before is not None:
                        yield self.batch(before, place, closed=False)
                        done += before.num_rows
                    before = rows if rows.num_rows else before
                    if self.stopped.is_set():
                        break
            except LandbridgeError as error:
                if isinstance(error, Unreachable) and done + (before.num_rows if before is not None else 0):
                    error.message = f"{error.message.rstrip('.')}, after {done + before.num_rows} rows."  # type: ignore[union-attr]
                raise
        if before is not None:
            yield self.batch(before, place, closed=not self.stopped.is_set())

    def batch(self, rows: pa.RecordBatch, place: str, *, closed: bool) -> Batch:
        """A batch with the cursor behind it; an unclosed one may be followed by rows of the same `grows`."""
        after = None
        if self.wanted.grows:
            name = matching(rows.schema.names, self.wanted.grows, self.wanted.where)
            last = pc.max(rows.column(name)).as_py() if rows.num_rows else None
            if rows.column(name).null_count:
                raise Invalid(
                    f"The growing column '{name}' has empty cells.", where=self.wanted.where,
                    hint="Choose a column that is never NULL.",
                )  # fmt: skip
            after = {"after": bound(last, name, self.wanted.where), "closed": closed}
        return Batch(rows=rows, origin=place, unit="row", cursor=after)

    def record_batches(self, statement: str) -> Generator[pa.RecordBatch, None, None]:
        if self.wanted.url.get_backend_name() == "postgresql":
            return postgresql.record_batches(
                self.wanted.url, statement, numerics=self.wanted.numerics, geometry=self.wanted.geometry,
                batch_rows=self.wanted.batch_rows, timeout=self.wanted.timeout, where=self.wanted.where,
                order=self.order(),
            )  # fmt: skip
        return read_rows(self.wanted, statement + self.order())

    def statement(self, cursor: Cursor | None) -> str:
        """The SELECT, narrowed to what is past the cursor; identifiers quoted, the bound a checked literal."""
        quote = self.dialect.identifier_preparer.quote_identifier
        if self.wanted.table:
            source = ".".join(quote(part) for part in self.wanted.table.split("."))
        else:
            source = f"({str(self.wanted.query).strip().rstrip(';')}) {quote('wanted')}"
        text = f"select * from {source}"  # noqa: S608  (the query is the steward's own)
        if not self.wanted.grows or not cursor:
            return text
        low, closed = lowered(cursor, self.wanted)
        return f"{text} where {quote(self.wanted.grows)} {'>' if closed else '>='} {literal(low)}"

    def order(self) -> str:
        if not self.wanted.grows:
            return ""
        return f" order by {self.dialect.identifier_preparer.quote_identifier(self.wanted.grows)}"


def matching(names: list[str], wanted: str, where: str) -> str:
    """The column called `wanted`, whatever its case; raises Invalid."""
    for name in (*(n for n in names if n == wanted), *(n for n in names if n.lower() == wanted.lower())):
        return name
    raise Invalid(f"There is no column '{wanted}' to grow by; there is: {', '.join(names)[:200]}.", where=where)


def bound(value: object, name: str, where: str) -> Bound:
    """A last value as JSON keeps it; raises Invalid for a kind that has no order."""
    if isinstance(value, datetime.datetime | datetime.date):
        if isinstance(value, datetime.datetime) and value.tzinfo:
            return value.astimezone(datetime.UTC).isoformat(sep=" ")
        return value.isoformat(sep=" ") if isinstance(value, datetime.datetime) else value.isoformat()
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        return value
    raise Invalid(f"The column '{name}' cannot grow: it holds {type(value).__name__}.", where=where)


def lowered(cursor: Cursor, wanted: Wanted) -> tuple[Bound, bool]:
    """Where to read on: the cursor less the declared overlap, and whether that value itself is left out."""
    last: Bound = cursor["after"]
    if wanted.overlap is None:
        return last, bool(cursor.get("closed"))
    if isinstance(last, str):
        with contextlib.suppress(ValueError):
            moment = datetime.datetime.fromisoformat(last)
            return (moment - datetime.timedelta(microseconds=parse_duration(str(wanted.overlap)))).isoformat(" "), False
        raise InvalidSettings(f"`overlap` has no meaning for '{last[:40]}'.", where=wanted.where)
    if not isinstance(wanted.overlap, int | float):
        raise InvalidSettings(f"`overlap` is no number, as '{wanted.grows}' is.", where=wanted.where)
    return last - wanted.overlap, False


def literal(value: Bound) -> str:
    """A value as an SQL literal. COPY takes no parameters, so the few kinds a cursor can hold are written here."""
    if not isinstance(value, str):
        return repr(float(value) if isinstance(value, float) else int(value))
    if "\\" in value or "\0" in value:  # the one character whose meaning differs between databases
        raise Invalid(f"The growing column's value '{value[:40]}' cannot be written in SQL.")
    return "'" + value.replace("'", "''") + "'"


def engine(wanted: Wanted) -> Engine:
    """SQLAlchemy's engine; one connection, SQLite read-only."""
    if wanted.url.get_backend_name() == "sqlite":
        path = Path(wanted.url.database or "")
        if not path.is_file():
            raise Unreachable(f"There is no database file '{path}'.", where=wanted.where, hint=SQLITE)
        return sqlalchemy.create_engine(
            "sqlite://", poolclass=sqlalchemy.pool.NullPool,
            creator=lambda: sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, check_same_thread=False),
        )  # fmt: skip
    settings: dict[str, Any] = {}
    if wanted.url.get_driver_name() == "pymysql":
        settings = {"connect_timeout": CONNECT_SECONDS, "read_timeout": wanted.timeout or SILENT_SECONDS}
    return sqlalchemy.create_engine(wanted.url, poolclass=sqlalchemy.pool.NullPool, connect_args=settings)


def read_rows(wanted: Wanted, statement: str) -> Generator[pa.RecordBatch, None, None]:
    """Stream a SELECT through SQLAlchemy as Arrow batches; raises Unreachable and Invalid."""
    table = RecordTable(wanted.columns, wanted.numerics)
    cursor: object = None
    try:
        with engine(wanted).connect() as connection:
            read_only(connection)
            # Without `no_parameters` some drivers read a bare % in the steward's query as a place for one.
            streamed = connection.execution_options(
                stream_results=True, max_row_buffer=wanted.batch_rows, no_parameters=True
            )
            result = streamed.exec_driver_sql(statement)
            cursor, names = result.cursor, list(result.keys())
            for rows in result.partitions(wanted.batch_rows):
                columns = list(zip(*rows, strict=True))
                arrays = [table.array(name, list(values)) for name, values in zip(names, columns, strict=True)]
                yield pa.RecordBatch.from_arrays(arrays, names=names)
    except DBAPIError as error:
        forget(cursor)
        raise explained(error, wanted) from None


def forget(cursor: object) -> None:
    """Keep PyMySQL from reading the rest of a lost connection when its cursor is collected."""
    unread = getattr(cursor, "_result", None)
    if unread is not None:
        unread.unbuffered_active = False


def read_only(connection: Connection) -> None:
    """Make the transaction refuse writes where the database can."""
    if connection.dialect.name in ("mysql", "mariadb"):
        connection.exec_driver_sql("set session transaction read only")
        connection.commit()


def explained(error: DBAPIError, wanted: Wanted) -> LandbridgeError:
    """A driver's error as one of ours, without the statement or the address."""
    said = " ".join(str(error.orig).split())[:300].rstrip(".") + "."
    name = wanted.url.render_as_string(hide_password=True).split("?")[0]
    gone = error.connection_invalidated or isinstance(error, InterfaceError)
    missing = isinstance(error.orig, sqlite3.OperationalError) and ("no such" in said or "syntax" in said)
    if gone or (isinstance(error, OperationalError) and not missing):
        return Unreachable(
            f"The database {name} does not answer as it should: {said}", where=wanted.where,
            hint="See that it runs and that the account may read; the next pull tries again.",
        )  # fmt: skip
    return Invalid(
        f"The database refuses the query: {said}", where=wanted.where, hint="Correct `table`, `query` or `grows`."
    )
