"""A city opened for work: its settings, sources and mappings from the folder, and its pool.

What the command line, the library and the worker hold. It loads the heavy engines; the serving process does without
(see `entrance`). A source whose folder is wrong is set aside with its error, so that the others go on.
"""

import contextlib
import difflib
import fcntl
import json
import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa

from landbridge.app.claims import claims_of
from landbridge.app.entrance import LOOP, contexts_of, open_pool
from landbridge.app.erase import finish_erasures
from landbridge.errors import Failed, LandbridgeError, Missing
from landbridge.governance.policy import Actor
from landbridge.history.durable import storage_options
from landbridge.history.lake import Lake
from landbridge.history.read import Reader
from landbridge.history.said import points
from landbridge.model.answer import RunRecord
from landbridge.model.claim import Claims
from landbridge.model.terms import Contexts
from landbridge.pool.declare import declare
from landbridge.pool.pool import Pool
from landbridge.settings import Operator, Settings, read_operator, read_settings
from landbridge.sources import run
from landbridge.sources.contract import Declaration
from landbridge.sources.declaration import FILE, read_declaration
from landbridge.sources.gather import Tell, tell_nobody
from landbridge.sources.mapping.mapper import MappingFile, mapping_paths, read_mappings
from landbridge.store import manifest
from landbridge.store.transaction import SqliteTransaction


@dataclass
class City:
    """An opened city. Use it as a context manager.

    `declarations` and `mappings` by source name, in the order of names; `wrong` holds the errors of sources whose
    folder cannot be used.
    """

    settings: Settings
    operator: Operator
    contexts: Contexts
    pool: Pool
    declarations: dict[str, Declaration]
    mappings: dict[str, tuple[MappingFile, ...]]
    claims: Claims
    wrong: dict[str, LandbridgeError] = field(default_factory=dict)

    def declaration(self, name: str) -> Declaration:
        """The source of this name; raises Missing, or the error of its folder."""
        if name in self.wrong:
            raise self.wrong[name]
        if name not in self.declarations:
            near = difflib.get_close_matches(name, self.declarations, n=1, cutoff=0.6)
            guess = f"Did you mean '{near[0]}'? " if near else ""
            raise Missing(
                f"There is no source '{name}'.", hint=f"{guess}Sources: {', '.join(self.declarations) or 'none'}."
            )
        return self.declarations[name]

    @cached_property
    def lake(self) -> Lake:
        """Where the city's history lies."""
        return Lake(self.settings.history, storage_options(os.environ))

    def terms(self, **more: Any) -> run.Terms:
        """What this city adds to every pull."""
        operator = self.operator
        return run.Terms(
            expand=self.contexts.own.expand,
            mark=hash_of(json.dumps(list(self.contexts.known.values()), sort_keys=True, default=str)),
            retries=operator.retries,
            retry_seconds=operator.retry_seconds,
            history=self.lake,
            **more,
        )

    def pull(
        self,
        name: str,
        *,
        actor: Actor = LOOP,
        tell: Tell = tell_nobody,
        stop: threading.Event | None = None,
        again: bool = False,
        **more: Any,
    ) -> RunRecord:
        """Pull one source and say how it went; what goes wrong is in the record.

        `tell` is called with a `gather.Progress` as it goes on; `again`: map everything, changed or not.
        Raises Missing for an unknown source, Failed where another process pulls it just now.
        """
        declaration = self.declaration(name)
        with self.alone(name) as spool:
            terms = self.terms(spool=spool, again=again, **more)
            return run.pull(self.pool, actor, declaration, terms, tell=tell, stop=stop)

    def replay(self, source: str, reason: str, *, actor: Actor = LOOP) -> str:
        """Map the rejected rows of one reason again, and say in a sentence what became of them."""
        declaration = self.declaration(source)
        with self.alone(source) as spool:
            return run.replay(self.pool, actor, declaration, reason, self.terms(spool=spool))

    @contextlib.contextmanager
    def alone(self, name: str) -> Iterator[Path]:
        """Be the only one that works at a source; gives its folder for what waits, without what a kill left there."""
        folder = (self.operator.spool or self.settings.store.parent / "spool") / name
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise Failed(
                    f"'{name}' is being pulled by another process.", hint="Wait until it has ended, or end it."
                ) from None
            for left in folder.iterdir():
                if left.is_dir():
                    shutil.rmtree(left, ignore_errors=True)
            yield folder

    def close(self) -> None:
        """Close the pool."""
        self.pool.close()

    def __enter__(self) -> "City":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_city(folder: Path | str, *, tell_pool: bool = True, operator: Operator | None = None) -> City:
    """Open a city's folder for work.

    `tell_pool`: tell it which sources there are and which attribute each feeds; what is stored is converted
    where that changed, as a recorded change. Raises Missing, InvalidSettings or Damaged; what is wrong with a single
    source is in `wrong` instead.
    """
    # Arrow's own pool keeps what it once had; the system's gives it back, which is 25 MB less at the height of a pull.
    pa.set_memory_pool(pa.system_memory_pool())
    settings, operator = read_settings(folder), operator or read_operator()
    contexts = contexts_of(settings)
    declarations, wrong = read_sources(settings)
    mappings = read_all_mappings(settings, declarations, wrong)
    pool = open_pool(settings)
    try:
        claims = claims_of(settings, list(declarations.values()), mappings, contexts.own.expand, set(wrong))
        city = City(settings, operator, contexts, pool, declarations, mappings, claims, wrong)
        pool.earlier = partial(points, pool.store, city.lake)
        pool.history = Reader(pool.store, city.lake)
        if tell_pool:
            finish_erasures(city)
            take_back_backfills(city)
            declare_sources(city)
    except BaseException:
        pool.close()
        raise
    return city


