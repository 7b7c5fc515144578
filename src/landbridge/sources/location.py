"""Where a source's files are: beside its source.toml, anywhere on the machine, or at an http(s) address.

A download goes to a spool on disk within bounds of size and time. What the address or the file system says of a
file's age is kept in the cursor, so that an unchanged file is not read again. An address in source.toml is allowed
by being there; a redirect from it to a loopback or private address is not.
"""

import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path
from typing import Any

import httpx

from landbridge.errors import Invalid, InvalidSettings, Missing, Refused, TooMuch, Unreachable
from landbridge.model.address import is_public
from landbridge.sources.contract import Declaration
from landbridge.sources.declaration import Keys
from landbridge.sources.secret import fill

OPTIONS: dict[str, str] = {
    "location": "a file, a glob such as `data/*.csv` (relative to the source's folder), an http(s) address, or a list",
    "editions": "dated editions of one register: `[[editions]]` with `file` and `date` each, in place of `location`",
    "headers": "headers of a download; `${NAME}` stands for a variable of the environment",
    "max_megabytes": "size that a download may have; default 8192",
    "max_seconds": "time that a download may take; default 600",
    "stall_seconds": "silence after which a download is given up; default 30",
}
MEGABYTE = 1_048_576
HOPS = 5


@dataclass(frozen=True)
class File:
    """One file to read: `name` is for people, `path` is where it lies, perhaps in a spool."""

    path: Path
    name: str


@dataclass(frozen=True)
class Location:
    """Where the files of a source are, and the bounds of a download."""

    folder: Path
    where: str
    places: tuple[str, ...]
    headers: Mapping[str, str] = field(default_factory=dict)
    max_bytes: int = 8192 * MEGABYTE
    max_seconds: float = 600.0
    stall_seconds: float = 30.0

    @contextmanager
    def files(self, seen: Mapping[str, Any] | None) -> Iterator[tuple[list[File], dict[str, Any]]]:
        """Give the files and their marks; no files where all marks are as `seen`.

        Raises Missing, Unreachable, TooMuch or Refused. The spool goes when the context ends.
        """
        with tempfile.TemporaryDirectory(prefix="landbridge-") as spool:
            found: dict[str, list[File] | None] = {}
            marks: dict[str, Any] = {}
            for place in self.places:
                known = (seen or {}).get(place)
                address = is_address(place)
                found[place] = self.download(place, Path(spool), known, marks) if address else self.local(place, marks)
            if seen is not None and marks == dict(seen):
                yield [], marks
                return
            for place, files in found.items():
                if files is None:  # another of several changed: a whole pull needs this one too
                    found[place] = self.download(place, Path(spool), None, marks)
            yield [file for files in found.values() for file in files or ()], marks

    def local(self, place: str, marks: dict[str, Any]) -> list[File]:
        """The files of a path or glob, by name; raises Missing."""
        whole = self.folder / place
        found = sorted(glob(str(whole), recursive=True))  # noqa: PTH207  (Path.glob takes no absolute pattern)
        paths = [whole] if whole.is_file() else [Path(name) for name in found]
        paths = [path for path in paths if path.is_file()]
        if not paths:
            there = sorted(entry.name for entry in self.folder.iterdir()) if self.folder.is_dir() else []
            raise Missing(
                f"No file is at '{place}'.",
                where=self.where,
                hint=f"Correct `location`. The source's folder holds: {', '.join(there[:12])}.",
            )
        for path in paths:
            facts = path.stat()
            marks[str(path.relative_to(self.folder) if path.is_relative_to(self.folder) else path)] = [
                facts.st_size,
                facts.st_mtime_ns,
            ]
        return [File(path, path.name) for path in paths]

    def download(self, address: str, spool: Path, mark: Any, marks: dict[str, Any]) -> list[File] | None:
        """Fetch an address into the spool; None where it says that nothing changed since `mark`."""
        headers = {name: fill(text, where=self.where) for name, text in self.headers.items()}
        if isinstance(mark, dict):
            headers |= {name: mark[key] for name, key in CONDITIONS.items() if mark.get(key)}
        ends = time.monotonic() + self.max_seconds
        path = spool / f"{len(list(spool.iterdir()))}-{Path(httpx.URL(address).path).name or 'download'}"[:120]
        try:
            with httpx.Client(timeout=self.stall_seconds, follow_redirects=False, trust_env=False) as client:
                fresh = self.follow(client, fill(address, where=self.where), headers, path, ends)
        except httpx.TimeoutException as error:
            raise Unreachable(
                f"The address says nothing for {self.stall_seconds:g} s.",
                where=address,
                hint="Try again later, or raise `stall_seconds`.",
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreachable(f"The address cannot be reached: {error}.", where=address) from error
        if fresh is None:
            marks[address] = mark
            return None
        marks[address] = fresh or {"size": path.stat().st_size}
        return [File(path, Path(httpx.URL(address).path).name or address)]

    def follow(
        self, client: httpx.Client, address: str, headers: Mapping[str, str], path: Path, ends: float
    ) -> dict[str, str] | None:
        """Follow redirects to the file and save it; None for `304 Not Modified`, else its marks."""
        url, sent = httpx.URL(address), dict(headers)
        home = (url.scheme, url.host, url.port)
        for _ in range(HOPS):
            declared = (url.scheme, url.host, url.port) == home  # allowed by being declared, wherever it is
            if not declared:
                refuse_private(url, self.where)
            with client.stream("GET", url, headers=sent) as answer:
                if answer.has_redirect_location:
                    target = url.join(answer.headers["location"])
                    if (target.host, target.port, target.scheme) != (url.host, url.port, url.scheme):
                        sent = {}  # a token is for the address it was given for
                    url = target
                    continue
                if not declared:
                    refuse_private_peer(answer, url, self.where)
                if answer.status_code == httpx.codes.NOT_MODIFIED:
                    return None
                self.check_answer(answer, address)
                self.save(answer, path, address, ends)
                return {key: answer.headers[key] for key in CONDITIONS.values() if key in answer.headers}
        raise Unreachable(f"The address redirects more than {HOPS} times.", where=address)

    def check_answer(self, answer: httpx.Response, address: str) -> None:
        """Raise Unreachable or TooMuch for an answer that is no file."""
        if answer.status_code != httpx.codes.OK:
            raise Unreachable(
                f"The address answers {answer.status_code} {answer.reason_phrase}.",
                where=address,
                hint="Check the address and, where it needs one, the token.",
            )
        if "text/html" in answer.headers.get("content-type", ""):
            raise web_page(address)
        declared = answer.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > self.max_bytes:
            raise self.too_large(address)

    def save(self, answer: httpx.Response, path: Path, address: str, ends: float) -> None:
        """Write the body to the spool within the bounds."""
        size = 0
        with path.open("wb") as spool:
            for piece in answer.iter_bytes():  # as they come: a fixed size would wait for a trickle to fill it
                size += len(piece)
                if size > self.max_bytes:
                    raise self.too_large(address)
                if time.monotonic() > ends:
                    raise TooMuch(
                        f"The download takes longer than {self.max_seconds:g} s; {size} bytes came.",
                        where=address,
                        hint="Raise `max_seconds`.",
                    )
                spool.write(piece)
        with path.open("rb") as spool:
            if spool.read(256).lstrip()[:14].lower().startswith((b"<!doctype html", b"<html")):
                raise web_page(address)

    def too_large(self, address: str) -> TooMuch:
        return TooMuch(
            f"The download is larger than {self.max_bytes // MEGABYTE} MB.",
            where=address,
            hint="Raise `max_megabytes` if it should be.",
        )


CONDITIONS = {"If-None-Match": "etag", "If-Modified-Since": "last-modified"}


def is_address(place: str) -> bool:
    """Whether a place is an http(s) address."""
    return place.startswith(("http://", "https://"))


def web_page(address: str) -> Unreachable:
    return Unreachable(
        "The address answers 200 with a web page in place of the file.",
        where=address,
        hint="Open it in a browser: it may ask for a login or say what is wrong.",
    )


def refuse_private(url: httpx.URL, where: str) -> None:
    """Raise Refused where a redirect's target is or resolves to an address that is not public."""
    try:
        port = url.port or {"http": 80, "https": 443}[url.scheme]
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(url.host, port, type=socket.SOCK_STREAM)}
    except (OSError, KeyError) as error:
        raise Unreachable(f"The address redirects to {url}, which cannot be found.", where=where) from error
    for address in found:
        if not is_public(address):
            raise refused(url, where)


