"""What a city and its operator set: `landbridge.toml` in the city's folder, and variables of the environment.

Read once, at the start, into frozen values that `app` passes on. The city's file goes with the folder under version
control; the environment holds what differs between machines. Every mistake names the file, the key and the remedy.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from landbridge.errors import InvalidSettings, Missing

FILE = "landbridge.toml"
RULES = ("priority", "newest", "highest", "lowest", "median")
ADDRESS = re.compile(r"https?://[^/\s<>?#\"@]+(/[^\s<>?#\"]*)?\Z")
STORAGE = re.compile(r"s3://[a-z0-9][a-z0-9.-]+(/[^\s?#\"@]*)?\Z")
LOG_LEVELS = ("debug", "info", "warning", "error")

#: every key of landbridge.toml: its default as people read it, and what it means
CITY_KEYS: dict[str, tuple[str, str]] = {
    "name": ("the folder's name", "the city's name: a text, or one for each language"),
    "languages": ('["en"]', "the languages of the city's people, the first one first"),
    "time_zone": ('"UTC"', "the zone in which people read times, such as 'Asia/Shanghai'"),
    "tenant": ('""', "the tenant that the console shows and that sources write to by default"),
    "contexts": ("[]", "the city's own JSON-LD @contexts: files in the folder"),
    "store": ('".landbridge/pool.db"', "the file of the pool, relative to the folder"),
    "history.location": (
        "`history` beside the pool's file",
        "where history lies: a folder, relative to the city's, or an address such as s3://bucket/folder",
    ),
    "history.recent_days": ("30", "how many days of history the pool's own file keeps besides, for quick series"),
    "history.recent_megabytes": ("1000", "how many megabytes of it at most; what is older is in `location` alone"),
    "district": ('""', "a GeoJSON file of the district's outline: `check` warns about points outside"),
    "access.public": ("false", "whether the public may read without a token"),
    "access.hosts": ("[]", "Host names under which the city is served, beside those of this machine"),
    "claims.TYPE": ("none", "the rule for all attributes of a type that two or more sources map"),
    "claims.TYPE.ATTRIBUTE": ("none", "the rule for one such attribute"),
    "claims.TYPE.rule": ('"priority"', "how the default is chosen: priority, newest, highest, lowest or median"),
    "claims.TYPE.order": ("[]", "the sources by rank, for `priority` and to break ties"),
    "claims.TYPE.tolerance": ("0", "a difference, in the value's unit, that is no disagreement"),
    "claims.TYPE.tolerance_time": ('"PT0S"', "a shift in time within which sources agree, such as 'P1D'"),
    "retention.TYPE": ("none", "how long history keeps values of a type's attributes that have no rule of their own"),
    "retention.TYPE.ATTRIBUTE": ("none", "how long it keeps those of one attribute"),
    "retention.TYPE.keep": ("for ever", "how long values stay as they are, such as 'P90D'"),
    "retention.TYPE.means": (
        "none",
        "what is older becomes means of such a length: PT1M, PT5M, PT10M, PT15M, PT30M, PT1H, PT6H or P1D",
    ),
    "retention.TYPE.keep_means": ("for ever", "how long the means stay, such as 'P5Y'"),
}

#: every variable of the environment: its default, and what it means
VARIABLES: dict[str, tuple[str, str]] = {
    "LANDBRIDGE_HOST": ("127.0.0.1", "the address that `serve` listens on"),
    "LANDBRIDGE_PORT": ("8000", "the port that `serve` listens on; 0 takes a free one"),
    "LANDBRIDGE_ADDRESS": (
        "where it listens",
        "how others reach this service, such as https://city.example; contexts that are kept here are named by it",
    ),
    "LANDBRIDGE_LOG_LEVEL": ("info", "how much is logged: debug, info, warning or error"),
    "LANDBRIDGE_PULLS": ("2", "how many sources are pulled at one time"),
    "LANDBRIDGE_RETRIES": ("4", "how often a pull is tried again where something outside does not answer"),
    "LANDBRIDGE_RETRY_SECONDS": ("1", "the pause before the first of these; each further one is twice as long"),
    "LANDBRIDGE_SPOOL": ("the system's folder for temporary files", "the folder where pulls wait before they are kept"),
    "LANDBRIDGE_MAX_BODY_MEGABYTES": ("32", "the size that a request to the API or the push door may have"),
    "LANDBRIDGE_HISTORY_PAGE": (
        "1000",
        "the instances of each attribute that one answer of the temporal API has; more come page by page",
    ),
    "LANDBRIDGE_ALLOW_EGRESS": (
        "nothing",
        "networks and host names that calls to clients' addresses may reach although they are not public, with commas",
    ),
    "LANDBRIDGE_CA_FILE": (
        "none",
        "a PEM file of authorities whose certificates are trusted in such calls beside the public ones (https, mqtts)",
    ),
    "LANDBRIDGE_CONTEXTS_MAP": ("none", "a JSON file from @context address to file: these are read, not fetched"),
}

SETTINGS: dict[str, tuple[str, str]] = CITY_KEYS | VARIABLES


@dataclass(frozen=True)
class Rule:
    """A claims rule as it is written. `attribute` "*" stands for all of the type; `tolerance_time` is a duration."""

    type: str
    attribute: str
    rule: str = "priority"
    order: tuple[str, ...] = ()
    tolerance: float = 0.0
    tolerance_time: str = "PT0S"


@dataclass(frozen=True)
class Retain:
    """A rule of retention as it is written. `attribute` "*" stands for all of the type; lengths of time are texts."""

    type: str
    attribute: str
    keep: str
    means: str = ""
    keep_means: str = ""


@dataclass(frozen=True)
class Settings:
    """A city as its `landbridge.toml` tells it. Paths are absolute."""

    folder: Path
    name: Mapping[str, str]
    languages: tuple[str, ...] = ("en",)
    time_zone: str = "UTC"
    tenant: str = ""
    contexts: tuple[Path, ...] = ()
    store: Path = field(default=Path())
    history: str = ""
    recent_days: float = 30.0
    recent_megabytes: int = 1_000
    district: Path | None = None
    public: bool = False
    hosts: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    retention: tuple[Retain, ...] = ()

    @property
    def sources(self) -> Path:
        """The folder of the sources' folders."""
        return self.folder / "sources"


