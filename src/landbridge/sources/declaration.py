"""Reads a source's folder: `source.toml` becomes a Declaration, or an error that names file, key and remedy."""

import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from landbridge.errors import Invalid, InvalidSettings, Missing
from landbridge.model.instant import parse_duration
from landbridge.sources.contract import Declaration
from landbridge.sources.expected import read_expected
from landbridge.sources.kind import find_kind, options_of, resembling

FILE = "source.toml"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

#: every key of a source.toml that is not an option of its kind
KEYS: dict[str, str] = {
    "kind": "what the source is: csv, spreadsheet, json, sql, mqtt, ... (needed)",
    "tenant": "the one tenant that the source writes to; default: the city's own",
    "schedule": "when it is pulled: 'every 10m', a cron line, 'once'; default: only when asked",
    "owner": "who answers for the data",
    "licence": "the licence that it comes under",
    "title": "a name for people: a text, or one for each language",
    "words": "the source's own texts in another language, `[words.zh]`: reasons that its mapping rejects with, names "
    "of expectations, its owner",
    "types": "entity types it maps, where the mapping's `type` is no literal",
    "tables": "reference tables: SQL name to file in the folder, or database address",
    "holds": "how long a claim holds, such as 'P2D' or 'PT6H'; default: until the source's next",
    "gone": "'keep' (default) or 'end': what becomes of rows that a whole pull no longer has",
    "gone_share": "share of rows that may go in one pull before the run fails, 0 to 1; default 0.5",
    "reject_share": "share of rows that may be rejected before the run fails, 0 to 1; default 0.5",
    "window": "'batch' (default) or 'all': what a mapping of an incremental source looks over",
    "backfill": "true: what it says of the past goes straight to the files of history, at bulk speed; default false",
    "null_remove": "attributes that a NULL removes; default: a NULL changes nothing",
    "never_store": "source columns that are never kept, not even raw or in rejects",
    "time_zone": "zone of local times, such as 'Asia/Shanghai'; default 'UTC'",
    "ambiguous_time": "'earlier', 'later' or 'reject' (default), for the hour that a clock shows twice",
    "expectations": "a list of what the rows must be like",
    "timeout": "seconds for one mapping query; default 600",
    "memory": "MiB for the mapping's engine; default 256",
}