def take_back_backfills(city: City) -> None:
    """Take away what killed backfills left, also of sources that nobody pulls now: else history would not be tended."""
    store = city.pool.store
    with store.reader() as connection:
        names = manifest.sources_under_way(connection)
    for name in names:
        with contextlib.suppress(Failed), city.alone(name):  # who pulls it just now is not disturbed
            store.tend(partial(take_back, name))


def take_back(name: str, transaction: SqliteTransaction) -> None:
    manifest.take_back(transaction, name)


def read_sources(settings: Settings) -> tuple[dict[str, Declaration], dict[str, LandbridgeError]]:
    """Every folder of sources/ with a source.toml: its declaration, or what is wrong with it."""
    declarations: dict[str, Declaration] = {}
    wrong: dict[str, LandbridgeError] = {}
    for folder in sorted(settings.sources.iterdir()) if settings.sources.is_dir() else ():
        if not (folder / FILE).is_file():
            continue
        try:
            declared = read_declaration(folder)
        except LandbridgeError as error:
            wrong[folder.name] = error
        else:
            declarations[folder.name] = replace(declared, tenant=declared.tenant or settings.tenant)
    return declarations, wrong


def read_all_mappings(
    settings: Settings, declarations: dict[str, Declaration], wrong: dict[str, LandbridgeError]
) -> dict[str, tuple[MappingFile, ...]]:
    """What each mapping makes; a text that was read before is not read again. Moves what is wrong to `wrong`."""
    cache = settings.store.parent / "mappings.json"
    known, found = read_cache(cache), {}
    kept: dict[str, Any] = {}
    for name, declaration in list(declarations.items()):
        try:
            mark = mapping_mark(declaration)
            if name in known and known[name].get("mark") == mark:
                found[name] = tuple(MappingFile(**tuples(file)) for file in known[name]["files"])
            else:
                found[name] = read_mappings(declaration)
        except LandbridgeError as error:
            wrong[name] = error
            del declarations[name]
            continue
        kept[name] = {"mark": mark, "files": [vars(file) for file in found[name]]}
    if kept != known:
        write_cache(cache, kept)
    return found


def mapping_mark(declaration: Declaration) -> str:
    """What the reading of a mapping depends on."""
    texts = [path.read_text("utf-8-sig", "replace") for path in mapping_paths(declaration.folder)]
    return hash_of(json.dumps([texts, sorted(declaration.tables), declaration.types, repr(declaration.expectations)]))


def tuples(file: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in file.items()}


def read_cache(path: Path) -> dict[str, Any]:
    """What an earlier start found out; nothing where that cannot be read."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_cache(path: Path, content: Mapping[str, Any]) -> None:
    """Keep it for the next start; doing without costs only time."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".new")
        beside.write_text(json.dumps(content), "utf-8")
        beside.replace(path)


def hash_of(text: str) -> str:
    return blake2b(text.encode(), digest_size=16).hexdigest()


def declare_sources(city: City) -> None:
    """Tell the pool which sources there are, and which attribute each feeds."""
    declared = {name: declared_of(city, declaration) for name, declaration in city.declarations.items()}
    city.claims = declare(city.pool.store, LOOP, city.claims, declared, frozenset(city.wrong), city.lake)


def declared_of(city: City, declaration: Declaration) -> dict[str, Any]:
    """What the pool keeps of a source's declaration, for whoever asks about it."""
    files = city.mappings.get(declaration.name, ())
    expand = city.contexts.own.expand
    return {
        "kind": declaration.kind,
        "tenant": declaration.tenant,
        "title": dict(declaration.title),
        "words": {language: dict(texts) for language, texts in declaration.words.items()},
        "owner": declaration.owner,
        "licence": declaration.licence,
        "schedule": declaration.schedule or after_text(declaration),
        "types": sorted({expand(type_) for file in files for type_ in file.types}),
        "attributes": sorted({expand(name) for file in files for name in file.attributes}),
    }


def after_text(declaration: Declaration) -> str | None:
    """When a derived source is pulled, in words."""
    after = declaration.options.get("after")
    return "after " + ", ".join(after) if isinstance(after, list) and after else None
