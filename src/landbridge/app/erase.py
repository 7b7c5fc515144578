"""Erasure wired to a city: how its mappings make keys, the files of its history, and what its pulls have on disk.

Whoever opens a city for work finishes first what an erasure left that was killed.
"""

import contextlib
import fcntl
import logging
import shutil
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from landbridge.app.entrance import OWNER
from landbridge.errors import Failed, LandbridgeError
from landbridge.history.erase import LakeErasure
from landbridge.model.column import RowPlan
from landbridge.model.feed import KEY
from landbridge.pool.certificate import read_certificate
from landbridge.pool.erase import FOLDER, Eraser, Order
from landbridge.pool.erased import read_key
from landbridge.pool.hashed_names import Verdict, inspect
from landbridge.pool.survey import Survey
from landbridge.sources.mapping.rowhash import with_hashes

if TYPE_CHECKING:
    from landbridge.app.city import City

LOG = logging.getLogger("landbridge.erase")
ERASER = replace(OWNER, name="erasure")
PATIENCE = 120.0  # seconds that a pull has to come to its next commit, where it ends by itself
PART = 100_000
PIECE = 1 << 20  # bytes of a file that are looked through together
SHORTEST = 4  # characters of a text that tells something in a file
PLANS = tuple(RowPlan((), observed_at=observed, scope=False, row=False) for observed in (False, True))


def eraser_of(city: "City") -> Eraser:
    """What erases from a city's pool and its history."""
    spool = city.operator.spool or city.settings.store.parent / "spool"
    return Eraser(
        city.pool.store,
        city.claims,
        ERASER,
        LakeErasure(city.lake, city.pool.store),
        row_keys,
        lambda: wait_for_pulls(spool),
    )


def finish_erasures(city: "City") -> None:
    """Finish what was cut off, unless another process is at it; what holds it up is told, and tried again later."""
    try:
        for certificate in eraser_of(city).resume():
            LOG.warning("The erasure %s was cut off, and is finished now.", certificate.name)
    except LandbridgeError as error:
        LOG.error("An erasure was cut off and cannot be finished now. %s", error)


def row_keys(source: str, id_: str, times: Collection[int]) -> Collection[int]:
    """The keys by which rows of an entity are known again, observed at these times or at none (DESIGN 4.11).

    Where a mapping sets datasetIds of its own, the keys have these in them; they go with the source's next whole pull.
    """
    found: set[int] = set()
    moments = sorted(times)
    for plan in PLANS:
        for at in range(0, max(len(moments), 1), PART):
            some = moments[at : at + PART] if plan.observed_at else [0]
            table = pa.table({"id": pa.array([id_] * len(some), pa.string())})
            if plan.observed_at:
                table = table.append_column("observedAt", pa.array(some, pa.timestamp("us", "UTC")))
            found.update(with_hashes(table, plan).column(KEY).to_pylist())
            if not plan.observed_at:
                break
    return found


def wait_for_pulls(spool: Path, patience: float = PATIENCE) -> dict[str, int]:
    """Wait until no pull holds rows on disk that it read before; what a kill left there goes. Raises Failed."""
    held = {path for folder in folders(spool) for path in folder.iterdir() if path.is_dir()}
    count = len(held)
    end = time.monotonic() + patience
    while held:
        for folder in folders(spool):
            with lock_of(folder) as free:
                if free:
                    for path in held & set(folder.iterdir()):
                        shutil.rmtree(path, ignore_errors=True)
        held = {path for path in held if path.exists()}
        if held and time.monotonic() > end:
            raise Failed(
                "A pull that began before is still reading, and has rows on disk.",
                where=str(next(iter(held))),
                hint="Wait until it ends, or end it; then: landbridge erase --resume",
            )
        if held:
            time.sleep(0.1)
    return {"pulls that were waited for": count}


def verdicts(city: "City", *, look: bool = True) -> list[Verdict]:
    """All certificates of the city, by time; `look`: each with what there is of its subject. Raises Damaged."""
    pool = city.settings.store.parent
    key = read_key(pool)
    paths = sorted((pool / FOLDER).glob("*.json")) if key is not None else []
    certificates = [read_certificate(path, key or b"") for path in paths]
    if not look:
        return [Verdict(one) for one in certificates]
    names = LakeErasure(city.lake, city.pool.store).names
    return [inspect(city.pool.store, one, key or b"", names) for one in certificates]


def own_files(city: "City", order: Order, found: Survey) -> list[Path]:
    """The operator's own files in the city's folder that hold the subject: its id, or what its sources call it."""
    texts = {order.subject.entity or "", *order.mentions, *(text for _, _, text in found.cells)}
    needles = [text.encode() for text in texts if len(text) >= SHORTEST]
    pool = city.settings.store.parent
    return [
        path
        for path in sorted(city.settings.folder.rglob("*"))
        if path.is_file() and not path.is_relative_to(pool) and ".git" not in path.parts and holds(path, needles)
    ]


def holds(path: Path, needles: Sequence[bytes]) -> bool:
    """Whether a file holds any of some texts, read a piece at a time."""
    longest = max(map(len, needles), default=0)
    with contextlib.suppress(OSError), path.open("rb") as file:
        before = b""
        while piece := file.read(PIECE):
            if any(needle in before + piece for needle in needles):
                return True
            before = (before + piece)[-longest:] if longest else b""
    return False


def folders(spool: Path) -> list[Path]:
    return [path for path in spool.iterdir() if path.is_dir()] if spool.is_dir() else []


@contextlib.contextmanager
def lock_of(folder: Path) -> Iterator[bool]:
    """Whether nobody pulls the source whose rows wait in this folder; nobody does until this ends."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True
