"""The fast road out of PostgreSQL: ADBC streams a COPY as Arrow batches, some megabytes at a time.

Types that Arrow does not have are settled in the SELECT itself: geometries become GeoJSON in WGS 84 (or WKT),
numerics doubles (or text), everything else unknown text, so that what arrives needs no second look.
"""

import contextlib
from collections.abc import Generator

import adbc_driver_manager
import pyarrow as pa
from adbc_driver_postgresql import StatementOptions, dbapi
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.engine import URL

from landbridge.errors import Invalid, LandbridgeError, Unreachable

DIALECT = PGDialect()  # type: ignore[no-untyped-call]
BATCH_BYTES = 4_000_000
CONNECT_SECONDS = "10"
GEOMETRIES = ("geometry", "geography")
LOST = ("08", "57", "53", "40")  # SQLSTATE classes: connection, operator's intervention, resources, rollback


def record_batches(
    url: URL, statement: str, *, numerics: str, geometry: str, batch_rows: int, timeout: float, where: str, order: str
) -> Generator[pa.RecordBatch, None, None]:
    """Stream a SELECT in batches of at most `batch_rows`; `timeout` seconds for the statement, 0 for no bound.

    Raises Unreachable when the server is not there or goes away, Invalid when it refuses the statement.
    """
    try:
        with contextlib.closing(dbapi.connect(libpq_address(url))) as connection, connection.cursor() as cursor:
            cursor.execute("set transaction read only")
            if timeout:
                cursor.execute(f"set local statement_timeout = {int(timeout * 1000)}")
            schema = cursor.adbc_execute_schema(statement)
            cursor.adbc_statement.set_options(**{StatementOptions.BATCH_SIZE_HINT_BYTES.value: str(BATCH_BYTES)})
            cursor.execute(settled(statement, schema, numerics, geometry) + order)
            for rows in cursor.fetch_record_batch():
                for start in range(0, rows.num_rows, batch_rows):
                    yield plain(rows.slice(start, batch_rows))
    except (adbc_driver_manager.Error, pa.ArrowException, OSError) as error:
        raise explained(error, url, where) from None


def libpq_address(url: URL) -> str:
    """The address as PostgreSQL's own library reads it, without SQLAlchemy's driver name."""
    url = url.set(drivername="postgresql")
    if "connect_timeout" not in url.query:
        url = url.update_query_dict({"connect_timeout": CONNECT_SECONDS})
    return url.render_as_string(hide_password=False)


def settled(statement: str, schema: pa.Schema, numerics: str, geometry: str) -> str:
    """The SELECT around `statement` that gives every column a type Arrow has."""
    quote = DIALECT.identifier_preparer.quote_identifier
    columns = [expression(quote(field.name), field, numerics, geometry) for field in schema]
    return f"select {', '.join(columns)} from ({statement}) wanted"  # noqa: S608  (names are quoted)


def expression(name: str, field: pa.Field, numerics: str, geometry: str) -> str:
    """One column of that SELECT."""
    kind = type_name(field)
    if kind in GEOMETRIES:
        shape = f"{name}::geometry"
        shape = f"case when st_srid({shape}) in (0, 4326) then {shape} else st_transform({shape}, 4326) end"
        return f"{'st_asgeojson' if geometry == 'geojson' else 'st_astext'}({shape}) as {name}"
    if kind == "numeric":
        return f"{name}::{'double precision' if numerics == 'double' else 'text'} as {name}"
    if kind or pa.types.is_nested(field.type):
        return f"{'to_jsonb(' + name + ')' if pa.types.is_nested(field.type) else name}::text as {name}"
    return name


def type_name(field: pa.Field) -> str:
    """PostgreSQL's name of a type that Arrow lacks, or ""."""
    if isinstance(field.type, pa.OpaqueType):
        return str(field.type.type_name)
    for key in (b"ADBC:postgresql:typname", b"ARROW:extension:metadata"):
        if field.metadata and key in field.metadata:
            return str(field.metadata[key].decode())
    return "unknown" if isinstance(field.type, pa.BaseExtensionType) else ""


def plain(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Times in nanoseconds of a day and the like as they are; extension types as what they are stored in."""
    arrays = [column.storage if isinstance(column, pa.ExtensionArray) else column for column in rows.columns]
    return pa.RecordBatch.from_arrays(arrays, names=rows.schema.names)


def explained(error: Exception, url: URL, where: str) -> LandbridgeError:
    """The driver's error as one of ours; the password never shows."""
    said = " ".join(str(error).split())[:300].rstrip(".") + "."
    if url.password:
        said = said.replace(url.password, "***")
    state = str(getattr(error, "sqlstate", None) or "")
    # While rows stream the driver hands on the server's words without the state.
    refused = not state.startswith(LOST) if state else " ERROR: " in said and "canceling" not in said
    if refused:
        return Invalid(
            f"The database refuses the query: {said}", where=where, hint="Correct `table`, `query` or `grows`."
        )
    return Unreachable(
        f"The database {url.host or ''}/{url.database or ''} does not answer, or stops half-way: {said}", where=where,
        hint="See that it runs and that the account may read; the next pull tries again.",
    )  # fmt: skip
