"""What kind of source a file or an address is: by its scheme, its name, and its first bytes."""

import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
import sqlalchemy

from landbridge.errors import Invalid, Missing, Unreachable

SQL = ("postgresql", "postgres", "mysql", "mariadb", "sqlite", "oracle", "mssql")
ENDINGS = {
    ".csv": "csv", ".tsv": "csv", ".tab": "csv", ".txt": "csv", ".xlsx": "spreadsheet", ".xls": "spreadsheet",
    ".xlsm": "spreadsheet", ".xlsb": "spreadsheet", ".ods": "spreadsheet", ".json": "json", ".jsonl": "json",
    ".ndjson": "json", ".geojson": "geojson", ".geojsonl": "geojson", ".parquet": "parquet", ".pq": "parquet",
    ".pb": "gtfs-realtime", ".pbf": "gtfs-realtime", ".jsonld": "ngsild", ".db": "sql", ".sqlite": "sql",
    ".sqlite3": "sql", ".zip": "gtfs",
}  # fmt: skip
HEAD = 262_144  # bytes that are looked at
SECONDS = 20.0
ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://|sqlite:", re.I)
SQLITE = "Write sqlite:///permits.db, or with four slashes a full path: sqlite:////data/permits.db."


@dataclass(frozen=True)
class Guess:
    """A kind with the options that reach the data. `file`: what lies on this machine, to be copied."""

    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    file: Path | None = None


def guess_kind(place: str, table: str | None) -> Guess:
    """Look at a file or an address. Raises Missing, Unreachable or Invalid."""
    if ADDRESS.match(place):
        return guess_address(place, table)
    path = Path(place)
    if path.is_dir():
        raise Invalid(f"'{place}' is a folder.", hint="Give a file, or a glob such as 'data/*.csv' in quotes.")
    if any(mark in place for mark in "*?["):
        found = sorted(path.parent.glob(path.name))
        if not found:
            raise Missing(f"No file is at '{place}'.", hint="Correct the glob.")
        return Guess(kind_of_file(found[0]), {"location": str(path.parent.resolve() / path.name)})
    if not path.is_file():
        raise Missing(f"There is no file '{place}'.", hint="Give a file, a glob in quotes, or an address.")
    kind = kind_of_file(path)
    if kind == "sql":
        address = f"sqlite:///{path.name}"
        return Guess(kind, {"address": address, "table": table or only_table(f"sqlite:///{path.resolve()}")}, path)
    with path.open("rb") as file:
        more = json_options(file.read(HEAD)) if kind == "json" else {}
    return Guess(kind, {"location": path.name, **more}, path)


def kind_of_file(path: Path) -> str:
    """The kind of a file: by its first bytes where they tell, else by its name."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    if head.startswith(b"PK\x03\x04"):
        return kind_of_zip(path)
    if head.startswith(b"SQLite format 3\0"):
        return "sql"
    if head.startswith(b"PAR1"):
        return "parquet"
    return kind_of_text(head, ENDINGS.get(path.suffix.lower(), ""))


def kind_of_zip(path: Path) -> str:
    """A workbook or a timetable; raises Invalid for another zip."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, OSError) as error:
        raise Invalid(f"The zip cannot be read: {error}.", where=str(path), hint="Fetch it again.") from None
    if "stops.txt" in {name.rpartition("/")[2] for name in names}:
        return "gtfs"
    if "content.xml" in names or any(name.startswith("xl/") for name in names):
        return "spreadsheet"
    raise Invalid(
        "The zip is neither a workbook nor a GTFS timetable.", where=str(path), hint="Unpack it and give a file of it."
    )


