"""Reference tables: the small tables beside a mapping that its SELECT joins (crosswalks, registers of stations)."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import sqlalchemy

from landbridge.errors import InvalidSettings, TooMuch, Unreachable
from landbridge.sources.contract import Declaration

ROWS = 1_000_000


def read_references(declaration: Declaration) -> dict[str, pa.Table]:
    """Read each declared table. CSV cells stay text; raises InvalidSettings, TooMuch or Unreachable."""
    tables = {}
    for name, location in declaration.tables.items():
        if not location:
            continue
        table = read_reference(name, location, declaration)
        if table.num_rows > ROWS:
            raise TooMuch(
                f"The reference table '{name}' has more than {ROWS:,} rows.",
                where=f"{declaration.name}/source.toml",
                hint="Make it a source of its own.",
            )
        tables[name] = table
    return tables


def read_reference(name: str, location: str, declaration: Declaration) -> pa.Table:
    if "://" in location:
        return read_database(name, location, declaration)
    path = declaration.folder / location
    if not path.exists():
        raise InvalidSettings(
            f"The reference table '{name}' is not there: {path}.",
            where=f"{declaration.name}/source.toml",
            hint="Mend [tables].",
        )
    if path.suffix.lower() == ".parquet":
        return pa.parquet.read_table(path)
    return read_csv(path, name, declaration)


def read_csv(path: Path, name: str, declaration: Declaration) -> pa.Table:
    """A CSV or TSV in UTF-8, every cell as text; an empty cell is NULL."""
    with path.open("rb") as file:
        header = file.readline().decode("utf-8-sig").rstrip("\r\n")
    delimiter = "\t" if path.suffix.lower() == ".tsv" else max(",;", key=header.count)
    try:
        read = pa.csv.open_csv(path, parse_options=pa.csv.ParseOptions(delimiter=delimiter)).schema.names
        return pa.csv.read_csv(
            path,
            parse_options=pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=pa.csv.ConvertOptions(
                column_types={column: pa.string() for column in read}, strings_can_be_null=True, null_values=[""]
            ),
        )
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise InvalidSettings(
            f"The reference table '{name}' cannot be read: {error}.", where=str(path), hint="Write it as CSV in UTF-8."
        ) from None


def read_database(name: str, location: str, declaration: Declaration) -> pa.Table:
    """A table of a database: `sqlite:///stations.db#stations`; a relative SQLite file lies in the source's folder."""
    address, _, table = location.rpartition("#")
    if not address:
        raise InvalidSettings(
            f"The reference table '{name}' names a database and no table.",
            where=f"{declaration.name}/source.toml",
            hint="Write  sqlite:///stations.db#stations",
        )
    try:
        url = sqlalchemy.make_url(address)
        if url.get_backend_name() == "sqlite" and url.database:
            url = url.set(database=str(declaration.folder / url.database))
        engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
        described = sqlalchemy.Table(table, sqlalchemy.MetaData(), autoload_with=engine)
        with engine.connect() as connection:
            rows = connection.execute(sqlalchemy.select(described).limit(ROWS + 1))
            columns = list(rows.keys())
            values = list(zip(*rows.fetchall(), strict=True)) or [()] * len(columns)
        engine.dispose()
    except sqlalchemy.exc.NoSuchTableError:
        raise InvalidSettings(
            f"The database of '{name}' has no table '{table}'.",
            where=f"{declaration.name}/source.toml",
            hint="Mend [tables].",
        ) from None
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise Unreachable(f"The database of the reference table '{name}' cannot be read: {error}.") from None
    return pa.table(dict(zip(columns, typed(values), strict=True)))


def typed(columns: list[tuple[object, ...]]) -> Iterator[pa.Array]:
    """Each column with the type its values have, or as text where they differ."""
    for values in columns:
        try:
            yield pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            yield pa.array([None if value is None else str(value) for value in values], pa.string())
