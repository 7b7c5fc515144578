"""Backups: a consistent copy of a city while it is served, and what all its backups must remember.

A folder of backups has one folder for each, named by its time, and beside them the list of what was erased since, by
hashes, with the key to them: whoever restores an older backup applies it before anything is served. The lake is copied
as it was at one moment, and the store after that, so that no line is missing between the two.
"""

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw
import orjson

from landbridge.errors import Damaged, Failed, Invalid, LandbridgeError, Missing
from landbridge.history.durable import storage_options
from landbridge.history.lake import Lake
from landbridge.model.instant import format_instant
from landbridge.pool.erase import FOLDER as CERTIFICATES
from landbridge.pool.erased import KEY, read_key
from landbridge.settings import Settings, read_settings
from landbridge.store import erased as kept
from landbridge.store.sqlite import SqliteStore, connect, open_store
from landbridge.store.sync import sync
from landbridge.store.transaction import SqliteTransaction

VERSION = 1  # of a backup's layout
TOLD = "backup.json"  # in each backup, written last
ERASED = "erased.json"  # beside the backups
TARGETS = "backups"  # in meta: where backups of this pool lie
CITY, POOL, HISTORY = "city", "pool", "history"  # parts of a backup
PARTIAL = ".partial"
TRIES = 5
PAGES = 4_096  # of the store, copied at a time
PIECE = 1 << 20
SECRETS = (KEY, "console.key")
NOT_COPIED = ("spool", "mappings.json", "erase.lock", "lake.lock")
Tell = Callable[[str], None]


def tell_nobody(what: str) -> None:
    """Stand in where nobody watches."""


