"""Reference tables that lie in a database: `sqlite:///stations.db#stations`."""

from collections.abc import Iterator

import pyarrow as pa
import sqlalchemy

from landbridge.errors import InvalidSettings, Unreachable
from landbridge.sources.contract import Declaration


def read_database(name: str, location: str, declaration: Declaration, most: int) -> pa.Table:
    """A table of a database, at most one row more than `most`; a relative SQLite file lies in the source's folder.

    Raises InvalidSettings or Unreachable.
    """
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
            rows = connection.execute(sqlalchemy.select(described).limit(most + 1))
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