def kind_of_text(head: bytes, by_name: str) -> str:
    """The kind of a text by its beginning; `by_name` where that says nothing."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:HEAD]
    if not start.startswith((b"{", b"[")):
        return by_name if by_name not in ("", "json", "geojson", "ngsild") else "csv"
    if re.search(rb'"type"\s*:\s*"(FeatureCollection|Feature)"', start):
        return "geojson"
    if b'"@context"' in start or (b'"urn:ngsi-ld:' in start and b'"Property"' in start):
        return "ngsild"
    return "json"


def json_options(head: bytes) -> dict[str, Any]:
    """Where the records of a JSON document are: the first list of objects, at most two steps down."""
    try:
        document = orjson.loads(head)
    except ValueError:
        found = re.match(rb'\s*\{\s*"([\w-]+)"\s*:\s*\[\s*\{', head)
        return {"path": found.group(1).decode()} if found else {}
    return {"path": ".".join(path)} if (path := records_path(document)) else {}


def records_path(document: Any, depth: int = 2) -> list[str]:
    """The keys that lead to the longest list of objects; none where the document is it."""
    best: tuple[int, list[str]] = (0, [])
    if isinstance(document, dict):
        for name, value in document.items():
            if isinstance(value, list) and value and isinstance(value[0], dict) and len(value) > best[0]:
                best = (len(value), [name])
            elif isinstance(value, dict) and depth and (deeper := records_path(value, depth - 1)):
                best = max(best, (1, [name, *deeper]), key=lambda pair: pair[0])
    return best[1]


def guess_address(place: str, table: str | None) -> Guess:
    """An address by its scheme; behind http(s) what answers decides."""
    scheme = place.partition(":")[0].lower()
    if scheme == "sqlite":
        return guess_sqlite(place, table)
    if scheme.partition("+")[0] in SQL:
        return Guess("sql", {"address": place, "table": table or only_table(place)})
    if scheme in ("mqtt", "mqtts"):
        url = urlsplit(place)
        topic = url.path.lstrip("/") + (f"#{url.fragment}" if "#" in place else "")
        return Guess("mqtt", {"address": f"{scheme}://{url.netloc}", "topics": [topic or "#"]})
    if scheme in ("http", "https"):
        return guess_http(place)
    raise Invalid(f"'{scheme}://' is no address that a source has.", hint="Use http(s), mqtt(s) or a database's.")


def guess_sqlite(place: str, table: str | None) -> Guess:
    """An SQLite file by its address, a table after `#`; a relative path counts from where the command is typed."""
    address, _, named = place.partition("#")
    if not address.startswith("sqlite:///") or address == "sqlite:///":
        raise Invalid(f"'{place}' is no address of an SQLite file.", hint=SQLITE)
    path = Path(address.removeprefix("sqlite:///"))
    if not path.is_file():
        raise Missing(f"There is no database file '{path}'.", where=str(path.resolve()), hint=SQLITE)
    full = f"sqlite:///{path.resolve()}"
    return Guess("sql", {"address": full, "table": table or named or only_table(full)})


def guess_http(address: str) -> Guess:
    """Ask an address for its first bytes and see what they are."""
    head, kind = b"", ""
    try:
        with (
            httpx.Client(timeout=SECONDS, follow_redirects=True) as client,
            client.stream("GET", address) as answer,
        ):
            if answer.status_code != httpx.codes.OK:
                raise Unreachable(
                    f"The address answers {answer.status_code} {answer.reason_phrase}.",
                    where=address,
                    hint="Open it in a browser: is it right, and does it ask for a token?",
                )
            kind = answer.headers.get("content-type", "")
            for piece in answer.iter_bytes():
                head += piece
                if len(head) >= HEAD:
                    break
    except httpx.HTTPError as error:
        raise Unreachable(f"The address cannot be reached: {error}.", where=address, hint="Check it.") from None
    if "text/html" in kind:
        raise Unreachable("The address answers with a web page.", where=address, hint="Find the data's own address.")
    by_name = ENDINGS.get(Path(urlsplit(address).path).suffix.lower(), "")
    if head.startswith((b"PK\x03\x04", b"PAR1")):
        return Guess("parquet" if head.startswith(b"PAR1") else by_name or "spreadsheet", {"location": address})
    found = kind_of_text(head, "csv" if "csv" in kind else by_name)
    if found == "json" and by_name != "json":
        return Guess("http", {"address": address, **json_options(head)})
    return Guess(found, {"location": address, **(json_options(head) if found == "json" else {})})


def only_table(address: str) -> str:
    """The one table or view of a database; raises Invalid that lists them where there are several."""
    filled = re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", address)
    filled = re.sub(r"^(mysql|mariadb)://", "mysql+pymysql://", filled)
    try:
        engine = sqlalchemy.create_engine(filled)
        try:
            inspector = sqlalchemy.inspect(engine)
            names = sorted([*inspector.get_table_names(), *inspector.get_view_names()])
        finally:
            engine.dispose()
    except (sqlalchemy.exc.SQLAlchemyError, ImportError, ValueError) as error:
        raise Unreachable(f"The database cannot be read: {str(error)[:200]}.", hint="Check the address.") from None
    if len(names) == 1:
        return str(names[0])
    if not names:
        raise Invalid("The database has no table.", hint="Is it the right one, and may its account read?")
    raise Invalid(
        f"The database has {len(names)} tables.", hint=f"Name one with --table: {', '.join(map(str, names[:40]))}."
    )
