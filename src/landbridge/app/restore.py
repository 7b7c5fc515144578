"""Restoring a city from a backup: checked file by file, forgotten what was erased since, and there whole or not at all.

Everything goes to a folder beside the city's first, and what was copied there right is not copied again; so a restore
that is cut off goes on where it was. The last step gives the folder its name.
"""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import orjson

from landbridge.app.backup import (
    CITY,
    ERASED,
    HISTORY,
    PARTIAL,
    POOL,
    TOLD,
    VERSION,
    counted,
    measured,
    pieces,
    read_erased,
    remember_target,
    saying,
    tell_nobody,
    write_whole,
)
from landbridge.app.city import open_city
from landbridge.app.erase import eraser_of
from landbridge.errors import Damaged, Exists, Failed, InvalidSettings, Missing
from landbridge.history.erase import LakeErasure
from landbridge.pool.erase import Order
from landbridge.pool.erased import KEY, read_key
from landbridge.pool.hashed_names import subjects
from landbridge.settings import FILE, Settings, read_settings
from landbridge.store import erased as kept
from landbridge.store.schema import MIGRATIONS
from landbridge.store.sqlite import connect
from landbridge.store.sync import sync
from landbridge.store.transaction import SqliteTransaction

OLD = ".before-restore-"


@dataclass(frozen=True)
class Restored:
    """What was restored: from which backup, up to which commit, how many erasures were applied; where the old is."""

    backup: Path
    commit: int
    erased: int
    before: Path | None = None


def restore(
    target: Path, folder: Path, *, replace: bool = False, tell: Callable[[str], None] = tell_nobody
) -> Restored:
    """Restore a city from the newest backup in a folder of backups, or from the one that is named.

    `replace`: put what is in `folder` aside. Raises Missing, Exists, Damaged for a backup that is not whole.
    """
    target, folder = target.resolve(), folder.resolve()
    chosen = choose(target)
    told = read_told(chosen)
    there = folder.is_dir() and any(folder.iterdir())
    if there and not replace:
        raise Exists("The folder is not empty.", where=str(folder), hint="Give another one, or say --replace.")
    with saying(target):
        if there:
            refuse_served(folder)
        work = folder.parent / f".{folder.name}.restoring"
        begin(work, chosen)
        tell("Copying")
        settings = copy_city(work, chosen, told)
        copy_rest(work, chosen, told, settings)
        tell("Checking")
        check(settings, told)
        tell("Forgetting what was erased since")
        count = forget(work, settings, [chosen.parent / ERASED], folder if there else None)
        remember_target(settings, chosen.parent)
        (work / MARK).unlink()
        before = put_in_place(work, folder, there)
    return Restored(chosen, int(told["commit"]), count, before)


MARK = ".restoring.json"


def choose(target: Path) -> Path:
    """The backup that is meant: the newest of a folder of backups, or the one named."""
    if (target / TOLD).is_file():
        return target
    found = sorted(path.parent for path in target.glob(f"*/{TOLD}") if not path.parent.name.endswith(PARTIAL))
    if not found:
        raise Missing("There is no backup here.", where=str(target), hint="Give the folder that `backup` was told.")
    return found[-1]


