"""From one page of an HTTP API to the next: by `Link` header, by a field of the answer, by number, offset or cursor."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson

from landbridge.errors import Invalid, InvalidSettings, TooMuch
from landbridge.sources.declaration import Keys
from landbridge.sources.http_fetch import Answer
from landbridge.sources.record_path import step_to

OPTIONS: dict[str, str] = {
    "paging": "how further pages are found: none (default), link (the `Link` header), links (a list `links` with "
    '`rel` "next"), next (an address at `next_path`), cursor (a token at `next_path`), page (a number) or offset',
    "next_path": "where the answer has the next page's address (`next`) or token (`cursor`), such as `meta.next`",
    "page_parameter": "the parameter that asks for a page; default page, offset or cursor",
    "size_parameter": "the parameter that asks for `page_size` records, such as `limit`; default: none is sent",
    "page_size": "records of a full page: a shorter one is the last; needed for offset",
    "first_page": "the first page's number; default 1",
    "max_pages": "pages that one pull may have; default 10000",
}
KINDS = ("none", "link", "links", "next", "cursor", "page", "offset")
MOST = 67_108_864  # bytes of a page whose answer says where the next one is
LINK = re.compile(r"<([^<>]*)>((?:\s*;\s*[\w*-]+\s*=\s*(?:\"[^\"]*\"|[^\s\";,]+))*)")
REL = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^\s\";,]+))", re.IGNORECASE)


@dataclass(frozen=True)
class Paging:
    """How an API is paged."""

    kind: str
    next_path: str
    page_parameter: str
    size_parameter: str
    page_size: int | None
    first_page: int
    max_pages: int
    where: str

    def first(self, url: httpx.URL) -> httpx.URL:
        """The address of the first page."""
        parameters: dict[str, Any] = {}
        if self.size_parameter and self.page_size:
            parameters[self.size_parameter] = self.page_size
        if self.kind == "page":
            parameters[self.page_parameter] = self.first_page
        if self.kind == "offset":
            parameters[self.page_parameter] = 0
        return url.copy_merge_params(parameters) if parameters else url

    def following(self, url: httpx.URL, answer: Answer, number: int, records: int) -> httpx.URL | None:
        """The address of the page after the `number`-th (from 1), which had so many records; None after the last.

        Raises Invalid where the answer does not say it as declared.
        """
        if self.kind == "none":
            return None
        if self.kind in ("page", "offset"):
            if not records or (self.page_size and records < self.page_size):
                return None
            value = self.first_page + number if self.kind == "page" else number * (self.page_size or 0)
            return url.copy_set_param(self.page_parameter, value)
        if self.kind == "cursor":
            token = self.found(answer)
            return None if token in (None, "", False) else url.copy_set_param(self.page_parameter, str(token))
        target = linked(answer.headers) if self.kind == "link" else self.target(answer)
        return None if not target else joined(answer.url, target, self.where)

    def target(self, answer: Answer) -> str | None:
        """The next page's address in the answer itself."""
        if self.kind == "links":
            document = read(answer.path, self.where)
            links = document.get("links") if isinstance(document, Mapping) else None
            for link in links if isinstance(links, list) else ():
                if isinstance(link, Mapping) and link.get("rel") == "next":
                    return str(link.get("href", ""))
            return None
        found = self.found(answer)
        if found in (None, "", False):
            return None
        if not isinstance(found, str):
            raise Invalid(f"At '{self.next_path}' there is no address.", where=self.where, hint="Mend `next_path`.")
        return found

    def found(self, answer: Answer) -> Any:
        """What the answer has at `next_path`; None where the last step is missing, as many APIs end."""
        document = read(answer.path, self.where)
        above, _, last = self.next_path.rpartition(".")
        try:
            here = step_to(document, above, self.where)
        except Invalid:
            return None
        return here.get(last) if isinstance(here, Mapping) else None


def read(path: Path, where: str) -> Any:
    """A page's document; raises Invalid, and TooMuch above 64 MiB."""
    if path.stat().st_size > MOST:
        raise TooMuch(f"A page is larger than {MOST >> 20} MiB.", where=where, hint="Ask for smaller pages.")
    try:
        return orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise Invalid(f"A page is no JSON: {str(error).split(': line')[0]}.", where=where) from None


def linked(headers: httpx.Headers) -> str | None:
    """The target of the `Link` header whose relation is next (RFC 8288)."""
    for target, parameters in LINK.findall(", ".join(headers.get_list("link"))[:65_536]):
        for quoted, plain in REL.findall(parameters):
            if "next" in (quoted or plain).lower().split():
                return str(target)
    return None


def joined(url: httpx.URL, target: str, where: str) -> httpx.URL:
    try:
        found = url.join(target)
    except (httpx.InvalidURL, ValueError):
        found = None
    if found is None or found.scheme not in ("http", "https") or not found.host:
        raise Invalid(f"The next page's address is '{target[:80]}', which is none.", where=where)
    return found


def read_paging(keys: Keys) -> Paging:
    """The declared paging; raises InvalidSettings."""
    kind = keys.choice("paging", KINDS)
    paging = Paging(
        kind,
        keys.text("next_path", ""),
        keys.text("page_parameter", kind),
        keys.text("size_parameter", ""),
        keys.whole("page_size", None, 1, 1_000_000),
        keys.whole("first_page", 1, 0, 1_000_000) or 0,
        keys.whole("max_pages", 10_000, 1, 1_000_000) or 1,
        keys.where,
    )
    if kind in ("next", "cursor") and not paging.next_path:
        raise InvalidSettings(f'paging = "{kind}" needs `next_path`.', where=keys.where)
    if kind == "offset" and not paging.page_size:
        raise InvalidSettings('paging = "offset" needs `page_size`.', where=keys.where)
    return paging