@dataclass
class Copied:
    """The files of a backup: their sizes and hashes, by their names in it."""

    root: Path
    files: dict[str, dict[str, Any]] = field(default_factory=dict)

    def take(self, name: str, pieces: Iterator[bytes], *, secret: bool = False) -> None:
        """Write a file, hashed and on the disk."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        size, digest = 0, hashlib.blake2b(digest_size=32)
        mode = 0o600 if secret else 0o644
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            for piece in pieces:
                file.write(piece)
                digest.update(piece)
                size += len(piece)
            file.flush()
            os.fsync(file.fileno())
        self.files[name] = {"size": size, "hash": digest.hexdigest()}

    def note(self, name: str) -> None:
        """Take in a file that is there already."""
        size, digest = measured(self.root / name)
        self.files[name] = {"size": size, "hash": digest}


@dataclass(frozen=True)
class Backup:
    """A backup that was made: its folder, the commit it goes up to, its files and their bytes."""

    folder: Path
    commit: int
    files: int
    size: int


def backup(folder: Path | str, target: Path, tell: Tell = tell_nobody) -> Backup:
    """Copy a city into a folder of backups, while others read and write it.

    Raises Missing where the city has no pool, Invalid for a target within what is copied, Failed, Damaged.
    """
    settings, target = read_settings(folder), target.resolve()
    if not settings.store.exists():
        raise Missing("The city has no pool yet.", where=str(settings.store), hint="Pull its sources first.")
    if target.is_relative_to(settings.store.parent):
        raise Invalid("Backups cannot lie in the pool's own folder.", where=str(target), hint="Give another folder.")
    name = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    if (target / name).exists():
        raise Failed("There is a backup of this second already.", where=str(target / name), hint="Try it again.")
    work = target / f"{name}{PARTIAL}"
    with saying(target):
        make_folder(target)
        shutil.rmtree(work, ignore_errors=True)
        copied = Copied(work)
        told = copy_pool(settings, copied, tell)
        tell("The city's folder")
        copy_city(settings, target, copied)
        told |= {"version": VERSION, "made": format_instant(time.time_ns() // 1000), "files": copied.files}
        write_whole(work / TOLD, orjson.dumps(told, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))
        for path in [work, *(path for path in work.rglob("*") if path.is_dir())]:
            sync(path)
        work.rename(target / name)
        sync(target)
        remember_target(settings, target)
    size = sum(int(one["size"]) for one in copied.files.values())
    return Backup(target / name, told["commit"], len(copied.files), size)


def copy_pool(settings: Settings, copied: Copied, tell: Tell) -> dict[str, Any]:
    """Copy lake and store as they belong together, and the small files beside the store."""
    lake = Lake(settings.history, storage_options(os.environ))
    for attempt in range(TRIES):
        tell("The lake")
        for part in (POOL, HISTORY):
            shutil.rmtree(copied.root / part, ignore_errors=True)
        copied.files.clear()
        snapshots = [(table, table.snapshot()) for type_ in lake.types() if (table := lake.table(type_)) is not None]
        tell("The store")
        counts = copy_store(settings.store, copied)
        fits = all(counts.trimmed.get(table.type, 0) <= found.position for table, found in snapshots)
        known = {table.type for table, _ in snapshots}
        if fits and not any(trimmed for type_, trimmed in counts.trimmed.items() if type_ not in known):
            try:
                copy_lake(lake, [(table.folder, found) for table, found in snapshots], copied)
                break
            except (FileNotFoundError, LandbridgeError):
                if attempt + 1 == TRIES:
                    raise
    else:
        raise Failed("The lake changes all the time, and cannot be copied.", hint="Try it again later.")
    parent = settings.store.parent
    for path in [*(parent / name for name in SECRETS), *sorted((parent / CERTIFICATES).glob("*.json"))]:
        if path.is_file():
            copied.take(f"{POOL}/{path.relative_to(parent)}", pieces(path), secret=path.name in SECRETS)
    positions = {table.type: found.position for table, found in snapshots}
    return {"commit": counts.commit, "schema": counts.schema, "rows": counts.rows, "positions": positions}


@dataclass(frozen=True)
class Counts:
    """What a store holds: rows by table; its last commit; its version; what it has given to the lake alone by type."""

    rows: Mapping[str, int]
    commit: int
    schema: int
    trimmed: Mapping[str, int]


def copy_store(path: Path, copied: Copied) -> Counts:
    """Copy the store as it is at one moment."""
    name = f"{POOL}/pool.db"
    beside = copied.root / name
    beside.parent.mkdir(parents=True, exist_ok=True)
    beside.unlink(missing_ok=True)
    source = connect(str(path), readonly=True)
    try:
        source.execute("BEGIN")
        source.execute("SELECT 1 FROM sqlite_schema LIMIT 1").get  # noqa: B018  (it opens the snapshot)
        into = apsw.Connection(str(beside))
        try:
            with into.backup("main", source, "main") as copying:
                while not copying.done:
                    copying.step(PAGES)
            into.execute("PRAGMA journal_mode=DELETE")
        finally:
            into.close()
    finally:
        source.close()
    with beside.open("rb") as file:
        os.fsync(file.fileno())
    copied.note(name)
    return counted(beside)


def counted(path: Path) -> Counts:
    """Count what a store's file holds."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        tables = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type='table' ORDER BY name")
            if not name.startswith(("sqlite_", "shape_"))
        ]
        rows = {name: int(connection.execute(f'SELECT count(*) FROM "{name}"').get) for name in tables}  # noqa: S608
        schema = int(connection.execute("PRAGMA user_version").get)
        commit = int(connection.execute("SELECT coalesce(max(number), 0) FROM commits").get)
        trimmed = dict(connection.execute("SELECT type, trimmed FROM drained")) if "drained" in rows else {}
        return Counts(rows, commit, schema, trimmed)
    finally:
        connection.close()


def copy_lake(lake: Lake, snapshots: list[tuple[str, Any]], copied: Copied) -> None:
    """Copy the files of tables as they were, with their logs up to then, and those that backfills wait to publish."""
    for folder, snapshot in snapshots:
        names = [f"{folder}/{file.name}" for file in snapshot.files]
        names += [one.name for one in lake.place.found(f"{folder}/_delta_log") if up_to(one.name, snapshot.version)]
        for name in names:
            copied.take(f"{HISTORY}/{name}", of_lake(lake, name))
    connection = connect(str(copied.root / POOL / "pool.db"), readonly=True)
    try:
        rows = connection.execute("SELECT type, files FROM manifest WHERE files IS NOT NULL ORDER BY seq")
        waiting = [(type_, orjson.loads(one)) for type_, files in rows for one in orjson.loads(files)]
    finally:
        connection.close()
    for type_, file in waiting:
        table = lake.table(type_)
        name = f"{HISTORY}/{table.folder}/{file['name']}" if table is not None else ""
        if table is not None and name not in copied.files:
            copied.take(name, of_lake(lake, f"{table.folder}/{file['name']}"))


def up_to(name: str, version: int) -> bool:
    """Whether a file of a table's log tells of a version up to this one."""
    digits = name.rpartition("/")[2].partition(".")[0]
    return digits.isdecimal() and int(digits) <= version