def read_told(chosen: Path) -> Mapping[str, Any]:
    try:
        told: Mapping[str, Any] = orjson.loads((chosen / TOLD).read_bytes())
        version, schema = int(told["version"]), int(told["schema"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Damaged("The backup's list of files cannot be read.", where=str(chosen / TOLD)) from error
    if version > VERSION or schema > len(MIGRATIONS):
        raise Damaged(
            "The backup was made by a newer Landbridge.",
            where=str(chosen),
            hint="Install that version, or a later one.",
        )
    return told


def begin(work: Path, chosen: Path) -> None:
    """Make the folder for what is on its way; what another backup left there goes."""
    mark = work / MARK
    mine = orjson.dumps({"backup": str(chosen)})
    if work.exists() and (not mark.is_file() or mark.read_bytes() != mine):
        shutil.rmtree(work)
    work.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_whole(mark, mine)


def copy_city(work: Path, chosen: Path, told: Mapping[str, Any]) -> Settings:
    """Copy the city's own files; its settings as they are there."""
    for name in sorted(told["files"]):
        if name.startswith(f"{CITY}/"):
            copy(chosen, name, told, work / name.removeprefix(f"{CITY}/"))
    if not (work / FILE).is_file():
        raise Damaged("The backup has no city.", where=str(chosen))
    settings = read_settings(work)
    for place, what in ((settings.store, "store"), (Path(settings.history), "history.location")):
        if "://" in settings.history or not place.is_relative_to(work):
            raise InvalidSettings(
                f"`{what}` is a place outside of the city's folder, which a restore does not write to.",
                where=f"{chosen / CITY / FILE}",
                hint=f"Set it to a place within in a copy of the backup's {FILE}, restore, and move it then.",
            )
    return settings


def copy_rest(work: Path, chosen: Path, told: Mapping[str, Any], settings: Settings) -> None:
    """Copy the pool and its history to where the city has them."""
    for name in sorted(told["files"]):
        part, _, rest = name.partition("/")
        if part == POOL:
            place = settings.store if rest == "pool.db" else settings.store.parent / rest
            copy(chosen, name, told, place)
        elif part == HISTORY:
            copy(chosen, name, told, Path(settings.history) / rest)
    for ending in ("-wal", "-shm", "-journal"):  # of a restore that was cut off
        settings.store.with_name(f"{settings.store.name}{ending}").unlink(missing_ok=True)


def copy(chosen: Path, name: str, told: Mapping[str, Any], into: Path) -> None:
    """Copy a file, unless it is there right; raises Damaged where the backup's is not what it was."""
    wanted = (int(told["files"][name]["size"]), str(told["files"][name]["hash"]))
    if into.is_file() and measured(into) == wanted:
        return
    source = chosen / name
    if not source.is_file():
        raise Damaged("A file of the backup is missing.", where=str(source), hint="Take another backup.")
    into.parent.mkdir(parents=True, exist_ok=True)
    beside = into.with_name(f"{into.name}.copying")
    with beside.open("wb") as file:
        for piece in pieces(source):
            file.write(piece)
    if measured(beside) != wanted:
        beside.unlink()
        raise Damaged("A file of the backup is not what it was.", where=str(source), hint="Take another backup.")
    beside.chmod(source.stat().st_mode & 0o777)
    sync(beside)
    beside.replace(into)


def check(settings: Settings, told: Mapping[str, Any]) -> None:
    """See that the store is whole and holds what it held. Raises Damaged."""
    connection = connect(str(settings.store))
    try:
        state = connection.execute("PRAGMA quick_check(1)").get
    except apsw.Error as error:
        state = str(error)
    finally:
        connection.close()
    found = counted(settings.store) if state == "ok" else None
    if found is None or dict(found.rows) != dict(told["rows"]) or found.commit != told["commit"]:
        raise Damaged("The backup's store does not hold what it held.", where=str(settings.store), hint="Take another.")


def forget(work: Path, settings: Settings, lists: list[Path], old: Path | None) -> int:
    """Apply what was erased since the backup was made; how many erasures that were."""
    key, entries = erased_since(settings, lists, old)
    if key is None or not entries:
        return 0
    write_whole(settings.store.parent / KEY, key, secret=True)
    with open_city(work, tell_pool=False) as city:
        store = city.pool.store

        def job(transaction: SqliteTransaction) -> None:
            kept.add(transaction, entries)
            kept.grow(transaction)

        eraser = eraser_of(city)
        eraser.resume(wait=True)
        names = LakeErasure(city.lake, store).names
        done = set()
        for subject, certificate in subjects(store, entries, key, names):
            eraser.erase(Order(subject, f"Restored from a backup of before {certificate}.", "restore"))
            done.add(certificate)
        store.tend(job)
        return len(done)


def erased_since(settings: Settings, lists: list[Path], old: Path | None) -> tuple[bytes | None, list[kept.Entry]]:
    """The key and the entries of all lists: those beside the backups, the backup's own, the replaced pool's."""
    keys: set[bytes] = set()
    entries: dict[kept.Entry, None] = {}
    for key, some in found_lists(settings, lists, old):
        if key is not None:
            keys.add(key)
        entries |= dict.fromkeys(some)
    if len(keys) > 1:
        raise Damaged(
            "The backup and what is there belong to different pools: their keys of erasures differ.",
            where=str(lists[0].parent),
            hint="Restore it into another folder.",
        )
    return (keys.pop() if keys else None), list(entries)


def found_lists(
    settings: Settings, lists: list[Path], old: Path | None
) -> Iterator[tuple[bytes | None, list[kept.Entry]]]:
    for path in lists:
        found = read_erased(path)
        if found is not None:
            yield found
    yield read_key(settings.store.parent), []
    if old is not None and (old / FILE).is_file():
        before = read_settings(old)
        if before.store.exists():
            connection = connect(str(before.store), readonly=True)
            try:
                yield read_key(before.store.parent), kept.entries(connection)
            except apsw.Error as error:
                raise Damaged(
                    f"What was erased cannot be read from the pool that is there: {error}.",
                    where=str(before.store),
                    hint="Restore into another folder; the list beside the backups is applied in any case.",
                ) from error
            finally:
                connection.close()


def refuse_served(folder: Path) -> None:
    """Refuse to replace a city that somebody has open. Raises Failed."""
    if not (folder / FILE).is_file():
        return
    store = read_settings(folder).store
    if not store.exists():
        return
    connection = connect(str(store))
    try:
        connection.set_busy_timeout(1_000)
        connection.execute(
            "PRAGMA journal_mode=DELETE"
        )  # only who is alone may; the next to open it returns to its log
    except (apsw.BusyError, apsw.LockedError):
        raise Failed("The city is open in another process.", where=str(folder), hint="End `serve` first.") from None
    except apsw.Error:
        return  # it is damaged, which is why it is replaced
    finally:
        connection.close()


def put_in_place(work: Path, folder: Path, there: bool) -> Path | None:
    """Give the restored folder its name; where the old one is now."""
    for path in [*(path for path in work.rglob("*") if path.is_dir()), work]:
        sync(path)
    before = None
    if there:
        before = folder.with_name(f"{folder.name}{OLD}{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
        folder.rename(before)
    elif folder.is_dir():
        folder.rmdir()
    work.rename(folder)
    sync(folder.parent)
    return before
