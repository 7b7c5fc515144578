"""Reference tables: the small tables beside a mapping that its SELECT joins (crosswalks, registers of stations)."""

import importlib
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from landbridge.errors import InvalidSettings, TooMuch
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
        # loaded by name: most mappings join no database, and its library is large
        reader = importlib.import_module("landbridge.sources.mapping.reference_database")
        return cast(pa.Table, reader.read_database(name, location, declaration, ROWS))
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