def read_declaration(folder: Path) -> Declaration:
    """Read `folder/source.toml`; the folder's name is the source's.

    Raises Missing where there is none, InvalidSettings with file and key where it is wrong.
    """
    path = folder / FILE
    where = f"{folder.name}/{FILE}"
    if NAME.fullmatch(folder.name) is None:
        raise InvalidSettings(
            f"'{folder.name}' cannot name a source.", where=where, hint="Use letters, digits, '-', '_' and '.'."
        )
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise Missing(f"The source '{folder.name}' has no {FILE}.", where=where, hint="Write one.") from None
    except UnicodeDecodeError as error:
        raise InvalidSettings("The file is not UTF-8.", where=where, hint="Save it as UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        hint = "Mend that line; a text stands in quotes."
        raise InvalidSettings(f"The file is no TOML: {error}.", where=where, hint=hint) from error
    return declare(folder, flattened(document, where), where)


def flattened(document: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The keys of the file: those of `[source]` and those outside it are one set."""
    keys = {name: value for name, value in document.items() if name != "source"}
    inside = document.get("source", {})
    if not isinstance(inside, dict):
        raise InvalidSettings("`source` is no table.", where=where, hint="Write [source] on a line of its own.")
    for name, value in inside.items():
        if name in keys:
            raise InvalidSettings(f"`{name}` is given twice, inside [source] and outside.", where=where)
        keys[name] = value
    return keys


def declare(folder: Path, keys: Mapping[str, Any], where: str) -> Declaration:
    """Make a Declaration of the file's keys; raises InvalidSettings."""
    read = Keys(keys, where)
    kind = read.text("kind", "")
    if not kind:
        raise InvalidSettings("`kind` is missing.", where=where, hint='Say what the source is, such as kind = "csv".')
    options = {name: value for name, value in keys.items() if name not in KEYS}
    known_options(kind, options, where)
    return Declaration(
        name=folder.name,
        kind=kind,
        folder=folder,
        options=options,
        tenant=read.text("tenant", ""),
        schedule=read.text("schedule", "") or None,
        owner=read.text("owner", ""),
        licence=read.text("licence", ""),
        title=title(keys.get("title", {}), where),
        words=words(keys.get("words", {}), where),
        types=read.texts("types"),
        tables=text_table(keys.get("tables", {}), "tables", where),
        holds=duration(keys.get("holds"), where),
        gone=read.choice("gone", ("keep", "end")),
        gone_share=read.share("gone_share", 0.5),
        reject_share=read.share("reject_share", 0.5),
        window=read.choice("window", ("batch", "all")),
        backfill=read.flag("backfill"),
        null_remove=read.texts("null_remove"),
        never_store=read.texts("never_store"),
        time_zone=zone(read.text("time_zone", "UTC"), where),
        ambiguous_time=read.choice("ambiguous_time", ("reject", "earlier", "later")),
        expectations=expectations(keys.get("expectations", []), where),
        timeout=read.number("timeout", 600.0, 0.1, 86_400.0),
        memory=int(read.number("memory", 256, 16, 1_048_576)),
    )


def known_options(kind: str, options: Mapping[str, Any], where: str) -> None:
    """Refuse an option that the kind does not have; raises InvalidSettings with the nearest name."""
    try:
        known = options_of(find_kind(kind))
    except InvalidSettings as error:
        raise InvalidSettings(error.message, where=where, hint=error.hint) from error
    for name in options:
        if known is not None and name not in known:
            raise InvalidSettings(
                f"`{name}` is no key of a source of kind '{kind}'.",
                where=where,
                hint=resembling(name, [*KEYS, *known]) + f"Keys of the kind: {', '.join(sorted(known))}.",
            )


class Keys:
    """Typed access to the options of a source; every mistake names the file and the key."""

    def __init__(self, keys: Mapping[str, Any], where: str) -> None:
        self.keys = keys
        self.where = where

    def wrong(self, name: str, wanted: str) -> InvalidSettings:
        given = repr(self.keys[name])[:80]
        return InvalidSettings(f"`{name}` is {given}.", where=self.where, hint=f"Give {wanted}.")

    def of(self, name: str, otherwise: Any, fits: Callable[[Any], bool], wanted: str) -> Any:
        value = self.keys.get(name, otherwise)
        if name in self.keys and not fits(value):
            raise self.wrong(name, wanted)
        return value

    def text(self, name: str, otherwise: str) -> str:
        return str(self.of(name, otherwise, lambda value: isinstance(value, str), "a text in quotes"))

    def flag(self, name: str, otherwise: bool = False) -> bool:
        return bool(self.of(name, otherwise, lambda value: isinstance(value, bool), "true or false"))

    def number(self, name: str, otherwise: float, least: float, most: float) -> float:
        def fits(value: Any) -> bool:
            return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most

        return float(self.of(name, otherwise, fits, f"a number from {least:g} to {most:g}"))

    def share(self, name: str, otherwise: float) -> float:
        return self.number(name, otherwise, 0, 1)

    def whole(self, name: str, otherwise: int | None, least: int, most: int) -> int | None:
        def fits(value: Any) -> bool:
            return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most

        found = self.of(name, otherwise, fits, f"a whole number from {least} to {most}")
        return None if found is None else int(found)

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        return str(self.of(name, allowed[0], lambda value: value in allowed, f"one of {', '.join(allowed)}"))

    def texts(self, name: str) -> tuple[str, ...]:
        def fits(value: Any) -> bool:
            return isinstance(value, list) and all(isinstance(one, str) for one in value)

        return tuple(self.of(name, [], fits, 'a list of texts, such as ["a", "b"]'))


def title(value: Any, where: str) -> dict[str, str]:
    """A title by language; a text alone is under ''."""
    return {"": value} if isinstance(value, str) else text_table(value, "title", where)


def words(value: Any, where: str) -> dict[str, dict[str, str]]:
    """Texts by language; raises InvalidSettings."""
    if not isinstance(value, dict):
        raise InvalidSettings("`words` is no table.", where=where, hint='Write [words.zh] and "text" = "translation".')
    return {language: text_table(texts, f"words.{language}", where) for language, texts in value.items()}


def text_table(value: Any, name: str, where: str) -> dict[str, str]:
    """A table of texts; raises InvalidSettings."""
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise InvalidSettings(f"`{name}` is no table of texts.", where=where, hint=f'Write [{name}] and name = "text".')
    return dict(value)


def expectations(value: Any, where: str) -> tuple[Mapping[str, Any], ...]:
    """The declared expectations as they stand, checked; raises InvalidSettings."""
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise InvalidSettings("`expectations` is no list of tables.", where=where, hint="Write [[expectations]].")
    read_expected(value, f"{where} [[expectations]]")
    return tuple(value)


def zone(name: str, where: str) -> str:
    """A known time zone's name; raises InvalidSettings."""
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidSettings(
            f"`time_zone` is '{name}', which is no known zone.", where=where, hint="Write one like 'Asia/Shanghai'."
        ) from None


def duration(value: Any, where: str) -> int | None:
    """An ISO 8601 duration of weeks to seconds as microseconds; raises InvalidSettings."""
    if value is None:
        return None
    try:
        return parse_duration(value if isinstance(value, str) else "")
    except Invalid:
        raise InvalidSettings(
            f"`holds` is {value!r:.40}, which is no duration.", where=where, hint="Write one like 'P2D' or 'PT6H'."
        ) from None
