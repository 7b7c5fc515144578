"""HTTP APIs: JSON, JSON Lines or CSV at an http(s) address, page by page, whole or from where the last pull stopped.

All pages are fetched to disk first, within bounds of size, time and number, so that an API that breaks off half-way
changes nothing. What the address says of its answer's age (ETag, Last-Modified) is kept and asked with; where it says
nothing, or there are pages, a digest of what came tells that nothing changed. With `since_parameter` each pull asks
for what is new: the greatest value of `since_field` is kept and sent as that parameter.
"""

import datetime
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa

from landbridge.errors import Invalid, InvalidSettings
from landbridge.sources import csv, csv_layout, http_body, http_page, location
from landbridge.sources.contract import Batch, Cursor, Declaration, Source
from landbridge.sources.csv_layout import read_form
from landbridge.sources.declaration import Keys
from landbridge.sources.http_body import Body, read_body
from landbridge.sources.http_fetch import Answer, Bounds, Fetcher
from landbridge.sources.http_page import Paging, read_paging
from landbridge.sources.http_record import Newest, Page, page_digest
from landbridge.sources.location import CONDITIONS, MEGABYTE, File, is_address
from landbridge.sources.record_table import RecordTable, declared_columns
from landbridge.sources.secret import fill

OPTIONS: dict[str, str] = {
    "address": "the http(s) address; `${NAME}` stands for a variable of the environment",
    "headers": "headers of each request, such as `Authorization`; `${NAME}` stands for a variable of the environment",
    "parameters": "parameters of the query, added to those of the address; `${NAME}` as above",
    **http_body.OPTIONS,
    "format": "json (default), jsonl or csv",
    "path": "where the records are in the JSON document, such as `data.stations`; default: the document",
    "columns": "columns whose kind is fixed: name to text, double, integer, boolean or json",
    **http_page.OPTIONS,
    "hosts": "other hosts that the next page or a redirect may lead to, with the headers",
    "since_parameter": "the parameter that asks for what is new; each pull is then an increment",
    "since_field": "where a record has the value that `since_parameter` is given, such as `updated_at`",
    "since_start": "the value of the first pull; default: the parameter is left out",
    **csv_layout.OPTIONS,
    **{name: location.OPTIONS[name] for name in ("max_megabytes", "max_seconds", "stall_seconds")},
    "tries": "how often a busy address (429, 500, 502, 503, 504) is asked before the pull gives up; default 4",
    "wait_seconds": "longest pause that a busy address may ask for by `Retry-After`; default 60",
}


@dataclass(frozen=True)
class Wanted:
    """What a source.toml asks of an API. `address` is as declared, for people."""

    address: str
    url: httpx.URL
    headers: Mapping[str, str]
    format: str
    path: tuple[str, ...]
    columns: Mapping[str, pa.DataType]
    hosts: frozenset[str]
    since: tuple[str, str, Any] | None  # parameter, field, start
    paging: Paging
    bounds: Bounds
    body: Body


@dataclass
class Fetched:
    """What a pull has on disk: its pages, a digest of them, and what the address says of their age."""

    pages: list[Path] = field(default_factory=list)
    digest: str = ""
    marks: dict[str, str] = field(default_factory=dict)
    unchanged: bool = False


def open_source(declaration: Declaration) -> Source:
    """Open an API; raises InvalidSettings. Nothing is asked yet."""
    wanted = read_options(declaration)
    reader = csv.Reader(read_form(declaration), keeps=not declaration.never_store)
    return HttpSource(wanted, reader)