def refuse_private_peer(answer: httpx.Response, url: httpx.URL, where: str) -> None:
    """Raise Refused where the machine that answered is not public, whatever its name resolved to before."""
    stream = answer.extensions.get("network_stream")
    peer = stream.get_extra_info("server_addr") if stream is not None else None
    if peer and not is_public(str(peer[0])):
        raise refused(url, where)


def refused(url: httpx.URL, where: str) -> Refused:
    return Refused(
        f"The address redirects to {url.host}, which is loopback or private.",
        where=where,
        hint="If that is right, write that address into `location`.",
    )


def read_location(declaration: Declaration, places: tuple[str, ...] | None = None) -> Location:
    """The location that a source declares, or of `places` with the same bounds; raises InvalidSettings."""
    where = f"{declaration.name}/source.toml"
    read = Keys(declaration.options, where)
    headers = declaration.options.get("headers", {})
    if not isinstance(headers, dict) or not all(isinstance(text, str) for text in headers.values()):
        raise InvalidSettings("`headers` is no table of texts.", where=where)
    return Location(
        declaration.folder,
        where,
        places if places is not None else declared_places(declaration.options.get("location"), where),
        headers,
        int(read.number("max_megabytes", 8192, 0.001, 1_048_576) * MEGABYTE),
        read.number("max_seconds", 600.0, 0.01, 86_400),
        read.number("stall_seconds", 30.0, 0.01, 3_600),
    )


def declared_places(value: Any, where: str) -> tuple[str, ...]:
    """The option `location` as texts; raises InvalidSettings."""
    places = [value] if isinstance(value, str) else value
    if not isinstance(places, list) or not places or not all(isinstance(one, str) and one for one in places):
        raise InvalidSettings(
            "`location` is missing or no text.", where=where, hint='Write the file, such as location = "stations.csv".'
        )
    for place in places:
        scheme = place.partition("://")
        if scheme[1] and not is_address(place):
            raise Invalid(f"`location` begins with '{scheme[0]}://'.", where=where, hint="Use a path, http or https.")
    return tuple(places)