def of_lake(lake: Lake, name: str) -> Iterator[bytes]:
    with lake.place.files.open_input_stream(lake.place.inside(name)) as stream:
        while piece := stream.read(PIECE):
            yield bytes(piece)


def copy_city(settings: Settings, target: Path, copied: Copied) -> None:
    """Copy the city's own files: all of its folder but the pool's, history's and the backups'."""
    apart = [settings.store.parent, Path(settings.history), target]
    if settings.store.parent == settings.folder:
        apart[0] = settings.store
    for path in sorted(settings.folder.rglob("*")):
        if path.is_file() and not any(path.is_relative_to(one) for one in apart):
            if path.parent == settings.store.parent and path.name.startswith(settings.store.name):
                continue
            copied.take(f"{CITY}/{path.relative_to(settings.folder)}", pieces(path))


# -- what backups remember


def remember_target(settings: Settings, target: Path) -> None:
    """Note in the pool where its backups lie, and beside them what was erased."""
    store = open_store(settings.store)
    try:
        with store.reader() as connection:
            known = targets(connection)

        def job(transaction: SqliteTransaction) -> None:
            transaction.put_meta(TARGETS, orjson.dumps(sorted({*known, str(target)})).decode())

        if str(target) not in known:
            store.tend(job)
        write_erased(store, settings.store.parent, target)
    finally:
        store.close()


def targets(connection: apsw.Connection) -> list[str]:
    found = connection.execute("SELECT value FROM meta WHERE name=?", (TARGETS,)).get
    return list(orjson.loads(found)) if found else []


def tell_backups(store: SqliteStore, parent: Path) -> list[str]:
    """Tell all folders of backups what was erased; those that cannot be reached now."""
    unreached = []
    with store.reader() as connection:
        known = targets(connection)
    for target in known:
        try:
            if not Path(target).is_dir():
                raise FileNotFoundError(target)
            write_erased(store, parent, Path(target))
        except (OSError, LandbridgeError):
            unreached.append(target)
    return unreached


def write_erased(store: SqliteStore, parent: Path, target: Path) -> None:
    """Write the list of what was erased beside the backups, with the key that its hashes are made with."""
    key = read_key(parent)
    if key is None:
        return
    with store.reader() as connection:
        entries = kept.entries(connection)
    told = {"version": VERSION, "key": key.hex(), "entries": [as_json(one) for one in entries]}
    write_whole(target / ERASED, orjson.dumps(told, option=orjson.OPT_INDENT_2), secret=True)
    sync(target)


def as_json(entry: kept.Entry) -> dict[str, Any]:
    return {**entry._asdict(), "of": entry.of.hex(), "part": entry.part.hex()}


def read_erased(path: Path) -> tuple[bytes, list[kept.Entry]] | None:
    """The key and the list that lie beside backups; None where nothing was erased. Raises Damaged."""
    try:
        told = orjson.loads(path.read_bytes())
        entries = [
            kept.Entry(**{**one, "of": bytes.fromhex(one["of"]), "part": bytes.fromhex(one["part"])})
            for one in told["entries"]
        ]
        return bytes.fromhex(told["key"]), entries
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Damaged(
            "The list of what was erased cannot be read, so no backup can be restored.", where=str(path),
            hint="Let the city that is served write it again: landbridge backup.",
        ) from error  # fmt: skip


# -- files


def pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


def measured(path: Path) -> tuple[int, str]:
    """A file's size and hash."""
    size, digest = 0, hashlib.blake2b(digest_size=32)
    for piece in pieces(path):
        digest.update(piece)
        size += len(piece)
    return size, digest.hexdigest()


def write_whole(path: Path, text: bytes, *, secret: bool = False) -> None:
    """Write a file so that it is there whole or not at all."""
    beside = path.with_name(f"{path.name}.new")
    mode = 0o600 if secret else 0o644
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def make_folder(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True, mode=0o700)


@contextlib.contextmanager
def saying(where: Path) -> Iterator[None]:
    """Say what the disk of backups has met."""
    try:
        yield
    except OSError as error:
        raise Failed(
            f"The files of a backup cannot be read or written: {error.strerror or error}.",
            where=str(error.filename or where),
            hint="See to the disk and its rights; what was there before stays.",
        ) from error
    except apsw.Error as error:
        raise Damaged(f"The store cannot be copied: {error}.", where=str(where)) from error