def read_options(declaration: Declaration) -> Wanted:
    """Read the options of the kind; raises InvalidSettings."""
    where = f"{declaration.name}/source.toml"
    keys = Keys(declaration.options, where)
    address, path = keys.text("address", ""), keys.text("path", "")
    if not is_address(address):
        raise InvalidSettings("`address` is no http(s) address.", where=where, hint='Write address = "https://...".')
    secret = {name: filled(keys, name, where) for name in ("headers", "parameters")}
    try:
        url = httpx.URL(fill(address, where=where))
        url = url.copy_merge_params(secret["parameters"]) if secret["parameters"] else url
        httpx.Headers(secret["headers"])
    except (httpx.InvalidURL, ValueError) as error:
        raise InvalidSettings(f"`address` or `headers` cannot be sent: {type(error).__name__}.", where=where) from None
    if not url.host:
        raise InvalidSettings("`address` names no host.", where=where)
    since, paging = read_since(keys), read_paging(keys)
    return Wanted(
        address.split("?")[0], url, secret["headers"], keys.choice("format", ("json", "jsonl", "csv")),
        tuple(path.split(".")) if path else (), declared_columns(declaration.options.get("columns", {}), where),
        frozenset(keys.texts("hosts")), since, paging,
        Bounds(
            int(keys.number("max_megabytes", 8192, 0.001, 1_048_576) * MEGABYTE),
            keys.number("max_seconds", 600.0, 0.01, 86_400), keys.number("stall_seconds", 30.0, 0.01, 3_600),
            keys.whole("tries", 4, 1, 20) or 1, keys.number("wait_seconds", 60.0, 0, 86_400),
        ),
        read_body(keys, inside(paging, since)),
    )  # fmt: skip


def inside(paging: Paging, since: tuple[str, str, Any] | None) -> dict[str, bool]:
    """The parameters that a body has in place of the address, and whether each is a number."""
    found = {paging.page_parameter: paging.kind != "cursor"} if paging.kind in ("page", "offset", "cursor") else {}
    found |= {paging.size_parameter: True} if paging.size_parameter else {}
    return found | ({since[0]: False} if since else {})


def filled(keys: Keys, name: str, where: str) -> dict[str, str]:
    """A table of texts with the environment's secrets; raises InvalidSettings."""
    declared = keys.of(name, {}, lambda value: isinstance(value, dict), "a table")
    return {key: fill(str(value), where=where) for key, value in declared.items()}


def read_since(keys: Keys) -> tuple[str, str, Any] | None:
    parameter, where_from = keys.text("since_parameter", ""), keys.text("since_field", "")
    if bool(parameter) != bool(where_from):
        raise InvalidSettings("`since_parameter` and `since_field` need each other.", where=keys.where)
    return (parameter, where_from, keys.keys.get("since_start")) if parameter else None