@dataclass(frozen=True)
class Operator:
    """What the machine's operator sets, by the environment."""

    host: str = "127.0.0.1"
    port: int = 8000
    address: str = ""
    listening: str = ""  # where it is found if nobody says otherwise; known once the port is open
    log_level: str = "info"
    pulls: int = 2
    retries: int = 4
    retry_seconds: float = 1.0
    spool: Path | None = None
    max_body_megabytes: int = 32
    history_page: int = 1000
    allow_egress: tuple[str, ...] = ()
    contexts_map: Path | None = None
    ca_file: Path | None = None


def read_settings(folder: Path | str) -> Settings:
    """Read `landbridge.toml` of a city's folder.

    Raises Missing where the folder or the file is not there, InvalidSettings with file and key where it is wrong.
    """
    folder = Path(folder).resolve()
    path = folder / FILE
    if not folder.is_dir():
        raise Missing(f"There is no folder '{folder}'.", hint="Give the folder of a city, or make one: landbridge init")
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise Missing(
            f"The folder '{folder.name}' is no city: it has no {FILE}.",
            where=str(folder),
            hint="Make one with `landbridge init`, or give another folder.",
        ) from None
    except UnicodeDecodeError:
        raise InvalidSettings("The file is not UTF-8.", where=FILE, hint="Save it as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise InvalidSettings(f"The file is no TOML: {error}.", where=FILE, hint="Mend that line.") from None
    except OSError as error:
        raise InvalidSettings(f"The file cannot be read: {error.strerror}.", where=str(path)) from None
    return settle(folder, document)


def settle(folder: Path, document: Mapping[str, Any]) -> Settings:
    """The settings of a parsed file; raises InvalidSettings."""
    top = {key.partition(".")[0] for key in CITY_KEYS}
    known_keys(document, top, "")
    keys = Keys(document, "")
    access = keys.table("access")
    known_keys(access, {"public", "hosts"}, "access.")
    inside = Keys(access, "access.")
    history = keys.table("history")
    known_keys(history, {"location", "recent_days", "recent_megabytes"}, "history.")
    past = Keys(history, "history.")
    store = (folder / keys.text("store", ".landbridge/pool.db")).resolve()
    district = keys.text("district", "")
    return Settings(
        folder=folder,
        name=names(document.get("name", folder.name)),
        languages=keys.texts("languages", ("en",)),
        time_zone=zone(keys.text("time_zone", "UTC")),
        tenant=keys.text("tenant", ""),
        contexts=tuple(present(folder, name, "contexts") for name in keys.texts("contexts")),
        store=store,
        history=location(folder, past.text("location", str(store.parent / "history"))),
        recent_days=past.amount("recent_days", 30.0),
        recent_megabytes=int(past.amount("recent_megabytes", 1_000.0)),
        district=present(folder, district, "district") if district else None,
        public=inside.flag("public"),
        hosts=inside.texts("hosts"),
        rules=read_rules(keys.table("claims")),
        retention=read_retention(keys.table("retention")),
    )


class Keys:
    """Typed access to the keys of one table; every mistake names the file and the key."""

    def __init__(self, table: Mapping[str, Any], prefix: str) -> None:
        self.held = table
        self.prefix = prefix

    def of(self, name: str, otherwise: Any, fits: Callable[[Any], bool], wanted: str) -> Any:
        value = self.held.get(name, otherwise)
        if name in self.held and not fits(value):
            raise InvalidSettings(f"`{self.prefix}{name}` is {value!r:.80}.", where=FILE, hint=f"Give {wanted}.")
        return value

    def text(self, name: str, otherwise: str) -> str:
        return str(self.of(name, otherwise, lambda value: isinstance(value, str), "a text in quotes"))

    def flag(self, name: str) -> bool:
        return bool(self.of(name, False, lambda value: isinstance(value, bool), "true or false"))

    def texts(self, name: str, otherwise: tuple[str, ...] = ()) -> tuple[str, ...]:
        def fits(value: Any) -> bool:
            return isinstance(value, list) and all(isinstance(one, str) and one for one in value)

        return tuple(self.of(name, otherwise, fits, 'a list of texts, such as ["a", "b"]'))

    def amount(self, name: str, otherwise: float = 0.0) -> float:
        def fits(value: Any) -> bool:
            return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")

        return float(self.of(name, otherwise, fits, "a number from 0 up"))

    def table(self, name: str) -> dict[str, Any]:
        wanted = f"a table: write [{self.prefix}{name}] on a line of its own"
        return dict(self.of(name, {}, lambda value: isinstance(value, dict), wanted))


def known_keys(table: Mapping[str, Any], known: set[str], prefix: str) -> None:
    """Refuse a key that is not known, naming the nearest; raises InvalidSettings."""
    for name in table:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
            guess = f"Did you mean `{prefix}{near[0]}`? " if near else ""
            raise InvalidSettings(
                f"`{prefix}{name}` is no key of a city.", where=FILE, hint=f"{guess}Keys: {', '.join(sorted(known))}."
            )


def names(value: Any) -> dict[str, str]:
    """The city's name by language; a text alone is under ''. Raises InvalidSettings."""
    if isinstance(value, str) and value.strip():
        return {"": value}
    if isinstance(value, dict) and value and all(isinstance(one, str) and one.strip() for one in value.values()):
        return dict(value)
    raise InvalidSettings(
        f"`name` is {value!r:.80}.", where=FILE, hint='Give a text, or {en = "Binhai New Area", zh = "滨海新区"}.'
    )


def zone(name: str) -> str:
    """A known time zone's name; raises InvalidSettings."""
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidSettings(
            f"`time_zone` is '{name}', which is no known zone.", where=FILE, hint="Write one like 'Asia/Shanghai'."
        ) from None


def location(folder: Path, text: str) -> str:
    """Where history lies: a folder's absolute path, or an address of object storage. Raises InvalidSettings."""
    if "://" not in text:
        return str((folder / text).resolve())
    if not STORAGE.match(text):
        raise InvalidSettings(
            f"`history.location` is '{text}'.", where=FILE,
            hint="Give a folder, or an address like s3://bucket/folder; credentials are variables of the environment.",
        )  # fmt: skip
    return text.rstrip("/")


def present(folder: Path, name: str, key: str) -> Path:
    """A file that must be there; raises InvalidSettings."""
    path = (folder / name).resolve()
    if not path.is_file():
        raise InvalidSettings(f"`{key}` names '{name}', which is no file here.", where=FILE, hint="Correct the name.")
    return path


def read_retention(tables: Mapping[str, Any]) -> tuple[Retain, ...]:
    """The rules of retention: `[retention.TYPE]` for a whole type, `[retention.TYPE.ATTRIBUTE]` for one attribute."""
    rules: list[Retain] = []
    for type_ in tables:
        table = Keys(tables, "retention.").table(type_)
        members = {name: value for name, value in table.items() if not isinstance(value, dict)}
        if members:
            rules.append(read_retain(members, type_, "*", f"retention.{type_}."))
        for attribute, inner in table.items():
            if isinstance(inner, dict):
                rules.append(read_retain(inner, type_, attribute, f"retention.{type_}.{attribute}."))
    return tuple(rules)


def read_retain(members: Mapping[str, Any], type_: str, attribute: str, prefix: str) -> Retain:
    """One rule; raises InvalidSettings."""
    known_keys(members, {"keep", "means", "keep_means"}, prefix)
    keys = Keys(members, prefix)
    keep, means, keep_means = (keys.text(name, "") for name in ("keep", "means", "keep_means"))
    if not keep:
        raise InvalidSettings(
            f"`{prefix}keep` is missing.", where=FILE, hint="Say how long values stay as they are, such as 'P90D'."
        )
    if keep_means and not means:
        raise InvalidSettings(
            f"`{prefix}keep_means` has no `means`.", where=FILE, hint="Say of which length they are, such as 'PT1H'."
        )
    return Retain(type_, attribute, keep, means, keep_means)


def read_rules(tables: Mapping[str, Any]) -> tuple[Rule, ...]:
    """The claims rules: `[claims.TYPE]` for a whole type, `[claims.TYPE.ATTRIBUTE]` for one attribute."""
    rules: list[Rule] = []
    for type_ in tables:
        table = Keys(tables, "claims.").table(type_)
        members = {name: value for name, value in table.items() if not isinstance(value, dict)}
        if members:
            rules.append(read_rule(members, type_, "*", f"claims.{type_}."))
        for attribute, inner in table.items():
            if isinstance(inner, dict):
                rules.append(read_rule(inner, type_, attribute, f"claims.{type_}.{attribute}."))
    return tuple(rules)


def read_rule(members: Mapping[str, Any], type_: str, attribute: str, prefix: str) -> Rule:
    """One rule; raises InvalidSettings."""
    known_keys(members, {"rule", "order", "tolerance", "tolerance_time"}, prefix)
    keys = Keys(members, prefix)
    rule = keys.of("rule", "priority", lambda value: value in RULES, f"one of {', '.join(RULES)}")
    order = keys.texts("order")
    if rule == "priority" and not order:
        raise InvalidSettings(
            f"`{prefix}rule` is 'priority' and there is no `order`.",
            where=FILE,
            hint="List the sources, the one that counts most first.",
        )
    return Rule(type_, attribute, rule, order, keys.amount("tolerance"), keys.text("tolerance_time", "PT0S"))


def read_operator(environment: Mapping[str, str] | None = None) -> Operator:
    """Read the operator's variables (default: of this process); raises InvalidSettings that names the variable."""
    given = os.environ if environment is None else environment
    for name in given:
        if name.startswith("LANDBRIDGE_") and name not in VARIABLES and name not in OTHERS:
            near = difflib.get_close_matches(name, VARIABLES, n=1, cutoff=0.75)
            if near:
                raise InvalidSettings(f"The variable {name} is not known.", hint=f"Did you mean {near[0]}?")
    spool = given.get("LANDBRIDGE_SPOOL")
    if spool and not Path(spool).is_dir():
        raise InvalidSettings(f"LANDBRIDGE_SPOOL is '{spool}', which is no folder.", hint="Make it, or leave it out.")
    level = given.get("LANDBRIDGE_LOG_LEVEL", "info").lower()
    if level not in LOG_LEVELS:
        raise InvalidSettings(f"LANDBRIDGE_LOG_LEVEL is '{level}'.", hint=f"Give one of {', '.join(LOG_LEVELS)}.")
    address = given.get("LANDBRIDGE_ADDRESS", "").rstrip("/")
    if address and not ADDRESS.match(address):
        raise InvalidSettings(f"LANDBRIDGE_ADDRESS is '{address}'.", hint="Give one like https://city.example.")
    return Operator(
        address=address,
        host=given.get("LANDBRIDGE_HOST", "127.0.0.1"),
        port=int(number(given, "LANDBRIDGE_PORT", 0, 65535, whole=True)),
        log_level=level,
        pulls=int(number(given, "LANDBRIDGE_PULLS", 1, 64, whole=True)),
        retries=int(number(given, "LANDBRIDGE_RETRIES", 0, 100, whole=True)),
        retry_seconds=number(given, "LANDBRIDGE_RETRY_SECONDS", 0, 3600),
        spool=Path(spool) if spool else None,
        max_body_megabytes=int(number(given, "LANDBRIDGE_MAX_BODY_MEGABYTES", 1, 1_048_576, whole=True)),
        history_page=int(number(given, "LANDBRIDGE_HISTORY_PAGE", 1, 100_000, whole=True)),
        allow_egress=tuple(filter(None, map(str.strip, given.get("LANDBRIDGE_ALLOW_EGRESS", "").split(",")))),
        ca_file=Path(given["LANDBRIDGE_CA_FILE"]) if given.get("LANDBRIDGE_CA_FILE") else None,
        contexts_map=Path(given["LANDBRIDGE_CONTEXTS_MAP"]) if given.get("LANDBRIDGE_CONTEXTS_MAP") else None,
    )


#: variables that are no settings of the product: its tests read them
OTHERS = frozenset({"LANDBRIDGE_REQUIRE_ALL"})


def number(given: Mapping[str, str], name: str, least: float, most: float, *, whole: bool = False) -> float:
    """A variable as a number; raises InvalidSettings."""
    text = given.get(name, VARIABLES[name][0])
    try:
        value = int(text) if whole else float(text)
    except ValueError:
        value = -1.0
    if not least <= value <= most:
        kind = "a whole number" if whole else "a number"
        raise InvalidSettings(f"{name} is '{text}'.", hint=f"Give {kind} from {least:g} to {most:g}.")
    return value