class HttpSource:
    """One API."""

    def __init__(self, wanted: Wanted, reader: csv.Reader) -> None:
        self.wanted = wanted
        self.reader = reader
        self.manner = "incremental" if wanted.since else "whole"
        self.notes: list[str] = []
        self.ended = threading.Event()

    def stop(self) -> None:
        """End `batches` soon."""
        self.ended.set()

    def batches(self, cursor: Cursor | None) -> Iterator[Batch]:
        """Yield the records; nothing where nothing changed. See `Source.batches`."""
        self.notes.clear()
        self.ended.clear()
        cursor = cursor or {}
        with tempfile.TemporaryDirectory(prefix="landbridge-") as folder:
            fetched = self.fetch(Path(folder), cursor)
            if fetched.unchanged:
                return
            held: Batch | None = None
            newest = Newest(self.wanted.since, cursor.get("since"))
            for batch in self.rows(fetched, newest):
                if held is not None:
                    yield held
                if self.ended.is_set():
                    return
                held = batch
            if held is not None:
                yield replace(held, cursor=self.cursor(fetched, newest))

    def cursor(self, fetched: Fetched, newest: Newest) -> Cursor:
        if self.wanted.since:
            return {"since": newest.value}
        return {"digest": fetched.digest, "marks": fetched.marks}

    # --- fetching --------------------------------------------------------------------------------------------

    def fetch(self, folder: Path, cursor: Cursor) -> Fetched:
        """Fetch every page to disk."""
        wanted, paging = self.wanted, self.wanted.paging
        fetcher = Fetcher(
            wanted.address, wanted.url, wanted.hosts, wanted.headers, wanted.bounds, self.ended, wanted.body
        )
        fetched, digest, seen = Fetched(), blake2b(digest_size=16), set[str]()
        url: httpx.URL | None = paging.first(self.since_url(cursor))
        with fetcher.client:
            while url is not None:
                self.check_page(len(fetched.pages), str(url), seen)
                conditions = self.conditions(cursor) if not fetched.pages else {}
                answer = fetcher.get(url, folder / f"{len(fetched.pages)}", conditions)
                if answer.unchanged:
                    return Fetched(unchanged=True)
                self.check_repeated(answer, fetched)
                fetched.pages.append(answer.path)
                digest.update(page_digest(answer.path))
                url = self.following(url, answer, len(fetched.pages))
                if url is not None:
                    fetcher.check_next(url)
                elif len(fetched.pages) == 1 and wanted.body.method == "GET":
                    fetched.marks = {key: answer.headers[key] for key in CONDITIONS.values() if key in answer.headers}
        if len(fetched.pages) > 1:
            self.notes.append(f"{wanted.address}: {len(fetched.pages)} pages.")
        fetched.digest = digest.hexdigest()
        fetched.unchanged = not wanted.since and fetched.digest == cursor.get("digest")
        return fetched

    def since_url(self, cursor: Cursor) -> httpx.URL:
        if self.wanted.since is None:
            return self.wanted.url
        parameter, _, start = self.wanted.since
        value = cursor.get("since", start)
        return self.wanted.url if value is None else self.wanted.url.copy_set_param(parameter, as_parameter(value))

    def conditions(self, cursor: Cursor) -> dict[str, str]:
        marks = cursor.get("marks") or {}
        return {name: str(marks[key]) for name, key in CONDITIONS.items() if marks.get(key)}

    def check_page(self, number: int, url: str, seen: set[str]) -> None:
        """Raise Invalid where the pages lead in a circle or have no end."""
        if url in seen:
            raise Invalid(f"After {number} pages the next page is one that was read already.",
                          where=self.wanted.address, hint="The API leads in a circle: see `paging`.")  # fmt: skip
        if number >= self.wanted.paging.max_pages:
            raise Invalid(f"There are more than {number} pages.", where=self.wanted.address,
                          hint="Ask for larger pages, or raise `max_pages`.")  # fmt: skip
        seen.add(url)

    def check_repeated(self, answer: Answer, fetched: Fetched) -> None:
        """Raise Invalid for a page that equals the one before: the API takes no notice of the parameter."""
        if fetched.pages and page_digest(answer.path) == page_digest(fetched.pages[-1]) and self.count(answer.path):
            raise Invalid(f"Page {len(fetched.pages) + 1} is the same as the page before.", where=self.wanted.address,
                          hint="Does the API know `page_parameter` under another name?")  # fmt: skip

    def following(self, url: httpx.URL, answer: Answer, number: int) -> httpx.URL | None:
        numbered = self.wanted.paging.kind in ("page", "offset")
        return self.wanted.paging.following(url, answer, number, self.count(answer.path) if numbered else 0)

    def count(self, page: Path) -> int:
        """How many records a page has."""
        if self.wanted.format == "csv":
            return sum(batch.rows.num_rows for batch in self.csv_rows(page, ""))
        return sum(1 for _ in self.page(page).texts())

    # --- reading ---------------------------------------------------------------------------------------------

    def rows(self, fetched: Fetched, newest: Newest) -> Iterator[Batch]:
        """The rows of all pages; a batch without rows where there are none."""
        if self.wanted.format == "csv":
            for number, page in enumerate(fetched.pages, start=1):
                for batch in self.csv_rows(page, self.origin(fetched, number)):
                    newest.see_column(batch.rows)
                    yield batch
            return
        table = RecordTable(self.wanted.columns)
        for page in fetched.pages:
            for part in self.page(page).parts(table):
                table.learn(part.records)
        empty = True
        for number, page in enumerate(fetched.pages, start=1):
            origin = self.origin(fetched, number)
            for part in self.page(page, origin).parts(table):
                newest.see(part.records)
                empty = False
                yield Batch(
                    table.rows(part.records), origin=origin, unit="record",
                    numbers=pa.array(part.numbers, pa.int64()), rejects=tuple(part.rejects),
                )  # fmt: skip
        if empty and not self.wanted.since:
            yield Batch(table.rows([]), origin=self.wanted.address)

    def origin(self, fetched: Fetched, number: int) -> str:
        return self.wanted.address if len(fetched.pages) == 1 else f"{self.wanted.address} page {number}"

    def page(self, path: Path, origin: str = "") -> Page:
        return Page(path, origin or self.wanted.address, self.wanted.format == "jsonl", self.wanted.path)

    def csv_rows(self, page: Path, origin: str) -> Iterator[Batch]:
        if page.stat().st_size:
            yield from self.reader.read(File(page, origin or self.wanted.address), [])


def as_parameter(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime.date) else str(value)
